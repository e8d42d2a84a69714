#include "draw.h"
#include "kernel/sessions.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SESSIONS   8u
#define RESULT_MAX 600u
#define RING       (256u * SESSIONS)

struct table {
    struct octo_arena arena;
    struct octo_sessions *sessions;
};

static struct octo_config config_of(uint32_t sessions, uint32_t result_bytes)
{
    struct octo_config config;
    octo_config_small(&config, 1, 1, 1, 10);
    config.sessions_max = sessions;
    config.result_bytes_max = result_bytes;
    return config;
}

/* In exactly octo_sessions_bytes of memory full of rubbish. */
static struct table table_new(const struct octo_config *config, int rubbish)
{
    const size_t size = octo_sessions_bytes(config);
    void *block = aligned_alloc(64, size);
    struct table table;

    cr_assert_not_null(block);
    memset(block, rubbish, size);
    octo_arena_init(&table.arena, block, size);
    table.sessions = octo_sessions_init(config, &table.arena);
    cr_assert_leq(table.arena.used, size);
    return table;
}

static void table_free(struct table *table)
{
    free(table->arena.base);
}

static enum octo_session_verdict look(const struct table *table, octo_client_id client,
                                      uint64_t sequence)
{
    const uint8_t *result;
    uint32_t size;
    return octo_sessions_look(table->sessions, client, sequence, &result, &size);
}

static void record_text(struct table *table, octo_client_id client, uint64_t sequence,
                        const char *text)
{
    octo_sessions_record(table->sessions, client, sequence, (const uint8_t *)text,
                         (uint32_t)strlen(text));
    octo_sessions_check(table->sessions);
}

Test(sessions, rules)
{
    const struct octo_config config = config_of(2, RESULT_MAX);
    struct table table = table_new(&config, 0xa5);
    const uint8_t *result;
    uint32_t size;

    cr_assert_eq(look(&table, 5, 1), OCTO_SESSION_NEW);
    cr_assert_eq(look(&table, 5, 9), OCTO_SESSION_NEW, "looking changes nothing");
    record_text(&table, 5, 1, "one");
    cr_assert_eq(octo_sessions_look(table.sessions, 5, 1, &result, &size), OCTO_SESSION_DUPLICATE);
    cr_assert_eq(size, 3);
    cr_assert_eq(memcmp(result, "one", 3), 0);
    cr_assert_eq(look(&table, 5, 2), OCTO_SESSION_NEW);
    record_text(&table, 5, 7, "");
    cr_assert_eq(octo_sessions_look(table.sessions, 5, 7, &result, &size), OCTO_SESSION_DUPLICATE);
    cr_assert_eq(size, 0);
    cr_assert_eq(octo_sessions_look(table.sessions, 5, 1, &result, &size), OCTO_SESSION_STALE);
    cr_assert_null(result);
    cr_assert_eq(look(&table, 5, 6), OCTO_SESSION_STALE, "skipped, but older");
    record_text(&table, UINT64_MAX, UINT64_MAX, "last");
    cr_assert_eq(look(&table, 6, 1), OCTO_SESSION_FULL);
    cr_assert_eq(look(&table, 5, 8), OCTO_SESSION_NEW, "a known client is never refused");
    cr_assert_eq(look(&table, UINT64_MAX, UINT64_MAX), OCTO_SESSION_DUPLICATE);
    table_free(&table);
}

/* A long result goes when more than the ring's bytes have been recorded since; a short one never.
 */
