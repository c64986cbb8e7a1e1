/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What other programs of the host print: nft, iptables-save.
 */
#ifndef SLUICECTL_PROGRAM_H
#define SLUICECTL_PROGRAM_H

/* Run it and wait. Its output, at most a megabyte, that the caller frees; NULL if it is not there or fails. */
char *program_output(char *const argv[]);

#endif
