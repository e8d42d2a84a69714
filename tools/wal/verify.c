/* octo-wal verify: every file, what is damaged, and what a node would do about it. */
#include "tools/wal/tool.h"

static unsigned long long wide(uint64_t value)
{
    return value;
}

/* ---- One line a file ------------------------------------------------------------------------- */

/* The worst that was found in a file. */
static enum severity worst_of(const struct survey *survey, const char *name)
{
    enum severity worst = SEVERITY_NOTE;

    for (uint32_t i = 0; i < survey->finding_count; i++) {
        const struct finding *finding = &survey->findings[i];
        if (strcmp(finding->file, name) == 0 && finding->severity > worst)
            worst = finding->severity;
    }
    return worst;
}

static const char *identity_text(const struct survey *survey)
{
    const struct owner *owner = &survey->owner;

    if (owner->state == OWNER_KNOWN)
        return text_of("cluster %llu, node %u of %u, sectors of %u bytes", wide(owner->cluster),
                       owner->node, owner->nodes, owner->sector);
    if (owner->source == SOURCE_NONE)
        return "cluster and node unknown";
    return text_of("cluster %llu, node %u %s", wide(owner->cluster), owner->node,
                   owner->source == SOURCE_GIVEN ? "as given" : "found out");
}

static const char *vote_text(const struct survey *survey)
{
    const struct votes *votes = &survey->votes;
    const struct ballot *ballot = &votes->slots[votes->slot];

    if (!votes->found)
        return "no copy is valid";
    return text_of("term %llu, voted for %s (generation %llu)", wide(ballot->term),
                   ballot->vote != 0 ? text_of("node %u", ballot->vote) : "nobody",
                   wide(ballot->generation));
}

static const char *snapshot_text(const struct survey *survey, uint32_t number)
{
    for (uint32_t i = 0; i < survey->snapshot_count; i++) {
        const struct snapshot *snapshot = &survey->snapshots[i];
        if (snapshot->number != number)
            continue;
        if (!snapshot->valid)
            return snapshot->why;
        return text_of("index %llu, term %llu, %u blocks, %llu bytes of state%s",
                       wide(snapshot->position.index), wide(snapshot->position.term),
                       snapshot->blocks, wide(snapshot->raw_bytes),
                       snapshot == survey->snapshot ? "; the one that counts" : "");
    }
    return "the spare: space for the next one";
}

static const char *segment_text(const struct survey *survey, const struct entry *entry)
{
    const uint32_t topic = entry->kind == OCTO_FILE_MAIN ? TOPIC_MAIN : TOPIC_RECOVERY;

    for (uint32_t i = 0; i < survey->segment_count; i++) {
        const struct segment *segment = &survey->segments[i];
        if (segment->number != entry->number)
            continue;
        if (segment->records == 0)
            return text_of("no records, %llu bytes", wide(segment->size[topic]));
        return text_of("%llu of %llu records, up to byte %llu of %llu", wide(segment->held[topic]),
                       wide(segment->records), wide(segment->end), wide(segment->size[topic]));
    }
    return "not read: there is no segment of this number";
}

static const char *entry_text(const struct survey *survey, const struct entry *entry)
{
    switch ((enum octo_file_kind)entry->kind) {
    case OCTO_FILE_IDENTITY:
        return identity_text(survey);
    case OCTO_FILE_VOTE:
        return vote_text(survey);
    case OCTO_FILE_MAIN:
    case OCTO_FILE_RECOVERY:
        return segment_text(survey, entry);
    case OCTO_FILE_SNAPSHOT:
        return snapshot_text(survey, entry->number);
    case OCTO_FILE_NONE:
        break;
    }
    return "";
}

static void file_print(const struct survey *survey, FILE *out, const char *name, const char *text,
                       uint64_t bytes)
{
    const bool sound = worst_of(survey, name) == SEVERITY_NOTE;

    if (survey->arguments->json) {
        struct json json = {.out = out};
        json_text(&json, "file", name);
        json_text(&json, "state", sound ? "ok" : "damaged");
        json_number(&json, "bytes", bytes);
        json_text(&json, "what", text);
        json_end(&json);
        return;
    }
    if (survey->arguments->quiet && sound)
        return;
    fprintf(out, "%-20s ", name);
    coloured(out, sound ? COLOUR_GOOD : COLOUR_BAD, sound ? "ok" : "damaged", 8);
    fprintf(out, " %s\n", text);
}

static void files_print(const struct survey *survey, FILE *out)
{
    char name[NAME_BYTES];

    for (uint32_t i = 0; i < survey->directory.count; i++) {
        const struct entry *entry = &survey->directory.entries[i];
        if (survey->owner.source == SOURCE_NONE && entry->kind != OCTO_FILE_IDENTITY &&
            entry->kind != OCTO_FILE_SNAPSHOT)
            continue;
        file_name(entry->kind, entry->number, name);
        file_print(survey, out, name, entry_text(survey, entry), entry->bytes);
    }
}

/* ---- Findings -------------------------------------------------------------------------------- */

static const char *severity_text(enum severity severity)
{
    static const char *const texts[] = {"note", "damage", "fatal"};
    return texts[severity];
}

