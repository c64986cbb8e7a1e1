/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which packets are sent, and what became of them. They are as plain as a packet can be: no
 * options, no data, and no checksums, which the way in neither checks nor believes.
 */
#include "explain.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain_copy.h"
#include "maps.h"

enum { ETH_LEN = 14, IP4_LEN = 20, IP6_LEN = 40, TCP_LEN = 20, FRAME_LEN = 128 };
enum { FLAG_SYN = 0x02, FLAG_ACK = 0x10 };

struct explain {
	const struct maps *live;
	struct explain_copy *copy;
	struct sluice_backend seen[SLUICE_MAX_BACKENDS + 1];
	struct sluice_set set;
	uint32_t now;
};

int explain_new(struct explain **explain, const struct maps *live, int rates_fd, int cursor_fd,
		bool *same_program, char *error, size_t len)
{
	struct explain *made = calloc(1, sizeof(*made));
	int err = -ENOMEM;

	if (!made)
		goto out;
	made->live = live;
	err = explain_copy_new(&made->copy, live, rates_fd, cursor_fd, same_program);
	if (err)
		goto out;
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
	explain_copy_free(explain->copy);
	free(explain);
}

/* --- asking --- */

static struct explain_copy_key make_key(const struct explain_connection *asked,
					uint16_t service_port)
{
	const struct sluice_flow_key4 key4 = {
		.client = asked->client[0],
		.local = asked->local[0],
		.client_port = htons(asked->client_port),
		.service_port = htons(service_port),
	};
	struct explain_copy_key key = {
		.six = asked->family == AF_INET6,
		.key = {
			.client_port = htons(asked->client_port),
			.service_port = htons(service_port),
		},
	};

	memcpy(key.key.client, asked->client, sizeof(key.key.client));
	memcpy(key.key.local, asked->local, sizeof(key.key.local));
	if (!key.six)
		memcpy(&key.key, &key4, sizeof(key4));
	return key;
}

/* The world as it was seen, for one packet. */
static int prepare(struct explain *explain, const struct explain_connection *asked,
		   struct explain_answer *answer)
{
	const struct explain_copy_key key = make_key(asked, answer->service_port);
	struct sluice_flow flow;
	int err;

	err = explain_copy_fill(explain->copy, explain->seen, answer->service, &key, &flow,
				&answer->has_flow);
	if (err || !answer->has_flow)
		return err;
	answer->flow = flow;
	answer->flow_state = sluice_flow_state(&flow, explain->now, &explain->live->meta.timeouts);
	answer->retired = flow.slot > SLUICE_MAX_BACKENDS ||
			  explain->seen[flow.slot].generation != flow.generation;
	return 0;
}

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

static int run(const struct explain *explain, const struct explain_connection *asked,
	       uint16_t service_port, const uint8_t *frame, size_t frame_len,
	       struct explain_outcome *outcome)
{
	const struct explain_copy_key key = make_key(asked, service_port);
	const size_t port_at = frame_len - TCP_LEN + 2;
	struct explain_copy_result result;
	uint8_t out[2 * FRAME_LEN] = {};
	struct sluice_flow flow;
	int err;

	*outcome = (struct explain_outcome){};
	err = explain_copy_run(explain->copy, frame, frame_len, out, sizeof(out), &result);
	if (err)
		return err;
	memcpy(outcome->counted, result.counted, sizeof(outcome->counted));
	if (result.retval == TC_ACT_SHOT) {
		outcome->verdict = EXPLAIN_DROP;
	} else if (result.retval == TC_ACT_REDIRECT) {
		outcome->verdict = EXPLAIN_RESET;
	} else if (memcmp(out + port_at, frame + port_at, sizeof(uint16_t)) != 0) {
		outcome->verdict = EXPLAIN_BACKEND;
		outcome->port = (uint16_t)(out[port_at] << 8 | out[port_at + 1]);
		/* whom it went to: the flow that the program has left, or found */
		err = explain_copy_flow(explain->copy, &key, &flow);
		if (err)
			return err;
		outcome->slot = flow.slot;
		outcome->generation = flow.generation;
	}
	return 0;
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
	memcpy(explain->seen, explain->live->backends, sizeof(explain->seen));
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
