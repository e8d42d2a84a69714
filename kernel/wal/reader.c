/* Reads that come back short, or not at all.
 *
 * Fewer bytes than asked for do not prove that the file ends there (a read may be short anywhere):
 * only a read of nothing does. Taking a short read for the end would cut acknowledged records off.
 */
#include "kernel/wal/wal_state.h"

#define READ_FAILURES_MAX 100u /* in a row: then the disk is given up there */

void octo_wal_reader_start(struct wal_reader *reader, struct octo_file file, uint64_t offset,
                           uint8_t *buffer, uint32_t want)
{
    octo_assert(!reader->active);
    octo_assert(reader->op == 0);
    octo_assert(want > 0);
    *reader = (struct wal_reader){
        .file = file,
        .active = true,
        .want = want,
        .offset = offset,
        .buffer = buffer,
    };
}

void octo_wal_reader_list(struct wal_reader *reader, enum octo_file_kind kind, uint8_t *buffer,
                          uint32_t want)
{
    octo_wal_reader_start(reader, (struct octo_file){.kind = (uint8_t)kind}, 0, buffer, want);
    reader->list = true;
}

void octo_wal_reader_drive(struct octo_step *step, struct wal_reader *reader)
{
    if (!reader->active || reader->op != 0)
        return;
    if (step->now < reader->retry_at) {
        octo_step_deadline(step, reader->retry_at);
        return;
    }
    const struct octo_disk_op op = {
        .kind = reader->list ? OCTO_DISK_LIST : OCTO_DISK_READ,
        .file = reader->file,
        .offset = reader->offset + reader->have,
        .length = reader->want - reader->have,
    };
    reader->op = octo_step_disk(step, &op);
}

static void read_failed(struct octo_step *step, struct wal_reader *reader, enum octo_err err)
{
    octo_step_mark(step, OCTO_MARK_READ_FAILED);
    octo_wal_refused(step, err, reader->list ? OCTO_DISK_LIST : OCTO_DISK_READ,
                     (enum octo_file_kind)reader->file.kind);
    reader->retry_at = step->now + step->config->disk_retry_ns;
    reader->failures++;
    if (reader->failures == READ_FAILURES_MAX) {
        reader->unreadable = true;
        reader->active = false;
    }
}

void octo_wal_reader_completion(struct octo_step *step, struct wal_reader *reader,
                                const struct octo_event *event)
{
    const enum octo_err err = event->disk.result;

    octo_assert(reader->active);
    reader->op = 0;
    if (err == OCTO_ERR_NOT_FOUND) {
        reader->missing = true;
        reader->ended = true;
        reader->active = false;
        return;
    }
    if (err != OCTO_ERR_OK) {
        read_failed(step, reader, err);
        return;
    }
    const uint32_t room = reader->want - reader->have;
    const uint32_t length = event->disk.length < room ? event->disk.length : room;
    if (length > 0)
        memcpy(reader->buffer + reader->have, event->disk.data, length);
    reader->have += length;
    reader->failures = 0;
    reader->ended = length == 0 || reader->list;
    reader->active = !reader->ended && reader->have < reader->want;
}
