/* What the records of a topic mean together: docs/formats.md, "What the records mean".
 *
 * The log is a function of the records in the order of their places and of the snapshot that
 * counts. Only valid records change what is known, so the state after the last valid one (`resume`)
 * is the state for everything behind it, and bytes that become durable there are scanned from there
 * on.
 *
 * A cut voids records that stand *before* it. It hardly ever finds one that was taken; when it
 * does, all is decoded again with every cut known beforehand.
 */
#include "oracle/oracle_state.h"

struct scan {
    const struct oracle_reading *reading;
    struct octo_oracles *oracles;
    struct oracle_topic *topic;
    const struct oracle_point *foundation; /* the snapshot that counts */
    bool cuts_known; /* the scratch holds them all, and each the lowest sequence from it on */
    uint32_t cut;    /* cuts_known: the first one behind the present place */
    bool contradicted;
};

/* ---- Records ------------------------------------------------------------------------------- */

static void log_restart(struct scan *scan, const struct oracle_point *base)
{
    oracle_log_restart(&scan->topic->log, base);
    scan->topic->marked = base->index;
    scan->topic->unfounded = base != scan->foundation;
}

/* Whether an entry that is above the base goes on from what stands before it. */
static bool entry_connects(struct scan *scan, const struct oracle_record *record)
{
    const struct oracle_log *log = &scan->topic->log;
    const octo_index previous = record->index - 1;

    if (scan->topic->unfounded && previous == scan->foundation->index &&
        record->chain == scan->foundation->chain)
        log_restart(scan, scan->foundation); /* here it is, replaced from the ground up */
    return oracle_log_has(log, previous, record->chain);
}

static void entry_found(struct scan *scan, const struct oracle_record *record, uint64_t place)
{
    struct oracle_topic *topic = scan->topic;
    struct oracle_log *log = &topic->log;
    const octo_index index = record->index;

    if (record->sequence <= topic->accepted || index == 0 ||
        index > scan->oracles->config.index_max)
        return;
    if (index <= scan->foundation->index) {
        log_restart(scan, scan->foundation);
        topic->accepted = record->sequence;
        return;
    }
    if (!entry_connects(scan, record)) {
        topic->passed_over = true;
        return;
    }
    if (!oracle_table_reserve(scan->oracles, &log->slots, index))
        return;
    log->last = index;
    topic->accepted = record->sequence;
    topic->marked = octo_min_u64(topic->marked, index - 1);
    *oracle_slot(log, index) = (struct oracle_slot){
        .term = record->term,
        .chain = oracle_chain(record->chain, &record->entry),
        .sequence = record->sequence,
        .place = place,
    };
}

static void base_found(struct scan *scan, const struct oracle_record *record)
{
    struct oracle_topic *topic = scan->topic;
    const struct oracle_point base = {record->index, record->term, record->chain};
    const struct oracle_point *foundation = scan->foundation;

    if (record->sequence <= topic->accepted)
        return;
    topic->accepted = record->sequence;
    if (base.index < foundation->index ||
        (base.index == foundation->index && base.chain == foundation->chain))
        log_restart(scan, foundation);
    else
        log_restart(scan, &base);
}

static void marker_found(struct scan *scan, const struct oracle_record *record, uint64_t place)
{
    struct oracle_topic *topic = scan->topic;
    const struct oracle_log *log = &topic->log;

    if (topic->marker.found && record->sequence < topic->marker.sequence)
        return; /* of equals the later one counts: it may raise or lower the floor */
    topic->marker = (struct oracle_marker){
        .found = true,
        .sequence = record->sequence,
        .index = record->index,
        .term = record->term,
        .chain = record->chain,
        .floor_term = record->floor_term,
        .floor_index = record->floor_index,
        .place = place,
    };
    /* What the snapshot covers was cut to it, and is not compared; nor is the word of a node that
     * lost entries, which stand here still. */
    const bool comparable = record->sequence == topic->accepted && !topic->unfounded &&
                            record->index > scan->foundation->index && record->floor_index == 0;
    if (comparable &&
        (record->index != log->last || record->term != oracle_log_term(log, log->last) ||
         record->chain != oracle_log_chain(log, log->last)))
        topic->contradiction = true;
}

