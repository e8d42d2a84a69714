#include "draw.h"
#include "kernel/wire/wire.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define CLUSTER  0x0c70c1a5ull
#define CAPACITY 4096u

typedef unsigned long long ull;

/* ---- Random messages ------------------------------------------------------------------------- */

/* Mostly small numbers, sometimes any, sometimes the ends of the range. */
static uint64_t draw_between(uint64_t *state, uint64_t minimum, uint64_t maximum)
{
    const uint64_t span = maximum - minimum;
    switch (draw_below(state, 6)) {
    case 0:
        return minimum;
    case 1:
        return maximum;
    case 2:
        return span == UINT64_MAX ? draw(state) : minimum + draw(state) % (span + 1);
    }
    return minimum + octo_min_u64(span, draw_below(state, 100));
}

/* An index is 0 exactly when its term is. */
static void position_fix(uint64_t *index, uint64_t *term)
{
    if (*index == 0 || *term == 0) {
        *index = 0;
        *term = 0;
    }
}

/* Writes up to count random entries with terms from..to; returns how many fitted. */
static uint32_t draw_entries(uint64_t *state, octo_term from, octo_term to, uint32_t count,
                             uint8_t *out, uint32_t *bytes)
{
    octo_term term = octo_max_u64(from, 1);
    uint32_t done = 0;

    *bytes = 0;
    while (done < count && term <= to) {
        uint8_t command[200];
        struct octo_entry entry = {.term = term, .kind = OCTO_ENTRY_NOOP};
        if (draw_below(state, 5) > 0) {
            entry.kind = OCTO_ENTRY_COMMAND;
            entry.client = octo_max_u64(1, draw(state));
            entry.sequence = octo_max_u64(1, draw_between(state, 1, UINT64_MAX));
            entry.size = draw_below(state, sizeof command + 1);
            entry.command = command;
            draw_bytes(state, command, entry.size);
        }
        const uint32_t used = octo_entry_encode(&entry, out + *bytes, CAPACITY / 2 - *bytes);
        if (used == 0)
            break;
        *bytes += used;
        done++;
        term = octo_min_u64(to, term + (draw_below(state, 4) == 0));
    }
    return done;
}

static void draw_message(uint64_t *state, enum octo_message_type type, struct octo_message *message,
                         uint8_t *entries)
{
    *message = (struct octo_message){
        .type = type,
        .from = 1 + draw_below(state, OCTO_NODES_MAX),
        .to = 1 + draw_below(state, OCTO_NODES_MAX),
        .term = draw_between(state, 0, OCTO_WIRE_NUMBER_MAX),
    };
    switch (type) {
    case OCTO_MESSAGE_NONE:
        break;
#define DRAW_FIELD(type, field, minimum, maximum) \
    fields->field = (octo_wire_##type)draw_between(state, (minimum), (maximum));
#define DRAW(NAME, name, code)                          \
    case OCTO_MESSAGE_##NAME: {                         \
        struct octo_##name *fields = &message->name;    \
        OCTO_MESSAGE_##NAME##_FIELDS(DRAW_FIELD) break; \
    }
        OCTO_MESSAGES(DRAW)
    }
    if (type == OCTO_MESSAGE_PRE_VOTE_REQUEST)
        position_fix(&message->pre_vote_request.last_index, &message->pre_vote_request.last_term);
    if (type == OCTO_MESSAGE_VOTE_REQUEST)
        position_fix(&message->vote_request.last_index, &message->vote_request.last_term);
    if (type == OCTO_MESSAGE_SNAPSHOT_REQUEST) {
        struct octo_snapshot_request *request = &message->snapshot_request;
        message->term = octo_max_u64(message->term, 1);
        request->snapshot_term = octo_min_u64(request->snapshot_term, message->term);
        message->bytes_size = draw_below(state, 3) * draw_below(state, 200);
        draw_bytes(state, entries, message->bytes_size);
        message->bytes = message->bytes_size > 0 ? entries : NULL;
        request->last = message->bytes_size > 0 ? request->last : 0;
    }
    if (type == OCTO_MESSAGE_FETCH_RESPONSE) {
        struct octo_fetch_response *fetch = &message->fetch_response;
        message->term = octo_max_u64(message->term, 1);
        position_fix(&fetch->prev_index, &fetch->prev_term);
        fetch->prev_term = octo_min_u64(fetch->prev_term, message->term);
        fetch->entry_count =
            draw_entries(state, fetch->prev_term, message->term, 1 + draw_below(state, 12), entries,
                         &message->entries_bytes);
        message->entries = entries;
    }
    if (type != OCTO_MESSAGE_APPEND_REQUEST)
        return;
    struct octo_append_request *append = &message->append_request;
    position_fix(&append->prev_index, &append->prev_term);
    append->entry_count = draw_entries(state, append->prev_term, message->term,
                                       draw_below(state, 12), entries, &message->entries_bytes);
    message->entries = message->entries_bytes > 0 ? entries : NULL;
}

