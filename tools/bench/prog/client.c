/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs are attached by links that nothing pins, so they go with the process at the latest, as its sockets do.
 */
#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* knows nothing of what the others declare */
#include "bench_prog.skel.h"

static int raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

int client_enter(struct client *client, int root_fd, const char *name)
{
	int fd, err = 0;

	client->cgroup_fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (client->cgroup_fd < 0)
		return -errno;
	fd = openat(client->cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (!err && unshare(CLONE_NEWNET) < 0)
		err = -errno;
	return err ? err : raise_loopback();
}

static int listen_at(uint16_t port, struct pollfd *listener)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};

	listener->events = POLLIN;
	listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener->fd < 0 ||
	    bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener->fd, SOMAXCONN) < 0)
		return -errno;
	return 0;
}

int client_open_sockets(struct client *client)
{
	int err = listen_at(CLIENT_OTHER_PORT, &client->listeners[0]);
	uint16_t i;

	for (i = 0; i < JOB_BACKENDS && !err; i++)
		err = listen_at(JOB_FIRST_PORT + i, &client->listeners[1 + i]);
	if (err)
		return err;
	client->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	client->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return client->udp_fd < 0 || client->tcp_fd < 0 ? -errno : 0;
}

void client_detach(struct client *client)
{
	int hook;

	for (hook = CGROUP_HOOKS - 1; hook >= 0; hook--) {
		bpf_link__destroy(client->links[hook]);
		client->links[hook] = NULL;
	}
}

int client_attach(struct client *client)
{
	const struct bpf_program *programs[CGROUP_HOOKS] = {
		[CGROUP_RELEASE] = client->world.skel->progs.sluice_release,
		[CGROUP_PEER4] = client->world.skel->progs.sluice_peer4,
		[CGROUP_PEER6] = client->world.skel->progs.sluice_peer6,
		[CGROUP_CONNECT4] = client->world.skel->progs.sluice_connect4,
		[CGROUP_CONNECT6] = client->world.skel->progs.sluice_connect6,
	};
	int hook;

	for (hook = 0; hook < CGROUP_HOOKS; hook++) {
		client->links[hook] = bpf_program__attach_cgroup(programs[hook], client->cgroup_fd);
		if (!client->links[hook])
			return -errno;
	}
	return 0;
}

static bool is_on_connect(__u32 id)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_link_get_fd_by_id(id);
	bool is = fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		  info.type == BPF_LINK_TYPE_CGROUP &&
		  info.cgroup.attach_type == BPF_CGROUP_INET4_CONNECT;

	if (fd >= 0)
		close(fd);
	return is;
}

unsigned client_count_others(const struct client *client)
{
	unsigned count = 0;
	__u32 id = 0;

	while (!bpf_link_get_next_id(id, &id))
		count += is_on_connect(id);
	return client->links[CGROUP_CONNECT4] && count ? count - 1 : count;
}
