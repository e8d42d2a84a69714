/* The built-in key-value machine.
 *
 * Snapshot, 24 + n bytes, little-endian:
 *
 *    0  magic u32 "OCKV"     12  image size u32: n
 *    4  version u32 (1)      16  digest u64 of the state
 *    8  entries u32          24  the entries in key order (bytes, a prefix before what it begins):
 *                                key size u16, value size u32, key, value
 */
#include "kernel/kv_sample.h"
#include "kernel/kv_store.h"

#define SNAPSHOT_MAGIC        0x564b434fu /* "OCKV" */
#define SNAPSHOT_VERSION      1u
#define SNAPSHOT_HEADER_BYTES 24u

enum restore_stage {
    RESTORE_HEADER = 0,
    RESTORE_ENTRY = 1, /* an entry's sizes */
    RESTORE_BYTES = 2, /* its key and value */
    RESTORE_FAILED = 3,
};

/* A snapshot that is being read: its pieces may end anywhere. */
struct restore {
    uint32_t stage; /* enum restore_stage */
    uint32_t have;  /* bytes of header, sizes or string that are there */
    uint8_t header[SNAPSHOT_HEADER_BYTES];
    uint8_t sizes[KV_ENTRY_HEADER_BYTES];
    kv_at draft;
    uint32_t string_bytes; /* of the draft: key and value */
};

struct kv {
    struct kv_store store;
    struct restore restore;
};

static enum octo_err kv_init(struct octo_machine_context *context)
{
    struct kv *kv = octo_alloc(context->allocator, sizeof *kv);
    if (kv == NULL)
        return OCTO_ERR_FULL;
    memset(kv, 0, sizeof *kv);
    octo_kv_store_init(&kv->store, context->allocator);
    context->state = kv;
    return OCTO_ERR_OK;
}

