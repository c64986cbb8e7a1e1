/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Floods one address and port with TCP segments from random sources, made in the kernel (see
 * flood.bpf.c), for so many packets or so much time, at a rate or as fast as it goes. Prints what it
 * sent, how much of that the interface took, and the rate. For the lab: it sends only by the
 * interface it is told, which must hand frames over (veth: the other end has an XDP program or GRO).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "arguments.h"
#include "flood.h"
#include "flood.skel.h"
#include "process.h"

#define FRAME_LEN 54	/* Ethernet, IPv4, TCP without options */
#define BATCH 64	/* frames the kernel makes at once: fewer than a veth's ring holds (256) */
#define STEP_NS 1000000 /* with a rate: as many packets as are due, then sleep so long */
#define FREE_STEP 8192	/* packets between two looks at the clock */

struct flood {
	struct flood_order order;
	const char *interface;
	uint64_t rate, count, duration_ns; /* 0: no limit */
	bool json;
};

static const char usage_text[] =
	"usage: flood --interface NAME --to ADDRESS:PORT --to-mac MAC --from-mac MAC --from NETWORK/BITS\n"
	"             --kind syn|ack|twice --seconds S [--rate PACKETS/S] [--count N] [--json]\n"
	"twice: each source sends a SYN and then an ACK with a guessed number. At most 600 seconds.\n"
	"Exits 0 if packets were sent, 1 if not, 2 for wrong usage.\n";

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t number(const char *what, const char *text, uint64_t max)
{
	uint64_t value;

	if (!arguments_whole(text, 1, max, &value))
		arguments_die(what, text);
	return value;
}

static void parse_mac(const char *what, const char *text, __u8 mac[ETH_ALEN])
{
	unsigned bytes[ETH_ALEN];
	char end;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
		   &bytes[4], &bytes[5], &end) != ETH_ALEN)
		arguments_die(what, text);
	for (int i = 0; i < ETH_ALEN; i++)
		mac[i] = (__u8)bytes[i];
}

static void parse_to(struct flood_order *order, const char *text)
{
	const char *colon = strrchr(text, ':');
	struct in_addr address;

	if (!arguments_ipv4(text, colon, &address))
		arguments_die("--to: not ADDRESS:PORT", text);
	order->to = address.s_addr;
	order->port = htons((uint16_t)number("--to: not a port", colon + 1, 65535));
}

static void parse_from(struct flood_order *order, const char *text)
{
	const char *slash = strchr(text, '/');
	struct in_addr network;

	if (!arguments_ipv4(text, slash, &network))
		arguments_die("--from: not NETWORK/BITS", text);
	order->from_mask = UINT32_MAX >> number("--from: not 1 to 31 bits", slash + 1, 31);
	order->from = ntohl(network.s_addr) & ~order->from_mask;
}

static void parse_kind(struct flood_order *order, const char *text)
{
	static const char *const names[] = { "syn", "ack", "twice" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			order->kind = i;
			return;
		}
	}
	arguments_die("--kind: not syn, ack or twice", text);
}

