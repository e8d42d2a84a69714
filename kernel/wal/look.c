/* What stands at a place of the scan's window, in either topic: a record, harm that came to one, or
 * records to which nothing leads. */
#include "kernel/wal/wal_state.h"

/* Whether the bytes there look like a record of ours that came to harm. */
static bool looks_damaged(enum octo_err err)
{
    return err == OCTO_ERR_CHECKSUM || err == OCTO_ERR_VERSION;
}

/* Whether both topics hold the same bytes from scan->at to the end of its sector. */
static bool topics_agree(const struct octo_wal *wal)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t in = scan->at - scan->base;
    const uint64_t end = wal_sector_start(wal, scan->at) + wal->config.sector_bytes - scan->base;

    return memcmp(scan->buffers[WAL_MAIN] + in, scan->buffers[WAL_RECOVERY] + in, end - in) == 0;
}

static struct wal_look record_look(const struct octo_wal *wal, struct octo_record *record)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t place = octo_segment_place(wal_segment_now(wal)->number, scan->at);
    const uint64_t seed = wal_record_seed(wal, place);
    const uint64_t in = scan->at - scan->base;

    struct wal_look look = {0};
    for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
        const uint8_t *bytes = scan->buffers[topic] + in;
        uint64_t needed;
        const enum octo_err err =
            octo_record_parse(bytes, wal->config.read_bytes - in, seed, record, &needed);
        look.more = look.more || err == OCTO_ERR_TRUNCATED;
        look.damaged = look.damaged || looks_damaged(err);
        if (err != OCTO_ERR_OK)
            continue;
        /* The twin is compared, which is cheaper than a second checksum. */
        const bool equal = memcmp(bytes, scan->buffers[topic ^ 1u] + in, needed) == 0;
        return (struct wal_look){.topics = equal ? WAL_BOTH : 1u << topic};
    }
    /* What an earlier life of the segment left is the same in both. */
    look.damaged = look.damaged && !topics_agree(wal);
    return look;
}

/* Whether a record may begin in [from, to) of the bytes, from and to multiples of 8. Without a
 * branch in the loop. */
static bool magic_in(const uint8_t *bytes, uint64_t from, uint64_t to)
{
    uint32_t found = 0;

    for (uint64_t at = from; at < to; at += 8)
        found |= octo_get_u32(bytes + at) == OCTO_RECORD_MAGIC;
    return found != 0;
}

/* Looks for records that begin in the sector of scan->at, where nothing leads to them: the sectors
 * of their batch before this one were lost with the power. They do not count, and must not be
 * written over: what is written may be lost in its turn, all of it or its end, and then a record
 * before them, of another batch, would lead to them. */
static void stray_look(const struct octo_wal *wal, struct wal_look *look)
{
    const struct wal_scan *scan = &wal->scan;
    const uint64_t end = wal_sector_start(wal, scan->at) + wal->config.sector_bytes;

    if (!magic_in(scan->buffers[0], scan->at - scan->base, end - scan->base) &&
        !magic_in(scan->buffers[1], scan->at - scan->base, end - scan->base))
        return;
    for (uint64_t at = scan->at; at < end; at += 8) {
        const uint64_t place = octo_segment_place(wal_segment_now(wal)->number, at);
        const uint64_t in = at - scan->base;
        for (uint32_t topic = 0; topic < WAL_TOPICS; topic++) {
            const uint8_t *bytes = scan->buffers[topic] + in;
            struct octo_record record;
            uint64_t needed;
            if (octo_get_u32(bytes) != OCTO_RECORD_MAGIC)
                continue;
            const enum octo_err err = octo_record_parse(
                bytes, wal->config.read_bytes - in, wal_record_seed(wal, place), &record, &needed);
            look->more = look->more || err == OCTO_ERR_TRUNCATED;
            if (err == OCTO_ERR_OK)
                look->stray_end = octo_max_u64(look->stray_end, at + needed);
        }
    }
}

/* Whether anything begins at scan->at as a record does. */
static bool begins(const struct wal_scan *scan)
{
    const uint64_t in = scan->at - scan->base;

    return octo_get_u32(scan->buffers[WAL_MAIN] + in) == OCTO_RECORD_MAGIC ||
           octo_get_u32(scan->buffers[WAL_RECOVERY] + in) == OCTO_RECORD_MAGIC;
}

struct wal_look octo_wal_look(const struct octo_wal *wal, struct octo_record *record)
{
    struct wal_look look = {0};

    if (begins(&wal->scan))
        look = record_look(wal, record);

    if (look.topics == 0)
        stray_look(wal, &look);
    return look;
}