static bool fields_equal(const struct octo_message *a, const struct octo_message *b)
{
    switch (a->type) {
    case OCTO_MESSAGE_NONE:
        break;
#define EQUAL_FIELD(type, field, minimum, maximum) &&x->field == y->field
#define EQUAL(NAME, name, code)                                \
    case OCTO_MESSAGE_##NAME: {                                \
        const struct octo_##name *x = &a->name;                \
        const struct octo_##name *y = &b->name;                \
        return true OCTO_MESSAGE_##NAME##_FIELDS(EQUAL_FIELD); \
    }
        OCTO_MESSAGES(EQUAL)
    }
    return false;
}

static const enum octo_message_type types[] = {
#define TYPE(NAME, name, code) OCTO_MESSAGE_##NAME,
    OCTO_MESSAGES(TYPE)};
#define TYPES (sizeof types / sizeof types[0])

/* A copy in a block of exactly its size, so that a sanitizer sees one byte read too many. */
static enum octo_err decode_copy(const uint8_t *bytes, uint32_t size, uint64_t cluster)
{
    struct octo_message message;
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    const enum octo_err err = octo_message_decode(copy, size, cluster, &message);
    free(copy);
    return err;
}

/* Makes the checksum right again. */
static void reseal(uint8_t *bytes, uint32_t size)
{
    octo_put_u64(bytes + 8,
                 octo_hash(bytes + 16, size - 16, octo_mix(CLUSTER) ^ octo_get_u64(bytes)));
}

/* ---- Tests ----------------------------------------------------------------------------------- */

Test(wire, every_message_comes_back)
{
    static uint8_t entries[CAPACITY];
    static uint8_t first[CAPACITY];
    static uint8_t second[CAPACITY];
    uint64_t entries_seen = 0;

    for (uint64_t seed = 1; seed <= 2000; seed++) {
        for (size_t t = 0; t < TYPES; t++) {
            struct octo_message message;
            struct octo_message back;
            uint64_t state = seed * 64 + t;
            draw_message(&state, types[t], &message, entries);
            const uint32_t size = octo_message_encode(&message, CLUSTER, first, CAPACITY);
            cr_assert_geq(size, OCTO_MESSAGE_HEADER_BYTES);
            cr_assert_eq(octo_message_decode(first, size, CLUSTER, &back), OCTO_ERR_OK,
                         "seed %llu type %d", (ull)seed, (int)types[t]);
            cr_assert_eq(back.type, message.type);
            cr_assert_eq(back.from, message.from);
            cr_assert_eq(back.to, message.to);
            cr_assert_eq(back.term, message.term);
            cr_assert(fields_equal(&message, &back), "seed %llu type %d", (ull)seed, (int)types[t]);
            cr_assert_eq(back.entries_bytes, message.entries_bytes);
            cr_assert_eq(octo_message_encode(&back, CLUSTER, second, CAPACITY), size);
            cr_assert_eq(memcmp(first, second, size), 0, "the same bytes again");
            cr_assert_eq(decode_copy(first, size, CLUSTER + 1), OCTO_ERR_CHECKSUM);
            entries_seen +=
                back.type == OCTO_MESSAGE_APPEND_REQUEST ? back.append_request.entry_count : 0;
        }
    }
    cr_assert_gt(entries_seen, 1000);
}

