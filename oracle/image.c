/* The durable image of one node: what changed, what it comes to, and questions about it.
 *
 * Changes are noted when they are reported and decoded when somebody asks. Three things make a
 * topic be decoded anew: bytes that change before `resume` (a repair in place, a crash, the remains
 * of a batch that failed), a segment that went away while the log still rested on it, and another
 * snapshot to begin from, unless the log holds that one's last entry: then it begins there instead.
 */
#include "oracle/oracle_state.h"

bool oracle_image_init(struct octo_oracles *oracles, struct oracle_node *node)
{
    struct oracle_image *image = &node->image;

    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        if (!oracle_table_init(oracles, &image->topics[i].log.slots, sizeof(struct oracle_slot),
                               oracles->config.index_max))
            return false;
    }
    return true;
}

/* ---- Changes ------------------------------------------------------------------------------- */

/* Joins a span with the one after it. */
static void spans_join(struct oracle_topic *topic, uint32_t at)
{
    struct oracle_span *span = &topic->dirty[at];

    span->low = octo_min_u64(span->low, span[1].low);
    span->high = octo_max_u64(span->high, span[1].high);
    topic->dirty_count--;
    memmove(span + 1, span + 2, (topic->dirty_count - at - 1) * sizeof *span);
}

static void topic_changed(struct oracle_topic *topic, uint32_t number, uint64_t offset,
                          uint64_t length)
{
    const uint64_t low = octo_segment_place(number, offset);
    uint32_t at = topic->dirty_count;

    if (at == ORACLE_SPANS_MAX) {
        spans_join(topic, at - 2);
        at--;
    }
    for (; at > 0 && topic->dirty[at - 1].low > low; at--)
        topic->dirty[at] = topic->dirty[at - 1];
    topic->dirty[at] = (struct oracle_span){low, low + length};
    topic->dirty_count++;
    while (at + 1 < topic->dirty_count && topic->dirty[at].high >= topic->dirty[at + 1].low)
        spans_join(topic, at);
    if (at > 0 && topic->dirty[at - 1].high >= low)
        spans_join(topic, at - 1);
}

/* Nothing of what was decoded stood in a segment behind `resume`: a new one, which never came to be
 * durable. */
static void segment_gone(struct oracle_topic *topic, uint32_t number)
{
    if (number > topic->gone && octo_segment_place(number, 0) <= topic->resume)
        topic->gone = number;
}

void oracle_image_changed(struct oracle_node *node, struct octo_file file, uint64_t offset,
                          uint64_t length, const struct octo_images *images)
{
    struct oracle_image *image = &node->image;
    uint64_t size;

    if (file.kind == OCTO_FILE_VOTE)
        image->ballot_dirty = true;
    if (file.kind == OCTO_FILE_SNAPSHOT && file.number != OCTO_SNAPSHOT_SPARE) {
        image->snapshot_dirty = true;
        if (file.number == image->snapshot.number)
            image->snapshot.checksum = ~image->snapshot.checksum; /* what was decoded changed */
    }
    if (file.kind != OCTO_FILE_MAIN && file.kind != OCTO_FILE_RECOVERY)
        return;
    struct oracle_topic *topic = &image->topics[file.kind == OCTO_FILE_MAIN ? 0 : 1];
    if (!images->size(images->context, node->id, file, &size))
        segment_gone(topic, file.number);
    else if (length > 0)
        topic_changed(topic, file.number, offset, length);
}

/* ---- Decoding ------------------------------------------------------------------------------ */

/* Whether the log of a topic stays what it is without its segments up to `gone`. */
static bool log_outlives(const struct oracle_topic *topic, uint32_t gone)
{
    const uint64_t kept = octo_segment_place(gone + 1, 0);
    const struct oracle_log *log = &topic->log;

    if (topic->resume < kept || topic->unfounded || topic->contradiction)
        return false;
    if (topic->marker.found && topic->marker.place < kept)
        return false;
    /* Entries stand in the order of their places: the first one tells. */
    return log->last == log->base.index || oracle_slot(log, log->base.index + 1)->place >= kept;
}

/* Whether what is known of the topic is no ground for what it holds now. */
static bool topic_stale(const struct oracle_topic *topic)
{
    if (topic->dirty_count > 0 && topic->dirty[0].low < topic->resume)
        return true;
    return topic->gone != 0 && !log_outlives(topic, topic->gone);
}

/* Where the last record of a topic may begin: what was decoded ends at `resume`, and what is behind
 * that has not changed but for the dirty places. */
static uint64_t topic_end(const struct oracle_topic *topic)
{
    const uint32_t count = topic->dirty_count;

    return octo_max_u64(topic->resume, count > 0 ? topic->dirty[count - 1].high : 0);
}

static void topic_refresh(struct octo_oracles *oracles, struct oracle_node *node, uint32_t number,
                          bool anew, const struct octo_images *images)
{
    struct oracle_topic *topic = &node->image.topics[number];
    const struct oracle_reading reading = {
        .oracles = oracles,
        .images = images,
        .node = node,
        .into = topic,
        .first = number,
        .count = 1,
        .end = topic_end(topic),
    };

    anew = anew || topic_stale(topic);
    topic->gone = 0;
    if (!anew && topic->dirty_count > 0)
        anew = !oracle_topic_more(&reading);
    if (anew)
        oracle_topic_whole(&reading);
}

