/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sources tell the model, as plain values: Marathon's tasks, Consul's entries, the
 * kernel's listeners. The parsers fill these structures, the model reads them, the registrar reads
 * them too. Nothing here knows about HTTP, JSON, sockets or BPF maps.
 *
 * Ownership: an answer owns everything that it points to; facts_*_release() frees it, accepts a
 * zeroed structure and leaves one behind. Strings are never NULL unless the comment says so. Ports
 * are in host order. Times are CLOCK_BOOTTIME milliseconds of the answer's arrival, passed in by
 * the caller.
 */
#ifndef SLUICED_FACTS_H
#define SLUICED_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACTS_MAX_PORTS 32 /* ports of a task that are looked at; more are ignored */

/* --- Marathon --- */

enum facts_task_state {
	FACTS_TASK_STARTING, /* staging, starting, provisioned, scheduled */
	FACTS_TASK_RUNNING,
	FACTS_TASK_KILLING,
	FACTS_TASK_LOST, /* lost, unreachable, unknown: Marathon does not know; its last word counts */
	FACTS_TASK_GONE, /* any terminal state */
};

enum facts_health {
	FACTS_HEALTH_UNKNOWN, /* checks are defined, none has reported: not the same as bad */
	FACTS_HEALTH_GOOD,    /* all results alive */
	FACTS_HEALTH_BAD, /* at least one result not alive, outside the grace before its first success */
	FACTS_HEALTH_NO_CHECKS, /* the app defines none */
};

/* A readiness check gates a deployment: what it says matters for tasks that have not served yet. */
enum facts_readiness {
	FACTS_READINESS_NONE,	 /* none is defined, or nothing is being deployed */
	FACTS_READINESS_PENDING, /* of a version that is being deployed, and not yet reported on */
	FACTS_READINESS_NOT,
	FACTS_READINESS_READY,
};

enum facts_check_protocol {
	FACTS_CHECK_HTTP, /* MESOS_HTTP too */
	FACTS_CHECK_HTTPS,
	FACTS_CHECK_TCP,
	FACTS_CHECK_COMMAND, /* cannot be run from outside the container */
};

struct facts_check {
	enum facts_check_protocol protocol;
	char *path;	     /* HTTP(S) only; "/" if not given */
	unsigned port_index; /* valid if port is 0 */
	uint16_t port; /* a fixed port, 0: use port_index. Ignored for MESOS_*: it is a container's port */
	unsigned interval_s;
	unsigned timeout_s;
	unsigned grace_s;
	unsigned max_failures;
};

struct facts_task {
	char *id;
	char *host; /* as Marathon names it; "" if it does not */
	enum facts_task_state state;
	enum facts_health health;
	enum facts_readiness readiness;
	int64_t started_ms; /* wall clock, milliseconds since 1970; 0 if not started or not said */
	size_t port_count;
	/* host-port of the app's port INDEX; 0: that port cannot be reached through the host */
	uint16_t ports[FACTS_MAX_PORTS];
	char *problem; /* why ports could not be told, for `why`; NULL if they could */
	char *version; /* of the app's definition that it was started from; NULL if not said */
};

struct facts_app {
	char *id;      /* "/a/b" */
	char *version; /* of the definition that checks are from; NULL if not said */
	/*
	 * of its last change that was more than scaling: a task with this version, or a later one
	 * (the texts compare as the times do), runs this definition; version if not said
	 */
	char *config_version;
	size_t check_count;
	struct facts_check *checks;
	size_t task_count;
	struct facts_task *tasks; /* all hosts' tasks if the parser was given no host filter */
};

struct facts_marathon {
	bool others; /* full only: it lists apps that are not in apps: so it is of a Marathon that has some */
	bool full; /* true: all apps; an app that is missing does not exist. false: apps alone are told of */
	size_t app_count;
	struct facts_app *
		apps; /* one was asked for and is unknown to Marathon (404): one app without tasks, gone set */
	bool gone;
	/*
	 * ids of apps that exist and could not be read: nothing is known of their tasks, which stay
	 * as they are. Never in apps, and full is false if there are any
	 */
	size_t unknown_count;
	char **unknown;
};

