/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flow's life in the model, and who gets a new one.
 *
 * Counts are derived, not kept step by step: a backend's active are its flows in the established
 * table, its half-open ones those whose handshake is neither done nor refused.
 */
#include "model_flow.h"

#include <string.h>

#include <sluice/flow_rules.h>

/* A segment that begins further ahead is not believed. */
enum { FARTHEST = 262144 };

struct model_flow *model_find(struct model *model, const struct frame_address *client,
			      const struct frame_address *local, uint16_t client_port,
			      uint16_t service_port)
{
	struct model_flow *flow;

	for (flow = model->flows; flow < model->flows + MODEL_FLOWS; flow++)
		if (flow->used && flow->client_port == client_port &&
		    flow->service_port == service_port &&
		    !memcmp(flow->client.bytes, client->bytes, 16) &&
		    !memcmp(flow->local.bytes, local->bytes, 16))
			return flow;
	return NULL;
}

struct model_backend *model_backend_of(struct model *model, const struct model_flow *flow)
{
	struct model_backend *backend = &model->backends[flow->slot];

	return backend->generation == flow->generation ? backend : NULL;
}

/* Ended on a packet. */
static bool is_over(const struct model_flow *flow)
{
	return (flow->out_marks & SLUICE_OUT_RST) ||
	       ((flow->in_marks & SLUICE_IN_FIN_ACKED) && (flow->out_marks & SLUICE_OUT_FIN_ACKED));
}

static bool is_closing(const struct model_flow *flow)
{
	return (flow->in_marks & SLUICE_IN_FIN) || (flow->out_marks & SLUICE_OUT_FIN);
}

bool model_is_closed(const struct model *model, const struct model_flow *flow)
{
	if (is_over(flow))
		return true;
	if (flow->client_rst && model->now_ms - flow->client_rst_ms >= SLUICE_RST_LINGER_MS)
		return true;
	return !flow->done && model->now_ms - flow->picked_ms > model->timeouts.half_open_ms;
}

bool model_is_expired(const struct model *model, const struct model_flow *flow)
{
	uint64_t idle_ms = model->now_ms - flow->touched_ms;

	if (model_is_closed(model, flow))
		return idle_ms > model->timeouts.closed_ms;
	if (!flow->done)
		return false;
	if (is_closing(flow))
		return idle_ms > model->timeouts.closing_ms;
	return idle_ms > model->timeouts.idle_ms;
}

/*
 * A flow whose time is over is counted for up to a third of it more. No age of a sequence lies in
 * between, so that it does not matter when.
 */
static bool counts_still(uint64_t age_ms, uint64_t timeout_ms)
{
	return age_ms <= timeout_ms + timeout_ms / 6;
}

/*
 * Those that close, and are quiet for longer than that may last, are counted with idle ones that have as much time left: for up
 * to a third of the idle time more, which is long, so ages do lie in between.
 */
bool *model_counts_late(struct model *model, struct model_flow *flow)
{
	const uint64_t quiet_ms = model->now_ms - flow->touched_ms;
	const struct timeouts *timeouts = &model->timeouts;

	if (!flow->used || !flow->lives_in_est || !is_closing(flow) ||
	    timeouts->closing_ms >= timeouts->idle_ms || quiet_ms <= timeouts->closing_ms ||
	    quiet_ms > timeouts->closing_ms + timeouts->idle_ms / 3 + timeouts->idle_ms / 100)
		return NULL;
	return &flow->counts_late;
}

static bool counts_active(struct model *model, struct model_flow *flow)
{
	const uint64_t quiet_ms = model->now_ms - flow->touched_ms;
	const bool *late = model_counts_late(model, flow);

	if (!flow->lives_in_est)
		return false;
	if (late)
		return *late;
	if (is_closing(flow) && model->timeouts.closing_ms < model->timeouts.idle_ms)
		return quiet_ms <= model->timeouts.closing_ms;
	return counts_still(quiet_ms, model->timeouts.idle_ms);
}

void model_recount(struct model *model)
{
	const struct model_ghost *ghost;
	struct model_backend *backend;
	struct model_flow *flow;

	for (backend = model->backends; backend < model->backends + MODEL_SLOTS; backend++)
		backend->active = backend->half_open = 0;
	for (flow = model->flows; flow < model->flows + MODEL_FLOWS; flow++) {
		backend = flow->used ? model_backend_of(model, flow) : NULL;
		if (!backend)
			continue;
		backend->active += counts_active(model, flow);
		backend->half_open +=
			!flow->done && !is_over(flow) &&
			counts_still(model->now_ms - flow->picked_ms, model->timeouts.half_open_ms);
	}
	for (ghost = model->ghosts; ghost < model->ghosts + model->ghost_count; ghost++) {
		backend = &model->backends[ghost->slot];
		if (backend->generation != ghost->generation)
			continue;
		if (ghost->active)
			backend->active += counts_still(model->now_ms - ghost->stamp_ms,
							model->timeouts.idle_ms);
		else
			backend->half_open += counts_still(model->now_ms - ghost->stamp_ms,
							   model->timeouts.half_open_ms);
	}
}

