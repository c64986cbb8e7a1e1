/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The invariants. A packet that is left alone is left alone whole; one that changes belongs to a flow
 * whose backend stands; what is dropped or answered is what the packet table names.
 */
#include "packets_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "../bpf/frame_bytes.h"

enum { ISN_AT = 4, ACK_AT = 8, FLAGS_AT = 13, WINDOW_AT = 14, CHECK_AT = 16 };

static uint16_t service_port_of(const struct world *world, uint16_t port)
{
	return ntohs(world->maps->hports[port].service_port);
}

static void read_address(struct frame_address *address, const uint8_t *at, unsigned family)
{
	memset(address, 0, sizeof(*address));
	address->six = family == 6;
	memcpy(address->bytes + (family == 6 ? 0 : 12), at, family == 6 ? 16 : 4);
}

void packets_find_flow(struct world *world, bool out, const uint8_t *frame, size_t len,
		       struct packets_flow *found)
{
	struct frame_address src, dst;
	struct frame_places places;
	struct sluice_half half;
	struct world_key key;
	const uint8_t *ip, *tcp;
	uint16_t service_port, client_port;
	bool from_client = !out;

	memset(found, 0, sizeof(*found));
	if (!frame_locate(frame, len, &places))
		return;
	ip = frame + places.l3;
	tcp = frame + places.l4;
	if (places.proto != IPPROTO_TCP) { /* the quoted packet went the other way */
		if (!places.quote_l4)
			return;
		ip = frame + places.l4 + ICMP_LEN;
		tcp = frame + places.quote_l4;
		from_client = out;
	}
	read_address(&src, ip + (places.family == 4 ? 12 : 8), places.family);
	read_address(&dst, ip + (places.family == 4 ? 16 : 24), places.family);
	service_port = get16(tcp + (from_client ? 2 : 0));
	client_port = get16(tcp + (from_client ? 0 : 2));
	if (out)
		service_port = service_port_of(world, service_port);
	world_make_key(&key, places.family, from_client ? &src : &dst, from_client ? &dst : &src,
		       client_port, service_port);
	found->in_half = !world_find_flow(world, &key, false, &half);
	if (found->in_half)
		found->flow = half.flow;
	found->in_est = !world_find_flow(world, &key, true, &half);
	if (found->in_est)
		found->flow = half.flow;
}

void packets_remember_syn(struct packets_syns *syns, const uint8_t *frame, size_t len)
{
	unsigned at = syns->count % PACKETS_SYNS;

	if (len > PACKETS_SYN_MAX)
		return;
	memcpy(syns->syns[at].frame, frame, len);
	syns->syns[at].len = len;
	syns->count++;
}

static bool opens(const uint8_t *tcp)
{
	return (tcp[FLAGS_AT] & (FRAME_SYN | FRAME_ACK | FRAME_RST | FRAME_FIN)) == FRAME_SYN;
}

static bool may_drop(struct world *world, bool out, const uint8_t *sent,
		     const struct frame_places *places)
{
	uint16_t dport = get16(sent + places->l4 + 2);

	return !out && places->proto == IPPROTO_TCP && opens(sent + places->l4) &&
	       (world_service_on(world, dport) || service_port_of(world, dport));
}

/* Exactly one reason tells why a packet is dropped, and of one that is not dropped none does. */
static bool drops_are_counted(const struct hook_result *result)
{
	static const enum sluice_reason reasons[] = {
		SLUICE_REASON_EMPTY_DROP,    SLUICE_REASON_FULL_DROP, SLUICE_REASON_TORN_SET,
		SLUICE_REASON_RESET_PAYLOAD, SLUICE_REASON_CONFLICT,  SLUICE_REASON_DENIED,
		SLUICE_REASON_RATE_LIMITED,
	};
	int sum = 0;
	unsigned i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		sum += result->reasons[reasons[i]];
	if (result->verdict == HOOK_DROP)
		return sum + result->reasons[SLUICE_REASON_TABLE_FULL] == 1;
	return sum == 0;
}

