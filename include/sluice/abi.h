/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ABI that the BPF programs, sluicectl, sluiced and the tests share: names, limits and the
 * exact layout of every value in a pinned map. Only <linux/types.h> types, named zero padding,
 * sizes asserted. Nothing here is hidden behind an #ifdef. A change of layout or meaning raises
 * SLUICE_ABI, which lies in the meta map and is checked before a pinned map is reused. What follows
 * from the values is in <sluice/flow_rules.h> and <sluice/tally.h>, what the programs count in
 * <sluice/reasons.h>.
 *
 * Conventions: addresses and ports named __be* are in network order. Everything else is in host
 * order. Times are the low 32 bits of the kernel's jiffies64 (struct sluice_meta has the rate);
 * ages are unsigned differences, so they are right across a wrap. Index 0 means "unset" in every
 * index-valued field.
 */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include <linux/types.h>

/* A test makes programs of another ABI by -DSLUICE_ABI: that number alone may differ. */
#ifndef SLUICE_ABI
#define SLUICE_ABI 5
#endif
#define SLUICE_MAGIC 0x534c5543u /* "SLUC" */

#define SLUICE_MAX_SERVICES 64	 /* services have the indexes 1..64 */
#define SLUICE_MAX_BACKENDS 4095 /* backends have the slots 1..4095 */
#define SLUICE_SET_RING 4	 /* versions of a set that exist side by side */
/* entries in a set's table: with fewer, source's balance or its disruption suffers (test_set_table) */
#define SLUICE_SET_TABLE 16384
/* leastconn looks at all of a table of so many entries, and draws a sample of a longer one */
#define SLUICE_LEASTCONN_EXACT 16
#define SLUICE_NAME_LEN 32   /* a service's name, with its 0 */
#define SLUICE_TASK_LEN 256  /* a Mesos task id is at most 255 characters */
#define SLUICE_REASON_LEN 96 /* why a backend is in its state, with its 0 */
#define SLUICE_APP_LEN \
	128 /* framework's name of the app (a Marathon path), with its 0; cut if longer */
#define SLUICE_MAX_IFINDEX 8 /* interfaces one instance is attached to */
#define SLUICE_MAX_ADDRESS 4 /* IPv4 addresses a service can be confined to */

/* --- what attach leaves for everybody to read: map sluice_meta, one entry --- */

enum sluice_mode {
	SLUICE_MODE_UNSET,
	SLUICE_MODE_NATIVE,  /* XDP in the driver, and tc */
	SLUICE_MODE_GENERIC, /* XDP in the stack, and tc */
	SLUICE_MODE_TC,	     /* tc alone */
};

/*
 * How long a flow lasts without a packet, by its state, in jiffies. Settings of attach: the programs
 * have them as constants, everybody else reads them in the meta map.
 */
struct sluice_timeouts {
	__u32 half_open; /* from the pick: longer takes no handshake */
	__u32 idle;	 /* established */
	__u32 closing;	 /* a FIN was seen */
	__u32 closed;	 /* over: stragglers still go the way of the connection */
	__u32 reset;	 /* a client's RST that the backend did not answer closes the flow */
	/* how many periods of a struct sluice_tally there are for half_open and for idle */
	__u32 half_open_periods;
	__u32 idle_periods;
	__u32 pad;
};
_Static_assert(sizeof(struct sluice_timeouts) == 32, "ABI");

struct sluice_meta {
	__u32 magic;
	__u32 abi;
	__u32 hz;	/* jiffies per second */
	__u32 mode;	/* enum sluice_mode */
	__u16 port_min; /* host-ports a packet may be sent to, both ends included, host order */
	__u16 port_max;
	__u32 ifindex_count; /* how many of ifindex[] are valid */
	__u32 ifindex[SLUICE_MAX_IFINDEX];
	__u64 attached_at_ns; /* CLOCK_BOOTTIME of the last attach */
	/*
	 * what is attached: the kernel's 8-byte program tags of sluice_xdp, sluice_tc_in,
	 * sluice_tc_out
	 */
	__u8 program_hash[32];
	/*
	 * One moment on both clocks: jiffies follow CLOCK_MONOTONIC, but only a BPF program can
	 * read them. All others compute them from here.
	 */
	__u64 clock_jiffies;
	__u64 clock_ktime_ns; /* CLOCK_MONOTONIC */
	/* the cgroup whose processes' own connects are balanced (its inode); 0: nobody's are */
	__u64 cgroup;
	struct sluice_timeouts timeouts;
};
_Static_assert(sizeof(struct sluice_meta) == 152, "ABI");

