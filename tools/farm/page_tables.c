/* Tables of the HTML page: scenarios, groups of failures, slowest runs. */
#include "tools/farm/page.h"

#include <inttypes.h>

#include "tools/farm/markup.h"

#define BAR_WIDTH    120u
#define GROUPS_OPEN  5u
#define GROUPS_SHOWN 200u
#define SLOWEST      15u

/* ---- Scenarios --------------------------------------------------------------------------------
 */

/* Of a bar of BAR_WIDTH: so many of all runs, from x on. Returns where it ends. */
static double put_part(FILE *out, const char *sort, double x, uint64_t part, uint64_t all)
{
    const double width = all == 0 ? 0 : (double)BAR_WIDTH * (double)part / (double)all;
    if (part != 0)
        fprintf(out, "<rect class=\"%s\" x=\"%.2f\" width=\"%.2f\" height=\"10\"/>", sort, x,
                width);
    return x + width;
}

static void put_bar(FILE *out, const struct farm_tally *tally, uint64_t all)
{
    fprintf(out, "<td class=\"left\"><svg aria-hidden=\"true\" width=\"%u\" height=\"10\">",
            BAR_WIDTH);
    fprintf(out, "<rect class=\"none\" width=\"%u\" height=\"10\"/>", BAR_WIDTH);
    double x = put_part(out, "red", 0, farm_tally_failed(tally), all);
    x = put_part(out, "amber", x, tally->undecided, all);
    (void)put_part(out, "green", x, tally->ok, all);
    fputs("</svg></td>", out);
}

static void put_cell(FILE *out, uint64_t count, const char *sort)
{
    fprintf(out, "<td class=\"%s\">", count == 0 ? "zero" : sort);
    farm_page_count(out, count);
    fputs("</td>", out);
}

static void put_tally(FILE *out, const struct farm_tally *tally, uint64_t planned)
{
    const uint64_t all = planned > tally->runs ? planned : tally->runs;
    fputs("<td>", out);
    farm_page_count(out, tally->runs);
    if (planned > tally->runs) {
        fputs(" of ", out);
        farm_page_count(out, planned);
    }
    fputs("</td>", out);
    put_bar(out, tally, all);
    put_cell(out, tally->ok, "");
    put_cell(out, tally->broken, "bad");
    put_cell(out, tally->undecided, "fair");
    put_cell(out, tally->excused, "");
    put_cell(out, tally->crash, "bad");
    put_cell(out, tally->hang, "bad");
    put_cell(out, tally->memory, "bad");
    fputs("<td>", out);
    farm_page_time(out, tally->wall_ns / 1000000);
    fputs("</td><td>", out);
    farm_page_time(out, tally->runs == 0 ? 0 : tally->wall_ns / 1000000 / tally->runs);
    fputs("</td>", out);
}

static void put_over(FILE *out, const char *what, uint64_t runs, uint64_t all, uint64_t ppm)
{
    fprintf(out,
            "<tr class=\"over\"><td colspan=\"12\">above the ceiling: %" PRIu64 " of %" PRIu64
            " runs were %s; the scenario allows %.2f&nbsp;%%</td></tr>\n",
            runs, all, what, (double)ppm / 1e4);
}

static void put_scenario(FILE *out, const struct farm_scenario *scenario)
{
    const struct farm_tally *tally = &scenario->tally;
    fputs("<tr><th scope=\"row\"", out);
    farm_markup_attribute(out, "title", scenario->summary);
    fputc('>', out);
    farm_markup(out, scenario->name);
    fputs("</th>", out);
    put_tally(out, tally, scenario->planned);
    fputs("</tr>\n", out);
    if (scenario->too_excused)
        put_over(out, "excused", tally->excused, tally->runs, scenario->excused_max_ppm);
    if (scenario->too_undecided)
        put_over(out, "undecided", tally->undecided, tally->runs, scenario->undecided_max_ppm);
}

