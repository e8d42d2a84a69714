/* One node: the only way in, and what may be looked at from outside.
 *
 *     struct octo_node *node;
 *     octo_node_init(block, octo_node_bytes(&config), &config, &node);
 *     for (;;) { octo_node_step(node, &event, &effects);  ...execute effects in order... }
 *
 * A node restarts by octo_node_init on the same block and a BOOT event: what survives is what its
 * disk holds, nothing else.
 */
#ifndef OCTO_KERNEL_NODE_H
#define OCTO_KERNEL_NODE_H

#include "kernel/config.h"
#include "kernel/event.h"
#include "kernel/machine.h"

struct octo_node;

/* octo_node_bytes is the size of a node's block: a multiple of 64. config must pass
 * octo_config_check. */
size_t octo_node_bytes(const struct octo_config *config);

/* octo_node_init makes a node in block, which the host owns, 64-byte aligned, of octo_node_bytes
 * bytes. It clears only what it needs to (the block may hold anything). OCTO_ERR_RANGE if the
 * configuration is inconsistent, OCTO_ERR_FULL if size is too small. */
enum octo_err octo_node_init(void *block, size_t size, const struct octo_config *config,
                             struct octo_node **node) OCTO_MUST_USE;

/* octo_node_step is the way of every event into a node (K1): same state and same event give the
 * same state and the same effects. It never allocates. After a HALT effect the node ignores all
 * events and must be stopped. Asserts that effects has the capacity that octo_effects_limits asked
 * for. */
void octo_node_step(struct octo_node *node, const struct octo_event *event,
                    struct octo_effects *effects);

enum octo_role {
    OCTO_ROLE_STARTING = 1, /* reading its disk; answers nothing */
    OCTO_ROLE_FOLLOWER = 2,
    OCTO_ROLE_PRE_CANDIDATE = 3,
    OCTO_ROLE_CANDIDATE = 4,
    OCTO_ROLE_LEADER = 5,
    OCTO_ROLE_HALTED = 6,
};

/* octo_role_text: "starting", "follower", "pre-candidate", "candidate", "leader", "halted". */
const char *octo_role_text(enum octo_role role);

/* The declared view: what oracles and tools may know of a node. */
struct octo_node_view {
    enum octo_role role;
    octo_term term;
    octo_node_id vote;   /* in this term, 0 if none */
    octo_node_id leader; /* as this node believes, 0 if unknown */
    octo_index base;     /* the log in memory holds base + 1 .. last */
    octo_term base_term;
    uint64_t base_chain;
    octo_index last;
    octo_index durable; /* the part of it that this node may acknowledge */
    octo_index commit;
    octo_index applied;
    octo_index snapshot; /* of the newest one that is durable and verified, 0 if there is none */
    /* The position that the node votes by while it is recovering: it acknowledged entries up to
     * there and has lost some. 0, 0 when it is whole. */
    octo_term floor_term;
    octo_index floor_index;
};

/* octo_node_look fills view. Cheap; may be called after any step. */
void octo_node_look(const struct octo_node *node, struct octo_node_view *view);

/* Entries. A NOOP opens a leader's term; a COMMAND carries a client's command. */
enum octo_entry_kind {
    OCTO_ENTRY_NOOP = 1,
    OCTO_ENTRY_COMMAND = 2,
};

struct octo_entry {
    octo_index index;
    octo_term term;
    uint64_t chain; /* octo_entry_chain of this entry and all before it */
    enum octo_entry_kind kind;
    octo_client_id client;  /* COMMAND; else 0 */
    uint64_t sequence;      /* COMMAND: of the session; else 0 */
    const uint8_t *command; /* COMMAND; in the node's block */
    uint32_t size;          /* bytes of the command */
};

/* octo_node_entry gives the entry at index, or false if the log in memory has none (at or below its
 * base, above its end). The pointer in
 * it is valid until the node's next step. */
bool octo_node_entry(const struct octo_node *node, octo_index index, struct octo_entry *entry);

/* octo_entry_chain is the checksum that ties an entry to its whole prefix: a hash of the
 * predecessor's chain (0 before index 1), term, kind, client, sequence and command. */
uint64_t octo_entry_chain(uint64_t previous, const struct octo_entry *entry);

/* octo_node_digest is the machine's digest of the applied state; 0 while STARTING or HALTED,
 * and while a leader's snapshot is being restored: applied then says what the state was before. */
uint64_t octo_node_digest(const struct octo_node *node, const struct octo_machine *machine);

/* octo_node_marks points at OCTO_MARK_COUNT counters in the node's block, counted since init. */
const uint32_t *octo_node_marks(const struct octo_node *node);

/* octo_node_check walks the whole node and asserts its invariants: for tests and every Nth event.
 */
void octo_node_check(const struct octo_node *node);

#endif