/*
 * --- services: maps sluice_ports (by port) and sluice_services (by index). Written by attach, as
 * root ---
 */

struct sluice_port {
	__u16 service; /* index of the service on this port; 0: not a service port */
	__u16 pad[3];
};
_Static_assert(sizeof(struct sluice_port) == 8, "ABI");

#define SLUICE_SERVICE_RESTRICTED \
	0x1 /* only networks in sluice_allow4, sluice_allow6 may connect */
/* `detach --wait`: new connections pass to the host, whatever the set says; flows live on */
#define SLUICE_SERVICE_LEAVING 0x2

struct sluice_service {
	char name[SLUICE_NAME_LEN]; /* empty: index not in use */
	__be16 port;
	__u16 flags;	     /* SLUICE_SERVICE_* */
	__u32 address_count; /* 0: every address of this host */
	__be32 address[SLUICE_MAX_ADDRESS];
	__u32 rate;	   /* new connections a second from one source network; 0: no limit */
	__u8 rate_prefix4; /* length of what counts as one source network */
	__u8 rate_prefix6;
	__u8 pad[2];
};
_Static_assert(sizeof(struct sluice_service) == 64, "ABI");

/*
 * Who may connect, by longest prefix: maps sluice_allow4 and sluice_allow6; the value is 1. The
 * service comes first in the prefix, so prefix_len is that of the network plus 32.
 */
struct sluice_allow_key4 {
	__u32 prefix_len;
	__u32 service;
	__be32 network;
};

struct sluice_allow_key6 {
	__u32 prefix_len;
	__u32 service;
	__be32 network[4];
};
_Static_assert(sizeof(struct sluice_allow_key6) == 24, "ABI");

/*
 * How many connections a source network may still open; map sluice_rates, an LRU. A bucket holds
 * one second's worth.
 */
struct sluice_rate_key {
	__u32 service;
	__be32 network[4]; /* IPv4 in the first word */
};

struct sluice_rate {
	__u32 filled; /* jiffies */
	__u32 tokens; /* in units of 1/hz connections */
};
_Static_assert(sizeof(struct sluice_rate_key) == 20 && sizeof(struct sluice_rate) == 8, "ABI");

/* --- sets: who gets a service's new connections. Written by the daemon --- */

enum sluice_balance {
	SLUICE_BALANCE_UNSET,
	SLUICE_BALANCE_ROUNDROBIN, /* table: a schedule in which each slot stands in proportion to its weight */
	SLUICE_BALANCE_LEASTCONN, /* table: each slot once */
	SLUICE_BALANCE_RANDOM,	  /* table: each slot once */
	SLUICE_BALANCE_SOURCE,	  /* table: Maglev's, indexed by a hash of the client's address */
};

enum sluice_on_empty {
	SLUICE_EMPTY_RESET,
	SLUICE_EMPTY_PASS,
	SLUICE_EMPTY_DROP,
};

enum sluice_on_full {
	SLUICE_FULL_DROP,
	SLUICE_FULL_RESET,
};

/*
 * One version of a service's set; map sluice_sets holds at index service * SLUICE_SET_RING +
 * version % SLUICE_SET_RING the version that map sluice_active names for the service. To publish
 * version V: store 0 in the slot's version, fill the rest, store V in the slot's version, then V in
 * sluice_active, each step visible before the next. A reader takes V from sluice_active, and what
 * it read from the slot counts only if the slot's version was V before and after. Version 0 in
 * sluice_active: the service is unsynced, it never had a set.
 */
