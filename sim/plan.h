/* Plans: everything that is done *to* a cluster, as a text that people read, change and keep.
 *
 * A plan is a header (which cluster, which base) and a line for each decision that differs from the
 * base. The base is *seeded* (what the seed says) or *calm*: no fault, the shortest delay, the
 * usual workload; a power loss loses what was not synced, and nothing is forced. Under either base
 * the drawing (limits, rates, lengths) is the seed's. A decision that can strike does so if, and
 * only if, it has a line: `bits=` say how, `none` that it does not. docs/plans.md has the format.
 */
#ifndef OCTO_SIM_PLAN_H
#define OCTO_SIM_PLAN_H

#include "sim/decision.h"
#include "sim/sim.h"

#include <stdio.h>

#define OCTO_PLAN_VERSION     1u
#define OCTO_PLAN_ERROR_BYTES 256u

enum octo_plan_base {
    OCTO_BASE_SEEDED = 0,
    OCTO_BASE_CALM = 1,
    OCTO_BASE_STEADY = 2, /* calm but for what strikes, which is the seed's */
};

struct octo_plan_line {
    struct octo_key key;
    uint64_t bits;
    uint8_t fault; /* CRASH, PARTITION, PAUSE, DAMAGE of a window: enum octo_fault that strikes */
    bool none;     /* a strike that does not take place */
    /* Of a recorded line, for people: when it took effect (0: it did not, or nobody looked), and
     * on which nodes, bit by bit. */
    uint16_t struck;
    octo_time_ns at_ns;
};

#define OCTO_PLAN_SCENARIO_BYTES 128u /* a name, or a path */
#define OCTO_PLAN_BUG_BYTES      64u

struct octo_plan {
    char scenario[OCTO_PLAN_SCENARIO_BYTES]; /* what options began with; empty: none */
    struct octo_sim_options options;
    enum octo_plan_base base;
    uint64_t luck;         /* seeded, steady: other decisions than the seed's, under its drawing; 0:
                            * the seed's */
    octo_time_ns quiet_ns; /* calm: the quiet tail begins at this virtual time; unused if seeded */
    char bug[OCTO_PLAN_BUG_BYTES]; /* of tests/bugs/, with which `expect` is so; empty: without any
                                    */
    char expect[OCTO_SIGNATURE_BYTES]; /* what breaks; empty: nothing */
    bool marks[OCTO_MARK_COUNT];       /* that a run without the bug must still hit */
    struct octo_plan_line *lines;      /* malloc'ed, `count` of them */
    uint32_t count, capacity;
};

/* octo_key_strikes: whether the decision is about something that befalls the cluster, and not about
 * how long what is usual takes, whom a client asks or what. */
bool octo_key_strikes(const struct octo_key *key);

/* octo_plan_free gives the lines back; the plan can be used again. */
void octo_plan_free(struct octo_plan *plan);

/* octo_plan_named makes `scenario` (a name, a path, or empty) what the plan's options begin with.
 * False, and nothing changed: a plan's text cannot say it, being 128 bytes or longer, with a '#', a
 * line's end, or blanks at the end. */
bool octo_plan_named(struct octo_plan *plan, const char *scenario) OCTO_MUST_USE;
#define OCTO_PLAN_NAMED_WANTS "a plan names its scenario by less than 128 bytes without '#'"

/* octo_plan_add appends a line. False: out of memory. */
bool octo_plan_add(struct octo_plan *plan, const struct octo_plan_line *line) OCTO_MUST_USE;

/* octo_plan_write writes the text; `name` of the program goes into a comment. False: errno. */
bool octo_plan_write(const struct octo_plan *plan, FILE *file, const char *build) OCTO_MUST_USE;

/* octo_plan_read reads a text into *plan (free it, too, after a failure). False: `error` says
 * line and what was expected. */
bool octo_plan_read(struct octo_plan *plan, FILE *file,
                    char error[OCTO_PLAN_ERROR_BYTES]) OCTO_MUST_USE;

/* octo_plan_line_text writes one line as it stands in a plan, without a newline. */
#define OCTO_PLAN_LINE_BYTES 192u
void octo_plan_line_text(const struct octo_plan_line *line, char text[OCTO_PLAN_LINE_BYTES]);

/* octo_plan_line_parse reads one. False: `error` says what was expected. */
bool octo_plan_line_parse(const char *text, struct octo_plan_line *line,
                          char error[OCTO_PLAN_ERROR_BYTES]) OCTO_MUST_USE;

/* octo_plan_room: bytes of address space that a world needs under a plan of so many lines, besides
 * octo_world_bytes; a multiple of a page. */
size_t octo_plan_room(uint32_t lines);

/* octo_world_create_planned is octo_world_create under a plan, of which it keeps a copy. */
struct octo_world *octo_world_create_planned(void *block, size_t size, const struct octo_plan *plan,
                                             const struct octo_machine *machine) OCTO_MUST_USE;

/* octo_world_unmatched: how many lines no decision has asked for so far; *first is the number, from
 * 0, of the first of them. */
uint32_t octo_world_unmatched(const struct octo_world *world, uint32_t *first);

/* octo_plan_record makes worlds that this thread creates from now on write what they decide to
 * `plan`, as lines that differ from the calm base; NULL ends it. No part of any world, and decides
 * nothing. octo_plan_record_end fills in the header after the run, but
 * for the scenario's name. */
void octo_plan_record(struct octo_plan *plan);
void octo_plan_record_end(struct octo_plan *plan, const struct octo_world *world);

#endif
