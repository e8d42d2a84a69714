/* The durable log, swept: its fixed life (wal_life.h) with every operation failing once in every
 * way, and cut off at every point, once and twice. The default covers every point; OCTO_WAL_LONG=1
 * adds more ways of losing what was not synced. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/wal_life.h"

static bool long_run(void)
{
    return getenv("OCTO_WAL_LONG") != NULL;
}

enum ending { END_KILL, END_LOSE_ALL, END_LOSE_ANY, END_LOSE_NONE, END_COUNT };

static void end_and_boot(struct world *world, enum ending ending)
{
    static const enum world_loss losses[] = {
        [END_LOSE_ALL] = LOSE_ALL, [END_LOSE_ANY] = LOSE_ANY, [END_LOSE_NONE] = LOSE_NONE};

    world->stop_at = WORLD_NEVER;
    if (ending == END_KILL)
        world_kill(world);
    else
        world_power_loss(world, losses[ending]);
    world_boot(world, !world->model.was_ready);
}

static void begin(struct world *world, uint64_t seed, uint32_t batches_max)
{
    world_reset(world, seed);
    world->config.batches_max = batches_max;
}

/* ---- Failures -------------------------------------------------------------------------------- */

static const struct {
    enum octo_disk_chance_kind kind;
    uint64_t answer;
} faults[] = {
    {OCTO_CHANCE_READ_ERROR, 1},       {OCTO_CHANCE_SHORT_READ, 1},
    {OCTO_CHANCE_WRITE_ERROR, 1},      {OCTO_CHANCE_WRITE_ERROR, 2},
    {OCTO_CHANCE_WRITE_ERROR, 3},      {OCTO_CHANCE_SYNC_ERROR, 1},
    {OCTO_CHANCE_SYNC_ERROR, 2},       {OCTO_CHANCE_NO_SPACE, 1},
    {OCTO_CHANCE_MISDIRECTED_READ, 1}, {OCTO_CHANCE_MISDIRECTED_READ, 2},
    {OCTO_CHANCE_LOST_WRITE, 1},       {OCTO_CHANCE_MISDIRECTED_WRITE, 1},
};

Test(wal_sweep, failure_of_every_operation)
{
    struct world *world = world_make();
    uint32_t points = 0;

    for (uint32_t batches = 1; batches <= 4; batches *= 2) {
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            bool reached = true;
            for (uint64_t at = 1; reached; at++) {
                begin(world, at, batches);
                world->strike = (struct world_strike){at, faults[i].kind, faults[i].answer, false};
                world_boot(world, true);
                life(world);
                reached = world->operations >= at;
                points += world->strike.asked;
                cr_assert(world->model.complaint == NULL, "%s: %s %llu at %llu, %u batches",
                          world->model.complaint, octo_disk_chance_text(faults[i].kind),
                          (unsigned long long)faults[i].answer, (unsigned long long)at, batches);
                if (!world->strike.asked)
                    continue;
                life_finish(world);
                cr_assert(world->model.complaint == NULL, "%s: %s %llu at %llu, %u batches, end",
                          world->model.complaint, octo_disk_chance_text(faults[i].kind),
                          (unsigned long long)faults[i].answer, (unsigned long long)at, batches);
            }
        }
    }
    fprintf(stderr, "failures: %u points\n", points);
    cr_assert(points > 1000);
    free(world);
}

/* ---- Crashes --------------------------------------------------------------------------------- */

Test(wal_sweep, crash_at_every_point)
{
    struct world *world = world_make();
    uint32_t points = 0;

    for (uint32_t batches = 1; batches <= 4; batches *= 2) {
        for (uint32_t ending = 0; ending < END_COUNT; ending++) {
            bool reached = true;
            for (uint64_t at = 1; reached; at++) {
                begin(world, at * 16 + ending, batches);
                world->stop_at = at;
                world_boot(world, true);
                life(world);
                reached = world->stopped;
                points++;
                if (reached)
                    end_and_boot(world, (enum ending)ending);
                life_finish(world);
                cr_assert(world->model.complaint == NULL, "%s: ending %u at %llu, %u batches",
                          world->model.complaint, ending, (unsigned long long)at, batches);
            }
        }
    }
    fprintf(stderr, "crashes: %u points\n", points);
    free(world);
}

/* Crashes again at every point of the recovery. */
static uint32_t crash_again(struct world *world, struct world *crashed, enum ending first,
                            enum ending second, uint64_t at)
{
    uint32_t points = 0;

    const uint64_t stride = long_run() ? 1 : 4;

    for (uint64_t again = 1 + at % stride;; again += stride) {
        world_copy(world, crashed);
        world->random = at * 4096 + again * 16 + second;
        const uint64_t limit = world->ticks + again;
        if (first == END_KILL)
            world_kill(world);
        else
            world_power_loss(world, first == END_LOSE_ALL ? LOSE_ALL : LOSE_ANY);
        world->stop_at = limit;
        world_boot(world, !world->model.was_ready);
        while (!ready(world) && world_event(world, 0))
            ;
        if (!world->stopped && world->model.complaint == NULL)
            return points;
        points++;
        end_and_boot(world, second);
        life_finish(world);
        cr_assert(world->model.complaint == NULL, "%s: endings %u %u at %llu, again at %llu",
                  world->model.complaint, first, second, (unsigned long long)at,
                  (unsigned long long)again);
    }
}

Test(wal_sweep, crash_twice)
{
    struct world *world = world_make();
    struct world *crashed = world_make();
    uint32_t points = 0;

    for (uint64_t at = 1;; at++) {
        begin(world, at, 2);
        world->stop_at = at;
        world_boot(world, true);
        life(world);
        if (!world->stopped)
            break;
        world->stop_at = WORLD_NEVER;
        world_copy(crashed, world);
        for (uint32_t i = 0; i < (long_run() ? 3u * END_COUNT : 1u); i++) {
            const uint64_t ending = at + i;
            points += crash_again(world, crashed, (enum ending)(ending % 3),
                                  (enum ending)(ending / 3 % END_COUNT), at);
        }
    }
    fprintf(stderr, "crashes, two deep: %u points\n", points);
    free(world);
    free(crashed);
}
