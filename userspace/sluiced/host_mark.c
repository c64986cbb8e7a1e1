/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mark, see host_mark.h. FNV-1a joins the two: it tells one from another and guards against
 * nothing.
 */
#include "host_mark.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-id128.h>

static uint64_t take(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

char *host_mark(const char *pin_dir)
{
	/* of this project, so that no other program's id of the machine is ours */
	static const sd_id128_t ours =
		SD_ID128_MAKE(9d, 1f, 4a, 63, 0c, 7e, 4b, 52, 8e, 21, d5, b8, 6a, 90, 37, fe);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	sd_id128_t machine;
	char *text;

	if (sd_id128_get_machine_app_specific(ours, &machine) < 0)
		return strdup("");
	hash = take(hash, machine.bytes, sizeof(machine.bytes));
	if (pin_dir)
		hash = take(hash, pin_dir, strlen(pin_dir));
	return asprintf(&text, "%016" PRIx64, hash) < 0 ? NULL : text;
}
