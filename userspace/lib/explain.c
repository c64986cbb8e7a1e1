/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading, copying, asking. The packets are as plain as a packet can be: no options, no data, and no checksums, which the
 * way in neither checks nor believes.
 */
#include "explain.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "maps.h"
#include "sluice.skel.h"

enum { ETH_LEN = 14, IP4_LEN = 20, IP6_LEN = 40, TCP_LEN = 20, FRAME_LEN = 128 };
enum { FLAG_SYN = 0x02, FLAG_ACK = 0x10 };

struct explain {
	const struct maps *live;
	int rates_fd, cursor_fd; /* the live ones */
	struct sluice_bpf *skel;
	int half_fd[2], est_fd[2]; /* private ones; index 1 is IPv6 */
	int private_rates_fd, private_cursor_fd, reasons_fd;
	struct sluice_backend *backends; /* private, memory mapped */
	struct sluice_backend seen[SLUICE_MAX_BACKENDS + 1];
	struct sluice_set set;
	uint32_t now;
	bool has_rates; /* something is in the private rates */
};

/* --- loading --- */

/* What the programs only read. */
static const char *const shared_maps[] = {
	SLUICE_MAP_META,    SLUICE_MAP_PORTS,  SLUICE_MAP_SERVICES, SLUICE_MAP_ACTIVE,
	SLUICE_MAP_SETS,    SLUICE_MAP_LABELS, SLUICE_MAP_HPORTS,   SLUICE_MAP_OVERRIDE,
	SLUICE_MAP_CHANGES, SLUICE_MAP_ADDRS4, SLUICE_MAP_ADDRS6,   SLUICE_MAP_ALLOW4,
	SLUICE_MAP_ALLOW6,
};

/* What would be large, and has to hold one connection's entries here. */
static const char *const small_maps[] = {
	SLUICE_MAP_HALF4,
	SLUICE_MAP_HALF6,
	SLUICE_MAP_EST4,
	SLUICE_MAP_EST6,
};

static int live_fd(const struct maps *live, const char *name)
{
	size_t i;

	for (i = 0; i < MAPS_COUNT; i++) {
		if (!strcmp(maps_kinds[i].name, name))
			return *(const int *)((const char *)live + maps_kinds[i].fd_offset);
	}
	return -ENOENT;
}

static int prepare_maps(struct explain *explain)
{
	/* an LRU's free entries lie in portions of 128 with the CPUs: so many that none is ever evicted */
	const uint32_t small = 512 * explain->live->cpus;
	struct bpf_map *map;
	int err = 0;
	size_t i;

	for (i = 0; i < sizeof(shared_maps) / sizeof(shared_maps[0]) && !err; i++) {
		map = bpf_object__find_map_by_name(explain->skel->obj, shared_maps[i]);
		err = map ? bpf_map__reuse_fd(map, live_fd(explain->live, shared_maps[i]))
			  : -ENOENT;
	}
	for (i = 0; i < sizeof(small_maps) / sizeof(small_maps[0]) && !err; i++) {
		map = bpf_object__find_map_by_name(explain->skel->obj, small_maps[i]);
		err = map ? bpf_map__set_max_entries(map, small) : -ENOENT;
	}
	return err;
}

static void prepare_program(struct explain *explain)
{
	const struct sluice_meta *meta = &explain->live->meta;
	struct bpf_program *program;

	bpf_object__for_each_program(program, explain->skel->obj) bpf_program__set_autoload(
		program, program == explain->skel->progs.sluice_tc_in ||
				 program == explain->skel->progs.sluice_tc_write);
	explain->skel->rodata->sluice_port_min = meta->port_min;
	explain->skel->rodata->sluice_port_max = meta->port_max;
	explain->skel->rodata->sluice_hz = meta->hz;
	explain->skel->rodata->sluice_timeouts = meta->timeouts;
}

