/* What the files of kernel/raft/ call of each other. */
#ifndef OCTO_KERNEL_RAFT_PARTS_H
#define OCTO_KERNEL_RAFT_PARTS_H

#include "kernel/raft/raft.h"

/* A message without entries fits in this. */
#define OCTO_RAFT_SMALL_BYTES 128u

/* Messages with entries to one peer in one step. Two, not one: every answer then lets a pipeline
 * that is behind double, until the window is full. */
#define OCTO_RAFT_SENDS_MAX 2u

static inline octo_term octo_raft_term(const struct octo_raft *raft)
{
    return octo_wal_term(raft->wal);
}

static inline const struct octo_log *octo_raft_log(const struct octo_raft *raft)
{
    return octo_wal_log(raft->wal);
}

static inline uint32_t octo_raft_bit(octo_node_id id)
{
    return 1u << id;
}

/* octo_raft_majority: whether the set of ids holds more than half of the voters. */
bool octo_raft_majority(const struct octo_raft *raft, uint32_t set);

/* octo_raft_log_term_search: the last index at or below `index` whose term is at most `term`; 0 if
 * none. index is at most last. */
octo_index octo_raft_log_term_search(const struct octo_raft *raft, octo_index index,
                                     octo_term term);

/* raft.c: roles. Each traces what changed. */
void octo_raft_role_set(struct octo_raft *raft, struct octo_step *step, enum octo_role role,
                        octo_node_id leader);
void octo_raft_vote_set(struct octo_raft *raft, struct octo_step *step, octo_term term,
                        octo_node_id vote);
/* octo_raft_term_raise enters a higher term, as follower of nobody. */
void octo_raft_term_raise(struct octo_raft *raft, struct octo_step *step, octo_term term);
/* octo_raft_follow enters or stays in the role of a follower in this term. leader 0: unknown. */
void octo_raft_follow(struct octo_raft *raft, struct octo_step *step, octo_node_id leader);

/* raft.c: octo_raft_reply sends a message without entries; type, term and fields are set. */
void octo_raft_reply(struct octo_raft *raft, struct octo_step *step, struct octo_message *message,
                     octo_node_id to);

/* election.c */
void octo_raft_election_reset(struct octo_raft *raft, const struct octo_step *step);
void octo_raft_campaign(struct octo_raft *raft, struct octo_step *step);
void octo_raft_lead(struct octo_raft *raft, struct octo_step *step);
void octo_raft_requests_send(struct octo_raft *raft, struct octo_step *step,
                             enum octo_message_type type, octo_term term);
bool octo_raft_candidate_current(const struct octo_raft *raft, octo_term last_term,
                                 octo_index last_index);
/* octo_raft_tally counts one answer of this round once per voter (A8) and says whether the
 * candidate now has a majority. */
bool octo_raft_tally(struct octo_raft *raft, struct octo_step *step, octo_node_id voter,
                     octo_term term, bool granted);

/* pre_vote.c */
void octo_raft_pre_campaign(struct octo_raft *raft, struct octo_step *step);
void octo_raft_pre_vote_request(struct octo_raft *raft, struct octo_step *step,
                                const struct octo_message *message);
void octo_raft_pre_vote_response(struct octo_raft *raft, struct octo_step *step,
                                 const struct octo_message *message);

/* vote_request.c */
void octo_raft_vote_requests_due(struct octo_raft *raft, struct octo_step *step);
void octo_raft_vote_request(struct octo_raft *raft, struct octo_step *step,
                            const struct octo_message *message);

/* vote_response.c */
void octo_raft_vote_grant_due(struct octo_raft *raft, struct octo_step *step);
void octo_raft_vote_response(struct octo_raft *raft, struct octo_step *step,
                             const struct octo_message *message);

/* append_request.c */
enum octo_err octo_raft_append_request(struct octo_raft *raft, struct octo_step *step,
                                       const struct octo_message *message) OCTO_MUST_USE;

/* octo_raft_leader_hear takes note of a message from the leader of this term. MALFORMED: it is a
 * second one. */
enum octo_err octo_raft_leader_hear(struct octo_raft *raft, struct octo_step *step,
                                    octo_node_id from, uint64_t round) OCTO_MUST_USE;

/* append_response.c */
void octo_raft_append_ack_due(struct octo_raft *raft, struct octo_step *step);
void octo_raft_append_refuse(struct octo_raft *raft, struct octo_step *step,
                             const struct octo_message *request);
enum octo_err octo_raft_append_response(struct octo_raft *raft, struct octo_step *step,
                                        const struct octo_message *message) OCTO_MUST_USE;

/* snapshot_request.c: octo_raft_snapshot_send sends the leader's snapshot to a peer that wants what
 * the log no longer has. */
enum octo_err octo_raft_snapshot_request(struct octo_raft *raft, struct octo_step *step,
                                         const struct octo_message *message) OCTO_MUST_USE;
void octo_raft_snapshot_send(struct octo_raft *raft, struct octo_step *step,
                             struct octo_peer *peer);

/* snapshot_response.c */
void octo_raft_snapshot_ack_due(struct octo_raft *raft, struct octo_step *step);
enum octo_err octo_raft_snapshot_response(struct octo_raft *raft, struct octo_step *step,
                                          const struct octo_message *message) OCTO_MUST_USE;

/* fetch_request.c, fetch_response.c: octo_raft_fetch_ask asks everyone for the first lost entries.
 */
void octo_raft_fetch_ask(struct octo_raft *raft, struct octo_step *step);
void octo_raft_fetch_request(struct octo_raft *raft, struct octo_step *step,
                             const struct octo_message *message);
enum octo_err octo_raft_fetch_response(struct octo_raft *raft, struct octo_step *step,
                                       const struct octo_message *message) OCTO_MUST_USE;

/* replicate.c */
uint32_t octo_raft_entries_encode(const struct octo_raft *raft, octo_index next, uint32_t count,
                                  uint8_t *out, uint32_t capacity, uint32_t *bytes);
void octo_raft_peer_mode_set(struct octo_peer *peer, enum octo_peer_mode mode);
void octo_raft_peers_reset(struct octo_raft *raft, const struct octo_step *step);
void octo_raft_heartbeat(struct octo_raft *raft, const struct octo_step *step);
void octo_raft_peers_send(struct octo_raft *raft, struct octo_step *step);
/* octo_raft_peer_matched: the peer holds our log durably up to index. */
void octo_raft_peer_matched(struct octo_raft *raft, struct octo_peer *peer, octo_index index);
void octo_raft_peer_granted(struct octo_raft *raft, struct octo_peer *peer,
                            const struct octo_append_response *grant);
void octo_raft_peer_refused(struct octo_raft *raft, struct octo_step *step, struct octo_peer *peer,
                            const struct octo_append_response *refusal);
void octo_raft_peers_check(const struct octo_raft *raft);

/* commit.c */
void octo_raft_commit_count(struct octo_raft *raft, struct octo_step *step);
void octo_raft_commit_raise(struct octo_raft *raft, struct octo_step *step, octo_index commit);

#endif
