/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel and other programs of this host say, as bytes: sock_diag's messages, routes,
 * docker-proxy's command line, and the index in a header of Consul's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "consul_json.h"
#include "docker_proxy.h"
#include "iface.h"
#include "sock_diag.h"

/* --- sock_diag --- */

struct datagram {
	char bytes[1024];
	size_t len;
};

static void put(struct datagram *datagram, uint16_t type, uint16_t flags, const void *payload,
		size_t len)
{
	const struct nlmsghdr header = { .nlmsg_len = (uint32_t)(sizeof(header) + len),
					 .nlmsg_type = type,
					 .nlmsg_flags = flags,
					 .nlmsg_seq = 7 };

	memcpy(datagram->bytes + datagram->len, &header, sizeof(header));
	memcpy(datagram->bytes + datagram->len + sizeof(header), payload, len);
	datagram->len += NLMSG_ALIGN(sizeof(header) + len);
}

static void put_socket(struct datagram *datagram, uint8_t family, uint16_t port, uint16_t flags)
{
	const struct inet_diag_msg socket = { .idiag_family = family,
					      .id.idiag_sport = htons(port),
					      .id.idiag_src = { htonl(0x0a500002), 1, 2, 3 },
					      .idiag_inode = 99,
					      .idiag_uid = 5 };

	put(datagram, SOCK_DIAG_BY_FAMILY, flags, &socket, sizeof(socket));
}

static struct sock_diag_message only(const struct datagram *datagram, int family)
{
	const char *at = datagram->bytes;
	size_t len = datagram->len;
	struct sock_diag_message message, rest;

	assert_true(sock_diag_next(&at, &len, family, &message));
	assert_false(sock_diag_next(&at, &len, family, &rest));
	return message;
}

static void sockets_and_the_end(void **state)
{
	struct datagram datagram = { .len = 0 };
	struct sock_diag_message message;
	const char *at = datagram.bytes;
	const int good = 0;
	size_t len;

	(void)state;
	put_socket(&datagram, AF_INET, 31005, 0);
	put_socket(&datagram, AF_INET6, 31006, NLM_F_DUMP_INTR);
	put(&datagram, NLMSG_DONE, 0, &good, sizeof(good));
	len = datagram.len;
	assert_true(sock_diag_next(&at, &len, AF_INET, &message));
	assert_int_equal(message.kind, SOCK_DIAG_SOCKET);
	assert_int_equal(message.sequence, 7);
	assert_false(message.interrupted);
	assert_int_equal(message.socket.port, 31005);
	assert_int_equal(message.socket.inode, 99);
	assert_int_equal(message.socket.uid, 5);
	assert_int_equal(message.socket.address[0], htonl(0x0a500002));
	assert_int_equal(message.socket.address[1], 0);
	assert_true(sock_diag_next(&at, &len, AF_INET, &message));
	assert_int_equal(message.socket.family, AF_INET6);
	assert_int_equal(message.socket.address[3], 3);
	assert_true(message.interrupted);
	assert_true(sock_diag_next(&at, &len, AF_INET, &message));
	assert_int_equal(message.kind, SOCK_DIAG_DONE);
	assert_false(sock_diag_next(&at, &len, AF_INET, &message));
}

static void what_fails_says_so(void **state)
{
	struct nlmsgerr error = { .error = -ENOENT };
	struct datagram datagram = { .len = 0 };
	const int lost = -ENOBUFS, odd = 3;

	(void)state;
	put(&datagram, NLMSG_ERROR, 0, &error, sizeof(error));
	assert_int_equal(only(&datagram, AF_INET).kind, SOCK_DIAG_FAILED);
	assert_int_equal(only(&datagram, AF_INET).err, -ENOENT);
	/* a kernel without IPv6 has no such listeners */
	assert_int_equal(only(&datagram, AF_INET6).kind, SOCK_DIAG_DONE);
	/* a dump that ended half way is no whole one */
	datagram.len = 0;
	put(&datagram, NLMSG_DONE, 0, &lost, sizeof(lost));
	assert_int_equal(only(&datagram, AF_INET).kind, SOCK_DIAG_FAILED);
	assert_int_equal(only(&datagram, AF_INET).err, -ENOBUFS);
	datagram.len = 0;
	put(&datagram, NLMSG_ERROR, 0, &odd, sizeof(odd));
	assert_int_equal(only(&datagram, AF_INET).err, -EPROTO);
	datagram.len = 0;
	put(&datagram, NLMSG_ERROR, 0, &error, 2);
	assert_int_equal(only(&datagram, AF_INET).err, -EPROTO);
}