static int adopt_maps(struct explain *explain)
{
	const struct sluice_bpf *skel = explain->skel;
	void *memory;

	explain->half_fd[0] = bpf_map__fd(skel->maps.sluice_half4);
	explain->half_fd[1] = bpf_map__fd(skel->maps.sluice_half6);
	explain->est_fd[0] = bpf_map__fd(skel->maps.sluice_est4);
	explain->est_fd[1] = bpf_map__fd(skel->maps.sluice_est6);
	explain->private_rates_fd = bpf_map__fd(skel->maps.sluice_rates);
	explain->private_cursor_fd = bpf_map__fd(skel->maps.sluice_cursor);
	explain->reasons_fd = bpf_map__fd(skel->maps.sluice_reasons);
	memory = mmap(NULL, sizeof(explain->seen), PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(skel->maps.sluice_backends), 0);
	if (memory == MAP_FAILED)
		return -errno;
	explain->backends = memory;
	return 0;
}

/* attach leaves the tags of its programs in the order XDP, in, out. */
static bool is_attached_program(const struct explain *explain)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(bpf_program__fd(explain->skel->progs.sluice_tc_in), &info,
				       &len) &&
	       !memcmp(info.tag, explain->live->meta.program_hash + sizeof(info.tag),
		       sizeof(info.tag));
}

int explain_new(struct explain **explain, const struct maps *live, int rates_fd, int cursor_fd,
		bool *same_program, char *error, size_t len)
{
	struct explain *made = calloc(1, sizeof(*made));
	int err = -ENOMEM;

	if (!made)
		goto out;
	made->live = live;
	made->rates_fd = rates_fd;
	made->cursor_fd = cursor_fd;
	made->skel = sluice_bpf__open();
	err = made->skel ? 0 : -errno;
	if (err)
		goto out;
	prepare_program(made);
	err = prepare_maps(made);
	if (err)
		goto out;
	err = sluice_bpf__load(made->skel);
	if (err)
		goto out;
	err = adopt_maps(made);
	if (err)
		goto out;
	*same_program = is_attached_program(made);
	*explain = made;
out:
	if (err) {
		snprintf(error, len, "cannot load the program that answers: %s%s", strerror(-err),
			 err == -EPERM ? " (it takes root)" : "");
		explain_free(made);
	}
	return err;
}

void explain_free(struct explain *explain)
{
	if (!explain)
		return;
	if (explain->backends)
		munmap(explain->backends, sizeof(explain->seen));
	sluice_bpf__destroy(explain->skel);
	free(explain);
}

/* --- copying --- */

static void make_key(const struct explain_connection *asked, uint16_t service_port,
		     struct sluice_flow_key6 *key)
{
	struct sluice_flow_key4 key4 = {
		.client = asked->client[0],
		.local = asked->local[0],
		.client_port = htons(asked->client_port),
		.service_port = htons(service_port),
	};

	*key = (struct sluice_flow_key6){
		.client_port = htons(asked->client_port),
		.service_port = htons(service_port),
	};
	memcpy(key->client, asked->client, sizeof(key->client));
	memcpy(key->local, asked->local, sizeof(key->local));
	if (asked->family == AF_INET)
		memcpy(key, &key4, sizeof(key4));
}

static int copy_entry(int from, int to, const void *key, void *value, bool *found)
{
	if (bpf_map_delete_elem(to, key) < 0 && errno != ENOENT)
		return -errno;
	*found = bpf_map_lookup_elem(from, key, value) == 0;
	if (!*found)
		return errno == ENOENT ? 0 : -errno;
	return bpf_map_update_elem(to, key, value, BPF_ANY) < 0 ? -errno : 0;
}

/* The flow, in whichever table it stands, or in both while it moves; what the programs find first is what is told. */
static int copy_flow(struct explain *explain, const struct explain_connection *asked,
		     const struct sluice_flow_key6 *key, struct explain_answer *answer)
{
	const struct maps *live = explain->live;
	const bool six = asked->family == AF_INET6;
	struct sluice_half half = {};
	struct sluice_flow flow = {};
	bool in_half, in_est;
	int err;

	err = copy_entry(six ? live->half6_fd : live->half4_fd, explain->half_fd[six], key, &half,
			 &in_half);
	if (!err)
		err = copy_entry(six ? live->est6_fd : live->est4_fd, explain->est_fd[six], key,
				 &flow, &in_est);
	if (err || (!in_half && !in_est))
		return err;
	answer->has_flow = true;
	answer->flow = in_est ? flow : half.flow;
	answer->flow_state = sluice_flow_state(&answer->flow, explain->now, &live->meta.timeouts);
	answer->retired = answer->flow.slot > SLUICE_MAX_BACKENDS ||
			  explain->seen[answer->flow.slot].generation != answer->flow.generation;
	return 0;
}

