/* The HTML page: its frame, the figures at the top, and what its sections share. */
#include "tools/farm/forms.h"

#include <inttypes.h>
#include <time.h>

#include "tools/farm/markup.h"
#include "tools/farm/page.h"

#define MS_PER_MINUTE ((uint64_t)60 * 1000)
#define MS_PER_HOUR   (60 * MS_PER_MINUTE)

void farm_page_count(FILE *out, uint64_t count)
{
    char digits[24];
    const int size = snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (int i = 0; i < size; i++) {
        if (i != 0 && (size - i) % 3 == 0)
            fputs("&#8239;", out); /* narrow, and no place to break the line */
        fputc(digits[i], out);
    }
}

void farm_page_time(FILE *out, uint64_t ms)
{
    if (ms < 1000)
        fprintf(out, "%" PRIu64 "&nbsp;ms", ms);
    else if (ms < 2 * MS_PER_MINUTE)
        fprintf(out, "%.1f&nbsp;s", (double)ms / 1e3);
    else if (ms < 2 * MS_PER_HOUR)
        fprintf(out, "%" PRIu64 "&nbsp;min %" PRIu64 "&nbsp;s", ms / MS_PER_MINUTE,
                ms % MS_PER_MINUTE / 1000);
    else
        fprintf(out, "%" PRIu64 "&nbsp;h %" PRIu64 "&nbsp;min", ms / MS_PER_HOUR,
                ms % MS_PER_HOUR / MS_PER_MINUTE);
}

void farm_page_replay(FILE *out, const char *replay)
{
    fputs("<code class=\"replay\" title=\"one click selects the line\">", out);
    farm_markup(out, replay);
    fputs("</code>", out);
}

void farm_page_section(const struct farm_page *page, const char *id, const char *heading,
                       const char *text)
{
    fprintf(page->out,
            "<section id=\"%s\" aria-labelledby=\"%s-h\">\n<h2 id=\"%s-h\">%s</h2>\n"
            "<p class=\"soft\">%s</p>\n",
            id, id, id, heading, text);
}

void farm_page_svg(const struct farm_page *page, const char *id, uint32_t width, uint32_t height,
                   const char *title, const char *description)
{
    fprintf(page->out,
            "<svg role=\"img\" aria-labelledby=\"%s-t %s-d\" viewBox=\"0 0 %u %u\" width=\"%u\""
            " height=\"%u\">\n<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">",
            id, id, width, height, width, height, id, title, id);
    farm_markup(page->out, description);
    fputs("</desc>\n", page->out);
}

/* ---- The top ----------------------------------------------------------------------------------
 */

static void put_verdict_text(const struct farm_page *page)
{
    const struct farm_summary *summary = page->summary;
    const uint64_t failed = farm_tally_failed(&summary->total);
    if (summary->total.runs == 0)
        fputs("No run was made", page->out);
    else if (summary->status == SIM_EXIT_OK)
        fputs(summary->complete ? "All properties held" : "All properties held in these runs",
              page->out);
    else if (failed != 0)
        fprintf(page->out, "%" PRIu64 " run%s failed", failed, failed == 1 ? "" : "s");
    else
        fprintf(page->out, "Too many runs were %s",
                summary->status == SIM_EXIT_UNDECIDED ? "undecided" : "excused");
}

static void put_head(const struct farm_page *page)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
          page->out);
    put_verdict_text(page);
    fputs(" - octo-farm</title>\n<style>\n", page->out);
    for (size_t i = 0; farm_page_style[i] != NULL; i++)
        fputs(farm_page_style[i], page->out);
    fputs("</style>\n</head>\n<body>\n", page->out);
}

static void put_verdict(const struct farm_page *page)
{
    const struct farm_summary *summary = page->summary;
    const char *sort = summary->total.runs == 0                ? "fair"
                       : summary->status == SIM_EXIT_OK        ? "good"
                       : summary->status == SIM_EXIT_UNDECIDED ? "fair"
                                                               : "bad";
    fprintf(page->out, "<p class=\"verdict %s\">", sort);
    put_verdict_text(page);
    fputs("</p>\n", page->out);
    if (!summary->complete) {
        fputs("<p class=\"partial\" role=\"note\"><strong>Not the whole farm.</strong> ",
              page->out);
        farm_markup(page->out, summary->progress);
        fputs("</p>\n", page->out);
    }
}

