/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See tail_calls.h. The instructions keep their number and their places, so what libbpf has still
 * to relocate stays true.
 */
#include "tail_calls.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tail_calls_mix(void)
{
	const int map = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "sluice_probe", sizeof(__u32),
				       sizeof(__u32), 1, NULL);
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 },
		{ .code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL, .imm = 7 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6 },
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map },
		{ .code = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
		/* the function */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const int fd = map < 0 ? -1
			       : bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "sluice_probe", "GPL",
					       program, sizeof(program) / sizeof(program[0]), NULL);

	if (fd >= 0)
		close(fd);
	if (map >= 0)
		close(map);
	return fd >= 0;
}

static bool is_tail_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg &&
	       insn->imm == BPF_FUNC_tail_call;
}

int tail_calls_drop(struct bpf_program *program)
{
	const struct bpf_insn nothing = { .code = BPF_ALU64 | BPF_MOV | BPF_K };
	const size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *insns = calloc(count, sizeof(*insns));
	size_t i;
	int err;

	if (!insns)
		return -ENOMEM;
	memcpy(insns, bpf_program__insns(program), count * sizeof(*insns));
	for (i = 0; i < count; i++) {
		if (is_tail_call(&insns[i]))
			insns[i] = nothing;
	}
	err = bpf_program__set_insns(program, insns, count);
	free(insns);
	return err;
}
