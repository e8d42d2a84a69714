#include "tools/farm/rows.h"

#include <stdlib.h>

static const char *text(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static const char *some_text(sqlite3_stmt *statement, int column)
{
    const char *found = text(statement, column);
    return found == NULL ? "" : found;
}

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static bool next(struct farm_rows *rows)
{
    if (rows->statement != NULL && farm_store_step(rows->store, rows->statement))
        return true;
    farm_rows_close(rows);
    return false;
}

void farm_rows_close(struct farm_rows *rows)
{
    (void)sqlite3_finalize(rows->statement);
    rows->statement = NULL;
}

/* ---- Runs ------------------------------------------------------------------------------------
 */

#define NUMBER_COLUMN(name) ", r." #name
#define RUN_COLUMNS                                                                              \
    "SELECT r.build, r.scenario, s.fault_mix, r.verdict, r.replay, r.property, r.signature,"     \
    " r.why, r.seed, s.nodes, s.ops, r.wall_ns, r.ended_ms, r.event, r.hash, r.faults, r.marks," \
    " r.excuses" FARM_NUMBERS(NUMBER_COLUMN) " FROM run r JOIN scenario s ON s.name=r.scenario "

void farm_rows_open(struct farm_rows *rows, struct farm_store *store, enum farm_order order)
{
    static const char *const queries[] = {
        [FARM_IN_ORDER] = RUN_COLUMNS "ORDER BY r.build, r.scenario, r.seed",
        [FARM_SLOWEST] = RUN_COLUMNS "ORDER BY r.wall_ns DESC, r.scenario, r.seed",
    };
    *rows = (struct farm_rows){store, farm_store_prepare(store, queries[order])};
}

bool farm_rows_next(struct farm_rows *rows, struct farm_run *run)
{
    sqlite3_stmt *row = rows->statement;
    int column = 18;
    if (!next(rows))
        return false;
    *run = (struct farm_run){
        .build = some_text(row, 0),
        .scenario = some_text(row, 1),
        .fault_mix = some_text(row, 2),
        .verdict = some_text(row, 3),
        .replay = some_text(row, 4),
        .property = text(row, 5),
        .signature = text(row, 6),
        .why = text(row, 7),
        .seed = number(row, 8),
        .nodes = number(row, 9),
        .ops = number(row, 10),
        .wall_ns = number(row, 11),
        .ended_ms = sqlite3_column_int64(row, 12),
        .broke = sqlite3_column_type(row, 13) != SQLITE_NULL,
        .event = number(row, 13),
        .ended = sqlite3_column_type(row, 14) != SQLITE_NULL,
        .hash = text(row, 14),
        .counts = {some_text(row, 15), some_text(row, 16), some_text(row, 17)},
    };
#define NUMBER_TAKE(name) run->name = number(row, column++);
    FARM_NUMBERS(NUMBER_TAKE)
#undef NUMBER_TAKE
    return true;
}

uint32_t farm_counts_split(const char *at, uint64_t values[FARM_NAMES_MAX])
{
    uint32_t count = 0;
    for (char *end; count < FARM_NAMES_MAX; at = end) {
        values[count] = strtoull(at, &end, 10);
        if (end == at)
            break;
        count++;
    }
    return count;
}

/* ---- Failures ---------------------------------------------------------------------------------
 */

/* min(seed) and min(place) are each alone in their SELECT: the columns beside them are then of the
 * row that has the minimum. */
void farm_groups_open(struct farm_rows *rows, struct farm_store *store)
{
    static const char query[] =
        "WITH placed AS (SELECT signature, ended_ms,"
        " row_number() OVER (ORDER BY ended_ms, scenario, seed) AS place FROM run),"
        " first AS (SELECT signature, min(place) AS place, ended_ms FROM placed"
        " WHERE signature IS NOT NULL GROUP BY signature)"
        "SELECT count(*), count(DISTINCT scenario), signature, property, verdict, scenario, why,"
        " replay, min(seed), first.place, first.ended_ms"
        " FROM run JOIN first USING(signature) GROUP BY signature"
        " ORDER BY count(*) DESC, signature";
    *rows = (struct farm_rows){store, farm_store_prepare(store, query)};
}

bool farm_groups_next(struct farm_rows *rows, struct farm_group *group)
{
    sqlite3_stmt *row = rows->statement;
    if (!next(rows))
        return false;
    *group = (struct farm_group){
        .runs = number(row, 0),
        .scenarios = number(row, 1),
        .signature = some_text(row, 2),
        .property = text(row, 3),
        .verdict = some_text(row, 4),
        .scenario = some_text(row, 5),
        .why = some_text(row, 6),
        .replay = some_text(row, 7),
        .seed = number(row, 8),
        .place = number(row, 9),
        .first_ms = sqlite3_column_int64(row, 10),
    };
    return true;
}

void farm_causes_open(struct farm_rows *rows, struct farm_store *store)
{
    static const char query[] = "SELECT ifnull(property, verdict), count(*) FROM run"
                                " WHERE signature IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1";
    *rows = (struct farm_rows){store, farm_store_prepare(store, query)};
}

bool farm_causes_next(struct farm_rows *rows, struct farm_cause *cause)
{
    sqlite3_stmt *row = rows->statement;
    if (!next(rows))
        return false;
    *cause = (struct farm_cause){some_text(row, 0), number(row, 1)};
    return true;
}

/* ---- Time ------------------------------------------------------------------------------------
 */

void farm_spans_read(const struct farm_summary *summary, struct farm_store *store,
                     struct farm_span *spans, uint32_t count)
{
    sqlite3_stmt *row =
        farm_store_prepare(store, "SELECT (ended_ms - ?1) * ?3 / (?2 - ?1 + 1), count(*),"
                                  " sum(signature IS NOT NULL) FROM run GROUP BY 1");
    memset(spans, 0, count * sizeof *spans);
    if (row == NULL)
        return;
    (void)sqlite3_bind_int64(row, 1, summary->begin_ms);
    (void)sqlite3_bind_int64(row, 2, summary->end_ms);
    (void)sqlite3_bind_int64(row, 3, count);
    while (farm_store_step(store, row)) {
        const uint64_t at = number(row, 0);
        if (at < count)
            spans[at] = (struct farm_span){number(row, 1), number(row, 2)};
    }
    (void)sqlite3_finalize(row);
}
