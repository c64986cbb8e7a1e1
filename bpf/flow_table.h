/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow tables: keys, looking up, inserting, deleting, and whose a flow that was found is. An LRU
 * gives an element to another key without waiting for readers: what decides is copied at the look-up
 * and held against the cookie, and a whole flow is never written without another look at it.
 */
#ifndef SLUICE_BPF_FLOW_TABLE_H
#define SLUICE_BPF_FLOW_TABLE_H

#include "packet.h"

union flow_key {
	struct sluice_flow_key4 v4;
	struct sluice_flow_key6 v6;
	__u64 words[5]; /* the same, to be filled: see flow_key_fill() */
};

/* A flow that was found, with the backend it belongs to. */
struct owned {
	struct sluice_flow *flow; /* NULL: there is none */
	struct sluice_half
		*half; /* the same with its SYN; NULL if it stands in an established table */
	struct sluice_backend *backend; /* NULL: its generation is retired */
	__u32 cookie;
	__u32 slot; /* as it was at the look-up; so are port and service */
	__be16 port;
	__u16 service;
};

static __always_inline __u32 flow_now(void)
{
	return (__u32)bpf_jiffies64();
}

/* Has so much time passed? */
static __always_inline bool flow_passed(__u32 now, __u32 then, __u32 ms)
{
	return sluice_age(now, then) >= sluice_ms_to_jiffies(ms, sluice_hz);
}

/* --- keys --- */

/*
 * In words as wide as those the hash table reads: a load that spans two stores waits until both
 * have reached the cache, which costs as much as the hash itself.
 */
static __always_inline void flow_key_fill(union flow_key *key, const __be32 *client,
					  const __be32 *local, __be16 client_port,
					  __be16 service_port, enum family family)
{
	const __u32 ports = packet_pair16(client_port, service_port);

	if (family == FAMILY_4) {
		key->words[0] = packet_pair32(client[0], local[0]);
		*(__u32 *)&key->words[1] = ports;
	} else {
		key->words[0] = packet_pair32(client[0], client[1]);
		key->words[1] = packet_pair32(client[2], client[3]);
		key->words[2] = packet_pair32(local[0], local[1]);
		key->words[3] = packet_pair32(local[2], local[3]);
		*(__u32 *)&key->words[4] = ports;
	}
}

/* Key of the flow of a packet to this host. service_port: what the client knows it by. */
static __always_inline void flow_key_in(union flow_key *key, const struct packet *packet,
					__be16 service_port, enum family family)
{
	flow_key_fill(key, packet->src, packet->dst, packet->sport, service_port, family);
}

/* Of a packet from this host. */
static __always_inline void flow_key_out(union flow_key *key, const struct packet *packet,
					 __be16 service_port, enum family family)
{
	flow_key_fill(key, packet->dst, packet->src, packet->dport, service_port, family);
}

/* What a source address is hashed from. */
static __always_inline __be32 flow_client(const union flow_key *key, enum family family)
{
	if (family == FAMILY_4)
		return key->v4.client;
	return key->v6.client[0] ^ key->v6.client[1] ^ key->v6.client[2] ^ key->v6.client[3];
}

static __always_inline __u32 flow_cookie(const union flow_key *key, enum family family)
{
	__be16 client_port = family == FAMILY_4 ? key->v4.client_port : key->v6.client_port;
	__be16 service_port = family == FAMILY_4 ? key->v4.service_port : key->v6.service_port;

	return flow_client(key, family) ^ ((__u32)client_port << 16 | service_port);
}

/* --- tables --- */

static __always_inline struct sluice_flow *flow_lookup(const union flow_key *key,
						       enum family family)
{
	if (family == FAMILY_4)
		return bpf_map_lookup_elem(&sluice_est4, &key->v4);
	return bpf_map_lookup_elem(&sluice_est6, &key->v6);
}

static __always_inline struct sluice_half *flow_lookup_half(const union flow_key *key,
							    enum family family)
{
	if (family == FAMILY_4)
		return bpf_map_lookup_elem(&sluice_half4, &key->v4);
	return bpf_map_lookup_elem(&sluice_half6, &key->v6);
}

/*
 * 0, or a negative errno: -EEXIST if the key is there already. An int: before 6.4 the kernel's map
 * operations return one, and the upper half of the register may be anything.
 */
static __always_inline int flow_insert(const union flow_key *key, const struct sluice_flow *flow,
				       enum family family)
{
	if (family == FAMILY_4)
		return bpf_map_update_elem(&sluice_est4, &key->v4, flow, BPF_NOEXIST);
	return bpf_map_update_elem(&sluice_est6, &key->v6, flow, BPF_NOEXIST);
}

static __always_inline int flow_insert_half(const union flow_key *key,
					    const struct sluice_half *half, enum family family)
{
	if (family == FAMILY_4)
		return bpf_map_update_elem(&sluice_half4, &key->v4, half, BPF_NOEXIST);
	return bpf_map_update_elem(&sluice_half6, &key->v6, half, BPF_NOEXIST);
}

/* 0 for the one CPU that took it out. */
static __always_inline long flow_delete(const union flow_key *key, bool half, enum family family)
{
	if (family == FAMILY_4)
		return half ? bpf_map_delete_elem(&sluice_half4, &key->v4)
			    : bpf_map_delete_elem(&sluice_est4, &key->v4);
	return half ? bpf_map_delete_elem(&sluice_half6, &key->v6)
		    : bpf_map_delete_elem(&sluice_est6, &key->v6);
}

/* Copy what decides, then see whether the element was still this flow's. */
static __always_inline void flow_own(struct owned *owned, struct sluice_flow *flow)
{
	const volatile struct sluice_flow *shared = flow;

	if (!flow)
		return;
	owned->slot = shared->slot;
	owned->port = shared->port;
	owned->service = shared->service;
	owned->backend = bpf_map_lookup_elem(&sluice_backends, &owned->slot);
	if (owned->backend && owned->backend->generation != shared->generation)
		owned->backend = NULL;
	if (shared->cookie == owned->cookie)
		owned->flow = flow;
}

static __always_inline void flow_find(struct owned *owned, const union flow_key *key,
				      enum family family)
{
	*owned = (struct owned){ .cookie = flow_cookie(key, family) };
	flow_own(owned, flow_lookup(key, family));
	if (owned->flow)
		return;
	owned->half = flow_lookup_half(key, family);
	if (owned->half) {
		flow_own(owned, &owned->half->flow);
		if (!owned->flow)
			owned->half = NULL;
	} else {
		/* Another CPU may have promoted it between our two looks. */
		flow_own(owned, flow_lookup(key, family));
	}
}

/*
 * The same for a SYN, which mostly has no flow: one look-up less. The half-open table comes first:
 * a flow that is promoted between our two looks is then seen in the second. One that moves the
 * other way makes the insertion of a new flow fail, and is found then.
 */
static __always_inline void flow_find_syn(struct owned *owned, const union flow_key *key,
					  enum family family)
{
	*owned = (struct owned){ .cookie = flow_cookie(key, family) };
	owned->half = flow_lookup_half(key, family);
	if (owned->half)
		flow_own(owned, &owned->half->flow);
	if (owned->flow)
		return;
	owned->half = NULL;
	flow_own(owned, flow_lookup(key, family));
}

/* Is the element still this flow's? To be asked before much of it is written. */
static __always_inline bool flow_is_still(const struct owned *owned)
{
	return ((const volatile struct sluice_flow *)owned->flow)->cookie == owned->cookie;
}

#endif
