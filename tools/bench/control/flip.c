/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /v1/health/service without any digestion: the answer is searched for the one check's status, and
 * the time is taken before that.
 */
#include "flip.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "clock.h"

#define MAX_URL 256
#define MAX_ANSWER (1u << 20)

struct flip {
	char base[MAX_URL], service[64];
	pthread_t asks;
	pthread_mutex_t lock;
	bool passing, ending;
	uint64_t seen_ns; /* when passing was last found changed */
	struct {
		struct flip *flip;
		bool passing;
	} order;
};

struct answer {
	char *text;
	size_t len;
	unsigned long long index;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct answer *answer = arg;
	size_t len = size * count;
	char *grown;

	if (answer->len + len > MAX_ANSWER)
		return 0;
	grown = realloc(answer->text, answer->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + answer->len, bytes, len);
	answer->text = grown;
	answer->len += len;
	grown[answer->len] = '\0';
	return len;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct answer *answer = arg;

	sscanf(line, "X-Consul-Index: %llu", &answer->index);
	return size * count;
}

/* true: 200. body NULL: a GET. */
static bool call(CURL *easy, const char *url, const char *body, struct answer *answer)
{
	long status = 0;
	CURLcode code;

	answer->len = 0;
	curl_easy_reset(easy);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
	if (body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
	}
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code || status != 200)
		fprintf(stderr, "react: %s: %s, HTTP %ld %s\n", url, curl_easy_strerror(code),
			status, answer->len ? answer->text : "");
	return !code && status == 200;
}

static bool put(const char *base, const char *path, const char *body)
{
	struct answer answer = { NULL };
	CURL *easy = curl_easy_init();
	char url[2 * MAX_URL];
	bool done;

	snprintf(url, sizeof(url), "%s%s", base, path);
	done = easy && call(easy, url, body, &answer);
	curl_easy_cleanup(easy);
	free(answer.text);
	return done;
}

/* Does the answer say that the check of the first entry passes? */
static bool passes(const struct flip *flip, const char *text)
{
	cJSON *list = cJSON_Parse(text);
	const cJSON *entry, *check;
	char id[80];
	bool found = false;

	snprintf(id, sizeof(id), "service:%s-0", flip->service);
	cJSON_ArrayForEach(entry, list)
	{
		cJSON_ArrayForEach(check, cJSON_GetObjectItem(entry, "Checks"))
		{
			const char *of =
				cJSON_GetStringValue(cJSON_GetObjectItem(check, "CheckID"));
			const char *status =
				cJSON_GetStringValue(cJSON_GetObjectItem(check, "Status"));

			found |= of && status && !strcmp(of, id) && !strcmp(status, "passing");
		}
	}
	cJSON_Delete(list);
	return found;
}

static void *ask(void *arg)
{
	struct answer answer = { NULL };
	struct flip *flip = arg;
	CURL *easy = curl_easy_init();
	char url[2 * MAX_URL];
	bool ending = false;

	while (easy && !ending) {
		uint64_t now;
		bool passing;

		snprintf(url, sizeof(url), "%s/v1/health/service/%s?wait=5s&index=%llu", flip->base,
			 flip->service, answer.index);
		if (!call(easy, url, NULL, &answer)) {
			clock_rest_us(100000);
			continue;
		}
		now = clock_now_ns();
		passing = passes(flip, answer.text);
		pthread_mutex_lock(&flip->lock);
		if (passing != flip->passing)
			flip->seen_ns = now;
		flip->passing = passing;
		ending = flip->ending;
		pthread_mutex_unlock(&flip->lock);
	}
	curl_easy_cleanup(easy);
	free(answer.text);
	return NULL;
}

static void *turn(void *arg)
{
	struct flip *flip = arg;
	char path[160];

	snprintf(path, sizeof(path), "/v1/agent/check/%s/service:%s-0",
		 flip->order.passing ? "pass" : "fail", flip->service);
	put(flip->base, path, "");
	return NULL;
}

void flip_turn(struct flip *flip, bool passing)
{
	pthread_t thread;

	flip->order.passing = passing;
	if (!pthread_create(&thread, NULL, turn, flip))
		pthread_detach(thread);
}

uint64_t flip_seen(struct flip *flip, bool passing, unsigned limit_ms)
{
	for (unsigned waited = 0; waited <= limit_ms; waited++) {
		uint64_t seen;

		pthread_mutex_lock(&flip->lock);
		seen = flip->passing == passing ? flip->seen_ns : 0;
		pthread_mutex_unlock(&flip->lock);
		if (seen)
			return seen;
		clock_rest_us(1000);
	}
	return 0;
}

struct flip *flip_new(const char *url, const char *service, uint16_t port)
{
	struct flip *flip = calloc(1, sizeof(*flip));
	char body[512];
	bool good = flip != NULL;

	if (!flip)
		return NULL;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&flip->lock, NULL);
	snprintf(flip->base, sizeof(flip->base), "%s", url);
	snprintf(flip->service, sizeof(flip->service), "%s", service);
	for (unsigned i = 0; i < 2 && good; i++) {
		snprintf(body, sizeof(body),
			 "{\"ID\":\"%s-%u\",\"Name\":\"%s\",\"Port\":%u,"
			 "\"Check\":{\"TTL\":\"24h\",\"Status\":\"passing\"}}",
			 service, i, service, port + i);
		good = put(url, "/v1/agent/service/register", body);
	}
	if (!good || pthread_create(&flip->asks, NULL, ask, flip)) {
		free(flip);
		return NULL;
	}
	return flip;
}

void flip_free(struct flip *flip)
{
	char path[160];

	if (!flip)
		return;
	pthread_mutex_lock(&flip->lock);
	flip->ending = true;
	pthread_mutex_unlock(&flip->lock);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/v1/agent/service/deregister/%s-%u", flip->service,
			 i);
		put(flip->base, path, "");
	}
	pthread_join(flip->asks, NULL);
	free(flip);
}
