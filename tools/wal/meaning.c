/* From records to the log: docs/formats.md, "What the records mean", sentence by sentence. */
#include "tools/wal/tool.h"

#define CHAIN_HEADER_BYTES 32u

/* docs/formats.md, "Chain". */
static uint64_t entry_chain(const struct record *record)
{
    const uint64_t bytes = (uint64_t)CHAIN_HEADER_BYTES + record->size;
    uint8_t *image = tool_grow(NULL, bytes, 1);

    memset(image, 0, bytes);
    octo_put_u64(image, record->term);
    octo_put_u64(image + 8, record->kind);
    octo_put_u64(image + 16, record->client);
    octo_put_u64(image + 24, record->client_sequence);
    if (record->there > 0)
        memcpy(image + CHAIN_HEADER_BYTES, record->command, record->there);
    const uint64_t chain = octo_hash(image, bytes, record->chain);
    tool_free(image);
    return chain;
}

/* ---- The first pass: cuts and markers -------------------------------------------------------- */

void log_note(struct log *log, const struct record *record)
{
    if (record->type == OCTO_RECORD_CUT) {
        log->cuts = tool_grow(log->cuts, log->cut_count + 1, sizeof *log->cuts);
        log->cuts[log->cut_count++] = (struct cut){record_place(record), record->sequence};
    }
    if (record->type != OCTO_RECORD_MARKER)
        return;
    log->markers = tool_grow(log->markers, log->marker_count + 1, sizeof *log->markers);
    log->markers[log->marker_count++] = (struct marker){
        .sequence = record->sequence,
        .at = {record->index, record->term, record->chain},
        .floor_term = record->client,
        .floor_index = record->client_sequence,
        .place = record_place(record),
        .topics = record->topics,
    };
}

/* The cut that makes void what stands at place with this sequence; NULL if none does. Cuts are
 * few: one a start of the node, and gone with their segments. */
static const struct cut *void_by(const struct log *log, uint64_t place, uint64_t sequence)
{
    for (uint32_t i = 0; i < log->cut_count; i++) {
        if (place < log->cuts[i].place && sequence > log->cuts[i].sequence)
            return &log->cuts[i];
    }
    return NULL;
}

void log_begin(struct log *log, const struct position *snapshot)
{
    log->snapshot = *snapshot;
    log->base = *snapshot;
    log->last = snapshot->index;
    log->accepted = 0;
    log->base_sequence = 0;
    log->other_last = 0;
    log->marked = false;
    for (uint32_t i = 0; i < log->marker_count; i++) {
        const struct marker *marker = &log->markers[i];
        if (void_by(log, marker->place, marker->sequence) != NULL ||
            (log->marked && marker->sequence < log->marker.sequence))
            continue;
        log->marked = true;
        log->marker = *marker;
    }
}

void log_free(struct log *log)
{
    tool_free(log->slots);
    tool_free(log->other);
    tool_free(log->cuts);
    tool_free(log->markers);
    *log = (struct log){0};
}

/* ---- The second pass ------------------------------------------------------------------------- */

struct position log_position(const struct log *log, uint64_t index)
{
    if (index == log->base.index)
        return log->base;
    octo_assert(index > log->base.index);
    octo_assert(index <= log->last);
    const struct slot *slot = &log->slots[index - log->base.index - 1];
    return (struct position){index, slot->term, slot->chain};
}

uint64_t log_tail(const struct log *log)
{
    uint64_t first = log->last + 1;

    while (first > log->base.index + 1 &&
           log->slots[first - log->base.index - 2].sequence > log->marker.sequence)
        first--;
    return first;
}

static void log_append(struct log *log, const struct record *record)
{
    const uint64_t count = record->index - log->base.index;

    if (count > log->room) {
        log->room = octo_max_u64(1024, 2 * log->room);
        log->slots = tool_grow(log->slots, log->room, sizeof *log->slots);
    }
    log->last = record->index;
    log->slots[count - 1] = (struct slot){record->term, entry_chain(record), record->sequence};
}

static void log_cut_to_base(struct log *log, uint64_t sequence)
{
    log->last = log->base.index;
    log->accepted = sequence;
    log->base_sequence = sequence;
}

