/* What is tried, and in which order: first what deletes much, then what deletes little, then what
 * makes numbers simpler; again, until nothing helps. (Delta debugging: Zeller and Hildebrandt 2002,
 * with the steps of a list's sizes adapted; the lists are taken greedily.) */
#include "tools/min/min.h"

#include <stdlib.h>

#define ROUNDS_MAX       6u
#define SLACK_EVENTS     2000u
#define RESEED_EVENTS    200000u
#define RESEED_SLACK     20000u
#define REDRAW_TRIES     256u
#define SMALLER_TRIES    32u
#define OTHER_BITS_TRIES 24u
#define NUMBERS_SMALL    20u
#define QUIET_STEPS      12u
#define QUIET_FIRST_NS   (20 * OCTO_MS)

/* ---- Plans ----------------------------------------------------------------------------------- */

/* A copy of from's header, and room for its lines. */
static bool plan_begin(struct octo_plan *plan, const struct octo_plan *from)
{
    *plan = *from;
    plan->count = 0;
    plan->capacity = from->count == 0 ? 1 : from->count;
    plan->lines = malloc(plan->capacity * sizeof *plan->lines);
    return plan->lines != NULL;
}

static bool plan_copy(struct octo_plan *plan, const struct octo_plan *from)
{
    if (!plan_begin(plan, from))
        return false;
    if (from->count > 0)
        memcpy(plan->lines, from->lines, from->count * sizeof *from->lines);
    plan->count = from->count;
    return true;
}

/* ---- Trying ---------------------------------------------------------------------------------- */

/* Every list of candidates is made from the best plan so far. */
struct list {
    const struct min_search *search;
    uint32_t size; /* of a chunk, or what else the list needs */
    uint32_t from;
    uint32_t end; /* of the numbers that are tried, where there is no other */
    uint32_t line;
};

static struct min_cost bound_usual(const struct min_search *search)
{
    return (struct min_cost){.events = 2 * search->cost.events + SLACK_EVENTS,
                             .deliveries = UINT64_MAX};
}

/* The first candidate that breaks alike within `bound` becomes the best; its number, or
 * UINT32_MAX. */
static uint32_t take_first(struct min_search *search, min_candidate candidate, struct list *list,
                           struct min_cost bound)
{
    struct octo_plan plan;
    struct min_replay replay;

    list->search = search;
    const uint32_t number =
        min_pool_first(search->pool, search->signature, bound, candidate, list, &plan, &replay);
    if (number == UINT32_MAX)
        return number;
    octo_plan_free(&search->best);
    search->best = plan;
    search->cost = replay.cost;
    return number;
}

static bool try_list(struct min_search *search, min_candidate candidate, struct list *list)
{
    return take_first(search, candidate, list, bound_usual(search)) != UINT32_MAX;
}

static void progress(const struct min_search *search, const char *phase)
{
    if (search->progress != NULL)
        search->progress(search->context, search, phase);
}

/* ---- Deleting -------------------------------------------------------------------------------- */

/* Without the lines of one purpose; number 0: of all that are no strikes. */
static bool without_purpose(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct octo_plan *best = &((struct list *)context)->search->best;

    if (number >= OCTO_DECISION_COUNT || best->count == 0 || !plan_begin(plan, best))
        return false;
    for (uint32_t i = 0; i < best->count; i++) {
        const struct octo_plan_line *line = &best->lines[i];
        if (number == 0 ? octo_key_strikes(&line->key) : line->key.purpose != number)
            plan->lines[plan->count++] = *line;
    }
    if (plan->count == best->count) /* nothing of it is there: try without any line instead */
        plan->count = 0;
    return true;
}

static bool without_chunk(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct list *list = context;
    const struct octo_plan *best = &list->search->best;
    const uint64_t from = list->from + (uint64_t)number * list->size;
    const uint64_t to = from + list->size;

    if (from >= best->count || !plan_begin(plan, best))
        return false;
    for (uint32_t i = 0; i < best->count; i++) {
        if (i < from || i >= to)
            plan->lines[plan->count++] = best->lines[i];
    }
    return true;
}