void facts_app_release(struct facts_app *app);
void facts_marathon_release(struct facts_marathon *answer);

/*
 * An event's hint. Never an order: it only says which app to ask for, or what to drain for a
 * moment.
 */
enum facts_hint_kind {
	FACTS_HINT_APP,	       /* something of app changed */
	FACTS_HINT_REMOVAL,    /* task (or instance uuid) is being killed or has ended */
	FACTS_HINT_EVERYTHING, /* leader change, overflow, deployment without apps: full resync */
	FACTS_HINT_NONE,       /* concerns nobody here */
};

struct facts_hint {
	enum facts_hint_kind kind;
	char app[256];	/* "" if not known */
	char task[256]; /* task id or instance id; "" if not known */
	char uuid[40]; /* the 36-character uuid inside it; "" if none: join key of task and instance ids */
	char host[256]; /* "" if not said */
};

/* --- Consul --- */

enum facts_status {
	FACTS_STATUS_NONE, /* no check of its own, or none has run yet */
	FACTS_STATUS_PASSING,
	FACTS_STATUS_WARNING,
	FACTS_STATUS_CRITICAL,
	FACTS_STATUS_MAINT, /* the service's or the node's maintenance mode */
};

struct facts_entry {
	char *id;
	char *service;
	char *address; /* Service.Address; "": the node's own, so this host's */
	uint16_t port; /* 1..65535; entries with other ports are left out by the parser */
	enum facts_status
		status;	 /* worst of its own checks; serfHealth does not count, maintenance does */
	bool has_checks; /* it has checks of its own, run or not (maintenance is none) */
	char *output;	 /* output of the check that decided, cut to 200 characters, "" if none */
	bool ours;	 /* id begins with "sluice:" and meta sluice_task is there */
	char *task;	 /* meta sluice_task, "" if not ours */
	char *app;	 /* meta sluice_app, "" if not ours */
	unsigned port_index;
	bool marked;	  /* ours, and it carries this host's and this pin folder's mark */
	char *boot_id;	  /* meta sluice_boot, "" if not ours */
	char *definition; /* ours only: meta sluice_def, a digest of what we registered, "" if none */
};

struct facts_consul {
	size_t entry_count;
	struct facts_entry *entries; /* of the own node only */
};

void facts_entry_release(struct facts_entry *entry);
void facts_consul_release(struct facts_consul *answer);

/* --- the kernel --- */

struct facts_listeners {
	uint64_t port[65536 /
		      64]; /* bit set: something in this network namespace listens on the TCP port */
};

static inline bool facts_listens(const struct facts_listeners *listeners, uint16_t port)
{
	return listeners->port[port / 64] >> (port % 64) & 1;
}

static inline void facts_set_listens(struct facts_listeners *listeners, uint16_t port)
{
	listeners->port[port / 64] |= UINT64_C(1) << (port % 64);
}

/* --- how a source is doing, for status, metrics and the model's guards --- */

struct facts_source {
	const char *name; /* marathon, consul, kernel */
	bool used;	  /* false: switched off in the config, or nothing names it */
	bool connected;
	/*
	 * it answers what is asked, though events may not come: then it is not silent. As connected for a source without
	 * events
	 */
	bool answers;
	int64_t since_ms;      /* when connected last changed */
	int64_t last_event_ms; /* last event, heartbeats included; 0: none */
	int64_t last_good_ms;  /* last good answer; 0: none */
	char error[200]; /* last error in the user's words; if connected, what is odd all the same, or "" */
};

/*
 * Where the sources deliver to. All calls come from the event loop's only thread, never from inside
 * a call into the source. The receiver must not keep a pointer into an answer; the source releases
 * it after the call.
 */
struct facts_sink {
	void *ctx;
	void (*marathon)(void *ctx, const struct facts_marathon *answer, int64_t now_ms);
	void (*hint)(void *ctx, const struct facts_hint *hint, int64_t now_ms);
	void (*consul)(void *ctx, const struct facts_consul *answer, int64_t now_ms);
	void (*listeners)(void *ctx, const struct facts_listeners *listeners, int64_t now_ms);
	/* the source's struct facts_source has changed */
	void (*source)(void *ctx, const struct facts_source *source, int64_t now_ms);
};

#endif
