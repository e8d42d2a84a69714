/* octo-bench-wal: appends, acknowledgements, recovery and encoding of the durable log. */
#include "bench/wal/report.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define TMPFS 0x01021994u
#define RAMFS 0x858458f6u

static const char help[] =
    "usage: octo-bench-wal [--dir DIR] [--quick] [--rounds N] [--only PART] [--json]\n"
    "\n"
    "Measures the durable log (kernel/wal) on the POSIX disk: appends of 64 B, 1 KiB and 16 KiB "
    "in\n"
    "batches of 1, 16 and 256, in turns with a bare loop that writes and syncs the same bytes "
    "(the\n"
    "floor); the time until an acknowledgement, with the marker before it and with marker_lazy;\n"
    "recovery of a log of 1 GiB from the page cache; encoding of a record of 1 KiB.\n"
    "Prints ratios to the floor, which other work on the machine disturbs less than rates.\n"
    "Takes about two minutes, 5 GiB of disk and 4 GiB of memory.\n"
    "\n"
    "  --dir DIR   measure in a new directory in DIR, removed at the end\n"
    "              (default: $TMPDIR, or /var/tmp); not on a file system in memory\n"
    "  --quick     a few seconds: fewer sizes, short rounds, a log of 32 MiB; rough figures\n"
    "  --rounds N  rounds of each series, 1 to 64 (default 7; quick: 3)\n"
    "  --only PART appends, recovery or encode\n"
    "  --json      one JSON object instead of the report\n"
    "  --help      show this text\n"
    "\n"
    "Exit status: 0 measured, whether the targets were reached or not; 2 bad usage; 3 failed.\n";

struct bench {
    const char *parent; /* of the directory; NULL: the default */
    const char *only;   /* NULL: everything */
    char directory[4096];
    bool json, quick;
    uint32_t rounds;
    struct report report;
    struct host host, lazy;
    struct floor *floor;
    uint8_t *commands;
};

char bench_wal_why[256];
volatile int bench_wal_stopped;

bool bench_wal_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(bench_wal_why, sizeof bench_wal_why, format, arguments);
    va_end(arguments);
    return false;
}

uint64_t bench_wal_now(void)
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

uint64_t bench_wal_percentile(uint64_t *samples, size_t count, uint32_t percent)
{
    if (count == 0)
        return 0;
    qsort(samples, count, sizeof *samples, compare);
    return samples[count * percent / 100];
}

void bench_wal_noise(uint8_t *bytes, size_t size)
{
    uint64_t state = 1;

    for (size_t i = 0; i < size; i++) {
        if (i % 8 == 0)
            state = octo_mix(state + i);
        bytes[i] = (uint8_t)(state >> (i % 8 * 8));
    }
}

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "octo-bench-wal: %s:%d: octo_assert(%s)\n", file, line, expression);
    _exit(3);
}

static void stop(int signal)
{
    (void)signal;
    bench_wal_stopped = 1;
}

static void progress(const char *what, uint32_t done, uint32_t of)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K%s %u/%u", what, done, of);
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
}

/* ---- The directory --------------------------------------------------------------------------- */

static const char *file_system_text(unsigned long type)
{
    switch (type) {
    case 0xef53:
        return "ext4";
    case 0x58465342:
        return "xfs";
    case 0x9123683e:
        return "btrfs";
    case 0x794c7630:
        return "overlayfs";
    case 0x2fc12fc1:
        return "zfs";
    default:
        return "another file system";
    }
}

