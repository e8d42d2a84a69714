/* The calls of oracle.h, and the order in which the properties are judged. */
#include "oracle/oracle_state.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- Verdict ------------------------------------------------------------------------------- */

static void why_write(char why[OCTO_WHY_BYTES], const char *format, va_list arguments)
{
    /* clang-tidy 14 overlooks va_start once it has seen other files in the same run.
     * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(why, OCTO_WHY_BYTES, format, arguments);
}

static void verdict_break(struct octo_oracles *oracles, enum octo_property property, uint64_t event,
                          const char *format, va_list arguments)
{
    struct octo_verdict *verdict = &oracles->verdict;

    octo_assert(property != OCTO_PROPERTY_NONE);
    if (verdict->property != OCTO_PROPERTY_NONE || !oracle_judges(oracles, property))
        return; /* the first one counts */
    verdict->property = property;
    verdict->event = event;
    why_write(verdict->why, format, arguments);
    oracles->stopped = true;
}

void octo_oracles_break(struct octo_oracles *oracles, enum octo_property property, uint64_t event,
                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    verdict_break(oracles, property, event, format, arguments);
    va_end(arguments);
}

void oracle_break(struct octo_oracles *oracles, enum octo_property property, const char *format,
                  ...)
{
    va_list arguments;

    va_start(arguments, format);
    verdict_break(oracles, property, oracles->event, format, arguments);
    va_end(arguments);
}

void oracle_undecided(struct octo_oracles *oracles, const char *format, ...)
{
    struct octo_verdict *verdict = &oracles->verdict;
    va_list arguments;

    if (verdict->undecided)
        return;
    verdict->undecided = true;
    va_start(arguments, format);
    why_write(verdict->undecided_why, format, arguments);
    va_end(arguments);
}

static bool holds(const struct octo_oracles *oracles)
{
    return oracles->verdict.property == OCTO_PROPERTY_NONE;
}

const struct octo_verdict *octo_oracles_verdict(const struct octo_oracles *oracles)
{
    return &oracles->verdict;
}

octo_index octo_oracles_committed(const struct octo_oracles *oracles)
{
    return oracles->committed_count;
}

/* ---- Creation ------------------------------------------------------------------------------ */

static bool node_create(struct octo_oracles *oracles, octo_node_id id)
{
    struct oracle_node *node = &oracles->nodes[id];

    node->id = id;
    return oracle_table_init(oracles, &node->log.slots, sizeof(struct oracle_slot),
                             oracles->config.index_max) &&
           oracle_image_init(oracles, node);
}

struct octo_oracles *octo_oracles_create(struct octo_arena *arena,
                                         const struct octo_oracles_config *config)
{
    struct octo_oracles *oracles = octo_arena_alloc(arena, sizeof *oracles);

    octo_assert(config->node_count >= 1);
    octo_assert(config->node_count <= OCTO_NODES_MAX);
    octo_assert((config->unjudged & ~OCTO_PROPERTIES_OPTIONAL) == 0);
    if (oracles == NULL)
        return NULL;
    memset(oracles, 0, sizeof *oracles);
    oracles->arena = arena;
    oracles->config = *config;
    if (config->index_max == 0)
        oracles->config.index_max = config->log_entries_max;
    const uint32_t index_max = oracles->config.index_max;
    if (!oracle_table_init(oracles, &oracles->scratch.merged.log.slots, sizeof(struct oracle_slot),
                           index_max))
        return NULL;
    if (!oracle_table_init(oracles, &oracles->positions, sizeof(struct oracle_position),
                           index_max) ||
        !oracle_table_init(oracles, &oracles->committed, sizeof(struct oracle_committed),
                           index_max) ||
        !oracle_table_init(oracles, &oracles->operations, sizeof(struct oracle_operation),
                           config->operations_max))
        return NULL;
    for (octo_node_id id = 1; id <= config->node_count; id++) {
        if (!node_create(oracles, id))
            return NULL;
    }
    return oracles;
}

/* ---- One step ------------------------------------------------------------------------------ */

/* What a first look at the effects found. */
struct findings {
    octo_index log_from;                /* the log changed from here on; 0: it did not */
    const struct octo_trace *ready;     /* NULL: none */
    const struct octo_trace *installed; /* a snapshot became its state; NULL: none */
    bool closer;                        /* there is something for a second look */
};

