/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two figures for each case, after its base is taken off: the least one (least of the case less the
 * least of the base), which is what the machine can do undisturbed, and the median of the
 * differences within each round. Half of the rounds lie within the spread that is printed.
 */
#include "result.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

struct figures {
	double min_ns; /* of the case itself, base and all */
	double net_min_ns, net_median_ns, spread_ns;
};

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double least(const struct result *result, unsigned index)
{
	double min = result->samples[index].ns[0];
	unsigned i;

	for (i = 1; i < result->rounds; i++)
		if (result->samples[index].ns[i] < min)
			min = result->samples[index].ns[i];
	return min;
}

static struct figures figures_of(const struct result *result, unsigned index)
{
	const struct bench_case *row = &cases[index];
	double sorted[RESULT_ROUNDS_MAX];
	struct figures figures;
	unsigned i, base = row->base ? case_find(row->base) : 0;

	for (i = 0; i < result->rounds; i++)
		sorted[i] = result->samples[index].ns[i] -
			    (row->base ? result->samples[base].ns[i] : 0);
	qsort(sorted, result->rounds, sizeof(sorted[0]), compare);
	figures.min_ns = least(result, index);
	figures.net_min_ns = figures.min_ns - (row->base ? least(result, base) : 0);
	figures.net_median_ns = sorted[result->rounds / 2];
	figures.spread_ns = sorted[result->rounds * 3 / 4] - sorted[result->rounds / 4];
	return figures;
}

static double limit_of(const struct result *result, const struct bench_bar *bar)
{
	if (!bar->over)
		return bar->limit;
	return bar->limit * figures_of(result, case_find(bar->over)).net_min_ns;
}

static bool bar_ran(const struct result *result, const struct bench_bar *bar)
{
	return result->ran[case_find(bar->name)] &&
	       (!bar->over || result->ran[case_find(bar->over)]);
}

/* How many times as long as there the reference takes here. */
static double factor_of(const struct result *result, const struct bench_reference *reference)
{
	const struct figures figures = figures_of(result, case_find(reference->name));

	return (reference->net ? figures.net_min_ns : figures.min_ns) / reference->there_ns;
}

/* The same limit on this machine, by one of the references; a limit that was measured here needs none. */
static double scaled_limit(const struct result *result, const struct bench_bar *bar,
			   const struct bench_reference *reference)
{
	return limit_of(result, bar) * (bar->over ? 1 : factor_of(result, reference));
}

/* --- the table --- */

static void print_cases(const struct result *result, FILE *to)
{
	const char *group = "";
	unsigned i;

	for (i = 0; i < case_count; i++) {
		struct figures figures;

		if (!result->ran[i])
			continue;
		figures = figures_of(result, i);
		if (strcmp(group, cases[i].group)) {
			group = cases[i].group;
			fprintf(to, "\n%-26s %9s %9s %9s %9s\n", group, "min", "net min",
				"net median", "spread");
		}
		if (cases[i].base)
			fprintf(to, "  %-24s %9.1f %9.1f %9.1f %9.1f\n", cases[i].name,
				figures.min_ns, figures.net_min_ns, figures.net_median_ns,
				figures.spread_ns);
		else
			fprintf(to, "  %-24s %9.1f %9s %9.1f %9.1f\n", cases[i].name,
				figures.min_ns, "", figures.net_median_ns, figures.spread_ns);
	}
}

static void print_limit(double is, double limit, FILE *to)
{
	fprintf(to, " %9.1f %-6s", limit, is <= limit ? "met" : "missed");
}

