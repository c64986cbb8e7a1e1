/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Consul's answers about one node into plain facts: /v1/catalog/node/NODE (services) joined with
 * /v1/health/node/NODE (checks). Pure. Taken whole or refused whole. An unknown node is `null` and
 * `[]` and makes an empty answer; judging that is the model's work.
 */
#ifndef SLUICED_CONSUL_JSON_H
#define SLUICED_CONSUL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts.h"
#include "json.h"

#define CONSUL_JSON_MAX_BYTES (16u << 20)
#define CONSUL_PREFIX "sluice:" /* of the service ids that this project registers */

/* The keys of what we write into an entry's meta; Consul allows letters, digits, - and _. */
#define CONSUL_META_APP "sluice_app"
#define CONSUL_META_TASK "sluice_task"
#define CONSUL_META_INDEX "sluice_index"
#define CONSUL_META_BOOT "sluice_boot"
#define CONSUL_META_DEFINITION "sluice_def"
#define CONSUL_META_HOST "sluice_host"

struct consul_text {
	const char *text;
	size_t len;
	struct json_error *error; /* one each: the two have different places */
};

/* Whose answer it is. */
struct consul_host {
	const char *node;
	/*
	 * The host's name as registrar_tag() makes it and its boot; NULL: every entry with our
	 * prefix and meta is ours. Else one that carries only other tags, another boot id and not
	 * the mark is another host's (two share an agent) and left out: it is neither ours nor
	 * local. A host that was renamed is known by its mark (host_mark.h; "" or NULL: none).
	 */
	const char *tag, *boot_id, *mark;
};

/*
 * 0, or -EINVAL with one of the errors filled, or -ENOMEM; answer is empty unless 0, and the
 * caller's to release. Services and checks of another node than host's are refused: the question was
 * about this one. Entries are in the order of their ids.
 */
int consul_json_node(const struct consul_text *services, const struct consul_text *checks,
		     const struct consul_host *host, struct facts_consul *answer);

/* The value of the header X-Consul-Index. 0, or -EINVAL: it is no whole number of 64 bits. */
int consul_json_index(const char *text, uint64_t *index);

/*
 * Config.NodeName and Member.Addr of /v1/agent/self into new strings, NULL unless 0. 0, -EINVAL
 * with error filled, -ENOMEM.
 */
int consul_json_self(const char *text, size_t len, char **node, char **address,
		     struct json_error *error);

/*
 * Does the agent of this /v1/agent/self keep the meta of services? Since Consul 1.0.7; true also
 * where its version is not said or not understood.
 */
bool consul_json_keeps_meta(const char *text, size_t len);

#endif
