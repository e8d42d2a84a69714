#include "kv_model.h"

/* ---- Commands -------------------------------------------------------------------------------- */

Test(kv, rules)
{
    static const struct {
        enum octo_kv_op op;
        const char *key;
        const char *value;
        const char *expected;
        enum octo_kv_status status;
        const char *result; /* of a GET */
    } rows[] = {
        {OCTO_KV_GET, "a", "", "", OCTO_KV_MISSING, ""},
        {OCTO_KV_DEL, "a", "", "", OCTO_KV_MISSING, ""},
        {OCTO_KV_CAS, "a", "1", "", OCTO_KV_MISSING, ""},
        {OCTO_KV_SET, "a", "one", "", OCTO_KV_OK, ""},
        {OCTO_KV_GET, "a", "", "", OCTO_KV_OK, "one"},
        {OCTO_KV_CAS, "a", "two", "eno", OCTO_KV_DIFFERENT, ""},
        {OCTO_KV_CAS, "a", "two", "on", OCTO_KV_DIFFERENT, ""},
        {OCTO_KV_CAS, "a", "two", "", OCTO_KV_DIFFERENT, ""},
        {OCTO_KV_GET, "a", "", "", OCTO_KV_OK, "one"},
        {OCTO_KV_CAS, "a", "", "one", OCTO_KV_OK, ""},
        {OCTO_KV_GET, "a", "", "", OCTO_KV_OK, ""},
        {OCTO_KV_CAS, "a", "x", "", OCTO_KV_OK, ""},
        {OCTO_KV_APPEND, "a", "yz", "", OCTO_KV_OK, ""},
        {OCTO_KV_APPEND, "a", "", "", OCTO_KV_OK, ""},
        {OCTO_KV_GET, "a", "", "", OCTO_KV_OK, "xyz"},
        {OCTO_KV_APPEND, "b", "new", "", OCTO_KV_OK, ""},
        {OCTO_KV_GET, "b", "", "", OCTO_KV_OK, "new"},
        {OCTO_KV_SET, "", "no key is a key", "", OCTO_KV_OK, ""},
        {OCTO_KV_GET, "", "", "", OCTO_KV_OK, "no key is a key"},
        {OCTO_KV_DEL, "a", "", "", OCTO_KV_OK, ""},
        {OCTO_KV_GET, "a", "", "", OCTO_KV_MISSING, ""},
        {OCTO_KV_GET, "b", "", "", OCTO_KV_OK, "new"},
    };
    struct host host = host_new(16384, 0xa5);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct octo_kv_command command =
            text_command(rows[i].op, rows[i].key, rows[i].value, rows[i].expected);
        const struct octo_buffer result = apply(&host, &command);
        cr_assert_eq(result.bytes[0], rows[i].status, "row %zu", i);
        cr_assert_eq(result.size, 1 + strlen(rows[i].result), "row %zu", i);
        cr_assert_eq(memcmp(result.bytes + 1, rows[i].result, result.size - 1), 0, "row %zu", i);
        octo_kv_check(&host.context);
    }
    host_free(&host);
}

