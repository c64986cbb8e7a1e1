/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client has a few seconds and a kilobyte to say its line; whoever is slower or longer is cut off, and no more than a handful are served
 * at once.
 */
#include "admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "listen_pause.h"

#define MAX_LINE 1024
#define MAX_ARGS 16
#define MAX_CLIENTS 32
#define PATIENCE_S 5

struct client {
	struct client *next;
	struct admin *admin;
	struct bufferevent *stream;
	bool answered;
};

struct admin {
	char *path;
	struct evconnlistener *listener;
	struct listen_pause *pause;
	struct client *clients;
	unsigned client_count;
	admin_handler handler;
	void *ctx;
};

static void drop_client(struct client *client)
{
	struct client **link = &client->admin->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->admin->client_count--;
	bufferevent_free(client->stream);
	free(client);
}

static void on_written(struct bufferevent *stream, void *ctx)
{
	struct client *client = ctx;

	if (client->answered && !evbuffer_get_length(bufferevent_get_output(stream)))
		drop_client(client);
}

static void on_event(struct bufferevent *stream, short what, void *ctx)
{
	(void)stream;
	(void)what;
	drop_client(ctx);
}

static void answer(struct client *client, char *line)
{
	char *argv[MAX_ARGS], *rest = NULL, *word, *text;
	int argc = 0;

	for (word = strtok_r(line, " \t\r", &rest); word && argc < MAX_ARGS;
	     word = strtok_r(NULL, " \t\r", &rest))
		argv[argc++] = word;
	text = client->admin->handler(client->admin->ctx, argc, argv);
	client->answered = true;
	bufferevent_disable(client->stream, EV_READ);
	/* where it lacked memory for a callback of its own, libevent 2.1 begins no writing by itself */
	if (!text || bufferevent_write(client->stream, text, strlen(text)) ||
	    bufferevent_enable(client->stream, EV_WRITE)) {
		free(text);
		drop_client(client);
		return;
	}
	free(text);
}

static void on_readable(struct bufferevent *stream, void *ctx)
{
	struct evbuffer *input = bufferevent_get_input(stream);
	struct client *client = ctx;
	size_t len = 0;
	char *line = evbuffer_readln(input, &len, EVBUFFER_EOL_LF);

	if (line && len <= MAX_LINE)
		answer(client, line);
	else if (line || evbuffer_get_length(input) > MAX_LINE)
		drop_client(client);
	free(line);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int len, void *ctx)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct admin *admin = ctx;
	struct client *client;

	(void)from;
	(void)len;
	client = admin->client_count < MAX_CLIENTS ? calloc(1, sizeof(*client)) : NULL;
	if (client)
		client->stream = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
							BEV_OPT_CLOSE_ON_FREE);
	if (!client || !client->stream) {
		free(client);
		close(fd);
		return;
	}
	client->admin = admin;
	client->next = admin->clients;
	admin->clients = client;
	admin->client_count++;
	bufferevent_setcb(client->stream, on_readable, on_written, on_event, client);
	/* no high mark: libevent crashes if it lacks the memory; one read past the longest line is bounded */
	/* a client that is not read from would keep its place for ever */
	if (bufferevent_set_timeouts(client->stream, &patience, &patience) ||
	    bufferevent_enable(client->stream, EV_READ | EV_WRITE))
		drop_client(client);
}

/* Does a living daemon answer on the socket that is there already? */
static bool is_in_use(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool used;

	if (fd < 0)
		return false;
	used = !connect(fd, (const struct sockaddr *)address, sizeof(*address));
	close(fd);
	return used;
}

static void make_folder(const char *path)
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;

	if (slash && slash != folder) {
		*slash = 0;
		mkdir(folder, 0750); /* that it failed shows when we bind */
	}
	free(folder);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	make_folder(path);
	if (is_in_use(&address))
		return -EADDRINUSE;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* nobody may connect before the mode is right: it does not listen yet */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, 0660) ||
	    listen(fd, 16)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void stop_listening(struct admin *admin)
{
	listen_pause_free(admin->pause);
	if (admin->listener)
		evconnlistener_free(admin->listener);
	if (admin->path)
		unlink(admin->path);
	free(admin->path);
}

/*
 * Listen at path and no longer where it was. What was there stays unless 0; who is being answered
 * is in either case.
 */
static int listen_there(struct admin *admin, struct event_base *base, const char *path)
{
	struct evconnlistener *listener;
	struct listen_pause *pause;
	char *copy;
	int fd;

	fd = listen_on(path);
	if (fd < 0)
		return fd;
	listener = evconnlistener_new(base, on_accept, admin,
				      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!listener)
		close(fd);
	copy = strdup(path);
	pause = listener ? listen_pause_new(base, listener, "admin") : NULL;
	if (!pause || !copy) {
		listen_pause_free(pause);
		if (listener)
			evconnlistener_free(listener);
		free(copy);
		unlink(path);
		return -ENOMEM;
	}
	stop_listening(admin);
	admin->path = copy;
	admin->listener = listener;
	admin->pause = pause;
	return 0;
}

struct admin *admin_new(struct event_base *base, const char *path, admin_handler handler, void *ctx)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	int err;

	if (!admin)
		return NULL;
	admin->handler = handler;
	admin->ctx = ctx;
	err = listen_there(admin, base, path);
	if (err) {
		free(admin);
		errno = -err;
		return NULL;
	}
	return admin;
}

int admin_move(struct admin *admin, const char *path)
{
	if (!strcmp(admin->path, path))
		return 0;
	return listen_there(admin, evconnlistener_get_base(admin->listener), path);
}

void admin_free(struct admin *admin)
{
	if (!admin)
		return;
	while (admin->clients)
		drop_client(admin->clients);
	stop_listening(admin);
	free(admin);
}
