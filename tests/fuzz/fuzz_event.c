/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: one event of Marathon's. Refused with a reason and without any hint, or at least one hint; what concerns another host is
 * no removal here.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "hint.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
	size_t hints;
	bool any_host;
};

static const char *const hosts[] = { "slave-1.example.com", "mesos-slave-1.example.org" };

static bool is_here(const char *host)
{
	if (!host[0] || !strcasecmp(host, "unknown"))
		return true;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (!strcasecmp(hosts[i], host))
			return true;
	return false;
}

static void on_hint(void *ctx, const struct facts_hint *hint)
{
	struct seen *seen = ctx;

	seen->hints++;
	must(memchr(hint->app, 0, sizeof(hint->app)));
	must(memchr(hint->task, 0, sizeof(hint->task)));
	must(memchr(hint->host, 0, sizeof(hint->host)));
	must(!hint->uuid[0] || strlen(hint->uuid) == 36);
	must(!hint->uuid[0] || strstr(hint->task, hint->uuid));
	must(hint->kind != FACTS_HINT_REMOVAL || hint->task[0]);
	must(hint->kind != FACTS_HINT_APP || hint->app[0]);
	if (!seen->any_host && !is_here(hint->host))
		must(hint->kind == FACTS_HINT_NONE);
}

static int parse(const char *text, size_t len, size_t host_count, struct seen *seen)
{
	struct json_error error;
	int err;

	*seen = (struct seen){ .any_host = !host_count };
	json_error_init(&error, "event");
	err = hint_parse(text, len, hosts, host_count, on_hint, seen, &error);
	must(err == 0 || err == -EINVAL);
	must((err == 0) == (seen->hints > 0));
	must((err == 0) == !error.text[0]);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len ? len : 1); /* no NUL behind it */
	struct seen all, mine;

	must(text);
	memcpy(text, data, len);
	must(parse(text, len, 0, &all) ==
	     parse(text, len, sizeof(hosts) / sizeof(hosts[0]), &mine));
	must(all.hints == mine.hints);
	free(text);
	return 0;
}
