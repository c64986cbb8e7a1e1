/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads and writes inputs of the packets target.
 */
#include "packets_input.h"

#include <string.h>

enum { HEAD = 3 };

struct packets_record *packets_add(struct packets_input *input, enum packets_kind kind,
				   const uint8_t *body, size_t len)
{
	struct packets_record *record;

	if (input->count == PACKETS_RECORDS || len > PACKETS_BODY_MAX)
		return NULL;
	record = &input->records[input->count++];
	record->kind = kind;
	record->len = len;
	if (len)
		memcpy(record->body, body, len);
	return record;
}

void packets_decode(struct packets_input *input, const uint8_t *data, size_t len)
{
	size_t at = 1, body;

	input->settings = len ? data[0] : 0;
	input->count = 0;
	while (at + HEAD <= len) {
		body = (size_t)data[at + 1] | (size_t)data[at + 2] << 8;
		if (body > len - at - HEAD)
			body = len - at - HEAD;
		packets_add(input, (enum packets_kind)(data[at] % PACKETS_KINDS), data + at + HEAD,
			    body);
		at += HEAD + body;
	}
}

size_t packets_encode(const struct packets_input *input, uint8_t *data, size_t room)
{
	const struct packets_record *record;
	size_t at = 1;
	unsigned i;

	if (!room)
		return 0;
	data[0] = input->settings;
	for (i = 0; i < input->count; i++) {
		record = &input->records[i];
		if (at + HEAD + record->len > room)
			break;
		data[at] = (uint8_t)record->kind;
		data[at + 1] = (uint8_t)record->len;
		data[at + 2] = (uint8_t)(record->len >> 8);
		memcpy(data + at + HEAD, record->body, record->len);
		at += HEAD + record->len;
	}
	return at;
}
