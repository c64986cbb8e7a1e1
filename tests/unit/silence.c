/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world of silence.h. What a child finds is its exit status; it prints nothing, since the
 * test's own output is TAP.
 */
#include "silence.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SKIP 77
#define RESULT_MAX 63

/* In this mount namespace the file has that text. */
static int replace(const char *file, const char *text)
{
	char path[] = "/tmp/silence-XXXXXX";
	int fd = mkstemp(path), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    mount(path, file, NULL, MS_BIND, NULL))
		err = -EIO;
	close(fd);
	unlink(path);
	return err;
}

/* The nameserver's socket, or a negative errno. */
static int enter(void)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons(53),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq interface = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, err;

	if (unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || sethostname("slave1", 6))
		return -errno;
	err = replace("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
	/* no file: DNS is asked, too */
	if (!err && !access("/etc/nsswitch.conf", F_OK))
		err = replace("/etc/nsswitch.conf", "hosts: dns\n");
	if (err)
		return err;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &interface) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int in_child(int (*play)(int nameserver))
{
	int nameserver = enter();

	return nameserver < 0 ? SKIP : play(nameserver);
}

int silence_play(int (*play)(int nameserver))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid)
		_exit(in_child(play));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIP) {
		print_message("no namespaces of one's own may be made here\n");
		skip();
	}
	assert_in_range(WEXITSTATUS(status), 0, RESULT_MAX);
	return WEXITSTATUS(status);
}

unsigned silence_threads(void)
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

bool silence_resolver_waits(void)
{
	poll(NULL, 0, 100);
	return silence_threads() > 1;
}
