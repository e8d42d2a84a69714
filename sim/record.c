/* The trace hash: every event, every effect, every fault, as fixed records of words, each two words
 * folded into the running hash by one 128-bit multiplication. Bytes count by what stands for them:
 * a message by the checksum in its header (what was damaged on the way has its own record), the
 * others by their XXH3. */
#include "sim/world.h"

#define CHAIN_A 0x9ddfea08eb382d69ull
#define CHAIN_B 0xc3a5c85c97cb3127ull

#define MESSAGE_CHECKSUM_OFFSET 8u

/* The records' first words begin with what they are. */
#define RECORD_EVENT  (1ull << 56)
#define RECORD_EFFECT (2ull << 56)
#define RECORD_FAULT  (3ull << 56)
#define RECORD_END    (4ull << 56)

static inline uint64_t chain(uint64_t hash, uint64_t a, uint64_t b)
{
    return octo_fold(hash ^ a ^ CHAIN_A, b ^ CHAIN_B) + hash;
}

static uint64_t message_checksum(const uint8_t *bytes, uint32_t size)
{
    return size < OCTO_MESSAGE_HEADER_BYTES ? 0 : octo_get_u64(bytes + MESSAGE_CHECKSUM_OFFSET);
}

static uint64_t event_chain(uint64_t hash, const struct octo_event *event)
{
    switch (event->kind) {
    case OCTO_EVENT_BOOT:
        return chain(hash, event->boot.seed, event->boot.format);
    case OCTO_EVENT_TIMER:
        return hash;
    case OCTO_EVENT_MESSAGE:
        return chain(hash, message_checksum(event->message.bytes, event->message.size),
                     event->message.size);
    case OCTO_EVENT_DISK:
        hash = chain(hash, event->disk.id,
                     (uint64_t)event->disk.length << 32 | (uint32_t)event->disk.result);
        if (event->disk.data == NULL || event->disk.length == 0)
            return hash;
        return chain(hash, octo_hash(event->disk.data, event->disk.length, 0), 0);
    case OCTO_EVENT_REQUEST:
        hash = chain(hash, event->request.client, event->request.sequence);
        return chain(hash, octo_hash(event->request.command, event->request.size, 0),
                     event->request.size);
    }
    octo_assert(false); /* an event of an unknown kind */
    return hash;
}

/* What stands for the bytes that were hashed last: a batch goes to both topics in one step. */
struct written {
    const uint8_t *data;
    uint32_t length;
    uint64_t hash;
};

static uint64_t written_hash(struct written *last, const struct octo_disk_op *op)
{
    if (last->data != op->data || last->length != op->length)
        *last = (struct written){op->data, op->length, octo_hash(op->data, op->length, 0)};
    return last->hash;
}

static uint64_t disk_chain(uint64_t hash, uint64_t first, const struct octo_disk_op *op,
                           struct written *last)
{
    hash = chain(hash, first | (uint64_t)op->kind << 8 | (uint64_t)op->file.kind << 16, op->id);
    hash = chain(hash, op->offset, (uint64_t)op->length << 32 | op->file.number);
    switch ((enum octo_disk_kind)op->kind) {
    case OCTO_DISK_WRITE:
        return chain(hash, written_hash(last, op), 0);
    case OCTO_DISK_RENAME:
        return chain(hash, op->target.kind, op->target.number);
    case OCTO_DISK_NONE:
    case OCTO_DISK_READ:
    case OCTO_DISK_SYNC:
    case OCTO_DISK_CREATE:
    case OCTO_DISK_DIR_SYNC:
    case OCTO_DISK_UNLINK:
    case OCTO_DISK_ALLOCATE:
    case OCTO_DISK_LIST:
        break;
    }
    return hash;
}

static uint64_t effect_chain(uint64_t hash, const struct octo_effect *effect, struct written *last)
{
    const uint64_t first = RECORD_EFFECT | effect->kind;
    switch (effect->kind) {
    case OCTO_EFFECT_SEND:
        return chain(hash, first | (uint64_t)effect->send.size << 16 | effect->send.to << 8,
                     message_checksum(effect->send.bytes, effect->send.size));
    case OCTO_EFFECT_DISK:
        return disk_chain(hash, first, &effect->disk, last);
    case OCTO_EFFECT_REPLY:
        hash = chain(hash, first | (uint64_t)effect->reply.leader << 16, effect->reply.client);
        hash = chain(hash, effect->reply.sequence,
                     (uint64_t)effect->reply.size << 32 | (uint32_t)effect->reply.status);
        if (effect->reply.size == 0)
            return hash;
        return chain(hash, octo_hash(effect->reply.result, effect->reply.size, 0), 0);
    case OCTO_EFFECT_TRACE:
        hash = chain(hash, first | (uint64_t)effect->trace.kind << 8, effect->trace.words[0]);
        hash = chain(hash, effect->trace.words[1], effect->trace.words[2]);
        return chain(hash, effect->trace.words[3], 0);
    case OCTO_EFFECT_HALT:
        return chain(hash, first, (uint64_t)effect->halt.reason);
    }
    octo_assert(false); /* an effect of an unknown kind */
    return hash;
}

void record_event(struct octo_world *world, octo_node_id id, const struct octo_event *event,
                  const struct octo_effects *effects)
{
    const uint64_t who = (uint64_t)world->hosts[id].incarnation << 16 | (uint64_t)id << 8;
    uint64_t hash = chain(world->hash, RECORD_EVENT | who | event->kind, world->events);
    hash = chain(hash, world->now, event->now);
    hash = event_chain(hash, event);
    struct written last = {.data = NULL};
    for (uint32_t i = 0; i < effects->count; i++)
        hash = effect_chain(hash, &effects->items[i], &last);
    world->hash = chain(hash, RECORD_END | effects->count, effects->deadline);
    if (text_watched(world))
        text_event(world, id, event, effects);
}

void record_fault(struct octo_world *world, enum octo_fault fault, octo_node_id a, octo_node_id b,
                  uint64_t detail)
{
    octo_assert((uint32_t)fault < OCTO_FAULT_COUNT);
    world->faults[fault]++;
    plan_struck(world, a);
    const uint64_t who = (uint64_t)a << 16 | (uint64_t)b << 24;
    world->hash = chain(world->hash, RECORD_FAULT | who | (uint64_t)fault, detail);
    world->hash = chain(world->hash, world->now, world->events);
    if (text_watched(world))
        text_fault(world, fault, a, b, detail);
}
