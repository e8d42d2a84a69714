/* What a database comes to as a whole, for every form of report. Private to tools/farm/. */
#ifndef OCTO_FARM_SUMMARY_H
#define OCTO_FARM_SUMMARY_H

#include "tools/farm/store.h"

#define FARM_NAMES_MAX 256u

/* What is counted by name. */
enum farm_kind {
    FARM_FAULTS,
    FARM_MARKS,
    FARM_EXCUSES,
    FARM_KIND_COUNT,
};

struct farm_names {
    uint32_t count;
    const char *name[FARM_NAMES_MAX];
    char *text; /* holds the names */
};

struct farm_tally {
    uint64_t runs, ok, broken, undecided, excused, crash, hang, memory;
    uint64_t events, wall_ns;
};

struct farm_scenario {
    char name[OCTO_SCENARIO_NAME_BYTES];
    char summary[OCTO_SCENARIO_SUMMARY_BYTES];
    uint64_t planned; /* runs of all shards; 0: only time will tell */
    uint64_t excused_max_ppm, undecided_max_ppm;
    struct farm_tally tally;
    bool too_excused, too_undecided; /* above the ceiling */
};

struct farm_summary {
    char build[160], machine[64], seeds[64], limits[64], shard[32];
    uint32_t scenario_count;
    struct farm_scenario scenarios[FARM_SCENARIOS_MAX]; /* in the order of their names */
    struct farm_tally total;
    uint64_t planned; /* runs of all shards; 0: only time will tell */
    bool complete;    /* all of them are there */
    bool lacking;     /* not even this shard's own are there: the farm was stopped, or still runs */
    char progress[160];       /* "80 runs"; or "20 of 80 runs: " and why */
    int64_t begin_ms, end_ms; /* from the first run's beginning to the last one's end */
    uint64_t digest;          /* of the table, times left out: equal for equal results */
    struct farm_names names[FARM_KIND_COUNT];
    enum sim_exit status; /* what broke, or is above a ceiling */
};

/* farm_summary_read fills summary; farm_summary_free releases it. Errors stick in store->failed. */
void farm_summary_read(struct farm_summary *summary, struct farm_store *store);
void farm_summary_free(struct farm_summary *summary);

const char *farm_kind_text(enum farm_kind kind); /* "faults" ... */

/* farm_tally_failed: runs that failed, of every sort; the undecided are none. */
uint64_t farm_tally_failed(const struct farm_tally *tally);

/* Of each name: how often in all, and in how many runs. */
struct farm_counts {
    uint64_t sums[FARM_NAMES_MAX], runs[FARM_NAMES_MAX];
};

/* The counts of each scenario, in the summary's order, and at [scenario_count] those of all. */
struct farm_coverage {
    struct farm_counts of[FARM_SCENARIOS_MAX + 1][FARM_KIND_COUNT];
};

/* farm_coverage_read makes the coverage; free() it. NULL: no memory, store->failed is set. */
struct farm_coverage *farm_coverage_read(const struct farm_summary *summary,
                                         struct farm_store *store);

#endif
