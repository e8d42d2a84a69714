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

/* What was put into the log, in the simplest form: entries base + 1 .. last by their index. */
struct model_entry {
    struct octo_entry entry;
    octo_sequence sequence;
    uint8_t command[300];
};

#define MODEL_MAX 16384u

struct model {
    struct octo_position base;
    octo_index last;
    struct model_entry items[MODEL_MAX];
};

static void check_entry(const struct octo_log *log, const struct model_entry *expected)
{
    const octo_index index = expected->entry.index;
    struct octo_entry entry;

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

static void check(const struct octo_log *log, const struct model *model)
{
    struct octo_entry entry;

    cr_assert(log->last == model->last);
    cr_assert(log->base.index == model->base.index && log->base.term == model->base.term &&
              log->base.chain == model->base.chain);
    cr_assert(octo_log_has(log, model->base.index) && octo_log_has(log, model->last));
    cr_assert(!octo_log_has(log, model->last + 1));
    cr_assert(model->base.index == 0 || !octo_log_has(log, model->base.index - 1));
    cr_assert(octo_log_sequence(log, model->base.index) == 0);
    cr_assert(octo_log_chain(log, model->base.index) == model->base.chain);
    cr_assert(!octo_log_entry(log, model->base.index, &entry));
    cr_assert(!octo_log_entry(log, model->last + 1, &entry));
    for (octo_index index = model->base.index + 1; index <= model->last; index++)
        check_entry(log, &model->items[index % MODEL_MAX]);
}

static struct model_entry entry_make(uint64_t word, octo_sequence sequence, octo_index index)
{
    struct model_entry made = {.sequence = word % 5 == 0 ? 0 : sequence};

    for (uint32_t i = 0; i < sizeof made.command; i++)
        made.command[i] = (uint8_t)(octo_mix(word + i / 8) >> i % 8 * 8);
    made.entry = (struct octo_entry){
        .index = index,
        .term = sequence / 100,
        .kind = word % 3 == 0 ? OCTO_ENTRY_NOOP : OCTO_ENTRY_COMMAND,
        .client = word >> 60,
        .sequence = word >> 32,
        .size = word % 3 == 0 ? 0 : (uint32_t)(word >> 40) % 300,
    };
    return made;
}

/* Cuts at either end, resets, or changes a sequence; what is left stays as it is. */
static void change(struct octo_log *log, struct model *model, uint64_t word)
{
    const uint64_t length = model->last - model->base.index;
    const octo_index place = model->base.index + (word >> 8) % (length + 1);

    if (word % 8 == 0) {
        octo_log_truncate(log, place + 1);
        model->last = place;
    } else if (word % 16 == 1) {
        model->base = octo_log_position(log, place);
        octo_log_compact(log, place);
    } else if (word % 512 == 2) {
        model->base = (struct octo_position){place + word % 50, word % 9, octo_mix(word)};
        model->last = model->base.index;
        octo_log_reset(log, &model->base);
    } else if (word % 16 == 3 && place > model->base.index) {
        octo_log_sequence_set(log, place, word);
        model->items[place % MODEL_MAX].sequence = word;
    }
}

Test(log, against_a_model)
{
    static struct model model;
    struct octo_log log;
    void *block = log_make(&log, ENTRIES, BYTES);
    uint64_t random = 42;
    uint32_t full = 0;

    check(&log, &model);
    for (octo_sequence sequence = 1; sequence < 100000; sequence++) {
        const uint64_t word = octo_mix(random += 0x9e3779b97f4a7c15ull);
        change(&log, &model, octo_mix(word));
        struct model_entry next = entry_make(word, sequence, model.last + 1);
        next.entry.command = next.command;
        next.entry.chain = chain_of(octo_log_chain(&log, model.last), &next.entry);
        const bool fits = octo_log_fits(&log, &next.entry);
        const enum octo_err err = octo_log_append(&log, &next.entry, next.sequence);
        cr_assert((err == OCTO_ERR_OK) == fits);
        cr_assert(fits || err == OCTO_ERR_FULL);
        if (fits)
            model.items[++model.last % MODEL_MAX] = next;
        else
            full++;
        if (sequence % 20 == 0)
            check(&log, &model);
    }
    check(&log, &model);
    cr_assert(full > 0 && model.last > ENTRIES);
    free(block);
}

/* Whether an entry fits after a truncation is known before it, and fits means fits. */
Test(log, fits_after_truncation)
{
    static const uint8_t command[BYTES];
    uint64_t random = 7;
    uint32_t refused = 0;

    for (uint32_t round = 0; round < 3000; round++) {
        struct octo_log log;
        void *block = log_make(&log, 12, 1000);
        for (uint32_t i = 0; i < 40; i++) {
            const uint64_t word = octo_mix(random += 0x9e3779b97f4a7c15ull);
            const uint64_t length = log.last - log.base.index;
            const struct octo_entry entry = {
                .index = log.last + 1 - (word % 4 == 0 ? (word >> 8) % (length + 1) : 0),
                .term = 1,
                .kind = OCTO_ENTRY_COMMAND,
                .command = command,
                .size = (uint32_t)(word >> 20) % (word % 16 == 1 ? 1100 : 300),
            };
            if (word % 7 == 0)
                octo_log_compact(&log, log.base.index + (word >> 40) % (length + 1));
            if (entry.index <= log.base.index)
                continue;
            if (!octo_log_fits(&log, &entry)) {
                refused++;
                cr_assert(entry.size > 1000 || log.last > log.base.index);
                continue;
            }
            octo_log_truncate(&log, entry.index);
            cr_assert(octo_log_append(&log, &entry, i) == OCTO_ERR_OK);
        }
        free(block);
    }
    cr_assert(refused > 100);
}

/* What fits into a log whose ring has turned fits into a new one: a boot never lacks the room. */
Test(log, what_was_there_fits_again)
{
    static const uint8_t command[BYTES];
    uint64_t random = 11;

    for (uint32_t round = 0; round < 2000; round++) {
        struct octo_log log, again;
        const struct octo_position odd = {5, 1, 2};
        void *block = log_make(&log, 12, 1000);
        void *block_again = log_make(&again, 12, 1000);
        for (uint32_t i = 0; i < 50; i++) {
            const uint64_t word = octo_mix(random += 0x9e3779b97f4a7c15ull);
            const struct octo_entry entry = {.index = log.last + 1,
                                             .term = 1,
                                             .kind = OCTO_ENTRY_COMMAND,
                                             .command = command,
                                             .size = (uint32_t)word % 400};
            while (octo_log_append(&log, &entry, i) != OCTO_ERR_OK)
                octo_log_compact(&log, log.base.index + 1);
        }
        octo_log_reset(&again, &odd);
        const struct octo_entry first = {
            .index = 6, .term = 1, .kind = OCTO_ENTRY_COMMAND, .command = command, .size = 777};
        cr_assert(octo_log_append(&again, &first, 1) == OCTO_ERR_OK);
        octo_log_reset(&again, &log.base);
        for (octo_index index = log.base.index + 1; index <= log.last; index++) {
            struct octo_entry entry;
            cr_assert(octo_log_entry(&log, index, &entry));
            cr_assert(octo_log_append(&again, &entry, index) == OCTO_ERR_OK, "round %u", round);
            cr_assert(octo_log_chain(&again, index) == entry.chain);
        }
        free(block);
        free(block_again);
    }
}

/* Both capacities are used up to the last item, refused beyond it, and come back at either end. */
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
        octo_index base = 0;
        for (uint32_t round = 0; round < 4; round++) {
            for (octo_index index = 1; index <= rows[i].fit + 1; index++) {
                const struct octo_entry entry = {.index = base + index,
                                                 .term = 1,
                                                 .kind = OCTO_ENTRY_COMMAND,
                                                 .client = 1,
                                                 .command = command,
                                                 .size = rows[i].size};
                const enum octo_err err = octo_log_append(&log, &entry, 100 * round + index);
                cr_assert((err == OCTO_ERR_OK) == (index <= rows[i].fit), "row %zu", i);
                cr_assert(log.last == base + (index <= rows[i].fit ? index : rows[i].fit));
            }
            if (round % 2 == 0) {
                octo_log_truncate(&log, base + 1);
            } else {
                base = log.last;
                octo_log_compact(&log, base);
                octo_log_reset(&log, &log.base);
            }
            cr_assert(log.last == base && log.base.index == base);
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
