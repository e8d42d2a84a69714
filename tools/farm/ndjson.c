/* One JSON object a line: the runs, named as octo-sim --json names things, then the summary. */
#include "tools/farm/forms.h"

#include <inttypes.h>

#include "sim/main/object.h"
#include "tools/farm/rows.h"

static void put_counts(struct sim_object *object, const struct farm_summary *summary,
                       enum farm_kind kind, const char *text)
{
    uint64_t values[FARM_NAMES_MAX];
    const struct farm_names *names = &summary->names[kind];
    const uint32_t count = farm_counts_split(text, values);
    struct sim_object map = sim_object_open(object, farm_kind_text(kind));
    for (uint32_t i = 0; i < count && i < names->count; i++)
        sim_object_number(&map, names->name[i], values[i]);
    sim_object_close(&map);
}

static void put_number(struct sim_object *object, const char *name, bool is_there, uint64_t value)
{
    if (is_there)
        sim_object_number(object, name, value);
    else
        sim_object_text(object, name, NULL);
}

static void put_run(FILE *out, const struct farm_summary *summary, const struct farm_run *run)
{
    struct sim_object object = {.out = out};
    sim_object_number(&object, "seed", run->seed);
    sim_object_number(&object, "nodes", run->nodes);
    sim_object_text(&object, "scenario", run->scenario);
    sim_object_text(&object, "fault_mix", run->fault_mix);
    sim_object_number(&object, "ops", run->ops);
    sim_object_text(&object, "machine", summary->machine);
    sim_object_text(&object, "build", run->build);
    sim_object_text(&object, "verdict", run->verdict);
    sim_object_text(&object, "property", run->property);
    put_number(&object, "event", run->broke, run->event);
    sim_object_text(&object, "signature", run->signature);
    sim_object_text(&object, "why", run->why);
    sim_object_text(&object, "replay", run->replay);
    sim_object_text(&object, "hash", run->hash);
#define NUMBER_PUT(name) put_number(&object, #name, run->ended, run->name);
    FARM_NUMBERS(NUMBER_PUT)
#undef NUMBER_PUT
    sim_object_number(&object, "wall_ns", run->wall_ns);
    sim_object_number(&object, "ended_ms", (uint64_t)run->ended_ms);
    for (enum farm_kind kind = 0; kind < FARM_KIND_COUNT; kind++)
        put_counts(&object, summary, kind, run->counts[kind]);
    sim_object_line(&object);
}

static void put_summary(FILE *out, const struct farm_summary *summary)
{
    const struct farm_tally *total = &summary->total;
    struct sim_object object = {.out = out};
    char digest[17];
    (void)snprintf(digest, sizeof digest, "%016" PRIx64, summary->digest);
    sim_object_bool(&object, "summary", true);
    sim_object_text(&object, "build", summary->build);
    sim_object_text(&object, "machine", summary->machine);
    sim_object_text(&object, "seeds", summary->seeds);
    sim_object_text(&object, "shard", summary->shard);
    sim_object_text(&object, "limits", summary->limits);
    sim_object_number(&object, "scenarios", summary->scenario_count);
    sim_object_number(&object, "runs", total->runs);
    put_number(&object, "planned", summary->planned != 0, summary->planned);
    sim_object_bool(&object, "complete", summary->complete);
    sim_object_text(&object, "progress", summary->progress);
    sim_object_number(&object, "ok", total->ok);
    sim_object_number(&object, "broken", total->broken);
    sim_object_number(&object, "undecided", total->undecided);
    sim_object_number(&object, "excused", total->excused);
    sim_object_number(&object, "crash", total->crash);
    sim_object_number(&object, "hang", total->hang);
    sim_object_number(&object, "memory", total->memory);
    sim_object_number(&object, "events", total->events);
    sim_object_number(&object, "wall_ns", total->wall_ns);
    sim_object_number(&object, "exit_status", (uint64_t)summary->status);
    sim_object_text(&object, "digest", digest);
    sim_object_line(&object);
}

void farm_ndjson_write(FILE *out, const struct farm_summary *summary, struct farm_store *store)
{
    struct farm_rows rows;
    struct farm_run run;
    farm_rows_open(&rows, store, FARM_IN_ORDER);
    while (farm_rows_next(&rows, &run))
        put_run(out, summary, &run);
    put_summary(out, summary);
}
