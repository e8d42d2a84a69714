/* Snapshots: the applied state as one file, so that the log before it is no longer needed. Taken by
 * this node, sent to others, received from a leader.
 *
 * Private to kernel/. Everything is asynchronous: calls change memory, octo_snapshots_drive emits
 * disk operations, completions come back through octo_snapshots_completion. One piece of work goes
 * on at a time, with one operation in flight.
 *
 *     take ─── blocks ──┐
 *                       ├──> file 0, the spare ──> SYNC ──> read back ──> RENAME to the next number
 *     receive ─ chunks ─┘      it now counts <── DIR_SYNC <──────────────────────┘
 *                              the one before becomes the spare; a received one is restored
 *
 * The one that counts stays until the next one is durable under its own number and was read back
 * whole: a crash at any point leaves one or the other. Whatever fails on the way ends the attempt;
 * its file is removed, and the next attempt writes a new one (K8).
 */
#ifndef OCTO_KERNEL_SNAPSHOT_SNAPSHOT_H
#define OCTO_KERNEL_SNAPSHOT_SNAPSHOT_H

#include "kernel/sessions.h"
#include "kernel/step.h"
#include "kernel/wal/log.h"

struct octo_snapshots; /* complete in kernel/snapshot/state.h */

/* What a snapshot is of. The pointers are the node's, into its block (K2). */
struct octo_snapshot_content {
    struct octo_machine_context *machine;
    uint8_t *machine_memory; /* config.machine_memory_bytes */
    struct octo_sessions *sessions;
    const octo_index *applied; /* what the state is as of */
};

size_t octo_snapshots_bytes(const struct octo_config *config);

/* octo_snapshots_init takes octo_snapshots_bytes from arena; config lives as long. */
struct octo_snapshots *octo_snapshots_init(const struct octo_config *config,
                                           const struct octo_snapshot_content *content,
                                           struct octo_arena *arena);

/* octo_snapshots_boot looks for the newest valid snapshot. When the stage is READY, machine and
 * sessions hold its state, or are empty if there is none. */
void octo_snapshots_boot(struct octo_snapshots *snapshots, struct octo_step *step);

enum octo_snapshots_stage {
    OCTO_SNAPSHOTS_IDLE = 0,
    OCTO_SNAPSHOTS_BOOTING = 1,
    OCTO_SNAPSHOTS_READY = 2,
    OCTO_SNAPSHOTS_FAILED = 3, /* octo_snapshots_reason says why; the node must halt */
};
enum octo_snapshots_stage octo_snapshots_stage(const struct octo_snapshots *snapshots);

/* octo_snapshots_reason: IO: the disk cannot be read. VERSION: of a format, or of a machine, that
 * this code does not know. FULL, MALFORMED, RANGE: machine or sessions refuse what is intact: the
 * nodes' configurations differ. */
enum octo_err octo_snapshots_reason(const struct octo_snapshots *snapshots);

/* octo_snapshots_completion takes a DISK event; false if the operation is not of this module. */
bool octo_snapshots_completion(struct octo_snapshots *snapshots, struct octo_step *step,
                               const struct octo_event *event);

/* octo_snapshots_drive emits what is due and lowers the step's deadline. Called once, at the end of
 * every step. */
void octo_snapshots_drive(struct octo_snapshots *snapshots, struct octo_step *step);

/* octo_snapshots_limits adds what one step can emit at most. */
void octo_snapshots_limits(const struct octo_config *config, uint64_t *items);

/* octo_snapshots_check asserts the invariants. */
void octo_snapshots_check(const struct octo_snapshots *snapshots);

/* The one that counts: durable, verified. number 0: there is none, all else is 0. */
struct octo_snapshot_file {
    uint32_t number;
    struct octo_position position;
    uint64_t bytes; /* through its last block */
};
const struct octo_snapshot_file *octo_snapshots_newest(const struct octo_snapshots *snapshots);

