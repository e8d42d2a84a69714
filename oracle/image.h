/* What a node's disk holds durably, as docs/formats.md says. Private to oracle/.
 *
 *     image.c           what changed, and questions
 *     image_topic.c     from records to a log
 *     image_record.c    one record
 *     image_snapshot.c  the snapshot that counts
 *     image_vote.c      term and vote
 *     image_compare.c   read step by step, and as a whole
 *
 * Nothing here shares code with the kernel, but for the magics of kernel/format.h.
 */
#ifndef OCTO_ORACLE_IMAGE_H
#define OCTO_ORACLE_IMAGE_H

#include "oracle/table.h"

struct oracle_node;

/* ---- Logs ---------------------------------------------------------------------------------- */

/* A place in a log; the chain stands for all before it. */
struct oracle_point {
    octo_index index; /* 0: before the first entry; term and chain are 0 then */
    octo_term term;
    uint64_t chain;
};

/* Whether a log that ends with (term, index) is not behind one that ends with the other. */
static inline bool oracle_position_reaches(octo_term term, octo_index index, octo_term other_term,
                                           octo_index other_index)
{
    return term > other_term || (term == other_term && index >= other_index);
}

struct oracle_slot {
    octo_term term;
    uint64_t chain;         /* of this entry and all before it */
    octo_sequence sequence; /* images only: of its record */
    uint64_t place;         /* images only: where that stands */
};

/* A log: a node's, or one that a topic holds. Entries base + 1 .. last. */
struct oracle_log {
    struct oracle_table slots; /* by index - 1 */
    struct oracle_point base;
    octo_index last;
};

static inline struct oracle_slot *oracle_slot(const struct oracle_log *log, octo_index index)
{
    octo_assert(index > log->base.index);
    return oracle_table_at(&log->slots, index - 1);
}

/* oracle_log_chain and oracle_log_term: of an index from base to last. */
static inline uint64_t oracle_log_chain(const struct oracle_log *log, octo_index index)
{
    return index == log->base.index ? log->base.chain : oracle_slot(log, index)->chain;
}

static inline octo_term oracle_log_term(const struct oracle_log *log, octo_index index)
{
    return index == log->base.index ? log->base.term : oracle_slot(log, index)->term;
}

/* oracle_log_has: index lies in the log (its base included), with this chain. */
static inline bool oracle_log_has(const struct oracle_log *log, octo_index index, uint64_t chain)
{
    return index >= log->base.index && index <= log->last && oracle_log_chain(log, index) == chain;
}

/* oracle_log_restart empties the log: it goes on after base. */
static inline void oracle_log_restart(struct oracle_log *log, const struct oracle_point *base)
{
    log->base = *base;
    log->last = base->index;
}

/* ---- Topics -------------------------------------------------------------------------------- */

struct oracle_marker {
    bool found;
    octo_sequence sequence;
    octo_index index;
    octo_term term;
    uint64_t chain;
    octo_term floor_term;
    octo_index floor_index;
    uint64_t place;
};

/* Places [low, high). */
struct oracle_span {
    uint64_t low;
    uint64_t high;
};

/* A batch, and the segments that are prepared meanwhile: more are joined. */
#define ORACLE_SPANS_MAX 4u

/* What one topic holds durably, or both together. Places are octo_segment_place. */
struct oracle_topic {
    struct oracle_log log;
    octo_sequence accepted; /* the highest sequence taken */
    struct oracle_marker marker;
    bool contradiction; /* a marker disagreed with the records that it covers */
    bool unfounded;     /* the log goes on from a snapshot that is not there */
    bool passed_over;  /* an entry did not connect: the other topic may have what lacks before it */
    octo_index marked; /* entries up to here are covered by the marker, or by the snapshot */
    uint64_t resume;   /* end of the last valid record: below it nothing changed since */
    struct oracle_span dirty[ORACLE_SPANS_MAX]; /* became durable since; rising, apart */
    uint32_t dirty_count;
    uint32_t gone; /* the highest segment, of those up to `resume`, that went away since; 0: none */
};

