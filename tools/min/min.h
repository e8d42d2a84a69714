/* The minimizer from the inside: pool.c (replays on every core), shrink.c (what is tried, and in
 * which order), story.c (the run in words), output.c (where the plan goes), ../octo-min.c (the
 * program).
 *
 *     seed or plan -> plan on the calm base -> shorter plans that break alike -> plan, story
 *
 * A candidate is a plan; a replay says whether it breaks in the same way (octo_sim_signature). The
 * search takes the first candidate of a list that does, and lists are replayed ahead on every core,
 * so the result does not depend on how many cores there are, nor on their speed.
 */
#ifndef OCTO_TOOLS_MIN_MIN_H
#define OCTO_TOOLS_MIN_MIN_H

#include <limits.h>
#include <signal.h>

#include "sim/sim.h"

struct min_cost {
    uint64_t events, deliveries;
};

struct min_replay {
    struct min_cost cost;
    char signature[OCTO_SIGNATURE_BYTES];
};

#define MIN_LINES_MAX (1u << 22) /* of a plan */

/* ---- Pool ------------------------------------------------------------------------------------ */

struct min_pool; /* processes that replay */

/* min_pool_create forks `jobs` processes for worlds of up to these options' size. `usual_ns` is
 * what the recording took of a core: a replay that takes many times as much counts as one that does
 * not break. NULL: errno. */
struct min_pool *min_pool_create(uint32_t jobs, const struct octo_sim_options *largest,
                                 const struct octo_machine *machine, uint64_t usual_ns);
void min_pool_destroy(struct min_pool *pool);

/* What candidate `number` of a list is; false if there is none. It may be called ahead of, and more
 * often than, what is needed. *plan is the callee's to fill (lines and all) and the pool's to free.
 */
typedef bool (*min_candidate)(void *context, uint32_t number, struct octo_plan *plan);

/* min_pool_first replays candidates 0, 1, 2 ... until one breaks with `signature`, in no more
 * events and deliveries than `bound`, and returns its number (UINT32_MAX: none did); *plan and
 * *replay are then that candidate, its plan the caller's to free. Stops early, with UINT32_MAX and
 * without the replays that are under way, when min_stop is set. */
uint32_t min_pool_first(struct min_pool *pool, const char *signature, struct min_cost bound,
                        min_candidate candidate, void *context, struct octo_plan *plan,
                        struct min_replay *replay);

uint64_t min_pool_replays(const struct min_pool *pool); /* so far, cached verdicts left out */
uint64_t min_pool_cached(const struct min_pool *pool);

extern volatile sig_atomic_t min_stop; /* set by a signal, or when time is over */

/* min_record replays `from` in this process and records it, on the calm base, into *plan. False: no
 * memory. */
bool min_record(const struct octo_plan *from, const struct octo_machine *machine,
                struct octo_plan *plan, struct min_replay *replay);

/* min_normalize replays plan in this process and leaves in it the lines that were asked for and
 * differ from the calm base, each with when it took effect. *replay is what that came to. False: no
 * memory. */
bool min_normalize(struct octo_plan *plan, const struct octo_machine *machine, uint64_t events,
                   struct min_replay *replay);

/* min_run replays in this process, with a watcher if there is one (NULL: none). False: no memory.
 */
bool min_run(const struct octo_plan *plan, const struct octo_machine *machine, uint64_t events,
             const struct octo_watch *watch, struct octo_sim_result *result);

/* ---- Shrinking ------------------------------------------------------------------------------- */

struct min_search {
    struct min_pool *pool;
    const struct octo_machine *machine;
    char signature[OCTO_SIGNATURE_BYTES];
    struct octo_plan best;
    struct min_cost cost; /* of best */
    void (*progress)(void *context, const struct min_search *search, const char *phase);
    void *context;
};

/* min_shrink makes best as short as it can. */
void min_shrink(struct min_search *search);

/* min_reseed looks for another run that breaks alike in a smaller cluster, or sooner: with other
 * luck under best's drawing, and under other seeds. Best, if one was found, is its plan. */
void min_reseed(struct min_search *search);

/* ---- Story ----------------------------------------------------------------------------------- */

/* min_story tells the events of a replay that matter, in words, and what breaks in the end: lines,
 * the caller's to free. NULL: no memory. */
char *min_story(const struct octo_plan *plan, const struct octo_machine *machine);

/* ---- Output ---------------------------------------------------------------------------------- */

struct min_output {
    const char *path; /* NULL: standard output */
    char place[PATH_MAX], beside[PATH_MAX + 8];
    bool moves;
    FILE *file; /* to write to */
};

/* min_output_open begins a file; what stands at `path` stays. False: errno. */
bool min_output_open(struct min_output *output, const char *path) OCTO_MUST_USE;

/* min_output_drop forgets it. min_output_close puts it in its place if it was written well. False:
 * errno, and what stood there is there still. */
void min_output_drop(struct min_output *output);
bool min_output_close(struct min_output *output, bool wrote) OCTO_MUST_USE;

#endif