/* Returns 0, or the exit status. */
static int directory_make(struct bench *bench)
{
    const char *parent = bench->parent;
    struct statfs about;

    if (parent == NULL)
        parent = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/var/tmp";
    if (statfs(parent, &about) != 0) {
        fprintf(stderr, "octo-bench-wal: %s: %s\n", parent, strerror(errno));
        return 2;
    }
    if ((unsigned long)about.f_type == TMPFS || (unsigned long)about.f_type == RAMFS) {
        fprintf(stderr,
                "octo-bench-wal: %s lies in memory, where a sync costs nothing: choose a "
                "directory on a disk with --dir\n",
                parent);
        return 2;
    }
    bench->report.file_system = file_system_text((unsigned long)about.f_type);
    const int length =
        snprintf(bench->directory, sizeof bench->directory, "%s/octo-bench-wal.XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof bench->directory ||
        mkdtemp(bench->directory) == NULL) {
        fprintf(stderr, "octo-bench-wal: no directory can be made in %s\n", parent);
        bench->directory[0] = '\0';
        return 2;
    }
    bench->report.directory = bench->directory;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

static bool directory_remove(const char *directory)
{
    return nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ||
           bench_wal_fail("%.200s cannot be removed", directory);
}

static void path_in(const struct bench *bench, const char *name, char path[4200])
{
    (void)snprintf(path, 4200, "%s/%s", bench->directory, name);
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static bool appends_make(struct bench *bench)
{
    static const uint32_t sizes[] = {64, 1024, 16384};
    static const uint32_t batches[] = {1, 16, 256};
    struct report *report = &bench->report;
    bool good = true;

    for (uint32_t i = 0; i < 9; i++) {
        if (bench->quick && (sizes[i / 3] != 1024 || batches[i % 3] == 16))
            continue;
        struct append *append = &report->appends[report->append_count++];
        append->size = sizes[i / 3];
        append->batch = batches[i % 3];
        struct series *all[] = {&append->steady, &append->same, &append->single,
                                &append->alone,  &append->lazy, &append->pair};
        for (uint32_t k = 0; k < sizeof all / sizeof all[0]; k++) {
            all[k]->samples = calloc(SAMPLES_MAX, sizeof *all[k]->samples);
            good = good && all[k]->samples != NULL;
        }
    }
    bench->commands = malloc(4 * MIB);
    good = good && bench->commands != NULL;
    if (good)
        bench_wal_noise(bench->commands, 4 * MIB);
    return good || bench_wal_fail("no memory");
}

static void appends_free(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->report.append_count; i++) {
        struct append *append = &bench->report.appends[i];
        free(append->alone.samples);
        free(append->lazy.samples);
        free(append->steady.samples);
        free(append->pair.samples);
        free(append->same.samples);
        free(append->single.samples);
    }
    free(bench->commands);
}

/* The log twice, with and without the lazy marker, and the floor: one directory each. */
static bool append_open(struct bench *bench, struct append_bench *append)
{
    struct report *report = &bench->report;
    struct octo_config config;
    char path[4200];
    uint64_t unused;

    host_config(&config, report->segment_bytes);
    path_in(bench, "log", path);
    if (!host_open(&bench->host, &config, path, &unused))
        return false;
    config.marker_lazy = true;
    path_in(bench, "lazy", path);
    if (!host_open(&bench->lazy, &config, path, &unused))
        return false;
    bench->floor = floor_open(bench->directory, report->segment_bytes);
    *append = (struct append_bench){
        .host = &bench->host,
        .lazy = &bench->lazy,
        .floor = bench->floor,
        .commands = bench->commands,
        .sector_bytes = config.sector_bytes,
        .slice_ns = report->slice_ns,
    };
    return bench->floor != NULL && append_warm_up(append, &bench->host) &&
           append_warm_up(append, &bench->lazy);
}

static bool appends_measure(struct bench *bench)
{
    struct report *report = &bench->report;
    struct append_bench append;
    bool good = append_open(bench, &append);

    for (uint32_t i = 0; good && i < bench->rounds * report->append_count; i++) {
        progress("appends", i, bench->rounds * report->append_count);
        good = append_round(&append, &report->appends[i % report->append_count],
                            i / report->append_count);
    }
    progress_end();
    host_close(&bench->host);
    host_close(&bench->lazy);
    floor_close(bench->floor);
    return good;
}

static bool part_is(const struct bench *bench, const char *part)
{
    return bench->only == NULL || strcmp(bench->only, part) == 0;
}

static bool measure(struct bench *bench)
{
    struct report *report = &bench->report;
    double load[1] = {0};
    char path[4200];

    (void)getloadavg(load, 1);
    report->load_before = load[0];
    report->cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    report->sector_bytes = SECTOR_BYTES;
    if (part_is(bench, "appends") && (!appends_make(bench) || !appends_measure(bench)))
        return false;
    path_in(bench, "long", path);
    if (part_is(bench, "recovery")) {
        progress("recovery", 0, report->recovery.rounds);
        if (!recovery_run(&report->recovery, path, report->segment_bytes))
            return false;
        progress_end();
    }
    if (part_is(bench, "encode") && !encode_run(bench->quick ? 7 : 21, &report->record_ns))
        return false;
    (void)getloadavg(load, 1);
    report->load_after = load[0];
    return true;
}

/* ---- Command line ---------------------------------------------------------------------------- */

static bool rounds_take(struct bench *bench, const char *word)
{
    char *end = NULL;
    const long rounds = word != NULL ? strtol(word, &end, 10) : 0;
    const bool good = rounds >= 1 && rounds <= (long)ROUNDS_MAX && *end == '\0';

    if (!good)
        fprintf(stderr, "octo-bench-wal: --rounds wants a whole number from 1 to %u\n", ROUNDS_MAX);
    bench->rounds = good ? (uint32_t)rounds : 0;
    return good;
}

/* Returns how many words were taken, 0 if the first is bad. */
static int take(struct bench *bench, char **words)
{
    if (strcmp(words[0], "--json") == 0) {
        bench->json = true;
        return 1;
    }
    if (strcmp(words[0], "--quick") == 0) {
        bench->quick = true;
        return 1;
    }
    if (strcmp(words[0], "--rounds") == 0)
        return rounds_take(bench, words[1]) ? 2 : 0;
    if (strcmp(words[0], "--dir") == 0 && words[1] != NULL) {
        bench->parent = words[1];
        return 2;
    }
    if (strcmp(words[0], "--only") == 0 && words[1] != NULL) {
        bench->only = words[1];
        if (part_is(bench, "appends") || part_is(bench, "recovery") || part_is(bench, "encode"))
            return 2;
        fprintf(stderr, "octo-bench-wal: --only wants appends, recovery or encode\n");
        return 0;
    }
    fprintf(stderr, "octo-bench-wal: unknown flag '%s', or no value; see --help\n", words[0]);
    return 0;
}

static void sizes_choose(struct bench *bench)
{
    struct report *report = &bench->report;

    if (bench->rounds == 0)
        bench->rounds = bench->quick ? 3 : 7;
    report->rounds = bench->rounds;
    report->slice_ns = (bench->quick ? 50 : 200) * OCTO_MS;
    report->segment_bytes = bench->quick ? 4 * MIB : 64 * MIB;
    report->recovery.log_bytes = bench->quick ? 32 * MIB : GIB;
    report->recovery.rounds = bench->quick ? 3 : 5;
}

int main(int argc, char **argv)
{
    static struct bench bench;

    for (int at = 1; at < argc;) {
        if (strcmp(argv[at], "--help") == 0)
            return fputs(help, stdout) < 0 ? 3 : 0;
        const int words = take(&bench, argv + at);
        if (words == 0)
            return 2;
        at += words;
    }
    sizes_choose(&bench);
    const int refused = directory_make(&bench);
    if (refused != 0)
        return refused;
    const struct sigaction action = {.sa_handler = stop};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    const bool good = measure(&bench);
    if (!good)
        fprintf(stderr, "octo-bench-wal: %s\n", bench_wal_why);
    else if (bench.json)
        report_json(&bench.report);
    else
        report_text(&bench.report);
    appends_free(&bench);
    const bool removed = directory_remove(bench.directory);
    if (!removed)
        fprintf(stderr, "octo-bench-wal: %s\n", bench_wal_why);
    return good && removed ? 0 : 3;
}
