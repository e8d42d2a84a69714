/* The linearizability checker: against recorded histories with known verdicts, against brute force,
 * and on long histories that are what they should be. */
#include "oracle/linearizable.h"

#include "draw.h"
#include "history_reader.h"

#include <criterion/criterion.h>

#define SCRATCH_BYTES (64u << 20)
#define STEPS_MAX     20000000u

static struct octo_arena scratch_make(size_t size)
{
    struct octo_arena arena;
    octo_arena_init(&arena, aligned_alloc(4096, SCRATCH_BYTES), size);
    return arena;
}

static struct octo_history_value text(const char *bytes)
{
    return bytes == NULL ? octo_history_absent() : octo_history_value(bytes, strlen(bytes));
}

/* ---- Values ---------------------------------------------------------------------------------- */

Test(linearizable, a_joined_value_is_that_of_the_whole)
{
    uint64_t seed = 1;
    uint8_t bytes[200];

    for (uint32_t size = 0; size <= sizeof bytes; size += 1 + size / 7) {
        draw_bytes(&seed, bytes, size);
        const struct octo_history_value whole = octo_history_value(bytes, size);
        for (uint32_t cut = 0; cut <= size; cut++) {
            const struct octo_history_value joined = octo_history_join(
                octo_history_value(bytes, cut), octo_history_value(bytes + cut, size - cut));
            cr_assert_eq(joined.hash, whole.hash, "size %u cut %u", size, cut);
            cr_assert_eq(joined.size, whole.size);
        }
    }
}

Test(linearizable, values_differ)
{
    static const char *const values[] = {"",
                                         "a",
                                         "b",
                                         "ab",
                                         "ba",
                                         "aa",
                                         "aaa",
                                         "aaaaaaaa",
                                         "aaaaaaaab",
                                         "baaaaaaaa",
                                         "0123456789abcdef"};
    static const uint8_t zeros[3] = {0, 0, 0};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (size_t k = 0; k < i; k++)
            cr_assert_neq(text(values[i]).hash, text(values[k]).hash, "%zu %zu", i, k);
    }
    for (uint64_t size = 1; size < sizeof zeros; size++)
        cr_assert_neq(octo_history_value(zeros, size).hash,
                      octo_history_value(zeros, size + 1).hash);
}

/* ---- By hand --------------------------------------------------------------------------------- */

#define OK   OCTO_OUTCOME_OK
#define MISS OCTO_OUTCOME_MISSING
#define DIFF OCTO_OUTCOME_DIFFERENT
#define ANY  OCTO_OUTCOME_ANY
#define LOST OCTO_NEVER

struct hand_operation {
    uint64_t invoked, returned; /* 0, 0 ends the list */
    enum octo_history_kind kind;
    uint32_t outcomes;
    const char *value, *expected;
};

#define READ(i, r, v)                                           \
    {                                                           \
        i, r, OCTO_HISTORY_READ, (v) == NULL ? MISS : OK, v, "" \
    }
#define WRITE(i, r, v)                                          \
    {                                                           \
        i, r, OCTO_HISTORY_WRITE, (r) == LOST ? ANY : OK, v, "" \
    }
#define DELETE(i, r, outcome)                      \
    {                                              \
        i, r, OCTO_HISTORY_DELETE, outcome, "", "" \
    }
#define CAS(i, r, e, v, outcome)              \
    {                                         \
        i, r, OCTO_HISTORY_CAS, outcome, v, e \
    }
#define APPEND(i, r, v)                                          \
    {                                                            \
        i, r, OCTO_HISTORY_APPEND, (r) == LOST ? ANY : OK, v, "" \
    }