Test(kv, encode_refuses_what_decode_would)
{
    static uint8_t big[OCTO_KV_VALUE_MAX + 1];
    static uint8_t out_bytes[OCTO_KV_HEADER_BYTES + OCTO_KV_KEY_MAX + 2 * OCTO_KV_VALUE_MAX];
    static const struct {
        enum octo_kv_op op;
        uint32_t key;
        uint32_t value;
        uint32_t expected;
        enum octo_err err;
    } rows[] = {
        {OCTO_KV_SET, OCTO_KV_KEY_MAX, OCTO_KV_VALUE_MAX, 0, OCTO_ERR_OK},
        {OCTO_KV_CAS, OCTO_KV_KEY_MAX, OCTO_KV_VALUE_MAX, OCTO_KV_VALUE_MAX, OCTO_ERR_OK},
        {OCTO_KV_SET, OCTO_KV_KEY_MAX + 1, 0, 0, OCTO_ERR_RANGE},
        {OCTO_KV_SET, 1, OCTO_KV_VALUE_MAX + 1, 0, OCTO_ERR_RANGE},
        {OCTO_KV_CAS, 1, 1, OCTO_KV_VALUE_MAX + 1, OCTO_ERR_RANGE},
        {OCTO_KV_SET, 1, 1, 1, OCTO_ERR_RANGE},
        {OCTO_KV_APPEND, 1, 1, 1, OCTO_ERR_RANGE},
        {OCTO_KV_GET, 1, 1, 0, OCTO_ERR_RANGE},
        {OCTO_KV_DEL, 1, 0, 1, OCTO_ERR_RANGE},
        {(enum octo_kv_op)0, 1, 0, 0, OCTO_ERR_RANGE},
        {(enum octo_kv_op)6, 1, 0, 0, OCTO_ERR_RANGE},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct octo_buffer out = {.bytes = out_bytes, .capacity = sizeof out_bytes, .size = 7};
        const struct octo_kv_command command = {rows[i].op,    big, rows[i].key,     big,
                                                rows[i].value, big, rows[i].expected};
        cr_assert_eq(octo_kv_encode(&command, &out), rows[i].err, "row %zu", i);
        cr_assert_eq(out.size > 0, rows[i].err == OCTO_ERR_OK);
        if (rows[i].err != OCTO_ERR_OK)
            continue;
        struct octo_kv_command back;
        cr_assert_eq(octo_kv_decode(out_bytes, out.size, &back), OCTO_ERR_OK);
        cr_assert_eq(back.op, command.op);
        cr_assert_eq(back.key_size, command.key_size);
        cr_assert_eq(back.value_size, command.value_size);
        cr_assert_eq(back.expected_size, command.expected_size);
        cr_assert_eq(octo_kv_decode(out_bytes, out.size - 1, &back), OCTO_ERR_MALFORMED);
        out.capacity = out.size - 1;
        cr_assert_eq(octo_kv_encode(&command, &out), OCTO_ERR_FULL);
        cr_assert_eq(out.size, 0);
    }
}

/* Whatever the bytes are: a result that says so, and the state as before. */
Test(kv, nonsense_is_a_result)
{
    struct host host = host_new(16384, 0);
    struct octo_kv_command set = text_command(OCTO_KV_SET, "key", "value", "");
    uint32_t malformed = 0;

    apply(&host, &set);
    const uint64_t before = digest_of(&host);
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        uint64_t state = seed;
        uint8_t result_bytes[64];
        struct octo_buffer result = {.bytes = result_bytes, .capacity = sizeof result_bytes};
        const uint32_t size = draw_below(&state, 40);
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        draw_bytes(&state, bytes, size);
        if (size >= OCTO_KV_HEADER_BYTES && draw_below(&state, 2) == 0) {
            memset(bytes, 0, OCTO_KV_HEADER_BYTES);
            bytes[0] = (uint8_t)draw_below(&state, 7);
            bytes[1] = (uint8_t)draw_below(&state, 20);
        }
        struct octo_kv_command command;
        const bool valid = octo_kv_decode(bytes, size, &command) == OCTO_ERR_OK;
        if (!valid) {
            octo_machine_kv.apply(&host.context, bytes, size, &result);
            cr_assert_eq(result.size, 1);
            cr_assert_eq(result_bytes[0], OCTO_KV_MALFORMED, "seed %llu", (ull)seed);
            cr_assert_eq(digest_of(&host), before);
            malformed++;
        }
        free(bytes);
    }
    cr_assert_gt(malformed, 10000);
    host_free(&host);
}

