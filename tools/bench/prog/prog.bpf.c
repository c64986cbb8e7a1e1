/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shipped programs in measuring clothes. BPF_PROG_TEST_RUN with a repeat count hands the packet
 * that one run has rewritten to the next, so the plain program would take the established path once
 * and another path ever after. Here each run first restores the packet, for the next flow if there
 * are to be many, and then runs the shipped code. What the restoring costs is measured by the same
 * programs without the shipped code, and subtracted.
 *
 * The shipped functions are compiled into the measuring ones: nothing of bpf/ is copied.
 */
#include <linux/bpf.h>

/* Global and still inlined: they stay programs of their own, and become part of others. */
__attribute__((always_inline)) int sluice_xdp(struct xdp_md *ctx);
__attribute__((always_inline)) int sluice_tc_in(struct __sk_buff *skb);
__attribute__((always_inline)) int sluice_tc_out(struct __sk_buff *skb);

#include "../../../bpf/sluice.bpf.c"

#include "job.h"

struct job job;

/* The headers of the driver's frames: no tags, options or extension headers. NULL: cut short. */
static __always_inline struct iphdr *frame_ip4(void *data, void *data_end)
{
	struct iphdr *ip = data + sizeof(struct ethhdr);

	return (void *)(ip + 1) + sizeof(struct tcphdr) > data_end ? NULL : ip;
}

static __always_inline struct ipv6hdr *frame_ip6(void *data, void *data_end)
{
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);

	return (void *)(ip + 1) + sizeof(struct tcphdr) > data_end ? NULL : ip;
}

/* --- which flow --- */

/*
 * found: something that is known only after the run before has found its flow. Without it the CPU
 * begins the next look-up while the last one still waits for memory.
 */
static __always_inline __u32 next_flow(__u32 found)
{
	if (job.order == JOB_SAME)
		return 0;
	if (job.order == JOB_FRESH)
		return job.fresh++;
	job.state = job.state * 6364136223846793005ULL + 1442695040888963407ULL + found;
	return (job.state >> 32) * job.flows >> 32;
}

static __always_inline __be32 client_address(__u32 flow)
{
	return bpf_htonl(JOB_CLIENT + flow);
}

static __always_inline __be16 client_port(__u32 flow)
{
	return bpf_htons(1024 + (flow & 0x7fff));
}

static __always_inline __be16 backend_port(__u32 flow)
{
	return bpf_htons(JOB_FIRST_PORT + flow % JOB_BACKENDS);
}

/* --- restoring --- */

/*
 * In whole words: a load that spans two fresh stores waits for the cache, and a packet from a wire is never so fresh.
 */
static __always_inline void restore_tcp(struct tcphdr *tcp, __be32 client, __be16 source,
					__be16 dest)
{
	__u32 sum = job.sum + (client >> 16) + (client & 0xffff) + source + dest;

	*(__u64 *)tcp = packet_pair32(packet_pair16(source, dest), tcp->seq);
	tcp->check = ~rewrite_fold(sum);
}

/* The last word of an IPv6 address. */
static __always_inline void restore_word(struct in6_addr *address, __be32 word)
{
	((__u64 *)address)[1] = packet_pair32(address->in6_u.u6_addr32[2], word);
}

/* A packet from a client. The IP header's own checksum is left alone: nobody here looks at it. */
static __always_inline void restore_in(void *data, void *data_end)
{
	struct ipv6hdr *ip6;
	struct tcphdr *tcp;
	struct iphdr *ip4;
	__be32 client;
	__u32 flow;

	if (job.family == 4) {
		ip4 = frame_ip4(data, data_end);
		if (!ip4)
			return;
		tcp = (void *)(ip4 + 1);
		flow = next_flow(tcp->dest);
		client = client_address(flow);
		ip4->saddr = client;
	} else {
		ip6 = frame_ip6(data, data_end);
		if (!ip6)
			return;
		tcp = (void *)(ip6 + 1);
		flow = next_flow(tcp->dest);
		client = client_address(flow);
		restore_word(&ip6->saddr, client);
	}
	restore_tcp(tcp, client, client_port(flow), job.service_port);
}

/*
 * A packet from a backend. The port that it is given comes from an array, so the packet does not
 * tell when the flow was found; the service's counter does, its index is read from the flow.
 */
static __always_inline __u32 found_out(void)
{
	const struct sluice_stats *stats;
	__u32 service = JOB_SERVICE;

	if (job.order != JOB_RANDOM)
		return 0;
	stats = bpf_map_lookup_elem(&sluice_sstats, &service);
	return stats ? (__u32)stats->packets_out : 0;
}

static __always_inline void restore_out(struct __sk_buff *skb)
{
	void *data = skb_data(skb), *data_end = skb_data_end(skb);
	__u32 flow = next_flow(found_out());
	__be32 client = client_address(flow);
	struct ipv6hdr *ip6;
	struct tcphdr *tcp;
	struct iphdr *ip4;

	if (job.family == 4) {
		ip4 = frame_ip4(data, data_end);
		if (!ip4)
			return;
		ip4->daddr = client;
		tcp = (void *)(ip4 + 1);
	} else {
		ip6 = frame_ip6(data, data_end);
		if (!ip6)
			return;
		restore_word(&ip6->daddr, client);
		tcp = (void *)(ip6 + 1);
	}
	restore_tcp(tcp, client, backend_port(flow), client_port(flow));
}

