/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As model_oracle.h, where Consul alone knows the service: ids that come, go and are registered again on other ports, beside the kernel's
 * word, the operator's, scans and restarts. Judged by port: no backend is forgotten while it may have connections, no pool runs
 * empty without proof, what is said of one port is not taken for another's, and the truth wins in the end.
 */
#ifndef TESTS_MODEL_ALONE_H
#define TESTS_MODEL_ALONE_H

struct oracle_chance;

/* How often each side of a rule was seen. */
struct alone_seen {
	unsigned long moved, both, forgotten, emptied, held, restarts;
};

/* One sequence of so many steps, and the way back to the truth. Adds to seen. */
void alone_sequence(const struct oracle_chance *chance, unsigned steps, struct alone_seen *seen);

#endif
