/* The durable image read as a whole, against what reading it step by step came to. */
#include "oracle/oracle_state.h"

#define SECTOR_BYTES 512u /* of octo_images */

static void topic_compare(struct octo_oracles *oracles, struct oracle_node *node, uint32_t number,
                          const struct octo_images *images)
{
    struct oracle_topic *topic = &node->image.topics[number];
    struct oracle_topic *whole = &oracles->scratch.merged;
    const struct oracle_reading reading = {
        .oracles = oracles,
        .images = images,
        .node = node,
        .into = whole,
        .first = number,
        .count = 1,
        .end = UINT64_MAX,
    };

    oracle_topic_whole(&reading);
    if (oracles->stopped || oracle_topics_agree(topic, whole))
        return;
    oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                 "the oracles read n%u's %s topic to index %" PRIu64 " (marked %" PRIu64
                 ") step by step, to %" PRIu64 " (%" PRIu64 ") as a whole",
                 node->id, number == 0 ? "main" : "recovery", topic->log.last, topic->marked,
                 whole->log.last, whole->marked);
}

static bool segments_equal(octo_node_id node, uint32_t number, const struct octo_images *images)
{
    const struct octo_file files[ORACLE_TOPICS] = {oracle_topic_file(0, number),
                                                   oracle_topic_file(1, number)};
    uint64_t sizes[ORACLE_TOPICS] = {0, 0};

    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        if (!images->size(images->context, node, files[i], &sizes[i]))
            return false;
    }
    if (sizes[0] != sizes[1])
        return false;
    for (uint64_t sector = 0; sector * SECTOR_BYTES < sizes[0]; sector++) {
        const uint8_t *a = images->sector(images->context, node, files[0], sector);
        const uint8_t *b = images->sector(images->context, node, files[1], sector);
        if ((a == NULL) != (b == NULL))
            return false;
        if (a != NULL && memcmp(a, b, SECTOR_BYTES) != 0)
            return false;
    }
    return true;
}

/* Whether both topics are the same bytes: then the second needs no decoding of its own. */
static bool topics_equal(struct octo_oracles *oracles, const struct oracle_node *node,
                         const struct octo_images *images)
{
    const struct oracle_scratch *scratch = &oracles->scratch;

    for (uint32_t i = 0; i < ORACLE_TOPICS; i++)
        oracle_topic_segments(oracles, node->id, i, images);
    if (scratch->segment_count[0] != scratch->segment_count[1])
        return false;
    for (uint32_t i = 0; i < scratch->segment_count[0]; i++) {
        if (scratch->segments[0][i] != scratch->segments[1][i] ||
            !segments_equal(node->id, scratch->segments[0][i], images))
            return false;
    }
    return true;
}

static void snapshot_compare(struct octo_oracles *oracles, const struct oracle_node *node,
                             const struct octo_images *images)
{
    const struct oracle_snapshot *before = &node->image.snapshot;
    const struct oracle_snapshot nothing = {.number = 0};
    const struct oracle_snapshot whole = oracle_snapshot_read(oracles, node->id, &nothing, images);

    if (oracles->stopped || (whole.number == before->number && whole.at.index == before->at.index &&
                             whole.machine_hash == before->machine_hash))
        return;
    oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                 "the oracles knew snapshot %u (index %" PRIu64 ") of n%u and find snapshot %u "
                 "(index %" PRIu64 ")",
                 before->number, before->at.index, node->id, whole.number, whole.at.index);
}

void oracle_image_compare(struct octo_oracles *oracles, struct oracle_node *node,
                          const struct octo_images *images)
{
    const struct oracle_topic *topics = node->image.topics;

    oracle_image_refresh(oracles, node, images);
    if (!oracles->stopped)
        snapshot_compare(oracles, node, images);
    if (!oracles->stopped)
        topic_compare(oracles, node, 0, images);
    if (oracles->stopped)
        return;
    if (!topics_equal(oracles, node, images))
        topic_compare(oracles, node, 1, images);
    else if (!oracle_topics_agree(&topics[0], &topics[1]))
        oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                     "the oracles read n%u's topics differently, although their bytes are equal",
                     node->id);
}
