/* What is damaged, what a node would do about it, and whether it would start at all. */
#include "tools/wal/tool.h"

/* A finding whose place, twin and remedy the caller fills in. */
static struct finding *found(struct survey *survey, enum severity severity, const char *file,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));

static struct finding *found(struct survey *survey, enum severity severity, const char *file,
                             const char *format, ...)
{
    va_list list;

    survey->findings =
        tool_grow(survey->findings, survey->finding_count + 1, sizeof *survey->findings);
    struct finding *finding = &survey->findings[survey->finding_count++];
    *finding = (struct finding){.severity = severity, .twin = "", .remedy = ""};
    snprintf(finding->file, sizeof finding->file, "%s", file);
    va_start(list, format);
    finding->what = text_of_list(format, list);
    va_end(list);
    if (severity != SEVERITY_NOTE)
        survey->status = TOOL_DAMAGED;
    return finding;
}

static void refuses(struct survey *survey, const char *refusal)
{
    if (survey->starts)
        survey->refusal = refusal;
    survey->starts = false;
}

static unsigned long long wide(uint64_t value)
{
    return value;
}

/* ---- Identity, vote -------------------------------------------------------------------------- */

static void judge_identity(struct survey *survey)
{
    const struct owner *owner = &survey->owner;
    const struct tool_arguments *arguments = survey->arguments;
    struct finding *finding;

    if (owner->contradicted) {
        finding = found(survey, SEVERITY_FATAL, "identity",
                        "this is the directory of node %u of cluster %llu, not of node %u of "
                        "cluster %llu",
                        owner->node, wide(owner->cluster),
                        arguments->node != 0 ? arguments->node : owner->node,
                        wide(arguments->cluster != 0 ? arguments->cluster : owner->cluster));
        finding->remedy = "start that node on it, or give this one its own directory";
        refuses(survey, "the directory belongs to another node");
    }
    if (owner->state == OWNER_KNOWN)
        return;
    finding = found(survey, SEVERITY_FATAL, "identity", "%s",
                    owner->state == OWNER_MISSING ? "the file is gone"
                    : owner->state == OWNER_EMPTY ? "nothing is written in it"
                                                  : "it is damaged");
    finding->twin = "no";
    if (survey->votes.in_use || owner->source == SOURCE_NONE)
        finding->remedy = "no node starts on this directory: put the file back from a copy, or "
                          "give the node an empty directory as one that lost its disk";
    else
        finding->remedy = "no node was ever ready with this directory: formatting it again loses "
                          "nothing";
    refuses(survey, "the identity cannot be read");
    if (owner->source == SOURCE_GUESSED)
        found(survey, SEVERITY_NOTE, "identity",
              "cluster %llu and node %u were found out: other files verify with them",
              wide(owner->cluster), owner->node);
}

static void judge_pair(struct survey *survey, uint32_t pair)
{
    const struct votes *votes = &survey->votes;
    const struct ballot *first = &votes->slots[2 * pair];
    const struct ballot *second = &votes->slots[2 * pair + 1];
    struct finding *finding;

    if (first->valid && second->valid) {
        if (first->generation == second->generation)
            return;
        finding = found(survey, SEVERITY_NOTE, "vote",
                        "the copies of slots %u and %u are of generations %llu and %llu: a vote "
                        "was being written",
                        2 * pair, 2 * pair + 1, wide(first->generation), wide(second->generation));
        finding->remedy = "the newer one counts; the node writes both anew";
        return;
    }
    for (uint32_t slot = 2 * pair; slot < 2 * pair + 2; slot++) {
        if (votes->slots[slot].valid)
            continue;
        const bool twin = votes->slots[slot ^ 1u].valid;
        finding = found(survey, twin ? SEVERITY_DAMAGE : SEVERITY_FATAL, "vote",
                        "the copy in slot %u is %s", slot,
                        votes->slots[slot].zeros ? "not there" : "damaged");
        finding->placed = true;
        finding->offset = (uint64_t)slot * survey->owner.sector;
        finding->bytes = survey->owner.sector;
        finding->twin = twin ? "yes" : "no";
        finding->remedy = twin ? "the other copy counts; the node writes both anew when it starts"
                               : "the newest vote is unknown: the node does not start, for it "
                                 "might vote twice in one term";
    }
}

