/* The commit index: counted by the leader, told to followers, never going back. */
#include "kernel/raft/parts.h"

void octo_raft_commit_raise(struct octo_raft *raft, struct octo_step *step, octo_index commit)
{
    if (commit <= raft->commit)
        return;
    octo_assert(commit <= octo_raft_log(raft)->last);
    octo_step_trace(step, OCTO_TRACE_COMMIT, raft->commit, commit, octo_raft_term(raft), 0);
    raft->commit = commit;
}

/* The highest index that a majority has made durable, this node with what its own disk has (B12).
 */
static octo_index majority_match(const struct octo_raft *raft)
{
    octo_index sorted[OCTO_NODES_MAX]; /* falling */
    const uint32_t count = raft->config->node_count;

    octo_assert(count >= 1);
    octo_assert(count <= OCTO_NODES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const bool self = i + 1 == raft->config->node_id;
        const octo_index match = self ? octo_wal_durable(raft->wal) : raft->peers[i].match;
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < match; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = match;
    }
    return sorted[count / 2];
}

void octo_raft_commit_count(struct octo_raft *raft, struct octo_step *step)
{
    if (raft->role != OCTO_ROLE_LEADER || !raft->count_due)
        return;
    raft->count_due = false;
    const octo_index match = majority_match(raft);

    if (match <= raft->commit)
        return;
    /* By counting, only entries of its own term are committed; earlier ones with them (section
     * 5.4.2, figure 8, B1). */
    if (octo_log_term(octo_raft_log(raft), match) != octo_raft_term(raft)) {
        octo_step_mark(step, OCTO_MARK_COMMIT_WAITED_TERM);
        return;
    }
    octo_raft_commit_raise(raft, step, match);
}
