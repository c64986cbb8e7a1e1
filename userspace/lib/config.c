/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the configuration file. inih splits the lines; because the library as packaged gives no line numbers, cuts
 * long section names and skips empty sections, a reader of our own hands it one line at a time and keeps number and
 * section. Only the first error is kept: what follows a bad line is often its consequence. What concerns several keys
 * is checked at the end, and named by the line of the key that is to blame.
 */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_defaults.h"
#include "config_keys.h"
#include "config_value.h"

#define TITLE_LEN 64
#define SERVICE_PREFIX "service "

/* Lines on which a section and its keys stood; 0: not in the file. */
struct lines {
	unsigned section;
	unsigned key[CONFIG_KEYS_MAX];
};

struct parse {
	struct config *config;
	char *error;
	FILE *file;
	char *text; /* getline's buffer */
	size_t text_size;
	unsigned line;
	int failed;		     /* errno of the first error, 0: none */
	enum config_section section; /* where we are; NONE before the first section */
	char title[TITLE_LEN];	     /* its name as written, cut */
	struct lines lines[CONFIG_SECTION_COUNT];
	struct lines service_lines[SLUICE_MAX_SERVICES];
};

static void fail(struct parse *parse, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct parse *parse, unsigned line, const char *format, ...)
{
	char reason[CONFIG_ERROR_LEN];
	va_list args;

	if (parse->failed)
		return;
	parse->failed = EINVAL;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	if (line)
		snprintf(parse->error, CONFIG_ERROR_LEN, "%.200s:%u: %.290s", parse->config->file,
			 line, reason);
	else
		snprintf(parse->error, CONFIG_ERROR_LEN, "%.200s: %.290s", parse->config->file,
			 reason);
}

/* --- sections --- */

static struct lines *current_lines(struct parse *parse)
{
	if (parse->section == CONFIG_SECTION_SERVICE)
		return &parse->service_lines[parse->config->service_count - 1];
	return &parse->lines[parse->section];
}

static void begin_service(struct parse *parse, const char *name)
{
	struct config *config = parse->config;
	const struct config_service *same;
	struct config_service *service;
	const char *why;

	if (strlen(name) >= SLUICE_NAME_LEN) {
		fail(parse, parse->line,
		     "[service %.40s]: a service's name has at most %d characters", name,
		     SLUICE_NAME_LEN - 1);
		return;
	}
	if (config_value_word(name, &why) < 0) {
		fail(parse, parse->line, "[service %s]: a service's name has no %s", name,
		     name[0] ? why : "empty place");
		return;
	}
	same = config_service_by_name(config, name);
	if (same) {
		fail(parse, parse->line, "[service %s]: the section is already there in line %u",
		     name, same->line);
		return;
	}
	if (config->service_count == SLUICE_MAX_SERVICES) {
		fail(parse, parse->line, "[service %s]: more than %d services", name,
		     SLUICE_MAX_SERVICES);
		return;
	}
	service = &config->service[config->service_count];
	if (config_defaults_service(service) < 0) {
		parse->failed = ENOMEM;
		return;
	}
	memcpy(service->name, name, strlen(name) + 1);
	service->line = parse->line;
	config->service_count++;
	parse->section = CONFIG_SECTION_SERVICE;
	current_lines(parse)->section = parse->line;
}

static void begin_section(struct parse *parse, const char *title)
{
	static const struct {
		const char *title;
		enum config_section section;
	} sections[] = {
		{ "node", CONFIG_SECTION_NODE },     { "marathon", CONFIG_SECTION_MARATHON },
		{ "consul", CONFIG_SECTION_CONSUL }, { "guards", CONFIG_SECTION_GUARDS },
		{ "admin", CONFIG_SECTION_ADMIN },
	};
	size_t i;

	snprintf(parse->title, sizeof(parse->title), "%s", title);
	if (!strncmp(title, SERVICE_PREFIX, strlen(SERVICE_PREFIX))) {
		title += strlen(SERVICE_PREFIX);
		begin_service(parse, title + strspn(title, " \t"));
		return;
	}
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		struct lines *lines = &parse->lines[sections[i].section];

		if (strcmp(sections[i].title, title) != 0)
			continue;
		if (lines->section)
			fail(parse, parse->line, "[%s]: the section is already there in line %u",
			     title, lines->section);
		parse->section = sections[i].section;
		lines->section = parse->line;
		return;
	}
	fail(parse, parse->line,
	     "[%.60s]: no such section (node, service NAME, marathon, consul, guards, admin)",
	     title);
}

/* --- lines --- */

