/* The log in memory, against a plain copy of what was put into it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "kernel/wal/log.h"

#define ENTRIES 64u
#define BYTES   4096u

static void *log_make(struct octo_log *log, uint32_t entries, uint32_t bytes)
{
    struct octo_config config;
    struct octo_arena arena;

    octo_config_small(&config, 1, 1, 3, 10);
    config.log_entries_max = entries;
    config.log_bytes_max = bytes;
    const size_t size = octo_log_bytes(&config);
    void *block = aligned_alloc(64, size);
    memset(block, 0xaa, size);
    octo_arena_init(&arena, block, size);
    octo_log_init(log, &config, &arena);
    cr_assert(arena.used == size);
    return block;
}

/* The chain, written down from docs/formats.md. */
static uint64_t chain_of(uint64_t previous, const struct octo_entry *entry)
{
    uint8_t bytes[32 + BYTES];

    octo_put_u64(bytes, entry->term);
    octo_put_u64(bytes + 8, (uint64_t)entry->kind);
    octo_put_u64(bytes + 16, entry->client);
    octo_put_u64(bytes + 24, entry->sequence);
    memcpy(bytes + 32, entry->command, entry->size);
    return octo_hash(bytes, 32 + entry->size, previous);
}

struct model_entry {
    struct octo_entry entry;
    octo_sequence sequence;
    uint8_t command[300];
};

static void check(const struct octo_log *log, const struct model_entry *model, octo_index last)
{
    struct octo_entry entry;

    cr_assert(log->last == last);
    cr_assert(!octo_log_entry(log, 0, &entry));
    cr_assert(!octo_log_entry(log, last + 1, &entry));
    for (octo_index index = 1; index <= last; index++) {
        const struct model_entry *expected = &model[index];
        cr_assert(octo_log_entry(log, index, &entry));
        cr_assert(entry.index == index && entry.term == expected->entry.term);
        cr_assert(entry.kind == expected->entry.kind && entry.client == expected->entry.client);
        cr_assert(entry.sequence == expected->entry.sequence);
        cr_assert(entry.size == expected->entry.size);
        cr_assert(memcmp(entry.command, expected->command, entry.size) == 0);
        cr_assert(entry.chain == expected->entry.chain);
        cr_assert(octo_log_term(log, index) == entry.term);
        cr_assert(octo_log_chain(log, index) == entry.chain);
        cr_assert(octo_log_sequence(log, index) == expected->sequence);
    }
}

Test(log, append_and_truncate)
{
    static struct model_entry model[ENTRIES + 2];
    struct octo_log log;
    void *block = log_make(&log, ENTRIES, BYTES);
    uint64_t random = 42;
    octo_index last = 0;
    uint32_t full = 0;

    check(&log, model, 0);
    cr_assert(octo_log_term(&log, 0) == 0 && octo_log_chain(&log, 0) == 0);
    for (octo_sequence sequence = 1; sequence < 20000; sequence++) {
        const uint64_t word = octo_mix(random += 0x9e3779b97f4a7c15ull);
        if (word % 8 == 0) {
            const octo_index from = 1 + (word >> 8) % (last + 1);
            octo_log_truncate(&log, from);
            last = from - 1;
        }
        struct model_entry next = {.sequence = sequence};
        memset(next.command, (int)(word >> 16 & 0xff), sizeof next.command);
        next.entry = (struct octo_entry){
            .index = last + 1,
            .term = sequence / 100,
            .kind = word % 3 == 0 ? OCTO_ENTRY_NOOP : OCTO_ENTRY_COMMAND,
            .client = word >> 60,
            .sequence = word >> 32,
            .command = next.command,
            .size = word % 3 == 0 ? 0 : (uint32_t)(word >> 40) % 300,
        };
        next.entry.chain = chain_of(octo_log_chain(&log, last), &next.entry);
        cr_assert(octo_entry_chain(octo_log_chain(&log, last), &next.entry) == next.entry.chain);
        if (octo_log_append(&log, &next.entry, sequence) == OCTO_ERR_OK)
            model[++last] = next;
        else
            full++;
        if (sequence % 50 == 0)
            check(&log, model, last);
    }
    check(&log, model, last);
    cr_assert(full > 0);
    free(block);
}

/* Both capacities are used up to the last item, refused beyond it, and come back by truncation. */
Test(log, capacity)
{
    static const struct {
        uint32_t entries, bytes, size, fit;
    } rows[] = {{10, 1000, 50, 10}, {10, 100, 10, 10}, {10, 99, 10, 9},
                {1, 64, 64, 1},     {10, 64, 65, 0},   {10, 64, 0, 10}};
    static const uint8_t command[100];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct octo_log log;
        void *block = log_make(&log, rows[i].entries, rows[i].bytes);
        for (uint32_t round = 0; round < 2; round++) {
            for (octo_index index = 1; index <= rows[i].fit + 1; index++) {
                const struct octo_entry entry = {.index = index,
                                                 .term = 1,
                                                 .kind = OCTO_ENTRY_COMMAND,
                                                 .client = 1,
                                                 .command = command,
                                                 .size = rows[i].size};
                const enum octo_err err = octo_log_append(&log, &entry, 100 * round + index);
                cr_assert((err == OCTO_ERR_OK) == (index <= rows[i].fit), "row %zu", i);
                cr_assert(log.last == (index <= rows[i].fit ? index : rows[i].fit), "row %zu", i);
            }
            octo_log_truncate(&log, 1);
            cr_assert(log.last == 0 && log.bytes_used == 0);
        }
        free(block);
    }
}

/* Every part of an entry, and of its past, is in its chain. */
Test(log, chain_covers_everything)
{
    static const uint8_t one[] = {1, 2, 3}, two[] = {1, 2, 4};
    const struct octo_entry base = {.index = 5,
                                    .term = 2,
                                    .kind = OCTO_ENTRY_COMMAND,
                                    .client = 3,
                                    .sequence = 4,
                                    .command = one,
                                    .size = 3};
    struct octo_entry others[6];

    for (uint32_t i = 0; i < 6; i++)
        others[i] = base;
    others[0].term++;
    others[1].kind = OCTO_ENTRY_NOOP;
    others[2].client++;
    others[3].sequence++;
    others[4].command = two;
    others[5].size = 2;
    for (uint32_t i = 0; i < 6; i++)
        cr_assert(octo_entry_chain(7, &others[i]) != octo_entry_chain(7, &base), "part %u", i);
    cr_assert(octo_entry_chain(8, &base) != octo_entry_chain(7, &base));
    cr_assert(octo_entry_chain(0, &base) == chain_of(0, &base)); /* seed 0 is a path of its own */
    cr_assert(octo_entry_chain(7, &base) == chain_of(7, &base));
}