Test(wire, no_truncation_extension_or_flipped_bit_passes)
{
    static uint8_t entries[CAPACITY];
    static uint8_t bytes[CAPACITY];
    uint64_t refused = 0;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        for (size_t t = 0; t < TYPES; t++) {
            struct octo_message message;
            uint64_t state = seed * 64 + t;
            draw_message(&state, types[t], &message, entries);
            const uint32_t size = octo_message_encode(&message, CLUSTER, bytes, CAPACITY - 8);
            for (uint32_t cut = 0; cut < size; cut++)
                cr_assert_neq(decode_copy(bytes, cut, CLUSTER), OCTO_ERR_OK, "cut at %u", cut);
            for (uint32_t more = 1; more <= 8; more++) {
                bytes[size + more - 1] = 0;
                cr_assert_neq(decode_copy(bytes, size + more, CLUSTER), OCTO_ERR_OK);
            }
            for (uint32_t bit = 0; bit < 8 * size; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                cr_assert_neq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_OK, "seed %llu bit %u",
                              (ull)seed, bit);
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                refused++;
            }
            cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_OK);
        }
    }
    cr_assert_gt(refused, 10000);
}

/* The message that the tables below damage: two entries, a no-op of term 3 and a command of term 4.
 */
static uint32_t sample_append(uint8_t *bytes)
{
    const uint8_t command[5] = {'h', 'e', 'l', 'l', 'o'};
    const struct octo_entry noop = {.term = 3, .kind = OCTO_ENTRY_NOOP};
    const struct octo_entry entry = {
        .term = 4,
        .kind = OCTO_ENTRY_COMMAND,
        .client = 77,
        .sequence = 2,
        .command = command,
        .size = 5,
    };
    uint8_t entries[128];
    uint32_t used = octo_entry_encode(&noop, entries, sizeof entries);
    used += octo_entry_encode(&entry, entries + used, (uint32_t)sizeof entries - used);
    const struct octo_message message = {
        .type = OCTO_MESSAGE_APPEND_REQUEST,
        .from = 1,
        .to = 2,
        .term = 4,
        .append_request =
            {.prev_index = 9, .prev_term = 3, .commit = 8, .round = 6, .entry_count = 2},
        .entries = entries,
        .entries_bytes = used,
    };
    return octo_message_encode(&message, CLUSTER, bytes, CAPACITY);
}

/* Bytes that are changed with the checksum made right again: what a hostile or broken peer sends.
 */
