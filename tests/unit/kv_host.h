/* A key-value machine in memory of its own, for tests. */
#ifndef OCTO_TESTS_UNIT_KV_HOST_H
#define OCTO_TESTS_UNIT_KV_HOST_H

#include "draw.h"
#include "kernel/kv_store.h"

#include <criterion/criterion.h>
#include <stdlib.h>

typedef unsigned long long ull;

#define RESULT_CAPACITY (1 + OCTO_KV_VALUE_MAX)

struct host {
    void *region;
    struct octo_machine_context context;
};

static inline struct host host_new(uint32_t memory, int rubbish)
{
    struct host host = {.region = aligned_alloc(64, memory)};
    cr_assert_not_null(host.region);
    memset(host.region, rubbish, memory);
    host.context.allocator = octo_allocator_init(host.region, memory);
    cr_assert_eq(octo_machine_kv.init(&host.context), OCTO_ERR_OK);
    return host;
}

static inline void host_free(struct host *host)
{
    free(host->region);
}

static inline uint64_t digest_of(const struct host *host)
{
    return octo_machine_kv.digest(&host->context);
}

/* Applies a command; the result is valid until the next call. */
static inline struct octo_buffer apply(struct host *host, const struct octo_kv_command *command)
{
    static uint8_t bytes[OCTO_KV_HEADER_BYTES + OCTO_KV_KEY_MAX + 2 * OCTO_KV_VALUE_MAX];
    static uint8_t result_bytes[RESULT_CAPACITY];
    struct octo_buffer out = {.bytes = bytes, .capacity = sizeof bytes};
    struct octo_buffer result = {
        .bytes = result_bytes, .capacity = sizeof result_bytes, .size = 99};

    cr_assert_eq(octo_kv_encode(command, &out), OCTO_ERR_OK);
    octo_machine_kv.apply(&host->context, bytes, out.size, &result);
    cr_assert_geq(result.size, 1);
    return result;
}

static inline struct octo_kv_command text_command(enum octo_kv_op op, const char *key,
                                                  const char *value, const char *expected)
{
    return (struct octo_kv_command){
        .op = op,
        .key = (const uint8_t *)key,
        .key_size = (uint32_t)strlen(key),
        .value = (const uint8_t *)value,
        .value_size = (uint32_t)strlen(value),
        .expected = (const uint8_t *)expected,
        .expected_size = (uint32_t)strlen(expected),
    };
}

/* The whole snapshot, asked for in pieces of at most `piece` bytes. */
static inline uint8_t *snapshot_of(const struct host *host, uint32_t piece, uint32_t *size)
{
    uint8_t *bytes = malloc(1 << 20);
    uint64_t cursor = 0;
    bool done = false;

    *size = 0;
    while (!done) {
        struct octo_buffer out = {.bytes = bytes + *size, .capacity = piece};
        done = octo_machine_kv.snapshot(&host->context, &cursor, &out);
        cr_assert_leq(out.size, piece);
        cr_assert(done || out.size == piece, "a piece is as full as it can be");
        *size += out.size;
        cr_assert_eq(cursor, *size);
        cr_assert_leq(*size, 1u << 19);
    }
    return bytes;
}

static inline enum octo_err restore_in(struct host *host, const uint8_t *bytes, uint32_t size,
                                       uint32_t piece)
{
    uint32_t at = 0;
    do {
        const uint32_t run = (uint32_t)octo_min_u64(piece, size - at);
        const enum octo_err err =
            octo_machine_kv.restore(&host->context, bytes + at, run, at + run == size);
        if (err != OCTO_ERR_OK)
            return err;
        at += run;
    } while (at < size);
    return OCTO_ERR_OK;
}

#endif