static void other_set(struct log *log, uint64_t index, uint64_t chain)
{
    const uint64_t at = index - log->snapshot.index;

    if (at >= log->other_room) {
        log->other_room = octo_max_u64(1024, 2 * log->other_room);
        log->other = tool_grow(log->other, log->other_room, sizeof *log->other);
    }
    log->other[at] = chain;
    log->other_last = index;
}

/* An entry that is not of the log may be of the other one. */
static void other_take(struct log *log, const struct record *record)
{
    const uint64_t base = log->snapshot.index;

    if (record->index == base) {
        if (entry_chain(record) != log->snapshot.chain)
            other_set(log, base, entry_chain(record));
        return;
    }
    if (record->index == base + 1 && record->chain != log->snapshot.chain) {
        other_set(log, base, record->chain);
        if (base == 0) /* 0 says that there is none: the entry itself follows */
            other_set(log, 1, entry_chain(record));
    }
    if (log->other_last == 0 || record->index <= base || record->index > log->other_last + 1 ||
        log->other[record->index - 1 - base] != record->chain)
        return;
    other_set(log, record->index, entry_chain(record));
}

bool log_replaced(const struct log *log)
{
    const struct position *at = &log->marker.at;

    if (!log->marked)
        return false;
    if (log->snapshot.index != 0 && at->index == log->snapshot.index)
        return at->chain != log->snapshot.chain;
    return at->index > log->snapshot.index && at->index <= log->other_last &&
           at->chain == log->other[at->index - log->snapshot.index];
}

static enum meaning entry_take(struct log *log, const struct record *record)
{
    if (record->index <= log->base.index) {
        other_take(log, record);
        log_cut_to_base(log, record->sequence);
        return MEANS_REPLACED;
    }
    const bool beyond = record->index > log->last + 1;
    if (beyond || record->chain != log_position(log, record->index - 1).chain) {
        other_take(log, record);
        return beyond ? MEANS_BEYOND : MEANS_STRANGE;
    }
    log_append(log, record);
    log->accepted = record->sequence;
    return MEANS_TAKEN;
}

/* A log without foundation is replaced when it goes on from the snapshot that is there. */
static enum meaning base_take(struct log *log, const struct record *record)
{
    enum meaning meaning = MEANS_BASE;

    if (record->index == log->snapshot.index && record->chain == log->snapshot.chain) {
        log->base = log->snapshot;
    } else if (record->index > log->base.index) {
        log->base = (struct position){record->index, record->term, record->chain};
        meaning = MEANS_UNFOUNDED;
    }
    log_cut_to_base(log, record->sequence);
    return meaning;
}

enum meaning log_take(struct log *log, const struct record *record)
{
    if (record->type == OCTO_RECORD_CUT)
        return MEANS_CUT;
    if (void_by(log, record_place(record), record->sequence) != NULL)
        return MEANS_VOID;
    if (record->type == OCTO_RECORD_MARKER)
        return MEANS_MARKER;
    if (record->sequence <= log->accepted)
        return MEANS_DUPLICATE;
    return record->type == OCTO_RECORD_ENTRY ? entry_take(log, record) : base_take(log, record);
}

const char *meaning_text(const struct log *log, const struct record *record, enum meaning meaning)
{
    const struct cut *cut = void_by(log, record_place(record), record->sequence);

    switch (meaning) {
    case MEANS_TAKEN:
    case MEANS_MARKER:
    case MEANS_CUT:
        return "";
    case MEANS_BASE:
        return "the log is empty after this";
    case MEANS_REPLACED:
        return "replaces all of the log after its base";
    case MEANS_UNFOUNDED:
        return "the log goes on from a snapshot that is not there";
    case MEANS_DUPLICATE:
        return "passed over: duplicate";
    case MEANS_VOID:
        octo_assert(cut != NULL);
        return text_of("passed over: void, by the cut at segment %u, offset %u",
                       (unsigned)(cut->place >> 32), (unsigned)cut->place);
    case MEANS_BEYOND:
        return text_of("passed over: the log ends at %llu", (unsigned long long)log->last);
    case MEANS_STRANGE:
        return text_of("passed over: follows another entry %llu than the log has",
                       (unsigned long long)record->index - 1);
    }
    return "";
}
