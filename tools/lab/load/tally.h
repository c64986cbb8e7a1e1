/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was counted: requests, failures by kind, who answered how many, latencies. Knows nothing of sockets. One request
 * is counted once: as answered or under exactly one kind of failure.
 */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum failure {
	FAILURE_REFUSED,     /* connect was answered with a reset */
	FAILURE_UNREACHABLE, /* connect failed for another reason */
	FAILURE_RESET,	     /* the connection was reset while an answer was owed */
	FAILURE_EOF,	     /* it was closed while an answer was owed */
	FAILURE_STALE, /* the same on a used keep-alive connection, before the answer's first byte */
	FAILURE_TIMEOUT,
	FAILURE_BAD, /* an answer that is not HTTP or not 200 */
	FAILURE_COUNT,
};

struct answerer { /* a task behind one target */
	char target[64];
	char task[256];
	char host[64];
	unsigned port;
	uint64_t requests;
	uint64_t connections; /* whose first answer came from it */
};

struct first_failure {
	uint64_t at_ms; /* since the start */
	enum failure kind;
	char target[64];
	char task[256]; /* that had answered on this connection before, or "" */
	unsigned local_port;
	int error; /* errno, 0 for an end of file */
};

#define TALLY_FIRST_FAILURES 20
#define TALLY_BUCKETS 640

struct tally_times {
	uint64_t buckets[TALLY_BUCKETS];
	uint64_t max_us;
};

struct tally {
	uint64_t sent, answered, failed[FAILURE_COUNT];
	uint64_t connections; /* established */
	uint64_t idle_closed; /* closed by the server while no answer was owed: nobody lost anything */
	uint64_t moved;	      /* answers on one connection from a second task: must stay 0 */
	uint64_t body_bytes;
	struct answerer *answerers;
	size_t answerer_count;
	struct first_failure first[TALLY_FIRST_FAILURES];
	unsigned first_count;
	struct tally_times latency; /* of answers, the connect included where there was one */
	struct tally_times connect; /* of handshakes that were completed */
};

/* The answerer for this text ("task=ID host=NAME port=N", anything else is a task without a name); NULL without memory. Its
 * index stays, the pointer moves with the next call. */
struct answerer *tally_answerer(struct tally *tally, const char *target, const char *text);
void tally_latency(struct tally *tally, uint64_t us);
void tally_connect(struct tally *tally, uint64_t us);
void tally_failure(struct tally *tally, const struct first_failure *failure);
uint64_t tally_failed(const struct tally *tally);
void tally_print_json(const struct tally *tally, uint64_t duration_ms, FILE *to);
void tally_print_text(const struct tally *tally, uint64_t duration_ms, FILE *to);
void tally_release(struct tally *tally);

#endif