/* --- room --- */

bool model_has_room(struct model *model, const struct model_flow *flow, bool established)
{
	unsigned places = established ? model->room.est : model->room.half, taken = 0;
	const struct model_flow *other;

	for (other = model->flows; other < model->flows + MODEL_FLOWS; other++)
		taken += other->used && other != flow && other->lives_in_est == established;
	if (places && !model->room.forgets && taken >= places + (model->lie == MODEL_LIE_ROOM))
		return false;
	model->inserted[established] = flow;
	return true;
}

bool model_forgotten(struct model *model, struct model_flow *flow)
{
	const struct model_flow *inserted = model->inserted[flow->lives_in_est];
	struct model_ghost *ghost = &model->ghosts[model->ghost_count];

	if (!model->room.forgets || !inserted || inserted == flow)
		return false;
	*ghost = (struct model_ghost){
		.active = flow->lives_in_est,
		.slot = flow->slot,
		.generation = flow->generation,
		.stamp_ms = flow->lives_in_est ? flow->touched_ms : flow->picked_ms,
	};
	if ((flow->lives_in_est || (!flow->done && !is_over(flow))) &&
	    model->ghost_count + 1 < MODEL_GHOSTS && model->lie != MODEL_LIE_GHOST)
		model->ghost_count++;
	model_remove(model, flow);
	return true;
}

void model_age(struct model *model, uint32_t age_ms)
{
	model->now_ms += age_ms;
	model_recount(model);
}

/* --- picks --- */

static bool is_candidate(const struct model *model, unsigned slot, unsigned service,
			 unsigned exclude)
{
	const struct model_backend *backend = &model->backends[slot];

	return slot != exclude && backend->generation && backend->state == SLUICE_BACKEND_UP &&
	       backend->weight && backend->service == service;
}

static bool is_suspect(const struct model *model, unsigned slot, bool moved)
{
	const struct model_backend *backend = &model->backends[slot];

	return backend->suspect &&
	       (moved || model->now_ms - backend->suspect_ms < SLUICE_SUSPECT_MS);
}

/* Fewer connections for its weight. */
static bool is_less(const struct model *model, unsigned a, unsigned b)
{
	const struct model_backend *one = &model->backends[a], *other = &model->backends[b];

	return (uint64_t)(one->active + one->half_open) * other->weight <
	       (uint64_t)(other->active + other->half_open) * one->weight;
}

enum model_pick model_pick(struct model *model, unsigned service, unsigned exclude, bool trusted,
			   unsigned seen, unsigned *slot)
{
	const struct model_set *set = &model->sets[service];
	unsigned good[32], good_count = 0, doubtful[32], doubtful_count = 0, i;
	unsigned old[32], old_count = 0; /* suspects that nobody has asked for a second */
	bool full = false;

	model->sees_bad_port = false;
	if (!set->published)
		return MODEL_PICK_UNSYNCED;
	if (set->torn)
		return MODEL_PICK_TORN;
	model_recount(model);
	for (i = 0; i < set->len; i++) {
		if (!is_candidate(model, set->table[i], service, exclude))
			continue;
		if (model->backends[set->table[i]].port < MODEL_PORT_MIN ||
		    model->backends[set->table[i]].port > MODEL_PORT_MAX) {
			model->sees_bad_port = true;
			continue;
		}
		if (set->maxconn && model->backends[set->table[i]].active >=
					    (int)set->maxconn - (model->lie == MODEL_LIE_MAXCONN))
			full = true;
		else if (is_suspect(model, set->table[i], false))
			doubtful[doubtful_count++] = set->table[i];
		else if (is_suspect(model, set->table[i], exclude != 0))
			old[old_count++] = set->table[i];
		else
			good[good_count++] = set->table[i];
	}
	if (!good_count && old_count) { /* better an old suspect than a new one */
		memcpy(good, old, sizeof(good));
		good_count = old_count;
	} else if (!good_count) { /* better a suspect than nobody */
		memcpy(good, doubtful, sizeof(good));
		good_count = trusted ? 0 : doubtful_count;
	} else if (set->balance == SLUICE_BALANCE_LEASTCONN) {
		for (i = 0; i < good_count; i++)
			if (good[i] != seen && is_less(model, good[i], seen))
				seen = 0;
	}
	if (!good_count)
		return full ? MODEL_PICK_FULL : MODEL_PICK_EMPTY;
	*slot = good[0];
	for (i = 0; i < good_count; i++)
		if (good[i] == seen)
			*slot = seen;
	if (!seen) /* what was seen was not allowed: nothing that it can be taken for */
		*slot = 0;
	return MODEL_PICK_OK;
}

