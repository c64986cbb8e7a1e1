/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model's way in and way out, row by row of the packet table.
 */
#include "model.h"

#include <string.h>

#include <sluice/flow_rules.h>

#include "model_access.h"
#include "model_flow.h"

/* A connection that has been quiet for so long may be dead: nobody is kept away for it. */
enum { QUIET_MS = 5000 };

static struct model_outcome outcome(enum model_verdict verdict, uint16_t port)
{
	struct model_outcome result = { .verdict = verdict, .port = port };

	return result;
}

static struct model_outcome counted(struct model *model, enum model_verdict verdict,
				    enum sluice_reason reason)
{
	model->reasons[reason]++;
	return outcome(verdict, 0);
}

/* A TCP header that is not whole: perhaps the rest is in another fragment. */
static struct model_outcome broken(struct model *model, const struct frame *packet)
{
	return counted(model, MODEL_PASS,
		       model_is_fragment(packet) ? SLUICE_REASON_FRAGMENT_SHORT
						 : SLUICE_REASON_MALFORMED);
}

static void begin_packet(struct model *model)
{
	memset(model->reasons, 0, sizeof(model->reasons));
	memset(model->inserted, 0, sizeof(model->inserted));
	model->may_refuse_port = false;
}

static struct model_outcome reset(struct model *model, const struct frame *syn,
				  enum sluice_reason reason)
{
	/* A reset for ISN+1 is not believed by a client that sent data; it comes again without. */
	if (syn->payload_len || model_is_fragment(syn))
		return counted(model, MODEL_DROP, SLUICE_REASON_RESET_PAYLOAD);
	return counted(model, MODEL_RESET, reason);
}

static struct model_outcome unserved(struct model *model, unsigned service, const struct frame *syn,
				     enum model_pick result)
{
	const struct model_set *set = &model->sets[service];

	if (model->access[service].leaving)
		return counted(model, MODEL_PASS, SLUICE_REASON_LEAVING);
	if (result == MODEL_PICK_UNSYNCED)
		return counted(model, MODEL_PASS, SLUICE_REASON_UNSYNCED);
	if (result == MODEL_PICK_TORN)
		return counted(model, MODEL_DROP, SLUICE_REASON_TORN_SET);
	if (result == MODEL_PICK_FULL) {
		if (set->on_full == SLUICE_FULL_RESET)
			return reset(model, syn, SLUICE_REASON_FULL_RESET);
		return counted(model, MODEL_DROP, SLUICE_REASON_FULL_DROP);
	}
	if (set->on_empty == SLUICE_EMPTY_PASS)
		return counted(model, MODEL_PASS, SLUICE_REASON_EMPTY_PASS);
	if (set->on_empty == SLUICE_EMPTY_DROP)
		return counted(model, MODEL_DROP, SLUICE_REASON_EMPTY_DROP);
	return reset(model, syn, SLUICE_REASON_EMPTY_RESET);
}

/*
 * before: the connection that these ports carried before, whose backend may hold it still; not
 * done: none is known.
 */
static struct model_outcome first_syn(struct model *model, unsigned service,
				      const struct frame *syn, const struct model_flow *before,
				      unsigned seen)
{
	enum model_pick result;
	struct model_flow *flow;
	unsigned slot;

	if (memcmp(syn->dst.bytes, model->local.bytes, 16))
		return counted(model, MODEL_PASS, SLUICE_REASON_NOT_LOCAL);
	if (model->access[service].leaving && model->lie != MODEL_LIE_LEAVING)
		return counted(model, MODEL_PASS, SLUICE_REASON_LEAVING);
	if (!model_may_connect(model, service, syn))
		return counted(model, MODEL_DROP, SLUICE_REASON_DENIED);
	result = model_pick(model, service, 0, false, seen, &slot);
	model->may_refuse_port = result == MODEL_PICK_OK && model->sees_bad_port;
	if (result != MODEL_PICK_OK) { /* all were looked at */
		model->reasons[SLUICE_REASON_OUT_OF_RANGE] += model->sees_bad_port;
		return unserved(model, service, syn, result);
	}
	if (!model_take_token(model, service, syn))
		return counted(model, MODEL_DROP, SLUICE_REASON_RATE_LIMITED);
	if (!model_has_room(model, NULL, false))
		return counted(model, MODEL_DROP, SLUICE_REASON_TABLE_FULL);
	flow = model_new_flow(model, syn);
	model->inserted[false] = flow;
	flow->service = service;
	flow->syn = *syn;
	flow->has_syn = true;
	model_begin(model, flow, slot, syn->seq, (uint16_t)syn->payload_len);
	if (before->done)
		flow->before_ack = before->server_ack;
	model->reasons[SLUICE_REASON_NEW]++;
	return outcome(MODEL_TO, flow->port);
}

