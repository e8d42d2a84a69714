/* The durable log on a disk that lies: every sector of every file damaged, in one topic and in
 * both. One topic makes good what the other has lost; what both have lost is never passed over in
 * silence, and comes back from others. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "kernel/format.h"
#include "tests/unit/wal_life.h"

#define SEGMENTS 64u

static const enum octo_disk_damage damages[] = {OCTO_DAMAGE_FLIP, OCTO_DAMAGE_GARBAGE,
                                                OCTO_DAMAGE_ZERO, OCTO_DAMAGE_OLD};

static bool recovering(const struct world *world)
{
    struct octo_position floor;
    return octo_wal_floor(world->wal, &floor);
}

/* Calls `test` for every sector of every segment, with every kind of damage. */
struct place {
    uint32_t number, sector;
    enum octo_disk_damage damage;
};

static uint32_t each_place(struct world *world, struct world *saved,
                           void (*test)(struct world *, const struct place *))
{
    uint32_t numbers[SEGMENTS];
    uint32_t points = 0;

    world_copy(world, saved);
    const uint32_t count = octo_simdisk_files(world->disk, OCTO_FILE_MAIN, numbers, SEGMENTS);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t size = 0;
        world_copy(world, saved);
        cr_assert(octo_simdisk_durable_size(world->disk, topic_file(0, numbers[i]), &size));
        for (uint32_t sector = 0; sector < size / 512; sector++) {
            for (uint32_t d = 0; d < 4; d++) {
                const struct place place = {numbers[i], sector, damages[d]};
                world_copy(world, saved);
                test(world, &place);
                points++;
                cr_assert(world->model.complaint == NULL, "%s: segment %u sector %u damage %u",
                          world->model.complaint, place.number, sector, place.damage);
            }
        }
    }
    return points;
}

static uint32_t strike(struct world *world, uint32_t topic, const struct place *place)
{
    return octo_simdisk_damage(world->disk, topic_file(topic, place->number),
                               512ull * place->sector, 512, place->damage, place->sector * 7919u);
}

/* ---- One topic ------------------------------------------------------------------------------- */

/* Nothing is lost, and the topic has its records back: the other one may be damaged next. */
static void one_topic(struct world *world, uint32_t topic, const struct place *place)
{
    if (strike(world, topic, place) == 0)
        return;
    boot(world);
    world_rule(world, !recovering(world), "recovering");
    world_power_loss(world, LOSE_ALL);
    (void)strike(world, topic ^ 1u, place);
    boot(world);
    world_rule(world, !recovering(world), "recovering, the second time");
    if (world->model.complaint == NULL)
        life_finish(world);
}

static void main_topic(struct world *world, const struct place *place)
{
    one_topic(world, 0, place);
}

static void recovery_topic(struct world *world, const struct place *place)
{
    one_topic(world, 1, place);
}

static const uint32_t ages[] = {11, 19, 27, 34, 40, 47};

Test(wal_damage, one_topic)
{
    struct world *world = world_make();
    struct world *saved = world_make();
    uint32_t points = 0;

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        lived(world, ages[i]);
        world_copy(saved, world);
        points += each_place(world, saved, main_topic);
        points += each_place(world, saved, recovery_topic);
    }
    fprintf(stderr, "one topic: %u points\n", points);
    free(world);
    free(saved);
}

/* ---- Both topics ----------------------------------------------------------------------------- */

static struct model before; /* what was known before the damage */

/* The operation of `before` that made its last state's entry at index; NULL below its base. */
static const struct model_operation *entry_before(octo_index index)
{
    const struct model_operation *operation = &before.operations[before.acked];

    while (operation->end.index > index && operation->entry.index != 0) {
        const uint32_t previous =
            model_find(&before, before.acked, operation->end.index - 1, operation->previous);
        if (previous == MODEL_NONE)
            return NULL;
        operation = &before.operations[previous];
    }
    return operation->end.index == index && operation->entry.index == index ? operation : NULL;
}

static octo_index end_before(void)
{
    return before.operations[before.acked].end.index;
}

