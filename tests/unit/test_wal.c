/* The durable log under random schedules of crashes, kills, failing and lying disks; the order of
 * its operations; what it refuses. Replay one schedule with
 *
 *     OCTO_WAL_SEED=4711 test_wal --filter 'wal/schedules'
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "kernel/format.h"
#include "tests/unit/wal_world.h"

#define SCHEDULES 2000u

/* ---- Random schedules ---------------------------------------------------------------------- */

static void draw_disk(struct world *world)
{
    static const uint32_t rates[] = {0, 0, 0, 10000, 60000, 250000};
    static const enum octo_disk_chance_kind honest[] = {
        OCTO_CHANCE_READ_ERROR, OCTO_CHANCE_WRITE_ERROR, OCTO_CHANCE_SYNC_ERROR,
        OCTO_CHANCE_SHORT_READ, OCTO_CHANCE_NO_SPACE};
    static const enum octo_disk_chance_kind lies[] = {
        OCTO_CHANCE_LOST_WRITE, OCTO_CHANCE_MISDIRECTED_WRITE, OCTO_CHANCE_MISDIRECTED_READ};

    for (size_t i = 0; i < sizeof honest / sizeof honest[0]; i++)
        world->rates[honest[i]] = rates[below(world, 6)];
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        world->rates[lies[i]] = rates[below(world, 5)];
    if (below(world, 8) == 0) /* a full disk, for a while */
        world->rates[OCTO_CHANCE_NO_SPACE] = 1000000;
}

static void draw_config(struct world *world)
{
    struct octo_config *config = &world->config;

    world_config(config, 1 + below(world, 4));
    if (below(world, 4) == 0)
        config->sector_bytes = 1024;
    config->segment_bytes = config->sector_bytes * (4 + below(world, 9));
    config->segments_max = 5 + below(world, 8);
    config->flush_bytes_max = config->sector_bytes * (below(world, 2) == 0 ? 8 : 16);
    config->read_bytes = config->flush_bytes_max + config->sector_bytes * below(world, 3);
    config->log_entries_max = 20 + below(world, 180);
    config->log_bytes_max = 4000 + below(world, 28000);
    config->log_keep_entries = 8;
    config->marker_lazy = below(world, 12) == 0;
    world->model.lazy = config->marker_lazy;
    if (!config->marker_lazy && below(world, 3) == 0)
        world->liar = below(world, 2) == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;
    world_rule(world, octo_config_check(config) == OCTO_ERR_OK, "the test's configuration");
}

static void act_append(struct world *world)
{
    static const uint32_t sizes[] = {0, 1, 24, 100, 430, 900, 1500, 2600};
    const octo_index last = octo_wal_last(world->wal);
    const octo_index least = world->model.snapshot.index + 1;
    octo_index index = last + 1;

    if (below(world, 5) == 0) { /* a new leader rewrites the end */
        const uint32_t back = below(world, 6);
        index = index > back ? octo_max_u64(index - back, least) : least;
        world->term++;
    }
    for (uint32_t count = 1 + below(world, 4); count > 0; count--) {
        if (world_append(world, index++, sizes[below(world, below(world, 8) + 1)]) != OCTO_ERR_OK)
            return;
    }
}

static void act_vote(struct world *world)
{
    const octo_term term = octo_wal_term(world->wal);

    if (octo_wal_vote(world->wal) == 0 && below(world, 2) == 0)
        world_vote(world, term, 1 + below(world, 3));
    else
        world_vote(world, term + 1, below(world, 4));
}

static void act_compact(struct world *world, struct octo_step *step)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const octo_index most = below(world, 4) == 0 ? log->last : octo_wal_durable(world->wal);
    const octo_index least = world->model.snapshot.index + 1;

    if (most < least)
        return;
    const octo_index index = most - below(world, (uint32_t)(most - least) + 1) / 2;
    const uint32_t keep = below(world, 6);
    world_compact(world, step, index,
                  octo_max_u64(index > keep ? index - keep : 0, log->base.index));
}

