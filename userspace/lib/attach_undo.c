/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way back from attach, at once or after new connections have passed to the host for a while;
 * declared in attach.h. Programs go before maps. Needs no configuration: what is there is found
 * below pin_dir.
 */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "hooks.h"
#include "maps.h"
#include "pins.h"
#include "services.h"

/* The lock is held. */
static int undo(const char *pin_dir, bool *was, char *error, size_t len)
{
	const struct hooks hooks = { .pin_dir = pin_dir };
	unsigned count = 0, local = 0;
	int err = cgroup_detach(pin_dir, &local, error, len);

	if (!err)
		err = hooks_detach(&hooks, NULL, NULL, &count, error, len);
	if (!err)
		err = pins_remove(pin_dir, error, len);
	*was = *was || count || local;
	return err;
}

int attach_undo(const char *pin_dir, bool *was, char *error, size_t len)
{
	int lock = -1, err;

	*was = pins_are_there(pin_dir);
	err = pins_lock(pin_dir, &lock, error, len);
	if (err == -ENOENT)
		return *was ? pins_remove(pin_dir, error, len) : 0;
	if (err)
		return err;
	err = undo(pin_dir, was, error, len);
	close(lock);
	return err;
}

/* --- leaving: detach --wait --- */

static int begin_leave(const char *pin_dir, char *error, size_t len)
{
	struct maps maps;
	int err = maps_open(&maps, pin_dir, MAPS_ROOT, error, len);

	if (err) /* programs may be there, though maps of theirs are not: "nothing" would be wrong */
		return err == -ENOENT ? -EPROTO : err;
	err = services_leave(&maps);
	if (err)
		snprintf(error, len, "map " SLUICE_MAP_SERVICES ": %s", strerror(-err));
	maps_release(&maps);
	return err;
}

int attach_leave(const char *pin_dir, char *error, size_t len)
{
	int lock = -1, err = pins_lock(pin_dir, &lock, error, len);

	if (err)
		return err;
	err = begin_leave(pin_dir, error, len);
	close(lock);
	return err;
}

static int check_leave(const char *pin_dir, char *error, size_t len)
{
	struct maps maps;
	int err = maps_open(&maps, pin_dir, MAPS_ROOT, error, len);

	if (err)
		return err == -ENOENT ? 0 : err; /* another detach has been here */
	if (!services_are_leaving(&maps)) {
		snprintf(error, len, "%s: attached again meanwhile", pin_dir);
		err = -ECANCELED;
	}
	maps_release(&maps);
	return err;
}

int attach_undo_leave(const char *pin_dir, char *error, size_t len)
{
	bool was = true;
	int lock = -1, err = pins_lock(pin_dir, &lock, error, len);

	if (err == -ENOENT)
		return 0;
	if (err)
		return err;
	err = check_leave(pin_dir, error, len);
	if (!err)
		err = undo(pin_dir, &was, error, len);
	close(lock);
	return err;
}
