/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes this host's own tasks into its own Consul agent: id "sluice:TASK:INDEX", the host's name
 * as a tag, Marathon's checks translated. Compares what the model wants with what Consul said last
 * and sends only the differences, one at a time, rate limited; what is refused is tried again after a
 * pause that delays nothing else.
 *
 * Invariants: only ids that carry our prefix and our meta are ever removed, and those only on
 * proof: the model says gone_proved, or the entry is of another boot of this host and no longer
 * wanted. Being absent from what is wanted proves nothing.
 */
#ifndef SLUICED_REGISTRAR_H
#define SLUICED_REGISTRAR_H

#include "facts.h"

struct config;
struct event_base;
struct registrar;

struct registrar_entry {
	const char *task;
	const char *app;
	unsigned port_index;
	const char *address; /* "": the node's address, which the agent tells */
	uint16_t port;
	const char *service; /* Consul's service name */
	/* what new checks start with; NONE: as Consul does it, critical until the first run */
	enum facts_status status;
	const struct facts_check *checks; /* of the app; all of them, whatever their port index */
	size_t check_count;
	const uint16_t *ports; /* by index, for checks of another index than ours; may be NULL */
	size_t port_count;
	/*
	 * The task has ended for sure (terminal state, or two full answers lack it): deregister,
	 * whatever the rest of the entry says; task and port_index suffice. Give such an entry also
	 * for a task that only Consul still knows (facts_entry.ours, same boot), else it stays
	 * registered for ever.
	 */
	bool gone_proved;
};

/* What became of an entry when it was last compared with what Consul holds. */
struct registrar_told {
	const char *task;
	unsigned port_index;
	size_t checks_unrun; /* Consul cannot run them: commands, ports that are not on the host */
	bool waits; /* it has changed, and is not written while an operator's maintenance lasts */
	bool unlisted; /* it was written more than once, and Consul's answers still lack it */
};
typedef void (*registrar_on_told)(void *ctx, const struct registrar_told *told);

/* The boot of the kernel that runs, as entries carry it. New string; NULL with errno set. */
char *registrar_boot_id(void);

/*
 * config must outlive the object. Without [consul] or with register = no the object does nothing.
 * NULL with errno set.
 */
struct registrar *registrar_new(struct event_base *base, const struct config *config);
void registrar_free(struct registrar *registrar);
/* Called from the event loop for each wanted entry, whenever they have been compared. It must not call back. */
void registrar_on_compared(struct registrar *registrar, registrar_on_told told, void *ctx);

/*
 * What should be registered now: the whole list, each time. Copied. An entry that is not in the
 * list is left as it is in Consul. 0 or -ENOMEM (the last list stays).
 */
int registrar_want(struct registrar *registrar, const struct registrar_entry *entries, size_t n);

/*
 * What Consul's last good answer said of this node; nothing is written before the first. Copied.
 * 0 or -ENOMEM: what the one before said counts on, and this one should be asked for again.
 */
int registrar_consul(struct registrar *registrar, const struct facts_consul *answer);

/*
 * The agent answers again after it did not. It may have lost its services while the catalog, from which answers come, still holds
 * them: an agent without a default token that may write cannot clear what it does not know. So all is written once more. What is in
 * maintenance stays so.
 */
void registrar_agent_was_away(struct registrar *registrar);

#endif
