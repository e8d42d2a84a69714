#include "sim/main/json.h"

/* An object being written: members are separated as they come. */
struct object {
    FILE *out;
    bool begun;
};

static void string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        const unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\')
            fprintf(out, "\\%c", letter);
        else if (letter < 32)
            fprintf(out, "\\u%04x", letter);
        else
            fputc(letter, out);
    }
    fputc('"', out);
}

static void key(struct object *object, const char *name)
{
    fputc(object->begun ? ',' : '{', object->out);
    object->begun = true;
    string(object->out, name);
    fputc(':', object->out);
}

static void put_number(struct object *object, const char *name, uint64_t value)
{
    key(object, name);
    fprintf(object->out, "%llu", (unsigned long long)value);
}

static void put_text(struct object *object, const char *name, const char *value)
{
    key(object, name);
    if (value == NULL)
        fputs("null", object->out);
    else
        string(object->out, value);
}

static void put_bool(struct object *object, const char *name, bool value)
{
    key(object, name);
    fputs(value ? "true" : "false", object->out);
}

static void put_map(struct object *object, const char *name, size_t count,
                    const char *(*text)(size_t), const uint64_t *values)
{
    struct object map = {.out = object->out};
    key(object, name);
    for (size_t i = 0; i < count; i++)
        put_number(&map, text(i), values[i]);
    fputs(map.begun ? "}" : "{}", map.out);
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

static void put_maps(struct object *object, const uint64_t *faults, const uint64_t *marks,
                     const uint64_t *excuses)
{
    put_map(object, "faults", OCTO_FAULT_COUNT, fault_text, faults);
    put_map(object, "marks", OCTO_MARK_COUNT, mark_text, marks);
    put_map(object, "excuses", OCTO_EXCUSE_COUNT, excuse_text, excuses);
}

static void put_cluster(struct object *object, const struct sim_program *program,
                        const struct octo_sim_options *options)
{
    put_number(object, "nodes", options->node_count);
    put_text(object, "scenario",
             program->arguments.scenario_name != NULL ? program->arguments.scenario.name
                                                      : "default");
    put_text(object, "fault_mix", sim_mix_text(options->faults));
    put_number(object, "ops", options->operations);
    put_text(object, "machine", program->machine->name);
    put_text(object, "build", sim_build_text());
}

static void put_verdict(struct object *object, const struct sim_program *program,
                        const struct sim_outcome *outcome)
{
    const struct octo_verdict *verdict = &outcome->result.verdict;
    const bool broken = verdict->property != OCTO_PROPERTY_NONE;
    const char *why = broken ? verdict->why : verdict->undecided ? verdict->undecided_why : NULL;
    char replay[SIM_REPLAY_BYTES];
    sim_replay_text(program, &outcome->options, replay);

    put_text(object, "verdict", sim_outcome_text(outcome));
    put_text(object, "property", broken ? octo_property_text(verdict->property) : NULL);
    if (broken)
        put_number(object, "event", verdict->event);
    else
        put_text(object, "event", NULL);
    put_text(object, "why", why);
    put_text(object, "replay", replay);
    put_bool(object, "complete", !outcome->stopped);
}

static void put_difference(struct object *object, const struct sim_difference *difference)
{
    put_bool(object, "deterministic", !difference->found);
    if (!difference->found)
        return;
    put_text(object, "differs_in", difference->where);
    put_number(object, "differs_at", difference->event);
    put_text(object, "differs_first", difference->first);
    put_text(object, "differs_second", difference->second);
}

void sim_json_run(const struct sim_program *program, const struct sim_outcome *outcome,
                  const struct sim_difference *difference)
{
    const struct octo_sim_result *result = &outcome->result;
    struct object object = {.out = program->out};
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)result->hash);

    put_number(&object, "seed", outcome->options.seed);
    put_cluster(&object, program, &outcome->options);
    put_verdict(&object, program, outcome);
    put_text(&object, "hash", hash);
    put_number(&object, "events", result->events);
    put_number(&object, "deliveries", result->deliveries);
    put_number(&object, "virtual_ns", result->virtual_ns);
    put_number(&object, "wall_ns", outcome->wall_ns);
    put_number(&object, "used_bytes", result->used_bytes);
    put_number(&object, "acked", result->acked);
    put_number(&object, "failed", result->failed);
    put_number(&object, "unknown", result->unknown);
    put_number(&object, "elections", result->elections);
    put_number(&object, "crashes", result->crashes);
    put_number(&object, "restarts", result->restarts);
    put_number(&object, "impaired", result->impaired);
    put_number(&object, "lies_told", result->lies_told);
    put_number(&object, "lies_ended", result->lies_ended);
    put_maps(&object, result->faults, result->marks, outcome->excuses);
    if (difference != NULL)
        put_difference(&object, difference);
    fputs("}\n", program->out);
}

void sim_json_sums(const struct sim_program *program, const struct sim_sums *sums)
{
    const struct sim_arguments *arguments = &program->arguments;
    struct object object = {.out = program->out};

    put_bool(&object, "summary", true);
    put_number(&object, "first", arguments->first);
    put_number(&object, "last", sums->last);
    put_bool(&object, "complete", sums->last == arguments->last);
    put_cluster(&object, program, &arguments->options);
    put_number(&object, "runs", sums->runs);
    put_number(&object, "ok", sums->ok);
    put_number(&object, "broken", sums->broken);
    put_number(&object, "undecided", sums->undecided);
    put_number(&object, "without_faults", sums->calm);
    put_number(&object, "events", sums->events);
    put_number(&object, "virtual_ns", sums->virtual_ns);
    put_number(&object, "wall_ns", sums->wall_ns);
    put_number(&object, "used_bytes", sums->used_bytes);
    put_number(&object, "acked", sums->acked);
    put_number(&object, "failed", sums->failed);
    put_number(&object, "unknown", sums->unknown);
    put_number(&object, "elections", sums->elections);
    put_number(&object, "crashes", sums->crashes);
    put_number(&object, "restarts", sums->restarts);
    put_number(&object, "impaired", sums->impaired);
    put_number(&object, "lies_told", sums->lies_told);
    put_number(&object, "lies_ended", sums->lies_ended);
    put_maps(&object, sums->faults, sums->marks, sums->excuses);
    if (arguments->check_determinism)
        put_number(&object, "different", sums->different);
    fputs("}\n", program->out);
}

void sim_json_scenario(const struct sim_program *program, const struct octo_scenario *scenario)
{
    struct object object = {.out = program->out};

    put_text(&object, "scenario", scenario->name);
    put_text(&object, "summary", scenario->summary);
    put_number(&object, "nodes", scenario->options.node_count);
    put_number(&object, "ops", scenario->options.operations);
    put_number(&object, "seeds", scenario->seeds);
    put_text(&object, "fault_mix", sim_mix_text(scenario->options.faults));
    put_number(&object, "excused_max_ppm", scenario->excused_max_ppm);
    put_number(&object, "undecided_max_ppm", scenario->undecided_max_ppm);
    fputs("}\n", program->out);
}
