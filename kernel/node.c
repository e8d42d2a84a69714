/* One node, composed: the durable log below, consensus beside it, sessions and the machine on top.
 *
 * Every step has the same shape:
 *
 *     one event ──> its handler ──> promises that became due ──> commit ──> apply ──> send ──>
 * flush
 */
#include "kernel/node_state.h"
#include "kernel/wire/wire.h"

/* What the log may emit in one step: its disk operations and their traces. */
#define WAL_ITEMS 48u

/* Of the node itself: REFUSE, READY, HALT, the HALT effect, and one reply to a request. */
#define NODE_ITEMS 5u

/* ---- Memory and limits --------------------------------------------------------------------- */

static size_t node_struct_bytes(void)
{
    return octo_align_up(sizeof(struct octo_node), 64);
}

size_t octo_node_bytes(const struct octo_config *config)
{
    return node_struct_bytes() + octo_wal_bytes(config) + octo_raft_bytes(config) +
           octo_snapshots_bytes(config) + octo_sessions_bytes(config) +
           octo_align_up(config->machine_memory_bytes, 64);
}

static void limits(const struct octo_config *config, uint64_t *items, uint64_t *bytes)
{
    /* Each command that is applied is traced and answered; a retry is answered beside them. */
    *items = WAL_ITEMS + NODE_ITEMS + 2 * (uint64_t)config->apply_max;
    *bytes = ((uint64_t)config->apply_max + 1) * config->result_bytes_max;
    octo_raft_limits(config, items, bytes);
    octo_snapshots_limits(config, items);
}

void octo_effects_limits(const struct octo_config *config, uint32_t *items, uint32_t *bytes)
{
    uint64_t items_needed;
    uint64_t bytes_needed;

    limits(config, &items_needed, &bytes_needed);
    octo_assert(items_needed <= UINT32_MAX); /* octo_node_init refuses such a configuration */
    octo_assert(bytes_needed <= UINT32_MAX);
    *items = (uint32_t)items_needed;
    *bytes = (uint32_t)bytes_needed;
}

enum octo_err octo_node_init(void *block, size_t size, const struct octo_config *config,
                             struct octo_node **node)
{
    struct octo_arena arena;
    uint64_t items;
    uint64_t bytes;

    if (octo_config_check(config) != OCTO_ERR_OK)
        return OCTO_ERR_RANGE;
    limits(config, &items, &bytes);
    if (items > UINT32_MAX || bytes > UINT32_MAX)
        return OCTO_ERR_RANGE;
    if (size < octo_node_bytes(config))
        return OCTO_ERR_FULL;

    octo_arena_init(&arena, block, size);
    struct octo_node *made = octo_arena_alloc(&arena, node_struct_bytes());
    octo_assert(made != NULL);
    memset(made, 0, sizeof *made);
    made->config = *config;
    made->next_op = 1;
    made->wal = octo_wal_init(&made->config, &arena);
    made->sessions = octo_sessions_init(&made->config, &arena);
    made->machine_memory = octo_arena_alloc(&arena, config->machine_memory_bytes);
    octo_assert(made->machine_memory != NULL);
    const struct octo_snapshot_content content = {
        .machine = &made->machine,
        .machine_memory = made->machine_memory,
        .sessions = made->sessions,
        .applied = &made->applied,
    };
    made->snapshots = octo_snapshots_init(&made->config, &content, &arena);
    octo_raft_init(&made->raft, &made->config, made->wal, made->snapshots, &arena);
    octo_assert(arena.used == octo_node_bytes(config));
    *node = made;
    return OCTO_ERR_OK;
}

/* ---- Apply --------------------------------------------------------------------------------- */

struct outcome {
    enum octo_err status;
    const uint8_t *result;
    uint32_t size;
};

/* A kept result is copied: another command of the same session may be recorded over it before the
 * host has read the reply. */