/* The log begins at another snapshot: true if it can go on from there as it is. */
static bool topic_rebase(struct oracle_topic *topic, const struct oracle_point *base)
{
    struct oracle_log *log = &topic->log;

    if (topic->unfounded || !oracle_log_has(log, base->index, base->chain))
        return false;
    log->base = *base;
    topic->marked = octo_max_u64(topic->marked, base->index);
    return true;
}

void oracle_image_refresh(struct octo_oracles *oracles, struct oracle_node *node,
                          const struct octo_images *images)
{
    struct oracle_image *image = &node->image;
    const struct oracle_point before = image->snapshot.at;
    bool moved = false;

    if (image->snapshot_dirty) {
        image->snapshot_dirty = false;
        image->snapshot = oracle_snapshot_read(oracles, node->id, &image->snapshot, images);
        moved =
            image->snapshot.at.index != before.index || image->snapshot.at.chain != before.chain;
    }
    for (uint32_t i = 0; i < ORACLE_TOPICS && !oracles->stopped; i++) {
        const bool anew = moved && !topic_rebase(&image->topics[i], &image->snapshot.at);
        topic_refresh(oracles, node, i, anew, images);
    }
}

void oracle_image_ballot(struct octo_oracles *oracles, struct oracle_node *node,
                         const struct octo_images *images)
{
    if (node->image.ballot_dirty)
        node->image.ballot = oracle_vote_read(oracles, node->id, images);
    node->image.ballot_dirty = false;
}

/* ---- Questions ----------------------------------------------------------------------------- */

bool oracle_image_covers(const struct octo_oracles *oracles, const struct oracle_node *node,
                         octo_index index)
{
    const struct oracle_point *at = &node->image.snapshot.at;

    return index <= at->index && oracle_committed_is(oracles, at->index, at->chain);
}

bool oracle_image_holds(const struct octo_oracles *oracles, const struct oracle_node *node,
                        octo_index index, uint64_t chain)
{
    if (oracle_image_covers(oracles, node, index))
        return oracle_committed_is(oracles, index, chain);
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        const struct oracle_topic *topic = &node->image.topics[i];
        if (topic->unfounded || !oracle_log_has(&topic->log, index, chain))
            return false;
    }
    return true;
}

bool oracle_image_marked(const struct octo_oracles *oracles, const struct oracle_node *node,
                         octo_index index)
{
    if (oracle_image_covers(oracles, node, index))
        return true;
    for (uint32_t i = 0; i < ORACLE_TOPICS; i++) {
        const struct oracle_topic *topic = &node->image.topics[i];
        if (index > topic->marked || topic->contradiction)
            return false;
    }
    return true;
}

const struct oracle_log *oracle_image_log(const struct oracle_node *node)
{
    const struct oracle_topic *topics = node->image.topics;

    return &topics[topics[0].accepted >= topics[1].accepted ? 0 : 1].log;
}

bool oracle_topics_agree(const struct oracle_topic *a, const struct oracle_topic *b)
{
    return a->log.last == b->log.last && a->log.base.index == b->log.base.index &&
           oracle_log_chain(&a->log, a->log.last) == oracle_log_chain(&b->log, b->log.last) &&
           a->marked == b->marked && a->unfounded == b->unfounded &&
           a->contradiction == b->contradiction && a->marker.found == b->marker.found &&
           a->marker.sequence == b->marker.sequence && a->marker.chain == b->marker.chain &&
           a->marker.floor_term == b->marker.floor_term &&
           a->marker.floor_index == b->marker.floor_index;
}

/* Two topics that are equal, and in which everything connects, are the whole. */
struct oracle_found oracle_image_found(struct octo_oracles *oracles, struct oracle_node *node,
                                       const struct octo_images *images)
{
    const struct oracle_topic *topic = &node->image.topics[0];

    if (topic->passed_over || node->image.topics[1].passed_over ||
        !oracle_topics_agree(topic, &node->image.topics[1])) {
        const struct oracle_reading reading = {
            .oracles = oracles,
            .images = images,
            .node = node,
            .into = &oracles->scratch.merged,
            .first = 0,
            .count = ORACLE_TOPICS,
            .end = octo_max_u64(topic_end(topic), topic_end(&node->image.topics[1])),
        };
        oracle_topic_whole(&reading);
        topic = reading.into;
    }
    const octo_index end = topic->log.last;
    const struct oracle_point last = {end, oracle_log_term(&topic->log, end),
                                      oracle_log_chain(&topic->log, end)};
    return (struct oracle_found){
        .last = last,
        .start = topic->unfounded ? node->image.snapshot.at : last,
        .marker = topic->marker,
        .acked = node->acked <= topic->marked && !topic->unfounded && !topic->contradiction &&
                 oracle_log_has(&topic->log, node->acked, node->acked_chain),
    };
}
