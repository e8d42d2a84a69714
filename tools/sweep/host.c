/* Hosts: nodes, what they ask for, and what strikes their disks. */
#include "tools/sweep/sweep.h"

#include <stdarg.h>
#include <stdlib.h>

#define NETWORK_NS    (200 * 1000ull)
#define RESTART_NS    (20 * OCTO_MS)
#define HALT_PAUSE_NS (200 * OCTO_MS) /* a supervisor waits before it starts a halted node anew */
#define HALTS_MAX     3u              /* in a row, then it stays out */
#define WINDOW_NS     (300 * OCTO_MS)
#define SCRATCH_BYTES 65536u

struct sweep_op sweep_ops[SWEEP_OPS_MAX];
uint32_t sweep_op_count;
FILE *sweep_trace;
jmp_buf *sweep_jump;
char sweep_assert_text[SWEEP_TEXT_BYTES];

static struct octo_effects effects; /* of the step that is being executed */
static bool apart;                  /* something was executed since the last disk operation */

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    snprintf(sweep_assert_text, sizeof sweep_assert_text, "%s (%s:%d)", expression, file, line);
    if (sweep_jump != NULL)
        longjmp(*sweep_jump, 1);
    fprintf(stderr, "octo-sweep: assertion failed: %s\n", sweep_assert_text);
    exit(3);
}

/* ---- The trace ------------------------------------------------------------------------------- */

void sweep_say(const struct sweep_world *world, octo_node_id node, const char *format, ...)
{
    va_list list;

    if (sweep_trace == NULL)
        return;
    fprintf(sweep_trace, "%9llu.%03llu n%u ", (unsigned long long)(world->now / 1000),
            (unsigned long long)(world->now % 1000), node);
    va_start(list, format);
    vfprintf(sweep_trace, format, list);
    va_end(list);
    fputc('\n', sweep_trace);
}

const char *sweep_op_text(const struct octo_disk_op *op)
{
    static char text[128];
    int used = snprintf(text, sizeof text, "%s", octo_disk_kind_text(op->kind));

    if (op->kind == OCTO_DISK_DIR_SYNC)
        return text;
    used += snprintf(text + used, sizeof text - (size_t)used, " %s-%u",
                     octo_file_kind_text(op->file.kind), op->file.number);
    if (op->kind == OCTO_DISK_RENAME)
        (void)snprintf(text + used, sizeof text - (size_t)used, " to %s-%u",
                       octo_file_kind_text(op->target.kind), op->target.number);
    else if (op->kind == OCTO_DISK_READ || op->kind == OCTO_DISK_WRITE ||
             op->kind == OCTO_DISK_ALLOCATE)
        (void)snprintf(text + used, sizeof text - (size_t)used, " [%llu, %llu)",
                       (unsigned long long)op->offset, (unsigned long long)op->offset + op->length);
    return text;
}

static void say_trace(const struct sweep_world *world, octo_node_id id,
                      const struct octo_trace *trace)
{
    char text[160];
    int used = 0;

    if (sweep_trace == NULL)
        return;
    text[0] = '\0';
    for (uint32_t word = 0; word < 4; word++) {
        const char *name = octo_trace_word_text(trace->kind, word);
        if (name[0] != '\0' && used < (int)sizeof text - 48)
            used += snprintf(text + used, sizeof text - (size_t)used, " %s=%llu", name,
                             (unsigned long long)trace->words[word]);
    }
    sweep_say(world, id, "%s%s", octo_trace_text(trace->kind), text);
}

