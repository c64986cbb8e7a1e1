/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sluicectl explain prints: the answer of lib/explain in words. The JSON keys are a contract, see sluicectl(8).
 */
#ifndef SLUICECTL_EXPLAIN_VIEW_H
#define SLUICECTL_EXPLAIN_VIEW_H

#include <stdbool.h>

#include <sluice/abi.h>

struct explain;
struct explain_answer;
struct explain_connection;

struct explain_view {
	const struct explain *explain;
	const struct explain_connection *connection;
	const struct explain_answer *answer;
	struct sluice_service service; /* empty name: none */
	enum sluice_mode mode;
	bool same_program;
};

/* Each prints to stdout; EXIT_SUCCESS, or EXIT_FAILURE after an error was printed. */
int explain_view_json(const struct explain_view *view);
int explain_view_text(const struct explain_view *view);

#endif
