/* octo-bench: the reference run (5 nodes, 1,000 client operations, every fault kind and every
 * oracle on), timed over many seeds, and the cost of a follower's append. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define WARM_UP       10u
#define RUNS_MAX      1000000u
#define APPEND_ROUNDS 20000u
#define TIMED_PART    4u /* one run in so many is made again to see where time goes */

static const char help[] =
    "usage: octo-bench [--runs N] [--seed N] [--nodes N] [--ops N] [--json]\n"
    "\n"
    "Times the reference run (5 nodes, 1000 operations, every fault kind and every oracle on)\n"
    "over many seeds on one core, then a follower's append of 16 x 64 bytes.\n"
    "\n"
    "  --runs N   runs to time, after a warm-up of 10 (default 200)\n"
    "  --seed N   seed of the first run (default 1)\n"
    "  --nodes N  voters, 1 to 9 (default 5)\n"
    "  --ops N    client operations, 1 to 100000 (default 1000)\n"
    "  --json     one JSON object instead of the report\n"
    "  --help     show this text\n"
    "\n"
    "Exit status: 0 measured; 1 a property broke in one of the runs; 2 bad usage; 3 failed.\n";

struct bench {
    struct octo_sim_options options;
    uint32_t runs;
    bool json;
    void *block;
    size_t block_bytes;
    uint64_t *create_ns; /* one a run */

    uint64_t wall_ns, events, virtual_ns, acked, elections, crashes, faults;
    uint64_t create_median_ns;
    uint32_t broken, undecided;
    size_t used_bytes; /* the most of any run */
    uint64_t share_ns[OCTO_SHARE_COUNT];
    struct bench_append append;
};

static const char *const share_texts[OCTO_SHARE_COUNT] = {
    [OCTO_SHARE_KERNEL] = "kernel",   [OCTO_SHARE_NETWORK] = "network", [OCTO_SHARE_DISK] = "disk",
    [OCTO_SHARE_ORACLES] = "oracles", [OCTO_SHARE_OTHER] = "other",
};

uint64_t bench_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * OCTO_SECOND + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t bench_median(uint64_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    return samples[count / 2];
}

/* ---- Runs -------------------------------------------------------------------------------------
 */

/* One run; returns its wall time, creation included. */
static uint64_t run(struct bench *bench, uint64_t seed, bool timing, uint64_t *create_ns,
                    struct octo_sim_result *result)
{
    bench->options.seed = seed;
    bench->options.timing = timing;
    const uint64_t begin = bench_clock_ns();
    struct octo_world *world =
        octo_world_create(bench->block, bench->block_bytes, &bench->options, &octo_machine_kv);
    *create_ns = bench_clock_ns() - begin;
    if (world == NULL) {
        fprintf(stderr, "octo-bench: cannot create a world\n");
        exit(3);
    }
    octo_world_run(world, UINT64_MAX);
    const uint64_t wall_ns = bench_clock_ns() - begin;
    octo_world_result(world, result);
    return wall_ns;
}

static void add(struct bench *bench, const struct octo_sim_result *result)
{
    bench->events += result->events;
    bench->virtual_ns += result->virtual_ns;
    bench->acked += result->acked;
    bench->elections += result->elections;
    bench->crashes += result->crashes;
    for (size_t fault = 0; fault < OCTO_FAULT_COUNT; fault++)
        bench->faults += result->faults[fault];
    bench->undecided += result->verdict.undecided;
    if (bench->used_bytes < result->used_bytes)
        bench->used_bytes = result->used_bytes;
    if (result->verdict.property != OCTO_PROPERTY_NONE) {
        bench->broken++;
        fprintf(stderr, "octo-bench: seed %llu broke %s: %s\n",
                (unsigned long long)bench->options.seed,
                octo_property_text(result->verdict.property), result->verdict.why);
    }
}

