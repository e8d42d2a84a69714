#include "sim/main/many.h"

#include "sim/main/block.h"
#include "sim/main/determinism.h"
#include "sim/main/json.h"
#include "sim/main/report.h"

#include <errno.h>
#include <unistd.h>

#define PROGRESS_NS (100 * OCTO_MS)

struct many {
    const struct sim_program *program;
    struct sim_block block;
    struct sim_sums sums;
    struct sim_outcome outcome;
    struct sim_difference difference;
    uint64_t begin_ns, shown_ns;
    bool shows_progress;
};

static void progress(struct many *many, uint64_t seed)
{
    const uint64_t now = sim_clock_ns();
    if (!many->shows_progress || now - many->shown_ns < PROGRESS_NS)
        return;
    many->shown_ns = now;
    fprintf(stderr, "\r\033[Kseed %llu of %llu..%llu, %llu broken", (unsigned long long)seed,
            (unsigned long long)many->program->arguments.first,
            (unsigned long long)many->program->arguments.last,
            (unsigned long long)many->sums.broken);
}

static void progress_clear(struct many *many)
{
    if (many->shows_progress && many->shown_ns != 0)
        fprintf(stderr, "\r\033[K");
    many->shown_ns = 0;
}

static void add_all(uint64_t *sums, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += values[i];
}

static void add(struct sim_sums *sums, const struct sim_outcome *outcome)
{
    const struct octo_sim_result *result = &outcome->result;
    const enum sim_exit status = sim_outcome_exit(outcome);
    sums->runs++;
    sums->ok += status == SIM_EXIT_OK;
    sums->broken += status == SIM_EXIT_BROKEN;
    sums->undecided += status == SIM_EXIT_UNDECIDED;
    sums->calm += sim_outcome_faults(outcome) == 0;
    sums->last = outcome->options.seed;
    sums->events += result->events;
    sums->virtual_ns += result->virtual_ns;
    sums->acked += result->acked;
    sums->failed += result->failed;
    sums->unknown += result->unknown;
    sums->elections += result->elections;
    sums->crashes += result->crashes;
    sums->restarts += result->restarts;
    sums->impaired += result->impaired;
    sums->lies_told += result->lies_told;
    sums->lies_ended += result->lies_ended;
    add_all(sums->faults, result->faults, OCTO_FAULT_COUNT);
    add_all(sums->marks, result->marks, OCTO_MARK_COUNT);
    add_all(sums->excuses, outcome->excuses, OCTO_EXCUSE_COUNT);
    if (sums->used_bytes < result->used_bytes)
        sums->used_bytes = result->used_bytes;
}

static bool run(struct many *many, const struct octo_sim_options *options)
{
    const struct sim_program *program = many->program;
    if (program->arguments.check_determinism)
        return sim_determinism_check(program, options, &many->block, &many->outcome,
                                     &many->difference);
    if (!sim_outcome_make(&many->outcome, &many->block, options, program->machine)) {
        sim_complain(program, "cannot create a world for seed %llu",
                     (unsigned long long)options->seed);
        return false;
    }
    return true;
}

/* Prints what is worth a line of its own: every run as JSON, else what did not go well. */
static void report(struct many *many)
{
    const struct sim_program *program = many->program;
    const struct sim_difference *difference =
        program->arguments.check_determinism ? &many->difference : NULL;
    if (program->arguments.json) {
        sim_json_run(program, &many->outcome, difference);
        return;
    }
    if (difference != NULL && difference->found) {
        progress_clear(many);
        sim_determinism_report(program, &many->outcome, difference);
    } else if (sim_outcome_exit(&many->outcome) != SIM_EXIT_OK) {
        progress_clear(many);
        sim_report_run(program, &many->outcome, false);
    }
}

static enum sim_exit status_of(const struct sim_sums *sums)
{
    if (sums->different != 0)
        return SIM_EXIT_HARNESS;
    if (sums->broken != 0)
        return SIM_EXIT_BROKEN;
    return sums->undecided != 0 ? SIM_EXIT_UNDECIDED : SIM_EXIT_OK;
}

static bool run_all(struct many *many)
{
    const struct sim_arguments *arguments = &many->program->arguments;
    struct octo_sim_options options = arguments->options;
    for (options.seed = arguments->first;; options.seed++) {
        progress(many, options.seed);
        if (!run(many, &options))
            return false;
        add(&many->sums, &many->outcome);
        many->sums.different += many->difference.found;
        report(many);
        if (options.seed == arguments->last)
            return true;
        if ((many->sums.broken != 0 || many->sums.different != 0) && !arguments->keep_going)
            return true;
    }
}

enum sim_exit sim_many(const struct sim_program *program)
{
    static struct many many;
    many = (struct many){.program = program, .begin_ns = sim_clock_ns()};
    many.shows_progress = !program->arguments.quiet && isatty(STDERR_FILENO) == 1;
    if (!sim_block_map(&many.block, &program->arguments.options, 0, NULL)) {
        sim_complain(program, "no address space for a world: %s", strerror(errno));
        return SIM_EXIT_HARNESS;
    }
    const bool good = run_all(&many);
    progress_clear(&many);
    sim_block_unmap(&many.block);
    if (!good)
        return SIM_EXIT_HARNESS;
    many.sums.wall_ns = sim_clock_ns() - many.begin_ns;
    if (program->arguments.json)
        sim_json_sums(program, &many.sums);
    else if (!program->arguments.quiet)
        sim_report_sums(program, &many.sums);
    return status_of(&many.sums);
}
