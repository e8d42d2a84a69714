/* Clusters of 1, 2, 3 and 5 nodes through a few hundred seeds of chaos, judged at every step. The
 * long sweeps are octo-sim's; this one is small enough to run with every build. */
#include "tests/unit/raft_sweep.h"

#include <criterion/criterion.h>

static uint64_t marks[OCTO_MARK_COUNT];

static void sweep(uint64_t from, uint64_t to, uint32_t count)
{
    struct cluster *cluster = cluster_new();

    for (uint64_t seed = from; seed < to; seed++) {
        cr_assert(sweep_seed(cluster, seed, count), "seed %lu, %u nodes: node %u: %s",
                  (unsigned long)seed, count, cluster->judge.culprit, cluster->judge.complaint);
        for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++)
            marks[mark] += cluster->marks[mark];
    }
    cluster_free(cluster);
}

Test(raft_cluster, small_ones_survive_chaos)
{
    sweep(1, 20, 1);
    sweep(1, 20, 2);
}

/* The rare paths are taken: a sweep that met none of them would prove little. */
Test(raft_cluster, larger_ones_survive_chaos)
{
    static const enum octo_mark wanted[] = {
        OCTO_MARK_ELECTION_WON,       OCTO_MARK_ELECTION_CONTESTED, OCTO_MARK_VOTE_REFUSED_LOG,
        OCTO_MARK_PRE_VOTE_REFUSED,   OCTO_MARK_STEPPED_DOWN_TERM,  OCTO_MARK_STEPPED_DOWN_QUORUM,
        OCTO_MARK_LOG_TRUNCATED,      OCTO_MARK_APPEND_REJECTED,    OCTO_MARK_APPEND_OVERLAPPED,
        OCTO_MARK_PROBE_AFTER_REJECT, OCTO_MARK_WINDOW_FULL,        OCTO_MARK_COMMIT_WAITED_TERM,
        OCTO_MARK_STALE_MESSAGE,      OCTO_MARK_DUPLICATE_COMMAND,  OCTO_MARK_REQUEST_REFUSED,
        OCTO_MARK_APPLY_PAGED,        OCTO_MARK_GROUP_COMMIT,       OCTO_MARK_SNAPSHOT_SAVED,
        OCTO_MARK_SNAPSHOT_SENT,      OCTO_MARK_SNAPSHOT_INSTALLED, OCTO_MARK_SNAPSHOT_RESTORED,
        OCTO_MARK_SEGMENT_ROLLED,     OCTO_MARK_SEGMENT_RECYCLED,   OCTO_MARK_NO_SPACE,
        OCTO_MARK_SPACE_RETURNED,     OCTO_MARK_PIPELINED,
    };

    sweep(1, 150, 3);
    sweep(1, 100, 5);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        cr_assert_gt(marks[wanted[i]], 0, "%s was never met", octo_mark_text(wanted[i]));
}

/* Same seed, same run: to the last effect, wherever the memory lies (K1). */
Test(raft_cluster, a_seed_repeats_itself)
{
    struct cluster *cluster = cluster_new();

    for (uint64_t seed = 1; seed <= 10; seed++) {
        uint64_t digests[2];
        for (int i = 0; i < 2; i++) {
            cr_assert(sweep_seed(cluster, seed, 3));
            digests[i] = octo_mix(cluster->random ^ octo_mix(cluster->now));
            digests[i] ^= octo_hash(cluster->judge.committed, sizeof cluster->judge.committed, 0);
        }
        cr_assert_eq(digests[0], digests[1], "seed %lu", (unsigned long)seed);
    }
    cluster_free(cluster);
}
