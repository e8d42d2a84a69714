/* A history taken apart by key, each searched by itself. */
#include "oracle/linearizable.h"
#include "oracle/search.h"

/* The operations of one key, in the order of their calls. */
struct group {
    uint64_t key;
    uint32_t count;
    uint32_t first; /* in the list of operations by key */
};

struct partition {
    struct group *groups;
    uint32_t group_count;
    uint32_t largest; /* operations in one group */
    uint32_t *by_key; /* numbers of operations, group after group */
};

/* Numbers the keys in the order in which they come up. slots: open addressing, capacity a power of
 * two, group number + 1. */
static uint32_t group_of(struct partition *partition, uint32_t *slots, uint32_t capacity,
                         uint64_t key)
{
    uint64_t at = octo_mix(key) & (capacity - 1);

    while (slots[at] != 0 && partition->groups[slots[at] - 1].key != key)
        at = (at + 1) & (capacity - 1);
    if (slots[at] == 0) {
        partition->groups[partition->group_count] = (struct group){.key = key};
        partition->group_count++;
        slots[at] = partition->group_count;
    }
    return slots[at] - 1;
}

static bool partition_make(const struct octo_history_operation *operations, uint32_t count,
                           struct octo_arena *scratch, struct partition *partition)
{
    uint32_t capacity = 16;
    while (capacity < 2 * (uint64_t)count)
        capacity *= 2;
    uint32_t *slots = octo_arena_alloc(scratch, capacity * sizeof *slots);
    uint32_t *groups = octo_arena_alloc(scratch, count * sizeof *groups);

    partition->groups = octo_arena_alloc(scratch, count * sizeof *partition->groups);
    partition->by_key = octo_arena_alloc(scratch, count * sizeof *partition->by_key);
    if (slots == NULL || groups == NULL || partition->groups == NULL || partition->by_key == NULL)
        return false;
    memset(slots, 0, capacity * sizeof *slots);
    for (uint32_t i = 0; i < count; i++) {
        groups[i] = group_of(partition, slots, capacity, operations[i].key);
        partition->groups[groups[i]].count++;
    }
    uint32_t first = 0;
    for (uint32_t i = 0; i < partition->group_count; i++) {
        struct group *group = &partition->groups[i];
        partition->largest = (uint32_t)octo_max_u64(partition->largest, group->count);
        group->first = first;
        first += group->count;
        group->count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct group *group = &partition->groups[groups[i]];
        partition->by_key[group->first + group->count] = i;
        group->count++;
    }
    return true;
}

/* ---- One key ------------------------------------------------------------------------------- */

static bool effects_equal(const struct octo_history_operation *a,
                          const struct octo_history_operation *b)
{
    return a->kind == b->kind && a->outcomes == b->outcomes && a->value.hash == b->value.hash &&
           a->value.size == b->value.size && a->expected.hash == b->expected.hash &&
           a->expected.size == b->expected.size;
}

static void twin_find(struct search *search, uint32_t number)
{
    struct search_operation *operation = &search->operations[number];

    for (uint32_t i = number; i > search->known; i--) {
        if (effects_equal(search->operations[i - 1].history, operation->history)) {
            operation->twin = i - 1;
            return;
        }
    }
}

static void operation_add(struct search *search, const struct octo_history_operation *history,
                          uint32_t number)
{
    struct search_operation *operation = &search->operations[search->count];

    *operation = (struct search_operation){
        .history = history,
        .power = {octo_mix(2 * (uint64_t)number + 1), octo_mix(~(2 * (uint64_t)number))},
        .number = number,
        .twin = SEARCH_NONE,
    };
    search->count++;
}

/* Known ones, then unknown ones. A read of unknown outcome says nothing and does nothing. */
static void operations_make(struct search *search, const struct octo_history_operation *operations,
                            const struct partition *partition, const struct group *group)
{
    search->count = 0;
    for (uint32_t unknown = 0; unknown < 2; unknown++) {
        for (uint32_t i = 0; i < group->count; i++) {
            const uint32_t number = partition->by_key[group->first + i];
            const struct octo_history_operation *history = &operations[number];
            if ((history->returned == OCTO_NEVER) != (unknown == 1))
                continue;
            if (unknown == 1 && history->kind == OCTO_HISTORY_READ)
                continue;
            operation_add(search, history, number);
            if (unknown == 1)
                twin_find(search, search->count - 1);
        }
        if (unknown == 0)
            search->known = search->count;
    }
}