/* Is this line "[TITLE]"? inih is told too, but only we see the whole title. */
static void look_for_section(struct parse *parse)
{
	char *start = parse->text + strspn(parse->text, " \t");
	size_t len;
	char *end;

	if (parse->line == 1 && !strncmp(start, "\xef\xbb\xbf", 3))
		start += 3;
	if (*start != '[')
		return;
	start++;
	end = strchr(start, ']');
	if (!end) {
		fail(parse, parse->line, "a [section] without its ]");
		return;
	}
	if (end[1 + strspn(end + 1, " \t\r\n")] &&
	    !strchr(";#", end[1 + strspn(end + 1, " \t\r\n")])) {
		fail(parse, parse->line, "something stands behind a [section]");
		return;
	}
	start += strspn(start, " \t");
	for (len = (size_t)(end - start); len && (start[len - 1] == ' ' || start[len - 1] == '\t');)
		len--;
	start = strndup(start, len);
	if (!start) {
		parse->failed = ENOMEM;
		return;
	}
	begin_section(parse, start);
	free(start);
}

/* inih's reader: as fgets. NULL ends the file, and so does an error: what follows no longer matters. */
static char *read_line(char *str, int num, void *stream)
{
	struct parse *parse = stream;
	ssize_t len;

	if (parse->failed)
		return NULL;
	errno = 0;
	len = getline(&parse->text, &parse->text_size, parse->file);
	if (len < 0) {
		if (ferror(parse->file) || errno == ENOMEM)
			parse->failed = errno ? errno : EIO;
		return NULL;
	}
	parse->line++;
	if (strlen(parse->text) != (size_t)len)
		fail(parse, parse->line, "a NUL byte: this is not a text file");
	else if (len + 1 > num)
		fail(parse, parse->line, "a line of more than %d characters", num - 2);
	else
		look_for_section(parse);
	if (parse->failed)
		return NULL;
	memcpy(str, parse->text, (size_t)len + 1);
	return str;
}

static void list_choices(const struct config_key *key, char *list, size_t len)
{
	const struct config_choice *choice;
	size_t used = 0;

	list[0] = '\0';
	for (choice = key->choices; choice && choice->word && used < len; choice++)
		used += (size_t)snprintf(list + used, len - used, "%s%s", used ? ", " : ": ",
					 choice->word);
}

/* inih's handler: nonzero to go on. Its own idea of the section is not used, see read_line(). */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
	struct parse *parse = user;
	const struct config_key *key;
	const char *why = NULL;
	char words[100];
	unsigned *line;
	void *base;

	(void)section;
	if (parse->failed)
		return 0;
	if (parse->section == CONFIG_SECTION_NONE) {
		fail(parse, parse->line, "%.60s: stands before the first [section]", name);
		return 0;
	}
	key = config_keys_find(parse->section, name);
	if (!key) {
		key = config_keys_nearest(parse->section, name);
		fail(parse, parse->line, "[%s] %.60s: no such key%s%s%s", parse->title, name,
		     key ? "; did you mean " : "", key ? key->name : "", key ? "?" : "");
		return 0;
	}
	line = &current_lines(parse)->key[config_keys_index(key)];
	if (*line) {
		fail(parse, parse->line, "[%s] %s: already given in line %u", parse->title, name,
		     *line);
		return 0;
	}
	*line = parse->line;
	if (!value[0])
		return 1; /* as if the key were not there */
	base = parse->config;
	if (parse->section == CONFIG_SECTION_SERVICE)
		base = &parse->config->service[parse->config->service_count - 1];
	if (key->set(key, base, value, &why) == 0)
		return 1;
	list_choices(key, words, sizeof(words));
	fail(parse, parse->line, "[%s] %s = %.80s%s: %s%s", parse->title, name, value,
	     strlen(value) > 80 ? "..." : "", why ? why : "refused", words);
	return 0;
}

/* --- what concerns several keys --- */

static unsigned key_line(const struct lines *lines, enum config_section section, const char *name)
{
	unsigned line = lines->key[config_keys_index(config_keys_find(section, name))];

	return line ? line : lines->section;
}

static bool share_address(const struct config_service *a, const struct config_service *b)
{
	unsigned i, j;

	if (!a->address_count || !b->address_count)
		return true;
	for (i = 0; i < a->address_count; i++) {
		for (j = 0; j < b->address_count; j++) {
			if (a->address[i] == b->address[j])
				return true;
		}
	}
	return false;
}

