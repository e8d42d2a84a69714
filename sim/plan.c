/* Plans: the table that a world asks, and the recorder. */
#include "sim/plan.h"

#include "sim/world.h"

#include <stdlib.h>

/* An open-addressing table of the lines, by the hash of their keys, in the world's arena. */
struct plan_slot {
    uint64_t name; /* 0: free */
    uint64_t bits;
    uint32_t number; /* of the line */
    uint8_t fault;
    bool none;
    bool matched;
};

struct octo_world_plan {
    enum octo_plan_base base;
    uint64_t luck;
    octo_time_ns quiet_ns;
    uint32_t mask;
    bool marks[OCTO_MARK_COUNT]; /* that must be hit */
    struct plan_slot *slots;
};

/* A run that broke before its quiet tail: a replay that does not break goes on for so long. */
#define AFTER_BREAK_NS (2 * OCTO_SECOND)

static _Thread_local struct octo_plan *recorder;

/* ---- Plans as data --------------------------------------------------------------------------- */

void octo_plan_free(struct octo_plan *plan)
{
    free(plan->lines);
    plan->lines = NULL;
    plan->count = 0;
    plan->capacity = 0;
}

bool octo_plan_named(struct octo_plan *plan, const char *scenario)
{
    const size_t length = strlen(scenario);

    if (length >= sizeof plan->scenario || strpbrk(scenario, "#\r\n") != NULL ||
        (length > 0 && strchr(" \t", scenario[length - 1]) != NULL))
        return false;
    memcpy(plan->scenario, scenario, length + 1);
    return true;
}

bool octo_plan_add(struct octo_plan *plan, const struct octo_plan_line *line)
{
    if (plan->count == plan->capacity) {
        const uint32_t capacity = plan->capacity == 0 ? 64 : 2 * plan->capacity;
        struct octo_plan_line *lines = realloc(plan->lines, capacity * sizeof *lines);
        if (lines == NULL)
            return false;
        plan->lines = lines;
        plan->capacity = capacity;
    }
    plan->lines[plan->count++] = *line;
    return true;
}

/* ---- The table ------------------------------------------------------------------------------- */

static uint64_t key_name(const struct octo_key *key)
{
    return octo_key_hash(0, key) | 1;
}

static struct plan_slot *slot_find(const struct octo_world_plan *plan, uint64_t name)
{
    uint32_t at = (uint32_t)(name >> 32) & plan->mask;
    while (plan->slots[at].name != 0 && plan->slots[at].name != name)
        at = (at + 1) & plan->mask;
    return &plan->slots[at];
}

static uint32_t slots_for(uint32_t lines)
{
    uint32_t slots = 16;
    while (slots / 2 < lines)
        slots *= 2;
    return slots;
}

size_t octo_plan_room(uint32_t lines)
{
    return octo_align_up(sizeof(struct octo_world_plan) + 64 +
                             (size_t)slots_for(lines) * sizeof(struct plan_slot),
                         4096);
}

bool plan_install(struct octo_world *world, const struct octo_plan *plan)
{
    const uint32_t slots = slots_for(plan->count);
    struct octo_world_plan *table = octo_arena_alloc(&world->arena, sizeof *table);
    if (table == NULL)
        return false;
    *table = (struct octo_world_plan){
        .base = plan->base, .luck = plan->luck, .quiet_ns = plan->quiet_ns, .mask = slots - 1};
    table->slots = octo_arena_alloc(&world->arena, slots * sizeof *table->slots);
    if (table->slots == NULL)
        return false;
    memset(table->slots, 0, slots * sizeof *table->slots);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct octo_plan_line *line = &plan->lines[i];
        struct plan_slot *slot = slot_find(table, key_name(&line->key));
        *slot = (struct plan_slot){.name = key_name(&line->key),
                                   .bits = line->bits,
                                   .number = i,
                                   .fault = line->fault,
                                   .none = line->none};
    }
    memcpy(table->marks, plan->marks, sizeof table->marks);
    world->plan = table;
    return true;
}