static const uint8_t *result_copy(struct octo_step *step, const uint8_t *result, uint32_t size)
{
    uint8_t *copy = octo_step_bytes(step, size);

    if (size > 0)
        memcpy(copy, result, size);
    return copy;
}

static struct outcome command_execute(struct octo_node *node, struct octo_step *step,
                                      const struct octo_entry *entry)
{
    const uint32_t capacity = node->config.result_bytes_max;
    struct octo_buffer result = {.bytes = octo_step_bytes(step, capacity), .capacity = capacity};

    step->effects->machine->apply(&node->machine, entry->command, entry->size, &result);
    octo_assert(result.size <= capacity);
    octo_sessions_record(node->sessions, entry->client, entry->sequence, result.bytes, result.size);
    return (struct outcome){.result = result.bytes, .size = result.size};
}

/* Applies a command at most once, however often the log holds it (thesis 6.3). */
static struct outcome command_apply(struct octo_node *node, struct octo_step *step,
                                    const struct octo_entry *entry)
{
    struct outcome outcome = {.status = OCTO_ERR_OK};

    switch (octo_sessions_look(node->sessions, entry->client, entry->sequence, &outcome.result,
                               &outcome.size)) {
    case OCTO_SESSION_NEW:
        return command_execute(node, step, entry);
    case OCTO_SESSION_DUPLICATE:
        octo_step_mark(step, OCTO_MARK_DUPLICATE_COMMAND);
        outcome.result = result_copy(step, outcome.result, outcome.size);
        break;
    case OCTO_SESSION_STALE:
        octo_step_mark(step, OCTO_MARK_STALE_COMMAND);
        outcome.status = OCTO_ERR_STALE;
        break;
    case OCTO_SESSION_FULL:
        outcome.status = OCTO_ERR_SESSIONS_FULL;
        break;
    }
    return outcome;
}

static void entry_apply(struct octo_node *node, struct octo_step *step,
                        const struct octo_entry *entry)
{
    octo_step_trace(step, OCTO_TRACE_APPLY, entry->index, entry->term, entry->client,
                    entry->sequence);
    if (entry->kind != OCTO_ENTRY_COMMAND)
        return;
    const struct outcome outcome = command_apply(node, step, entry);

    /* Only who appended it in this term has a client waiting. */
    if (node->raft.role == OCTO_ROLE_LEADER && entry->term == octo_wal_term(node->wal))
        octo_step_reply(step, entry->client, entry->sequence, outcome.status, 0, outcome.result,
                        outcome.size);
}

/* Applies what is committed, a page at a time: `applied` alone says how far that came (B26). */
static void node_apply(struct octo_node *node, struct octo_step *step)
{
    const struct octo_log *log = octo_wal_log(node->wal);
    uint32_t count = 0;

    if (octo_snapshots_freezes(node->snapshots))
        return; /* until its bytes are out, or in */
    while (node->applied < node->raft.commit && count < node->config.apply_max) {
        struct octo_entry entry;
        const bool found = octo_log_entry(log, node->applied + 1, &entry);
        octo_assert(found);
        entry_apply(node, step, &entry);
        node->applied++;
        count++;
    }
    if (node->applied < node->raft.commit) {
        octo_step_mark(step, OCTO_MARK_APPLY_PAGED);
        octo_step_deadline(step, step->now);
    }
}

/* The step's last words: what is due on the disk, and when to come back. */
static void node_disk(struct octo_node *node, struct octo_step *step)
{
    octo_wal_flush(node->wal, step);
    octo_snapshots_drive(node->snapshots, step);
    if (node->applied < node->raft.commit && !octo_snapshots_freezes(node->snapshots))
        octo_step_deadline(step, step->now);
}

/* ---- Events -------------------------------------------------------------------------------- */

static void refuse(struct octo_step *step, enum octo_err err, enum octo_event_kind event)
{
    octo_step_trace(step, OCTO_TRACE_REFUSE, (uint64_t) - (int64_t)err, event, 0, 0);
}

