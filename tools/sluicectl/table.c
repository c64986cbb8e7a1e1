/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cells are kept as strings in one array, row after row. The last column is not padded, so that no line ends in spaces.
 */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
	const char *const *titles;
	size_t columns;
	char **cells;
	size_t count, room;
	bool lost;
};

struct table *table_new(const char *const *titles)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->titles = titles;
	while (titles[table->columns])
		table->columns++;
	return table;
}

void table_free(struct table *table)
{
	size_t i;

	if (!table)
		return;
	for (i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void table_text(struct table *table, const char *text)
{
	char *copy = strdup(text && text[0] ? text : "-");

	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		char **more = reallocarray(table->cells, room, sizeof(*more));

		if (!more) {
			free(copy);
			table->lost = true;
			return;
		}
		table->cells = more;
		table->room = room;
	}
	table->lost = table->lost || !copy;
	table->cells[table->count++] = copy;
}

void table_format(struct table *table, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_text(table, text);
}

void table_number(struct table *table, uint64_t number)
{
	table_format(table, "%llu", (unsigned long long)number);
}

void table_duration(struct table *table, uint64_t ms)
{
	unsigned long long s = ms / 1000;

	if (ms < 1000)
		table_format(table, "%llums", (unsigned long long)ms);
	else if (s < 60)
		table_format(table, "%llus", s);
	else if (s < 3600)
		table_format(table, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		table_format(table, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		table_format(table, "%llud%02lluh", s / 86400, s / 3600 % 24);
}

void table_bytes(struct table *table, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t i;

	if (bytes < 1024) {
		table_number(table, bytes);
		return;
	}
	value /= 1024;
	for (i = 0; value >= 999.5 && units[i + 1]; i++)
		value /= 1024;
	table_format(table, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[i]);
}

/* Row 0 is that of the titles. */
static const char *cell(const struct table *table, size_t row, size_t column)
{
	if (!row)
		return table->titles[column] + (table->titles[column][0] == '>');
	return table->cells[(row - 1) * table->columns + column];
}

int table_print(const struct table *table)
{
	size_t rows = table->count / table->columns + 1, row, column;
	int *width = calloc(table->columns, sizeof(*width));

	if (table->lost || !width) {
		free(width);
		return -ENOMEM;
	}
	for (row = 0; row < rows; row++) {
		for (column = 0; column < table->columns; column++) {
			int len = (int)strlen(cell(table, row, column));

			width[column] = len > width[column] ? len : width[column];
		}
	}
	for (row = 0; row < rows; row++) {
		for (column = 0; column < table->columns; column++) {
			bool number = table->titles[column][0] == '>',
			     last = column + 1 == table->columns;
			const char *text = cell(table, row, column);

			if (number)
				printf("%*s", width[column], text);
			else
				printf("%-*s", last ? 0 : width[column], text);
			fputs(last ? "\n" : "  ", stdout);
		}
	}
	free(width);
	return 0;
}
