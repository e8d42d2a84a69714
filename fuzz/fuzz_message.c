/* Bytes from outside: messages, entries, key-value commands and snapshots.
 *
 * The first byte of an input says what the rest is: 0 a message as it is; 1 a message whose
 * checksum is made right first (a fuzzer cannot guess one); 2 a key-value command; 3 a key-value
 * snapshot, in pieces whose size is the second byte; 4 a list of entries. What is accepted must be
 * canonical: writing it again gives the same bytes.
 *
 * Built with OCTO_FUZZ_REPLAY it is a program:
 *
 *     fuzz-message-replay FILE...       replays files
 *     fuzz-message-replay --write DIR   writes the corpus of fuzz/corpus/message
 */
#include "kernel/kernel.h"

#include <stdio.h>
#include <stdlib.h>

#define CLUSTER   1u
#define INPUT_MAX (1u << 17)
#define MEMORY    (64u * 1024u)

enum input_kind {
    INPUT_MESSAGE = 0,
    INPUT_SEALED = 1,
    INPUT_COMMAND = 2,
    INPUT_SNAPSHOT = 3,
    INPUT_ENTRIES = 4,
    INPUT_KINDS = 5,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: octo_assert(%s)\n", file, line, expression);
    abort();
}

/* A block of exactly size bytes, so that a sanitizer sees one read too many. */
static uint8_t *copy_of(const uint8_t *bytes, uint32_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

/* Reads a list of entries as far as it is one; returns how far, having written it again. */
static uint32_t try_entries(const uint8_t *bytes, uint32_t size)
{
    uint8_t *again = malloc(size > 0 ? size : 1);
    uint32_t done = 0;
    struct octo_entry entry;
    uint32_t used;

    if (again == NULL)
        abort();
    while (octo_entry_decode(bytes + done, size - done, &entry, &used) == OCTO_ERR_OK) {
        octo_assert(octo_entry_encode(&entry, again + done, size - done) == used);
        done += used;
    }
    octo_assert(memcmp(bytes, again, done) == 0);
    free(again);
    return done;
}

static void try_message(const uint8_t *bytes, uint32_t size)
{
    struct octo_message message;
    struct octo_message_name name;
    char text[64];
    const bool named = octo_message_peek(bytes, size, &name);

    if (octo_message_decode(bytes, size, CLUSTER, &message) != OCTO_ERR_OK)
        return;
    octo_assert(named);
    octo_assert(name.type == message.type);
    octo_assert(name.term == message.term);
    octo_assert(octo_message_text(&message, text, sizeof text) < sizeof text);
    if (message.entries != NULL && message.type != OCTO_MESSAGE_SNAPSHOT_REQUEST)
        octo_assert(try_entries(message.entries, message.entries_bytes) == message.entries_bytes);
    uint8_t *again = malloc(size);
    if (again == NULL)
        abort();
    octo_assert(octo_message_encode(&message, CLUSTER, again, size) == size);
    octo_assert(memcmp(bytes, again, size) == 0);
    free(again);
}

static void seal(uint8_t *bytes, uint32_t size)
{
    if (size < OCTO_MESSAGE_HEADER_BYTES)
        return;
    const uint64_t seed = octo_mix(CLUSTER) ^ octo_get_u64(bytes);
    octo_put_u64(bytes + 8, octo_hash(bytes + 16, size - 16, seed));
}

static void try_command(const uint8_t *bytes, uint32_t size)
{
    struct octo_kv_command command;
    if (octo_kv_decode(bytes, size, &command) != OCTO_ERR_OK)
        return;
    uint8_t *again = malloc(size);
    if (again == NULL)
        abort();
    struct octo_buffer out = {.bytes = again, .capacity = size};
    octo_assert(octo_kv_encode(&command, &out) == OCTO_ERR_OK);
    octo_assert(out.size == size);
    octo_assert(memcmp(bytes, again, size) == 0);
    free(again);
}

static struct octo_machine_context machine_new(void *region)
{
    struct octo_machine_context context = {.allocator = octo_allocator_init(region, MEMORY)};
    octo_assert(octo_machine_kv.init(&context) == OCTO_ERR_OK);
    return context;
}

static bool restore_pieces(struct octo_machine_context *context, const uint8_t *bytes,
                           uint32_t size, uint32_t piece)
{
    uint32_t at = 0;
    do {
        const uint32_t run = (uint32_t)octo_min_u64(piece, size - at);
        const bool last = at + run == size;
        if (octo_machine_kv.restore(context, bytes + at, run, last) != OCTO_ERR_OK)
            return false;
        at += run;
    } while (at < size);
    return true;
}

static void try_snapshot(const uint8_t *bytes, uint32_t size, uint32_t piece)
{
    void *region = aligned_alloc(64, MEMORY);
    if (region == NULL)
        abort();
    struct octo_machine_context context = machine_new(region);
    if (restore_pieces(&context, bytes, size, piece)) {
        uint8_t *again = malloc(size + 1);
        struct octo_buffer out = {.bytes = again, .capacity = size + 1};
        uint64_t cursor = 0;
        if (again == NULL)
            abort();
        octo_assert(octo_machine_kv.snapshot(&context, &cursor, &out));
        octo_assert(out.size == size);
        octo_assert(memcmp(bytes, again, size) == 0);
        free(again);
    }
    free(region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX)
        return 0;
    const uint32_t rest = (uint32_t)size - 1;
    uint8_t *bytes = copy_of(data + 1, rest);

    switch ((enum input_kind)(data[0] % INPUT_KINDS)) {
    case INPUT_SEALED:
        seal(bytes, rest);
        try_message(bytes, rest);
        break;
    case INPUT_MESSAGE:
        try_message(bytes, rest);
        break;
    case INPUT_COMMAND:
        try_command(bytes, rest);
        break;
    case INPUT_SNAPSHOT:
        try_snapshot(bytes + 1, rest - 1, bytes[0] + 1u);
        break;
    case INPUT_ENTRIES:
        try_entries(bytes, rest);
        break;
    case INPUT_KINDS:
        break;
    }
    free(bytes);
    return 0;
}

#if defined(OCTO_FUZZ_REPLAY)

/* ---- Without a fuzzer: replay, and the corpus ------------------------------------------------ */

static int replay(const char *path)
{
    static uint8_t bytes[INPUT_MAX + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 2;
    }
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    return 0;
}

static int corpus_write(const char *directory, const char *name, enum input_kind kind,
                        const uint8_t *bytes, uint32_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        return 2;
    }
    const bool written = fputc((int)kind, file) != EOF && fwrite(bytes, 1, size, file) == size;
    return fclose(file) == 0 && written ? 0 : 2;
}

