/* The durable log under crashes, kills and failing disks: random schedules, sweeps over every
 * operation, and the damage that it must refuse. Replay one random schedule with
 *
 *     OCTO_WAL_SEED=4711 test_wal --filter 'wal/schedules'
 */
#include <criterion/criterion.h>

#include "tests/unit/wal_world.h"

#define SCHEDULES 6000u

__attribute__((weak)) _Noreturn void octo_assert_failed(const char *expression, const char *file,
                                                        int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    abort();
}

static uint32_t below(struct world *world, uint32_t bound)
{
    return (uint32_t)((octo_mix(world->random += 0x9e3779b97f4a7c15ull) >> 32) * bound >> 32);
}

static bool ready(const struct world *world)
{
    return octo_wal_stage(world->wal) == OCTO_WAL_READY;
}

/* ---- Random schedules ---------------------------------------------------------------------- */

static void draw_disk(struct world *world)
{
    static const uint32_t rates[] = {0, 0, 10000, 60000, 250000};
    struct disk *disk = world->disk;

    disk->write_fails_ppm = rates[below(world, 5)];
    disk->sync_fails_ppm = rates[below(world, 5)];
    disk->read_fails_ppm = rates[below(world, 4)];
    disk->read_short_ppm = rates[below(world, 5)];
}

static void draw_config(struct world *world)
{
    struct octo_config *config = &world->config;

    config->command_bytes_max = 900;
    config->sector_bytes = below(world, 4) == 0 ? 4096 : 512;
    config->flush_bytes_max = config->sector_bytes * (below(world, 2) == 0 ? 4 : 16);
    config->read_bytes = config->flush_bytes_max + below(world, 3) * 300;
    config->log_entries_max = 20 + below(world, 400);
    config->log_bytes_max = 2000 + below(world, 60000);
}

static uint32_t draw_size(struct world *world)
{
    static const uint32_t sizes[] = {0, 1, 24, 100, 430, 900};
    return sizes[below(world, 6)];
}

static void act_append(struct world *world)
{
    const octo_index last = octo_wal_log(world->wal)->last;
    uint32_t count = 1 + below(world, 4);
    octo_index index = last + 1;

    if (last > 0 && below(world, 5) == 0) { /* a new leader rewrites the end */
        index = last - octo_min_u64(last - 1, below(world, 6));
        world->term++;
    }
    while (count-- > 0 && world->top < WORLD_RECORDS - 10)
        if (world_append(world, index++, draw_size(world)) != OCTO_ERR_OK)
            return;
}

static void act_vote(struct world *world)
{
    const octo_term term = octo_wal_term(world->wal);

    if (octo_wal_vote(world->wal) == 0 && below(world, 2) == 0)
        world_set_vote(world, term, 1 + below(world, 3));
    else
        world_set_vote(world, term + 1, below(world, 4));
}

static void act_crash(struct world *world)
{
    const uint32_t manner = below(world, 6);

    if (manner < 3)
        disk_kill(world->disk);
    else
        disk_power_loss(world->disk, (enum disk_loss)(manner - 3));
    if (below(world, 3) == 0)
        draw_disk(world);
    world_boot(world, !world->was_ready || below(world, 2) == 0);
}

static void act(struct world *world, uint32_t crash_ppm)
{
    if (disk_chance(world->disk, crash_ppm)) {
        act_crash(world);
        return;
    }
    const uint32_t waiting = world->disk->op_count;
    const uint32_t what = below(world, 10);
    if (what < 6 && waiting > 0) {
        world_complete(world, below(world, waiting));
    } else if (what < 8 && ready(world)) {
        struct octo_step step = world_step_begin(world);
        if (below(world, 4) > 0)
            act_append(world);
        else
            act_vote(world);
        world_step_end(world, &step);
    } else if (waiting == 0 && world->deadline != OCTO_NEVER) {
        world_timer(world, octo_max_u64(world->now, world->deadline));
    } else {
        world_timer(world, world->now + below(world, 2) * OCTO_MS);
    }
}