struct sluice_set {
	__u64 version;
	__u32 len;     /* entries of table that are in use; 0: nobody is usable */
	__u32 maxconn; /* connections a backend may have; 0: no limit */
	__u8 balance;  /* enum sluice_balance */
	__u8 on_empty; /* enum sluice_on_empty */
	__u8 on_full;  /* enum sluice_on_full */
	__u8 pad[5];
	__u16 table[SLUICE_SET_TABLE]; /* slots of backends */
	/*
	 * Each slot of table once, for whom the algorithm's own way round table is too long: with
	 * 1,000 backends of weight 256 to 1, or all but one at maxconn.
	 */
	__u32 members; /* how many of member are in use */
	__u16 member[SLUICE_MAX_BACKENDS + 1];
	__u32 pad2;
};
_Static_assert(sizeof(struct sluice_set) ==
		       32 + 2 * SLUICE_SET_TABLE + 2 * (SLUICE_MAX_BACKENDS + 1),
	       "ABI");

/* Where a service's round robin stands; map sluice_cursor, by service. Written by the BPF programs. */
struct sluice_cursor {
	__u32 cursor;
	__u32 pad[15]; /* one cache line a service */
};
_Static_assert(sizeof(struct sluice_cursor) == 64, "ABI");

struct sluice_active {
	__u64 version;
	__u64 published_ns; /* CLOCK_BOOTTIME */
	__u8 pad[48];	    /* one cache line a service */
};
_Static_assert(sizeof(struct sluice_active) == 64, "ABI");

/*
 * --- backends: map sluice_backends, by slot. Identity is service + task + port index = slot +
 * generation ---
 */

enum sluice_backend_state {
	SLUICE_BACKEND_FREE,	 /* slot not in use */
	SLUICE_BACKEND_WAITING,	 /* known, never yet usable */
	SLUICE_BACKEND_UP,	 /* gets new connections */
	SLUICE_BACKEND_DOWN,	 /* gets none; its flows live on */
	SLUICE_BACKEND_DRAINING, /* gets none; its flows live on, and it will go */
	SLUICE_BACKEND_GONE, /* its task is gone; kept until its flows have ended or drain_timeout is over */
};

/* What is thought of a backend that refused a connection, or was silent, and has not answered since. */
enum sluice_suspect {
	SLUICE_SUSPECT_NONE,
	SLUICE_SUSPECT_FRESH, /* skipped in picks for SLUICE_SUSPECT_MS */
	SLUICE_SUSPECT_STALE, /* may be tried again, but by no SYN that another has just refused */
};

/* A count whose mistakes end by themselves; <sluice/tally.h> is the one who knows its way. */
#define SLUICE_TALLY_PARTS 4

struct sluice_tally {
	__s32 part[SLUICE_TALLY_PARTS]; /* by period, modulo their number */
	__u32 period;			/* the newest that anything was counted in */
};
_Static_assert(sizeof(struct sluice_tally) == 20, "ABI");

/*
 * First line: written by the daemon. Second line: written by the BPF programs (the daemon only adds
 * corrections to the counts, atomically, through its memory mapping).
 *
 * A flow belongs to slot and generation. Retiring a backend is storing another generation (0 while
 * the slot is free): from then on its flows are nobody's. Generations of a slot never repeat until
 * they wrap. Order of writes: generation to 0, all other fields, generation to its value; a reader
 * copies the generation first and looks again when it has the rest.
 */
struct sluice_backend {
	__u32 generation; /* 0: free */
	__be16 port;	  /* host-port */
	__u16 service;
	__u8 state; /* enum sluice_backend_state */
	__u8 pad0[3];
	__u32 weight;	      /* 0..256, HAProxy's scale; 0 gets no new connections */
	__u64 created_ns;     /* CLOCK_BOOTTIME */
	__u64 state_since_ns; /* CLOCK_BOOTTIME */
	__u32 last_generation; /* highest generation this slot ever had; survives the slot's being freed */
	__u8 pad1[28];

	/* flows that live, by the last packet, roughly; exact counts come from a scan */
	struct sluice_tally active;
	struct sluice_tally half_open; /* the others, by the pick, roughly */
	__s32 local; /* connections of this host's own, until the socket is closed; active without these */
	__u32 suspect_since; /* jiffies; valid with SLUICE_SUSPECT_FRESH */
	__u32 suspect;	     /* enum sluice_suspect */
	__u32 answered;	     /* jiffies of the last SYN-ACK, a quarter of a second coarse */
	__u8 pad2[8];
};
_Static_assert(sizeof(struct sluice_backend) == 128, "ABI");