/* Sorts the returns of the known operations into order[]: they nearly are, so by insertion. */
static void returns_sort(const struct search *search, uint32_t *order)
{
    for (uint32_t i = 0; i < search->known; i++) {
        const uint64_t time = search->operations[i].history->returned;
        uint32_t at = i;
        for (; at > 0 && search->operations[order[at - 1]].history->returned > time; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static void moment_add(struct search *search, uint32_t at, uint64_t time, uint32_t operation)
{
    search->moments[at] = (struct search_moment){
        .time = time,
        .operation = operation,
        .next = at == 2 * search->known ? 0 : at + 1,
        .previous = at - 1,
        .other = SEARCH_NONE,
    };
}

/* Merges calls and returns into one list. calls[] is where each operation's call went. */
static void moments_make(struct search *search, const uint32_t *returns, uint32_t *calls)
{
    uint32_t called = 0;
    uint32_t returned = 0;

    search->moments[0] = (struct search_moment){
        .next = search->known == 0 ? 0 : 1,
        .previous = 2 * search->known,
        .other = SEARCH_NONE,
    };
    for (uint32_t at = 1; at <= 2 * search->known; at++) {
        const uint64_t back = search->operations[returns[returned]].history->returned;
        if (called < search->known && search->operations[called].history->invoked < back) {
            moment_add(search, at, search->operations[called].history->invoked, called);
            calls[called] = at;
            called++;
            continue;
        }
        const uint32_t operation = returns[returned];
        octo_assert(operation < called); /* called before it returned */
        moment_add(search, at, back, operation);
        search->moments[calls[operation]].other = at;
        returned++;
    }
}

/* ---- All of them --------------------------------------------------------------------------- */

static enum octo_linearizability group_search(struct search *search, uint32_t *order,
                                              struct octo_history_value initial, uint64_t key)
{
    returns_sort(search, order);
    moments_make(search, order, order + search->known);
    search->value = initial;
    search->set[0] = octo_mix(key ^ 0x6f63746f);
    search->set[1] = octo_mix(~key);
    search->depth = 0;
    search->steps = 0;
    search->explained = 0;
    search->blocked = SEARCH_NONE;
    return search_run(search);
}

static bool search_make(struct search *search, struct octo_arena *scratch, uint32_t largest)
{
    search->scratch = scratch;
    search->operations = octo_arena_alloc(scratch, largest * sizeof *search->operations);
    search->moments =
        octo_arena_alloc(scratch, (2 * (size_t)largest + 1) * sizeof *search->moments);
    search->frames = octo_arena_alloc(scratch, largest * sizeof *search->frames);
    return search->operations != NULL && search->moments != NULL && search->frames != NULL;
}

enum octo_linearizability octo_linearizable(const struct octo_history_operation *operations,
                                            uint32_t count, struct octo_history_value initial,
                                            struct octo_arena scratch, uint64_t steps_max,
                                            struct octo_linearizable_report *report)
{
    struct search_memo memo = {.items = NULL};
    struct search search = {.memo = &memo, .steps_max = steps_max};
    struct partition partition = {.group_count = 0};
    enum octo_linearizability verdict = OCTO_LINEARIZABLE;

    *report = (struct octo_linearizable_report){.key = 0};
    if (count == 0)
        return OCTO_LINEARIZABLE;
    if (!partition_make(operations, count, &scratch, &partition) ||
        !search_make(&search, &scratch, partition.largest))
        return OCTO_LINEARIZABLE_UNDECIDED;
    uint32_t *order = octo_arena_alloc(&scratch, 2 * (size_t)partition.largest * sizeof *order);
    if (order == NULL)
        return OCTO_LINEARIZABLE_UNDECIDED;
    for (uint32_t i = 0; i < partition.group_count; i++) {
        const struct group *group = &partition.groups[i];
        operations_make(&search, operations, &partition, group);
        const enum octo_linearizability found = group_search(&search, order, initial, group->key);
        report->steps += search.steps;
        if (found == OCTO_LINEARIZABLE)
            continue;
        report->key = group->key;
        report->explained = search.explained;
        report->operation =
            search.blocked == SEARCH_NONE ? 0 : search.operations[search.blocked].number;
        if (found == OCTO_NOT_LINEARIZABLE)
            return found;
        verdict = found; /* another key may still be broken */
    }
    return verdict;
}
