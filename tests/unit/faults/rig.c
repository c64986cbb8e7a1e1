/* SPDX-License-Identifier: GPL-2.0-only */
/* See rig.h. Time runs faster, for the pauses after each failure are most of it. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "clock.h"
#include "config.h"
#include "config_file.h"
#include "consul.h"
#include "fast.h"
#include "kernel.h"
#include "log.h"
#include "loop.h"
#include "marathon.h"
#include "model.h"
#include "registrar.h"

#define PATIENCE_MS 30000 /* of real time: against a hang */
#define ARMED_MS 400	  /* of the daemon's */
#define LOOK_US 100000	  /* the loop lets us look so often */
#define MAX_ANSWER 262144

struct rig rig;
static struct event *look;
static pid_t child;

/* What a daemon without memory logs is of no interest: it would be all that is seen of a test that fails. */
void log_event(int priority, const char *event, const char *format, ...)
{
	va_list args;

	if (priority > LOG_DEBUG || !getenv("RIG_LOG"))
		return;
	fprintf(stderr, "%lld %s ", (long long)clock_ms(), event);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* --- putting together --- */

static const char *events;

void rig_write_config(void)
{
	char text[2048];
	int len;

	len = snprintf(
		text, sizeof(text),
		"[node]\nname = slave-1\ninterface = lo\ncgroup = off\npin_dir = %s\nports = %u-%u\n"
		"[service web]\nport = 80\nmarathon_app = /web\nbalance = %s\n"
		"[marathon]\nurl = http://127.0.0.1:%u\nevents = %s\nresync = 10s\n"
		"callback_listen = 127.0.0.1:%u\ncallback_url = http://127.0.0.1:9/events\n"
		"callback_from = 127.0.0.1/32\n"
		"[consul]\nurl = http://127.0.0.1:%u\n"
		"[guards]\nflap_count = 1000\n"
		"[admin]\nsocket = %s\nmetrics_listen = 127.0.0.1:%u\n",
		rig.folder, REGISTRIES_PORT, REGISTRIES_PORT + 99, rig.balance,
		rig.registries->port, events, rig.callback_port, rig.registries->port, rig.socket,
		rig.metrics_port);
	config_file_write(rig.file, text, (size_t)len);
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

static void begin(void)
{
	const struct timeval every = { .tv_usec = LOOK_US };
	struct daemon *daemon = &rig.daemon;
	char error[CONFIG_ERROR_LEN] = "";
	char *boot_id = registrar_boot_id();

	*daemon = (struct daemon){ .reconcile = { .lock_fd = -1 } };
	daemon_fill_sink(daemon);
	daemon->config = daemon_read_config(rig.file, error);
	if (!daemon->config)
		fail_msg("%s", error);
	daemon->model = model_new(daemon->config, boot_id, clock_ms());
	free(boot_id);
	daemon->reconcile.model = daemon->model;
	daemon->reconcile.pin_dir = strdup(rig.folder);
	kernel_open(&daemon->reconcile.maps);
	assert_int_equal(maps_read_services(&daemon->reconcile.maps, daemon->reconcile.services),
			 0);
	assert_int_equal(reconcile_adopt(&daemon->reconcile), 0);
	if (daemon_begin(daemon, error, sizeof(error)))
		fail_msg("%s", error);
	look = event_new(daemon->base, -1, EV_PERSIST, on_look, NULL);
	assert_int_equal(event_add(look, &every), 0);
}

static void end(void)
{
	event_free(look);
	/* memory of ours, and descriptors that are none */
	rig.daemon.reconcile.maps = (struct maps){ 0 };
	daemon_release(&rig.daemon);
}

static bool all_serve(void)
{
	for (unsigned i = 0; i < RIG_TASKS; i++)
		if (!kernel_serves((uint16_t)(REGISTRIES_PORT + i)))
			return false;
	return rig_is_settled() && __atomic_load_n(&rig.registries->registered, __ATOMIC_ACQUIRE) ==
					   (1u << RIG_TASKS) - 1;
}

void rig_restart(void)
{
	end();
	begin();
	rig_until(rig_is_settled);
}

void rig_start(const char *how, unsigned times)
{
	int64_t began_ms;

	signal(SIGPIPE, SIG_IGN);
	fast_begin(times);
	events = how;
	rig = (struct rig){ .balance = "roundrobin",
			    .callback_port = loop_free_port(),
			    .metrics_port = loop_free_port(),
			    .folder = "/tmp/sluice-faults-XXXXXX" };
	assert_non_null(mkdtemp(rig.folder));
	snprintf(rig.file, sizeof(rig.file), "%s/sluice.conf", rig.folder);
	snprintf(rig.socket, sizeof(rig.socket), "%s/admin.sock", rig.folder);
	rig.registries = registries_start(&child);
	rig.registries->tasks = RIG_TASKS;
	rig_write_config();
	kernel_attach(REGISTRIES_PORT, REGISTRIES_PORT + 99);
	begin();
	began_ms = fast_real_ms();
	while (!all_serve()) {
		event_base_loop(rig.daemon.base, EVLOOP_ONCE);
		assert_true(fast_real_ms() - began_ms < PATIENCE_MS);
	}
}

void rig_stop(void)
{
	end();
	registries_stop(rig.registries, child);
	unlink(rig.file);
	rmdir(rig.folder);
}

/* --- running --- */

/* Once round the loop. What was well and was not played with gets connections, whatever failed. */
static void look_round(int64_t began_ms)
{
	event_base_loop(rig.daemon.base, EVLOOP_ONCE);
	for (unsigned i = 0; i < RIG_PLAYED; i++)
		faults_must(kernel_serves((uint16_t)(REGISTRIES_PORT + i)));
	faults_must(fast_real_ms() - began_ms < PATIENCE_MS);
}

void rig_until(bool (*is)(void))
{
	int64_t began_ms = fast_real_ms();

	while (!is())
		look_round(began_ms);
}

bool rig_is_settled(void)
{
	int balance = strcmp(rig.balance, "leastconn") ? SLUICE_BALANCE_ROUNDROBIN
						       : SLUICE_BALANCE_LEASTCONN;

	return marathon_source(rig.daemon.marathon)->connected &&
	       consul_source(rig.daemon.consul)->connected && kernel_balance() == balance;
}

void rig_play(const struct faults_order *order, void (*begins)(void), bool (*arrived)(void))
{
	int64_t began_ms = fast_real_ms(), end_ms = 0;

	faults_arm(order);
	begins();
	while (!arrived() && (!end_ms || clock_ms() < end_ms)) {
		look_round(began_ms);
		if (faults_hit() && !end_ms)
			end_ms = clock_ms() + ARMED_MS;
	}
	faults_disarm();
	rig_until(arrived);
	rig_until(rig_is_settled);
}

/* --- asking --- */

int rig_connect_admin(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig.socket);
	faults_must(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

int rig_connect(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	faults_must(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

const char *rig_ask(int fd, const char *request)
{
	static char answer[MAX_ANSWER];
	int64_t began_ms = fast_real_ms();
	size_t used = 0;
	ssize_t len;

	faults_must(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
	while (!rig.daemon.failed) {
		len = recv(fd, answer + used, sizeof(answer) - 1 - used, MSG_DONTWAIT);
		if (!len || (len < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (len > 0)
			used += (size_t)len;
		else
			look_round(began_ms);
		faults_must(used + 1 < sizeof(answer));
	}
	close(fd);
	answer[used] = '\0';
	return answer;
}
