/* The durable log's state, and what its files know of each other. Private to kernel/wal/.
 *
 *     wal.c       the calls of wal.h: append, vote, completion, check
 *     boot.c      identity, formatting, the order of recovery up to READY
 *     reader.c    reads that come back short or fail
 *     scan.c      the two topics, window by window: records, damage, repair
 *     recovery.c  from records to the log in memory; what was lost
 *     segments.c  the files of the topics: prepared ahead, recycled, removed
 *     flush.c     group commit: batches on their way, markers, retries
 *     fill.c      what goes into a batch
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

#define WAL_BOTH        (1u << WAL_MAIN | 1u << WAL_RECOVERY)
#define WAL_BATCHES_MAX 8u
#define WAL_CUTS_MAX    8u
#define WAL_OTHER_MAX   64u
#define WAL_SPARES      3u /* segments kept prepared; entries leave the last one alone */

/* The log as of a sequence: what a marker says. Sequence 0: before the first record. */
struct wal_mark {
    octo_sequence sequence;
    struct octo_position at;
};

/* ---- Reading (reader.c) -------------------------------------------------------------------- */

struct wal_reader {
    struct octo_file file;
    bool active;     /* bytes are still missing */
    bool ended;      /* the file ends at offset + have */
    bool missing;    /* there is no such file */
    bool unreadable; /* given up: the disk fails there again and again */
    bool list;       /* LIST instead of READ */
    uint32_t want;
    uint32_t have;
    uint32_t failures; /* in a row */
    uint64_t offset;
    uint64_t op; /* outstanding, 0 if none */
    octo_time_ns retry_at;
    uint8_t *buffer; /* the reader's owner gives it: want bytes */
};

/* ---- Segments (segments.c) ----------------------------------------------------------------- */

struct wal_segment {
    uint32_t number;
    uint32_t bytes;         /* of its files: where the shorter one ends */
    uint32_t topics;        /* at boot: in which of them there is a file, 1u << WAL_MAIN ... */
    octo_sequence sequence; /* no record in it or before has a higher one; set when it is left */
};

enum wal_prepare_mode {
    WAL_PREPARE_NONE = 0,
    WAL_PREPARE_FRESH = 1,   /* a new file */
    WAL_PREPARE_RECYCLE = 2, /* an old segment's file under a new name */
    WAL_PREPARE_AGAIN = 3,   /* after a failure: whatever stands there goes, durably or not */
    WAL_PREPARE_EXTEND = 4,  /* the first spare is too short for a batch */
    WAL_PREPARE_REMOVE = 5,  /* an old segment goes */
};

/* One segment at a time is prepared or removed, one operation at a time. */
struct wal_prepare {
    uint8_t mode; /* enum wal_prepare_mode */
    uint8_t step;
    uint32_t number;
    uint32_t from; /* RECYCLE: the old number */
    uint32_t bytes;
    uint64_t op;
    octo_time_ns not_before;
};

struct wal_segments {
    struct wal_segment
        *items; /* wal_files_max: live ones, rising; the last of them is written to */
    uint32_t live;
    uint32_t count; /* live ones, then the spares */
    uint32_t *old;  /* wal_files_max: numbers of files that nothing needs any more */
    uint32_t old_count;
    uint32_t next_number;
    uint32_t need_bytes; /* a batch waits for a segment that is this long; 0: none does */
    bool no_space;       /* the last attempt to prepare one found none */
    struct wal_prepare prepare;
};

/* ---- Recovery (scan.c, recovery.c) --------------------------------------------------------- */

struct wal_cut {
    uint64_t place;
    octo_sequence sequence;
};

/* Sectors that one topic lacks and the other has are written over from the scan's buffers. */
struct wal_repair {
    bool busy;
    uint32_t topic;
    uint32_t sector; /* of the window: where to go on looking */
    uint32_t count;  /* sectors being written */
    uint64_t op;
    uint32_t touched;     /* topics that wait for a sync of this segment */
    uint32_t topics_made; /* topics in which the present segment's file was made anew */
    uint32_t failures;    /* in this segment */
};

struct wal_scan {
    uint8_t *buffers[WAL_TOPICS]; /* read_bytes each: the same range of both topics */
    uint8_t *lacking;          /* a byte for each sector of a window: topics that lack a record */
    uint32_t segment;          /* position in wal_segments.items */
    uint64_t ends[WAL_TOPICS]; /* bytes in the file; OCTO_NEVER while unknown */
    uint64_t base;             /* file offset of the buffers, a multiple of the sector */
    uint64_t at;               /* file offset of what is looked at next */
    uint64_t window_at;        /* where looking began in this window */
    uint8_t window_lacking;    /* of its first sector, from the window before */
    bool suspicious;           /* something in this window is damaged or looks like it */
    uint64_t taken;            /* up to here records were taken, from this reading or one before */
    uint64_t doubted;          /* where both topics looked damaged; OCTO_NEVER: nowhere */
    uint32_t rereads;          /* of this window */
    bool window_over;          /* its records are taken; what it repairs may be under way */