Test(sessions, long_results_are_dropped_in_log_order)
{
    const struct octo_config config = config_of(SESSIONS, RING);
    uint8_t bytes[RING] = {1, 2, 3};
    static const struct {
        uint32_t later; /* bytes of long results recorded after the first 100 */
        enum octo_session_verdict verdict;
    } rows[] = {
        {0, OCTO_SESSION_DUPLICATE},          {33, OCTO_SESSION_DUPLICATE},
        {RING - 100, OCTO_SESSION_DUPLICATE}, {RING - 99, OCTO_SESSION_STALE},
        {RING, OCTO_SESSION_STALE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct table table = table_new(&config, 0);
        octo_sessions_record(table.sessions, 1, 1, bytes, 100);
        octo_sessions_record(table.sessions, 2, 1, bytes, 32);
        if (rows[i].later > 0)
            octo_sessions_record(table.sessions, 3, 1, bytes, rows[i].later);
        cr_assert_eq(look(&table, 1, 1), rows[i].verdict, "row %zu", i);
        cr_assert_eq(look(&table, 2, 1), OCTO_SESSION_DUPLICATE);
        cr_assert_eq(look(&table, 1, 2), OCTO_SESSION_NEW, "the session itself stays");
        octo_sessions_check(table.sessions);
        table_free(&table);
    }
}

/* The naive model: every result ever, and the rule as sessions.h words it. */
struct model {
    uint64_t sequence[SESSIONS + 4]; /* by client id; 0 is unknown */
    uint8_t result[SESSIONS + 4][RESULT_MAX];
    uint32_t size[SESSIONS + 4];
    uint64_t since[SESSIONS + 4]; /* long bytes recorded since, its own included */
    uint32_t count;
};

static enum octo_session_verdict model_look(const struct model *model, uint32_t client,
                                            uint64_t sequence)
{
    if (model->sequence[client] == 0)
        return model->count < SESSIONS ? OCTO_SESSION_NEW : OCTO_SESSION_FULL;
    if (sequence > model->sequence[client])
        return OCTO_SESSION_NEW;
    if (sequence < model->sequence[client])
        return OCTO_SESSION_STALE;
    return model->size[client] > 32 && model->since[client] > RING ? OCTO_SESSION_STALE
                                                                   : OCTO_SESSION_DUPLICATE;
}

static void model_record(struct model *model, uint32_t client, uint64_t sequence,
                         const uint8_t *result, uint32_t size)
{
    if (model->sequence[client] == 0)
        model->count++;
    model->sequence[client] = sequence;
    model->size[client] = size;
    memcpy(model->result[client], result, size);
    model->since[client] = 0;
    for (uint32_t i = 0; size > 32 && i < SESSIONS + 4; i++)
        model->since[i] += size;
}

Test(sessions, equal_a_naive_model)
{
    const struct octo_config config = config_of(SESSIONS, RESULT_MAX);
    unsigned seen[5] = {0};
    unsigned forgotten = 0;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct table table = table_new(&config, 0x5a);
        struct table twin = table_new(&config, 0xff);
        struct model model = {0};
        uint64_t state = seed;

        for (uint32_t step = 0; step < 2000; step++) {
            const uint32_t client = 1 + draw_below(&state, SESSIONS + 3);
            const uint64_t last = model.sequence[client];
            const uint64_t sequence = octo_max_u64(1, last + draw_below(&state, 4) - 1);
            const uint8_t *result;
            uint32_t size;
            const enum octo_session_verdict verdict =
                octo_sessions_look(table.sessions, client, sequence, &result, &size);
            cr_assert_eq(verdict, model_look(&model, client, sequence), "seed %llu step %u",
                         (unsigned long long)seed, step);
            seen[verdict]++;
            forgotten += verdict == OCTO_SESSION_STALE && sequence == last;
            if (verdict == OCTO_SESSION_DUPLICATE) {
                cr_assert_eq(size, model.size[client]);
                cr_assert_eq(memcmp(result, model.result[client], size), 0, "seed %llu step %u",
                             (unsigned long long)seed, step);
            }
            if (verdict != OCTO_SESSION_NEW)
                continue;
            uint8_t fresh[RESULT_MAX];
            const uint32_t fresh_size = draw_below(&state, 2) == 0
                                            ? draw_below(&state, 40)
                                            : draw_below(&state, RESULT_MAX + 1);
            draw_bytes(&state, fresh, fresh_size);
            octo_sessions_record(table.sessions, client, sequence, fresh, fresh_size);
            octo_sessions_record(twin.sessions, client, sequence, fresh, fresh_size);
            model_record(&model, client, sequence, fresh, fresh_size);
            cr_assert_eq(octo_sessions_digest(table.sessions), octo_sessions_digest(twin.sessions));
            octo_sessions_check(table.sessions);
        }
        table_free(&table);
        table_free(&twin);
    }
    for (uint32_t verdict = OCTO_SESSION_NEW; verdict <= OCTO_SESSION_FULL; verdict++)
        cr_assert_gt(seen[verdict], 100, "verdict %u was hardly tried", verdict);
    cr_assert_gt(forgotten, 100);
}

Test(sessions, digest_tells_states_apart)
{
    static const struct {
        octo_client_id client;
        uint64_t sequence;
        const char *result;
    } records[] = {
        {1, 1, "a"}, {2, 1, "a"}, {1, 2, "a"},
        {1, 1, "b"}, {1, 1, ""},  {1, 1, "a long result, longer than a short one"},
    };
    const struct octo_config config = config_of(SESSIONS, RESULT_MAX);
    uint64_t digests[1 + sizeof records / sizeof records[0]];
    size_t count = 0;

    struct table empty = table_new(&config, 0);
    digests[count++] = octo_sessions_digest(empty.sessions);
    table_free(&empty);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct table table = table_new(&config, 0);
        record_text(&table, records[i].client, records[i].sequence, records[i].result);
        digests[count] = octo_sessions_digest(table.sessions);
        for (size_t j = 0; j < count; j++)
            cr_assert_neq(digests[j], digests[count], "%zu and %zu", j, count);
        count++;
        table_free(&table);
    }
}

Test(sessions, memory_is_bounded_in_a_simulated_world)
{
    struct octo_config config;
    octo_config_small(&config, 1, 1, 3, 10000);
    cr_assert_lt(octo_sessions_bytes(&config), 64 * 1024);
}

Test(sessions, recording_an_applied_sequence_is_a_broken_invariant, .exit_code = 77)
{
    const struct octo_config config = config_of(SESSIONS, RESULT_MAX);
    struct table table = table_new(&config, 0);
    record_text(&table, 1, 2, "a");
    record_text(&table, 1, 2, "a");
}

Test(sessions, recording_beyond_the_limit_is_a_broken_invariant, .exit_code = 77)
{
    const struct octo_config config = config_of(1, RESULT_MAX);
    struct table table = table_new(&config, 0);
    record_text(&table, 1, 1, "a");
    record_text(&table, 2, 1, "a");
}