static void parse(int argc, char **argv, struct flood *flood)
{
	static const struct option longs[] = {
		{ "interface", required_argument, NULL, 'i' },
		{ "to", required_argument, NULL, 't' },
		{ "to-mac", required_argument, NULL, 'm' },
		{ "from-mac", required_argument, NULL, 'M' },
		{ "from", required_argument, NULL, 'f' },
		{ "kind", required_argument, NULL, 'k' },
		{ "rate", required_argument, NULL, 'r' },
		{ "count", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned given = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		given += strchr("itmMfks", c) != NULL;
		switch (c) {
		case 'i':
			flood->interface = optarg;
			break;
		case 't':
			parse_to(&flood->order, optarg);
			break;
		case 'm':
			parse_mac("--to-mac", optarg, flood->order.to_mac);
			break;
		case 'M':
			parse_mac("--from-mac", optarg, flood->order.from_mac);
			break;
		case 'f':
			parse_from(&flood->order, optarg);
			break;
		case 'k':
			parse_kind(&flood->order, optarg);
			break;
		case 'r':
			flood->rate = number("--rate", optarg, 100000000);
			break;
		case 'n':
			flood->count = number("--count", optarg, UINT32_MAX);
			break;
		case 's':
			flood->duration_ns = number("--seconds", optarg, 600) * 1000000000;
			break;
		case 'j':
			flood->json = true;
			break;
		case 'h':
			arguments_usage(usage_text, true);
		default:
			arguments_usage(usage_text, false);
		}
	}
	if (optind != argc || given != 7)
		arguments_usage(usage_text, false);
	flood->order.ifindex = if_nametoindex(flood->interface);
	if (!flood->order.ifindex)
		arguments_die("no such interface", flood->interface);
}

/* How many packets the interface has sent, as it counts them itself, modulo 2^32. */
static int interface_sent(const char *interface, uint32_t *packets)
{
	struct ifaddrs *list, *at;
	int err = -ENODEV;

	if (getifaddrs(&list))
		return -errno;
	for (at = list; at; at = at->ifa_next) {
		if (at->ifa_addr && at->ifa_addr->sa_family == AF_PACKET && at->ifa_data &&
		    !strcmp(at->ifa_name, interface)) {
			*packets = ((const struct rtnl_link_stats *)at->ifa_data)->tx_packets;
			err = 0;
		}
	}
	freeifaddrs(list);
	return err;
}

/* How many packets may be sent now; 0: none yet. */
static uint64_t due(const struct flood *flood, uint64_t sent, uint64_t elapsed_ns)
{
	uint64_t may = sent + FREE_STEP;

	if (flood->rate)
		may = (uint64_t)((double)elapsed_ns * (double)flood->rate / 1e9);
	if (may > sent + FREE_STEP)
		may = sent + FREE_STEP;
	if (flood->count && may > flood->count)
		may = flood->count;
	return may > sent ? may - sent : 0;
}

static int run(const struct flood *flood, struct flood_bpf *skel, uint64_t *elapsed_ns)
{
	static uint8_t frame[FRAME_LEN];
	const struct timespec pause = { .tv_nsec = STEP_NS };
	const int fd = bpf_program__fd(skel->progs.flood_make);
	const uint64_t started_ns = now_ns();
	uint64_t asked = 0;

	for (;;) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = FRAME_LEN,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
		uint64_t packets;
		int err;

		*elapsed_ns = now_ns() - started_ns;
		if (process_told_to_stop || *elapsed_ns >= flood->duration_ns ||
		    (flood->count && asked >= flood->count))
			return 0;
		packets = due(flood, asked, *elapsed_ns);
		if (!packets) {
			nanosleep(&pause, NULL);
			continue;
		}
		opts.repeat = (int)packets;
		err = bpf_prog_test_run_opts(fd, &opts);
		if (err && err != -EINTR)
			return err;
		asked += packets;
	}
}

static void print(const struct flood *flood, uint64_t sent, uint32_t taken, uint64_t elapsed_ns)
{
	const double seconds = (double)elapsed_ns / 1e9;
	const double rate = seconds > 0 ? (double)sent / seconds : 0;

	printf(flood->json
		       ? "{\"sent\": %lu, \"taken\": %u, \"seconds\": %.3f, \"rate\": %.0f}\n"
		       : "%lu packets, of which the interface took %u, in %.3f s: %.0f a second\n",
	       sent, taken, seconds, rate);
}

int main(int argc, char **argv)
{
	struct flood flood = { 0 };
	struct flood_bpf *skel = NULL;
	uint64_t elapsed_ns = 0, sent = 0;
	uint32_t before = 0, after = 0;
	int err;

	parse(argc, argv, &flood);
	process_stop_on_signals();
	skel = flood_bpf__open();
	if (!skel) {
		err = -errno;
		goto out;
	}
	memcpy((void *)(uintptr_t)&skel->rodata->flood_order, &flood.order, sizeof(flood.order));
	err = flood_bpf__load(skel);
	if (err)
		goto out;
	err = interface_sent(flood.interface, &before);
	if (err)
		goto out;
	err = run(&flood, skel, &elapsed_ns);
	if (err)
		goto out;
	err = interface_sent(flood.interface, &after);
	if (err)
		goto out;
	sent = skel->bss->flood_sent;
	print(&flood, sent, after - before, elapsed_ns);
out:
	if (err)
		fprintf(stderr, "flood: %s: %s\n", flood.interface, strerror(-err));
	flood_bpf__destroy(skel);
	return err || !sent;
}
