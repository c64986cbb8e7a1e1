/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: whatever Marathon answers with. Every reader gets every document. Refused with a reason and nothing else, or facts that are
 * whole; what the sieve leaves is the same however the answer is cut, and says the same as the whole.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "marathon_json.h"
#include "marathon_sieve.h"
#include "must.h"
#include "pieces.h"

enum { WAYS = 4, MOST = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const apps[] = { "/web/rails", "/web", "/a" };
static const char *const hosts[] = { "mesos-slave-1.example.org", "slave-1.example.com" };
static const struct marathon_filter everything = { 0 }, mine = {
	.apps = apps, .app_count = 3, .hosts = hosts, .host_count = 2
};

static bool is_among(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(text, list[i]))
			return true;
	return !count;
}

static void check_app(const struct facts_app *app, const struct marathon_filter *filter)
{
	must(app->id && is_among(app->id, filter->apps, filter->app_count));
	for (size_t i = 0; i < app->check_count; i++)
		must(app->checks[i].protocol <= FACTS_CHECK_COMMAND);
	for (size_t i = 0; i < app->task_count; i++) {
		const struct facts_task *task = &app->tasks[i];

		must(task->id && task->id[0] && task->host);
		must(is_among(task->host, filter->hosts, filter->host_count));
		must(task->state <= FACTS_TASK_GONE && task->health <= FACTS_HEALTH_NO_CHECKS);
		must(task->port_count <= FACTS_MAX_PORTS);
		for (size_t p = task->port_count; p < FACTS_MAX_PORTS; p++)
			must(!task->ports[p]);
	}
}

static void check_answer(int err, const struct facts_marathon *answer,
			 const struct marathon_filter *filter, const struct json_error *error)
{
	static const struct facts_marathon nothing;

	must(err == 0 || err == -EINVAL);
	if (err) {
		must(!memcmp(answer, &nothing, sizeof(nothing)));
		must(error->text[0]);
		return;
	}
	must(!answer->unknown_count || (error->text[0] && !answer->full));
	for (size_t i = 0; i < answer->app_count; i++) {
		check_app(&answer->apps[i], filter);
		for (size_t u = 0; u < answer->unknown_count; u++)
			must(strcasecmp(answer->apps[i].id, answer->unknown[u]) != 0);
	}
}

static int read_apps(const char *text, size_t len, const struct marathon_filter *filter,
		     struct facts_marathon *answer)
{
	struct json_error error;
	int err;

	json_error_init(&error, "apps");
	memset(answer, 0xff, sizeof(*answer));
	err = marathon_json_apps(text, len, filter, answer, &error);
	check_answer(err, answer, filter, &error);
	return err;
}

static void read_app(const char *text, size_t len)
{
	const struct marathon_filter filter = { .hosts = hosts, .host_count = 2 };
	struct facts_marathon answer;
	struct json_error error;
	int err;

	for (size_t i = 0; i < 2; i++) {
		json_error_init(&error, "app");
		err = marathon_json_app(text, len, apps[i], &filter, &answer, &error);
		check_answer(err, &answer, &filter, &error);
		must(err || answer.app_count + answer.unknown_count == 1);
		must(err || !answer.app_count || !strcasecmp(answer.apps[0].id, apps[i]));
		facts_marathon_release(&answer);
		if (marathon_json_app_gone(text, len, apps[i], &answer)) {
			must(answer.gone && answer.app_count == 1 && !answer.apps[0].task_count);
			facts_marathon_release(&answer);
		}
	}
}

static int sift(const uint8_t *data, size_t len, const struct marathon_filter *filter, size_t most,
		unsigned way, struct marathon_sieve *sieve)
{
	struct json_error error;
	struct pieces pieces;
	const char *piece;
	int err = 0;
	size_t n;

	json_error_init(&error, "sieve");
	marathon_sieve_init(sieve, filter, most);
	pieces_init(&pieces, data, len, way);
	while ((piece = pieces_next(&pieces, way, &n)))
		if (!err)
			err = marathon_sieve_feed(sieve, piece, n, &error);
	must(err == 0 || err == -EINVAL);
	must((err == 0) == !error.text[0]);
	must(sieve->len <= most);
	return err;
}

static void same_facts(const struct facts_marathon *whole, const struct facts_marathon *sifted)
{
	must(whole->app_count == sifted->app_count && whole->full == sifted->full);
	must(whole->unknown_count == sifted->unknown_count);
	for (size_t i = 0; i < whole->app_count; i++) {
		const struct facts_app *one = &whole->apps[i], *other = &sifted->apps[i];

		must(!strcmp(one->id, other->id) && one->check_count == other->check_count);
		must(one->task_count == other->task_count);
		for (size_t t = 0; t < one->task_count; t++) {
			must(!strcmp(one->tasks[t].id, other->tasks[t].id));
			must(one->tasks[t].state == other->tasks[t].state);
			must(one->tasks[t].health == other->tasks[t].health);
			must(!memcmp(one->tasks[t].ports, other->tasks[t].ports,
				     sizeof(one->tasks[t].ports)));
		}
	}
}

static void through_the_sieve(const uint8_t *data, size_t len, int whole_err,
			      const struct facts_marathon *whole)
{
	struct facts_marathon answer = { 0 };
	struct marathon_sieve first, other;
	int err = sift(data, len, &mine, MOST, 0, &first);

	for (unsigned way = 1; way < WAYS; way++) {
		must(sift(data, len, &mine, MOST, way, &other) == err);
		must(first.len == other.len && first.dropped == other.dropped);
		must(!first.len || !memcmp(first.text, other.text, first.len));
		marathon_sieve_release(&other);
	}
	sift(data, len, &mine, 64, 2, &other); /* no more than it may keep */
	marathon_sieve_release(&other);
	must(whole_err || !err); /* a good answer passes */
	if (!whole_err) {
		must(!read_apps(first.text, first.len, &mine, &answer));
		same_facts(whole, &answer);
		must(whole->others == (answer.others || first.dropped));
	}
	facts_marathon_release(&answer);
	marathon_sieve_release(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len ? len : 1); /* no NUL behind it */
	struct facts_marathon answer;
	struct json_error error;
	int err;

	must(text);
	memcpy(text, data, len);
	read_apps(text, len, &everything, &answer);
	facts_marathon_release(&answer);
	err = read_apps(text, len, &mine, &answer);
	through_the_sieve(data, len, err, &answer);
	facts_marathon_release(&answer);
	read_app(text, len);
	json_error_init(&error, "subscriptions");
	err = marathon_json_subscribed(text, len, "http://slave-1.example.com:8081/events", &error);
	must(err == 0 || err == 1 || (err == -EINVAL && error.text[0]));
	free(text);
	return 0;
}
