/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The HTTP client while the nameserver is silent: libcurl's resolver is a thread that cannot be
 * interrupted, and the event loop must not wait for it. Runs in namespaces of its own, where a
 * nameserver is bound that never answers. What is asserted is not a time but that the call is over
 * while its resolver still waits.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "http.h"

#define SKIP 77

enum { WAITS = 1, JOINED = 2, NO_ANSWER = 3, NO_WORLD = 4 };

/* Own network, own resolv.conf, a nameserver that takes everything and says nothing. */
static int enter_silence(void)
{
	static const char text[] = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n";
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(53),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq interface = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	char path[] = "/tmp/resolv-XXXXXX";
	int fd, err;

	if (unshare(geteuid() ? CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET
			      : CLONE_NEWNS | CLONE_NEWNET) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	fd = mkstemp(path);
	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
			      mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL)
		      ? -EIO
		      : 0;
	close(fd);
	unlink(path);
	if (err)
		return err;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &interface) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return 0;
}

static unsigned threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	while (tasks && (entry = readdir(tasks)))
		count += entry->d_name[0] != '.';
	if (tasks)
		closedir(tasks);
	return count;
}

static void on_done(void *ctx, const struct http_answer *answer)
{
	int *result = ctx;

	*result = !answer->status && answer->error[0] && threads() > 1 ? WAITS : JOINED;
}

/* A request that cannot be resolved; ends by its own time-out, or is cancelled after a moment. */
static int ask(bool cancel)
{
	struct event_base *base = event_base_new();
	struct http *http = base ? http_new(base) : NULL;
	int result = NO_ANSWER;
	struct http_request request = { .method = "GET",
					.url = "http://marathon.example.com:8080/v2/apps",
					.connect_ms = 200,
					.max_bytes = 1000,
					.ctx = &result,
					.done = on_done };
	struct http_call *call;

	if (cancel)
		request.connect_ms = 60000;
	call = http ? http_start(http, &request) : NULL;
	if (!call)
		return NO_WORLD;
	while (threads() < 2)
		event_base_loop(base, EVLOOP_ONCE);
	if (cancel) {
		http_cancel(call);
		return threads() > 1 ? WAITS : JOINED;
	}
	while (result == NO_ANSWER)
		event_base_loop(base, EVLOOP_ONCE);
	return result;
}

static void in_silence(bool cancel)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) /* _exit: the resolver's thread is still there, and owns memory */
		_exit(enter_silence() ? SKIP : ask(cancel));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIP) {
		print_message("no namespaces of one's own may be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), WAITS);
}

static void time_out_does_not_wait(void **state)
{
	(void)state;
	in_silence(false);
}

static void cancel_does_not_wait(void **state)
{
	(void)state;
	in_silence(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_out_does_not_wait),
		cmocka_unit_test(cancel_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