static void judge_vote(struct survey *survey)
{
    const struct votes *votes = &survey->votes;

    if (votes->missing)
        found(survey, SEVERITY_FATAL, "vote", "the file is gone")->remedy =
            "put it back from a copy that is no older than the node's last start, or give the node "
            "an empty directory";
    for (uint32_t pair = 0; pair < 2 && !votes->missing; pair++)
        judge_pair(survey, pair);
    if (!votes->known)
        refuses(survey, "the newest term and vote are unknown");
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

static void judge_snapshots(struct survey *survey)
{
    char name[NAME_BYTES];

    for (uint32_t i = 0; i < survey->snapshot_count; i++) {
        const struct snapshot *snapshot = &survey->snapshots[i];
        if (snapshot->valid)
            continue;
        file_name(OCTO_FILE_SNAPSHOT, snapshot->number, name);
        struct finding *finding =
            found(survey, SEVERITY_DAMAGE, name, "the snapshot is damaged: %s", snapshot->why);
        finding->placed = true;
        finding->offset = snapshot->damaged_at;
        finding->remedy = survey->snapshot != NULL ? "another one counts; the node removes this one"
                                                   : "the log must do, or a peer's snapshot";
    }
    if (!survey->spare)
        found(survey, SEVERITY_NOTE, "", "no spare snapshot: the next one has no space in reserve")
            ->remedy = "the node makes one when it starts";
}

/* ---- The log --------------------------------------------------------------------------------- */

static bool ahead(const struct position *a, const struct position *b)
{
    return a->term > b->term || (a->term == b->term && a->index > b->index);
}

/* Whether the log holds what the marker covers, or what replaced it. */
static bool marked_is_there(const struct survey *survey)
{
    const struct log *log = &survey->log;
    const struct position *at = &log->marker.at;

    if (log->base_sequence > log->marker.sequence || log_replaced(log))
        return true; /* all that it covered was given up */
    if (at->index < log->base.index)
        return true;
    if (at->index < survey->tail)
        return log_position(log, at->index).chain == at->chain;
    return survey->tail <= log->last; /* what stands there now came later */
}

/* The log that a boot comes to, and what it owes: docs/durability.md. */
static void boot_foresee(struct survey *survey)
{
    const struct log *log = &survey->log;
    struct position end = log_position(log, log->last);
    struct position floor = {log->marker.floor_index, log->marker.floor_term, 0};

    survey->tail = log_tail(log);
    survey->last = log->last;
    survey->base = log->base;
    if (!log->marked)
        floor = (struct position){0, 0, 0};
    if (!log->marked && survey->votes.in_use) /* beyond everything in the newest term */
        floor = (struct position){UINT64_MAX, survey->votes.slots[survey->votes.slot].term, 0};
    if (log_unfounded(log)) {
        if (ahead(&end, &floor))
            floor = end;
        if (log->marked && ahead(&log->marker.at, &floor))
            floor = log->marker.at;
        survey->base = end = log->snapshot;
        survey->last = end.index;
        survey->tail = end.index + 1;
    } else if (log->marked && !marked_is_there(survey) && ahead(&log->marker.at, &floor)) {
        floor = log->marker.at;
    }
    survey->floor = floor;
    survey->recovering = floor.index != 0 && ahead(&floor, &end);
    survey->floor_unknown = survey->recovering && floor.index == UINT64_MAX;
}

static void judge_files(struct survey *survey)
{
    static const uint8_t kinds[TOPICS] = {OCTO_FILE_MAIN, OCTO_FILE_RECOVERY};
    char name[NAME_BYTES];

    for (uint32_t i = 0; i < survey->segment_count; i++) {
        const struct segment *segment = &survey->segments[i];
        const bool used = segment->records > 0;
        for (uint32_t topic = 0; topic < TOPICS; topic++) {
            file_name(kinds[topic], segment->number, name);
            if (segment->unreadable[topic] > 0)
                found(survey, SEVERITY_DAMAGE, name, "the disk does not give %llu of its bytes",
                      wide(segment->unreadable[topic]))
                    ->remedy = "they count as zeros: the twin must do";
            if (segment->present[topic])
                continue;
            struct finding *finding = found(survey, used ? SEVERITY_DAMAGE : SEVERITY_NOTE, name,
                                            "the file is not there, and its twin is");
            finding->twin = "yes";
            finding->remedy = used ? "the node makes it anew from the twin"
                                   : "it holds nothing yet: a segment was being prepared";
        }
    }
}

static void judge_records(struct survey *survey, const struct lack *lack)
{
    const bool covered = octo_segment_place(lack->segment, lack->offset) < survey->covered_end;
    char name[NAME_BYTES];

    file_name(lack->topics == IN_MAIN ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY, lack->segment, name);
    struct finding *finding =
        found(survey, covered ? SEVERITY_DAMAGE : SEVERITY_NOTE, name,
              covered ? "%llu records (sequence %llu to %llu) are damaged here"
                      : "%llu records (sequence %llu to %llu) at the log's end are not here: they "
                        "were being written",
              wide(lack->records), wide(lack->first_sequence), wide(lack->last_sequence));
    finding->placed = true;
    finding->offset = lack->offset;
    finding->bytes = lack->end - lack->offset;
    finding->twin = "yes";
    finding->remedy = "the node copies them back from the twin when it starts";
}

static void judge_rubble(struct survey *survey, const struct lack *lack, bool lost)
{
    static const char *const where[] = {"", "main", "recovery", "either topic"};
    const uint64_t place = octo_segment_place(lack->segment, lack->offset);
    char name[NAME_BYTES];
    const bool after = place >= survey->covered_end;

    if (after && !lack->looks_like_ours)
        return; /* what an old file holds beyond the log's end means nothing */
    const bool guilty = lost && !after;
    file_name(lack->topics == IN_RECOVERY ? OCTO_FILE_RECOVERY : OCTO_FILE_MAIN, lack->segment,
              name);
    struct finding *finding =
        found(survey, guilty ? SEVERITY_DAMAGE : SEVERITY_NOTE, name,
              lack->version ? "what stands in %s is no record of a version that this program knows"
                            : "what stands in %s is no valid record",
              where[lack->topics]);
    finding->placed = true;
    finding->offset = lack->offset;
    finding->bytes = lack->end - lack->offset;
    finding->twin = guilty ? "no" : "";
    finding->remedy = guilty  ? "what stood here is lost on this disk"
                      : after ? "never acknowledged: the log ends before it"
                              : "nothing is missing: a failed write, or something replaced since";
}

static void judge_loss(struct survey *survey)
{
    const struct log *log = &survey->log;
    struct finding *finding;

    if (log_unfounded(log)) {
        finding = found(survey, SEVERITY_DAMAGE, "",
                        "the log goes on from a snapshot of index %llu that is not there, so "
                        "nothing of it counts",
                        wide(log->base.index));
        finding->twin = "no";
        finding->remedy = "put the snapshot back from a copy; else a peer sends its own";
    }
    if (survey->disconnected > 0)
        found(survey, SEVERITY_NOTE, "",
              "%llu entries are intact and do not connect, the first with index %llu at segment "
              "%u, offset %llu",
              wide(survey->disconnected), wide(survey->first_loose.index),
              survey->first_loose.segment, wide(survey->first_loose.offset));
    if (survey->floor_unknown) {
        finding = found(survey, SEVERITY_DAMAGE, "",
                        "no marker can be read: how far this node had acknowledged is unknown");
        finding->twin = "no";
        finding->remedy = "the node comes up recovering and does not vote until its log holds an "
                          "entry of a term later than its own";
    } else if (survey->recovering) {
        finding = found(survey, SEVERITY_DAMAGE, "",
                        "entries from index %llu on, up to %llu, were acknowledged and are lost "
                        "here, in both topics",
                        wide(survey->last + 1), wide(survey->floor.index));
        finding->twin = "no";
        finding->remedy =
            text_of("the node comes up recovering: it votes as if its log ended at "
                    "index %llu of term %llu, does not campaign, and fetches from "
                    "its peers from index %llu on",
                    wide(survey->floor.index), wide(survey->floor.term), wide(survey->last + 1));
    }
}

static void judge_log(struct survey *survey)
{
    const bool held = survey->votes.in_use;

    boot_foresee(survey);
    if (survey->segment_count == 0)
        found(survey, held ? SEVERITY_DAMAGE : SEVERITY_NOTE, "",
              "there is no segment of the log in either topic")
            ->remedy = "the node makes new ones";
    judge_files(survey);
    for (uint32_t i = 0; i < survey->lack_count; i++) {
        if (survey->lacks[i].records > 0)
            judge_records(survey, &survey->lacks[i]);
        else
            judge_rubble(survey, &survey->lacks[i], survey->recovering);
    }
    judge_loss(survey);
}

/* ---- The whole ------------------------------------------------------------------------------- */

void survey_judge(struct survey *survey)
{
    const struct directory *directory = &survey->directory;

    survey->starts = true;
    survey->status = TOOL_SOUND;
    if (directory->locked)
        found(survey, SEVERITY_NOTE, "lock",
              "a node is running on this directory%s%s; what you see may change",
              directory->who[0] != '\0' ? ", process " : "", directory->who);
    for (uint32_t i = 0; i < directory->stranger_count; i++)
        found(survey, SEVERITY_NOTE, "", "'%s' is no file of a node's; nodes do not touch it",
              directory->strangers[i]);
    judge_identity(survey);
    if (survey->owner.source == SOURCE_NONE) {
        found(survey, SEVERITY_NOTE, "", "without the identity nothing else can be verified")
            ->remedy = "give --cluster ID and --node N";
        return;
    }
    judge_vote(survey);
    judge_snapshots(survey);
    judge_log(survey);
}
