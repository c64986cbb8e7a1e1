/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: values in the headers of answers. 'i' and a text: Consul's index; 'l' and a text: a
 * master that says where the leader is. An index is read as it stands or refused; no address moves
 * the daemon to a master that the configuration does not name.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "consul_json.h"
#include "masters.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_index(const char *text)
{
	uint64_t index = 1;
	char again[32];

	if (consul_json_index(text, &index)) {
		must(index == 1);
		return;
	}
	snprintf(again, sizeof(again), "%" PRIu64, index);
	text += strspn(text, "0");
	must(!strcmp(*text ? text : "0", again));
}

static void follow(const char *url)
{
	static char one[] = "http://10.80.0.250:8080", two[] = "https://master-2.example.com",
		    none[] = "";
	static const struct config config = { .marathon_url = { one, two },
					      .marathon_url_count = 2,
					      .user_file = none,
					      .marathon_ca_file = none };
	struct masters masters = { 0 };

	must(!masters_init(&masters, &config));
	if (masters_switch(&masters, url))
		must(masters.current == 1 && strstr(masters_current(&masters), "master-2"));
	else
		must(masters.current == 0);
	masters_release(&masters);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = malloc(len);
	must(text);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = 0;
	if (data[0] == 'i')
		read_index(text);
	else
		follow(text);
	free(text);
	return 0;
}