static void cut_found(struct scan *scan, const struct oracle_record *record, uint64_t place)
{
    struct oracle_topic *topic = scan->topic;
    struct oracle_scratch *scratch = &scan->oracles->scratch;

    if (scan->cuts_known)
        return;
    if (topic->accepted > record->sequence ||
        (topic->marker.found && topic->marker.sequence > record->sequence))
        scan->contradicted = true;
    if (!oracle_room(scan->oracles, &scratch->cuts, &scratch->cut_capacity,
                     (uint64_t)scratch->cut_count + 1, sizeof *scratch->cuts))
        return;
    scratch->cuts[scratch->cut_count++] =
        (struct oracle_cut){.place = place, .sequence = record->sequence};
}

/* Whether a cut further on voids the record. */
static bool record_void(struct scan *scan, octo_sequence sequence, uint64_t place)
{
    const struct oracle_scratch *scratch = &scan->oracles->scratch;

    if (!scan->cuts_known)
        return false;
    while (scan->cut < scratch->cut_count && scratch->cuts[scan->cut].place <= place)
        scan->cut++;
    return scan->cut < scratch->cut_count && sequence > scratch->cuts[scan->cut].sequence;
}

static void record_found(struct scan *scan, const struct oracle_record *record, uint64_t place)
{
    if (record_void(scan, record->sequence, place))
        return;
    if (record->type == OCTO_RECORD_ENTRY)
        entry_found(scan, record, place);
    else if (record->type == OCTO_RECORD_MARKER)
        marker_found(scan, record, place);
    else if (record->type == OCTO_RECORD_BASE)
        base_found(scan, record);
    else
        cut_found(scan, record, place);
}

/* ---- Segments ------------------------------------------------------------------------------ */

void oracle_topic_segments(struct octo_oracles *oracles, octo_node_id node, uint32_t topic,
                           const struct octo_images *images)
{
    struct oracle_scratch *scratch = &oracles->scratch;
    const uint8_t kind = oracle_topic_file(topic, 0).kind;

    scratch->segment_count[topic] = 0;
    const uint32_t count = images->files(images->context, node, kind, scratch->segments[topic],
                                         scratch->segment_capacity[topic]);
    if (count > scratch->segment_capacity[topic]) {
        if (!oracle_room(oracles, &scratch->segments[topic], &scratch->segment_capacity[topic],
                         count, sizeof(uint32_t)))
            return;
        images->files(images->context, node, kind, scratch->segments[topic], count);
    }
    scratch->segment_count[topic] = count;
}

/* The first segment, in any of the topics that are read, from `number` on; 0 if there is none. */
static uint32_t segment_next(const struct oracle_reading *reading, uint32_t number)
{
    const struct oracle_scratch *scratch = &reading->oracles->scratch;
    uint32_t next = 0;

    for (uint32_t i = reading->first; i < reading->first + reading->count; i++) {
        uint32_t at = 0;
        while (at < scratch->segment_count[i] && scratch->segments[i][at] < number)
            at++;
        if (at < scratch->segment_count[i] && (next == 0 || scratch->segments[i][at] < next))
            next = scratch->segments[i][at];
    }
    return next;
}

/* Reads the records of a segment that begin in [at, end), and what stands in the same batch behind
 * the last of them: it may have been durable before, but nothing led to it. */
