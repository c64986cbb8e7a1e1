/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's answers to `sluicectl why` and `sluicectl verify`, as JSON: what it knows of a host-port, and what it wants the maps to say.
 * Text out, nothing else.
 */
#ifndef SLUICED_WHY_H
#define SLUICED_WHY_H

#include <stdint.h>

struct model;

/*
 * {"backends": [{service, task, app, port_index, port, state, state_ms, source, reason, port_taken, ended,
 * row: {number, state, source, reason, text}, marathon: {used, state, counts, ready, health, health_ms, health_expired, lacks, gone_ms},
 * consul: {used, state, present, ours, output, lacks}, kernel: {listens, lost_ms}, guard: {name, age_ms, held_ms} or null, hint_ms,
 * flaps, operator: {drain, weight or null}, weight, full_weight, slowstart_ms (left, or null), flows, flows_ms}]}. Ages and what is left in
 * milliseconds, or null. service NULL: any. A string that the caller frees, NULL: no memory.
 */
char *why_json(const struct model *model, const char *service, uint16_t port, int64_t now_ms);

/*
 * {"services": [{name, synced, balance, on_empty, on_full, maxconn}], "backends": [{service, task, port_index, port, state, weight}]}: numbers as in
 * abi.h. As why_json().
 */
char *why_wanted_json(const struct model *model);

#endif
