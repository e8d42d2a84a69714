/* The oracles' door: they watch a world and name the first property that broke.
 *
 * They see what anyone may see: each event that a node took, each effect that it gave, the declared
 * view of the node (octo_node_look, octo_node_entry, octo_node_digest), the durable images of the
 * disks, and what clients asked and were told. They never reach into the kernel's structures, and
 * they decode the disk by their own reader, written from docs/formats.md.
 */
#ifndef OCTO_ORACLE_ORACLE_H
#define OCTO_ORACLE_ORACLE_H

#include "kernel/kernel.h"

/* clang-format off */
/*    name                    text                      what it says                               */
#define OCTO_PROPERTIES(P)                                                                         \
    P(ASSERT,                 "assert",                 "no internal invariant of the kernel breaks") \
    P(ELECTION_SAFETY,        "election-safety",        "at most one leader per term, elected by a majority") \
    P(VOTE_ONCE,              "vote-once",              "one vote per term per node, across crashes") \
    P(LEADER_APPEND_ONLY,     "leader-append-only",     "a leader never removes or replaces entries of its log") \
    P(LOG_MATCHING,           "log-matching",           "same index and term: same entry and same prefix") \
    P(LEADER_COMPLETENESS,    "leader-completeness",    "a leader holds every entry committed in earlier terms") \
    P(STATE_MACHINE_SAFETY,   "state-machine-safety",   "no two nodes commit or apply different entries at one index") \
    P(COMMIT_MONOTONE,        "commit-monotone",        "commit never goes back and never passes the verified prefix") \
    P(DURABLE_ACK,            "durable-ack",            "what a node acknowledged is in its durable image") \
    P(NO_LOST_WRITE,          "no-lost-write",          "every acknowledged command is committed, and its replay explains every state") \
    P(LINEARIZABLE,           "linearizable",           "clients see one register per key, in real time") \
    P(EXACTLY_ONCE,           "exactly-once",           "a session's command takes effect at most once") \
    P(SNAPSHOT_EQUALS_PREFIX, "snapshot-equals-prefix", "a snapshot is the applied prefix, byte for byte, on every node") \
    P(RECOVERY_IDEMPOTENT,    "recovery-idempotent",    "recovering twice, or crashing inside recovery, gives the same state") \
    P(CONVERGENCE,            "convergence",            "after healing, logs and states agree") \
    P(LIVENESS,               "liveness",               "once faults stop, a leader exists and every operation finishes") \
    P(BOUNDED,                "bounded",                "queues and memory stay within their limits") \
    P(NON_VACUOUS,            "non-vacuous",            "the run did what its drawing says")
/* clang-format on */

enum octo_property {
    OCTO_PROPERTY_NONE = 0,
#define OCTO_PROPERTY_ENUM(name, text, what) OCTO_PROPERTY_##name,
    OCTO_PROPERTIES(OCTO_PROPERTY_ENUM)
#undef OCTO_PROPERTY_ENUM
        OCTO_PROPERTY_COUNT,
};

const char *octo_property_text(enum octo_property property);
const char *octo_property_what(enum octo_property property);

/* Properties on which nothing else rests, as bits (1u << property): who wants may leave them
 * unjudged. The others are what the oracles follow the cluster by. */
#define OCTO_PROPERTIES_OPTIONAL                                                  \
    (1u << OCTO_PROPERTY_LINEARIZABLE | 1u << OCTO_PROPERTY_RECOVERY_IDEMPOTENT | \
     1u << OCTO_PROPERTY_CONVERGENCE | 1u << OCTO_PROPERTY_LIVENESS)

#define OCTO_WHY_BYTES 512u

/* The first property that broke. `why` is one readable line without a newline; it names nodes,
 * terms and indices, e.g. "n2 and n4 are both leaders of term 7 (since events 812 and 901)". */
struct octo_verdict {
    enum octo_property property; /* NONE: all held so far */
    uint64_t event;              /* number of the event at which it broke */
    char why[OCTO_WHY_BYTES];
    bool undecided; /* a check ran out of budget: neither held nor broke */
    char undecided_why[OCTO_WHY_BYTES];
};

struct octo_oracles;

struct octo_oracles_config {
    uint64_t cluster_id;
    uint32_t node_count;
    uint32_t sector_bytes;
    uint32_t log_entries_max; /* that a node's memory holds */
    uint32_t index_max;       /* no index beyond this will be seen; 0: log_entries_max */
    uint32_t operations_max;  /* client operations, retries not counted */
    const struct octo_machine *machine;
    uint32_t machine_memory_bytes; /* for the oracle's own replay */
    uint32_t sessions_max;
    uint32_t result_bytes_max;
    uint32_t unjudged; /* properties, as bits; of OCTO_PROPERTIES_OPTIONAL */
};

/* How an oracle reads durable images; passed with each call, never kept. */
struct octo_images {
    void *context;
    /* sector points at 512 bytes, or NULL for a hole or beyond the end. */
    const uint8_t *(*sector)(void *context, octo_node_id node, struct octo_file file,
                             uint64_t sector);
    /* size returns false if the file does not durably exist. */
    bool (*size)(void *context, octo_node_id node, struct octo_file file, uint64_t *size);
    /* files writes the numbers of the durable files of `kind`, rising, at most count of them, and
     * returns how many there are. */
    uint32_t (*files)(void *context, octo_node_id node, uint8_t kind, uint32_t *numbers,
                      uint32_t count);
};