static bool complete(const struct world *world)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    const struct octo_position *end = &before.operations[before.acked].end;

    return log->last >= end->index && log->base.index <= end->index &&
           octo_log_chain(log, end->index) == end->chain;
}

/* The first index at which the log is not as before. */
static octo_index first_lost(const struct world *world)
{
    const struct octo_log *log = octo_wal_log(world->wal);
    octo_index index = log->base.index + 1;

    for (; index <= octo_wal_last(world->wal) && index <= end_before(); index++) {
        const struct model_operation *operation = entry_before(index);
        if (operation == NULL || operation->end.chain != octo_log_chain(log, index))
            break;
    }
    return index;
}

/* A leader sends what is lost; where the floor is unknown, something of its own term as well. */
static void refill(struct world *world)
{
    while (ready(world) && !complete(world) && !world->stopped && world->model.complaint == NULL) {
        struct octo_step step = world_step_begin(world);
        const struct model_operation *operation = entry_before(first_lost(world));
        if (!world_rule(world, operation != NULL, "nothing to refill from"))
            return;
        world_rule(world, world_bring(world, operation, false) == OCTO_ERR_OK, "no room");
        world_step_end(world, &step);
        world_event(world, 0);
    }
    if (ready(world) && recovering(world) && !world->stopped && world->model.complaint == NULL) {
        struct octo_step step = world_step_begin(world);
        world->term = octo_max_u64(world->term, octo_wal_term(world->wal)) + 1;
        (void)world_append(world, octo_wal_last(world->wal) + 1, 10);
        world_step_end(world, &step);
    }
    while (!world->stopped && world_event(world, 0))
        ;
}

/* Peers send it: first with a wrong entry among it, then the right one. */
static void fetch(struct world *world, octo_index wrong)
{
    struct octo_position floor;

    if (!octo_wal_floor(world->wal, &floor) || floor.chain == 0 ||
        first_lost(world) != octo_wal_log(world->wal)->last + 1)
        return;
    wrong = octo_min_u64(wrong, floor.index);
    while (octo_wal_log(world->wal)->last < floor.index && world->model.complaint == NULL) {
        const octo_index index = octo_wal_log(world->wal)->last + 1;
        const octo_index last = octo_wal_last(world->wal);
        const struct model_operation *operation = entry_before(index);
        if (!world_rule(world, operation != NULL, "nothing to fetch"))
            return;
        struct model_operation other = *operation;
        if (index == wrong)
            other.entry.client++;
        struct octo_step step = world_step_begin(world);
        const enum octo_err err = world_bring(world, &other, true);
        if (wrong != 0 && index == floor.index) {
            world_rule(world, err == OCTO_ERR_RANGE, "a wrong entry was taken");
            world_rule(world, octo_wal_log(world->wal)->last < wrong, "a wrong entry stayed");
            world_rule(world, recovering(world), "recovered by a wrong entry");
            wrong = 0;
        } else {
            world_rule(world, err == OCTO_ERR_OK, "a right entry was refused");
            world_rule(world, index == floor.index || octo_wal_last(world->wal) == last,
                       "an entry that is not proven counts");
        }
        world_step_end(world, &step);
        world_event(world, 0);
    }
    world_rule(world, !recovering(world), "recovering after all was fetched");
    world_settle(world);
}

static void recovered(struct world *world)
{
    world_rule(world, ready(world) && complete(world), "not complete");
    world_rule(world, ready(world) && !recovering(world), "still recovering");
    if (world->model.complaint != NULL)
        return;
    world->model.lossy = false;
    world_power_loss(world, LOSE_ALL);
    boot(world);
    life_finish(world);
}

static uint32_t lost_count, unknown_count, fetched_count;

static bool damaged_boot(struct world *world, const struct place *place)
{
    if (strike(world, 0, place) == 0)
        return false;
    (void)strike(world, 1, place);
    before = world->model;
    world->model.lossy = true;
    boot(world);
    return true;
}