static bool addressed(const struct octo_node *node, const struct octo_message *message)
{
    return message->to == node->config.node_id && message->from != node->config.node_id &&
           message->from <= node->config.node_count;
}

static void node_message(struct octo_node *node, struct octo_step *step,
                         const struct octo_event *event)
{
    struct octo_message message;

    if (node->raft.role == OCTO_ROLE_STARTING)
        return; /* as if it had been lost */
    enum octo_err err = octo_message_decode(event->message.bytes, event->message.size,
                                            node->config.cluster_id, &message);
    if (err == OCTO_ERR_OK && !addressed(node, &message))
        err = OCTO_ERR_IDENTITY;
    if (err == OCTO_ERR_OK)
        err = octo_raft_message(&node->raft, step, &message);
    if (err != OCTO_ERR_OK) { /* K5 */
        octo_step_mark(step, OCTO_MARK_MESSAGE_REFUSED);
        refuse(step, err, OCTO_EVENT_MESSAGE);
    }
}

static bool request_valid(const struct octo_node *node, const struct octo_event *event)
{
    return event->request.client != 0 && event->request.sequence != 0 &&
           event->request.size <= node->config.command_bytes_max;
}

/* A leader's answer to a valid request: at once from the session, or OCTO_ERR_OK with no result and
 * *appended when the answer will come with its application. */
static struct outcome request_judge(struct octo_node *node, struct octo_step *step,
                                    const struct octo_event *event, bool *appended)
{
    struct outcome outcome = {.status = OCTO_ERR_OK};

    switch (octo_sessions_look(node->sessions, event->request.client, event->request.sequence,
                               &outcome.result, &outcome.size)) {
    case OCTO_SESSION_NEW:
        break;
    case OCTO_SESSION_DUPLICATE:
        octo_step_mark(step, OCTO_MARK_DUPLICATE_COMMAND);
        outcome.result = result_copy(step, outcome.result, outcome.size);
        return outcome;
    case OCTO_SESSION_STALE:
        octo_step_mark(step, OCTO_MARK_STALE_COMMAND);
        outcome.status = OCTO_ERR_STALE;
        return outcome;
    case OCTO_SESSION_FULL:
        outcome.status = OCTO_ERR_SESSIONS_FULL;
        return outcome;
    }
    struct proposal *proposal = &node->proposals[event->request.client % PROPOSALS];
    const struct proposal asked = {
        .client = event->request.client,
        .sequence = event->request.sequence,
        .term = octo_wal_term(node->wal),
    };
    if (proposal->client == asked.client && proposal->sequence == asked.sequence &&
        proposal->term == asked.term) {
        octo_step_mark(step, OCTO_MARK_DUPLICATE_COMMAND);
        *appended = true;
        return outcome;
    }
    const struct octo_entry command = {
        .kind = OCTO_ENTRY_COMMAND,
        .client = event->request.client,
        .sequence = event->request.sequence,
        .command = event->request.command,
        .size = event->request.size,
    };
    outcome.status = octo_raft_propose(&node->raft, step, &command);
    *appended = outcome.status == OCTO_ERR_OK;
    if (*appended)
        *proposal = asked;
    if (outcome.status == OCTO_ERR_FULL)
        octo_step_mark(step, OCTO_MARK_LOG_FULL);
    return outcome;
}

static void node_request(struct octo_node *node, struct octo_step *step,
                         const struct octo_event *event)
{
    struct outcome outcome = {.status = OCTO_ERR_OK};
    bool appended = false;

    if (!request_valid(node, event)) {
        outcome.status = OCTO_ERR_RANGE;
        refuse(step, outcome.status, OCTO_EVENT_REQUEST);
    } else if (node->raft.role == OCTO_ROLE_STARTING) {
        outcome.status = OCTO_ERR_NOT_READY;
    } else if (octo_snapshots_restoring(node->snapshots)) { /* nor may the sessions be asked */
        outcome.status = OCTO_ERR_NOT_READY;
    } else if (node->raft.role != OCTO_ROLE_LEADER) {
        outcome.status = OCTO_ERR_NOT_LEADER;
    } else {
        outcome = request_judge(node, step, event, &appended);
    }
    if (appended)
        return;
    if (outcome.status != OCTO_ERR_OK)
        octo_step_mark(step, OCTO_MARK_REQUEST_REFUSED);
    const octo_node_id hint = outcome.status == OCTO_ERR_NOT_LEADER ? node->raft.leader : 0;
    octo_step_reply(step, event->request.client, event->request.sequence, outcome.status, hint,
                    outcome.result, outcome.size);
}

