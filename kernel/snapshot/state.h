/* What the files of kernel/snapshot/ share. Private to them. */
#ifndef OCTO_KERNEL_SNAPSHOT_STATE_H
#define OCTO_KERNEL_SNAPSHOT_STATE_H

#include "kernel/hash.h"
#include "kernel/snapshot/codec.h"
#include "kernel/snapshot/snapshot.h"

#define OCTO_SNAPSHOT_FILES_MAX                                                                  \
    64u                             /* in the directory; three is the most that this code leaves \
                                     */
#define OCTO_SNAPSHOT_FAILURES 100u /* in a row, of what a node cannot go on without */

/* What the operation in flight, or the next one, is for. At boot: */
enum octo_snapshot_boot {
    OCTO_SNAPSHOT_LIST = 1,
    OCTO_SNAPSHOT_CHOOSE,    /* of several: verifying each, for what it is of */
    OCTO_SNAPSHOT_LOAD,      /* reading the newest file that may be valid, restoring it */
    OCTO_SNAPSHOT_KEEP,      /* its name may never have been durable: it gets another */
    OCTO_SNAPSHOT_KEEP_SYNC, /* and counts when that one is */
    OCTO_SNAPSHOT_TIDY,      /* the others become the spare, or are removed */
};

/* And later. */
enum octo_snapshot_work {
    OCTO_SNAPSHOT_REST = 0,
    OCTO_SNAPSHOT_CREATE, /* the spare; also when there is no snapshot to write */
    OCTO_SNAPSHOT_ALLOCATE,
    OCTO_SNAPSHOT_WRITE,
    OCTO_SNAPSHOT_SYNC,
    OCTO_SNAPSHOT_VERIFY,
    OCTO_SNAPSHOT_RENAME,
    OCTO_SNAPSHOT_RENAME_SYNC,
    OCTO_SNAPSHOT_RESTORE,
    OCTO_SNAPSHOT_RECYCLE, /* the one before becomes the spare */
    OCTO_SNAPSHOT_DISCARD, /* a file that is suspect is removed */
};

/* The raw bytes of a snapshot come from three places in turn, and go there when it is restored. */
enum octo_snapshot_part {
    OCTO_SNAPSHOT_PART_SIZE = 0, /* of the session table */
    OCTO_SNAPSHOT_PART_SESSIONS,
    OCTO_SNAPSHOT_PART_MACHINE,
    OCTO_SNAPSHOT_PART_END,
};

struct octo_snapshot_stream {
    uint32_t part;   /* enum octo_snapshot_part */
    uint32_t have;   /* restore: bytes of size_bytes */
    uint64_t cursor; /* writing: of the part */
    uint64_t left;   /* restore: bytes of the session table to come */
    uint8_t size_bytes[8];
};

/* A file that is being read from its beginning, verified, and restored if that is wanted. */
struct octo_snapshot_scan {
    uint32_t number;
    bool restores;
    bool headed;     /* the header was read */
    bool reread;     /* the block that comes next was damaged when it was first read */
    uint32_t have;   /* bytes in `stored` */
    uint32_t block;  /* number of the next one */
    uint64_t offset; /* in the file, of the first byte in `stored` */
    uint64_t seed;
    uint64_t raw_bytes;
    struct octo_snapshot_header header;
};

/* The snapshot that is being written. */
struct octo_snapshot_job {
    octo_node_id leader; /* who sends it; 0: it is this node's own */
    bool active;
    bool complete;         /* own: all blocks are made; received: the last chunk is here */
    octo_time_ns heard_at; /* received: a chunk last came */
    uint32_t number;       /* that it will have */
    uint32_t block;        /* own: number of the next one */
    uint32_t pending;      /* bytes in `stored` that wait to be written, or are being */
    uint64_t offset;       /* bytes written */
    uint64_t seed;
    uint64_t raw_bytes;
    struct octo_position position;
};

/* A chunk that is being read for a peer. */
struct octo_snapshot_send {
    uint64_t op; /* 0: none */
    uint64_t offset;
    uint32_t number; /* of the file */
};

