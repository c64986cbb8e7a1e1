/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps of this host's addresses, which the BPF programs ask on a SYN. Loopback is left out, and so are interfaces that
 * are down. Two programs write them: attach only adds, and the daemon alone takes away, so neither undoes what the other
 * has read a moment later. An address that stays there too long does no harm: no packet for it comes here.
 */
#ifndef SLUICE_OWN_ADDRESSES_H
#define SLUICE_OWN_ADDRESSES_H

struct maps;

/* Put this host's addresses into the maps (open for writing). 0 or negative errno; what was written stays. */
int own_addresses_add(const struct maps *maps);

/* The same, and then take all others out. */
int own_addresses_sync(const struct maps *maps);

#endif
