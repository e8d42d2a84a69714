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
        if (marks[i] > 0)
            fprintf(stderr, "%s %llu\n", octo_mark_text((enum octo_mark)i), (unsigned long long)marks[i]);
    for (size_t i = 0; one == NULL && i < sizeof expected_marks / sizeof expected_marks[0]; i++)
        cr_assert(marks[expected_marks[i]] > 0, "never seen: %s",
                  octo_mark_text(expected_marks[i]));
    cr_assert(one != NULL || readies >= 2 * count, "only %llu recoveries",
              (unsigned long long)readies);
    free(world);
}
#ifdef DUMP
#include "kernel/wal/wal_state.h"
static void dump(struct world *world){
 struct octo_wal*w=world->wal;
 fprintf(stderr,"stage %d boot %d base %lu last %lu durable %lu snap %lu submitted_index %lu submitted %lu marked %lu due %lu marked_in %u live %u count %u max %u old %u need %u nospace %d prep mode %d step %d  batches %u append_off %u pending %u deadline %lu\n",w->stage,w->boot.stage,w->log.base.index,w->log.last,w->flush.durable,world->model.snapshot.index,w->flush.submitted_index,w->flush.submitted,w->flush.marked,w->flush.due.sequence,w->flush.marked_in,w->segments.live,w->segments.count,w->config.segments_max,w->segments.old_count,w->segments.need_bytes,w->segments.no_space,w->segments.prepare.mode,w->segments.prepare.step,w->flush.count,w->flush.append_offset,world->pending_count,world->deadline);
 for(uint32_t i=0;i<w->segments.count;i++)fprintf(stderr,"seg %u bytes %u seq %lu\n",w->segments.items[i].number,w->segments.items[i].bytes,w->segments.items[i].sequence);
 for(uint32_t i=0;i<w->segments.old_count;i++)fprintf(stderr,"old %u\n",w->segments.old[i]);
}
Test(wal,dump){ struct world*world=world_make(); schedule(world,strtoull(getenv("OCTO_WAL_SEED"),NULL,0)); fprintf(stderr,"%s\n",world->model.complaint); dump(world);}
#endif
