/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A list that Consul is asked for again and again: what was answered last, and whether the next
 * answer is news. Knows neither when it is asked nor what is in it.
 */
#ifndef SLUICE_CONSUL_LIST_H
#define SLUICE_CONSUL_LIST_H

#include <stddef.h>
#include <stdint.h>

struct http_answer;

struct consul_list {
	char *path;	/* the question without its index; from malloc(3), set by the owner */
	uint64_t index; /* 0: ask without one */
	char *body;	/* of the last good answer, NULL if there was none yet */
	size_t body_len;
};

enum consul_news {
	CONSUL_OLD_INDEX, /* the index went backwards: ask anew, and believe nothing meanwhile */
	CONSUL_SAME,
	CONSUL_OTHER,
};

/*
 * NULL if the answer is good as far as HTTP and the agent's headers go, else why not, in a static
 * buffer.
 */
const char *consul_list_refusal(const struct http_answer *answer);

/* Takes in a good answer: an enum consul_news; -EPROTO: it has no index; -ENOMEM. */
int consul_list_take(struct consul_list *list, const struct http_answer *answer);

/*
 * What to ask next: the path, with index and wait once there is an index. It is cut if len is too
 * small.
 */
void consul_list_question(const struct consul_list *list, int wait_s, char *path, size_t len);

/* Everything, the path too. Accepts a zeroed one and leaves one behind. */
void consul_list_forget(struct consul_list *list);

#endif
