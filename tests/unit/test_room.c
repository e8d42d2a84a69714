/* A log in memory that filled up has room again, whatever filled it. */
#include "tests/unit/raft_bench.h"

#include <criterion/criterion.h>

/* Completes what waits on the disk, but for the log's own files. */
static void settle_but_log(struct bench *bench)
{
    while (bench_disk(bench, OCTO_FILE_SNAPSHOT) || bench_disk(bench, OCTO_FILE_NONE)) {
    }
}

/* Nodes 2 and 3 have all that the leader has. */
static void acknowledge(struct bench *bench)
{
    for (octo_node_id peer = 2; peer <= 3; peer++)
        bench_ack(bench, peer, bench_view(bench).term, bench_view(bench).last);
}

/* Commits commands of size bytes until one is refused; returns how many were not, at most `most`.
 */
static uint32_t fill(struct bench *bench, uint32_t size, uint32_t most,
                     void (*settle)(struct bench *))
{
    for (uint32_t count = 0; count < most; count++) {
        const octo_index last = bench_view(bench).last;
        bench_forget(bench);
        bench_request(bench, 7, last + 1, size);
        if (bench_view(bench).last == last) {
            cr_assert_eq(bench_status(bench), OCTO_ERR_FULL);
            return count;
        }
        acknowledge(bench);
        settle(bench);
        acknowledge(bench); /* what was frozen is applied */
    }
    return most;
}

/* The others commit, snapshots are taken, and nothing of its own log is durable: it fills up. When
 * the disk goes on there is room, though no snapshot is due. */
Test(room, a_disk_that_stood_still)
{
    struct bench *bench = bench_new(1, 3);

    bench->config.log_entries_max = 64;
    bench->config.log_keep_entries = 4;
    bench->config.snapshot_entries = 10;
    bench_boot(bench);
    bench_settle(bench);
    bench_lead(bench);
    cr_assert_lt(fill(bench, 10, 100, settle_but_log), 100);
    const struct octo_node_view full = bench_view(bench);
    cr_assert_eq(full.base, 1, "the no-op alone is durable");
    cr_assert_eq(full.last, 61, "four of 64 are kept for no-ops");
    cr_assert_eq(full.applied, 61);
    cr_assert_geq(full.snapshot, 50);
    bench_settle(bench);
    cr_assert_eq(bench_view(bench).snapshot, full.snapshot);
    cr_assert_eq(bench_view(bench).durable, 61);
    cr_assert_eq(bench_view(bench).base, full.snapshot - 4);
    cr_assert_eq(fill(bench, 10, 100, bench_settle), 100);
    bench_free(bench);
}

/* Long commands fill the bytes of a log long before its entries, and before a snapshot is due; nor
 * must what is kept for slow followers keep it full. */
Test(room, long_commands)
{
    static const uint32_t keeps[] = {0, 64, 1000};

    for (size_t i = 0; i < sizeof keeps / sizeof keeps[0]; i++) {
        struct bench *bench = bench_new(1, 3);
        bench->config.log_keep_entries = keeps[i];
        bench_boot(bench);
        bench_settle(bench);
        bench_lead(bench);
        const uint32_t size = bench->config.command_bytes_max;
        cr_assert_eq(fill(bench, size, 200, bench_settle), 200, "keeping %u", keeps[i]);
        const struct octo_node_view view = bench_view(bench);
        cr_assert_leq((view.last - view.base) * size, bench->config.log_bytes_max);
        cr_assert(keeps[i] == 0 || view.base < view.snapshot, "some are kept");
        bench_free(bench);
    }
}

/* The same in entries: a log that would keep nearly all that it can hold. */
Test(room, a_keep_of_nearly_all)
{
    struct bench *bench = bench_new(1, 3);

    bench->config.log_entries_max = 64;
    bench->config.log_keep_entries = 63;
    bench_boot(bench);
    bench_settle(bench);
    bench_lead(bench);
    cr_assert_eq(fill(bench, 10, 300, bench_settle), 300);
    cr_assert_leq(bench_view(bench).snapshot - bench_view(bench).base, 16);
    bench_free(bench);
}
