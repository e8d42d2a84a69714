/* JUnit's XML, as CI systems read it: a suite a scenario, a test a run, and three tests of the
 * scenario as a whole. */
#include "tools/farm/forms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "tools/farm/markup.h"
#include "tools/farm/rows.h"

/* Of a scenario with more runs than this, those that went well are one test for each BLOCK seeds:
 * CI systems refuse or choke on files of hundreds of megabytes. */
#define WHOLE 1000u
#define BLOCK 1000u

/* A scenario's tests; text grows before the counts of the tag around it are known. */
struct suite {
    FILE *out;
    char *text;
    size_t size;
    const struct farm_scenario *scenario;
    uint64_t tests, failures, errors, skipped;
    uint64_t block, block_runs, block_ns; /* runs that went well, not yet written */
};

/* ---- Tests ------------------------------------------------------------------------------------
 */

static void begin_test(struct suite *suite, const char *name, uint64_t wall_ns)
{
    suite->tests++;
    fprintf(suite->out, "    <testcase classname=\"octo-farm.");
    farm_markup(suite->out, suite->scenario->name);
    fputc('"', suite->out);
    farm_markup_attribute(suite->out, "name", name);
    fputs(" time=\"", suite->out);
    farm_markup_seconds(suite->out, wall_ns);
    fputc('"', suite->out);
}

/* The only thing in a test: <failure>, <error> or <skipped>. */
static void put_trouble(struct suite *suite, const char *tag, const char *type, const char *message,
                        const char *body)
{
    fprintf(suite->out, ">\n      <%s", tag);
    if (type != NULL)
        farm_markup_attribute(suite->out, "type", type);
    farm_markup_attribute(suite->out, "message", message);
    fputc('>', suite->out);
    farm_markup(suite->out, body);
    fprintf(suite->out, "</%s>\n    </testcase>\n", tag);
}

static void end_block(struct suite *suite)
{
    char name[96];
    if (suite->block_runs == 0)
        return;
    (void)snprintf(name, sizeof name, "seeds %" PRIu64 "..%" PRIu64 ", those that went well",
                   suite->block * BLOCK, suite->block * BLOCK + (BLOCK - 1));
    begin_test(suite, name, suite->block_ns);
    fputs("/>\n", suite->out);
    suite->block_runs = suite->block_ns = 0;
}

static void put_good_run(struct suite *suite, const struct farm_run *run)
{
    char name[32];
    if (suite->scenario->tally.runs > WHOLE) {
        if (run->seed / BLOCK != suite->block)
            end_block(suite);
        suite->block = run->seed / BLOCK;
        suite->block_runs++;
        suite->block_ns += run->wall_ns;
        return;
    }
    (void)snprintf(name, sizeof name, "seed %" PRIu64, run->seed);
    begin_test(suite, name, run->wall_ns);
    fputs("/>\n", suite->out);
}

static void put_run(struct suite *suite, const struct farm_run *run)
{
    char name[32], *body = NULL;
    const char *why = run->why == NULL ? "" : run->why;
    if (strcmp(run->verdict, "ok") == 0) {
        put_good_run(suite, run);
        return;
    }
    if (asprintf(&body, "%s\n\nsignature: %s\nrepeat it:\n%s\n", why,
                 run->signature == NULL ? "none" : run->signature, run->replay) < 0)
        body = NULL;
    (void)snprintf(name, sizeof name, "seed %" PRIu64, run->seed);
    begin_test(suite, name, run->wall_ns);
    if (strcmp(run->verdict, "broken") == 0) {
        suite->failures++;
        put_trouble(suite, "failure", run->property, why, body == NULL ? run->replay : body);
    } else if (strcmp(run->verdict, "undecided") == 0) {
        suite->skipped++;
        put_trouble(suite, "skipped", NULL, why, body == NULL ? run->replay : body);
    } else {
        suite->errors++;
        put_trouble(suite, "error", run->verdict, why, body == NULL ? run->replay : body);
    }
    free(body);
}

/* ---- Tests of the scenario as a whole ---------------------------------------------------------
 */

static void put_ceiling(struct suite *suite, const char *what, uint64_t runs, uint64_t ppm,
                        bool above)
{
    char name[64], message[160];
    (void)snprintf(name, sizeof name, "ceiling: %s", what);
    begin_test(suite, name, 0);
    if (!above) {
        fputs("/>\n", suite->out);
        return;
    }
    (void)snprintf(message, sizeof message,
                   "%s: %" PRIu64 " of %" PRIu64 " runs; the scenario allows %" PRIu64
                   " in a million",
                   what, runs, suite->scenario->tally.runs, ppm);
    suite->failures++;
    put_trouble(suite, "failure", "ceiling", message, message);
}