static int copy_rates(struct explain *explain, unsigned service)
{
	struct sluice_rate_key key, *last = NULL;
	struct sluice_service entry;
	struct sluice_rate rate;
	__u32 index = service;

	while (explain->has_rates && !bpf_map_get_next_key(explain->private_rates_fd, NULL, &key))
		bpf_map_delete_elem(explain->private_rates_fd, &key);
	explain->has_rates = false;
	if (bpf_map_lookup_elem(explain->live->services_fd, &index, &entry) < 0)
		return -errno;
	if (!entry.rate)
		return 0;
	explain->has_rates = true;
	while (!bpf_map_get_next_key(explain->rates_fd, last, &key)) {
		last = &key;
		if (key.service == service &&
		    !bpf_map_lookup_elem(explain->rates_fd, &key, &rate) &&
		    bpf_map_update_elem(explain->private_rates_fd, &key, &rate, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int copy_cursor(const struct explain *explain, unsigned service)
{
	struct sluice_cursor cursor;
	__u32 index = service;

	if (bpf_map_lookup_elem(explain->cursor_fd, &index, &cursor) < 0 ||
	    bpf_map_update_elem(explain->private_cursor_fd, &index, &cursor, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static void copy_backends(struct explain *explain)
{
	memcpy(explain->seen, explain->live->backends, sizeof(explain->seen));
}

/* What the programs believe for the rest of a jiffy may have changed since the last question. */
static int forget(struct explain *explain)
{
	const struct bpf_map *maps[] = { explain->skel->maps.sluice_scratch,
					 explain->skel->maps.sluice_vain };
	int err = 0;
	size_t i;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]) && !err; i++)
		err = maps_clear_percpu(bpf_map__fd(maps[i]), bpf_map__max_entries(maps[i]),
					bpf_map__value_size(maps[i]));
	return err;
}

/* The world as it was seen, for one packet. */
static int prepare(struct explain *explain, const struct explain_connection *asked,
		   struct explain_answer *answer)
{
	struct sluice_flow_key6 key;
	int err;

	memcpy(explain->backends, explain->seen, sizeof(explain->seen));
	make_key(asked, answer->service_port, &key);
	answer->has_flow = false;
	err = forget(explain);
	if (!err && answer->service)
		err = copy_cursor(explain, answer->service);
	if (!err && answer->service)
		err = copy_rates(explain, answer->service);
	return err ? err : copy_flow(explain, asked, &key, answer);
}

/* --- asking --- */

static size_t build(const struct explain_connection *asked, uint32_t seq, uint32_t ack,
		    uint8_t flags, uint8_t frame[FRAME_LEN])
{
	const bool six = asked->family == AF_INET6;
	const size_t ip_len = six ? IP6_LEN : IP4_LEN;
	uint8_t *ip = frame + ETH_LEN, *tcp = ip + ip_len;
	const uint16_t sport = htons(asked->client_port), dport = htons(asked->port);

	memset(frame, 0, FRAME_LEN);
	frame[0] = frame[6] = 0x02; /* locally administered */
	memcpy(frame + 12, six ? "\x86\xdd" : "\x08\x00", 2);
	if (six) {
		ip[0] = 0x60;
		ip[5] = TCP_LEN;
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, asked->client, 16);
		memcpy(ip + 24, asked->local, 16);
	} else {
		ip[0] = 0x45;
		ip[3] = IP4_LEN + TCP_LEN;
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, asked->client, 4);
		memcpy(ip + 16, asked->local, 4);
	}
	seq = htonl(seq);
	ack = htonl(ack);
	memcpy(tcp, &sport, 2);
	memcpy(tcp + 2, &dport, 2);
	memcpy(tcp + 4, &seq, 4);
	memcpy(tcp + 8, &ack, 4);
	tcp[12] = TCP_LEN / 4 << 4;
	tcp[13] = flags;
	tcp[14] = 0xff;
	return ETH_LEN + ip_len + TCP_LEN;
}

static int read_reasons(const struct explain *explain, uint64_t sums[SLUICE_REASON_COUNT])
{
	uint64_t *values = calloc(explain->live->cpus, sizeof(*values));
	unsigned cpu;
	int err = 0;
	__u32 i;

	if (!values)
		return -ENOMEM;
	for (i = 0; i < SLUICE_REASON_COUNT && !err; i++) {
		sums[i] = 0;
		if (bpf_map_lookup_elem(explain->reasons_fd, &i, values) < 0)
			err = -errno;
		for (cpu = 0; cpu < explain->live->cpus && !err; cpu++)
			sums[i] += values[cpu];
	}
	free(values);
	return err;
}

/* Whom the packet went to: the flow that the program has left, or found. */
static int read_choice(const struct explain *explain, const struct explain_connection *asked,
		       uint16_t service_port, struct explain_outcome *outcome)
{
	const bool six = asked->family == AF_INET6;
	struct sluice_flow_key6 key;
	struct sluice_half half;
	struct sluice_flow flow;

	make_key(asked, service_port, &key);
	if (bpf_map_lookup_elem(explain->est_fd[six], &key, &flow) < 0) {
		if (bpf_map_lookup_elem(explain->half_fd[six], &key, &half) < 0)
			return -errno;
		flow = half.flow;
	}
	outcome->slot = flow.slot;
	outcome->generation = flow.generation;
	return 0;
}

static int run(struct explain *explain, const struct explain_connection *asked,
	       uint16_t service_port, const uint8_t *frame, size_t frame_len,
	       struct explain_outcome *outcome)
{
	uint64_t before[SLUICE_REASON_COUNT], after[SLUICE_REASON_COUNT];
	uint8_t out[2 * FRAME_LEN] = {};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (__u32)frame_len,
		    .data_out = out, .data_size_out = sizeof(out));
	const size_t port_at = frame_len - TCP_LEN + 2;
	unsigned i;
	int err;

	*outcome = (struct explain_outcome){};
	err = read_reasons(explain, before);
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(explain->skel->progs.sluice_tc_in),
					     &options);
	if (!err)
		err = read_reasons(explain, after);
	if (err)
		return err;
	for (i = 0; i < SLUICE_REASON_COUNT; i++)
		outcome->counted[i] = after[i] != before[i];
	if (options.retval == TC_ACT_SHOT) {
		outcome->verdict = EXPLAIN_DROP;
	} else if (options.retval == TC_ACT_REDIRECT) {
		outcome->verdict = EXPLAIN_RESET;
	} else if (memcmp(out + port_at, frame + port_at, sizeof(uint16_t)) != 0) {
		outcome->verdict = EXPLAIN_BACKEND;
		outcome->port = (uint16_t)(out[port_at] << 8 | out[port_at + 1]);
		err = read_choice(explain, asked, service_port, outcome);
	}
	return err;
}