static uint64_t kv_digest(const struct octo_machine_context *context)
{
    const struct kv *kv = context->state;
    return octo_mix(octo_mix(kv->store.digest) ^ kv->store.count);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static enum octo_kv_status kv_get(const struct octo_machine_context *context, struct kv_bytes key,
                                  struct octo_buffer *result)
{
    const struct kv *kv = context->state;
    const kv_at at = octo_kv_store_find(context->allocator, &kv->store, key);
    if (at == 0)
        return OCTO_KV_MISSING;
    const uint32_t size = octo_kv_value_size(context->allocator, at);
    if (size > result->capacity - 1)
        return OCTO_KV_TOO_LARGE;
    octo_kv_value_read(context->allocator, at, 0, result->bytes + 1, size);
    result->size = 1 + size;
    return OCTO_KV_OK;
}

static enum octo_kv_status kv_set(struct octo_machine_context *context, struct kv_bytes key,
                                  struct kv_bytes value)
{
    struct kv *kv = context->state;
    if (!octo_kv_store_set(context->allocator, &kv->store, key, value))
        return OCTO_KV_TOO_LARGE;
    return OCTO_KV_OK;
}

static enum octo_kv_status kv_del(struct octo_machine_context *context, struct kv_bytes key)
{
    struct kv *kv = context->state;
    const kv_at at = octo_kv_store_find(context->allocator, &kv->store, key);
    if (at == 0)
        return OCTO_KV_MISSING;
    octo_kv_store_remove(context->allocator, &kv->store, at);
    return OCTO_KV_OK;
}

static enum octo_kv_status kv_cas(struct octo_machine_context *context, struct kv_bytes key,
                                  struct kv_bytes value, struct kv_bytes expected)
{
    struct kv *kv = context->state;
    const kv_at at = octo_kv_store_find(context->allocator, &kv->store, key);
    if (at == 0)
        return OCTO_KV_MISSING;
    if (!octo_kv_value_equals(context->allocator, at, expected))
        return OCTO_KV_DIFFERENT;
    return kv_set(context, key, value);
}

static enum octo_kv_status kv_append(struct octo_machine_context *context, struct kv_bytes key,
                                     struct kv_bytes value)
{
    struct kv *kv = context->state;
    const kv_at at = octo_kv_store_find(context->allocator, &kv->store, key);
    if (at == 0)
        return kv_set(context, key, value);
    if (value.size > OCTO_KV_VALUE_MAX - octo_kv_value_size(context->allocator, at))
        return OCTO_KV_TOO_LARGE;
    if (!octo_kv_store_append(context->allocator, &kv->store, at, value))
        return OCTO_KV_TOO_LARGE;
    return OCTO_KV_OK;
}

static enum octo_kv_status kv_execute(struct octo_machine_context *context,
                                      const struct octo_kv_command *command,
                                      struct octo_buffer *result)
{
    const struct kv_bytes key = {command->key, command->key_size};
    const struct kv_bytes value = {command->value, command->value_size};
    const struct kv_bytes expected = {command->expected, command->expected_size};

    switch (command->op) {
    case OCTO_KV_SET:
        return kv_set(context, key, value);
    case OCTO_KV_GET:
        return kv_get(context, key, result);
    case OCTO_KV_DEL:
        return kv_del(context, key);
    case OCTO_KV_CAS:
        return kv_cas(context, key, value, expected);
    case OCTO_KV_APPEND:
        return kv_append(context, key, value);
    }
    return OCTO_KV_MALFORMED;
}

/* No room for even a status is the host's choice: the command still takes effect. */
static void kv_apply(struct octo_machine_context *context, const uint8_t *command, uint32_t size,
                     struct octo_buffer *result)
{
    uint8_t status_only;
    struct octo_buffer spare = {.bytes = &status_only, .capacity = 1};
    struct octo_buffer *out = result->capacity > 0 ? result : &spare;
    struct octo_kv_command read;
    enum octo_kv_status status = OCTO_KV_MALFORMED;

    result->size = 0;
    out->size = 1;
    if (octo_kv_decode(command, size, &read) == OCTO_ERR_OK)
        status = kv_execute(context, &read, out);
    out->bytes[0] = (uint8_t)status;
}

static void kv_query(const struct octo_machine_context *context, const uint8_t *command,
                     uint32_t size, struct octo_buffer *result)
{
    struct octo_kv_command read;
    enum octo_kv_status status = OCTO_KV_MALFORMED;

    result->size = 0;
    if (result->capacity == 0)
        return;
    result->size = 1;
    if (octo_kv_decode(command, size, &read) == OCTO_ERR_OK && read.op == OCTO_KV_GET)
        status = kv_get(context, (struct kv_bytes){read.key, read.key_size}, result);
    result->bytes[0] = (uint8_t)status;
}

/* ---- Snapshot -------------------------------------------------------------------------------- */

static void snapshot_header(const struct octo_machine_context *context,
                            uint8_t header[SNAPSHOT_HEADER_BYTES])
{
    const struct kv *kv = context->state;
    octo_put_u32(header, SNAPSHOT_MAGIC);
    octo_put_u32(header + 4, SNAPSHOT_VERSION);
    octo_put_u32(header + 8, kv->store.count);
    octo_put_u32(header + 12, octo_kv_image_bytes(context->allocator, &kv->store));
    octo_put_u64(header + 16, kv_digest(context));
}

/* The cursor is the number of bytes written so far: any piece can be asked for again. */
static bool kv_snapshot(const struct octo_machine_context *context, uint64_t *cursor,
                        struct octo_buffer *out)
{
    const struct kv *kv = context->state;
    const uint32_t image = octo_kv_image_bytes(context->allocator, &kv->store);
    const uint64_t total = (uint64_t)SNAPSHOT_HEADER_BYTES + image;

    octo_assert(*cursor <= total);
    out->size = 0;
    if (*cursor < SNAPSHOT_HEADER_BYTES) {
        uint8_t header[SNAPSHOT_HEADER_BYTES];
        snapshot_header(context, header);
        const uint32_t left = SNAPSHOT_HEADER_BYTES - (uint32_t)*cursor;
        out->size = (uint32_t)octo_min_u64(left, out->capacity);
        if (out->size > 0)
            memcpy(out->bytes, header + *cursor, out->size);
        *cursor += out->size;
    }
    while (*cursor >= SNAPSHOT_HEADER_BYTES && *cursor < total && out->size < out->capacity) {
        const uint32_t offset = (uint32_t)(*cursor - SNAPSHOT_HEADER_BYTES);
        const uint32_t run = octo_kv_image_read(context->allocator, &kv->store, offset,
                                                out->bytes + out->size, out->capacity - out->size);
        octo_assert(run > 0);
        out->size += run;
        *cursor += run;
    }
    return *cursor == total;
}

/* ---- Restore --------------------------------------------------------------------------------- */

/* What is left of a piece. */
struct piece {
    const uint8_t *at;
    uint32_t left;
};

/* Copies from the piece until target holds size bytes; true when it does. */
static bool piece_fill(struct piece *piece, uint8_t *target, uint32_t size, uint32_t *have)
{
    const uint32_t run = (uint32_t)octo_min_u64(size - *have, piece->left);
    if (run > 0)
        memcpy(target + *have, piece->at, run);
    piece->at += run;
    piece->left -= run;
    *have += run;
    return *have == size;
}

static void restore_stage(struct restore *restore, enum restore_stage stage)
{
    restore->stage = stage;
    restore->have = 0;
}

static enum octo_err restore_header(struct kv *kv, struct piece *piece)
{
    struct restore *restore = &kv->restore;
    if (!piece_fill(piece, restore->header, SNAPSHOT_HEADER_BYTES, &restore->have))
        return OCTO_ERR_OK;
    if (octo_get_u32(restore->header) != SNAPSHOT_MAGIC)
        return OCTO_ERR_MALFORMED;
    if (octo_get_u32(restore->header + 4) != SNAPSHOT_VERSION)
        return OCTO_ERR_MALFORMED;
    restore_stage(restore, RESTORE_ENTRY);
    return OCTO_ERR_OK;
}

static enum octo_err restore_sizes(struct octo_allocator *allocator, struct kv *kv,
                                   struct piece *piece)
{
    struct restore *restore = &kv->restore;
    if (!piece_fill(piece, restore->sizes, KV_ENTRY_HEADER_BYTES, &restore->have))
        return OCTO_ERR_OK;
    const uint32_t key_size = octo_get_u16(restore->sizes);
    const uint32_t value_size = octo_get_u32(restore->sizes + 2);
    if (key_size > OCTO_KV_KEY_MAX || value_size > OCTO_KV_VALUE_MAX)
        return OCTO_ERR_MALFORMED;
    restore->draft = octo_kv_draft_new(allocator, &kv->store, key_size, value_size);
    if (restore->draft == 0)
        return OCTO_ERR_FULL;
    restore->string_bytes = key_size + value_size;
    restore_stage(restore, RESTORE_BYTES);
    return OCTO_ERR_OK;
}

static enum octo_err restore_bytes(struct octo_allocator *allocator, struct kv *kv,
                                   struct piece *piece)
{
    struct restore *restore = &kv->restore;
    const uint32_t missing = restore->string_bytes - restore->have;
    const uint32_t run = (uint32_t)octo_min_u64(missing, piece->left);
    octo_kv_draft_write(allocator, restore->draft, restore->have, piece->at, run);
    restore->have += run;
    piece->at += run;
    piece->left -= run;
    if (restore->have < restore->string_bytes)
        return OCTO_ERR_OK;
    if (!octo_kv_draft_enter(allocator, &kv->store, restore->draft))
        return OCTO_ERR_MALFORMED;
    restore->draft = 0;
    restore_stage(restore, RESTORE_ENTRY);
    return OCTO_ERR_OK;
}

/* Does what the present stage can do with the piece: moves on, or uses up the piece. */
static enum octo_err restore_some(struct octo_machine_context *context, struct piece *piece)
{
    struct kv *kv = context->state;
    switch ((enum restore_stage)kv->restore.stage) {
    case RESTORE_HEADER:
        return restore_header(kv, piece);
    case RESTORE_ENTRY:
        return restore_sizes(context->allocator, kv, piece);
    case RESTORE_BYTES:
        return restore_bytes(context->allocator, kv, piece);
    case RESTORE_FAILED:
        break;
    }
    return OCTO_ERR_MALFORMED;
}

/* With the last piece in: whole, and what its header said it would be. */
static bool restore_complete(const struct octo_machine_context *context)
{
    const struct kv *kv = context->state;
    uint8_t header[SNAPSHOT_HEADER_BYTES];

    if (kv->restore.stage != RESTORE_ENTRY || kv->restore.have != 0)
        return false;
    snapshot_header(context, header);
    return memcmp(header, kv->restore.header, sizeof header) == 0;
}

static enum octo_err kv_restore(struct octo_machine_context *context, const uint8_t *bytes,
                                uint32_t size, bool last)
{
    struct kv *kv = context->state;
    struct piece piece = {bytes, size};
    enum octo_err err = OCTO_ERR_OK;

    if (kv->restore.stage == RESTORE_FAILED)
        return OCTO_ERR_MALFORMED;
    /* An entry of no bytes at all is entered although nothing of the piece is left. */
    while (err == OCTO_ERR_OK && (piece.left > 0 || (kv->restore.stage == RESTORE_BYTES &&
                                                     kv->restore.string_bytes == 0)))
        err = restore_some(context, &piece);
    if (err == OCTO_ERR_OK && last && !restore_complete(context))
        err = OCTO_ERR_MALFORMED;
    if (err != OCTO_ERR_OK)
        kv->restore.stage = RESTORE_FAILED;
    else if (last)
        kv->restore = (struct restore){.stage = RESTORE_HEADER};
    return err;
}

void octo_kv_check(const struct octo_machine_context *context)
{
    const struct kv *kv = context->state;
    if (kv->restore.stage == RESTORE_HEADER && kv->restore.have == 0)
        octo_kv_store_check(context->allocator, &kv->store);
}

const struct octo_machine octo_machine_kv = {
    .name = "kv",
    .version = 1,
    .init = kv_init,
    .apply = kv_apply,
    .query = kv_query,
    .snapshot = kv_snapshot,
    .restore = kv_restore,
    .compact = NULL, /* cells are equal: there are no gaps to close */
    .digest = kv_digest,
    .sample = octo_kv_sample,
};