static void both_topics(struct world *world, const struct place *place)
{
    struct octo_position floor;

    if (!damaged_boot(world, place) || world->model.complaint != NULL)
        return;
    const bool known = octo_wal_floor(world->wal, &floor) && floor.index != OCTO_FLOOR_UNKNOWN;
    if (complete(world) && !recovering(world)) {
        recovered(world);
        return;
    }
    lost_count += known;
    unknown_count += recovering(world) && !known;
    for (uint32_t crash = 0; crash < place->sector % 3; crash++) { /* the floor is kept */
        world_power_loss(world, LOSE_ALL);
        boot(world);
    }
    if (known && place->damage != OCTO_DAMAGE_ZERO) {
        fetch(world, octo_wal_last(world->wal) + 1 + place->sector % 2);
        fetched_count += !recovering(world);
    }
    refill(world);
    recovered(world);
}

/* Likewise with a crash at every point of the refilling, and a boot that has no end. */
static void both_topics_crashing(struct world *world, const struct place *place)
{
    static struct world *damaged;

    if (place->damage != OCTO_DAMAGE_GARBAGE)
        return;
    if (damaged == NULL)
        damaged = world_make();
    if (!damaged_boot(world, place) || complete(world))
        return;
    world_copy(damaged, world);
    for (uint64_t at = 1;; at++) {
        world_copy(world, damaged);
        world->stop_at = world->ticks + at;
        if (at % 2 == 0)
            fetch(world, 0);
        refill(world);
        if (!world->stopped)
            break;
        world->stop_at = WORLD_NEVER;
        if (at % 3 == 0)
            world_kill(world);
        else
            world_power_loss(world, at % 3 == 1 ? LOSE_ALL : LOSE_ANY);
        boot(world);
        refill(world);
        recovered(world);
        if (world->model.complaint != NULL)
            return;
    }
}

Test(wal_damage, both_topics)
{
    struct world *world = world_make();
    struct world *saved = world_make();
    uint32_t points = 0;

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        lived(world, ages[i]);
        world_copy(saved, world);
        points += each_place(world, saved, both_topics);
    }
    fprintf(stderr, "both topics: %u points, %u with losses, %u of unknown extent, %u fetched\n",
            points, lost_count, unknown_count, fetched_count);
    cr_assert(lost_count > 20 && fetched_count > 10);
    free(world);
    free(saved);
}

Test(wal_damage, both_topics_and_crashes)
{
    struct world *world = world_make();
    struct world *saved = world_make();

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        lived(world, ages[i]);
        world_copy(saved, world);
        (void)each_place(world, saved, both_topics_crashing);
    }
    free(world);
    free(saved);
}

/* The markers in a sector: the highest sequence, plus one. */
static uint64_t marker_in(const struct world *world, struct octo_file file, uint32_t sector)
{
    const uint8_t *at = octo_simdisk_durable_sector(world->disk, file, sector);
    uint64_t found = 0;

    for (uint32_t o = 0; at != NULL && o + 24 <= 512; o += 8)
        if (octo_get_u32(at + o) == OCTO_RECORD_MAGIC && at[o + 5] == OCTO_RECORD_MARKER)
            found = octo_max_u64(found, octo_get_u64(at + o + 16) + 1);
    return found;
}

/* The segment of the newest marker. */
static uint32_t newest_marker(struct world *world, const struct world *saved)
{
    uint32_t numbers[SEGMENTS], segment = 0;
    uint64_t newest = 0;

    world_copy(world, saved);
    const uint32_t count = octo_simdisk_files(world->disk, OCTO_FILE_MAIN, numbers, SEGMENTS);
    for (uint32_t i = 0; i < count * 64; i++) {
        const uint64_t found = marker_in(world, topic_file(0, numbers[i / 64]), i % 64);
        if (found >= newest && found > 0) {
            newest = found;
            segment = numbers[i / 64];
        }
    }
    return segment;
}

/* ---- Whole files ----------------------------------------------------------------------------- */