Test(wire, sealed_nonsense_is_refused_with_its_reason)
{
    static const struct {
        const char *what;
        uint32_t at;
        uint32_t bytes; /* 4 or 8: width of the number written at `at`; 1: a byte */
        uint64_t value;
        enum octo_err err;
    } rows[] = {
        {"nothing", 16, 4, 1, OCTO_ERR_OK},
        {"magic", 0, 1, 'X', OCTO_ERR_MALFORMED},
        {"version", 4, 1, 2, OCTO_ERR_VERSION},
        {"version", 4, 1, 0, OCTO_ERR_VERSION},
        {"type", 5, 1, 0, OCTO_ERR_WRONG_TYPE},
        {"type", 5, 1, 11, OCTO_ERR_WRONG_TYPE},
        {"type of a shorter message", 5, 1, OCTO_MESSAGE_VOTE_REQUEST, OCTO_ERR_TRAILING},
        {"zero", 6, 1, 1, OCTO_ERR_MALFORMED},
        {"zero", 7, 1, 1, OCTO_ERR_MALFORMED},
        {"from", 16, 4, 0, OCTO_ERR_RANGE},
        {"from", 16, 4, 16, OCTO_ERR_RANGE},
        {"from", 16, 4, UINT32_MAX, OCTO_ERR_RANGE},
        {"to", 20, 4, 0, OCTO_ERR_RANGE},
        {"to", 20, 4, 16, OCTO_ERR_RANGE},
        {"term", 24, 8, UINT64_MAX, OCTO_ERR_RANGE},
        {"term", 24, 8, OCTO_WIRE_NUMBER_MAX, OCTO_ERR_OK},
        {"term below its entries'", 24, 8, 3, OCTO_ERR_MALFORMED},
        {"body size", 32, 4, 0, OCTO_ERR_TRUNCATED},
        {"body size", 32, 4, 104, OCTO_ERR_TRAILING},
        {"body size", 32, 4, 105, OCTO_ERR_OK},
        {"body size", 32, 4, 106, OCTO_ERR_TRUNCATED},
        {"body size", 32, 4, UINT32_MAX, OCTO_ERR_TRUNCATED},
        {"second zero", 36, 4, 1, OCTO_ERR_MALFORMED},
        {"prev_index", 40, 8, 0, OCTO_ERR_MALFORMED},
        {"prev_index", 40, 8, UINT64_MAX, OCTO_ERR_RANGE},
        {"prev_term", 48, 8, 0, OCTO_ERR_MALFORMED},
        {"prev_term above the entries'", 48, 8, 4, OCTO_ERR_MALFORMED},
        {"commit", 56, 8, OCTO_WIRE_NUMBER_MAX + 1, OCTO_ERR_RANGE},
        {"round", 64, 8, UINT64_MAX, OCTO_ERR_OK},
        {"entry_count", 72, 4, 0, OCTO_ERR_TRAILING},
        {"entry_count", 72, 4, 1, OCTO_ERR_TRAILING},
        {"entry_count", 72, 4, 3, OCTO_ERR_TRUNCATED},
        {"entry_count", 72, 4, 65537, OCTO_ERR_RANGE},
        {"entry term", 76, 8, 0, OCTO_ERR_MALFORMED},
        {"entry term above the message's", 76, 8, 5, OCTO_ERR_MALFORMED},
        {"entry term below prev_term", 76, 8, 2, OCTO_ERR_MALFORMED},
        {"entry terms that fall", 108, 8, 2, OCTO_ERR_MALFORMED},
        {"no-op with a client", 84, 8, 1, OCTO_ERR_MALFORMED},
        {"no-op with a sequence", 92, 8, 1, OCTO_ERR_MALFORMED},
        {"no-op with bytes", 100, 4, 1, OCTO_ERR_MALFORMED},
        {"no-op that is a command", 104, 1, 2, OCTO_ERR_MALFORMED},
        {"entry kind", 104, 1, 0, OCTO_ERR_MALFORMED},
        {"entry kind", 104, 1, 3, OCTO_ERR_MALFORMED},
        {"entry zeros", 107, 1, 1, OCTO_ERR_MALFORMED},
        {"command of nobody", 116, 8, 0, OCTO_ERR_MALFORMED},
        {"command without sequence", 124, 8, 0, OCTO_ERR_MALFORMED},
        {"command beyond the end", 132, 4, 6, OCTO_ERR_TRUNCATED},
        {"command beyond the end", 132, 4, UINT32_MAX, OCTO_ERR_TRUNCATED},
        {"command too short", 132, 4, 4, OCTO_ERR_TRAILING},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[CAPACITY];
        const uint32_t size = sample_append(bytes);
        cr_assert_eq(size, 40 + 105);
        if (rows[i].bytes == 8)
            octo_put_u64(bytes + rows[i].at, rows[i].value);
        else if (rows[i].bytes == 4)
            octo_put_u32(bytes + rows[i].at, (uint32_t)rows[i].value);
        else
            bytes[rows[i].at] = (uint8_t)rows[i].value;
        reseal(bytes, size);
        const enum octo_err err = decode_copy(bytes, size, CLUSTER);
        cr_assert_eq(err, rows[i].err, "%s = %llu: %s", rows[i].what, (ull)rows[i].value,
                     octo_err_text(err));
    }
}

Test(wire, a_snapshot_request_is_of_the_past_and_ends_with_bytes)
{
    uint8_t bytes[128];
    const struct octo_message message = {
        .type = OCTO_MESSAGE_SNAPSHOT_REQUEST,
        .from = 1,
        .to = 2,
        .term = 3,
        .snapshot_request = {.index = 9, .snapshot_term = 3, .last = 0},
    };
    const uint32_t size = octo_message_encode(&message, CLUSTER, bytes, sizeof bytes);

    cr_assert_eq(size, 40 + 41);
    cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_OK);
    bytes[40 + 40] = 1; /* the last bytes, and there are none */
    reseal(bytes, size);
    cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_MALFORMED);
    bytes[40 + 40] = 0;
    octo_put_u64(bytes + 48, 4); /* of a term to come */
    reseal(bytes, size);
    cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_MALFORMED);
    octo_put_u64(bytes + 48, 0);
    reseal(bytes, size);
    cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_RANGE);
    octo_put_u64(bytes + 48, 3);
    octo_put_u64(bytes + 40, 0); /* of nothing */
    reseal(bytes, size);
    cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_RANGE);
}

