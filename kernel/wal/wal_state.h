/* The durable log's state, and what its files know of each other. Private to kernel/wal/.
 *
 *     wal.c       the calls of wal.h: append, vote, completion, check
 *     boot.c      identity, formatting, the order of recovery up to READY
 *     reader.c    reads that come back short or fail
 *     recovery.c  the scan of the two topics
 *     flush.c     group commit: batches, markers, retries
 *     vote.c      term and vote
 *     identity.c  the identity's bytes
 *     record.c    one record's bytes
 *     log.c       the log in memory
 *
 * Completions only change state; every operation leaves through the *_drive functions, at the end
 * of a step. READY and FAILED are reached in a completion, never while driving, so that the node
 * sees them in the same step.
 */
#ifndef OCTO_KERNEL_WAL_WAL_STATE_H
#define OCTO_KERNEL_WAL_WAL_STATE_H

#include "kernel/format.h"
#include "kernel/wal/record.h"
#include "kernel/wal/wal.h"

enum { WAL_MAIN = 0, WAL_RECOVERY = 1, WAL_TOPICS = 2 };

/* The log as of a sequence: what a marker says. Sequence 0: before the first record. */
struct wal_position {
    octo_sequence sequence;
    octo_index index;
    octo_term term;
    uint64_t chain;
};

/* ---- Reading (reader.c) -------------------------------------------------------------------- */

struct wal_reader {
    uint8_t file; /* enum octo_file_kind */
    bool active;  /* bytes are still missing */
    bool ended;   /* the file ends at offset + have */
    bool missing; /* there is no such file */
    uint32_t want;
    uint32_t have;
    uint32_t failures; /* in a row */
    uint64_t offset;
    uint64_t op; /* outstanding, 0 if none */
    octo_time_ns retry_at;
    uint8_t *buffer; /* the reader's owner gives it: want bytes */
};

/* ---- Recovery (recovery.c) ----------------------------------------------------------------- */

/* The accepted records above the newest marker, verbatim: they are written again before READY. */
struct wal_tail {
    uint8_t *bytes; /* room for tail_room_bytes */
    uint32_t used;
    uint32_t sent;         /* handed to a flush; after the scan */
    octo_sequence dropped; /* last one that there was no room for; 0 if none */
};

struct wal_scan {
    uint8_t *buffers[WAL_TOPICS]; /* read_bytes each: the same range of both topics */
    uint64_t ends[WAL_TOPICS];    /* bytes in the file; OCTO_NEVER while unknown */
    uint64_t base;                /* file offset of the buffers, a multiple of the sector */
    uint64_t at;                  /* file offset of what is looked at next */
    octo_sequence accepted;       /* the last one */
    struct wal_position marker;   /* the newest */
    uint32_t marker_topics;       /* where it stands: 1u << WAL_MAIN | 1u << WAL_RECOVERY */
    bool one_topic;               /* some record was accepted from one topic only */
    bool torn;                    /* damage after the last accepted record */
    bool contradiction;           /* a marker disagrees with the records that it covers */
};

/* ---- Writing the log (flush.c) ------------------------------------------------------------- */

enum wal_flush_stage {
    WAL_FLUSH_IDLE = 0,
    WAL_FLUSH_WRITE = 1, /* a batch is in the buffer; its writes leave at not_before */
    WAL_FLUSH_WRITING = 2,
    WAL_FLUSH_SYNC = 3,
    WAL_FLUSH_SYNCING = 4,
};

struct wal_flush {
    uint8_t stage;            /* enum wal_flush_stage */
    bool failed;              /* an operation of this flush did; the others are waited for */
    uint32_t used;            /* bytes of records in the buffer */
    uint32_t bytes;           /* the batch: used, rounded up to a sector */
    uint64_t ops[WAL_TOPICS]; /* outstanding, 0 if none */
    octo_time_ns not_before;
    uint8_t *buffer;            /* flush_bytes_max; unchanged while writes are outstanding */
    octo_sequence marker;       /* covered by the batch's marker, 0 if it has none */
    struct wal_position last;   /* of the batch's last entry record; sequence 0 if it has none */
    uint64_t append_offset;     /* of the next batch: past everything ever submitted */
    octo_sequence submitted;    /* last one ever put into a batch */
    octo_index submitted_index; /* last index of the log in memory with such a sequence */
    struct wal_position due;    /* durable in both topics */
    octo_sequence marked;       /* and covered by a marker that is, too, as far as is known */
    octo_index durable;         /* last index of the log in memory with a sequence <= marked */
};

