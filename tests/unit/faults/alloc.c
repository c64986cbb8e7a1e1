/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sanitizer exports its allocator under a second name for wrappers like these. One thread
 * counts; another one's allocations (libcurl's resolver) would be counted too, so plays use
 * addresses and no names.
 */
#include "alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>

void *__interceptor_malloc(size_t len);
void *__interceptor_calloc(size_t count, size_t len);
void *__interceptor_realloc(void *block, size_t len);
void __interceptor_free(void *block);

static struct {
	struct faults_order order;
	bool armed, hit;
	unsigned long counted;
	long live; /* blocks that somebody holds */
	const char *play;
	bool alive; /* what is played on goes on living, and may hold more or less */
	bool whole; /* every allocation */
} faults;

static bool refused(void)
{
	if (!faults.armed)
		return false;
	faults.counted++;
	if (!faults.order.at || faults.counted < faults.order.at ||
	    (faults.counted > faults.order.at && !faults.order.for_good))
		return false;
	faults.hit = true;
	errno = ENOMEM;
	return true;
}

static void *held(void *block)
{
	faults.live += block != NULL;
	return block;
}

/* --- what stands before the sanitizer's --- */

void *malloc(size_t len)
{
	return refused() ? NULL : held(__interceptor_malloc(len));
}

void *calloc(size_t count, size_t len)
{
	return refused() ? NULL : held(__interceptor_calloc(count, len));
}

void *realloc(void *block, size_t len)
{
	void *moved;

	if (!block)
		return malloc(len);
	if (!len) {
		free(block);
		return NULL;
	}
	if (refused())
		return NULL;
	moved = __interceptor_realloc(block, len);
	return moved;
}

void *reallocarray(void *block, size_t count, size_t len)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, len, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(block, bytes);
}

void free(void *block)
{
	faults.live -= block != NULL;
	__interceptor_free(block);
}

/* the sanitizer's own take memory without asking malloc() */
char *strndup(const char *text, size_t most)
{
	size_t len = strnlen(text, most);
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *strdup(const char *text)
{
	return strndup(text, PTRDIFF_MAX - 1);
}

char *__strdup(const char *text);
char *__strdup(const char *text)
{
	return strdup(text);
}

/* --- orders --- */

void faults_arm(const struct faults_order *order)
{
	faults.order = *order;
	faults.hit = false;
	faults.counted = 0;
	faults.armed = true;
}

void faults_disarm(void)
{
	faults.armed = false;
}

bool faults_pause(void)
{
	bool armed = faults.armed;

	faults.armed = false;
	return armed;
}

void faults_resume(bool armed)
{
	faults.armed = armed;
}

bool faults_hit(void)
{
	return faults.hit;
}

unsigned long faults_counted(void)
{
	return faults.counted;
}

static void on_death(void)
{
	fprintf(stderr, "faults: %s, allocation %lu refused%s\n", faults.play, faults.order.at,
		faults.order.for_good ? " and all after it" : "");
}

static void play_once(const char *name, const struct faults_order *order,
		      void (*play)(const struct faults_order *order))
{
	long before = faults.live;

	play(order);
	assert_false(faults.armed);
	if (faults.alive && !faults.whole)
		return;
	/* what is left over and still reachable is a library's own, taken late: libcurl does that */
	if (faults.live == before || !__lsan_do_recoverable_leak_check())
		return;
	fail_msg("%s, allocation %lu refused%s: %ld blocks are left over", name, order->at,
		 order->for_good ? " and all after it" : "", faults.live - before);
}

static void each(const char *name, unsigned long most,
		 void (*play)(const struct faults_order *order))
{
	const char *whole = getenv("LONG");
	unsigned long count, step = 0, hits;
	struct faults_order order = { 0 };

	__sanitizer_set_death_callback(on_death);
	faults.whole = whole && whole[0] == '1';
	faults.play = name;
	play(&order); /* what libraries keep for good they take now */
	count = faults.counted;
	play_once(name, &order, play);
	assert_false(faults.hit);
	/* what lives has other things to do as well, now and then */
	if (!faults.alive || faults.counted < count)
		count = faults.counted;
	assert_true(count > 0);
	if (!faults.whole && count > most)
		step = count / most;
	for (unsigned n = 0; n < 2; n++) {
		hits = 0;
		order.for_good = n;
		for (order.at = 1; order.at <= count; order.at += 1 + (step ? step - 1 : 0)) {
			play_once(name, &order, play);
			hits += faults.hit;
			/*
			 * a play in real time may make a few less than before; a deterministic one
			 * must not
			 */
			if (!faults.hit && !faults.alive)
				break;
		}
		assert_true(order.at > count / 2);
		assert_true(hits > 0);
	}
	order = (struct faults_order){ .at = 10 * count + 1000 };
	play_once(name, &order, play);
	assert_false(faults.hit);
	printf("# %s: %lu allocations%s\n", name, count, step ? ", sampled" : "");
}

void faults_each(const char *name, unsigned long most,
		 void (*play)(const struct faults_order *order))
{
	faults.alive = false;
	each(name, most, play);
}

void faults_each_alive(const char *name, unsigned long most,
		       void (*play)(const struct faults_order *order))
{
	faults.alive = true;
	each(name, most, play);
	assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
}
