/* The effects of one step. Room is a matter of octo_effects_limits: lacking it is a broken
 * invariant, not an error, and is asserted. */
#include "kernel/step.h"

static struct octo_effect *effect_add(struct octo_step *step, enum octo_effect_kind kind)
{
    struct octo_effects *effects = step->effects;

    octo_assert(effects->count < effects->capacity);
    struct octo_effect *effect = &effects->items[effects->count];
    effects->count++;
    /* Padding too: equal effects are equal bytes (K1), whatever the host's buffer held. */
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

void octo_step_trace(struct octo_step *step, enum octo_trace_kind kind, uint64_t a, uint64_t b,
                     uint64_t c, uint64_t d)
{
    octo_assert(kind != OCTO_TRACE_NONE);
    octo_assert((uint32_t)kind < OCTO_TRACE_COUNT);
    struct octo_trace *trace = &effect_add(step, OCTO_EFFECT_TRACE)->trace;
    trace->kind = kind;
    trace->words[0] = a;
    trace->words[1] = b;
    trace->words[2] = c;
    trace->words[3] = d;
}

uint64_t octo_step_disk(struct octo_step *step, const struct octo_disk_op *op)
{
    octo_assert(op->kind != OCTO_DISK_NONE);
    octo_assert(op->file.kind != OCTO_FILE_NONE || op->kind == OCTO_DISK_DIR_SYNC);
    octo_assert(op->kind != OCTO_DISK_WRITE || op->data != NULL);
    struct octo_disk_op *disk = &effect_add(step, OCTO_EFFECT_DISK)->disk;
    /* Field by field: a struct assignment may bring the caller's padding along. */
    disk->id = (*step->next_op)++;
    disk->kind = op->kind;
    disk->file.kind = op->file.kind;
    disk->file.number = op->file.number;
    disk->target.kind = op->target.kind;
    disk->target.number = op->target.number;
    disk->offset = op->offset;
    disk->length = op->length;
    disk->data = op->data;
    return disk->id;
}

void octo_step_halt(struct octo_step *step, enum octo_err reason)
{
    octo_assert(reason != OCTO_ERR_OK);
    effect_add(step, OCTO_EFFECT_HALT)->halt.reason = reason;
}

uint8_t *octo_step_bytes(struct octo_step *step, uint32_t size)
{
    struct octo_effects *effects = step->effects;

    octo_assert(effects->bytes_used <= effects->bytes_capacity);
    octo_assert(size <= effects->bytes_capacity - effects->bytes_used);
    return effects->bytes + effects->bytes_used;
}

/* Keeps [bytes, bytes + size) if it lies in the effects' bytes, and says whether it does. Bytes
 * kept before may be named again: one message sent to several nodes is built once. */
static bool bytes_keep(struct octo_effects *effects, const uint8_t *bytes, uint32_t size)
{
    const uintptr_t begin = (uintptr_t)effects->bytes;
    const uintptr_t at = (uintptr_t)bytes;

    if (at < begin || at >= begin + effects->bytes_capacity)
        return false;
    const uint32_t offset = (uint32_t)(at - begin);
    octo_assert(offset <= effects->bytes_used);
    octo_assert(size <= effects->bytes_capacity - offset);
    if (offset + size > effects->bytes_used)
        effects->bytes_used = offset + size;
    return true;
}

void octo_step_send(struct octo_step *step, octo_node_id to, const uint8_t *bytes, uint32_t size)
{
    octo_assert(to >= 1);
    octo_assert(to <= OCTO_NODES_MAX);
    octo_assert(size > 0);
    const bool kept = bytes_keep(step->effects, bytes, size);
    octo_assert(kept);
    struct octo_effect *effect = effect_add(step, OCTO_EFFECT_SEND);
    effect->send.to = to;
    effect->send.bytes = bytes;
    effect->send.size = size;
}

void octo_step_reply(struct octo_step *step, octo_client_id client, uint64_t sequence,
                     enum octo_err status, octo_node_id leader, const uint8_t *result,
                     uint32_t size)
{
    octo_assert(result != NULL || size == 0);
    /* A result may also lie in the node's block: then there is nothing to keep. */
    if (size > 0)
        (void)bytes_keep(step->effects, result, size);
    struct octo_effect *effect = effect_add(step, OCTO_EFFECT_REPLY);
    effect->reply.client = client;
    effect->reply.sequence = sequence;
    effect->reply.status = status;
    effect->reply.leader = leader;
    effect->reply.result = size > 0 ? result : NULL;
    effect->reply.size = size;
}

void octo_step_deadline(struct octo_step *step, octo_time_ns at)
{
    step->effects->deadline = octo_min_u64(step->effects->deadline, at);
}
