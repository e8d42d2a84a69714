/* What a run came to. */
#include "sim/world.h"

#include <stdio.h>

void world_marks(const struct octo_world *world, uint64_t marks[OCTO_MARK_COUNT])
{
    memcpy(marks, world->marks, sizeof world->marks);
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (!world->hosts[id].up)
            continue;
        const uint32_t *const now = octo_node_marks(world->hosts[id].node);
        for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++)
            marks[i] += now[i];
    }
}

void octo_world_result(const struct octo_world *world, struct octo_sim_result *result)
{
    *result = (struct octo_sim_result){
        .verdict = *octo_oracles_verdict(world->oracles),
        .hash = world->hash,
        .events = world->events,
        .deliveries = world->deliveries,
        .virtual_ns = world->now,
        .elections = world->elections,
        .crashes = world->crashes,
        .restarts = world->restarts,
        .used_bytes = octo_world_used(world),
    };
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        const struct octo_simdisk_stats *stats = octo_simdisk_stats(world->hosts[id].disk);
        result->impaired += ledger_impaired(world, id);
        result->lies_told += stats->lies_told;
        result->lies_ended += stats->lies_ended;
    }
    clients_count(world, &result->acked, &result->failed, &result->unknown);
    memcpy(result->faults, world->faults, sizeof result->faults);
    world_marks(world, result->marks);
    memcpy(result->share_ns, world->share_ns, sizeof result->share_ns);
}

static bool word_letter(char letter)
{
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
           (letter >= 'A' && letter <= 'Z');
}

/* A word with a digit in it (a node, a number, a hash) becomes '#'. What follows the first ';' is
 * detail. It is cut when it is made, so that where does not depend on how long numbers are. */
void octo_sim_signature(const struct octo_verdict *verdict, char signature[OCTO_SIGNATURE_BYTES])
{
    char text[OCTO_WHY_BYTES + 64]; /* a property's name, too */
    uint32_t used = 0;

    signature[0] = '\0';
    if (verdict->property == OCTO_PROPERTY_NONE)
        return;
    (void)snprintf(text, sizeof text, "%s: %s", octo_property_text(verdict->property),
                   verdict->why);
    for (const char *at = text; *at != '\0' && *at != ';';) {
        uint32_t length = 0;
        bool digit = false;
        for (; word_letter(at[length]); length++)
            digit = digit || (at[length] >= '0' && at[length] <= '9');
        length += length == 0;
        const uint32_t size = digit ? 1 : length;
        if (used + size >= OCTO_SIGNATURE_BYTES)
            break;
        memcpy(signature + used, digit ? "#" : at, size);
        used += size;
        at += length;
    }
    while (signature[used - 1] == ' ')
        used--;
    signature[used] = '\0';
}
