#include "sim/main/json.h"

#include "sim/main/object.h"

static void put_map(struct sim_object *object, const char *name, size_t count,
                    const char *(*text)(size_t), const uint64_t *values)
{
    struct sim_object map = sim_object_open(object, name);
    for (size_t i = 0; i < count; i++)
        sim_object_number(&map, text(i), values[i]);
    sim_object_close(&map);
}

static const char *fault_text(size_t fault)
{
    return octo_fault_text((enum octo_fault)fault);
}

static const char *mark_text(size_t mark)
{
    return octo_mark_text((enum octo_mark)mark);
}

static const char *excuse_text(size_t excuse)
{
    return sim_excuse_text((enum octo_excuse)excuse);
}

static void put_maps(struct sim_object *object, const uint64_t *faults, const uint64_t *marks,
                     const uint64_t *excuses)
{
    put_map(object, "faults", OCTO_FAULT_COUNT, fault_text, faults);
    put_map(object, "marks", OCTO_MARK_COUNT, mark_text, marks);
    put_map(object, "excuses", OCTO_EXCUSE_COUNT, excuse_text, excuses);
}

static void put_cluster(struct sim_object *object, const struct sim_program *program,
                        const struct octo_sim_options *options)
{
    sim_object_number(object, "nodes", options->node_count);
    sim_object_text(object, "scenario",
                    program->arguments.scenario_name != NULL ? program->arguments.scenario.name
                                                             : "default");
    sim_object_text(object, "fault_mix", octo_sim_faults_text(options->faults));
    sim_object_number(object, "ops", options->operations);
    sim_object_text(object, "machine", program->machine->name);
    sim_object_text(object, "build", sim_build_text());
}

static void put_verdict(struct sim_object *object, const struct sim_program *program,
                        const struct sim_outcome *outcome)
{
    const struct octo_verdict *verdict = &outcome->result.verdict;
    const bool broken = verdict->property != OCTO_PROPERTY_NONE;
    const char *why = broken ? verdict->why : verdict->undecided ? verdict->undecided_why : NULL;
    char replay[SIM_REPLAY_BYTES];
    sim_replay_text(program, &outcome->options, replay);

    sim_object_text(object, "verdict", sim_outcome_text(outcome));
    sim_object_text(object, "property", broken ? octo_property_text(verdict->property) : NULL);
    if (broken)
        sim_object_number(object, "event", verdict->event);
    else
        sim_object_text(object, "event", NULL);
    sim_object_text(object, "why", why);
    sim_object_text(object, "replay", replay);
    sim_object_bool(object, "complete", !outcome->stopped);
}

static void put_difference(struct sim_object *object, const struct sim_difference *difference)
{
    sim_object_bool(object, "deterministic", !difference->found);
    if (!difference->found)
        return;
    sim_object_text(object, "differs_in", difference->where);
    sim_object_number(object, "differs_at", difference->event);
    sim_object_text(object, "differs_first", difference->first);
    sim_object_text(object, "differs_second", difference->second);
}

void sim_json_run(const struct sim_program *program, const struct sim_outcome *outcome,
                  const struct sim_difference *difference)
{
    const struct octo_sim_result *result = &outcome->result;
    struct sim_object object = {.out = program->out};
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)result->hash);

    sim_object_number(&object, "seed", outcome->options.seed);
    put_cluster(&object, program, &outcome->options);
    put_verdict(&object, program, outcome);
    sim_object_text(&object, "hash", hash);
    sim_object_number(&object, "events", result->events);
    sim_object_number(&object, "deliveries", result->deliveries);
    sim_object_number(&object, "virtual_ns", result->virtual_ns);
    sim_object_number(&object, "wall_ns", outcome->wall_ns);
    sim_object_number(&object, "used_bytes", result->used_bytes);
    sim_object_number(&object, "acked", result->acked);
    sim_object_number(&object, "failed", result->failed);
    sim_object_number(&object, "unknown", result->unknown);
    sim_object_number(&object, "elections", result->elections);
    sim_object_number(&object, "crashes", result->crashes);
    sim_object_number(&object, "restarts", result->restarts);
    sim_object_number(&object, "impaired", result->impaired);
    sim_object_number(&object, "lies_told", result->lies_told);
    sim_object_number(&object, "lies_ended", result->lies_ended);
    put_maps(&object, result->faults, result->marks, outcome->excuses);
    if (difference != NULL)
        put_difference(&object, difference);
    sim_object_line(&object);
}

void sim_json_sums(const struct sim_program *program, const struct sim_sums *sums)
{
    const struct sim_arguments *arguments = &program->arguments;
    struct sim_object object = {.out = program->out};

    sim_object_bool(&object, "summary", true);
    sim_object_number(&object, "first", arguments->first);
    sim_object_number(&object, "last", sums->last);
    sim_object_bool(&object, "complete", sums->last == arguments->last);
    put_cluster(&object, program, &arguments->options);
    sim_object_number(&object, "runs", sums->runs);
    sim_object_number(&object, "ok", sums->ok);
    sim_object_number(&object, "broken", sums->broken);
    sim_object_number(&object, "undecided", sums->undecided);
    sim_object_number(&object, "without_faults", sums->calm);
    sim_object_number(&object, "events", sums->events);
    sim_object_number(&object, "virtual_ns", sums->virtual_ns);
    sim_object_number(&object, "wall_ns", sums->wall_ns);
    sim_object_number(&object, "used_bytes", sums->used_bytes);
    sim_object_number(&object, "acked", sums->acked);
    sim_object_number(&object, "failed", sums->failed);
    sim_object_number(&object, "unknown", sums->unknown);
    sim_object_number(&object, "elections", sums->elections);
    sim_object_number(&object, "crashes", sums->crashes);
    sim_object_number(&object, "restarts", sums->restarts);
    sim_object_number(&object, "impaired", sums->impaired);
    sim_object_number(&object, "lies_told", sums->lies_told);
    sim_object_number(&object, "lies_ended", sums->lies_ended);
    put_maps(&object, sums->faults, sums->marks, sums->excuses);
    if (arguments->check_determinism)
        sim_object_number(&object, "different", sums->different);
    sim_object_line(&object);
}

void sim_json_scenario(const struct sim_program *program, const struct octo_scenario *scenario)
{
    struct sim_object object = {.out = program->out};

    sim_object_text(&object, "scenario", scenario->name);
    sim_object_text(&object, "summary", scenario->summary);
    sim_object_number(&object, "nodes", scenario->options.node_count);
    sim_object_number(&object, "ops", scenario->options.operations);
    sim_object_number(&object, "seeds", scenario->seeds);
    sim_object_text(&object, "fault_mix", octo_sim_faults_text(scenario->options.faults));
    sim_object_number(&object, "excused_max_ppm", scenario->excused_max_ppm);
    sim_object_number(&object, "undecided_max_ppm", scenario->undecided_max_ppm);
    sim_object_line(&object);
}
