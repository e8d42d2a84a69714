/* Consensus of one node: who leads, what is committed. Raft (Ongaro & Ousterhout 2014; "thesis" is
 * Ongaro 2014), one file per message type.
 *
 * Private to kernel/. Term, vote and log live in the wal: this is what a restart forgets. What is
 * promised to others waits here until the wal says that it is durable (K3):
 *
 *     event ──> handler ──> wal (memory) ┄┄ disk ┄┄> durable ──> octo_raft_advance ──> promise
 */
#ifndef OCTO_KERNEL_RAFT_RAFT_H
#define OCTO_KERNEL_RAFT_RAFT_H

#include "kernel/snapshot/snapshot.h"
#include "kernel/step.h"
#include "kernel/wal/wal.h"
#include "kernel/wire/wire.h"

/* How the leader sends to one peer (thesis 10.2.1). */
enum octo_peer_mode {
    OCTO_PEER_PROBE = 1,     /* looking for the last common entry: one message at a time */
    OCTO_PEER_REPLICATE = 2, /* pipelining up to inflight_max messages from `next` on */
    OCTO_PEER_SNAPSHOT = 3,  /* the log no longer has what it needs: one chunk at a time */
};

struct octo_peer {
    octo_index match; /* equal to ours and durable there, up to here */
    octo_index next;  /* first entry to send; above match, at most last + 1 */
    octo_time_ns sent_at;
    enum octo_peer_mode mode;
    uint32_t inflight_first; /* ring of the last indexes of messages under way */
    uint32_t inflight_count;
    octo_index snapshot_index; /* SNAPSHOT: of the one that is being sent; 0: none yet */
    uint64_t snapshot_offset;  /* of the chunk that it wants */
    uint32_t snapshot_had;     /* so often it has had all of it */
    uint64_t probe_round;      /* in which the probe or that chunk was sent */
    octo_index probe_last;     /* PROBE: up to here it was sent entries */
    bool probe_sent;           /* PROBE, SNAPSHOT: wait for the answer or for the next heartbeat */
    bool heard;                /* since the last heartbeat round */
    bool heartbeat_due;        /* in this step */
};

struct octo_raft {
    const struct octo_config *config; /* the node's, in its block */
    struct octo_wal *wal;             /* likewise */
    struct octo_snapshots *snapshots; /* likewise */
    octo_index *inflight;             /* node_count rings of inflight_max */
    uint64_t random;                  /* state of the election jitter (K6) */

    enum octo_role role;
    octo_node_id leader; /* of the present term, 0 if unknown */
    octo_index commit;
    octo_index durable; /* octo_wal_durable when last looked at */

    /* Anyone but a leader. */
    octo_time_ns election_at;  /* when to campaign */
    octo_time_ns leader_heard; /* when the leader's last message came */
    octo_node_id grant_to;     /* has our vote of this term and is told once it is saved; 0: none */
    uint32_t grants;           /* candidates: bit id = a (pre-)vote of this round */
    bool requests_unsent;      /* CANDIDATE: its vote for itself is not saved yet */

    /* Follower of `leader` in this term. */
    octo_index verified; /* our log equals the leader's up to here */
    octo_index acked;    /* the highest index that the leader was told */
    uint64_t round;      /* follower: the latest seen; leader: the present heartbeat round */
    struct octo_position receiving; /* the snapshot that the leader sends; index 0: none */
    uint64_t snapshot_acked;        /* the offset that the leader was told */
    bool snapshot_ack_due;          /* it awaits an answer although that has not changed */
    bool ack_due;                   /* the leader awaits an answer although `acked` has not risen */

    /* Leader. */
    octo_time_ns heartbeat_at;
    octo_time_ns quorum_at;
    uint32_t active; /* bit id = heard from since the last quorum check */
    bool count_due;  /* a match or our durable index rose: commit may follow */
    struct octo_peer peers[OCTO_NODES_MAX]; /* [id - 1] */
};

size_t octo_raft_bytes(const struct octo_config *config);

/* octo_raft_init takes octo_raft_bytes from arena; the node is STARTING. The pointers are the
 * node's and live as long. */
void octo_raft_init(struct octo_raft *raft, const struct octo_config *config, struct octo_wal *wal,
                    struct octo_snapshots *snapshots, struct octo_arena *arena);

/* octo_raft_start makes a follower of a STARTING node whose wal is READY. */
void octo_raft_start(struct octo_raft *raft, struct octo_step *step, uint64_t seed);

/* octo_raft_halt ends all activity for good. */
void octo_raft_halt(struct octo_raft *raft, struct octo_step *step);

/* octo_raft_timer acts on the deadlines that have passed. */
void octo_raft_timer(struct octo_raft *raft, struct octo_step *step);

/* octo_raft_message takes a decoded message from another node of the cluster. RANGE or MALFORMED if
 * no correct peer sends such a thing: it is then without effect. */
enum octo_err octo_raft_message(struct octo_raft *raft, struct octo_step *step,
                                const struct octo_message *message) OCTO_MUST_USE;

/* octo_raft_propose appends a client's command (index and term are filled in). NOT_LEADER or FULL
 * if it was not appended. */
enum octo_err octo_raft_propose(struct octo_raft *raft, struct octo_step *step,
                                const struct octo_entry *command) OCTO_MUST_USE;

/* octo_raft_installed: the state is that of the snapshot at `position`, which a leader has sent and
 * which is durable here: the log goes on from there, and all up to there is committed. */
void octo_raft_installed(struct octo_raft *raft, struct octo_step *step,
                         const struct octo_position *position);

/* octo_raft_advance follows what has become durable: sends the promises that waited for it, elects,
 * commits. After every event. */
void octo_raft_advance(struct octo_raft *raft, struct octo_step *step);

/* octo_raft_send sends what the leader owes its followers and sets the step's deadline. After
 * octo_raft_advance, so that messages carry the newest commit index. */
void octo_raft_send(struct octo_raft *raft, struct octo_step *step);

/* octo_raft_limits adds what one step can emit at most. */
void octo_raft_limits(const struct octo_config *config, uint64_t *items, uint64_t *bytes);

/* octo_raft_check asserts the invariants of a started node. */
void octo_raft_check(const struct octo_raft *raft);

#endif
