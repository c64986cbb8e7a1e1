/* SPDX-License-Identifier: GPL-2.0-only */
/* One request, one answer; see admin_client.h. */
#include "daemon.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_client.h"
#include "config.h"

#define ANSWER_MS 3000

struct cJSON *daemon_ask(const struct config *config, const char *request, char *why, size_t len,
			 int *err)
{
	cJSON *document = NULL;
	char *answer = NULL;
	int result = admin_client_call(config->admin_socket, request, ANSWER_MS, &answer);

	if (!result) {
		document = cJSON_Parse(answer);
		free(answer);
		if (!cJSON_IsObject(document)) {
			cJSON_Delete(document);
			document = NULL;
			result = -EBADMSG;
		}
	}
	if (result == -ENOENT || result == -ECONNREFUSED)
		snprintf(why, len, "not running");
	else if (result)
		snprintf(why, len, "%.108s: %s", config->admin_socket, strerror(-result));
	if (err)
		*err = result;
	return document;
}