static bool is_usable(struct model *model, const struct model_flow *flow)
{
	const struct model_backend *backend = model_backend_of(model, flow);

	return backend && backend->state == SLUICE_BACKEND_UP;
}

/* Its backend may still answer. */
static bool is_patient(struct model *model, const struct model_flow *flow)
{
	return is_usable(model, flow) && model->now_ms - flow->picked_ms < SLUICE_SYN_PATIENCE_MS;
}

/* Not usable, or asked for too long: somebody else, if there is somebody. */
static struct model_outcome unanswered(struct model *model, struct model_flow *flow,
				       const struct frame *syn, unsigned seen)
{
	bool usable = is_usable(model, flow);
	unsigned service = flow->service;
	enum model_pick result;

	if (is_patient(model, flow)) {
		model->reasons[SLUICE_REASON_SYN_AGAIN]++;
		return outcome(MODEL_TO, flow->port);
	}
	result = model_move(model, flow, MODEL_SILENT, seen);
	if (result == MODEL_PICK_OK) {
		model->reasons[SLUICE_REASON_SYN_MOVED]++;
		return outcome(MODEL_TO, flow->port);
	}
	if (usable) {
		model->reasons[SLUICE_REASON_SYN_AGAIN]++;
		return outcome(MODEL_TO, flow->port);
	}
	model_remove(model, flow);
	return unserved(model, service, syn, result);
}

/* A connection lives that its backend's kernel may hold for over. */
static bool has_newer(const struct model_flow *flow)
{
	bool both_fins = (flow->in_marks & SLUICE_IN_FIN_ACKED) &&
			 (flow->out_marks & SLUICE_OUT_FIN_ACKED);

	return (flow->in_marks & SLUICE_IN_NEW_SYN) && !both_fins &&
	       !(flow->out_marks & SLUICE_OUT_RST) &&
	       (flow->done || (flow->out_marks & SLUICE_OUT_SYNACK));
}

static struct model_outcome next_syn(struct model *model, struct model_flow *flow,
				     const struct frame *syn, unsigned seen)
{
	bool answered = flow->done || (flow->out_marks & SLUICE_OUT_SYNACK);

	if (syn->seq != flow->client_isn) {
		flow->in_marks |= SLUICE_IN_NEW_SYN;
		if (answered || is_patient(model, flow)) {
			flow->next_isn = syn->seq;
			if (has_newer(flow))
				model_keep_newer(model, syn);
			model->reasons[SLUICE_REASON_SYN_OTHER]++;
			return outcome(MODEL_TO, flow->port);
		}
		/* Nobody answers the first: the new one takes its place. */
		flow->next_isn = flow->client_isn;
		flow->client_isn = syn->seq;
		flow->syn_payload = (uint16_t)syn->payload_len;
		flow->client_next = syn->seq + 1 + syn->payload_len;
		flow->syn = *syn;
		flow->has_syn = true;
		flow->redispatched = 0;
	}
	if (!answered)
		return unanswered(model, flow, syn, seen);
	model->reasons[SLUICE_REASON_SYN_AGAIN]++;
	return outcome(MODEL_TO, flow->port);
}