/* ---- Term and vote (vote.c) ---------------------------------------------------------------- */

struct wal_ballot {
    uint64_t generation;
    octo_term term;
    octo_node_id vote;
};

enum wal_vote_stage {
    WAL_VOTE_IDLE = 0,
    WAL_VOTE_REPAIR = 1, /* second copy := first copy, which is durable */
    WAL_VOTE_FIRST = 2,
    WAL_VOTE_SECOND = 3,
};

struct wal_votes {
    bool enabled;               /* after formatting or reading; nothing is written before */
    bool saved;                 /* newest_saved is meaningful */
    bool syncing;               /* the present stage's WRITE is done */
    uint8_t stage;              /* enum wal_vote_stage */
    bool good[OCTO_VOTE_SLOTS]; /* known to be durable and valid: vote.c's argument */
    octo_term term;
    octo_node_id vote;
    uint64_t next_generation;
    struct wal_ballot writing;
    struct wal_ballot newest_saved; /* durable in both copies */
    struct wal_ballot first[2];     /* in the first copy of each pair, if that is good */
    uint64_t op;
    octo_time_ns not_before;
    uint8_t *buffer; /* OCTO_VOTE_SLOTS sectors */
};

/* ---- Boot (boot.c) ------------------------------------------------------------------------- */

enum wal_boot_stage {
    WAL_BOOT_IDLE = 0,
    WAL_BOOT_READ_IDENTITY = 1,
    WAL_BOOT_READ_VOTE = 2,
    WAL_BOOT_FORMAT = 3,
    WAL_BOOT_SCAN = 4,
    WAL_BOOT_TAIL = 5, /* the tail and a fresh marker become durable */
    WAL_BOOT_DONE = 6,
};

struct wal_boot {
    uint8_t stage;         /* enum wal_boot_stage */
    bool format;           /* asked for by the host */
    bool identified;       /* the directory carries this node's identity */
    uint32_t format_first; /* where the steps of formatting begin, and begin again */
    uint32_t format_step;
    uint64_t op;
    octo_time_ns not_before;
    uint8_t *identity; /* one sector */
};

struct octo_wal {
    struct octo_config config;
    enum octo_wal_stage stage;
    enum octo_err reason;
    uint64_t ignored; /* completions of unknown operations */
    struct octo_log log;
    struct wal_boot boot;
    struct wal_reader readers[WAL_TOPICS];
    struct wal_scan scan;
    struct wal_tail tail;
    struct wal_flush flush;
    struct wal_votes votes;
};

/* ---- wal.c --------------------------------------------------------------------------------- */

/* octo_wal_submit emits op under a fresh id and returns that id. */
uint64_t octo_wal_submit(struct octo_wal *wal, struct octo_step *step, struct octo_disk_op op);

/* octo_wal_refused traces a failed operation. */
void octo_wal_refused(struct octo_step *step, enum octo_err err, enum octo_disk_kind operation,
                      enum octo_file_kind file);

/* octo_wal_result is the result of a WRITE of length bytes, a short one being OCTO_ERR_IO. */
enum octo_err octo_wal_result(const struct octo_event *event, uint32_t length);

/* octo_wal_fail ends in FAILED; the first reason stays. */
void octo_wal_fail(struct octo_wal *wal, enum octo_err reason);

static inline enum octo_file_kind wal_topic_file(uint32_t topic)
{
    return topic == WAL_MAIN ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;
}

static inline uint64_t wal_record_seed(const struct octo_wal *wal, uint64_t offset)
{
    return octo_format_seed(wal->config.cluster_id, wal->config.node_id, OCTO_FILE_MAIN, offset);
}

