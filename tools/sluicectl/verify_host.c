/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps against the host: addresses of its interfaces, who listens, and the connections that there are.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "behind.h"
#include "iface.h"
#include "listening.h"
#include "maps.h"
#include "verify.h"

#define MAX_ADDRESSES 1024 /* as many as a map holds */
#define BLUR 16		   /* rough counts may be off by so much, and by an eighth */

/* --- addresses --- */

struct family {
	int family, fd;
	const char *map;
	size_t size;
	const char *own;
	int count;
};

static bool is_own(const struct family *family, const void *key)
{
	for (int i = 0; i < family->count; i++)
		if (!memcmp(family->own + (size_t)i * family->size, key, family->size))
			return true;
	return false;
}

static void check_family(struct verify *verify, const struct family *family)
{
	struct sluice_addr6 key, *previous = NULL;
	char text[INET6_ADDRSTRLEN];
	__u32 value;

	if (family->count < 0) {
		verify_unseen(verify, "this host's addresses: %s", strerror(-family->count));
		return;
	}
	for (int i = 0; i < family->count; i++) {
		const void *own = family->own + (size_t)i * family->size;

		inet_ntop(family->family, own, text, sizeof(text));
		if (maps_lookup(family->fd, own, &value))
			verify_add(verify, "address.missing",
				   "start sluiced, or run `sluicectl attach` again", text,
				   "%s: connections to this address of the host are not balanced",
				   family->map);
	}
	for (int i = 0; i < MAX_ADDRESSES && !bpf_map_get_next_key(family->fd, previous, &key);
	     i++) {
		previous = &key;
		if (is_own(family, &key))
			continue;
		inet_ntop(family->family, &key, text, sizeof(text));
		verify_add(verify, "address.stale", "start sluiced, which takes it out", text,
			   "%s: it is no address of this host", family->map);
	}
}

void verify_addresses(struct verify *verify)
{
	struct sluice_addr6 own6[MAX_ADDRESSES];
	__be32 own4[MAX_ADDRESSES];
	const struct family four = {
		AF_INET,	 verify->maps->addrs4_fd, SLUICE_MAP_ADDRS4,
		sizeof(own4[0]), (const char *)own4,	  iface_addresses(true, own4, MAX_ADDRESSES)
	};
	const struct family six = { AF_INET6,		verify->maps->addrs6_fd,
				    SLUICE_MAP_ADDRS6,	sizeof(own6[0]),
				    (const char *)own6, iface_addresses6(own6, MAX_ADDRESSES) };

	check_family(verify, &four);
	check_family(verify, &six);
}

/* --- listeners --- */

/* NULL if the rules cannot be read either: then nothing is known of who serves without a listener. */
static bool is_sent_elsewhere(const struct behind_rules *rules, uint16_t port)
{
	char to[DNAT_TO_LEN];

	for (size_t i = 0; i < BEHIND_RULES; i++)
		if (behind_rules_send(rules, i, port, to))
			return true;
	return false;
}

static void check_listeners(struct verify *verify, const bool *listens)
{
	const struct maps *maps = verify->maps;
	struct behind_rules rules = { 0 };
	bool asked = false;
	char name[64];

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &maps->backends[slot];
		uint16_t port = ntohs(backend->port);

		if (!backend->generation)
			continue;
		verify_name(verify, slot, name);
		if (listens[port] && backend->state == SLUICE_BACKEND_DOWN &&
		    !strncmp(maps->labels[slot].source, "kernel", 7))
			verify_add(verify, "listener.back", "see `sluicectl why`, start sluiced",
				   name,
				   "it is down because nobody listens on it, and somebody does");
		if (listens[port] || backend->state != SLUICE_BACKEND_UP)
			continue;
		if (!asked)
			behind_rules_read(&rules);
		asked = true;
		if (behind_rules_known(&rules) && !is_sent_elsewhere(&rules, port))
			verify_add(verify, "listener.missing", "see `sluicectl why`, start sluiced",
				   name,
				   "it is up, and nobody listens on it nor is it sent elsewhere");
	}
	behind_rules_release(&rules);
}

