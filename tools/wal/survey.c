/* Everything that is to be known of a directory, file by file. What it means for the node is
 * judge.c's. */
#include "tools/wal/tool.h"

#include <unistd.h>

/* ---- Files ----------------------------------------------------------------------------------- */

static void snapshots_read(struct survey *survey)
{
    const struct directory *directory = &survey->directory;

    for (uint32_t i = 0; i < directory->count; i++) {
        const struct entry *entry = &directory->entries[i];
        if (entry->kind != OCTO_FILE_SNAPSHOT)
            continue;
        if (entry->number == OCTO_SNAPSHOT_SPARE) {
            survey->spare = true;
            continue;
        }
        survey->snapshots =
            tool_grow(survey->snapshots, survey->snapshot_count + 1, sizeof *survey->snapshots);
        snapshot_read(&survey->snapshots[survey->snapshot_count++], directory, entry->number,
                      survey->owner.source == SOURCE_NONE ? 0 : survey->owner.cluster);
    }
    for (uint32_t i = 0; i < survey->snapshot_count; i++) {
        const struct snapshot *snapshot = &survey->snapshots[i];
        if (snapshot->valid && (survey->snapshot == NULL ||
                                snapshot->position.index >= survey->snapshot->position.index))
            survey->snapshot = snapshot;
    }
}

/* The numbers of both topics, merged: entries are sorted by kind, then by number. */
static void segments_list(struct survey *survey)
{
    const struct directory *directory = &survey->directory;

    for (uint32_t i = 0; i < directory->count; i++) {
        const struct entry *entry = &directory->entries[i];
        const bool main = entry->kind == OCTO_FILE_MAIN;
        if ((!main && entry->kind != OCTO_FILE_RECOVERY) || entry->number == 0)
            continue;
        if (!main && directory_find(directory, OCTO_FILE_MAIN, entry->number) != NULL)
            continue;
        survey->segments =
            tool_grow(survey->segments, survey->segment_count + 1, sizeof *survey->segments);
        uint32_t at = survey->segment_count++;
        for (; at > 0 && survey->segments[at - 1].number > entry->number; at--)
            survey->segments[at] = survey->segments[at - 1];
        survey->segments[at] = (struct segment){.number = entry->number};
    }
}

/* ---- Records --------------------------------------------------------------------------------- */

static void note_record(void *context, const struct record *record)
{
    log_note(context, record);
}

static void note_rubble(void *context, const struct rubble *rubble)
{
    (void)context;
    (void)rubble;
}

static struct lack *lack_add(struct survey *survey, const struct lack *lack)
{
    survey->lacks = tool_grow(survey->lacks, survey->lack_count + 1, sizeof *survey->lacks);
    survey->lacks[survey->lack_count] = *lack;
    return &survey->lacks[survey->lack_count++];
}

static void lack_note(struct survey *survey, const struct record *record)
{
    struct lack *last = survey->lack_count > 0 ? &survey->lacks[survey->lack_count - 1] : NULL;
    const uint32_t topics = IN_BOTH & ~record->topics;

    /* Two neighbours are one damage, though padding may lie between them. */
    if (last == NULL || last->records == 0 || last->segment != record->segment ||
        last->topics != topics || record->offset > octo_align_up(last->end, survey->owner.sector))
        last = lack_add(survey, &(struct lack){
                                    .segment = record->segment,
                                    .offset = record->offset,
                                    .topics = topics,
                                    .first_sequence = record->sequence,
                                });
    last->end = record->offset + record->bytes;
    last->records++;
    last->first_sequence = octo_min_u64(last->first_sequence, record->sequence);
    last->last_sequence = octo_max_u64(last->last_sequence, record->sequence);
}

static void take_record(void *context, const struct record *record)
{
    struct survey *survey = context;
    struct log *log = &survey->log;
    const enum meaning meaning = log_take(log, record);
    const uint64_t end = record_place(record) + record->bytes;
    const bool own = record->type == OCTO_RECORD_ENTRY || record->type == OCTO_RECORD_BASE;

    survey->counts[record->type]++;
    survey->first_place = octo_min_u64(survey->first_place, record_place(record));
    survey->end_place = end;
    if (meaning >= MEANS_DUPLICATE)
        survey->passed_over++;
    if (meaning == MEANS_BEYOND || meaning == MEANS_STRANGE) {
        if (survey->disconnected == 0)
            survey->first_loose = *record;
        survey->disconnected++;
    }
    if (own && log->marked && meaning != MEANS_VOID && record->sequence <= log->marker.sequence)
        survey->covered_end = end;
    /* The first one of all was durable before the node was ready. */
    if (record->type == OCTO_RECORD_MARKER && survey->counts[OCTO_RECORD_MARKER] == 1 &&
        survey->votes.in_use)
        survey->covered_end = octo_max_u64(survey->covered_end, end);
    if (record->topics != IN_BOTH)
        lack_note(survey, record);
}

