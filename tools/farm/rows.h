/* The rows of a database as structs, for every form of report. Private to tools/farm/. */
#ifndef OCTO_FARM_ROWS_H
#define OCTO_FARM_ROWS_H

#include "tools/farm/summary.h"

/* Columns that are numbers, and there if the run ended. */
#define FARM_NUMBERS(N) \
    N(events)           \
    N(deliveries)       \
    N(virtual_ns)       \
    N(used_bytes)       \
    N(acked)            \
    N(failed)           \
    N(unknown)          \
    N(elections)        \
    N(crashes)          \
    N(restarts)         \
    N(impaired)         \
    N(lies_told)        \
    N(lies_ended)

/* One run. Strings live until the next row is asked for; those that may be NULL say so. */
struct farm_run {
    const char *build, *scenario, *fault_mix, *verdict, *replay;
    const char *property, *signature, *why; /* NULL: did not fail so */
    uint64_t seed, nodes, ops, wall_ns;
    int64_t ended_ms;
    bool broke; /* event is that of the failure */
    uint64_t event;
    bool ended; /* neither crash nor hang nor out of memory: what follows is there */
    const char *hash;
    const char *counts[FARM_KIND_COUNT]; /* numbers with blanks between, as the summary's names */
#define FARM_NUMBER_FIELD(name) uint64_t name;
    FARM_NUMBERS(FARM_NUMBER_FIELD)
#undef FARM_NUMBER_FIELD
};

enum farm_order {
    FARM_IN_ORDER, /* scenario, seed */
    FARM_SLOWEST,  /* by wall time */
};

struct farm_rows {
    struct farm_store *store;
    sqlite3_stmt *statement;
};

/* farm_rows_open begins to read all runs; farm_rows_next takes one, false after the last, when
 * there is nothing left to close; farm_rows_close closes before that. */
void farm_rows_open(struct farm_rows *rows, struct farm_store *store, enum farm_order order);
bool farm_rows_next(struct farm_rows *rows, struct farm_run *run);
void farm_rows_close(struct farm_rows *rows);

/* farm_counts_split makes numbers of the text; how many, at most FARM_NAMES_MAX. */
uint32_t farm_counts_split(const char *at, uint64_t values[FARM_NAMES_MAX]);

/* Runs that failed alike: those of one signature. Strings as above. */
struct farm_group {
    uint64_t runs, scenarios; /* of so many scenarios */
    const char *signature, *property, *verdict;
    const char *scenario, *why, *replay; /* of the smallest seed */
    uint64_t seed;
    uint64_t place;   /* in the order of time the first of them was this run: 1, 2, ... */
    int64_t first_ms; /* and ended at */
};

/* The groups, the largest first. As with runs. */
void farm_groups_open(struct farm_rows *rows, struct farm_store *store);
bool farm_groups_next(struct farm_rows *rows, struct farm_group *group);

/* How many runs broke a property, or failed otherwise, the most first. */
struct farm_cause {
    const char *cause; /* property, or "crash" ... */
    uint64_t runs;
};
void farm_causes_open(struct farm_rows *rows, struct farm_store *store);
bool farm_causes_next(struct farm_rows *rows, struct farm_cause *cause);

/* Runs that ended in each of count equal spans between the summary's begin_ms and end_ms. */
struct farm_span {
    uint64_t runs, failed;
};
void farm_spans_read(const struct farm_summary *summary, struct farm_store *store,
                     struct farm_span *spans, uint32_t count);

#endif
