/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Setters: each takes the text of a key, checks it by config_value.h and stores it in a field of struct config or struct
 * config_service. Knows nothing of the names of keys: config_keys.c ties keys to setters and fields.
 *
 * A setter stores through the key's offset, so the field's type must be the one that stands with it here.
 */
#ifndef SLUICE_CONFIG_SET_H
#define SLUICE_CONFIG_SET_H

#include "config_keys.h"

/* an enum: one of the words in key->choices */
config_setter config_set_choice;

/* char * */
config_setter config_set_path, config_set_listen, config_set_word, config_set_url,
	config_set_socket, config_set_cgroup, config_set_app;

/* uint64_t, milliseconds */
config_setter config_set_duration, config_set_resync, config_set_half_open, config_set_idle,
	config_set_lingering, config_set_expiry;

/* uint32_t */
config_setter config_set_share, config_set_count, config_set_maxconn, config_set_rate,
	config_set_prefix4, config_set_prefix6, config_set_port_index, config_set_flows,
	config_set_half_flows;

/* bool; warning: up is true */
config_setter config_set_bool, config_set_warning;

/* uint16_t, host order */
config_setter config_set_port;

/* Arrays and what belongs together: the offset is not asked */
config_setter config_set_ports, config_set_names, config_set_interfaces, config_set_urls,
	config_set_from, config_set_addresses, config_set_allow;

#endif
