/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table for people: cells are collected, and printed when all widths are known. Numbers stand to the right. No memory is
 * reported once, by table_print().
 */
#ifndef SLUICECTL_TABLE_H
#define SLUICECTL_TABLE_H

#include <stdint.h>

struct table;

/* Titles of the columns, ended by NULL; one that begins with '>' is a column of numbers. NULL: no memory. */
struct table *table_new(const char *const *titles);
void table_free(struct table *table);

/* Next cell, row by row. A NULL or empty text is shown as "-". */
void table_text(struct table *table, const char *text);
void table_number(struct table *table, uint64_t number);
void table_format(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_duration(struct table *table,
		    uint64_t ms); /* "750ms", "12s", "5m12s", "3h07m", "2d04h" */
void table_bytes(struct table *table, uint64_t bytes); /* "512", "1.5K", "20M" */

/* Print to stdout. 0, or -ENOMEM if a cell was lost. */
int table_print(const struct table *table);

#endif