/* Deletes chunks of one size wherever that helps; true if it did anywhere. */
static bool delete_chunks(struct min_search *search, uint32_t size)
{
    struct list list = {.size = size};
    bool any = false;

    while (list.from < search->best.count && !min_stop) {
        const uint32_t number = take_first(search, without_chunk, &list, bound_usual(search));
        if (number == UINT32_MAX)
            return any;
        any = true;
        list.from += number * size; /* what stood behind the chunk stands here now */
        progress(search, "deleting");
    }
    return any;
}

static void delete_lines(struct min_search *search)
{
    struct list list = {0};

    while (!min_stop && try_list(search, without_purpose, &list))
        progress(search, "deleting kinds");
    uint32_t size = search->best.count / 2;
    while (size > 0 && !min_stop) {
        const bool any = delete_chunks(search, size);
        if (size == 1 && !any)
            break;
        size = (uint32_t)octo_min_u64(octo_max_u64(size / 2, 1), search->best.count);
    }
}

/* ---- A smaller cluster, less work, a shorter run ------------------------------------------------
 */

static bool mentions(const struct octo_plan_line *line, uint32_t nodes)
{
    const uint8_t actor = line->key.actor;
    const uint8_t target = line->key.purpose == OCTO_DECIDE_DISK ? 0 : line->key.target;

    return (actor > nodes && actor < OCTO_ACTOR_CLIENT) ||
           (target > nodes && target < OCTO_ACTOR_CLIENT);
}

/* A smaller cluster; under its own drawing, then under others: whom bits mean depends on the number
 * of nodes. */
static bool fewer_nodes(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct octo_plan *best = &((struct list *)context)->search->best;
    const uint32_t nodes = number / SMALLER_TRIES + 1;
    const uint32_t drawing = number % SMALLER_TRIES;

    if (nodes >= best->options.node_count || !plan_begin(plan, best))
        return false;
    plan->options.node_count = nodes;
    if (drawing > 0)
        plan->options.seed = drawing;
    for (uint32_t i = 0; i < best->count; i++) {
        if (!mentions(&best->lines[i], nodes))
            plan->lines[plan->count++] = best->lines[i];
    }
    return true;
}

static uint32_t small_number(uint32_t step) /* 1 2 3 4 6 8 12 16 ... */
{
    return step < 3 ? step + 1 : (step % 2 != 0 ? 4u : 6u) << (step - 3) / 2;
}

static bool fewer_operations(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct octo_plan *best = &((struct list *)context)->search->best;
    const uint32_t operations = small_number(number);

    if (operations >= best->options.operations || !plan_copy(plan, best))
        return false;
    plan->options.operations = operations;
    return true;
}

static bool sooner_quiet(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct octo_plan *best = &((struct list *)context)->search->best;
    const octo_time_ns quiet = number == 0 ? 0 : QUIET_FIRST_NS << (number - 1);

    if (number > QUIET_STEPS || quiet >= best->quiet_ns || !plan_copy(plan, best))
        return false;
    plan->quiet_ns = quiet;
    return true;
}

/* ---- Simpler numbers ------------------------------------------------------------------------- */

static bool is_window(const struct octo_plan_line *line)
{
    return line->fault != 0 && line->key.actor == 0;
}

/* Every window's strike comes as much earlier as makes the first one come in window `number` + 1.
 */
static bool sooner_windows(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct octo_plan *best = &((struct list *)context)->search->best;
    uint64_t first = UINT64_MAX;

    for (uint32_t i = 0; i < best->count; i++) {
        if (is_window(&best->lines[i]))
            first = octo_min_u64(first, best->lines[i].key.identity[0]);
    }
    if (first == UINT64_MAX || number + 1 >= first || !plan_copy(plan, best))
        return false;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (is_window(&plan->lines[i]))
            plan->lines[i].key.identity[0] -= first - 1 - number;
    }
    return true;
}

/* One window's strike comes in window `number` + 1. */
static bool sooner_window(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct list *list = context;
    const struct octo_plan_line *line = &list->search->best.lines[list->line];

    if (!is_window(line) || number + 1 >= line->key.identity[0] || number >= NUMBERS_SMALL ||
        !plan_copy(plan, &list->search->best))
        return false;
    plan->lines[list->line].key.identity[0] = number + 1;
    return true;
}