/* Returns whether the log was told of it; if not, a crash must follow. */
static bool act_install(struct world *world, struct octo_step *step)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const octo_index least = world->model.snapshot.index + 1;
    const bool tell = below(world, 4) > 0;
    struct octo_position snapshot = {.index = octo_max_u64(least, log->last + below(world, 8)),
                                     .chain = draw(&world->random)};

    if (below(world, 2) == 0 && log->last >= least)
        snapshot.index = least + below(world, (uint32_t)(log->last - least) + 1);
    if (below(world, 3) == 0 && octo_log_has(log, snapshot.index))
        snapshot = octo_log_position(log, snapshot.index);
    else
        snapshot.term = ++world->term;
    world_install(world, step, &snapshot, tell);
    return tell;
}

static void act_crash(struct world *world)
{
    const uint32_t manner = below(world, 6);

    if (manner < 3)
        world_kill(world);
    else
        world_power_loss(world, (enum world_loss)(manner - 3));
    if (world->liar != 0 && manner >= 3) {
        const struct octo_file file = {.kind = world->liar, .number = 1 + below(world, 12)};
        (void)octo_simdisk_damage(world->disk, file, 512ull * below(world, 24), 512,
                                  (enum octo_disk_damage)(1 + below(world, 4)), world->random);
    }
    if (below(world, 3) == 0)
        draw_disk(world);
    world_boot(world, !world->model.was_ready || below(world, 2) == 0);
}

/* What the log is asked to do; false if it must crash now. */
static bool act_on_log(struct world *world)
{
    struct octo_step step = world_step_begin(world);
    bool goes_on = true;

    switch (below(world, 12)) {
    case 0:
        act_compact(world, &step);
        break;
    case 1:
        if (below(world, 3) == 0)
            goes_on = act_install(world, &step);
        break;
    case 2:
    case 3:
        act_vote(world);
        break;
    default:
        act_append(world);
        break;
    }
    if (goes_on)
        world_step_end(world, &step);
    return goes_on;
}

static void act(struct world *world, uint32_t crash_ppm)
{
    const bool room = world->model.count + 20 < MODEL_OPERATIONS;
    const uint32_t what = below(world, 10);

    if (below(world, 1000000) < crash_ppm)
        act_crash(world);
    else if (what < 6 && world->pending_count > 0)
        world_complete(world, below(world, world->pending_count));
    else if (what < 8 && ready(world) && room && !act_on_log(world))
        act_crash(world);
    else if (world->pending_count == 0 && world->deadline != OCTO_NEVER)
        world_timer(world, world->deadline);
    else
        world_timer(world, world->now + below(world, 2) * OCTO_MS);
}

static void schedule(struct world *world, uint64_t seed)
{
    static const uint32_t crash_rates[] = {2000, 10000, 40000, 120000};

    world_reset(world, seed);
    draw_config(world);
    draw_disk(world);
    const uint32_t crash_ppm = crash_rates[below(world, 4)];
    const uint32_t events = 50 + below(world, 1200);
    world_boot(world, true);
    for (uint32_t i = 0; i < events && world->model.complaint == NULL; i++)
        act(world, crash_ppm);
    world_faultless(world);
    if (world->model.complaint == NULL)
        world_finish(world);
    octo_simdisk_check(world->disk);
}

/* Paths that the schedules must have taken, or they check less than they seem to. */
static const enum octo_mark expected_marks[] = {
    OCTO_MARK_STALE_COMPLETION,  OCTO_MARK_GROUP_COMMIT,     OCTO_MARK_FLUSH_FAILED,
    OCTO_MARK_VOTE_WRITE_FAILED, OCTO_MARK_READ_FAILED,      OCTO_MARK_TAIL_TORN,
    OCTO_MARK_TAIL_KEPT,         OCTO_MARK_MARKER_ONE_TOPIC, OCTO_MARK_VOTE_COPY_TORN,
    OCTO_MARK_TOPIC_REPAIRED,    OCTO_MARK_RECORD_REWRITTEN, OCTO_MARK_DAMAGE_REREAD,
    OCTO_MARK_SEGMENT_ROLLED,    OCTO_MARK_SEGMENT_RECYCLED, OCTO_MARK_SEGMENT_REMOVED,
    OCTO_MARK_PIPELINED,         OCTO_MARK_NO_SPACE,         OCTO_MARK_SPACE_RETURNED,
};