static void say_message(const struct sweep_world *world, octo_node_id id, const char *verb,
                        const uint8_t *bytes, uint32_t size)
{
    struct octo_message message;
    char text[256];

    if (sweep_trace == NULL || octo_message_decode(bytes, size, 1, &message) != OCTO_ERR_OK)
        return;
    (void)octo_message_text(&message, text, sizeof text);
    sweep_say(world, id, "%s n%u -> n%u term=%llu %s", verb, message.from, message.to,
              (unsigned long long)message.term, text);
}

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t latency(const struct octo_disk_question *question)
{
    const uint64_t later = question->file.kind == OCTO_FILE_RECOVERY ? 7000 : 0;

    switch (question->op) {
    case OCTO_DISK_SYNC:
        return 100000 + later;
    case OCTO_DISK_DIR_SYNC:
        return 80000;
    default:
        return 25000 + later;
    }
}

static uint64_t unsynced_sector(enum sweep_unsynced unsynced, uint64_t sector)
{
    switch (unsynced) {
    case SWEEP_KEPT:
        return 1;
    case SWEEP_LOST:
        return 0;
    case SWEEP_EVEN:
        return sector % 2 == 0;
    case SWEEP_ODD:
        return sector % 2 == 1;
    case SWEEP_TORN:
        return 33;
    case SWEEP_GARBAGE:
        return 65 + octo_mix(sector) / 2;
    }
    return 0;
}

static uint64_t ask(void *context, const struct octo_disk_question *question)
{
    struct sweep_world *world = context;

    switch (question->kind) {
    case OCTO_CHANCE_LATENCY:
        return latency(question);
    case OCTO_CHANCE_CRASH_SECTOR:
        return unsynced_sector(world->crash->unsynced, question->occurrence);
    case OCTO_CHANCE_CRASH_ENTRY:
        return world->crash->entries;
    case OCTO_CHANCE_CRASH_SIZE:
        return world->crash->size;
    case OCTO_CHANCE_NONE:
    case OCTO_CHANCE_READ_ERROR:
    case OCTO_CHANCE_WRITE_ERROR:
    case OCTO_CHANCE_SYNC_ERROR:
    case OCTO_CHANCE_SHORT_READ:
    case OCTO_CHANCE_NO_SPACE:
    case OCTO_CHANCE_LOST_WRITE:
    case OCTO_CHANCE_MISDIRECTED_WRITE:
    case OCTO_CHANCE_MISDIRECTED_READ:
    case OCTO_CHANCE_COUNT:
        break;
    }
    world->asked |= 1u << question->kind;
    return world->armed != NULL && world->armed->chance == question->kind ? world->armed->answer
                                                                          : 0;
}

static struct octo_disk_host disk_host(struct sweep_world *world)
{
    return (struct octo_disk_host){.context = world, .ask = ask};
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

static void host_stop(struct sweep_host *host)
{
    const uint32_t *marks = octo_node_marks(host->node);

    for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++)
        host->marks[i] += marks[i];
    host->up = false;
    host->deadline = OCTO_NEVER;
    host->ready_by = OCTO_NEVER;
    host->pending_count = 0;
}

void sweep_host_crash(struct sweep_world *world, struct sweep_host *host,
                      const struct sweep_crash *crash)
{
    const struct octo_disk_host chance = disk_host(world);

    sweep_say(world, host->id, "%s: %s", crash->power ? "power loss" : "kill", crash->text);
    if (host->up)
        host_stop(host);
    if (crash->power) {
        world->crash = crash;
        octo_simdisk_power_loss(host->disk, &chance);
        world->crash = NULL;
        world->crashes++;
    } else {
        octo_simdisk_kill(host->disk);
        world->kills++;
    }
    host->boot_at = host->dead ? OCTO_NEVER : world->now + RESTART_NS;
}

static void host_halt(struct sweep_world *world, struct sweep_host *host, enum octo_err reason)
{
    sweep_say(world, host->id, "halt: %s", octo_err_text(reason));
    host_stop(host);
    octo_simdisk_kill(host->disk);
    world->halts++;
    host->halts++;
    host->halt_reason = reason;
    host->dead = host->halts >= HALTS_MAX;
    host->boot_at = host->dead ? OCTO_NEVER : world->now + HALT_PAUSE_NS;
    if (host->dead && !world->may_stay_out)
        sweep_judge_break(world, SWEEP_BROKEN, "n%u halts at every start: %s", host->id,
                          octo_err_text(reason));
}

