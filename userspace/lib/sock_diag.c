/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything is copied out before it is looked at, so neither alignment nor a length that lies can
 * do harm. A dump that fails half way says so in NLMSG_DONE's payload (Linux 4.14 and later).
 */
#include "sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define TCP_STATE_LISTEN 10

int sock_diag_ask(int fd, int family, uint32_t sequence)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} question = {
		.header = { .nlmsg_len = sizeof(question),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = sequence },
		.request = { .sdiag_family = (__u8)family,
			     .sdiag_protocol = IPPROTO_TCP,
			     .idiag_states = 1u << TCP_STATE_LISTEN },
	};
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (sendto(fd, &question, sizeof(question), 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
	    0)
		return -errno;
	return 0;
}

static void end(struct sock_diag_message *message, int family, int err)
{
	bool absent = err == -ENOENT && family == AF_INET6;

	message->kind = err && !absent ? SOCK_DIAG_FAILED : SOCK_DIAG_DONE;
	message->err = absent ? 0 : err;
}

/* The error that a message begins with; -EPROTO: it is too short, or none. */
static int read_error(const char *payload, size_t len)
{
	int error;

	if (len < sizeof(error))
		return -EPROTO;
	memcpy(&error, payload, sizeof(error));
	return error > 0 ? -EPROTO : error;
}

static void read_socket(const char *payload, size_t len, struct sock_diag_message *message)
{
	struct inet_diag_msg told;
	bool six;

	if (len < sizeof(told))
		return;
	memcpy(&told, payload, sizeof(told));
	six = told.idiag_family == AF_INET6;
	if (!six && told.idiag_family != AF_INET)
		return;
	message->kind = SOCK_DIAG_SOCKET;
	message->socket.family = told.idiag_family;
	message->socket.port = ntohs(told.id.idiag_sport);
	message->socket.inode = told.idiag_inode;
	message->socket.uid = told.idiag_uid;
	memcpy(message->socket.address, told.id.idiag_src,
	       six ? sizeof(message->socket.address) : sizeof(message->socket.address[0]));
}

bool sock_diag_next(const char **bytes, size_t *len, int family, struct sock_diag_message *message)
{
	struct nlmsghdr header;
	const char *payload = *bytes + sizeof(header);
	size_t payload_len, whole;

	if (*len < sizeof(header))
		return false;
	memcpy(&header, *bytes, sizeof(header));
	if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > *len)
		return false;
	payload_len = header.nlmsg_len - sizeof(header);
	/* the last one may lack its padding */
	whole = NLMSG_ALIGN((size_t)header.nlmsg_len);
	whole = whole < *len ? whole : *len;
	*bytes += whole;
	*len -= whole;
	*message =
		(struct sock_diag_message){ .kind = SOCK_DIAG_OTHER,
					    .sequence = header.nlmsg_seq,
					    .interrupted = header.nlmsg_flags & NLM_F_DUMP_INTR };
	if (header.nlmsg_type == NLMSG_DONE)
		end(message, family, payload_len ? read_error(payload, payload_len) : 0);
	else if (header.nlmsg_type == NLMSG_ERROR)
		end(message, family, read_error(payload, payload_len));
	else if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
		read_socket(payload, payload_len, message);
	return true;
}
