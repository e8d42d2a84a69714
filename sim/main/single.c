#include "sim/main/single.h"

#include "sim/main/block.h"
#include "sim/main/determinism.h"
#include "sim/main/json.h"
#include "sim/main/report.h"

#include <errno.h>
#include <stdio.h>

#define TRACE_BUFFER_BYTES (1u << 20)

/* ---- The trace file ---------------------------------------------------------------------------
 */

static void trace_line(void *context, uint64_t event, const char *text)
{
    FILE *file = context;
    (void)event;
    fputs(text, file);
    fputc('\n', file);
}

static void trace_complain(const struct sim_program *program)
{
    sim_complain(program, "cannot write '%s': %s; --trace wants a file that can be written, or -",
                 program->arguments.trace, strerror(errno));
}

static FILE *trace_open(const struct sim_program *program)
{
    static char buffer[TRACE_BUFFER_BYTES];
    const char *path = program->arguments.trace;
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (file == NULL)
        trace_complain(program);
    else
        (void)setvbuf(file, buffer, _IOFBF, sizeof buffer);
    return file;
}

static bool trace_close(const struct sim_program *program, FILE *file)
{
    errno = 0;
    const bool wrote = fflush(file) == 0 && ferror(file) == 0;
    if (!wrote)
        trace_complain(program);
    if (file != stdout)
        (void)fclose(file);
    return wrote;
}

static void dump_line(void *context, uint64_t event, const char *text)
{
    (void)event;
    fprintf(context, "%s\n", text);
}

static void dump(const struct sim_program *program, const struct octo_world *world)
{
    const struct octo_watch watch = {.context = program->out, .line = dump_line};
    octo_world_dump(world, program->arguments.dump, &watch);
}

static void report(const struct sim_program *program, const struct sim_outcome *outcome)
{
    if (program->arguments.json)
        sim_json_run(program, outcome, NULL);
    else if (!program->arguments.quiet || sim_outcome_exit(outcome) != SIM_EXIT_OK)
        sim_report_run(program, outcome, !program->arguments.quiet);
}

/* ---- Plans ------------------------------------------------------------------------------------
 */

static bool plan_load(struct sim_program *program, struct octo_plan *plan)
{
    const char *path = program->arguments.replay;
    char error[OCTO_PLAN_ERROR_BYTES];

    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL) {
        sim_complain(program, "cannot read '%s': %s; --replay wants a plan", path, strerror(errno));
        return false;
    }
    const bool read = octo_plan_read(plan, file, error);
    if (!read)
        sim_complain(program, "%s:%s", path, error);
    if (file != stdin)
        (void)fclose(file);
    program->arguments.options = plan->options;
    if (read && program->arguments.dump > plan->options.node_count) {
        sim_complain(program, "--dump wants a node of the cluster, 1 to %u, not '%u'",
                     plan->options.node_count, program->arguments.dump);
        return false;
    }
    return read;
}

static bool plan_save(const struct sim_program *program, const struct octo_plan *plan)
{
    const char *path = program->arguments.record;
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    bool wrote = file != NULL && octo_plan_write(plan, file, sim_build_text());
    if (file != NULL && file != stdout)
        wrote = fclose(file) == 0 && wrote;
    if (!wrote)
        sim_complain(program, "cannot write '%s': %s; --record wants a file that can be written",
                     path, strerror(errno));
    return wrote;
}

/* Lines that met nobody, and a failure that the plan promised and that did not come. */
static void plan_report(const struct sim_program *program, const struct octo_world *world,
                        const struct octo_plan *plan, const struct sim_outcome *outcome)
{
    char signature[OCTO_SIGNATURE_BYTES];
    char text[OCTO_PLAN_LINE_BYTES];
    uint32_t first;

    const uint32_t unmatched = octo_world_unmatched(world, &first);
    if (unmatched > 0) {
        octo_plan_line_text(&plan->lines[first], text);
        sim_complain(program, "%u of %u lines of the plan never matched; the first: %s", unmatched,
                     plan->count, text);
    }
    octo_sim_signature(&outcome->result.verdict, signature);
    const bool fine =
        strcmp(signature, plan->expect) == 0 || (plan->bug[0] != '\0' && signature[0] == '\0');
    if (!fine && !outcome->stopped)
        sim_complain(program, "the plan expects '%s'; this run: '%s'",
                     plan->expect[0] == '\0' ? "ok" : plan->expect,
                     signature[0] == '\0' ? "ok" : signature);
}

