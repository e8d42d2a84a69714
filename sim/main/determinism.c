#include "sim/main/determinism.h"

#include "sim/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Set in the second process: "file-descriptor seed address". */
#define WITNESS_VARIABLE "OCTO_SIM_WITNESS"

#define FILL_BYTES     ((size_t)48 << 20)
#define TEXT_BYTES     16384u
#define STACK_INTERVAL 64u /* steps between two fillings of the stack */

enum { PATTERN_FIRST = 0x00, PATTERN_SECOND = 0xa5, PATTERN_THIRD = 0x3c, PATTERN_LOST = 0xc3 };

/* ---- One run, step by step --------------------------------------------------------------------
 */

struct capture {
    uint32_t size;
    char text[TEXT_BYTES]; /* the lines of the last step */
};

struct runner {
    struct octo_world *world;
    struct octo_watch watch;
    uint8_t pattern;
    uint64_t steps;
    struct capture capture;
};

static void capture_line(void *context, uint64_t event, const char *text)
{
    struct capture *capture = context;
    const size_t size = strlen(text);
    (void)event;
    if (capture->size + size + 1 <= TEXT_BYTES) {
        memcpy(capture->text + capture->size, text, size);
        capture->text[capture->size + size] = '\n';
        capture->size += (uint32_t)size + 1;
    }
}

static bool runner_begin(const struct sim_program *program, struct runner *runner,
                         const struct sim_block *block, const struct octo_sim_options *options,
                         uint8_t pattern)
{
    runner->pattern = pattern;
    runner->steps = 0;
    runner->capture.size = 0;
    runner->watch = (struct octo_watch){.context = &runner->capture, .line = capture_line};
    sim_block_fill(block, pattern, FILL_BYTES);
    sim_stack_fill(pattern);
    runner->world = octo_world_create(block->base, block->size, options, program->machine);
    if (runner->world == NULL) {
        sim_complain(program, "cannot create a world for seed %" PRIu64, options->seed);
        return false;
    }
    octo_world_watch(runner->world, &runner->watch);
    return true;
}

static bool runner_step(struct runner *runner)
{
    if (runner->steps % STACK_INTERVAL == 0)
        sim_stack_fill(runner->pattern);
    runner->steps++;
    runner->capture.size = 0;
    return octo_world_step(runner->world);
}

static void runner_end(struct runner *runner)
{
    octo_world_watch(runner->world, NULL);
}

/* ---- What is compared -------------------------------------------------------------------------
 */

/* After one step; text of the given size follows in the pipe. */
struct moment {
    uint64_t event, hash;
    uint32_t more, size;
};

static struct moment moment_of(const struct runner *runner, bool more)
{
    return (struct moment){.event = octo_world_events(runner->world),
                           .hash = octo_world_hash(runner->world),
                           .more = more,
                           .size = runner->capture.size};
}

static bool moments_equal(const struct moment *a, const struct moment *b)
{
    return a->event == b->event && a->hash == b->hash && a->more == b->more;
}

static bool counts_equal(const struct octo_sim_result *a, const struct octo_sim_result *b)
{
    return a->hash == b->hash && a->events == b->events && a->deliveries == b->deliveries &&
           a->virtual_ns == b->virtual_ns && a->acked == b->acked && a->failed == b->failed &&
           a->unknown == b->unknown && a->elections == b->elections && a->crashes == b->crashes &&
           a->restarts == b->restarts;
}

static bool results_equal(const struct octo_sim_result *a, const struct octo_sim_result *b)
{
    return counts_equal(a, b) && a->verdict.property == b->verdict.property &&
           a->verdict.event == b->verdict.event && a->verdict.undecided == b->verdict.undecided &&
           strcmp(a->verdict.why, b->verdict.why) == 0 &&
           memcmp(a->faults, b->faults, sizeof a->faults) == 0 &&
           memcmp(a->marks, b->marks, sizeof a->marks) == 0;
}

/* The first run's moments, kept for the third. */
struct history {
    struct moment *moments;
    size_t count, capacity;
};

static bool history_add(struct history *history, const struct moment *moment)
{
    if (history->count == history->capacity) {
        const size_t capacity = history->capacity == 0 ? 65536 : history->capacity * 2;
        struct moment *moments = realloc(history->moments, capacity * sizeof *moments);
        if (moments == NULL)
            return false;
        history->moments = moments;
        history->capacity = capacity;
    }
    history->moments[history->count++] = *moment;
    return true;
}