static void check_service(struct parse *parse, unsigned i)
{
	const struct config *config = parse->config;
	const struct config_service *service = &config->service[i];
	unsigned line = key_line(&parse->service_lines[i], CONFIG_SECTION_SERVICE, "port"), j;

	if (!service->port) {
		fail(parse, service->line, "[service %s]: no port is given", service->name);
		return;
	}
	if (service->port >= config->port_min && service->port <= config->port_max) {
		fail(parse, line,
		     "[service %s] port = %u: lies in the range of host-ports (%u-%u, [node] ports)",
		     service->name, service->port, config->port_min, config->port_max);
		return;
	}
	for (j = 0; j < i; j++) {
		const struct config_service *other = &config->service[j];

		if (other->port != service->port)
			continue;
		if (share_address(service, other))
			fail(parse, line,
			     "[service %s] port = %u: [service %s] has it too (line %u)",
			     service->name, service->port, other->name,
			     key_line(&parse->service_lines[j], CONFIG_SECTION_SERVICE, "port"));
		else
			fail(parse, line,
			     "[service %s] port = %u: [service %s] has it too (line %u); one port for two services by address is not built yet",
			     service->name, service->port, other->name,
			     key_line(&parse->service_lines[j], CONFIG_SECTION_SERVICE, "port"));
		return;
	}
}

static void check_whole(struct parse *parse)
{
	struct config *config = parse->config;
	const struct lines *marathon = &parse->lines[CONFIG_SECTION_MARATHON];
	unsigned i;

	for (i = 0; i < config->service_count && !parse->failed; i++) {
		check_service(parse, i);
		if (!parse->failed && config_defaults_consul(&config->service[i]) < 0)
			parse->failed = ENOMEM;
	}
	if (config->marathon_used && config->events == CONFIG_EVENTS_CALLBACK &&
	    !config->callback_url[0])
		fail(parse, key_line(marathon, CONFIG_SECTION_MARATHON, "events"),
		     "[marathon] events = callback: needs callback_url, which is not given");
	if (config->marathon_used && config->events == CONFIG_EVENTS_CALLBACK &&
	    !config->callback_from_count)
		fail(parse, key_line(marathon, CONFIG_SECTION_MARATHON, "events"),
		     "[marathon] events = callback: needs callback_from, or nobody may call");
}

/* --- the whole --- */

/* Returns 0 or a positive errno; the error is filled. */
static int read_file(struct parse *parse)
{
	int bad_line;

	ini_max_line = 4096;
	ini_allow_multiline = false; /* an indented line is a line */
	ini_stop_on_first_error = true;
	ini_allow_no_value = false;
	bad_line = ini_parse_stream(read_line, parse, take_key, parse);
	if (bad_line > 0)
		fail(parse, (unsigned)bad_line, "neither [section], key = value nor a comment");
	else if (bad_line < 0)
		parse->failed = ENOMEM;
	if (!parse->failed)
		check_whole(parse);
	if (parse->failed && !parse->error[0])
		snprintf(parse->error, CONFIG_ERROR_LEN, "%.200s: %s", parse->config->file,
			 strerror(parse->failed));
	return parse->failed;
}

struct config *config_load(const char *file, char *error)
{
	struct parse *parse = calloc(1, sizeof(*parse));
	struct config *config = config_defaults_new(file);
	int err;

	error[0] = '\0';
	if (!parse || !config) {
		err = ENOMEM;
		snprintf(error, CONFIG_ERROR_LEN, "%.200s: %s", file, strerror(err));
		goto out;
	}
	parse->config = config;
	parse->error = error;
	parse->file = fopen(file, "re");
	if (!parse->file) {
		err = errno;
		snprintf(error, CONFIG_ERROR_LEN, "%.200s: %s", file, strerror(err));
		goto out;
	}
	config->stamped = !fstat(fileno(parse->file), &config->stamp);
	err = read_file(parse);
	fclose(parse->file);
out:
	if (parse)
		free(parse->text);
	free(parse);
	if (!err)
		return config;
	config_free(config);
	errno = err;
	return NULL;
}

bool config_file_is_same(const struct config *config)
{
	const struct stat *old = &config->stamp;
	struct stat now;

	return config->stamped && !stat(config->file, &now) && now.st_dev == old->st_dev &&
	       now.st_ino == old->st_ino && now.st_size == old->st_size &&
	       now.st_mtim.tv_sec == old->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == old->st_mtim.tv_nsec;
}

const char *config_default_file(void)
{
	const char *file = getenv("SLUICE_CONFIG");

	return file && file[0] ? file : CONFIG_DEFAULT_FILE;
}

const struct config_service *config_service_by_name(const struct config *config, const char *name)
{
	unsigned i;

	for (i = 0; i < config->service_count; i++) {
		if (!strcmp(config->service[i].name, name))
			return &config->service[i];
	}
	return NULL;
}
