/* The points: each is found by the base run, struck, run to its end, and judged. */
#include "tools/sweep/points.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BOUND_NS (60 * OCTO_SECOND) /* of virtual time, from a strike to the end of the run */

double sweep_clock(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *must_map(size_t size)
{
    void *block = aligned_alloc(4096, size); /* only what is used is ever touched */

    if (block == NULL) {
        fprintf(stderr, "octo-sweep: out of memory\n");
        exit(3);
    }
    return block;
}

void sweep_run_open(struct sweep_run *run)
{
    run->block = must_map(SWEEP_WORLD_BYTES);
    for (uint32_t i = 0; i < SWEEP_COPIES; i++)
        run->copies[i] = must_map(SWEEP_WORLD_BYTES);
}

void sweep_run_close(struct sweep_run *run)
{
    free(run->block);
    sweep_same_free(&run->runs);
    sweep_same_free(&run->recoveries);
    for (uint32_t i = 0; i < SWEEP_COPIES; i++)
        free(run->copies[i]);
}

/* ---- One point ------------------------------------------------------------------------------- */

static void sums_of(const struct sweep_world *world, struct sweep_sums *sums)
{
    memset(sums, 0, sizeof *sums);
    sums->crashes = world->crashes;
    sums->kills = world->kills;
    sums->halts = world->halts;
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        const struct octo_simdisk_stats *stats = octo_simdisk_stats(world->hosts[i].disk);
        for (uint32_t kind = 0; kind < OCTO_CHANCE_COUNT; kind++)
            sums->faults[kind] += stats->faults[kind];
    }
    sweep_world_marks(world, sums->marks);
}

/* What happened in this run, from the strike on. */
static void count_up(struct sweep_row *row, const struct sweep_sums *from,
                     const struct sweep_world *world)
{
    struct sweep_sums to;

    sums_of(world, &to);
    row->power_losses += to.crashes - from->crashes;
    row->kills += to.kills - from->kills;
    row->halts += to.halts - from->halts;
    for (uint32_t kind = 0; kind < OCTO_CHANCE_COUNT; kind++)
        row->faults[kind] += to.faults[kind] - from->faults[kind];
    for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++)
        row->marks[mark] += to.marks[mark] - from->marks[mark];
}

static void progress(const struct sweep_run *run)
{
    if (run->options->progress && run->row->runs % 256 == 0)
        fprintf(stderr, "\r%s, %s, node %u: %llu points\033[K", sweep_name(run->row->sweep),
                run->row->scenario->name, run->row->struck, (unsigned long long)run->row->points);
}

bool sweep_point_wanted(struct sweep_run *run)
{
    const uint64_t number = ++*run->point;

    run->row->points++;
    if (run->options->point != 0)
        return number == run->options->point;
    return !run->options->quick || number % SWEEP_QUICK == 0;
}

static void tell_failure(struct sweep_run *run, const char *what)
{
    static const char *const verdicts[] = {"held", "stays out", "LOST", "DIVERGED", "BROKEN"};
    const struct sweep_judge *judge = &run->world->judge;

    if (run->options->progress)
        fprintf(stderr, "\r\033[K");
    fprintf(run->out, "octo-sweep --only %s", sweep_name(run->row->sweep));
    if (run->options->nodes != 0)
        fprintf(run->out, " --nodes %llu", (unsigned long long)run->options->nodes);
    fprintf(run->out, " --point %llu\n    %s, node %u: %s\n    %s%s%s\n",
            (unsigned long long)*run->point, run->row->scenario->name, run->row->struck, what,
            verdicts[judge->verdict], judge->why[0] != '\0' ? ": " : "", judge->why);
}

static bool power_lost(const struct sweep_world *world)
{
    const struct sweep_strike *last = &world->strikes[world->strike_count - 1];

    return world->strike_count > 0 && world->strike_next == world->strike_count &&
           last->crash != NULL && last->crash->power;
}

/* Goes on to the power loss, if the point is one, and says whether what it leaves was there before.
 * What is asked for by number is run in any case. */
static bool same_as_before(struct sweep_run *run)
{
    bool seen = false;

    if (run->options->every || run->options->point != 0 || run->world->strike_count == 0 ||
        run->world->strikes[run->world->strike_count - 1].crash == NULL)
        return false;
    while (run->world->strike_next < run->world->strike_count && sweep_step_guarded(run->world))
        ;
    if (!power_lost(run->world))
        return false;
    const uint64_t key = sweep_same_key(run->world, run->row->struck);
    (void)sweep_same_at(&run->runs, octo_mix(key + run->salt), &seen);
    return seen;
}

