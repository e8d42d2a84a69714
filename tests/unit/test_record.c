/* One record of a log topic: what is written can be read, and nothing else can. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "kernel/wal/record.h"

#define SEED 0x1234567890abcdefull

static const uint8_t command[1200] = {1, 2, 3, 4, 5, [500] = 9, [1199] = 7};

/* type, sequence, index, term, chain, client, client's sequence, kind, command, size */
static const struct octo_record samples[] = {
    {OCTO_RECORD_MARKER, 17, 9, 3, 0xabcdef, 0, 0, 0, NULL, 0},
    {OCTO_RECORD_ENTRY, 1, 1, 1, 0, 0, 0, OCTO_ENTRY_NOOP, NULL, 0},
    {OCTO_RECORD_ENTRY, 2, 2, 1, 77, 5, 6, OCTO_ENTRY_COMMAND, command, 0},
    {OCTO_RECORD_ENTRY, 3, 3, 2, 78, 5, 7, OCTO_ENTRY_COMMAND, command, 1},
    {OCTO_RECORD_ENTRY, OCTO_FORMAT_NUMBER_MAX, 1, OCTO_FORMAT_NUMBER_MAX, 79, 1, 8,
     OCTO_ENTRY_COMMAND, command, 8},
    {OCTO_RECORD_ENTRY, 5, 4, 2, UINT64_MAX, 5, 9, OCTO_ENTRY_COMMAND, command, 1200},
    {OCTO_RECORD_MARKER, 0, 0, 0, 0, 7, 44, 0, NULL, 0}, /* with a floor */
    {OCTO_RECORD_BASE, 18, 900, 8, 0xfedcba, 0, 0, 0, NULL, 0},
    {OCTO_RECORD_CUT, 18, 900, 8, 0xfedcba, 0, 0, 0, NULL, 0},
};
#define SAMPLES (sizeof samples / sizeof samples[0])

static bool equal(const struct octo_record *a, const struct octo_record *b)
{
    return a->type == b->type && a->sequence == b->sequence && a->index == b->index &&
           a->term == b->term && a->chain == b->chain && a->kind == b->kind &&
           a->client == b->client && a->client_sequence == b->client_sequence &&
           a->size == b->size && (a->size == 0 || memcmp(a->command, b->command, a->size) == 0);
}

Test(record, round_trip)
{
    uint8_t bytes[2048];
    struct octo_record record;
    uint64_t needed;

    for (size_t i = 0; i < SAMPLES; i++) {
        memset(bytes, 0xee, sizeof bytes);
        const uint32_t length = octo_record_encode(bytes, &samples[i], SEED);
        cr_assert(length == octo_record_bytes(samples[i].size), "sample %zu", i);
        cr_assert(length % 8 == 0 && bytes[length] == 0xee, "sample %zu", i);
        for (uint32_t at = OCTO_RECORD_HEADER_BYTES + samples[i].size; at < length; at++)
            cr_assert(bytes[at] == 0, "sample %zu: padding", i);
        cr_assert(octo_record_parse(bytes, sizeof bytes, SEED, &record, &needed) == OCTO_ERR_OK);
        cr_assert(equal(&record, &samples[i]), "sample %zu", i);
        cr_assert(needed == OCTO_RECORD_HEADER_BYTES + samples[i].size, "sample %zu", i);
        octo_record_view(bytes, &record);
        cr_assert(equal(&record, &samples[i]), "sample %zu", i);
    }
}

/* The format of docs/formats.md, byte by byte: changing it is a new version. */
Test(record, bytes_are_as_documented)
{
    const struct octo_record record = {
        OCTO_RECORD_ENTRY,  0x0102,  0x0304, 0x0506, 0x0708, 0x090a, 0x0b0c,
        OCTO_ENTRY_COMMAND, command, 3};
    static const uint8_t head[] = {0x4f, 0x43, 0x54, 0x52, 2, 1, 2, 0};
    static const uint8_t rest[] = {0x02, 0x01, 0, 0, 0, 0, 0, 0, 0x04, 0x03, 0, 0, 0, 0, 0, 0,
                                   0x06, 0x05, 0, 0, 0, 0, 0, 0, 0x08, 0x07, 0, 0, 0, 0, 0, 0,
                                   0x0a, 0x09, 0, 0, 0, 0, 0, 0, 0x0c, 0x0b, 0, 0, 0, 0, 0, 0,
                                   3,    0,    0, 0, 0, 0, 0, 0, 1,    2,    3, 0, 0, 0, 0, 0};
    uint8_t bytes[80];

    cr_assert(octo_record_encode(bytes, &record, SEED) == sizeof bytes);
    cr_assert(memcmp(bytes, head, sizeof head) == 0);
    cr_assert(memcmp(bytes + 16, rest, sizeof rest) == 0);
    cr_assert(octo_get_u64(bytes + 8) == octo_hash(bytes + 16, 59, SEED ^ octo_get_u64(bytes)));

    const uint8_t types[] = {OCTO_RECORD_ENTRY, OCTO_RECORD_MARKER, OCTO_RECORD_BASE,
                             OCTO_RECORD_CUT};
    for (uint8_t i = 0; i < 4; i++) {
        const struct octo_record other = {.type = types[i],
                                          .kind = i == 0 ? OCTO_ENTRY_NOOP : 0,
                                          .client = 0x0d0e,
                                          .client_sequence = 0x0f10};
        cr_assert(octo_record_encode(bytes, &other, SEED) == 72);
        cr_assert(bytes[5] == i + 1 && bytes[6] == (i == 0 ? 1 : 0));
        cr_assert(octo_get_u64(bytes + 48) == 0x0d0e && octo_get_u64(bytes + 56) == 0x0f10);
    }
}

