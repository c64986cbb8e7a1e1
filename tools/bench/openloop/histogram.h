/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A log-linear histogram of times in nanoseconds, as HDR Histogram has it: 128 buckets to each power of two, so a value that is read back
 * is at most 1/128 too large and never too small. Memory is fixed; adding is a few instructions. Times over the range go into the last bucket.
 */
#ifndef OPENLOOP_HISTOGRAM_H
#define OPENLOOP_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 128
#define HISTOGRAM_BUCKETS (34 * HISTOGRAM_SUB + HISTOGRAM_SUB) /* up to 2^41 ns, 36 minutes */

struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t total, max_ns, min_ns;
	double sum_ns;
};

void histogram_init(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t ns);
/* The smallest time such that this share (0..1) of all is not above it; at most the largest one added. 0 if there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);
/* How many are certainly above: in buckets that begin above ns. */
uint64_t histogram_above(const struct histogram *histogram, uint64_t ns);
double histogram_mean(const struct histogram *histogram);

#endif