Test(kv, query_reads_and_only_reads)
{
    struct host host = host_new(16384, 0);
    uint8_t bytes[64];
    uint8_t result_bytes[6];
    const struct octo_kv_command set = text_command(OCTO_KV_SET, "key", "value", "");
    const struct octo_kv_command get = text_command(OCTO_KV_GET, "key", "", "");
    struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
    struct octo_buffer result = {.bytes = result_bytes, .capacity = 6};

    cr_assert_eq(octo_kv_encode(&set, &out), OCTO_ERR_OK);
    octo_machine_kv.query(&host.context, bytes, out.size, &result);
    cr_assert_eq(result_bytes[0], OCTO_KV_MALFORMED);
    apply(&host, &set);
    cr_assert_eq(octo_kv_encode(&get, &out), OCTO_ERR_OK);
    octo_machine_kv.query(&host.context, bytes, out.size, &result);
    cr_assert_eq(result.size, 6);
    cr_assert_eq(memcmp(result_bytes, "\001value", 6), 0);
    result.capacity = 5;
    octo_machine_kv.query(&host.context, bytes, out.size, &result);
    cr_assert_eq(result.size, 1);
    cr_assert_eq(result_bytes[0], OCTO_KV_TOO_LARGE);
    result.capacity = 0;
    octo_machine_kv.query(&host.context, bytes, out.size, &result);
    cr_assert_eq(result.size, 0);
    octo_machine_kv.apply(&host.context, bytes, out.size, &result);
    cr_assert_eq(result.size, 0);
    host_free(&host);
}

/* ---- Against a naive model ------------------------------------------------------------------- */

/* A random command on key `number`; a CAS expects what is there, half of the time. */
static struct octo_kv_command draw_command(uint64_t *state, const struct model *model,
                                           uint32_t number, uint8_t *key, uint8_t *value)
{
    struct octo_kv_command command = {
        .op = (enum octo_kv_op)(1 + draw_below(state, 5)),
        .key = key,
        .key_size = key_of(number, key),
        .value = value,
    };
    if (command.op == OCTO_KV_GET || command.op == OCTO_KV_DEL)
        return command;
    command.value_size = draw_below(state, draw_below(state, 3) == 0 ? VALUE_MAX : 40);
    draw_bytes(state, value, command.value_size);
    if (command.op != OCTO_KV_CAS)
        return command;
    command.expected = draw_below(state, 2) == 0 ? model->keys[number].value : value;
    command.expected_size =
        command.expected == value ? command.value_size : model->keys[number].size;
    return command;
}

static void state_check(struct host *host, const struct model *model, uint64_t seed)
{
    octo_kv_check(&host->context);
    for (uint32_t number = 0; number < KEYS; number++) {
        uint8_t key[OCTO_KV_KEY_MAX];
        const struct octo_kv_command get = {
            .op = OCTO_KV_GET, .key = key, .key_size = key_of(number, key)};
        const struct octo_buffer result = apply(host, &get);
        const bool there = result.bytes[0] == OCTO_KV_OK;
        cr_assert_eq(there, model->keys[number].there, "seed %llu", (ull)seed);
        if (!there)
            continue;
        cr_assert_eq(result.size, 1 + model->keys[number].size, "seed %llu", (ull)seed);
        cr_assert_eq(memcmp(result.bytes + 1, model->keys[number].value, result.size - 1), 0);
    }
}

/* Sets the keys there are in a machine of its own, in another order, by another way. */
static struct host host_again(const struct model *model, uint32_t memory)
{
    struct host host = host_new(memory, 0x77);
    for (uint32_t i = 0; i < KEYS; i++) {
        const uint32_t number = (i * 7 + 3) % KEYS;
        uint8_t key[OCTO_KV_KEY_MAX];
        struct octo_kv_command command = {.op = OCTO_KV_SET,
                                          .key = key,
                                          .key_size = key_of(number, key),
                                          .value = model->keys[number].value,
                                          .value_size = model->keys[number].size / 2};
        if (!model->keys[number].there)
            continue;
        cr_assert_eq(apply(&host, &command).bytes[0], OCTO_KV_OK);
        command.op = OCTO_KV_APPEND;
        command.value += command.value_size;
        command.value_size = model->keys[number].size - command.value_size;
        cr_assert_eq(apply(&host, &command).bytes[0], OCTO_KV_OK);
    }
    octo_kv_check(&host.context);
    return host;
}

