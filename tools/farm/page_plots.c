/* Plots of the HTML page: runs per second, failures by property, time to the first failures. */
#include "tools/farm/page.h"

#include <inttypes.h>

#include "tools/farm/markup.h"

#define WIDTH        1080u
#define LEFT         56.0
#define RIGHT        1064.0
#define PLOT_TOP     14.0
#define PLOT_BOTTOM  204.0
#define SPANS_MAX    84u
#define SPANS_MIN    12u
#define SPAN_MS      500u /* shorter ones show nothing but the length of runs */
#define SPAN_RUNS    6u   /* fewer, on average, show nothing but chance */
#define CAUSES_MAX   24u
#define FIRSTS_MAX   20u
#define FIRST_HEIGHT 40u
#define NAME_LENGTH  130u

/* The next number of the form 1, 2 or 5 times a power of ten; at least 1. */
static uint64_t round_up(double value)
{
    uint64_t power = 1;
    while ((double)power * 10 < value)
        power *= 10;
    if (value <= (double)power)
        return power;
    if (value <= (double)power * 2)
        return power * 2;
    return value <= (double)power * 5 ? power * 5 : power * 10;
}

/* What time is counted in on an axis of so many milliseconds. */
struct unit {
    double ms;
    const char *name;
};

static struct unit unit_of(double span_ms)
{
    if (span_ms < 150e3)
        return (struct unit){1e3, "s"};
    if (span_ms < 3 * 3600e3)
        return (struct unit){60e3, "min"};
    return (struct unit){3600e3, "h"};
}

/* The time axis at y, from LEFT to RIGHT, with rules up to top. */
static void put_time_axis(FILE *out, double span_ms, double top, double y)
{
    const struct unit unit = unit_of(span_ms);
    const double span = span_ms / unit.ms;
    const uint64_t tenths = round_up(span * 10 / 8); /* of a unit, between two rules */
    fputs("<g class=\"dim\">\n", out);
    for (uint64_t at = 0; (double)at <= span * 10; at += tenths) {
        const double x = LEFT + (RIGHT - LEFT) * (double)at / (span * 10);
        fprintf(out, "<path class=\"rule\" d=\"M%.1f %.1fV%.1f\"/>", x, top, y);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g&#160;%s</text>\n", x,
                y + 16, (double)at / 10, unit.name);
    }
    fputs("</g>\n", out);
}

/* ---- Runs per second --------------------------------------------------------------------------
 */

static void put_rate_axis(FILE *out, uint64_t most)
{
    fputs("<g class=\"dim\">\n", out);
    for (int i = 0; i <= 4; i++) {
        const double y = PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * i / 4;
        fprintf(out, "<path class=\"rule\" d=\"M%.1f %.1fH%.1f\"/>", LEFT, y, RIGHT);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 8, y + 4,
                (double)most * i / 4);
    }
    fputs("</g>\n", out);
}

struct bars {
    const struct farm_span *spans;
    uint32_t count;
    double seconds; /* of one */
    uint64_t most;  /* runs a second, at the top */
};

static void put_bars(FILE *out, const struct bars *bars)
{
    const double step = (RIGHT - LEFT) / bars->count;
    for (uint32_t i = 0; i < bars->count; i++) {
        const struct farm_span *span = &bars->spans[i];
        const double scale = (PLOT_BOTTOM - PLOT_TOP) / ((double)bars->most * bars->seconds);
        const double high = (double)span->runs * scale, red = (double)span->failed * scale;
        const double x = LEFT + step * i + step * 0.08, wide = step * 0.84;
        if (span->runs == 0)
            continue;
        fprintf(out, "<g><title>%.1f s: %.1f runs/s", bars->seconds * i,
                (double)span->runs / bars->seconds);
        if (span->failed != 0)
            fprintf(out, ", %" PRIu64 " failed", span->failed);
        fprintf(
            out,
            "</title><rect class=\"blue\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
            x, PLOT_BOTTOM - high, wide, high - red);
        if (span->failed != 0)
            fprintf(out,
                    "<rect class=\"red\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x,
                    PLOT_BOTTOM - red, wide, red);
        fputs("</g>\n", out);
    }
}

static void put_key(FILE *out, const char *sort, const char *text)
{
    fprintf(out,
            "<span><svg aria-hidden=\"true\" width=\"12\" height=\"12\"><rect class=\"%s\""
            " width=\"12\" height=\"12\"/></svg>%s</span>\n",
            sort, text);
}

