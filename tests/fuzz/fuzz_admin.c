/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz target: what a client says to the admin socket. However it is cut, the handler gets the same words, once at most, and none of
 * them has a blank or is empty; the answer comes as it was given.
 */
#include <event2/event.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.h"
#include "must.h"
#include "wire.h"

enum { WAYS = 4, MANY = 512, MAX_LINE = 1024 };

struct seen {
	unsigned requests;
	size_t len;
	char text[4096]; /* each word with a NUL */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct seen *seen_now;

static char *on_request(void *ctx, int argc, char **argv)
{
	struct seen *seen = seen_now;

	must(ctx == &seen_now);
	seen->requests++;
	for (int i = 0; i < argc; i++) {
		size_t len = strlen(argv[i]) + 1;

		must(len > 1 && !strpbrk(argv[i], " \t\r\n"));
		must(seen->len + len <= sizeof(seen->text));
		memcpy(seen->text + seen->len, argv[i], len);
		seen->len += len;
	}
	must(seen->len <= MAX_LINE + 1);
	return strdup("{\"answer\":1}\n");
}

static void talk(struct event_base *base, const struct sockaddr_un *address, const uint8_t *data,
		 size_t len, unsigned way, struct seen *seen, struct wire_answer *answer)
{
	*seen = (struct seen){ 0 };
	seen_now = seen;
	wire_talk(base, (const struct sockaddr *)address, sizeof(*address), data, len, way, answer);
	must(seen->requests <= 1);
	must(answer->len == (seen->requests ? strlen("{\"answer\":1}\n") : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct sockaddr_un address = { .sun_family = AF_UNIX };
	static struct wire_answer answer;
	static struct event_base *base;
	static struct seen one, other;
	static struct admin *admin;

	if (!base) {
		base = event_base_new();
		snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/fuzz-admin.%d.sock",
			 getpid());
		admin = admin_new(base, address.sun_path, on_request, &seen_now);
	}
	must(base && admin);
	talk(base, &address, data, len, 0, &one, &answer);
	for (unsigned way = len > MANY ? 3 : 2; way < WAYS; way++) {
		talk(base, &address, data, len, way, &other, &answer);
		must(one.requests == other.requests && one.len == other.len);
		must(!memcmp(one.text, other.text, one.len));
	}
	return 0;
}
