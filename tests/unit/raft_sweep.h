/* One seed of the consensus sweep: chaos first, then quiet, in which everything must come to rest.
 */
#ifndef OCTO_TESTS_RAFT_SWEEP_H
#define OCTO_TESTS_RAFT_SWEEP_H

#include "tests/unit/raft_cluster.h"

static inline void sweep_chances(struct cluster *cluster)
{
    uint64_t *random = &cluster->random;
    const uint32_t calm = draw_below(random, 5);

    if (calm == 0)
        return; /* a fifth without faults */
    cluster->chances = (struct chances){
        .lost_ppm = draw_below(random, 2) * draw_below(random, 300000),
        .doubled_ppm = draw_below(random, 2) * draw_below(random, 200000),
        .slow_ppm = draw_below(random, 2) * draw_below(random, 100000),
        .disk_ns = draw_below(random, 3) == 0 ? 30000000 : 100000,
        .chaos_ns = draw_below(random, 6) == 0 ? 0 : 20000000 + draw_below(random, 400000000),
    };
    if (draw_below(random, 2) == 0 && cluster->chances.chaos_ns > 0)
        cluster->chances.nerves_ppm = draw_below(random, 50000);
    if (draw_below(random, 4) == 0)
        cluster->chances.disk_fails_ppm = draw_below(random, 20000);
}

static inline void sweep_disks(struct cluster *cluster, uint32_t fails_ppm)
{
    for (octo_node_id id = 1; id <= cluster->count; id++)
        cluster->hosts[id].disk->fails_ppm = fails_ppm;
}

/* All commands are answered, one leads, and all have applied the same. */
static inline bool sweep_at_rest(const struct cluster *cluster)
{
    const octo_node_id leader = cluster_leader(cluster);
    struct octo_node_view first;

    if (leader == 0 || cluster->answered < CLUSTER_COMMANDS)
        return false;
    octo_node_look(cluster->hosts[leader].node, &first);
    for (octo_node_id id = 1; id <= cluster->count; id++) {
        struct octo_node_view view;
        octo_node_look(cluster->hosts[id].node, &view);
        if (view.leader != leader || view.term != first.term)
            return false;
        if (view.applied != first.last || view.last != first.last || view.durable != first.last)
            return false;
    }
    return true;
}

static inline void sweep_quiet(struct cluster *cluster)
{
    cluster->chances = (struct chances){.disk_ns = 100000};
    memset(cluster->cut, 0, sizeof cluster->cut);
    sweep_disks(cluster, 0);
    for (octo_node_id id = 1; id <= cluster->count; id++) {
        if (!cluster->hosts[id].up)
            host_boot(cluster, id);
    }
    const octo_time_ns end = cluster->now + 60 * OCTO_SECOND;
    while (cluster->judge.complaint == NULL && !sweep_at_rest(cluster)) {
        judge_rule(&cluster->judge, 0, cluster->now < end, "liveness: no rest after the healing");
        cluster_step(cluster);
    }
}

static inline void sweep_digests(struct cluster *cluster)
{
    judge_rule(&cluster->judge, 0, cluster->position_max == CLUSTER_COMMANDS,
               "exactly once: more took effect than there were commands");
    for (octo_node_id id = 1; id <= cluster->count; id++) {
        octo_node_check(cluster->hosts[id].node);
        judge_rule(&cluster->judge, id,
                   octo_node_digest(cluster->hosts[id].node, &raft_machine) ==
                       octo_node_digest(cluster->hosts[1].node, &raft_machine),
                   "convergence: two states");
        for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++)
            cluster->marks[mark] += octo_node_marks(cluster->hosts[id].node)[mark];
    }
}

/* sweep_seed runs one seed on a cluster of count nodes; false if cluster->judge has a complaint. */
static inline bool sweep_seed(struct cluster *cluster, uint64_t seed, uint32_t count)
{
    cluster_reset(cluster, seed, count);
    sweep_chances(cluster);
    sweep_disks(cluster, cluster->chances.disk_fails_ppm);
    for (octo_node_id id = 1; id <= count; id++)
        host_boot(cluster, id);
    cluster->chaos_at = cluster->now + cluster->chances.chaos_ns;
    if (cluster_run(cluster, 5 * OCTO_SECOND))
        sweep_quiet(cluster);
    if (cluster->judge.complaint == NULL)
        sweep_digests(cluster);
    return cluster->judge.complaint == NULL;
}

#endif