/* octo_oracles_create takes its memory from arena (uncleared memory is cleared only as used;
 * creation costs microseconds). NULL if the arena is full. Memory that grows with the run is taken
 * from the same arena in chunks. No pointer outside the arena is kept but `machine` of the config,
 * which is a constant of the program. */
struct octo_oracles *octo_oracles_create(struct octo_arena *arena,
                                         const struct octo_oracles_config *config) OCTO_MUST_USE;

/* What one step of one node was. */
struct octo_observation {
    uint64_t event;    /* number of the event in the world, from 1 */
    octo_time_ns time; /* virtual time of the world */
    octo_node_id node_id;
    uint32_t incarnation; /* of the node, from 1 */
    const struct octo_event *input;
    const struct octo_effects *effects;
    const struct octo_node *node; /* after the step; only the declared view is used */
};

/* octo_oracles_step is called after every step, before its effects are executed. Returns false once
 * a property broke (octo_oracles_verdict says which). O(what changed). */
bool octo_oracles_step(struct octo_oracles *oracles, const struct octo_observation *observation,
                       const struct octo_images *images);

/* octo_oracles_durable: whole sectors of a file became durable (or changed durably); all of it when
 * its durable name comes or goes. The image shows the change already. */
void octo_oracles_durable(struct octo_oracles *oracles, octo_node_id node, struct octo_file file,
                          uint64_t offset, uint64_t length, const struct octo_images *images);

/* octo_oracles_crash: the node's process ended (after a power loss: when its disk is resolved). A
 * full decode of the durable image is compared with the incremental one, and what the node
 * acknowledged must be in it. After a power loss, and without `lies` on its disk
 * (octo_simdisk_lies), the image foretells what the node will have when it is ready again. Returns
 * false once a property broke. */
bool octo_oracles_crash(struct octo_oracles *oracles, octo_node_id node, uint64_t event,
                        bool power_loss, bool lies, const struct octo_images *images);

/* ---- Losses ---------------------------------------------------------------------------------
 *
 * Images are honest: they show what a disk was told, not what it lies about. So what a node
 * promised is in its image whatever its disk did to it; what the node itself can find may be less.
 *
 * octo_oracles_impaired says whether the budget of faults allows this node to lose both copies of
 * what it acknowledged. It may then be READY with a floor that covers its loss; a node that is not
 * impaired, never. */
void octo_oracles_impaired(struct octo_oracles *oracles, octo_node_id node, bool impaired);

/* octo_oracles_damaged: the disk of a node that is down, or is starting, lies from now on: its
 * image foretells nothing. */
void octo_oracles_damaged(struct octo_oracles *oracles, octo_node_id node);

/* octo_oracles_wiped: a node that is down got a new, empty disk. Its promises are gone, and it must
 * not be READY again if it made any. */
void octo_oracles_wiped(struct octo_oracles *oracles, octo_node_id id);

/* Client operations. `operation` counts 0, 1, 2 … over the whole world. Times are the world's, and
 * order is the order of the calls. The command's bytes are copied as far as needed. */
bool octo_oracles_invoke(struct octo_oracles *oracles, uint32_t operation, uint64_t event,
                         octo_client_id client, uint64_t sequence, const uint8_t *command,
                         uint32_t size);
/* returned: the client got OK and this result. failed: the client knows that it did not and will
 * not take effect (never sent, or refused for good). What is neither at the end is unknown. */
bool octo_oracles_returned(struct octo_oracles *oracles, uint32_t operation, uint64_t event,
                           const uint8_t *result, uint32_t size);
bool octo_oracles_failed(struct octo_oracles *oracles, uint32_t operation, uint64_t event);

/* octo_oracles_finish runs the checks of the end: linearizability, no-lost-write (replay through
 * the machine), exactly-once, convergence over `nodes` (nodes[0] is node 1; all alive and caught
 * up, or NULL for those that are excused: all, of a cluster that need not come to rest), full
 * decodes. The free end of the arena is
 * scratch for them: machine_memory_bytes, the largest snapshot and some 500 bytes an operation;
 * without that much the verdict is undecided. Returns false if any broke. */
bool octo_oracles_finish(struct octo_oracles *oracles, uint64_t event,
                         const struct octo_node *const *nodes, const struct octo_images *images);

/* octo_oracles_break records a property that the world itself judges (ASSERT, LIVENESS, BOUNDED,
 * NON_VACUOUS). The first one counts, and none that is unjudged. printf-like. */
void octo_oracles_break(struct octo_oracles *oracles, enum octo_property property, uint64_t event,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

/* octo_oracles_committed is the highest index known to be committed in the cluster. */
octo_index octo_oracles_committed(const struct octo_oracles *oracles);

const struct octo_verdict *octo_oracles_verdict(const struct octo_oracles *oracles);

#endif
