/* The oracles' state, and what their files know of each other. Private to oracle/.
 *
 *     oracles.c         the calls of oracle.h and the order of the checks
 *     names.c           the properties' texts
 *     memory.c          tables in the arena
 *     hash.c            XXH3 and the chain of docs/formats.md
 *     election.c        election-safety, vote-once
 *     log_matching.c    a node's log, entry by entry
 *     leader.c          leader-append-only, leader-completeness
 *     commit.c          commit-monotone, state-machine-safety, what "committed" rests on
 *     durable_ack.c     what a node promised
 *     floor.c           what a node may lose, and what starting again gives
 *     snapshots.c       snapshots that nodes say they have
 *     image.h, image*.c the durable image
 *     client_history.c  what clients asked and were told
 *     linearizable.c, linearizable_search.c   any history of registers
 *     replay.c          no-lost-write, exactly-once
 *     convergence.c     the end
 *
 * A file that finds a property broken says so by oracle_break and returns; the dispatcher stops at
 * the first one. Nothing here depends on addresses or on the order of a hash table.
 */
#ifndef OCTO_ORACLE_ORACLE_STATE_H
#define OCTO_ORACLE_ORACLE_STATE_H

#include "oracle/image.h"
#include "oracle/linearizable.h"

#include <inttypes.h>

/* What a start after a power loss must come to. */
struct oracle_prediction {
    bool valid;
    struct oracle_point last;
    struct oracle_ballot ballot;
};

/* A snapshot as it was first seen: what every other one of that index must equal. */
struct oracle_saved {
    struct oracle_snapshot snapshot;
    uint64_t event;
    octo_node_id node;
};

/* ---- Nodes --------------------------------------------------------------------------------- */

struct oracle_node {
    octo_node_id id;
    bool ready; /* READY was seen in this incarnation */

    /* Of this incarnation, as of the last step. */
    octo_term term;
    octo_node_id voted; /* in this term, as it says */
    octo_index commit;
    octo_index applied;
    struct oracle_log log;
    bool leading;
    octo_term led;           /* the newest term that it led, 0 if none */
    octo_term verified_term; /* `verified` was, by the leader of this term */
    octo_index verified;     /* this log equals that leader's up to here, as messages said */

    /* Promises: they outlive incarnations. */
    octo_index acked; /* the log up to here was said to be durable */
    octo_term acked_term;
    uint64_t acked_chain;
    uint64_t acked_event;
    octo_index saved;   /* of the newest snapshot that was said to be durable */
    octo_term promised; /* the highest term of any promise */
    uint64_t promised_event;
    octo_term vote_term; /* the newest vote that left, 0 if none */
    octo_node_id vote;
    uint64_t vote_event;

    /* Losses (floor.c). */
    bool impaired;        /* it may lose what it acknowledged */
    bool lied;            /* its disk has lied: it repairs one topic from the other, in place */
    bool wiped;           /* its disk was taken away */
    bool started;         /* it was READY once */
    octo_term floor_term; /* as it says, of this incarnation */
    octo_index floor_index;
    octo_term owed_term; /* the position that it acknowledged and lost; 0, 0: nothing */
    octo_index owed_index;
    struct oracle_prediction predicted; /* of the next READY */

    struct oracle_image image;
};

/* ---- Terms (election.c) -------------------------------------------------------------------- */

struct oracle_term {
    octo_term term;
    octo_node_id leader; /* 0: none was seen */
    uint64_t leader_event;
    uint8_t votes[OCTO_NODES_MAX + 1]; /* of each voter, 0 if none left */
    uint64_t vote_events[OCTO_NODES_MAX + 1];
};

struct oracle_terms {
    struct oracle_term *items; /* in rising order */
    uint32_t count;
    uint32_t capacity;
};

/* ---- Entries ------------------------------------------------------------------------------- */

/* The prefix that (index, term) stands for; one list per index, nearly always of one item. */
struct oracle_position {
    octo_term term;
    uint64_t chain;
    uint64_t event; /* first seen at */
    octo_node_id node;
    struct oracle_position *more;
};

struct oracle_committed {
    octo_term term;
    uint64_t chain;
    octo_term commit_term; /* of the node that was first seen committing it */
    uint64_t event;
    octo_node_id node;
    uint32_t kind; /* enum octo_entry_kind */
    octo_client_id client;
    uint64_t sequence;
    const uint8_t *command;
    uint32_t size;
};