static const struct hand_case {
    const char *name;
    bool linearizable;
    struct hand_operation operations[8];
} hand_cases[] = {
    {"nothing", true, {{0}}},
    {"absent at first", true, {READ(1, 2, NULL)}},
    {"nobody wrote it", false, {READ(1, 2, "a")}},
    {"read your write", true, {WRITE(1, 2, "a"), READ(3, 4, "a")}},
    {"stale read", false, {WRITE(1, 2, "a"), WRITE(3, 4, "b"), READ(5, 6, "a")}},
    {"concurrent write, old", true, {WRITE(1, 2, "a"), WRITE(3, 6, "b"), READ(4, 5, "a")}},
    {"concurrent write, new", true, {WRITE(1, 2, "a"), WRITE(3, 6, "b"), READ(4, 5, "b")}},
    {"new, then old",
     false,
     {WRITE(1, 2, "a"), WRITE(3, 8, "b"), READ(4, 5, "b"), READ(6, 7, "a")}},
    {"a CAS that succeeds needs its precondition",
     false,
     {WRITE(1, 2, "a"), CAS(3, 4, "b", "c", OK)}},
    {"a CAS that succeeds", true, {WRITE(1, 2, "a"), CAS(3, 4, "a", "c", OK), READ(5, 6, "c")}},
    {"a CAS that fails says that the value differs",
     false,
     {WRITE(1, 2, "a"), CAS(3, 4, "a", "c", DIFF | MISS)}},
    {"a CAS that fails changes nothing",
     false,
     {WRITE(1, 2, "a"), CAS(3, 4, "b", "c", DIFF), READ(5, 6, "c")}},
    {"a CAS of nothing", true, {CAS(1, 2, "a", "b", MISS), READ(3, 4, NULL)}},
    {"missing is not different", false, {CAS(1, 2, "a", "b", DIFF)}},
    {"delete", true, {WRITE(1, 2, "a"), DELETE(3, 4, OK), READ(5, 6, NULL), DELETE(7, 8, MISS)}},
    {"delete of what is there does not miss it", false, {WRITE(1, 2, "a"), DELETE(3, 4, MISS)}},
    {"append", true, {APPEND(1, 2, "a"), APPEND(3, 4, "b"), READ(5, 6, "ab")}},
    {"append in the wrong order", false, {APPEND(1, 2, "a"), APPEND(3, 4, "b"), READ(5, 6, "ba")}},
    {"concurrent appends, either order",
     true,
     {APPEND(1, 4, "a"), APPEND(2, 3, "b"), READ(5, 6, "ba")}},
    {"append to a deleted key",
     true,
     {WRITE(1, 2, "a"), DELETE(3, 4, OK), APPEND(5, 6, "b"), READ(7, 8, "b")}},
    {"appended twice", false, {APPEND(1, 2, "a"), READ(3, 4, "aa")}},
    {"unknown, took effect", true, {WRITE(1, LOST, "a"), READ(2, 3, "a")}},
    {"unknown, never did", true, {WRITE(1, LOST, "a"), READ(2, 3, NULL)}},
    {"unknown, took effect late", true, {WRITE(1, LOST, "a"), READ(2, 3, NULL), READ(4, 5, "a")}},
    {"unknown, came and went", false, {WRITE(1, LOST, "a"), READ(2, 3, "a"), READ(4, 5, NULL)}},
    {"unknown, not before it was asked", false, {READ(1, 2, "a"), WRITE(3, LOST, "a")}},
    {"unknown, once only", false, {APPEND(1, LOST, "a"), READ(2, 3, "a"), READ(4, 5, "aa")}},
    {"two equal unknowns",
     true,
     {APPEND(1, LOST, "a"), APPEND(2, LOST, "a"), READ(3, 4, "a"), READ(5, 6, "aa")}},
    {"an unknown CAS and the value it needs",
     true,
     {CAS(1, LOST, "a", "b", ANY), WRITE(2, 3, "a"), READ(4, 5, "b")}},
    /* Once broken: a write of the value that is there was taken at once, as if it were a read. */
    {"a write of the same value may be needed later",
     true,
     {WRITE(1, 2, "a"), WRITE(3, 10, "a"), WRITE(4, 5, "b"), WRITE(6, 7, "c"), READ(8, 9, "a")}},
};

Test(linearizable, by_hand)
{
    const struct octo_arena scratch = scratch_make(SCRATCH_BYTES);

    for (size_t i = 0; i < sizeof hand_cases / sizeof hand_cases[0]; i++) {
        const struct hand_case *hand = &hand_cases[i];
        struct octo_history_operation operations[8];
        struct octo_linearizable_report report;
        uint32_t count = 0;
        for (; count < 8 && hand->operations[count].returned != 0; count++) {
            const struct hand_operation *from = &hand->operations[count];
            operations[count] = (struct octo_history_operation){
                .invoked = from->invoked,
                .returned = from->returned,
                .value = text(from->value),
                .expected = text(from->expected),
                .kind = (uint8_t)from->kind,
                .outcomes = (uint8_t)from->outcomes,
            };
        }
        cr_assert_eq(octo_linearizable(operations, count, octo_history_absent(), scratch, STEPS_MAX,
                                       &report),
                     hand->linearizable ? OCTO_LINEARIZABLE : OCTO_NOT_LINEARIZABLE, "%s",
                     hand->name);
    }
    free(scratch.base);
}

