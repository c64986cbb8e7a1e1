/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The folder itself is the lock: it is what two writers would fight for, and nothing must be made for it.
 */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define TRY_MS 20

int writer_lock(const char *pin_dir, unsigned wait_ms, char *error, size_t len)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };
	int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0) {
		err = -errno;
		snprintf(error, len, "%s: %s%s", pin_dir, strerror(-err),
			 err == -ENOENT ? ": run `sluicectl attach` first" : "");
		return err;
	}
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (err == -EBUSY && wait_ms) {
			wait_ms -= wait_ms < TRY_MS ? wait_ms : TRY_MS;
			nanosleep(&pause, NULL);
			continue;
		}
		snprintf(error, len, "%s: %s", pin_dir,
			 err == -EBUSY ? "another sluiced is running on it" : strerror(-err));
		close(fd);
		return err;
	}
	return fd;
}
