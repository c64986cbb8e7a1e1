/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * getaddrinfo(3) has no bound of its own below the resolver's 5 s times servers times tries, so a thread asks. It shares
 * nothing with the caller but a pipe, whose writing end it owns.
 */
#include "canonical.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_LEN 512 /* what a pipe takes in one piece is 4096 */

struct answer {
	bool known; /* the resolver has spoken */
	char host[HOST_NAME_MAX + 1];
	char name[NAME_LEN];
};

/* Its last word that was read: one who cannot wait as long as it takes has this at least. */
static struct answer last;

struct question {
	int fd;
	char host[HOST_NAME_MAX + 1];
};

static void *ask(void *arg)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_CANONNAME };
	struct question *question = arg;
	struct addrinfo *found = NULL;
	struct answer answer = { 0 };
	int err = getaddrinfo(question->host, NULL, &hints, &found);

	answer.known = !err || err == EAI_NONAME || err == EAI_NODATA;
	memcpy(answer.host, question->host, sizeof(answer.host));
	if (!err && found && found->ai_canonname)
		snprintf(answer.name, sizeof(answer.name), "%s", found->ai_canonname);
	if (found)
		freeaddrinfo(found);
	/* if nobody reads any more, nobody needs it */
	while (write(question->fd, &answer, sizeof(answer)) < 0 && errno == EINTR)
		;
	close(question->fd);
	free(question);
	return NULL;
}

/* Signals are the caller's. */
static int start(struct question *question)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int err;

	err = pthread_attr_init(&attributes);
	if (err)
		return -err;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attributes, ask, question);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -err;
}

int canonical_ask(const char *host)
{
	struct question *question = calloc(1, sizeof(*question));
	int ends[2], err;

	if (!question)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC)) {
		err = -errno;
		free(question);
		return err;
	}
	question->fd = ends[1];
	snprintf(question->host, sizeof(question->host), "%s", host);
	err = start(question);
	if (!err)
		return ends[0];
	close(ends[0]);
	close(ends[1]);
	free(question);
	return err;
}

int canonical_answer(int fd, char *name, size_t len)
{
	struct answer answer;

	if (read(fd, &answer, sizeof(answer)) != sizeof(answer))
		answer = (struct answer){ 0 };
	if (answer.known)
		last = answer;
	if (len)
		snprintf(name, len, "%s", answer.name);
	return answer.known ? 0 : -EAGAIN;
}

int canonical_name(const char *host, int patience_ms, char *name, size_t len)
{
	struct pollfd readable = { .fd = canonical_ask(host), .events = POLLIN };
	int err = -EAGAIN;

	name[0] = '\0';
	if (readable.fd < 0)
		return readable.fd;
	if (poll(&readable, 1, patience_ms) == 1)
		err = canonical_answer(readable.fd, name, len);
	close(readable.fd);
	if (err && last.known && !strcmp(last.host, host)) {
		snprintf(name, len, "%s", last.name);
		err = 0;
	}
	return err;
}
