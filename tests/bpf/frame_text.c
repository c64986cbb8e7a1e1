/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fields of a frame from their text in a case file. Refuses what it does not understand whole: a
 * field that is half read would make a case that tests something else.
 */
#include "frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_hex(const char *text, uint8_t *bytes, unsigned max, unsigned *len)
{
	char pair[3] = "";
	char *end;

	for (*len = 0; text[0]; text += 2, ++*len) {
		if (*len == max || !text[1])
			return -EINVAL;
		memcpy(pair, text, 2);
		bytes[*len] = (uint8_t)strtoul(pair, &end, 16);
		if (*end)
			return -EINVAL;
	}
	return 0;
}

/* Options in hex; "pad:N" stands for N no-operation bytes and the end of the list. */
static int parse_options(const char *text, uint8_t *bytes, unsigned *len)
{
	if (!strncmp(text, "nop:", 4)) {
		*len = (unsigned)strtoul(text + 4, NULL, 10);
		if (*len > FRAME_MAX_OPTIONS || *len % 4)
			return -EINVAL;
		memset(bytes, 1, *len);
		return 0;
	}
	return parse_hex(text, bytes, FRAME_MAX_OPTIONS, len) || *len % 4 ? -EINVAL : 0;
}

static int parse_mac(const char *text, uint8_t *mac)
{
	unsigned i, value[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &value[0], &value[1], &value[2], &value[3], &value[4],
		   &value[5]) != 6)
		return -EINVAL;
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)value[i];
	return 0;
}

static int parse_checksum(struct frame *frame, const char *text)
{
	char *end;

	if (!strcmp(text, "partial")) {
		frame->checksum = FRAME_CHECKSUM_PARTIAL;
		return 0;
	}
	frame->checksum = *text == '+' ? FRAME_CHECKSUM_OFF : FRAME_CHECKSUM_SET;
	frame->checksum_value = (uint16_t)strtoul(text + (*text == '+'), &end, 0);
	return *end ? -EINVAL : 0;
}

/* tune=VALUE[,PORT]: the checksum that the frame has, if PORT is given once it is the port at the
 * service's side. */
static int parse_tune(struct frame *frame, const char *text, struct frame_override *port)
{
	char *end;

	frame->tune = true;
	frame->tune_to = (uint16_t)strtoul(text, &end, 0);
	if (*end == ',') {
		port->set = true;
		port->value = (uint32_t)strtoul(end + 1, &end, 0);
	}
	return *end ? -EINVAL : 0;
}

/* vlan=ID[,ID...]; with two or more the outer ones are 802.1ad, one is if "ad:" stands before it. */
static int parse_tags(struct frame *frame, const char *text)
{
	bool ad = !strncmp(text, "ad:", 3);
	char *end;
	unsigned i;

	text += ad ? 3 : 0;
	for (frame->tag_count = 0; frame->tag_count < FRAME_MAX_TAGS; text = end + 1) {
		frame->tags[frame->tag_count++].tci = (uint16_t)strtoul(text, &end, 0);
		if (!*end)
			break;
		if (*end != ',')
			return -EINVAL;
	}
	for (i = 0; i < frame->tag_count; i++)
		frame->tags[i].proto = i + 1 < frame->tag_count || ad ? 0x88a8 : 0x8100;
	return *end ? -EINVAL : 0;
}

/* ext=NAME[:LENGTH],...; frag's number is offset and flags. */
static int parse_extension(const char *word, struct frame_extension *extension)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} names[] = {
		{ "hop", IPPROTO_HOPOPTS },
		{ "dst", IPPROTO_DSTOPTS },
		{ "frag", IPPROTO_FRAGMENT },
		{ "route", IPPROTO_ROUTING },
		{ "ah", IPPROTO_AH },
		{ "mh", IPPROTO_MH },
		{ "esp", IPPROTO_ESP },
		{ "none", IPPROTO_NONE },
		{ "hip", 139 },
		{ "shim6", 140 },
	};
	size_t i, len = strcspn(word, ":");
	unsigned long number = 0;
	char *end;

	if (word[len]) {
		number = strtoul(word + len + 1, &end, 0);
		if (*end || number > UINT16_MAX)
			return -EINVAL;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i].name) == len && !strncmp(names[i].name, word, len))
			break;
	if (i == sizeof(names) / sizeof(names[0]))
		return -EINVAL;
	extension->proto = names[i].proto;
	extension->len = 8;
	if (extension->proto == IPPROTO_FRAGMENT)
		extension->frag = (uint16_t)number;
	else if (number)
		extension->len = (uint8_t)number;
	return extension->len % 8 ? -EINVAL : 0;
}

static int parse_extensions(struct frame *frame, const char *text)
{
	char copy[128], *word, *rest;

	snprintf(copy, sizeof(copy), "%s", text);
	frame->extension_count = 0;
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		if (frame->extension_count == FRAME_MAX_EXTENSIONS ||
		    parse_extension(word, &frame->extensions[frame->extension_count++]))
			return -EINVAL;
	return 0;
}

int frame_parse_address(const char *text, struct frame_address *address)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, address->bytes + 12) == 1)
		return 0;
	address->six = true;
	return inet_pton(AF_INET6, text, address->bytes) == 1 ? 0 : -EINVAL;
}

