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

/* ---- The run ----------------------------------------------------------------------------------
 */

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

static enum sim_exit run(const struct sim_program *program, const struct sim_block *block,
                         FILE *trace)
{
    const struct sim_arguments *arguments = &program->arguments;
    const struct octo_watch watch = {.context = trace, .line = trace_line};
    struct sim_outcome outcome;

    const uint64_t begin = sim_clock_ns();
    struct octo_world *world =
        octo_world_create(block->base, block->size, &arguments->options, program->machine);
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

    sim_outcome_take(&outcome, world, &arguments->options, wall_ns);
    if (trace != NULL && !trace_close(program, trace))
        return SIM_EXIT_USAGE;
    report(program, &outcome);
    if (arguments->dump != 0)
        dump(program, world);
    return sim_outcome_exit(&outcome);
}

static enum sim_exit run_thrice(const struct sim_program *program, const struct sim_block *block)
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

enum sim_exit sim_single(const struct sim_program *program)
{
    struct sim_block block;
    FILE *trace = NULL;
    if (program->arguments.trace != NULL) {
        trace = trace_open(program);
        if (trace == NULL)
            return SIM_EXIT_USAGE;
    }
    if (!sim_block_map(&block, &program->arguments.options, NULL)) {
        sim_complain(program, "no address space for a world: %s", strerror(errno));
        return SIM_EXIT_HARNESS;
    }
    const enum sim_exit status = program->arguments.check_determinism ? run_thrice(program, &block)
                                                                      : run(program, &block, trace);
    sim_block_unmap(&block);
    return status;
}