/* A flow that is over for a SYN: its backend is retired, it is closed, or idle for too long and
 * nobody can say whether it lives. */
static bool is_forgotten(struct model *model, const struct model_flow *flow)
{
	if (!model_backend_of(model, flow) || model_is_closed(model, flow))
		return true;
	if (is_usable(model, flow) || !model_is_expired(model, flow))
		return false;
	model->reasons[SLUICE_REASON_IDLE]++;
	return true;
}

/* What a peer may send before it has heard from the other side. */
static bool is_near(uint32_t number, uint32_t isn)
{
	return number - (isn + 1) < 131072;
}

/* The backend's last word on the connection before, and what the client resets that one with. */
static bool is_of_before(const struct model_flow *flow, uint32_t number)
{
	return !flow->done && !flow->out_marks && flow->before_ack && number == flow->before_ack;
}

static bool near_for_client(const struct model_flow *flow, const struct frame *packet)
{
	if ((packet->flags & FRAME_RST) && is_of_before(flow, packet->seq))
		return true;
	return is_near(packet->seq, flow->client_isn) ||
	       ((flow->in_marks & SLUICE_IN_NEW_SYN) && is_near(packet->seq, flow->next_isn));
}

/* ISN+1 <= ack <= highest sequence sent; or the SYN-ACK before. */
static bool completes(const struct model_flow *flow, uint32_t ack)
{
	uint32_t sent = flow->server_next - (flow->server_isn + 1);

	if (!(flow->out_marks & SLUICE_OUT_SYNACK))
		return false;
	return ack - (flow->server_isn + 1) <= sent || ack == flow->server_isn_before + 1;
}

static struct model_outcome segment_in(struct model *model, struct model_flow *flow,
				       const struct frame *packet)
{
	uint16_t port = flow->port;

	model_hear_client(model, flow, packet);
	if (flow->done) {
		model_settle(model, flow);
	} else if ((packet->flags & FRAME_ACK) && !(packet->flags & FRAME_RST) &&
		   !(flow->out_marks & SLUICE_OUT_RST)) {
		if (completes(flow, packet->ack) || model->lie == MODEL_LIE_ACK)
			model_complete(model, flow);
		else
			model->reasons[SLUICE_REASON_BAD_ACK]++;
	}
	return outcome(MODEL_TO, port);
}

static bool opens(const struct frame *packet)
{
	return (packet->flags & (FRAME_SYN | FRAME_ACK | FRAME_RST | FRAME_FIN)) == FRAME_SYN;
}

/* A packet to a port that is no service's. */
static struct model_outcome direct_in(struct model *model, const struct frame *packet)
{
	uint16_t service_port = model->host_port_service[packet->dport];
	struct model_flow *flow;

	if (!service_port || !opens(packet) || model_is_broken(packet))
		return outcome(MODEL_PASS, 0);
	flow = model_find(model, &packet->src, &packet->dst, packet->sport, service_port);
	if (!flow || !model_backend_of(model, flow) || flow->port != packet->dport ||
	    model_is_closed(model, flow) || model->now_ms - flow->touched_ms >= QUIET_MS ||
	    packet->seq == flow->client_isn ||
	    ((flow->in_marks & SLUICE_IN_NEW_SYN) && packet->seq == flow->next_isn))
		return outcome(MODEL_PASS, 0);
	return counted(model, MODEL_DROP, SLUICE_REASON_CONFLICT);
}

/* An error from outside quotes what went out, with the port that the client knows. */
static struct model_outcome icmp_in(struct model *model, const struct frame *quote)
{
	const struct model_flow *flow;
	unsigned service;

	for (service = 1; service < MODEL_SERVICES; service++)
		if (model->service_port[service] == quote->sport)
			break;
	if (service == MODEL_SERVICES)
		return outcome(MODEL_PASS, 0);
	flow = model_find(model, &quote->dst, &quote->src, quote->dport, quote->sport);
	if (!flow || !model_backend_of(model, flow))
		return counted(model, MODEL_PASS, SLUICE_REASON_ICMP_NO_FLOW);
	model->reasons[SLUICE_REASON_ICMP_IN]++;
	return outcome(MODEL_TO, flow->port);
}