static uint32_t sample_entries(uint8_t *out, uint32_t capacity)
{
    const uint8_t command[3] = {'s', 'e', 't'};
    const struct octo_entry entries[3] = {
        {.term = 2, .kind = OCTO_ENTRY_NOOP},
        {.term = 2,
         .kind = OCTO_ENTRY_COMMAND,
         .client = 5,
         .sequence = 1,
         .command = command,
         .size = sizeof command},
        {.term = 3, .kind = OCTO_ENTRY_COMMAND, .client = 6, .sequence = 9},
    };
    uint32_t used = 0;
    for (uint32_t i = 0; i < 3; i++)
        used += octo_entry_encode(&entries[i], out + used, capacity - used);
    return used;
}

/* What the name of a seed with a tail ends in; a FETCH_RESPONSE always has one. */
static const char *tail_text(enum octo_message_type type)
{
    if (type == OCTO_MESSAGE_SNAPSHOT_REQUEST)
        return "-bytes";
    return type == OCTO_MESSAGE_APPEND_REQUEST ? "-entries" : "";
}

static int corpus_messages(const char *directory)
{
    uint8_t entries[256];
    const uint32_t entries_bytes = sample_entries(entries, sizeof entries);
    const uint8_t snapshot[5] = {'b', 'y', 't', 'e', 's'};
    struct octo_message messages[] = {
        {.type = OCTO_MESSAGE_PRE_VOTE_REQUEST, .pre_vote_request = {7, 2}},
        {.type = OCTO_MESSAGE_PRE_VOTE_RESPONSE, .pre_vote_response = {1}},
        {.type = OCTO_MESSAGE_VOTE_REQUEST, .vote_request = {7, 2}},
        {.type = OCTO_MESSAGE_VOTE_RESPONSE, .vote_response = {0}},
        {.type = OCTO_MESSAGE_APPEND_REQUEST, .append_request = {7, 2, 6, 11, 0}},
        {.type = OCTO_MESSAGE_APPEND_RESPONSE, .append_response = {0, 7, 5, 1, 11, 0}},
        {.type = OCTO_MESSAGE_SNAPSHOT_REQUEST, .snapshot_request = {7, 2, 99, 1024, 11, 0}},
        {.type = OCTO_MESSAGE_SNAPSHOT_REQUEST,
         .snapshot_request = {7, 2, 99, 1024, 11, 1},
         .bytes = snapshot,
         .bytes_size = sizeof snapshot},
        {.type = OCTO_MESSAGE_SNAPSHOT_RESPONSE, .snapshot_response = {7, 2048, 11, 0}},
        {.type = OCTO_MESSAGE_FETCH_REQUEST, .fetch_request = {8, 99}},
        {.type = OCTO_MESSAGE_FETCH_RESPONSE,
         .fetch_response = {7, 2, 3},
         .entries = entries,
         .entries_bytes = entries_bytes},
        {.type = OCTO_MESSAGE_APPEND_REQUEST,
         .append_request = {7, 2, 6, 11, 3},
         .entries = entries,
         .entries_bytes = entries_bytes},
    };
    int failed = corpus_write(directory, "entries", INPUT_ENTRIES, entries, entries_bytes);

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        uint8_t bytes[512];
        char name[64];
        struct octo_message *message = &messages[i];
        message->from = 1;
        message->to = 2;
        message->term = 3;
        const uint32_t size = octo_message_encode(message, CLUSTER, bytes, sizeof bytes);
        const char *type = octo_message_type_text(message->type);
        const char *more = message->entries_bytes > 0 ? tail_text(message->type) : "";
        snprintf(name, sizeof name, "%s%s", type, more);
        failed |= corpus_write(directory, name, INPUT_MESSAGE, bytes, size);
        snprintf(name, sizeof name, "sealed-%s%s", type, more);
        failed |= corpus_write(directory, name, INPUT_SEALED, bytes, size);
    }
    return failed;
}

