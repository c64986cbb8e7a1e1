/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients on the host itself and in its containers: the same pick, made at connect(2), where the
 * port is changed before a packet exists. So none of their packets is for a service port, and the
 * hooks on interfaces leave them alone. Knows sockets by their cookie; every entry of the map goes
 * with its socket, or when that connects again.
 *
 * Runs in a task: a softirq, or another task on the same CPU, may come in between anywhere. So the
 * pick has a desk of its own, and counters that softirqs share are added to in one instruction.
 */
#ifndef SLUICE_BPF_LOCAL_H
#define SLUICE_BPF_LOCAL_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "admit.h"
#include "count.h"
#include "flow.h"
#include "pick.h"

#define LOCAL_TRIES 3	/* backends looked at, until one is found that somebody listens for */
#define LOCAL_LISTEN 10 /* TCP_LISTEN of the kernel's include/net/tcp_states.h */

/* A connect, as it is asked for. */
struct local_ask {
	__u64 cookie; /* of the socket */
	__u64 netns;  /* cookie of its network namespace */
	__u32 service;
	enum family family; /* of address: an IPv4-mapped one is IPv4 */
	__be32 address[4];
	__be32 client[4]; /* what the socket is bound to; 0s: nothing yet */
	__be16 port;
	__be16 client_port; /* 0: not bound */
	bool at_home;	    /* the network namespace is the host's */
};

/* --- counting, in a task --- */

static __always_inline void local_count(enum sluice_reason reason)
{
	__u32 index = reason;
	__u64 *count = bpf_map_lookup_elem(&sluice_reasons, &index);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline void local_count_stats(struct sluice_stats *stats)
{
	if (!stats)
		return;
	__sync_fetch_and_add(&stats->picks, 1);
	__sync_fetch_and_add(&stats->connections, 1);
}

/* --- whose address is it? --- */

static __always_inline bool local_is_mapped(const __be32 *address)
{
	return !address[0] && !address[1] && address[2] == bpf_htonl(0xffff);
}

/* The unspecified address means this host too (RFC 1122 section 3.2.1.3, and what Linux does). */
static __always_inline bool local_is_loopback(const struct local_ask *ask)
{
	if (ask->family == FAMILY_4)
		return !ask->address[0] ||
		       (ask->address[0] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !ask->address[0] && !ask->address[1] && !ask->address[2] &&
	       bpf_ntohl(ask->address[3]) <= 1;
}

/*
 * Is it the service that is meant? Another namespace's loopback is its own, whoever listens there.
 * `allow` and `rate` are about networks: whoever is on this host can reach the host-ports as well.
 */
static __always_inline bool local_is_for_service(const struct local_ask *ask)
{
	const struct sluice_service *service = bpf_map_lookup_elem(&sluice_services, &ask->service);
	const bool loopback = local_is_loopback(ask);
	struct sluice_addr6 address;
	int i;

	if (!service || (loopback && !ask->at_home))
		return false;
	if (service->address_count) {
		for (i = 0; i < SLUICE_MAX_ADDRESS; i++) {
			if (ask->family == FAMILY_4 && i < (int)service->address_count &&
			    service->address[i] == ask->address[0])
				return true;
		}
		return false;
	}
	if (loopback)
		return true;
	if (ask->family == FAMILY_4)
		return bpf_map_lookup_elem(&sluice_addrs4, &ask->address[0]);
	__builtin_memcpy(&address, ask->address, sizeof(address));
	return bpf_map_lookup_elem(&sluice_addrs6, &address);
}

static __always_inline bool local_at_home(__u64 netns)
{
	return netns == (sluice_host_netns ? sluice_host_netns : bpf_get_netns_cookie(NULL));
}

/*
 * What balance = source hashes. The kernel will take the address itself as the source of a
 * connection to it; what a container's will be is not known yet, but its namespace stays the same.
 */
static __always_inline __be32 local_client(const struct local_ask *ask)
{
	const __be32 *from = ask->client;

	if (!from[0] && !from[1] && !from[2] && !from[3]) {
		if (!ask->at_home)
			return (__be32)(ask->netns ^ ask->netns >> 32);
		if (ask->family == FAMILY_4 && local_is_loopback(ask))
			return bpf_htonl(0x7f000001);
		from = ask->address;
	}
	return ask->family == FAMILY_4 ? from[0] : from[0] ^ from[1] ^ from[2] ^ from[3];
}

/* --- the pick --- */

/*
 * Does somebody listen on the port at that address? Only the socket's own namespace can be asked,
 * so a container's connect goes by what the daemon has published.
 */
static __always_inline bool local_listens(struct bpf_sock_addr *ctx, const struct local_ask *ask,
					  __be16 port)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *listener;
	__u32 state;

	if (ask->family == FAMILY_4) {
		tuple.ipv4.daddr = ask->address[0] ? ask->address[0] : bpf_htonl(0x7f000001);
		tuple.ipv4.saddr = tuple.ipv4.daddr;
		tuple.ipv4.dport = port;
		listener =
			bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.daddr, ask->address, sizeof(tuple.ipv6.daddr));
		if (local_is_loopback(ask))
			tuple.ipv6.daddr[3] = bpf_htonl(1);
		__builtin_memcpy(tuple.ipv6.saddr, tuple.ipv6.daddr, sizeof(tuple.ipv6.saddr));
		tuple.ipv6.dport = port;
		listener =
			bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!listener)
		return false;
	state = listener->state;
	bpf_sk_release(listener);
	return state == LOCAL_LISTEN;
}

