/* Heat maps of the HTML page: in how many runs of each scenario each fault and each mark came. */
#include "tools/farm/page.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/farm/markup.h"

#define CELL 16u
#define LEFT 170u
#define TOP  150u
#define TAIL 90u /* right of the last column, for its name */

struct map {
    const struct farm_page *page;
    enum farm_kind kind;
    const struct farm_names *names;
    const struct farm_coverage *coverage;
};

/* Levels 1 to 5 of the key below; 0: in no run. */
static uint32_t level(uint64_t runs, uint64_t all)
{
    if (runs == 0 || all == 0)
        return 0;
    const uint64_t percent = runs * 100 / all;
    return percent < 10 ? 1 : percent < 30 ? 2 : percent < 60 ? 3 : percent < 90 ? 4 : 5;
}

static void put_columns(FILE *out, const struct map *map)
{
    const struct farm_counts *all =
        &map->coverage->of[map->page->summary->scenario_count][map->kind];
    for (uint32_t i = 0; i < map->names->count; i++) {
        fprintf(out, "<text transform=\"translate(%u %u) rotate(-60)\"%s>", LEFT + i * CELL + 11,
                TOP - 6, all->runs[i] == 0 ? " class=\"never\"" : "");
        farm_markup(out, map->names->name[i]);
        fputs("</text>\n", out);
    }
}

static void put_cell(FILE *out, const struct map *map, uint32_t scenario, uint32_t name)
{
    const struct farm_scenario *row = &map->page->summary->scenarios[scenario];
    const struct farm_counts *counts = &map->coverage->of[scenario][map->kind];
    fprintf(out, "<rect class=\"h%u\" x=\"%u\" width=\"%u\" height=\"%u\"><title>",
            level(counts->runs[name], row->tally.runs), LEFT + name * CELL, CELL - 1, CELL - 1);
    farm_markup(out, row->name);
    fputs(": ", out);
    farm_markup(out, map->names->name[name]);
    fprintf(out, " in %" PRIu64 " of %" PRIu64 " runs, %" PRIu64 " times</title></rect>",
            counts->runs[name], row->tally.runs, counts->sums[name]);
}

/* Cells of nothing are one bar behind the row. */
static void put_row(FILE *out, const struct map *map, uint32_t scenario)
{
    const struct farm_counts *counts = &map->coverage->of[scenario][map->kind];
    fprintf(out, "<g class=\"row\" transform=\"translate(0 %u)\">", TOP + scenario * CELL);
    fprintf(out, "<text x=\"%u\" y=\"12\" text-anchor=\"end\">", LEFT - 8);
    farm_markup_short(out, map->page->summary->scenarios[scenario].name, 24);
    fprintf(out, "</text><rect class=\"none\" x=\"%u\" width=\"%u\" height=\"%u\"/>", LEFT,
            map->names->count * CELL - 1, CELL - 1);
    for (uint32_t i = 0; i < map->names->count; i++) {
        if (counts->runs[i] != 0)
            put_cell(out, map, scenario, i);
    }
    fputs("</g>\n", out);
}

static void put_key(FILE *out)
{
    static const char *const texts[] = {"never",     "less than 10&nbsp;%",
                                        "10&nbsp;%", "30&nbsp;%",
                                        "60&nbsp;%", "90&nbsp;% of the runs, or more"};
    fputs("<p class=\"key\">", out);
    for (uint32_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char sort[8] = "none";
        if (i != 0)
            (void)snprintf(sort, sizeof sort, "h%u", i);
        fprintf(out,
                "<span><svg aria-hidden=\"true\" width=\"13\" height=\"13\"><rect class=\"%s\""
                " width=\"13\" height=\"13\"/></svg>%s</span>\n",
                sort, texts[i]);
    }
    fputs("</p>\n", out);
}

static void put_never(FILE *out, const struct map *map)
{
    const struct farm_counts *all =
        &map->coverage->of[map->page->summary->scenario_count][map->kind];
    bool any = false;
    for (uint32_t i = 0; i < map->names->count; i++) {
        if (all->runs[i] != 0)
            continue;
        fputs(any ? ", " : "<p class=\"names\"><strong>Never, in no scenario:</strong> ", out);
        farm_markup(out, map->names->name[i]);
        any = true;
    }
    fputs(any ? "</p>\n" : "<p class=\"names\">Each of them came about.</p>\n", out);
}

static void put_map(const struct map *map)
{
    const uint32_t width = LEFT + map->names->count * CELL + TAIL;
    const uint32_t height = TOP + map->page->summary->scenario_count * CELL + 4;
    const bool faults = map->kind == FARM_FAULTS;
    farm_page_section(map->page, farm_kind_text(map->kind), faults ? "Faults" : "Marks",
                      faults ? "In how many runs of each scenario each kind of fault struck."
                             : "States of the protocol, and rare paths of the program: in how many "
                               "runs of each scenario each came about.");
    put_key(map->page->out);
    put_never(map->page->out, map);
    fputs("<div class=\"wide\">\n", map->page->out);
    farm_page_svg(map->page, faults ? "faults-map" : "marks-map", width, height,
                  faults ? "Faults by scenario" : "Marks by scenario",
                  "A row for each scenario, a column for each name; the stronger its colour, the "
                  "more runs. What "
                  "never came about is named above.");
    put_columns(map->page->out, map);
    for (uint32_t i = 0; i < map->page->summary->scenario_count; i++)
        put_row(map->page->out, map, i);
    fputs("</svg>\n</div>\n</section>\n", map->page->out);
}

void farm_page_coverage(const struct farm_page *page)
{
    struct farm_coverage *coverage = farm_coverage_read(page->summary, page->store);
    for (enum farm_kind kind = FARM_FAULTS; kind <= FARM_MARKS && coverage != NULL; kind++) {
        const struct map map = {page, kind, &page->summary->names[kind], coverage};
        put_map(&map);
    }
    free(coverage);
}
