#include "sim/main/report.h"

#define LABEL_COLUMNS  24
#define NUMBER_COLUMNS 14

static void row(const struct sim_program *program, const char *label, uint64_t number)
{
    fprintf(program->out, "  %-*s %*llu\n", LABEL_COLUMNS, label, NUMBER_COLUMNS,
            (unsigned long long)number);
}

static void inner_row(const struct sim_program *program, const char *label, uint64_t number)
{
    fprintf(program->out, "    %-*s %*llu\n", LABEL_COLUMNS - 2, label, NUMBER_COLUMNS,
            (unsigned long long)number);
}

static void seconds_row(const struct sim_program *program, const char *label, uint64_t ns)
{
    fprintf(program->out, "  %-*s %*.3f s\n", LABEL_COLUMNS, label, NUMBER_COLUMNS,
            (double)ns / 1e9);
}

static void memory_row(const struct sim_program *program, const char *label, size_t bytes)
{
    fprintf(program->out, "  %-*s %*.2f MiB\n", LABEL_COLUMNS, label, NUMBER_COLUMNS,
            (double)bytes / (1024.0 * 1024.0));
}

static void fault_rows(const struct sim_program *program, const uint64_t *faults)
{
    uint64_t sum = 0;
    for (size_t fault = 0; fault < OCTO_FAULT_COUNT; fault++)
        sum += faults[fault];
    row(program, "faults", sum);
    for (size_t fault = 0; fault < OCTO_FAULT_COUNT; fault++) {
        if (faults[fault] != 0)
            inner_row(program, octo_fault_text((enum octo_fault)fault), faults[fault]);
    }
}

/* What disks did behind the nodes' backs, and how many nodes the budget left without protection. */
static void lie_rows(const struct sim_program *program, uint64_t impaired, uint64_t told,
                     uint64_t ended)
{
    row(program, "impaired nodes", impaired);
    row(program, "sectors that lied", told);
    inner_row(program, "written anew", ended);
}

static void excuse_rows(const struct sim_program *program, const uint64_t *excuses)
{
    for (size_t excuse = 0; excuse < OCTO_EXCUSE_COUNT; excuse++) {
        if (excuses[excuse] != 0) {
            char label[64];
            (void)snprintf(label, sizeof label, "excused: %s",
                           sim_excuse_text((enum octo_excuse)excuse));
            row(program, label, excuses[excuse]);
        }
    }
}

static const char *tint(const struct sim_program *program, const struct sim_outcome *outcome)
{
    if (!program->colour)
        return "";
    switch (sim_outcome_exit(outcome)) {
    case SIM_EXIT_OK:
        return "\033[32m";
    case SIM_EXIT_BROKEN:
        return "\033[1;31m";
    case SIM_EXIT_UNDECIDED:
        return "\033[33m";
    case SIM_EXIT_USAGE:
    case SIM_EXIT_HARNESS:
        break;
    }
    return "";
}

static void verdict_line(const struct sim_program *program, const struct sim_outcome *outcome)
{
    const struct octo_sim_result *result = &outcome->result;
    const char *after = program->colour ? "\033[0m" : "";
    fprintf(program->out, "seed %llu: %s%s%s", (unsigned long long)outcome->options.seed,
            tint(program, outcome), sim_outcome_text(outcome), after);
    if (result->verdict.property != OCTO_PROPERTY_NONE) {
        fprintf(program->out, ": %s at event %llu", octo_property_text(result->verdict.property),
                (unsigned long long)result->verdict.event);
    } else if (outcome->stopped) {
        fprintf(program->out, " up to event %llu, where the run was stopped",
                (unsigned long long)result->events);
    }
    fprintf(program->out, " (%u nodes, %u operations", outcome->options.node_count,
            outcome->options.operations);
    if (program->arguments.scenario_name != NULL)
        fprintf(program->out, ", scenario %s", program->arguments.scenario.name);
    else if (outcome->options.faults != OCTO_SIM_FAULTS_SWARM)
        fprintf(program->out, ", faults %s", octo_sim_faults_text(outcome->options.faults));
    fprintf(program->out, ")\n");
}

static void failure_lines(const struct sim_program *program, const struct sim_outcome *outcome)
{
    const struct octo_verdict *verdict = &outcome->result.verdict;
    if (verdict->property != OCTO_PROPERTY_NONE) {
        fprintf(program->out, "  property  %s: %s\n", octo_property_text(verdict->property),
                octo_property_what(verdict->property));
        fprintf(program->out, "  event     %llu\n", (unsigned long long)verdict->event);
        fprintf(program->out, "  why       %s\n", verdict->why);
    } else if (verdict->undecided) {
        fprintf(program->out, "  why       %s\n", verdict->undecided_why);
    } else {
        return;
    }
    char replay[SIM_REPLAY_BYTES];
    sim_replay_text(program, &outcome->options, replay);
    fprintf(program->out, "  replay    %s\n", replay);
}

