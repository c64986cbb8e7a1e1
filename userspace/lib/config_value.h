/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The values that a configuration file can hold: text in, checked value out. Knows no key, section or file;
 * config.c adds those to the reason that is given here. Pure: reads no clock, no file and no network.
 *
 * Each function returns 0, or -EINVAL with *why set to a constant text that completes "KEY = TEXT: ".
 * The output is only written on success.
 */
#ifndef SLUICE_CONFIG_VALUE_H
#define SLUICE_CONFIG_VALUE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* "80": 1..65535, host order. */
int config_value_port(const char *text, uint16_t *port, const char **why);

/* "31000-32000" or one port: both ends included, host order. */
int config_value_ports(const char *text, uint16_t *min, uint16_t *max, const char **why);

/* Decimal digits only; min and max are both allowed. *why does not name them: the caller does. */
int config_value_number(const char *text, uint32_t min, uint32_t max, uint32_t *number,
			const char **why);

/* "10s", "500ms", "2m", "1h", or "0": milliseconds, up to a day. */
int config_value_duration(const char *text, uint64_t *ms, const char **why);

/* "yes" or "no". */
int config_value_bool(const char *text, bool *value, const char **why);

/* One IPv4 address of a host, network order. */
int config_value_address(const char *text, __be32 *address, const char **why);

/* "10.0.0.0/8" or one address; host bits must be zero. */
int config_value_network(const char *text, struct config_network *network, const char **why);

/* The same for either family: "fd00::/8", "10.0.0.0/8". */
int config_value_source(const char *text, struct config_source *source, const char **why);

/* "ADDRESS:PORT" with a literal IPv4 address or an IPv6 address in brackets. */
int config_value_listen(const char *text, const char **why);

/* "http://HOST..." or "https://HOST...", and "unix:///PATH" if unix_too. No user and password. */
int config_value_url(const char *text, bool unix_too, const char **why);

/* A path in the file system, from the root. */
int config_value_path(const char *text, const char **why);

/* Marathon's name of an app: "/group/app". */
int config_value_app(const char *text, const char **why);

/* A word that can stand in a list, a URL's path and a message: letters, digits and ._:- */
int config_value_word(const char *text, const char **why);

/*
 * Next part of a comma separated list, without the white space around it, into a new string that the caller frees.
 * *list moves on, and is NULL after the last part. NULL with errno set if there is no memory.
 */
char *config_value_next(const char **list);

#endif