/* Every cut, and every length that lies: nothing is read beyond, and no socket is made up. */
static void lengths_are_not_believed(void **state)
{
	struct datagram whole = { .len = 0 };
	struct sock_diag_message message;

	(void)state;
	put_socket(&whole, AF_INET, 31005, 0);
	for (size_t cut = 0; cut < whole.len; cut++) {
		const char *at = whole.bytes;
		size_t len = cut;

		assert_false(sock_diag_next(&at, &len, AF_INET, &message));
	}
	for (uint32_t lie = 0; lie < 2 * whole.len; lie++) {
		const char *at = whole.bytes;
		size_t len = whole.len;

		memcpy(whole.bytes, &lie, sizeof(lie));
		if (sock_diag_next(&at, &len, AF_INET, &message))
			assert_true(lie >= sizeof(struct nlmsghdr) && lie <= whole.len &&
				    len <= whole.len - lie &&
				    (message.kind == SOCK_DIAG_SOCKET) == (lie == whole.len));
		else
			assert_true(lie < sizeof(struct nlmsghdr) || lie > whole.len);
	}
}

/* --- the rest --- */

static int route_of(const char *text, char name[IFNAMSIZ])
{
	char copy[2048];
	FILE *file;
	int err;

	snprintf(copy, sizeof(copy),
		 "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n%s", text);
	file = fmemopen(copy, strlen(copy), "r");
	assert_non_null(file);
	err = iface_read_routes(file, name);
	fclose(file);
	return err;
}

static void default_route(void **state)
{
	char name[IFNAMSIZ] = "none";

	(void)state;
	assert_int_equal(route_of("", name), -ENOENT);
	assert_int_equal(route_of("eth0\t0000500A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
				  name),
			 -ENOENT);
	assert_string_equal(name, "none");
	assert_int_equal(route_of("eth1\t00000000\t0100500A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
				  "eth0\t00000000\t0100500A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
				  "eth2\t00000000\t0100500A\t0002\t0\t0\t1\t00000000\t0\t0\t0\n",
				  name),
			 0);
	assert_string_equal(name, "eth0");
}

static void docker_proxys_words(void **state)
{
	static const char line[] = "docker-proxy\0-proto\0tcp\0-host-ip\0::\0-host-port\0"
				   "31005\0-container-ip\0"
				   "172.17.0.2\0-container-port\0"
				   "80";
	static const char cut[] = "docker-proxy\0-host-port\0"
				  "70000\0-host-ip";
	struct docker_proxy proxy;

	(void)state;
	docker_proxy_read(line, sizeof(line), &proxy);
	assert_string_equal(proxy.host_ip, "::");
	assert_int_equal(proxy.host_port, 31005);
	assert_string_equal(proxy.container_ip, "172.17.0.2");
	assert_string_equal(proxy.container_port, "80");
	docker_proxy_read(cut, sizeof(cut), &proxy);
	assert_null(proxy.host_ip);
	assert_int_equal(proxy.host_port, 0);
}

static void consuls_index(void **state)
{
	static const char *const bad[] = { "",	 "-1",	" 1",  "1 ",
					   "+1", "0x1", "1e3", "18446744073709551616" };
	uint64_t index = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(consul_json_index(bad[i], &index), -EINVAL);
	assert_int_equal(consul_json_index("18446744073709551615", &index), 0);
	assert_true(index == UINT64_MAX);
	assert_int_equal(consul_json_index("0", &index), 0);
	assert_int_equal(index, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sockets_and_the_end),	    cmocka_unit_test(what_fails_says_so),
		cmocka_unit_test(lengths_are_not_believed), cmocka_unit_test(default_route),
		cmocka_unit_test(docker_proxys_words),	    cmocka_unit_test(consuls_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
