#include "tools/farm/store.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define FORMAT "2"

static const char schema[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS scenario(name TEXT PRIMARY KEY, options TEXT NOT NULL,"
    " summary TEXT NOT NULL, nodes INTEGER NOT NULL, ops INTEGER NOT NULL, fault_mix TEXT NOT NULL,"
    " planned INTEGER NOT NULL, excused_max_ppm INTEGER NOT NULL,"
    " undecided_max_ppm INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS run(build TEXT NOT NULL, scenario TEXT NOT NULL,"
    " seed INTEGER NOT NULL, verdict TEXT NOT NULL, property TEXT, signature TEXT, why TEXT,"
    " replay TEXT NOT NULL, event INTEGER, hash TEXT, events INTEGER, deliveries INTEGER, acked "
    "INTEGER,"
    " failed INTEGER, unknown INTEGER, elections INTEGER, crashes INTEGER, restarts INTEGER,"
    " impaired INTEGER, used_bytes INTEGER, lies_told INTEGER, lies_ended INTEGER,"
    " faults TEXT, marks TEXT, excuses TEXT,"
    " virtual_ns INTEGER, wall_ns INTEGER NOT NULL, ended_ms INTEGER NOT NULL,"
    " PRIMARY KEY(build, scenario, seed)) STRICT, WITHOUT ROWID;"
    "COMMIT;";

static uint64_t digest_of(FILE *file)
{
    static uint8_t bytes[1 << 16];
    uint64_t digest = 0;
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, file)) != 0;)
        digest = XXH64(bytes, size, digest);
    return digest;
}

const char *farm_build_text(void)
{
    static char text[128];
    if (text[0] != '\0')
        return text;
    FILE *self = fopen("/proc/self/exe", "rb");
    if (self == NULL)
        return sim_build_text();
    (void)snprintf(text, sizeof text, "%s %016llx", sim_build_text(),
                   (unsigned long long)digest_of(self));
    (void)fclose(self);
    return text;
}

static bool complain(struct farm_store *store)
{
    if (!store->failed)
        farm_complain("%s: %s", store->path, sqlite3_errmsg(store->db));
    store->failed = true;
    return false;
}

bool farm_store_execute(struct farm_store *store, const char *text)
{
    return sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK || complain(store);
}

sqlite3_stmt *farm_store_prepare(struct farm_store *store, const char *text)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, text, -1, &statement, NULL) != SQLITE_OK)
        (void)complain(store);
    return statement;
}

bool farm_store_step(struct farm_store *store, sqlite3_stmt *statement)
{
    const int code = statement == NULL ? SQLITE_MISUSE : sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        (void)complain(store);
    return code == SQLITE_ROW;
}

void farm_store_damaged(struct farm_store *store, const char *what)
{
    if (!store->failed)
        farm_complain("%s is damaged: %s", store->path, what);
    store->failed = true;
}

/* A path is a file's, whatever SQLite would read in it (":memory:", "file:..."); NULL: no file. */
static bool open_file(struct farm_store *store, const char *path, int flags)
{
    *store = (struct farm_store){.path = path == NULL ? "the database" : path};
    char *file = path == NULL        ? sqlite3_mprintf(":memory:")
                 : strchr(path, ':') ? sqlite3_mprintf("%s%s", path[0] == '/' ? "" : "./", path)
                                     : sqlite3_mprintf("%s", path);
    const int code = sqlite3_open_v2(file, &store->db, flags, NULL);
    sqlite3_free(file);
    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(store->db, 10000);
        return true;
    }
    (void)complain(store);
    (void)sqlite3_close(store->db);
    return false;
}

static void bind_text(sqlite3_stmt *put, int column, const char *text)
{
    (void)sqlite3_bind_text(put, column, text, -1, SQLITE_TRANSIENT);
}

/* Sets what the database says of itself, or compares it. */
static bool agree(struct farm_store *store, const char *key, const char *value)
{
    bool good = true;
    sqlite3_stmt *put = farm_store_prepare(store, "INSERT OR IGNORE INTO meta VALUES(?1, ?2)");
    sqlite3_stmt *get = farm_store_prepare(store, "SELECT value FROM meta WHERE key=?1");
    if (put != NULL && get != NULL) {
        (void)sqlite3_bind_text(put, 1, key, -1, SQLITE_TRANSIENT);
        (void)sqlite3_bind_text(put, 2, value, -1, SQLITE_TRANSIENT);
        (void)farm_store_step(store, put);
        (void)sqlite3_bind_text(get, 1, key, -1, SQLITE_TRANSIENT);
        if (farm_store_step(store, get)) {
            const char *found = (const char *)sqlite3_column_text(get, 0);
            good = strcmp(found, value) == 0;
            if (!good)
                farm_complain("%s is of another farm: its %s is '%s', expected '%s'", store->path,
                              key, found, value);
        }
    }
    (void)sqlite3_finalize(put);
    (void)sqlite3_finalize(get);
    return good && !store->failed;
}

