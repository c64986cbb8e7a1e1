/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One writer of backends and sets: if the daemon lives it is asked, if not its lock is free and taken for a moment. Between the two, while a
 * daemon starts or ends, both are tried again.
 */
#include "override.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "admin_client.h"
#include "config.h"
#include "maps.h"
#include "standin.h"
#include "target.h"
#include "writer.h"

#define ANSWER_MS 5000
#define TRIES 100
#define TRY_MS 50
#define LOCK_TRIES 100
#define LOCK_TRY_MS 10

static uint64_t now_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * A word is read, changed and written back: one sluicectl at a time. The writer's lock is the daemon's for as long as it lives, so this one is
 * on what all of us have read and may open: the configuration. -1: somebody sits on it; then we go on without, which is as good as it was.
 */
static int lock_words(const struct config *config)
{
	const struct timespec pause = { .tv_nsec = LOCK_TRY_MS * 1000000 };
	int fd = open(config->file, O_RDONLY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_TRIES) {
			close(fd);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

static int write_word(struct maps *maps, const struct target *target, enum override_word word,
		      uint32_t weight)
{
	const struct sluice_override_key key = { target->slot, target->generation };
	struct sluice_override override = { 0 };

	bpf_map_lookup_elem(maps->override_fd, &key, &override);
	switch (word) {
	case OVERRIDE_DRAIN:
		if (!override.drain)
			override.before = maps->backends[target->slot].state;
		override.drain = 1;
		break;
	case OVERRIDE_UNDRAIN:
		override.drain = 0;
		break;
	case OVERRIDE_WEIGHT:
		override.has_weight = 1;
		override.weight = weight;
		break;
	}
	override.since_ns = now_boot_ns();
	if (bpf_map_update_elem(maps->override_fd, &key, &override, BPF_ANY))
		return -errno;
	if (!target_has_ended(target, maps))
		return 0;
	bpf_map_delete_elem(maps->override_fd, &key);
	return -ESTALE;
}

int override_write(struct maps *maps, const struct config *config, const struct target *target,
		   enum override_word word, uint32_t weight)
{
	int lock = lock_words(config), err = write_word(maps, target, word, weight);

	if (lock >= 0)
		close(lock);
	return err;
}

void override_forget(struct maps *maps, const struct config *config, const struct target *target)
{
	int lock = lock_words(config);
	const struct sluice_override_key key = { target->slot, target->generation };
	struct sluice_override override;

	if (!bpf_map_lookup_elem(maps->override_fd, &key, &override) && !override.drain &&
	    !override.has_weight)
		bpf_map_delete_elem(maps->override_fd, &key);
	if (lock >= 0)
		close(lock);
}

/* 0: it took them; -ECONNREFUSED or -ENOENT: nobody is there; else negative errno. */
static int ask_daemon(const struct config *config)
{
	char *answer = NULL;
	int err = admin_client_call(config->admin_socket, "overrides", ANSWER_MS, &answer);

	if (!err && !strstr(answer, "\"ok\":true"))
		err = -EPROTO;
	free(answer);
	return err;
}

static int stand_in(struct maps *maps, const struct config *config, char *error, size_t len)
{
	int lock = writer_lock(config->pin_dir, 0, error, len), err;

	if (lock < 0)
		return lock;
	err = standin_apply(maps, now_boot_ns());
	close(lock);
	if (err)
		snprintf(error, len, "%s: cannot publish: %s", config->pin_dir, strerror(-err));
	return err;
}

int override_enforce(struct maps *maps, const struct config *config, bool *by_daemon, char *error,
		     size_t len)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };
	int err = 0;

	for (int i = 0; i < TRIES; i++) {
		err = ask_daemon(config);
		*by_daemon = !err;
		if (!err)
			return 0;
		if (err != -ENOENT && err != -ECONNREFUSED && err != -ECONNRESET)
			break;
		err = stand_in(maps, config, error, len);
		if (err != -EBUSY)
			return err;
		nanosleep(&pause, NULL);
	}
	snprintf(
		error, len,
		"%s: sluiced does not take it now (%s): it is written down and holds as soon as it does",
		config->admin_socket, strerror(-err));
	return err;
}
