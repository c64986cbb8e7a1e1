// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs. Read on in this order:
 *   maps.h     every map, and the settings
 *   count.h    counters
 *   packet.h   from a frame to fields
 *   flow.h     the life of a flow
 *   pick.h     who gets a new connection
 *   verdict.h  the protocol between core and hooks
 *   ingress.h  the way in, row by row of the packet table
 *   egress.h   the way out
 *   rewrite.h  changing a port and the checksum
 *   reset.h    answering a SYN with a reset
 *
 * sluice_xdp is attached in native or generic mode, sluice_tc_in and sluice_tc_out in every mode.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "maps.h"

#include "count.h"
#include "packet.h"

#include "flow.h"
#include "pick.h"
#include "verdict.h"

#include "egress.h"
#include "ingress.h"

#include "reset.h"
#include "rewrite.h"

char LICENSE[] SEC("license") = "GPL";

/* Index of the service on a port, 0 if there is none. */
static __always_inline __u32 service_on(__be16 port)
{
	__u32 index = bpf_ntohs(port);
	const struct sluice_port *entry = bpf_map_lookup_elem(&sluice_ports, &index);

	return entry ? entry->service : 0;
}

SEC("xdp")
int sluice_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	enum sluice_reason reason;
	struct packet packet;
	enum verdict verdict;
	__u32 service;
	__be16 port;

	if (packet_parse(&packet, data, data_end, data_end - data, &reason))
		return XDP_PASS;
	service = service_on(packet.dport);
	if (!service || packet_parse_tcp(&packet, data_end, &reason))
		return XDP_PASS;
	if (rewrite_is_partial(&packet)) {
		count_reason(SLUICE_REASON_TO_TC);
		return XDP_PASS;
	}
	verdict = ingress(&packet, service, HOOK_XDP, &port);
	switch (verdict) {
	case VERDICT_REWRITE:
		rewrite_xdp(&packet, port);
		return XDP_PASS;
	case VERDICT_DROP:
		return XDP_DROP;
	case VERDICT_RESET:
		count_reason(SLUICE_REASON_TO_TC);
		return XDP_PASS;
	default:
		return XDP_PASS;
	}
}

/*
 * Make the headers readable in one piece. Nearly always they are; a few drivers leave them in page
 * fragments.
 */
static __always_inline void pull_headers(struct __sk_buff *skb)
{
	const __u32 most = sizeof(struct ethhdr) + 60 + 60;
	__u32 linear = skb->data_end - skb->data;

	if (linear < most && linear < skb->len)
		bpf_skb_pull_data(skb, skb->len < most ? skb->len : most);
}

SEC("tc")
int sluice_tc_in(struct __sk_buff *skb)
{
	void *data, *data_end;
	enum sluice_reason reason;
	struct packet packet;
	enum verdict verdict;
	__u32 service;
	__be16 port;

	pull_headers(skb);
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	if (packet_parse(&packet, data, data_end, skb->len, &reason)) {
		if (reason)
			count_reason(reason);
		return TC_ACT_UNSPEC;
	}
	service = service_on(packet.dport);
	if (!service)
		return TC_ACT_UNSPEC;
	if (packet_parse_tcp(&packet, data_end, &reason)) {
		count_reason(reason);
		return TC_ACT_UNSPEC;
	}
	verdict = ingress(&packet, service, HOOK_TC, &port);
	switch (verdict) {
	case VERDICT_REWRITE:
		if (!rewrite_tc(skb, &packet, offsetof(struct tcphdr, dest), packet.dport, port))
			return TC_ACT_UNSPEC;
		count_reason(SLUICE_REASON_REWRITE_FAILED);
		return TC_ACT_SHOT;
	case VERDICT_DROP:
		return TC_ACT_SHOT;
	case VERDICT_RESET:
		return reset_answer(skb, &packet);
	default:
		return TC_ACT_UNSPEC;
	}
}

SEC("tc")
int sluice_tc_out(struct __sk_buff *skb)
{
	const struct sluice_hport *hport;
	void *data, *data_end;
	enum sluice_reason reason;
	struct packet packet;
	__be16 service_port;
	__u32 index;

	pull_headers(skb);
	data = (void *)(long)skb->data;
	data_end = (void *)(long)skb->data_end;
	/*
	 * Nothing is counted before the port is known: what else this host sends is none of our
	 * business.
	 */
	if (packet_parse(&packet, data, data_end, skb->len, &reason))
		return TC_ACT_UNSPEC;
	index = bpf_ntohs(packet.sport);
	hport = bpf_map_lookup_elem(&sluice_hports, &index);
	if (!hport || !hport->service_port)
		return TC_ACT_UNSPEC;
	service_port = hport->service_port;
	if (packet_parse_tcp(&packet, data_end, &reason)) {
		count_reason(reason);
		return TC_ACT_UNSPEC;
	}
	if (egress(&packet, service_port) != VERDICT_REWRITE)
		return TC_ACT_UNSPEC;
	if (!rewrite_tc(skb, &packet, offsetof(struct tcphdr, source), packet.sport, service_port))
		return TC_ACT_UNSPEC;
	count_reason(SLUICE_REASON_REWRITE_FAILED);
	return TC_ACT_SHOT;
}

/*
 * Both clocks at one moment, for attach: run once, it tells how far they are apart; run twice, the
 * rate of jiffies.
 */
__u64 clock_jiffies;
__u64 clock_ktime_ns;

SEC("socket")
int sluice_clock(struct __sk_buff *skb)
{
	clock_jiffies = bpf_jiffies64();
	clock_ktime_ns = bpf_ktime_get_ns();
	return 0;
}
