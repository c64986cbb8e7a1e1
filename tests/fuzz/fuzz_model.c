/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: the merge of the sources. The bytes are the chance by which a sequence of answers, errors, listeners, hints, overrides,
 * restarts and time goes; tests/unit/model_oracle.h says what must hold.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model_oracle.h"

struct bytes {
	const uint8_t *data;
	size_t len, at;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static unsigned below(void *ctx, unsigned limit)
{
	struct bytes *bytes = ctx;

	return bytes->at < bytes->len ? bytes->data[bytes->at++] % limit : 0;
}

static bool ended(void *ctx)
{
	const struct bytes *bytes = ctx;

	return bytes->at >= bytes->len;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return setenv("CMOCKA_TEST_ABORT", "1", 1); /* an assertion that fails keeps the input */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes bytes = { .data = data, .len = len };
	const struct oracle_chance chance = { .ctx = &bytes, .below = below, .ended = ended };
	struct oracle_seen seen = { 0 };

	oracle_sequence(&chance, 1000, &seen);
	return 0;
}