#define ORACLE_TOPICS 2u

struct oracle_cut {
    uint64_t place;
    octo_sequence sequence; /* once all are known: the lowest one from this cut on */
};

/* Scratch for decoding; no part of what is known. */
struct oracle_scratch {
    uint32_t *segments[ORACLE_TOPICS]; /* numbers of a node's files, rising */
    uint32_t segment_capacity[ORACLE_TOPICS];
    uint32_t segment_count[ORACLE_TOPICS];
    struct oracle_cut *cuts; /* of the topic that is decoded, in the order of their places */
    uint32_t cut_capacity;
    uint32_t cut_count;
    uint8_t *window; /* bytes put together from several sectors */
    uint32_t window_bytes;
    struct oracle_topic merged;
};

/* ---- Votes and snapshots ------------------------------------------------------------------- */

struct oracle_ballot {
    uint64_t generation;
    octo_term term;
    octo_node_id vote;
    uint32_t copies; /* valid ones of this generation */
    bool known;      /* false: no vote file, or both copies of a pair are damaged */
};

/* The snapshot that counts: the valid one of the highest index, and of equal ones the one with the
 * highest number. */
struct oracle_snapshot {
    uint32_t number;   /* 0: there is none */
    uint64_t checksum; /* of the file's header: with the number, it stands for the content */
    struct oracle_point at;
    uint32_t machine_version;
    uint64_t sessions_bytes;
    uint64_t sessions_hash;
    uint64_t machine_bytes;
    uint64_t machine_hash;
};

#define ORACLE_SNAPSHOTS_MAX 16u /* files that a node keeps at a time, far from reached */

/* All that a node's disk holds durably. */
struct oracle_image {
    struct oracle_topic topics[ORACLE_TOPICS];
    struct oracle_snapshot snapshot;
    bool snapshot_dirty;
    struct oracle_ballot ballot;
    bool ballot_dirty;
    octo_sequence decoded; /* what the main topic had accepted at the last full decode */
};

/* What a start of the node would find: the log that both topics give together. */
struct oracle_found {
    struct oracle_point last;  /* where the records end */
    struct oracle_point start; /* where the log ends that they give: with the snapshot that counts,
                                  if they go on from one that is not there any more */
    struct oracle_marker marker;
    bool acked; /* what the node acknowledged is in it, and marked */
};

/* ---- image.c ------------------------------------------------------------------------------- */

bool oracle_image_init(struct octo_oracles *oracles, struct oracle_node *node) OCTO_MUST_USE;
void oracle_image_changed(struct oracle_node *node, struct octo_file file, uint64_t offset,
                          uint64_t length, const struct octo_images *images);

/* oracle_image_refresh decodes what became durable since the last time: snapshot and topics.
 * oracle_image_ballot: term and vote. */
void oracle_image_refresh(struct octo_oracles *oracles, struct oracle_node *node,
                          const struct octo_images *images);
void oracle_image_ballot(struct octo_oracles *oracles, struct oracle_node *node,
                         const struct octo_images *images);

/* Of a refreshed image. oracle_image_covers: the snapshot covers index, and is what the cluster has
 * committed. oracle_image_holds: the log up to index with this chain is covered so, or held by both
 * topics. oracle_image_marked: and a marker covers it in both. */
bool oracle_image_covers(const struct octo_oracles *oracles, const struct oracle_node *node,
                         octo_index index);
bool oracle_image_holds(const struct octo_oracles *oracles, const struct oracle_node *node,
                        octo_index index, uint64_t chain);
bool oracle_image_marked(const struct octo_oracles *oracles, const struct oracle_node *node,
                         octo_index index);

/* oracle_image_log is the longer one of the two topics' logs. */
const struct oracle_log *oracle_image_log(const struct oracle_node *node);

/* oracle_image_found reads both topics together. */
struct oracle_found oracle_image_found(struct octo_oracles *oracles, struct oracle_node *node,
                                       const struct octo_images *images);