/* A segment's file that is missing in one topic is made again; then the other one may go. */
Test(wal_damage, missing_files)
{
    struct world *world = world_make();
    struct world *saved = world_make();

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        uint32_t numbers[SEGMENTS];
        lived(world, ages[i]);
        world_copy(saved, world);
        const uint32_t count = octo_simdisk_files(world->disk, OCTO_FILE_MAIN, numbers, SEGMENTS);
        for (uint32_t n = 0; n < 2 * count; n++) {
            world_copy(world, saved);
            world_remove(world, topic_file(n % 2, numbers[n / 2]));
            boot(world);
            world_rule(world, !recovering(world), "recovering");
            world_power_loss(world, LOSE_ALL);
            /* A spare is not made again: it is something else by now. */
            uint64_t size;
            if (octo_simdisk_durable_size(world->disk, topic_file(n % 2 ^ 1u, numbers[n / 2]),
                                          &size))
                world_remove(world, topic_file(n % 2 ^ 1u, numbers[n / 2]));
            boot(world);
            world_rule(world, !recovering(world), "recovering, the second time");
            life_finish(world);
            cr_assert(world->model.complaint == NULL, "%s: age %zu, topic %u segment %u",
                      world->model.complaint, i, n % 2, numbers[n / 2]);
        }
        for (uint32_t topic = 0; topic < 2; topic++) { /* all of a topic */
            world_copy(world, saved);
            for (uint32_t n = 0; n < count; n++)
                world_remove(world, topic_file(topic, numbers[n]));
            boot(world);
            world_rule(world, !recovering(world), "recovering");
            life_finish(world);
            cr_assert(world->model.complaint == NULL, "%s: age %zu, topic %u",
                      world->model.complaint, i, topic);
        }
        const uint32_t marked_in = newest_marker(world, saved);
        for (uint32_t n = 0; n < count && numbers[n] < marked_in; n++) { /* of both topics */
            world_copy(world, saved);
            before = world->model;
            world->model.lossy = true;
            world_remove(world, topic_file(0, numbers[n]));
            world_remove(world, topic_file(1, numbers[n]));
            boot(world);
            if (ready(world))
                refill(world);
            recovered(world);
            cr_assert(world->model.complaint == NULL, "%s: age %zu, both of %u",
                      world->model.complaint, i, numbers[n]);
        }
    }
    free(world);
    free(saved);
}

/* A topic that cannot be read is as good as damaged; if neither can, nothing is said about either.
 */
Test(wal_damage, unreadable_topics)
{
    struct world *world = world_make();
    struct world *saved = world_make();

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        lived(world, ages[i]);
        world_copy(saved, world);
        for (uint8_t kind = OCTO_FILE_MAIN; kind <= OCTO_FILE_RECOVERY; kind++) {
            world_copy(world, saved);
            world->unreadable = kind;
            boot(world);
            /* The list of its files cannot be read either. */
            cr_assert_str_eq(world->model.complaint, octo_err_text(OCTO_ERR_IO));
        }
    }
    free(world);
    free(saved);
}

/* The snapshot that the log goes on from is gone, and an older one is not there. */
Test(wal_damage, lost_snapshot)
{
    struct world *world = world_make();

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        lived(world, ages[i]);
        if (world->model.snapshot.index == 0)
            continue;
        const struct octo_position snapshot = world->model.snapshot;
        world->model.snapshot = (struct octo_position){0};
        world->model.lossy = true;
        before = world->model;
        for (uint32_t round = 0; round < 3; round++) {
            boot(world);
            cr_assert(world->model.complaint == NULL, "%s: age %zu round %u",
                      world->model.complaint, i, round);
            world_rule(world, recovering(world), "not recovering");
            world_power_loss(world, round == 0 ? LOSE_ALL : LOSE_NONE);
        }
        boot(world);
        struct octo_step step = world_step_begin(world);
        world_install(world, &step, &snapshot, true);
        world_step_end(world, &step);
        world_settle(world);
        refill(world);
        recovered(world);
        cr_assert(world->model.complaint == NULL, "%s: age %zu", world->model.complaint, i);
    }
    free(world);
}

/* A snapshot beyond the log's end, or of another log: the crash came before the log could say that
 * it goes on from there. From the next READY on it is a promise, which outlives the snapshot. */
