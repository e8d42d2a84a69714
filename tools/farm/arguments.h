/* The command line of octo-farm. Private to tools/farm/. */
#ifndef OCTO_FARM_ARGUMENTS_H
#define OCTO_FARM_ARGUMENTS_H

#include "sim/sim.h"

#define FARM_SCENARIOS_MAX 128u
#define FARM_JOBS_MAX      1024u
#define FARM_SEED_MAX      ((uint64_t)INT64_MAX) /* what the database's integers hold */

/* Every flag: NAME, "name", value's name ("" for none), help. */
#define FARM_FLAGS(F)                                                                            \
    F(SCENARIO, "scenario", "NAME", "run this scenario, or all; may be repeated (default all)")  \
    F(SEEDS, "seeds", "A..B", "of each scenario the seeds A to B (default: 1 to its own count)") \
    F(FOR, "for", "TIME", "take seeds from 1 on for so long: 90s, 10m, 2h")                      \
    F(SHARD, "shard", "I/N", "only every Nth seed, from the Ith on: one of N farms")             \
    F(JOBS, "jobs", "N", "worker processes: 1 to 1024 (default: one a core)")                    \
    F(BUDGET, "budget", "SECONDS", "a run that takes longer is a hang: 1 to 86400 (default 60)") \
    F(MEMORY, "memory", "MIB", "a run that needs more is a failure: 64 to 65536 (default 1024)") \
    F(DB, "db", "FILE", "keep the results there, and go on where a farm of before was stopped")  \
    F(NDJSON, "ndjson", "FILE",                                                                  \
      "write one JSON object a line, one for each run; - is standard output")                    \
    F(JUNIT, "junit", "FILE", "write the runs as tests, in the XML that CI systems read")        \
    F(HTML, "html", "FILE", "write a page with plots that needs nothing else")                   \
    F(LIST_SCENARIOS, "list-scenarios", "", "name the built-in scenarios, a line each")          \
    F(QUIET, "quiet", "", "no progress, no summary unless something failed")                     \
    F(HELP, "help", "", "show this text")                                                        \
    F(VERSION, "version", "", "show the version")

/* The files a report can be written to, beside the text. */
enum farm_form {
    FARM_NDJSON,
    FARM_JUNIT,
    FARM_HTML,
    FARM_FORM_COUNT,
};

enum farm_command {
    FARM_RUN,
    FARM_REPORT,
    FARM_MERGE,
};

struct farm_arguments {
    enum farm_command command;
    struct octo_scenario scenarios[FARM_SCENARIOS_MAX]; /* in the order of their names */
    const char
        *given[FARM_SCENARIOS_MAX]; /* how each was named: a name or a path; NULL: by "all" */
    uint32_t scenario_count;
    bool ranged; /* --seeds first .. last, both included */
    uint64_t first, last;
    uint64_t for_ns; /* 0: until all seeds have run */
    uint32_t shard, shards;
    uint32_t jobs;
    uint64_t budget_ns;
    uint64_t memory_bytes;
    const char *db;                       /* NULL: results are forgotten */
    const char *outputs[FARM_FORM_COUNT]; /* NULL: none; "-": standard output */
    bool list_scenarios, quiet, help, version;
    char **files; /* of report and merge */
    int file_count;
};

/* farm_arguments_parse fills arguments from argv. On bad usage it prints one line on standard error
 * that says what was expected, and returns false (exit status 2). */
bool farm_arguments_parse(struct farm_arguments *arguments, int argc, char **argv) OCTO_MUST_USE;

void farm_help_print(void);

/* farm_seeds_whole is how many seeds a scenario has in all shards together, 0 if only time will
 * tell. farm_seeds_share is how many of so many are a shard's. */
uint64_t farm_seeds_whole(const struct farm_arguments *arguments, uint32_t scenario);
uint64_t farm_seeds_share(uint64_t whole, uint32_t shard, uint32_t shards);

/* farm_complain prints "octo-farm: ..." and a newline on standard error. printf-like. */
void farm_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
