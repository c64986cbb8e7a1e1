/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The small world that the model's tests share: what Marathon, Consul and the kernel would say next about the tasks of one app,
 * and the calls that say it. Asserts by itself only that the model takes what it is given.
 */
#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "facts.h"
#include "model.h"

struct registrar_entry;

#define PORTS 8
#define FIRST 31000
#define DRAIN_MS 60000

/* One small world: an app /web whose tasks t0..t7 have the ports 31000.. in that order. */
struct world {
	struct config config;
	struct config_service service;
	struct model *model;
	int64_t now;
	const struct wanted *wanted;
	/* what the next answers will say, by task */
	bool listed[PORTS];
	enum facts_task_state state[PORTS];
	enum facts_health health[PORTS];
	int64_t started[PORTS];
	enum facts_readiness readiness[PORTS];
	bool portless[PORTS]; /* the task has an address of its own only */
	bool registered[PORTS];
	enum facts_status status[PORTS];
	bool listens[PORTS];
	const char *host;
	bool ours;
	unsigned generation; /* part of the task ids: 1 makes t0 into u0 */
	bool other_apps;     /* it lists apps that nobody here asks for */
	bool app_missing;    /* Marathon's answer does not name the app at all */
	char *app_version, *config_version, *version[PORTS];
	struct facts_check check; /* of the app, if it has a path */
	bool neighbour;		  /* Consul's answer has an entry of another service, too */
	bool unchecked;		  /* entries without a status have checks that have not run */
};

extern char text_web[], text_consul[], text_name[], text_empty[], text_address[], text_boot[];

const char *world_task_id(const struct world *w, int i);
void world_source(struct world *w, const char *name, bool connected);
/* What it is made of, for those who make a model themselves. Nothing is owned; config points to service. */
void world_configure(struct config *config, struct config_service *service);
void world_start(struct world *w, bool marathon, bool consul);
void world_stop(struct world *w);
void world_tick(struct world *w);
void world_pass(struct world *w, int64_t ms);
void world_marathon_says(struct world *w);
void world_consul_says(struct world *w);
void world_kernel_says(struct world *w);
const struct wanted_backend *world_find(const struct world *w, const char *task);
enum sluice_backend_state world_state_of(const struct world *w, int i);
/* Backends that get new connections. */
int world_up_of(const struct wanted *wanted);
int world_count_up(const struct world *w);
/* The first that this guard holds, or NULL. */
const struct model_guard *world_guard(const struct world *w, const char *guard);
bool world_guarded(const struct world *w, const char *guard);
void world_healthy(struct world *w, int n);
void world_everybody_says(struct world *w);
/* The usual beginning: Marathon and Consul are followed, and both find tasks 0 to n - 1 well. */
void world_start_up(struct world *w, int n);
/* The world's service, and a second one beside it: "www" on 8080. */
void world_two_services(struct world *w, struct config_service services[2]);
void world_forget(bool *what);
void world_adopt(struct world *w, const char *task, uint16_t port, enum sluice_backend_state state,
		 const char *by);
void world_adopt_since(struct world *w, const char *task, uint16_t port,
		       enum sluice_backend_state state, const char *by, int64_t since_ms);
/* The operator's word on task i, and what a scan found of it. */
void world_override(struct world *w, int i, const struct sluice_override *override);
void world_flows(struct world *w, int i, uint32_t flows, int64_t started_ms);
struct facts_entry world_foreign(char *id, uint16_t port, enum facts_status status);
void world_say(struct world *w, struct facts_entry *entries, size_t count);
const struct registrar_entry *world_registration(struct world *w, const char *task);
void world_hint(struct world *w, const char *task, const char *uuid, const char *host);
unsigned world_below(unsigned *seed, unsigned limit);

#define assert_state(w, i, s) assert_int_equal(world_state_of(w, i), SLUICE_BACKEND_##s)

#endif