/* The newest committed command of each client: open addressing, client 0 is free. */
struct oracle_client {
    octo_client_id client;
    uint64_t sequence;
};

struct oracle_clients {
    struct oracle_client *items;
    uint32_t capacity; /* a power of two */
    uint32_t count;
};

/* ---- Operations (client_history.c) --------------------------------------------------------- */

enum oracle_outcome {
    ORACLE_PENDING = 1, /* at the end: unknown */
    ORACLE_RETURNED = 2,
    ORACLE_FAILED = 3,
};

struct oracle_operation {
    octo_client_id client;
    uint64_t sequence;
    uint64_t invoked_event;
    uint64_t ended_event;
    uint64_t command_hash;
    uint64_t result_hash;
    uint32_t result_size;
    uint32_t outcome;                      /* enum oracle_outcome */
    bool checkable;                        /* `history` says something about a register */
    struct octo_history_operation history; /* its times are in any case those of the call */
};

/* ---- The whole ----------------------------------------------------------------------------- */

struct octo_oracles {
    struct octo_arena *arena;
    struct octo_oracles_config config;
    struct octo_verdict verdict;
    bool stopped;   /* broke, or out of memory: nothing is looked at any more */
    uint64_t event; /* the one being judged */
    octo_term led;  /* the highest term that was led */
    struct oracle_terms terms;
    struct oracle_table positions; /* struct oracle_position by index - 1 */
    octo_index position_count;
    struct oracle_table committed; /* struct oracle_committed by index - 1 */
    octo_index committed_count;
    struct oracle_clients clients;
    struct oracle_table operations;
    uint32_t operation_count;
    uint64_t order; /* of invocations and returns */
    uint8_t *keep;  /* where oracle_keep goes on */
    uint32_t keep_room;
    struct oracle_saved *saved; /* in rising order of their indexes */
    uint32_t saved_count;
    uint32_t saved_capacity;
    struct oracle_scratch scratch;
    struct oracle_node nodes[OCTO_NODES_MAX + 1]; /* [0] unused */
};

/* One step of one node, as the checks see it. */
struct oracle_step {
    const struct octo_observation *seen;
    const struct octo_images *images;
    struct octo_node_view view;
    struct oracle_node *node;
    uint64_t refused; /* the error in a REFUSE trace, 0 if there was none */
};

/* Where fields stand in an encoded message: kernel/wire/messages.h. What a node sends, or takes, is
 * read in place: the checksum is for the network, and was checked by whoever took it. */
enum {
    ORACLE_MESSAGE_TYPE = 5,
    ORACLE_MESSAGE_FROM = 16,
    ORACLE_MESSAGE_TERM = 24,
    ORACLE_MESSAGE_FIELDS = 40,
    ORACLE_RESPONSE_GRANTED = 40,   /* VOTE_RESPONSE, APPEND_RESPONSE */
    ORACLE_RESPONSE_INDEX = 41,     /* APPEND_RESPONSE */
    ORACLE_REQUEST_PREV_INDEX = 40, /* APPEND_REQUEST */
    ORACLE_REQUEST_PREV_TERM = 48,
    ORACLE_REQUEST_ENTRY_COUNT = 72,
    ORACLE_REQUEST_BYTES = 76,
    ORACLE_VOTE_LAST_INDEX = 40, /* VOTE_REQUEST */
    ORACLE_VOTE_LAST_TERM = 48,
    ORACLE_VOTE_BYTES = 56,
    ORACLE_SNAPSHOT_INDEX = 40, /* SNAPSHOT_RESPONSE */
    ORACLE_SNAPSHOT_INSTALLED = 64,
};

static inline struct oracle_committed *oracle_committed_at(const struct octo_oracles *oracles,
                                                           octo_index index)
{
    return oracle_table_at(&oracles->committed, index - 1);
}

/* oracle_committed_is: the log with this chain at index is the committed one. */
static inline bool oracle_committed_is(const struct octo_oracles *oracles, octo_index index,
                                       uint64_t chain)
{
    if (index == 0)
        return chain == 0;
    return index <= oracles->committed_count && oracle_committed_at(oracles, index)->chain == chain;
}

/* Whether the node may have lost what was durable, or hold something else in its place: its honest
 * image says nothing of what it starts with then. */
static inline bool oracle_may_lose(const struct oracle_node *node)
{
    return node->impaired && node->lied;
}

static inline uint32_t oracle_majority(const struct octo_oracles *oracles)
{
    return oracles->config.node_count / 2 + 1;
}