Test(wal, schedules)
{
    struct world *world = world_make();
    const char *one = getenv("OCTO_WAL_SEED");
    const char *many = getenv("OCTO_WAL_SCHEDULES");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
    const uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 0) : SCHEDULES;
    uint64_t readies = 0;
    uint64_t marks[OCTO_MARK_COUNT] = {0};

    for (uint64_t seed = first; seed < first + count; seed++) {
        schedule(world, seed);
        cr_assert(world->model.complaint == NULL,
                  "%s: OCTO_WAL_SEED=%llu test_wal --filter wal/schedules", world->model.complaint,
                  (unsigned long long)seed);
        readies += world->readies;
        for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++)
            marks[i] += world->marks[i];
    }
    for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++)
        if (many != NULL && marks[i] > 0)
            fprintf(stderr, "%s %llu\n", octo_mark_text((enum octo_mark)i),
                    (unsigned long long)marks[i]);
    for (size_t i = 0; one == NULL && i < sizeof expected_marks / sizeof expected_marks[0]; i++)
        cr_assert(marks[expected_marks[i]] > 0, "never seen: %s",
                  octo_mark_text(expected_marks[i]));
    cr_assert(one != NULL || readies >= 2 * count, "only %llu recoveries",
              (unsigned long long)readies);
    free(world);
}

/* ---- In order -------------------------------------------------------------------------------- */

static void begin(struct world *world, uint32_t batches_max)
{
    world_reset(world, 1);
    world->config.batches_max = batches_max;
    world_boot(world, true);
    world_settle(world);
    cr_assert(ready(world));
}

static void step_append(struct world *world, octo_index index, uint32_t size)
{
    struct octo_step step = world_step_begin(world);
    cr_assert(world_append(world, index, size) == OCTO_ERR_OK);
    world_step_end(world, &step);
}

static uint32_t count_ops(const struct world *world, enum octo_disk_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->pending_count; i++)
        count += world->pending[i].kind == kind;
    return count;
}

/* Completes operations of other kinds than `not` until none is left. */
static void settle_but(struct world *world, enum octo_disk_kind not )
{
    for (uint32_t i = 0; i < world->pending_count && world->model.complaint == NULL;) {
        if (world->pending[i].kind == not ) {
            i++;
            continue;
        }
        world_complete(world, i);
        i = 0;
    }
}

/* Completes all operations of a kind that are under way now. */
static void complete_all(struct world *world, enum octo_disk_kind kind)
{
    uint32_t count = count_ops(world, kind);

    for (uint32_t i = 0; count > 0 && i < world->pending_count;) {
        if (world->pending[i].kind != kind) {
            i++;
            continue;
        }
        world_complete(world, i);
        count--;
    }
}

/* Write, sync, marker; what comes meanwhile shares the next batch, whose marker is the first one's.
 */
Test(wal, group_commit)
{
    struct world *world = world_make();

    begin(world, 1);
    step_append(world, 1, 10);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2 + 1); /* and the vote */
    complete_all(world, OCTO_DISK_WRITE);
    world_settle(world);
    cr_assert(octo_wal_durable(world->wal) == 1);
    step_append(world, 2, 10);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2);
    step_append(world, 3, 10);
    step_append(world, 4, 10);
    step_append(world, 4, 20); /* never written in its first form */
    complete_all(world, OCTO_DISK_WRITE);
    cr_assert(count_ops(world, OCTO_DISK_SYNC) == 2);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 0);
    complete_all(world, OCTO_DISK_SYNC);
    cr_assert(octo_wal_durable(world->wal) == 1); /* durable, but not marked */
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2);
    complete_all(world, OCTO_DISK_WRITE);
    complete_all(world, OCTO_DISK_SYNC);
    cr_assert(octo_wal_durable(world->wal) == 2);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2); /* the marker alone */
    step_append(world, 3, 30);                         /* before they are marked */
    complete_all(world, OCTO_DISK_WRITE);
    complete_all(world, OCTO_DISK_SYNC);
    cr_assert(octo_wal_durable(world->wal) == 2);
    world_settle(world);
    cr_assert(octo_wal_durable(world->wal) == 3);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    free(world);
}

