/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What holds where the configuration file says nothing: each key's default, and those that follow
 * from other keys. Must not know lines and messages, nor ask the host: what that says is
 * config_fill_defaults()'s.
 */
#ifndef SLUICE_CONFIG_DEFAULTS_H
#define SLUICE_CONFIG_DEFAULTS_H

struct config;
struct config_service;

/* What an empty file means; its name is copied. For config_free(). NULL with errno set: ENOMEM. */
struct config *config_defaults_new(const char *file);

/*
 * What a section without keys means, name and line unset. The strings are config_free()'s once the
 * service is counted. 0, or -ENOMEM and nothing is written.
 */
int config_defaults_service(struct config_service *service);

/*
 * Once the section is read: Consul's name for an app where none is given: no first slash, slashes
 * turned into dashes, -INDEX if above 0. 0 or -ENOMEM.
 */
int config_defaults_consul(struct config_service *service);

#endif