/* Copies the first line in which the two texts differ, or the first lines if they do not. */
static void differing_lines(struct sim_difference *difference, const struct capture *a,
                            const struct capture *b)
{
    uint32_t begin = 0, shorter = a->size < b->size ? a->size : b->size;
    uint32_t at = 0;
    for (; at < shorter && a->text[at] == b->text[at]; at++) {
        if (a->text[at] == '\n')
            begin = at + 1;
    }
    if (at == a->size && at == b->size)
        begin = 0;
    const struct capture *captures[] = {a, b};
    char *lines[] = {difference->first, difference->second};
    for (int side = 0; side < 2; side++) {
        uint32_t used = 0;
        for (uint32_t i = begin; i < captures[side]->size && captures[side]->text[i] != '\n' &&
                                 used < SIM_LINE_BYTES - 1;
             i++)
            lines[side][used++] = captures[side]->text[i];
        lines[side][used] = '\0';
    }
}

static void difference_set(struct sim_difference *difference, const char *where,
                           const struct moment *first, const struct moment *second)
{
    difference->found = true;
    difference->where = where;
    difference->event = first->event < second->event ? first->event : second->event;
    difference->first_hash = first->hash;
    difference->second_hash = second->hash;
    difference->first[0] = difference->second[0] = '\0';
}

static void results_differ(struct sim_difference *difference, const char *where,
                           const struct octo_sim_result *first,
                           const struct octo_sim_result *second)
{
    const struct moment a = {.event = first->events, .hash = first->hash};
    const struct moment b = {.event = second->events, .hash = second->hash};
    difference_set(difference, where, &a, &b);
    (void)snprintf(difference->first, sizeof difference->first, "result: %s %s",
                   octo_property_text(first->verdict.property), first->verdict.why);
    (void)snprintf(difference->second, sizeof difference->second, "result: %s %s",
                   octo_property_text(second->verdict.property), second->verdict.why);
}

/* ---- The second process -----------------------------------------------------------------------
 */

/* Makes the run and writes its moments, then its result, to the pipe. */
static int witness_run(const struct sim_program *program, FILE *pipe, uint64_t seed,
                       const void *apart)
{
    static struct runner runner;
    struct octo_sim_options options = program->arguments.options;
    struct sim_block block;
    struct octo_sim_result result;

    options.seed = seed;
    if (!sim_block_map(&block, &options, 0, apart)) {
        sim_complain(program, "no memory for the second process");
        return SIM_EXIT_HARNESS;
    }
    if (!runner_begin(program, &runner, &block, &options, PATTERN_SECOND))
        return SIM_EXIT_HARNESS;
    bool more = true;
    while (more) {
        more = runner_step(&runner);
        const struct moment moment = moment_of(&runner, more);
        (void)fwrite(&moment, sizeof moment, 1, pipe);
        (void)fwrite(runner.capture.text, 1, moment.size, pipe);
    }
    memset(&result, 0, sizeof result);
    octo_world_result(runner.world, &result);
    (void)fwrite(&result, sizeof result, 1, pipe);
    runner_end(&runner);
    return fclose(pipe) == 0 ? SIM_EXIT_OK : SIM_EXIT_HARNESS;
}

bool sim_determinism_witness(const struct sim_program *program, int *status)
{
    const char *text = getenv(WITNESS_VARIABLE);
    int descriptor;
    uint64_t seed;
    uintptr_t apart;
    if (text == NULL)
        return false;
    *status = SIM_EXIT_HARNESS;
    if (sscanf(text, "%d %" SCNu64 " %" SCNxPTR, &descriptor, &seed, &apart) != 3) {
        sim_complain(program, WITNESS_VARIABLE " is set: it is not for you");
        return true;
    }
    FILE *pipe = fdopen(descriptor, "wb");
    if (pipe == NULL)
        sim_complain(program, WITNESS_VARIABLE " is set, but its pipe is not there");
    else
        *status = witness_run(program, pipe, seed, (const void *)apart);
    return true;
}

struct witness {
    pid_t process;
    FILE *pipe;
};

static bool witness_start(const struct sim_program *program, struct witness *witness,
                          const struct octo_sim_options *options, const struct sim_block *block)
{
    int ends[2];
    if (pipe(ends) != 0) {
        sim_complain(program, "cannot make a pipe: %s", strerror(errno));
        return false;
    }
    (void)fflush(NULL);
    witness->process = fork();
    if (witness->process == 0) {
        char text[96];
        (void)close(ends[0]);
        (void)snprintf(text, sizeof text, "%d %" PRIu64 " %" PRIxPTR, ends[1], options->seed,
                       (uintptr_t)block->base);
        (void)setenv(WITNESS_VARIABLE, text, 1);
        (void)execv("/proc/self/exe", program->argv);
        /* Without /proc the child goes on as it is: still another process at another address. */
        FILE *pipe = fdopen(ends[1], "wb");
        _exit(pipe == NULL ? SIM_EXIT_HARNESS
                           : witness_run(program, pipe, options->seed, block->base));
    }
    (void)close(ends[1]);
    witness->pipe = fdopen(ends[0], "rb");
    if (witness->process < 0 || witness->pipe == NULL) {
        sim_complain(program, "cannot start a second process: %s", strerror(errno));
        return false;
    }
    return true;
}