/* ---- Recorded -------------------------------------------------------------------------------- */

/* The folder of recorded histories, beside this file's. */
static const char *recorded(const char *name)
{
    static char path[4096];
    const char *slash = strrchr(__FILE__, '/');
    const int folder = slash == NULL ? 0 : (int)(slash - __FILE__ + 1);

    snprintf(path, sizeof path, "%.*s../histories/%s", folder, __FILE__, name);
    return path;
}

static void recorded_check(const char *name, const char *model, bool ok)
{
    const struct octo_arena scratch = scratch_make(SCRATCH_BYTES);
    struct octo_history_value initial = octo_history_absent();
    struct octo_linearizable_report report;
    enum history_model reader = HISTORY_ETCD;
    struct history history;

    if (strcmp(model, "kv-append") == 0) {
        reader = HISTORY_KV;
        initial = text("");
    } else if (strncmp(name, "cas-register", 12) == 0) {
        reader = HISTORY_KNOSSOS;
        initial = text("0");
    }
    cr_assert(history_read(&history, recorded(name), reader), "%s cannot be read", name);
    cr_assert_gt(history.count, 0, "%s is empty", name);
    const enum octo_linearizability verdict =
        octo_linearizable(history.operations, history.count, initial, scratch, STEPS_MAX, &report);
    cr_assert_eq(verdict, ok ? OCTO_LINEARIZABLE : OCTO_NOT_LINEARIZABLE,
                 "%s: verdict %d after %llu steps", name, verdict,
                 (unsigned long long)report.steps);
    history_free(&history);
    free(scratch.base);
}

Test(linearizable, recorded_histories)
{
    char line[256];
    uint32_t count = 0;
    FILE *verdicts = fopen(recorded("VERDICTS"), "r");

    cr_assert_not_null(verdicts, "%s cannot be read", recorded("VERDICTS"));
    while (fgets(line, sizeof line, verdicts) != NULL) {
        char name[128], model[64], initial[64], verdict[64];
        if (line[0] == '#' ||
            sscanf(line, "%127s %63s %63s %63s", name, model, initial, verdict) != 4)
            continue;
        recorded_check(name, model, strcmp(verdict, "ok") == 0);
        count++;
    }
    fclose(verdicts);
    cr_assert_gt(count, 50);
}

/* ---- Brute force ----------------------------------------------------------------------------- */

#define SMALL_MAX 7u

static bool value_equal(struct octo_history_value a, struct octo_history_value b)
{
    return a.hash == b.hash && a.size == b.size;
}

/* The register, written down a second time. */
static bool model_step(const struct octo_history_operation *operation,
                       struct octo_history_value *value)
{
    const bool absent = value->size == OCTO_HISTORY_ABSENT;
    const uint32_t all = operation->outcomes;

    if (operation->kind == OCTO_HISTORY_WRITE) {
        *value = operation->value;
        return (all & OK) != 0;
    }
    if (operation->kind == OCTO_HISTORY_APPEND) {
        *value = absent ? operation->value : octo_history_join(*value, operation->value);
        return (all & OK) != 0;
    }
    if (absent)
        return (all & MISS) != 0;
    if (operation->kind == OCTO_HISTORY_READ)
        return (all & OK) != 0 && value_equal(*value, operation->value);
    if (operation->kind == OCTO_HISTORY_DELETE) {
        *value = octo_history_absent();
        return (all & OK) != 0;
    }
    if (!value_equal(*value, operation->expected))
        return (all & DIFF) != 0;
    *value = operation->value;
    return (all & OK) != 0;
}

static bool brute_force(const struct octo_history_operation *operations, uint32_t count,
                        uint32_t taken, struct octo_history_value value)
{
    uint64_t bound = OCTO_NEVER;
    bool done = true;

    for (uint32_t i = 0; i < count; i++) {
        if ((taken >> i & 1) == 0 && operations[i].returned != OCTO_NEVER) {
            done = false;
            bound = octo_min_u64(bound, operations[i].returned);
        }
    }
    if (done)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        struct octo_history_value after = value;
        if ((taken >> i & 1) != 0 || operations[i].invoked > bound)
            continue;
        if (model_step(&operations[i], &after) &&
            brute_force(operations, count, taken | 1u << i, after))
            return true;
    }
    return false;
}