/* Any flipped bit, padding excepted, is found; so is any length cut off, without reading beyond. */
Test(record, damage_is_found)
{
    struct octo_record record;
    uint64_t needed;

    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[2048];
        octo_record_encode(bytes, &samples[i], SEED);
        const uint32_t length = OCTO_RECORD_HEADER_BYTES + samples[i].size;
        for (uint32_t bit = 0; bit < 8 * length; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert(octo_record_parse(bytes, length, SEED, &record, &needed) != OCTO_ERR_OK,
                      "sample %zu bit %u", i, bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (uint32_t cut = 0; cut < length; cut++) {
            uint8_t *exact = malloc(cut + 1);
            memcpy(exact + 1, bytes, cut);
            cr_assert(octo_record_parse(exact + 1, cut, SEED, &record, &needed) ==
                          OCTO_ERR_TRUNCATED,
                      "sample %zu cut %u", i, cut);
            cr_assert(needed > cut && needed <= length);
            free(exact);
        }
    }
}

/* A record whose first eight bytes come from another one: the sector boundary may lie there. */
Test(record, first_bytes_of_another)
{
    struct octo_record record;
    uint64_t needed;

    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t other = 0; other < SAMPLES; other++) {
            uint8_t bytes[2048], others[2048];
            octo_record_encode(bytes, &samples[i], SEED);
            octo_record_encode(others, &samples[other], SEED);
            const bool same = memcmp(bytes, others, 8) == 0;
            memcpy(bytes, others, 8);
            const enum octo_err err =
                octo_record_parse(bytes, sizeof bytes, SEED, &record, &needed);
            cr_assert((err == OCTO_ERR_OK) == same, "sample %zu as %zu", i, other);
        }
    }
}

Test(record, place_is_part_of_it)
{
    uint8_t bytes[2048];
    struct octo_record record;
    uint64_t needed;
    const uint64_t seed = octo_format_seed(1, 2, OCTO_FILE_MAIN, 512);
    const uint64_t others[] = {
        octo_format_seed(1, 2, OCTO_FILE_MAIN, 1024), octo_format_seed(1, 3, OCTO_FILE_MAIN, 512),
        octo_format_seed(9, 2, OCTO_FILE_MAIN, 512), octo_format_seed(1, 2, OCTO_FILE_VOTE, 512),
        octo_format_seed(1, 2, OCTO_FILE_MAIN, octo_segment_place(1, 512))};

    octo_record_encode(bytes, &samples[3], seed);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert(octo_record_parse(bytes, sizeof bytes, others[i], &record, &needed) ==
                  OCTO_ERR_CHECKSUM);
        octo_record_stamp(bytes, others[i]);
        cr_assert(octo_record_parse(bytes, sizeof bytes, others[i], &record, &needed) ==
                  OCTO_ERR_OK);
        cr_assert(equal(&record, &samples[3]));
        octo_record_stamp(bytes, seed);
    }
}

Test(record, refusals)
{
    static const struct {
        uint32_t at;
        uint8_t value;
        enum octo_err err;
    } rows[] = {
        {0, 0, OCTO_ERR_MALFORMED},    {4, 1, OCTO_ERR_VERSION},    {4, 3, OCTO_ERR_VERSION},
        {5, 5, OCTO_ERR_MALFORMED},    {5, 3, OCTO_ERR_MALFORMED},  {5, 4, OCTO_ERR_MALFORMED},
        {5, 0, OCTO_ERR_MALFORMED},    {5, 2, OCTO_ERR_MALFORMED},  {6, 1, OCTO_ERR_MALFORMED},
        {6, 3, OCTO_ERR_MALFORMED},    {7, 1, OCTO_ERR_MALFORMED},  {68, 1, OCTO_ERR_MALFORMED},
        {67, 255, OCTO_ERR_TRUNCATED}, {16, 99, OCTO_ERR_CHECKSUM},
    };
    struct octo_record record;
    uint64_t needed;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[2048] = {0};
        octo_record_encode(bytes, &samples[3], SEED); /* a command of one byte */
        bytes[rows[i].at] = rows[i].value;
        cr_assert(octo_record_parse(bytes, sizeof bytes, SEED, &record, &needed) == rows[i].err,
                  "row %zu", i);
    }
}

/* What is no entry has neither kind nor command, whatever its checksum says. */
Test(record, only_entries_have_commands)
{
    struct octo_record record;
    uint64_t needed;

    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[2048] = {0};
        if (samples[i].type == OCTO_RECORD_ENTRY)
            continue;
        octo_record_encode(bytes, &samples[i], SEED);
        bytes[64] = 8;
        octo_record_stamp(bytes, SEED);
        cr_assert(octo_record_parse(bytes, sizeof bytes, SEED, &record, &needed) ==
                  OCTO_ERR_MALFORMED);
        bytes[64] = 0;
        bytes[6] = OCTO_ENTRY_NOOP;
        octo_record_stamp(bytes, SEED);
        cr_assert(octo_record_parse(bytes, sizeof bytes, SEED, &record, &needed) ==
                  OCTO_ERR_MALFORMED);
    }
}