/* After the faults: everything becomes durable and survives a crash that loses all the rest. */
static void finish(struct world *world)
{
    struct disk *disk = world->disk;

    disk->write_fails_ppm = 0;
    disk->sync_fails_ppm = 0;
    disk->read_fails_ppm = 0;
    for (uint32_t round = 0; round < 2; round++) {
        world_settle(world, 5000);
        if (!world_rule(world, ready(world), "not READY in the end"))
            return;
        world_rule(world, octo_wal_durable(world->wal) == octo_wal_log(world->wal)->last,
                   "not durable in the end");
        world_rule(world, octo_wal_vote_saved(world->wal), "vote not saved in the end");
        const octo_sequence top = world->acked;
        disk_power_loss(disk, DISK_KEEPS_NONE);
        world_boot(world, false);
        world_settle(world, 5000);
        world_rule(world, world->top == top, "recovery is not idempotent");
    }
}

static void schedule(struct world *world, uint64_t seed)
{
    static const uint32_t crash_rates[] = {2000, 10000, 40000, 120000};

    world_reset(world, seed);
    draw_config(world);
    draw_disk(world);
    const uint32_t crash_ppm = crash_rates[below(world, 4)];
    const uint32_t events = 50 + below(world, 600);
    world_boot(world, true);
    for (uint32_t i = 0; i < events && world->complaint == NULL; i++) {
        act(world, crash_ppm);
        world_rule(world, octo_wal_stage(world->wal) != OCTO_WAL_FAILED,
                   octo_err_text(octo_wal_reason(world->wal)));
    }
    if (world->complaint == NULL)
        finish(world);
}

/* Paths that the schedules must have taken, or they check less than they seem to. */
static const enum octo_mark expected_marks[] = {
    OCTO_MARK_STALE_COMPLETION,  OCTO_MARK_GROUP_COMMIT,     OCTO_MARK_FLUSH_FAILED,
    OCTO_MARK_VOTE_WRITE_FAILED, OCTO_MARK_READ_FAILED,      OCTO_MARK_TAIL_TORN,
    OCTO_MARK_TAIL_KEPT,         OCTO_MARK_MARKER_ONE_TOPIC, OCTO_MARK_VOTE_COPY_TORN,
};

Test(wal, schedules)
{
    struct world *world = world_make();
    const char *one = getenv("OCTO_WAL_SEED");
    const char *many = getenv("OCTO_WAL_SCHEDULES");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 0) : 1;
    const uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 0) : SCHEDULES;
    uint64_t readies = 0;

    for (uint64_t seed = first; seed < first + count; seed++) {
        schedule(world, seed);
        cr_assert(world->complaint == NULL,
                  "%s: OCTO_WAL_SEED=%llu test_wal --filter wal/schedules", world->complaint,
                  (unsigned long long)seed);
        readies += world->readies;
    }
    for (size_t i = 0; one == NULL && i < sizeof expected_marks / sizeof expected_marks[0]; i++)
        cr_assert(world->marks[expected_marks[i]] > 0, "never seen: %s",
                  octo_mark_text(expected_marks[i]));
    /* Crashes and errors alone never cost a marked record one of its two copies. */
    cr_assert(world->marks[OCTO_MARK_TOPIC_REPAIRED] == 0);
    cr_assert(readies >= 2 * count, "only %llu recoveries", (unsigned long long)readies);
    world_free(world);
}

/* ---- Sweeps -------------------------------------------------------------------------------- */

/* A short life: boot, three appends with a rewrite among them, two votes. False when it ended early
 * because `events` completions were over. */