static bool send_is_promise(const struct octo_effect *effect)
{
    const uint8_t type = effect->send.size > ORACLE_MESSAGE_FIELDS
                             ? effect->send.bytes[ORACLE_MESSAGE_TYPE]
                             : (uint8_t)OCTO_MESSAGE_NONE;

    return type == OCTO_MESSAGE_VOTE_REQUEST || type == OCTO_MESSAGE_VOTE_RESPONSE ||
           type == OCTO_MESSAGE_APPEND_RESPONSE || type == OCTO_MESSAGE_SNAPSHOT_RESPONSE;
}

static void trace_find(struct findings *found, struct oracle_step *step,
                       const struct octo_trace *trace)
{
    switch ((enum octo_trace_kind)trace->kind) {
    case OCTO_TRACE_READY:
        found->ready = trace;
        break;
    case OCTO_TRACE_APPEND:
    case OCTO_TRACE_TRUNCATE:
        if (found->log_from == 0 || trace->words[0] < found->log_from)
            found->log_from = trace->words[0];
        break;
    case OCTO_TRACE_APPLY:
    case OCTO_TRACE_DURABLE:
    case OCTO_TRACE_SNAPSHOT_SAVED:
        found->closer = true;
        break;
    case OCTO_TRACE_SNAPSHOT_INSTALLED:
        found->installed = trace;
        found->closer = true;
        break;
    case OCTO_TRACE_REFUSE:
        step->refused = trace->words[0];
        break;
    case OCTO_TRACE_NONE:
    case OCTO_TRACE_ROLE:
    case OCTO_TRACE_TERM:
    case OCTO_TRACE_VOTE_SAVED:
    case OCTO_TRACE_VOTE_RECEIVED:
    case OCTO_TRACE_COMMIT:
    case OCTO_TRACE_DISK_ERROR:
    case OCTO_TRACE_HALT:
    case OCTO_TRACE_RECOVERING:
    case OCTO_TRACE_RECOVERED:
    case OCTO_TRACE_SEGMENT:
    case OCTO_TRACE_NO_SPACE:
    case OCTO_TRACE_COMPACT:
    case OCTO_TRACE_SNAPSHOT_BEGUN:
    case OCTO_TRACE_SNAPSHOT_FAILED:
    case OCTO_TRACE_COUNT:
        break;
    }
}

static struct findings effects_look(struct oracle_step *step)
{
    const struct octo_effects *effects = step->seen->effects;
    struct findings found = {.log_from = 0};

    for (uint32_t i = 0; i < effects->count; i++) {
        const struct octo_effect *effect = &effects->items[i];
        if (effect->kind == OCTO_EFFECT_TRACE)
            trace_find(&found, step, &effect->trace);
        else if (effect->kind == OCTO_EFFECT_SEND)
            found.closer = found.closer || send_is_promise(effect);
        else if (effect->kind == OCTO_EFFECT_REPLY)
            found.closer = found.closer || effect->reply.status == OCTO_ERR_OK;
    }
    return found;
}

static void trace_look_closer(struct octo_oracles *oracles, const struct oracle_step *step,
                              const struct octo_trace *trace)
{
    if (trace->kind == OCTO_TRACE_APPLY)
        oracle_apply(oracles, step, trace);
    else if (trace->kind == OCTO_TRACE_DURABLE)
        oracle_durable(oracles, step, trace->words[0]);
    else if (trace->kind == OCTO_TRACE_SNAPSHOT_SAVED)
        oracle_snapshot_saved(oracles, step, trace);
    else if (trace->kind == OCTO_TRACE_SNAPSHOT_INSTALLED)
        oracle_snapshot_installed(oracles, step, trace);
}

static void effects_look_closer(struct octo_oracles *oracles, const struct oracle_step *step)
{
    const struct octo_effects *effects = step->seen->effects;

    for (uint32_t i = 0; i < effects->count && !oracles->stopped; i++) {
        const struct octo_effect *effect = &effects->items[i];
        if (effect->kind == OCTO_EFFECT_TRACE)
            trace_look_closer(oracles, step, &effect->trace);
        else if (effect->kind == OCTO_EFFECT_SEND && send_is_promise(effect))
            oracle_send(oracles, step, effect);
        else if (effect->kind == OCTO_EFFECT_REPLY && effect->reply.status == OCTO_ERR_OK)
            oracle_reply(oracles, step, effect->reply.client, effect->reply.sequence);
    }
}

/* The process that was is gone; its promises stay. */
static void node_stop(struct oracle_node *node)
{
    node->ready = false;
    node->leading = false;
    node->led = 0;
    node->term = 0;
    node->voted = 0;
    node->commit = 0;
    node->applied = 0;
    node->verified_term = 0;
    node->floor_term = 0;
    node->floor_index = 0;
    oracle_log_restart(&node->log, &(struct oracle_point){.index = 0});
}

