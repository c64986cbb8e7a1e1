/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What on this host stands in the way besides kernel and cards: the folder of pins, the group, the host's own ports, and
 * docker-proxy.
 */
#include "preflight.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config.h"
#include "docker_proxy.h"
#include "pins.h"

static void check_pin_dir(struct preflight *preflight)
{
	struct statfs info;
	char path[PINS_PATH_LEN], *slash;

	snprintf(path, sizeof(path), "%s", preflight->config->pin_dir);
	while (statfs(path, &info) < 0) {
		slash = strrchr(path, '/');
		if (errno != ENOENT || !slash || slash == path) {
			preflight_add(preflight, PREFLIGHT_SKIPPED, "host.pin_dir", "%s: %s", path,
				      strerror(errno));
			return;
		}
		*slash = '\0';
	}
	if (info.f_type == BPF_FS_MAGIC)
		preflight_add(preflight, PREFLIGHT_OK, "host.pin_dir", "%s lies in a bpffs",
			      preflight->config->pin_dir);
	else
		preflight_add(preflight, PREFLIGHT_BLOCK, "host.pin_dir",
			      "%s: no bpffs is mounted there (mount -t bpf bpf /sys/fs/bpf)",
			      preflight->config->pin_dir);
}

static void check_group(struct preflight *preflight)
{
	const char *group = preflight->config->group;
	gid_t gid;

	if (pins_group(group, &gid))
		preflight_add(preflight, PREFLIGHT_BLOCK, "host.group",
			      "no group %s (groupadd --system %s, or another [node] group)", group,
			      group);
	else
		preflight_add(preflight, PREFLIGHT_OK, "host.group", "%s", group);
}

static bool read_line(const char *path, char *line, size_t len)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(line, (int)len, file);

	if (file)
		fclose(file);
	return read;
}

/* Are all of min to max in the list "8080,9000-9010"? One entry must hold them. */
static bool is_reserved(const char *list, unsigned min, unsigned max)
{
	while (*list) {
		unsigned from, to;
		int parts = sscanf(list, "%u-%u", &from, &to);

		if (parts > 0 && from <= min && (parts == 2 ? to : from) >= max)
			return true;
		list += strcspn(list, ",");
		list += *list == ',';
	}
	return false;
}

static void check_local_ports(struct preflight *preflight)
{
	const unsigned min = preflight->config->port_min, max = preflight->config->port_max;
	char line[4096], reserved[4096] = "";
	unsigned from, to;

	if (!read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)) ||
	    sscanf(line, "%u %u", &from, &to) != 2) {
		preflight_add(preflight, PREFLIGHT_SKIPPED, "host.local_ports",
			      "cannot read ip_local_port_range");
		return;
	}
	if (!read_line("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved, sizeof(reserved)))
		reserved[0] = '\0';
	if (from > max || to < min || is_reserved(reserved, min, max))
		preflight_add(preflight, PREFLIGHT_OK, "host.local_ports",
			      "the host takes its own from %u-%u, none of %u-%u", from, to, min,
			      max);
	else
		preflight_add(
			preflight, PREFLIGHT_WARNING, "host.local_ports",
			"the host takes its own from %u-%u, host-ports of %u-%u among them (sysctl net.ipv4.ip_local_reserved_ports=%u-%u)",
			from, to, min, max, min, max);
}

/* --- docker-proxy --- */

static bool same_netns(const char *pid)
{
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	return !stat("/proc/self/ns/net", &own) && !stat(path, &other) &&
	       own.st_ino == other.st_ino;
}

/* The host-port if the process is a docker-proxy that listens on IPv6, else 0. */
static unsigned proxied_port(const char *pid)
{
	struct docker_proxy proxy;
	char path[64], text[1024];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	if (!read_line(path, text, sizeof(text)) || strcmp(text, "docker-proxy\n") != 0 ||
	    !same_netns(pid))
		return 0;
	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	file = fopen(path, "re");
	len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[len] = '\0';
	docker_proxy_read(text, len, &proxy);
	return proxy.host_ip && strchr(proxy.host_ip, ':') ? proxy.host_port : 0;
}

static void check_docker_proxy(struct preflight *preflight)
{
	const struct config *config = preflight->config;
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	unsigned count = 0;

	if (!folder) {
		preflight_add(preflight, PREFLIGHT_SKIPPED, "host.docker_proxy",
			      "cannot read /proc");
		return;
	}
	while ((entry = readdir(folder))) {
		unsigned port =
			isdigit((unsigned char)entry->d_name[0]) ? proxied_port(entry->d_name) : 0;

		count += port >= config->port_min && port <= config->port_max;
	}
	closedir(folder);
	if (count)
		preflight_add(
			preflight, PREFLIGHT_WARNING, "host.docker_proxy",
			"docker-proxy serves %u host-ports over IPv6: it accepts although the app behind it listens no more",
			count);
	else
		preflight_add(preflight, PREFLIGHT_OK, "host.docker_proxy",
			      "no docker-proxy in front of IPv6 host-ports");
}

void preflight_host(struct preflight *preflight)
{
	check_pin_dir(preflight);
	check_group(preflight);
	check_local_ports(preflight);
	check_docker_proxy(preflight);
}
