/* Recovery of a long log from the page cache, and the encoding of one record. */
#include "bench/wal/wal.h"

#include <stdlib.h>
#include <time.h>

#define ENTRY_BYTES 1024u
#define BATCH       2048u

/* Windows that stay in a cache between being read, compared and taken. */
#define WINDOW_BYTES MIB

static void recovery_config(struct octo_config *config, const struct recovery *recovery,
                            uint32_t segment_bytes)
{
    host_config(config, segment_bytes);
    config->command_bytes_max = WINDOW_BYTES / 4;
    config->flush_bytes_max = WINDOW_BYTES;
    config->read_bytes = WINDOW_BYTES;
    config->log_entries_max = (uint32_t)(recovery->log_bytes / ENTRY_BYTES);
    config->log_bytes_max = (uint32_t)recovery->log_bytes;
    config->segments_max = (uint32_t)(recovery->log_bytes / segment_bytes) + 8;
}

static bool log_write(struct host *host, struct recovery *recovery, const uint8_t *commands)
{
    const uint64_t most = recovery->log_bytes / octo_record_bytes(ENTRY_BYTES);

    recovery->entries = 0;
    while (recovery->entries < most || host->in_flight > 0) {
        const uint32_t count = (uint32_t)octo_min_u64(BATCH, most - recovery->entries);
        const octo_index waiting = octo_wal_last(host->wal) - octo_wal_durable(host->wal);
        if (waiting <= BATCH && !host_append(host, commands, ENTRY_BYTES, count))
            return false;
        recovery->entries += waiting <= BATCH ? count : 0;
        if (!host_flush(host) || (host->in_flight > 0 && !host_wait(host)))
            return false;
    }
    return host_flush(host) && host_settle(host);
}

static bool log_recover(struct recovery *recovery, const struct octo_config *config,
                        const char *directory, uint32_t round)
{
    struct host host;
    bool good = host_open(&host, config, directory, &recovery->boot_ns[round]);

    if (good) {
        recovery->bytes_read = host.counts.bytes_read;
        recovery->step_ns[round] = host.step_ns;
        recovery->memory_ns[round] = host.memory_ns;
        good = octo_wal_last(host.wal) == recovery->entries ||
               bench_wal_fail("the recovered log ends at %llu, the one that was written at %llu",
                              (unsigned long long)octo_wal_last(host.wal),
                              (unsigned long long)recovery->entries);
    }
    good = good && host_settle(&host);
    host_close(&host);
    return good;
}

bool recovery_run(struct recovery *recovery, const char *directory, uint32_t segment_bytes)
{
    struct octo_config config;
    struct host host;
    uint64_t unused;
    uint8_t *commands = malloc((size_t)BATCH * ENTRY_BYTES);

    if (commands == NULL)
        return bench_wal_fail("no memory");
    bench_wal_noise(commands, (size_t)BATCH * ENTRY_BYTES);
    recovery_config(&config, recovery, segment_bytes);
    bool good = host_open(&host, &config, directory, &unused);
    host.keeps = true;
    good = good && log_write(&host, recovery, commands);
    host_close(&host);
    free(commands);
    for (uint32_t round = 0; good && round < recovery->rounds; round++)
        good = log_recover(recovery, &config, directory, round);
    return good;
}

/* ---- Encoding -------------------------------------------------------------------------------- */

#define ENCODE_RECORDS 32768u

/* Time of this thread on a processor. */
static uint64_t processor_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * OCTO_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t encode_pass(const uint8_t *commands, uint8_t *out)
{
    const uint64_t begin = processor_now();
    struct octo_record record = {.type = OCTO_RECORD_ENTRY,
                                 .kind = OCTO_ENTRY_COMMAND,
                                 .term = 1,
                                 .client = 1,
                                 .size = ENTRY_BYTES};
    uint64_t at = 0;

    for (uint32_t i = 0; i < ENCODE_RECORDS; i++) {
        record.sequence = record.index = record.client_sequence = i + 1;
        record.chain = record.chain * 31 + i;
        record.command = commands + (size_t)i * ENTRY_BYTES;
        at += octo_record_encode(out + at, &record,
                                 octo_format_seed(1, 1, OCTO_FILE_MAIN, octo_segment_place(1, at)));
    }
    return processor_now() - begin;
}

bool encode_run(uint32_t rounds, double *record_ns)
{
    uint8_t *commands = malloc((size_t)ENCODE_RECORDS * ENTRY_BYTES);
    uint8_t *out = malloc(ENCODE_RECORDS * octo_record_bytes(ENTRY_BYTES));
    uint64_t samples[ROUNDS_MAX];
    const bool good = (commands != NULL && out != NULL) || bench_wal_fail("no memory");

    octo_assert(rounds > 0);
    octo_assert(rounds <= ROUNDS_MAX);
    if (good) {
        bench_wal_noise(commands, (size_t)ENCODE_RECORDS * ENTRY_BYTES);
        (void)encode_pass(commands, out); /* page faults are not measured */
        for (uint32_t i = 0; i < rounds; i++)
            samples[i] = encode_pass(commands, out);
        *record_ns = (double)bench_wal_percentile(samples, rounds, 50) / ENCODE_RECORDS;
    }
    free(commands);
    free(out);
    return good;
}