/* A farm writes a log beside its database (WAL). Without it, who has but the right to read, or a
 * folder that he cannot write to, can read what came out. */
static void leave_wal(struct farm_store *store)
{
    (void)sqlite3_busy_timeout(store->db, 0); /* in vain while another reads */
    (void)sqlite3_exec(store->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
}

/* Whether the file is still where the farm opened it. */
static bool is_there(struct farm_store *store)
{
    struct stat status;
    if (store->inode == 0)
        return true;
    if (stat(store->path, &status) == 0 && status.st_ino == store->inode)
        return true;
    if (!store->failed)
        farm_complain("%s was removed or replaced meanwhile: its results are lost", store->path);
    store->failed = true;
    return false;
}

static void scenario_text(const struct octo_scenario *scenario, const struct octo_machine *machine,
                          char out[SIM_REPLAY_BYTES])
{
    const struct sim_program program = {.path = "octo-sim", .name = "octo-sim", .machine = machine};
    sim_replay_text(&program, &scenario->options, out);
}

static bool agree_scenario(struct farm_store *store, const struct farm_arguments *arguments,
                           uint32_t number, const struct octo_machine *machine)
{
    const struct octo_scenario *scenario = &arguments->scenarios[number];
    const int64_t planned = (int64_t)farm_seeds_whole(arguments, number);
    char key[OCTO_SCENARIO_NAME_BYTES + 16], text[SIM_REPLAY_BYTES];
    char says[SIM_REPLAY_BYTES + 64]; /* what must agree */
    sqlite3_stmt *put = farm_store_prepare(
        store, "INSERT OR IGNORE INTO scenario VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    scenario_text(scenario, machine, text);
    if (put == NULL)
        return false;
    bind_text(put, 1, scenario->name);
    bind_text(put, 2, text);
    bind_text(put, 3, scenario->summary);
    (void)sqlite3_bind_int64(put, 4, scenario->options.node_count);
    (void)sqlite3_bind_int64(put, 5, scenario->options.operations);
    bind_text(put, 6, octo_sim_faults_text(scenario->options.faults));
    (void)sqlite3_bind_int64(put, 7, planned);
    (void)sqlite3_bind_int64(put, 8, scenario->excused_max_ppm);
    (void)sqlite3_bind_int64(put, 9, scenario->undecided_max_ppm);
    (void)farm_store_step(store, put);
    (void)sqlite3_finalize(put);
    (void)snprintf(key, sizeof key, "scenario %s", scenario->name);
    (void)snprintf(says, sizeof says, "%s, %lld seeds, content %016llx", text, (long long)planned,
                   (unsigned long long)scenario->digest);
    return agree(store, key, says);
}

static void names_text(char *out, size_t capacity, size_t count, const char *(*name)(size_t))
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const int size = snprintf(out + used, capacity - used, "%s%s", i == 0 ? "" : " ", name(i));
        octo_assert(size > 0 && (size_t)size < capacity - used);
        used += (size_t)size;
    }
}

static const char *fault_name(size_t at)
{
    return octo_fault_text((enum octo_fault)at);
}

static const char *mark_name(size_t at)
{
    return octo_mark_text((enum octo_mark)at);
}

static const char *excuse_name(size_t at)
{
    return sim_excuse_text((enum octo_excuse)at);
}