static bool life(struct world *world, uint32_t events)
{
    static const struct {
        octo_index index;
        uint32_t size;
        octo_term vote_term;
    } acts[] = {{1, 600, 1}, {2, 300, 0}, {3, 900, 2}, {2, 40, 0}, {3, 0, 3}, {0, 0, 0}};

    for (uint32_t next = 0; events > 0 && world->complaint == NULL; events--) {
        if (world->disk->op_count > 0) {
            world_complete(world, (uint32_t)(events % world->disk->op_count));
        } else if (world->deadline != OCTO_NEVER) {
            world_timer(world, world->deadline);
        }
        if (!ready(world) || events % 3 != 0)
            continue;
        if (acts[next].index == 0 && world->disk->op_count == 0)
            return true;
        if (acts[next].index == 0)
            continue;
        struct octo_step step = world_step_begin(world);
        if (acts[next].index <= octo_wal_log(world->wal)->last + 1)
            (void)world_append(world, acts[next].index, acts[next].size);
        if (acts[next].vote_term > octo_wal_term(world->wal))
            world_set_vote(world, acts[next].vote_term, 1);
        world_step_end(world, &step);
        next++;
    }
    return false;
}

enum end_of_life { END_NONE, END_ANY, END_ALL, END_KILL, END_KILL_THEN_NONE, END_COUNT };

static void end_life(struct world *world, enum end_of_life end)
{
    if (end == END_NONE || end == END_ANY || end == END_ALL) {
        static const enum disk_loss losses[] = {DISK_KEEPS_NONE, DISK_KEEPS_ANY, DISK_KEEPS_ALL};
        disk_power_loss(world->disk, losses[end]);
        return;
    }
    disk_kill(world->disk);
    if (end == END_KILL_THEN_NONE) { /* a recovery that reads the page cache, then loses it */
        world_boot(world, true);
        for (uint32_t i = 0; i < 25 && world->disk->op_count > 0; i++)
            world_complete(world, 0);
        disk_power_loss(world->disk, DISK_KEEPS_NONE);
    }
}

/* Crashes after every single completion, in every manner, and once more inside the recovery. */
Test(wal, crash_at_every_operation)
{
    struct world *world = world_make();

    for (uint32_t end = 0; end < END_COUNT; end++) {
        bool done = false;
        for (uint32_t at = 1; !done; at++) {
            for (uint32_t again = 0; again < 40 && world->complaint == NULL; again += 3) {
                world_reset(world, at * 64 + again);
                world_boot(world, true);
                done = life(world, at);
                end_life(world, (enum end_of_life)end);
                world_boot(world, true);
                for (uint32_t i = 0; i < again && world->disk->op_count > 0; i++)
                    world_complete(world, 0);
                end_life(world, (enum end_of_life)end);
                world_boot(world, true);
                finish(world);
                cr_assert(world->complaint == NULL, "%s: end %u at %u again %u", world->complaint,
                          end, at, again);
            }
            cr_assert(at < 2000);
        }
    }
    world_free(world);
}

/* Fails every single operation, then crashes with nothing, or something, of what was not synced. */
Test(wal, failure_of_every_operation)
{
    struct world *world = world_make();

    for (uint32_t at = 1; at < 150; at++) {
        for (uint32_t variant = 0; variant < 24 && world->complaint == NULL; variant++) {
            world_reset(world, at * 1024 + variant);
            world->disk->fail_countdown = at;
            world_boot(world, true);
            (void)life(world, variant < 12 ? 1000 : at + variant);
            end_life(world, (enum end_of_life)(variant % END_COUNT));
            world_boot(world, true);
            finish(world);
            cr_assert(world->complaint == NULL, "%s: at %u variant %u", world->complaint, at,
                      variant);
        }
    }
    world_free(world);
}

/* ---- Group commit, in order ---------------------------------------------------------------- */

static uint32_t count_ops(const struct world *world, enum octo_disk_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->disk->op_count; i++)
        count += world->disk->ops[i].op.kind == kind ? 1 : 0;
    return count;
}

static void step_append(struct world *world, octo_index index, uint32_t size)
{
    struct octo_step step = world_step_begin(world);
    cr_assert(world_append(world, index, size) == OCTO_ERR_OK);
    world_step_end(world, &step);
}

/* Write, sync, marker; what comes meanwhile shares the next batch, whose marker is the first one's.
 */
