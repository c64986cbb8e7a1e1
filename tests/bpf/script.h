/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of the case files: comments, words, macros with parameters, include. Knows nothing about
 * what the words mean.
 */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#define SCRIPT_MAX_WORDS 96

/* One line. where ("file:line", macros' lines behind) and words live only during the call. Returns
 * 0 or a negative errno. */
typedef int (*script_line)(void *ctx, const char *where, unsigned count, char **words);

/* Hand every line of FILE to the callback. Goes on after a bad line; returns 0 or the first error. */
int script_read(const char *file, script_line line, void *ctx);

#endif
