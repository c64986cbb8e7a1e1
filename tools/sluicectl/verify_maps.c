/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps against each other: sets against backends, backends against labels and host-ports, services against ports.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maps.h"
#include "set_table.h"
#include "verify.h"

#define DAEMON "sluiced puts it right while it runs: start it, or look into its log"
#define ATTACH "run `sluicectl attach` again"

/* --- sets --- */

/* What is wrong with a slot in a set of the service; NULL: nothing. */
static const char *slot_fault(const struct verify *verify, unsigned service, unsigned slot)
{
	const struct sluice_backend *backend = &verify->maps->backends[slot];

	if (!slot || slot > SLUICE_MAX_BACKENDS)
		return "that cannot be";
	if (!backend->generation)
		return "that is free";
	if (backend->service != service)
		return "of another service";
	if (backend->state != SLUICE_BACKEND_UP)
		return "whose backend is not up";
	if (!backend->weight)
		return "whose backend has weight 0";
	return NULL;
}

/* Each slot of the table once; seen is filled. How many are faulty. */
static unsigned check_slots(struct verify *verify, unsigned service, const struct sluice_set *set,
			    bool seen[SLUICE_MAX_BACKENDS + 1])
{
	unsigned faults = 0;
	char where[64];

	for (__u32 i = 0; i < set->len; i++) {
		unsigned slot = set->table[i];
		const char *fault = slot <= SLUICE_MAX_BACKENDS && seen[slot]
					    ? NULL
					    : slot_fault(verify, service, slot);

		if (slot <= SLUICE_MAX_BACKENDS)
			seen[slot] = true;
		if (!fault)
			continue;
		faults++;
		snprintf(where, sizeof(where), "%.31s, slot %u", verify->services[service].name,
			 slot);
		verify_add(verify, "set.slot", DAEMON, where,
			   SLUICE_MAP_SETS ": version %llu sends connections to slot %u, %s",
			   (unsigned long long)set->version, slot, fault);
	}
	return faults;
}

static void check_members(struct verify *verify, unsigned service, const struct sluice_set *set,
			  const bool seen[SLUICE_MAX_BACKENDS + 1])
{
	bool member[SLUICE_MAX_BACKENDS + 1] = { 0 };
	bool same = set->members <= SLUICE_MAX_BACKENDS;

	for (__u32 i = 0; same && i < set->members; i++) {
		unsigned slot = set->member[i];

		same = slot && slot <= SLUICE_MAX_BACKENDS && !member[slot] && seen[slot];
		if (same)
			member[slot] = true;
	}
	for (unsigned slot = 1; same && slot <= SLUICE_MAX_BACKENDS; slot++)
		same = member[slot] == seen[slot];
	if (!same)
		verify_add(
			verify, "set.members", "change a weight and back, or restart sluiced",
			verify->services[service].name,
			SLUICE_MAP_SETS
			": the list of members of version %llu is not that of its schedule's slots",
			(unsigned long long)set->version);
}

/* Only if nothing else is wrong: is it the schedule that these weights give? */
static void check_schedule(struct verify *verify, unsigned service, const struct sluice_set *set,
			   const bool seen[SLUICE_MAX_BACKENDS + 1])
{
	struct set_table_member *members = calloc(SLUICE_MAX_BACKENDS, sizeof(*members));
	struct sluice_set *fresh = calloc(1, sizeof(*fresh));
	size_t count = 0;

	for (unsigned slot = 1; members && slot <= SLUICE_MAX_BACKENDS; slot++)
		if (seen[slot])
			members[count++] = (struct set_table_member){
				.slot = (uint16_t)slot,
				.weight = verify->maps->backends[slot].weight,
				.task = verify->maps->labels[slot].task,
			};
	if (!members || !fresh || set_table_fill(fresh, set->balance, members, count))
		verify_unseen(verify, "set of %s: out of memory", verify->services[service].name);
	else if (fresh->len != set->len ||
		 memcmp(fresh->table, set->table, set->len * sizeof(set->table[0])) != 0)
		verify_add(verify, "set.schedule", DAEMON, verify->services[service].name,
			   SLUICE_MAP_SETS
			   ": the schedule of version %llu is not what weights and balance give",
			   (unsigned long long)set->version);
	free(fresh);
	free(members);
}

static void check_set(struct verify *verify, unsigned service, const struct sluice_set *set)
{
	bool seen[SLUICE_MAX_BACKENDS + 1] = { 0 };
	unsigned faults;
	char name[64];

	if (set->balance == SLUICE_BALANCE_UNSET || set->balance > SLUICE_BALANCE_SOURCE ||
	    set->on_empty > SLUICE_EMPTY_DROP || set->on_full > SLUICE_FULL_RESET) {
		verify_add(verify, "set.policy", DAEMON, verify->services[service].name,
			   SLUICE_MAP_SETS ": balance %u, on_empty %u, on_full %u: out of range",
			   set->balance, set->on_empty, set->on_full);
		return;
	}
	faults = check_slots(verify, service, set, seen);
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (seen[slot] || slot_fault(verify, service, slot))
			continue;
		verify_name(verify, slot, name);
		verify_add(verify, "set.missing", DAEMON, name,
			   SLUICE_MAP_SETS ": it is up and gets no connections: not in the set");
		faults++;
	}
	check_members(verify, service, set, seen);
	if (!faults)
		check_schedule(verify, service, set, seen);
}