/* A log that changed no longer holds what was promised of it: on a leader's order, or leader.c and
 * durable_ack.c object. */
static void promise_shorten(struct octo_oracles *oracles, struct oracle_node *node, octo_index from)
{
    if (node->acked >= from && !oracle_log_has(&node->log, node->acked, node->acked_chain))
        oracle_promise_move(oracles, node, from - 1);
}

/* All of the log is new; what was promised of it is not. */
static void node_ready(struct octo_oracles *oracles, const struct oracle_step *step,
                       const struct octo_trace *ready)
{
    struct oracle_node *node = step->node;

    node->ready = true;
    oracle_log_base(oracles, step, true);
    if (!oracles->stopped)
        oracle_snapshot_restored(oracles, step);
    if (!oracles->stopped)
        oracle_log_read(oracles, step, node->log.base.index + 1);
    if (!oracles->stopped)
        oracle_promises_remembered(oracles, step, ready);
    if (!oracles->stopped)
        oracle_predicted(oracles, step, ready);
}

static void log_follow(struct octo_oracles *oracles, const struct oracle_step *step,
                       const struct findings *found)
{
    struct oracle_node *node = step->node;
    octo_index from = found->log_from;

    if (found->ready != NULL) {
        node_ready(oracles, step, found->ready);
        return;
    }
    const octo_index replaced = oracle_log_base(oracles, step, false);
    if (oracles->stopped)
        return;
    /* The snapshot that it stands on is durable; one that a leader sent is promised later. */
    if (node->acked < node->log.base.index && step->view.durable >= node->log.base.index)
        oracle_promise_move(oracles, node, node->log.base.index);
    if (replaced != 0) {
        oracle_log_read(oracles, step, replaced);
        if (!oracles->stopped)
            promise_shorten(oracles, node, replaced);
        return;
    }
    if (from == 0 && step->view.last != node->log.last) /* a change that nobody told */
        from = octo_min_u64(step->view.last, node->log.last) + 1;
    if (from == 0)
        return;
    from = octo_max_u64(octo_min_u64(from, node->log.last + 1), node->log.base.index + 1);
    oracle_log_changes(oracles, step, from);
    if (oracles->stopped)
        return;
    oracle_log_read(oracles, step, from);
    if (!oracles->stopped)
        promise_shorten(oracles, node, from);
}

static void role_follow(struct octo_oracles *oracles, const struct oracle_step *step)
{
    struct oracle_node *node = step->node;
    const bool leads = step->view.role == OCTO_ROLE_LEADER;

    if (step->view.term < node->term) {
        oracle_break(oracles, OCTO_PROPERTY_VOTE_ONCE,
                     "n%u goes back from term %" PRIu64 " to term %" PRIu64, node->id, node->term,
                     step->view.term);
        return;
    }
    if (leads && (!node->leading || node->term != step->view.term)) {
        node->led = step->view.term;
        oracle_elected(oracles, step);
        if (!oracles->stopped)
            oracle_leader_complete(oracles, step);
    }
}

/* What a message that the node took means for what it may do. */
static void message_follow(struct octo_oracles *oracles, const struct oracle_step *step)
{
    const struct oracle_node *node = step->node;
    const uint8_t *bytes = step->seen->input->message.bytes;
    const uint32_t size = step->seen->input->message.size;

    if (size >= ORACLE_REQUEST_BYTES && bytes[ORACLE_MESSAGE_TYPE] == OCTO_MESSAGE_APPEND_REQUEST)
        oracle_verify(step);
    if (size < ORACLE_VOTE_BYTES || bytes[ORACLE_MESSAGE_TYPE] != OCTO_MESSAGE_VOTE_REQUEST)
        return;
    const bool decided = node->term != step->view.term || node->voted != step->view.vote;
    if (decided && step->view.vote == octo_get_u32(bytes + ORACLE_MESSAGE_FROM))
        oracle_voter_decides(oracles, step, bytes);
}

static void node_follow(struct octo_oracles *oracles, const struct oracle_step *step,
                        const struct findings *found)
{
    struct oracle_node *node = step->node;

    log_follow(oracles, step, found);
    if (!oracles->stopped)
        oracle_floor_follow(oracles, step);
    if (oracles->stopped)
        return;
    if (found->installed != NULL) /* a leader of this term has sent it */
        oracle_verified(node, step->view.term, found->installed->words[0]);
    if (step->seen->input->kind == OCTO_EVENT_MESSAGE)
        message_follow(oracles, step);
    role_follow(oracles, step);
    if (oracles->stopped)
        return;
    oracle_commit(oracles, step, found->ready != NULL);
    node->term = step->view.term;
    node->voted = step->view.vote;
    node->leading = step->view.role == OCTO_ROLE_LEADER;
}

