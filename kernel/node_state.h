/* What a node is made of. Private to node.c and node_snapshot.c. */
#ifndef OCTO_KERNEL_NODE_STATE_H
#define OCTO_KERNEL_NODE_STATE_H

#include "kernel/node.h"
#include "kernel/raft/raft.h"
#include "kernel/sessions.h"
#include "kernel/snapshot/snapshot.h"
#include "kernel/step.h"
#include "kernel/wal/wal.h"

#define PROPOSALS 128u /* a power of two */

/* A command that this leader has put into its log: a retry of it need not be appended again, the
 * answer comes when it is applied. One slot for many clients; what is forgotten is appended twice,
 * and applied once all the same (thesis 6.3). */
struct proposal {
    octo_client_id client;
    uint64_t sequence;
    octo_term term; /* led by this node; 0: the slot is free */
};

struct octo_node {
    struct octo_config config;
    struct octo_raft raft;
    struct octo_wal *wal; /* these pointers stay within the block (K2) */
    struct octo_snapshots *snapshots;
    struct octo_sessions *sessions;
    uint8_t *machine_memory;
    struct octo_machine_context machine;
    octo_index applied;
    uint64_t seed;
    octo_time_ns now; /* of the last event */
    uint64_t next_op; /* id of the next disk operation */
    enum octo_directory_user directory;
    bool booted;
    uint32_t marks[OCTO_MARK_COUNT];
    struct proposal proposals[PROPOSALS];
};

/* octo_node_snapshot_boot finds the snapshot that the waiting log goes on from, and tells it.
 * octo_node_snapshot_follow takes up one that counts from now on: the log before it may go, but for
 * what slow followers may still want and what is not applied yet. octo_node_snapshot_consider takes
 * a new one where that is due. */
void octo_node_snapshot_boot(struct octo_node *node, struct octo_step *step);
void octo_node_snapshot_follow(struct octo_node *node, struct octo_step *step);
void octo_node_snapshot_consider(struct octo_node *node, struct octo_step *step);

#endif