/* Draws calls and returns of count operations, with some unknown. Sorted by call. */
static void small_times(uint64_t *seed, struct octo_history_operation *operations, uint32_t count)
{
    uint32_t open[SMALL_MAX];
    uint32_t opened = 0;
    uint32_t called = 0;
    uint64_t time = 0;

    while (called < count || opened > 0) {
        time++;
        if (called < count && (opened == 0 || draw_below(seed, 2) == 0)) {
            operations[called].invoked = time;
            operations[called].returned = OCTO_NEVER;
            open[opened++] = called++;
            continue;
        }
        const uint32_t at = draw_below(seed, opened);
        if (draw_below(seed, 4) != 0)
            operations[open[at]].returned = time;
        open[at] = open[--opened];
    }
}

static uint32_t outcome_of(const struct octo_history_operation *operation,
                           struct octo_history_value value)
{
    if (operation->kind == OCTO_HISTORY_WRITE || operation->kind == OCTO_HISTORY_APPEND)
        return OK;
    if (value.size == OCTO_HISTORY_ABSENT)
        return MISS;
    return operation->kind != OCTO_HISTORY_CAS || value_equal(value, operation->expected) ? OK
                                                                                          : DIFF;
}

/* Lets every operation take effect at its call, or a little later, so that many histories are
 * linearizable and the others nearly so. */
static void small_answers(uint64_t *seed, struct octo_history_operation *operations, uint32_t count)
{
    static const char *const values[] = {"a", "b"};
    struct octo_history_value value = octo_history_absent();
    uint32_t order[SMALL_MAX];

    for (uint32_t i = 0; i < count; i++) {
        operations[i].kind = (uint8_t)(1 + draw_below(seed, 5));
        operations[i].value = text(values[draw_below(seed, 2)]);
        operations[i].expected = text(values[draw_below(seed, 2)]);
        operations[i].key = 5;
        order[i] = i;
    }
    for (uint32_t i = 1; i < count; i++) {
        if (draw_below(seed, 2) == 0) {
            const uint32_t swapped = order[i];
            order[i] = order[i - 1];
            order[i - 1] = swapped;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct octo_history_operation *operation = &operations[order[i]];
        operation->outcomes = ANY;
        if (operation->returned == OCTO_NEVER && draw_below(seed, 2) == 0)
            continue;
        const uint32_t outcome = outcome_of(operation, value);
        if (operation->returned != OCTO_NEVER)
            operation->outcomes =
                (uint8_t)(draw_below(seed, 12) == 0 ? 1u << draw_below(seed, 3) : outcome);
        if (operation->kind == OCTO_HISTORY_READ && outcome == OK)
            operation->value = value;
        struct octo_history_operation any = *operation;
        any.outcomes = ANY;
        cr_assert(model_step(&any, &value));
    }
}

Test(linearizable, agrees_with_brute_force)
{
    const struct octo_arena scratch = scratch_make(SCRATCH_BYTES);
    uint32_t counts[2] = {0, 0};

    for (uint64_t seed = 0; seed < 60000; seed++) {
        struct octo_history_operation operations[SMALL_MAX];
        struct octo_linearizable_report report;
        uint64_t state = seed;
        const uint32_t count = 1 + draw_below(&state, SMALL_MAX);
        memset(operations, 0, sizeof operations);
        small_times(&state, operations, count);
        small_answers(&state, operations, count);
        const bool expected = brute_force(operations, count, 0, octo_history_absent());
        const enum octo_linearizability verdict = octo_linearizable(
            operations, count, octo_history_absent(), scratch, STEPS_MAX, &report);
        cr_assert_eq(verdict, expected ? OCTO_LINEARIZABLE : OCTO_NOT_LINEARIZABLE,
                     "seed %llu: %u operations", (unsigned long long)seed, count);
        counts[expected]++;
    }
    cr_assert_gt(counts[0], 10000, "%u of 60000 are not linearizable", counts[0]);
    cr_assert_gt(counts[1], 10000, "%u of 60000 are linearizable", counts[1]);
    free(scratch.base);
}

/* ---- Long ------------------------------------------------------------------------------------ */

#define LONG_COUNT   1000u
#define LONG_KEYS    16u
#define LONG_CLIENTS 10u

/* A service that answers each client at some moment within its operation; some answers are lost. */
static void long_make(uint64_t seed, struct octo_history_operation *operations)
{
    struct octo_history_value values[LONG_KEYS];
    uint32_t pending[LONG_CLIENTS];
    bool took[LONG_CLIENTS];
    uint32_t called = 0;
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < LONG_KEYS; i++)
        values[i] = octo_history_absent();
    for (uint64_t time = 1; called < LONG_COUNT || waiting > 0; time++) {
        if (called < LONG_COUNT && waiting < LONG_CLIENTS && draw_below(&seed, 2) == 0) {
            char word[24];
            const int size = snprintf(word, sizeof word, "%u", draw_below(&seed, 5));
            operations[called] = (struct octo_history_operation){
                .invoked = time,
                .returned = OCTO_NEVER,
                .key = draw_below(&seed, LONG_KEYS),
                .value = octo_history_value(word, (uint64_t)size),
                .expected = octo_history_value("3", 1),
                .kind = (uint8_t)(1 + draw_below(&seed, 5)),
                .outcomes = ANY,
            };
            took[waiting] = false;
            pending[waiting++] = called++;
            continue;
        }
        if (waiting == 0)
            continue;
        const uint32_t at = draw_below(&seed, waiting);
        struct octo_history_operation *operation = &operations[pending[at]];
        if (!took[at] && draw_below(&seed, 50) != 0) {
            struct octo_history_value *value = &values[operation->key];
            const uint32_t outcome = outcome_of(operation, *value);
            if (operation->kind == OCTO_HISTORY_READ && outcome == OK)
                operation->value = *value;
            operation->outcomes = ANY;
            cr_assert(model_step(operation, value));
            operation->outcomes = (uint8_t)outcome;
            took[at] = true;
            continue;
        }
        if (took[at] && draw_below(&seed, 50) != 0)
            operation->returned = time;
        else
            operation->outcomes = ANY;
        waiting--;
        pending[at] = pending[waiting];
        took[at] = took[waiting];
    }
}