void sweep_point_run(struct sweep_run *run, const char *what)
{
    struct sweep_world *world = run->world;
    struct sweep_row *row = run->row;
    struct sweep_sums before;

    sums_of(world, &before);
    world->bound = world->now + BOUND_NS;
    if (run->options->point != 0) {
        fprintf(run->out, "%s\n", what);
        sweep_trace = run->out;
    }
    if (same_as_before(run)) {
        row->same++;
        progress(run);
        return;
    }
    if (run->judge != NULL)
        run->judge(run);
    else
        sweep_world_run(world);
    sweep_trace = NULL;
    row->runs++;
    count_up(row, &before, world);
    switch (world->judge.verdict) {
    case SWEEP_HELD:
        break;
    case SWEEP_OUT:
        row->out++;
        break;
    case SWEEP_LOSS:
        row->lost++;
        break;
    case SWEEP_DIVERGED:
        row->diverged++;
        break;
    case SWEEP_BROKEN:
        row->broken++;
        break;
    }
    if (world->judge.verdict > SWEEP_OUT &&
        row->lost + row->diverged + row->broken <= run->options->failures_max)
        tell_failure(run, what);
    else if (run->options->point != 0)
        tell_failure(run, "as asked");
    progress(run);
}

/* ---- Ways to fail ---------------------------------------------------------------------------- */

struct way {
    const char *text;
    enum octo_disk_chance_kind chance;
    uint64_t answer;
    bool window;
    bool topics; /* only for files of one topic: their twin must do */
};

static const struct way ways[] = {
    {"read: EIO", OCTO_CHANCE_READ_ERROR, 1, false, false},
    {"read: EIO for 300 ms", OCTO_CHANCE_READ_ERROR, 1, true, false},
    {"read: a short one", OCTO_CHANCE_SHORT_READ, 1, false, false},
    {"read: the bytes of the next sector", OCTO_CHANCE_MISDIRECTED_READ, 1, false, false},
    {"EIO, nothing changed", OCTO_CHANCE_WRITE_ERROR, 1, false, false},
    {"EIO, a part written", OCTO_CHANCE_WRITE_ERROR, 2, false, false},
    {"a short write", OCTO_CHANCE_WRITE_ERROR, 3, false, false},
    {"EIO for 300 ms", OCTO_CHANCE_WRITE_ERROR, 1, true, false},
    {"sync: EIO, pages gone", OCTO_CHANCE_SYNC_ERROR, 1, false, false},
    {"sync: EIO, pages never durable", OCTO_CHANCE_SYNC_ERROR, 2, false, false},
    {"sync: EIO for 300 ms", OCTO_CHANCE_SYNC_ERROR, 2, true, false},
    {"no space", OCTO_CHANCE_NO_SPACE, 1, false, false},
    {"no space for 300 ms", OCTO_CHANCE_NO_SPACE, 1, true, false},
    {"a lost write", OCTO_CHANCE_LOST_WRITE, 1, false, true},
    {"written one sector further on", OCTO_CHANCE_MISDIRECTED_WRITE, 1, false, true},
    {"written three sectors further on", OCTO_CHANCE_MISDIRECTED_WRITE, 3, false, true},
};

static bool way_applies(const struct way *way, const struct sweep_op *op)
{
    const bool topic = op->op.file.kind == OCTO_FILE_MAIN || op->op.file.kind == OCTO_FILE_RECOVERY;
    const bool changes_names = op->op.kind != OCTO_DISK_WRITE && op->op.kind != OCTO_DISK_SYNC;

    if ((op->asked & 1u << way->chance) == 0 || (way->topics && !topic))
        return false;
    /* Of a change in the directory nothing is ever half done, nor is there more than one loss. */
    return way->answer == 1 || way->window || !changes_names || way->topics;
}

static void fail_op(struct sweep_run *run, const struct sweep_op *op)
{
    char what[256];

    for (uint32_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (!way_applies(&ways[i], op) || !sweep_point_wanted(run))
            continue;
        (void)snprintf(what, sizeof what, "operation %llu, %s: %s", (unsigned long long)op->number,
                       sweep_op_text(&op->op), ways[i].text);
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_BEFORE]);
        run->world->strikes[0] = (struct sweep_strike){
            .kind = ways[i].window ? SWEEP_STRIKE_WINDOW : SWEEP_STRIKE_FAULT,
            .node = op->node,
            .op = op->number,
            .chance = ways[i].chance,
            .answer = ways[i].answer,
        };
        run->world->strike_count = 1;
        sweep_point_run(run, what);
    }
}

/* ---- Crashes --------------------------------------------------------------------------------- */

