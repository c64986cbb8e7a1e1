/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps are shared memory: a look costs no system call. */
#include "look.h"

#include <arpa/inet.h>

#include "clock.h"

#define LOOK_US 50

bool look_is_usable(const struct maps *maps, uint16_t port)
{
	unsigned slot = maps->hports[port].slot;
	const struct sluice_backend *backend = &maps->backends[slot];
	struct sluice_set set;

	if (!slot || slot > SLUICE_MAX_BACKENDS || backend->port != htons(port) ||
	    backend->state != SLUICE_BACKEND_UP)
		return false;
	if (!backend->service || backend->service > SLUICE_MAX_SERVICES ||
	    !maps_read_set(maps, backend->service, &set))
		return false;
	for (unsigned i = 0; i < set.len; i++)
		if (set.table[i] == slot)
			return true;
	return false;
}

uint64_t look_until(const struct maps *maps, uint16_t port, bool usable, unsigned limit_ms)
{
	uint64_t from = clock_now_ns(), now;

	for (;;) {
		bool found = look_is_usable(maps, port);

		now = clock_now_ns();
		if (found == usable)
			return now;
		if (now - from > (uint64_t)limit_ms * 1000000)
			return 0;
		clock_rest_us(LOOK_US);
	}
}
