/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lab's app: the thing behind port 80. One static process with one event loop, fit to be PID 1 of an otherwise empty
 * container. It says who it is in every answer, counts what it was asked, and ends as it is told when SIGTERM comes:
 * with a lame duck phase (accepts still, each answer says "Connection: close"), or by closing its listener at once.
 * Identity comes from options, else from what Mesos puts into a task's environment.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "connection.h"
#include "process.h"
#include "server.h"

#define BACKLOG 65535
#define LEAVE_MS \
	1000 /* how long a keep-alive connection may sit idle once the listener is closed */

struct options {
	unsigned port;
	unsigned start_delay_ms;
	unsigned backlog;
	bool ipv4_only;
};

static const char usage_text[] =
	"usage: app [--port N] [--app ID] [--task ID] [--host NAME] [--hostport N]\n"
	"           [--on-term lameduck:MS|close] [--slow MS] [--start-delay MS] [--backlog N] [--ipv4]\n"
	"defaults: $PORT0, $MARATHON_APP_ID, $MESOS_TASK_ID, $HOST up to the first dot, $PORT0, lameduck:1000\n";

uint64_t server_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned number(const char *what, const char *text, unsigned long max)
{
	uint64_t value;

	if (!arguments_whole(text, 0, max, &value)) {
		fprintf(stderr, "app: %s: not a number from 0 to %lu: \"%s\"\n", what, max, text);
		exit(2);
	}
	return (unsigned)value;
}

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static unsigned on_term(const char *text)
{
	if (!strcmp(text, "close"))
		return 0;
	if (!strncmp(text, "lameduck:", 9))
		return number("--on-term lameduck", text + 9, 3600000);
	fprintf(stderr, "app: --on-term: neither lameduck:MS nor close: \"%s\"\n", text);
	exit(2);
}

/* Mesos gives a task the agent's full name; the lab's contract shows it without the domain. */
static const char *short_name(const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1)
		return host;
	return strndup(host, strcspn(host, "."));
}

static void parse(int argc, char **argv, struct server *server, struct options *options)
{
	static const struct option longs[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "app", required_argument, NULL, 'a' },
		{ "task", required_argument, NULL, 't' },
		{ "host", required_argument, NULL, 'H' },
		{ "hostport", required_argument, NULL, 'P' },
		{ "on-term", required_argument, NULL, 'o' },
		{ "slow", required_argument, NULL, 's' },
		{ "ipv4", no_argument, NULL, '4' },
		{ "start-delay", required_argument, NULL, 'd' },
		{ "backlog", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *port = from_environment("PORT0", "8000");
	const char *host_port = NULL;
	int c;

	server->app = from_environment("MARATHON_APP_ID", "-");
	server->task = from_environment("MESOS_TASK_ID", "-");
	server->host = from_environment("HOST", "-");
	server->lameduck_ms = 1000;
	host_port = getenv("PORT0");
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			port = optarg;
			break;
		case 'a':
			server->app = optarg;
			break;
		case 't':
			server->task = optarg;
			break;
		case 'H':
			server->host = optarg;
			break;
		case 'P':
			host_port = optarg;
			break;
		case 'o':
			server->lameduck_ms = on_term(optarg);
			break;
		case 's':
			server->slow_ms = number("--slow", optarg, 3600000);
			break;
		case 'd':
			options->start_delay_ms = number("--start-delay", optarg, 3600000);
			break;
		case 'b':
			options->backlog = number("--backlog", optarg, BACKLOG);
			break;
		case '4':
			options->ipv4_only = true;
			break;
		case 'h':
			arguments_usage(usage_text, true);
		default:
			arguments_usage(usage_text, false);
		}
	}
	if (optind != argc) {
		fprintf(stderr, "app: what is this: \"%s\"\n%s", argv[optind], usage_text);
		exit(2);
	}
	options->port = number("--port", port, 65535);
	server->host_port = number("--hostport", host_port ? host_port : port, 65535);
	server->host = short_name(server->host);
}