void farm_page_scenarios(const struct farm_page *page)
{
    static const char *const heads[] = {"ok",   "broken", "undecided", "excused", "crash",
                                        "hang", "memory", "time",      "a run"};
    const struct farm_summary *summary = page->summary;
    farm_page_section(page, "scenarios", "Scenarios",
                      "Excused runs held with a liveness excuse: a node that has to stay out was "
                      "not waited for. Each scenario says how many it allows of these, and of "
                      "undecided checks.");
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">scenario</th>"
          "<th scope=\"col\">runs</th><th scope=\"col\" class=\"left\">outcome</th>",
          page->out);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        fprintf(page->out, "<th scope=\"col\">%s</th>", heads[i]);
    fputs("</tr></thead>\n<tbody>\n", page->out);
    for (uint32_t i = 0; i < summary->scenario_count; i++)
        put_scenario(page->out, &summary->scenarios[i]);
    fputs("</tbody>\n<tfoot><tr><th scope=\"row\">all</th>", page->out);
    put_tally(page->out, &summary->total, summary->planned);
    fputs("</tr></tfoot>\n</table></div>\n</section>\n", page->out);
}

/* ---- Groups of failures -----------------------------------------------------------------------
 */

static void put_group(FILE *out, const struct farm_group *group, bool open)
{
    fprintf(out, "<details%s><summary><b>", open ? " open" : "");
    farm_page_count(out, group->runs);
    fputs("&nbsp;&times;</b> ", out);
    farm_markup(out, group->signature);
    fputs("</summary>\n<dl class=\"facts\">\n<dt>first</dt><dd>", out);
    farm_markup(out, group->scenario);
    fprintf(out, ", seed %" PRIu64, group->seed);
    if (group->scenarios > 1)
        fprintf(out, "; in %" PRIu64 " scenarios", group->scenarios);
    fputs("</dd>\n<dt>why</dt><dd>", out);
    farm_markup(out, group->why);
    fputs("</dd>\n<dt>repeat it</dt><dd>", out);
    farm_page_replay(out, group->replay);
    fputs("</dd>\n</dl></details>\n", out);
}

void farm_page_groups(const struct farm_page *page)
{
    struct farm_rows rows;
    struct farm_group group;
    uint64_t count = 0;
    farm_page_section(page, "failures", "Failures",
                      "Runs that failed alike, whatever their nodes, numbers and times: one group "
                      "each, with its smallest seed. A click on a line selects it.");
    farm_groups_open(&rows, page->store);
    for (; farm_groups_next(&rows, &group); count++) {
        if (count < GROUPS_SHOWN)
            put_group(page->out, &group, count < GROUPS_OPEN);
    }
    if (count > GROUPS_SHOWN)
        fprintf(page->out,
                "<p class=\"soft\">%" PRIu64
                " smaller groups are not shown; octo-farm report names them.</p>\n",
                count - GROUPS_SHOWN);
    fputs("</section>\n", page->out);
}

/* ---- Slowest runs -----------------------------------------------------------------------------
 */

static void put_slow_run(FILE *out, const struct farm_run *run)
{
    fputs("<tr><th scope=\"row\">", out);
    farm_markup(out, run->scenario);
    fprintf(out, "</th><td>%" PRIu64 "</td><td class=\"left\">", run->seed);
    farm_markup(out, run->verdict);
    fputs("</td><td>", out);
    farm_page_time(out, run->wall_ns / 1000000);
    if (run->ended) {
        fputs("</td><td>", out);
        farm_page_time(out, run->virtual_ns / 1000000);
        fputs("</td><td>", out);
        farm_page_count(out, run->events);
        fputs("</td><td>", out);
        farm_page_count(out, sim_rate(run->events, run->wall_ns));
    } else {
        fputs("</td><td>-</td><td>-</td><td>-", out);
    }
    fputs("</td><td class=\"left\">", out);
    farm_page_replay(out, run->replay);
    fputs("</td></tr>\n", out);
}

void farm_page_slowest(const struct farm_page *page)
{
    struct farm_rows rows;
    struct farm_run run;
    farm_page_section(page, "slowest", "Slowest runs",
                      "By the time that they took here; virtual time is what passed in the "
                      "cluster.");
    fputs("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">scenario</th>"
          "<th scope=\"col\">seed</th><th scope=\"col\" class=\"left\">verdict</th>"
          "<th scope=\"col\">time</th><th scope=\"col\">virtual</th><th scope=\"col\">events</th>"
          "<th scope=\"col\">events/s</th><th scope=\"col\" class=\"left\">repeat it</th></tr>"
          "</thead>\n<tbody>\n",
          page->out);
    farm_rows_open(&rows, page->store, FARM_SLOWEST);
    for (uint32_t i = 0; i < SLOWEST && farm_rows_next(&rows, &run); i++)
        put_slow_run(page->out, &run);
    farm_rows_close(&rows);
    fputs("</tbody>\n</table></div>\n</section>\n", page->out);
}