struct model_outcome model_in(struct model *model, const struct frame *packet, unsigned seen)
{
	struct model_flow *flow, before = {};
	unsigned service;

	begin_packet(model);
	if (model_is_later_fragment(packet))
		return counted(model, MODEL_PASS, SLUICE_REASON_FRAGMENT);
	if (model_is_opaque(packet))
		return counted(model, MODEL_PASS, SLUICE_REASON_EXT_HEADER);
	if (packet->icmp.is)
		return icmp_in(model, packet);
	for (service = 1; service < MODEL_SERVICES; service++)
		if (model->service_port[service] == packet->dport)
			break;
	if (service == MODEL_SERVICES)
		return direct_in(model, packet);
	if (model_is_broken(packet))
		return broken(model, packet);
	flow = model_find(model, &packet->src, &packet->dst, packet->sport, packet->dport);
	if (opens(packet)) {
		if (flow && is_forgotten(model, flow)) {
			before = *flow;
			model_remove(model, flow);
			flow = NULL;
		}
		return flow ? next_syn(model, flow, packet, seen)
			    : first_syn(model, service, packet, &before, seen);
	}
	flow = model_forget(model, flow);
	if (!flow || (!flow->done && !near_for_client(flow, packet)))
		return counted(model, MODEL_PASS, SLUICE_REASON_NO_FLOW);
	if (!model_backend_of(model, flow) && model->lie != MODEL_LIE_RETIRED) {
		model_remove(model, flow);
		return counted(model, MODEL_PASS, SLUICE_REASON_RETIRED);
	}
	return segment_in(model, flow, packet);
}

/* --- the way out --- */

static bool answers(const struct model_flow *flow, const struct frame *packet)
{
	return packet->ack == flow->client_isn + 1 ||
	       packet->ack == flow->client_isn + 1 + flow->syn_payload;
}

/* A SYN-ACK, or the reset of a port where nobody listens. */
static bool is_answer(const struct frame *packet)
{
	return (packet->flags & FRAME_ACK) &&
	       ((packet->flags & FRAME_SYN) || ((packet->flags & FRAME_RST) && !packet->seq));
}

static bool answers_newer(const struct model_flow *flow, const struct frame *packet)
{
	return (flow->in_marks & SLUICE_IN_NEW_SYN) && packet->ack - (flow->next_isn + 1) <= 1460;
}

static bool near_for_backend(const struct model_flow *flow, const struct frame *packet)
{
	if (!(flow->out_marks & SLUICE_OUT_SYNACK))
		return false;
	if (!(packet->flags & FRAME_ACK))
		return is_near(packet->seq, flow->server_isn) ||
		       is_near(packet->seq, flow->server_isn_before);
	return is_near(packet->ack, flow->client_isn) ||
	       ((flow->in_marks & SLUICE_IN_NEW_SYN) && is_near(packet->ack, flow->next_isn));
}

static bool is_own(const struct model_flow *flow, const struct frame *packet)
{
	if (is_answer(packet))
		return answers(flow, packet) || answers_newer(flow, packet);
	return flow->done || near_for_backend(flow, packet);
}

/* The backend refuses the SYN, and no connection of it is known. */
static bool is_refusal(const struct model_flow *flow, const struct frame *packet)
{
	return (packet->flags & FRAME_RST) && is_answer(packet) && answers(flow, packet) &&
	       !packet->payload_len && !flow->done && flow->has_syn &&
	       !(flow->out_marks & SLUICE_OUT_RST) /* the client has been told already */ &&
	       flow->redispatched < SLUICE_REDISPATCH_MAX;
}

