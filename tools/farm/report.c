#include "tools/farm/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#define COUNTS_MAX    256u
#define NS_PER_SECOND ((uint64_t)1000000000)

struct counts {
    uint64_t sums[COUNTS_MAX];
};

static sqlite3_stmt *query(struct farm_store *store, const char *text)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, text, -1, &statement, NULL) != SQLITE_OK) {
        farm_complain("%s: %s", store->path, sqlite3_errmsg(store->db));
        store->failed = true;
    }
    return statement;
}

static bool next(struct farm_store *store, sqlite3_stmt *statement)
{
    const int code = statement == NULL ? SQLITE_DONE : sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        farm_complain("%s: %s", store->path, sqlite3_errmsg(store->db));
        store->failed = true;
    }
    return code == SQLITE_ROW;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static const char *text(sqlite3_stmt *statement, int column)
{
    const char *found = (const char *)sqlite3_column_text(statement, column);
    return found == NULL ? "" : found;
}

/* One row a scenario, and whether it stays below its ceilings. */
static enum sim_exit print_scenarios(struct farm_store *store, FILE *out)
{
    enum sim_exit status = SIM_EXIT_OK;
    sqlite3_stmt *rows = query(
        store,
        "SELECT s.name, count(r.seed), sum(verdict='ok'), sum(verdict='broken'),"
        " sum(verdict='undecided'), sum(verdict='crash'), sum(verdict='hang'),"
        " sum(verdict='memory'), sum(rtrim(excuses, ' 0')<>''), s.excused_max_ppm,"
        " s.undecided_max_ppm, sum(wall_ns)"
        " FROM scenario s LEFT JOIN run r ON r.scenario=s.name GROUP BY s.name ORDER BY s.name");
    fprintf(out, "%-24s %8s %8s %7s %9s %7s %6s %5s %6s %8s\n", "scenario", "runs", "ok", "broken",
            "undecided", "excused", "crash", "hang", "memory", "s");
    while (next(store, rows)) {
        const uint64_t runs = number(rows, 1), undecided = number(rows, 4);
        const uint64_t failed =
            number(rows, 3) + number(rows, 5) + number(rows, 6) + number(rows, 7);
        const bool excused = number(rows, 8) * 1000000 > runs * number(rows, 9);
        fprintf(out,
                "%-24s %8" PRIu64 " %8" PRIu64 " %7" PRIu64 " %9" PRIu64 " %7" PRIu64 " %6" PRIu64
                " %5" PRIu64 " %6" PRIu64 " %8" PRIu64 "\n",
                text(rows, 0), runs, number(rows, 2), number(rows, 3), undecided, number(rows, 8),
                number(rows, 5), number(rows, 6), number(rows, 7),
                number(rows, 11) / NS_PER_SECOND);
        if (excused)
            fprintf(out, "  more runs were excused than the scenario allows\n");
        if (undecided * 1000000 > runs * number(rows, 10)) {
            fprintf(out, "  more checks were undecided than the scenario allows\n");
            status = status == SIM_EXIT_OK ? SIM_EXIT_UNDECIDED : status;
        }
        if (failed != 0 || excused)
            status = SIM_EXIT_BROKEN;
    }
    (void)sqlite3_finalize(rows);
    return status;
}

static void add(struct counts *counts, const char *at)
{
    char *end;
    for (size_t i = 0; i < COUNTS_MAX; i++, at = end) {
        const uint64_t value = strtoull(at, &end, 10);
        if (end == at)
            return;
        counts->sums[i] += value;
    }
}

/* "name count" of what happened, then the names of what never did. */
static void print_counts(struct farm_store *store, FILE *out, const char *what,
                         const struct counts *counts)
{
    sqlite3_stmt *get = query(store, "SELECT value FROM meta WHERE key=?1");
    (void)sqlite3_bind_text(get, 1, what, -1, SQLITE_TRANSIENT);
    for (int never = 0; next(store, get) && never < 2; never++) {
        size_t i = 0;
        fprintf(out, never == 0 ? "\n%s\n" : "  never:", what);
        for (const char *at = text(get, 0); *at != '\0' && i < COUNTS_MAX; i++) {
            const int size = (int)strcspn(at, " ");
            if (never == 0 && counts->sums[i] != 0)
                fprintf(out, "  %-40.*s %12" PRIu64 "\n", size, at, counts->sums[i]);
            if (never == 1 && counts->sums[i] == 0)
                fprintf(out, " %.*s", size, at);
            at += size;
            at += strspn(at, " ");
        }
        if (never == 1)
            fputc('\n', out);
        (void)sqlite3_reset(get);
    }
    (void)sqlite3_finalize(get);
}

static void print_all_counts(struct farm_store *store, FILE *out)
{
    static struct counts faults, marks, excuses;
    faults = marks = excuses = (struct counts){{0}};
    sqlite3_stmt *rows =
        query(store, "SELECT faults, marks, excuses FROM run WHERE faults IS NOT NULL");
    while (next(store, rows)) {
        add(&faults, text(rows, 0));
        add(&marks, text(rows, 1));
        add(&excuses, text(rows, 2));
    }
    (void)sqlite3_finalize(rows);
    print_counts(store, out, "faults", &faults);
    print_counts(store, out, "marks", &marks);
    print_counts(store, out, "excuses", &excuses);
}

static void print_failures(struct farm_store *store, FILE *out)
{
    sqlite3_stmt *rows = query(
        store, "SELECT count(*), signature, scenario, min(seed), why, replay FROM run"
               " WHERE signature IS NOT NULL GROUP BY signature ORDER BY count(*) DESC, signature");
    for (bool first = true; next(store, rows); first = false) {
        if (first)
            fprintf(out, "\nfailures\n");
        fprintf(out, "  %" PRIu64 " x %s\n    first: %s seed %" PRIu64 ": %s\n    %s\n",
                number(rows, 0), text(rows, 1), text(rows, 2), number(rows, 3), text(rows, 4),
                text(rows, 5));
    }
    (void)sqlite3_finalize(rows);
}

/* One number for the whole table, times left out: equal for equal results. */
static void print_digest(struct farm_store *store, FILE *out)
{
    uint64_t digest = 0;
    sqlite3_stmt *rows = query(store, "SELECT scenario || ' ' || seed || ' ' || verdict || ' ' ||"
                                      " ifnull(signature, '') || ' ' || ifnull(hash, '') FROM run"
                                      " ORDER BY build, scenario, seed");
    while (next(store, rows))
        digest = XXH64(text(rows, 0), strlen(text(rows, 0)), digest);
    (void)sqlite3_finalize(rows);
    fprintf(out, "\ndigest of the table, times left out: %016" PRIx64 "\n", digest);
}

enum sim_exit farm_report(struct farm_store *store, bool quiet)
{
    char *buffer = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&buffer, &size);
    if (out == NULL)
        return SIM_EXIT_HARNESS;
    const enum sim_exit status = print_scenarios(store, out);
    print_all_counts(store, out);
    print_failures(store, out);
    print_digest(store, out);
    (void)fclose(out);
    if (!quiet || status != SIM_EXIT_OK)
        fputs(buffer, stdout);
    free(buffer);
    return store->failed ? SIM_EXIT_HARNESS : status;
}