static const struct sweep_crash crashes[] = {
    {"killed", false, SWEEP_KEPT, 1, 0},
    {"all sectors lost, names lost", true, SWEEP_LOST, 0, 0},
    {"even sectors kept, names kept", true, SWEEP_EVEN, 1, 0},
    {"all sectors kept, names kept", true, SWEEP_KEPT, 1, 0},
    {"all sectors kept, names lost", true, SWEEP_KEPT, 0, 0},
    {"all sectors lost, names kept", true, SWEEP_LOST, 1, 0},
    {"even sectors kept, names lost", true, SWEEP_EVEN, 0, 0},
    {"odd sectors kept, names kept", true, SWEEP_ODD, 1, 0},
    {"odd sectors kept, names lost", true, SWEEP_ODD, 0, 0},
    {"sectors torn, names kept", true, SWEEP_TORN, 1, 0},
    {"sectors torn, names lost", true, SWEEP_TORN, 0, 0},
    {"sectors garbage, names kept", true, SWEEP_GARBAGE, 1, 0},
    {"sectors garbage, names lost", true, SWEEP_GARBAGE, 0, 0},
    {"sectors lost, sizes new", true, SWEEP_LOST, 1, 1},
    {"sectors kept, sizes old", true, SWEEP_KEPT, 1, 2},
};

#define CRASHES       (sizeof crashes / sizeof crashes[0])
#define CRASHES_TWICE 3u /* of them: from 1 on, for the sweep that goes two deep */

static struct sweep_strike crash_strike(const struct sweep_op *op, bool after, uint32_t crash)
{
    return (struct sweep_strike){
        .kind = after ? SWEEP_STRIKE_AFTER : SWEEP_STRIKE_BEFORE,
        .node = op->node,
        .op = op->number,
        .crash = &crashes[crash],
    };
}

/* A crash before an operation is the crash after the one before, if nothing happened in between. */
static bool crash_differs(const struct sweep_op *op, bool after)
{
    return after || op->apart;
}

static void crash_op(struct sweep_run *run, const struct sweep_op *op)
{
    char what[256];

    for (uint32_t i = 0; i < 2 * CRASHES; i++) {
        const bool after = i >= CRASHES;
        const uint32_t crash = i % CRASHES;
        if (!crash_differs(op, after) || !sweep_point_wanted(run))
            continue;
        (void)snprintf(what, sizeof what, "just %s operation %llu, %s: %s",
                       after ? "after" : "before", (unsigned long long)op->number,
                       sweep_op_text(&op->op), crashes[crash].text);
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_BEFORE]);
        run->world->strikes[0] = crash_strike(op, after, crash);
        run->world->strike_count = 1;
        sweep_point_run(run, what);
    }
}

/* ---- The base run ---------------------------------------------------------------------------- */

bool sweep_step_guarded(struct sweep_world *world)
{
    jmp_buf jump;
    bool goes_on = false;

    if (setjmp(jump) == 0) {
        sweep_jump = &jump;
        goes_on = sweep_world_step(world);
        sweep_jump = NULL;
        return goes_on;
    }
    sweep_jump = NULL;
    sweep_judge_break(world, SWEEP_BROKEN, "assert: %s", sweep_assert_text);
    return false;
}

void sweep_base_end(struct sweep_run *run)
{
    if (run->world->judge.verdict == SWEEP_HELD)
        sweep_judge_end(run->world);
    if (run->world->judge.verdict == SWEEP_HELD)
        return;
    run->row->broken++;
    tell_failure(run, "the run that nothing strikes");
}

/* Calls strike for each operation of the struck node, the world being as it was before the event
 * that submits it in copies[SWEEP_COPY_BEFORE]. */
static void base_run(struct sweep_run *run,
                     void (*strike)(struct sweep_run *run, const struct sweep_op *op))
{
    bool goes_on = true;

    run->world = sweep_world_create(run->block, SWEEP_WORLD_BYTES, run->row->scenario);
    while (goes_on) {
        struct sweep_op ops[SWEEP_OPS_MAX];
        sweep_world_save(run->world, run->copies[SWEEP_COPY_BEFORE]);
        goes_on = sweep_step_guarded(run->world);
        const uint32_t count = sweep_op_count;
        if (count == 0)
            continue;
        memcpy(ops, sweep_ops, count * sizeof ops[0]);
        sweep_world_save(run->world, run->copies[SWEEP_COPY_AFTER]);
        for (uint32_t i = 0; i < count; i++) {
            if (ops[i].node == run->row->struck)
                strike(run, &ops[i]);
        }
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_AFTER]);
    }
    sweep_base_end(run);
}

/* ---- Two deep -------------------------------------------------------------------------------- */

