/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dump may step over a socket that another one's end moves; who finds a socket missing asks again.
 */
#include "listening.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_STATE_LISTEN 10
#define READ_BYTES (32u << 10)
#define PATIENCE_S 5

struct reading {
	struct listening *list;
	size_t count, room;
	bool done;
};

static int ask(int fd, int family)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		.header = { .nlmsg_len = sizeof(message),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = (__u32)family },
		.request = { .sdiag_family = (__u8)family,
			     .sdiag_protocol = IPPROTO_TCP,
			     .idiag_states = 1u << TCP_STATE_LISTEN },
	};

	return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static int add(struct reading *reading, const struct inet_diag_msg *socket)
{
	size_t room = reading->room ? 2 * reading->room : 64;
	struct listening *grown;

	if (reading->count == reading->room) {
		grown = reallocarray(reading->list, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		reading->list = grown;
		reading->room = room;
	}
	reading->list[reading->count] = (struct listening){ .family = socket->idiag_family,
							    .port = ntohs(socket->id.idiag_sport),
							    .inode = socket->idiag_inode,
							    .uid = socket->idiag_uid };
	memcpy(reading->list[reading->count++].address, socket->id.idiag_src,
	       sizeof(reading->list->address));
	return 0;
}

static int take(struct reading *reading, const struct nlmsghdr *header, int family)
{
	const struct nlmsgerr *error = NLMSG_DATA(header);

	if (header->nlmsg_type == NLMSG_DONE) {
		reading->done = true;
		return 0;
	}
	if (header->nlmsg_type == NLMSG_ERROR) {
		reading->done = true;
		/* a kernel without IPv6 has no such listeners */
		if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*error)))
			return -EPROTO;
		return error->error == -ENOENT && family == AF_INET6 ? 0 : error->error;
	}
	if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	    header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return add(reading, NLMSG_DATA(header));
	return 0;
}

static int read_family(struct reading *reading, int fd, int family)
{
	union {
		char bytes[READ_BYTES];
		struct nlmsghdr header;
	} *buffer = malloc(sizeof(*buffer));
	int err = buffer ? ask(fd, family) : -ENOMEM;

	reading->done = false;
	while (!err && !reading->done) {
		const struct nlmsghdr *header;
		ssize_t len = recv(fd, buffer, sizeof(*buffer), 0);
		size_t left = len > 0 ? (size_t)len : 0;

		if (len < 0)
			err = -errno;
		header = &buffer->header;
		while (!err && !reading->done && NLMSG_OK(header, left)) {
			err = take(reading, header, family);
			header = NLMSG_NEXT(header, left);
		}
	}
	free(buffer);
	return err;
}

int listening_read(struct listening **list, size_t *count)
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

/* docker-proxy ... -container-ip 172.17.0.2 -container-port 80 */
static void read_forward(struct listening_owner *owner)
{
	const char *address = NULL, *port = NULL, *word;
	char line[1024];
	ssize_t len = read_proc(owner->pid, "cmdline", line, sizeof(line));

	for (word = line; len > 0 && word < line + len; word += strlen(word) + 1) {
		const char *next = word + strlen(word) + 1;

		if (next >= line + len)
			break;
		if (!strcmp(word, "-container-ip"))
			address = next;
		else if (!strcmp(word, "-container-port"))
			port = next;
	}
	if (address && port)
		snprintf(owner->forwards, sizeof(owner->forwards), "%.45s:%.5s", address, port);
}

void listening_find_owner(const struct listening *socket, struct listening_owner *owner)
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