void sweep_host_boot(struct sweep_world *world, struct sweep_host *host)
{
    struct octo_event event = {.kind = OCTO_EVENT_BOOT};

    host->boot_at = OCTO_NEVER;
    host->incarnation++;
    world->restarts++;
    const enum octo_err err =
        octo_node_init(host->block, octo_node_bytes(&host->config), &host->config, &host->node);
    octo_assert(err == OCTO_ERR_OK);
    host->up = true;
    host->recovering = false;
    host->ready_by = world->now + SWEEP_READY_NS;
    event.boot.seed = host->id * 1000u + host->incarnation;
    event.boot.format = !host->formatted;
    sweep_say(world, host->id, "boot%s", event.boot.format ? " (format)" : "");
    sweep_host_step(world, host, &event);
}

/* ---- Executing effects ----------------------------------------------------------------------- */

static const struct sweep_strike *strike_due(const struct sweep_world *world,
                                             const struct sweep_host *host)
{
    if (world->strike_next >= world->strike_count)
        return NULL;
    const struct sweep_strike *strike = &world->strikes[world->strike_next];
    return strike->node == host->id && strike->op == host->ops ? strike : NULL;
}

static void op_record(const struct sweep_host *host, const struct octo_disk_op *op, uint32_t asked)
{
    if (sweep_op_count == SWEEP_OPS_MAX)
        return;
    sweep_ops[sweep_op_count++] = (struct sweep_op){
        .node = host->id, .number = host->ops, .op = *op, .asked = asked, .apart = apart};
}

static void op_submit(struct sweep_world *world, struct sweep_host *host,
                      const struct octo_disk_op *op)
{
    const struct octo_disk_host chance = disk_host(world);
    uint32_t slot;

    world->asked = 0;
    const octo_time_ns after = octo_simdisk_submit(host->disk, op, &chance, &slot);
    octo_assert(after != 0);
    octo_assert(host->pending_count < SWEEP_PENDING_MAX);
    host->pending[host->pending_count++] = (struct sweep_pending){
        .at = world->now + after,
        .order = world->order++,
        .slot = slot,
        .kind = op->kind,
        .file = op->file,
    };
    op_record(host, op, world->asked);
    apart = false;
}

/* Returns false if the node is gone. */
static bool execute_disk(struct sweep_world *world, struct sweep_host *host,
                         const struct octo_disk_op *op)
{
    host->ops++;
    const struct sweep_strike *strike = strike_due(world, host);
    if (strike != NULL) {
        sweep_say(world, host->id, "---- strikes at operation %llu ----",
                  (unsigned long long)host->ops);
        world->strike_next++;
    }
    if (strike != NULL && strike->kind == SWEEP_STRIKE_BEFORE) {
        sweep_host_crash(world, host, strike->crash);
        return false;
    }
    if (strike != NULL && strike->kind == SWEEP_STRIKE_WINDOW) {
        world->window = *strike;
        world->window_end = world->now + WINDOW_NS;
    }
    if (strike != NULL && strike->kind == SWEEP_STRIKE_FAULT)
        world->armed = strike;
    else if (world->now < world->window_end && world->window.node == host->id)
        world->armed = &world->window;
    if (sweep_trace != NULL)
        sweep_say(world, host->id, "op %llu %s%s", (unsigned long long)host->ops, sweep_op_text(op),
                  world->armed != NULL ? " (armed)" : "");
    op_submit(world, host, op);
    world->armed = NULL;
    if (strike != NULL && strike->kind == SWEEP_STRIKE_AFTER) {
        sweep_host_crash(world, host, strike->crash);
        return false;
    }
    return true;
}

