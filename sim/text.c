/* The trace as text: one line for each event, effect and fault, in fixed columns (docs/trace.md),
 * and the picture of one node. */
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES   512u
#define DUMP_ENTRIES 16u

/* The watcher is no part of a world: one per thread, for one world. */
static _Thread_local const struct octo_world *watched;
static _Thread_local struct octo_watch watcher;

struct line {
    char text[LINE_BYTES];
    uint32_t size;
};

void octo_world_watch(struct octo_world *world, const struct octo_watch *watch)
{
    if (watch != NULL) {
        watched = world;
        watcher = *watch;
    } else if (watched == world) {
        watched = NULL;
    }
}

bool text_watched(const struct octo_world *world)
{
    return watched == world;
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int size = vsnprintf(line->text + line->size, LINE_BYTES - line->size, format, list);
    va_end(list);
    if (size > 0)
        line->size = (uint32_t)octo_min_u64(line->size + (uint32_t)size, LINE_BYTES - 1);
}

static char role_letter(enum octo_role role)
{
    switch (role) {
    case OCTO_ROLE_STARTING:
        return 'S';
    case OCTO_ROLE_FOLLOWER:
        return 'F';
    case OCTO_ROLE_PRE_CANDIDATE:
        return 'P';
    case OCTO_ROLE_CANDIDATE:
        return 'C';
    case OCTO_ROLE_LEADER:
        return 'L';
    case OCTO_ROLE_HALTED:
        return 'H';
    }
    return '?';
}

/* The columns that every line begins with. */
static void begin(const struct octo_world *world, octo_node_id id, const char *what,
                  struct line *line)
{
    line->size = 0;
    add(line, "%8" PRIu64 " %13" PRIu64 ".%03u ", world->events, world->now / 1000,
        (unsigned)(world->now % 1000));
    if (id != 0 && world->hosts[id].up) {
        struct octo_node_view view;
        octo_node_look(world->hosts[id].node, &view);
        add(line, "n%u %c%5" PRIu64 " %-8s ", id, role_letter(view.role), view.term, what);
    } else if (id != 0) {
        add(line, "n%u -     - %-8s ", id, what);
    } else {
        add(line, "-- -     - %-8s ", what);
    }
}

static void end(const struct octo_world *world, const struct line *line)
{
    watcher.line(watcher.context, world->events, line->text);
}

static void add_file(struct line *line, struct octo_file file)
{
    add(line, "%s", octo_file_kind_text((enum octo_file_kind)file.kind));
    if (file.number != 0)
        add(line, ".%u", file.number);
}

static void add_message(const struct octo_world *world, struct line *line, const uint8_t *bytes,
                        uint32_t size)
{
    struct octo_message message;
    const enum octo_err err = octo_message_decode(bytes, size, world->config.cluster_id, &message);
    if (err != OCTO_ERR_OK) {
        add(line, "damaged size=%u: %s", size, octo_err_text(err));
        return;
    }
    line->size += octo_message_text(&message, line->text + line->size, LINE_BYTES - line->size);
    octo_assert(line->size < LINE_BYTES);
    add(line, " term=%" PRIu64, message.term);
}

static void add_disk(struct line *line, const struct octo_disk_op *op)
{
    add(line, "#%-5" PRIu64 " %-7s ", op->id, octo_disk_kind_text((enum octo_disk_kind)op->kind));
    if (op->kind != OCTO_DISK_DIR_SYNC)
        add_file(line, op->file);
    if (op->kind == OCTO_DISK_READ || op->kind == OCTO_DISK_WRITE || op->kind == OCTO_DISK_ALLOCATE)
        add(line, " offset=%" PRIu64 " length=%u", op->offset, op->length);
    if (op->kind == OCTO_DISK_RENAME) {
        add(line, " to ");
        add_file(line, op->target);
    }
}