/* --- nothing, and restoring alone --- */

SEC("xdp")
int bench_xdp_empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int bench_tc_empty(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int bench_xdp_base(struct xdp_md *ctx)
{
	restore_in(xdp_data(ctx), xdp_data_end(ctx));
	return XDP_PASS;
}

SEC("tc")
int bench_tc_base(struct __sk_buff *skb)
{
	restore_in(skb_data(skb), skb_data_end(skb));
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bench_out_base(struct __sk_buff *skb)
{
	restore_out(skb);
	return TC_ACT_UNSPEC;
}

/* --- the shipped programs --- */

SEC("xdp")
int bench_xdp(struct xdp_md *ctx)
{
	restore_in(xdp_data(ctx), xdp_data_end(ctx));
	packet_barrier();
	return sluice_xdp(ctx);
}

SEC("tc")
int bench_tc_in(struct __sk_buff *skb)
{
	restore_in(skb_data(skb), skb_data_end(skb));
	packet_barrier();
	return sluice_tc_in(skb);
}

SEC("tc")
int bench_tc_out(struct __sk_buff *skb)
{
	restore_out(skb);
	packet_barrier();
	return sluice_tc_out(skb);
}

/* --- what cannot be avoided: one look-up in the same table, and a write --- */

/* The key of the restored packet; its TCP header, or NULL. */
static __always_inline struct tcphdr *bare_key(void *data, void *data_end, union flow_key *key)
{
	struct ipv6hdr *ip6;
	struct tcphdr *tcp;
	struct iphdr *ip4;

	if (job.family == 4) {
		ip4 = frame_ip4(data, data_end);
		if (!ip4)
			return NULL;
		tcp = (void *)(ip4 + 1);
		flow_key_fill(key, &ip4->saddr, &ip4->daddr, tcp->source, tcp->dest, FAMILY_4);
		return tcp;
	}
	ip6 = frame_ip6(data, data_end);
	if (!ip6)
		return NULL;
	tcp = (void *)(ip6 + 1);
	flow_key_fill(key, ip6->saddr.in6_u.u6_addr32, ip6->daddr.in6_u.u6_addr32, tcp->source,
		      tcp->dest, FAMILY_6);
	return tcp;
}

SEC("xdp")
int bench_lookup(struct xdp_md *ctx)
{
	struct sluice_flow *flow;
	union flow_key key;
	struct tcphdr *tcp;

	restore_in(xdp_data(ctx), xdp_data_end(ctx));
	packet_barrier();
	tcp = bare_key(xdp_data(ctx), xdp_data_end(ctx), &key);
	if (!tcp)
		return XDP_PASS;
	flow = job.family == 4 ? flow_lookup(&key, FAMILY_4) : flow_lookup(&key, FAMILY_6);
	if (!flow) {
		job.misses++;
		return XDP_PASS;
	}
	flow->touched++;
	tcp->dest = flow->port;
	return XDP_PASS;
}

SEC("xdp")
int bench_insert(struct xdp_md *ctx)
{
	struct scratch *scratch = scratch_get();

	restore_in(xdp_data(ctx), xdp_data_end(ctx));
	packet_barrier();
	if (!scratch || !bare_key(xdp_data(ctx), xdp_data_end(ctx), &scratch->key))
		return XDP_PASS;
	if (job.family == 4 ? flow_insert_half(&scratch->key, &scratch->half, FAMILY_4)
			    : flow_insert_half(&scratch->key, &scratch->half, FAMILY_6))
		job.misses++;
	return XDP_PASS;
}

/* --- one established flow a run --- */

SEC("xdp")
int bench_fill(struct xdp_md *ctx)
{
	struct scratch *scratch = scratch_get();
	struct sluice_flow *flow;
	__u32 i = job.fresh;
	struct tcphdr *tcp;

	restore_in(xdp_data(ctx), xdp_data_end(ctx));
	packet_barrier();
	tcp = scratch ? bare_key(xdp_data(ctx), xdp_data_end(ctx), &scratch->key) : NULL;
	if (!tcp)
		return XDP_PASS;
	flow = &scratch->half.flow;
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->generation = JOB_GENERATION;
	flow->slot = 1 + i % JOB_BACKENDS;
	flow->port = backend_port(i);
	flow->service = JOB_SERVICE;
	flow->picked = flow->touched = flow_now();
	flow->out_marks = SLUICE_OUT_SYNACK;
	flow->done = 1;
	flow->cookie = job.family == 4 ? flow_cookie(&scratch->key, FAMILY_4)
				       : flow_cookie(&scratch->key, FAMILY_6);
	if (job.family == 4 ? flow_insert(&scratch->key, flow, FAMILY_4)
			    : flow_insert(&scratch->key, flow, FAMILY_6))
		job.misses++;
	return XDP_PASS;
}

#include "step.bpf.c"