static uint64_t simple_bits(uint32_t number)
{
    return number == 0 ? 0 : number == 1 ? 1ull << 63 : UINT64_MAX;
}

/* Bits in the order of simplicity, up to those that stand there. */
static bool simpler_bits(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct list *list = context;
    const uint64_t bits = list->search->best.lines[list->line].bits;

    if (number > 2 || bits == simple_bits(number) || !plan_copy(plan, &list->search->best))
        return false;
    plan->lines[list->line].bits = simple_bits(number);
    return true;
}

static bool simplify_lines(struct min_search *search)
{
    bool any = false;
    struct list list = {0};

    for (list.line = 0; list.line < search->best.count && !min_stop; list.line++) {
        any = try_list(search, sooner_window, &list) || any;
        any = try_list(search, simpler_bits, &list) || any;
    }
    return any;
}

/* Another place, moment or length of a strike, for which fewer messages have to pass. */
static bool other_bits(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct list *list = context;

    if (number >= OTHER_BITS_TRIES || !is_window(&list->search->best.lines[list->line]) ||
        !plan_copy(plan, &list->search->best))
        return false;
    plan->lines[list->line].bits = octo_mix(number) & ~(uint64_t)UINT32_MAX; /* short in hex */
    return true;
}

static bool sooner_strikes(struct min_search *search)
{
    bool any = false;
    struct list list = {0};

    for (; list.line < search->best.count && search->cost.deliveries > 0 && !min_stop;
         list.line++) {
        const struct min_cost bound = {.events = bound_usual(search).events,
                                       .deliveries = search->cost.deliveries - 1};
        any = take_first(search, other_bits, &list, bound) != UINT32_MAX || any;
    }
    return any;
}

/* The drawing of another seed, under which the same lines lead to the end sooner. */
static bool other_drawing(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct list *list = context;

    if (list->from + number >= REDRAW_TRIES || !plan_copy(plan, &list->search->best))
        return false;
    plan->options.seed = list->from + number;
    return true;
}

static bool redraw(struct min_search *search)
{
    struct list list = {0};
    bool any = false;

    while (!min_stop && list.from < REDRAW_TRIES && search->cost.deliveries > 0) {
        const struct min_cost bound = {.events = bound_usual(search).events,
                                       .deliveries = search->cost.deliveries - 1};
        const uint32_t number = take_first(search, other_drawing, &list, bound);
        if (number == UINT32_MAX)
            break;
        any = true;
        list.from += number + 1;
        progress(search, "drawing anew");
    }
    return any;
}

void min_shrink(struct min_search *search)
{
    struct min_replay replay;

    for (uint32_t round = 0; round < ROUNDS_MAX && !min_stop; round++) {
        struct list list = {0};
        const uint32_t lines = search->best.count;
        bool any = false;

        progress(search, "deleting");
        delete_lines(search);
        any = search->best.count < lines;
        any = try_list(search, fewer_operations, &list) || any;
        any = try_list(search, fewer_nodes, &list) || any;
        progress(search, "simplifying");
        any = try_list(search, sooner_windows, &list) || any;
        any = try_list(search, sooner_quiet, &list) || any;
        any = simplify_lines(search) || any;
        any = sooner_strikes(search) || any;
        any = redraw(search) || any;
        progress(search, "round over");
        if (!any || min_stop)
            break;
        /* Without lines that nothing asks for any more. */
        (void)min_normalize(&search->best, search->machine, bound_usual(search).events, &replay);
    }
}

/* ---- Another seed ---------------------------------------------------------------------------- */

/* Some break in one seed of a thousand: where a few seeds of every size did not, more of the small
 * ones are tried, of which each takes a few milliseconds. */
static const uint32_t round_tries[] = {48, 512, 4096};
#define RESEED_ROUNDS (sizeof round_tries / sizeof round_tries[0])

struct size {
    enum octo_plan_base base;
    uint32_t nodes, operations; /* 0: as given */
    uint32_t rounds;
};