static int ask_segment(struct explain *explain, const struct explain_connection *asked,
		       struct explain_answer *answer)
{
	const struct sluice_flow *flow = &answer->flow;
	const uint32_t seq = flow->done ? flow->client_next : flow->client_isn + 1;
	uint8_t frame[FRAME_LEN];
	size_t len = build(asked, seq, flow->server_isn + 1, FLAG_ACK, frame);

	return run(explain, asked, answer->service_port, frame, len, &answer->segment);
}

static int ask_syn(struct explain *explain, const struct explain_connection *asked,
		   struct explain_answer *answer)
{
	const struct sluice_flow *flow = &answer->flow;
	uint32_t isn = asked->isn;
	uint8_t frame[FRAME_LEN];
	size_t len;

	if (!asked->has_isn && answer->has_flow)
		isn = flow->done ? flow->client_next + (1u << 24) : flow->client_isn;
	len = build(asked, isn, 0, FLAG_SYN, frame);
	return run(explain, asked, answer->service_port, frame, len, &answer->syn);
}

/* Is the port a service's, or a backend's own? */
static int find_service(const struct explain *explain, uint16_t port, struct explain_answer *answer)
{
	struct sluice_port entry = {};
	__u32 key = port;

	if (bpf_map_lookup_elem(explain->live->ports_fd, &key, &entry) < 0)
		return -errno;
	answer->service = entry.service;
	answer->service_port = port;
	if (!entry.service && explain->live->hports[port].service_port)
		answer->service_port = ntohs(explain->live->hports[port].service_port);
	return 0;
}