Test(wire, a_vote_is_yes_or_no)
{
    uint8_t bytes[64];
    const struct octo_message message = {
        .type = OCTO_MESSAGE_VOTE_RESPONSE, .from = 1, .to = 2, .term = 3, .vote_response = {1}};
    const uint32_t size = octo_message_encode(&message, CLUSTER, bytes, sizeof bytes);
    cr_assert_eq(size, 41);
    bytes[40] = 2;
    reseal(bytes, size);
    cr_assert_eq(decode_copy(bytes, size, CLUSTER), OCTO_ERR_RANGE);
}

/* Rubbish with a right checksum: refused, or else it is exactly what the encoder writes. */
Test(wire, what_is_accepted_is_canonical)
{
    static uint8_t entries[CAPACITY];
    static uint8_t bytes[CAPACITY];
    static uint8_t again[CAPACITY];
    uint32_t accepted = 0;

    for (uint64_t seed = 1; seed <= 40000; seed++) {
        uint64_t state = seed;
        struct octo_message message;
        draw_message(&state, types[draw_below(&state, TYPES)], &message, entries);
        const uint32_t size = octo_message_encode(&message, CLUSTER, bytes, CAPACITY);
        for (uint32_t i = draw_below(&state, 4); i > 0; i--)
            bytes[draw_below(&state, size)] ^= (uint8_t)(1u << draw_below(&state, 8));
        reseal(bytes, size);
        if (octo_message_decode(bytes, size, CLUSTER, &message) != OCTO_ERR_OK)
            continue;
        accepted++;
        cr_assert_eq(octo_message_encode(&message, CLUSTER, again, CAPACITY), size);
        cr_assert_eq(memcmp(bytes, again, size), 0, "seed %llu", (ull)seed);
    }
    cr_assert_gt(accepted, 10000);
    cr_assert_lt(accepted, 39000);
}

Test(wire, entries_may_stand_in_place)
{
    uint8_t apart[CAPACITY];
    uint8_t in_place[CAPACITY];
    struct octo_message message;
    const uint32_t size = sample_append(apart);
    const uint32_t offset = octo_message_entries_offset(OCTO_MESSAGE_APPEND_REQUEST);

    cr_assert_eq(offset, 76);
    cr_assert_eq(octo_message_decode(apart, size, CLUSTER, &message), OCTO_ERR_OK);
    cr_assert_eq(message.entries, apart + offset);
    memcpy(in_place + offset, message.entries, message.entries_bytes);
    message.entries = in_place + offset;
    cr_assert_eq(octo_message_encode(&message, CLUSTER, in_place, CAPACITY), size);
    cr_assert_eq(memcmp(apart, in_place, size), 0);
}

Test(wire, what_does_not_fit_is_not_written)
{
    uint8_t bytes[CAPACITY];
    struct octo_message message;
    const uint32_t size = sample_append(bytes);
    cr_assert_eq(octo_message_decode(bytes, size, CLUSTER, &message), OCTO_ERR_OK);
    for (uint32_t capacity = 0; capacity < size; capacity++) {
        uint8_t *out = malloc(capacity + 1);
        cr_assert_eq(octo_message_encode(&message, CLUSTER, out, capacity), 0);
        free(out);
    }
    const struct octo_entry entry = {.term = 1,
                                     .kind = OCTO_ENTRY_COMMAND,
                                     .client = 1,
                                     .sequence = 1,
                                     .command = bytes,
                                     .size = 9};
    for (uint32_t capacity = 0; capacity < 41; capacity++) {
        uint8_t out[41];
        cr_assert_eq(octo_entry_encode(&entry, out, capacity), 0);
    }
}

