/* Damage: after a clean kill, one sector of one copy is not what it was. */
#include "tools/sweep/points.h"

#define OUT_NS   (5 * OCTO_SECOND) /* of virtual time, after which a node counts as staying out */
#define BITS     0x9e3779b97f4a7c15ull
#define FILES    64u
#define SECTOR   OCTO_SIMDISK_SECTOR_BYTES
#define BOUND_NS (60 * OCTO_SECOND)

struct damage {
    struct octo_file file;
    struct octo_file twin; /* kind OCTO_FILE_NONE: it has none */
    uint64_t sector;
    enum octo_disk_damage how;
    bool may_recover;
    bool may_stay_out;
};

static const char *how_text(enum octo_disk_damage how)
{
    switch (how) {
    case OCTO_DAMAGE_FLIP:
        return "a bit flipped";
    case OCTO_DAMAGE_GARBAGE:
        return "garbage";
    case OCTO_DAMAGE_ZERO:
        return "zeros";
    case OCTO_DAMAGE_OLD:
        return "what stood there before";
    }
    return "";
}

static uint64_t recoverings(const struct sweep_world *world)
{
    uint64_t marks[OCTO_MARK_COUNT] = {0};

    sweep_world_marks(world, marks);
    return marks[OCTO_MARK_RECOVERING];
}

/* Kills the struck node and damages a sector. Returns whether there was anything to damage. */
static bool strike(struct sweep_run *run, struct octo_file file, const struct damage *damage)
{
    static const struct sweep_crash kill = {.text = "cleanly"};
    struct sweep_world *world = run->world;
    struct sweep_host *host = &world->hosts[run->row->struck - 1];

    sweep_host_crash(world, host, &kill);
    world->over = false;
    world->may_stay_out = damage->may_stay_out;
    world->bound = world->now + (damage->may_stay_out ? OUT_NS : BOUND_NS);
    if (octo_simdisk_damage(host->disk, file, damage->sector * SECTOR, 1, damage->how, BITS) == 0)
        return false;
    run->row->damaged++;
    sweep_say(world, host->id, "damage: %s-%u, sector %llu: %s", octo_file_kind_text(file.kind),
              file.number, (unsigned long long)damage->sector, how_text(damage->how));
    return true;
}

/* Whether it was repaired shows when the same place of its twin is damaged. */
static void damage_judge(struct sweep_run *run)
{
    const struct damage *damage = run->context;
    struct sweep_world *world = run->world;
    const uint64_t before = recoverings(world);

    (void)strike(run, damage->file, damage);
    if (damage->twin.kind != OCTO_FILE_NONE) {
        sweep_world_calm(world);
        sweep_world_run(world);
        if (world->judge.verdict != SWEEP_HELD)
            return;
        (void)strike(run, damage->twin, damage);
    }
    world->over = false;
    world->act = 0;
    sweep_world_shorten(world);
    sweep_world_run(world);
    if (!damage->may_recover && recoverings(world) != before)
        sweep_judge_break(world, SWEEP_BROKEN, "n%u came up recovering, and a copy was whole",
                          run->row->struck);
}

/* The power fails while the node repairs it. */
static void mend_judge(struct sweep_run *run)
{
    const uint64_t *before = run->context;

    sweep_world_run(run->world);
    if (recoverings(run->world) != *before)
        sweep_judge_break(run->world, SWEEP_BROKEN, "n%u came up recovering, and a copy was whole",
                          run->row->struck);
}

static void mend_sector(struct sweep_run *run, const struct damage *damage, const char *what)
{
    const uint64_t before = recoverings(run->world);

    if (!strike(run, damage->file, damage))
        return;
    run->world->act = 0;
    sweep_world_shorten(run->world);
    run->salt = octo_mix(damage->file.kind * 4096u + (uint64_t)damage->how) + damage->sector;
    run->context = &before;
    run->judge = mend_judge;
    sweep_recovery_run(run, what);
}

static void damage_sector(struct sweep_run *run, struct damage damage)
{
    static const enum octo_disk_damage hows[] = {OCTO_DAMAGE_FLIP, OCTO_DAMAGE_GARBAGE,
                                                 OCTO_DAMAGE_ZERO};
    char what[160];

    for (uint32_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
        damage.how = hows[i];
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_BEFORE]);
        const struct sweep_host *host = &run->world->hosts[run->row->struck - 1];
        if (octo_simdisk_damage(host->disk, damage.file, damage.sector * SECTOR, 1, damage.how,
                                BITS) == 0)
            continue; /* a hole, or it is that already */
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_BEFORE]);
        (void)snprintf(what, sizeof what, "%s-%u, sector %llu: %s",
                       octo_file_kind_text(damage.file.kind), damage.file.number,
                       (unsigned long long)damage.sector, how_text(damage.how));
        if (run->row->sweep == SWEEP_MEND) {
            mend_sector(run, &damage, what);
            continue;
        }
        if (!sweep_point_wanted(run))
            continue;
        run->context = &damage;
        run->judge = damage_judge;
        sweep_point_run(run, what);
    }
}

static void damage_file(struct sweep_run *run, struct damage damage)
{
    const struct sweep_host *host = &run->world->hosts[run->row->struck - 1];
    uint64_t size = 0;

    if (!octo_simdisk_durable_size(host->disk, damage.file, &size))
        return;
    for (damage.sector = 0; damage.sector * SECTOR < size; damage.sector++)
        damage_sector(run, damage);
    sweep_world_restore(run->world, run->copies[SWEEP_COPY_BEFORE]);
}

static void damage_kind(struct sweep_run *run, uint8_t kind, const struct damage *like)
{
    const struct sweep_host *host = &run->world->hosts[run->row->struck - 1];
    uint32_t numbers[FILES];
    const uint32_t count = octo_simdisk_files(host->disk, kind, numbers, FILES);

    octo_assert(count <= FILES);
    for (uint32_t i = 0; i < count; i++) {
        struct damage damage = *like;
        damage.file = (struct octo_file){.kind = kind, .number = numbers[i]};
        damage.twin.number = numbers[i];
        damage_file(run, damage);
    }
}

void sweep_damage(struct sweep_run *run)
{
    run->world = sweep_world_create(run->block, SWEEP_WORLD_BYTES, run->row->scenario);
    sweep_world_run(run->world);
    sweep_base_end(run);
    if (run->world->judge.verdict != SWEEP_HELD)
        return;
    sweep_world_save(run->world, run->copies[SWEEP_COPY_BEFORE]);
    const struct damage main = {.twin.kind = OCTO_FILE_RECOVERY};
    const struct damage recovery = {.twin.kind = OCTO_FILE_MAIN};
    const struct damage vote = {.may_recover = false};
    /* There is one identity; a node without one stays out. */
    const struct damage identity = {.may_stay_out = true};
    /* There is one snapshot: a node alone says that it lost something, others have it anew. */
    const struct damage snapshot = {.may_recover = true,
                                    .may_stay_out = run->row->scenario->nodes == 1};
    damage_kind(run, OCTO_FILE_MAIN, &main);
    damage_kind(run, OCTO_FILE_RECOVERY, &recovery);
    damage_kind(run, OCTO_FILE_VOTE, &vote);
    if (run->row->sweep == SWEEP_MEND)
        return;
    damage_kind(run, OCTO_FILE_IDENTITY, &identity);
    damage_kind(run, OCTO_FILE_SNAPSHOT, &snapshot);
}