/* Somebody turned the SYN away. True if another backend has it now; else the client is told, once. */
static bool refused_moves(struct model *model, struct model_flow *flow, bool may, unsigned seen)
{
	bool told = (flow->out_marks & SLUICE_OUT_RST) ||
		    ((flow->in_marks & SLUICE_IN_FIN_ACKED) &&
		     (flow->out_marks & SLUICE_OUT_FIN_ACKED));

	if (may && model_move(model, flow, MODEL_REFUSED, seen) == MODEL_PICK_OK)
		return true;
	if (!flow->done && !told) {
		model->reasons[SLUICE_REASON_REFUSED]++;
		model_suspect(model, flow->slot);
	}
	return false;
}

/* The same of a newer SYN, while the connection before it stands. */
static bool is_refusal_of_newer(const struct model_flow *flow, const struct frame *packet)
{
	return (packet->flags & FRAME_RST) && is_answer(packet) && !packet->payload_len &&
	       !answers(flow, packet) && has_newer(flow);
}

/* What a kernel answers a SYN with for a connection that it has: a direct one, or the one before. */
static bool is_challenge(const struct model_flow *flow, const struct frame *packet)
{
	return (packet->flags & 0x3f) == FRAME_ACK && !packet->payload_len && !flow->done &&
	       !flow->out_marks;
}

/* ack: of the challenge. The backend of the client's last connection is asked no third time. */
static bool may_move(const struct model *model, const struct model_flow *flow, uint32_t ack)
{
	return flow->has_syn && flow->redispatched < SLUICE_REDISPATCH_FEW &&
	       !(flow->redispatched >= SLUICE_REDISPATCH_ANY && is_of_before(flow, ack)) &&
	       model->now_ms - flow->picked_ms < SLUICE_SYN_PATIENCE_MS;
}

/* The SYN is sent in again, for the backend that the flow has now. */
static struct model_outcome again(struct model *model, struct model_flow *flow,
				  enum sluice_reason reason)
{
	struct model_outcome result = { .verdict = MODEL_AGAIN };

	flow->redispatched++;
	model->reasons[reason]++;
	result.syn = flow->syn;
	result.syn.seq = flow->client_isn;
	return result;
}

/*
 * A newer SYN was turned away: the client is asked whether its connection is over, unless it has said
 * so. Then the SYN goes to somebody else. False: nobody takes it.
 */
static bool newer_refused(struct model *model, struct model_flow *flow, unsigned seen,
			  struct model_outcome *result)
{
	const struct frame *newer = model_newer(model, flow);
	enum model_pick picked;

	if (flow->done && !flow->client_rst) {
		if (!model_asks(model, flow)) /* it hears what the backend says */
			return false;
		model->reasons[SLUICE_REASON_CHALLENGED]++;
		*result = outcome(MODEL_CHALLENGE, flow->service_port);
		result->seq = flow->server_isn;
		result->ack = flow->server_ack;
		return true;
	}
	if (!newer || newer->seq != flow->next_isn)
		return false;
	picked = model_move_newer(model, flow, seen);
	if (picked == MODEL_PICK_OK)
		*result = again(model, flow, SLUICE_REASON_REDISPATCH);
	else
		*result = outcome(MODEL_DROP, 0);
	return picked == MODEL_PICK_OK || picked == MODEL_PICK_NO_ROOM;
}

/* A packet from a backend's port that is none of the flow's. */
static struct model_outcome direct_out(struct model *model, struct model_flow *flow,
				       const struct frame *packet, unsigned seen)
{
	/* The answer to another SYN: the backend's kernel knows nothing of an established flow. */
	if (is_answer(packet) && (packet->flags & FRAME_SYN) && flow->done)
		model_remove(model, flow);
	else if (is_challenge(flow, packet) && may_move(model, flow, packet->ack) &&
		 model_move(model, flow, MODEL_TAKEN, seen) == MODEL_PICK_OK)
		return again(model, flow, SLUICE_REASON_CONFLICT_MOVED);
	if (is_challenge(flow, packet) && is_of_before(flow, packet->ack)) {
		flow->touched_ms = model->now_ms;
		return outcome(MODEL_AS, flow->service_port);
	}
	return counted(model, MODEL_PASS, SLUICE_REASON_DIRECT_REPLY);
}