static inline bool oracle_judges(const struct octo_oracles *oracles, enum octo_property property)
{
    return (oracles->config.unjudged >> property & 1) == 0;
}

/* oracle_break is octo_oracles_break at the present event; oracle_undecided says that a check could
 * not be finished. */
void oracle_break(struct octo_oracles *oracles, enum octo_property property, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
void oracle_undecided(struct octo_oracles *oracles, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* oracle_thorough: whether node `id` is read as a whole at the end. Under a sanitizer, which is how
 * CI runs, all of them are; else one, in turn over the seeds, since what is read as a whole was
 * read step by step before. */
bool oracle_thorough(const struct octo_oracles *oracles, octo_node_id id);

/* ---- election.c ---------------------------------------------------------------------------- */

/* oracle_voted: a vote of voter for candidate in term has left. */
void oracle_voted(struct octo_oracles *oracles, octo_node_id voter, octo_node_id candidate,
                  octo_term term);

/* oracle_elected: the node leads its term, which it did not before. */
void oracle_elected(struct octo_oracles *oracles, const struct oracle_step *step);

/* ---- log_matching.c ------------------------------------------------------------------------ */

/* oracle_log_base follows the base of the node's log: all of it is new if `ready`. Entries may go
 * at the front only if a durable snapshot of what is committed covers them. Returns the index from
 * which the log is to be read on because of that, 0 if it is not. */
octo_index oracle_log_base(struct octo_oracles *oracles, const struct oracle_step *step,
                           bool ready);

/* oracle_log_read takes over the node's log from entry `from` (base + 1 .. last + 1) on. */
void oracle_log_read(struct octo_oracles *oracles, const struct oracle_step *step, octo_index from);

/* ---- leader.c ------------------------------------------------------------------------------ */

/* oracle_log_changes judges that the log of a node which led term `led` changes from `from` on. */
void oracle_log_changes(struct octo_oracles *oracles, const struct oracle_step *step,
                        octo_index from);

/* oracle_leader_complete judges a new leader's log; oracle_leaders_complete that of the leaders of
 * terms above `term`, which `index` was committed in. */
void oracle_leader_complete(struct octo_oracles *oracles, const struct oracle_step *step);
void oracle_leaders_complete(struct octo_oracles *oracles, octo_term term, octo_index index);

/* What completeness rests on (section 5.4.1). oracle_candidate_says: a VOTE_REQUEST that leaves
 * tells where the log ends. oracle_voter_decides: a node gives its vote to the sender of the
 * VOTE_REQUEST that it has just taken, whose log is not behind its own. */
void oracle_candidate_says(struct octo_oracles *oracles, const struct oracle_step *step,
                           const uint8_t *request);
void oracle_voter_decides(struct octo_oracles *oracles, const struct oracle_step *step,
                          const uint8_t *request);

/* ---- commit.c ------------------------------------------------------------------------------ */

/* oracle_commit follows view.commit. `ready`: the node became READY in this step. */
void oracle_commit(struct octo_oracles *oracles, const struct oracle_step *step, bool ready);

/* oracle_verify notes what an APPEND_REQUEST that the node took verified. */
void oracle_verify(const struct oracle_step *step);

/* oracle_verified: the leader of term has its log up to index in common with the node's. */
void oracle_verified(struct oracle_node *node, octo_term term, octo_index index);

void oracle_apply(struct octo_oracles *oracles, const struct oracle_step *step,
                  const struct octo_trace *trace);

/* oracle_applied closes a step: view.applied is explained by the APPLY traces. */
void oracle_applied(struct octo_oracles *oracles, const struct oracle_step *step);

/* oracle_reply: a client is told that its command took effect. */
void oracle_reply(struct octo_oracles *oracles, const struct oracle_step *step,
                  octo_client_id client, uint64_t sequence);

/* oracle_committed_common: the last index up to which log equals the committed sequence; its base
 * does. */
octo_index oracle_committed_common(const struct octo_oracles *oracles,
                                   const struct oracle_log *log);

/* ---- durable_ack.c ------------------------------------------------------------------------- */

/* oracle_send judges a promise: VOTE_REQUEST, VOTE_RESPONSE, APPEND_RESPONSE or
 * SNAPSHOT_RESPONSE. */
void oracle_send(struct octo_oracles *oracles, const struct oracle_step *step,
                 const struct octo_effect *effect);

/* oracle_durable: the node says that it may acknowledge index. */
void oracle_durable(struct octo_oracles *oracles, const struct oracle_step *step, octo_index index);

/* oracle_promises_kept: the durable image of a stopped node, in which a start would find `found`,
 * holds what it promised; oracle_promises_remembered: so does the memory of one that is READY
 * again.
 */
void oracle_promises_kept(struct octo_oracles *oracles, const struct oracle_node *node,
                          const struct oracle_found *found);
void oracle_promises_remembered(struct octo_oracles *oracles, const struct oracle_step *step,
                                const struct octo_trace *ready);

/* oracle_promise_move: what was promised of the log ends at index now, which the log has. */
void oracle_promise_move(struct octo_oracles *oracles, struct oracle_node *node, octo_index index);

/* oracle_vote_own: the durable image says that the node voted for itself in this term. */
bool oracle_vote_own(struct octo_oracles *oracles, const struct oracle_step *step);

/* ---- floor.c ------------------------------------------------------------------------------- */

/* oracle_floor_ready: the node is READY without all that it acknowledged: may it be? Its floor must
 * then cover the rest. oracle_floor_follow: it keeps that floor until its log has reached it. */
void oracle_floor_ready(struct octo_oracles *oracles, const struct oracle_step *step);
void oracle_floor_follow(struct octo_oracles *oracles, const struct oracle_step *step);

/* oracle_floor_position is the position that the node, up or down, votes by: the end of `log`, or
 * what it lost. oracle_floor_ahead: that is not the end of its log. */
struct oracle_point oracle_floor_position(const struct oracle_node *node,
                                          const struct oracle_log *log);
bool oracle_floor_ahead(const struct oracle_node *node, const struct oracle_log *log);

/* oracle_predict: the node's process ended; `lies`: its disk does not hold what it was told.
 * oracle_predicted judges the next READY by it. */
void oracle_predict(struct oracle_node *node, bool was_ready, bool power_loss, bool lies,
                    const struct oracle_found *found);
void oracle_predicted(struct octo_oracles *oracles, const struct oracle_step *step,
                      const struct octo_trace *ready);

/* ---- snapshots.c --------------------------------------------------------------------------- */

/* oracle_snapshot_saved: the node says that its snapshot is durable; oracle_snapshot_installed: and
 * that it is its state now, which a leader of its term has sent. oracle_snapshot_restored: it is
 * READY with the state of one. */
void oracle_snapshot_saved(struct octo_oracles *oracles, const struct oracle_step *step,
                           const struct octo_trace *trace);
void oracle_snapshot_installed(struct octo_oracles *oracles, const struct oracle_step *step,
                               const struct octo_trace *trace);
void oracle_snapshot_restored(struct octo_oracles *oracles, const struct oracle_step *step);

/* oracle_snapshot_replayed holds the machine of the replay, which has applied all up to index,
 * against the snapshots that were taken there. *next begins as 0. */
void oracle_snapshot_replayed(struct octo_oracles *oracles,
                              const struct octo_machine_context *context, octo_index index,
                              uint32_t *next, struct octo_arena scratch);

/* ---- replay.c ------------------------------------------------------------------------------ */

/* oracle_replay applies the committed sequence to a fresh machine, each command once, and judges
 * exactly-once, linearizability and no-lost-write. *digest is the machine's in the end. False if
 * there was no memory for it (the verdict is then undecided). Scratch is the arena's free end. */
bool oracle_replay(struct octo_oracles *oracles, struct octo_arena scratch, uint64_t *digest);

/* oracle_replay_again: an index with a repeated command, if digest is the one that follows when
 * such commands take effect again; else 0. */
octo_index oracle_replay_again(struct octo_oracles *oracles, struct octo_arena scratch,
                               uint64_t digest);

/* ---- client_history.c ---------------------------------------------------------------------- */

static inline struct oracle_operation *oracle_operation_at(const struct octo_oracles *oracles,
                                                           uint32_t operation)
{
    return oracle_table_at(&oracles->operations, operation);
}

/* oracle_history_check is the linearizability of what clients saw, where the machine is a register
 * per key. `witness`: the commit order explains it all, so that a check without end is no matter.
 */
void oracle_history_check(struct octo_oracles *oracles, struct octo_arena scratch, bool witness);

/* ---- convergence.c ------------------------------------------------------------------------- */

/* oracle_convergence holds the nodes (NULL: excused) against the committed sequence and, unless it
 * is NULL, the digest of its replay. */
void oracle_convergence(struct octo_oracles *oracles, const struct octo_node *const *nodes,
                        const uint64_t *digest);

#endif