static bool agree_all(struct farm_store *store, const struct farm_arguments *arguments,
                      const struct octo_machine *machine)
{
    static char text[1 << 14];
    bool good = agree(store, "format", FORMAT) && agree(store, "build", farm_build_text()) &&
                agree(store, "machine", machine->name);
    size_t used = 0;
    for (uint32_t i = 0; i < arguments->scenario_count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ",
                                 arguments->scenarios[i].name);
    good = good && agree(store, "scenarios", text);
    if (arguments->for_ns != 0)
        (void)snprintf(text, sizeof text, "for a time");
    else if (arguments->ranged)
        (void)snprintf(text, sizeof text, "%llu..%llu", (unsigned long long)arguments->first,
                       (unsigned long long)arguments->last);
    else
        (void)snprintf(text, sizeof text, "default");
    good = good && agree(store, "seeds", text);
    (void)snprintf(text, sizeof text, "%u/%u", arguments->shard, arguments->shards);
    good = good && agree(store, "shard", text);
    (void)snprintf(text, sizeof text, "%llu s, %llu MiB",
                   (unsigned long long)(arguments->budget_ns / OCTO_SECOND),
                   (unsigned long long)(arguments->memory_bytes >> 20));
    good = good && agree(store, "limits", text);
    names_text(text, sizeof text, OCTO_FAULT_COUNT, fault_name);
    good = good && agree(store, "faults", text);
    names_text(text, sizeof text, OCTO_MARK_COUNT, mark_name);
    good = good && agree(store, "marks", text);
    names_text(text, sizeof text, OCTO_EXCUSE_COUNT, excuse_name);
    good = good && agree(store, "excuses", text);
    for (uint32_t i = 0; i < arguments->scenario_count; i++)
        good = good && agree_scenario(store, arguments, i, machine);
    return good;
}

/* Whether what is open can be read: a database of a farm, of this format. */
static bool is_readable(struct farm_store *store)
{
    sqlite3_stmt *get = farm_store_prepare(store, "SELECT value FROM meta WHERE key='format'");
    bool good = get != NULL && farm_store_step(store, get);
    if (good && strcmp((const char *)sqlite3_column_text(get, 0), FORMAT) != 0) {
        farm_complain("%s has format %s, of another version of octo-farm; this one reads format %s",
                      store->path, (const char *)sqlite3_column_text(get, 0), FORMAT);
        good = false;
    } else if (!good && !store->failed) {
        farm_complain("%s is no database of a farm", store->path);
    }
    (void)sqlite3_finalize(get);
    return good;
}

static uint64_t count_of(struct farm_store *store, const char *text)
{
    sqlite3_stmt *statement = farm_store_prepare(store, text);
    const uint64_t count =
        farm_store_step(store, statement) ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_finalize(statement);
    return count;
}

static bool is_new(struct farm_store *store)
{
    return count_of(store, "SELECT count(*) FROM sqlite_master WHERE name='meta'") == 0 ||
           count_of(store, "SELECT count(*) FROM meta") == 0;
}

bool farm_store_create(struct farm_store *store, const struct farm_arguments *arguments,
                       const struct octo_machine *machine)
{
    struct stat status;
    if (!open_file(store, arguments->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE))
        return false;
    if ((is_new(store) || is_readable(store)) && farm_store_execute(store, schema) &&
        farm_store_execute(store, "BEGIN IMMEDIATE") && agree_all(store, arguments, machine) &&
        farm_store_execute(store, "INSERT OR REPLACE INTO meta VALUES('ended', 'no')") &&
        farm_store_execute(store, "COMMIT")) {
        store->has = farm_store_prepare(
            store, "SELECT 1 FROM run WHERE build=?1 AND scenario=?2 AND seed=?3");
        store->put = farm_store_prepare(
            store, "INSERT INTO run VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
                   "?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28)");
    }
    if (arguments->db != NULL && stat(arguments->db, &status) == 0)
        store->inode = status.st_ino;
    if (store->put != NULL && !store->failed)
        return true;
    (void)farm_store_close(store);
    return false;
}

void farm_store_end(struct farm_store *store)
{
    farm_store_commit(store);
    if (!store->failed)
        (void)farm_store_execute(store, "UPDATE meta SET value='yes' WHERE key='ended'");
}

bool farm_store_read(struct farm_store *store, const char *path)
{
    if (!open_file(store, path, SQLITE_OPEN_READWRITE))
        return false;
    if (is_readable(store))
        return true;
    (void)farm_store_close(store);
    return false;
}

bool farm_store_has(struct farm_store *store, const char *scenario, uint64_t seed)
{
    (void)sqlite3_reset(store->has);
    (void)sqlite3_bind_text(store->has, 1, farm_build_text(), -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(store->has, 2, scenario, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(store->has, 3, (sqlite3_int64)seed);
    const bool found = farm_store_step(store, store->has);
    (void)sqlite3_reset(store->has);
    return found;
}

static void bind_counts(sqlite3_stmt *put, int column, const uint64_t *counts, size_t count)
{
    char text[2048];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%llu", i == 0 ? "" : " ",
                                 (unsigned long long)counts[i]);
        octo_assert(used < sizeof text);
    }
    (void)sqlite3_bind_text(put, column, text, (int)used, SQLITE_TRANSIENT);
}