/* A second batch is written while the first one is being synced, and is acknowledged after it. */
Test(wal, pipelining)
{
    struct world *world = world_make();

    world_reset(world, 1);
    world->config.segment_bytes = 16384;
    world_boot(world, true);
    world_settle(world);
    step_append(world, 1, 10);
    world_settle(world);
    step_append(world, 2, 10);
    complete_all(world, OCTO_DISK_WRITE);
    step_append(world, 3, 10);
    cr_assert(count_ops(world, OCTO_DISK_SYNC) == 2);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2);
    step_append(world, 4, 10); /* and not a third */
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2);
    complete_all(world, OCTO_DISK_WRITE);
    cr_assert(count_ops(world, OCTO_DISK_SYNC) == 2); /* one at a time */
    cr_assert(world->marks[OCTO_MARK_PIPELINED] == 1);
    world_settle(world);
    cr_assert(octo_wal_durable(world->wal) == 4);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    free(world);
}

/* Acknowledged entries are replaced in memory, and a snapshot comes before that is durable: their
 * segment stays. */
Test(wal, replaced_and_compacted)
{
    struct world *world = world_make();

    begin(world, 2);
    for (octo_index index = 1; index <= 6; index++) {
        step_append(world, index, 600);
        world_settle(world);
    }
    world->term++;
    step_append(world, 2, 100);
    struct octo_step step = world_step_begin(world);
    world_compact(world, &step, 1, 1);
    world_step_end(world, &step);
    settle_but(world, OCTO_DISK_WRITE);
    world_power_loss(world, LOSE_ALL);
    world_boot(world, false);
    world_settle(world);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    cr_assert(octo_wal_log(world->wal)->last == 6);
    world_finish(world);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    free(world);
}

/* What a snapshot covers and the disk does not have yet stays in memory, and leaves it then. */
Test(wal, compacted_before_it_is_durable)
{
    struct world *world = world_make();

    begin(world, 2);
    for (octo_index index = 1; index <= 6; index++)
        step_append(world, index, 100);
    struct octo_step step = world_step_begin(world);
    world_compact(world, &step, 5, 4);
    world_step_end(world, &step);
    const struct octo_log *log = octo_wal_log(world->wal);
    cr_assert(log->base.index == 0);
    while (octo_wal_durable(world->wal) < 6) {
        cr_assert(log->base.index == octo_min_u64(octo_wal_durable(world->wal), 4));
        cr_assert(world->pending_count > 0);
        world_complete(world, 0);
    }
    cr_assert(log->base.index == 4);
    cr_assert(log->last == 6);
    world_finish(world);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    free(world);
}

/* A leader's snapshot in the middle of a log: that goes on after it. */
Test(wal, installed_over_the_same)
{
    struct world *world = world_make();

    begin(world, 2);
    for (octo_index index = 1; index <= 6; index++) {
        if (index == 4)
            world_settle(world);
        step_append(world, index, 100);
    }
    const struct octo_log *log = octo_wal_log(world->wal);
    const struct octo_position snapshot = octo_log_position(log, 5);
    struct octo_step step = world_step_begin(world);
    world_install(world, &step, &snapshot, true);
    world_step_end(world, &step);
    cr_assert(log->base.index == 3); /* the rest is not durable yet */
    world_settle(world);
    cr_assert(log->base.index == 5);
    cr_assert(log->last == 6);
    world_finish(world);
    cr_assert(world->model.complaint == NULL, "%s", world->model.complaint);
    free(world);
}

/* A snapshot replaces a log of a later term, and the crash comes before the log knows. */
Test(wal, snapshot_over_later_term)
{
    struct world *world = world_make();
    struct octo_position floor;

    for (octo_index end = 3; end <= 8; end++) {
        begin(world, 2);
        world->term = 3;
        for (octo_index index = 1; index <= end; index++)
            step_append(world, index, 300);
        world_settle(world);
        const struct octo_position snapshot = {.index = 3, .term = 2, .chain = 4711};
        struct octo_step step = world_step_begin(world);
        world_install(world, &step, &snapshot, false);
        world_power_loss(world, LOSE_ALL);
        world->model.promised = snapshot; /* what it replaced was promised to nobody's avail */
        world_boot(world, false);
        world_settle(world);
        cr_assert(world->model.complaint == NULL, "%s: end %llu", world->model.complaint,
                  (unsigned long long)end);
        cr_assert(!octo_wal_floor(world->wal, &floor));
    }
    free(world);
}

/* ---- Refusals ------------------------------------------------------------------------------ */

enum damage {
    DAMAGE_NONE,
    DAMAGE_IDENTITY,
    DAMAGE_IDENTITY_VERSION,
    DAMAGE_CLUSTER,
    DAMAGE_NODE,
    DAMAGE_NODE_COUNT,
    DAMAGE_SECTOR,
    DAMAGE_SMALL_LOG,
    DAMAGE_EMPTY,
};

