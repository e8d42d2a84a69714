/* The tables of octo-bench-wal, and the same as JSON. */
#include "bench/wal/report.h"

#include <stdio.h>
#include <stdlib.h>

/* The targets that are printed with the figures. */
#define TARGET_BATCH     256u
#define TARGET_FLOOR     0.60
#define TARGET_RECOVERY  1.0 /* GiB/s */
#define TARGET_RECORD_NS 400.0

/* ---- Figures --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, uint32_t count)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static double rate(const struct report *report, const struct series *series)
{
    return median(series->mb_per_second, report->rounds);
}

/* The median of the rounds' ratios: a and b of one round were measured one after the other. */
static double ratio(const struct report *report, const struct series *a, const struct series *b)
{
    double ratios[ROUNDS_MAX];

    for (uint32_t i = 0; i < report->rounds; i++)
        ratios[i] = a->mb_per_second[i] / b->mb_per_second[i];
    return median(ratios, report->rounds);
}

static double milliseconds(const struct series *series, uint32_t percent)
{
    return (double)bench_wal_percentile(series->samples, series->sample_count, percent) / 1e6;
}

/* MB/s as if every acknowledgement or sync took as long as most do. What other work on the machine
 * adds now and then, and to whom, does not count. */
static double usual_rate(struct series *series)
{
    const double bytes = (double)series->bytes / (double)series->sample_count;

    return bytes / 1e3 / milliseconds(series, 50);
}

static double a_batch(const struct series *series, uint64_t count)
{
    return series->batches == 0 ? 0.0 : (double)count / (double)series->batches;
}

static double entries_per_second(const struct append *append, const struct series *series)
{
    return (double)(series->batches * append->batch) * 1e9 / (double)series->spent_ns;
}

static double write_kib(const struct series *series)
{
    return (double)series->counts.bytes_written / (double)series->counts.writes / 1024;
}

static double amplification(const struct append *append, const struct series *series)
{
    return (double)series->counts.bytes_written /
           (double)(series->batches * append->batch * append->size);
}

/* The median of the rounds, in ns. */
static double recovery_median(const struct report *report, const uint64_t *rounds)
{
    double values[RECOVERY_ROUNDS_MAX];

    for (uint32_t i = 0; i < report->recovery.rounds; i++)
        values[i] = (double)rounds[i];
    return median(values, report->recovery.rounds);
}

static double recovery_ns(const struct report *report)
{
    return recovery_median(report, report->recovery.boot_ns);
}

static double memory_ns(const struct report *report)
{
    return recovery_median(report, report->recovery.memory_ns);
}

static double recovery_share(const struct report *report)
{
    return recovery_median(report, report->recovery.step_ns) / recovery_ns(report);
}

static double gib_per_second(const struct report *report)
{
    return (double)report->recovery.bytes_read / GIB / (recovery_ns(report) / 1e9);
}

