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

void octo_node_snapshot_follow(struct octo_node *node, struct octo_step *step)
{
    const enum octo_snapshot_news news = octo_snapshots_news(node->snapshots);
    const struct octo_position *position = &octo_snapshots_newest(node->snapshots)->position;
    const octo_index base = octo_wal_log(node->wal)->base.index;
    octo_index keep = base;

    switch (news) {
    case OCTO_SNAPSHOT_NO_NEWS:
        break;
    case OCTO_SNAPSHOT_SAVED:
        if (position->index > base + node->config.log_keep_entries)
            keep = position->index - node->config.log_keep_entries;
        octo_wal_compact(node->wal, step, position->index, octo_min_u64(keep, node->applied));
        break;
    case OCTO_SNAPSHOT_INSTALLED:
        octo_raft_installed(&node->raft, step, position);
        node->applied = position->index;
        break;
    }
}

/* Whether entries or bytes of the log in memory are more than half of what it can hold. */
static bool log_half_full(const struct octo_log *log)
{
    if (log->last == log->base.index)
        return false;
    const struct octo_log_slot *first = &log->slots[(log->base.index + 1) % log->entries_max];
    return log->last - log->base.index > log->entries_max / 2 ||
           log->bytes_end - first->offset > log->bytes_max / 2;
}

/* Takes one after so many entries, or when space for the log runs out. Not while somebody is being
 * sent the present one, who would have to begin anew, unless it is about space. */
void octo_node_snapshot_consider(struct octo_node *node, struct octo_step *step)
{
    const struct octo_machine *machine = step->effects->machine;
    const struct octo_log *log = octo_wal_log(node->wal);
    const octo_index since = node->applied - octo_snapshots_newest(node->snapshots)->position.index;

    if (node->config.snapshot_entries == 0 || machine->snapshot == NULL || machine->restore == NULL)
        return;
    const bool due = since >= node->config.snapshot_entries;
    const bool pressed = (since > log->entries_max / 16 && log_half_full(log)) ||
                         (since > 0 && octo_wal_pressed(node->wal, node->applied));
    if (!pressed && (!due || octo_snapshots_sending(node->snapshots, step->now)))
        return;
    if (!octo_snapshots_idle(node->snapshots, step->now))
        return;
    const struct octo_position position = octo_log_position(log, node->applied);
    octo_snapshots_take(node->snapshots, step, &position);
}