/* Digest and snapshot depend on the logical state alone, and a snapshot gives it back. */
static void snapshot_check(const struct host *host, const struct model *model, uint32_t memory,
                           uint64_t *state)
{
    uint32_t size;
    uint32_t other_size;
    uint8_t *bytes = snapshot_of(host, 1 + draw_below(state, 900), &size);
    struct host again = host_again(model, memory);
    uint8_t *other = snapshot_of(&again, 1 << 16, &other_size);
    struct host restored = host_new(memory, 0x33);

    cr_assert_eq(size, other_size);
    cr_assert_eq(memcmp(bytes, other, size), 0);
    cr_assert_eq(digest_of(host), digest_of(&again));
    cr_assert_eq(restore_in(&restored, bytes, size, 1 + draw_below(state, 900)), OCTO_ERR_OK);
    octo_kv_check(&restored.context);
    cr_assert_eq(digest_of(host), digest_of(&restored));
    free(other);
    other = snapshot_of(&restored, 100, &other_size);
    cr_assert_eq(size, other_size);
    cr_assert_eq(memcmp(bytes, other, size), 0);
    free(other);
    free(bytes);
    host_free(&again);
    host_free(&restored);
}

Test(kv, equals_a_naive_model)
{
    static struct model model;
    uint32_t statuses[OCTO_KV_MALFORMED + 1] = {0};

    for (uint64_t seed = 1; seed <= 24; seed++) {
        const uint32_t memory = seed % 3 == 0 ? 2048 : seed % 3 == 1 ? 8192 : 65536;
        struct host host = host_new(memory, 0xa5);
        const struct octo_allocator *allocator = host.context.allocator;
        uint64_t state = seed;

        memset(&model, 0, sizeof model);
        model.cells_max = (allocator->size - allocator->used) / KV_CELL_BYTES;
        for (uint32_t step = 0; step < 3000; step++) {
            uint8_t key[OCTO_KV_KEY_MAX];
            uint8_t value[VALUE_MAX];
            const uint32_t number = draw_below(&state, KEYS);
            const struct octo_kv_command command = draw_command(&state, &model, number, key, value);
            const uint64_t before = digest_of(&host);
            const struct octo_buffer result = apply(&host, &command);
            const enum octo_kv_status status = model_apply(&model, number, &command);
            cr_assert_eq(result.bytes[0], status,
                         "seed %llu step %u: op %d key %u value %u: %u, not %d", (ull)seed, step,
                         (int)command.op, number, command.value_size, result.bytes[0], (int)status);
            if (status != OCTO_KV_OK || command.op == OCTO_KV_GET)
                cr_assert_eq(digest_of(&host), before, "seed %llu step %u", (ull)seed, step);
            statuses[status]++;
            if (step % 500 == 499) {
                state_check(&host, &model, seed);
                snapshot_check(&host, &model, memory, &state);
            }
        }
        host_free(&host);
    }
    for (uint32_t status = OCTO_KV_OK; status <= OCTO_KV_TOO_LARGE; status++)
        cr_assert_gt(statuses[status], 500, "status %u was hardly seen", status);
}