    octo_sequence lacked; /* the lowest of a record that was in one topic only; OCTO_NEVER: none */
    bool repairing;       /* all is read a second time, and repaired up to */
    octo_sequence repair_limit;    /* this sequence, that of the marker that counts */
    struct octo_position snapshot; /* where the log begins */
    octo_sequence accepted;        /* the highest one */
    octo_sequence base_sequence; /* of the last base record that was taken, or entry at or below the
                                    base; 0 if none */
    bool marked;                 /* a marker was found */
    struct wal_mark marker;      /* the one that counts */
    struct octo_position floor;  /* that it carries; index 0: none */
    uint32_t marker_topics;      /* where it stands */
    uint32_t used_segment;       /* the last one with a record, one that does not count included */
    uint64_t used_end;           /* where its last record ends */
    bool used;                   /* any record was found */
    uint32_t blind_segment;      /* the last one of which a topic could not be read; 0: none */
    bool unfounded;              /* the log went on from a snapshot that is not there */
    uint64_t other[WAL_OTHER_MAX]; /* chains, by index, of a log that the snapshot replaced */
    octo_index other_last;         /* its end; 0: there is none */
    bool lost;                     /* what the marker covers is not all there */
    bool torn;                     /* damage after the last accepted record */
    bool rescan;                   /* a cut contradicts what was accepted: start again */
    struct wal_cut cuts[WAL_CUTS_MAX];
    uint32_t cut_count;
    struct wal_repair repair;
};

/* ---- Writing the log (flush.c, fill.c) ----------------------------------------------------- */

enum wal_batch_stage {
    WAL_BATCH_FILLED = 1, /* waits to be written, at not_before */
    WAL_BATCH_WRITING = 2,
};

struct wal_batch {
    uint8_t stage;   /* enum wal_batch_stage */
    bool placed;     /* its checksums are for `place`, which is its own */
    uint8_t written; /* topics whose write has returned */
    uint8_t synced;  /* topics in which a sync has covered that */
    bool has_marker;
    uint32_t used;  /* bytes of records in the buffer */
    uint32_t bytes; /* used, rounded up to a sector */
    uint64_t place; /* that its checksums are for */
    uint64_t ops[WAL_TOPICS];
    uint8_t *buffer;            /* flush_bytes_max; unchanged while writes are outstanding */
    octo_sequence marker;       /* covered by the batch's marker */
    struct octo_position floor; /* that the marker carries */
    struct wal_mark last;       /* of the batch's last entry or base; sequence 0 if it has none */
};

struct wal_sync {
    uint64_t op;    /* outstanding, 0 if none */
    uint32_t cover; /* batches (1u << place in the ring) whose writes had returned by then */
};

struct wal_flush {
    struct wal_batch batches[WAL_BATCHES_MAX]; /* a ring */
    uint32_t places;                           /* batches_max of the configuration */
    uint32_t first;
    uint32_t count;
    struct wal_sync syncs[WAL_TOPICS];
    bool failed; /* an operation did; the others are waited for, then all is written anew */
    octo_time_ns not_before; /* for what is written anew */

    uint32_t append_offset;       /* in the last live segment: past everything ever submitted */
    octo_sequence submitted;      /* highest one ever given out */
    octo_index submitted_index;   /* last index of the log in memory that was put into a batch */
    struct wal_mark due;          /* durable in both topics */
    bool marker_sent;             /* some marker was put into a batch since the boot */
    octo_sequence marker_last;    /* the newest of those */
    octo_sequence marked;         /* covered by a marker that is durable in both topics */
    uint32_t marked_in;           /* the segment of that marker: those before it may go */
    octo_index durable;           /* last index of the log in memory that may be acknowledged */
    octo_index replaced;          /* entries that were put into batches were truncated from here on,
                                     which is not durable yet; 0: none */
    octo_sequence replaced_first; /* the lowest sequence of those */
    octo_sequence base_awaited; /* of the base record of an installed snapshot, until it is durable;
                                   OCTO_NEVER: it has none yet; 0: none is awaited */
    bool cut_due;               /* the next batch begins with a cut */
    bool base_due;              /* and then says that the log is empty after its base */
    octo_sequence base_sequence;  /* that record's; 0: a new one */
    struct octo_position base_at; /* and what it says */
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
    bool damaged;               /* some copy could not be read */
    uint8_t stage;              /* enum wal_vote_stage */
    bool good[OCTO_VOTE_SLOTS]; /* known to be durable and valid: vote.c's argument */
    octo_term term;
    octo_node_id vote;
    uint64_t newest_read; /* generation, 0 if none */
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
    WAL_BOOT_WAIT = 4, /* for octo_wal_found */
    WAL_BOOT_LIST = 5,
    WAL_BOOT_SCAN = 6,
    WAL_BOOT_TAIL = 7, /* the tail and a fresh marker become durable */
    WAL_BOOT_VOTE = 8, /* and, where no marker was there before, the vote only then */
    WAL_BOOT_DONE = 9,
};

