/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model's own structures, shared by model.c (services, backends), model_facts.c,
 * model_consul.c, model_identity.c and model_names.c (what comes in), guard.c and guard_mass.c
 * (what comes after the table), model_register.c (what goes to Consul) and model_why.c (what is
 * told of it). Nobody else includes this.
 */
#ifndef SLUICED_MODEL_INTERNAL_H
#define SLUICED_MODEL_INTERNAL_H

#include "config.h"
#include "model.h"
#include "state.h"

/*
 * Of a drain that an event alone brought about: no registry has said so, and a restart must not
 * make it a fact.
 */
#define MODEL_HINT_SOURCE "event"
#define MODEL_HINT_REASON "an event says it is being removed, not yet confirmed"

struct model_checks {
	size_t count;
	struct facts_check *check; /* owned */
};

enum model_registry { MODEL_NAMED_BY_NOBODY, MODEL_NAMED_BY_MARATHON, MODEL_NAMED_BY_CONSUL };

struct model_backend {
	struct model_backend *next; /* in its service's list, in the order they were met */
	char *task;
	char *app;
	enum model_registry named; /* who last called it so, in this daemon's life */
	char *formerly;		   /* task, as the maps may still have it; NULL: as they have it */
	char *beside;		   /* Consul alone: id of another entry on its port; NULL: none */
	bool seen;		   /* while an answer is taken in: it lists this backend */
	unsigned port_index;
	uint16_t port;
	uint16_t ports[FACTS_MAX_PORTS]; /* all of the task's, for checks of another index */
	size_t port_count;
	struct model_checks checks; /* that it was registered with; valid if checks_known */
	bool checks_known;
	uint64_t born; /* order in which tasks were met; the same in all services */
	bool adopted;  /* read from the maps at start */

	/* Marathon's last word, or the registry's where only Consul knows the service */
	enum state_m m_last; /* STATE_M_SILENT: never spoken of */
	bool m_lost;
	enum facts_health health;
	int64_t m_health_ms; /* arrival of the answer that gave health */
	int64_t started_ms;  /* wall clock; 0: unknown */
	bool m_terminal;     /* listed with a terminal state, not merely absent */
	bool missing_mass;   /* most of the service went missing with it, in one answer */
	bool mass_held;	     /* this tick: guard_mass_removal() keeps it for that */
	bool unready;	     /* runs, and its readiness check has not passed */
	bool m_killed;	     /* was listed as being killed before it was missing */
	unsigned m_lacks;    /* good answers in a row that lack it, MODEL_SECOND_MS apart */
	int64_t m_lack_ms;   /* the last of them that was counted */
	int64_t gone_ms;     /* since when m_last is GONE */
	int64_t m_lately_ms; /* arrival of the newest answer that lacks it */
	int64_t m_named_ms;  /* since when all answers lack it that do name its app; 0: not so */

	/* Consul's last word */
	bool c_present; /* an entry was there in the last good answer */
	bool c_ever;	/* an entry was there in some answer of this daemon's life */
	bool c_ours;	/* the entry is our own registration of this very task */
	enum facts_status c;
	char c_output[SLUICE_REASON_LEN];
	unsigned c_lacks;
	int64_t c_lack_ms;
	/* good answers that list others and not this one, while c is a complaint that they would end */
	unsigned c_kept_lacks;
	int64_t c_kept_ms;

	/* the kernel's */
	bool listens;
	bool listened;	  /* this generation has been seen listening */
	bool watched;	  /* and ever since, without a break or a time when nobody could tell */
	int64_t lost_ms;  /* when it last stopped listening */
	bool lost_usable; /* it was usable then, and has not listened since */
	bool lost_mass;	  /* and others stopped with it, when nobody else was usable */

	/* the operator's */
	bool op_drain, op_has_weight;
	uint32_t op_weight;

	/* how often the table has called it down after up, without a long rest: guard_flap.c */
	bool table_up;
	unsigned flaps;
	int64_t table_up_ms, table_down_ms;

	int64_t hint_until_ms;	/* drains until then; 0: no hint */
	int64_t hint_refuse_ms; /* believes no hint until then */
	bool hinted;		/* this tick: a hint drains it, and nothing else does */