static void node_event(struct octo_node *node, struct octo_step *step,
                       const struct octo_event *event)
{
    switch (event->kind) {
    case OCTO_EVENT_BOOT:
        node->booted = true;
        node->seed = event->boot.seed;
        octo_wal_boot(node->wal, step, event->boot.format);
        break;
    case OCTO_EVENT_TIMER:
        if (node->raft.role != OCTO_ROLE_STARTING)
            octo_raft_timer(&node->raft, step);
        break;
    case OCTO_EVENT_MESSAGE:
        node_message(node, step, event);
        break;
    case OCTO_EVENT_DISK:
        if (!octo_wal_completion(node->wal, step, event))
            (void)octo_snapshots_completion(node->snapshots, step, event);
        break;
    case OCTO_EVENT_REQUEST:
        node_request(node, step, event);
        break;
    }
}

/* ---- The step ------------------------------------------------------------------------------ */

static void node_halt(struct octo_node *node, struct octo_step *step, enum octo_err reason)
{
    octo_raft_halt(&node->raft, step);
    octo_step_trace(step, OCTO_TRACE_HALT, (uint64_t) - (int64_t)reason, 0, 0, 0);
    octo_step_halt(step, reason);
    step->effects->deadline = OCTO_NEVER;
}

/* The log is read and durable. The machine has the state of the snapshot, if there is one, and
 * applies the log anew, as far as a leader says that it is committed. */
static void node_start(struct octo_node *node, struct octo_step *step)
{
    const struct octo_log *log = octo_wal_log(node->wal);

    node->applied = octo_snapshots_newest(node->snapshots)->position.index;
    octo_step_trace(step, OCTO_TRACE_READY, octo_wal_term(node->wal), octo_wal_vote(node->wal),
                    log->last, octo_log_sequence(log, log->last));
    octo_raft_start(&node->raft, step, node->seed);
    octo_assert(node->raft.commit >= node->applied);
}

/* Whether the log is usable, starting or halting the node when that has just changed. */
static bool node_running(struct octo_node *node, struct octo_step *step)
{
    if (octo_snapshots_stage(node->snapshots) == OCTO_SNAPSHOTS_FAILED) {
        node_halt(node, step, octo_snapshots_reason(node->snapshots));
        return false;
    }
    switch (octo_wal_stage(node->wal)) {
    case OCTO_WAL_READY:
        break;
    case OCTO_WAL_FAILED:
        node_halt(node, step, octo_wal_reason(node->wal));
        return false;
    case OCTO_WAL_WAITING:
        octo_node_snapshot_boot(node, step);
        node_disk(node, step);
        return false;
    case OCTO_WAL_IDLE:
    case OCTO_WAL_OPENING:
    case OCTO_WAL_RECOVERING:
        node_disk(node, step);
        return false;
    }
    if (node->raft.role != OCTO_ROLE_STARTING)
        return true;
    node_start(node, step);
    return true;
}

static struct octo_step step_begin(struct octo_node *node, const struct octo_event *event,
                                   struct octo_effects *effects)
{
    effects->count = 0;
    effects->bytes_used = 0;
    effects->deadline = OCTO_NEVER;
    octo_assert(event->now >= node->now);
    node->now = event->now;
    return (struct octo_step){
        .config = &node->config,
        .effects = effects,
        .now = event->now,
        .marks = node->marks,
        .next_op = &node->next_op,
        .directory = &node->directory,
    };
}