static void measure(struct bench *bench)
{
    const uint64_t first = bench->options.seed;
    struct octo_sim_result result;
    uint64_t unused;
    for (uint32_t i = 0; i < WARM_UP; i++)
        (void)run(bench, first + i, false, &unused, &result);
    for (uint32_t i = 0; i < bench->runs; i++) {
        bench->wall_ns += run(bench, first + i, false, &bench->create_ns[i], &result);
        add(bench, &result);
    }
    bench->create_median_ns = bench_median(bench->create_ns, bench->runs);
    /* Apart from the runs above: looking at the clock this often slows a run down. */
    for (uint32_t i = 0; i < bench->runs; i += TIMED_PART) {
        (void)run(bench, first + i, true, &unused, &result);
        for (size_t share = 0; share < OCTO_SHARE_COUNT; share++)
            bench->share_ns[share] += result.share_ns[share];
    }
    bench->options.seed = first;
}

/* ---- Reports ----------------------------------------------------------------------------------
 */

static double per_second(uint64_t count, uint64_t wall_ns)
{
    return wall_ns == 0 ? 0.0 : (double)count * 1e9 / (double)wall_ns;
}

static double share_of(const struct bench *bench, size_t share)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < OCTO_SHARE_COUNT; i++)
        sum += bench->share_ns[i];
    return sum == 0 ? 0.0 : (double)bench->share_ns[share] / (double)sum;
}

