/* SPDX-License-Identifier: GPL-2.0-only */
/* The version that the programs print. The ABI has a number of its own, SLUICE_ABI. */
#ifndef SLUICE_VERSION_H
#define SLUICE_VERSION_H

#define SLUICE_VERSION "0.2.0"

#endif