/* --- packets that are made --- */

/* Headers before TCP turned round: addresses, length, and what a fresh packet has. */
static size_t turn_headers(const uint8_t *sent, const struct frame_places *places, uint8_t *want,
			   unsigned tcp_len, uint8_t tos, uint8_t ttl)
{
	uint8_t *ip = want + places->l3;
	const uint8_t *old = sent + places->l3;
	size_t len = places->l4 + tcp_len;

	memcpy(want, sent, places->l4);
	memcpy(want, sent + 6, 6);
	memcpy(want + 6, sent, 6);
	if (places->family == 4) {
		ip[1] = tos;
		put16(ip + 2, (uint32_t)(len - places->l3));
		put16(ip + 4, 0);
		put16(ip + 6, 0x4000);
		ip[8] = ttl;
		memcpy(ip + 12, old + 16, 4);
		memcpy(ip + 16, old + 12, 4);
	} else {
		put32(ip, 0x60000000u | (uint32_t)tos << 20);
		put16(ip + 4, (uint32_t)(len - places->l3 - IP6_LEN));
		ip[7] = ttl;
		memcpy(ip + 8, old + 24, 16);
		memcpy(ip + 24, old + 8, 16);
	}
	return len;
}

/* Equal but for checksums, which are judged by their being right. */
static bool is_made(const struct hook_result *result, uint8_t *want, size_t len,
		    const struct frame_places *places, const uint8_t *sent)
{
	const uint8_t *ip = result->frame + places->l3;
	size_t ihl = places->l4 - places->l3;

	if (result->len != len)
		return false;
	memcpy(want + places->l4 + CHECK_AT, result->frame + places->l4 + CHECK_AT, 2);
	if (places->family == 4) {
		memcpy(want + places->l3 + 10, ip + 10, 2);
		if ((sum_bytes(ip, ihl) == 0xffff) != (sum_bytes(sent + places->l3, ihl) == 0xffff))
			return false;
	}
	return !memcmp(want, result->frame, len);
}

static bool is_reset(const uint8_t *sent, const struct frame_places *places,
		     const struct hook_result *result)
{
	static uint8_t want[FRAME_MAX];
	const uint8_t *ip = sent + places->l3, *tcp = sent + places->l4;
	uint8_t tos = places->family == 4 ? ip[1] : (uint8_t)(get16(ip) >> 4);
	size_t len = turn_headers(sent, places, want, TCP_LEN, tos, 64);
	uint8_t *reset = want + places->l4;

	memset(reset, 0, TCP_LEN);
	memcpy(reset, tcp + 2, 2);
	memcpy(reset + 2, tcp, 2);
	put32(reset + ACK_AT, get32(tcp + ISN_AT) + 1);
	reset[12] = 5 << 4;
	reset[FLAGS_AT] = FRAME_RST | FRAME_ACK;
	return is_made(result, want, len, places, sent);
}

/* An IP header from nothing, for what is made of an ICMP error; addresses come later. */
static size_t fresh_headers(const uint8_t *sent, struct frame_places *places, uint8_t *want,
			    unsigned tcp_len, uint8_t tos, uint8_t ttl)
{
	uint8_t *ip = want + places->l3;
	size_t len;

	memcpy(want, sent, places->l3);
	memcpy(want, sent + 6, 6);
	memcpy(want + 6, sent, 6);
	memset(ip, 0, IP6_LEN);
	places->l4 = places->l3 + (places->family == 4 ? IP4_LEN : IP6_LEN);
	len = places->l4 + tcp_len;
	if (places->family == 4) {
		put16(ip, 0x4500u | tos);
		put16(ip + 2, (uint32_t)(len - places->l3));
		put16(ip + 6, 0x4000);
		put16(ip + 8, (uint32_t)ttl << 8 | IPPROTO_TCP);
	} else {
		put32(ip, 0x60000000u | (uint32_t)tos << 20);
		put16(ip + 4, tcp_len);
		put16(ip + 6, (uint32_t)IPPROTO_TCP << 8 | ttl);
	}
	return len;
}