/* --- life --- */

struct model_flow *model_new_flow(struct model *model, const struct frame *syn)
{
	struct model_flow *flow = model->flows;

	while (flow->used) /* the caller has fewer ports than there is room */
		flow++;
	memset(flow, 0, sizeof(*flow));
	flow->used = true;
	flow->client = syn->src;
	flow->local = syn->dst;
	flow->client_port = syn->sport;
	flow->service_port = syn->dport;
	return flow;
}

void model_begin(struct model *model, struct model_flow *flow, unsigned slot, uint32_t isn,
		 uint16_t payload)
{
	flow->slot = slot;
	flow->generation = model->backends[slot].generation;
	flow->port = model->backends[slot].port;
	flow->in_marks = flow->out_marks = 0;
	flow->client_isn = isn;
	flow->client_next = isn + 1 + payload;
	flow->syn_payload = payload;
	flow->next_isn = flow->server_isn = flow->server_isn_before = flow->server_next = 0;
	flow->client_fin = flow->server_fin = 0;
	flow->before_ack = 0;
	flow->client_rst = false;
	flow->done = false;
	flow->picked_ms = flow->touched_ms = model->now_ms;
	model->stats[slot].picks++;
	model_recount(model);
}

void model_remove(struct model *model, struct model_flow *flow)
{
	flow->used = false;
	model_recount(model);
}

struct model_flow *model_forget(struct model *model, struct model_flow *flow)
{
	if (!flow || flow->lives_in_est || !model_is_expired(model, flow))
		return flow;
	model_remove(model, flow);
	return NULL;
}

void model_suspect(struct model *model, unsigned slot)
{
	model->backends[slot].suspect = true;
	model->backends[slot].suspect_ms = model->now_ms;
}

enum model_pick model_move(struct model *model, struct model_flow *flow, enum model_cause cause,
			   unsigned seen)
{
	struct model_backend *old = &model->backends[flow->slot];
	/*
	 * The client's own SYN may try anybody, and one that has gone round twice nobody in doubt.
	 */
	const bool trusted = cause != MODEL_SILENT && flow->redispatched >= SLUICE_REDISPATCH_ANY;
	const uint32_t before_ack = flow->out_marks ? 0 : flow->before_ack;
	enum model_pick result;
	unsigned slot;

	result = model_pick(model, flow->service, flow->slot, trusted, seen, &slot);
	if (result != MODEL_PICK_OK)
		return result;
	/* Silence is a proof only if it has answered nobody since. */
	old->unsure = cause == MODEL_SILENT && old->has_answered &&
		      old->answered_ms == flow->picked_ms;
	if (cause == MODEL_REFUSED ||
	    (cause == MODEL_SILENT && (!old->has_answered || old->answered_ms <= flow->picked_ms)))
		model_suspect(model, flow->slot);
	model_begin(model, flow, slot, flow->client_isn, flow->syn_payload);
	flow->before_ack = before_ack;
	if (cause == MODEL_SILENT) /* it is the client who sent the SYN once more */
		flow->redispatched = 0;
	return MODEL_PICK_OK;
}

void model_keep_newer(struct model *model, const struct frame *syn)
{
	struct model_newer *newer = model->newer;

	while (newer->used && (newer->syn.sport != syn->sport || newer->syn.dport != syn->dport ||
			       memcmp(newer->syn.src.bytes, syn->src.bytes, 16) ||
			       memcmp(newer->syn.dst.bytes, syn->dst.bytes, 16)))
		newer++;
	if (!newer->used || newer->syn.seq != syn->seq)
		newer->asked = 0;
	newer->used = true;
	newer->syn = *syn;
}

static struct model_newer *find_newer(struct model *model, const struct model_flow *flow)
{
	struct model_newer *newer;

	for (newer = model->newer; newer < model->newer + MODEL_FLOWS; newer++)
		if (newer->used && newer->syn.sport == flow->client_port &&
		    newer->syn.dport == flow->service_port &&
		    !memcmp(newer->syn.src.bytes, flow->client.bytes, 16) &&
		    !memcmp(newer->syn.dst.bytes, flow->local.bytes, 16))
			return newer;
	return NULL;
}

