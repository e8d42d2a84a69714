/* Reading a snapshot file from its beginning: every block is verified, and restored if that is what
 * it is read for. */
#include "kernel/snapshot/state.h"

enum octo_err octo_snapshot_scan_begin(struct octo_snapshots *snapshots, struct octo_step *step,
                                       uint32_t number, bool restores)
{
    snapshots->scan = (struct octo_snapshot_scan){.number = number, .restores = restores};
    octo_snapshot_stream_begin(snapshots);
    return restores ? octo_snapshot_state_clear(snapshots, step) : OCTO_ERR_OK;
}

void octo_snapshot_scan_drive(struct octo_snapshots *snapshots, struct octo_step *step)
{
    const struct octo_snapshot_scan *scan = &snapshots->scan;
    const uint32_t room = octo_snapshot_stored_bytes(snapshots->config) - scan->have;

    octo_assert(room >= snapshots->config->snapshot_chunk_bytes);
    octo_snapshot_submit(snapshots, step,
                         (struct octo_disk_op){
                             .kind = OCTO_DISK_READ,
                             .file = octo_snapshot_name(scan->number),
                             .offset = scan->offset + scan->have,
                             .length = snapshots->config->snapshot_chunk_bytes,
                         });
}

/* What begins at scan->offset is damaged, or seems to be: a read may bring what is not there, so it
 * is believed when a second one says the same. */
static enum octo_scan_verdict damage(struct octo_snapshots *snapshots)
{
    struct octo_snapshot_scan *scan = &snapshots->scan;

    if (scan->reread)
        return OCTO_SCAN_DAMAGED;
    scan->reread = true;
    scan->have = 0;
    return OCTO_SCAN_GOES_ON;
}

static void verified(struct octo_snapshot_scan *scan, struct octo_step *step, uint32_t bytes)
{
    if (scan->reread)
        octo_step_mark(step, OCTO_MARK_DAMAGE_REREAD);
    scan->reread = false;
    scan->offset += bytes;
    scan->have -= bytes;
}

static enum octo_scan_verdict header_read(struct octo_snapshots *snapshots, struct octo_step *step,
                                          enum octo_err *err)
{
    struct octo_snapshot_scan *scan = &snapshots->scan;

    *err = octo_snapshot_header_decode(snapshots->stored, snapshots->config->cluster_id,
                                       &scan->header);
    if (*err == OCTO_ERR_OK && scan->header.machine_version != step->effects->machine->version)
        *err = OCTO_ERR_VERSION;
    if (*err == OCTO_ERR_VERSION)
        return OCTO_SCAN_REFUSED;
    if (*err != OCTO_ERR_OK)
        return damage(snapshots);
    scan->seed = octo_snapshot_seed(snapshots->stored);
    scan->headed = true;
    verified(scan, step, OCTO_SNAPSHOT_HEADER_BYTES);
    return OCTO_SCAN_GOES_ON;
}

/* A block that is intact goes where it belongs. */
static enum octo_scan_verdict block_take(struct octo_snapshots *snapshots, struct octo_step *step,
                                         const struct octo_block *block, enum octo_err *err)
{
    struct octo_snapshot_scan *scan = &snapshots->scan;
    const bool last = block->raw == 0;

    octo_hash_add(&snapshots->hash, snapshots->raw, block->raw);
    scan->raw_bytes += block->raw;
    if (last &&
        (block->raw_bytes != scan->raw_bytes || block->raw_hash != octo_hash_end(&snapshots->hash)))
        return OCTO_SCAN_DAMAGED; /* no block is; so it was written so */
    verified(scan, step, block->bytes);
    scan->block++;
    if (scan->restores)
        *err = octo_snapshot_stream_write(snapshots, step, snapshots->raw, block->raw, last);
    if (*err != OCTO_ERR_OK)
        return OCTO_SCAN_REFUSED;
    return last ? OCTO_SCAN_WHOLE : OCTO_SCAN_GOES_ON;
}

/* Takes all that is whole in `stored`. */
static enum octo_scan_verdict blocks_read(struct octo_snapshots *snapshots, struct octo_step *step,
                                          enum octo_err *err)
{
    struct octo_snapshot_scan *scan = &snapshots->scan;
    enum octo_scan_verdict verdict = OCTO_SCAN_GOES_ON;
    const uint8_t *at = snapshots->stored;

    *err = OCTO_ERR_OK;
    if (!scan->headed && scan->have >= OCTO_SNAPSHOT_HEADER_BYTES) {
        verdict = header_read(snapshots, step, err);
        at += scan->headed ? OCTO_SNAPSHOT_HEADER_BYTES : 0;
    }
    while (scan->headed && verdict == OCTO_SCAN_GOES_ON) {
        struct octo_block block;
        *err = octo_block_decode(at, scan->have, scan->block, scan->seed, snapshots->raw, &block);
        if (*err == OCTO_ERR_TRUNCATED)
            break;
        if (*err != OCTO_ERR_OK) {
            *err = OCTO_ERR_OK;
            return damage(snapshots);
        }
        verdict = block_take(snapshots, step, &block, err);
        at += block.bytes;
    }
    if (verdict == OCTO_SCAN_GOES_ON && scan->have > 0)
        memmove(snapshots->stored, at, scan->have);
    return verdict;
}

enum octo_scan_verdict octo_snapshot_scan_completion(struct octo_snapshots *snapshots,
                                                     struct octo_step *step,
                                                     const struct octo_event *event,
                                                     enum octo_err *err)
{
    struct octo_snapshot_scan *scan = &snapshots->scan;

    *err = event->disk.result;
    if (*err == OCTO_ERR_NOT_FOUND)
        return OCTO_SCAN_DAMAGED;
    if (*err != OCTO_ERR_OK) {
        octo_step_mark(step, OCTO_MARK_READ_FAILED);
        octo_snapshot_refused(step, *err, OCTO_DISK_READ);
        if (octo_snapshot_retry(snapshots, step))
            return OCTO_SCAN_GOES_ON;
        *err = OCTO_ERR_IO;
        return OCTO_SCAN_REFUSED;
    }
    snapshots->failures = 0;
    const uint32_t length =
        (uint32_t)octo_min_u64(event->disk.length, snapshots->config->snapshot_chunk_bytes);
    if (length == 0) /* only that proves that the file ends */
        return damage(snapshots);
    memcpy(snapshots->stored + scan->have, event->disk.data, length);
    scan->have += length;
    return blocks_read(snapshots, step, err);
}