/*
 * The SYN that came in as `syn`, made of the packet `sent` by which a backend turned it away: a TCP
 * packet keeps its IP options and extension headers, of an ICMP error nothing stays.
 */
static bool is_syn_again(const uint8_t *syn, size_t syn_len, const uint8_t *sent,
			 struct frame_places places, const struct hook_result *result)
{
	static uint8_t want[FRAME_MAX];
	struct frame_places was;
	size_t len, at, addresses;
	bool icmp = places.proto != IPPROTO_TCP;
	const uint8_t *ip;
	unsigned tcp_len;
	uint8_t *tcp, tos, ttl;

	if (!frame_locate(syn, syn_len, &was) || was.family != places.family)
		return false;
	ip = syn + was.l3;
	at = was.family == 4 ? 12 : 8;
	addresses = was.family == 4 ? 8 : 32;
	tos = was.family == 4 ? ip[1] : (uint8_t)(get16(ip) >> 4);
	ttl = ip[was.family == 4 ? 8 : 7];
	tcp_len = (unsigned)(syn[was.l4 + 12] >> 4) * 4;
	if (icmp) {
		len = fresh_headers(sent, &places, want, tcp_len, tos, ttl);
		memcpy(want + places.l3 + at, ip + at, addresses);
	} else {
		len = turn_headers(sent, &places, want, tcp_len, tos, ttl);
	}
	if (memcmp(want + places.l3 + at, ip + at, addresses))
		return false;
	tcp = want + places.l4;
	memcpy(tcp, syn + was.l4, tcp_len);
	put32(tcp + ACK_AT, 0);
	tcp[12] = (uint8_t)(tcp_len / 4 << 4);
	put16(tcp + 18, 0);
	return is_made(result, want, len, &places, icmp ? result->frame : sent);
}

/*
 * The challenge ACK that takes the refusal's place, with the flow's own numbers: a TCP packet keeps
 * everything before its TCP header and that header's length, of an ICMP error nothing stays.
 */
static bool is_challenge(struct world *world, const uint8_t *sent, struct frame_places places,
			 const struct hook_result *result, const struct packets_flow *after)
{
	static uint8_t want[FRAME_MAX];
	const bool icmp = places.proto != IPPROTO_TCP;
	const uint8_t *old = sent + (icmp ? places.quote_l4 : places.l4);
	const unsigned tcp_len = icmp ? TCP_LEN : (unsigned)(old[12] >> 4) * 4;
	const unsigned at = places.family == 4 ? 12 : 8, address_len = places.family == 4 ? 4 : 16;
	const uint8_t *quoted = sent + places.l4 + ICMP_LEN + at;
	size_t len = places.l4 + tcp_len;
	uint8_t *tcp;

	if (!after->in_est || !after->flow.done)
		return false;
	memcpy(want, sent, places.l4);
	if (icmp) {
		len = fresh_headers(sent, &places, want, tcp_len, 0, 64);
		memcpy(want, sent, 12); /* it goes where the error went */
		memcpy(want + places.l3 + at, quoted + address_len, address_len);
		memcpy(want + places.l3 + at + address_len, quoted, address_len);
	}
	tcp = want + places.l4;
	memset(tcp, 0, tcp_len);
	put16(tcp, service_port_of(world, get16(old + (icmp ? 2 : 0))));
	memcpy(tcp + 2, old + (icmp ? 0 : 2), 2);
	put32(tcp + ISN_AT, after->flow.server_isn);
	put32(tcp + ACK_AT, after->flow.server_ack);
	tcp[12] = (uint8_t)(tcp_len / 4 << 4);
	tcp[FLAGS_AT] = FRAME_ACK;
	put16(tcp + WINDOW_AT, 65535);
	return is_made(result, want, len, &places, icmp ? result->frame : sent);
}