int explain_ask(struct explain *explain, const struct explain_connection *connection,
		struct explain_answer *answer)
{
	int err;

	*answer = (struct explain_answer){};
	err = find_service(explain, connection->port, answer);
	if (err)
		return err;
	explain->now = maps_jiffies(explain->live);
	copy_backends(explain);
	explain->set = (struct sluice_set){};
	if (answer->service)
		maps_read_set(explain->live, answer->service, &explain->set);
	err = prepare(explain, connection, answer);
	if (!err && answer->service && answer->has_flow &&
	    answer->flow_state != SLUICE_FLOW_CLOSED) {
		err = ask_segment(explain, connection, answer);
		if (!err)
			err = prepare(explain, connection, answer);
	}
	if (!err)
		err = ask_syn(explain, connection, answer);
	answer->by_chance = answer->syn.counted[SLUICE_REASON_NEW] &&
			    (explain->set.balance == SLUICE_BALANCE_RANDOM ||
			     (explain->set.balance == SLUICE_BALANCE_LEASTCONN &&
			      explain->set.len > SLUICE_LEASTCONN_EXACT));
	return err;
}

/* --- backends --- */

const struct sluice_backend *explain_backends(const struct explain *explain)
{
	return explain->seen;
}

uint32_t explain_active(const struct explain *explain, unsigned slot)
{
	const int32_t active = maps_active(explain->live, &explain->seen[slot]);

	return active < 0 ? 0 : (uint32_t)active;
}

uint32_t explain_half_open(const struct explain *explain, unsigned slot)
{
	const int32_t half_open = maps_half_open(explain->live, &explain->seen[slot]);

	return half_open < 0 ? 0 : (uint32_t)half_open;
}

const struct sluice_set *explain_set(const struct explain *explain)
{
	return &explain->set;
}

static bool in_set(const struct sluice_set *set, unsigned slot)
{
	uint32_t i;

	for (i = 0; i < set->members && i <= SLUICE_MAX_BACKENDS; i++) {
		if (set->member[i] == slot)
			return true;
	}
	return false;
}

enum explain_why explain_why(const struct explain *explain, unsigned slot)
{
	const struct sluice_meta *meta = &explain->live->meta;
	const struct sluice_backend *backend = &explain->seen[slot];
	const uint16_t port = ntohs(backend->port);

	if (!backend->generation || backend->state != SLUICE_BACKEND_UP)
		return EXPLAIN_WHY_STATE;
	if (!backend->weight)
		return EXPLAIN_WHY_WEIGHT;
	if (!in_set(&explain->set, slot))
		return EXPLAIN_WHY_NOT_IN_SET;
	if (port < meta->port_min || port > meta->port_max)
		return EXPLAIN_WHY_RANGE;
	if (explain->set.maxconn && explain_active(explain, slot) >= explain->set.maxconn)
		return EXPLAIN_WHY_FULL;
	if (backend->suspect == SLUICE_SUSPECT_FRESH &&
	    sluice_age(explain->now, backend->suspect_since) <
		    sluice_ms_to_jiffies(SLUICE_SUSPECT_MS, meta->hz))
		return EXPLAIN_WHY_SUSPECT;
	return EXPLAIN_WHY_ELIGIBLE;
}
