/* octo-wal explain: the story of a directory, for somebody who has to decide what to do. */
#include "tools/wal/tool.h"

static unsigned long long wide(uint64_t value)
{
    return value;
}

/* Where the words go: a paragraph for people, an object a paragraph for machines. */
static void tell(const struct survey *survey, FILE *out, const char *topic, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(const struct survey *survey, FILE *out, const char *topic, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const char *text = text_of_list(format, list);
    va_end(list);
    if (survey->arguments->json) {
        struct json json = {.out = out};
        json_text(&json, "topic", topic);
        json_text(&json, "text", text);
        json_end(&json);
        return;
    }
    coloured(out, COLOUR_DIM, topic, 10);
    fprintf(out, " %s\n", text);
}

static void tell_owner(const struct survey *survey, FILE *out)
{
    const struct owner *owner = &survey->owner;

    if (owner->state == OWNER_KNOWN)
        tell(survey, out, "identity",
             "This is the directory of node %u of cluster %llu, one of %u voters.", owner->node,
             wide(owner->cluster), owner->nodes);
    else if (owner->source == SOURCE_NONE)
        tell(survey, out, "identity",
             "Whose directory this is cannot be read, and nothing in it tells. Without that no "
             "checksum can be verified: give --cluster ID and --node N.");
    else
        tell(survey, out, "identity",
             "The identity cannot be read. %s this is the directory of node %u of cluster %llu.",
             owner->source == SOURCE_GIVEN ? "As you say," : "Other files verify only if",
             owner->node, wide(owner->cluster));
    if (owner->contradicted)
        tell(survey, out, "identity",
             "That is not what you gave with --cluster and --node: a node with those would refuse "
             "it. Look for the directory that you meant.");
}

static void tell_vote(const struct survey *survey, FILE *out)
{
    const struct votes *votes = &survey->votes;
    const struct ballot *ballot = &votes->slots[votes->slot];

    if (!votes->found) {
        tell(survey, out, "vote", "No copy of term and vote can be read.");
        return;
    }
    tell(survey, out, "vote", "Its %s term is %llu, in which it voted for %s.%s",
         votes->known ? "newest" : "newest readable", wide(ballot->term),
         ballot->vote != 0 ? text_of("node %u", ballot->vote) : "nobody",
         votes->known
             ? (votes->in_use ? "" : " No node was ever ready with this directory.")
             : " Both copies of a newer one may be lost: the node stays out, because it might vote "
               "a second time in a term.");
}

static void tell_snapshot(const struct survey *survey, FILE *out)
{
    uint32_t damaged = 0;

    for (uint32_t i = 0; i < survey->snapshot_count; i++)
        damaged += survey->snapshots[i].valid ? 0 : 1;
    if (survey->snapshot != NULL)
        tell(survey, out, "snapshot",
             "The newest valid snapshot is number %u: the state as of index %llu, term %llu.%s",
             survey->snapshot->number, wide(survey->snapshot->position.index),
             wide(survey->snapshot->position.term),
             damaged > 0 ? " Another one is damaged; the node removes it." : "");
    else if (survey->snapshot_count > 0)
        tell(survey, out, "snapshot",
             "There are %u snapshots, and none is valid. If the log does not begin with index 1, "
             "put one back from a copy or let a peer send its own.",
             survey->snapshot_count);
    else
        tell(survey, out, "snapshot", "There is no snapshot: the log begins with index 1.");
}

static void tell_log(const struct survey *survey, FILE *out)
{
    const struct log *log = &survey->log;
    const struct marker *marker = &log->marker;

    if (survey->first_place == UINT64_MAX) {
        tell(survey, out, "log", "No record of the log can be read.");
    } else {
        tell(survey, out, "log",
             "Its records stand in segment %u, offset %u, to segment %u, offset %u: %llu entries, "
             "%llu markers, %llu bases, %llu cuts; %llu of them do not count. The log holds index "
             "%llu to %llu.",
             (unsigned)(survey->first_place >> 32), (unsigned)survey->first_place,
             (unsigned)(survey->end_place >> 32), (unsigned)survey->end_place,
             wide(survey->counts[OCTO_RECORD_ENTRY]), wide(survey->counts[OCTO_RECORD_MARKER]),
             wide(survey->counts[OCTO_RECORD_BASE]), wide(survey->counts[OCTO_RECORD_CUT]),
             wide(survey->passed_over), wide(survey->base.index + 1), wide(survey->last));
    }
    if (log->marked)
        tell(survey, out, "marker",
             "The marker that counts stands in segment %u, offset %u: what was acknowledged ends "
             "at sequence %llu, index %llu of term %llu.",
             (unsigned)(marker->place >> 32), (unsigned)marker->place, wide(marker->sequence),
             wide(marker->at.index), wide(marker->at.term));
    else
        tell(survey, out, "marker", "No marker can be read.%s",
             survey->votes.in_use ? " There was one: a node was ready with this directory." : "");
    if (marker->floor_index != 0)
        tell(survey, out, "marker",
             "It says that the node had lost entries before: its floor is index %llu of term %llu.",
             wide(marker->floor_index), wide(marker->floor_term));
    if (survey->tail <= survey->last)
        tell(survey, out, "tail",
             "Index %llu to %llu stand after it, whole, and were not acknowledged by this node. It "
             "keeps them, and writes them again.",
             wide(survey->tail), wide(survey->last));
}

static void tell_damage(const struct survey *survey, FILE *out)
{
    uint32_t told = 0;

    for (uint32_t i = 0; i < survey->finding_count; i++) {
        const struct finding *finding = &survey->findings[i];
        if (finding->severity == SEVERITY_NOTE)
            continue;
        told++;
        const char *where = finding->file[0] == '\0' ? ""
                            : finding->placed
                                ? text_of("%s, byte %llu: ", finding->file, wide(finding->offset))
                                : text_of("%s: ", finding->file);
        tell(survey, out, "damage", "%s%s%s. Then: %s.", where, finding->what,
             strcmp(finding->twin, "yes") == 0 ? "; the twin has it" : "",
             finding->remedy[0] != '\0' ? finding->remedy : "see below");
    }
    if (told == 0)
        tell(survey, out, "damage", "None was found.");
}

static void tell_boot(const struct survey *survey, FILE *out)
{
    if (survey->directory.locked)
        tell(survey, out, "now", "A node is running on it; what you see may change.");
    if (!survey->starts) {
        tell(survey, out, "next", "A node does not start on this directory: %s.", survey->refusal);
        return;
    }
    if (!survey->votes.in_use) {
        tell(
            survey, out, "next",
            "The next start writes the identity again, for it may not be durable, and goes on with "
            "the log at index %llu.",
            wide(survey->last));
        return;
    }
    tell(survey, out, "next", "The next start %sends with the log at index %llu%s.",
         survey->status == TOOL_SOUND ? "" : "repairs what it can from the twins, and ",
         wide(survey->last),
         survey->recovering ? ", recovering: it neither campaigns nor acknowledges what it lost"
                            : "");
}

static void tell_hints(const struct survey *survey, FILE *out)
{
    if (survey->recovering)
        tell(survey, out, "hint",
             "Before starting it: if a copy of one of the damaged files exists, of either topic "
             "and as new as the damage, put it in its place and look again. A node that comes up "
             "recovering needs peers that hold what it lost; start them first, and do not wipe "
             "one of them meanwhile.");
    if (!survey->starts && survey->owner.source != SOURCE_NONE && !survey->owner.contradicted)
        tell(survey, out, "hint",
             "Put the file back from a copy taken since the node's last start. Never format or "
             "empty a directory under its old node number while the cluster counts on its vote: "
             "that is a lost disk, and is to be handled as one.");
}

void explain_print(const struct survey *survey, FILE *out)
{
    tell_owner(survey, out);
    if (survey->owner.source != SOURCE_NONE) {
        tell_vote(survey, out);
        tell_snapshot(survey, out);
        tell_log(survey, out);
    }
    tell_damage(survey, out);
    tell_boot(survey, out);
    if (!survey->arguments->quiet)
        tell_hints(survey, out);
    if (survey->arguments->json)
        summary_json(survey, out);
}