/* A shard is not whole and that is no mistake; a farm that was stopped is. */
static void put_whole(struct suite *suite, const struct farm_summary *summary)
{
    const struct farm_scenario *scenario = suite->scenario;
    char message[256];
    begin_test(suite, "all runs were made", 0);
    if (summary->complete) {
        fputs("/>\n", suite->out);
        return;
    }
    if (scenario->planned != 0)
        (void)snprintf(message, sizeof message,
                       "%" PRIu64 " of %" PRIu64 " runs of this scenario; of the farm %s",
                       scenario->tally.runs, scenario->planned, summary->progress);
    else
        (void)snprintf(message, sizeof message, "%" PRIu64 " runs of this scenario; of the farm %s",
                       scenario->tally.runs, summary->progress);
    if (summary->lacking)
        suite->errors++;
    else
        suite->skipped++;
    put_trouble(suite, summary->lacking ? "error" : "skipped",
                summary->lacking ? "incomplete" : NULL, message, message);
}

/* ---- Suites -----------------------------------------------------------------------------------
 */

static void put_property(FILE *out, const char *name, const char *value)
{
    fputs("      <property", out);
    farm_markup_attribute(out, "name", name);
    farm_markup_attribute(out, "value", value);
    fputs("/>\n", out);
}

static void put_totals(FILE *out, const struct suite *suite, uint64_t wall_ns)
{
    fprintf(out,
            " tests=\"%" PRIu64 "\" failures=\"%" PRIu64 "\" errors=\"%" PRIu64
            "\" skipped=\"%" PRIu64 "\" time=\"",
            suite->tests, suite->failures, suite->errors, suite->skipped);
    farm_markup_seconds(out, wall_ns);
    fputc('"', out);
}

static void put_suite(FILE *out, const struct suite *suite, const struct farm_summary *summary)
{
    const time_t begin = (time_t)(summary->begin_ms / 1000);
    char stamp[32] = "";
    struct tm parts;
    if (gmtime_r(&begin, &parts) != NULL)
        (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    fputs("  <testsuite", out);
    farm_markup_attribute(out, "name", suite->scenario->name);
    put_totals(out, suite, suite->scenario->tally.wall_ns);
    farm_markup_attribute(out, "timestamp", stamp);
    fputs(">\n    <properties>\n", out);
    put_property(out, "summary", suite->scenario->summary);
    put_property(out, "build", summary->build);
    put_property(out, "machine", summary->machine);
    put_property(out, "runs", summary->progress);
    fputs("    </properties>\n", out);
    (void)fwrite(suite->text, 1, suite->size, out);
    fputs("  </testsuite>\n", out);
}

/* Writes the suite of a scenario; run is its first, and becomes that of the next one. */
static bool write_suite(FILE *out, struct suite *suite, const struct farm_summary *summary,
                        struct farm_rows *rows, struct farm_run *run)
{
    const struct farm_scenario *scenario = suite->scenario;
    suite->out = open_memstream(&suite->text, &suite->size);
    if (suite->out == NULL)
        return false;
    while (run->scenario != NULL && strcmp(run->scenario, scenario->name) == 0) {
        put_run(suite, run);
        if (!farm_rows_next(rows, run))
            run->scenario = NULL;
    }
    end_block(suite);
    put_whole(suite, summary);
    put_ceiling(suite, "runs with a liveness excuse", scenario->tally.excused,
                scenario->excused_max_ppm, scenario->too_excused);
    put_ceiling(suite, "undecided checks", scenario->tally.undecided, scenario->undecided_max_ppm,
                scenario->too_undecided);
    const bool good = fclose(suite->out) == 0;
    if (good)
        put_suite(out, suite, summary);
    free(suite->text);
    return good;
}

static bool write_suites(FILE *out, struct suite *sum, const struct farm_summary *summary,
                         struct farm_store *store)
{
    struct farm_rows rows;
    struct farm_run run;
    bool good = true;
    farm_rows_open(&rows, store, FARM_IN_ORDER);
    if (!farm_rows_next(&rows, &run))
        run.scenario = NULL;
    for (uint32_t i = 0; i < summary->scenario_count && good; i++) {
        struct suite suite = {.scenario = &summary->scenarios[i]};
        good = write_suite(out, &suite, summary, &rows, &run);
        sum->tests += suite.tests;
        sum->failures += suite.failures;
        sum->errors += suite.errors;
        sum->skipped += suite.skipped;
    }
    farm_rows_close(&rows);
    return good;
}

void farm_junit_write(FILE *out, const struct farm_summary *summary, struct farm_store *store)
{
    struct suite sum = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *suites = open_memstream(&text, &size);
    bool good = suites != NULL && write_suites(suites, &sum, summary, store);
    good = suites != NULL && fclose(suites) == 0 && good;
    if (good) {
        fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"octo-farm\"", out);
        put_totals(out, &sum, summary->total.wall_ns);
        fputs(">\n", out);
        (void)fwrite(text, 1, size, out);
        fputs("</testsuites>\n", out);
    } else {
        farm_complain("no memory left");
        store->failed = true;
    }
    free(text);
}