const struct frame *model_newer(struct model *model, const struct model_flow *flow)
{
	const struct model_newer *newer = find_newer(model, flow);

	return newer ? &newer->syn : NULL;
}

bool model_asks(struct model *model, const struct model_flow *flow)
{
	struct model_newer *newer = find_newer(model, flow);

	return !newer || newer->syn.seq != flow->next_isn || newer->asked++ < SLUICE_CHALLENGE_MAX;
}

void model_lost(struct model *model, struct model_flow *flow)
{
	model_remove(model, flow);
}

enum model_pick model_move_newer(struct model *model, struct model_flow *flow, unsigned seen)
{
	const struct frame *syn = model_newer(model, flow);
	enum model_pick result;
	unsigned slot;

	result = model_pick(model, flow->service, flow->slot, false, seen, &slot);
	if (result != MODEL_PICK_OK)
		return result;
	model_suspect(model, flow->slot);
	if (!model_has_room(model, flow, false)) { /* the client sends it again */
		model->reasons[SLUICE_REASON_TABLE_FULL]++;
		model_remove(model, flow);
		return MODEL_PICK_NO_ROOM;
	}
	flow->lives_in_est = false;
	flow->syn = *syn;
	flow->has_syn = true;
	flow->redispatched = 0;
	model_begin(model, flow, slot, syn->seq, (uint16_t)syn->payload_len);
	return MODEL_PICK_OK;
}

void model_settle(struct model *model, struct model_flow *flow)
{
	bool lives = flow->done && !is_over(flow) && !flow->client_rst;

	if (lives != flow->lives_in_est) {
		if (model_has_room(model, flow, lives))
			flow->lives_in_est = lives;
		else if (lives) /* its next packet tries again */
			model->reasons[SLUICE_REASON_TABLE_FULL]++;
	}
	if (flow->lives_in_est)
		flow->has_syn = false;
	model_recount(model);
}

void model_complete(struct model *model, struct model_flow *flow)
{
	if (!model_has_room(model, flow, true)) { /* its next packet tries again */
		model->reasons[SLUICE_REASON_TABLE_FULL]++;
		return;
	}
	model->reasons[SLUICE_REASON_ESTABLISHED]++;
	model->stats[flow->slot].connections++;
	flow->done = true;
	flow->server_ack = flow->client_isn + 1;
	flow->client_rst = false; /* who completes a handshake lives */
	model_settle(model, flow);
}

void model_reopen(struct model *model, struct model_flow *flow, const struct frame *packet)
{
	uint32_t newer = flow->in_marks & SLUICE_IN_NEW_SYN ? flow->next_isn : packet->ack - 1;

	if (flow->lives_in_est &&
	    !model_has_room(model, flow, false)) { /* the old flow carries it */
		model->reasons[SLUICE_REASON_TABLE_FULL]++;
		return;
	}
	model->reasons[SLUICE_REASON_SYN_REOPEN]++;
	flow->server_isn_before = flow->done ? packet->seq : flow->server_isn;
	flow->in_marks = flow->done ? 0 : SLUICE_IN_NEW_SYN;
	flow->out_marks = SLUICE_OUT_SYNACK;
	if (flow->done)
		flow->client_fin = flow->server_fin = 0;
	flow->next_isn = flow->client_isn;
	flow->client_isn = newer;
	flow->client_next = packet->ack;
	flow->syn_payload = (uint16_t)(packet->ack - (newer + 1));
	flow->server_isn = packet->seq;
	flow->server_next = packet->seq + 1 + packet->payload_len;
	flow->client_rst = false;
	flow->has_syn = false;
	flow->done = false;
	flow->picked_ms = flow->touched_ms = model->now_ms;
	model_settle(model, flow);
}

static uint32_t end_of(const struct frame *packet)
{
	return packet->seq + packet->payload_len + !!(packet->flags & FRAME_SYN) +
	       !!(packet->flags & FRAME_FIN);
}

static bool is_later(uint32_t a, uint32_t b)
{
	return a != b && a - b < 0x80000000u;
}