Test(wal, group_commit)
{
    struct world *world = world_make();

    world_reset(world, 1);
    world_boot(world, true);
    world_settle(world, 200);
    cr_assert(ready(world));
    step_append(world, 1, 10);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2);
    step_append(world, 2, 10);
    step_append(world, 3, 10);
    step_append(world, 3, 20); /* never flushed: its sequence is used again */
    cr_assert(octo_log_sequence(octo_wal_log(world->wal), 3) == 3);
    world_complete(world, 1);
    cr_assert(count_ops(world, OCTO_DISK_SYNC) == 0);
    world_complete(world, 0);
    cr_assert(count_ops(world, OCTO_DISK_SYNC) == 2);
    world_complete(world, 0);
    world_complete(world, 0);
    cr_assert(octo_wal_durable(world->wal) == 0); /* durable, but not marked */
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2);
    for (uint32_t i = 0; i < 4; i++)
        world_complete(world, 0);
    cr_assert(octo_wal_durable(world->wal) == 1);
    cr_assert(count_ops(world, OCTO_DISK_WRITE) == 2); /* the marker alone */
    step_append(world, 2, 30);                         /* replaces 2 and 3 before they are marked */
    for (uint32_t i = 0; i < 4; i++)
        world_complete(world, 0);
    cr_assert(octo_wal_durable(world->wal) == 1);
    world_settle(world, 100);
    cr_assert(octo_wal_durable(world->wal) == 2);
    cr_assert(world->complaint == NULL, "%s", world->complaint);
    world_free(world);
}

/* ---- Refusals ------------------------------------------------------------------------------ */

/* A formatted directory with a few durable entries, cleanly at rest. */
static void make_directory(struct world *world)
{
    world_reset(world, 99);
    world_boot(world, true);
    world_settle(world, 200);
    for (octo_index index = 1; index <= 5; index++) {
        step_append(world, index, 700);
        world_settle(world, 100);
    }
    struct octo_step step = world_step_begin(world);
    world_set_vote(world, 7, 2);
    world_step_end(world, &step);
    world_settle(world, 100);
    disk_power_loss(world->disk, DISK_KEEPS_NONE);
}

enum damage {
    DAMAGE_NONE,
    DAMAGE_MAIN,
    DAMAGE_BOTH_TOPICS,
    DAMAGE_NEWEST_MARKER,
    DAMAGE_IDENTITY,
    DAMAGE_IDENTITY_VERSION,
    DAMAGE_CLUSTER,
    DAMAGE_NODE,
    DAMAGE_NODE_COUNT,
    DAMAGE_VOTE_COPY,
    DAMAGE_VOTE_PAIR,
    DAMAGE_MAIN_MISSING,
    DAMAGE_SMALL_LOG,
    DAMAGE_EMPTY,
};

static void flip(struct world *world, uint8_t kind, uint64_t offset)
{
    struct disk_inode *inode = disk_file(world->disk, kind);
    inode->cache[offset] ^= 2;
    inode->durable[offset] ^= 2;
}

static void do_damage(struct world *world, enum damage damage)
{
    const uint64_t end = disk_file(world->disk, OCTO_FILE_MAIN)->cache_bytes;

    switch (damage) {
    case DAMAGE_NONE:
        break;
    case DAMAGE_BOTH_TOPICS:
        flip(world, OCTO_FILE_RECOVERY, 100);
        flip(world, OCTO_FILE_MAIN, 110);
        break;
    case DAMAGE_MAIN:
        flip(world, OCTO_FILE_MAIN, 100);
        break;
    case DAMAGE_NEWEST_MARKER:
        flip(world, OCTO_FILE_MAIN, end - 512 + 20);
        break;
    case DAMAGE_IDENTITY:
        flip(world, OCTO_FILE_IDENTITY, 30);
        break;
    case DAMAGE_IDENTITY_VERSION:
        flip(world, OCTO_FILE_IDENTITY, 4); /* version 3 */
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
    case DAMAGE_VOTE_PAIR:
        flip(world, OCTO_FILE_VOTE, 512 + 20);
        flip(world, OCTO_FILE_VOTE, 20);
        break;
    case DAMAGE_VOTE_COPY:
        flip(world, OCTO_FILE_VOTE, 20);
        break;
    case DAMAGE_MAIN_MISSING:
        world->disk->names[OCTO_FILE_MAIN] = DISK_NO_FILE;
        break;
    case DAMAGE_SMALL_LOG:
        world->config.log_entries_max = 4;
        break;
    case DAMAGE_EMPTY:
        disk_reset(world->disk, 1);
        break;
    }
}

