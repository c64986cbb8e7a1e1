/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dump may step over a socket that another one's end moves; who finds a socket missing asks again.
 */
#include "listening.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "docker_proxy.h"

#define READ_BYTES (32u << 10)
#define PATIENCE_S 5

struct reading {
	struct sock_diag_socket *list;
	size_t count, room;
	bool done;
};

static int add(struct reading *reading, const struct sock_diag_socket *socket)
{
	size_t room = reading->room ? 2 * reading->room : 64;
	struct sock_diag_socket *grown;

	if (reading->count == reading->room) {
		grown = reallocarray(reading->list, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		reading->list = grown;
		reading->room = room;
	}
	reading->list[reading->count++] = *socket;
	return 0;
}

static int take(struct reading *reading, const struct sock_diag_message *message)
{
	switch (message->kind) {
	case SOCK_DIAG_SOCKET:
		return add(reading, &message->socket);
	case SOCK_DIAG_DONE:
		reading->done = true;
		return 0;
	case SOCK_DIAG_FAILED:
		return message->err;
	case SOCK_DIAG_OTHER:
		return 0;
	}
	return 0;
}

static int read_family(struct reading *reading, int fd, int family)
{
	char *buffer = malloc(READ_BYTES);
	int err = buffer ? sock_diag_ask(fd, family, (uint32_t)family) : -ENOMEM;

	reading->done = false;
	while (!err && !reading->done) {
		ssize_t len = recv(fd, buffer, READ_BYTES, 0);
		size_t left = len > 0 ? (size_t)len : 0;
		struct sock_diag_message message;
		const char *at = buffer;

		if (len < 0)
			err = -errno;
		while (!err && !reading->done && sock_diag_next(&at, &left, family, &message))
			err = take(reading, &message);
	}
	free(buffer);
	return err;
}

int listening_read(struct sock_diag_socket **list, size_t *count)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct reading reading = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), err;

	*list = NULL;
	*count = 0;
	if (fd < 0)
		return -errno;
	err = setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ? -errno : 0;
	if (!err)
		err = read_family(&reading, fd, AF_INET);
	if (!err)
		err = read_family(&reading, fd, AF_INET6);
	close(fd);
	if (err) {
		free(reading.list);
		return err;
	}
	*list = reading.list;
	*count = reading.count;
	return 0;
}

/* --- whose --- */

static bool holds(int pid, const char *link)
{
	char path[300], target[64];
	bool found = false;
	struct dirent *entry;
	ssize_t len;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	folder = opendir(path);
	while (folder && !found && (entry = readdir(folder))) {
		len = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		found = !strcmp(target, link);
	}
	if (folder)
		closedir(folder);
	return found;
}

static ssize_t read_proc(int pid, const char *name, char *text, size_t len)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, len - 1);
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got;
}

static void read_forward(struct listening_owner *owner)
{
	struct docker_proxy proxy;
	char line[1024];
	ssize_t len = read_proc(owner->pid, "cmdline", line, sizeof(line));

	docker_proxy_read(line, len > 0 ? (size_t)len : 0, &proxy);
	if (proxy.container_ip && proxy.container_port)
		snprintf(owner->forwards, sizeof(owner->forwards), "%.45s:%.5s", proxy.container_ip,
			 proxy.container_port);
}

void listening_find_owner(const struct sock_diag_socket *socket, struct listening_owner *owner)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	char link[64];

	*owner = (struct listening_owner){ 0 };
	snprintf(link, sizeof(link), "socket:[%u]", socket->inode);
	while (folder && !owner->pid && (entry = readdir(folder))) {
		int pid = isdigit((unsigned char)entry->d_name[0])
				  ? (int)strtol(entry->d_name, NULL, 10)
				  : 0;

		if (pid && holds(pid, link))
			owner->pid = pid;
	}
	if (folder)
		closedir(folder);
	if (!owner->pid)
		return;
	read_proc(owner->pid, "comm", owner->comm, sizeof(owner->comm));
	owner->comm[strcspn(owner->comm, "\n")] = '\0';
	if (!strncmp(owner->comm, "docker-proxy", 12))
		read_forward(owner);
}
