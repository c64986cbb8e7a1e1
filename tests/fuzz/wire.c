/* SPDX-License-Identifier: GPL-2.0-only */
/* See wire.h. Ends by a reset, or some ten thousand ports would soon be in TIME_WAIT. */
#include "wire.h"

#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

#include "must.h"
#include "pieces.h"

enum { TURNS = 4 };

static void give_turns(struct event_base *base)
{
	for (int i = 0; i < TURNS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void listen_to(int fd, struct wire_answer *answer)
{
	ssize_t n;

	for (;;) {
		n = recv(fd, answer->text + answer->len, sizeof(answer->text) - 1 - answer->len,
			 MSG_DONTWAIT);
		if (n <= 0)
			break;
		answer->len += (size_t)n;
	}
	answer->text[answer->len] = 0;
}

void wire_talk(struct event_base *base, const struct sockaddr *address, socklen_t address_len,
	       const uint8_t *data, size_t len, unsigned way, struct wire_answer *answer)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pieces pieces;
	const char *piece;
	size_t n, sent;
	ssize_t now;

	must(fd >= 0);
	must(!connect(fd, address, address_len));
	answer->len = 0;
	pieces_init(&pieces, data, len, way);
	while ((piece = pieces_next(&pieces, way, &n))) {
		for (sent = 0; sent < n; sent += (size_t)now) {
			now = send(fd, piece + sent, n - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (now < 0 && errno != EAGAIN)
				break; /* it has hung up, as it may */
			now = now > 0 ? now : 0;
			give_turns(base);
		}
		listen_to(fd, answer);
	}
	give_turns(base);
	listen_to(fd, answer);
	shutdown(fd, SHUT_WR);
	give_turns(base);
	listen_to(fd, answer);
	if (address->sa_family != AF_UNIX)
		must(!setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	close(fd);
	give_turns(base);
}