bool octo_oracles_step(struct octo_oracles *oracles, const struct octo_observation *observation,
                       const struct octo_images *images)
{
    octo_assert(observation->node_id >= 1);
    octo_assert(observation->node_id <= oracles->config.node_count);
    struct oracle_step step = {
        .seen = observation,
        .images = images,
        .node = &oracles->nodes[observation->node_id],
    };

    if (oracles->stopped)
        return holds(oracles);
    oracles->event = observation->event;
    if (observation->input->kind == OCTO_EVENT_BOOT)
        node_stop(step.node);
    const struct findings found = effects_look(&step);
    octo_node_look(observation->node, &step.view);
    if (step.node->ready || found.ready != NULL)
        node_follow(oracles, &step, &found);
    if (found.closer && !oracles->stopped)
        effects_look_closer(oracles, &step);
    if (step.node->ready && !oracles->stopped)
        oracle_applied(oracles, &step);
    return holds(oracles);
}

/* ---- Disks and crashes --------------------------------------------------------------------- */

void octo_oracles_durable(struct octo_oracles *oracles, octo_node_id node, struct octo_file file,
                          uint64_t offset, uint64_t length, const struct octo_images *images)
{
    octo_assert(node >= 1);
    octo_assert(node <= oracles->config.node_count);
    oracle_image_changed(&oracles->nodes[node], file, offset, length, images);
}

#if defined(__SANITIZE_ADDRESS__)
#define THOROUGH true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define THOROUGH true
#endif
#endif
#if !defined(THOROUGH)
#define THOROUGH false
#endif

bool oracle_thorough(const struct octo_oracles *oracles, octo_node_id id)
{
    return THOROUGH || id == 1 + oracles->event % oracles->config.node_count;
}

/* Judges the durable image of a node, after reading it as a whole if `whole`; gives what a start
 * would find in it. */
static struct oracle_found image_judge(struct octo_oracles *oracles, struct oracle_node *node,
                                       bool whole, const struct octo_images *images)
{
    struct oracle_found found = {.marker = {.found = false}};

    if (node->wiped) /* another disk, which nobody may rely on */
        return found;
    oracle_image_refresh(oracles, node, images);
    if (!oracles->stopped && whole) {
        oracle_image_compare(oracles, node, images);
        node->image.decoded = node->image.topics[0].accepted;
    }
    node->image.ballot_dirty = true;
    oracle_image_ballot(oracles, node, images);
    if (!oracles->stopped)
        found = oracle_image_found(oracles, node, images);
    if (!oracles->stopped)
        oracle_promises_kept(oracles, node, &found);
    return found;
}

/* After a crash the image is read as a whole if much came up since the last time: many crashes then
 * cost no more than one long log. */
static bool image_grown(const struct oracle_node *node)
{
    return THOROUGH || node->image.topics[0].accepted >= 2 * node->image.decoded;
}

bool octo_oracles_crash(struct octo_oracles *oracles, octo_node_id id, uint64_t event,
                        bool power_loss, bool lies, const struct octo_images *images)
{
    octo_assert(id >= 1);
    octo_assert(id <= oracles->config.node_count);
    struct oracle_node *node = &oracles->nodes[id];

    if (oracles->stopped)
        return holds(oracles);
    oracles->event = event;
    const bool was_ready = node->ready;
    node->lied = node->lied || lies;
    node_stop(node);
    const struct oracle_found found = image_judge(oracles, node, image_grown(node), images);
    if (!oracles->stopped)
        oracle_predict(node, was_ready, power_loss, lies, &found);
    return holds(oracles);
}

/* ---- The end ------------------------------------------------------------------------------- */

bool octo_oracles_finish(struct octo_oracles *oracles, uint64_t event,
                         const struct octo_node *const *nodes, const struct octo_images *images)
{
    uint64_t digest = 0;

    if (oracles->stopped)
        return holds(oracles);
    oracles->event = event;
    for (octo_node_id id = 1; id <= oracles->config.node_count && !oracles->stopped; id++)
        image_judge(oracles, &oracles->nodes[id], oracle_thorough(oracles, id), images);
    if (oracles->stopped)
        return holds(oracles);
    const bool replayed = oracle_replay(oracles, *oracles->arena, &digest);
    if (!oracles->stopped)
        oracle_convergence(oracles, nodes, replayed ? &digest : NULL);
    return holds(oracles);
}