static void execute_send(struct sweep_world *world, const struct sweep_host *from,
                         const struct octo_effect *effect)
{
    struct sweep_network *network = &world->network;
    const uint32_t size = effect->send.size;

    say_message(world, from->id, "send", effect->send.bytes, size);
    if (from->cut || world->hosts[effect->send.to - 1].cut)
        return;
    if (network->first > 0 && (network->first + network->count == SWEEP_MESSAGES_MAX ||
                               network->used + size > SWEEP_WIRE_BYTES)) {
        const uint32_t gone =
            network->count == 0 ? network->used : network->messages[network->first].offset;
        memmove(network->bytes, network->bytes + gone, network->used - gone);
        memmove(network->messages, network->messages + network->first,
                network->count * sizeof network->messages[0]);
        for (uint32_t i = 0; i < network->count; i++)
            network->messages[i].offset -= gone;
        network->first = 0;
        network->used -= gone;
    }
    if (network->first + network->count == SWEEP_MESSAGES_MAX ||
        network->used + size > SWEEP_WIRE_BYTES)
        return; /* lost: messages may be */
    memcpy(network->bytes + network->used, effect->send.bytes, size);
    network->messages[network->first + network->count++] = (struct sweep_message){
        .at = world->now + NETWORK_NS,
        .from = from->id,
        .to = effect->send.to,
        .offset = network->used,
        .size = size,
    };
    network->used += size;
}

static void execute(struct sweep_world *world, struct sweep_host *host)
{
    for (uint32_t i = 0; i < effects.count; i++) {
        const struct octo_effect *effect = &effects.items[i];
        switch (effect->kind) {
        case OCTO_EFFECT_SEND:
            execute_send(world, host, effect);
            apart = true;
            break;
        case OCTO_EFFECT_DISK:
            if (!execute_disk(world, host, &effect->disk))
                return;
            break;
        case OCTO_EFFECT_REPLY:
            sweep_script_reply(world, host->id, effect);
            apart = true;
            break;
        case OCTO_EFFECT_TRACE:
            say_trace(world, host->id, &effect->trace);
            break;
        case OCTO_EFFECT_HALT:
            host_halt(world, host, effect->halt.reason);
            return;
        }
    }
}

void sweep_host_step(struct sweep_world *world, struct sweep_host *host, struct octo_event *event)
{
    event->now = world->now;
    octo_node_step(host->node, event, &effects);
    host->deadline = effects.deadline;
    apart = true;
    sweep_judge_step(world, host, &effects);
    execute(world, host);
}

void sweep_host_complete(struct sweep_world *world, struct sweep_host *host, uint32_t at)
{
    static uint8_t scratch[SCRATCH_BYTES];
    const struct octo_disk_host chance = disk_host(world);
    const struct sweep_pending pending = host->pending[at];
    struct octo_event event;

    memset(&event, 0, sizeof event);
    host->pending[at] = host->pending[--host->pending_count];
    octo_simdisk_complete(host->disk, pending.slot, &chance, scratch, sizeof scratch, &event);
    if (sweep_trace != NULL)
        sweep_say(world, host->id, "done %s %s-%u: %s, %u bytes", octo_disk_kind_text(pending.kind),
                  octo_file_kind_text(pending.file.kind), pending.file.number,
                  octo_err_text(event.disk.result), event.disk.length);
    sweep_host_step(world, host, &event);
}

/* The effects are nobody's state: their buffers are outside the world, and shared. */
void sweep_effects_create(const struct octo_config *config)
{
    static struct octo_effect items[512];
    static uint8_t bytes[1u << 18];
    uint32_t items_needed;
    uint32_t bytes_needed;

    octo_effects_limits(config, &items_needed, &bytes_needed);
    octo_assert(items_needed <= sizeof items / sizeof items[0]);
    octo_assert(bytes_needed <= sizeof bytes);
    effects = (struct octo_effects){.items = items,
                                    .capacity = sizeof items / sizeof items[0],
                                    .bytes = bytes,
                                    .bytes_capacity = sizeof bytes,
                                    .machine = &octo_machine_kv};
}
