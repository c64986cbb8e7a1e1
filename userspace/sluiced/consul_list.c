/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One blocking query as Consul's documentation wants it: the index comes from good answers only,
 * one that goes backwards is dropped, and an answer is compared by content, since waking up does
 * not mean change.
 */
#include "consul_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "consul_json.h"
#include "http.h"

const char *consul_list_refusal(const struct http_answer *answer)
{
	static char why[160];
	const char *value;
	size_t len;

	if (answer->error[0])
		return answer->error;
	if (answer->status != 200) {
		len = strcspn(answer->body, "\r\n");
		snprintf(why, sizeof(why), "HTTP %ld %.*s", answer->status,
			 len < 100 ? (int)len : 100, answer->body);
		return why;
	}
	value = http_header(answer, "X-Consul-Knownleader");
	if (value && strcasecmp(value, "false") == 0)
		return "the servers have no leader";
	value = http_header(answer, "X-Consul-Results-Filtered-By-ACLs");
	if (value && strcasecmp(value, "true") == 0)
		return "the token may not read everything about this node (service:read and node:read)";
	return NULL;
}

static int keep_body(struct consul_list *list, const struct http_answer *answer)
{
	char *body = malloc(answer->body_len + 1);

	if (!body)
		return -ENOMEM;
	memcpy(body, answer->body, answer->body_len + 1);
	free(list->body);
	list->body = body;
	list->body_len = answer->body_len;
	return 0;
}

int consul_list_take(struct consul_list *list, const struct http_answer *answer)
{
	const char *value = http_header(answer, "X-Consul-Index");
	uint64_t index, sent = list->index;
	bool same;

	if (!value || consul_json_index(value, &index))
		return -EPROTO;
	if (index < sent) {
		/*
		 * the servers were restored or wiped: what they say now may be half filled, ask
		 * anew
		 */
		list->index = 0;
		return CONSUL_OLD_INDEX;
	}
	list->index = index ? index : 1;
	same = list->body && list->body_len == answer->body_len &&
	       memcmp(list->body, answer->body, answer->body_len) == 0;
	if (same)
		return CONSUL_SAME;
	return keep_body(list, answer) ? -ENOMEM : CONSUL_OTHER;
}

void consul_list_question(const struct consul_list *list, int wait_s, char *path, size_t len)
{
	if (list->index)
		snprintf(path, len, "%s?index=%" PRIu64 "&wait=%ds", list->path, list->index,
			 wait_s);
	else
		snprintf(path, len, "%s", list->path);
}

void consul_list_forget(struct consul_list *list)
{
	free(list->path);
	free(list->body);
	*list = (struct consul_list){ 0 };
}