/* Columns: the bar as it stands, then what it comes to on this machine by each reference. */
static void print_bars(const struct result *result, FILE *to)
{
	unsigned i, r;

	fputc('\n', to);
	for (r = 0; r < reference_count; r++)
		fprintf(to,
			"reference %u: %s (%s): %.2f times the %.0f ns of the machine of the bars\n",
			r + 1, references[r].name, references[r].what,
			factor_of(result, &references[r]), references[r].there_ns);
	fprintf(to, "%-26s %9s %16s", "bars (net min)", "is", "at most");
	for (r = 0; r < reference_count; r++)
		fprintf(to, " %14s %u", "by reference", r + 1);
	fputc('\n', to);
	for (i = 0; i < bar_count; i++) {
		double is;

		if (!bar_ran(result, &bars[i]))
			continue;
		is = figures_of(result, case_find(bars[i].name)).net_min_ns;
		fprintf(to, "  %-24s %9.1f", bars[i].name, is);
		print_limit(is, limit_of(result, &bars[i]), to);
		for (r = 0; r < reference_count; r++)
			print_limit(is, scaled_limit(result, &bars[i], &references[r]), to);
		fputc('\n', to);
	}
}

/*
 * Medians; "more" and its spread are of the differences within a round. "others'": as many programs of others were on
 * connect(2), and if there was one the kernel's way was longer without ours, too.
 */
static void print_connects(const struct result *result, FILE *to)
{
	const struct connect_figures *row = result->connects;
	bool any = false;

	for (; row < result->connects + CONNECT_ROWS; row++) {
		if (!row->name)
			continue;
		if (!any)
			fprintf(to, "\n%-30s %9s %9s %9s %9s %9s\n", "client on this host, ns each",
				"without", "with", "more", "spread", "others'");
		any = true;
		fprintf(to, "  %-28s %9.1f %9.1f %9.1f %9.1f %9u\n", row->name, row->without_ns,
			row->with_ns, row->more_ns, row->spread_ns, row->others);
	}
}

void result_print(const struct result *result, FILE *to)
{
	unsigned i;

	fprintf(to, "nanoseconds a packet, %u rounds; net: less its base\n", result->rounds);
	print_cases(result, to);
	print_bars(result, to);
	print_connects(result, to);
	fprintf(to, "\n%-26s %9s %9s %9s %9s\n", "program", "xlated", "jited", "verified", "stack");
	for (i = 0; i < result->program_count; i++)
		fprintf(to, "  %-24s %9u %9u %9u %9u\n", result->programs[i].name,
			result->programs[i].xlated_bytes, result->programs[i].jited_bytes,
			result->programs[i].verified_insns, result->programs[i].stack_bytes);
}

/* --- JSON --- */

static cJSON *cases_json(const struct result *result)
{
	cJSON *array = cJSON_CreateArray();
	unsigned i;

	for (i = 0; i < case_count; i++) {
		struct figures figures;
		cJSON *entry;

		if (!result->ran[i])
			continue;
		figures = figures_of(result, i);
		entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "name", cases[i].name);
		cJSON_AddStringToObject(entry, "group", cases[i].group);
		if (cases[i].base)
			cJSON_AddStringToObject(entry, "base", cases[i].base);
		cJSON_AddNumberToObject(entry, "min_ns", figures.min_ns);
		cJSON_AddNumberToObject(entry, "net_min_ns", figures.net_min_ns);
		cJSON_AddNumberToObject(entry, "net_median_ns", figures.net_median_ns);
		cJSON_AddNumberToObject(entry, "spread_ns", figures.spread_ns);
		cJSON_AddItemToArray(array, entry);
	}
	return array;
}

static cJSON *references_json(const struct result *result)
{
	cJSON *array = cJSON_CreateArray();
	unsigned r;

	for (r = 0; r < reference_count; r++) {
		const struct bench_reference *reference = &references[r];
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "name", reference->name);
		cJSON_AddStringToObject(entry, "what", reference->what);
		cJSON_AddNumberToObject(entry, "there_ns", reference->there_ns);
		cJSON_AddNumberToObject(entry, "factor", factor_of(result, reference));
		cJSON_AddItemToArray(array, entry);
	}
	return array;
}

