/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames as the packet cases describe them: field by field, with everything that can be derived
 * left to the builder. The checksums are computed here from scratch, by code that shares nothing
 * with the BPF programs. Knows nothing about maps, programs or verdicts.
 */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FRAME_MAX 65600
#define FRAME_MAX_OPTIONS 40
#define FRAME_MAX_TAGS 3
#define FRAME_MAX_EXTENSIONS 6

#define FRAME_FIN 0x01
#define FRAME_SYN 0x02
#define FRAME_RST 0x04
#define FRAME_PSH 0x08
#define FRAME_ACK 0x10
#define FRAME_URG 0x20

enum frame_checksum {
	FRAME_CHECKSUM_GOOD,
	FRAME_CHECKSUM_OFF,	/* the right one, plus checksum_value in ones' complement */
	FRAME_CHECKSUM_SET,	/* checksum_value, right or wrong */
	FRAME_CHECKSUM_PARTIAL, /* the folded sum of the pseudo header, as a sender with offload
				   leaves it */
};

/* A number that the builder derives unless the case sets it. */
struct frame_override {
	bool set;
	uint32_t value;
};

/* IPv4 in the last four bytes until the frame becomes an IPv6 one: then fd00:: stands before them. */
struct frame_address {
	bool six; /* was given as an IPv6 address */
	uint8_t bytes[16];
};

/* An IPv6 extension header. */
struct frame_extension {
	uint8_t proto;
	uint8_t len;   /* bytes, a multiple of eight */
	uint16_t frag; /* of a fragment header: offset and flags, as on the wire */
};

/* An ICMP error: the frame's IP packet is what it quotes. */
struct frame_icmp {
	bool is;
	uint8_t type4, code4, type6, code6;
	uint32_t mtu;			    /* behind the checksum */
	struct frame_address via;	    /* who sends it */
	struct frame_override len;	    /* bytes quoted behind the IP header; else all */
	struct frame_override sport, dport; /* written into the quote when it is finished */
};

/* All numbers in host order. */
struct frame {
	unsigned family; /* 4 or 6 */
	uint8_t eth_dst[6], eth_src[6];
	struct {
		uint16_t proto, tci;
	} tags[FRAME_MAX_TAGS];
	unsigned tag_count;
	struct frame_extension extensions[FRAME_MAX_EXTENSIONS];
	unsigned extension_count;
	struct frame_icmp icmp;
	uint16_t eth_type;
	uint8_t ip_version, tos, ttl, proto;
	uint16_t ip_id, frag; /* ip_id: IPv6's flow label; frag: flags and offset, as on the wire */
	struct frame_address src, dst;
	uint8_t ip_options[FRAME_MAX_OPTIONS];
	unsigned ip_options_len; /* multiple of 4 */
	struct frame_override ihl, ip_len, ip_checksum;
	uint16_t sport, dport, window, urgent;
	uint32_t seq, ack;
	uint8_t flags, reserved;
	uint8_t tcp_options[FRAME_MAX_OPTIONS];
	unsigned tcp_options_len; /* multiple of 4 */
	struct frame_override doff;
	enum frame_checksum checksum;
	uint16_t checksum_value;
	bool tune; /* choose urgent so that the right checksum is tune_to if the destination port is
		      tune_dport */
	struct frame_override tune_sport, tune_dport;
	uint16_t tune_to;
	unsigned payload_len;
	uint8_t payload_first;	   /* payload is this byte, the next one, ... */
	unsigned pad_len;	   /* bytes behind the IP packet, as Ethernet adds them */
	struct frame_override cut; /* whole length of what is left of the frame */
	bool has_raw;		   /* the frame is raw[], nothing above counts */
	uint8_t raw[256];
	unsigned raw_len;
};

/* What a client sends to port 80, and what a backend answers, as far as a case does not say
 * otherwise. IPv4. */
void frame_init_in(struct frame *frame);
void frame_init_out(struct frame *frame);

/* Make it an IPv6 frame; what was IPv4 lies behind fd00::. Nothing happens to one that is. */
void frame_make_six(struct frame *frame);
void frame_address_make_six(struct frame_address *address);

/* Set one field from its text. 0, or -EINVAL for an unknown key or a bad value. */
int frame_set(struct frame *frame, const char *key, const char *value);

/* From text of either family. 0 or -EINVAL. */
int frame_parse_address(const char *text, struct frame_address *address);

/* Kind of ICMP error by name (unreachable, port, toobig, time, param, quench, echo) or as TYPE.CODE.
 * 0 or -EINVAL. */
int frame_parse_icmp(const char *text, struct frame_icmp *icmp);

/* TCP flags from letters (FSRPAUEC, or `none`). 0 or -EINVAL. */
int frame_set_flags(struct frame *frame, const char *letters);

/* Build into buf (FRAME_MAX bytes). Returns the length. Resolves tune in *frame. */
size_t frame_build(struct frame *frame, uint8_t *buf);

/*
 * The frame that must come out when only ports may change: built from scratch from `to`. If `from`
 * had a wrong checksum, the result is wrong by the same amount.
 */
size_t frame_build_rewritten(struct frame *from, struct frame *to, uint8_t *buf);

/* The reset that answers a SYN. */
void frame_make_reset(const struct frame *syn, struct frame *reset);

/* The client's SYN once more, made of the packet by which it was refused. */
void frame_make_again(const struct frame *syn, const struct frame *refusal, struct frame *again);

/*
 * The challenge ACK made of the packet by which a newer SYN was refused: it goes on to the client.
 * seq, ack and sport are those of a first connection of the cases.
 */
void frame_make_challenge(const struct frame *refusal, struct frame *challenge);

/* Length of Ethernet header and IP packet, without padding and before a cut. */
size_t frame_packet_len(const struct frame *frame);

/* Where things lie in a frame, from the bytes alone. */
struct frame_places {
	unsigned family;
	size_t l3, l4, end; /* end: of the IP packet */
	uint8_t proto;
	size_t quote_l4; /* ICMP errors: the quoted packet's TCP header; else 0 */
};

/* False if it is no whole IP packet with TCP or an ICMP error. */
bool frame_locate(const uint8_t *buf, size_t len, struct frame_places *places);

/* The TCP or ICMP checksum is right, judged from the bytes alone. Only for whole, sane frames. */
bool frame_checksum_valid(const uint8_t *buf, size_t len);

/* One line that says what a frame is, and where two differ. */
void frame_print(FILE *to, const char *label, const uint8_t *buf, size_t len);
void frame_print_difference(FILE *to, const uint8_t *want, size_t want_len, const uint8_t *got,
			    size_t got_len);

#endif
