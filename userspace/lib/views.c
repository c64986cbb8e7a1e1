/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Joins the maps. A label counts only for the generation that it names: between the two writes of the daemon a slot may
 * have a new owner and the old one's label.
 */
#include "views.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maps.h"

#define WORD(words, value) \
	((size_t)(value) < sizeof(words) / sizeof((words)[0]) ? (words)[value] : "unknown")

const char *views_backend_state(enum sluice_backend_state state)
{
	static const char *const words[] = { "free", "waiting", "up", "down", "draining", "gone" };

	return WORD(words, state);
}

const char *views_flow_state(enum sluice_flow_state state)
{
	static const char *const words[] = { "half-open", "established", "closing", "closed" };

	return WORD(words, state);
}

const char *views_origin(enum sluice_origin origin)
{
	static const char *const words[] = { "network", "host", "container" };

	return WORD(words, origin);
}

const char *views_balance(enum sluice_balance balance)
{
	static const char *const words[] = { "unset", "roundrobin", "leastconn", "random",
					     "source" };

	return WORD(words, balance);
}

const char *views_on_empty(enum sluice_on_empty on_empty)
{
	static const char *const words[] = { "reset", "pass", "drop" };

	return WORD(words, on_empty);
}

const char *views_reason_name(enum sluice_reason reason)
{
	static const char *const words[] = {
#define X(id, name, help) #name,
		SLUICE_REASONS(X)
#undef X
	};

	return WORD(words, reason);
}

const char *views_reason_help(enum sluice_reason reason)
{
	static const char *const words[] = {
#define X(id, name, help) help,
		SLUICE_REASONS(X)
#undef X
	};

	return WORD(words, reason);
}

/* --- backends --- */

static uint64_t age_ms(__u64 since_ns)
{
	struct timespec now;
	__u64 now_ns;

	clock_gettime(CLOCK_BOOTTIME, &now);
	now_ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
	return now_ns > since_ns ? (now_ns - since_ns) / 1000000 : 0;
}

static int by_service_and_port(const void *a, const void *b)
{
	const struct views_backend *left = a, *right = b;
	int order = strcmp(left->service, right->service);

	if (!order)
		order = (left->port > right->port) - (left->port < right->port);
	return order ? order
		     : (left->generation > right->generation) -
			       (left->generation < right->generation);
}

static void copy_text(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	to[len - 1] = '\0'; /* whoever may write the map may leave it out */
}

/* Counters belong to a slot and never go back; a generation's own begin where it began. */
static void subtract(struct sluice_stats *stats, const struct sluice_stats *base)
{
	stats->connections -= base->connections;
	stats->picks -= base->picks;
	stats->packets_in -= base->packets_in;
	stats->bytes_in -= base->bytes_in;
	stats->packets_out -= base->packets_out;
	stats->bytes_out -= base->bytes_out;
}

static int fill_backend(const struct maps *maps, unsigned slot,
			const struct sluice_service *services, struct views_backend *view)
{
	const struct sluice_backend *backend = &maps->backends[slot];
	const struct sluice_label *label = &maps->labels[slot];

	int err;

	*view = (struct views_backend){
		.slot = slot,
		.port = ntohs(backend->port),
		.generation = __atomic_load_n(&backend->generation, __ATOMIC_ACQUIRE),
		.state = backend->state,
		.weight = backend->weight,
		.state_since_ms = age_ms(backend->state_since_ns),
	};
	if (backend->service <= SLUICE_MAX_SERVICES)
		copy_text(view->service, services[backend->service].name, sizeof(view->service));
	err = maps_read_bstats(maps, slot, &view->stats);
	if (!err && __atomic_load_n(&label->generation, __ATOMIC_ACQUIRE) == view->generation) {
		subtract(&view->stats, &label->base);
		copy_text(view->task, label->task, sizeof(view->task));
		copy_text(view->app, label->app, sizeof(view->app));
		copy_text(view->reason, label->reason, sizeof(view->reason));
		copy_text(view->source, label->source, sizeof(view->source));
		view->port_index = label->port_index;
	}
	return err;
}

