/* The durable image of one node: what each topic of its log holds, decoded as sectors become
 * durable.
 *
 * A topic is scanned in the order of its bytes, and only valid records change what is known. So the
 * state after the last valid record (`resume`) is the state for everything behind it: bytes that
 * become durable there are scanned from `resume` on, and what lies between, holes and halves of
 * records, is looked at again. Bytes that change before `resume` are rare (a batch that failed and
 * whose remains come up late, a crash): then all is decoded anew.
 */
#include "oracle/oracle_state.h"

static struct octo_file topic_file(uint32_t topic)
{
    return (struct octo_file){.kind = topic == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY};
}

static void topic_clear(struct oracle_topic *topic)
{
    const struct oracle_table slots = topic->log.slots;

    *topic = (struct oracle_topic){.log = {.slots = slots}};
}

bool oracle_image_init(struct octo_oracles *oracles, struct oracle_node *node)
{
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        struct oracle_topic *topic = &node->topics[i];
        *topic = (struct oracle_topic){.dirty_low = 0};
        if (!oracle_table_init(oracles, &topic->log.slots, sizeof(struct oracle_slot),
                               oracles->config.log_entries_max))
            return false;
    }
    return true;
}

void oracle_image_changed(struct oracle_node *node, struct octo_file file, uint64_t offset,
                          uint64_t length)
{
    if (file.kind == OCTO_FILE_VOTE)
        node->ballot_dirty = true;
    if (length == 0 || (file.kind != OCTO_FILE_MAIN && file.kind != OCTO_FILE_RECOVERY))
        return;
    struct oracle_topic *topic = &node->topics[file.kind == OCTO_FILE_MAIN ? 0 : 1];
    const bool clean = topic->dirty_low == topic->dirty_high;
    const uint64_t end = offset + length;
    topic->dirty_low = clean ? offset : octo_min_u64(topic->dirty_low, offset);
    topic->dirty_high = clean ? end : octo_max_u64(topic->dirty_high, end);
}

/* ---- Scanning ------------------------------------------------------------------------------ */

/* An entry that is *next* truncates and appends; any other is passed over. */
static void entry_found(struct octo_oracles *oracles, struct oracle_topic *topic,
                        const struct oracle_record *record)
{
    struct oracle_log *log = &topic->log;
    const octo_index index = record->index;

    if (record->sequence != topic->sequence + 1 || index == 0 || index > log->last + 1)
        return;
    const uint64_t previous = oracle_log_chain(log, index - 1);
    if (record->chain != previous || index > oracles->config.log_entries_max)
        return;
    if (!oracle_table_reserve(oracles, &log->slots, index))
        return;
    log->last = index;
    topic->sequence = record->sequence;
    topic->marked = octo_min_u64(topic->marked, index - 1);
    *oracle_slot(log, index) = (struct oracle_slot){
        .term = record->term,
        .chain = oracle_chain(previous, &record->entry),
        .sequence = record->sequence,
    };
}

static void marker_found(struct oracle_topic *topic, const struct oracle_record *record)
{
    const struct oracle_log *log = &topic->log;

    if (record->sequence <= topic->marker.sequence)
        return;
    topic->marker = (struct oracle_marker){
        .sequence = record->sequence,
        .index = record->index,
        .term = record->term,
        .chain = record->chain,
    };
    if (record->sequence == topic->sequence &&
        (record->index != log->last || record->term != oracle_log_term(log, log->last) ||
         record->chain != oracle_log_chain(log, log->last)))
        topic->contradiction = true;
}

static void topic_scan(struct octo_oracles *oracles, struct oracle_topic *topic,
                       struct oracle_reader *reader, uint64_t end)
{
    const uint64_t sector = oracles->config.sector_bytes;
    uint64_t at = topic->resume;

    while (at < end && !oracles->stopped) {
        struct oracle_record record;
        if (!oracle_record_read(reader, at, &record)) {
            at = octo_align_up(at + 1, sector);
            continue;
        }
        if (record.type == OCTO_RECORD_ENTRY)
            entry_found(oracles, topic, &record);
        else
            marker_found(topic, &record);
        at += record.bytes;
        topic->resume = at;
    }
    while (topic->marked < topic->log.last &&
           oracle_slot(&topic->log, topic->marked + 1)->sequence <= topic->marker.sequence)
        topic->marked++;
}

