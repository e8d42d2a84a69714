/* What can happen to a node (events) and what a node can ask for (effects).
 *
 * Both are plain data. A host delivers one event to octo_node_step and executes the effects in
 * order; it decides nothing. The simulator and the real node are two hosts of the same kernel.
 */
#ifndef OCTO_KERNEL_EVENT_H
#define OCTO_KERNEL_EVENT_H

#include "kernel/base.h"
#include "kernel/trace.h"

/* ---- Files and disk operations ------------------------------------------------------------- */

/* A node's files, by meaning. A file's name is (kind, number): the host maps it to a path. */
#define OCTO_FILES(F)                                                            \
    F(IDENTITY, 1, "identity") /* cluster and node that own the directory */     \
    F(VOTE, 2, "vote")         /* term and vote: two generations x two copies */ \
    F(MAIN, 3, "main")         /* the log's main topic */                        \
    F(RECOVERY, 4, "recovery") /* its twin */                                    \
    F(SNAPSHOT, 5, "snapshot")

enum octo_file_kind {
    OCTO_FILE_NONE = 0,
#define OCTO_FILE_ENUM(name, value, text) OCTO_FILE_##name = (value),
    OCTO_FILES(OCTO_FILE_ENUM)
#undef OCTO_FILE_ENUM
};

struct octo_file {
    uint8_t kind;    /* enum octo_file_kind */
    uint32_t number; /* segment or snapshot number; 0 where there is one file only */
};

#define OCTO_DISK_OPS(D)                                                                           \
    D(READ, 1, "read")        /* length bytes at offset; fewer at the end of the file */           \
    D(WRITE, 2, "write")      /* length bytes at offset; extends the file */                       \
    D(SYNC, 3, "sync")        /* fdatasync: what returned before this was submitted is durable */  \
    D(CREATE, 4, "create")    /* make an empty file, or leave the one that is there */             \
    D(DIR_SYNC, 5, "dirsync") /* creates, renames and unlinks that returned before are durable */  \
    D(UNLINK, 6, "unlink")                                                                         \
    D(RENAME, 7, "rename")     /* file becomes `target`, replacing it */                           \
    D(ALLOCATE, 8, "allocate") /* length bytes at offset get space and read as zeros where nothing \
                                  was written; extends the file; NO_SPACE if there is none */      \
    D(LIST, 9, "list") /* the numbers of the files of file.kind, rising, as u32 each: at most      \
                          length bytes of them, as a READ gives its bytes */

enum octo_disk_kind {
    OCTO_DISK_NONE = 0,
#define OCTO_DISK_ENUM(name, value, text) OCTO_DISK_##name = (value),
    OCTO_DISK_OPS(OCTO_DISK_ENUM)
#undef OCTO_DISK_ENUM
};

struct octo_disk_op {
    uint64_t id;  /* never reused within an incarnation (K3) */
    uint8_t kind; /* enum octo_disk_kind */
    struct octo_file file;
    struct octo_file target; /* RENAME only */
    uint64_t offset;         /* bytes */
    uint32_t length;         /* bytes */
    const uint8_t *data;     /* WRITE: in the node's block, unchanged until the completion */
};

/* ---- Events -------------------------------------------------------------------------------- */

enum octo_event_kind {
    OCTO_EVENT_BOOT = 1,    /* first event of an incarnation, and only then */
    OCTO_EVENT_TIMER = 2,   /* the deadline has passed; harmless when it has not */
    OCTO_EVENT_MESSAGE = 3, /* bytes from the network, untrusted */
    OCTO_EVENT_DISK = 4,    /* a disk operation came back */
    OCTO_EVENT_REQUEST = 5, /* a client's command, untrusted */
};

struct octo_event {
    enum octo_event_kind kind;
    octo_time_ns now; /* the node's clock; never goes back within an incarnation */
    union {
        struct {
            uint64_t seed; /* for election jitter (K6) */
            bool format;   /* explicitly make this directory this node's; only ever for a new one */
        } boot;
        struct {
            const uint8_t *bytes; /* valid during the step */
            uint32_t size;
        } message;
        struct {
            uint64_t id;
            enum octo_err result; /* OK, IO, NO_SPACE, NOT_FOUND */
            const uint8_t *data;  /* READ: what was read, valid during the step */
            uint32_t length;      /* READ: bytes read; WRITE: bytes written */
        } disk;
        struct {
            octo_client_id client;
            uint64_t sequence; /* 1, 2, 3 … within the session; a retry repeats it */
            const uint8_t *command;
            uint32_t size;
        } request;
    };
};

/* ---- Effects ------------------------------------------------------------------------------- */

enum octo_effect_kind {
    OCTO_EFFECT_SEND = 1,  /* bytes to another node; may be lost */
    OCTO_EFFECT_DISK = 2,  /* submit a disk operation */
    OCTO_EFFECT_REPLY = 3, /* answer a client, if it is still there */
    OCTO_EFFECT_TRACE = 4, /* what happened inside, for people and oracles */
    OCTO_EFFECT_HALT = 5,  /* the node can promise nothing more: stop it, start it anew later */
};

struct octo_effect {
    enum octo_effect_kind kind;
    union {
        struct {
            octo_node_id to;
            const uint8_t *bytes; /* in effects->bytes */
            uint32_t size;
        } send;
        struct octo_disk_op disk;
        struct {
            octo_client_id client;
            uint64_t sequence;
            enum octo_err status;  /* OK: applied; otherwise refused and not applied by this node */
            octo_node_id leader;   /* a hint with NOT_LEADER, 0 if unknown */
            const uint8_t *result; /* in effects->bytes or in the node's block; valid until the
                                      next step of this node */
            uint32_t size;
        } reply;
        struct octo_trace trace;
        struct {
            enum octo_err reason;
        } halt;
    };
};

/* The host's buffers for one step, reused for every step. octo_effects_limits says how large they
 * must be; the kernel clears `count`, `bytes_used` and `deadline` on entry. */
struct octo_effects {
    struct octo_effect *items;
    uint32_t capacity; /* items */
    uint32_t count;
    uint8_t *bytes;
    uint32_t bytes_capacity;
    uint32_t bytes_used;
    octo_time_ns deadline;              /* when the node wants a TIMER event, on its own clock;
                                           OCTO_NEVER if it wants none */
    const struct octo_machine *machine; /* set by the host: the registry entry config.machine */
};

struct octo_config;

/* octo_effects_limits gives the capacities that one step of a node with this configuration can
 * need. */
void octo_effects_limits(const struct octo_config *config, uint32_t *items, uint32_t *bytes);

#endif