/* The trap that machine.h describes: refusals must not depend on how memory was used before. */
Test(kv, what_fits_does_not_depend_on_history)
{
    enum { MEMORY = 8192 };
    static uint8_t value[8000];
    struct host worn = host_new(MEMORY, 0);
    struct octo_kv_command command = {
        .op = OCTO_KV_SET, .key = (const uint8_t *)"key", .key_size = 3, .value = value};
    uint64_t state = 5;

    for (uint32_t step = 0; step < 5000; step++) {
        uint8_t key[OCTO_KV_KEY_MAX];
        const struct octo_kv_command wear = {
            .op = draw_below(&state, 2) == 0 ? OCTO_KV_SET : OCTO_KV_DEL,
            .key = key,
            .key_size = key_of(1 + draw_below(&state, KEYS - 1), key)};
        apply(&worn, &wear);
    }
    for (uint32_t number = 1; number < KEYS; number++) {
        uint8_t key[OCTO_KV_KEY_MAX];
        const struct octo_kv_command del = {
            .op = OCTO_KV_DEL, .key = key, .key_size = key_of(number, key)};
        apply(&worn, &del);
    }
    for (uint32_t size = 6000; size <= sizeof value; size += 20) {
        struct host fresh = host_new(MEMORY, 0);
        command.value_size = size;
        const uint8_t expected = apply(&fresh, &command).bytes[0];
        cr_assert_eq(apply(&worn, &command).bytes[0], expected, "size %u", size);
        host_free(&fresh);
    }
    command.value_size = 6000;
    cr_assert_eq(apply(&worn, &command).bytes[0], OCTO_KV_OK);
    command.value_size = sizeof value;
    cr_assert_eq(apply(&worn, &command).bytes[0], OCTO_KV_TOO_LARGE);
    host_free(&worn);
}

Test(kv, a_value_may_be_as_long_as_the_limit)
{
    static uint8_t value[OCTO_KV_VALUE_MAX];
    struct host host = host_new(256 * 1024, 0);
    struct octo_kv_command command = text_command(OCTO_KV_SET, "k", "", "");
    uint64_t state = 9;

    draw_bytes(&state, value, sizeof value);
    command.value = value;
    command.value_size = sizeof value;
    cr_assert_eq(apply(&host, &command).bytes[0], OCTO_KV_OK);
    const uint64_t digest = digest_of(&host);
    command.op = OCTO_KV_APPEND;
    command.value_size = 1;
    cr_assert_eq(apply(&host, &command).bytes[0], OCTO_KV_TOO_LARGE);
    cr_assert_eq(digest_of(&host), digest);
    const struct octo_kv_command get = text_command(OCTO_KV_GET, "k", "", "");
    const struct octo_buffer result = apply(&host, &get);
    cr_assert_eq(result.size, 1 + sizeof value);
    cr_assert_eq(memcmp(result.bytes + 1, value, sizeof value), 0);
    host_free(&host);
}

/* ---- Snapshots and digests --------------------------------------------------------------- */

static struct host host_of_three(void)
{
    struct host host = host_new(8192, 0);
    static const char *const keys[] = {"b", "a", "ab"};
    for (size_t i = 0; i < 3; i++) {
        const struct octo_kv_command set = text_command(OCTO_KV_SET, keys[i], "value", "");
        apply(&host, &set);
    }
    return host;
}

Test(kv, snapshot_is_in_key_order)
{
    static const char expected[] = "\001\000\005\000\000\000avalue"
                                   "\002\000\005\000\000\000abvalue"
                                   "\001\000\005\000\000\000bvalue";
    struct host host = host_of_three();
    uint32_t size;
    uint8_t *bytes = snapshot_of(&host, 7, &size);
    cr_assert_eq(size, 24 + sizeof expected - 1);
    cr_assert_eq(memcmp(bytes, "OCKV\001\000\000\000\003\000\000\000", 12), 0);
    cr_assert_eq(octo_get_u64(bytes + 16), digest_of(&host));
    cr_assert_eq(memcmp(bytes + 24, expected, sizeof expected - 1), 0);
    free(bytes);
    host_free(&host);
}

Test(kv, empty_things_come_back)
{
    struct host host = host_new(4096, 0);
    struct octo_kv_command set = text_command(OCTO_KV_SET, "", "", "");
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t piece = 1; piece < 40; piece++) {
            struct host restored = host_new(4096, 0);
            uint32_t size;
            uint8_t *bytes = snapshot_of(&host, piece, &size);
            cr_assert_eq(restore_in(&restored, bytes, size, piece), OCTO_ERR_OK);
            cr_assert_eq(digest_of(&restored), digest_of(&host));
            octo_kv_check(&restored.context);
            free(bytes);
            host_free(&restored);
        }
        apply(&host, &set);
    }
    host_free(&host);
}

