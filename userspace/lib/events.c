/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader moves the ring's consumer position through a writable mapping of it, so two at once would take each other's
 * events, and one that may not write cannot read. The lock lies on the folder that holds the pin: only root can hold it.
 */
#include "events.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "maps.h"
#include "pins.h"

struct events {
	char path[PINS_PATH_LEN]; /* of the ring's pin */
	int lock, fd;
	__u32 map_id;
	struct ring_buffer *ring;
	events_see see;
	void *ctx;
};

static int on_event(void *ctx, void *data, size_t len)
{
	struct events *events = ctx;

	return len == sizeof(struct sluice_event) ? events->see(events->ctx, data) : 0;
}

static int take_lock(struct events *events, const char *pin_dir, char *error, size_t len)
{
	char folder[PINS_PATH_LEN];
	int err = pins_root_path(pin_dir, "", folder);

	if (!err)
		err = pins_root_path(pin_dir, SLUICE_MAP_EVENTS, events->path);
	if (err)
		goto out;
	events->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (events->lock < 0) {
		err = -errno;
		goto out;
	}
	if (flock(events->lock, LOCK_EX | LOCK_NB) < 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
out:
	if (err == -EBUSY)
		snprintf(error, len,
			 "somebody else reads the events already, and each goes to one reader");
	else if (err == -ENOENT)
		snprintf(error, len, "%s: nothing is attached here", pin_dir);
	else if (err)
		snprintf(error, len, "%s: %s%s", folder, strerror(-err),
			 err == -EACCES ? " (events are for root)" : "");
	return err;
}

static int id_of(int fd, __u32 *id)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*id = info.id;
	return info.type == BPF_MAP_TYPE_RINGBUF ? 0 : -EPROTO;
}

static int open_ring(struct events *events)
{
	int err;

	events->fd = bpf_obj_get(events->path);
	if (events->fd < 0)
		return -errno;
	err = id_of(events->fd, &events->map_id);
	if (err)
		return err;
	events->ring = ring_buffer__new(events->fd, on_event, events, NULL);
	return events->ring ? 0 : -errno;
}

int events_open(struct events **opened, const char *pin_dir, events_see see, void *ctx, char *error,
		size_t len)
{
	struct events *events = calloc(1, sizeof(*events));
	int err;

	*opened = NULL;
	if (!events) {
		snprintf(error, len, "out of memory");
		return -ENOMEM;
	}
	events->lock = -1;
	events->fd = -1;
	events->see = see;
	events->ctx = ctx;
	err = take_lock(events, pin_dir, error, len);
	if (err)
		goto out;
	err = open_ring(events);
	if (err) {
		snprintf(error, len, "%s: %s", events->path, strerror(-err));
		goto out;
	}
	*opened = events;
	events = NULL;
out:
	events_close(events);
	return err;
}

void events_close(struct events *events)
{
	if (!events)
		return;
	ring_buffer__free(events->ring);
	if (events->fd >= 0)
		close(events->fd);
	if (events->lock >= 0)
		close(events->lock);
	free(events);
}

int events_read(struct events *events, int timeout_ms)
{
	int count = ring_buffer__poll(events->ring, timeout_ms);

	return count < 0 ? count : 0;
}

bool events_still_attached(const struct events *events)
{
	int fd = bpf_obj_get(events->path);
	bool same;
	__u32 id;

	if (fd < 0)
		return false;
	same = !id_of(fd, &id) && id == events->map_id;
	close(fd);
	return same;
}
