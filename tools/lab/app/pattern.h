/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of long bodies: a block of noise, again and again. Its length is a prime number, so no segment, page or
 * buffer of the way ever lies at the same place of it twice in a row, and a byte that is lost, doubled or out of its
 * place shows. tests/e2e/bulk.py makes the same bytes.
 */
#ifndef APP_PATTERN_H
#define APP_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_PERIOD 65521u

/* The pattern's bytes from an offset on: where they lie, and how many lie there in a row (at least one). */
const uint8_t *pattern_at(uint64_t offset, size_t *len);

/* How many of these bytes, which came at that offset, are not the pattern's. */
size_t pattern_wrong(uint64_t offset, const void *bytes, size_t len);

#endif