/* oracle_topics_agree: both decode to the same log with the same marker. */
bool oracle_topics_agree(const struct oracle_topic *a, const struct oracle_topic *b);

/* ---- image_topic.c ------------------------------------------------------------------------- */

static inline struct octo_file oracle_topic_file(uint32_t topic, uint32_t number)
{
    return (struct octo_file){.kind = topic == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY,
                              .number = number};
}

/* What is decoded: topic `first`, or both together (first 0, count 2), into `into`. No valid record
 * begins at the place `end` or behind it: what recycled segments hold is not looked at again. */
struct oracle_reading {
    struct octo_oracles *oracles;
    const struct octo_images *images;
    const struct oracle_node *node;
    struct oracle_topic *into;
    uint32_t first;
    uint32_t count;
    uint64_t end; /* oracle_topic_whole; UINT64_MAX if nobody knows */
};

/* oracle_topic_whole decodes all of it anew, up to `end`. oracle_topic_more decodes the dirty
 * places, all of which lie behind `resume`; false if a cut among them voids what was taken before.
 */
void oracle_topic_whole(const struct oracle_reading *reading);
bool oracle_topic_more(const struct oracle_reading *reading);

/* oracle_topic_segments lists the segments of a topic in the scratch. */
void oracle_topic_segments(struct octo_oracles *oracles, octo_node_id node, uint32_t topic,
                           const struct octo_images *images);

/* ---- image_record.c ------------------------------------------------------------------------ */

/* A verified record; its command stays until the next one is read. */
struct oracle_record {
    uint8_t type;
    octo_sequence sequence;
    octo_index index;
    octo_term term;
    uint64_t chain; /* as in the record */
    struct octo_entry entry;
    octo_term floor_term; /* marker */
    octo_index floor_index;
    uint64_t bytes; /* in the file, padding included */
};

/* Reads a file of the durable image. */
struct oracle_reader {
    struct octo_oracles *oracles;
    const struct octo_images *images;
    octo_node_id node;
    struct octo_file file;
    uint64_t size;        /* of the file; 0 if it is not there */
    uint64_t sector;      /* the one looked at last */
    const uint8_t *bytes; /* of it; NULL at first */
};

void oracle_reader_open(struct oracle_reader *reader, struct octo_oracles *oracles,
                        octo_node_id node, struct octo_file file, const struct octo_images *images);

/* oracle_reader_bytes: the bytes [at, at + length), zeros beyond the end; valid until the next
 * call. NULL if memory is full. */
const uint8_t *oracle_reader_bytes(struct oracle_reader *reader, uint64_t at, uint64_t length);

/* oracle_record_read verifies the record at offset at; false if there is none. */
bool oracle_record_read(struct oracle_reader *reader, uint64_t at, struct oracle_record *record);

/* ---- image_snapshot.c, image_vote.c -------------------------------------------------------- */

/* oracle_snapshot_read finds the snapshot that counts. What is `known` already, by number and
 * checksum, is not decoded again. */
struct oracle_snapshot oracle_snapshot_read(struct octo_oracles *oracles, octo_node_id node,
                                            const struct oracle_snapshot *known,
                                            const struct octo_images *images);

/* oracle_snapshot_durable: whether a valid snapshot of that index is durable; number: its file's, 0
 * for any. */
bool oracle_snapshot_durable(struct octo_oracles *oracles, octo_node_id node, octo_index index,
                             uint64_t number, const struct octo_images *images);

/* oracle_vote_read decodes the vote file. */
struct oracle_ballot oracle_vote_read(const struct octo_oracles *oracles, octo_node_id node,
                                      const struct octo_images *images);

/* ---- image_compare.c ----------------------------------------------------------------------- */

/* oracle_image_compare decodes the whole image anew; ASSERT breaks if that gives anything else. */
void oracle_image_compare(struct octo_oracles *oracles, struct oracle_node *node,
                          const struct octo_images *images);

#endif