Test(wal, refusals)
{
    static const struct {
        enum damage damage;
        bool format;
        enum octo_err reason; /* OK: READY */
        enum octo_mark mark;  /* must be counted if not 0 */
    } rows[] = {
        {DAMAGE_NONE, false, OCTO_ERR_OK, 0},
        {DAMAGE_NONE, true, OCTO_ERR_OK, 0},
        {DAMAGE_MAIN, false, OCTO_ERR_OK, OCTO_MARK_TOPIC_REPAIRED},
        {DAMAGE_BOTH_TOPICS, false, OCTO_ERR_DAMAGED, 0},
        {DAMAGE_NEWEST_MARKER, false, OCTO_ERR_OK, OCTO_MARK_MARKER_ONE_TOPIC},
        {DAMAGE_IDENTITY, false, OCTO_ERR_UNFORMATTED, 0},
        {DAMAGE_IDENTITY, true, OCTO_ERR_UNFORMATTED, 0}, /* it held promises */
        {DAMAGE_IDENTITY_VERSION, true, OCTO_ERR_VERSION, 0},
        {DAMAGE_CLUSTER, true, OCTO_ERR_CLUSTER, 0},
        {DAMAGE_NODE, true, OCTO_ERR_IDENTITY, 0},
        {DAMAGE_NODE_COUNT, false, OCTO_ERR_RANGE, 0},
        {DAMAGE_VOTE_COPY, false, OCTO_ERR_OK, OCTO_MARK_VOTE_COPY_TORN},
        {DAMAGE_VOTE_PAIR, false, OCTO_ERR_VOTE_UNKNOWN, 0},
        {DAMAGE_MAIN_MISSING, false, OCTO_ERR_NOT_FOUND, 0},
        {DAMAGE_SMALL_LOG, false, OCTO_ERR_FULL, 0},
        {DAMAGE_EMPTY, false, OCTO_ERR_UNFORMATTED, 0},
    };
    struct world *world = world_make();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_directory(world);
        do_damage(world, rows[i].damage);
        memset(world->marks, 0, sizeof world->marks);
        world_boot(world, rows[i].format);
        world_settle(world, 500);
        cr_assert(world->complaint == NULL, "row %zu: %s", i, world->complaint);
        cr_assert(octo_wal_reason(world->wal) == rows[i].reason, "row %zu: %s", i,
                  octo_err_text(octo_wal_reason(world->wal)));
        cr_assert(ready(world) == (rows[i].reason == OCTO_ERR_OK), "row %zu", i);
        cr_assert(rows[i].mark == 0 || world->marks[rows[i].mark] > 0, "row %zu", i);
    }
    world_free(world);
}

/* A disk that cannot be read at all is given up; completions that nobody waits for are ignored. */
Test(wal, unreadable_and_unknown)
{
    struct world *world = world_make();
    struct octo_event event = {.kind = OCTO_EVENT_DISK, .disk = {.id = 12345}};

    make_directory(world);
    world->disk->read_fails_ppm = 1000000;
    world_boot(world, false);
    struct octo_step step = world_step_begin(world);
    octo_wal_completion(world->wal, &step, &event);
    event.disk.id = 0;
    octo_wal_completion(world->wal, &step, &event);
    cr_assert(world->effects.count == 0);
    world_settle(world, 1000);
    cr_assert(octo_wal_stage(world->wal) == OCTO_WAL_FAILED);
    cr_assert(octo_wal_reason(world->wal) == OCTO_ERR_IO);
    cr_assert(world->marks[OCTO_MARK_READ_FAILED] == 100);
    world_free(world);
}