/*
 * Maps sluice_bstats, by slot, and sluice_sstats, by service, per CPU. Written by the BPF programs.
 */
struct sluice_stats {
	__u64 connections; /* handshakes done */
	__u64 picks;	   /* SYNs that were given a backend */
	__u64 packets_in;
	__u64 bytes_in; /* IP total length, as in the interface's own counters less the link header */
	__u64 packets_out;
	__u64 bytes_out;
};
_Static_assert(sizeof(struct sluice_stats) == 48, "ABI");

/*
 * What people want to know of a backend; map sluice_labels, by slot. Written by the daemon, read by
 * nobody on the packet's way. Counts only for the generation it names.
 */
struct sluice_label {
	__u32 generation;
	__u32 port_index;
	char task[SLUICE_TASK_LEN];
	char app[SLUICE_APP_LEN];
	char reason[SLUICE_REASON_LEN];
	char source[16]; /* which source decided: marathon, consul, kernel, operator, guard, event */
	/*
	 * the slot's counters, all CPUs, when the generation began: what people see is the
	 * difference
	 */
	struct sluice_stats base;
};
_Static_assert(sizeof(struct sluice_label) == 552, "ABI");

/*
 * Who owns a host-port on the way out; map sluice_hports, by port in host order. Written by the
 * daemon.
 */
struct sluice_hport {
	__be16 service_port; /* port the clients know; 0: no backend's port */
	__u16 slot;	     /* newest backend on it */
	__u32 pad;
} __attribute__((aligned(8))); /* it is stored in one piece */
_Static_assert(sizeof(struct sluice_hport) == 8, "ABI");

/*
 * The operator's word on one backend; map sluice_override. Written by sluicectl, honoured by the
 * daemon, and by sluicectl itself while the daemon is down. Ends with the generation.
 */
struct sluice_override_key {
	__u32 slot;
	__u32 generation;
};

struct sluice_override {
	__u32 drain;	  /* 1: drain it */
	__u32 has_weight; /* 1: weight is valid */
	__u32 weight;	  /* 0..256 */
	/*
	 * enum sluice_backend_state when the drain began: what undrain goes back to while no daemon
	 * knows better; 0: not known
	 */
	__u32 before;
	__u64 since_ns; /* CLOCK_BOOTTIME */
};
_Static_assert(sizeof(struct sluice_override) == 24, "ABI");

/*
 * --- changes: map sluice_changes, a ring. What the maps' writer did to backends, for people; it
 * outlives the daemon ---
 */

#define SLUICE_CHANGES 1024 /* entries of the ring; the one being written does not count */

/*
 * Number N lies at index N % SLUICE_CHANGES. Order of writes: number to 0, all other fields, number
 * to its value; a reader takes the number first and looks again when it has the rest.
 */
struct sluice_change {
	__u64 number;  /* 1 and upward; 0: empty, or being written */
	__u64 boot_ns; /* CLOCK_BOOTTIME: ages and order come from here */
	__u64 wall_ns; /* CLOCK_REALTIME as it was believed then: for reading logs beside it */
	__u32 slot;
	__u32 generation;
	__u16 port; /* host-port, host order */
	__u8 from;  /* enum sluice_backend_state; FREE: it was not there, or is no longer */
	__u8 to;
	__u32 pad;
	char service[SLUICE_NAME_LEN];
	char task[SLUICE_TASK_LEN];
	char reason[SLUICE_REASON_LEN];
	char source[16];
};
_Static_assert(sizeof(struct sluice_change) == 440, "ABI");

/*
 * --- flows: maps sluice_half4, sluice_half6 (handshake not done) and sluice_est4, sluice_est6
 * (done). Written by the BPF programs ---
 */

struct sluice_flow_key4 {
	__be32 client;
	__be32 local;
	__be16 client_port;
	__be16 service_port;
};
_Static_assert(sizeof(struct sluice_flow_key4) == 12, "ABI");

struct sluice_flow_key6 {
	__be32 client[4];
	__be32 local[4];
	__be16 client_port;
	__be16 service_port;
};
_Static_assert(sizeof(struct sluice_flow_key6) == 36, "ABI");

