/* snapshot-equals-prefix: a snapshot is the applied prefix, byte for byte, on every node; and what
 * a node says of its snapshots is true of its disk (durable-ack).
 *
 * Snapshots of the same index are compared when they are said to be durable; with the replay of the
 * committed sequence at the end.
 */
#include "oracle/oracle_state.h"

/* The item of index, made (with `node` 0) if there is none; NULL if memory is full. */
static struct oracle_saved *saved_at(struct octo_oracles *oracles, octo_index index)
{
    uint32_t at = oracles->saved_count;

    while (at > 0 && oracles->saved[at - 1].snapshot.at.index >= index)
        at--;
    if (at < oracles->saved_count && oracles->saved[at].snapshot.at.index == index)
        return &oracles->saved[at];
    if (!oracle_room(oracles, &oracles->saved, &oracles->saved_capacity,
                     (uint64_t)oracles->saved_count + 1, sizeof *oracles->saved))
        return NULL;
    struct oracle_saved *item = &oracles->saved[at];
    memmove(item + 1, item, (oracles->saved_count - at) * sizeof *item);
    oracles->saved_count++;
    *item = (struct oracle_saved){.node = 0};
    return item;
}

static bool snapshots_equal(const struct oracle_snapshot *a, const struct oracle_snapshot *b)
{
    return a->sessions_bytes == b->sessions_bytes && a->sessions_hash == b->sessions_hash &&
           a->machine_bytes == b->machine_bytes && a->machine_hash == b->machine_hash;
}

/* Judges the durable snapshot of a node by what is committed and by other nodes' ones. */
static void snapshot_judge(struct octo_oracles *oracles, const struct oracle_node *node)
{
    const struct oracle_snapshot *snapshot = &node->image.snapshot;
    const octo_index index = snapshot->at.index;

    if (index == 0 || !oracle_committed_is(oracles, index, snapshot->at.chain) ||
        oracle_committed_at(oracles, index)->term != snapshot->at.term ||
        snapshot->machine_version != oracles->config.machine->version) {
        oracle_break(oracles, OCTO_PROPERTY_SNAPSHOT_EQUALS_PREFIX,
                     "n%u's snapshot %u says that it is of index %" PRIu64 " (term %" PRIu64
                     ", machine version %u), which is not what the cluster committed",
                     node->id, snapshot->number, index, snapshot->at.term,
                     snapshot->machine_version);
        return;
    }
    struct oracle_saved *saved = saved_at(oracles, index);
    if (saved == NULL)
        return;
    if (saved->node == 0) {
        *saved =
            (struct oracle_saved){.snapshot = *snapshot, .event = oracles->event, .node = node->id};
        return;
    }
    if (snapshots_equal(snapshot, &saved->snapshot))
        return;
    const bool sessions = snapshot->sessions_bytes != saved->snapshot.sessions_bytes ||
                          snapshot->sessions_hash != saved->snapshot.sessions_hash;
    oracle_break(oracles, OCTO_PROPERTY_SNAPSHOT_EQUALS_PREFIX,
                 "n%u's snapshot at index %" PRIu64 " has other %s than n%u's of event %" PRIu64,
                 node->id, index, sessions ? "sessions" : "state", saved->node, saved->event);
}

static bool snapshot_durable(struct octo_oracles *oracles, const struct oracle_step *step,
                             octo_index index, uint64_t number, const char *how)
{
    struct oracle_node *node = step->node;
    const struct oracle_snapshot *snapshot = &node->image.snapshot;

    oracle_image_refresh(oracles, node, step->images);
    if (oracles->stopped)
        return false;
    if (snapshot->at.index == index && (number == 0 || snapshot->number == number))
        return true;
    /* One of a higher index may be durable that the node gave up: its name outlasted a failed sync,
     * or its removal did not. The next start may take it, so it covers what the node says. */
    if (snapshot->at.index > index &&
        oracle_snapshot_durable(oracles, node->id, index, number, step->images))
        return true;
    if (oracles->stopped)
        return false;
    oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                 "n%u %s a snapshot at index %" PRIu64 " (number %" PRIu64
                 "), but durable is number %u, index %" PRIu64,
                 node->id, how, index, number, snapshot->number, snapshot->at.index);
    return false;
}

