/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: a haproxy.cfg. Whatever it says, each line has one verdict with a reason, and what is printed is a configuration
 * that sluiced accepts.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "haproxy_import.h"
#include "haproxy_write.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_verdicts(const struct haproxy_import *import)
{
	unsigned before = 0, sum = 0;

	for (unsigned i = 0; i < import->file.count; i++) {
		const struct haproxy_verdict *verdict = &import->verdict[i];

		must(verdict->line > before && verdict->text && verdict->text[0]);
		must(verdict->class < HAPROXY_CLASSES && verdict->reason[0]);
		must(memchr(verdict->reason, 0, sizeof(verdict->reason)) != NULL);
		before = verdict->line;
	}
	for (int class = 0; class < HAPROXY_CLASSES; class ++)
		sum += haproxy_import_count(import, (enum haproxy_class) class);
	must(sum == import->file.count);
}

static void check_config(const struct haproxy_import *import)
{
	char path[64], error[CONFIG_ERROR_LEN], *text = NULL;
	int fd = memfd_create("haproxy", MFD_CLOEXEC);
	struct config *config;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	must(fd >= 0 && to);
	haproxy_write(import, "fuzz.cfg", to);
	must(!fclose(to) && write(fd, text, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load(path, error);
	if (!config)
		fprintf(stderr, "%s\n%s\n", error, text);
	must(config != NULL);
	must(config->service_count == import->service_count);
	config_free(config);
	free(text);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct haproxy_import import;

	if (!haproxy_import(&import, (const char *)data, len)) {
		check_verdicts(&import);
		check_config(&import);
	}
	haproxy_import_release(&import);
	return 0;
}