/* ---- The run ----------------------------------------------------------------------------------
 */

static enum sim_exit run(const struct sim_program *program, const struct sim_block *block,
                         FILE *trace, const struct octo_plan *plan, struct octo_plan *recording)
{
    const struct sim_arguments *arguments = &program->arguments;
    const struct octo_watch watch = {.context = trace, .line = trace_line};
    struct sim_outcome outcome;

    const uint64_t begin = sim_clock_ns();
    octo_plan_record(recording);
    struct octo_world *world =
        plan != NULL
            ? octo_world_create_planned(block->base, block->size, plan, program->machine)
            : octo_world_create(block->base, block->size, &arguments->options, program->machine);
    if (world == NULL) {
        sim_complain(program, "cannot create a world of %u nodes and %u operations",
                     arguments->options.node_count, arguments->options.operations);
        return SIM_EXIT_HARNESS;
    }
    if (trace != NULL)
        octo_world_watch(world, &watch);
    octo_world_run(world, arguments->until);
    const uint64_t wall_ns = sim_clock_ns() - begin;
    octo_world_watch(world, NULL);
    octo_plan_record(NULL);

    sim_outcome_take(&outcome, world, &arguments->options, wall_ns);
    if (trace != NULL && !trace_close(program, trace))
        return SIM_EXIT_USAGE;
    if (recording != NULL) {
        octo_plan_record_end(recording, world);
        if (plan != NULL) {
            memcpy(recording->bug, plan->bug, sizeof plan->bug);
            memcpy(recording->marks, plan->marks, sizeof plan->marks);
        }
        const bool named =
            octo_plan_named(recording, plan != NULL                       ? plan->scenario
                                       : arguments->scenario_name != NULL ? arguments->scenario_name
                                                                          : "");
        octo_assert(named); /* the arguments were looked at, and so was the plan */
        if (!plan_save(program, recording))
            return SIM_EXIT_USAGE;
    }
    report(program, &outcome);
    if (plan != NULL)
        plan_report(program, world, plan, &outcome);
    if (arguments->dump != 0)
        dump(program, world);
    return sim_outcome_exit(&outcome);
}

static enum sim_exit run_compared(const struct sim_program *program, const struct sim_block *block)
{
    static struct sim_difference difference;
    struct sim_outcome outcome;
    if (!sim_determinism_check(program, &program->arguments.options, block, &outcome, &difference))
        return SIM_EXIT_HARNESS;
    if (program->arguments.json)
        sim_json_run(program, &outcome, &difference);
    else if (difference.found)
        sim_determinism_report(program, &outcome, &difference);
    else
        report(program, &outcome);
    return difference.found ? SIM_EXIT_HARNESS : sim_outcome_exit(&outcome);
}

enum sim_exit sim_single(struct sim_program *program)
{
    struct sim_block block;
    struct octo_plan plan = {0};
    struct octo_plan recording = {0};
    FILE *trace = NULL;
    const bool replay = program->arguments.replay != NULL;
    const bool record = program->arguments.record != NULL;
    if (replay && !plan_load(program, &plan)) {
        octo_plan_free(&plan);
        return SIM_EXIT_USAGE;
    }
    if (program->arguments.trace != NULL) {
        trace = trace_open(program);
        if (trace == NULL)
            return SIM_EXIT_USAGE;
    }
    if (!sim_block_map(&block, &program->arguments.options, plan.count, NULL)) {
        sim_complain(program, "no address space for a world: %s", strerror(errno));
        return SIM_EXIT_HARNESS;
    }
    const enum sim_exit status =
        program->arguments.check_determinism
            ? run_compared(program, &block)
            : run(program, &block, trace, replay ? &plan : NULL, record ? &recording : NULL);
    sim_block_unmap(&block);
    octo_plan_free(&plan);
    octo_plan_free(&recording);
    return status;
}
