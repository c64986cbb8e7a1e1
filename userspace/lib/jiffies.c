/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures from one tick to another, so that a tenth of a second tells 250 from 300 Hz. Runs the program in a loop for
 * at most two ticks (20 ms at 100 Hz), and sleeps between.
 */
#include "jiffies.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MEASURE_MS 100
#define TICK_LATE_NS 200000
#define TICK_TRIES 1000000 /* a kernel whose jiffies stand still is not waited for */

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int load_program(void)
{
	/* return (u32)bpf_jiffies64(); */
	const struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_jiffies64 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "sluice_jiffies", "GPL", code,
			       sizeof(code) / sizeof(code[0]), NULL);

	return fd < 0 ? -errno : fd;
}

static int read_count(int fd, uint32_t *count)
{
	static const char frame[64]; /* TEST_RUN wants an Ethernet frame */
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(fd, &options) < 0)
		return -errno;
	*count = options.retval;
	return 0;
}

/*
 * Wait for the next tick. One that was seen late, because this process did not run meanwhile, would spoil the rate and
 * every age that is told by it: the next is waited for.
 */
static int read_tick(int fd, uint32_t *count, uint64_t *ktime_ns)
{
	uint64_t before_ns = monotonic_ns();
	uint32_t last;
	int err = read_count(fd, &last), tries;

	for (tries = 0; !err && tries < TICK_TRIES; tries++) {
		err = read_count(fd, count);
		*ktime_ns = monotonic_ns();
		if (!err && *count != last && *ktime_ns - before_ns <= TICK_LATE_NS)
			return 0;
		last = *count;
		before_ns = *ktime_ns;
	}
	return err ? err : -ETIME;
}

static uint32_t nearest_hz(uint64_t millihertz)
{
	static const uint32_t rates[] = { 100, 250, 300, 1000 };
	uint32_t best = rates[0];
	size_t i;

	for (i = 1; i < sizeof(rates) / sizeof(rates[0]); i++) {
		if (llabs((long long)millihertz - rates[i] * 1000LL) <
		    llabs((long long)millihertz - best * 1000LL))
			best = rates[i];
	}
	return best;
}

int jiffies_measure(struct jiffies *jiffies)
{
	uint64_t start_ns, end_ns;
	uint32_t start, end;
	int fd = load_program(), err;

	if (fd < 0)
		return fd;
	err = read_tick(fd, &start, &start_ns);
	if (err)
		goto out;
	usleep(MEASURE_MS * 1000);
	err = read_tick(fd, &end, &end_ns);
	if (err)
		goto out;
	jiffies->hz = nearest_hz((uint64_t)(end - start) * 1000000000000 / (end_ns - start_ns));
	jiffies->count = end;
	jiffies->ktime_ns = end_ns;
out:
	close(fd);
	return err;
}