static double mebibytes(size_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

static void report(const struct bench *bench)
{
    printf("reference run: %u nodes, %u operations, all faults, all oracles; seeds %llu..%llu, "
           "one core\n",
           bench->options.node_count, bench->options.operations,
           (unsigned long long)bench->options.seed,
           (unsigned long long)(bench->options.seed + bench->runs - 1));
    printf("  events per second          %12.0f\n", per_second(bench->events, bench->wall_ns));
    printf("  runs per second            %12.1f\n", per_second(bench->runs, bench->wall_ns));
    printf("  virtual s per wall s       %12.1f\n",
           bench->wall_ns == 0 ? 0.0 : (double)bench->virtual_ns / (double)bench->wall_ns);
    printf("  creating a world           %12.1f us (median)\n",
           (double)bench->create_median_ns / 1e3);
    printf("  memory at the end          %12.2f MiB (most of all runs)\n",
           mebibytes(bench->used_bytes));
    printf("  a run, on average          %12.0f events, %.0f faults, %.1f crashes, %.1f elections, "
           "%.0f acknowledged\n",
           (double)bench->events / bench->runs, (double)bench->faults / bench->runs,
           (double)bench->crashes / bench->runs, (double)bench->elections / bench->runs,
           (double)bench->acked / bench->runs);
    printf("  verdicts                   %12u ok, %u broken, %u undecided\n",
           bench->runs - bench->broken - bench->undecided, bench->broken, bench->undecided);
    printf("  time spent in\n");
    for (size_t share = 0; share < OCTO_SHARE_COUNT; share++)
        printf("    %-24s %12.1f %%\n", share_texts[share], 100.0 * share_of(bench, share));
    printf("follower's append of %u x %u bytes, with encoding and log\n", BENCH_APPEND_ENTRIES,
           BENCH_APPEND_BYTES);
    printf("  the step with the message  %12llu ns (median), %llu ns (99th percentile)\n",
           (unsigned long long)bench->append.step_ns, (unsigned long long)bench->append.p99_ns);
    printf("  to its acknowledgement     %12llu ns in %u steps\n",
           (unsigned long long)bench->append.round_ns, bench->append.steps);
}

static void report_json(const struct bench *bench)
{
    printf("{\"nodes\":%u,\"ops\":%u,\"seed\":%llu,\"runs\":%u", bench->options.node_count,
           bench->options.operations, (unsigned long long)bench->options.seed, bench->runs);
    printf(",\"events_per_second\":%.0f,\"runs_per_second\":%.2f,\"virtual_per_wall\":%.2f",
           per_second(bench->events, bench->wall_ns), per_second(bench->runs, bench->wall_ns),
           bench->wall_ns == 0 ? 0.0 : (double)bench->virtual_ns / (double)bench->wall_ns);
    printf(",\"create_ns\":%llu,\"used_bytes\":%zu,\"events\":%llu,\"wall_ns\":%llu",
           (unsigned long long)bench->create_median_ns, bench->used_bytes,
           (unsigned long long)bench->events, (unsigned long long)bench->wall_ns);
    printf(
        ",\"virtual_ns\":%llu,\"faults\":%llu,\"crashes\":%llu,\"elections\":%llu,\"acked\":%llu",
        (unsigned long long)bench->virtual_ns, (unsigned long long)bench->faults,
        (unsigned long long)bench->crashes, (unsigned long long)bench->elections,
        (unsigned long long)bench->acked);
    printf(",\"broken\":%u,\"undecided\":%u,\"share\":{", bench->broken, bench->undecided);
    for (size_t share = 0; share < OCTO_SHARE_COUNT; share++)
        printf("%s\"%s\":%.4f", share == 0 ? "" : ",", share_texts[share], share_of(bench, share));
    printf("},\"append_step_ns\":%llu,\"append_step_p99_ns\":%llu,\"append_round_ns\":%llu,"
           "\"append_round_steps\":%u}\n",
           (unsigned long long)bench->append.step_ns, (unsigned long long)bench->append.p99_ns,
           (unsigned long long)bench->append.round_ns, bench->append.steps);
}

/* ---- Command line -----------------------------------------------------------------------------
 */

static bool number(const char *flag, const char *word, uint64_t minimum, uint64_t maximum,
                   uint64_t *value)
{
    *value = 0;
    bool good = word != NULL && *word != '\0';
    for (; good && *word != '\0'; word++) {
        const uint64_t digit = (uint64_t)(*word - '0');
        good = *word >= '0' && *word <= '9' && *value <= (maximum - digit) / 10;
        *value = *value * 10 + digit;
    }
    good = good && *value >= minimum;
    if (!good)
        fprintf(stderr, "octo-bench: %s wants a whole number from %llu to %llu\n", flag,
                (unsigned long long)minimum, (unsigned long long)maximum);
    return good;
}

/* Takes one flag and, if it has one, its value; returns how many words that were, 0 if it is bad.
 */
static int take(struct bench *bench, char **words)
{
    uint64_t value = 0;
    if (strcmp(words[0], "--json") == 0) {
        bench->json = true;
        return 1;
    }
    if (strcmp(words[0], "--seed") == 0) {
        if (!number(words[0], words[1], 0, UINT64_MAX, &bench->options.seed))
            return 0;
    } else if (strcmp(words[0], "--runs") == 0) {
        if (!number(words[0], words[1], 1, RUNS_MAX, &value))
            return 0;
        bench->runs = (uint32_t)value;
    } else if (strcmp(words[0], "--nodes") == 0) {
        if (!number(words[0], words[1], 1, OCTO_SIM_NODES_MAX, &value))
            return 0;
        bench->options.node_count = (uint32_t)value;
    } else if (strcmp(words[0], "--ops") == 0) {
        if (!number(words[0], words[1], 1, 100000, &value))
            return 0;
        bench->options.operations = (uint32_t)value;
    } else {
        fprintf(stderr, "octo-bench: unknown flag '%s'; see --help\n", words[0]);
        return 0;
    }
    return 2;
}

static bool memory_get(struct bench *bench)
{
    bench->block_bytes = octo_world_bytes(&bench->options);
    bench->block = mmap(NULL, bench->block_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bench->create_ns = calloc(bench->runs, sizeof *bench->create_ns);
    return bench->block != MAP_FAILED && bench->create_ns != NULL;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    bench.options = octo_sim_options_default();
    bench.options.faults = OCTO_SIM_FAULTS_ALL;
    bench.runs = 200;
    for (int at = 1; at < argc;) {
        if (strcmp(argv[at], "--help") == 0)
            return fputs(help, stdout) < 0 ? 3 : 0;
        const int words = take(&bench, argv + at);
        if (words == 0)
            return 2;
        at += words;
    }
    if (!memory_get(&bench)) {
        fprintf(stderr, "octo-bench: no memory\n");
        return 3;
    }
    measure(&bench);
    if (!bench_append_run(APPEND_ROUNDS, &bench.append)) {
        fprintf(stderr, "octo-bench: the follower did not acknowledge its appends\n");
        return 3;
    }
    if (bench.json)
        report_json(&bench);
    else
        report(&bench);
    free(bench.create_ns);
    (void)munmap(bench.block, bench.block_bytes);
    return bench.broken != 0 ? 1 : 0;
}