static const struct octo_file identity = {.kind = OCTO_FILE_IDENTITY};

static void do_damage(struct world *world, enum damage damage)
{
    const struct octo_disk_host host = world_host(world);
    const uint8_t *durable = octo_simdisk_durable_sector(world->disk, identity, 0);
    uint8_t sector[512];
    const struct octo_disk_op op = {
        .kind = OCTO_DISK_WRITE, .file = identity, .length = sizeof sector, .data = sector};

    memcpy(sector, durable, sizeof sector);
    switch (damage) {
    case DAMAGE_NONE:
        break;
    case DAMAGE_IDENTITY:
        sector[30] ^= 1;
        break;
    case DAMAGE_IDENTITY_VERSION:
        sector[4]++;
        break;
    case DAMAGE_CLUSTER:
        world->config.cluster_id++;
        break;
    case DAMAGE_NODE:
        world->config.node_id--;
        break;
    case DAMAGE_NODE_COUNT:
        world->config.node_count++;
        break;
    case DAMAGE_SECTOR:
        world->config.sector_bytes = 1024;
        break;
    case DAMAGE_SMALL_LOG:
        world->config.log_entries_max = 4;
        break;
    case DAMAGE_EMPTY:
        octo_simdisk_wipe(world->disk, &host);
        return;
    }
    cr_assert(world_disk_do(world, &op) == OCTO_ERR_OK);
}

Test(wal, refusals)
{
    static const struct {
        enum damage damage;
        bool format;
        enum octo_err reason; /* OK: READY */
    } rows[] = {
        {DAMAGE_NONE, false, OCTO_ERR_OK},
        {DAMAGE_NONE, true, OCTO_ERR_OK},
        {DAMAGE_IDENTITY, false, OCTO_ERR_UNFORMATTED},
        {DAMAGE_IDENTITY, true, OCTO_ERR_UNFORMATTED}, /* it held promises */
        {DAMAGE_IDENTITY_VERSION, true, OCTO_ERR_VERSION},
        {DAMAGE_CLUSTER, true, OCTO_ERR_CLUSTER},
        {DAMAGE_NODE, true, OCTO_ERR_IDENTITY},
        {DAMAGE_NODE_COUNT, false, OCTO_ERR_RANGE},
        {DAMAGE_SECTOR, false, OCTO_ERR_RANGE},
        {DAMAGE_SMALL_LOG, false, OCTO_ERR_FULL},
        {DAMAGE_EMPTY, false, OCTO_ERR_UNFORMATTED},
    };
    struct world *world = world_make();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(world, 2);
        for (octo_index index = 1; index <= 5; index++)
            step_append(world, index, 700);
        world_settle(world);
        world_power_loss(world, LOSE_ALL);
        do_damage(world, rows[i].damage);
        world_boot(world, rows[i].format);
        world_settle(world);
        cr_assert(octo_wal_reason(world->wal) == rows[i].reason, "row %zu: %s", i,
                  octo_err_text(octo_wal_reason(world->wal)));
        cr_assert(ready(world) == (rows[i].reason == OCTO_ERR_OK), "row %zu", i);
    }
    free(world);
}

/* A disk that cannot be read at all is given up; completions that nobody waits for are ignored. */
Test(wal, unreadable_and_unknown)
{
    struct world *world = world_make();
    struct octo_event event = {.kind = OCTO_EVENT_DISK, .disk = {.id = 12345}};

    begin(world, 2);
    world_power_loss(world, LOSE_ALL);
    world->rates[OCTO_CHANCE_READ_ERROR] = 1000000;
    world_boot(world, false);
    struct octo_step step = world_step_begin(world);
    cr_assert(!octo_wal_completion(world->wal, &step, &event));
    event.disk.id = 0;
    cr_assert(!octo_wal_completion(world->wal, &step, &event));
    cr_assert(world->effects.count == 0);
    world_settle(world);
    cr_assert(octo_wal_stage(world->wal) == OCTO_WAL_FAILED);
    cr_assert(octo_wal_reason(world->wal) == OCTO_ERR_IO);
    cr_assert(world->marks[OCTO_MARK_READ_FAILED] == 100);
    free(world);
}