void octo_node_step(struct octo_node *node, const struct octo_event *event,
                    struct octo_effects *effects)
{
    struct octo_step step = step_begin(node, event, effects);

    if (node->raft.role == OCTO_ROLE_HALTED)
        return;
    octo_assert((event->kind == OCTO_EVENT_BOOT) != node->booted);
    node_event(node, &step, event);
    if (!node_running(node, &step))
        return;
    octo_node_snapshot_follow(node, &step);
    octo_raft_advance(&node->raft, &step);
    node_apply(node, &step);
    octo_node_snapshot_consider(node, &step);
    octo_raft_send(&node->raft, &step);
    node_disk(node, &step);
    octo_raft_check(&node->raft);
}

/* ---- The declared view --------------------------------------------------------------------- */

const char *octo_role_text(enum octo_role role)
{
    switch (role) {
    case OCTO_ROLE_STARTING:
        return "starting";
    case OCTO_ROLE_FOLLOWER:
        return "follower";
    case OCTO_ROLE_PRE_CANDIDATE:
        return "pre-candidate";
    case OCTO_ROLE_CANDIDATE:
        return "candidate";
    case OCTO_ROLE_LEADER:
        return "leader";
    case OCTO_ROLE_HALTED:
        return "halted";
    }
    return "unknown";
}

void octo_node_look(const struct octo_node *node, struct octo_node_view *view)
{
    *view = (struct octo_node_view){.role = node->raft.role};
    if (node->raft.role == OCTO_ROLE_STARTING)
        return; /* what is in memory so far is not believed yet */
    view->term = octo_wal_term(node->wal);
    view->vote = octo_wal_vote(node->wal);
    view->leader = node->raft.leader;
    view->base = octo_wal_log(node->wal)->base.index;
    view->base_term = octo_wal_log(node->wal)->base.term;
    view->base_chain = octo_wal_log(node->wal)->base.chain;
    view->last = octo_wal_last(node->wal);
    view->durable = octo_wal_durable(node->wal);
    view->commit = node->raft.commit;
    view->applied = node->applied;
    view->snapshot = octo_snapshots_newest(node->snapshots)->position.index;
    struct octo_position floor;
    if (octo_wal_floor(node->wal, &floor)) {
        view->floor_term = floor.term;
        view->floor_index = floor.index;
    }
}

bool octo_node_entry(const struct octo_node *node, octo_index index, struct octo_entry *entry)
{
    if (node->raft.role == OCTO_ROLE_STARTING || index > octo_wal_last(node->wal))
        return false;
    return octo_log_entry(octo_wal_log(node->wal), index, entry);
}

uint64_t octo_node_digest(const struct octo_node *node, const struct octo_machine *machine)
{
    if (node->raft.role == OCTO_ROLE_STARTING || node->raft.role == OCTO_ROLE_HALTED)
        return 0;
    if (octo_snapshots_restoring(node->snapshots))
        return 0;
    return machine->digest(&node->machine);
}

const uint32_t *octo_node_marks(const struct octo_node *node)
{
    return node->marks;
}

void octo_node_check(const struct octo_node *node)
{
    octo_wal_check(node->wal);
    if (node->raft.role == OCTO_ROLE_STARTING || node->raft.role == OCTO_ROLE_HALTED)
        return;
    octo_raft_check(&node->raft);
    octo_snapshots_check(node->snapshots);
    octo_sessions_check(node->sessions);
    octo_assert(node->applied <= node->raft.commit);

    const struct octo_log *log = octo_wal_log(node->wal);
    octo_term term = log->base.term;
    uint64_t chain = log->base.chain;
    for (octo_index index = log->base.index + 1; index <= log->last; index++) {
        struct octo_entry entry;
        const bool found = octo_log_entry(log, index, &entry);
        octo_assert(found);
        octo_assert(entry.term >= term);
        octo_assert(entry.chain == octo_entry_chain(chain, &entry));
        term = entry.term;
        chain = entry.chain;
    }
}
