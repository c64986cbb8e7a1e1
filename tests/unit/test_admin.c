/* SPDX-License-Identifier: GPL-2.0-only */
/* The admin socket, from the outside: a real client on a real socket, and those that do not behave. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin.h"
#include "admin_client.h"

static char folder[] = "/tmp/sluice-admin-XXXXXX", path[64];

static char *echo(void *ctx, int argc, char **argv)
{
	char *text = NULL;

	++*(int *)ctx;
	if (asprintf(&text, "{\"argc\":%d,\"first\":\"%s\"}", argc, argc ? argv[0] : "") < 0)
		return NULL;
	return text;
}

static int make_folder(void **unused)
{
	(void)unused;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", folder);
	return 0;
}

static int remove_folder(void **unused)
{
	(void)unused;
	unlink(path);
	return rmdir(folder);
}

/* A client needs somebody to run the loop meanwhile. */
struct asking {
	int done;
	const char *at; /* NULL: path */
	const char *request;
	char *answer;
	int err;
};

static void *ask(void *arg)
{
	struct asking *asking = arg;

	asking->err = admin_client_call(asking->at ? asking->at : path, asking->request, 10000,
					&asking->answer);
	__atomic_store_n(&asking->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void call(struct event_base *base, struct asking *asking)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ask, asking), 0);
	while (!__atomic_load_n(&asking->done, __ATOMIC_ACQUIRE)) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	pthread_join(thread, NULL);
}

static void answers_and_cleans_up(void **unused)
{
	struct event_base *base = event_base_new();
	struct asking asking = { .request = "status  now" };
	struct stat info;
	struct admin *admin, *second;
	int calls = 0;

	(void)unused;
	admin = admin_new(base, path, echo, &calls);
	assert_non_null(admin);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0660);
	call(base, &asking);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "{\"argc\":2,\"first\":\"status\"}");
	assert_int_equal(calls, 1);
	free(asking.answer);
	/* a second daemon does not take it away */
	second = admin_new(base, path, echo, &calls);
	assert_null(second);
	assert_int_equal(errno, EADDRINUSE);
	admin_free(admin);
	assert_int_equal(access(path, F_OK), -1);
	event_base_free(base);
}

/* Told over the very socket that it leaves, as `reload` does. */
struct moving {
	struct admin *admin;
	const char *to;
	int err;
};

static char *move(void *ctx, int argc, char **argv)
{
	struct moving *moving = ctx;

	(void)argc;
	(void)argv;
	moving->err = admin_move(moving->admin, moving->to);
	return strdup("{\"moved\":true}");
}

static void moves_to_another_place(void **unused)
{
	struct event_base *base = event_base_new();
	struct asking asking = { .request = "reload" }, old = { .request = "reload" },
		      new = { .request = "reload" };
	struct moving moving = { .to = "/proc/no/such/admin.sock" };
	char there[sizeof(path) + 8];

	(void)unused;
	snprintf(there, sizeof(there), "%s.new", path);
	moving.admin = admin_new(base, path, move, &moving);
	assert_non_null(moving.admin);
	call(base, &asking); /* cannot listen there: it stays */
	assert_int_equal(asking.err, 0);
	assert_true(moving.err < 0);
	free(asking.answer);
	moving.to = there;
	call(base, &old); /* it moves, and who told it so is answered */
	assert_int_equal(old.err, 0);
	assert_int_equal(moving.err, 0);
	assert_string_equal(old.answer, "{\"moved\":true}");
	free(old.answer);
	assert_int_equal(access(path, F_OK), -1);
	new.at = there;
	call(base, &new); /* to where it is: nothing to do */
	assert_int_equal(new.err, 0);
	assert_int_equal(moving.err, 0);
	free(new.answer);
	admin_free(moving.admin);
	assert_int_equal(access(there, F_OK), -1);
	event_base_free(base);
}

static void replaces_what_a_crash_left(void **unused)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct event_base *base = event_base_new();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), calls = 0;
	struct admin *admin;

	(void)unused;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* the file stays, nobody listens */
	admin = admin_new(base, path, echo, &calls);
	assert_non_null(admin);
	admin_free(admin);
	event_base_free(base);
}

static void cuts_off_who_talks_too_much(void **unused)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct event_base *base = event_base_new();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), calls = 0;
	char chunk[4096], byte;
	struct admin *admin = admin_new(base, path, echo, &calls);
	ssize_t n = -1;

	(void)unused;
	assert_non_null(admin);
	memset(chunk, 'x', sizeof(chunk));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0);
	for (int i = 0; i < 1000 && n < 0; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, &byte, 1, 0);
		if (n < 0 && errno == ECONNRESET)
			n = 0; /* it did not read all that we sent */
		if (n < 0)
			usleep(10000);
	}
	assert_int_equal(n, 0);
	assert_int_equal(calls, 0);
	close(fd);
	admin_free(admin);
	event_base_free(base);
}

static void bad_paths(void **unused)
{
	struct event_base *base = event_base_new();
	char longer[300];
	int calls = 0;

	(void)unused;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_null(admin_new(base, longer, echo, &calls));
	assert_int_equal(errno, ENAMETOOLONG);
	assert_null(admin_new(base, "/proc/no/such/admin.sock", echo, &calls));
	assert_int_equal(errno, ENOENT);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_cleans_up),
		cmocka_unit_test(moves_to_another_place),
		cmocka_unit_test(replaces_what_a_crash_left),
		cmocka_unit_test(cuts_off_who_talks_too_much),
		cmocka_unit_test(bad_paths),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
