/* SPDX-License-Identifier: GPL-2.0-only */
/* What has really passed since the beginning is added once more for each further time; clocks so never jump. */
#include "fast.h"

#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

static struct {
	int64_t times, began_ns;
} fast = { .times = 1 };

static int64_t real_ns(void)
{
	struct timespec now = { 0 };

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

void fast_begin(unsigned times)
{
	fast.began_ns = real_ns();
	fast.times = times;
}

int64_t fast_real_ms(void)
{
	return real_ns() / 1000000;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	int64_t ns;

	if (syscall(SYS_clock_gettime, id, now))
		return -1;
	if (fast.times == 1 || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE &&
				id != CLOCK_MONOTONIC_RAW && id != CLOCK_BOOTTIME))
		return 0;
	ns = now->tv_sec * SECOND_NS + now->tv_nsec +
	     (real_ns() - fast.began_ns) * (fast.times - 1);
	now->tv_sec = ns / SECOND_NS;
	now->tv_nsec = ns % SECOND_NS;
	return 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int wait_ms)
{
	int times = (int)fast.times;

	if (wait_ms > 0)
		wait_ms = wait_ms / times + (wait_ms % times != 0);
	return epoll_pwait(epoll, events, most, wait_ms, NULL);
}