static void add_trace(struct line *line, const struct octo_trace *trace)
{
    const enum octo_trace_kind kind = (enum octo_trace_kind)trace->kind;
    add(line, "%s", octo_trace_text(kind));
    for (uint32_t i = 0; i < 4; i++) {
        const char *const name = octo_trace_word_text(kind, i);
        if (name[0] == '\0')
            continue;
        if (kind == OCTO_TRACE_ROLE && i < 2)
            add(line, " %s=%s", name, octo_role_text((enum octo_role)trace->words[i]));
        else
            add(line, " %s=%" PRIu64, name, trace->words[i]);
    }
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void line_event(const struct octo_world *world, octo_node_id id,
                       const struct octo_event *event)
{
    struct line line;
    switch (event->kind) {
    case OCTO_EVENT_BOOT:
        begin(world, id, "boot", &line);
        add(&line, "incarnation=%u format=%d", world->hosts[id].incarnation, event->boot.format);
        break;
    case OCTO_EVENT_TIMER:
        begin(world, id, "timer", &line);
        add(&line, "clock=%" PRIu64, event->now);
        break;
    case OCTO_EVENT_MESSAGE: {
        begin(world, id, "message", &line);
        struct octo_message_name name = {0};
        if (octo_message_peek(event->message.bytes, event->message.size, &name))
            add(&line, "n%u ", name.from);
        add_message(world, &line, event->message.bytes, event->message.size);
        break;
    }
    case OCTO_EVENT_DISK:
        begin(world, id, "disk", &line);
        add(&line, "#%-5" PRIu64 " %s", event->disk.id, octo_err_text(event->disk.result));
        if (event->disk.length != 0)
            add(&line, " length=%u", event->disk.length);
        break;
    case OCTO_EVENT_REQUEST:
        begin(world, id, "request", &line);
        add(&line, "client=%" PRIu64 " sequence=%" PRIu64 " size=%u", event->request.client,
            event->request.sequence, event->request.size);
        break;
    }
    end(world, &line);
}

static void line_effect(const struct octo_world *world, octo_node_id id,
                        const struct octo_effect *effect)
{
    struct line line;
    switch (effect->kind) {
    case OCTO_EFFECT_SEND:
        begin(world, id, "  send", &line);
        add(&line, "n%u ", effect->send.to);
        add_message(world, &line, effect->send.bytes, effect->send.size);
        break;
    case OCTO_EFFECT_DISK:
        begin(world, id, "  disk", &line);
        add_disk(&line, &effect->disk);
        break;
    case OCTO_EFFECT_REPLY:
        begin(world, id, "  reply", &line);
        add(&line, "client=%" PRIu64 " sequence=%" PRIu64 " %s", effect->reply.client,
            effect->reply.sequence, octo_err_text(effect->reply.status));
        if (effect->reply.status == OCTO_ERR_NOT_LEADER)
            add(&line, " leader=%u", effect->reply.leader);
        else
            add(&line, " size=%u", effect->reply.size);
        break;
    case OCTO_EFFECT_TRACE:
        begin(world, id, "  trace", &line);
        add_trace(&line, &effect->trace);
        break;
    case OCTO_EFFECT_HALT:
        begin(world, id, "  halt", &line);
        add(&line, "%s", octo_err_text(effect->halt.reason));
        break;
    }
    end(world, &line);
}

void text_event(struct octo_world *world, octo_node_id id, const struct octo_event *event,
                const struct octo_effects *effects)
{
    line_event(world, id, event);
    for (uint32_t i = 0; i < effects->count; i++)
        line_effect(world, id, &effects->items[i]);
}

/* Endpoints, by their bits; 0 stands for the clients. */
static void add_set(struct line *line, uint16_t set)
{
    const char *before = "";

    for (uint32_t id = 0; id <= OCTO_SIM_NODES_MAX; id++) {
        if ((set & 1u << id) == 0)
            continue;
        if (id == 0)
            add(line, "clients");
        else
            add(line, "%sn%u", before, id);
        before = "+";
    }
}

/* Whether every link is from one of a to one of b, or, both ways, between them: a|b. */
static bool cuts_between(const uint16_t *links, uint16_t a, uint16_t b, bool both)
{
    for (uint32_t id = 0; id <= OCTO_SIM_NODES_MAX; id++) {
        const bool in_a = (a & 1u << id) != 0;
        const bool in_b = both && (b & 1u << id) != 0;
        if (links[id] != (in_a ? b : in_b ? a : 0))
            return false;
    }
    return (a & b) == 0;
}

/* What a partition cuts: a|b, a>b, or a list of a>b, one for each sender. */
static void add_cut(struct line *line, const uint16_t *links)
{
    uint16_t senders = 0;
    uint16_t heard_not = 0; /* those that do not hear the first sender */
    const char *before = "";

    for (uint32_t id = OCTO_SIM_NODES_MAX + 1; id-- > 0;) {
        if (links[id] == 0)
            continue;
        senders = (uint16_t)(senders | 1u << id);
        heard_not = links[id];
    }
    const uint16_t side = (uint16_t)(senders & ~heard_not);
    const bool both = cuts_between(links, side, heard_not, true);
    add(line, " cut=");
    if (both || cuts_between(links, senders, heard_not, false)) {
        add_set(line, both ? side : senders);
        add(line, both ? "|" : ">");
        add_set(line, heard_not);
        return;
    }
    for (uint32_t id = 0; id <= OCTO_SIM_NODES_MAX; id++) {
        if (links[id] == 0)
            continue;
        add(line, "%s", before);
        add_set(line, (uint16_t)(1u << id));
        add(line, ">");
        add_set(line, links[id]);
        before = ",";
    }
}

void text_fault(struct octo_world *world, enum octo_fault fault, octo_node_id a, octo_node_id b,
                uint64_t detail)
{
    struct line line;
    begin(world, a <= world->options.node_count ? a : 0, "fault", &line);
    add(&line, "%s", octo_fault_text(fault));
    if (b != 0)
        add(&line, " n%u", b);
    add(&line, " detail=%" PRIx64, detail);
    if (world->schedule.partition_active && fault == world->schedule.partition_kind)
        add_cut(&line, world->schedule.links);
    end(world, &line);
}

/* ---- The picture of a node ------------------------------------------------------------------- */

struct dump {
    const struct octo_world *world;
    const struct octo_watch *watch;
    struct line line;
};

static void dump_line(struct dump *dump)
{
    dump->watch->line(dump->watch->context, dump->world->events, dump->line.text);
    dump->line.size = 0;
}

static void dump_entries(struct dump *dump, const struct octo_node *node, octo_index last)
{
    const octo_index first = last > DUMP_ENTRIES ? last - DUMP_ENTRIES + 1 : 1;
    for (octo_index index = first; index <= last; index++) {
        struct octo_entry entry;
        if (!octo_node_entry(node, index, &entry))
            continue;
        add(&dump->line, "  entry %" PRIu64 " term=%" PRIu64 " chain=%016" PRIx64, index,
            entry.term, entry.chain);
        if (entry.kind == OCTO_ENTRY_COMMAND)
            add(&dump->line, " client=%" PRIu64 " sequence=%" PRIu64 " size=%u", entry.client,
                entry.sequence, entry.size);
        dump_line(dump);
    }
}

static void dump_disk(struct dump *dump, const struct octo_simdisk *disk)
{
    const struct octo_simdisk_stats *const stats = octo_simdisk_stats(disk);
    add(&dump->line,
        "  disk reads=%" PRIu64 " writes=%" PRIu64 " syncs=%" PRIu64 " lost=%" PRIu64
        " kept=%" PRIu64 " torn=%" PRIu64,
        stats->reads, stats->writes, stats->syncs, stats->sectors_lost, stats->sectors_kept,
        stats->sectors_torn);
    dump_line(dump);
    for (uint32_t kind = OCTO_FILE_IDENTITY; kind <= OCTO_FILE_SNAPSHOT; kind++) {
        const struct octo_file file = {.kind = (uint8_t)kind};
        uint64_t size = 0;
        if (!octo_simdisk_durable_size(disk, file, &size))
            continue;
        add(&dump->line, "  durable %s size=%" PRIu64,
            octo_file_kind_text((enum octo_file_kind)kind), size);
        dump_line(dump);
    }
}

void octo_world_dump(const struct octo_world *world, octo_node_id node,
                     const struct octo_watch *watch)
{
    octo_assert(node >= 1);
    octo_assert(node <= world->options.node_count);
    const struct octo_host_node *const host = &world->hosts[node];
    struct dump dump = {.world = world, .watch = watch};
    add(&dump.line, "n%u at event %" PRIu64 ": %s, incarnation %u%s%s", node, world->events,
        host->up ? "up" : "down", host->incarnation, host->paused ? ", paused" : "",
        host->halted ? ", halted" : "");
    dump_line(&dump);
    if (host->up) {
        struct octo_node_view view;
        octo_node_look(host->node, &view);
        add(&dump.line,
            "  %s term=%" PRIu64 " vote=%u leader=%u last=%" PRIu64 " durable=%" PRIu64
            " commit=%" PRIu64 " applied=%" PRIu64 " digest=%016" PRIx64,
            octo_role_text(view.role), view.term, view.vote, view.leader, view.last, view.durable,
            view.commit, view.applied, octo_node_digest(host->node, world->machine));
        dump_line(&dump);
        dump_entries(&dump, host->node, view.last);
    }
    dump_disk(&dump, host->disk);
}
