/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every way a packet can take, by name, with its explanation. The programs count them in map
 * sluice_reasons, an array per CPU indexed by enum sluice_reason; `sluicectl counters` prints the
 * names. So the order is ABI: new ones go to the end. Packets for no port of ours are not counted:
 * they are the interface's business.
 */
#ifndef SLUICE_REASONS_H
#define SLUICE_REASONS_H

/* clang-format off */
#define SLUICE_REASONS(X) \
	X(NONE, none, "never used") \
	X(NEW, new, "a SYN was given a backend") \
	X(ESTABLISHED, established, "a handshake was completed") \
	X(CLOSED, closed, "a flow ended: both FINs acknowledged, or reset by the backend") \
	X(SYN_AGAIN, syn_again, "a SYN was sent again and went to the same backend") \
	X(SYN_OTHER, syn_other, "a SYN with another ISN met a live flow and went to its backend") \
	X(SYN_MOVED, syn_moved, "an unanswered SYN was given another backend") \
	X(SYN_REOPEN, syn_reopen, "a backend answered a new ISN: the flow began again") \
	X(BAD_ACK, bad_ack, "a client's ACK outside the handshake's window: delivered, promotes nothing") \
	X(NO_FLOW, no_flow, "not a SYN and no flow: passed to the host") \
	X(RETIRED, retired, "flow of a retired backend: removed, passed to the host") \
	X(NOT_LOCAL, not_local, "service port, but not an address of this host or service: passed") \
	X(UNSYNCED, unsynced, "the service never had a set: passed") \
	X(EMPTY_RESET, empty_reset, "no usable backend: reset") \
	X(EMPTY_PASS, empty_pass, "no usable backend: passed to the host's own listener") \
	X(EMPTY_DROP, empty_drop, "no usable backend: dropped") \
	X(FULL_RESET, full_reset, "all backends at maxconn: reset") \
	X(FULL_DROP, full_drop, "all backends at maxconn: dropped, the client will try again") \
	X(TABLE_FULL, table_full, "no room for a flow: the SYN was dropped, the client will try again") \
	X(MALFORMED, malformed, "truncated or malformed header: passed") \
	X(FRAGMENT, fragment, "a later fragment: passed, reassembly ignores ports") \
	X(FRAGMENT_SHORT, fragment_short, "first fragment without a whole TCP header: passed") \
	X(OUT_OF_RANGE, out_of_range, "a backend's port outside the range: refused") \
	X(TORN_SET, torn_set, "a set changed too often while it was read: dropped, the client will try again") \
	X(DIRECT_REPLY, direct_reply, "a backend's port, but no balanced connection: untouched") \
	X(RESET_PAYLOAD, reset_payload, "a SYN with payload that was to be reset: dropped, the client sends it bare") \
	X(TO_TC, to_tc, "XDP left the packet to tc: its checksum is not yet filled in, or a reset must be made") \
	X(REWRITE_FAILED, rewrite_failed, "the packet could not be written: dropped") \
	X(IDLE, idle, "a SYN met a flow idle for longer than its time-out, and began afresh") \
	X(CONFLICT, conflict, "a direct and a balanced connection wanted the same ports: the SYN was dropped") \
	X(REDISPATCH, redispatch, "a refused SYN was given another backend") \
	X(DENIED, denied, "the client's network is not allowed") \
	X(RATE_LIMITED, rate_limited, "the client's network opens connections too fast: the SYN was dropped") \
	X(EXT_HEADER, ext_header, "an IPv6 extension header that is not understood: passed") \
	X(ICMP_IN, icmp_in, "an ICMP error about a flow: its quoted port was rewritten on the way in") \
	X(ICMP_OUT, icmp_out, "the same on the way out") \
	X(ICMP_NO_FLOW, icmp_no_flow, "an ICMP error about a port of ours, but no flow: passed") \
	X(CONFLICT_MOVED, conflict_moved, "a direct or an ended connection held a balanced SYN's ports: the SYN was given another backend") \
	X(LOCAL_NEW, local_new, "a connect of this host's own was given a backend") \
	X(LOCAL_CLOSED, local_closed, "such a socket was closed, or connected anew") \
	X(LOCAL_REFUSED, local_refused, "such a connect found no usable backend: refused") \
	X(LOCAL_PASS, local_pass, "such a connect was left to the host's own listener") \
	X(LOCAL_MOVED, local_moved, "such a connect passed over a backend whose port nobody listens on") \
	X(LOCAL_UNCOUNTED, local_uncounted, "such a connect was balanced, but is not remembered: no room, or Multipath TCP") \
	X(LEAVING, leaving, "Sluice is being detached: a SYN was passed to the host's own listener") \
	X(REFUSED, refused, "a backend turned a SYN away and nobody else could take it: the client was told") \
	X(CHALLENGED, challenged, "a refused SYN had met a connection that nobody has ended: the client was asked for its word") \
	X(RST_UNPROVED, rst_unproved, "a reset of a live connection, with a number that proves nothing: sent on, the flow stays")
/* clang-format on */

enum sluice_reason {
#define X(id, name, help) SLUICE_REASON_##id,
	SLUICE_REASONS(X)
#undef X
		SLUICE_REASON_COUNT
};

#endif
