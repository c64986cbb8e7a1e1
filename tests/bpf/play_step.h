/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the steps of a case share while it is played. Only for play*.c.
 */
#ifndef TESTS_PLAY_STEP_H
#define TESTS_PLAY_STEP_H

#include "frame.h"
#include "play.h"

enum { PLAY_SYNS = 64 };

struct play {
	struct world *world;
	enum play_variant variant;
	bool verbose;
	FILE *report;
	const struct step *step;
	char services[SLUICE_MAX_SERVICES + 1][SLUICE_NAME_LEN];
	uint16_t service_ports[SLUICE_MAX_SERVICES + 1];
	unsigned service_count;
	struct frame last_syn[PLAY_SYNS]; /* the client's, by source port modulo */
	unsigned last_slot;		  /* what the last `to` found; 0: nothing yet */
	struct sluice_stats backend_base[SLUICE_MAX_BACKENDS + 1];
	struct sluice_stats service_base[SLUICE_MAX_SERVICES + 1];
};

/* Say why, with the step's place in front. Always PLAY_FAILED. */
enum play_result play_fail(struct play *play, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Index of a service of the case, 0 if it has none of that name. */
unsigned play_find_service(const struct play *play, const char *name);

/* The set in force for the service on this port; NULL: none was published. */
const struct sluice_set *play_published_set(const struct play *play, uint16_t service_port);

/* Host order. */
uint16_t play_backend_port(const struct play *play, unsigned slot);

/* The slot that a reference to a backend means before the packet is sent: `any` and `other` cannot
 * be known and mean `same`. */
unsigned play_resolve(const struct play *play, const struct backend_ref *ref);

/* The steps. */
enum play_result play_packet(struct play *play, const struct step_packet *packet);
enum play_result play_spread(struct play *play, const struct step_spread *spread);
enum play_result play_flow(struct play *play, const struct step_flow *want);
enum play_result play_leftover(struct play *play);
enum play_result play_check_backend(struct play *play, const struct step_backend *want);
enum play_result play_check_stats(struct play *play, const struct step_stats *want);

#endif