int views_backends(const struct maps *maps, struct views_backend **list, size_t *count)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct maps_flow_counts *flows = calloc(1, sizeof(*flows));
	struct views_backend *views = NULL;
	size_t used = 0, i;
	unsigned slot;
	int err = flows ? maps_read_services(maps, services) : -ENOMEM;

	*list = NULL;
	*count = 0;
	if (err)
		goto out;
	for (slot = 1; slot <= SLUICE_MAX_BACKENDS; slot++)
		used += maps->backends[slot].generation != 0;
	views = calloc(used ? used : 1, sizeof(*views));
	err = views ? maps_count_flows(maps, flows) : -ENOMEM;
	for (slot = 1, i = 0; !err && i < used && slot <= SLUICE_MAX_BACKENDS; slot++) {
		if (!maps->backends[slot].generation)
			continue;
		err = fill_backend(maps, slot, services, &views[i]);
		views[i].half_open = flows->half_open[slot];
		views[i].active = flows->active[slot];
		i += views[i].generation != 0;
	}
	if (err)
		goto out;
	qsort(views, i, sizeof(*views), by_service_and_port);
	*count = i;
	*list = views;
	views = NULL;
out:
	free(views);
	free(flows);
	return err;
}

/* --- flows --- */

struct flow_list {
	const struct maps *maps;
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct views_flow *views;
	size_t count, room;
	int err;
};

static uint64_t ticks_ms(const struct maps *maps, uint32_t ticks)
{
	/* A stamp that is one tick ahead of our reading of the clock is no great age. */
	return (int32_t)ticks < 0 ? 0 : (uint64_t)ticks * 1000 / maps->meta.hz;
}

static bool add_flow(void *ctx, const struct maps_flow *found)
{
	const struct sluice_flow *flow = found->flow;
	struct flow_list *list = ctx;
	const struct maps *maps = list->maps;
	uint32_t now = maps_jiffies(maps);
	struct views_flow *view;

	if (!flow->slot || flow->slot > SLUICE_MAX_BACKENDS ||
	    __atomic_load_n(&maps->backends[flow->slot].generation, __ATOMIC_RELAXED) !=
		    flow->generation)
		return true;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 1024;
		struct views_flow *more = reallocarray(list->views, room, sizeof(*more));

		if (!more) {
			list->err = -ENOMEM;
			return false;
		}
		list->views = more;
		list->room = room;
	}
	view = &list->views[list->count++];
	*view = (struct views_flow){
		.family = found->family,
		.origin = found->origin,
		.cookie = found->cookie,
		.client_port = ntohs(found->client_port),
		.service_port = ntohs(found->service_port),
		.port = ntohs(flow->port),
		.generation = flow->generation,
		.slot = flow->slot,
		.state = sluice_flow_state(flow, now, &maps->meta.timeouts),
		.age_ms = ticks_ms(maps, now - flow->picked),
		.idle_ms = ticks_ms(maps, now - flow->touched),
	};
	memcpy(view->client, found->client, sizeof(view->client));
	memcpy(view->local, found->local, sizeof(view->local));
	if (flow->service <= SLUICE_MAX_SERVICES)
		copy_text(view->service, list->services[flow->service].name, sizeof(view->service));
	return true;
}

static int by_client(const void *a, const void *b)
{
	const struct views_flow *left = a, *right = b;
	int order = left->family - right->family;

	if (!order)
		order = memcmp(left->client, right->client, sizeof(left->client));
	if (!order)
		order = left->client_port - right->client_port;
	if (!order)
		order = left->service_port - right->service_port;
	if (!order)
		order = memcmp(left->local, right->local, sizeof(left->local));
	return order ? order : (left->cookie > right->cookie) - (left->cookie < right->cookie);
}