Test(wal_damage, lost_snapshot_that_the_log_never_saw)
{
    struct world *world = world_make();

    for (size_t i = 0; i < 2 * sizeof ages / sizeof ages[0]; i++) {
        struct octo_position floor;
        lived(world, ages[i / 2]);
        boot(world);
        const struct octo_log *log = octo_wal_log(world->wal);
        const octo_index index = i % 2 == 0 ? log->last + 5 : log->last - 1;
        const struct octo_position snapshot = {
            .index = index, .term = octo_wal_term(world->wal) + 1, .chain = octo_mix(index)};
        const struct octo_position before_it = world->model.snapshot;
        if (index <= before_it.index)
            continue;
        struct octo_step step = world_step_begin(world);
        world_install(world, &step, &snapshot, false);
        world_step_end(world, &step);
        world_settle(world);
        world_power_loss(world, LOSE_ALL);
        boot(world);
        cr_assert(world->model.complaint == NULL, "%s: %zu", world->model.complaint, i);
        cr_assert_eq(octo_wal_durable(world->wal), index);
        world_power_loss(world, LOSE_ALL);
        world->model.snapshot = before_it;
        world->model.lossy = true;
        boot(world);
        cr_assert(octo_wal_floor(world->wal, &floor), "%zu", i);
        cr_assert(!octo_wal_ahead(&snapshot, &floor), "%zu: %llu", i,
                  (unsigned long long)floor.index);
    }
    free(world);
}

/* Every marker of both topics is damaged: what was promised is not known any more. */
Test(wal_damage, all_markers)
{
    struct world *world = world_make();
    struct octo_position floor;

    for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        uint32_t numbers[SEGMENTS];
        lived(world, ages[i]);
        const uint32_t count = octo_simdisk_files(world->disk, OCTO_FILE_MAIN, numbers, SEGMENTS);
        for (uint32_t n = 0; n < 2 * count; n++) {
            const struct octo_file file = topic_file(n % 2, numbers[n / 2]);
            for (uint32_t sector = 0; sector < 64; sector++) {
                if (marker_in(world, file, sector) > 0)
                    octo_simdisk_damage(world->disk, file, 512ull * sector, 512,
                                        OCTO_DAMAGE_GARBAGE, sector);
            }
        }
        before = world->model;
        world->model.lossy = true;
        boot(world);
        cr_assert(world->model.complaint == NULL, "%s: age %zu", world->model.complaint, i);
        cr_assert(octo_wal_floor(world->wal, &floor) && floor.index == OCTO_FLOOR_UNKNOWN);
        world_power_loss(world, LOSE_ALL);
        boot(world);
        cr_assert(octo_wal_floor(world->wal, &floor) && floor.index == OCTO_FLOOR_UNKNOWN);
        refill(world);
        recovered(world);
        cr_assert(world->model.complaint == NULL, "%s: age %zu", world->model.complaint, i);
    }
    free(world);
}

/* ---- The vote -------------------------------------------------------------------------------- */

Test(wal_damage, vote_copies)
{
    static const struct octo_file vote = {.kind = OCTO_FILE_VOTE};
    struct world *world = world_make();
    struct world *saved = world_make();

    for (uint32_t i = 0; i < 4; i++) {
        lived(world, 11);
        for (uint32_t boots = 0; boots < i; boots++) {
            boot(world);
            world_power_loss(world, LOSE_ALL);
        }
        world_copy(saved, world);
        for (uint32_t slots = 1; slots < 16; slots++) {
            world_copy(world, saved);
            for (uint32_t slot = 0; slot < 4; slot++)
                if ((slots & 1u << slot) != 0)
                    octo_simdisk_damage(world->disk, vote, 512ull * slot, 512,
                                        damages[1 + (slots + i) % 2], slots);
            const bool pair = (slots & 3) == 3 || (slots & 12) == 12;
            boot(world);
            if (pair) {
                cr_assert_str_eq(world->model.complaint, octo_err_text(OCTO_ERR_VOTE_UNKNOWN));
                continue;
            }
            cr_assert(world->marks[OCTO_MARK_VOTE_COPY_TORN] > 0);
            life_finish(world);
            cr_assert(world->model.complaint == NULL, "%s: slots %x", world->model.complaint,
                      slots);
        }
    }
    free(world);
    free(saved);
}
