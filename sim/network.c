/* Messages between nodes: what is lost, late, doubled or damaged on the way, and what is cut.
 *
 * A message in flight is a slot and a recycled buffer. Slots come in chunks and buffers in a few
 * sizes, all from the world's arena, so that a world holds no more than its busiest moment needed.
 */
#include "sim/world.h"

#define CHUNK_SLOTS 256u
#define CHUNKS_MAX  64u
#define SLOT_NONE   UINT32_MAX

#define SIZE_CLASSES 4u

struct network_slot {
    uint8_t *bytes;
    uint32_t size;
    uint32_t next_free;
    uint8_t size_class;
    uint8_t from;
    uint8_t to;
};

struct network_buffer {
    struct network_buffer *next;
};

struct octo_network {
    struct octo_arena *arena;
    uint32_t class_bytes[SIZE_CLASSES];
    struct network_buffer *free_buffers[SIZE_CLASSES];
    struct network_slot *chunks[CHUNKS_MAX];
    uint32_t slot_count; /* ever used */
    uint32_t free_slot;
    /* When the link from a to b has sent all that was given to it; only with a limited bandwidth.
     */
    octo_time_ns busy_until[OCTO_SIM_NODES_MAX + 1][OCTO_SIM_NODES_MAX + 1];
    uint16_t cuts[OCTO_SIM_NODES_MAX + 1]; /* bit b of cuts[a]: nothing passes from a to b */
};

struct octo_network *network_create(struct octo_arena *arena, uint32_t message_bytes_max)
{
    struct octo_network *network = octo_arena_alloc(arena, sizeof *network);
    if (network == NULL)
        return NULL;
    const uint32_t largest = (uint32_t)octo_max_u64(octo_align_up(message_bytes_max, 64), 4096);
    *network = (struct octo_network){
        .arena = arena,
        .class_bytes = {128, 512, 2048, largest},
        .free_slot = SLOT_NONE,
    };
    return network;
}

/* ---- Cuts ------------------------------------------------------------------------------------ */

bool network_is_cut(const struct octo_world *world, octo_node_id from, octo_node_id to)
{
    return (world->network->cuts[from] >> to & 1) != 0;
}

void network_cut(struct octo_world *world, octo_node_id from, octo_node_id to, bool cut)
{
    octo_assert(from <= world->options.node_count);
    octo_assert(to <= world->options.node_count);
    const uint16_t bit = (uint16_t)(1u << to);
    if (cut)
        world->network->cuts[from] |= bit;
    else
        world->network->cuts[from] &= (uint16_t)~bit;
}

void network_heal(struct octo_world *world)
{
    memset(world->network->cuts, 0, sizeof world->network->cuts);
}

/* ---- Slots ----------------------------------------------------------------------------------- */

static struct network_slot *slot_at(const struct octo_network *network, uint32_t slot)
{
    octo_assert(slot < network->slot_count);
    return &network->chunks[slot / CHUNK_SLOTS][slot % CHUNK_SLOTS];
}

static uint8_t *buffer_take(struct octo_network *network, uint32_t size_class)
{
    struct network_buffer *const buffer = network->free_buffers[size_class];
    if (buffer == NULL)
        return octo_arena_alloc(network->arena, network->class_bytes[size_class]);
    network->free_buffers[size_class] = buffer->next;
    return (uint8_t *)buffer;
}

static void buffer_give(struct octo_network *network, uint32_t size_class, uint8_t *bytes)
{
    struct network_buffer *const buffer = (struct network_buffer *)(void *)bytes;
    buffer->next = network->free_buffers[size_class];
    network->free_buffers[size_class] = buffer;
}

/* A slot that holds a copy of bytes, or SLOT_NONE. */
static uint32_t slot_take(struct octo_network *network, const uint8_t *bytes, uint32_t size)
{
    uint32_t size_class = 0;
    while (network->class_bytes[size_class] < size) {
        size_class++;
        octo_assert(size_class < SIZE_CLASSES);
    }
    uint32_t number = network->free_slot;
    if (number == SLOT_NONE) {
        const uint32_t chunk = network->slot_count / CHUNK_SLOTS;
        if (chunk == CHUNKS_MAX)
            return SLOT_NONE;
        if (network->slot_count % CHUNK_SLOTS == 0) {
            network->chunks[chunk] =
                octo_arena_alloc(network->arena, CHUNK_SLOTS * sizeof(struct network_slot));
            octo_assert(network->chunks[chunk] != NULL);
        }
        number = network->slot_count++;
    } else {
        network->free_slot = slot_at(network, number)->next_free;
    }
    struct network_slot *const slot = slot_at(network, number);
    slot->bytes = buffer_take(network, size_class);
    octo_assert(slot->bytes != NULL);
    memcpy(slot->bytes, bytes, size);
    slot->size = size;
    slot->size_class = (uint8_t)size_class;
    return number;
}

static void slot_give(struct octo_network *network, uint32_t number)
{
    struct network_slot *const slot = slot_at(network, number);
    buffer_give(network, slot->size_class, slot->bytes);
    slot->bytes = NULL;
    slot->next_free = network->free_slot;
    network->free_slot = number;
}

/* ---- Sending --------------------------------------------------------------------------------- */

octo_time_ns network_latency(struct octo_world *world, const struct octo_key *key)
{
    const struct octo_drawing *const drawing = &world->drawing;
    return drawing->latency_base_ns +
           octo_range(world_decide(world, key), drawing->latency_jitter_ns + 1);
}