/* The format itself: these bytes may change only together with the version. */
Test(wire, format_is_fixed)
{
    static const char expected[] = "4f43544d01050000ad6e35d7ea767cc30100000002000000040000000000000"
                                   "0690000000000000009000000000000"
                                   "000300000000000000080000000000000006000000000000000200000003000"
                                   "0000000000000000000000000000000"
                                   "000000000000000000000100000004000000000000004d00000000000000020"
                                   "0000000000000050000000200000068"
                                   "656c6c6f";
    uint8_t bytes[CAPACITY];
    char hex[2 * CAPACITY + 1];
    const uint32_t size = sample_append(bytes);
    for (uint32_t i = 0; i < size; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    cr_assert_str_eq(hex, expected);
}

Test(wire, peek_names_a_message)
{
    static uint8_t entries[CAPACITY];
    static uint8_t bytes[CAPACITY];
    struct octo_message_name name;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        for (size_t t = 0; t < TYPES; t++) {
            struct octo_message message;
            uint64_t state = seed * 64 + t;
            octo_index index = 0;
            draw_message(&state, types[t], &message, entries);
            const uint32_t size = octo_message_encode(&message, CLUSTER, bytes, CAPACITY);
            if (types[t] == OCTO_MESSAGE_PRE_VOTE_REQUEST)
                index = message.pre_vote_request.last_index;
            if (types[t] == OCTO_MESSAGE_VOTE_REQUEST)
                index = message.vote_request.last_index;
            if (types[t] == OCTO_MESSAGE_APPEND_REQUEST)
                index = message.append_request.prev_index;
            if (types[t] == OCTO_MESSAGE_APPEND_RESPONSE)
                index = message.append_response.index;
            if (types[t] == OCTO_MESSAGE_SNAPSHOT_REQUEST)
                index = message.snapshot_request.index;
            if (types[t] == OCTO_MESSAGE_SNAPSHOT_RESPONSE)
                index = message.snapshot_response.index;
            if (types[t] == OCTO_MESSAGE_FETCH_REQUEST)
                index = message.fetch_request.index;
            if (types[t] == OCTO_MESSAGE_FETCH_RESPONSE)
                index = message.fetch_response.prev_index;
            cr_assert(octo_message_peek(bytes, size, &name));
            cr_assert_eq(name.type, message.type);
            cr_assert_eq(name.from, message.from);
            cr_assert_eq(name.to, message.to);
            cr_assert_eq(name.term, message.term);
            cr_assert_eq(name.index, index);
            cr_assert_eq(name.checksum, octo_get_u64(bytes + 8));
            for (uint32_t cut = 0; cut < size - message.entries_bytes; cut++)
                cr_assert_not(octo_message_peek(bytes, cut, &name));
        }
    }
    bytes[5] = 99;
    cr_assert_not(octo_message_peek(bytes, CAPACITY, &name));
    cr_assert_eq(name.type, OCTO_MESSAGE_NONE);
}

Test(wire, text_shows_every_field_and_is_cut_to_fit)
{
    static const char expected[] = "append-request prev_index=9 prev_term=3 commit=8 "
                                   "round=18446744073709551615 entry_count=0";
    const struct octo_message message = {
        .type = OCTO_MESSAGE_APPEND_REQUEST,
        .append_request = {.prev_index = 9, .prev_term = 3, .commit = 8, .round = UINT64_MAX},
    };
    for (uint32_t capacity = 0; capacity <= sizeof expected + 5; capacity++) {
        char out[sizeof expected + 5];
        memset(out, 'x', sizeof out);
        const uint32_t length = octo_message_text(&message, out, capacity);
        const uint32_t whole = (uint32_t)sizeof expected - 1;
        cr_assert_eq(length, capacity == 0 ? 0 : octo_min_u64(whole, capacity - 1));
        if (capacity < sizeof out)
            cr_assert_eq(out[capacity], 'x', "wrote past capacity %u", capacity);
        if (capacity > 0) {
            cr_assert_eq(memcmp(out, expected, length), 0);
            cr_assert_eq(out[length], '\0');
        }
    }
    for (size_t t = 0; t < TYPES; t++)
        cr_assert_not_null(strchr(octo_message_type_text(types[t]), '-'));
    cr_assert_str_eq(octo_message_type_text(OCTO_MESSAGE_NONE), "none");
    cr_assert_str_eq(octo_message_type_text((enum octo_message_type)99), "unknown");
}

Test(wire, sending_what_a_peer_would_refuse_is_a_broken_invariant, .exit_code = 77)
{
    uint8_t bytes[64];
    const struct octo_message message = {
        .type = OCTO_MESSAGE_VOTE_RESPONSE, .from = 1, .to = 2, .vote_response = {2}};
    (void)octo_message_encode(&message, CLUSTER, bytes, sizeof bytes);
}