/* A flow that was promoted during the scan was seen in both tables: the later sight counts. */
static size_t drop_doubles(struct views_flow *views, size_t count)
{
	size_t kept = 0, i;

	for (i = 0; i < count; i++) {
		if (!kept || by_client(&views[kept - 1], &views[i]) != 0)
			views[kept++] = views[i];
		else if (views[i].state != SLUICE_FLOW_HALF_OPEN)
			views[kept - 1] = views[i];
	}
	return kept;
}

int views_flows(const struct maps *maps, struct views_flow **list, size_t *count)
{
	struct flow_list *flows = calloc(1, sizeof(*flows));
	int err;

	*list = NULL;
	*count = 0;
	if (!flows)
		return -ENOMEM;
	flows->maps = maps;
	err = maps_read_services(maps, flows->services);
	if (!err)
		err = maps_scan_flows(maps, add_flow, flows);
	if (!err)
		err = flows->err;
	if (err) {
		free(flows->views);
	} else if (flows->count) {
		qsort(flows->views, flows->count, sizeof(*flows->views), by_client);
		*count = drop_doubles(flows->views, flows->count);
		*list = flows->views;
	}
	free(flows);
	return err;
}

/* --- services --- */

static void add_up(struct views_service *view, const struct views_backend *backends, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(backends[i].service, view->name) != 0)
			continue;
		view->waiting += backends[i].state == SLUICE_BACKEND_WAITING;
		view->up += backends[i].state == SLUICE_BACKEND_UP;
		view->down += backends[i].state == SLUICE_BACKEND_DOWN;
		view->draining += backends[i].state == SLUICE_BACKEND_DRAINING;
		view->gone += backends[i].state == SLUICE_BACKEND_GONE;
		view->half_open += backends[i].half_open;
		view->active += backends[i].active;
	}
}

static int fill_service(const struct maps *maps, unsigned index,
			const struct sluice_service *service, struct sluice_set *set,
			struct views_service *view)
{
	*view = (struct views_service){
		.index = index,
		.port = ntohs(service->port),
		.address_count =
			service->address_count <= SLUICE_MAX_ADDRESS ? service->address_count : 0,
		.leaving = service->flags & SLUICE_SERVICE_LEAVING,
		.synced = maps_read_set(maps, index, set),
	};
	copy_text(view->name, service->name, sizeof(view->name));
	memcpy(view->address, service->address, sizeof(view->address));
	if (view->synced) {
		view->balance = set->balance;
		view->on_empty = set->on_empty;
	}
	return maps_read_sstats(maps, index, &view->stats);
}

static int by_port(const void *a, const void *b)
{
	const struct views_service *left = a, *right = b;

	return (left->port > right->port) - (left->port < right->port);
}

int views_services(const struct maps *maps, struct views_service **list, size_t *count)
{
	struct sluice_service services[SLUICE_MAX_SERVICES + 1];
	struct views_backend *backends = NULL;
	struct views_service *views = calloc(SLUICE_MAX_SERVICES, sizeof(*views));
	struct sluice_set *set = calloc(1, sizeof(*set));
	size_t backend_count = 0, used = 0;
	unsigned i;
	int err = views && set ? maps_read_services(maps, services) : -ENOMEM;

	*list = NULL;
	*count = 0;
	if (!err)
		err = views_backends(maps, &backends, &backend_count);
	for (i = 1; !err && i <= SLUICE_MAX_SERVICES; i++) {
		if (!services[i].name[0])
			continue;
		err = fill_service(maps, i, &services[i], set, &views[used]);
		add_up(&views[used], backends, backend_count);
		used++;
	}
	if (!err) {
		qsort(views, used, sizeof(*views), by_port);
		*list = views;
		*count = used;
		views = NULL;
	}
	free(backends);
	free(set);
	free(views);
	return err;
}
