/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file: one parser for sluiced and sluicectl. INI, as sluice.conf(5) describes;
 * inih reads the lines, this module gives each key its meaning. A file is accepted as a whole or
 * not at all, and every refusal names file, line, key and the offending text. Reads no clock, opens
 * no socket; token and password files are read by config_read_secret() when they are needed,
 * --check tries them.
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <sluice/abi.h>

#include "timeouts.h"

#define CONFIG_DEFAULT_FILE "/etc/sluice/sluice.conf"
#define CONFIG_PORT_MIN 31000 /* [node] ports where the file names none: the agent's own default */
#define CONFIG_PORT_MAX 32000
#define CONFIG_MAX_NAMES 16
#define CONFIG_MAX_URLS 8
#define CONFIG_MAX_FROM 16
#define CONFIG_MAX_ALLOW \
	64 /* networks that may use a service; the maps hold as many for each service */
#define CONFIG_ERROR_LEN 512

enum config_mode { CONFIG_MODE_AUTO, CONFIG_MODE_NATIVE, CONFIG_MODE_TC, CONFIG_MODE_GENERIC };
enum config_events { CONFIG_EVENTS_SSE, CONFIG_EVENTS_CALLBACK, CONFIG_EVENTS_OFF };
enum config_all_down { CONFIG_ALL_DOWN_EMPTY, CONFIG_ALL_DOWN_LAST };

struct config_network { /* IPv4 network, network order, host bits zero */
	__be32 address;
	unsigned prefix_len;
};

struct config_source {	   /* network of either family, network order, host bits zero */
	__be32 network[4]; /* IPv4 in the first word, the rest zero */
	__u32 prefix_len;
	__u32 six; /* 1: IPv6 */
};

struct config_service {
	char name[SLUICE_NAME_LEN];
	unsigned line; /* of its section, for messages */
	uint16_t port; /* host order */
	__be32 address[SLUICE_MAX_ADDRESS];
	unsigned address_count; /* 0: every address of this host */
	struct config_source allow[CONFIG_MAX_ALLOW];
	unsigned allow_count; /* 0: everyone may connect */
	uint32_t rate;	      /* new connections a second from one source network; 0: no limit */
	uint32_t rate_prefix4, rate_prefix6; /* length of what counts as one source network */
	char *marathon_app;		     /* "" if Marathon does not know it */
	unsigned port_index;
	char *consul_service; /* default from marathon_app, "" if neither is given */
	enum sluice_balance balance;
	enum sluice_on_empty on_empty;
	enum sluice_on_full on_full;
	enum config_all_down all_down;
	uint64_t slowstart_ms; /* 0: none */
	uint64_t drain_timeout_ms;
	uint32_t maxconn; /* per backend; 0: no limit */
};

/* What the daemon does not believe at once. */
struct config_guards {
	unsigned mass_share;	    /* percent of a service's usable backends, 1 to 100 */
	unsigned mass_count;	    /* backends that must be missing together; at least 1 */
	unsigned flap_count;	    /* how often it goes down before it is held; at least 1 */
	uint64_t flap_hold_ms;	    /* the first hold, doubled each time; 0: none */
	uint64_t flap_hold_max_ms;  /* where that ends */
	uint64_t health_expires_ms; /* after which a health result is unknown; 0: never */
};

struct config {
	char *file;
	struct stat stamp; /* of the file when it was read; valid if stamped */
	bool stamped;

	/* [node] */
	char *name[CONFIG_MAX_NAMES];
	unsigned name_count; /* 0: config_fill_defaults() puts FQDN, hostname and global addresses */
	bool names_defaulted; /* the file leaves it to the host to say its names */
	/* then: the resolver has not spoken, or the host has no address yet: it may have other names */
	bool names_unsure;
	bool names_full; /* then: the resolver has told a full name */
	char *interface[SLUICE_MAX_IFINDEX];
	unsigned interface_count; /* 0: config_fill_defaults() puts the interface of the default route */
	enum config_mode mode;
	char *pin_dir;
	char *cgroup; /* "auto", "off" or a path */
	uint16_t port_min, port_max;
	char *group; /* group that may read and write the maps, name or number; default "sluice" */
	uint32_t flows;	     /* size of the established table, default 262144 */
	uint32_t half_flows; /* size of the half-open table, default 262144, the least too */
	struct timeouts timeouts;
	/* [service NAME] */
	struct config_service *service;
	unsigned service_count;
	/* [marathon] */
	bool marathon_used; /* the section is there and has a url */
	char *marathon_url[CONFIG_MAX_URLS];
	unsigned marathon_url_count;
	enum config_events events;
	char *callback_listen; /* "ADDRESS:PORT" */
	char *callback_url;
	struct config_network callback_from[CONFIG_MAX_FROM];
	unsigned callback_from_count; /* 0: nobody may call */
	char *user_file;	      /* "" if none */
	char *marathon_ca_file;	      /* "" if none */
	uint64_t resync_ms;
	/* [consul] */
	bool consul_used;
	char *consul_url; /* http://, https:// or unix:///path */
	bool consul_register;
	char *token_file; /* "" if none */
	char *ca_file;	  /* "" if none */
	bool warning_is_up;
	/* [guards] */
	struct config_guards guards;
	/* [admin] */
	char *admin_socket;
	char *metrics_listen; /* "ADDRESS:PORT", "" for none */
};

/* The file to read if no --config says otherwise: $SLUICE_CONFIG, or CONFIG_DEFAULT_FILE. */
const char *config_default_file(void);

/*
 * Read FILE into a new configuration. Returns NULL with errno set (EINVAL for a bad line) and error
 * filled with one line "FILE:LINE: reason" (FILE: reason where there is no line). error has
 * CONFIG_ERROR_LEN bytes. The caller frees.
 */
struct config *config_load(const char *file, char *error);
void config_free(struct config *config);

/*
 * Is the file still the one that was read, by device, inode, size and time of change? What only
 * follows the network must not bring an edit into force that nobody has asked for yet, or that is
 * half written.
 */
bool config_file_is_same(const struct config *config);

/*
 * Put what the host says where the file says nothing: names, the default route's interface. 0 or
 * negative errno with error filled.
 */
int config_fill_defaults(struct config *config, char *error);

/*
 * For a configuration that is filled and takes the place of old: names that this host had, and that
 * it has not lost for certain, stay. They come first unless the resolver has told a full name; else
 * they go, since only that is another one. Addresses come last, since an interface that is away takes
 * them with it, and go only if Marathon calls this host by another name that it has (called; "": not
 * known). Nothing is done where the file has names. 0 or -ENOMEM.
 */
int config_keep_names(struct config *config, const struct config *old, const char *called);

/*
 * Are these the addresses (as text) among the host's names? One that is missing is to be learnt, one
 * that is away matters only if Marathon calls this host by another name that it has (called; "": not
 * known). Names of the file always fit.
 */
bool config_names_fit(const struct config *config, const char *const *address, size_t count,
		      const char *called);

/*
 * What --check tries beyond the syntax: secrets can be read. 0 or negative errno with error filled.
 */
int config_check_files(const struct config *config, char *error);

/*
 * First line of a secret file without its newline, into a new string that the caller wipes and
 * frees. 0 or negative errno.
 */
int config_read_secret(const char *file, char **secret);

const struct config_service *config_service_by_name(const struct config *config, const char *name);

#endif
