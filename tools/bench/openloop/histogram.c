/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bucket numbers behind histogram.h: below 128 a value is its own bucket; above, the highest 8 bits are kept, and each further power of
 * two has the next 128 buckets.
 */
#include "histogram.h"

#include <string.h>

#define SUB_BITS 7

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift, bucket;

	if (ns < HISTOGRAM_SUB)
		return (unsigned)ns;
	shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
	if (shift > 33)
		return HISTOGRAM_BUCKETS - 1;
	bucket = shift * HISTOGRAM_SUB + (unsigned)(ns >> shift);
	return bucket;
}

static uint64_t lowest_in(unsigned bucket)
{
	const unsigned shift = bucket < 2 * HISTOGRAM_SUB ? 0 : bucket / HISTOGRAM_SUB - 1;

	return (uint64_t)(bucket - shift * HISTOGRAM_SUB) << shift;
}

static uint64_t highest_in(unsigned bucket)
{
	const unsigned shift = bucket < 2 * HISTOGRAM_SUB ? 0 : bucket / HISTOGRAM_SUB - 1;

	return lowest_in(bucket) + ((uint64_t)1 << shift) - 1;
}

void histogram_init(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->min_ns = UINT64_MAX;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->counts[bucket_of(ns)]++;
	histogram->total++;
	histogram->sum_ns += (double)ns;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
	if (ns < histogram->min_ns)
		histogram->min_ns = ns;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
	const double wanted = share * (double)histogram->total;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen && (double)seen >= wanted) {
			const uint64_t highest = highest_in(i);

			return i == HISTOGRAM_BUCKETS - 1 || highest > histogram->max_ns
				       ? histogram->max_ns
				       : highest;
		}
	}
	return 0;
}

uint64_t histogram_above(const struct histogram *histogram, uint64_t ns)
{
	uint64_t found = 0;

	for (unsigned i = HISTOGRAM_BUCKETS; i-- > 0 && lowest_in(i) > ns;)
		found += histogram->counts[i];
	return found;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->total ? histogram->sum_ns / (double)histogram->total : 0;
}
