#include "tools/farm/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "tools/farm/rows.h"

const char *farm_kind_text(enum farm_kind kind)
{
    static const char *const texts[FARM_KIND_COUNT] = {"faults", "marks", "excuses"};
    octo_assert(kind < FARM_KIND_COUNT);
    return texts[kind];
}

uint64_t farm_tally_failed(const struct farm_tally *tally)
{
    return tally->broken + tally->crash + tally->hang + tally->memory;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static void copy(char *out, size_t capacity, sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    (void)snprintf(out, capacity, "%s", text == NULL ? "" : text);
}

static void meta(struct farm_store *store, const char *key, char *out, size_t capacity)
{
    sqlite3_stmt *get = farm_store_prepare(store, "SELECT value FROM meta WHERE key=?1");
    out[0] = '\0';
    if (get == NULL)
        return;
    (void)sqlite3_bind_text(get, 1, key, -1, SQLITE_TRANSIENT);
    if (farm_store_step(store, get))
        copy(out, capacity, get, 0);
    (void)sqlite3_finalize(get);
}

/* ---- Scenarios --------------------------------------------------------------------------------
 */

static void take_scenario(struct farm_scenario *scenario, sqlite3_stmt *row)
{
    copy(scenario->name, sizeof scenario->name, row, 0);
    copy(scenario->summary, sizeof scenario->summary, row, 1);
    scenario->planned = number(row, 2);
    scenario->excused_max_ppm = number(row, 3);
    scenario->undecided_max_ppm = number(row, 4);
    scenario->tally = (struct farm_tally){
        .runs = number(row, 5),
        .ok = number(row, 6),
        .broken = number(row, 7),
        .undecided = number(row, 8),
        .crash = number(row, 9),
        .hang = number(row, 10),
        .memory = number(row, 11),
        .excused = number(row, 12),
        .events = number(row, 13),
        .wall_ns = number(row, 14),
    };
    const struct farm_tally *tally = &scenario->tally;
    scenario->too_excused = tally->excused * 1000000 > tally->runs * scenario->excused_max_ppm;
    scenario->too_undecided =
        tally->undecided * 1000000 > tally->runs * scenario->undecided_max_ppm;
}

static void add_tally(struct farm_tally *sum, const struct farm_tally *tally)
{
    sum->runs += tally->runs;
    sum->ok += tally->ok;
    sum->broken += tally->broken;
    sum->undecided += tally->undecided;
    sum->excused += tally->excused;
    sum->crash += tally->crash;
    sum->hang += tally->hang;
    sum->memory += tally->memory;
    sum->events += tally->events;
    sum->wall_ns += tally->wall_ns;
}

static void read_scenarios(struct farm_summary *summary, struct farm_store *store)
{
    sqlite3_stmt *rows = farm_store_prepare(
        store,
        "SELECT s.name, s.summary, s.planned, s.excused_max_ppm, s.undecided_max_ppm, r.*"
        " FROM scenario s LEFT JOIN (SELECT count(*), sum(verdict='ok'), sum(verdict='broken'),"
        " sum(verdict='undecided'), sum(verdict='crash'), sum(verdict='hang'),"
        " sum(verdict='memory'), sum(rtrim(excuses, ' 0')<>''), sum(events), sum(wall_ns),"
        " scenario FROM run GROUP BY scenario) r ON r.scenario=s.name ORDER BY s.name");
    while (summary->scenario_count < FARM_SCENARIOS_MAX && farm_store_step(store, rows)) {
        struct farm_scenario *scenario = &summary->scenarios[summary->scenario_count++];
        take_scenario(scenario, rows);
        add_tally(&summary->total, &scenario->tally);
        summary->planned += scenario->planned;
        if (scenario->too_undecided && summary->status == SIM_EXIT_OK)
            summary->status = SIM_EXIT_UNDECIDED;
        if (farm_tally_failed(&scenario->tally) != 0 || scenario->too_excused)
            summary->status = SIM_EXIT_BROKEN;
    }
    (void)sqlite3_finalize(rows);
}

/* Every run is of a scenario, and ended in a way that is known: or somebody else wrote here. */
static void check_runs(const struct farm_summary *summary, struct farm_store *store)
{
    const struct farm_tally *total = &summary->total;
    sqlite3_stmt *row = farm_store_prepare(store, "SELECT count(*) FROM run");
    const bool counted = farm_store_step(store, row);
    if (counted && (number(row, 0) != total->runs ||
                    total->runs != total->ok + total->undecided + farm_tally_failed(total)))
        farm_store_damaged(store, "a run is of no scenario, or has a verdict that there is not");
    (void)sqlite3_finalize(row);
}

/* ---- How much of the farm it is ---------------------------------------------------------------
 */

/* The seeds of a farm for a time are not known before: whether it ended counts. */
static void judge_time(struct farm_summary *summary, bool ended, bool sharded)
{
    const char *why = ended ? "complete" : "stopped before its time was over, or still running";
    const uint64_t runs = summary->total.runs;
    summary->lacking = !ended;
    summary->complete = ended && !sharded;
    if (summary->complete)
        (void)snprintf(summary->progress, sizeof summary->progress, "%" PRIu64 " runs", runs);
    else if (sharded)
        (void)snprintf(summary->progress, sizeof summary->progress,
                       "%" PRIu64 " runs: shard %s, %s", runs, summary->shard, why);
    else
        (void)snprintf(summary->progress, sizeof summary->progress, "%" PRIu64 " runs: %s", runs,
                       why);
}

static void judge_seeds(struct farm_summary *summary, uint32_t shard, uint32_t shards)
{
    const uint64_t runs = summary->total.runs;
    uint64_t share = 0;
    char why[96] = "shards are missing, or were stopped";
    for (uint32_t i = 0; i < summary->scenario_count && shards != 0; i++)
        share += farm_seeds_share(summary->scenarios[i].planned, shard, shards);
    summary->complete = runs >= summary->planned;
    summary->lacking = runs < (shards == 0 ? summary->planned : share);
    if (summary->complete) {
        (void)snprintf(summary->progress, sizeof summary->progress, "%" PRIu64 " runs", runs);
        return;
    }
    if (shards == 1)
        (void)snprintf(why, sizeof why, "stopped, or still running");
    else if (shards != 0 && !summary->lacking)
        (void)snprintf(why, sizeof why, "shard %s, complete", summary->shard);
    else if (shards != 0)
        (void)snprintf(why, sizeof why, "shard %s, of whose %" PRIu64 " runs some are missing",
                       summary->shard, share);
    (void)snprintf(summary->progress, sizeof summary->progress,
                   "%" PRIu64 " of %" PRIu64 " runs: %s", runs, summary->planned, why);
}

static void read_progress(struct farm_summary *summary, struct farm_store *store)
{
    unsigned shard = 0, shards = 0; /* of a merged database */
    char ended[8];
    if (sscanf(summary->shard, "%u/%u", &shard, &shards) != 2)
        shards = 0;
    meta(store, "ended", ended, sizeof ended);
    if (summary->planned == 0)
        judge_time(summary, strcmp(ended, "yes") == 0, shards > 1);
    else
        judge_seeds(summary, shard, shards);
}

/* ---- Names, times, digest ---------------------------------------------------------------------
 */

static void read_names(struct farm_names *names, struct farm_store *store, const char *key)
{
    const size_t capacity = 1 << 14;
    char *save = NULL;
    names->text = malloc(capacity);
    if (names->text == NULL) {
        farm_complain("no memory left");
        store->failed = true;
        return;
    }
    meta(store, key, names->text, capacity);
    for (char *word = strtok_r(names->text, " ", &save);
         word != NULL && names->count < FARM_NAMES_MAX; word = strtok_r(NULL, " ", &save))
        names->name[names->count++] = word;
}

static void read_times(struct farm_summary *summary, struct farm_store *store)
{
    sqlite3_stmt *row = farm_store_prepare(
        store, "SELECT min(ended_ms - wall_ns / 1000000), max(ended_ms) FROM run");
    if (farm_store_step(store, row)) {
        summary->begin_ms = sqlite3_column_int64(row, 0);
        summary->end_ms = sqlite3_column_int64(row, 1);
    }
    (void)sqlite3_finalize(row);
}

static void read_digest(struct farm_summary *summary, struct farm_store *store)
{
    sqlite3_stmt *rows =
        farm_store_prepare(store, "SELECT scenario || ' ' || seed || ' ' || verdict || ' ' ||"
                                  " ifnull(signature, '') || ' ' || ifnull(hash, '') FROM run"
                                  " ORDER BY build, scenario, seed");
    while (farm_store_step(store, rows)) {
        const char *text = (const char *)sqlite3_column_text(rows, 0);
        if (text != NULL)
            summary->digest = XXH64(text, strlen(text), summary->digest);
    }
    (void)sqlite3_finalize(rows);
}

void farm_summary_read(struct farm_summary *summary, struct farm_store *store)
{
    *summary = (struct farm_summary){.status = SIM_EXIT_OK};
    meta(store, "build", summary->build, sizeof summary->build);
    meta(store, "machine", summary->machine, sizeof summary->machine);
    meta(store, "seeds", summary->seeds, sizeof summary->seeds);
    meta(store, "limits", summary->limits, sizeof summary->limits);
    meta(store, "shard", summary->shard, sizeof summary->shard);
    for (enum farm_kind kind = 0; kind < FARM_KIND_COUNT; kind++)
        read_names(&summary->names[kind], store, farm_kind_text(kind));
    read_scenarios(summary, store);
    check_runs(summary, store);
    read_progress(summary, store);
    read_times(summary, store);
    read_digest(summary, store);
}

void farm_summary_free(struct farm_summary *summary)
{
    for (enum farm_kind kind = 0; kind < FARM_KIND_COUNT; kind++)
        free(summary->names[kind].text);
}

/* ---- Coverage ---------------------------------------------------------------------------------
 */

static void add_counts(struct farm_counts *one, struct farm_counts *all, const char *text)
{
    uint64_t values[FARM_NAMES_MAX];
    const uint32_t count = farm_counts_split(text, values);
    for (uint32_t i = 0; i < count; i++) {
        one->sums[i] += values[i];
        all->sums[i] += values[i];
        one->runs[i] += values[i] != 0;
        all->runs[i] += values[i] != 0;
    }
}

struct farm_coverage *farm_coverage_read(const struct farm_summary *summary,
                                         struct farm_store *store)
{
    struct farm_coverage *coverage = calloc(1, sizeof *coverage);
    struct farm_rows rows;
    struct farm_run run;
    uint32_t scenario = 0;
    if (coverage == NULL) {
        farm_complain("no memory left");
        store->failed = true;
        return NULL;
    }
    farm_rows_open(&rows, store, FARM_IN_ORDER);
    while (farm_rows_next(&rows, &run)) {
        while (scenario < summary->scenario_count &&
               strcmp(summary->scenarios[scenario].name, run.scenario) != 0)
            scenario++;
        if (scenario == summary->scenario_count) {
            farm_store_damaged(store, "runs are out of order");
            farm_rows_close(&rows);
            break;
        }
        for (enum farm_kind kind = 0; kind < FARM_KIND_COUNT && run.ended; kind++)
            add_counts(&coverage->of[scenario][kind], &coverage->of[summary->scenario_count][kind],
                       run.counts[kind]);
    }
    return coverage;
}
