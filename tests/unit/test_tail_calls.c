/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tail_calls.c on the object as it is built in, not loaded: what is gone, and that nothing else is.
 */
#include "tail_calls.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* the skeleton needs the types of the settings */
#include <sluice/abi.h>

#include "sluice.skel.h"

#define INSNS_MAX 32768

static size_t tail_calls(const struct bpf_insn *insns, size_t count)
{
	size_t i, found = 0;

	for (i = 0; i < count; i++)
		found += insns[i].code == (BPF_JMP | BPF_CALL) && !insns[i].src_reg &&
			 insns[i].imm == BPF_FUNC_tail_call;
	return found;
}

static void drops_tail_calls_and_nothing_else(void **state)
{
	static struct bpf_insn before[INSNS_MAX];
	struct sluice_bpf *skel = sluice_bpf__open();
	const struct bpf_insn *after;
	struct bpf_program *program;
	size_t count, changed = 0, i;

	(void)state;
	assert_non_null(skel);
	program = skel->progs.sluice_tc_in;
	count = bpf_program__insn_cnt(program);
	assert_in_range(count, 1, INSNS_MAX);
	memcpy(before, bpf_program__insns(program), count * sizeof(*before));
	assert_true(tail_calls(before, count) > 0);

	assert_int_equal(tail_calls_drop(program), 0);
	assert_int_equal(bpf_program__insn_cnt(program), count);
	after = bpf_program__insns(program);
	assert_int_equal(tail_calls(after, count), 0);
	for (i = 0; i < count; i++)
		changed += memcmp(&before[i], &after[i], sizeof(before[i])) != 0;
	assert_int_equal(changed, tail_calls(before, count));
	sluice_bpf__destroy(skel);
}

static void leaves_a_program_without_tail_calls(void **state)
{
	struct sluice_bpf *skel = sluice_bpf__open();
	struct bpf_program *program;
	struct bpf_insn *before;
	size_t len;

	(void)state;
	assert_non_null(skel);
	program = skel->progs.sluice_release;
	len = bpf_program__insn_cnt(program) * sizeof(*before);
	before = malloc(len);
	assert_non_null(before);
	memcpy(before, bpf_program__insns(program), len);
	assert_int_equal(tail_calls_drop(program), 0);
	assert_int_equal(bpf_program__insn_cnt(program) * sizeof(*before), len);
	assert_memory_equal(before, bpf_program__insns(program), len);
	free(before);
	sluice_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_tail_calls_and_nothing_else),
		cmocka_unit_test(leaves_a_program_without_tail_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