void findings_json(const struct survey *survey, FILE *out)
{
    for (uint32_t i = 0; i < survey->finding_count; i++) {
        const struct finding *finding = &survey->findings[i];
        struct json json = {.out = out};
        json_text(&json, "finding", severity_text(finding->severity));
        json_text(&json, "file", finding->file[0] != '\0' ? finding->file : NULL);
        if (finding->placed) {
            json_number(&json, "offset", finding->offset);
            json_number(&json, "bytes", finding->bytes);
        }
        json_text(&json, "what", finding->what);
        json_text(&json, "twin", finding->twin[0] != '\0' ? finding->twin : NULL);
        json_text(&json, "remedy", finding->remedy[0] != '\0' ? finding->remedy : NULL);
        json_end(&json);
    }
}

static void finding_print(const struct finding *finding, FILE *out)
{
    coloured(out, finding->severity == SEVERITY_NOTE ? COLOUR_DIM : COLOUR_BAD,
             severity_text(finding->severity), 7);
    if (finding->file[0] != '\0')
        fprintf(out, "%s: ", finding->file);
    if (finding->placed && finding->bytes > 0)
        fprintf(out, "at byte %llu, %llu bytes: ", wide(finding->offset), wide(finding->bytes));
    else if (finding->placed)
        fprintf(out, "at byte %llu: ", wide(finding->offset));
    fprintf(out, "%s", finding->what);
    if (strcmp(finding->twin, "yes") == 0)
        fprintf(out, "; the twin has it");
    else if (strcmp(finding->twin, "no") == 0)
        fprintf(out, "; there is no other copy here");
    if (finding->remedy[0] != '\0')
        fprintf(out, "\n       -> %s", finding->remedy);
    fputc('\n', out);
}

/* ---- The whole ------------------------------------------------------------------------------- */

void summary_json(const struct survey *survey, FILE *out)
{
    const struct log *log = &survey->log;
    const struct position *floor = &survey->floor;
    struct json json = {.out = out};

    json_bool(&json, "summary", true);
    json_number(&json, "status", (uint64_t)survey->status);
    json_bool(&json, "starts", survey->starts);
    json_text(&json, "refusal", survey->refusal);
    json_number(&json, "cluster", survey->owner.cluster);
    json_number(&json, "node", survey->owner.node);
    json_number(&json, "term", survey->votes.slots[survey->votes.slot].term);
    json_number(&json, "vote", survey->votes.slots[survey->votes.slot].vote);
    json_number(&json, "snapshot", survey->snapshot != NULL ? survey->snapshot->position.index : 0);
    json_number(&json, "snapshot_term",
                survey->snapshot != NULL ? survey->snapshot->position.term : 0);
    json_hash(&json, "snapshot_chain",
              survey->snapshot != NULL ? survey->snapshot->position.chain : 0);
    json_number(&json, "base", survey->base.index);
    json_number(&json, "last", survey->last);
    const struct position end = log_unfounded(log) ? survey->base : log_position(log, survey->last);
    json_number(&json, "last_term", end.term);
    json_hash(&json, "chain", end.chain);
    json_number(&json, "unmarked_from", survey->tail);
    json_bool(&json, "marked", log->marked);
    json_number(&json, "marker_sequence", log->marker.sequence);
    json_number(&json, "marker_index", log->marker.at.index);
    json_bool(&json, "recovering", survey->recovering);
    json_bool(&json, "floor_unknown", survey->floor_unknown);
    json_number(&json, "floor_index",
                survey->recovering && !survey->floor_unknown ? floor->index : 0);
    json_number(&json, "floor_term", survey->recovering ? floor->term : 0);
    json_bool(&json, "unfounded", log_unfounded(log));
    json_number(&json, "entries", survey->counts[OCTO_RECORD_ENTRY]);
    json_number(&json, "markers", survey->counts[OCTO_RECORD_MARKER]);
    json_number(&json, "bases", survey->counts[OCTO_RECORD_BASE]);
    json_number(&json, "cuts", survey->counts[OCTO_RECORD_CUT]);
    json_number(&json, "passed_over", survey->passed_over);
    json_end(&json);
}

static void boot_print(const struct survey *survey, FILE *out)
{
    if (!survey->starts) {
        fprintf(out, "a node does not start on it: %s\n", survey->refusal);
        return;
    }
    fprintf(out, "a node starts on it with the log %llu to %llu", wide(survey->base.index + 1),
            wide(survey->last));
    if (survey->recovering)
        fprintf(out, ", recovering");
    fputc('\n', out);
}

void verify_print(const struct survey *survey, FILE *out)
{
    files_print(survey, out);
    if (survey->arguments->json) {
        findings_json(survey, out);
        summary_json(survey, out);
        return;
    }
    for (uint32_t i = 0; i < survey->finding_count; i++) {
        const struct finding *finding = &survey->findings[i];
        if (!survey->arguments->quiet || finding->severity != SEVERITY_NOTE)
            finding_print(finding, out);
    }
    if (survey->arguments->quiet && survey->status == TOOL_SOUND)
        return;
    coloured(out, survey->status == TOOL_SOUND ? COLOUR_GOOD : COLOUR_BAD,
             survey->status == TOOL_SOUND ? "sound" : "damaged", 0);
    fprintf(out, ": ");
    boot_print(survey, out);
}