void oracle_snapshot_saved(struct octo_oracles *oracles, const struct oracle_step *step,
                           const struct octo_trace *trace)
{
    const octo_index index = trace->words[0];

    if (!snapshot_durable(oracles, step, index, trace->words[2], "has saved"))
        return;
    step->node->saved = index;
    snapshot_judge(oracles, step->node);
}

void oracle_snapshot_installed(struct octo_oracles *oracles, const struct oracle_step *step,
                               const struct octo_trace *trace)
{
    struct oracle_node *node = step->node;
    const octo_index index = trace->words[0];

    if (!snapshot_durable(oracles, step, index, trace->words[2], "has installed"))
        return;
    node->saved = index;
    snapshot_judge(oracles, node);
    if (oracles->stopped)
        return;
    if (index <= node->applied) {
        oracle_break(oracles, OCTO_PROPERTY_STATE_MACHINE_SAFETY,
                     "n%u installs a snapshot at index %" PRIu64 ", having applied %" PRIu64,
                     node->id, index, node->applied);
        return;
    }
    node->applied = index;
}

void oracle_snapshot_restored(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const octo_index index = step->view.snapshot;

    if (index == 0) /* that one was lost is told by what is missing */
        return;
    const bool lost = oracle_may_lose(node);
    if (!lost && !snapshot_durable(oracles, step, index, 0, "starts from"))
        return;
    if (!lost && index < node->saved) {
        oracle_break(oracles, OCTO_PROPERTY_DURABLE_ACK,
                     "n%u starts from a snapshot at index %" PRIu64
                     ", but has said that it has one at %" PRIu64,
                     node->id, index, node->saved);
        return;
    }
    node->saved = index;
    node->applied = index;
    if (!lost)
        snapshot_judge(oracles, node);
}

/* ---- The end ------------------------------------------------------------------------------- */

/* Has the machine write all of its snapshot into out; false if it is longer than that. */
static bool machine_snapshot(const struct octo_machine *machine,
                             const struct octo_machine_context *context, struct octo_buffer *out)
{
    uint64_t cursor = 0;
    bool done = false;

    out->size = 0;
    while (!done && out->size < out->capacity) {
        struct octo_buffer piece = {
            .bytes = out->bytes + out->size,
            .capacity = out->capacity - out->size,
        };
        done = machine->snapshot(context, &cursor, &piece);
        if (piece.size == 0 && !done)
            return false;
        out->size += piece.size;
    }
    return done;
}

static void replayed_judge(struct octo_oracles *oracles, const struct octo_machine_context *context,
                           const struct oracle_saved *saved, struct octo_arena scratch)
{
    const struct oracle_snapshot *snapshot = &saved->snapshot;
    struct octo_buffer out = {.capacity = (uint32_t)snapshot->machine_bytes + 1};

    out.bytes = octo_arena_alloc(&scratch, out.capacity);
    if (out.bytes == NULL) {
        oracle_undecided(oracles, "no memory for the machine's snapshot at index %" PRIu64,
                         snapshot->at.index);
        return;
    }
    if (machine_snapshot(oracles->config.machine, context, &out) &&
        out.size == snapshot->machine_bytes &&
        oracle_hash(out.bytes, out.size, 0) == snapshot->machine_hash)
        return;
    oracle_break(oracles, OCTO_PROPERTY_SNAPSHOT_EQUALS_PREFIX,
                 "n%u's snapshot at index %" PRIu64 " (event %" PRIu64
                 ") is not the state after the entries up to there",
                 saved->node, snapshot->at.index, saved->event);
}

void oracle_snapshot_replayed(struct octo_oracles *oracles,
                              const struct octo_machine_context *context, octo_index index,
                              uint32_t *next, struct octo_arena scratch)
{
    while (*next < oracles->saved_count && oracles->saved[*next].snapshot.at.index < index)
        ++*next;
    if (*next == oracles->saved_count || oracles->saved[*next].snapshot.at.index != index)
        return;
    replayed_judge(oracles, context, &oracles->saved[*next], scratch);
}
