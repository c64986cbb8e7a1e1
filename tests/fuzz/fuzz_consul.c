/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: the answers of a Consul agent. An input is the node's services, the byte 0x1e, and its checks; each part is an agent's own
 * document as well. Refused with a reason and nothing else, or entries that are whole and in order.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "consul_json.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_entry(const struct facts_entry *entry)
{
	must(entry->id && entry->service && entry->address && entry->output);
	must(entry->task && entry->app && entry->boot_id && entry->definition);
	must(entry->port && entry->status <= FACTS_STATUS_MAINT);
	must(strlen(entry->output) <= 4 * 200);
	must(!entry->ours ||
	     (!strncmp(entry->id, CONSUL_PREFIX, strlen(CONSUL_PREFIX)) && entry->task[0]));
	must(entry->ours || (!entry->task[0] && !entry->app[0] && !entry->boot_id[0]));
}

static void read_node(const char *services, size_t services_len, const char *checks,
		      size_t checks_len, const struct consul_host *host)
{
	struct json_error of_services, of_checks;
	const struct consul_text one = { services, services_len, &of_services },
				 other = { checks, checks_len, &of_checks };
	static const struct facts_consul nothing;
	struct facts_consul answer;
	int err;

	json_error_init(&of_services, "services");
	json_error_init(&of_checks, "checks");
	memset(&answer, 0xff, sizeof(answer));
	err = consul_json_node(&one, &other, host, &answer);
	must(err == 0 || err == -EINVAL);
	must((err == 0) == (!of_services.text[0] && !of_checks.text[0]));
	must(!err || !memcmp(&answer, &nothing, sizeof(nothing)));
	for (size_t i = 0; i < answer.entry_count; i++) {
		check_entry(&answer.entries[i]);
		must(!i || strcmp(answer.entries[i - 1].id, answer.entries[i].id) <= 0);
	}
	facts_consul_release(&answer);
}

static void read_self(const char *text, size_t len)
{
	char *node, *address;
	struct json_error error;
	int err;

	json_error_init(&error, "self");
	err = consul_json_self(text, len, &node, &address, &error);
	must(err == 0 || err == -EINVAL);
	must((err == 0) == (node && address));
	must(err || node[0]);
	must(!err || (!node && !address && error.text[0]));
	free(node);
	free(address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct consul_host host = { .node = "mesos-slave-1" }, strict = {
		.node = "mesos-slave-1", .tag = "slave-1-example-com", .boot_id = "boot-1"
	};
	const uint8_t *cut = len ? memchr(data, 0x1e, len) : NULL;
	size_t one_len = cut ? (size_t)(cut - data) : len, other_len = cut ? len - one_len - 1 : 0;
	char *one = malloc(one_len ? one_len : 1), *other = malloc(other_len ? other_len : 1);

	must(one && other);
	memcpy(one, data, one_len);
	if (cut)
		memcpy(other, cut + 1, other_len);
	read_node(one, one_len, other, other_len, &host);
	read_node(one, one_len, other, other_len, &strict);
	read_self(one, one_len);
	free(one);
	free(other);
	return 0;
}