int frame_parse_icmp(const char *text, struct frame_icmp *icmp)
{
	static const struct {
		const char *name;
		uint8_t type4, code4, type6, code6;
	} kinds[] = {
		{ "unreachable", 3, 1, 1, 3 }, { "port", 3, 3, 1, 4 },	 { "toobig", 3, 4, 2, 0 },
		{ "time", 11, 0, 3, 0 },       { "param", 12, 0, 4, 1 }, { "quench", 4, 0, 100, 0 },
		{ "echo", 8, 0, 128, 0 },
	};
	unsigned type, code;
	size_t i;

	icmp->is = true;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, text))
			continue;
		icmp->type4 = kinds[i].type4;
		icmp->code4 = kinds[i].code4;
		icmp->type6 = kinds[i].type6;
		icmp->code6 = kinds[i].code6;
		return 0;
	}
	if (sscanf(text, "%u.%u", &type, &code) != 2)
		return -EINVAL;
	icmp->type4 = icmp->type6 = (uint8_t)type;
	icmp->code4 = icmp->code6 = (uint8_t)code;
	return 0;
}

struct number {
	const char *key;
	void *at;
	size_t size;
	uint64_t max;
};

static int set_number(const struct number *number, uint64_t value)
{
	struct frame_override *override = number->at;

	if (value > number->max)
		return -EINVAL;
	switch (number->size) {
	case 1:
		*(uint8_t *)number->at = (uint8_t)value;
		return 0;
	case 2:
		*(uint16_t *)number->at = (uint16_t)value;
		return 0;
	case 4:
		*(uint32_t *)number->at = (uint32_t)value;
		return 0;
	default:
		override->set = true;
		override->value = (uint32_t)value;
		return 0;
	}
}

static int set_by_name(struct frame *frame, const char *key, const char *value)
{
	const struct number numbers[] = {
#define PLAIN(name, field) \
	{ name, &frame->field, sizeof(frame->field), (1ull << 8 * sizeof(frame->field)) - 1 }
#define OVERRIDE(name, field)                                         \
	{                                                             \
		name, &frame->field, sizeof(frame->field), UINT32_MAX \
	}
		PLAIN("ethertype", eth_type),
		PLAIN("version", ip_version),
		PLAIN("tos", tos),
		PLAIN("ttl", ttl),
		PLAIN("proto", proto),
		PLAIN("id", ip_id),
		PLAIN("frag", frag),
		PLAIN("sport", sport),
		PLAIN("dport", dport),
		PLAIN("win", window),
		PLAIN("urg", urgent),
		PLAIN("seq", seq),
		PLAIN("ack", ack),
		PLAIN("reserved", reserved),
		PLAIN("data", payload_len),
		PLAIN("first", payload_first),
		PLAIN("pad", pad_len),
		OVERRIDE("ihl", ihl),
		OVERRIDE("iplen", ip_len),
		OVERRIDE("ipsum", ip_checksum),
		OVERRIDE("doff", doff),
		OVERRIDE("cut", cut),
		OVERRIDE("quote", icmp.len),
		OVERRIDE("qsport", icmp.sport),
		OVERRIDE("qdport", icmp.dport),
		PLAIN("mtu", icmp.mtu),
#undef PLAIN
#undef OVERRIDE
	};
	unsigned long long number;
	char *end;
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(numbers[i].key, key))
			continue;
		number = strtoull(value, &end, 0);
		return *end || !*value ? -EINVAL : set_number(&numbers[i], number);
	}
	return -EINVAL;
}

int frame_set(struct frame *frame, const char *key, const char *value)
{
	struct frame_address *address = !strcmp(key, "src")   ? &frame->src
					: !strcmp(key, "dst") ? &frame->dst
					: !strcmp(key, "via") ? &frame->icmp.via
							      : NULL;

	if (address) {
		if (frame_parse_address(value, address))
			return -EINVAL;
		if (frame->family == 6)
			frame_address_make_six(address);
		return 0;
	}
	if (!strcmp(key, "vlan"))
		return parse_tags(frame, value);
	if (!strcmp(key, "ext"))
		return parse_extensions(frame, value);
	if (!strcmp(key, "ethsrc"))
		return parse_mac(value, frame->eth_src);
	if (!strcmp(key, "ethdst"))
		return parse_mac(value, frame->eth_dst);
	if (!strcmp(key, "ipopt"))
		return parse_options(value, frame->ip_options, &frame->ip_options_len);
	if (!strcmp(key, "tcpopt"))
		return parse_options(value, frame->tcp_options, &frame->tcp_options_len);
	if (!strcmp(key, "csum"))
		return parse_checksum(frame, value);
	if (!strcmp(key, "tune"))
		return parse_tune(frame, value, &frame->tune_dport);
	if (!strcmp(key, "tunesrc"))
		return parse_tune(frame, value, &frame->tune_sport);
	if (!strcmp(key, "raw")) {
		frame->has_raw = true;
		return parse_hex(value, frame->raw, sizeof(frame->raw), &frame->raw_len);
	}
	return set_by_name(frame, key, value);
}

int frame_set_flags(struct frame *frame, const char *letters)
{
	static const char order[] = "FSRPAUEC";
	const char *at;

	frame->flags = 0;
	if (!strcmp(letters, "none"))
		return 0;
	for (; *letters; letters++) {
		at = strchr(order, *letters);
		if (!at)
			return -EINVAL;
		frame->flags |= (uint8_t)(1u << (at - order));
	}
	return 0;
}