static void take_rubble(void *context, const struct rubble *rubble)
{
    lack_add(context, &(struct lack){
                          .segment = rubble->segment,
                          .offset = rubble->offset,
                          .end = rubble->offset + rubble->bytes,
                          .topics = rubble->topics,
                          .looks_like_ours = rubble->looks_like_ours,
                          .version = rubble->version,
                      });
}

static void log_read(struct survey *survey)
{
    const struct scan_visitor first = {&survey->log, note_record, note_rubble};
    const struct scan_visitor second = {survey, take_record, take_rubble};
    const struct position none = {0, 0, 0};

    survey->first_place = UINT64_MAX;
    scan_topics(&survey->directory, &survey->owner, survey->segments, survey->segment_count,
                &first);
    log_begin(&survey->log, survey->snapshot != NULL ? &survey->snapshot->position : &none);
    scan_topics(&survey->directory, &survey->owner, survey->segments, survey->segment_count,
                &second);
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Whether something in the directory begins like what nodes write: then one was here. */
static bool something_written(const struct survey *survey)
{
    bool found = false;

    for (uint32_t i = 0; i < survey->directory.count && !found; i++) {
        const struct entry *entry = &survey->directory.entries[i];
        struct content file;
        content_read(&file, &survey->directory, entry->kind, entry->number);
        if (file.size >= 4) {
            const uint32_t magic = octo_get_u32(file.bytes);
            found = magic == OCTO_RECORD_MAGIC || magic == OCTO_VOTE_MAGIC ||
                    magic == OCTO_SNAPSHOT_MAGIC || magic == OCTO_IDENTITY_MAGIC;
        }
        content_free(&file);
    }
    return found;
}

static bool owner_usable(const struct survey *survey)
{
    const struct owner *owner = &survey->owner;
    const char *path = quoted(survey->arguments->path);

    if (owner->state == OWNER_VERSION) {
        complain("%s: its identity is of version %u, and this program knows version %u only", path,
                 owner->version, OCTO_IDENTITY_VERSION);
        return false;
    }
    if (owner->source != SOURCE_NONE)
        return true;
    if (owner->state != OWNER_DAMAGED && !something_written(survey)) {
        complain("%s: never formatted: there is no identity, and no file holds what a node writes",
                 path);
        return false;
    }
    if (survey->arguments->command != TOOL_DUMP)
        return true;
    complain("%s: the identity cannot be read, and nothing else says whose directory this is: give "
             "--cluster ID and --node N",
             path);
    return false;
}

bool survey_make(struct survey *survey, const struct tool_arguments *arguments)
{
    *survey = (struct survey){.arguments = arguments};
    if (!directory_open(&survey->directory, arguments->path))
        return false;
    if (survey->directory.count == 0) {
        complain("%s: %s", quoted(arguments->path),
                 survey->directory.stranger_count == 0
                     ? "an empty directory; no node was ever formatted in it"
                     : "not a node's directory: no file in it has a name that a node gives");
        return false;
    }
    owner_find(&survey->owner, &survey->directory, arguments);
    if (!owner_usable(survey))
        return false;
    snapshots_read(survey);
    segments_list(survey);
    if (survey->owner.source == SOURCE_NONE)
        return true;
    votes_read(&survey->votes, &survey->directory, &survey->owner);
    log_read(survey);
    return true;
}

void survey_free(struct survey *survey)
{
    if (survey->directory.descriptor >= 0)
        close(survey->directory.descriptor);
    tool_free(survey->directory.entries);
    tool_free(survey->directory.strangers);
    tool_free(survey->snapshots);
    tool_free(survey->segments);
    tool_free(survey->lacks);
    tool_free(survey->findings);
    log_free(&survey->log);
}