/* Columns of a run that ended, from the hash on. */
static void bind_result(sqlite3_stmt *put, const struct sim_outcome *outcome)
{
    const struct octo_sim_result *result = &outcome->result;
    const uint64_t numbers[] = {result->events,     result->deliveries, result->acked,
                                result->failed,     result->unknown,    result->elections,
                                result->crashes,    result->restarts,   result->impaired,
                                result->used_bytes, result->lies_told,  result->lies_ended};
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)result->hash);
    bind_text(put, 10, hash);
    for (int i = 0; i < (int)(sizeof numbers / sizeof numbers[0]); i++)
        (void)sqlite3_bind_int64(put, 11 + i, (sqlite3_int64)numbers[i]);
    bind_counts(put, 23, result->faults, OCTO_FAULT_COUNT);
    bind_counts(put, 24, result->marks, OCTO_MARK_COUNT);
    bind_counts(put, 25, outcome->excuses, OCTO_EXCUSE_COUNT);
    (void)sqlite3_bind_int64(put, 26, (sqlite3_int64)result->virtual_ns);
}

/* The line that repeats it, of every run. */
static void bind_replay(sqlite3_stmt *put, const struct farm_arguments *arguments,
                        const struct farm_result *result, const struct octo_machine *machine)
{
    const uint32_t number = result->task.scenario;
    const struct sim_program program = {
        .path = "octo-sim",
        .name = "octo-sim",
        .machine = machine,
        .arguments = {.scenario_name = arguments->given[number] == NULL
                                           ? arguments->scenarios[number].name
                                           : arguments->given[number],
                      .scenario = arguments->scenarios[number]},
    };
    char replay[SIM_REPLAY_BYTES];
    sim_replay_text(&program, &result->outcome.options, replay);
    bind_text(put, 8, replay);
}

/* Why it is no success: columns property, signature and why. */
static void bind_failure(sqlite3_stmt *put, const struct farm_result *result)
{
    const struct octo_verdict *verdict = &result->outcome.result.verdict;
    char signature[OCTO_SIGNATURE_BYTES];
    const char *abbreviation = sigabbrev_np(result->signal);
    switch (result->fate) {
    case FARM_BROKEN:
        octo_sim_signature(verdict, signature);
        bind_text(put, 5, octo_property_text(verdict->property));
        bind_text(put, 6, signature);
        bind_text(put, 7, verdict->why);
        (void)sqlite3_bind_int64(put, 9, (sqlite3_int64)verdict->event);
        return;
    case FARM_UNDECIDED:
        bind_text(put, 7, verdict->undecided_why);
        return;
    case FARM_CRASH:
        if (result->signal == 0)
            (void)snprintf(signature, sizeof signature, "crash: the process left");
        else
            (void)snprintf(signature, sizeof signature, "crash: SIG%s",
                           abbreviation == NULL ? "?" : abbreviation);
        break;
    case FARM_HANG:
        (void)snprintf(signature, sizeof signature, "hang: longer than the budget");
        break;
    case FARM_MEMORY:
        (void)snprintf(signature, sizeof signature, "memory: more than the limit");
        break;
    case FARM_OK:
    case FARM_FATE_COUNT:
        return;
    }
    bind_text(put, 6, signature);
    bind_text(put, 7, signature);
}

void farm_store_put(struct farm_store *store, const struct farm_arguments *arguments,
                    const struct octo_machine *machine, const struct farm_result *result)
{
    static const char *const fates[FARM_FATE_COUNT] = {"",      "ok",   "broken", "undecided",
                                                       "crash", "hang", "memory"};
    struct timespec now;
    sqlite3_stmt *put = store->put;
    if (store->failed)
        return;
    if (!store->open)
        store->open = farm_store_execute(store, "BEGIN IMMEDIATE");
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)sqlite3_clear_bindings(put);
    bind_text(put, 1, farm_build_text());
    bind_text(put, 2, arguments->scenarios[result->task.scenario].name);
    (void)sqlite3_bind_int64(put, 3, (sqlite3_int64)result->task.seed);
    bind_text(put, 4, fates[result->fate]);
    bind_replay(put, arguments, result, machine);
    bind_failure(put, result);
    if (result->fate <= FARM_UNDECIDED)
        bind_result(put, &result->outcome);
    (void)sqlite3_bind_int64(put, 27, (sqlite3_int64)result->outcome.wall_ns);
    (void)sqlite3_bind_int64(put, 28, now.tv_sec * 1000 + now.tv_nsec / 1000000);
    const int code = sqlite3_step(put);
    if (code == SQLITE_CONSTRAINT) {
        farm_complain("%s: another farm writes the same runs into it", store->path);
        store->failed = true;
    } else if (code != SQLITE_DONE) {
        (void)complain(store);
    }
    (void)sqlite3_reset(put);
}

