/* The parts of octo-bench. */
#ifndef OCTO_BENCH_BENCH_H
#define OCTO_BENCH_BENCH_H

#include "sim/sim.h"

/* bench_clock_ns is the wall clock. */
uint64_t bench_clock_ns(void);

/* bench_median sorts samples and returns the middle one. count > 0. */
uint64_t bench_median(uint64_t *samples, size_t count);

#define BENCH_APPEND_ENTRIES 16u
#define BENCH_APPEND_BYTES   64u

struct bench_append {
    uint32_t rounds;
    uint64_t step_ns;  /* median of the step that takes the message */
    uint64_t p99_ns;   /* 99th percentile of the same */
    uint64_t round_ns; /* mean of all steps of a round, up to its acknowledgement */
    uint32_t steps;    /* in a round */
};

/* bench_append_run measures a follower that is sent BENCH_APPEND_ENTRIES entries of
 * BENCH_APPEND_BYTES bytes at a time: decoding, the log in memory, the encoded batch for the disk,
 * and (in round_ns) the disk's completions and the encoded acknowledgement. No disk and no network
 * behind it. False if memory is short or the follower did not take part. */
bool bench_append_run(uint32_t rounds, struct bench_append *result) OCTO_MUST_USE;

#endif
