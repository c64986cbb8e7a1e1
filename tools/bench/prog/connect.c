/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A connect that is none of ours costs a look at the port, one that is the pick, a look for a listener and a place in the
 * table of local connections, which the closing of the socket gives back. Where only connect(2) is measured the socket
 * is used again: a datagram one, or one whose target has no route.
 */
#define _GNU_SOURCE
#include "connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "client.h"
#include "result.h"

enum {
	FIRST_RUN = 200,
	ACCEPT_MS = 10000,
};

static int fail(const char *what, int err)
{
	fprintf(stderr, "bench-prog: a client on this host: %s: %s\n", what, strerror(-err));
	return err;
}

static struct sockaddr_in at(uint32_t address, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address),
		.sin_port = htons(port),
	};
}

/* --- what is measured --- */

static int connect_udp(struct client *client)
{
	const struct sockaddr_in target = at(INADDR_LOOPBACK, JOB_SERVICE_PORT);

	return connect(client->udp_fd, (const struct sockaddr *)&target, sizeof(target)) < 0
		       ? -errno
		       : 0;
}

/* 192.0.2.1 (RFC 5737): the kernel finds no way there, after the programs have had their say. */
static int connect_elsewhere(struct client *client)
{
	const struct sockaddr_in target = at(0xc0000201, CLIENT_OTHER_PORT);

	if (connect(client->tcp_fd, (const struct sockaddr *)&target, sizeof(target)) == 0)
		return -EISCONN;
	return errno == ENETUNREACH ? 0 : -errno;
}

static int accept_one(struct client *client)
{
	unsigned i;
	int fd;

	if (poll(client->listeners, CLIENT_LISTENERS, ACCEPT_MS) <= 0)
		return -ETIMEDOUT;
	for (i = 0; i < CLIENT_LISTENERS; i++) {
		if (!client->listeners[i].revents)
			continue;
		fd = accept4(client->listeners[i].fd, NULL, NULL, SOCK_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return -ETIMEDOUT;
}

/* From one end to the other. The client's reset leaves nothing in TIME_WAIT. */
static int whole_connection(struct client *client, uint16_t port)
{
	const struct sockaddr_in target = at(INADDR_LOOPBACK, port);
	const struct linger reset = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), other, err = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	    (connect(fd, (const struct sockaddr *)&target, sizeof(target)) < 0 &&
	     errno != EINPROGRESS)) {
		err = -errno;
		goto out;
	}
	other = accept_one(client);
	if (other < 0)
		err = other;
	else
		close(other);
out:
	close(fd);
	return err;
}

static int connection_elsewhere(struct client *client)
{
	return whole_connection(client, CLIENT_OTHER_PORT);
}

/* Without the programs the backends themselves are asked, in turn as round robin has them. */
static int connection_balanced(struct client *client)
{
	if (client->links[0])
		return whole_connection(client, JOB_SERVICE_PORT);
	return whole_connection(client, (uint16_t)(JOB_FIRST_PORT + client->turn++ % JOB_BACKENDS));
}

static const struct {
	const char *name;
	int (*once)(struct client *client);
	bool balanced;
} rows[CONNECT_ROWS] = {
	{ "connect UDP", connect_udp, false },
	{ "connect TCP, other port", connect_elsewhere, false },
	{ "connection, other port", connection_elsewhere, false },
	{ "connection, service port", connection_balanced, true },
};

/* --- rounds --- */

/* As many connects as there were have been balanced, and each is forgotten. */
static int check_path(const struct client *client, const uint64_t *before, uint64_t balanced)
{
	uint64_t after[SLUICE_REASON_COUNT];
	int err = maps_read_reasons(&client->world.maps, after);

	if (err)
		return err;
	if (after[SLUICE_REASON_LOCAL_NEW] - before[SLUICE_REASON_LOCAL_NEW] == balanced &&
	    after[SLUICE_REASON_LOCAL_CLOSED] - before[SLUICE_REASON_LOCAL_CLOSED] == balanced)
		return 0;
	fprintf(stderr, "bench-prog: of %llu connects that were to be balanced %llu were\n",
		(unsigned long long)balanced,
		(unsigned long long)(after[SLUICE_REASON_LOCAL_NEW] -
				     before[SLUICE_REASON_LOCAL_NEW]));
	return -EPROTO;
}

static int run(struct client *client, unsigned row, bool with, uint32_t repeat, double *ns)
{
	uint64_t before[SLUICE_REASON_COUNT];
	double begin;
	uint32_t i;
	int err;

	err = maps_read_reasons(&client->world.maps, before);
	if (!err && with)
		err = client_attach(client);
	if (err)
		goto out;
	begin = world_cpu_ns();
	for (i = 0; i < repeat && !err; i++)
		err = rows[row].once(client);
	*ns = (world_cpu_ns() - begin) / repeat;
	if (!err)
		err = check_path(client, before, with && rows[row].balanced ? repeat : 0);
out:
	client_detach(client);
	return err ? fail(rows[row].name, err) : 0;
}

