/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the time goes: programs that take the shipped path's steps, one more each, and then pass
 * the packet. They call the functions of bpf/ that the path calls, in its order; what a step costs
 * is the difference to the program before. The shipped program itself comes after the last: what it
 * does beyond these steps is the rest. Part of prog.bpf.c.
 *
 * STEP(...) marks the end of a step: whoever is to end there ends.
 */
enum step {
	STEP_PARSE,
	STEP_SERVICE,
	STEP_FLOW,
	/* an established flow */
	STEP_COUNT,
	STEP_STAMP,
	STEP_REWRITE,
	/* a new one */
	STEP_ADMIT,
	STEP_PICK,
	STEP_KEEP,
	STEP_INSERT,
	STEP_COUNT_NEW,
};

/* What a step has found must have been wanted, else the compiler leaves the step out. */
#define step_uses(value) asm volatile("" ::"r"(value) : "memory")

#define STEP(step)                   \
	do {                         \
		packet_barrier();    \
		if (last == (step))  \
			return pass; \
	} while (0)

static __always_inline int step_xdp_in(struct xdp_md *ctx, enum step last, enum family family)
{
	struct scratch *scratch = scratch_get();
	const int pass = XDP_PASS;
	enum sluice_reason reason;
	struct packet *packet;
	struct owned owned;
	struct tcphdr *tcp;
	__u32 service;

	if (!packet_plain_tcp(xdp_data(ctx), xdp_data_end(ctx)) || !scratch)
		return pass;
	packet = &scratch->packet;
	if (packet_parse(packet, xdp_data(ctx), xdp_data_end(ctx), ctx->data_end - ctx->data,
			 &reason) != PACKET_TCP ||
	    packet_parse_tcp(packet, xdp_data(ctx), xdp_data_end(ctx), &reason))
		return pass;
	STEP(STEP_PARSE);
	service = service_on(packet->dport);
	step_uses(service);
	STEP(STEP_SERVICE);
	flow_key_in(&scratch->key, packet, packet->dport, family);
	flow_find(&owned, &scratch->key, family);
	if (!owned.flow || !owned.backend)
		return pass;
	step_uses(owned.port);
	STEP(STEP_FLOW);
	count_in(owned.slot, service, packet->ip_len);
	STEP(STEP_COUNT);
	flow_touch(&owned, flow_now());
	STEP(STEP_STAMP);
	tcp = packet_tcp(packet, xdp_data(ctx), xdp_data_end(ctx));
	if (!tcp || rewrite_is_partial(packet, family))
		return pass;
	rewrite_xdp(tcp, packet, owned.port);
	return pass;
}

static __always_inline int step_tc(struct __sk_buff *skb, enum step last, bool out,
				   enum family family)
{
	struct scratch *scratch = scratch_get();
	const int pass = TC_ACT_UNSPEC;
	enum sluice_reason reason;
	struct packet *packet;
	struct owned owned;
	struct tcphdr *tcp;
	__u32 service;

	if (!packet_plain_tcp(skb_data(skb), skb_data_end(skb)) || !scratch)
		return pass;
	packet = &scratch->packet;
	if (tc_parse(skb, packet, &reason) != PACKET_TCP || tc_parse_tcp(skb, packet, &reason))
		return pass;
	STEP(STEP_PARSE);
	service = out ? service_port_of(packet->sport) : service_on(packet->dport);
	step_uses(service);
	STEP(STEP_SERVICE);
	if (out)
		flow_key_out(&scratch->key, packet, service, family);
	else
		flow_key_in(&scratch->key, packet, packet->dport, family);
	flow_find(&owned, &scratch->key, family);
	if (!owned.flow || !owned.backend)
		return pass;
	step_uses(owned.port);
	STEP(STEP_FLOW);
	if (out)
		count_out(owned.slot, owned.service, packet->ip_len);
	else
		count_in(owned.slot, service, packet->ip_len);
	STEP(STEP_COUNT);
	flow_touch(&owned, flow_now());
	STEP(STEP_STAMP);
	tcp = packet_tcp(packet, skb_data(skb), skb_data_end(skb));
	if (rewrite_tc(skb, packet, tcp, out ? REWRITE_OUT : REWRITE_IN, true,
		       out ? service : owned.port, family))
		return pass;
	return pass;
}