/* No damage passes: not a flipped bit, not a missing or an additional byte, in whatever pieces. */
Test(kv, damaged_snapshots_are_refused)
{
    struct host host = host_of_three();
    uint32_t size;
    uint8_t *bytes = snapshot_of(&host, 1000, &size);

    for (uint32_t piece = 1; piece <= 1000; piece = piece * 3 + 1) {
        for (uint32_t bit = 0; bit < 8 * size; bit++) {
            struct host target = host_new(8192, 0);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            const enum octo_err err = restore_in(&target, bytes, size, piece);
            cr_assert(err == OCTO_ERR_MALFORMED || err == OCTO_ERR_FULL, "bit %u", bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_eq(octo_machine_kv.restore(&target.context, bytes, size, true),
                         OCTO_ERR_MALFORMED, "a failed restore stays failed");
            host_free(&target);
        }
        for (uint32_t cut = 0; cut <= size + 1; cut++) {
            struct host target = host_new(8192, 0);
            bytes[size] = 0;
            const enum octo_err err = restore_in(&target, bytes, cut, piece);
            cr_assert_eq(err == OCTO_ERR_OK, cut == size, "cut at %u", cut);
            host_free(&target);
        }
    }
    struct host small = host_new(512, 0);
    struct octo_kv_command set = text_command(OCTO_KV_SET, "c", "value", "");
    for (uint8_t i = 0; i < 10; i++) {
        const uint8_t key = i;
        set.key = &key;
        apply(&host, &set);
    }
    free(bytes);
    bytes = snapshot_of(&host, 1000, &size);
    cr_assert_eq(restore_in(&small, bytes, size, 10), OCTO_ERR_FULL);
    free(bytes);
    host_free(&small);
    host_free(&host);
}

/* Sound entries in an order that no snapshot has; their digests add up all the same. */
Test(kv, entries_out_of_order_or_twice_are_refused)
{
    struct host host = host_of_three();
    uint32_t size;
    uint8_t *bytes = snapshot_of(&host, 1000, &size);
    uint8_t *const first = bytes + 24;
    uint8_t *const last = bytes + size - 12;
    uint8_t swap[12];

    for (uint32_t twice = 0; twice < 2; twice++) {
        struct host target = host_new(8192, 0);
        memcpy(swap, first, sizeof swap);
        memcpy(first, last, sizeof swap);
        if (twice == 0)
            memcpy(last, swap, sizeof swap);
        cr_assert_eq(restore_in(&target, bytes, size, 1000), OCTO_ERR_MALFORMED);
        host_free(&target);
    }
    free(bytes);
    host_free(&host);
}

Test(kv, digest_sees_where_bytes_stand)
{
    enum { MEMORY = 4096, SIZE = 29 + 60 + 60 };
    uint8_t values[3][SIZE];
    uint64_t digests[3];

    for (uint32_t i = 0; i < SIZE; i++) {
        values[0][i] = i < 29 ? 'a' : i < 29 + 60 ? 'b' : 'c';
        values[1][i] = i < 29 ? 'a' : i < 29 + 60 ? 'c' : 'b'; /* two cells exchanged */
        values[2][i] = i < 28 ? 'a' : i < 28 + 60 ? 'b' : 'c';
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct host host = host_new(MEMORY, 0);
        struct octo_kv_command set = text_command(OCTO_KV_SET, "k", "", "");
        set.value = values[i];
        set.value_size = SIZE;
        apply(&host, &set);
        digests[i] = digest_of(&host);
        for (uint32_t j = 0; j < i; j++)
            cr_assert_neq(digests[i], digests[j], "%u and %u", i, j);
        host_free(&host);
    }
}

Test(kv, init_needs_memory)
{
    void *region = aligned_alloc(64, 192);
    struct octo_machine_context context = {.allocator = octo_allocator_init(region, 192)};
    cr_assert_eq(octo_machine_kv.init(&context), OCTO_ERR_FULL);
    free(region);
}

/* ---- Samples --------------------------------------------------------------------------------- */

static const struct octo_workload usual;

Test(kv, samples_are_a_useful_mixture)
{
    uint32_t ops[OCTO_KV_APPEND + 1] = {0};
    uint32_t cas_done = 0;
    uint32_t empty = 0;
    uint32_t large = 0;
    uint64_t bytes_total = 0;
    struct host host = host_new(256 * 1024, 0);
    const uint32_t count = 20000;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[2048];
        uint8_t twin_bytes[2048];
        struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
        struct octo_buffer twin = {.bytes = twin_bytes, .capacity = sizeof twin_bytes};
        struct octo_kv_command command;
        octo_machine_kv.sample(&usual, octo_mix(2 * i + 1), octo_mix(2 * i + 2), &out);
        octo_machine_kv.sample(&usual, octo_mix(2 * i + 1), octo_mix(2 * i + 2), &twin);
        cr_assert_eq(out.size, twin.size);
        cr_assert_eq(memcmp(bytes, twin_bytes, out.size), 0);
        cr_assert_eq(octo_kv_decode(bytes, out.size, &command), OCTO_ERR_OK);
        ops[command.op]++;
        bytes_total += out.size;
        cr_assert_leq(command.value_size, 1024);
        empty += command.op == OCTO_KV_SET && command.value_size == 0;
        large += command.value_size > 64;
        const struct octo_buffer result = apply(&host, &command);
        cr_assert_leq(result.size, 4096 + 16, "a GET fits the simulator's results");
        cr_assert_neq(result.bytes[0], OCTO_KV_TOO_LARGE);
        cas_done += command.op == OCTO_KV_CAS && result.bytes[0] == OCTO_KV_OK;
    }
    for (uint32_t op = OCTO_KV_SET; op <= OCTO_KV_APPEND; op++)
        cr_assert_gt(ops[op], count / 20, "op %u", op);
    cr_assert_gt(cas_done, ops[OCTO_KV_CAS] / 50, "%u of %u", cas_done, ops[OCTO_KV_CAS]);
    cr_assert_gt(empty, count / 200);
    cr_assert_gt(large, count / 500);
    cr_assert_lt(bytes_total / count, 80, "octo_config_small reserves 96 bytes a command");
    octo_kv_check(&host.context);
    host_free(&host);
}

