/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The limits are those that drivers enforce when a program is attached; knowing them beforehand spares the attempt, which resets the
 * card's queues in some drivers.
 */
#include "nic.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MTU_ENA 3498 /* cilium#12138 */
/* A page less XDP_PACKET_HEADROOM, the Ethernet header and struct skb_shared_info (x86-64) */
#define MTU_PAGE (4096 - 256 - 14 - 320)

static void ask(int fd, struct ifreq *request, void *question)
{
	request->ifr_data = question;
	if (ioctl(fd, SIOCETHTOOL, request) < 0)
		return; /* the question keeps its zeros: the driver does not tell */
}

int nic_read(const char *name, struct nic *nic)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = {};
	int fd, err = 0;

	*nic = (struct nic){};
	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFMTU, &request) < 0) {
		err = -errno;
		goto out;
	}
	nic->mtu = (unsigned)request.ifr_mtu;
	ask(fd, &request, &channels);
	nic->channels = channels.combined_count;
	nic->max_channels = channels.max_combined;
	ask(fd, &request, &flags);
	nic->lro = flags.data & ETH_FLAG_LRO;
	nic->is_virtual = iface_is_virtual(name);
	if (iface_driver(name, nic->driver) < 0)
		nic->driver[0] = '\0';
out:
	close(fd);
	return err;
}

unsigned nic_xdp_mtu(const struct nic *nic)
{
	return !strcmp(nic->driver, "ena") ? MTU_ENA : MTU_PAGE;
}

bool nic_against_native(const char *name, const struct nic *nic, char *why, size_t len)
{
	if (nic->is_virtual)
		snprintf(why, len,
			 "%s is a virtual device, where native XDP costs more than it wins", name);
	else if (nic->mtu > nic_xdp_mtu(nic))
		snprintf(why, len, "%s has an MTU of %u, and %s takes XDP up to %u", name, nic->mtu,
			 nic->driver, nic_xdp_mtu(nic));
	else if (nic->lro)
		snprintf(why, len, "%s has LRO on (ethtool -K %s lro off)", name, name);
	else if (!strcmp(nic->driver, "ena") && nic->channels * 2 > nic->max_channels)
		snprintf(why, len,
			 "%s uses %u of %u channels, and ena takes XDP with half of them at most",
			 name, nic->channels, nic->max_channels);
	else
		return false;
	return true;
}