struct sluice_addr6 {
	__be32 word[4];
};
_Static_assert(sizeof(struct sluice_addr6) == 16, "ABI");

/* Marks that only the way in sets ... */
#define SLUICE_IN_FIN 0x01	 /* the client sent a FIN; client_fin is valid */
#define SLUICE_IN_FIN_ACKED 0x02 /* the client acknowledged the backend's FIN */
#define SLUICE_IN_NEW_SYN 0x04	 /* a SYN with another ISN passed; next_isn is valid */
/*
 * ... and marks that only the way out sets: two CPUs may write at once, so each has its own byte.
 */
#define SLUICE_OUT_SYNACK 0x01	  /* a SYN-ACK has left; the server_isn fields are valid */
#define SLUICE_OUT_FIN 0x02	  /* the backend sent a FIN; server_fin is valid */
#define SLUICE_OUT_FIN_ACKED 0x04 /* the backend acknowledged the client's FIN */
#define SLUICE_OUT_RST 0x08	  /* the backend's kernel sent a reset, and nothing since */

/* One cache line. Sequence numbers are in host order. */
struct sluice_flow {
	__u32 generation;
	__u16 slot;
	__be16 port; /* the backend's host-port */
	__u16 service;
	__u8 in_marks;
	__u8 out_marks;
	__u32 cookie; /* from the key: tells an element that an LRU has given to another flow meanwhile */
	__u32 client_isn;
	__u32 next_isn;	   /* another SYN of the client's; the older one, if both were answered */
	__u32 client_next; /* after the last byte that the client sent, as far as it is plausible */
	__u32 server_isn;
	__u32 server_isn_before; /* of the SYN-ACK before: SYN cookies change with the minute */
	union {
		__u32 server_next; /* half-open, SYN-ACK sent: after the last byte that the backend sent */
		/*
		 * done: the last acknowledgement that the backend sent; half-open without a SYN-ACK:
		 * that of the connection before on the same ports, 0 if there was none
		 */
		__u32 server_ack;
	};
	__u32 client_fin;  /* sequence number after the client's FIN */
	__u32 server_fin;  /* after the backend's */
	__u32 picked;	   /* jiffies at the pick */
	__u32 touched;	   /* jiffies at the last packet, a quarter of a second coarse */
	__u32 client_rst;  /* jiffies | 1 at the client's RST; 0: none that still counts */
	__u16 syn_payload; /* bytes of data on the SYN (TCP Fast Open) */
	__u8 done;	   /* 1: the handshake was done */
	__u8 pad;
};
_Static_assert(sizeof(struct sluice_flow) == 64, "ABI");

/*
 * What the half-open tables hold: half-open flows, with what is needed of the SYN to send it again
 * to another backend, and flows that are over and wait to be forgotten. The established tables hold
 * only the first member, of connections that live: nothing else can push those out.
 */
#define SLUICE_TCP_OPTIONS 40

struct sluice_half {
	struct sluice_flow flow;
	__be32 options[SLUICE_TCP_OPTIONS / 4]; /* padded with zeros */
	__be16 window;
	__u8 options_len;  /* a multiple of four */
	__u8 tcp_flags;	   /* SYN; ECE and CWR with ECN (RFC 3168 section 6.1.1); 0: not kept */
	__u8 tos;	   /* IPv4's TOS, IPv6's traffic class */
	__u8 ttl;	   /* or hop limit */
	__u8 redispatched; /* how often */
	__u8 pad;
};
_Static_assert(sizeof(struct sluice_half) == 112, "ABI");

/*
 * A connection that a process of this host, or of a container on it, made to a service port; map
 * sluice_local, by socket cookie. From connect(2) until the socket is closed, whatever becomes of the
 * connection. Its packets never carry the service's port, so it stands in no flow table.
 */
struct sluice_local {
	__u64 netns; /* cookie of the client's network namespace */
	__u32 generation;
	__u16 slot;
	__u16 service;
	__be16 port;	     /* the backend's host-port */
	__be16 service_port; /* the one that the client asked for */
	__u8 ip_version;     /* of the addresses: 4 or 6; 4 also for an IPv4-mapped one */
	__u8 origin;	     /* enum sluice_origin */
	__be16 client_port;  /* 0: not known when it connected */
	__u32 connected;     /* jiffies */
	__u32 pad;
	__be32 client[4]; /* IPv4 in the first word, as in local; all 0: not known */
	__be32 local[4];  /* what it connected to */
};
_Static_assert(sizeof(struct sluice_local) == 64, "ABI");

