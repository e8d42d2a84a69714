/* Requests and replies on their way between clients and nodes: slots from a recycled pool.
 *
 * A request carries no bytes: the command is made again from its two random words when it arrives.
 * A pool that is full loses the packet, as a network may. */
#include "sim/clients.h"

#define SLOT_NONE UINT32_MAX

void packets_init(struct client_packets *packets)
{
    *packets = (struct client_packets){.free_slot = SLOT_NONE};
}

uint64_t clients_packets(const struct octo_world *world)
{
    return world->clients->packets.sent;
}

/* ---- The pool ----------------------------------------------------------------------------------
 */

static struct client_packet *packet_at(struct client_packets *packets, uint32_t slot)
{
    octo_assert(slot < packets->count);
    return &packets->chunks[slot / PACKETS_CHUNK][slot % PACKETS_CHUNK];
}

static uint32_t packet_take(struct octo_world *world)
{
    struct client_packets *packets = &world->clients->packets;
    const uint32_t slot = packets->free_slot;

    if (slot != SLOT_NONE) {
        packets->free_slot = packet_at(packets, slot)->next_free;
        return slot;
    }
    const uint32_t chunk = packets->count / PACKETS_CHUNK;
    if (packets->count % PACKETS_CHUNK == 0) {
        if (chunk == PACKETS_CHUNKS)
            return SLOT_NONE;
        struct client_packet *fresh =
            octo_arena_alloc(&world->arena, PACKETS_CHUNK * sizeof *fresh);
        if (fresh == NULL)
            return SLOT_NONE;
        packets->chunks[chunk] = fresh;
    }
    return packets->count++;
}

static void large_give(struct client_packets *packets, uint8_t *buffer)
{
    memcpy(buffer, &packets->free_large, sizeof packets->free_large);
    packets->free_large = buffer;
}

static uint8_t *large_take(struct octo_world *world)
{
    struct client_packets *packets = &world->clients->packets;
    uint8_t *buffer = packets->free_large;

    if (buffer == NULL)
        return octo_arena_alloc(&world->arena, octo_max_u64(world->config.result_bytes_max, 64));
    memcpy(&packets->free_large, buffer, sizeof packets->free_large);
    return buffer;
}

static void packet_give(struct client_packets *packets, uint32_t slot)
{
    struct client_packet *packet = packet_at(packets, slot);
    if (packet->result != NULL && packet->result != packet->result_short)
        large_give(packets, packet->result);
    packet->result = NULL;
    packet->next_free = packets->free_slot;
    packets->free_slot = slot;
}

/* Copies a result into packet; false if there is no room. */
static bool packet_fill(struct octo_world *world, struct client_packet *packet,
                        const uint8_t *result, uint32_t size)
{
    octo_assert(size <= world->config.result_bytes_max);
    packet->size = size;
    packet->result = packet->result_short;
    if (size > sizeof packet->result_short)
        packet->result = large_take(world);
    if (packet->result == NULL)
        return false;
    if (size > 0)
        memcpy(packet->result, result, size);
    return true;
}

/* ---- On the way --------------------------------------------------------------------------------
 */

static bool packet_lost(struct octo_world *world, struct octo_key *key, octo_node_id from,
                        octo_node_id to)
{
    if (network_is_cut(world, from, to))
        return true;
    if (world->drawing.loss_ppm == 0 || world_calm(world))
        return false;
    uint64_t bits;
    key->purpose = OCTO_DECIDE_MESSAGE_LOST;
    if (!world_chance(world, key, world->drawing.loss_ppm, false, &bits))
        return false;
    record_fault(world, OCTO_FAULT_MESSAGE_LOST, from, to, key->identity[0]);
    return true;
}

/* How long the packet under key travels. */
static octo_time_ns packet_travel(struct octo_world *world, struct octo_key *key, octo_node_id from,
                                  octo_node_id to)
{
    const struct octo_drawing *drawing = &world->drawing;
    octo_time_ns late = 0;

    if (drawing->delay_ppm != 0 && !world_calm(world)) {
        key->purpose = OCTO_DECIDE_MESSAGE_DELAYED;
        uint64_t bits;
        if (world_chance(world, key, drawing->delay_ppm, false, &bits)) {
            late = 1 + octo_range(octo_mix(bits), drawing->delay_ns);
            record_fault(world, OCTO_FAULT_MESSAGE_DELAYED, from, to, late);
        }
    }
    key->purpose = OCTO_DECIDE_MESSAGE_LATENCY;
    return late + network_latency(world, key);
}