static __always_inline int step_new(struct xdp_md *ctx, enum step last)
{
	struct scratch *scratch = scratch_get();
	struct pick pick = { .now = flow_now() };
	const enum family family = FAMILY_4;
	const int pass = XDP_PASS;
	enum sluice_reason reason;
	struct packet *packet;
	struct owned owned;
	union flow_key *key;

	if (!packet_plain_tcp(xdp_data(ctx), xdp_data_end(ctx)) || !scratch)
		return pass;
	packet = &scratch->packet;
	key = &scratch->key;
	if (packet_parse(packet, xdp_data(ctx), xdp_data_end(ctx), ctx->data_end - ctx->data,
			 &reason) != PACKET_TCP ||
	    packet_parse_tcp(packet, xdp_data(ctx), xdp_data_end(ctx), &reason))
		return pass;
	pick.service = service_on(packet->dport);
	step_uses(pick.service);
	STEP(STEP_SERVICE);
	flow_key_in(key, packet, packet->dport, family);
	flow_find_syn(&owned, key, family);
	step_uses(owned.flow);
	STEP(STEP_FLOW);
	if (admit(&scratch->own, pick.service, key, pick.now, family))
		return pass;
	STEP(STEP_ADMIT);
	pick.client = flow_client(key, family);
	if (pick_backend(&pick) != PICK_OK)
		return pass;
	step_uses(pick.slot);
	STEP(STEP_PICK);
	ingress_keep_options(&scratch->half, packet, xdp_data(ctx), xdp_data_end(ctx));
	flow_begin(&scratch->half.flow, &pick, flow_cookie(key, family), packet->seq,
		   packet->payload_len);
	flow_keep_syn(&scratch->half, packet);
	STEP(STEP_KEEP);
	if (flow_insert_half(key, &scratch->half, family))
		return pass;
	STEP(STEP_INSERT);
	flow_count_pick(&pick);
	count_reason(SLUICE_REASON_NEW);
	count_in(pick.slot, pick.service, packet->ip_len);
	return pass;
}

#define STEP_XDP(NAME, LAST)                                               \
	SEC("xdp") int bench_step_xdp_##NAME(struct xdp_md *ctx)           \
	{                                                                  \
		restore_in(xdp_data(ctx), xdp_data_end(ctx));              \
		packet_barrier();                                          \
		return job.family == 4 ? step_xdp_in(ctx, LAST, FAMILY_4)  \
				       : step_xdp_in(ctx, LAST, FAMILY_6); \
	}
#define STEP_TC(NAME, LAST)                                                   \
	SEC("tc") int bench_step_in_##NAME(struct __sk_buff *skb)             \
	{                                                                     \
		restore_in(skb_data(skb), skb_data_end(skb));                 \
		packet_barrier();                                             \
		return job.family == 4 ? step_tc(skb, LAST, false, FAMILY_4)  \
				       : step_tc(skb, LAST, false, FAMILY_6); \
	}                                                                     \
	SEC("tc") int bench_step_out_##NAME(struct __sk_buff *skb)            \
	{                                                                     \
		restore_out(skb);                                             \
		packet_barrier();                                             \
		return job.family == 4 ? step_tc(skb, LAST, true, FAMILY_4)   \
				       : step_tc(skb, LAST, true, FAMILY_6);  \
	}
#define STEP_NEW(NAME, LAST)                                     \
	SEC("xdp") int bench_step_new_##NAME(struct xdp_md *ctx) \
	{                                                        \
		restore_in(xdp_data(ctx), xdp_data_end(ctx));    \
		packet_barrier();                                \
		return step_new(ctx, LAST);                      \
	}

#define STEPS_OF(X)              \
	X(parse, STEP_PARSE)     \
	X(service, STEP_SERVICE) \
	X(flow, STEP_FLOW)       \
	X(count, STEP_COUNT)     \
	X(stamp, STEP_STAMP)     \
	X(rewrite, STEP_REWRITE)

STEPS_OF(STEP_XDP)
STEPS_OF(STEP_TC)
STEP_NEW(service, STEP_SERVICE)
STEP_NEW(flow, STEP_FLOW)
STEP_NEW(admit, STEP_ADMIT)
STEP_NEW(pick, STEP_PICK)
STEP_NEW(keep, STEP_KEEP)
STEP_NEW(insert, STEP_INSERT)
STEP_NEW(count, STEP_COUNT_NEW)