struct wal_boot {
    uint8_t stage;         /* enum wal_boot_stage */
    bool format;           /* asked for by the host */
    bool identified;       /* the directory carries this node's identity */
    bool in_use;           /* a node was ready with it once: there must be a marker */
    bool again;            /* a file that looked damaged is being read a second time */
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
    struct octo_log log;
    struct octo_position floor; /* index 0: none */
    octo_index snapshot;        /* of the newest durable one */
    octo_index keep;            /* entries up to here leave memory once they are durable */
    octo_index unproven;        /* entries from here on came from a peer and may be others than the
                                   lost ones; 0: none */
    struct wal_boot boot;
    struct wal_reader readers[WAL_TOPICS];
    struct wal_segments segments;
    struct wal_scan scan;
    struct wal_flush flush;
    struct wal_votes votes;
};

/* ---- wal.c --------------------------------------------------------------------------------- */

/* octo_wal_refused traces a failed operation. */
void octo_wal_refused(struct octo_step *step, enum octo_err err, enum octo_disk_kind operation,
                      enum octo_file_kind file);

/* octo_wal_reclaim gives up the segments that a durable snapshot makes superfluous; returns how
 * many. */
uint32_t octo_wal_reclaim(struct octo_wal *wal);

/* octo_wal_result is the result of a WRITE of length bytes, a short one being OCTO_ERR_IO. */
enum octo_err octo_wal_result(const struct octo_event *event, uint32_t length);

/* octo_wal_fail ends in FAILED; the first reason stays. */
void octo_wal_fail(struct octo_wal *wal, enum octo_err reason);

static inline struct octo_file wal_topic_file(uint32_t topic, uint32_t segment)
{
    return (struct octo_file){.kind = topic == WAL_MAIN ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY,
                              .number = segment};
}

static inline uint64_t wal_record_seed(const struct octo_wal *wal, uint64_t place)
{
    return octo_format_seed(wal->config.cluster_id, wal->config.node_id, OCTO_FILE_MAIN, place);
}

/* ---- reader.c ------------------------------------------------------------------------------ */

/* octo_wal_reader_start wants bytes [offset, offset + want) of file in buffer. When `active` is
 * false again, `have` of them are there; fewer than want only if the file ended. */
void octo_wal_reader_start(struct wal_reader *reader, struct octo_file file, uint64_t offset,
                           uint8_t *buffer, uint32_t want);

/* octo_wal_reader_list wants the numbers of the files of a kind, `want` bytes of them at most. */
void octo_wal_reader_list(struct wal_reader *reader, enum octo_file_kind kind, uint8_t *buffer,
                          uint32_t want);
void octo_wal_reader_drive(struct octo_step *step, struct wal_reader *reader);
void octo_wal_reader_completion(struct octo_step *step, struct wal_reader *reader,
                                const struct octo_event *event);

/* ---- segments.c ---------------------------------------------------------------------------- */

/* Numbers that a boot may find. Beside the segments there are old files, which wait for their
 * removal, and crashes that leave one segment under two numbers, in one topic each. */
static inline uint32_t wal_files_max(const struct octo_config *config)
{
    return 2 * config->segments_max + 16;
}

static inline struct wal_segment *wal_segment_current(struct octo_wal *wal)
{
    return &wal->segments.items[wal->segments.live - 1];
}

/* octo_wal_segments_listed takes the lists of both topics, in the scan's buffers; may fail the log.
 */
void octo_wal_segments_listed(struct octo_wal *wal);

/* octo_wal_segments_begin ends recovery: the segments up to position `last` of the list live on, of
 * which the last is written to if it is whole in both topics; the others are old files. */
void octo_wal_segments_begin(struct octo_wal *wal, uint32_t last, bool whole);

/* octo_wal_segments_roll makes the first spare the segment that is written to, if it has `bytes`
 * bytes; else it sees to it that there will be one, and returns false. Entries leave the last spare
 * alone (`reserve`): markers and the writes of a boot must always find room. */
