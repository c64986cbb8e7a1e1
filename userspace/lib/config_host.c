/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The half of the configuration that looks beyond the file: what the host says where the file is silent, and the secret
 * files that it names.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "canonical.h"
#include "iface.h"

#define SECRET_MAX 4096
#define RESOLVER_MS 2000 /* a host without DNS must not be held up for long */

static int add_name(struct config *config, const char *name)
{
	unsigned i;

	if (!name[0] || !strcmp(name, "localhost") || !strcmp(name, "localhost.localdomain"))
		return 0;
	for (i = 0; i < config->name_count; i++) {
		if (!strcmp(config->name[i], name))
			return 0;
	}
	if (config->name_count == CONFIG_MAX_NAMES)
		return 0;
	config->name[config->name_count] = strdup(name);
	if (!config->name[config->name_count])
		return -ENOMEM;
	config->name_count++;
	return 0;
}

/*
 * The resolver's name for this host; the host's plain name if it has none, or cannot be asked. Then
 * names_unsure is set, unless the plain name is a full one, and the daemon asks on until the resolver has spoken.
 */
static int add_host_names(struct config *config)
{
	char host[HOST_NAME_MAX + 1] = "", canonical[HOST_NAME_MAX + 1] = "";
	int err;

	if (gethostname(host, sizeof(host) - 1) < 0)
		return -errno;
	err = canonical_name(host, RESOLVER_MS, canonical, sizeof(canonical));
	if (err == -ENOMEM)
		return err;
	config->names_unsure = err && !strchr(host, '.');
	config->names_full = !err && strchr(canonical, '.');
	err = add_name(config, canonical);
	return err ? err : add_name(config, host);
}

static bool has_an_address(void)
{
	struct sluice_addr6 six[CONFIG_MAX_NAMES];
	__be32 four;
	int count;

	if (iface_addresses(true, &four, 1) > 0)
		return true;
	count = iface_addresses6(six, CONFIG_MAX_NAMES);
	for (int i = 0; i < count; i++) {
		struct in6_addr address;

		memcpy(&address, &six[i], sizeof(address));
		if (!IN6_IS_ADDR_LINKLOCAL(&address))
			return true;
	}
	return false;
}

static int add_addresses(struct config *config)
{
	__be32 addresses[CONFIG_MAX_NAMES];
	char text[INET_ADDRSTRLEN];
	int count = iface_addresses(false, addresses, CONFIG_MAX_NAMES), err = 0;

	if (count < 0)
		return count;
	for (int i = 0; i < count && !err; i++)
		err = add_name(config, inet_ntop(AF_INET, &addresses[i], text, sizeof(text)));
	config->names_unsure |= !count && !has_an_address();
	return err;
}

int config_fill_defaults(struct config *config, char *error)
{
	char interface[IFNAMSIZ];
	int err = 0;

	if (!config->interface_count && !iface_of_default_route(interface)) {
		config->interface[0] = strdup(interface);
		if (!config->interface[0]) {
			err = -ENOMEM;
			goto out;
		}
		config->interface_count = 1;
	}
	if (config->name_count)
		goto out;
	config->names_defaulted = true;
	err = add_host_names(config);
	if (err)
		goto out;
	err = add_addresses(config);
out:
	if (err)
		snprintf(error, CONFIG_ERROR_LEN,
			 "%.200s: [node] name: cannot ask the host for its names: %s", config->file,
			 strerror(-err));
	return err;
}

static bool is_address(const char *name)
{
	struct in_addr address;

	return inet_pton(AF_INET, name, &address) == 1;
}

static bool is_among(const char *name, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(list[i], name))
			return true;
	return false;
}

/* The old names of one kind that stay; an address that is away does not if another name is known to be the one. */
static int keep(struct config *config, const struct config *old, bool addresses, bool another)
{
	int err = 0;

	for (unsigned i = 0; i < old->name_count && !err; i++)
		if (is_address(old->name[i]) == addresses && !(addresses && another))
			err = add_name(config, old->name[i]);
	return err;
}

int config_keep_names(struct config *config, const struct config *old, const char *called)
{
	char *found[CONFIG_MAX_NAMES];
	unsigned count = config->name_count;
	bool another;
	int err = 0;

	if (!config->names_defaulted)
		return 0;
	memcpy(found, config->name, sizeof(found));
	config->name_count = 0;
	if (!config->names_full)
		err = keep(config, old, false, false);
	for (unsigned i = 0; i < count; i++) {
		if (!err)
			err = add_name(config, found[i]);
		free(found[i]);
	}
	another = is_among(called, (const char *const *)config->name, config->name_count);
	return err ? err : keep(config, old, true, another);
}

bool config_names_fit(const struct config *config, const char *const *address, size_t count,
		      const char *called)
{
	const char *const *names = (const char *const *)config->name;
	bool another;

	if (!config->names_defaulted)
		return true;
	for (size_t i = 0; i < count && config->name_count < CONFIG_MAX_NAMES; i++)
		if (!is_among(address[i], names, config->name_count))
			return false;
	another = is_among(called, names, config->name_count) &&
		  (!is_address(called) || is_among(called, address, count));
	for (unsigned i = 0; i < config->name_count && another; i++)
		if (is_address(config->name[i]) && !is_among(config->name[i], address, count))
			return false;
	return true;
}

int config_read_secret(const char *file, char **secret)
{
	char buffer[SECRET_MAX + 1];
	ssize_t len;
	char *end;
	int fd, err = 0;

	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	len = read(fd, buffer, SECRET_MAX);
	if (len < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	close(fd);
	buffer[len] = '\0';
	end = buffer + strcspn(buffer, "\r\n");
	if (!*end && len == SECRET_MAX)
		err = -EFBIG;
	else if (end == buffer)
		err = -ENODATA;
	*end = '\0';
	if (!err) {
		*secret = strdup(buffer);
		if (!*secret)
			err = -ENOMEM;
	}
	explicit_bzero(buffer, sizeof(buffer));
	return err;
}

static int check_secret(const struct config *config, const char *key, const char *file, bool user,
			char *error)
{
	char *secret = NULL;
	const char *why = NULL;
	int err;

	if (!file[0])
		return 0;
	err = config_read_secret(file, &secret);
	if (err == -ENODATA)
		why = "its first line is empty";
	else if (err)
		why = strerror(-err);
	else if (user && !strchr(secret, ':'))
		why = "its first line is not USER:PASSWORD";
	if (why)
		snprintf(error, CONFIG_ERROR_LEN, "%.150s: %s = %.200s: cannot be used: %s",
			 config->file, key, file, why);
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
	return why ? (err ? err : -EINVAL) : 0;
}

static int check_readable(const struct config *config, const char *key, const char *file,
			  char *error)
{
	int err;

	if (!file[0] || !access(file, R_OK))
		return 0;
	err = -errno;
	snprintf(error, CONFIG_ERROR_LEN, "%.150s: %s = %.200s: cannot be read: %s", config->file,
		 key, file, strerror(-err));
	return err;
}

int config_check_files(const struct config *config, char *error)
{
	int err = check_secret(config, "[marathon] user_file", config->user_file, true, error);

	if (!err)
		err = check_secret(config, "[consul] token_file", config->token_file, false, error);
	if (!err)
		err = check_readable(config, "[marathon] ca_file", config->marathon_ca_file, error);
	if (!err)
		err = check_readable(config, "[consul] ca_file", config->ca_file, error);
	return err;
}