void verify_sets(struct verify *verify)
{
	struct sluice_set *set = malloc(sizeof(*set));

	for (unsigned i = 1; set && i <= SLUICE_MAX_SERVICES; i++) {
		__u64 version = __atomic_load_n(&verify->maps->active[i].version, __ATOMIC_ACQUIRE);

		if (!version)
			continue;
		if (!verify->services[i].name[0])
			verify_add(verify, "set.service", ATTACH, "sluice_active",
				   "index %u has a set and no service", i);
		else if (!maps_read_set(verify->maps, i, set))
			verify_add(verify, "set.version",
				   "its packets are dropped: restart sluiced, which publishes anew",
				   verify->services[i].name,
				   SLUICE_MAP_ACTIVE " names version %llu, which " SLUICE_MAP_SETS
						     " does not have",
				   (unsigned long long)version);
		else
			check_set(verify, i, set);
	}
	if (!set)
		verify_unseen(verify, "sets: out of memory");
	free(set);
}

/* --- backends --- */

static void check_backend(struct verify *verify, unsigned slot, unsigned other)
{
	const struct maps *maps = verify->maps;
	const struct sluice_backend *backend = &maps->backends[slot];
	const struct sluice_label *label = &maps->labels[slot];
	const struct sluice_hport *hport = &maps->hports[ntohs(backend->port)];
	unsigned port = ntohs(backend->port), service = backend->service;
	char name[64];

	verify_name(verify, slot, name);
	if (!service || service > SLUICE_MAX_SERVICES || !verify->services[service].name[0]) {
		verify_add(verify, "backend.service", ATTACH, name,
			   SLUICE_MAP_BACKENDS ": slot %u is of service %u, which there is not",
			   slot, service);
		return;
	}
	if (port < maps->meta.port_min || port > maps->meta.port_max)
		verify_add(verify, "backend.port", "packets are refused: check [node] ports", name,
			   SLUICE_MAP_BACKENDS ": slot %u is outside the host-ports %u-%u", slot,
			   maps->meta.port_min, maps->meta.port_max);
	if (other)
		verify_add(verify, "backend.shared", DAEMON, name,
			   SLUICE_MAP_BACKENDS ": slots %u and %u have the same host-port", other,
			   slot);
	else if (hport->slot != slot || hport->service_port != verify->services[service].port)
		verify_add(verify, "hport.owner", DAEMON, name,
			   SLUICE_MAP_HPORTS
			   ": replies of slot %u are taken for slot %u's, service port %u",
			   slot, hport->slot, ntohs(hport->service_port));
	if (backend->state < SLUICE_BACKEND_WAITING || backend->state > SLUICE_BACKEND_GONE ||
	    backend->weight > 256)
		verify_add(verify, "backend.values", DAEMON, name,
			   SLUICE_MAP_BACKENDS ": slot %u has state %u and weight %u: out of range",
			   slot, backend->state, backend->weight);
	if (backend->last_generation != backend->generation)
		verify_add(verify, "backend.generation", "restart the task", name,
			   SLUICE_MAP_BACKENDS ": slot %u has generation %u, and its last was %u",
			   slot, backend->generation, backend->last_generation);
	if (label->generation != backend->generation || !label->task[0])
		verify_add(verify, "label.generation", DAEMON, name,
			   SLUICE_MAP_LABELS
			   ": slot %u is labelled for generation %u, and the backend has %u",
			   slot, label->generation, backend->generation);
}

void verify_backends(struct verify *verify)
{
	const struct maps *maps = verify->maps;
	uint16_t *owner = calloc(65536, sizeof(*owner));
	char where[64];

	if (!owner) {
		verify_unseen(verify, "backends: out of memory");
		return;
	}
	for (unsigned slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++) {
		unsigned port = ntohs(maps->backends[slot].port);

		if (!maps->backends[slot].generation)
			continue;
		check_backend(verify, slot, owner[port]);
		owner[port] = (uint16_t)slot;
	}
	for (unsigned port = 0; port < 65536; port++) {
		const struct sluice_hport *hport = &maps->hports[port];

		if (owner[port] || (!hport->slot && !hport->service_port))
			continue;
		snprintf(where, sizeof(where), "port %u", port);
		verify_add(verify, "hport.stale", DAEMON, where,
			   SLUICE_MAP_HPORTS ": belongs to slot %u, which has no backend there",
			   hport->slot);
	}
	free(owner);
}

/* --- services --- */

void verify_ports(struct verify *verify)
{
	char where[64];

	for (__u32 port = 0; port < 65536; port++) {
		const struct sluice_service *service = NULL;
		struct sluice_port entry;

		if (maps_lookup(verify->maps->ports_fd, &port, &entry)) {
			verify_unseen(verify, SLUICE_MAP_PORTS ": cannot be read");
			return;
		}
		if (entry.service && entry.service <= SLUICE_MAX_SERVICES)
			service = &verify->services[entry.service];
		if (!entry.service || (service && service->name[0] && ntohs(service->port) == port))
			continue;
		snprintf(where, sizeof(where), "port %u", port);
		verify_add(verify, "port.service", "`sluicectl detach`, then attach again", where,
			   SLUICE_MAP_PORTS ": is taken for service %u, which has another port",
			   entry.service);
	}
	for (unsigned i = 1; i <= SLUICE_MAX_SERVICES; i++) {
		__u32 port = ntohs(verify->services[i].port);
		struct sluice_port entry = { 0 };

		if (!verify->services[i].name[0])
			continue;
		if (!maps_lookup(verify->maps->ports_fd, &port, &entry) && entry.service != i)
			verify_add(verify, "service.port", ATTACH, verify->services[i].name,
				   SLUICE_MAP_PORTS
				   ": its port %u is not balanced: it belongs to service %u",
				   port, entry.service);
	}
}
