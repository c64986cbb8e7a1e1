/* SPDX-License-Identifier: GPL-2.0-only */
/* The sandbox, entered by a child: which commands of bpf(2) it still has, and that no capability is left. */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox.h"

static int bpf_errno(uint64_t command)
{
	union bpf_attr attr;

	memset(&attr, 0xff,
	       sizeof(attr)); /* no descriptor, no pointer: whatever gets through the filter fails otherwise */
	errno = 0;
	syscall(SYS_bpf, command, &attr, sizeof(attr));
	return errno;
}

/* Exit code of the child: 0 good, else which check failed. */
static int child(void)
{
	static const int good[] = { BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM,
				    BPF_MAP_DELETE_ELEM,  BPF_MAP_GET_NEXT_KEY,
				    BPF_OBJ_GET,	  BPF_OBJ_GET_INFO_BY_FD,
				    BPF_MAP_LOOKUP_BATCH, BPF_MAP_UPDATE_BATCH };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	char error[256] = "";
	bool is_good;

	if (sandbox_enter(error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	if (syscall(SYS_capget, &header, data) || data[0].effective || data[1].effective ||
	    data[0].permitted || data[1].permitted)
		return 2;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 3;
	for (uint64_t command = 0; command < 64; command++) {
		is_good = command == BPF_MAP_LOOKUP_AND_DELETE_BATCH ||
			  command == BPF_MAP_DELETE_BATCH;
		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
			is_good |= command == (uint64_t)good[i];
		if ((bpf_errno(command) == EPERM) == is_good) {
			fprintf(stderr, "bpf command %u: errno %d\n", (unsigned)command,
				bpf_errno(command));
			return 4;
		}
	}
	/* the kernel looks at the low half of the argument only */
	if (bpf_errno(UINT64_C(1) << 32 | BPF_PROG_LOAD) != EPERM)
		return 5;
	return 0;
}

static void only_map_commands_are_left(void **unused)
{
	int status = -1;
	pid_t pid = fork();

	(void)unused;
	assert_true(pid >= 0);
	if (!pid)
		_exit(child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_map_commands_are_left) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
