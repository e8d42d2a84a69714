/* The parts of the HTML page. Private to tools/farm/.
 *
 * One file that needs nothing else: no script, no font, no picture from elsewhere. Colours follow
 * the reader's light or dark.
 */
#ifndef OCTO_FARM_PAGE_H
#define OCTO_FARM_PAGE_H

#include "tools/farm/rows.h"

struct farm_page {
    FILE *out;
    const struct farm_summary *summary;
    struct farm_store *store;
};

extern const char *const farm_page_style[]; /* CSS, in parts, NULL after the last */

/* Sections, each with its heading. */
void farm_page_scenarios(const struct farm_page *page);
void farm_page_groups(const struct farm_page *page);
void farm_page_slowest(const struct farm_page *page);
void farm_page_rate(const struct farm_page *page);
void farm_page_causes(const struct farm_page *page);
void farm_page_firsts(const struct farm_page *page);
void farm_page_coverage(const struct farm_page *page);

/* farm_page_section begins a section: its anchor, heading, and a line that says what it shows; end
 * it with </section>. */
void farm_page_section(const struct farm_page *page, const char *id, const char *heading,
                       const char *text);

/* farm_page_svg begins a picture of so many units with a title and a description for those who do
 * not see it; end it with </svg>. */
void farm_page_svg(const struct farm_page *page, const char *id, uint32_t width, uint32_t height,
                   const char *title, const char *description);

/* farm_page_count writes 1234567 as "1 234 567"; farm_page_time writes "420 ms", "12.3 s", "4 min
 * 10 s" or "3 h 20 min"; farm_page_replay writes a line that one click selects. */
void farm_page_count(FILE *out, uint64_t count);
void farm_page_time(FILE *out, uint64_t ms);
void farm_page_replay(FILE *out, const char *replay);

#endif
