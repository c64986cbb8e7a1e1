/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the lab's programs read from their command lines. Each refusal is one line on stderr that
 * begins with the program's name and quotes what was refused, and exit 2. It knows no option: a
 * program's names and ranges are its own.
 */
#ifndef LAB_PROGRAM_ARGUMENTS_H
#define LAB_PROGRAM_ARGUMENTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* PROGRAM: what: "text" */
_Noreturn void arguments_die(const char *what, const char *text);
/* asked: by --help, so to stdout with exit 0; else to stderr with exit 2. */
_Noreturn void arguments_usage(const char *usage, bool asked);

/* From least to most, both included; dies if it is not, or has more behind it. */
double arguments_number(const char *what, const char *text, double least, double most);
/* The same for a whole number in decimal. False instead of dying; then value is not valid. */
bool arguments_whole(const char *text, uint64_t least, uint64_t most, uint64_t *value);

/*
 * The IPv4 address from text up to end, which points into it; NULL as end, or anything else there:
 * false, address is not valid.
 */
bool arguments_ipv4(const char *text, const char *end, struct in_addr *address);

#endif
