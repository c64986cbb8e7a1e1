/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SO_REUSEADDR, so that connections in TIME_WAIT do not keep a restarted daemon from its port.
 */
#include "listen_at.h"

#include <errno.h>
#include <event2/util.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

int listen_at(const char *at)
{
	struct sockaddr_storage address = {};
	int len = sizeof(address), fd, err;
	const int on = 1;

	if (evutil_parse_sockaddr_port(at, (struct sockaddr *)&address, &len))
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, (socklen_t)len) || listen(fd, BACKLOG)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