/*
 * A backend that somebody listens for, or the first one if that can be said of none: Docker without
 * docker-proxy forwards a port that nobody listens on.
 */
static __always_inline int local_choose(struct bpf_sock_addr *ctx, const struct local_ask *ask,
					struct pick_desk *desk, struct pick_candidate *chosen)
{
	int result = PICK_TORN, first = PICK_TORN, i;

#pragma unroll
	for (i = 0; i < LOCAL_TRIES; i++) {
		result = sluice_pick_at(ask->cookie);
		if (result == PICK_TORN)
			continue;
		if (!i || first == PICK_TORN) {
			first = result;
			*chosen = desk->walk.best;
		}
		if (result != PICK_OK || !ask->at_home)
			break;
		if (local_listens(ctx, ask, desk->walk.best.port)) {
			if (chosen->slot != desk->walk.best.slot)
				local_count(SLUICE_REASON_LOCAL_MOVED);
			*chosen = desk->walk.best;
			break;
		}
		desk->exclude[i & 1] = desk->walk.best.slot;
	}
	return first;
}

/* --- what is remembered --- */

/*
 * May a connection to that port be remembered? Most sockets of a host need not be looked for: those
 * that it has accepted have a client's port, and its clients mostly ask others than us.
 */
static __always_inline bool local_may_know(__be16 port)
{
	const __u16 number = bpf_ntohs(port);
	__u32 index = 0;
	const struct sluice_peers *peers = bpf_map_lookup_elem(&sluice_peers, &index);

	return !peers || !peers->port_max ||
	       (number >= peers->port_min && number <= peers->port_max);
}

static __always_inline void local_forget(__u64 cookie)
{
	const struct sluice_local *entry = bpf_map_lookup_elem(&sluice_local, &cookie);
	struct sluice_backend *backend;
	__u32 slot, generation;

	if (!entry)
		return;
	slot = entry->slot;
	generation = entry->generation;
	if (bpf_map_delete_elem(&sluice_local, &cookie))
		return;
	local_count(SLUICE_REASON_LOCAL_CLOSED);
	backend = bpf_map_lookup_elem(&sluice_backends, &slot);
	if (backend && backend->generation == generation)
		__sync_fetch_and_add(&backend->local, -1);
}

