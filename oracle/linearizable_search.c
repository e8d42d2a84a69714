/* The search for one key: choose an operation that may come next, go on, take it back if that leads
 * nowhere.
 *
 * What may come next is any operation called before the first return of one that is not in the
 * order yet. Three things keep this short:
 *
 *   - An operation that changes nothing wherever it stands (a read that fits, a refusal) is never
 * wrong to take now: in any order that begins here it could be moved to the front. So nothing else
 * is tried in its place.
 *   - Operations with unknown outcomes are tried last, and of equal ones only the earliest.
 *   - The memo: a set of operations with a register that has failed once fails again. Sets are
 *     remembered by 128-bit hashes; that two of them ever collide in a run is out of the question.
 */
#include "oracle/search.h"

#define MEMO_CAPACITY_MIN 1024u

/* Where to look for the next operation. */
struct cursor {
    uint32_t moment;
    uint32_t unknown;
};

enum attempt { ATTEMPT_TAKEN = 1, ATTEMPT_PASSED = 2, ATTEMPT_NO_MEMORY = 3 };

/* ---- Registers ----------------------------------------------------------------------------- */

static bool values_equal(struct octo_history_value a, struct octo_history_value b)
{
    return a.hash == b.hash && a.size == b.size;
}

bool search_apply(const struct octo_history_operation *operation, struct octo_history_value *value)
{
    const bool absent = value->size == OCTO_HISTORY_ABSENT;
    uint32_t outcome = OCTO_OUTCOME_OK;
    struct octo_history_value after = *value;

    switch ((enum octo_history_kind)operation->kind) {
    case OCTO_HISTORY_READ:
        if (absent)
            outcome = OCTO_OUTCOME_MISSING;
        else if (!values_equal(*value, operation->value))
            return false;
        break;
    case OCTO_HISTORY_WRITE:
        after = operation->value;
        break;
    case OCTO_HISTORY_DELETE:
        if (absent)
            outcome = OCTO_OUTCOME_MISSING;
        after = octo_history_absent();
        break;
    case OCTO_HISTORY_CAS:
        if (absent)
            outcome = OCTO_OUTCOME_MISSING;
        else if (!values_equal(*value, operation->expected))
            outcome = OCTO_OUTCOME_DIFFERENT;
        else
            after = operation->value;
        break;
    case OCTO_HISTORY_APPEND:
        after = absent ? operation->value : octo_history_join(*value, operation->value);
        break;
    }
    if ((operation->outcomes & outcome) == 0)
        return false;
    *value = after;
    return true;
}

/* Whether an operation with these outcomes changes nothing, wherever it stands. (A write of what
 * the register holds already is not one: it may be needed later, after a different one.) */
static bool looks_only(const struct octo_history_operation *operation)
{
    return operation->kind == OCTO_HISTORY_READ || (operation->outcomes & OCTO_OUTCOME_OK) == 0;
}

/* ---- Memo ---------------------------------------------------------------------------------- */

static uint64_t *memo_slot(const struct search_memo *memo, const uint64_t hash[2])
{
    uint64_t at = hash[0] & (memo->capacity - 1);

    while ((memo->items[at][0] != 0 || memo->items[at][1] != 0) &&
           (memo->items[at][0] != hash[0] || memo->items[at][1] != hash[1]))
        at = (at + 1) & (memo->capacity - 1);
    return memo->items[at];
}

static bool memo_grow(struct search *search)
{
    struct search_memo *memo = search->memo;
    const struct search_memo before = *memo;
    const uint32_t capacity = before.capacity == 0 ? MEMO_CAPACITY_MIN : 2 * before.capacity;
    uint64_t(*items)[2] = octo_arena_alloc(search->scratch, capacity * sizeof *items);

    if (items == NULL || capacity == 0)
        return false;
    memset(items, 0, capacity * sizeof *items);
    memo->items = items;
    memo->capacity = capacity;
    for (uint32_t i = 0; i < before.capacity; i++) {
        if (before.items[i][0] != 0 || before.items[i][1] != 0)
            memcpy(memo_slot(memo, before.items[i]), before.items[i], sizeof *items);
    }
    return true;
}

/* Remembers the set with operation and the register after it; PASSED if they are known. */
static enum attempt memo_add(struct search *search, const struct search_operation *operation,
                             struct octo_history_value value)
{
    struct search_memo *memo = search->memo;
    const uint64_t mark = octo_mix(value.hash) ^ value.size;
    const uint64_t hash[2] = {
        octo_mix(search->set[0] ^ operation->power[0] ^ mark),
        octo_mix(search->set[1] ^ operation->power[1] ^ octo_mix(mark)) | 1,
    };

    if (2 * memo->count >= memo->capacity && !memo_grow(search))
        return ATTEMPT_NO_MEMORY;
    uint64_t *slot = memo_slot(memo, hash);
    if (slot[1] != 0)
        return ATTEMPT_PASSED;
    slot[0] = hash[0];
    slot[1] = hash[1];
    memo->count++;
    return ATTEMPT_TAKEN;
}

/* ---- Taking and taking back ---------------------------------------------------------------- */