void farm_page_rate(const struct farm_page *page)
{
    struct farm_span spans[SPANS_MAX];
    const struct farm_summary *summary = page->summary;
    const uint64_t lasted_ms = (uint64_t)(summary->end_ms - summary->begin_ms) + 1;
    uint64_t count = lasted_ms / SPAN_MS, peak = 0;
    const uint64_t enough = summary->total.runs / SPAN_RUNS;
    char description[160];
    count = count > enough ? enough : count;
    count = count < SPANS_MIN ? SPANS_MIN : count > SPANS_MAX ? SPANS_MAX : count;
    farm_spans_read(summary, page->store, spans, (uint32_t)count);
    for (uint64_t i = 0; i < count; i++)
        peak = spans[i].runs > peak ? spans[i].runs : peak;
    struct bars bars = {spans, (uint32_t)count, (double)lasted_ms / 1e3 / (double)count, 1};
    bars.most = round_up((double)peak / bars.seconds);
    (void)snprintf(description, sizeof description,
                   "Bars over time from the first run to the last; the most is %.1f runs a second.",
                   (double)peak / bars.seconds);
    farm_page_section(page, "rate", "Runs per second",
                      "When runs ended. A wide gap is time in which the farm was stopped.");
    fputs("<p class=\"key\">", page->out);
    put_key(page->out, "blue", "held, or undecided");
    if (farm_tally_failed(&summary->total) != 0)
        put_key(page->out, "red", "failed");
    fputs("</p>\n<div class=\"plot\">\n", page->out);
    farm_page_svg(page, "rate-plot", WIDTH, 228, "Runs per second", description);
    put_rate_axis(page->out, bars.most);
    put_time_axis(page->out, (double)lasted_ms, PLOT_BOTTOM, PLOT_BOTTOM);
    put_bars(page->out, &bars);
    fputs("</svg>\n</div>\n</section>\n", page->out);
}

/* ---- Failures by property ---------------------------------------------------------------------
 */

void farm_page_causes(const struct farm_page *page)
{
    struct farm_rows rows;
    struct farm_cause cause;
    uint32_t count = 0, at = 0;
    uint64_t most = 1;
    farm_causes_open(&rows, page->store);
    while (farm_causes_next(&rows, &cause)) {
        most = cause.runs > most ? cause.runs : most;
        count += count < CAUSES_MAX;
    }
    farm_page_section(page, "causes", "Failures by property",
                      "Runs by the first property that broke, or how they came to an end.");
    fputs("<div class=\"plot\">\n", page->out);
    farm_page_svg(page, "causes-plot", WIDTH, count * 26 + 6, "Failures by property",
                  "A bar for each property, with the number of runs that broke it.");
    farm_causes_open(&rows, page->store);
    for (; at < count && farm_causes_next(&rows, &cause); at++) {
        const double width = 720.0 * (double)cause.runs / (double)most;
        const uint32_t y = at * 26 + 4;
        fprintf(page->out, "<text x=\"216\" y=\"%u\" text-anchor=\"end\">", y + 14);
        farm_markup_short(page->out, cause.cause, 34);
        fprintf(
            page->out,
            "</text><rect class=\"red\" x=\"228\" y=\"%u\" width=\"%.1f\" height=\"18\" rx=\"2\"/>"
            "<text x=\"%.1f\" y=\"%u\">",
            y, width < 2 ? 2 : width, 228 + (width < 2 ? 2 : width) + 8, y + 14);
        farm_page_count(page->out, cause.runs);
        fputs("</text>\n", page->out);
    }
    farm_rows_close(&rows);
    fputs("</svg>\n</div>\n</section>\n", page->out);
}

/* ---- Time to the first failure ----------------------------------------------------------------
 */

static void put_first(const struct farm_page *page, const struct farm_group *group, uint32_t row)
{
    const double span = (double)(page->summary->end_ms - page->summary->begin_ms) + 1;
    const uint64_t after = (uint64_t)(group->first_ms - page->summary->begin_ms);
    const double x = LEFT + (RIGHT - LEFT) * (double)after / span;
    const double y = (double)row * FIRST_HEIGHT + 32;
    const bool right = x > RIGHT - 160; /* no room there: the words stand before the point */
    fprintf(page->out, "<g class=\"row\"><text x=\"%.1f\" y=\"%.1f\">", LEFT, y - 12);
    farm_markup_short(page->out, group->signature, NAME_LENGTH);
    fprintf(page->out, "</text><path class=\"stem\" d=\"M%.1f %.1fH%.1f\"/>", LEFT, y, x);
    fprintf(page->out, "<circle class=\"red\" cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/>", x, y);
    fprintf(page->out, "<text class=\"dim\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
            x + (right ? -10 : 10), y + (right ? -8 : 4), right ? "end" : "start");
    farm_page_time(page->out, after);
    fputs(", run ", page->out);
    farm_page_count(page->out, group->place);
    fputs("</text></g>\n", page->out);
}

void farm_page_firsts(const struct farm_page *page)
{
    struct farm_rows rows;
    struct farm_group group;
    uint32_t count = 0, at = 0;
    farm_groups_open(&rows, page->store);
    while (farm_groups_next(&rows, &group))
        count += count < FIRSTS_MAX;
    farm_page_section(page, "firsts", "Time to the first failure",
                      "When each group of failures showed itself, from the beginning of the farm; "
                      "the largest groups.");
    const uint32_t bottom = count * FIRST_HEIGHT + 6;
    fputs("<div class=\"plot\">\n", page->out);
    farm_page_svg(page, "firsts-plot", WIDTH, bottom + 24, "Time to the first failure",
                  "A line for each group of failures, as long as it took until its first.");
    put_time_axis(page->out, (double)(page->summary->end_ms - page->summary->begin_ms) + 1, 0,
                  bottom);
    farm_groups_open(&rows, page->store);
    for (; at < count && farm_groups_next(&rows, &group); at++)
        put_first(page, &group, at);
    farm_rows_close(&rows);
    fputs("</svg>\n</div>\n</section>\n", page->out);
}
