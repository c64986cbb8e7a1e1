/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules over a flow that the programs, user space and the tests share: how old a stamp is, how
 * long things last, and which state follows. A state is not stored: marks and time tell it, so that
 * nobody has to go through the tables. Reads <sluice/abi.h>'s layouts, changes nothing and knows no
 * map; how flows are counted is <sluice/tally.h>.
 */
#ifndef SLUICE_FLOW_RULES_H
#define SLUICE_FLOW_RULES_H

#include <sluice/abi.h>

/*
 * How often a SYN goes to another backend. Resets cost nobody anything, and who sends one is a
 * suspect from then on: so many backends may be dead at once. Linux sends six ICMP errors at once
 * to one address, then one a second (icmp_ratelimit): the last one is for the client. After the
 * first two moves no suspect is taken any more whose time (SLUICE_SUSPECT_MS) is not over, lest the
 * SYN goes round among them. One whose time is over may be well, and nobody has asked it since.
 */
#define SLUICE_REDISPATCH_MAX 16
#define SLUICE_REDISPATCH_FEW 5	  /* by ICMP errors, or away from direct connections */
#define SLUICE_REDISPATCH_ANY 2	  /* moves that take a suspect where there is nobody else */
#define SLUICE_CHALLENGE_MAX 2	  /* a client is asked about one SYN: a question may be lost */
#define SLUICE_RST_LINGER_MS 2000 /* a client's RST that the backend did not answer ends the flow */
#define SLUICE_SYN_PATIENCE_MS 800 /* how long a backend may leave a SYN unanswered */
#define SLUICE_SUSPECT_MS 1000	   /* how long a suspect is skipped */

/* Time-outs unless [node] says otherwise; Linux gives a handshake up after 63 s. */
#define SLUICE_HALF_OPEN_MS 75000
#define SLUICE_IDLE_MS 7200000
#define SLUICE_CLOSING_MS 300000
#define SLUICE_CLOSED_MS 60000

enum sluice_flow_state {
	SLUICE_FLOW_HALF_OPEN,
	SLUICE_FLOW_ESTABLISHED,
	SLUICE_FLOW_CLOSING, /* a FIN was seen */
	SLUICE_FLOW_CLOSED, /* both FINs acknowledged, reset, or never opened: a SYN starts afresh */
};

/*
 * How far one CPU's clock, or user space's reckoning of it, may be behind a stamp: two ticks, and
 * what an interrupted program adds. A minute at the most, with much to spare.
 */
#define SLUICE_AHEAD 65536

/*
 * Jiffies from then to now; 0 if another CPU's clock was ahead of ours. Right for ages up to 2^32 -
 * SLUICE_AHEAD jiffies, 49 days at 1000 a second. What lies untouched for longer seems young again:
 * jiffies are 32 bits wide, and nobody goes through the tables to mark what is old. It then blocks
 * nothing that an entry of its age would not have: its backend judges a SYN for it, and a table that
 * needs room takes it first.
 */
static inline __u32 sluice_age(__u32 now, __u32 then)
{
	__u32 age = now - then;

	return age > (__u32)-SLUICE_AHEAD ? 0 : age;
}

static inline __u32 sluice_ms_to_jiffies(__u32 ms, __u32 hz)
{
	return ms / 1000 * hz + ms % 1000 * hz / 1000;
}

/* Ended on a packet: nothing more will come but stragglers. */
static inline int sluice_flow_is_over(const struct sluice_flow *flow)
{
	if (flow->out_marks & SLUICE_OUT_RST)
		return 1;
	return (flow->in_marks & SLUICE_IN_FIN_ACKED) && (flow->out_marks & SLUICE_OUT_FIN_ACKED);
}

/* The state is not stored: it follows from the marks and the time. */
static inline enum sluice_flow_state
sluice_flow_state(const struct sluice_flow *flow, __u32 now,
		  const volatile struct sluice_timeouts *timeouts)
{
	if (sluice_flow_is_over(flow))
		return SLUICE_FLOW_CLOSED;
	if (flow->client_rst && sluice_age(now, flow->client_rst) + 1 > timeouts->reset)
		return SLUICE_FLOW_CLOSED;
	if (!flow->done)
		return sluice_age(now, flow->picked) > timeouts->half_open ? SLUICE_FLOW_CLOSED
									   : SLUICE_FLOW_HALF_OPEN;
	if ((flow->in_marks & SLUICE_IN_FIN) || (flow->out_marks & SLUICE_OUT_FIN))
		return SLUICE_FLOW_CLOSING;
	return SLUICE_FLOW_ESTABLISHED;
}

/* What a flow is to its backend's counts (struct sluice_tally in struct sluice_backend). */
enum sluice_flow_count {
	SLUICE_COUNT_NONE,
	SLUICE_COUNT_HALF_OPEN, /* by the pick */
	SLUICE_COUNT_ACTIVE,	/* by sluice_flow_counted_at() */
};

/*
 * The one rule by which the programs count a flow and a scan counts it anew. What stands in an
 * established table counts, whatever its marks say; of the others only those whose handshake goes
 * on. So a connection that its client has reset is not counted while it waits for its backend's
 * word, though it may yet come back, and its state says so: who waits for the last one to end must
 * ask for the state.
 */
static inline enum sluice_flow_count sluice_flow_counts_as(const struct sluice_flow *flow,
							   int in_established)
{
	if (in_established)
		return SLUICE_COUNT_ACTIVE;
	return flow->done || sluice_flow_is_over(flow) ? SLUICE_COUNT_NONE : SLUICE_COUNT_HALF_OPEN;
}

/*
 * The stamp by which an active flow is counted (<sluice/tally.h>): its last packet. One that closes
 * has less time left, and is counted as if its last packet were that much older. So it ends with the
 * part that idle ones of its age are in: after closing, and at most a third of idle and a little more.
 */
static inline __u32 sluice_flow_counted_at(const struct sluice_flow *flow,
					   const volatile struct sluice_timeouts *timeouts)
{
	const __u32 idle = timeouts->idle, closing = timeouts->closing;

	if (closing < idle &&
	    ((flow->in_marks & SLUICE_IN_FIN) || (flow->out_marks & SLUICE_OUT_FIN)))
		return flow->touched - (idle - closing);
	return flow->touched;
}

/* Has the flow been without a packet for longer than its state allows? */
static inline int sluice_flow_is_expired(const struct sluice_flow *flow, __u32 now,
					 const volatile struct sluice_timeouts *timeouts)
{
	const __u32 idle = sluice_age(now, flow->touched);

	switch (sluice_flow_state(flow, now, timeouts)) {
	case SLUICE_FLOW_HALF_OPEN: /* when its time is over it is closed */
		return 0;
	case SLUICE_FLOW_ESTABLISHED:
		return idle > timeouts->idle;
	case SLUICE_FLOW_CLOSING:
		return idle > timeouts->closing;
	case SLUICE_FLOW_CLOSED:
		break;
	}
	return idle > timeouts->closed;
}

#endif