/* Closing the pipe early ends a witness that still writes. */
static void witness_end(struct witness *witness)
{
    int status;
    (void)fclose(witness->pipe);
    while (waitpid(witness->process, &status, 0) < 0 && errno == EINTR) {
    }
}

static bool witness_read(struct witness *witness, struct moment *moment, struct capture *capture)
{
    if (fread(moment, sizeof *moment, 1, witness->pipe) != 1 || moment->size > TEXT_BYTES)
        return false;
    capture->size = moment->size;
    return fread(capture->text, 1, moment->size, witness->pipe) == moment->size;
}

/* ---- The check --------------------------------------------------------------------------------
 */

static struct runner here;
static struct capture there;

/* First run, recorded, with the witness beside it. */
static bool first_and_second(const struct sim_program *program,
                             const struct octo_sim_options *options, const struct sim_block *block,
                             struct history *history, struct octo_plan *recording,
                             struct sim_outcome *outcome, struct sim_difference *difference)
{
    struct witness witness;
    struct octo_sim_result result;
    bool good = true, more = true;

    if (!witness_start(program, &witness, options, block))
        return false;
    octo_plan_record(recording);
    good = runner_begin(program, &here, block, options, PATTERN_FIRST);
    const uint64_t begin = sim_clock_ns();
    while (good && more && !difference->found) {
        more = runner_step(&here);
        const struct moment first = moment_of(&here, more);
        struct moment second;
        good = history_add(history, &first);
        if (!good) {
            sim_complain(program, "no memory to compare the runs");
        } else if (!witness_read(&witness, &second, &there)) {
            sim_complain(program, "the second process ended early, before event %" PRIu64,
                         first.event);
            good = false;
        } else if (!moments_equal(&first, &second)) {
            difference_set(difference, "second process", &first, &second);
            differing_lines(difference, &here.capture, &there);
        }
    }
    octo_plan_record(NULL);
    if (here.world != NULL) {
        sim_outcome_take(outcome, here.world, options, sim_clock_ns() - begin);
        octo_plan_record_end(recording, here.world);
        runner_end(&here);
    }
    if (good && !difference->found) {
        if (fread(&result, sizeof result, 1, witness.pipe) != 1) {
            sim_complain(program, "the second process ended without its result");
            good = false;
        } else if (!results_equal(&outcome->result, &result) ||
                   outcome->result.used_bytes != result.used_bytes) {
            results_differ(difference, "second process", &outcome->result, &result);
        }
    }
    witness_end(&witness);
    return good;
}

/* Runs from history moment `from` (a count of steps) to before `to`, comparing. */
static bool compare_steps(const struct history *history, size_t from, size_t to,
                          struct moment *differing)
{
    for (size_t step = from; step < to; step++) {
        const bool more = runner_step(&here);
        *differing = moment_of(&here, more);
        if (!moments_equal(&history->moments[step], differing)) {
            here.steps = step + 1;
            return false;
        }
    }
    return true;
}

/* The first run again, as far as the difference, for its trace line. */
static bool first_lines(const struct sim_program *program, const struct octo_sim_options *options,
                        const struct sim_block *block, struct sim_difference *difference)
{
    const uint64_t steps = here.steps;
    there = here.capture;
    runner_end(&here);
    if (!runner_begin(program, &here, block, options, PATTERN_FIRST))
        return false;
    while (here.steps < steps && runner_step(&here)) {
    }
    differing_lines(difference, &here.capture, &there);
    return true;
}

static bool third(const struct sim_program *program, const struct octo_sim_options *options,
                  const struct sim_block *block, const struct history *history,
                  const struct sim_outcome *outcome, struct sim_difference *difference)
{
    const size_t middle = history->count / 2, beyond = middle + (history->count - middle) / 2;
    struct moment moment = {0};
    if (!runner_begin(program, &here, block, options, PATTERN_THIRD))
        return false;
    bool equal = compare_steps(history, 0, middle, &moment);
    if (equal) {
        const size_t used = octo_world_used(here.world);
        void *copy = malloc(used);
        if (copy == NULL) {
            sim_complain(program, "no memory to save a world");
            runner_end(&here);
            return false;
        }
        octo_world_save(here.world, copy);
        equal = compare_steps(history, middle, beyond, &moment);
        if (equal) {
            sim_block_fill(block, PATTERN_LOST, octo_world_used(here.world));
            octo_world_restore(here.world, copy, used);
            equal = compare_steps(history, middle, history->count, &moment);
        }
        free(copy);
    }
    bool good = true;
    if (!equal) {
        difference_set(difference, "run saved and restored midway",
                       &history->moments[here.steps - 1], &moment);
        good = first_lines(program, options, block, difference);
    } else {
        struct octo_sim_result result;
        octo_world_result(here.world, &result);
        if (!results_equal(&outcome->result, &result))
            results_differ(difference, "run saved and restored midway", &outcome->result, &result);
    }
    runner_end(&here);
    return good;
}

