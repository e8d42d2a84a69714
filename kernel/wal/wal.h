/* The durable log of one node: two topics, commit markers, term and vote, identity.
 *
 * Private to kernel/. Everything is asynchronous: calls change memory and at most emit disk
 * operations; completions come back through octo_wal_completion. What may be promised is asked,
 * never assumed (K3): octo_wal_durable for entries, octo_wal_vote_saved for term and vote.
 *
 *     append ──> log in memory ──flush──> WRITE main+recovery ──> SYNC main+recovery ──> durable
 * bytes │ marker of the batch before rides along        │ └───────────────<── marker due
 * ──<──────────────┘ acknowledged (octo_wal_durable) = covered by a marker that is durable in both
 * topics
 *
 * One flush is in flight at a time; what arrives meanwhile goes into the next (group commit).
 */
#ifndef OCTO_KERNEL_WAL_WAL_H
#define OCTO_KERNEL_WAL_WAL_H

#include "kernel/step.h"
#include "kernel/wal/log.h"

struct octo_wal; /* complete in kernel/wal/wal_state.h */

size_t octo_wal_bytes(const struct octo_config *config);

/* octo_wal_init takes its memory from arena (octo_wal_bytes of it) and returns an idle log. */
struct octo_wal *octo_wal_init(const struct octo_config *config, struct octo_arena *arena);

/* octo_wal_boot begins recovery (or, with format, makes the directory this node's first). Ends in
 * READY, when everything in the log in memory is durable in both topics and marked, or FAILED. */
void octo_wal_boot(struct octo_wal *wal, struct octo_step *step, bool format);

enum octo_wal_stage {
    OCTO_WAL_IDLE = 0,
    OCTO_WAL_RECOVERING = 1, /* formatting, reading, or making the recovered tail durable */
    OCTO_WAL_READY = 2,
    OCTO_WAL_FAILED = 3, /* octo_wal_reason says why; the node must halt */
};
enum octo_wal_stage octo_wal_stage(const struct octo_wal *wal);
enum octo_err octo_wal_reason(const struct octo_wal *wal);

/* octo_wal_completion takes a DISK event. Unknown or repeated ids are ignored and counted. */
void octo_wal_completion(struct octo_wal *wal, struct octo_step *step,
                         const struct octo_event *event);

/* octo_wal_flush emits the disk operations that are due, retries whose pause is over included, and
 * lowers the step's deadline for those that are not. Called once, at the end of every step. */
void octo_wal_flush(struct octo_wal *wal, struct octo_step *step);

/* octo_wal_log is the log in memory. */
const struct octo_log *octo_wal_log(const struct octo_wal *wal);

/* octo_wal_append appends entry; if entry->index <= last, the log is truncated to entry->index - 1
 * first (only if the entry then fits). OCTO_ERR_FULL changes nothing. READY only. */
enum octo_err octo_wal_append(struct octo_wal *wal, const struct octo_entry *entry) OCTO_MUST_USE;

/* octo_wal_durable is the last index of the log that this node may acknowledge: itself and all
 * before it are durable in both topics and covered by a durable marker. Judged by sequence, not by
 * index: an old completion never covers an entry that was replaced since. Truncation lowers it. */
octo_index octo_wal_durable(const struct octo_wal *wal);

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
