/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * local ADDRESS...: a client that runs on the host itself. Connects to port 80 of each address, asks, and prints a line
 * each: the address, the port that getpeername(2) says, and the host-port that has answered; or the address and the
 * error's name. All connections stay open until stdin ends. Exits 0 also where a connection was refused: who calls it
 * judges the lines.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PORT = 80, SECONDS = 30 };

static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static bool parse(const char *text, struct sockaddr_storage *address, socklen_t *len)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
	struct sockaddr_in *four = (struct sockaddr_in *)address;

	memset(address, 0, sizeof(*address));
	if (strchr(text, ':')) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(PORT);
		*len = sizeof(*six);
		return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(PORT);
	*len = sizeof(*four);
	return inet_pton(AF_INET, text, &four->sin_addr) == 1;
}

/* The answer's first bytes have "port=N". 0 or negative errno. */
static int ask(int fd, unsigned long *port)
{
	char answer[4096], *found = NULL;
	size_t len = 0;
	ssize_t got;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return -errno;
	while (!found && len < sizeof(answer) - 1) {
		got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
		if (got <= 0)
			return got ? -errno : -EPIPE;
		len += (size_t)got;
		answer[len] = '\0';
		found = strstr(answer, "port=");
	}
	*port = found ? strtoul(found + strlen("port="), NULL, 10) : 0;
	return found ? 0 : -EPROTO;
}

/* The socket is left open. */
static int try(const char *text)
{
	const struct timeval patience = { .tv_sec = SECONDS };
	struct sockaddr_storage address;
	unsigned long answered;
	socklen_t len;
	int fd, err;

	if (!parse(text, &address, &len))
		return -EINVAL;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, len) < 0)
		return -errno;
	err = ask(fd, &answered);
	if (err)
		return err;
	len = sizeof(address);
	if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	/* both families have the port at one place */
	printf("%s %u %lu\n", text, ntohs(((struct sockaddr_in *)&address)->sin_port), answered);
	return 0;
}

int main(int argc, char **argv)
{
	int i, err;

	for (i = 1; i < argc; i++) {
		err = try(argv[i]);
		if (err)
			printf("%s %s\n", argv[i], strerrorname_np(-err));
	}
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
