/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recorded payloads for the unit tests, from tests/data. Fails the running test if a file is not
 * there.
 */
#ifndef TESTS_PAYLOAD_H
#define TESTS_PAYLOAD_H

#include <stddef.h>

/* A file as it is, NUL after its end. The caller frees. */
char *payload_file(const char *name, size_t *len);

/* The body of a raw HTTP answer, chunks joined. The caller frees. */
char *payload_http(const char *name, size_t *len);

#endif