static int compare(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

static int measure_row(struct client *client, unsigned row, unsigned rounds, double run_ns,
		       struct connect_figures *figures)
{
	double ns[2][RESULT_ROUNDS_MAX], more[RESULT_ROUNDS_MAX], first;
	unsigned round, others;
	uint32_t repeat;
	int err;

	err = run(client, row, false, FIRST_RUN, &first);
	if (!err)
		err = run(client, row, true, FIRST_RUN, &first);
	repeat = err || run_ns / first < FIRST_RUN ? FIRST_RUN : (uint32_t)(run_ns / first);
	for (round = 0; round < rounds && !err; round++) {
		const bool with = round & 1; /* comes first */

		err = run(client, row, with, repeat, &ns[with][round]);
		if (!err)
			err = run(client, row, !with, repeat, &ns[!with][round]);
		more[round] = ns[1][round] - ns[0][round];
		others = client_count_others(client);
		if (others > figures->others)
			figures->others = others;
	}
	if (err)
		return err;
	figures->name = rows[row].name;
	figures->without_ns = median(ns[0], rounds);
	figures->with_ns = median(ns[1], rounds);
	figures->more_ns = median(more, rounds);
	figures->spread_ns = more[rounds * 3 / 4] - more[rounds / 4];
	return 0;
}

static bool is_wanted(unsigned row, const char *word)
{
	return !word || strstr(rows[row].name, word);
}

/* --- a process of its own --- */

/* Negative errno that has been printed; what is not released goes with the process. */
static int be_client(const char *name, int root_fd, const char *word, unsigned rounds,
		     double run_ns, struct connect_figures *figures)
{
	struct world_size size = { .table = 1024, .half_table = 1024 };
	struct client client = {};
	char error[256] = "";
	unsigned row;
	int err;

	err = client_enter(&client, root_fd, name);
	if (err)
		return fail("cannot enter its cgroup and network namespace", err);
	err = cgroup_netns(&size.host_netns, error, sizeof(error));
	if (err) {
		fprintf(stderr, "bench-prog: %s\n", error);
		return err;
	}
	err = world_open(&client.world, &size);
	if (err)
		return err;
	err = client_open_sockets(&client);
	if (err)
		fail("its sockets", err);
	for (row = 0; row < CONNECT_ROWS && !err; row++)
		if (is_wanted(row, word))
			err = measure_row(&client, row, rounds, run_ns, &figures[row]);
	world_release(&client.world);
	return err;
}

/* The child's end, its answer, and the cgroup is gone again. */
static int wait_for_client(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -EINTR;
	return -WEXITSTATUS(status);
}

/* A signal that would end this process waits until the cgroup is gone. */
static int measure_in(int root_fd, const char *name, const char *word, unsigned rounds,
		      double run_ns, struct connect_figures *shared)
{
	sigset_t ending, kept;
	pid_t pid;
	int err;

	if (mkdirat(root_fd, name, 0755) < 0)
		return fail("cannot make a cgroup", -errno);
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	sigprocmask(SIG_BLOCK, &ending, &kept);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		sigprocmask(SIG_SETMASK, &kept, NULL);
		_exit(-be_client(name, root_fd, word, rounds, run_ns, shared));
	}
	err = pid < 0 ? -errno : wait_for_client(pid);
	if (unlinkat(root_fd, name, AT_REMOVEDIR) < 0)
		fail("cannot remove its cgroup", -errno);
	sigprocmask(SIG_SETMASK, &kept, NULL);
	return err;
}

int connect_measure(const char *word, unsigned rounds, double run_ns,
		    struct connect_figures figures[CONNECT_ROWS])
{
	const size_t len = CONNECT_ROWS * sizeof(figures[0]);
	struct connect_figures *shared;
	char name[64], error[256] = "";
	unsigned wanted = 0, row;
	int root_fd, err;

	for (row = 0; row < CONNECT_ROWS; row++)
		wanted += is_wanted(row, word);
	if (!wanted)
		return 0;
	root_fd = cgroup_open("auto", error, sizeof(error));
	if (root_fd < 0) {
		fprintf(stderr, "bench-prog: %s\n", error);
		return root_fd;
	}
	shared = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		err = fail("memory", -errno);
		goto out;
	}
	snprintf(name, sizeof(name), "sluice-bench-%d", getpid());
	err = measure_in(root_fd, name, word, rounds, run_ns, shared);
	if (!err)
		memcpy(figures, shared, len);
	munmap(shared, len);
out:
	close(root_fd);
	return err == -EOPNOTSUPP ? 0 : err;
}
