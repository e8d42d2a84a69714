/* The durable log of one node: two topics of segments, commit markers, term and vote, identity.
 *
 * Private to kernel/. Everything is asynchronous: calls change memory and at most emit disk
 * operations; completions come back through octo_wal_completion. What may be promised is asked,
 * never assumed (K3): octo_wal_durable for entries, octo_wal_vote_saved for term and vote.
 * docs/durability.md has the argument.
 *
 *     append ──> log in memory ──batch──> WRITE both topics ──> SYNC both topics ──> marker due
 *                                           ^ the marker of what is durable rides along │
 *                                           └──────────────────<────────────────────────┘
 *     acknowledged (octo_wal_durable) = covered by a marker that is durable in both topics
 *
 * Up to batches_max batches are on their way at a time; what arrives meanwhile goes into the next
 * (group commit).
 */
#ifndef OCTO_KERNEL_WAL_WAL_H
#define OCTO_KERNEL_WAL_WAL_H

#include "kernel/step.h"
#include "kernel/wal/log.h"

struct octo_wal; /* complete in kernel/wal/wal_state.h */

size_t octo_wal_bytes(const struct octo_config *config);

/* octo_wal_init takes its memory from arena (octo_wal_bytes of it) and returns an idle log. */
struct octo_wal *octo_wal_init(const struct octo_config *config, struct octo_arena *arena);

/* octo_wal_boot begins recovery (or, with format, makes the directory this node's first). */
void octo_wal_boot(struct octo_wal *wal, struct octo_step *step, bool format);

enum octo_wal_stage {
    OCTO_WAL_IDLE = 0,
    OCTO_WAL_OPENING = 1,    /* formatting, or reading identity and vote */
    OCTO_WAL_WAITING = 2,    /* the directory is this node's; octo_wal_found is awaited */
    OCTO_WAL_RECOVERING = 3, /* reading the topics, or making the recovered tail durable */
    OCTO_WAL_READY = 4,
    OCTO_WAL_FAILED = 5, /* octo_wal_reason says why; the node must halt */
};
enum octo_wal_stage octo_wal_stage(const struct octo_wal *wal);
enum octo_err octo_wal_reason(const struct octo_wal *wal);

/* octo_wal_found says which snapshot the log goes on from (index 0: there is none). WAITING only.
 * The rest of recovery ends in READY, when everything in the log in memory is durable in both
 * topics and marked, or in FAILED. */
void octo_wal_found(struct octo_wal *wal, struct octo_step *step,
                    const struct octo_position *snapshot);

/* octo_wal_completion takes a DISK event; false if the operation is not the log's. */
bool octo_wal_completion(struct octo_wal *wal, struct octo_step *step,
                         const struct octo_event *event);

/* octo_wal_flush emits the disk operations that are due, retries whose pause is over included, and
 * lowers the step's deadline for those that are not. Called once, at the end of every step. */
void octo_wal_flush(struct octo_wal *wal, struct octo_step *step);

/* octo_wal_log is the log in memory. */
const struct octo_log *octo_wal_log(const struct octo_wal *wal);

/* octo_wal_append appends entry; if entry->index <= last, the log is truncated to entry->index - 1
 * first (only if the entry then fits). entry->index is base + 1 .. last + 1. READY only.
 * FULL: no room in memory, nothing changed. */
enum octo_err octo_wal_append(struct octo_wal *wal, const struct octo_entry *entry) OCTO_MUST_USE;

/* octo_wal_space says whether a command of size bytes would find room on the disk. Where there is
 * none a leader takes no new commands; what is in memory already waits until space returns. */
bool octo_wal_space(const struct octo_wal *wal, uint32_t size);

/* octo_wal_pressed: space for the log runs out, and a snapshot up to index (which the log has)
 * would give some back. */
bool octo_wal_pressed(const struct octo_wal *wal, octo_index index);

/* octo_wal_durable is the last index of the log that this node may acknowledge: itself and all
 * before it are durable in both topics and covered by a durable marker, or lie in the snapshot.
 * Judged by sequence, not by index: an old completion never covers an entry that was replaced
 * since. Truncation lowers it; after octo_wal_install it is 0 until the log says durably that it
 * goes on from the snapshot. */
octo_index octo_wal_durable(const struct octo_wal *wal);

/* ---- Snapshots ------------------------------------------------------------------------------- */

/* octo_wal_compact: a snapshot up to `snapshot` (which the log has) is durable, and the entries up
 * to `keep` (base .. snapshot) need not stay in memory: they leave it now, or as soon as they are
 * durable. Segments that only hold what the snapshot covers are recycled or removed. READY only. */
void octo_wal_compact(struct octo_wal *wal, struct octo_step *step, octo_index snapshot,
                      octo_index keep);

/* octo_wal_install: a snapshot that a leader sent is durable. The log keeps what goes on after it,
 * if it holds the snapshot's last entry with the same chain, and is emptied otherwise; what is
 * before leaves memory as with octo_wal_compact. READY only. */
void octo_wal_install(struct octo_wal *wal, struct octo_step *step,
                      const struct octo_position *snapshot);

/* ---- Loss ------------------------------------------------------------------------------------ */

/* The floor is the position up to which entries are known to have been acknowledged and are lost.
 * The node is *recovering* while its log has not reached it: it votes by the floor, does not
 * campaign, and wants the entries after its last one from anybody. False: there is none. chain is 0
 * if it is unknown. */
bool octo_wal_floor(const struct octo_wal *wal, struct octo_position *floor);

/* octo_wal_fetched takes a lost entry (the one after the log's end) from a peer that need not lead.
 * It counts when the entries up to the floor are here and their chain is the floor's; until then,
 * or if it is not, octo_wal_log shows them, and nobody may rely on them: octo_wal_last ends before.
 * FULL, RANGE (beyond the floor, or the chain is not the floor's: what was fetched is dropped). */
enum octo_err octo_wal_fetched(struct octo_wal *wal, const struct octo_entry *entry) OCTO_MUST_USE;
void octo_wal_fetched_drop(struct octo_wal *wal);
octo_index octo_wal_last(const struct octo_wal *wal);

/* OCTO_FLOOR_UNKNOWN: no marker could be read; the floor's index means nothing, and the node
 * does not vote until its log holds an entry of a later term than floor.term. */
#define OCTO_FLOOR_UNKNOWN (UINT64_MAX / 8)

/* octo_wal_ahead: whether who votes by position a would refuse a log that ends at b
 * (section 5.4.1). */
bool octo_wal_ahead(const struct octo_position *a, const struct octo_position *b);

/* octo_wal_vote_position is the position to vote by: the log's end, or the floor if that is ahead.
 */
struct octo_position octo_wal_vote_position(const struct octo_wal *wal);

/* ---- Term and vote --------------------------------------------------------------------------- */

/* octo_wal_set_vote changes term and vote in memory and has them written. Term never goes down, and
 * within a term vote goes from 0 to one value, never back. READY only. */
void octo_wal_set_vote(struct octo_wal *wal, octo_term term, octo_node_id vote);
octo_term octo_wal_term(const struct octo_wal *wal);
octo_node_id octo_wal_vote(const struct octo_wal *wal);

/* octo_wal_vote_saved says whether exactly the present term and vote are durable in both copies. */
bool octo_wal_vote_saved(const struct octo_wal *wal);

/* octo_wal_check asserts the invariants. */
void octo_wal_check(const struct octo_wal *wal);

#endif