/*
 * Map sluice_peers, one entry, written by attach: no connection in sluice_local has a port outside
 * of these, whatever range of ports was in force when it began. Host order, both ends included; 0s:
 * nobody knows, it may be any.
 */
struct sluice_peers {
	__u16 port_min;
	__u16 port_max;
};
_Static_assert(sizeof(struct sluice_peers) == 4, "ABI");

/* Where a client is. */
enum sluice_origin {
	SLUICE_ORIGIN_NETWORK,	 /* its packets came by an interface */
	SLUICE_ORIGIN_HOST,	 /* in the network namespace that attach ran in */
	SLUICE_ORIGIN_CONTAINER, /* in another one of this machine */
};

/*
 * --- events: map sluice_events, a ring buffer. Written by the BPF programs, read by one `sluicectl
 * monitor` at a time, as root ---
 */

/* Events of one reason that a CPU sends in a second; more are only counted. */
#define SLUICE_EVENTS_PER_SECOND 10
#define SLUICE_EVENTS_BYTES (256 * 1024) /* of the ring: a power of two, a multiple of a page */

/*
 * What a person may want to see of one packet. from: the backend that had the connection, to: the
 * one that has it now; each with slot 0 if there is none.
 */
struct sluice_event {
	__u64 time_ns;	  /* CLOCK_MONOTONIC */
	__u32 reason;	  /* enum sluice_reason */
	__u32 suppressed; /* of this reason and CPU since the last one that was sent: too many */
	__u32 lost;	  /* the same: there was no room in the ring */
	__u16 family;	  /* 4 or 6 */
	__be16 client_port;
	__be32 client[4]; /* IPv4 in the first word */
	__be32 local[4];
	__be16 service_port;
	__u16 from_slot;
	__be16 from_port; /* host-ports of the backends */
	__u16 to_slot;
	__be16 to_port;
	__u16 pad[3];
};
_Static_assert(sizeof(struct sluice_event) == 72, "ABI");

/* --- names of the pinned maps, below pin_dir --- */

#define SLUICE_MAP_META "sluice_meta"
#define SLUICE_MAP_PORTS "sluice_ports"
#define SLUICE_MAP_SERVICES "sluice_services"
#define SLUICE_MAP_ACTIVE "sluice_active"
#define SLUICE_MAP_SETS "sluice_sets"
#define SLUICE_MAP_BACKENDS "sluice_backends"
#define SLUICE_MAP_LABELS "sluice_labels"
#define SLUICE_MAP_HPORTS "sluice_hports"
#define SLUICE_MAP_OVERRIDE "sluice_override"
#define SLUICE_MAP_CHANGES "sluice_changes"
#define SLUICE_MAP_ADDRS4 "sluice_addrs4"
#define SLUICE_MAP_ADDRS6 "sluice_addrs6"
#define SLUICE_MAP_ALLOW4 "sluice_allow4"
#define SLUICE_MAP_ALLOW6 "sluice_allow6"
#define SLUICE_MAP_HALF4 "sluice_half4"
#define SLUICE_MAP_HALF6 "sluice_half6"
#define SLUICE_MAP_EST6 "sluice_est6"
#define SLUICE_MAP_EST4 "sluice_est4"
#define SLUICE_MAP_LOCAL "sluice_local"
#define SLUICE_MAP_BSTATS "sluice_bstats"
#define SLUICE_MAP_SSTATS "sluice_sstats"
#define SLUICE_MAP_REASONS "sluice_reasons"

/* --- the same in pin_dir/root, which is for root alone --- */

#define SLUICE_MAP_EVENTS "sluice_events"
#define SLUICE_MAP_RATES "sluice_rates"
#define SLUICE_MAP_CURSOR "sluice_cursor"
#define SLUICE_MAP_WRITER "sluice_writer" /* without a pin the kernel would empty it */
#define SLUICE_MAP_PEERS "sluice_peers"

#endif