void model_hear_client(struct model *model, struct model_flow *flow, const struct frame *packet)
{
	bool was_over = is_over(flow);

	flow->touched_ms = model->now_ms;
	if (packet->flags & FRAME_RST) { /* a mark, if a kernel could believe it */
		if (!flow->client_rst && (packet->seq == flow->client_next ||
					  (flow->done && packet->seq == flow->server_ack))) {
			flow->client_rst = true;
			flow->client_rst_ms = model->now_ms;
		}
		return;
	}
	if (is_later(end_of(packet), flow->client_next) &&
	    !is_later(packet->seq, flow->client_next + FARTHEST))
		flow->client_next = end_of(packet);
	if ((packet->flags & FRAME_ACK) && (flow->out_marks & SLUICE_OUT_FIN) &&
	    packet->ack == flow->server_fin)
		flow->in_marks |= SLUICE_IN_FIN_ACKED;
	if ((packet->flags & FRAME_FIN) && !(flow->out_marks & SLUICE_OUT_FIN_ACKED)) {
		flow->client_fin = end_of(packet);
		flow->in_marks |= SLUICE_IN_FIN;
	}
	if (!was_over && is_over(flow))
		model->reasons[SLUICE_REASON_CLOSED]++;
}

/* The kernel that held it says so, or somebody who knows which byte the client waits for. */
static bool is_reset_believed(const struct model_flow *flow, const struct frame *packet)
{
	const uint32_t first = flow->server_isn + 1, other_first = flow->server_isn_before + 1;
	const uint32_t last = flow->server_fin, before_last = last - 1;
	const bool is_finished = flow->out_marks & SLUICE_OUT_FIN;

	/* a refusal is of a SYN: of the connection's own, or of one that anybody can send */
	if ((packet->flags & FRAME_ACK) && !packet->seq)
		return flow->client_rst || packet->ack == flow->client_isn + 1 ||
		       packet->ack == flow->client_isn + 1 + flow->syn_payload;
	return (packet->flags & FRAME_ACK) || packet->seq == first || packet->seq == other_first ||
	       (is_finished && (packet->seq == last || packet->seq == before_last));
}

void model_hear_backend(struct model *model, struct model_flow *flow, const struct frame *packet)
{
	bool was_over = is_over(flow);

	flow->touched_ms = model->now_ms;
	if ((packet->flags & FRAME_RST) && !is_reset_believed(flow, packet)) {
		model->reasons[SLUICE_REASON_RST_UNPROVED] += !was_over;
	} else if (packet->flags & FRAME_RST) {
		flow->out_marks |= SLUICE_OUT_RST;
	} else { /* what speaks lives */
		flow->out_marks &= (uint8_t)~SLUICE_OUT_RST;
		flow->client_rst = false;
		if (packet->flags & FRAME_ACK)
			flow->server_ack = packet->ack;
		if ((packet->flags & FRAME_ACK) && (flow->in_marks & SLUICE_IN_FIN) &&
		    packet->ack == flow->client_fin)
			flow->out_marks |= SLUICE_OUT_FIN_ACKED;
		if ((packet->flags & FRAME_FIN) && !(flow->in_marks & SLUICE_IN_FIN_ACKED)) {
			flow->server_fin = end_of(packet);
			flow->out_marks |= SLUICE_OUT_FIN;
		}
	}
	if (!was_over && is_over(flow) && model->lie != MODEL_LIE_COUNTER)
		model->reasons[SLUICE_REASON_CLOSED]++;
}

void model_hear_half_open(struct model *model, struct model_flow *flow, const struct frame *packet)
{
	flow->touched_ms = model->now_ms;
	if (packet->flags & FRAME_RST) {
		if (!is_over(flow))
			model->reasons[SLUICE_REASON_CLOSED]++;
		flow->out_marks |= SLUICE_OUT_RST;
		model_recount(model);
		return;
	}
	flow->out_marks &= (uint8_t)~SLUICE_OUT_RST;
	flow->client_rst = false;
	if (packet->flags & FRAME_SYN) {
		struct model_backend *backend = &model->backends[flow->slot];

		/* one that is sent again proves nothing new */
		if (!(flow->out_marks & SLUICE_OUT_SYNACK) || flow->server_isn != packet->seq) {
			backend->suspect = false;
			backend->has_answered = true;
			backend->answered_ms = model->now_ms;
		}
		if (!(flow->out_marks & SLUICE_OUT_SYNACK))
			flow->server_isn_before = packet->seq;
		else if (flow->server_isn != packet->seq)
			flow->server_isn_before = flow->server_isn;
		flow->server_isn = packet->seq;
		flow->server_next = end_of(packet);
		flow->out_marks |= SLUICE_OUT_SYNACK;
		model_recount(model);
		return;
	}
	if (is_later(end_of(packet), flow->server_next))
		flow->server_next = end_of(packet);
	if (packet->flags & FRAME_FIN) {
		flow->server_fin = end_of(packet);
		flow->out_marks |= SLUICE_OUT_FIN;
	}
	if (packet->payload_len)
		model_complete(model, flow);
	model_recount(model);
}