static void unlink_moment(struct search_moment *moments, uint32_t at)
{
    moments[moments[at].previous].next = moments[at].next;
    moments[moments[at].next].previous = moments[at].previous;
}

static void relink_moment(struct search_moment *moments, uint32_t at)
{
    moments[moments[at].previous].next = at;
    moments[moments[at].next].previous = at;
}

static void set_toggle(struct search *search, const struct search_operation *operation)
{
    search->set[0] ^= operation->power[0];
    search->set[1] ^= operation->power[1];
}

/* Tries an operation next: by its call, or, of unknown outcome, by SEARCH_NONE. */
static enum attempt operation_try(struct search *search, uint32_t number, uint32_t moment)
{
    struct search_operation *operation = &search->operations[number];
    struct octo_history_value value = search->value;

    search->steps++;
    if (!search_apply(operation->history, &value))
        return ATTEMPT_PASSED;
    const bool changed = !values_equal(value, search->value);
    if (!changed && moment == SEARCH_NONE)
        return ATTEMPT_PASSED; /* it need not have happened */
    const bool forced = looks_only(operation->history);
    if (!forced) {
        const enum attempt fresh = memo_add(search, operation, value);
        if (fresh != ATTEMPT_TAKEN)
            return fresh;
    }
    search->frames[search->depth] = (struct search_frame){
        .before = search->value, .operation = number, .moment = moment, .forced = forced};
    search->depth++;
    search->value = value;
    set_toggle(search, operation);
    operation->taken = true;
    if (moment != SEARCH_NONE) {
        unlink_moment(search->moments, moment);
        unlink_moment(search->moments, search->moments[moment].other);
    }
    return ATTEMPT_TAKEN;
}

/* Takes the last operation back. */
static const struct search_frame *operation_undo(struct search *search)
{
    search->depth--;
    const struct search_frame *frame = &search->frames[search->depth];
    struct search_operation *operation = &search->operations[frame->operation];

    search->value = frame->before;
    set_toggle(search, operation);
    operation->taken = false;
    if (frame->moment != SEARCH_NONE) {
        relink_moment(search->moments, search->moments[frame->moment].other);
        relink_moment(search->moments, frame->moment);
    }
    return frame;
}

/* ---- The search ---------------------------------------------------------------------------- */

static struct cursor cursor_begin(const struct search *search)
{
    return (struct cursor){.moment = search->moments[0].next, .unknown = search->known};
}

static bool is_call(const struct search *search, uint32_t moment)
{
    return search->moments[moment].other != SEARCH_NONE;
}

/* Remembers the attempt that explained most: what it could not get past is the one to report. */
static void blocked(struct search *search, uint32_t moment)
{
    if (search->blocked != SEARCH_NONE && search->depth <= search->explained)
        return;
    search->explained = search->depth;
    search->blocked = search->moments[moment].operation;
}

/* Takes one more operation, looking on from the cursor. */
static enum attempt choose(struct search *search, struct cursor *cursor)
{
    for (; is_call(search, cursor->moment); cursor->moment = search->moments[cursor->moment].next) {
        const enum attempt attempt =
            operation_try(search, search->moments[cursor->moment].operation, cursor->moment);
        if (attempt != ATTEMPT_PASSED)
            return attempt;
    }
    const uint64_t bound = search->moments[cursor->moment].time;
    blocked(search, cursor->moment);
    for (; cursor->unknown < search->count; cursor->unknown++) {
        const struct search_operation *operation = &search->operations[cursor->unknown];
        if (operation->history->invoked > bound)
            break;
        if (operation->taken ||
            (operation->twin != SEARCH_NONE && !search->operations[operation->twin].taken))
            continue;
        const enum attempt attempt = operation_try(search, cursor->unknown, SEARCH_NONE);
        if (attempt != ATTEMPT_PASSED)
            return attempt;
    }
    return ATTEMPT_PASSED;
}

/* Goes back to the last real choice and sets the cursor behind it; false if there is none. */
static bool back(struct search *search, struct cursor *cursor)
{
    while (search->depth > 0) {
        const struct search_frame *frame = operation_undo(search);
        if (frame->forced)
            continue;
        *cursor = cursor_begin(search);
        if (frame->moment != SEARCH_NONE) {
            cursor->moment = search->moments[frame->moment].next;
            return true;
        }
        while (is_call(search, cursor->moment))
            cursor->moment = search->moments[cursor->moment].next;
        cursor->unknown = frame->operation + 1;
        return true;
    }
    return false;
}

enum octo_linearizability search_run(struct search *search)
{
    struct cursor cursor = cursor_begin(search);

    while (search->moments[0].next != 0) {
        if (search->steps > search->steps_max)
            return OCTO_LINEARIZABLE_UNDECIDED;
        const enum attempt attempt = choose(search, &cursor);
        if (attempt == ATTEMPT_NO_MEMORY)
            return OCTO_LINEARIZABLE_UNDECIDED;
        if (attempt == ATTEMPT_TAKEN)
            cursor = cursor_begin(search);
        else if (!back(search, &cursor))
            return OCTO_NOT_LINEARIZABLE;
    }
    return OCTO_LINEARIZABLE;
}
