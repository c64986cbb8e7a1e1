/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What should be: merges what the sources say into one wanted state. Pure: time and facts are passed in, nothing is
 * read or written. The state of each backend is state.h's table; what comes after the table is here and is
 * listed by model_guards() wherever it holds something.
 *
 * Invariants: no answer, and no answer's absence, changes anything by itself except through the table; the last usable
 * backend of a service goes only on fresh evidence of its own check, on the kernel's word, on the operator's, or
 * on two sources; a backend leaves only after it was gone for its flows. All times are CLOCK_BOOTTIME ms.
 */
#ifndef SLUICED_MODEL_H
#define SLUICED_MODEL_H

#include "facts.h"
#include "wanted.h"

#define MODEL_WEIGHT 100 /* unless the operator says otherwise; steps of slowstart need the room */
#define MODEL_HINT_MS 5000	   /* how long a removal hint drains without confirmation */
#define MODEL_HINT_REFUSE_MS 60000 /* then how long no further hint is believed for the same task */
#define MODEL_SECOND_MS 1000	   /* two answers count as two only if they are so far apart */

#define MODEL_MAX_PROBLEMS 32

struct config;
struct registrar_entry;
struct model;

/*
 * config must outlive the model or the next model_configure(). boot_id marks our own registrations ("": accept any). NULL with
 * errno set.
 */
struct model *model_new(const struct config *config, const char *boot_id, int64_t now_ms);
void model_free(struct model *model);

/*
 * Another configuration: backends of services that stay are kept, others are forgotten. A service stays by its name, or under
 * another name with the same port, app and Consul service. The configuration before must still be there. 0 or -ENOMEM,
 * which changes nothing.
 */
int model_configure(struct model *model, const struct config *config);

/*
 * Is it known by which names Marathon speaks of this host (so at first)? While it is not, that none of an app's tasks is this host's
 * proves nothing, and no service's first set is an empty one. An answer that calls this host by a name of the configuration makes it known.
 */
void model_names_known(struct model *model, bool known);

/*
 * Are all services of the packet path in the configuration (not so at first)? Only then is a
 * registration of ours without a service a left-over of one that was taken out.
 */
void model_services_agree(struct model *model, bool agree);

/* The name by which Marathon last called this host, as the configuration has it; the first of them if it used several. "": none. */
const char *model_called(const struct model *model);

/* This host's addresses and names, as Consul's entries may have them. Copied. 0 or -ENOMEM, which changes nothing. */
int model_addresses(struct model *model, const char *const *address, size_t count);

/* A backend that the maps hold, before the first answer. service by name; an unknown one is ignored. 0 or -ENOMEM. */
struct model_adopted {
	const char *service, *task, *app, *source, *reason;
	unsigned port_index;
	uint16_t port;
	enum sluice_backend_state state;
	int64_t since_ms;
};
int model_adopt(struct model *model, const struct model_adopted *adopted);
/* The maps hold a set of this service, so it is synced. */
void model_adopt_synced(struct model *model, const char *service);

/* Facts. 0, or -ENOMEM if part of an answer could not be taken in (nothing is removed for that). */
int model_marathon(struct model *model, const struct facts_marathon *answer, int64_t now_ms);
int model_consul(struct model *model, const struct facts_consul *answer, int64_t now_ms);
void model_listeners(struct model *model, const struct facts_listeners *listeners, int64_t now_ms);
void model_hint(struct model *model, const struct facts_hint *hint, int64_t now_ms);
void model_source(struct model *model, const struct facts_source *source, int64_t now_ms);

/* Which backend: a task that was registered again on another port has two for a while. Port in host order. */
struct model_identity {
	const char *service, *task;
	unsigned port_index;
	uint16_t port;
};

/* The operator's overrides: clear, then one call for each that holds. One of a backend that is not there is nobody's. */
void model_overrides_clear(struct model *model);
void model_override(struct model *model, const struct model_identity *of,
		    const struct sluice_override *override);

/* A scan that began at started_ms found so many flows of the backend. */
void model_flows(struct model *model, const struct model_identity *of, uint32_t flows,
		 int64_t started_ms);

/* One line for each change of a backend's state, or name (from and to are one then). */
struct model_change {
	const char *service, *task, *source, *reason;
	uint16_t port;
	enum sluice_backend_state from, to; /* FREE: it was not there, or is no longer */
};
typedef void (*model_on_change)(void *ctx, const struct model_change *change);
void model_set_on_change(struct model *model, model_on_change on_change, void *ctx);

/* Decide. The result is valid until the next call of a model function; NULL with errno set: keep what is. */
const struct wanted *model_tick(struct model *model, int64_t now_ms);

/*
 * The last tick's result again, for questions: its texts may be newer by the facts that have come since. Empty before the first tick and
 * after model_configure().
 */
const struct wanted *model_wanted(const struct model *model);

/* What is held back or overruled after the table, as of the last tick. Valid until the next call. */
struct model_guard {
	/*
	 * last-backend, all-down, consul-silent, entry-missing, first-set, flapping, health-expired,
	 * kernel-mass, mass-removal, port-taken, registration-unlisted, registration-waits
	 */
	const char *guard;
	const char *service, *task, *text; /* task "", port 0: it holds the whole service */
	uint16_t port;
	int64_t since_ms;
};
size_t model_guards(const struct model *model, const struct model_guard **guards);

/* A task of this host's that runs and cannot be a backend, as of Marathon's last answer, and why. */
struct model_problem {
	const char *service, *task, *text;
};
/* How many there are; *problems is valid until the next call. At most MODEL_MAX_PROBLEMS a service are kept. */
size_t model_problems(struct model *model, const struct model_problem **problems);

/* Marathon's checks of a service's tasks that Consul cannot run, as far as the registrar has told. */
struct model_unrun {
	const char *service;
	size_t tasks, checks;
};
/* index counts services; false: there are no more. Most have none. */
bool model_unrun_checks(const struct model *model, size_t index, struct model_unrun *unrun);

/* These four tell what the last tick found. Is a further answer of the registries wanted, to confirm an absence? */
bool model_wants_answer(const struct model *model);

/* Is some backend waiting for its flows to end? Then scans should be frequent. */
bool model_is_draining(const struct model *model);

/* Does some backend's weight still grow (slowstart)? */
bool model_is_ramping(const struct model *model);

/* Is there a backend behind which nobody listens? Then the kernel should be asked often. */
bool model_lacks_listener(const struct model *model);

/* What the registrar tells of a registration that it was given; task and port_index name its backends. */
struct registrar_told;
void model_registrar_told(struct model *model, const struct registrar_told *told, int64_t now_ms);

/* What should be registered in Consul, as of the last tick. Valid until the next call. 0 or -ENOMEM. */
int model_registrations(struct model *model, const struct registrar_entry **entries, size_t *count);

#endif
