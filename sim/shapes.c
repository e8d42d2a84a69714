/* The shapes of partitions: which directed links each one cuts. Endpoint 0 stands for all clients,
 * who are on every side unless a shape says otherwise. */
#include "sim/world.h"

/* Sets of endpoints: bit n is endpoint n. */
static uint16_t set_of_nodes(const struct octo_world *world)
{
    return (uint16_t)(((1u << world->options.node_count) - 1) << 1);
}

static uint64_t part(uint64_t bits, uint32_t number)
{
    return octo_mix(bits + number * 0x9e3779b97f4a7c15ull);
}

/* `count` nodes, every choice equally likely. */
static uint16_t some_nodes(const struct octo_world *world, uint64_t bits, uint32_t count)
{
    const uint32_t nodes = world->options.node_count;
    uint32_t wanted = count;
    uint16_t chosen = 0;

    for (uint32_t id = 1; id <= nodes; id++) {
        if (octo_range(part(bits, id), nodes - id + 1) < wanted) {
            chosen = (uint16_t)(chosen | 1u << id);
            wanted--;
        }
    }
    octo_assert(wanted == 0);
    return chosen;
}

/* Cuts every link from a node of `from` to one of `to`. */
static void cut_all(uint16_t from, uint16_t to, uint16_t *links)
{
    for (uint32_t id = 0; id <= OCTO_SIM_NODES_MAX; id++) {
        if (from & 1u << id)
            links[id] = (uint16_t)(links[id] | (to & ~(1u << id)));
    }
}

static void cut_both(uint16_t a, uint16_t b, uint16_t *links)
{
    cut_all(a, b, links);
    cut_all(b, a, links);
}

static void split_one_way(const struct octo_world *world, uint64_t bits, uint16_t *links)
{
    const uint32_t nodes = world->options.node_count;
    const uint16_t all = set_of_nodes(world);
    const uint16_t side =
        some_nodes(world, bits, 1 + (uint32_t)octo_range(part(bits, 20), nodes - 1));
    const uint16_t other = (uint16_t)(all & ~side);

    /* In a quarter of the cases one single link. */
    if (octo_strikes(part(bits, 21), 250000))
        cut_all((uint16_t)(side & -side), (uint16_t)(other & -other), links);
    else
        cut_all(side, other, links);
}

/* Alone, for the others; the clients still reach it, or do not. */
static void isolate(const struct octo_world *world, uint64_t bits, octo_node_id node,
                    uint16_t *links)
{
    const uint16_t alone = (uint16_t)(1u << node);
    const uint16_t clients = octo_strikes(part(bits, 22), 300000) ? 1 : 0;

    cut_both(alone, (uint16_t)((set_of_nodes(world) & ~alone) | clients), links);
}

/* Two halves that meet in one node; or, from five nodes on, a ring in which every node hears its
 * own neighbours only, each a different majority. */
static void bridge(const struct octo_world *world, uint64_t bits, uint16_t *links)
{
    const uint32_t nodes = world->options.node_count;
    const uint16_t all = set_of_nodes(world);
    const uint32_t middle = 1 + (uint32_t)octo_range(part(bits, 23), nodes);
    const uint32_t reach = (nodes / 2 + 1) / 2; /* on either side: with itself a majority */

    if (nodes >= 5 && octo_strikes(part(bits, 24), 500000)) {
        for (uint32_t a = 0; a < nodes; a++) {
            for (uint32_t b = 0; b < nodes; b++) {
                const uint32_t forward = (b + nodes - a) % nodes;
                const uint32_t distance = forward < nodes - forward ? forward : nodes - forward;
                if (distance > reach)
                    cut_all((uint16_t)(2u << a), (uint16_t)(2u << b), links);
            }
        }
        return;
    }
    uint16_t left = 0;
    for (uint32_t i = 1; i <= nodes / 2; i++)
        left = (uint16_t)(left | 1u << (1 + (middle - 1 + i) % nodes));
    cut_both(left, (uint16_t)(all & ~left & ~(1u << middle)), links);
}

/* The clients lose some of the nodes, or all; both ways, or they are not answered, or not heard. */
static void cut_clients(const struct octo_world *world, uint64_t bits, uint16_t *links)
{
    const uint32_t nodes = world->options.node_count;
    const uint16_t side = some_nodes(world, bits, 1 + (uint32_t)octo_range(part(bits, 25), nodes));
    const uint64_t way = octo_range(part(bits, 26), 4);

    if (way != 0)
        cut_all(side, 1, links);
    if (way != 1)
        cut_all(1, side, links);
}

void shape_links(const struct octo_world *world, enum octo_fault shape, uint64_t bits,
                 octo_node_id leader, uint16_t links[OCTO_SIM_NODES_MAX + 1])
{
    const uint32_t nodes = world->options.node_count;
    const uint16_t all = set_of_nodes(world);
    const octo_node_id drawn = 1 + (octo_node_id)octo_range(part(bits, 27), nodes);
    uint16_t side;

    memset(links, 0, (OCTO_SIM_NODES_MAX + 1) * sizeof links[0]);
    switch ((int)shape) { /* the other faults are not shapes */
    case OCTO_FAULT_PARTITION_ONE_WAY:
        split_one_way(world, bits, links);
        break;
    case OCTO_FAULT_PARTITION_LEADER:
        isolate(world, bits, leader != 0 ? leader : drawn, links);
        break;
    case OCTO_FAULT_PARTITION_MINORITY:
        side = some_nodes(world, bits, 1 + (uint32_t)octo_range(part(bits, 20), (nodes - 1) / 2));
        cut_both(side, (uint16_t)(all & ~side), links);
        break;
    case OCTO_FAULT_PARTITION_BRIDGE:
        bridge(world, bits, links);
        break;
    case OCTO_FAULT_PARTITION_CLIENTS:
        cut_clients(world, bits, links);
        break;
    case OCTO_FAULT_PARTITION_SYMMETRIC:
    case OCTO_FAULT_PARTITION_FLAPPING:
        side = some_nodes(world, bits, 1 + (uint32_t)octo_range(part(bits, 20), nodes - 1));
        cut_both(side, (uint16_t)(all & ~side), links);
        break;
    default:
        octo_assert(false);
    }
}