/* The plan's line for a key; NULL if it has none. */
static const struct plan_slot *plan_asked(struct octo_world *world, const struct octo_key *key)
{
    if (world->plan == NULL)
        return NULL;
    struct plan_slot *slot = slot_find(world->plan, key_name(key));
    if (slot->name == 0)
        return NULL;
    slot->matched = true;
    return slot;
}

bool plan_calm(const struct octo_world *world)
{
    return world->plan != NULL && world->plan->base == OCTO_BASE_CALM;
}

bool plan_wants(const struct octo_world *world, enum octo_mark mark)
{
    return world->plan != NULL && world->plan->marks[mark];
}

octo_time_ns plan_quiet_ns(const struct octo_world *world)
{
    return world->plan->quiet_ns;
}

uint32_t octo_world_unmatched(const struct octo_world *world, uint32_t *first)
{
    const struct octo_world_plan *plan = world->plan;
    uint32_t unmatched = 0;

    *first = UINT32_MAX;
    for (uint32_t i = 0; plan != NULL && i <= plan->mask; i++) {
        const struct plan_slot *slot = &plan->slots[i];
        if (slot->name == 0 || slot->matched)
            continue;
        unmatched++;
        *first = (uint32_t)octo_min_u64(*first, slot->number);
    }
    return unmatched;
}

/* ---- The calm base --------------------------------------------------------------------------- */

/* What is usual, of decisions that are no strikes: the first of a choice, the shortest delay, and
 * for what has to differ from node to node or from operation to operation, a constant of its key.
 */
static uint64_t calm_bits(const struct octo_key *key)
{
    switch ((enum octo_decision)key->purpose) {
    case OCTO_DECIDE_JITTER:
    case OCTO_DECIDE_CLIENT_COMMAND:
        return octo_base_seeded(0, key);
    case OCTO_DECIDE_CLOCK:
        return 1ull << 63; /* half of the largest offset; no drift */
    case OCTO_DECIDE_DISK:
        return 1; /* nothing but the usual latency; at a power loss, what was not synced is lost */
    case OCTO_DECIDE_NONE:
    case OCTO_DECIDE_DRAWING:
    case OCTO_DECIDE_MESSAGE_LATENCY:
    case OCTO_DECIDE_MESSAGE_LOST:
    case OCTO_DECIDE_MESSAGE_DUPLICATED:
    case OCTO_DECIDE_MESSAGE_DELAYED:
    case OCTO_DECIDE_MESSAGE_CORRUPTED:
    case OCTO_DECIDE_TIE:
    case OCTO_DECIDE_PARTITION:
    case OCTO_DECIDE_CRASH:
    case OCTO_DECIDE_CRASH_AT_IO:
    case OCTO_DECIDE_PAUSE:
    case OCTO_DECIDE_DAMAGE:
    case OCTO_DECIDE_CLIENT_TARGET:
    case OCTO_DECIDE_CLIENT_THINK:
    case OCTO_DECIDE_CLIENT_CRASH:
    case OCTO_DECIDE_CLIENT_DUPLICATE:
    case OCTO_DECISION_COUNT:
        break;
    }
    return 0;
}

bool octo_key_strikes(const struct octo_key *key)
{
    switch ((int)key->purpose) {
    case OCTO_DECIDE_DRAWING:
    case OCTO_DECIDE_MESSAGE_LATENCY:
    case OCTO_DECIDE_JITTER:
    case OCTO_DECIDE_CLOCK:
    case OCTO_DECIDE_CLIENT_COMMAND:
    case OCTO_DECIDE_CLIENT_TARGET:
    case OCTO_DECIDE_CLIENT_THINK:
        return false;
    case OCTO_DECIDE_DISK:
        return key->detail != OCTO_CHANCE_LATENCY;
    default:
        return true;
    }
}

/* ---- Decisions ------------------------------------------------------------------------------- */

static bool base_is_calm(const struct octo_world *world, const struct octo_key *key)
{
    if (world->plan == NULL || world->plan->base == OCTO_BASE_SEEDED)
        return false;
    return world->plan->base == OCTO_BASE_CALM || !octo_key_strikes(key);
}

