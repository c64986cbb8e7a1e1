/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registrar's thinking, pure: what a wanted entry looks like in Consul's own JSON, and what has
 * to be written so that Consul holds it. No I/O, no clock.
 */
#ifndef SLUICED_REGISTRAR_PLAN_H
#define SLUICED_REGISTRAR_PLAN_H

#include "facts.h"
#include "registrar.h"

/* What is the same for all entries of this host. */
struct registrar_host {
	const char *tag;     /* the host's name with dots turned into dashes */
	const char *boot_id; /* of the kernel that runs */
	const char *address; /* of the node, where checks go for entries without an address */
	const char *mark;    /* host_mark(); "" or NULL: none */
};

/* An entry as it is to be registered. */
struct registration {
	char *id;
	char *definition;	    /* digest of body without the status */
	char *body;		    /* JSON for PUT /v1/agent/service/register */
	bool gone;		    /* to be removed; definition and body are NULL then */
	struct registrar_told told; /* valid while the entry it was made of is; waits: not yet */
};

enum registrar_verb { REGISTRAR_REGISTER, REGISTRAR_DEREGISTER };

struct registrar_step {
	enum registrar_verb verb;
	const char *id;	  /* borrowed from the plan's input */
	const char *body; /* of a registration */
};

/*
 * Name with dots turned into dashes, in lower case; what does not fit a tag is turned into a dash
 * too. New string, NULL: no memory.
 */
char *registrar_tag(const char *name);

/*
 * 0, -EINVAL (entry cannot be registered: no id that Consul can delete by path, no port), -ENOMEM.
 * out is empty unless 0.
 */
int registration_make(const struct registrar_entry *entry, const struct registrar_host *host,
		      struct registration *out);
void registration_release(struct registration *registration);

/*
 * What to write, in order: removals first. steps has room for count + held->entry_count. Returns
 * how many. The rules are registrar.h's. An entry in maintenance is not registered anew: if it would be, its told.waits is set. told.unlisted: held lacks it.
 */
size_t registrar_plan(struct registration *wanted, size_t count, const struct facts_consul *held,
		      const char *boot_id, struct registrar_step *steps);

#endif
