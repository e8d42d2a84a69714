#include "tools/farm/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/farm/forms.h"
#include "tools/farm/rows.h"

#define NS_PER_SECOND ((uint64_t)1000000000)

/* One row a scenario, and whether it stays below its ceilings. */
static void print_scenarios(FILE *out, const struct farm_summary *summary)
{
    fprintf(out, "%-24s %8s %8s %7s %9s %7s %6s %5s %6s %8s\n", "scenario", "runs", "ok", "broken",
            "undecided", "excused", "crash", "hang", "memory", "s");
    for (uint32_t i = 0; i < summary->scenario_count; i++) {
        const struct farm_scenario *scenario = &summary->scenarios[i];
        const struct farm_tally *tally = &scenario->tally;
        fprintf(out,
                "%-24s %8" PRIu64 " %8" PRIu64 " %7" PRIu64 " %9" PRIu64 " %7" PRIu64 " %6" PRIu64
                " %5" PRIu64 " %6" PRIu64 " %8" PRIu64 "\n",
                scenario->name, tally->runs, tally->ok, tally->broken, tally->undecided,
                tally->excused, tally->crash, tally->hang, tally->memory,
                tally->wall_ns / NS_PER_SECOND);
        if (scenario->too_excused)
            fprintf(out, "  more runs were excused than the scenario allows\n");
        if (scenario->too_undecided)
            fprintf(out, "  more checks were undecided than the scenario allows\n");
    }
}

/* "name count" of what happened, then the names of what never did. */
static void print_counts(FILE *out, enum farm_kind kind, const struct farm_names *names,
                         const struct farm_counts *counts)
{
    bool any = false;
    fprintf(out, "\n%s\n", farm_kind_text(kind));
    for (uint32_t i = 0; i < names->count; i++) {
        if (counts->sums[i] != 0)
            fprintf(out, "  %-40s %12" PRIu64 "\n", names->name[i], counts->sums[i]);
    }
    for (uint32_t i = 0; i < names->count; i++) {
        if (counts->sums[i] != 0)
            continue;
        fprintf(out, "%s %s", any ? "" : "  never:", names->name[i]);
        any = true;
    }
    if (any)
        fputc('\n', out);
}

static void print_coverage(FILE *out, const struct farm_summary *summary,
                           const struct farm_coverage *coverage)
{
    for (enum farm_kind kind = 0; kind < FARM_KIND_COUNT; kind++)
        print_counts(out, kind, &summary->names[kind],
                     &coverage->of[summary->scenario_count][kind]);
}

static void print_failures(FILE *out, struct farm_store *store)
{
    struct farm_rows rows;
    struct farm_group group;
    farm_groups_open(&rows, store);
    for (bool first = true; farm_groups_next(&rows, &group); first = false) {
        if (first)
            fprintf(out, "\nfailures\n");
        fprintf(out, "  %" PRIu64 " x %s\n    first: %s seed %" PRIu64 ": %s\n    %s\n", group.runs,
                group.signature, group.scenario, group.seed, group.why, group.replay);
    }
}

static void print_text(FILE *out, const struct farm_summary *summary,
                       const struct farm_coverage *coverage, struct farm_store *store)
{
    print_scenarios(out, summary);
    if (!summary->complete)
        fprintf(out, "\n%s\n", summary->progress);
    print_coverage(out, summary, coverage);
    print_failures(out, store);
    fprintf(out, "\ndigest of the table, times left out: %016" PRIx64 "\n", summary->digest);
}

static bool writes_to_stdout(const struct farm_arguments *arguments)
{
    for (int form = 0; form < FARM_FORM_COUNT; form++) {
        if (arguments->outputs[form] != NULL && strcmp(arguments->outputs[form], "-") == 0)
            return true;
    }
    return false;
}

/* All forms are of one moment, though the farm may go on meanwhile: one read transaction. What
 * could not be read makes no summary: it would look like one of runs that passed. */
enum sim_exit farm_report(struct farm_store *store, const struct farm_arguments *arguments)
{
    static struct farm_summary summary;
    struct farm_coverage *coverage = NULL;
    bool written = false;

    if (!farm_store_execute(store, "BEGIN"))
        return SIM_EXIT_HARNESS;
    farm_summary_read(&summary, store);
    if (!store->failed)
        coverage = farm_coverage_read(&summary, store);
    const enum sim_exit status = summary.status;
    if (!store->failed) {
        if (!arguments->quiet || status != SIM_EXIT_OK)
            print_text(writes_to_stdout(arguments) ? stderr : stdout, &summary, coverage, store);
        written = farm_forms_write(arguments, &summary, store);
    }
    free(coverage);
    farm_summary_free(&summary);
    (void)farm_store_execute(store, "COMMIT");
    return store->failed || !written ? SIM_EXIT_HARNESS : status;
}