static void again_op(struct sweep_run *run, const char *first, const struct sweep_op *op)
{
    char what[512];

    for (uint32_t i = 0; i < 2 * (CRASHES_TWICE - 1); i++) {
        const bool after = i >= CRASHES_TWICE - 1;
        const uint32_t crash = 1 + i % (CRASHES_TWICE - 1);
        if (!crash_differs(op, after) || !sweep_point_wanted(run))
            continue;
        (void)snprintf(what, sizeof what, "%s; then just %s operation %llu, %s: %s", first,
                       after ? "after" : "before", (unsigned long long)op->number,
                       sweep_op_text(&op->op), crashes[crash].text);
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_AGAIN]);
        run->world->strikes[run->world->strike_count++] = crash_strike(op, after, crash);
        sweep_world_shorten(run->world);
        sweep_point_run(run, what);
    }
}

/* The node has crashed. Every operation of its recovery, until it is ready and idle. */
void sweep_recovery_run(struct sweep_run *run, const char *first)
{
    const struct sweep_host *host = &run->world->hosts[run->row->struck - 1];
    bool goes_on = true;
    bool begun = false;

    while (goes_on &&
           !(begun && host->up && host->ready_by == OCTO_NEVER && host->pending_count == 0)) {
        struct sweep_op ops[SWEEP_OPS_MAX];
        sweep_world_save(run->world, run->copies[SWEEP_COPY_AGAIN]);
        goes_on = sweep_step_guarded(run->world);
        begun = begun || host->up;
        const uint32_t count = sweep_op_count;
        if (count == 0)
            continue;
        memcpy(ops, sweep_ops, count * sizeof ops[0]);
        sweep_world_save(run->world, run->copies[SWEEP_COPY_LATER]);
        for (uint32_t i = 0; i < count; i++) {
            if (ops[i].node == run->row->struck)
                again_op(run, first, &ops[i]);
        }
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_LATER]);
    }
}

/* Two crashes that leave the same have the same recovery, and the same points. */
static void recovery_once(struct sweep_run *run, const char *first)
{
    const uint64_t key = sweep_same_key(run->world, run->row->struck);
    const uint64_t before = *run->point;
    const uint64_t count = *sweep_same_at(&run->recoveries, key, NULL);
    const bool inside = run->options->point > before && run->options->point <= before + count;

    if (count == 0 || inside || run->options->every) {
        sweep_recovery_run(run, first);
        *sweep_same_at(&run->recoveries, key, NULL) = *run->point - before;
        return;
    }
    *run->point += count;
    run->row->points += count;
    run->row->same += run->options->point == 0 ? count : 0;
}

static void twice_op(struct sweep_run *run, const struct sweep_op *op)
{
    char first[192];

    for (uint32_t i = 0; i < 2 * (CRASHES_TWICE - 1); i++) {
        const bool after = i >= CRASHES_TWICE - 1;
        const uint32_t crash = 1 + i % (CRASHES_TWICE - 1);
        if (!crash_differs(op, after))
            continue;
        (void)snprintf(first, sizeof first, "just %s operation %llu, %s: %s",
                       after ? "after" : "before", (unsigned long long)op->number,
                       sweep_op_text(&op->op), crashes[crash].text);
        sweep_world_restore(run->world, run->copies[SWEEP_COPY_BEFORE]);
        run->world->strikes[0] = crash_strike(op, after, crash);
        run->world->strike_count = 1;
        while (run->world->strike_next == 0 && sweep_step_guarded(run->world))
            ;
        recovery_once(run, first);
    }
}

/* ---- A row ----------------------------------------------------------------------------------- */

const char *sweep_name(enum sweep_kind sweep)
{
    static const char *const names[] = {
#define SWEEP_NAME(NAME, name, text) (name),
        SWEEP_SWEEPS(SWEEP_NAME)
#undef SWEEP_NAME
    };
    return sweep < SWEEP_KIND_COUNT ? names[sweep] : "";
}

void sweep_run(struct sweep_row *row, const struct sweep_options *options, uint64_t *point,
               FILE *out)
{
    struct sweep_run run = {.row = row, .options = options, .point = point, .out = out};
    const double began = sweep_clock();

    sweep_run_open(&run);
    switch (row->sweep) {
    case SWEEP_FAIL:
        base_run(&run, fail_op);
        break;
    case SWEEP_CRASH:
        base_run(&run, crash_op);
        break;
    case SWEEP_TWICE:
        base_run(&run, twice_op);
        break;
    case SWEEP_DAMAGE:
    case SWEEP_MEND:
        sweep_damage(&run);
        break;
    case SWEEP_KIND_COUNT:
        break;
    }
    sweep_run_close(&run);
    if (options->progress)
        fprintf(stderr, "\r\033[K");
    row->seconds = sweep_clock() - began;
}