/* What the seed says. Its drawing stays whatever the luck is. */
static uint64_t seeded_bits(const struct octo_world *world, const struct octo_key *key)
{
    const bool other = world->plan != NULL && key->purpose != OCTO_DECIDE_DRAWING;

    return octo_base_seeded(world->options.seed ^ (other ? world->plan->luck : 0), key);
}

static void record(const struct octo_world *world, const struct octo_key *key, uint64_t bits,
                   uint8_t fault)
{
    struct octo_plan_line line = {.key = *key, .bits = bits, .fault = fault};

    if (fault == 0)
        line.at_ns = world->now; /* what a window has in store comes later: plan_struck */
    if (!octo_plan_add(recorder, &line))
        octo_assert(false); /* out of memory: a recording with holes would lie */
}

uint64_t world_decide(struct octo_world *world, const struct octo_key *key)
{
    octo_assert(key->purpose > OCTO_DECIDE_NONE);
    octo_assert(key->purpose < OCTO_DECISION_COUNT);
    const struct plan_slot *line = plan_asked(world, key);
    const bool drawing = key->purpose == OCTO_DECIDE_DRAWING;
    uint64_t bits;

    if (line != NULL)
        bits = line->bits;
    else if (!drawing && base_is_calm(world, key))
        bits = calm_bits(key);
    else
        bits = seeded_bits(world, key);
    /* A drawing is the seed's, but for the lines about it. */
    if (recorder != NULL && (drawing ? line != NULL : bits != calm_bits(key)))
        record(world, key, bits, 0);
    return bits;
}

bool world_chance(struct octo_world *world, const struct octo_key *key, uint32_t ppm, bool forced,
                  uint64_t *bits)
{
    const struct plan_slot *line = plan_asked(world, key);
    bool strikes = false;

    if (line != NULL) {
        *bits = line->bits;
        strikes = !line->none;
    } else if (!plan_calm(world)) {
        *bits = seeded_bits(world, key);
        strikes = forced || octo_strikes(*bits, ppm);
    }
    if (strikes && recorder != NULL)
        record(world, key, *bits, 0);
    return strikes;
}

enum plan_answer world_planned(struct octo_world *world, const struct octo_key *key, uint64_t *bits,
                               uint8_t *fault)
{
    const struct plan_slot *line = plan_asked(world, key);

    if (line != NULL) {
        *bits = line->bits;
        *fault = line->fault;
        return line->none ? PLAN_NOTHING : PLAN_STRIKES;
    }
    if (plan_calm(world))
        return PLAN_NOTHING;
    *bits = seeded_bits(world, key);
    return PLAN_SILENT;
}

void world_planned_record(const struct octo_world *world, const struct octo_key *key, uint64_t bits,
                          uint8_t fault)
{
    if (recorder != NULL)
        record(world, key, bits, fault);
}

void plan_struck(const struct octo_world *world, octo_node_id id)
{
    const uint8_t striking = world->schedule.striking;

    if (recorder == NULL || striking == OCTO_DECIDE_NONE)
        return;
    for (uint32_t i = recorder->count; i-- > 0;) {
        struct octo_plan_line *line = &recorder->lines[i];
        if (line->fault == 0 || line->key.purpose != striking)
            continue;
        line->at_ns = world->now;
        line->struck |= (uint16_t)(1u << id);
        return;
    }
}

/* ---- Recording ------------------------------------------------------------------------------- */

void octo_plan_record(struct octo_plan *plan)
{
    recorder = plan;
}

void octo_plan_record_end(struct octo_plan *plan, const struct octo_world *world)
{
    const struct octo_verdict *verdict = octo_oracles_verdict(world->oracles);

    plan->options = world->options;
    plan->options.timing = false;
    plan->base = OCTO_BASE_CALM;
    plan->quiet_ns = world->quiet ? world->quiet_since : world->now + AFTER_BREAK_NS;
    if (verdict->property == OCTO_PROPERTY_NON_VACUOUS)
        plan->expect[0] = '\0'; /* that a run shows too little is no failure of a plan */
    else
        octo_sim_signature(verdict, plan->expect);
}