	/* what came of it */
	struct state_output out;		/* the table's result, of this tick */
	enum sluice_backend_state evidence;	/* last result of rows 5 to 10 */
	enum sluice_backend_state state;	/* after the guards; FREE before the first tick */
	enum sluice_backend_state state_before; /* this tick */
	const char *guard_before;
	bool was_usable; /* before this tick */
	char reason[SLUICE_REASON_LEN];
	const char *source;
	const char *guard; /* name of the guard that overruled the table; NULL: none */
	int64_t guard_since_ms;
	int64_t since_ms;
	int64_t unusable_ms; /* when it last stopped being usable */
	int64_t ramp_ms;     /* slowstart began; 0: none */
	bool was_up;
	bool port_taken; /* another task, or another service, has its port */
	bool retired;	 /* no longer wanted; kept while Consul still lists our registration */
	/* what the registrar has told */
	size_t checks_unrun; /* checks of Marathon's that Consul cannot run */
	int64_t unlisted_ms; /* since when it is written and Consul does not list it; 0: not so */
	int64_t registration_waits_ms; /* since when, for the end of its maintenance; 0: it does not */
	uint32_t flows;
	int64_t flows_ms; /* when the scan that counted them began; 0: none yet */
};

struct model_unplaced {
	char *task, *text; /* owned */
};

struct model_service {
	const struct config_service *config;
	bool synced;
	bool mentioned;	   /* a registry has named it, ever: its absence elsewhere is no accident */
	bool m_anybody;	   /* the last answer that tells its tasks has one that has not ended */
	int64_t m_turn_ms; /* when that last became so, or ceased to be */
	bool marathon_answered; /* ever */
	bool marathon_fresh,
		consul_answered; /* since it was last away: what it said before is no proof */
	int64_t first_answer_ms;
	const char *first_set_waits; /* for what; NULL: it does not */
	int64_t first_set_since_ms;
	struct model_backend *backends;
	struct model_unplaced unplaced[MODEL_MAX_PROBLEMS];
	size_t unplaced_count;
	struct model_checks checks; /* of the app's newest version, as Marathon defines them */
};

/* Our registration of a task, without a service in the configuration. */
struct model_stray {
	char *task, *app, *consul_service; /* owned */
	unsigned port_index;
};

struct model {
	const struct config *config;
	char *boot_id;
	int64_t tick_ms;
	uint64_t born;
	struct model_service *service; /* one for each of config's */
	size_t service_count;
	char **address;
	size_t address_count;
	bool marathon_connected, consul_connected, kernel_known, names_known;
	char called[256];		  /* by Marathon, see model_called() */
	int64_t consul_change_ms;	  /* when consul_connected last changed */
	int64_t consul_answer_ms;	  /* arrival of its last good answer */
	struct facts_listeners listeners; /* the last answer; valid if kernel_known */
	model_on_change on_change;
	void *on_change_ctx;
	/* results of the last tick */
	struct wanted wanted;
	struct wanted_service *wanted_service;
	struct wanted_backend *wanted_backend;
	size_t wanted_capacity;
	struct model_guard *guard;
	size_t guard_count, guard_capacity;
	bool wants_answer, is_draining, is_ramping, lacks_listener;
	struct model_problem *problem;
	struct registrar_entry *entry;
	size_t entry_capacity;
	struct model_stray *stray; /* as of Consul's last answer */
	size_t stray_count;
	bool services_agree;
};

/* model_problems.c: forget what was said of the service's tasks; a task that has no port, and why; log those that are new */
void model_problems_forget(struct model_service *service);
void model_problems_learn(const struct model *model, struct model_service *service,
			  const struct facts_app *app);

/*
 * model_strays.c: those of an answer, 0 or -ENOMEM, which changes nothing; may it be deregistered
 * now?
 */
int model_strays_learn(struct model *model, const struct facts_consul *answer);
void model_strays_forget(struct model *model);
bool model_is_stray(const struct model *model, const struct model_stray *stray);

/* model_checks.c. Copying replaces what was there: 0, or -ENOMEM, which changes nothing. */
int model_checks_copy(struct model_checks *to, const struct facts_check *check, size_t count);
void model_checks_release(struct model_checks *checks);
/* Which checks are this task's? Those of its app's newest version are its own only if it was started from that one. */
int model_checks_learn(struct model_backend *backend, const struct facts_app *app,
		       const struct facts_task *task);
/* NULL: not known, and Consul must keep what it holds. */
const struct model_checks *model_checks_of(const struct model_service *service,
					   const struct model_backend *backend);

/* Does Marathon tell this service's tasks? Else Consul does, if anybody. */
bool model_by_marathon(const struct model *model, const struct model_service *service);
bool model_by_consul(const struct model *model, const struct model_service *service);

struct model_service *model_find_service(const struct model *model, const char *name);
/* The task's backend; if it has several, the first that is not retired. */
struct model_backend *model_find(const struct model_service *service, const char *task,
				 unsigned port_index);
/* The one on that port; if it has several there, the first that is not retired. */
struct model_backend *model_find_at(const struct model_service *service, const char *task,
				    unsigned port_index, uint16_t port);