/* What has happened since the last call. Followed by octo_snapshots_newest. */
enum octo_snapshot_news {
    OCTO_SNAPSHOT_NO_NEWS = 0,
    OCTO_SNAPSHOT_SAVED = 1,     /* the newest one is another */
    OCTO_SNAPSHOT_INSTALLED = 2, /* likewise; a leader sent it, and the state is its now */
};
enum octo_snapshot_news octo_snapshots_news(struct octo_snapshots *snapshots);

/* ---- Taking -------------------------------------------------------------------------------- */

/* octo_snapshots_idle says whether octo_snapshots_take would begin: READY, nothing else going on,
 * no pause after a failure. */
bool octo_snapshots_idle(const struct octo_snapshots *snapshots, octo_time_ns now);

/* octo_snapshots_take begins a snapshot of the state, which is as of `position`. Only when idle
 * (asserted). The machine must be able to (snapshot and restore are not NULL). */
void octo_snapshots_take(struct octo_snapshots *snapshots, struct octo_step *step,
                         const struct octo_position *position);

/* octo_snapshots_freezes says whether machine and sessions must not be changed or asked: their
 * bytes are being written out (they may be asked then), or they are being restored. */
bool octo_snapshots_freezes(const struct octo_snapshots *snapshots);
bool octo_snapshots_restoring(const struct octo_snapshots *snapshots);

/* ---- Receiving ----------------------------------------------------------------------------- */

/* One piece of the file of the snapshot at `position`. */
struct octo_snapshot_chunk {
    octo_node_id peer; /* receiving: who sends it; sending: whom it is for */
    struct octo_position position;
    uint64_t offset;
    const uint8_t *bytes;
    uint32_t size;
    bool last;
};

/* octo_snapshots_receive takes a chunk into file 0 if it is the one wanted and nothing is in the
 * way; a first chunk (offset 0) of another snapshot begins anew. What was not taken is to be sent
 * again. A snapshot that reaches no further than what is applied when it is complete counts, but is
 * not restored. MALFORMED, CHECKSUM, VERSION: no such chunk is ever sent by a node like this. */
enum octo_err octo_snapshots_receive(struct octo_snapshots *snapshots, struct octo_step *step,
                                     const struct octo_snapshot_chunk *chunk) OCTO_MUST_USE;

/* octo_snapshots_wanted is the offset of the chunk of this snapshot that is wanted next: all before
 * it was written. 0 if it is not being received. */
uint64_t octo_snapshots_wanted(const struct octo_snapshots *snapshots, octo_node_id peer,
                               const struct octo_position *position);

/* ---- Sending ------------------------------------------------------------------------------- */

/* octo_snapshots_doubt: a peer has had the whole newest file from here, and refuses it: it may have
 * rotted since it was verified. Hits the mark snapshot-doubted. octo_snapshots_doubted: so, or its
 * header was seen to be damaged when it was to be sent; and no other one has replaced it. */
void octo_snapshots_doubt(struct octo_snapshots *snapshots, struct octo_step *step);
bool octo_snapshots_doubted(const struct octo_snapshots *snapshots);

/* octo_snapshots_fetch has the chunk of the newest snapshot at `offset` read for peer, unless one
 * is being read for it. The answer is octo_snapshots_chunk of a later step, or never comes. */
void octo_snapshots_fetch(struct octo_snapshots *snapshots, struct octo_step *step,
                          octo_node_id peer, uint64_t offset);

/* octo_snapshots_chunk is the chunk that was read in this step, NULL if none was. Its bytes are
 * those of the event. */
const struct octo_snapshot_chunk *octo_snapshots_chunk(const struct octo_snapshots *snapshots);

/* octo_snapshots_sending says whether somebody was sent a chunk of late: a new snapshot would make
 * him begin anew. */
bool octo_snapshots_sending(const struct octo_snapshots *snapshots, octo_time_ns now);

#endif
