/* The log's host: executes its disk operations on the POSIX disk, and counts them. */
#include "bench/wal/wal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define RETRY_NS      (10 * OCTO_MS)
#define ENTRIES_MAX   65536u
#define LOG_BYTES_MAX (64 * MIB)

/* Room for a batch of 256 entries of 16 KiB, with what comes before it. */
#define FLUSH_BYTES_MAX (4 * MIB + 256u * 1024u)

void host_config(struct octo_config *config, uint32_t segment_bytes)
{
    octo_config_small(config, 1, 1, 3, 0);
    config->command_bytes_max = MIB;
    config->message_bytes_max = 2 * MIB;
    config->log_entries_max = ENTRIES_MAX;
    config->log_bytes_max = LOG_BYTES_MAX;
    config->sector_bytes = SECTOR_BYTES;
    config->flush_bytes_max = FLUSH_BYTES_MAX;
    config->read_bytes = FLUSH_BYTES_MAX;
    config->batches_max = 4;
    config->segment_bytes = segment_bytes;
    config->segments_max = 64;
    config->disk_retry_ns = RETRY_NS;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static struct octo_step step_begin(struct host *host)
{
    host->effects.count = 0;
    host->effects.deadline = OCTO_NEVER;
    return (struct octo_step){
        .config = &host->config,
        .effects = &host->effects,
        .now = bench_wal_now(),
        .marks = host->marks,
        .next_op = &host->next_op,
    };
}

static void count(struct host *host, const struct octo_disk_op *op)
{
    struct host_counts *counts = &host->counts;

    if (op->kind == OCTO_DISK_WRITE) {
        counts->writes++;
        counts->bytes_written += op->length;
        host->written_segment = op->file.number;
    } else if (op->kind == OCTO_DISK_SYNC && op->file.number == host->written_segment) {
        counts->syncs++;
        counts->main_syncs += op->file.kind == OCTO_FILE_MAIN;
    }
}

static bool submit(struct host *host)
{
    for (uint32_t i = 0; i < host->effects.count; i++) {
        const struct octo_effect *effect = &host->effects.items[i];
        if (effect->kind == OCTO_EFFECT_TRACE && effect->trace.kind == OCTO_TRACE_DISK_ERROR)
            return bench_wal_fail("the disk refused an operation");
        if (effect->kind != OCTO_EFFECT_DISK)
            continue;
        if (octo_posixdisk_submit(host->disk, &effect->disk) != OCTO_ERR_OK)
            return bench_wal_fail("the disk takes no more operations");
        count(host, &effect->disk);
        host->in_flight++;
    }
    return true;
}

bool host_flush(struct host *host)
{
    struct octo_step step = step_begin(host);

    octo_wal_flush(host->wal, &step);
    host->step_ns += bench_wal_now() - step.now;
    return submit(host);
}

bool host_wait(struct host *host)
{
    struct octo_event event = {0};

    if (bench_wal_stopped)
        return bench_wal_fail("interrupted");
    if (!octo_posixdisk_wait(host->disk, OCTO_NEVER, &event))
        return bench_wal_fail("the log waits for nothing");
    host->in_flight--;
    if (event.disk.data != NULL)
        host->counts.bytes_read += event.disk.length;
    struct octo_step step = step_begin(host);
    event.now = step.now;
    if (!octo_wal_completion(host->wal, &step, &event))
        return bench_wal_fail("the log does not know a completion");
    host->step_ns += bench_wal_now() - step.now;
    if (octo_wal_stage(host->wal) == OCTO_WAL_FAILED)
        return bench_wal_fail("the log failed: %s", octo_err_text(octo_wal_reason(host->wal)));
    return submit(host);
}

bool host_settle(struct host *host)
{
    while (host->in_flight > 0) {
        if (!host_wait(host) || !host_flush(host))
            return false;
    }
    return true;
}

/* ---- Entries --------------------------------------------------------------------------------- */

static void room_make(struct host *host, uint64_t bytes, uint32_t entries)
{
    const struct octo_log *log = octo_wal_log(host->wal);
    const octo_index durable = octo_wal_durable(host->wal);
    const uint64_t held = log->last - log->base.index + entries;

    /* Half of the log's memory is kept free, so that a batch fits wherever it begins. */
    if (held > log->entries_max / 2 || held * bytes > log->bytes_max / 2) {
        struct octo_step step = step_begin(host);
        octo_wal_compact(host->wal, &step, durable, durable);
    }
}

bool host_append(struct host *host, const uint8_t *commands, uint32_t size, uint32_t count)
{
    const struct octo_log *log = octo_wal_log(host->wal);

    if (!host->keeps)
        room_make(host, size, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct octo_entry entry = {
            .index = log->last + 1,
            .term = 1,
            .kind = OCTO_ENTRY_COMMAND,
            .client = 1,
            .sequence = log->last + 1,
            .command = commands + (size_t)i * size,
            .size = size,
        };
        if (octo_wal_append(host->wal, &entry) != OCTO_ERR_OK)
            return bench_wal_fail("the log in memory is full");
    }
    return true;
}

/* ---- Open and close -------------------------------------------------------------------------- */

static bool memory_get(struct host *host)
{
    struct octo_arena arena;

    host->block_bytes = octo_wal_bytes(&host->config);
    host->block =
        mmap(NULL, host->block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (host->block == MAP_FAILED)
        return bench_wal_fail("no memory for the log");
    /* A node has its memory before it boots; the system's part in that is measured apart. */
    const uint64_t begin = bench_wal_now();
    (void)madvise(host->block, host->block_bytes, MADV_HUGEPAGE);
    memset(host->block, 1, host->block_bytes);
    host->memory_ns = bench_wal_now() - begin;
    octo_arena_init(&arena, host->block, host->block_bytes);
    host->wal = octo_wal_init(&host->config, &arena);
    host->effects = (struct octo_effects){.items = host->items, .capacity = HOST_EFFECTS};
    return true;
}

static bool boot(struct host *host)
{
    static const struct octo_position none = {0};
    struct octo_step step = step_begin(host);

    octo_wal_boot(host->wal, &step, true);
    if (!host_flush(host))
        return false;
    while (octo_wal_stage(host->wal) != OCTO_WAL_READY) {
        if (!host_wait(host))
            return false;
        if (octo_wal_stage(host->wal) == OCTO_WAL_WAITING) {
            step = step_begin(host);
            octo_wal_found(host->wal, &step, &none);
        }
        if (!host_flush(host))
            return false;
    }
    return true;
}

bool host_open(struct host *host, const struct octo_config *config, const char *directory,
               uint64_t *boot_ns)
{
    const struct octo_posixdisk_options options = {.create = true};

    *host = (struct host){.config = *config, .next_op = 1, .block = MAP_FAILED};
    if (octo_config_check(config) != OCTO_ERR_OK)
        return bench_wal_fail("the configuration is out of range");
    if (octo_posixdisk_open(directory, &options, &host->disk, bench_wal_why,
                            sizeof bench_wal_why) != OCTO_ERR_OK)
        return false;
    if (!memory_get(host))
        return false;
    const uint64_t begin = bench_wal_now();
    if (!boot(host))
        return false;
    *boot_ns = bench_wal_now() - begin;
    return true;
}

void host_close(struct host *host)
{
    octo_posixdisk_close(host->disk);
    if (host->block != NULL && host->block != MAP_FAILED)
        (void)munmap(host->block, host->block_bytes);
    *host = (struct host){0};
}
