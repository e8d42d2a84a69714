/* Whose directory this is: docs/formats.md, "identity". */
#include "kernel/wal/wal_state.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_ZERO = 5,
    AT_CHECKSUM = 8,
    AT_CLUSTER = 16, /* the checksum covers from here on */
    AT_NODE = 24,
    AT_NODES = 28,
    AT_SECTOR = 32,
    AT_ZERO_TOO = 36,
};

/* Seeded by the identity's own cluster and node, so that another's is told from a damaged one. */
static uint64_t checksum(const uint8_t *at)
{
    const uint64_t seed = octo_format_seed(octo_get_u64(at + AT_CLUSTER),
                                           octo_get_u32(at + AT_NODE), OCTO_FILE_IDENTITY, 0);
    return octo_hash(at + AT_CLUSTER, OCTO_IDENTITY_BYTES - AT_CLUSTER, seed);
}

void octo_identity_encode(uint8_t *at, const struct octo_config *config)
{
    memset(at, 0, config->sector_bytes);
    octo_put_u32(at + AT_MAGIC, OCTO_IDENTITY_MAGIC);
    at[AT_VERSION] = OCTO_IDENTITY_VERSION;
    octo_put_u64(at + AT_CLUSTER, config->cluster_id);
    octo_put_u32(at + AT_NODE, config->node_id);
    octo_put_u32(at + AT_NODES, config->node_count);
    octo_put_u32(at + AT_SECTOR, config->sector_bytes);
    octo_put_u64(at + AT_CHECKSUM, checksum(at));
}

static bool zeros(const uint8_t *at, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        if (at[i] != 0)
            return false;
    return true;
}

enum octo_err octo_identity_check(const uint8_t *at, uint32_t size,
                                  const struct octo_config *config)
{
    if (size < OCTO_IDENTITY_BYTES || octo_get_u32(at + AT_MAGIC) != OCTO_IDENTITY_MAGIC)
        return OCTO_ERR_UNFORMATTED;
    if (at[AT_VERSION] == 0) /* no version: the rest was torn off */
        return OCTO_ERR_UNFORMATTED;
    if (at[AT_VERSION] != OCTO_IDENTITY_VERSION)
        return OCTO_ERR_VERSION;
    if (!zeros(at + AT_ZERO, AT_CHECKSUM - AT_ZERO) ||
        !zeros(at + AT_ZERO_TOO, OCTO_IDENTITY_BYTES - AT_ZERO_TOO))
        return OCTO_ERR_UNFORMATTED;
    if (octo_get_u64(at + AT_CHECKSUM) != checksum(at))
        return OCTO_ERR_UNFORMATTED;
    if (octo_get_u64(at + AT_CLUSTER) != config->cluster_id)
        return OCTO_ERR_CLUSTER;
    if (octo_get_u32(at + AT_NODE) != config->node_id)
        return OCTO_ERR_IDENTITY;
    if (octo_get_u32(at + AT_NODES) != config->node_count ||
        octo_get_u32(at + AT_SECTOR) != config->sector_bytes)
        return OCTO_ERR_RANGE;
    return OCTO_ERR_OK;
}