void packets_request(struct octo_world *world, uint32_t number, bool copy, octo_time_ns late)
{
    struct octo_clients *clients = world->clients;
    const struct client *client = &clients->clients[number];
    struct octo_key key = {
        .detail = copy ? OCTO_PACKET_COPY : OCTO_PACKET_REQUEST,
        .actor = (uint8_t)(OCTO_ACTOR_CLIENT + number),
        .target = (uint8_t)client->target,
        .identity = {client->session, client->sequence},
        .attempt = client->attempt,
    };

    clients->packets.sent++;
    if (packet_lost(world, &key, 0, client->target))
        return;
    const uint32_t slot = packet_take(world);
    if (slot == SLOT_NONE) {
        record_fault(world, OCTO_FAULT_MESSAGE_LOST, 0, client->target, client->sequence);
        return;
    }
    const octo_time_ns when = world->now + late + packet_travel(world, &key, 0, client->target);
    struct client_packet *packet = packet_at(&clients->packets, slot);
    packet->session = client->session;
    packet->sequence = client->sequence;
    packet->random = client->random;
    packet->choice = client->choice;
    packet->name = octo_key_hash(0, &key);
    packet->node = client->target;
    packet->result = NULL;
    world_at(world, when, OCTO_ITEM_REQUEST, slot, packet->name);
}

void clients_request_arrives(struct octo_world *world, uint32_t slot)
{
    struct client_packets *packets = &world->clients->packets;
    const struct client_packet *packet = packet_at(packets, slot);
    const octo_node_id node = packet->node;

    if (!world->hosts[node].up || network_is_cut(world, 0, node)) {
        packet_give(packets, slot);
        return;
    }
    if (host_is_paused(world, node)) {
        const struct octo_item item = {
            .kind = OCTO_ITEM_REQUEST, .subject = slot, .token = packet->name};
        world_put_off(world, world->hosts[node].paused_until, &item);
        return;
    }
    const struct octo_buffer command = clients_command(world, packet->random, packet->choice);
    struct octo_event event = {
        .kind = OCTO_EVENT_REQUEST,
        .request =
            {
                .client = packet->session,
                .sequence = packet->sequence,
                .command = command.bytes,
                .size = command.size,
            },
    };
    packet_give(packets, slot);
    host_step(world, node, &event);
}

void clients_reply(struct octo_world *world, octo_node_id from, const struct octo_effect *effect)
{
    struct octo_clients *clients = world->clients;
    const octo_client_id session = effect->reply.client;
    const uint32_t number = client_number(session);

    octo_assert(effect->kind == OCTO_EFFECT_REPLY);
    octo_assert(session != 0);
    octo_assert(number < clients->count);
    struct octo_key key = {
        .detail = OCTO_PACKET_REPLY,
        .actor = (uint8_t)from,
        .target = (uint8_t)(OCTO_ACTOR_CLIENT + number),
        .incarnation = world->hosts[from].incarnation,
        .identity = {session, effect->reply.sequence},
    };
    key.attempt = world_attempt(world, &key);
    clients->packets.sent++;
    if (packet_lost(world, &key, from, 0))
        return;
    const uint32_t slot = packet_take(world);
    if (slot == SLOT_NONE) {
        record_fault(world, OCTO_FAULT_MESSAGE_LOST, from, 0, effect->reply.sequence);
        return;
    }
    struct client_packet *packet = packet_at(&clients->packets, slot);
    packet->session = session;
    packet->sequence = effect->reply.sequence;
    packet->name = octo_key_hash(0, &key);
    packet->status = effect->reply.status;
    packet->leader = effect->reply.leader;
    packet->node = from;
    if (!packet_fill(world, packet, effect->reply.result, effect->reply.size)) {
        record_fault(world, OCTO_FAULT_MESSAGE_LOST, from, 0, effect->reply.sequence);
        packet_give(&clients->packets, slot);
        return;
    }
    world_at(world, world->now + packet_travel(world, &key, from, 0), OCTO_ITEM_REPLY, slot,
             packet->name);
}

void clients_reply_arrives(struct octo_world *world, uint32_t slot)
{
    struct client_packets *packets = &world->clients->packets;
    const struct client_packet *packet = packet_at(packets, slot);

    if (!network_is_cut(world, packet->node, 0))
        client_hears(world, client_number(packet->session), packet);
    packet_give(packets, slot);
}
