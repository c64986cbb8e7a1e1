/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host says about its network interfaces: addresses, drivers, the default route. Asks the kernel of the
 * calling process's network namespace (ioctl, netlink, /proc/net), never /sys, which shows the namespace it was
 * mounted in. Changes nothing.
 */
#ifndef SLUICE_IFACE_H
#define SLUICE_IFACE_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <sluice/abi.h>

#define IFACE_DRIVER_LEN 32

/* The driver's name as ethtool -i gives it: "veth", "ena", "bridge". -ENODEV; -EOPNOTSUPP: the interface has none. */
int iface_driver(const char *name, char driver[IFACE_DRIVER_LEN]);

/* Is it made of software only (veth, bridge, tun, ...), so that native XDP would cost instead of win? */
bool iface_is_virtual(const char *name);

/* The interface of the IPv4 default route with the lowest metric. -ENOENT: there is none. */
int iface_of_default_route(char name[IFNAMSIZ]);
/* The same of a file that reads like /proc/net/route; what is no route in it is passed over. */
int iface_read_routes(FILE *file, char name[IFNAMSIZ]);

/*
 * IPv4 addresses of this host that are up, loopback left out, each once, in the kernel's order. With bridges false those of
 * bridges (docker0) are left out too. Returns how many were stored, at most max, or negative errno.
 */
int iface_addresses(bool bridges, __be32 *addresses, size_t max);

/* The same for IPv6, bridges' included: all but ::1, link-local ones too. */
int iface_addresses6(struct sluice_addr6 *addresses, size_t max);

#endif
