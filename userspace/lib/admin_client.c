/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A blocking exchange with one deadline for all of it, so that a daemon that hangs does not hang its inspector.
 */
#include "admin_client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (1u << 20)

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	int64_t left = deadline_ms - now_ms();
	int ready = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;

	if (ready < 0)
		return errno == EINTR ? 0 : -errno;
	return ready ? 0 : -ETIMEDOUT;
}

static int send_all(int fd, const char *text, size_t len, int64_t deadline_ms)
{
	while (len) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
		int err = 0;

		if (sent < 0 && errno == EAGAIN)
			err = wait_for(fd, POLLOUT, deadline_ms);
		else if (sent < 0 && errno != EINTR)
			err = -errno;
		if (err)
			return err;
		if (sent > 0) {
			text += sent;
			len -= (size_t)sent;
		}
	}
	return 0;
}

static int receive_all(int fd, char *buffer, int64_t deadline_ms)
{
	size_t used = 0;

	for (;;) {
		int err = wait_for(fd, POLLIN, deadline_ms);
		ssize_t len;

		if (err)
			return err;
		len = recv(fd, buffer + used, ANSWER_MAX - used, 0);
		if (len < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (len < 0)
			continue;
		used += (size_t)len;
		buffer[used] = '\0';
		if (!len)
			return 0;
		if (used == ANSWER_MAX)
			return -EMSGSIZE;
	}
}

int admin_client_call(const char *socket_path, const char *request, unsigned timeout_ms,
		      char **answer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int64_t deadline_ms = now_ms() + timeout_ms;
	char *buffer = NULL;
	int fd, err = 0;

	if (strlen(socket_path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		err = errno == EAGAIN ? -ETIMEDOUT : -errno; /* EAGAIN: its backlog is full */
		goto out;
	}
	buffer = malloc(ANSWER_MAX + 1);
	err = buffer ? send_all(fd, request, strlen(request), deadline_ms) : -ENOMEM;
	if (!err)
		err = send_all(fd, "\n", 1, deadline_ms);
	if (!err)
		err = receive_all(fd, buffer, deadline_ms);
out:
	close(fd);
	if (err)
		free(buffer);
	else
		*answer = buffer;
	return err;
}
