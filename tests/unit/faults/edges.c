/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP client, libcurl and libevent below it, without memory: a call that begins ends once, with
 * the answer or with an error, and the next call on the same object is answered.
 */
#include "plays.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "alloc.h"
#include "callback.h"
#include "config.h"
#include "http.h"
#include "loop.h"
#include "loop_timers.h"

#define BODY "{\"apps\":[]}"
#define PATIENCE_MS 10000

static char url[64];

struct outcome {
	unsigned done;
	long status;
	bool right;
};

static void on_request(struct evhttp_request *request, void *ctx)
{
	struct evbuffer *out = evbuffer_new();

	(void)ctx;
	evbuffer_add(out, BODY, sizeof(BODY) - 1);
	evhttp_send_reply(request, 200, "OK", out);
	evbuffer_free(out);
}

/* In a process of its own, so that its allocations are not refused. It ends with this one. */
static pid_t start_server(void)
{
	int tell[2];
	uint16_t port;
	pid_t child;

	assert_int_equal(pipe(tell), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct event_base *base = event_base_new();

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		loop_serve(base, on_request, NULL, &port);
		if (write(tell[1], &port, sizeof(port)) == sizeof(port))
			event_base_dispatch(base);
		_exit(1);
	}
	close(tell[1]);
	assert_int_equal(read(tell[0], &port, sizeof(port)), sizeof(port));
	close(tell[0]);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v2/apps", port);
	return child;
}

static void on_done(void *ctx, const struct http_answer *answer)
{
	struct outcome *outcome = ctx;

	outcome->done++;
	outcome->status = answer->error[0] ? 0 : answer->status;
	outcome->right = answer->body_len == sizeof(BODY) - 1 && !strcmp(answer->body, BODY);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* 0: the call has ended, see outcome; else negative errno of its start. */
static int call(struct event_base *base, struct http *http, struct outcome *outcome)
{
	const struct http_request request = { .method = "GET",
					      .url = url,
					      .max_bytes = 1000,
					      .connect_ms = 5000,
					      .total_ms = 5000,
					      .ctx = outcome,
					      .done = on_done };
	const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	bool armed = faults_pause(), late = false;
	struct event *timer = evtimer_new(base, on_patience, &late);

	assert_int_equal(evtimer_add(timer, &patience), 0);
	*outcome = (struct outcome){ 0 };
	faults_resume(armed);
	if (!http_start(http, &request)) {
		int err = -errno;

		event_free(timer);
		return err;
	}
	while (!outcome->done && !late)
		event_base_loop(base, EVLOOP_ONCE);
	faults_pause();
	event_free(timer);
	assert_false(late);
	assert_int_equal(outcome->done, 1);
	faults_resume(armed);
	return 0;
}

static void play_http(const struct faults_order *order)
{
	struct event_base *base = event_base_new();
	struct outcome outcome;
	struct http *http;
	int err;

	faults_arm(order);
	http = http_new(base);
	if (http) {
		err = call(base, http, &outcome);
		faults_disarm();
		if (err)
			assert_true(err == -ENOMEM && faults_hit());
		else if (!faults_hit() || outcome.status)
			assert_true(outcome.status == 200 && outcome.right);
		assert_int_equal(call(base, http, &outcome), 0);
		assert_true(outcome.status == 200 && outcome.right);
	}
	faults_disarm();
	assert_true(http || faults_hit());
	http_free(http);
	event_base_free(base);
}

void plays_http(void **state)
{
	pid_t server;

	(void)state;
	server = start_server();
	faults_each("http", 1000, play_http);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

/* --- the callback server --- */

struct receiver {
	unsigned events, lost;
};

static void on_posted(void *ctx, const char *json, size_t len)
{
	struct receiver *receiver = ctx;

	faults_must(len == 2 && !memcmp(json, "{}", 2));
	receiver->events++;
}

static void on_lost(void *ctx)
{
	((struct receiver *)ctx)->lost++;
}

/*
 * What the caller has been told by the time its connection ends or begins to speak: its status
 * line's beginning, or "".
 */
static void hear(struct event_base *base, int fd, char *said, size_t size)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	ssize_t len;

	do {
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		poll(&answer, 1, 10);
		len = recv(fd, said, size - 1, MSG_DONTWAIT);
	} while (len < 0 && errno == EAGAIN);
	said[len > 0 ? len : 0] = '\0';
}

/*
 * An event that there was no memory for is not lost in silence, and one that was taken is said to
 * be.
 */
static void play_callback(const struct faults_order *order)
{
	static const char post[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char listen[32], said[16];
	struct config config = { .callback_listen = listen, .callback_from_count = 1 };
	struct receiver receiver = { 0 };
	const struct callback_handler handler = { .ctx = &receiver,
						  .event = on_posted,
						  .lost = on_lost };
	struct event_base *base = event_base_new();
	struct event *deadline = loop_deadline(base);
	uint16_t port = loop_free_port();
	struct callback *callback;
	int fd;

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	at.sin_port = htons(port);
	assert_int_equal(loop_timers_reserve(base, 8), 0);
	callback = callback_new(base, &config, &handler);
	assert_non_null(callback);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(send(fd, post, sizeof(post) - 1, 0), sizeof(post) - 1);
	faults_arm(order);
	while (!receiver.events && !receiver.lost)
		event_base_loop(base, EVLOOP_ONCE);
	faults_disarm();
	if (!faults_hit())
		assert_true(receiver.events == 1 && !receiver.lost);
	hear(base, fd, said, sizeof(said));
	assert_int_equal(!strncmp(said, "HTTP/1.1 200 ", 13), receiver.events == 1);
	close(fd);
	callback_free(callback);
	event_free(deadline);
	event_base_free(base);
}

void plays_callback(void **state)
{
	(void)state;
	faults_each("callback", 200, play_callback);
}