struct octo_snapshots {
    struct octo_hash_stream hash; /* of the raw bytes written or read */
    const struct octo_config *config;
    struct octo_snapshot_content content;
    enum octo_snapshots_stage stage;
    enum octo_err reason;
    enum octo_snapshot_news news;
    enum octo_snapshot_boot boot; /* while BOOTING */
    enum octo_snapshot_work work; /* while READY */
    uint64_t op;                  /* in flight, 0: none */
    octo_time_ns retry_at;
    octo_time_ns again_at; /* after a failed attempt: when the next one may begin */
    uint32_t failures;     /* in a row */
    struct octo_snapshot_file newest;
    uint32_t number_max; /* that any file has, or had */
    uint32_t doubted;    /* the number of one that a peer has refused; 0: none */
    uint32_t old;        /* the file that `newest` has replaced, and is not recycled yet; 0: none */
    uint32_t discard;    /* number of the file that is suspect */
    bool spare;          /* file 0 is there */
    bool spare_allocated;
    uint32_t candidate;  /* boot: files[candidate - 1] is looked at */
    uint32_t file_count; /* boot: files found, but the spare; the one that counts most is last */
    uint32_t files[OCTO_SNAPSHOT_FILES_MAX];
    octo_index of[OCTO_SNAPSHOT_FILES_MAX]; /* what each is of; 0: damaged; NEVER: not known yet */
    struct octo_snapshot_stream stream;
    struct octo_snapshot_scan scan;
    struct octo_snapshot_job job;
    struct octo_snapshot_send sends[OCTO_NODES_MAX]; /* [peer - 1] */
    octo_time_ns sent_at;                            /* a chunk was last read for somebody */
    bool sent;                                       /* ever */
    bool chunk_read;                                 /* in this step */
    struct octo_snapshot_chunk chunk;
    uint8_t *work_memory; /* lz4's */
    uint8_t *raw;         /* OCTO_BLOCK_RAW_MAX */
    uint8_t *stored;      /* stored_capacity: what is written, or was read */
};

/* A whole header and block, or what a read adds to one that is not whole. */
static inline uint32_t octo_snapshot_stored_bytes(const struct octo_config *config)
{
    return OCTO_SNAPSHOT_HEADER_BYTES + OCTO_BLOCK_BYTES_MAX + config->snapshot_chunk_bytes;
}

static inline struct octo_file octo_snapshot_name(uint32_t number)
{
    return (struct octo_file){.kind = OCTO_FILE_SNAPSHOT, .number = number};
}

/* snapshots.c: octo_snapshot_submit emits the one operation of the present work. */
void octo_snapshot_submit(struct octo_snapshots *snapshots, struct octo_step *step,
                          struct octo_disk_op op);
/* octo_snapshot_retry has the present work tried again after a pause; false: it failed too often,
 * and that is counted afresh. */
bool octo_snapshot_retry(struct octo_snapshots *snapshots, struct octo_step *step);
void octo_snapshot_refused(struct octo_step *step, enum octo_err err, enum octo_disk_kind kind);
void octo_snapshot_fail(struct octo_snapshots *snapshots, enum octo_err reason);
/* octo_snapshot_work_set goes on to something else. */
void octo_snapshot_work_set(struct octo_snapshots *snapshots, enum octo_snapshot_work work);
void octo_snapshot_boot_set(struct octo_snapshots *snapshots, enum octo_snapshot_boot boot);

/* content.c: the raw bytes. octo_snapshot_stream_read fills raw with the next ones (*size of them,
 * at most capacity) and returns true with the last. octo_snapshot_stream_write takes the next ones
 * of a snapshot that is restored, after octo_snapshot_state_clear; size 0 with last. */
void octo_snapshot_stream_begin(struct octo_snapshots *snapshots);
bool octo_snapshot_stream_read(struct octo_snapshots *snapshots, const struct octo_step *step,
                               uint8_t *raw, uint32_t capacity, uint32_t *size);
enum octo_err octo_snapshot_stream_write(struct octo_snapshots *snapshots,
                                         const struct octo_step *step, const uint8_t *raw,
                                         uint32_t size, bool last) OCTO_MUST_USE;
/* octo_snapshot_state_clear makes machine and sessions empty. */
enum octo_err octo_snapshot_state_clear(struct octo_snapshots *snapshots,
                                        const struct octo_step *step) OCTO_MUST_USE;

/* scan.c: reading. octo_snapshot_scan_completion says how it stands: */
enum octo_scan_verdict {
    OCTO_SCAN_GOES_ON = 1,
    OCTO_SCAN_WHOLE = 2,   /* valid; scan.offset is its size */
    OCTO_SCAN_DAMAGED = 3, /* or not there */
    OCTO_SCAN_REFUSED = 4, /* intact, but this node cannot have it: *err; IO: not readable */
};
enum octo_err octo_snapshot_scan_begin(struct octo_snapshots *snapshots, struct octo_step *step,
                                       uint32_t number, bool restores) OCTO_MUST_USE;
void octo_snapshot_scan_drive(struct octo_snapshots *snapshots, struct octo_step *step);
enum octo_scan_verdict octo_snapshot_scan_completion(struct octo_snapshots *snapshots,
                                                     struct octo_step *step,
                                                     const struct octo_event *event,
                                                     enum octo_err *err);

/* boot.c */
void octo_snapshot_boot_drive(struct octo_snapshots *snapshots, struct octo_step *step);
void octo_snapshot_boot_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                                   const struct octo_event *event);

/* write.c */
void octo_snapshot_prepare(struct octo_snapshots *snapshots); /* a spare, if there is none */
void octo_snapshot_write_drive(struct octo_snapshots *snapshots, struct octo_step *step);
void octo_snapshot_write_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                                    const struct octo_event *event);

/* send.c */
bool octo_snapshot_send_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                                   const struct octo_event *event);
/* octo_snapshot_being_read: whether a chunk of this file is on its way from the disk. */
bool octo_snapshot_being_read(const struct octo_snapshots *snapshots, uint32_t number);

#endif