static const char *broken_answer(struct world *world, bool out, const uint8_t *sent,
				 const struct frame_places *places,
				 const struct hook_result *result, const struct packets_syns *syns,
				 const struct packets_flow *after)
{
	unsigned i, known = syns->count < PACKETS_SYNS ? syns->count : PACKETS_SYNS;
	const uint8_t *tcp = sent + places->l4;

	if (!out) {
		if (places->proto != IPPROTO_TCP)
			return "an answer to what is not TCP";
		if (!opens(tcp) || !world_service_on(world, get16(tcp + 2)))
			return "a reset for what opens no connection to a service";
		return is_reset(sent, places, result) ? NULL : "the reset is not what it must be";
	}
	if (places->proto != IPPROTO_TCP)
		tcp = sent + places->quote_l4;
	if (!service_port_of(world, get16(tcp + (places->proto != IPPROTO_TCP ? 2 : 0))) ||
	    (places->proto == IPPROTO_TCP && !(tcp[FLAGS_AT] & (FRAME_RST | FRAME_ACK))))
		return "a packet was sent in again for what refuses nothing";
	if (result->reasons[SLUICE_REASON_CHALLENGED])
		return is_challenge(world, sent, *places, result, after)
			       ? NULL
			       : "the challenge is not what it must be";
	for (i = 0; i < known; i++)
		if (is_syn_again(syns->syns[i].frame, syns->syns[i].len, sent, *places, result))
			return NULL;
	return "what was sent in again is none of the client's SYNs";
}

/* --- packets that change --- */

static const char *broken_change(struct world *world, bool out, const uint8_t *sent,
				 const struct frame_places *places,
				 const struct hook_result *result, const struct packets_flow *after)
{
	bool icmp = places->proto != IPPROTO_TCP;
	size_t at = icmp ? places->quote_l4 + (out ? 2 : 0) : places->l4 + (out ? 0 : 2);
	uint16_t from = get16(sent + at), to = get16(result->frame + at);
	const struct sluice_backend *backend;

	if (!after->in_half && !after->in_est)
		return "a packet changed that has no flow";
	if (after->in_half && after->in_est)
		return "a flow stands in both tables";
	backend = &world->maps->backends[after->flow.slot];
	if (backend->generation != after->flow.generation)
		return "a packet of a retired generation changed";
	if (ntohs(after->flow.port) != (out ? from : to))
		return "a port that is not the flow's";
	if (out)
		return to == service_port_of(world, from) ? NULL : "not the service's port";
	if (!world_service_on(world, from))
		return "a packet for no service changed";
	return NULL;
}

const char *packets_broken(struct world *world, bool out, const uint8_t *sent, size_t len,
			   const struct hook_result *result, const struct packets_syns *syns,
			   const struct packets_flow *after)
{
	const char *broken = hook_broken_invariant(out, sent, len, result);
	struct frame_places places;
	bool changed;

	if (broken)
		return broken;
	if (result->reasons[SLUICE_REASON_REWRITE_FAILED])
		return "a packet could not be written";
	if (!drops_are_counted(result))
		return "a drop and its reason do not agree";
	changed = result->verdict == HOOK_PASS &&
		  (result->len != len || memcmp(sent, result->frame, len));
	if (!frame_locate(sent, len, &places))
		return changed || result->verdict != HOOK_PASS
			       ? "no whole packet, and not left alone"
			       : NULL;
	if (result->verdict == HOOK_DROP)
		return may_drop(world, out, sent, &places)
			       ? NULL
			       : "dropped, and no SYN for a port of ours";
	if (result->verdict == HOOK_ANSWER)
		return broken_answer(world, out, sent, &places, result, syns, after);
	return changed ? broken_change(world, out, sent, &places, result, after) : NULL;
}
