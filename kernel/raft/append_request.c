/* APPEND_REQUEST at the follower: the consistency check and the taking over of entries (section
 * 5.3). Sending it is replicate.c. */
#include "kernel/raft/parts.h"

static bool entry_present(const struct octo_raft *raft, const struct octo_entry *entry)
{
    const struct octo_log *log = octo_raft_log(raft);

    if (entry->index <= log->base.index)
        return true; /* committed, and in a snapshot: it is the one */
    return entry->index <= log->last && octo_log_term(log, entry->index) == entry->term;
}

/* Appends an entry that is not present, in place of what stands there and after. */
static enum octo_err entry_put(struct octo_raft *raft, struct octo_step *step,
                               const struct octo_entry *entry)
{
    const octo_index last = octo_raft_log(raft)->last;

    if (entry->index <= raft->commit)
        return OCTO_ERR_MALFORMED; /* what is committed never changes: no correct node leads so */
    const enum octo_err err = octo_wal_append(raft->wal, entry);
    if (err != OCTO_ERR_OK) {
        octo_step_mark(step, OCTO_MARK_LOG_FULL);
        return err;
    }
    if (entry->index <= last) {
        octo_step_mark(step, OCTO_MARK_LOG_TRUNCATED);
        octo_step_trace(step, OCTO_TRACE_TRUNCATE, entry->index, last, octo_raft_term(raft), 0);
        /* No correct leader replaces what it had us verify; whoever does must not confuse us. */
        raft->verified = octo_min_u64(raft->verified, entry->index - 1);
        raft->acked = octo_min_u64(raft->acked, entry->index - 1);
    }
    return OCTO_ERR_OK;
}

static void append_trace(const struct octo_raft *raft, struct octo_step *step, octo_index first)
{
    const struct octo_log *log = octo_raft_log(raft);

    if (first != 0)
        octo_step_trace(step, OCTO_TRACE_APPEND, first, log->last, octo_log_term(log, log->last),
                        octo_log_sequence(log, log->last));
}

/* Takes over the entries and returns the last index that is then known to equal the leader's. A
 * message that turns out bad (*err) has effect up to the entry before the bad one; what does not
 * fit will be sent again. */
static octo_index entries_take(struct octo_raft *raft, struct octo_step *step,
                               const struct octo_message *message, enum octo_err *err)
{
    octo_index index = message->append_request.prev_index;
    octo_index first = 0; /* appended */
    uint32_t at = 0;

    for (uint32_t i = 0; i < message->append_request.entry_count; i++) {
        struct octo_entry entry;
        uint32_t used;
        *err = octo_entry_decode(message->entries + at, message->entries_bytes - at, &entry, &used);
        if (*err == OCTO_ERR_OK && entry.size > raft->config->command_bytes_max)
            *err = OCTO_ERR_RANGE; /* it could not be sent on */
        if (*err != OCTO_ERR_OK)
            break;
        entry.index = index + 1;
        /* Only a *different* entry in its place truncates: an old message that overlaps must not
         * remove what came after it (section 5.3, B6). */
        if (entry_present(raft, &entry)) {
            octo_step_mark(step, OCTO_MARK_APPEND_OVERLAPPED);
        } else {
            const enum octo_err put = entry_put(raft, step, &entry);
            if (put == OCTO_ERR_MALFORMED)
                *err = put;
            if (put != OCTO_ERR_OK)
                break;
            first = first == 0 ? entry.index : first;
        }
        index++;
        at += used;
    }
    append_trace(raft, step, first);
    return index;
}

/* The consistency check of section 5.3: the log up to prev_index equals the leader's. */
static bool prev_matches(const struct octo_raft *raft, const struct octo_append_request *request)
{
    const struct octo_log *log = octo_raft_log(raft);

    if (request->prev_index < log->base.index)
        return true; /* committed: whoever leads has the same */
    return request->prev_index <= log->last &&
           octo_log_term(log, request->prev_index) == request->prev_term;
}

enum octo_err octo_raft_leader_hear(struct octo_raft *raft, struct octo_step *step,
                                    octo_node_id from, uint64_t round)
{
    if (raft->leader != 0 && raft->leader != from)
        return OCTO_ERR_MALFORMED; /* a second leader in this term: no correct node is */
    octo_raft_follow(raft, step, from);
    octo_raft_election_reset(raft, step);
    raft->leader_heard = step->now;
    raft->round = octo_max_u64(raft->round, round);
    octo_wal_fetched_drop(raft->wal); /* a leader's word comes first */
    return OCTO_ERR_OK;
}

enum octo_err octo_raft_append_request(struct octo_raft *raft, struct octo_step *step,
                                       const struct octo_message *message)
{
    const struct octo_append_request *request = &message->append_request;

    if (message->term < octo_raft_term(raft)) { /* its sender learns our term and steps down */
        octo_raft_append_refuse(raft, step, message);
        return OCTO_ERR_OK;
    }
    enum octo_err err = octo_raft_leader_hear(raft, step, message->from, request->round);
    if (err != OCTO_ERR_OK)
        return err;
    if (!prev_matches(raft, request)) {
        octo_step_mark(step, OCTO_MARK_APPEND_REJECTED);
        octo_raft_append_refuse(raft, step, message);
        return OCTO_ERR_OK;
    }

    const octo_index index = entries_take(raft, step, message, &err);
    raft->verified = octo_max_u64(raft->verified, index);
    /* Commit no further than this very message verified (B2, B3), and never back (B4). */
    octo_raft_commit_raise(raft, step, octo_min_u64(request->commit, index));
    /* A heartbeat is answered at once, with what is durable by now (B30); entries when they are. */
    if (request->entry_count == 0 || index <= octo_wal_durable(raft->wal))
        raft->ack_due = true;
    return err;
}