/* ---- reader.c ------------------------------------------------------------------------------ */

/* octo_wal_reader_start wants bytes [offset, offset + want) of file in buffer. When `active` is
 * false again, `have` of them are there; fewer than want only if the file ended. */
void octo_wal_reader_start(struct wal_reader *reader, enum octo_file_kind file, uint64_t offset,
                           uint8_t *buffer, uint32_t want);
void octo_wal_reader_drive(struct octo_wal *wal, struct octo_step *step, struct wal_reader *reader);
void octo_wal_reader_completion(struct octo_wal *wal, struct octo_step *step,
                                struct wal_reader *reader, const struct octo_event *event);

/* ---- recovery.c ---------------------------------------------------------------------------- */

size_t octo_wal_tail_bytes(const struct octo_config *config);
void octo_wal_scan_start(struct octo_wal *wal);

/* octo_wal_scan_read takes what both readers have brought. It returns true when the scan is over
 * and the log is in memory, flush and tail ready to make it durable. It may fail the log instead.
 */
bool octo_wal_scan_read(struct octo_wal *wal, struct octo_step *step);

/* ---- flush.c ------------------------------------------------------------------------------- */

void octo_wal_flush_drive(struct octo_wal *wal, struct octo_step *step);
void octo_wal_flush_completion(struct octo_wal *wal, struct octo_step *step, uint32_t topic,
                               const struct octo_event *event);

/* octo_wal_flush_settled says whether nothing is left to write or to mark. */
bool octo_wal_flush_settled(const struct octo_wal *wal);

/* octo_wal_flush_truncate forgets the entries from `from` on, which the log is about to drop. */
void octo_wal_flush_truncate(struct octo_wal *wal, octo_index from);

void octo_wal_flush_check(const struct octo_wal *wal);

/* ---- vote.c -------------------------------------------------------------------------------- */

/* octo_wal_votes_format puts the four slots of a new directory into the buffer. */
void octo_wal_votes_format(struct octo_wal *wal);

/* octo_wal_votes_read takes `size` bytes of the vote file, in the buffer. VOTE_UNKNOWN if both
 * copies of a pair are damaged; the newest valid generation, if any, is known even then. */
enum octo_err octo_wal_votes_read(struct octo_wal *wal, struct octo_step *step,
                                  uint32_t size) OCTO_MUST_USE;

/* octo_wal_votes_newest is the newest generation that was read, 0 if none. */
uint64_t octo_wal_votes_newest(const struct octo_wal *wal);

void octo_wal_votes_drive(struct octo_wal *wal, struct octo_step *step);
void octo_wal_votes_completion(struct octo_wal *wal, struct octo_step *step,
                               const struct octo_event *event);
bool octo_wal_votes_are_saved(const struct octo_wal *wal);
void octo_wal_votes_check(const struct octo_wal *wal);

/* ---- identity.c ---------------------------------------------------------------------------- */

/* octo_identity_encode fills sector_bytes at `at`. */
void octo_identity_encode(uint8_t *at, const struct octo_config *config);

/* octo_identity_check judges the size bytes of an identity file.
 *   UNFORMATTED  there is no valid identity
 *   VERSION      one of a version that this code does not know
 *   CLUSTER, IDENTITY  it belongs to another cluster, another node
 *   RANGE        its number of nodes or its sector size is not the configuration's */
enum octo_err octo_identity_check(const uint8_t *at, uint32_t size,
                                  const struct octo_config *config) OCTO_MUST_USE;

/* ---- boot.c -------------------------------------------------------------------------------- */

void octo_wal_boot_drive(struct octo_wal *wal, struct octo_step *step);
void octo_wal_boot_completion(struct octo_wal *wal, struct octo_step *step,
                              const struct octo_event *event);

/* octo_wal_boot_advance goes on when what the present stage waits for is there. */
void octo_wal_boot_advance(struct octo_wal *wal, struct octo_step *step);

#endif
