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

/* ---- Snapshot and restore ------------------------------------------------------------------- */

/* The whole image, taken in pieces of random size. */
static uint32_t image_take(const struct table *table, uint64_t *random, uint8_t *image,
                           uint32_t capacity)
{
    uint64_t cursor = 0;
    uint32_t size = 0;
    bool ended = false;

    while (!ended) {
        struct octo_buffer out = {.bytes = image + size, .capacity = 1 + draw_below(random, 100)};
        ended = octo_sessions_snapshot(table->sessions, &cursor, &out);
        size += out.size;
        cr_assert_leq(size, capacity);
    }
    cr_assert_eq(size, octo_sessions_image_bytes(table->sessions));
    return size;
}

static enum octo_err image_give(struct table *table, uint64_t *random, const uint8_t *image,
                                uint32_t size)
{
    enum octo_err err = OCTO_ERR_OK;

    for (uint32_t at = 0; at < size && err == OCTO_ERR_OK;) {
        const uint32_t run = (uint32_t)octo_min_u64(size - at, 1 + draw_below(random, 100));
        err = octo_sessions_restore(table->sessions, image + at, run, false);
        at += run;
    }
    return err == OCTO_ERR_OK ? octo_sessions_restore(table->sessions, NULL, 0, true) : err;
}

static void tables_equal(const struct table *a, const struct table *b, uint64_t last)
{
    octo_sessions_check(b->sessions);
    cr_assert_eq(octo_sessions_digest(a->sessions), octo_sessions_digest(b->sessions));
    for (octo_client_id client = 1; client <= SESSIONS + 2; client++) {
        for (uint64_t sequence = last > 40 ? last - 40 : 1; sequence <= last + 1; sequence++) {
            const uint8_t *results[2];
            uint32_t sizes[2];
            cr_assert_eq(octo_sessions_look(a->sessions, client, sequence, &results[0], &sizes[0]),
                         octo_sessions_look(b->sessions, client, sequence, &results[1], &sizes[1]));
            cr_assert_eq(sizes[0], sizes[1]);
            cr_assert(sizes[0] == 0 || memcmp(results[0], results[1], sizes[0]) == 0);
        }
    }
}

Test(sessions, a_restored_table_answers_as_the_original)
{
    const struct octo_config config = config_of(SESSIONS, RESULT_MAX);
    static uint8_t image[65536];
    static uint8_t again[65536];

    for (uint64_t shape = 0; shape < 60; shape++) {
        uint64_t random = shape;
        struct table original = table_new(&config, 0xaa);
        struct table restored = table_new(&config, 0x55);
        uint64_t sequence = 0;
        uint8_t result[RESULT_MAX];
        for (uint32_t round = 0; round < 12; round++) {
            for (uint32_t i = draw_below(&random, 8); i > 0; i--) {
                const octo_client_id client = 1 + draw_below(&random, SESSIONS);
                const uint32_t limit = draw_below(&random, 2) == 0 ? 40 : RESULT_MAX + 1;
                const uint32_t bytes = draw_below(&random, limit);
                draw_bytes(&random, result, bytes);
                octo_sessions_record(original.sessions, client, ++sequence, result, bytes);
                if (round % 2 == 1) /* what was restored goes on as the original does */
                    octo_sessions_record(restored.sessions, client, sequence, result, bytes);
            }
            const uint32_t size = image_take(&original, &random, image, sizeof image);
            if (round % 2 == 1) {
                cr_assert_eq(image_take(&restored, &random, again, sizeof again), size);
                cr_assert_eq(memcmp(image, again, size), 0);
            } else {
                octo_sessions_clear(restored.sessions);
                cr_assert_eq(image_give(&restored, &random, image, size), OCTO_ERR_OK);
            }
            tables_equal(&original, &restored, sequence);
        }
        table_free(&original);
        table_free(&restored);
    }
}

Test(sessions, images_that_are_not_whole_or_not_right_are_refused)
{
    const struct octo_config config = config_of(SESSIONS, RESULT_MAX);
    struct table original = table_new(&config, 0);
    struct table other = table_new(&config, 0);
    static uint8_t image[8192];
    uint8_t result[200];
    uint64_t random = 4;

    draw_bytes(&random, result, sizeof result);
    record_text(&original, 3, 9, "short");
    octo_sessions_record(original.sessions, 4, 5, result, sizeof result);
    record_text(&original, 5, 1, "");
    const uint32_t size = image_take(&original, &random, image, sizeof image);
    for (uint32_t cut = 0; cut < size; cut++) {
        octo_sessions_clear(other.sessions);
        cr_assert_neq(image_give(&other, &random, image, cut), OCTO_ERR_OK, "cut %u", cut);
    }
    octo_sessions_clear(other.sessions);
    image[size] = 0;
    cr_assert_neq(image_give(&other, &random, image, size + 1), OCTO_ERR_OK);
    for (uint32_t bit = 0; bit < 8 * size; bit++) { /* anything but a crash; checked if accepted */
        octo_sessions_clear(other.sessions);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (image_give(&other, &random, image, size) == OCTO_ERR_OK)
            octo_sessions_check(other.sessions);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const struct octo_config wider = config_of(SESSIONS + 1, RESULT_MAX);
    struct table foreign = table_new(&wider, 0);
    cr_assert_eq(image_give(&foreign, &random, image, size), OCTO_ERR_RANGE);
    table_free(&original);
    table_free(&other);
    table_free(&foreign);
}