void sim_report_run(const struct sim_program *program, const struct sim_outcome *outcome,
                    bool statistics)
{
    const struct octo_sim_result *result = &outcome->result;
    verdict_line(program, outcome);
    failure_lines(program, outcome);
    if (!statistics)
        return;
    row(program, "events", result->events);
    row(program, "elections", result->elections);
    row(program, "crashes", result->crashes);
    row(program, "restarts", result->restarts);
    lie_rows(program, result->impaired, result->lies_told, result->lies_ended);
    fault_rows(program, result->faults);
    row(program, "operations", (uint64_t)result->acked + result->failed + result->unknown);
    inner_row(program, "acknowledged", result->acked);
    inner_row(program, "failed", result->failed);
    inner_row(program, "unknown", result->unknown);
    excuse_rows(program, outcome->excuses);
    seconds_row(program, "virtual time", result->virtual_ns);
    seconds_row(program, "wall time", outcome->wall_ns);
    row(program, "events per second", sim_rate(result->events, outcome->wall_ns));
    memory_row(program, "memory", result->used_bytes);
    if (outcome->compared)
        fprintf(program->out, "  %-*s runs are equal after every event, and so is the replay\n",
                LABEL_COLUMNS, "determinism");
    fprintf(program->out, "  %-*s %016llx\n", LABEL_COLUMNS, "trace hash",
            (unsigned long long)result->hash);
}

/* Names of what never happened, on one line. */
struct never {
    const struct sim_program *program;
    uint64_t count;
};

static void never_name(struct never *never, const char *name)
{
    fprintf(never->program->out, "%s%s", never->count == 0 ? "    never: " : ", ", name);
    never->count++;
}

static void never_end(const struct never *never)
{
    if (never->count != 0)
        fputc('\n', never->program->out);
}

static void sum_faults(const struct sim_program *program, const struct sim_sums *sums)
{
    struct never never = {.program = program};
    fault_rows(program, sums->faults);
    for (size_t fault = 0; fault < OCTO_FAULT_COUNT; fault++) {
        if (sums->faults[fault] == 0)
            never_name(&never, octo_fault_text((enum octo_fault)fault));
    }
    never_end(&never);
    row(program, "runs without a fault", sums->calm);
}

static void sum_marks(const struct sim_program *program, const struct sim_sums *sums)
{
    struct never never = {.program = program};
    fprintf(program->out, "  marks\n");
    for (size_t mark = 0; mark < OCTO_MARK_COUNT; mark++) {
        if (sums->marks[mark] != 0)
            inner_row(program, octo_mark_text((enum octo_mark)mark), sums->marks[mark]);
    }
    for (size_t mark = 0; mark < OCTO_MARK_COUNT; mark++) {
        if (sums->marks[mark] == 0)
            never_name(&never, octo_mark_text((enum octo_mark)mark));
    }
    never_end(&never);
}

static void sum_excuses(const struct sim_program *program, const struct sim_sums *sums)
{
    uint64_t sum = 0;
    for (size_t excuse = 0; excuse < OCTO_EXCUSE_COUNT; excuse++)
        sum += sums->excuses[excuse];
    row(program, "liveness excuses", sum);
    for (size_t excuse = 0; excuse < OCTO_EXCUSE_COUNT; excuse++)
        inner_row(program, sim_excuse_text((enum octo_excuse)excuse), sums->excuses[excuse]);
}

void sim_report_sums(const struct sim_program *program, const struct sim_sums *sums)
{
    const struct sim_arguments *arguments = &program->arguments;
    fprintf(program->out,
            "seeds %llu..%llu: %llu runs, %llu ok, %llu broken, %llu undecided (%u nodes, %u "
            "operations, %s %s)\n",
            (unsigned long long)arguments->first, (unsigned long long)sums->last,
            (unsigned long long)sums->runs, (unsigned long long)sums->ok,
            (unsigned long long)sums->broken, (unsigned long long)sums->undecided,
            arguments->options.node_count, arguments->options.operations,
            arguments->scenario_name != NULL ? "scenario" : "faults",
            arguments->scenario_name != NULL ? arguments->scenario.name
                                             : octo_sim_faults_text(arguments->options.faults));
    if (sums->last != arguments->last) {
        const unsigned long long next = sums->last + 1;
        fprintf(program->out,
                "  stopped at the first failure, before seed %llu; --keep-going goes on\n", next);
    }
    row(program, "events", sums->events);
    row(program, "elections", sums->elections);
    row(program, "crashes", sums->crashes);
    row(program, "restarts", sums->restarts);
    lie_rows(program, sums->impaired, sums->lies_told, sums->lies_ended);
    sum_faults(program, sums);
    row(program, "operations", sums->acked + sums->failed + sums->unknown);
    inner_row(program, "acknowledged", sums->acked);
    inner_row(program, "failed", sums->failed);
    inner_row(program, "unknown", sums->unknown);
    sum_excuses(program, sums);
    sum_marks(program, sums);
    seconds_row(program, "virtual time", sums->virtual_ns);
    seconds_row(program, "wall time", sums->wall_ns);
    row(program, "events per second", sim_rate(sums->events, sums->wall_ns));
    fprintf(program->out, "  %-*s %*.1f\n", LABEL_COLUMNS, "runs per second", NUMBER_COLUMNS,
            sums->wall_ns == 0 ? 0.0 : (double)sums->runs * 1e9 / (double)sums->wall_ns);
    memory_row(program, "memory, at most", sums->used_bytes);
    if (arguments->check_determinism)
        row(program, "runs that differed", sums->different);
}
