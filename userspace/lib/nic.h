/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network card says that matters to native XDP: its MTU, channels and offloads, and what is known of its driver. Asks by
 * ioctl, changes nothing. Decides what speaks against native XDP; what follows from that is the caller's business.
 */
#ifndef SLUICE_NIC_H
#define SLUICE_NIC_H

#include <stdbool.h>
#include <stddef.h>

#include "iface.h"

struct nic {
	char driver[IFACE_DRIVER_LEN]; /* "" if it has none */
	bool is_virtual;
	unsigned mtu;
	unsigned channels, max_channels; /* combined; 0: the driver does not tell */
	bool lro;
};

/* -ENODEV: no such interface. What the driver does not tell stays 0. */
int nic_read(const char *name, struct nic *nic);

/* Largest MTU that XDP takes with this driver, in one page and without fragments. */
unsigned nic_xdp_mtu(const struct nic *nic);

/* Does something speak against native XDP here? Then why has it, beginning with the interface's name. */
bool nic_against_native(const char *name, const struct nic *nic, char *why, size_t len);

#endif