/* Asks about one kind of fault of the message under key: false at once when it is off. */
static bool strikes(struct octo_world *world, struct octo_key *key, enum octo_decision purpose,
                    uint32_t ppm, uint64_t *bits)
{
    if (ppm == 0 || world_calm(world))
        return false;
    key->purpose = (uint8_t)purpose;
    return world_chance(world, key, ppm, false, bits);
}

static struct octo_key message_key(struct octo_world *world, octo_node_id from, octo_node_id to,
                                   const uint8_t *bytes, uint32_t size)
{
    struct octo_message_name name = {0};
    const bool known = octo_message_peek(bytes, size, &name);
    octo_assert(known);
    struct octo_key key = {
        .purpose = OCTO_DECIDE_MESSAGE_LATENCY,
        .detail = (uint8_t)name.type,
        .actor = (uint8_t)from,
        .target = (uint8_t)to,
        .incarnation = world->hosts[from].incarnation,
        .identity = {name.term, name.index},
    };
    key.attempt = world_attempt(world, &key);
    return key;
}

/* Flips one to three bits, drawn from what the decision left over. */
static void corrupt(struct octo_world *world, const struct network_slot *slot, uint64_t bits)
{
    uint64_t random = octo_mix(bits);
    const uint32_t count = 1 + (uint32_t)octo_range(random, 3);
    for (uint32_t i = 0; i < count; i++) {
        random = octo_mix(random + i + 1);
        const uint64_t bit = octo_range(random, 8ull * slot->size);
        slot->bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    record_fault(world, OCTO_FAULT_MESSAGE_CORRUPTED, slot->from, slot->to, random);
}

/* How long a message waits for those before it on its link, and for its own bytes. Who waits longer
 * than messages usually travel counts as delayed. */
static octo_time_ns bandwidth_wait(struct octo_world *world, const struct octo_key *key,
                                   uint32_t size)
{
    const struct octo_drawing *const drawing = &world->drawing;
    octo_time_ns *const busy = &world->network->busy_until[key->actor][key->target];
    if (drawing->bandwidth_bytes == 0 || world_calm(world))
        return 0;
    *busy = octo_max_u64(*busy, world->now) + size * OCTO_SECOND / drawing->bandwidth_bytes;
    const octo_time_ns wait = *busy - world->now;
    if (wait > drawing->latency_base_ns + drawing->latency_jitter_ns)
        record_fault(world, OCTO_FAULT_MESSAGE_DELAYED, key->actor, key->target, wait);
    return wait;
}

/* One copy goes on its way. */
static void launch(struct octo_world *world, struct octo_key *key, const uint8_t *bytes,
                   uint32_t size)
{
    uint64_t bits = 0;
    const struct octo_drawing *const drawing = &world->drawing;
    octo_time_ns late = bandwidth_wait(world, key, size);
    if (strikes(world, key, OCTO_DECIDE_MESSAGE_DELAYED, drawing->delay_ppm, &bits)) {
        const octo_time_ns delay = 1 + octo_range(octo_mix(bits), drawing->delay_ns + 1);
        record_fault(world, OCTO_FAULT_MESSAGE_DELAYED, key->actor, key->target, delay);
        late += delay;
    }
    const uint32_t number = slot_take(world->network, bytes, size);
    if (number == SLOT_NONE) {
        record_fault(world, OCTO_FAULT_MESSAGE_LOST, key->actor, key->target, size);
        return;
    }
    struct network_slot *const slot = slot_at(world->network, number);
    slot->from = key->actor;
    slot->to = key->target;
    if (strikes(world, key, OCTO_DECIDE_MESSAGE_CORRUPTED, drawing->corrupt_ppm, &bits))
        corrupt(world, slot, bits);

    key->purpose = OCTO_DECIDE_MESSAGE_LATENCY;
    const octo_time_ns when = world->now + late + network_latency(world, key);
    world_at(world, when, OCTO_ITEM_MESSAGE, number, octo_key_hash(0, key));
}

void network_send(struct octo_world *world, octo_node_id from, octo_node_id to,
                  const uint8_t *bytes, uint32_t size)
{
    octo_assert(to >= 1);
    octo_assert(to <= world->options.node_count);
    const enum octo_sim_share share = world_share(world, OCTO_SHARE_NETWORK);
    struct octo_key key = message_key(world, from, to, bytes, size);
    uint64_t bits = 0;

    if (network_is_cut(world, from, to))
        goto done;
    if (strikes(world, &key, OCTO_DECIDE_MESSAGE_LOST, world->drawing.loss_ppm, &bits)) {
        record_fault(world, OCTO_FAULT_MESSAGE_LOST, from, to, octo_key_hash(0, &key));
        goto done;
    }
    const bool twice =
        strikes(world, &key, OCTO_DECIDE_MESSAGE_DUPLICATED, world->drawing.duplicate_ppm, &bits);
    launch(world, &key, bytes, size);
    if (twice) {
        record_fault(world, OCTO_FAULT_MESSAGE_DUPLICATED, from, to, octo_key_hash(0, &key));
        key.detail |= OCTO_MESSAGE_COPY;
        launch(world, &key, bytes, size);
    }
done:
    world_share(world, share);
}

void network_arrive(struct octo_world *world, const struct octo_item *item)
{
    const struct network_slot *const slot = slot_at(world->network, item->subject);
    const struct octo_host_node *const host = &world->hosts[slot->to];

    if (host->up && !network_is_cut(world, slot->from, slot->to)) {
        if (host_is_paused(world, slot->to)) {
            world_put_off(world, host->paused_until, item);
            return;
        }
        world->deliveries++;
        struct octo_event event = {
            .kind = OCTO_EVENT_MESSAGE,
            .message = {.bytes = slot->bytes, .size = slot->size},
        };
        host_step(world, slot->to, &event);
    }
    slot_give(world->network, item->subject);
}
