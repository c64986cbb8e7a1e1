/* SPDX-License-Identifier: GPL-2.0-only */
/* See config_file.h. */
#include "config_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

char config_file[] = "/tmp/sluice-test-config-XXXXXX";

int config_file_set_up(void **state)
{
	int fd = mkstemp(config_file);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

int config_file_tear_down(void **state)
{
	(void)state;
	return unlink(config_file);
}

void config_file_write(const char *file, const char *text, size_t len)
{
	FILE *out = fopen(file, "we");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

struct config *config_file_load(const char *text)
{
	char error[CONFIG_ERROR_LEN];
	struct config *config;

	config_file_write(config_file, text, strlen(text));
	config = config_load(config_file, error);
	if (!config)
		fail_msg("refused: %s", error);
	return config;
}