static int corpus_kv(const char *directory)
{
    static const char *const names[] = {"set", "get", "del", "cas", "append"};
    void *region = aligned_alloc(64, MEMORY);
    uint32_t missing = 5;
    int failed = 0;

    if (region == NULL)
        abort();
    struct octo_machine_context context = machine_new(region);
    bool seen[OCTO_KV_APPEND + 1] = {false};
    const struct octo_workload usual = {0};
    for (uint64_t i = 0; missing > 0; i++) {
        uint8_t bytes[2048];
        uint8_t result_bytes[2048];
        struct octo_buffer command = {.bytes = bytes, .capacity = sizeof bytes};
        struct octo_buffer result = {.bytes = result_bytes, .capacity = sizeof result_bytes};
        octo_machine_kv.sample(&usual, octo_mix(i), octo_mix(~i), &command);
        octo_machine_kv.apply(&context, bytes, command.size, &result);
        if (seen[bytes[0]])
            continue;
        seen[bytes[0]] = true;
        missing--;
        failed |= corpus_write(directory, names[bytes[0] - 1], INPUT_COMMAND, bytes, command.size);
    }
    uint8_t snapshot[4096] = {6}; /* pieces of 7 */
    struct octo_buffer out = {.bytes = snapshot + 1, .capacity = sizeof snapshot - 1};
    uint64_t cursor = 0;
    octo_assert(octo_machine_kv.snapshot(&context, &cursor, &out));
    failed |= corpus_write(directory, "snapshot", INPUT_SNAPSHOT, snapshot, out.size + 1);
    free(region);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return corpus_messages(argv[2]) | corpus_kv(argv[2]);
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE... | --write DIR\n", argv[0]);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) != 0)
            return 2;
    return 0;
}

#endif