static void put_stamp(FILE *out, int64_t ms)
{
    const time_t seconds = (time_t)(ms / 1000);
    char stamp[40] = "";
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S UTC", &parts);
    fputs(stamp, out);
}

static void put_tile(FILE *out, const char *name, uint64_t count, const char *sort)
{
    fprintf(out, "<div class=\"tile %s\"><dt>%s</dt><dd>", sort, name);
    farm_page_count(out, count);
    fputs("</dd></div>\n", out);
}

static void put_time_tile(FILE *out, const char *name, uint64_t ms)
{
    fprintf(out, "<div class=\"tile\"><dt>%s</dt><dd>", name);
    farm_page_time(out, ms);
    fputs("</dd></div>\n", out);
}

static void put_tiles(const struct farm_page *page)
{
    const struct farm_summary *summary = page->summary;
    const struct farm_tally *total = &summary->total;
    const uint64_t failed = farm_tally_failed(total);
    const uint64_t lasted_ms = (uint64_t)(summary->end_ms - summary->begin_ms);
    fputs("<dl class=\"tiles\">\n", page->out);
    fputs("<div class=\"tile\"><dt>runs</dt><dd>", page->out);
    farm_page_count(page->out, total->runs);
    if (!summary->complete && summary->planned != 0) {
        fputs(" of ", page->out);
        farm_page_count(page->out, summary->planned);
    }
    fputs("</dd></div>\n", page->out);
    put_tile(page->out, "held", total->ok, "");
    put_tile(page->out, "failed", failed, failed != 0 ? "bad" : "");
    put_tile(page->out, "undecided", total->undecided, total->undecided != 0 ? "fair" : "");
    put_tile(page->out, "scenarios", summary->scenario_count, "");
    put_tile(page->out, "events", total->events, "");
    put_time_tile(page->out, "elapsed", lasted_ms);
    put_time_tile(page->out, "work of all cores", total->wall_ns / 1000000);
    fputs("</dl>\n", page->out);
}

static void put_fact(FILE *out, const char *name, const char *text)
{
    fprintf(out, "<dt>%s</dt><dd>", name);
    farm_markup(out, text);
    fputs("</dd>\n", out);
}

static void put_facts(const struct farm_page *page)
{
    const struct farm_summary *summary = page->summary;
    char digest[17];
    (void)snprintf(digest, sizeof digest, "%016" PRIx64, summary->digest);
    fputs("<dl class=\"facts\">\n", page->out);
    put_fact(page->out, "build", summary->build);
    put_fact(page->out, "machine", summary->machine);
    put_fact(page->out, "seeds", summary->seeds);
    put_fact(page->out, "shard", summary->shard);
    put_fact(page->out, "limits of a run", summary->limits);
    if (summary->total.runs != 0) {
        fputs("<dt>time</dt><dd>", page->out);
        put_stamp(page->out, summary->begin_ms);
        fputs(" to ", page->out);
        put_stamp(page->out, summary->end_ms);
        fputs("</dd>\n", page->out);
    }
    put_fact(page->out, "digest", digest);
    fputs("</dl>\n", page->out);
}

void farm_html_write(FILE *out, const struct farm_summary *summary, struct farm_store *store)
{
    const struct farm_page page = {out, summary, store};
    const bool failed = farm_tally_failed(&summary->total) != 0;
    put_head(&page);
    fputs("<header>\n<h1>octo-farm</h1>\n", out);
    put_verdict(&page);
    put_tiles(&page);
    fputs("<nav aria-label=\"sections\">", out);
    if (failed)
        fputs("<a href=\"#failures\">failures</a> <a href=\"#causes\">properties</a> "
              "<a href=\"#firsts\">first failures</a> ",
              out);
    fputs("<a href=\"#scenarios\">scenarios</a> <a href=\"#rate\">speed</a> "
          "<a href=\"#faults\">faults</a> <a href=\"#marks\">marks</a> "
          "<a href=\"#slowest\">slowest</a> <a href=\"#farm\">this farm</a></nav>\n"
          "</header>\n<main>\n",
          out);
    if (failed) {
        farm_page_groups(&page);
        farm_page_causes(&page);
        farm_page_firsts(&page);
    }
    farm_page_scenarios(&page);
    farm_page_rate(&page);
    farm_page_coverage(&page);
    farm_page_slowest(&page);
    farm_page_section(&page, "farm", "This farm",
                      "The digest is of all results, times left out: equal for equal results.");
    put_facts(&page);
    fputs("</section>\n</main>\n</body>\n</html>\n", out);
}
