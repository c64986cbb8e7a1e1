/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces as the kernel describes them. Loopback addresses are those of 127/8, not those on lo: people put service
 * addresses of other networks there, and these are the host's own like any other.
 */
#include "iface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int iface_driver(const char *name, char driver[IFACE_DRIVER_LEN])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = {};
	int fd, err = 0;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	request.ifr_data = (char *)&info;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	snprintf(driver, IFACE_DRIVER_LEN, "%.*s", IFACE_DRIVER_LEN - 1, info.driver);
	return 0;
}

bool iface_is_virtual(const char *name)
{
	static const char *const drivers[] = { "veth",	      "bridge",
					       "tun",	      "dummy",
					       "bonding",     "team",
					       "macvlan",     "ipvlan",
					       "vxlan",	      "geneve",
					       "openvswitch", "ifb",
					       "netkit",      "802.1Q VLAN Support" };
	char driver[IFACE_DRIVER_LEN];
	size_t i;

	if (iface_driver(name, driver) < 0)
		return true; /* no driver to speak of, so none that does XDP */
	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (!strcmp(driver, drivers[i]))
			return true;
	}
	return false;
}

int iface_read_routes(FILE *file, char name[IFNAMSIZ])
{
	unsigned long best = 0;
	bool found = false;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		unsigned long destination, gateway, flags, metric, mask;
		char interface[IFNAMSIZ];

		if (sscanf(line, "%15s %lx %lx %lx %*s %*s %lu %lx", interface, &destination,
			   &gateway, &flags, &metric, &mask) != 6)
			continue; /* the heading */
		if (destination || mask || !(flags & 1) || (found && metric >= best))
			continue;
		found = true;
		best = metric;
		memcpy(name, interface, strlen(interface) + 1);
	}
	return found ? 0 : -ENOENT;
}

int iface_of_default_route(char name[IFNAMSIZ])
{
	FILE *file = fopen("/proc/net/route", "re");
	int err;

	if (!file)
		return -errno;
	err = iface_read_routes(file, name);
	fclose(file);
	return err;
}

static bool is_bridge(const char *name)
{
	char driver[IFACE_DRIVER_LEN];

	return !iface_driver(name, driver) && !strcmp(driver, "bridge");
}

int iface_addresses(bool bridges, __be32 *addresses, size_t max)
{
	struct ifaddrs *list, *entry;
	size_t count = 0, i;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (entry = list; entry && count < max; entry = entry->ifa_next) {
		__be32 address;

		if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_INET ||
		    !(entry->ifa_flags & IFF_UP))
			continue;
		address = ((struct sockaddr_in *)entry->ifa_addr)->sin_addr.s_addr;
		if (ntohl(address) >> 24 == 127 || (!bridges && is_bridge(entry->ifa_name)))
			continue;
		for (i = 0; i < count && addresses[i] != address; i++)
			;
		if (i == count)
			addresses[count++] = address;
	}
	freeifaddrs(list);
	return (int)count;
}

int iface_addresses6(struct sluice_addr6 *addresses, size_t max)
{
	struct ifaddrs *list, *entry;
	size_t count = 0, i;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (entry = list; entry && count < max; entry = entry->ifa_next) {
		struct sluice_addr6 address;
		struct sockaddr_in6 in6;

		if (!entry->ifa_addr || entry->ifa_addr->sa_family != AF_INET6 ||
		    !(entry->ifa_flags & IFF_UP))
			continue;
		memcpy(&in6, entry->ifa_addr, sizeof(in6));
		if (IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr))
			continue;
		memcpy(&address, &in6.sin6_addr, sizeof(address));
		for (i = 0; i < count && memcmp(&addresses[i], &address, sizeof(address)) != 0; i++)
			;
		if (i == count)
			addresses[count++] = address;
	}
	freeifaddrs(list);
	return (int)count;
}