/* scaled: the limit by each reference, in the order of `references`. */
static cJSON *bar_json(const struct result *result, const struct bench_bar *bar)
{
	const double is = figures_of(result, case_find(bar->name)).net_min_ns;
	cJSON *entry = cJSON_CreateObject(), *array = cJSON_CreateArray(), *scaled;
	const double limit = limit_of(result, bar);
	unsigned r;

	cJSON_AddStringToObject(entry, "name", bar->name);
	cJSON_AddNumberToObject(entry, "ns", is);
	cJSON_AddNumberToObject(entry, "limit_ns", limit);
	cJSON_AddBoolToObject(entry, "met", is <= limit);
	for (r = 0; r < reference_count; r++) {
		const double there = scaled_limit(result, bar, &references[r]);

		scaled = cJSON_CreateObject();
		cJSON_AddNumberToObject(scaled, "limit_ns", there);
		cJSON_AddBoolToObject(scaled, "met", is <= there);
		cJSON_AddItemToArray(array, scaled);
	}
	cJSON_AddItemToObject(entry, "scaled", array);
	return entry;
}

static cJSON *bars_json(const struct result *result)
{
	cJSON *array = cJSON_CreateArray();
	unsigned i;

	for (i = 0; i < bar_count; i++)
		if (bar_ran(result, &bars[i]))
			cJSON_AddItemToArray(array, bar_json(result, &bars[i]));
	return array;
}

static cJSON *connects_json(const struct result *result)
{
	const struct connect_figures *row = result->connects;
	cJSON *array = cJSON_CreateArray(), *entry;

	for (; row < result->connects + CONNECT_ROWS; row++) {
		if (!row->name)
			continue;
		entry = cJSON_CreateObject();
		cJSON_AddStringToObject(entry, "name", row->name);
		cJSON_AddNumberToObject(entry, "without_ns", row->without_ns);
		cJSON_AddNumberToObject(entry, "with_ns", row->with_ns);
		cJSON_AddNumberToObject(entry, "more_ns", row->more_ns);
		cJSON_AddNumberToObject(entry, "spread_ns", row->spread_ns);
		cJSON_AddNumberToObject(entry, "others", row->others);
		cJSON_AddItemToArray(array, entry);
	}
	return array;
}

static cJSON *programs_json(const struct result *result)
{
	cJSON *array = cJSON_CreateArray();
	unsigned i;

	for (i = 0; i < result->program_count; i++) {
		const struct result_program *program = &result->programs[i];
		cJSON *entry = cJSON_CreateObject();

		cJSON_AddStringToObject(entry, "name", program->name);
		cJSON_AddNumberToObject(entry, "xlated_bytes", program->xlated_bytes);
		cJSON_AddNumberToObject(entry, "jited_bytes", program->jited_bytes);
		cJSON_AddNumberToObject(entry, "verified_insns", program->verified_insns);
		cJSON_AddNumberToObject(entry, "stack_bytes", program->stack_bytes);
		cJSON_AddItemToArray(array, entry);
	}
	return array;
}

int result_write_json(const struct result *result, const char *path)
{
	cJSON *document = cJSON_CreateObject();
	struct utsname host;
	int err = 0;
	char *text;
	FILE *file;

	if (!uname(&host))
		cJSON_AddStringToObject(document, "kernel", host.release);
	cJSON_AddNumberToObject(document, "rounds", result->rounds);
	cJSON_AddItemToObject(document, "references", references_json(result));
	cJSON_AddItemToObject(document, "cases", cases_json(result));
	cJSON_AddItemToObject(document, "bars", bars_json(result));
	cJSON_AddItemToObject(document, "connects", connects_json(result));
	cJSON_AddItemToObject(document, "programs", programs_json(result));
	text = cJSON_Print(document);
	cJSON_Delete(document);
	if (!text)
		return -ENOMEM;
	file = fopen(path, "w");
	if (!file) {
		err = -errno;
		goto out;
	}
	if (fprintf(file, "%s\n", text) < 0)
		err = -EIO;
	if (fclose(file) && !err)
		err = -errno;
out:
	free(text);
	return err;
}