Test(kv, samples_follow_the_workload)
{
    const struct octo_workload workload = {
        .mixed = true, .reads_ppm = 900000, .keys = 2, .value_bytes = 300};
    uint32_t reads = 0;
    uint32_t longest = 0;

    for (uint64_t word = 0; word < 5000; word++) {
        uint8_t bytes[2048];
        struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
        struct octo_kv_command command;
        octo_machine_kv.sample(&workload, octo_mix(word), octo_mix(~word), &out);
        cr_assert_eq(octo_kv_decode(out.bytes, out.size, &command), OCTO_ERR_OK);
        reads += command.op == OCTO_KV_GET;
        cr_assert(command.key[3] == '0' || command.key[3] == '1');
        if (command.value_size > longest)
            longest = command.value_size;
    }
    cr_assert_gt(reads, 4400);
    cr_assert_lt(reads, 4600);
    cr_assert_gt(longest, 200);
    cr_assert_leq(longest, 300);
}

Test(kv, samples_respect_the_buffer)
{
    for (uint32_t capacity = 0; capacity < 100; capacity++) {
        for (uint64_t word = 0; word < 200; word++) {
            uint8_t bytes[100];
            struct octo_buffer out = {.bytes = bytes, .capacity = capacity};
            memset(bytes, 0xee, sizeof bytes);
            octo_machine_kv.sample(&usual, octo_mix(word), octo_mix(word + 1), &out);
            cr_assert_leq(out.size, capacity);
            cr_assert(out.size > 0 || capacity < 32);
            cr_assert_eq(bytes[99], 0xee);
        }
    }
}
