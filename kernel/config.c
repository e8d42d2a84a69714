#include "kernel/config.h"

#define INTERVAL_MAX (24 * 3600 * OCTO_SECOND) /* keeps sums of times far from overflow */
#define BYTES_MAX    (1u << 30)                /* and sums of sizes */
#define COUNT_MAX    (1u << 24)

/* What a message needs besides one command: its header, its fields and the entry's header. */
#define MESSAGE_OVERHEAD_BYTES 512u

#define OPERATIONS_MAX (1u << 22)

static bool within(uint64_t value, uint64_t minimum, uint64_t maximum)
{
    return minimum <= value && value <= maximum;
}

static bool identity_ok(const struct octo_config *config)
{
    return config->cluster_id != 0 && within(config->node_count, 1, OCTO_NODES_MAX) &&
           within(config->node_id, 1, config->node_count);
}

static bool times_ok(const struct octo_config *config)
{
    return within(config->election_timeout_ns, 1, INTERVAL_MAX) &&
           within(config->heartbeat_ns, 1, INTERVAL_MAX) &&
           3 * config->heartbeat_ns < config->election_timeout_ns &&
           within(config->disk_retry_ns, 1, INTERVAL_MAX);
}

static bool messages_ok(const struct octo_config *config)
{
    return within(config->command_bytes_max, 1, BYTES_MAX) &&
           within(config->message_bytes_max,
                  (uint64_t)config->command_bytes_max + MESSAGE_OVERHEAD_BYTES, BYTES_MAX) &&
           within(config->append_entries_max, 1, 65536) && within(config->inflight_max, 1, 64) &&
           within(config->apply_max, 1, COUNT_MAX);
}

static bool log_ok(const struct octo_config *config)
{
    const uint64_t sector = config->sector_bytes;

    return within(config->log_entries_max, 1, COUNT_MAX) &&
           within(config->log_bytes_max, config->command_bytes_max, BYTES_MAX) &&
           within(sector, 512, 65536) && (sector & (sector - 1)) == 0 &&
           config->flush_bytes_max % sector == 0 &&
           within(config->flush_bytes_max, config->command_bytes_max + 2 * sector, BYTES_MAX) &&
           config->read_bytes % sector == 0 &&
           within(config->read_bytes, config->flush_bytes_max, BYTES_MAX);
}

static bool storage_ok(const struct octo_config *config)
{
    const uint64_t sector = config->sector_bytes;

    return within(config->batches_max, 1, 8) &&
           within(config->segment_bytes, 4 * sector, BYTES_MAX) &&
           config->segment_bytes % sector == 0 && within(config->segments_max, 4, 65536) &&
           config->log_keep_entries < config->log_entries_max &&
           within(config->snapshot_chunk_bytes, 512,
                  config->message_bytes_max - MESSAGE_OVERHEAD_BYTES) &&
           within(config->snapshot_reserve_bytes, 512, BYTES_MAX) &&
           config->snapshot_reserve_bytes % 512 == 0;
}

static bool machine_ok(const struct octo_config *config)
{
    return within(config->sessions_max, 1, COUNT_MAX / 16) &&
           within(config->result_bytes_max, 1, BYTES_MAX) &&
           within(config->machine_memory_bytes, 1024, BYTES_MAX) &&
           config->machine_memory_bytes % 64 == 0;
}

enum octo_err octo_config_check(const struct octo_config *config)
{
    if (!identity_ok(config) || !times_ok(config) || !messages_ok(config))
        return OCTO_ERR_RANGE;
    if (!log_ok(config) || !storage_ok(config) || !machine_ok(config))
        return OCTO_ERR_RANGE;
    return OCTO_ERR_OK;
}

void octo_config_small(struct octo_config *config, uint64_t cluster_id, octo_node_id node_id,
                       uint32_t node_count, uint32_t operation_count)
{
    const uint32_t operations = (uint32_t)octo_min_u64(operation_count, OPERATIONS_MAX);
    const uint32_t entries = operations + operations / 2 + 1024; /* retries and no-ops among them */

    *config = (struct octo_config){
        .cluster_id = cluster_id,
        .node_id = node_id,
        .node_count = node_count,
        .machine = 0,
        .election_timeout_ns = 150 * OCTO_MS,
        .heartbeat_ns = 30 * OCTO_MS,
        .disk_retry_ns = 10 * OCTO_MS,
        .command_bytes_max = 4096,
        .message_bytes_max = 16384,
        .append_entries_max = 64,
        .inflight_max = 4,
        .apply_max = 32,
        .log_entries_max = entries,
        .log_bytes_max = 96 * entries + 65536, /* commands average well below 96 bytes */
        .sector_bytes = 512,
        .flush_bytes_max = 16 * 1024,
        .read_bytes = 16 * 1024,
        .batches_max = 2,
        .segment_bytes = 32 * 1024,
        .segments_max = 48,
        .snapshot_entries = 400,
        .log_keep_entries = 64,
        .snapshot_chunk_bytes = 8192,
        .snapshot_reserve_bytes = 64 * 1024,
        .sessions_max = 128,
        .result_bytes_max = 4096 + 16, /* a GET of the longest value that a command can SET */
        .machine_memory_bytes = 128 * 1024,
        .pre_vote = true,
        .check_quorum = true,
    };
}
