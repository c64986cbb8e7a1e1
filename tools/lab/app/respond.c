/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pages behind respond.h: / /bytes/N /sleep/MS /echo /sink /healthz /health/fail /health/ok /count. Every answer carries
 * the task in a header, so a client knows who answered whatever the page. While the server is told to stop, every
 * answer asks the client to close.
 */
#define _GNU_SOURCE
#include "respond.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (1ul << 30)
#define SLEEP_MAX_MS 600000ul

struct page {
	const char *status;
	const char *body;
	size_t body_len;
	size_t filler_len;
};

static bool number_after(const char *path, const char *prefix, unsigned long max,
			 unsigned long *number)
{
	size_t len = strlen(prefix);
	char *end;

	if (strncmp(path, prefix, len) || path[len] < '0' || path[len] > '9')
		return false;
	errno = 0;
	*number = strtoul(path + len, &end, 10);
	return !errno && !*end && *number <= max;
}

static bool is_about_health(const char *path)
{
	return !strcmp(path, "/healthz") || !strncmp(path, "/health/", 8) ||
	       !strcmp(path, "/count");
}

static void health_page(struct server *server, const char *path, struct page *page)
{
	bool healthy;

	if (!strcmp(path, "/health/fail"))
		server->healthy = false;
	else if (!strcmp(path, "/health/ok"))
		server->healthy = true;
	/* A lame duck that called itself healthy would be sent new connections. */
	healthy = server->healthy && server->phase == SERVER_SERVING;
	if (!strcmp(path, "/healthz") && !healthy)
		page->status = "503 Service Unavailable";
	page->body = healthy ? "healthy\n" : "unhealthy\n";
	page->body_len = strlen(page->body);
}

static void choose(struct server *server, const struct request *request, const char *body,
		   char *text, size_t text_size, struct page *page, unsigned *delay_ms)
{
	const char *path = request->path;
	unsigned long number;

	*page = (struct page){ .status = "200 OK", .body = text };
	if (!strcmp(path, "/count")) {
		page->body_len = (size_t)snprintf(
			text, text_size,
			"accepted=%lu requests=%lu open=%lu clients=%lu health=%lu\n",
			server->accepted, server->requests, server->open, server->clients,
			server->health_requests);
		return;
	}
	if (is_about_health(path)) {
		health_page(server, path, page);
		return;
	}
	*delay_ms = server->slow_ms;
	if (number_after(path, "/bytes/", BYTES_MAX, &number)) {
		page->filler_len = number;
		return;
	}
	if ((!strcmp(path, "/echo") || !strcmp(path, "/sink")) && request->method == REQUEST_POST) {
		page->body = body;
		page->body_len = request->body_len;
		return;
	}
	if (number_after(path, "/sleep/", SLEEP_MAX_MS, &number))
		*delay_ms += (unsigned)number;
	else if (strcmp(path, "/"))
		page->status = "404 Not Found";
	page->body_len = (size_t)snprintf(text, text_size, "app=%s task=%s host=%s port=%u\n",
					  server->app, server->task, server->host,
					  server->host_port);
}

static void count(struct server *server, const char *path, bool *is_client)
{
	server->requests++;
	if (is_about_health(path)) {
		server->health_requests++;
	} else if (!*is_client) {
		*is_client = true;
		server->clients++;
	}
}

int respond(struct server *server, const struct request *request, const char *body, bool *is_client,
	    struct response *response)
{
	bool last = !request->keep_alive || server->phase != SERVER_SERVING;
	char text[1024], head[1024];
	unsigned delay_ms = 0;
	struct page page;
	int head_len;

	count(server, request->path, is_client);
	choose(server, request, body, text, sizeof(text), &page, &delay_ms);
	head_len = snprintf(head, sizeof(head),
			    "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
			    "X-Task: task=%s host=%s port=%u\r\nConnection: %s\r\n\r\n",
			    page.status, page.body_len + page.filler_len, server->task,
			    server->host, server->host_port, last ? "close" : "keep-alive");
	if (head_len < 0 || (size_t)head_len >= sizeof(head))
		return -EMSGSIZE;
	if (request->method == REQUEST_HEAD)
		page.body_len = page.filler_len = 0;
	response->bytes = malloc((size_t)head_len + page.body_len);
	if (!response->bytes)
		return -ENOMEM;
	memcpy(response->bytes, head, (size_t)head_len);
	if (page.body_len)
		memcpy(response->bytes + head_len, page.body, page.body_len);
	response->len = (size_t)head_len + page.body_len;
	response->filler_len = page.filler_len;
	response->sent = 0;
	response->delay_ms = delay_ms;
	response->last = last;
	return 0;
}

void response_release(struct response *response)
{
	free(response->bytes);
	response->bytes = NULL;
}
