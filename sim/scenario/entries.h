/* A scenario's file as a list of `key: value` lines. Private to sim/scenario/.
 *
 * YAML, and of it mappings of scalars only, one inside another at most. What YAML would let pass
 * and people do not mean is refused: a key given twice, anchors and aliases, tags, lists, a second
 * document, values of more than one line.
 */
#ifndef OCTO_SIM_SCENARIO_ENTRIES_H
#define OCTO_SIM_SCENARIO_ENTRIES_H

#include "sim/scenario.h"

#define ENTRY_KEY_BYTES   48u
#define ENTRY_VALUE_BYTES 160u
#define ENTRIES_MAX       256u

struct entry {
    char section[ENTRY_KEY_BYTES]; /* "" at the top */
    char key[ENTRY_KEY_BYTES];
    char value[ENTRY_VALUE_BYTES]; /* as written; "" of a section */
    uint32_t line;                 /* from 1 */
    bool is_section;
};

struct entries {
    const char *file; /* for messages; the caller's */
    char *error;      /* OCTO_SCENARIO_ERROR_BYTES, the caller's */
    struct entry items[ENTRIES_MAX];
    uint32_t count;
};

/* entries_read fills entries->items from text; entries->file and error are set before. False: error
 * says "file:line: what is wrong". */
bool entries_read(struct entries *entries, const char *text, size_t size) OCTO_MUST_USE;

/* entries_refuse writes "file:line: ..." (file alone if line is 0) to entries->error, and returns
 * false. printf-like. */
bool entries_refuse(const struct entries *entries, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* entries_apply sets the scenario from the entries; false as above. The scenario is complete: what
 * the file leaves out has its default. */
bool entries_apply(const struct entries *entries, struct octo_scenario *scenario) OCTO_MUST_USE;

#endif