void verify_listeners(struct verify *verify)
{
	bool *listens = calloc(65536, sizeof(*listens));
	struct sock_diag_socket *list = NULL;
	size_t count = 0;
	int err = listens ? listening_read(&list, &count) : -ENOMEM;

	for (size_t i = 0; i < count; i++)
		listens[list[i].port] = true;
	if (err)
		verify_unseen(verify, "listeners: %s", strerror(-err));
	else
		check_listeners(verify, listens);
	free(list);
	free(listens);
}

/* --- flows --- */

/* A flow must go where its backend is. */
static bool check_flow(void *ctx, const struct maps_flow *found)
{
	const struct sluice_flow *flow = found->flow;
	const struct sluice_backend *backend;
	struct verify *verify = ctx;
	char name[64];

	if (!flow->slot || flow->slot > SLUICE_MAX_BACKENDS)
		return true;
	backend = &verify->maps->backends[flow->slot];
	if (backend->generation != flow->generation ||
	    (backend->port == flow->port && backend->service == flow->service))
		return true;
	verify_name(verify, flow->slot, name);
	verify_add(verify, "flow.port", "drain it, and start its task again", name,
		   "its connections are sent to port %u", ntohs(flow->port));
	return verify->count < VERIFY_MAX;
}

static bool is_off(int64_t said, uint32_t counted)
{
	return llabs(said - counted) > BLUR + counted / 8;
}

static void add_count(struct verify *verify, unsigned slot, const char *check, const char *what,
		      int32_t said, uint32_t counted)
{
	char name[64];

	verify_name(verify, slot, name);
	verify_add(verify, check, "sluiced counts anew every half minute: is it running?", name,
		   SLUICE_MAP_BACKENDS ": says %d %s, and a scan finds %u", said, what, counted);
}

/* A half-open table that is full forgets flows which are still counted. */
static bool may_have_forgotten(const struct verify *verify)
{
	struct maps_occupancy tables[MAPS_TABLES];

	if (maps_count_entries(verify->maps, tables))
		return true;
	for (size_t i = 0; i < MAPS_TABLES; i++)
		if (!strncmp(tables[i].name, "half-open", strlen("half-open")) &&
		    tables[i].held >= tables[i].capacity - tables[i].capacity / 8)
			return true;
	return false;
}

/* Handshakes come and go while they are counted: what is said before and after must both be off, the same way. */
static void check_half_open(struct verify *verify, unsigned slot, int32_t before, uint32_t counted)
{
	const int32_t said = maps_half_open(verify->maps, &verify->maps->backends[slot]);

	if (!is_off(before, counted) || !is_off(said, counted) ||
	    (before > (int64_t)counted) != (said > (int64_t)counted))
		return;
	if (said > (int64_t)counted && may_have_forgotten(verify))
		return;
	add_count(verify, slot, "count.half-open", "half-open ones", said, counted);
}

void verify_flows(struct verify *verify)
{
	struct maps_flow_counts *counts = malloc(sizeof(*counts));
	int32_t before[SLUICE_MAX_BACKENDS + 1];
	int err = counts ? 0 : -ENOMEM;

	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++)
		before[slot] = maps_half_open(verify->maps, &verify->maps->backends[slot]);
	if (!err)
		err = maps_count_flows(verify->maps, counts);
	for (unsigned slot = 1; !err && slot <= SLUICE_MAX_BACKENDS; slot++) {
		const struct sluice_backend *backend = &verify->maps->backends[slot];
		const int32_t active = maps_active(verify->maps, backend);
		const uint32_t counted = maps_counted_active(counts, slot);
		/* those are taken back by the daemon's next scans, part by part, or by time */
		const uint32_t most = counted + maps_counted_expired(counts, slot);

		if (!backend->generation)
			continue;
		if ((active < (int64_t)counted && is_off(active, counted)) ||
		    (active > (int64_t)most && is_off(active, most)))
			add_count(verify, slot, "count.active", "connections", active, counted);
		check_half_open(verify, slot, before[slot], maps_counted_half_open(counts, slot));
	}
	if (!err)
		err = maps_scan_flows(verify->maps, check_flow, verify);
	if (err)
		verify_unseen(verify, "flows: %s", strerror(-err));
	free(counts);
}
