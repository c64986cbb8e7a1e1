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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	err = add_name(config, canonical);
	return err ? err : add_name(config, host);
}

int config_fill_defaults(struct config *config, char *error)
{
	__be32 addresses[CONFIG_MAX_NAMES];
	char text[INET_ADDRSTRLEN], interface[IFNAMSIZ];
	int err = 0, count, i;

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
	count = iface_addresses(false, addresses, CONFIG_MAX_NAMES);
	if (count < 0) {
		err = count;
		goto out;
	}
	for (i = 0; i < count && !err; i++)
		err = add_name(config, inet_ntop(AF_INET, &addresses[i], text, sizeof(text)));
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

int config_keep_names(struct config *config, const struct config *old)
{
	char *found[CONFIG_MAX_NAMES];
	unsigned count = config->name_count, i;
	int err = 0;

	if (!config->names_defaulted)
		return 0;
	memcpy(found, config->name, sizeof(found));
	if (config->names_unsure)
		config->name_count = 0;
	for (i = 0; i < old->name_count && !err; i++)
		if (config->names_unsure || is_address(old->name[i]))
			err = add_name(config, old->name[i]);
	if (!config->names_unsure)
		return err;
	for (i = 0; i < count; i++) {
		if (!err)
			err = add_name(config, found[i]);
		free(found[i]);
	}
	return err;
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
