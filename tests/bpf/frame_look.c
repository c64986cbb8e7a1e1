/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading frames back: where things lie, whether the checksum is right, what a frame is in one
 * line. From the bytes alone, by code that shares nothing with the BPF programs.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "frame.h"
#include "frame_bytes.h"

/* Past extension headers. The place behind them, 0 if there is none. */
static size_t skip_extensions(const uint8_t *buf, size_t at, size_t len, uint8_t *proto)
{
	while (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_DSTOPTS ||
	       *proto == IPPROTO_FRAGMENT) {
		if (at + 8 > len || (*proto == IPPROTO_FRAGMENT && get16(buf + at + 2) & 0xfff8))
			return 0;
		*proto = buf[at];
		at += buf[at + 1] * 8u + 8;
	}
	return at;
}

/* An IP packet at `at`: family, proto, l3, l4, end. */
static bool locate_ip(const uint8_t *buf, size_t at, size_t len, struct frame_places *places)
{
	places->l3 = at;
	if (at + IP4_LEN > len)
		return false;
	places->family = buf[at] >> 4;
	if (places->family == 4) {
		places->proto = buf[at + 9];
		places->l4 = at + (buf[at] & 15u) * 4;
		places->end = at + get16(buf + at + 2);
		return !(get16(buf + at + 6) & 0x1fff);
	}
	if (places->family != 6 || at + IP6_LEN > len)
		return false;
	places->proto = buf[at + 6];
	places->l4 = skip_extensions(buf, at + IP6_LEN, len, &places->proto);
	places->end = at + IP6_LEN + get16(buf + at + 4);
	return places->l4 != 0;
}

static bool is_error(const struct frame_places *places, uint8_t type)
{
	if (places->family == 6)
		return places->proto == IPPROTO_ICMPV6 && type < 128;
	return places->proto == IPPROTO_ICMP &&
	       (type == 3 || type == 4 || type == 11 || type == 12);
}

bool frame_locate(const uint8_t *buf, size_t len, struct frame_places *places)
{
	struct frame_places quote;
	size_t at = 12;

	memset(places, 0, sizeof(*places));
	while (at + 6 < len && (get16(buf + at) == 0x8100 || get16(buf + at) == 0x88a8))
		at += TAG_LEN;
	if (at + 2 > len || (get16(buf + at) != 0x0800 && get16(buf + at) != 0x86dd))
		return false;
	if (!locate_ip(buf, at + 2, len, places) || places->end > len)
		return false;
	if (places->proto == IPPROTO_TCP)
		return places->l4 + TCP_LEN <= places->end;
	if (places->l4 + ICMP_LEN > places->end || !is_error(places, buf[places->l4]))
		return false;
	if (locate_ip(buf, places->l4 + ICMP_LEN, len, &quote) && quote.proto == IPPROTO_TCP &&
	    quote.l4 + 8 <= places->end)
		places->quote_l4 = quote.l4;
	return true;
}

bool frame_checksum_valid(const uint8_t *buf, size_t len)
{
	struct frame_places places;
	uint16_t sum;

	if (!frame_locate(buf, len, &places))
		return false;
	sum = sum_bytes(buf + places.l4, places.end - places.l4);
	if (places.proto != IPPROTO_ICMP)
		sum = ones_add(sum, sum_pseudo(buf + places.l3, places.family, places.proto,
					       (uint32_t)(places.end - places.l4)));
	return sum == 0xffff;
}

static void print_tcp(FILE *to, const uint8_t *tcp)
{
	static const char letters[] = "FSRPAUEC";
	unsigned i;

	fprintf(to, " tcp %u > %u ", get16(tcp), get16(tcp + 2));
	for (i = 0; i < 8; i++)
		if (tcp[13] >> i & 1)
			fputc(letters[i], to);
	fprintf(to, " seq=%u ack=%u win=%u csum=0x%04x", get32(tcp + 4), get32(tcp + 8),
		get16(tcp + 14), get16(tcp + 16));
}

void frame_print(FILE *to, const char *label, const uint8_t *buf, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	struct frame_places places;
	const uint8_t *ip;
	bool four;

	fprintf(to, "%s %zu bytes", label, len);
	if (frame_locate(buf, len, &places)) {
		ip = buf + places.l3;
		four = places.family == 4;
		fprintf(to, " ip%u len=%zu proto=%u ttl=%u %s", places.family,
			places.end - places.l3, places.proto, ip[four ? 8 : 7],
			inet_ntop(four ? AF_INET : AF_INET6, ip + (four ? 12 : 8), text,
				  sizeof(text)));
		fprintf(to, " > %s",
			inet_ntop(four ? AF_INET : AF_INET6, ip + (four ? 16 : 24), text,
				  sizeof(text)));
		if (places.proto == IPPROTO_TCP)
			print_tcp(to, buf + places.l4);
		else
			fprintf(to, " icmp %u.%u", buf[places.l4], buf[places.l4 + 1]);
		if (places.quote_l4)
			fprintf(to, " quotes %u > %u", get16(buf + places.quote_l4),
				get16(buf + places.quote_l4 + 2));
		fprintf(to, " (%s)", frame_checksum_valid(buf, len) ? "right" : "wrong");
	}
	fputc('\n', to);
}

void frame_print_difference(FILE *to, const uint8_t *want, size_t want_len, const uint8_t *got,
			    size_t got_len)
{
	size_t i, j, max = want_len > got_len ? want_len : got_len;
	unsigned shown = 0;

	frame_print(to, "    want", want, want_len);
	frame_print(to, "    got ", got, got_len);
	for (i = 0; i < max && shown < 6; i += 16) {
		for (j = i; j < i + 16 && j < max; j++)
			if (j >= want_len || j >= got_len || want[j] != got[j])
				break;
		if (j == i + 16 || j == max)
			continue;
		shown++;
		fprintf(to, "    %04zx want", i);
		for (j = i; j < i + 16 && j < want_len; j++)
			fprintf(to, " %02x", want[j]);
		fprintf(to, "\n         got ");
		for (j = i; j < i + 16 && j < got_len; j++)
			fprintf(to, " %02x", got[j]);
		fputc('\n', to);
	}
}