/*
 * The kernel makes the sockets below a Multipath TCP one for itself, and closes them without telling
 * sock_release: what is remembered of one would stay. A kernel with Multipath TCP and without the
 * helper (5.10 to 5.18) cannot tell them apart.
 */
static __always_inline bool local_is_subflow(struct bpf_sock *sk)
{
	return sluice_knows_mptcp && bpf_skc_to_mptcp_sock(sk);
}

static __always_inline void local_remember(struct bpf_sock *sk, const struct local_ask *ask,
					   const struct pick_candidate *chosen)
{
	struct sluice_local entry = {
		.netns = ask->netns,
		.generation = chosen->generation,
		.slot = chosen->slot,
		.service = ask->service,
		.port = chosen->port,
		.service_port = ask->port,
		.ip_version = ask->family == FAMILY_4 ? 4 : 6,
		.origin = ask->at_home ? SLUICE_ORIGIN_HOST : SLUICE_ORIGIN_CONTAINER,
		.client_port = ask->client_port,
		.connected = flow_now(),
	};
	__u32 slot = chosen->slot, service = ask->service;
	struct sluice_backend *backend;

	__builtin_memcpy(entry.client, ask->client, sizeof(entry.client));
	__builtin_memcpy(entry.local, ask->address, sizeof(entry.local));
	local_count_stats(bpf_map_lookup_elem(&sluice_bstats, &slot));
	local_count_stats(bpf_map_lookup_elem(&sluice_sstats, &service));
	if (local_is_subflow(sk) ||
	    bpf_map_update_elem(&sluice_local, &ask->cookie, &entry, BPF_NOEXIST)) {
		local_count(SLUICE_REASON_LOCAL_UNCOUNTED);
		return;
	}
	local_count(SLUICE_REASON_LOCAL_NEW);
	/* this task may have slept since the pick, and the slot be somebody else's */
	backend = bpf_map_lookup_elem(&sluice_backends, &slot);
	if (backend && *(volatile __u32 *)&backend->generation == chosen->generation)
		__sync_fetch_and_add(&backend->local, 1);
}

/* --- the core --- */

/*
 * The port to connect to in place of ask->port: the same one if the connect is none of our
 * business, 0 to have it refused. Nobody can listen on port 0, so the kernel itself refuses, on
 * every kernel and for every kind of connect; a hook's own refusal would be EPERM. There is no
 * queue for a connect and nothing to drop: on_empty = drop and on_full = drop refuse as well.
 */
static __always_inline __be16 local_connect(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
					    struct local_ask *ask)
{
	struct pick_candidate chosen = {};
	struct pick_desk *desk, fresh = {};
	__be16 port = 0;
	int result;

	ask->at_home = local_at_home(ask->netns);
	if (!local_is_for_service(ask))
		return ask->port;
	if (admit_is_leaving(ask->service)) {
		local_count(SLUICE_REASON_LOCAL_PASS);
		return ask->port;
	}
	fresh.service = ask->service;
	fresh.client = local_client(ask);
	fresh.now = flow_now();
	bpf_map_update_elem(&sluice_desks, &ask->cookie, &fresh, BPF_ANY);
	desk = bpf_map_lookup_elem(&sluice_desks, &ask->cookie);
	if (!desk) {
		local_count(SLUICE_REASON_LOCAL_REFUSED);
		return 0;
	}
	result = local_choose(ctx, ask, desk, &chosen);
	if (result == PICK_OK) {
		local_remember(sk, ask, &chosen);
		port = chosen.port;
	} else if (result == PICK_UNSYNCED) {
		local_count(SLUICE_REASON_UNSYNCED);
		port = ask->port;
	} else if (result == PICK_EMPTY && desk->walk.on_empty == SLUICE_EMPTY_PASS) {
		local_count(SLUICE_REASON_LOCAL_PASS);
		port = ask->port;
	} else {
		local_count(SLUICE_REASON_LOCAL_REFUSED);
	}
	bpf_map_delete_elem(&sluice_desks, &ask->cookie);
	return port;
}

#endif