void farm_store_commit(struct farm_store *store)
{
    if (store->open && !store->failed && is_there(store))
        (void)farm_store_execute(store, "COMMIT");
    store->open = false;
}

bool farm_store_close(struct farm_store *store)
{
    farm_store_commit(store);
    (void)sqlite3_finalize(store->has);
    (void)sqlite3_finalize(store->put);
    if (store->inode != 0)
        leave_wal(store);
    (void)sqlite3_close(store->db);
    store->db = NULL;
    return !store->failed;
}

/* ---- Merge ----------------------------------------------------------------------------------- */

/* `other` is attached: everything but its shard agrees with what is there, or nothing is yet. */
static bool join(struct farm_store *store, const char *from)
{
    if (count_of(store, "SELECT count(*) FROM main.meta") == 0 &&
        !farm_store_execute(store,
                            "INSERT INTO main.meta SELECT key, CASE key WHEN 'shard' THEN 'merged' "
                            "ELSE value END FROM other.meta;"
                            "INSERT INTO main.scenario SELECT * FROM other.scenario"))
        return false;
    if (count_of(store,
                 "SELECT count(*) FROM (SELECT key, value FROM other.meta "
                 "WHERE key NOT IN ('shard', 'ended') EXCEPT SELECT key, value FROM main.meta)") !=
        0) {
        farm_complain("%s is of another build or of other flags than those before it", from);
        return false;
    }
    if (count_of(store, "SELECT count(*) FROM other.run o JOIN main.run m USING(build, scenario, "
                        "seed) WHERE o.hash IS NOT NULL AND m.hash IS NOT NULL AND "
                        "(o.hash<>m.hash OR o.verdict<>m.verdict)") != 0) {
        farm_complain("%s has another result of the same run: the build is not deterministic",
                      from);
        return false;
    }
    /* Of two rows of a run, one that came to its end counts, wherever it is; of two that did not
     * (a crash, a hang, too much memory), the first by name. */
    return farm_store_execute(
        store, "DELETE FROM main.run AS m WHERE m.hash IS NULL AND EXISTS (SELECT 1"
               " FROM other.run o WHERE o.build=m.build AND o.scenario=m.scenario AND"
               " o.seed=m.seed AND (o.hash IS NOT NULL OR o.verdict<m.verdict OR"
               " (o.verdict=m.verdict AND o.signature<m.signature)));"
               "INSERT OR IGNORE INTO main.run SELECT * FROM other.run;"
               "UPDATE main.meta SET value='no' WHERE key='ended' AND EXISTS"
               " (SELECT 1 FROM other.meta WHERE key='ended' AND value='no')");
}

static bool join_file(struct farm_store *store, const char *from)
{
    struct farm_store other;
    if (!farm_store_read(&other, from) || !farm_store_close(&other))
        return false;
    sqlite3_stmt *attach = farm_store_prepare(store, "ATTACH ?1 AS other");
    if (attach == NULL)
        return false;
    bind_text(attach, 1, from);
    (void)farm_store_step(store, attach);
    (void)sqlite3_finalize(attach);
    bool good = !store->failed && farm_store_execute(store, "BEGIN IMMEDIATE") && join(store, from);
    good = farm_store_execute(store, good ? "COMMIT" : "ROLLBACK") && good;
    return farm_store_execute(store, "DETACH other") && good;
}

/* A database, and what SQLite may leave beside it when it fails. */
static void remove_all(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char *file = sqlite3_mprintf("%s%s", path, ends[i]);
        if (file != NULL)
            (void)remove(file);
        sqlite3_free(file);
    }
}

bool farm_store_merge(const char *path, char **from, int count)
{
    struct farm_store store;
    if (access(path, F_OK) == 0) {
        farm_complain("%s exists: merge makes a new database", path);
        return false;
    }
    if (!open_file(&store, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE))
        return false;
    bool good = farm_store_execute(&store, schema);
    for (int i = 0; i < count && good; i++)
        good = join_file(&store, from[i]);
    leave_wal(&store);
    good = farm_store_close(&store) && good;
    if (!good)
        remove_all(path);
    return good;
}
