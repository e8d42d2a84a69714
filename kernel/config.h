/* Every limit and every interval of a node, as one value.
 *
 * The size of a node's memory is a function of this struct (K2). Nothing in it changes while the
 * node lives.
 */
#ifndef OCTO_KERNEL_CONFIG_H
#define OCTO_KERNEL_CONFIG_H

#include "kernel/base.h"

struct octo_config {
    uint64_t cluster_id;  /* names the cluster; not 0 */
    octo_node_id node_id; /* this node: 1 .. node_count */
    uint32_t node_count;  /* voters 1 .. node_count; at most OCTO_NODES_MAX */
    uint32_t machine;     /* index in the host's registry of machines */

    octo_time_ns election_timeout_ns; /* minimum; the jitter adds 0 .. 1 times this */
    octo_time_ns heartbeat_ns;        /* leader's interval; below a third of the above */
    octo_time_ns disk_retry_ns;       /* pause before a failed write or read is tried afresh */

    uint32_t command_bytes_max;  /* one client command */
    uint32_t message_bytes_max;  /* one encoded message; at least command_bytes_max + 512 */
    uint32_t append_entries_max; /* entries in one append message */
    uint32_t inflight_max;       /* append messages in flight to one follower; 1 .. 64 */
    uint32_t apply_max;          /* commands applied in one step */

    uint32_t log_entries_max; /* entries held in memory */
    uint32_t log_bytes_max;   /* payload bytes held in memory; should be 4 commands or more */
    uint32_t sector_bytes;    /* a batch begins on a multiple: 512 simulated, 4096 in production */
    uint32_t flush_bytes_max; /* one write to the log; a multiple of sector_bytes, at least
                                 command_bytes_max + 2 sectors */
    uint32_t read_bytes;      /* one read while recovering; a multiple of sector_bytes, at least
                                 flush_bytes_max */
    uint32_t batches_max;     /* batches on their way to the disk at a time; 1 .. 8 */
    uint32_t segment_bytes;   /* of a log segment; a multiple of sector_bytes, at least 4 of them. A
                                 batch that is longer gets a segment of its own size */
    /* Segments of one topic, spare ones included; 4 .. 65536. Together they should hold all that
     * memory does, two sectors an entry: else entries that are not committed can fill the disk, and
     * none after them commits. */
    uint32_t segments_max;
    /* Acknowledge when the records are durable, the marker following later: one sync less, and a
     * torn tail makes the node recover from its peers. Off unless measured: docs/durability.md. */
    bool marker_lazy;

    uint32_t snapshot_entries; /* applied since the last one, until the next is taken; 0: never */
    /* Entries below a snapshot kept in memory for slow followers; a quarter of what memory holds at
     * most. */
    uint32_t log_keep_entries;
    /* Of one write, read or message; at most message_bytes_max - 512. */
    uint32_t snapshot_chunk_bytes;
    uint32_t snapshot_reserve_bytes; /* space held for the next snapshot, a multiple of 512 */

    uint32_t sessions_max;         /* clients remembered for exactly-once */
    uint32_t result_bytes_max;     /* longest result of a command that is kept for a retry */
    uint32_t machine_memory_bytes; /* for the machine's allocator; a multiple of 64 */

    bool pre_vote;     /* ask before disturbing (thesis 9.6); on unless a test says otherwise */
    bool check_quorum; /* a leader that hears no majority steps down (thesis 6.2) */
};

/* octo_config_check says whether config is consistent: OCTO_ERR_OK or OCTO_ERR_RANGE. */
enum octo_err octo_config_check(const struct octo_config *config) OCTO_MUST_USE;

/* octo_config_small fills config with the limits that simulations and tests use: node node_id of
 * node_count in cluster cluster_id, memory for about operation_count commands of up to 2 KiB. */
void octo_config_small(struct octo_config *config, uint64_t cluster_id, octo_node_id node_id,
                       uint32_t node_count, uint32_t operation_count);

#endif