Test(linearizable, long_histories)
{
    const struct octo_arena scratch = scratch_make(SCRATCH_BYTES);
    uint64_t steps = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct octo_history_operation operations[LONG_COUNT];
        struct octo_linearizable_report report;
        long_make(seed, operations);
        cr_assert_eq(octo_linearizable(operations, LONG_COUNT, octo_history_absent(), scratch,
                                       STEPS_MAX, &report),
                     OCTO_LINEARIZABLE, "seed %llu", (unsigned long long)seed);
        steps += report.steps;

        /* A read near the end of what nobody ever wrote. */
        uint32_t lied = LONG_COUNT - 1;
        while (operations[lied].returned == OCTO_NEVER)
            lied--;
        operations[lied].kind = OCTO_HISTORY_READ;
        operations[lied].outcomes = OK;
        operations[lied].value = octo_history_value("nobody", 6);
        cr_assert_eq(octo_linearizable(operations, LONG_COUNT, octo_history_absent(), scratch,
                                       STEPS_MAX, &report),
                     OCTO_NOT_LINEARIZABLE, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(report.key, operations[lied].key);
    }
    cr_assert_lt(steps, 100 * LONG_COUNT * 20, "%llu steps", (unsigned long long)steps);
    free(scratch.base);
}

Test(linearizable, without_steps_or_memory_it_is_undecided)
{
    struct octo_arena scratch = scratch_make(SCRATCH_BYTES);
    struct octo_history_operation operations[LONG_COUNT];
    struct octo_linearizable_report report;

    long_make(1, operations);
    cr_assert_eq(
        octo_linearizable(operations, LONG_COUNT, octo_history_absent(), scratch, 3, &report),
        OCTO_LINEARIZABLE_UNDECIDED);
    for (size_t size = 0; size < 300000; size += 1 + size / 2) {
        octo_arena_init(&scratch, scratch.base, size);
        const enum octo_linearizability verdict = octo_linearizable(
            operations, LONG_COUNT, octo_history_absent(), scratch, STEPS_MAX, &report);
        cr_assert_neq(verdict, OCTO_NOT_LINEARIZABLE);
        if (size < 20000)
            cr_assert_eq(verdict, OCTO_LINEARIZABLE_UNDECIDED);
    }
    free(scratch.base);
}