bool octo_wal_segments_roll(struct octo_wal *wal, struct octo_step *step, uint32_t bytes,
                            bool reserve);

/* octo_wal_segments_reclaim gives up the segments at the front that hold no record above sequence,
 * and lie before the marker that counts; returns how many. */
uint32_t octo_wal_segments_reclaim(struct octo_wal *wal, octo_sequence sequence);

/* octo_wal_segments_covered: how many that would be. */
uint32_t octo_wal_segments_covered(const struct octo_wal *wal, octo_sequence sequence);

void octo_wal_segments_drive(struct octo_wal *wal, struct octo_step *step);
void octo_wal_segments_completion(struct octo_wal *wal, struct octo_step *step,
                                  const struct octo_event *event);

/* octo_wal_segments_room: bytes that entries can still be written to without a new segment. */
uint64_t octo_wal_segments_room(const struct octo_wal *wal);

/* ---- look.c -------------------------------------------------------------------------------- */

static inline uint64_t wal_sector_start(const struct octo_wal *wal, uint64_t offset)
{
    return offset & ~(uint64_t)(wal->config.sector_bytes - 1);
}

/* The segment that the scan is in. */
static inline struct wal_segment *wal_segment_now(const struct octo_wal *wal)
{
    return &wal->segments.items[wal->scan.segment];
}

/* What lies at scan->at. */
struct wal_look {
    uint32_t topics;    /* that hold the record; 0 if none does */
    bool more;          /* none does, perhaps because the window ends too early */
    bool damaged;       /* the topics differ, and one looks like a record that came to harm */
    uint64_t stray_end; /* of the last record that begins further on in the sector; 0: none does */
};

/* octo_wal_look fills *record with the record at scan->at, if either topic has it. */
struct wal_look octo_wal_look(const struct octo_wal *wal, struct octo_record *record);

/* ---- scan.c -------------------------------------------------------------------------------- */

void octo_wal_scan_start(struct octo_wal *wal);

/* octo_wal_scan_read takes what both readers have brought. It returns true when the scan is over.
 * It may fail the log instead. */
bool octo_wal_scan_read(struct octo_wal *wal, struct octo_step *step);
void octo_wal_scan_drive(struct octo_wal *wal, struct octo_step *step);
void octo_wal_scan_completion(struct octo_wal *wal, struct octo_step *step,
                              const struct octo_event *event);

/* octo_wal_scan_waits: the scan's own writes are not over. */
bool octo_wal_scan_waits(const struct octo_wal *wal);

/* ---- recovery.c ---------------------------------------------------------------------------- */

void octo_wal_recovery_start(struct octo_wal *wal);

/* octo_wal_recovery_record takes a verified record at a place, found in `topics`. */
void octo_wal_recovery_record(struct octo_wal *wal, const struct octo_record *record,
                              uint64_t place, uint32_t topics);

/* octo_wal_recovery_end: the log is in memory, and flush is ready to make its tail durable. */
void octo_wal_recovery_end(struct octo_wal *wal, struct octo_step *step);

/* ---- flush.c, fill.c ----------------------------------------------------------------------- */

void octo_wal_flush_drive(struct octo_wal *wal, struct octo_step *step);

/* octo_wal_flush_completion: false if the operation is none of the flush's. */
bool octo_wal_flush_completion(struct octo_wal *wal, struct octo_step *step,
                               const struct octo_event *event);

/* octo_wal_flush_settled says whether nothing is left to write or to mark. */
bool octo_wal_flush_settled(const struct octo_wal *wal);

/* octo_wal_flush_truncate forgets the entries from `from` on, which the log is about to drop. */
void octo_wal_flush_truncate(struct octo_wal *wal, octo_index from);

void octo_wal_flush_check(const struct octo_wal *wal);

/* octo_wal_fill_waits: whether a batch would hold anything. */
bool octo_wal_fill_waits(const struct octo_wal *wal);

/* octo_wal_fill fills batch for the present end of the log on disk; false if there is no room yet.
 */
bool octo_wal_fill(struct octo_wal *wal, struct octo_step *step, struct wal_batch *batch);

/* octo_wal_fill_move gives a filled batch another place, further on; false if there is no room yet.
 * `alone`: nothing before it is on its way. */
bool octo_wal_fill_move(struct octo_wal *wal, struct octo_step *step, struct wal_batch *batch,
                        bool alone);

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

/* octo_wal_boot_advance goes on to whatever the last completion has made possible. */
void octo_wal_boot_advance(struct octo_wal *wal, struct octo_step *step);

#endif