/* Decodes the file from `resume` to the end of what changed, or all of it. */
static void topic_decode(struct octo_oracles *oracles, const struct oracle_node *node,
                         uint32_t number, struct oracle_topic *topic, bool all,
                         const struct octo_images *images)
{
    struct oracle_reader reader = {
        .oracles = oracles,
        .images = images,
        .node = node->id,
        .file = topic_file(number),
    };
    const bool exists = images->size(images->context, node->id, reader.file, &reader.size);

    if (!exists)
        reader.size = 0;
    const uint64_t end = all ? reader.size : octo_min_u64(topic->dirty_high, reader.size);
    if (all)
        topic_clear(topic);
    topic->dirty_low = 0;
    topic->dirty_high = 0;
    topic_scan(oracles, topic, &reader, end);
}

void oracle_image_refresh(struct octo_oracles *oracles, struct oracle_node *node,
                          const struct octo_images *images)
{
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        struct oracle_topic *topic = &node->topics[i];
        if (topic->dirty_low < topic->dirty_high)
            topic_decode(oracles, node, i, topic, topic->dirty_low < topic->resume, images);
    }
    if (node->ballot_dirty) {
        node->ballot = oracle_vote_read(oracles, node->id, images);
        node->ballot_dirty = false;
    }
}

/* ---- Questions ----------------------------------------------------------------------------- */

bool oracle_image_holds(const struct oracle_node *node, octo_index index, uint64_t chain)
{
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        const struct oracle_log *log = &node->topics[i].log;
        if (index > log->last || oracle_log_chain(log, index) != chain)
            return false;
    }
    return true;
}

bool oracle_image_marked(const struct oracle_node *node, octo_index index)
{
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        if (index > node->topics[i].marked || node->topics[i].contradiction)
            return false;
    }
    return true;
}

const struct oracle_log *oracle_image_log(const struct oracle_node *node)
{
    const bool main_longer = node->topics[0].sequence >= node->topics[1].sequence;

    return &node->topics[main_longer ? 0 : 1].log;
}

/* ---- Full against incremental -------------------------------------------------------------- */

static bool topics_agree(const struct oracle_topic *a, const struct oracle_topic *b, uint64_t chain)
{
    return a->log.last == b->log.last && a->sequence == b->sequence && a->marked == b->marked &&
           a->contradiction == b->contradiction && a->marker.sequence == b->marker.sequence &&
           a->marker.chain == b->marker.chain && oracle_log_chain(&b->log, b->log.last) == chain;
}

static void topic_compare(struct octo_oracles *oracles, struct oracle_node *node, uint32_t number,
                          const struct octo_images *images)
{
    struct oracle_topic *topic = &node->topics[number];
    const struct oracle_topic before = *topic;
    const uint64_t chain = oracle_log_chain(&before.log, before.log.last);

    topic_decode(oracles, node, number, topic, true, images);
    if (oracles->stopped || topics_agree(&before, topic, chain))
        return;
    oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                 "the oracles read n%u's %s topic to index %" PRIu64 " (sequence %" PRIu64
                 ") step by step, to %" PRIu64 " (%" PRIu64 ") as a whole",
                 node->id, number == 0 ? "main" : "recovery", before.log.last, before.sequence,
                 topic->log.last, topic->sequence);
}

/* Whether both topics are the same bytes: then the second needs no decoding of its own. */
static bool topics_equal(const struct oracle_node *node, const struct octo_images *images)
{
    const struct octo_file files[ORACLE_TOPICS] = {topic_file(0), topic_file(1)};
    uint64_t sizes[ORACLE_TOPICS] = {0, 0};

    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        if (!images->size(images->context, node->id, files[i], &sizes[i]))
            return false;
    }
    if (sizes[0] != sizes[1])
        return false;
    for (uint64_t sector = 0; sector * 512 < sizes[0]; sector++) {
        const uint8_t *a = images->sector(images->context, node->id, files[0], sector);
        const uint8_t *b = images->sector(images->context, node->id, files[1], sector);
        if ((a == NULL) != (b == NULL))
            return false;
        if (a != NULL && memcmp(a, b, 512) != 0)
            return false;
    }
    return true;
}

void oracle_image_compare(struct octo_oracles *oracles, struct oracle_node *node,
                          const struct octo_images *images)
{
    const struct oracle_topic *main = &node->topics[0];

    oracle_image_refresh(oracles, node, images);
    if (oracles->stopped)
        return;
    topic_compare(oracles, node, 0, images);
    if (oracles->stopped)
        return;
    if (!topics_equal(node, images))
        topic_compare(oracles, node, 1, images);
    else if (!topics_agree(&node->topics[1], main,
                           oracle_log_chain(&node->topics[1].log, node->topics[1].log.last)))
        oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                     "the oracles read n%u's topics differently, although their bytes are equal",
                     node->id);
}
