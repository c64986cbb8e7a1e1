/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A configuration file of the running test program's own, in /tmp: what the test says stands in it.
 * Whatever fails here fails the running test.
 */
#ifndef TESTS_CONFIG_FILE_H
#define TESTS_CONFIG_FILE_H

#include <stddef.h>

struct config;

/* The file, which is there between the two below. */
extern char config_file[];

/* For cmocka_run_group_tests(). */
int config_file_set_up(void **state);
int config_file_tear_down(void **state);

/* Makes the bytes the whole of a file. */
void config_file_write(const char *file, const char *text, size_t len);

/* Writes the text and reads it: it must be a good configuration. For config_free(). */
struct config *config_file_load(const char *text);

#endif