static const char *reached(bool good)
{
    return good ? "reached" : "NOT reached";
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void table_steady(struct report *report)
{
    printf("\nappends, %u batches outstanding; MB/s: 10^6 bytes really written, all files\n"
           "floor: writes of the same length, each synced, to two files in parallel\n"
           "usual: at the median time of an acknowledgement or a sync, without what disturbs some\n"
           "  entry  batch  entries/s     MB/s  syncs    KiB  ampli-     floor  of the   usual  of "
           "the   of one\n"
           "  bytes                            /batch /write fication    MB/s   floor    MB/s  "
           "floor file x 2\n",
           APPEND_WINDOW);
    for (uint32_t i = 0; i < report->append_count; i++) {
        struct append *append = &report->appends[i];
        struct series *steady = &append->steady;
        const double usual = usual_rate(steady);
        printf("  %5u  %5u %10.0f %8.2f  %6.2f %6.1f %7.2f %9.2f %5.0f %%", append->size,
               append->batch, entries_per_second(append, steady), rate(report, steady),
               a_batch(steady, steady->counts.syncs), write_kib(steady),
               amplification(append, steady), rate(report, &append->same),
               100.0 * ratio(report, steady, &append->same));
        printf(" %7.1f %4.0f %% %6.0f %%\n", usual, 100.0 * usual / usual_rate(&append->same),
               50.0 * usual / usual_rate(&append->single));
    }
}

static void table_alone(struct report *report)
{
    printf("\nacknowledgement of one batch on an idle log, ms; syncs: one after the other; floor: "
           "the batch's bytes\n"
           "  entry  batch      marker, then ack         marker_lazy    lazy      floor    usual "
           "MB/s\n"
           "  bytes             p50    p99  syncs     p50    p99  syncs  /full   p50    p99 of "
           "floor\n");
    for (uint32_t i = 0; i < report->append_count; i++) {
        struct append *append = &report->appends[i];
        const double full = milliseconds(&append->alone, 50);
        const double lazy = milliseconds(&append->lazy, 50);
        printf("  %5u  %5u  %7.2f %6.2f %6.2f  %6.2f %6.2f %6.2f %6.2f %5.2f %6.2f %6.0f %%\n",
               append->size, append->batch, full, milliseconds(&append->alone, 99),
               a_batch(&append->alone, append->alone.counts.main_syncs), lazy,
               milliseconds(&append->lazy, 99),
               a_batch(&append->lazy, append->lazy.counts.main_syncs), lazy / full,
               milliseconds(&append->pair, 50), milliseconds(&append->pair, 99),
               100.0 * usual_rate(&append->alone) / usual_rate(&append->pair));
    }
}

static void targets(struct report *report)
{
    printf("\ntargets\n");
    for (uint32_t i = 0; i < report->append_count; i++) {
        struct append *append = &report->appends[i];
        const double part = usual_rate(&append->steady) / usual_rate(&append->same);
        if (append->batch == TARGET_BATCH)
            printf("  %u B x %u: %.0f %% of the floor's usual MB/s, at least %.0f: %s\n",
                   append->size, append->batch, 100.0 * part, 100.0 * TARGET_FLOOR,
                   reached(part >= TARGET_FLOOR));
    }
    if (report->recovery.entries > 0)
        printf("  recovery: %.2f GiB/s, at least %.2f: %s\n", gib_per_second(report),
               TARGET_RECOVERY, reached(gib_per_second(report) >= TARGET_RECOVERY));
    if (report->record_ns > 0)
        printf("  a 1 KiB record: %.0f ns, at most %.0f: %s\n", report->record_ns, TARGET_RECORD_NS,
               reached(report->record_ns <= TARGET_RECORD_NS));
}

static void recovery_text(const struct report *report)
{
    const struct recovery *recovery = &report->recovery;
    const double log_bytes = 2.0 * (double)recovery->entries * (double)octo_record_bytes(1024);

    printf("\nrecovery from the page cache, boot to ready: %llu entries of 1 KiB, %.2f GiB read in "
           "both topics,\n"
           "of which %.2f GiB are records and the rest is prepared segments\n"
           "  %.0f ms (median of %u): %.2f GiB/s read, %.2f GiB/s of records\n"
           "  %.0f %% of it in the log's code, the rest waits for reads; before it %.0f ms for the "
           "system to give the memory\n",
           (unsigned long long)recovery->entries, (double)recovery->bytes_read / GIB,
           log_bytes / GIB, recovery_ns(report) / 1e6, recovery->rounds, gib_per_second(report),
           log_bytes / GIB / (recovery_ns(report) / 1e9), 100.0 * recovery_share(report),
           memory_ns(report) / 1e6);
}

void report_text(struct report *report)
{
    printf("the durable log on the POSIX disk, beside the bare disk\n"
           "  %s (%s); %u cores, load %.1f before, %.1f after\n"
           "  %u rounds of %.0f ms a series, in turns; sectors of %u bytes, segments of %u KiB\n",
           report->directory, report->file_system, report->cores, report->load_before,
           report->load_after, report->rounds, (double)report->slice_ns / 1e6, report->sector_bytes,
           report->segment_bytes / 1024);
    if (report->append_count > 0) {
        table_steady(report);
        table_alone(report);
    }
    if (report->recovery.entries > 0)
        recovery_text(report);
    if (report->record_ns > 0)
        printf("\nencoding a record of 1 KiB, checksum included, in memory that no cache holds\n"
               "  %.0f ns of processor time (median)\n",
               report->record_ns);
    targets(report);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_alone(const char *name, struct series *series)
{
    printf(",\"%s\":{\"p50_ns\":%llu,\"p99_ns\":%llu,\"serial_syncs\":%.3f,\"samples\":%u}", name,
           (unsigned long long)bench_wal_percentile(series->samples, series->sample_count, 50),
           (unsigned long long)bench_wal_percentile(series->samples, series->sample_count, 99),
           a_batch(series, series->counts.main_syncs), series->sample_count);
}

static void json_append(const struct report *report, struct append *append)
{
    struct series *steady = &append->steady;
    const double usual = usual_rate(steady);

    printf("{\"entry_bytes\":%u,\"batch\":%u,\"outstanding\":%u,\"entries_per_second\":%.0f,"
           "\"mb_per_second\":%.3f,\"syncs_per_batch\":%.3f,\"kib_per_write\":%.3f,"
           "\"write_amplification\":%.3f,\"floor_mb_per_second\":%.3f,\"of_floor\":%.4f,"
           "\"single_mb_per_second\":%.3f,\"of_single\":%.4f,\"alone_of_floor\":%.4f,"
           "\"usual_mb_per_second\":%.3f,\"usual_of_floor\":%.4f,\"usual_of_single\":%.4f,"
           "\"usual_alone_of_floor\":%.4f",
           append->size, append->batch, APPEND_WINDOW, entries_per_second(append, steady),
           rate(report, steady), a_batch(steady, steady->counts.syncs), write_kib(steady),
           amplification(append, steady), rate(report, &append->same),
           ratio(report, steady, &append->same), rate(report, &append->single),
           ratio(report, steady, &append->single) / 2, ratio(report, &append->alone, &append->pair),
           usual, usual / usual_rate(&append->same), usual / usual_rate(&append->single) / 2,
           usual_rate(&append->alone) / usual_rate(&append->pair));
    json_alone("alone", &append->alone);
    json_alone("lazy", &append->lazy);
    json_alone("floor", &append->pair);
    printf("}");
}

void report_json(struct report *report)
{
    printf("{\"file_system\":\"%s\",\"cores\":%u,\"load_before\":%.2f,\"load_after\":%.2f,"
           "\"rounds\":%u,\"slice_ns\":%llu,\"sector_bytes\":%u,\"segment_bytes\":%u,\"appends\":[",
           report->file_system, report->cores, report->load_before, report->load_after,
           report->rounds, (unsigned long long)report->slice_ns, report->sector_bytes,
           report->segment_bytes);
    for (uint32_t i = 0; i < report->append_count; i++) {
        printf("%s", i == 0 ? "" : ",");
        json_append(report, &report->appends[i]);
    }
    printf("]");
    if (report->recovery.entries > 0)
        printf(",\"recovery\":{\"entries\":%llu,\"bytes_read\":%llu,\"boot_ns\":%.0f,"
               "\"memory_ns\":%.0f,\"gib_per_second\":%.4f,\"kernel_share\":%.4f}",
               (unsigned long long)report->recovery.entries,
               (unsigned long long)report->recovery.bytes_read, recovery_ns(report),
               memory_ns(report), gib_per_second(report), recovery_share(report));
    if (report->record_ns > 0)
        printf(",\"record_ns\":%.1f", report->record_ns);
    printf("}\n");
}
