/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps that look at what the programs left in the maps. Only what the case names is compared.
 */
#include <arpa/inet.h>

#include <sluice/flow_rules.h>

#include "play_step.h"

static enum play_result check_number(struct play *play, const char *what,
				     const struct cases_number *want, uint64_t got)
{
	if (!want->set || want->value == got)
		return PLAY_PASSED;
	return play_fail(play, "%s is %llu (0x%llx), want %u", what, (unsigned long long)got,
			 (unsigned long long)got, want->value);
}

struct check {
	const char *what;
	const struct cases_number *want;
	uint64_t got;
};

static enum play_result check_numbers(struct play *play, const struct check *checks, size_t count)
{
	enum play_result verdict = PLAY_PASSED;
	size_t i;

	for (i = 0; i < count && verdict == PLAY_PASSED; i++)
		verdict = check_number(play, checks[i].what, checks[i].want, checks[i].got);
	return verdict;
}

#define CHECK_ALL(play, checks) check_numbers(play, checks, sizeof(checks) / sizeof(checks[0]))

enum play_result play_flow(struct play *play, const struct step_flow *want)
{
	uint32_t now = world_jiffies(play->world);
	struct frame frame = want->key;
	const struct sluice_flow *flow;
	struct sluice_half half, est;
	struct world_key key;
	bool in_half, in_est;

	if (play_variant_family(play->variant) == 6)
		frame_make_six(&frame);
	world_make_key(&key, frame.family, &frame.src, &frame.dst, frame.sport, frame.dport);
	in_half = !world_find_flow(play->world, &key, false, &half);
	in_est = !world_find_flow(play->world, &key, true, &est);
	if (in_half != (want->where == FLOW_HALF) || in_est != (want->where == FLOW_EST))
		return play_fail(play, "the flow is in table%s%s%s", in_half ? " half" : "",
				 in_est ? " est" : "", in_half || in_est ? "" : " none");
	if (want->where == FLOW_NOWHERE)
		return PLAY_PASSED;
	flow = in_half ? &half.flow : &est.flow;
	if (want->has_ref && flow->slot != play_resolve(play, &want->ref))
		return play_fail(play, "the flow's slot is %u, want %u", flow->slot,
				 play_resolve(play, &want->ref));
	const struct check checks[] = {
		{ "the flow's state", &want->state,
		  sluice_flow_state(flow, now, &play->world->maps->meta.timeouts) },
		{ "the flow's generation", &want->generation, flow->generation },
		{ "the flow's in_marks", &want->in_marks, flow->in_marks },
		{ "the flow's out_marks", &want->out_marks, flow->out_marks },
		{ "the flow's client_isn", &want->client_isn, flow->client_isn },
		{ "the flow's next_isn", &want->next_isn, flow->next_isn },
		{ "the flow's server_isn", &want->server_isn, flow->server_isn },
		{ "the flow's server_next", &want->server_next, flow->server_next },
		{ "the flow's client_fin", &want->client_fin, flow->client_fin },
		{ "the flow's server_fin", &want->server_fin, flow->server_fin },
		{ "the flow's port", &want->port, ntohs(flow->port) },
		{ "how often it was sent on", &want->redispatched, half.redispatched },
		{ "whether its handshake was done", &want->done, flow->done },
		{ "whether a client's RST counts", &want->rst, flow->client_rst != 0 },
	};

	return CHECK_ALL(play, checks);
}

/* As a race may leave it: the established flow of an ordinary packet stands in the half-open table too. */
enum play_result play_leftover(struct play *play)
{
	struct world_key key;
	struct frame frame;

	frame_init_in(&frame);
	if (play_variant_family(play->variant) == 6)
		frame_make_six(&frame);
	world_make_key(&key, frame.family, &frame.src, &frame.dst, frame.sport, frame.dport);
	return world_double_flow(play->world, &key) ? play_fail(play, "there is no such flow")
						    : PLAY_PASSED;
}

enum play_result play_check_backend(struct play *play, const struct step_backend *want)
{
	const struct sluice_backend *backend =
		&play->world->maps->backends[play_resolve(play, &want->ref)];
	uint32_t now = world_jiffies(play->world);

	const struct check checks[] = {
		{ "the backend's active", &want->active,
		  (uint32_t)maps_active(play->world->maps, backend) },
		{ "whether the backend is suspect", &want->suspect,
		  backend->suspect == 1 &&
			  sluice_age(now, backend->suspect_since) <
				  sluice_ms_to_jiffies(SLUICE_SUSPECT_MS,
						       play->world->maps->meta.hz) },
		{ "the backend's half_open", &want->half_open,
		  (uint32_t)maps_half_open(play->world->maps, backend) },
		{ "the backend's generation", &want->generation, backend->generation },
		{ "the backend's state", &want->state, backend->state },
		{ "the backend's weight", &want->weight, backend->weight },
	};

	return CHECK_ALL(play, checks);
}

enum play_result play_check_stats(struct play *play, const struct step_stats *want)
{
	bool of_service = want->service[0];
	unsigned index = of_service ? play_find_service(play, want->service)
				    : play_resolve(play, &want->ref);
	const struct sluice_stats *base = of_service ? &play->service_base[index]
						     : &play->backend_base[index];
	/* the cases count IPv4's 20 bytes of IP header; IPv6's are 40 */
	unsigned more = play_variant_family(play->variant) == 6 ? 20 : 0;
	struct cases_number bytes_in = want->bytes_in, bytes_out = want->bytes_out;
	struct sluice_stats now;

	if (world_read_stats(play->world, of_service, index, &now))
		return play_fail(play, "cannot read the counters");
	bytes_in.value += more * (uint32_t)(now.packets_in - base->packets_in);
	bytes_out.value += more * (uint32_t)(now.packets_out - base->packets_out);
	const struct check checks[] = {
		{ "connections", &want->connections, now.connections - base->connections },
		{ "picks", &want->picks, now.picks - base->picks },
		{ "packets_in", &want->packets_in, now.packets_in - base->packets_in },
		{ "bytes_in", &bytes_in, now.bytes_in - base->bytes_in },
		{ "packets_out", &want->packets_out, now.packets_out - base->packets_out },
		{ "bytes_out", &bytes_out, now.bytes_out - base->bytes_out },
	};

	return CHECK_ALL(play, checks);
}