/* For both families at once, unless told otherwise or the kernel has only one. */
static int open_listener(const struct options *options)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)options->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)options->port) };
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, on = 1, off = 0;
	const struct sockaddr *address = (const void *)&v6;
	socklen_t len = sizeof(v6);
	int fd = options->ipv4_only ? -1 : socket(AF_INET6, type, 0), err;

	if (fd < 0) {
		address = (const void *)&v4;
		len = sizeof(v4);
		fd = socket(AF_INET, type, 0);
	}
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)); /* refused for IPv4 */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, address, len) || listen(fd, (int)options->backlog)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void accept_all(struct server *server)
{
	while (server->listen_fd >= 0) {
		int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			fprintf(stderr, "app: accept: %s\n", strerror(errno));
			return;
		}
		if (fd < 0)
			continue;
		server->accepted++;
		if (!connection_new(server, fd))
			fprintf(stderr, "app: connection refused: %s\n", strerror(errno));
	}
}

/* A connection that never carried a request is let wait for its first one: the client may have it on the way. */
static void close_idle(struct server *server, bool only_served)
{
	struct connection *conn = server->connections;

	while (conn) {
		struct connection *next = connection_next(conn);
		bool served;

		connection_event(conn); /* a request may have come since the last event */
		if (connection_is_idle(conn, &served) && (served || !only_served))
			connection_close(conn);
		conn = next;
	}
}

static void close_listener(struct server *server)
{
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	server->listen_fd = -1;
	server->phase = SERVER_LEAVING;
	server->phase_ends_ms = server_now_ms() + LEAVE_MS;
}

static void told_to_stop(struct server *server)
{
	if (server->phase != SERVER_SERVING)
		return;
	if (!server->lameduck_ms) {
		close_listener(server);
		return;
	}
	server->phase = SERVER_LAMEDUCK;
	server->phase_ends_ms = server_now_ms() + server->lameduck_ms;
}

/* SIGUSR1: nobody listens any more, and the process lives on and says nothing of it. */
static void told(struct server *server, uint32_t signal)
{
	if (signal != SIGUSR1) {
		told_to_stop(server);
	} else if (server->listen_fd >= 0) {
		close(server->listen_fd);
		server->listen_fd = -1;
	}
}

static void phase_over(struct server *server)
{
	if (server->phase == SERVER_LAMEDUCK) {
		accept_all(server);
		close_listener(server);
		close_idle(server, true);
	} else {
		close_idle(server, false);
		server->phase_ends_ms = server_now_ms() + LEAVE_MS;
	}
}

static int wait_ms(const struct server *server)
{
	uint64_t now = server_now_ms();

	if (server->phase == SERVER_SERVING)
		return -1;
	return server->phase_ends_ms > now ? (int)(server->phase_ends_ms - now) : 0;
}

static void loop(struct server *server, int signal_fd)
{
	struct epoll_event events[256];

	while (server->phase != SERVER_LEAVING || server->connections) {
		int n = epoll_wait(server->epoll_fd, events, 256, wait_ms(server));

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &server->listen_fd) {
				accept_all(server);
			} else if (events[i].data.ptr == server) {
				struct signalfd_siginfo info;

				if (read(signal_fd, &info, sizeof(info)) == sizeof(info))
					told(server, info.ssi_signo);
			} else {
				connection_event(events[i].data.ptr);
			}
		}
		if (server->phase != SERVER_SERVING && server_now_ms() >= server->phase_ends_ms)
			phase_over(server);
		connection_free_dead(server);
	}
}

static int start(struct server *server, const struct options *options, int *signal_fd)
{
	struct epoll_event on_listen = { .events = EPOLLIN, .data.ptr = &server->listen_fd };
	struct epoll_event on_signal = { .events = EPOLLIN, .data.ptr = server };
	sigset_t signals;

	process_open_many();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	*signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (*signal_fd < 0 || server->epoll_fd < 0)
		return -errno;
	server->listen_fd = open_listener(options);
	if (server->listen_fd < 0)
		return server->listen_fd;
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, *signal_fd, &on_signal) ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->listen_fd, &on_listen))
		return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	struct server server = { .healthy = true };
	struct options options = { .backlog = BACKLOG };
	int signal_fd = -1, err;

	parse(argc, argv, &server, &options);
	if (options.start_delay_ms) {
		struct timespec delay = { .tv_sec = options.start_delay_ms / 1000,
					  .tv_nsec = options.start_delay_ms % 1000 * 1000000L };
		nanosleep(&delay, NULL);
	}
	err = start(&server, &options, &signal_fd);
	if (err) {
		fprintf(stderr, "app: port %u: %s\n", options.port, strerror(-err));
		return 1;
	}
	loop(&server, signal_fd);
	return 0;
}