/* A new backend at the list's end; NULL: no memory. */
struct model_backend *model_add(struct model *model, struct model_service *service,
				const char *task, const char *app, unsigned port_index,
				uint16_t port);
void model_backend_free(struct model_backend *backend);

/*
 * model_identity.c: the backend that the other registry called otherwise and that is this task's
 * process, by all that is known. It has the new name then, and *renamed is it; NULL: none. 0, or
 * -ENOMEM, which changes nothing.
 */
struct model_new_name {
	enum model_registry by;
	const char *task, *app;
	uint16_t port;
};
int model_rename(struct model *model, const struct model_service *service,
		 const struct model_new_name *name, struct model_backend **renamed);
/* Whose slot is it that the maps have under this name? NULL: nobody's. */
struct model_backend *model_find_identity(struct model *model, const struct model_identity *of);
/* Another port: what is known of listeners is that port's from here on. */
void model_set_port(const struct model *model, struct model_backend *backend, uint16_t port);

/* Marathon, or the registry that stands for it, has answered without this backend, or with it in some living state. */
void model_m_lacks(struct model_backend *backend, int64_t now_ms);
void model_m_has(struct model_backend *backend);
/* Whether such an answer has anybody of the service on this host who has not ended. */
void model_m_anybody(struct model_service *service, bool anybody, int64_t now_ms);

/* model_names.c: is this one of the names that the configuration gives this host? */
bool model_is_local_name(const struct model *model, const char *host);
/* By which of them do the app's tasks call it? What is no longer sure stands last in the configuration. */
void model_learn_name(struct model *model, const struct facts_app *app);

/* Reading as the table wants it. */
enum state_m model_m(const struct model *model, const struct model_service *service,
		     const struct model_backend *backend);
enum state_c model_c(const struct model *model, const struct model_service *service,
		     const struct model_backend *backend);
/* Marathon's health of it, UNKNOWN if that is too old to say anything. */
enum facts_health model_health(const struct model *model, const struct model_backend *backend);
/* Is Consul's last answer too old to say anything? The connection may look well. */
bool model_consul_expired(const struct model *model);
enum state_k model_k(const struct model *model, const struct model_backend *backend);

void model_set_reason(struct model_backend *backend, const char *source, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A complaint of the last entry, which has disappeared and is not yet believed to be withdrawn. */
static inline bool model_c_is_kept(const struct model_backend *backend)
{
	return !backend->c_present &&
	       (backend->c == FACTS_STATUS_WARNING || backend->c == FACTS_STATUS_CRITICAL ||
		backend->c == FACTS_STATUS_MAINT);
}

/* Gone for as long as a drain may take. */
static inline bool model_has_waited(const struct model_service *service,
				    const struct model_backend *backend, int64_t now_ms)
{
	return backend->gone_ms &&
	       now_ms - backend->gone_ms >= (int64_t)service->config->drain_timeout_ms;
}

static inline bool model_usable(const struct model_backend *backend)
{
	return backend->state == SLUICE_BACKEND_UP && !backend->port_taken && !backend->retired &&
	       (!backend->op_has_weight || backend->op_weight);
}

/* guard.c, in this order. state is the table's result on entry to the first. */
void guard_hint(struct model_backend *backend, int64_t now_ms);
void guard_silence(const struct model *model, const struct model_service *service,
		   struct model_backend *backend);
void guard_missing(struct model_backend *backend);
void guard_expired(const struct model *model, struct model_backend *backend);
/* Marathon and Consul have both been seen without it, each twice, after both had known it. Only where both are in use. */
bool guard_both_lack(const struct model_backend *backend);
void guard_mass_removal(const struct model *model, struct model_service *service);
void guard_kernel_mass(const struct model *model, struct model_service *service); /* guard_mass.c */
/* guard_flap.c: note what the table says; hold those that go up and down */
void guard_flap_note(const struct model *model, struct model_backend *backend, int64_t now_ms);
void guard_flap(const struct model *model, struct model_service *service, int64_t now_ms);
/* How long it is held after it went down, with as many times as it has by now. */
int64_t guard_flap_hold_ms(const struct model *model, const struct model_backend *backend);
void guard_last(const struct model *model, struct model_service *service, int64_t now_ms);
/* guard_first.c: may the service have a set, if only an empty one? */
void guard_first_set(const struct model *model, struct model_service *service, int64_t now_ms);

/* Its share of new connections: the operator's word, or the default, less what slowstart holds back. */
uint32_t model_weight(const struct model_service *service, const struct model_backend *backend,
		      int64_t now_ms);

/* Two owners of one port: marks port_taken on all but the newest. */
void guard_ports(struct model *model);

#endif
