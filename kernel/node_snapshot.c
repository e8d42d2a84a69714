/* When a node takes a snapshot, and what follows from one. */
#include "kernel/node_state.h"

void octo_node_snapshot_boot(struct octo_node *node, struct octo_step *step)
{
    switch (octo_snapshots_stage(node->snapshots)) {
    case OCTO_SNAPSHOTS_IDLE:
        octo_snapshots_boot(node->snapshots, step);
        break;
    case OCTO_SNAPSHOTS_READY:
        octo_wal_found(node->wal, step, &octo_snapshots_newest(node->snapshots)->position);
        break;
    case OCTO_SNAPSHOTS_BOOTING:
    case OCTO_SNAPSHOTS_FAILED:
        break;
    }
}

/* Where the log in memory may begin when all up to `snapshot` is in one. Below that some entries
 * are kept for slow followers, but never more than a quarter of what memory can hold: or the log
 * would be as full after a snapshot as before. */
static octo_index log_begin(const struct octo_node *node, octo_index snapshot)
{
    const struct octo_log *log = octo_wal_log(node->wal);
    const uint64_t most = octo_min_u64(node->config.log_keep_entries, log->entries_max / 4);
    octo_index low = snapshot - octo_min_u64(snapshot - log->base.index, most);
    octo_index high = snapshot;

    while (low < high) {
        const octo_index middle = low + (high - low) / 2;
        if (octo_log_span(log, middle, snapshot) <= log->bytes_max / 4)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void octo_node_snapshot_follow(struct octo_node *node, struct octo_step *step)
{
    const struct octo_position *position = &octo_snapshots_newest(node->snapshots)->position;

    switch (octo_snapshots_news(node->snapshots)) {
    case OCTO_SNAPSHOT_NO_NEWS:
        break;
    case OCTO_SNAPSHOT_SAVED:
        octo_wal_compact(node->wal, step, position->index,
                         octo_min_u64(log_begin(node, position->index), node->applied));
        break;
    case OCTO_SNAPSHOT_INSTALLED:
        octo_raft_installed(&node->raft, step, position);
        node->applied = position->index;
        break;
    }
}

/* Whether the log in memory runs full, and a snapshot up to `applied` would give some room. Either
 * may be so in entries or in bytes: long commands fill it long before it has many. */
static bool log_pressed(const struct octo_log *log, octo_index snapshot, octo_index applied)
{
    if (log->last - log->base.index <= log->entries_max / 2 &&
        octo_log_span(log, log->base.index, log->last) <= log->bytes_max / 2)
        return false;
    return applied - snapshot > log->entries_max / 16 ||
           octo_log_span(log, snapshot, applied) > log->bytes_max / 16;
}

/* Takes one after so many entries, or when space for the log runs out, or when a peer has refused
 * the present one, be it of the same state. Not while somebody is being sent that, who would have
 * to begin anew, unless it is about space, or of no use. */
void octo_node_snapshot_consider(struct octo_node *node, struct octo_step *step)
{
    const struct octo_machine *machine = step->effects->machine;
    const struct octo_log *log = octo_wal_log(node->wal);
    const octo_index newest = octo_snapshots_newest(node->snapshots)->position.index;

    if (node->config.snapshot_entries == 0 || machine->snapshot == NULL || machine->restore == NULL)
        return;
    const bool doubted = octo_snapshots_doubted(node->snapshots);
    if (!octo_snapshots_idle(node->snapshots, step->now) || (node->applied == newest && !doubted))
        return;
    octo_assert(node->applied >= newest); /* behind it only while it is restored: not idle */
    const bool due = node->applied - newest >= node->config.snapshot_entries;
    const bool pressed =
        log_pressed(log, newest, node->applied) || octo_wal_pressed(node->wal, node->applied);
    if (!doubted && !pressed && (!due || octo_snapshots_sending(node->snapshots, step->now)))
        return;
    const struct octo_position position = octo_log_position(log, node->applied);
    octo_snapshots_take(node->snapshots, step, &position);
}