static bool is_unreachable(const struct frame *packet)
{
	return packet->family == 4 ? packet->icmp.type4 == 3 && packet->icmp.code4 != 4
				   : packet->icmp.type6 == 1;
}

/* This host says that nobody takes the SYN that the error quotes. *result is valid after true. */
static bool icmp_moves(struct model *model, struct model_flow *flow, const struct frame *quote,
		       unsigned seen, struct model_outcome *result)
{
	if (!is_unreachable(quote))
		return false;
	if (flow->done || (flow->out_marks & SLUICE_OUT_SYNACK))
		return quote->seq == flow->next_isn && has_newer(flow) &&
		       newer_refused(model, flow, seen, result);
	if (quote->seq != flow->client_isn ||
	    !refused_moves(model, flow,
			   flow->has_syn && !(flow->out_marks & SLUICE_OUT_RST) &&
				   flow->redispatched < SLUICE_REDISPATCH_FEW,
			   seen))
		return false;
	*result = again(model, flow, SLUICE_REASON_REDISPATCH);
	return true;
}

/* An error of this host's quotes what came in, with the backend's port. */
static struct model_outcome icmp_out(struct model *model, const struct frame *quote, unsigned seen)
{
	uint16_t service_port = model->host_port_service[quote->dport];
	struct model_outcome result;
	struct model_flow *flow;

	if (!service_port)
		return outcome(MODEL_PASS, 0);
	flow = model_find(model, &quote->src, &quote->dst, quote->sport, service_port);
	if (!flow || !model_backend_of(model, flow) || flow->port != quote->dport)
		return counted(model, MODEL_PASS, SLUICE_REASON_ICMP_NO_FLOW);
	if (icmp_moves(model, flow, quote, seen, &result))
		return result;
	model->reasons[SLUICE_REASON_ICMP_OUT]++;
	return outcome(MODEL_AS, service_port);
}

struct model_outcome model_out(struct model *model, const struct frame *packet, unsigned seen)
{
	uint16_t service_port = model->host_port_service[packet->sport];
	struct model_outcome result = { .verdict = MODEL_PASS };
	struct model_flow *flow;

	begin_packet(model);
	if (model_is_later_fragment(packet) ||
	    model_is_opaque(packet)) /* nothing is counted before the port is known */
		return result;
	if (packet->icmp.is)
		return icmp_out(model, packet, seen);
	if (!service_port)
		return result;
	if (model_is_broken(packet))
		return broken(model, packet);
	flow = model_find(model, &packet->dst, &packet->src, packet->dport, service_port);
	if (!flow || flow->port != packet->sport)
		return counted(model, MODEL_PASS, SLUICE_REASON_DIRECT_REPLY);
	if (!model_forget(model, flow))
		return counted(model, MODEL_PASS, SLUICE_REASON_DIRECT_REPLY);
	if (!model_backend_of(model, flow)) {
		model_remove(model, flow);
		return counted(model, MODEL_PASS, SLUICE_REASON_RETIRED);
	}
	if (!is_own(flow, packet))
		return direct_out(model, flow, packet, seen);
	if ((packet->flags & FRAME_RST) && is_answer(packet) && answers(flow, packet) &&
	    !packet->payload_len && refused_moves(model, flow, is_refusal(flow, packet), seen))
		return again(model, flow, SLUICE_REASON_REDISPATCH);
	if (is_refusal_of_newer(flow, packet) && newer_refused(model, flow, seen, &result))
		return result;
	if ((packet->flags & FRAME_SYN) && !answers(flow, packet)) {
		model_reopen(model, flow, packet);
	} else if (flow->done) {
		model_hear_backend(model, flow, packet);
		model_settle(model, flow);
	} else {
		model_hear_half_open(model, flow, packet);
	}
	return outcome(MODEL_AS, service_port);
}