/* A steady world first: what breaks it needs no luck with delays, and so fewer lines. One node
 * before two, two before three: fewer messages. */
static const struct size sizes[] = {
    {OCTO_BASE_STEADY, 1, 8, 2},   {OCTO_BASE_STEADY, 1, 40, 2},  {OCTO_BASE_STEADY, 1, 200, 1},
    {OCTO_BASE_STEADY, 2, 8, 2},   {OCTO_BASE_STEADY, 2, 40, 2},  {OCTO_BASE_STEADY, 3, 8, 3},
    {OCTO_BASE_STEADY, 3, 40, 3},  {OCTO_BASE_STEADY, 3, 200, 2}, {OCTO_BASE_STEADY, 5, 40, 2},
    {OCTO_BASE_STEADY, 5, 200, 1}, {OCTO_BASE_STEADY, 0, 0, 1},   {OCTO_BASE_SEEDED, 3, 40, 3},
    {OCTO_BASE_SEEDED, 3, 200, 2}, {OCTO_BASE_SEEDED, 0, 200, 1},
};
#define SIZES (sizeof sizes / sizeof sizes[0])

static bool other_seed(void *context, uint32_t number, struct octo_plan *plan)
{
    const struct list *list = context;
    const struct octo_plan *best = &list->search->best;
    const struct size *size = &sizes[list->size];

    if (list->from + number >= list->end || size->nodes > best->options.node_count ||
        size->operations > best->options.operations)
        return false;
    *plan = (struct octo_plan){.options = best->options, .base = size->base};
    const uint64_t other = list->from + number;
    if (other % 2 == 0)
        plan->luck = other; /* under the drawing that is known to break */
    else
        plan->options.seed = best->options.seed + other;
    if (size->nodes != 0)
        plan->options.node_count = size->nodes;
    if (size->operations != 0)
        plan->options.operations = size->operations;
    return true;
}

/* The one of a size that breaks soonest, and within the bound, of the tries of a round, as a plan
 * on its base; false if none does. The bound becomes what the one that was found took. */
static bool reseed_size(struct min_search *search, uint32_t size, uint32_t round,
                        struct min_cost *bound, struct octo_plan *found)
{
    struct list list = {.search = search,
                        .size = size,
                        .from = round == 0 ? 0 : round_tries[round - 1],
                        .end = round_tries[round]};
    struct min_replay replay;
    bool any = false;

    for (;;) {
        const uint32_t number = min_pool_first(search->pool, search->signature, *bound, other_seed,
                                               &list, found, &replay);
        if (number == UINT32_MAX)
            return any;
        any = true;
        bound->events = replay.cost.events - 1;
        list.from += number + 1;
    }
}

static bool reseed_any(struct min_search *search, struct octo_plan *found)
{
    for (uint32_t round = 0; round < RESEED_ROUNDS; round++) {
        for (uint32_t size = 0; size < SIZES && !min_stop; size++) {
            struct min_cost bound = {
                .events = octo_min_u64(RESEED_EVENTS, 2 * search->cost.events + RESEED_SLACK),
                .deliveries = UINT64_MAX};
            if (round < sizes[size].rounds && reseed_size(search, size, round, &bound, found)) {
                /* More of that size, which end where this one did: some break much sooner. */
                for (uint32_t more = round + 1; more < sizes[size].rounds && !min_stop; more++)
                    (void)reseed_size(search, size, more, &bound, found);
                return true;
            }
            progress(search, "other seeds");
        }
    }
    return false;
}

void min_reseed(struct min_search *search)
{
    struct octo_plan found;

    if (!reseed_any(search, &found))
        return;
    struct octo_plan recorded = {0};
    struct min_replay replay;
    if (min_record(&found, search->machine, &recorded, &replay) &&
        min_normalize(&recorded, search->machine, UINT64_MAX, &replay) &&
        strcmp(replay.signature, search->signature) == 0) {
        memcpy(recorded.scenario, search->best.scenario, sizeof recorded.scenario);
        octo_plan_free(&search->best);
        search->best = recorded;
        search->cost = replay.cost;
    } else {
        octo_plan_free(&recorded);
    }
    progress(search, "another seed");
}
