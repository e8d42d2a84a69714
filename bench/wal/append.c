/* Appends: the log on an idle disk, the log with batches outstanding, and the floor, in turns, so
 * that whatever else goes on on the machine strikes all of them. */
#include "bench/wal/wal.h"

static uint32_t room_of(const struct series *series)
{
    return SAMPLES_MAX - series->sample_count;
}

static void series_add(struct series *series, uint32_t round, uint64_t bytes, uint64_t batches,
                       uint64_t spent_ns)
{
    series->mb_per_second[round] = (double)bytes * 1e3 / (double)spent_ns;
    series->bytes += bytes;
    series->batches += batches;
    series->spent_ns += spent_ns;
}

static void counts_add(struct host_counts *sum, const struct host *host,
                       const struct host_counts *before)
{
    sum->writes += host->counts.writes - before->writes;
    sum->syncs += host->counts.syncs - before->syncs;
    sum->main_syncs += host->counts.main_syncs - before->main_syncs;
    sum->bytes_written += host->counts.bytes_written - before->bytes_written;
}

/* One batch, until it may be acknowledged. */
static bool batch_append(struct host *host, const uint8_t *commands, const struct append *append)
{
    if (!host_append(host, commands, append->size, append->batch) || !host_flush(host))
        return false;
    while (octo_wal_durable(host->wal) < octo_wal_last(host->wal)) {
        if (!host_wait(host) || !host_flush(host))
            return false;
    }
    return true;
}

/* Time in which nothing is waited for (the lazy marker is on its way, a segment is prepared) does
 * not count: the log is idle when a batch is appended. */
static bool alone_run(const struct append_bench *bench, struct host *host,
                      const struct append *append, struct series *series, uint32_t round)
{
    uint64_t batches = 0, spent_ns = 0, bytes = 0;

    while (spent_ns < bench->slice_ns) {
        if (!host_settle(host))
            return false;
        const struct host_counts before = host->counts;
        const uint64_t begin = bench_wal_now();
        if (!batch_append(host, bench->commands, append))
            return false;
        const uint64_t sample = bench_wal_now() - begin;
        counts_add(&series->counts, host, &before);
        bytes += host->counts.bytes_written - before.bytes_written;
        if (room_of(series) > 0)
            series->samples[series->sample_count++] = sample;
        spent_ns += sample;
        batches++;
    }
    series_add(series, round, bytes, batches, spent_ns);
    return host_settle(host);
}

/* Notes when entries were acknowledged: the time since the last ones. */
static void progress_note(struct series *series, const struct host *host, octo_index *durable,
                          uint64_t *last)
{
    const uint64_t now = bench_wal_now();

    if (octo_wal_durable(host->wal) == *durable)
        return;
    if (room_of(series) > 0)
        series->samples[series->sample_count++] = now - *last;
    *durable = octo_wal_durable(host->wal);
    *last = now;
}

/* A new batch comes whenever fewer than APPEND_WINDOW of them wait for their acknowledgement. */
static bool steady_run(const struct append_bench *bench, struct host *host,
                       const struct append *append, struct series *series, uint32_t round)
{
    const struct host_counts before = host->counts;
    const octo_index first = octo_wal_last(host->wal);
    const uint64_t begin = bench_wal_now();
    const uint64_t most = (uint64_t)(APPEND_WINDOW - 1) * append->batch;
    octo_index durable = octo_wal_durable(host->wal);
    uint64_t last = begin;
    bool more = true;

    for (;;) {
        more = more && bench_wal_now() - begin < bench->slice_ns;
        while (more && octo_wal_last(host->wal) - octo_wal_durable(host->wal) <= most) {
            if (!host_append(host, bench->commands, append->size, append->batch))
                return false;
        }
        if (octo_wal_durable(host->wal) == octo_wal_last(host->wal))
            break;
        if (!host_flush(host) || !host_wait(host))
            return false;
        progress_note(series, host, &durable, &last);
    }
    const uint64_t spent_ns = bench_wal_now() - begin;
    octo_assert(spent_ns >= bench->slice_ns);
    counts_add(&series->counts, host, &before);
    series_add(series, round, host->counts.bytes_written - before.bytes_written,
               (octo_wal_last(host->wal) - first) / append->batch, spent_ns);
    return host_flush(host) && host_settle(host);
}

/* The bytes of one batch as the log writes it, marker included. */
static uint32_t batch_bytes(const struct append_bench *bench, const struct append *append)
{
    return (uint32_t)octo_align_up(octo_record_bytes(0) +
                                       append->batch * octo_record_bytes(append->size),
                                   bench->sector_bytes);
}

/* The bytes of one write, as the log has made them so far with batches outstanding. */
static uint32_t write_bytes(const struct append_bench *bench, const struct append *append)
{
    const struct host_counts *counts = &append->steady.counts;

    return (uint32_t)octo_align_up(counts->bytes_written / counts->writes, bench->sector_bytes);
}

static bool floor_series(const struct append_bench *bench, uint32_t bytes, uint32_t files,
                         struct series *series, uint32_t round)
{
    uint64_t rounds = 0, spent_ns = 0;

    if (!floor_run(bench->floor, files, bytes, bench->slice_ns,
                   series->samples + series->sample_count, room_of(series), &rounds, &spent_ns))
        return false;
    series->sample_count += (uint32_t)octo_min_u64(rounds, room_of(series));
    series_add(series, round, rounds * files * bytes, rounds, spent_ns);
    return true;
}

bool append_round(struct append_bench *bench, struct append *append, uint32_t round)
{
    octo_assert(round < ROUNDS_MAX);
    if (!steady_run(bench, bench->host, append, &append->steady, round))
        return false;
    const uint32_t bytes = write_bytes(bench, append);
    return floor_series(bench, bytes, 2, &append->same, round) &&
           floor_series(bench, bytes, 1, &append->single, round) &&
           alone_run(bench, bench->host, append, &append->alone, round) &&
           floor_series(bench, batch_bytes(bench, append), 2, &append->pair, round) &&
           alone_run(bench, bench->lazy, append, &append->lazy, round);
}

bool append_warm_up(struct append_bench *bench, struct host *host)
{
    const struct append append = {.size = 16384, .batch = 64};

    if (!host_settle(host))
        return false;
    while (host->written_segment < 4) {
        if (!batch_append(host, bench->commands, &append))
            return false;
    }
    return host_settle(host);
}