/* Writes the recording and reads it again, as --record and --replay do. */
static bool plan_again(const struct sim_program *program, struct octo_plan *recording,
                       struct octo_plan *read)
{
    char error[OCTO_PLAN_ERROR_BYTES] = "no memory";
    const char *scenario = program->arguments.scenario_name;
    char *text = NULL;
    size_t size = 0;
    bool good = false;

    const bool named = octo_plan_named(recording, scenario != NULL ? scenario : "");
    octo_assert(named); /* the arguments were looked at */
    FILE *file = open_memstream(&text, &size);
    if (file != NULL) {
        const bool wrote = octo_plan_write(recording, file, sim_build_text());
        good = fclose(file) == 0 && wrote;
        file = good ? fmemopen(text, size, "r") : NULL;
        good = file != NULL && octo_plan_read(read, file, error);
        if (file != NULL)
            (void)fclose(file);
    }
    free(text);
    if (!good)
        sim_complain(program, "cannot read what was recorded: %s", error);
    return good;
}

/* What the first run's recording says. A plan takes room in the world's memory, and decides as the
 * seed did. */
static bool fourth(const struct sim_program *program, struct octo_plan *recording,
                   const struct sim_outcome *outcome, struct sim_difference *difference)
{
    struct sim_block block = {.base = NULL};
    struct octo_plan plan = {0};
    struct octo_sim_result result;
    struct octo_world *world = NULL;
    bool good = plan_again(program, recording, &plan);

    if (good && sim_block_map(&block, &plan.options, plan.count, NULL)) {
        sim_block_fill(&block, PATTERN_FIRST, FILL_BYTES);
        world = octo_world_create_planned(block.base, block.size, &plan, program->machine);
    }
    if (good) {
        good = world != NULL;
        if (!good)
            sim_complain(program, "cannot create a world for the recording of seed %" PRIu64,
                         plan.options.seed);
    }
    if (good) {
        octo_world_run(world, UINT64_MAX);
        octo_world_result(world, &result);
        if (outcome->result.verdict.property == OCTO_PROPERTY_NON_VACUOUS)
            result.verdict = outcome->result.verdict; /* no matter in a plan: docs/plans.md */
        if (!results_equal(&outcome->result, &result))
            results_differ(difference, "replay of its recording", &outcome->result, &result);
    }
    sim_block_unmap(&block);
    octo_plan_free(&plan);
    return good;
}

bool sim_determinism_check(const struct sim_program *program,
                           const struct octo_sim_options *options, const struct sim_block *block,
                           struct sim_outcome *outcome, struct sim_difference *difference)
{
    struct history history = {.moments = NULL};
    struct octo_plan recording = {0};
    *difference = (struct sim_difference){.found = false};
    *outcome = (struct sim_outcome){.options = *options};
    bool good =
        first_and_second(program, options, block, &history, &recording, outcome, difference);
    if (good && !difference->found)
        good = third(program, options, block, &history, outcome, difference);
    if (good && !difference->found)
        good = fourth(program, &recording, outcome, difference);
    free(history.moments);
    octo_plan_free(&recording);
    outcome->compared = good && !difference->found;
    if (difference->found && outcome->result.verdict.property == OCTO_PROPERTY_NONE) {
        struct octo_verdict *verdict = &outcome->result.verdict;
        verdict->undecided = true; /* what was seen of one of two runs is no verdict on the seed */
        (void)snprintf(verdict->undecided_why, sizeof verdict->undecided_why,
                       "not deterministic: the %s differs at event %" PRIu64, difference->where,
                       difference->event);
    }
    return good;
}

void sim_determinism_report(const struct sim_program *program, const struct sim_outcome *outcome,
                            const struct sim_difference *difference)
{
    char replay[SIM_REPLAY_BYTES];
    sim_replay_text(program, &outcome->options, replay);
    fprintf(program->out,
            "seed %" PRIu64 ": not deterministic: the %s differs at event %" PRIu64 "\n",
            outcome->options.seed, difference->where, difference->event);
    fprintf(program->out, "  first run  %016" PRIx64 "  %s\n", difference->first_hash,
            difference->first[0] != '\0' ? difference->first : "(no trace line)");
    fprintf(program->out, "  other run  %016" PRIx64 "  %s\n", difference->second_hash,
            difference->second[0] != '\0' ? difference->second : "(no trace line)");
    if (strcmp(difference->first, difference->second) == 0)
        fprintf(program->out,
                "  note       the lines are equal: what differs is content, which only the "
                "hash covers\n");
    fprintf(program->out, "  replay     %s --check-determinism\n", replay);
}
