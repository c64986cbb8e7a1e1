/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: a request to the callback server, over a socket. However it is cut, it is answered alike, by the status codes that are
 * promised; only a 200 hands an event on, once, and then bytes that were really posted.
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "callback.h"
#include "config.h"
#include "hint.h"
#include "must.h"
#include "wire.h"

enum { WAYS = 4, MANY = 1024 };

struct seen {
	unsigned events, lost;
	size_t len;
	char text[1 << 15];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_event(void *ctx, const char *json, size_t len)
{
	struct seen *seen = ctx;

	seen->events++;
	must(len <= HINT_MAX_BYTES && len <= sizeof(seen->text));
	memcpy(seen->text, json, len);
	seen->len = len;
}

static void on_lost(void *ctx)
{
	struct seen *seen = ctx;

	seen->lost++;
}

/* A port that nobody has, as far as can be told beforehand. */
static void find_port(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(fd >= 0 && !bind(fd, (struct sockaddr *)address, len));
	must(!getsockname(fd, (struct sockaddr *)address, &len));
	close(fd);
}

static void post(struct event_base *base, const uint8_t *data, size_t len, unsigned way,
		 struct seen *seen, struct wire_answer *answer)
{
	static struct sockaddr_in address;
	static char listen[32];
	const struct config config = { .callback_listen = listen,
				       .callback_from = { { htonl(INADDR_LOOPBACK), 32 } },
				       .callback_from_count = 1 };
	const struct callback_handler handler = { .ctx = seen, .event = on_event, .lost = on_lost };
	struct callback *callback;

	seen->events = seen->lost = 0;
	seen->len = 0;
	for (int attempt = 0; attempt < 100; attempt++) {
		if (!address.sin_port) {
			find_port(&address);
			snprintf(listen, sizeof(listen), "127.0.0.1:%u", ntohs(address.sin_port));
		}
		callback = callback_new(base, &config, &handler);
		if (callback)
			break;
		address.sin_port = 0; /* somebody else was given it meanwhile */
	}
	must(callback);
	wire_talk(base, (struct sockaddr *)&address, sizeof(address), data, len, way, answer);
	callback_free(callback);
}

static void check_answer(const struct wire_answer *answer, const struct seen *seen,
			 const uint8_t *data, size_t len)
{
	static const char *const statuses[] = { "200", "400", "405", "411", "413", "431", "503" };
	const char *text = answer->text;
	bool known = !answer->len;

	if (!strncmp(text, "HTTP/1.1 100 Continue\r\n\r\n", 25))
		text += 25;
	known |= !*text; /* the body never came */
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		known |= !strncmp(text, "HTTP/1.1 ", 9) && !strncmp(text + 9, statuses[i], 3);
	must(known);
	must(seen->events == (unsigned)!strncmp(text, "HTTP/1.1 200", 12));
	must(!seen->len || memmem(data, len, seen->text, seen->len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct wire_answer whole, cut;
	static struct event_base *base;
	static struct seen one, other;

	if (!base)
		base = event_base_new();
	must(base);
	post(base, data, len, 0, &one, &whole);
	check_answer(&whole, &one, data, len);
	for (unsigned way = len > MANY ? 3 : 2; way < WAYS; way++) {
		post(base, data, len, way, &other, &cut);
		must(whole.len == cut.len && !memcmp(whole.text, cut.text, cut.len));
		must(one.events == other.events && one.lost == other.lost);
		must(one.len == other.len && !memcmp(one.text, other.text, one.len));
	}
	return 0;
}