static void segment_scan(struct scan *scan, uint32_t number, uint64_t at, uint64_t end)
{
    const struct oracle_reading *reading = scan->reading;
    const uint64_t sector = scan->oracles->config.sector_bytes;
    struct oracle_reader readers[ORACLE_TOPICS];
    uint64_t size = 0;

    for (uint32_t i = 0; i < reading->count; i++) {
        oracle_reader_open(&readers[i], scan->oracles, reading->node->id,
                           oracle_topic_file(reading->first + i, number), reading->images);
        size = octo_max_u64(size, readers[i].size);
    }
    while (at < size && (at < end || at % sector != 0) && !scan->oracles->stopped) {
        struct oracle_record record;
        bool found = oracle_record_read(&readers[0], at, &record);
        if (!found && reading->count > 1)
            found = oracle_record_read(&readers[1], at, &record);
        if (!found) {
            at = octo_align_up(at + 1, sector);
            continue;
        }
        const uint64_t place = octo_segment_place(number, at);
        record_found(scan, &record, place);
        at += record.bytes;
        scan->topic->resume = place + record.bytes;
    }
}

static void marked_advance(struct oracle_topic *topic)
{
    while (topic->marked < topic->log.last &&
           oracle_slot(&topic->log, topic->marked + 1)->sequence <= topic->marker.sequence)
        topic->marked++;
}

/* Reads the records that begin at a place in [from, to). */
static void places_scan(struct scan *scan, uint64_t from, uint64_t to)
{
    const struct oracle_reading *reading = scan->reading;
    const uint32_t first = (uint32_t)(from >> 32);
    const uint32_t last = (uint32_t)((to - 1) >> 32);

    if (from >= to)
        return;
    if (first == last) { /* nearly always */
        segment_scan(scan, first, from & UINT32_MAX, ((to - 1) & UINT32_MAX) + 1);
    } else {
        for (uint32_t i = 0; i < reading->count; i++)
            oracle_topic_segments(scan->oracles, reading->node->id, reading->first + i,
                                  reading->images);
        uint32_t number = segment_next(reading, first);
        while (number != 0 && number <= last && !scan->oracles->stopped) {
            segment_scan(scan, number, number == first ? from & UINT32_MAX : 0,
                         number == last ? ((to - 1) & UINT32_MAX) + 1 : UINT64_MAX);
            number = segment_next(reading, number + 1);
        }
    }
    marked_advance(scan->topic);
}

/* ---- Decoding ------------------------------------------------------------------------------ */

static struct scan scan_of(const struct oracle_reading *reading)
{
    return (struct scan){
        .reading = reading,
        .oracles = reading->oracles,
        .topic = reading->into,
        .foundation = &reading->node->image.snapshot.at,
    };
}

static void topic_clear(struct scan *scan)
{
    const struct oracle_table slots = scan->topic->log.slots;

    *scan->topic = (struct oracle_topic){.log = {.slots = slots}};
    log_restart(scan, scan->foundation);
}

/* Gives every cut the lowest sequence from it on. */
static void cuts_prepare(struct oracle_scratch *scratch)
{
    for (uint32_t i = scratch->cut_count; i > 1; i--) {
        struct oracle_cut *cut = &scratch->cuts[i - 2];
        cut->sequence = octo_min_u64(cut->sequence, cut[1].sequence);
    }
}

void oracle_topic_whole(const struct oracle_reading *reading)
{
    struct scan scan = scan_of(reading);

    scan.oracles->scratch.cut_count = 0;
    topic_clear(&scan);
    places_scan(&scan, 0, reading->end);
    if (!scan.contradicted || scan.oracles->stopped)
        return;
    cuts_prepare(&scan.oracles->scratch);
    scan.cuts_known = true;
    topic_clear(&scan);
    places_scan(&scan, 0, reading->end);
}

bool oracle_topic_more(const struct oracle_reading *reading)
{
    struct scan scan = scan_of(reading);
    struct oracle_topic *topic = scan.topic;
    const uint32_t count = topic->dirty_count;

    octo_assert(count == 0 || topic->dirty[0].low >= topic->resume);
    topic->dirty_count = 0;
    scan.oracles->scratch.cut_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        /* A record that became whole may begin before what is dirty, but in the same segment. */
        const struct oracle_span *span = &topic->dirty[i];
        const uint64_t segment = span->low >> 32 << 32;
        places_scan(&scan, octo_max_u64(segment, topic->resume), span->high);
    }
    return !scan.contradicted;
}
