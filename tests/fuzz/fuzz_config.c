/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: the configuration file. Refused with one line that names the file, or a configuration within its bounds; read twice it
 * is the same, and going from one to the other needs nothing.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_service(const struct config *config, unsigned number)
{
	const struct config_service *service = &config->service[number];

	must(service->name[0] && memchr(service->name, 0, sizeof(service->name)));
	must(service->port && service->line);
	must(service->address_count <= SLUICE_MAX_ADDRESS);
	must(service->allow_count <= CONFIG_MAX_ALLOW);
	must(service->balance <= SLUICE_BALANCE_SOURCE);
	must(config_service_by_name(config, service->name) == service);
}

static void check_config(const struct config *config)
{
	must(config->name_count <= CONFIG_MAX_NAMES);
	must(config->interface_count <= SLUICE_MAX_IFINDEX);
	must(config->service_count <= SLUICE_MAX_SERVICES);
	must(config->marathon_url_count <= CONFIG_MAX_URLS);
	must(config->callback_from_count <= CONFIG_MAX_FROM);
	must(!config->marathon_used || config->marathon_url_count);
	must(!config->consul_used || config->consul_url[0]);
	must(config->port_min && config->port_min <= config->port_max);
	must(config->guards.mass_share && config->guards.mass_share <= 100);
	must(config->guards.mass_count && config->guards.flap_count);
	must(config->pin_dir[0] && config->admin_socket && config->metrics_listen);
	for (unsigned i = 0; i < config->service_count; i++)
		check_service(config, i);
}

static void check_error(const char *path, const char *error)
{
	size_t len = strlen(path);

	must(memchr(error, 0, CONFIG_ERROR_LEN));
	must(!strncmp(error, path, len) && error[len] == ':');
	must(!strchr(error, '\n'));
	/* only what the file lacks as a whole has no line */
	must(error[len + 1] == ' ' || strtoul(error + len + 1, NULL, 10));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char path[64], error[CONFIG_ERROR_LEN], again[CONFIG_ERROR_LEN];
	struct config *config, *other;
	int fd = memfd_create("config", MFD_CLOEXEC), err;

	must(fd >= 0);
	must(write(fd, data, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(error, 'x', sizeof(error));
	config = config_load(path, error);
	err = errno;
	other = config_load(path, again);
	must(!config == !other);
	if (config) {
		must(!error[0]);
		check_config(config);
		must(config->service_count == other->service_count);
	} else {
		must(err == EINVAL);
		check_error(path, error);
		must(!strcmp(error, again));
	}
	config_free(config);
	config_free(other);
	close(fd);
	return 0;
}
