/* The story of a run: the twenty or so events that matter, in words. It is told from the trace's
 * text (docs/trace.md): each line that means something to a person has words and a weight; when
 * there are too many, the lightest go first, and of those the earliest. */
#include "tools/min/min.h"

#include <inttypes.h>
#include <stdlib.h>

#define SENTENCES_MAX 24u
#define NOTES_MAX     20000u /* at a time */
#define WEIGHT_MAX    9u
#define TEXT_BYTES    192u
#define NOTE_BYTES    (TEXT_BYTES + 8u)

struct note {
    uint64_t event;
    char time[20];
    char text[NOTE_BYTES]; /* who, and what */
    uint32_t weight;
};

struct story {
    struct note *notes;
    uint32_t count;
    uint32_t left_out;
};

/* How a trace line reads. `what` and the beginning of the detail choose; words in {} are values of
 * the detail. What weighs most goes last. */
struct phrase {
    const char *what, *begins, *text;
    uint32_t weight;
};

static const struct phrase phrases[] = {
    {"boot", "incarnation=1 ", "", 0},
    {"boot", "", "starts again (life {incarnation})", 8},
    {"trace", "ready ", "is ready: term {term}, vote for n{vote}, log up to {last}", 7},
    {"trace", "role ", "", 0},
    {"trace", "term ", "is in term {to}, its vote is for n{vote}", 4},
    {"trace", "vote-from ",
     "has n{voter}'s answer for term {term}: granted={granted}, pre-vote={pre}", 3},
    {"trace", "vote-saved ", "has its vote of term {term} for n{vote} on the disk", 4},
    {"trace", "append ", "appends entries {first} to {last} of term {term}", 5},
    {"trace", "truncate ", "cuts its log from entry {from} on (it ended at {last})", 8},
    {"trace", "durable ", "has its log durable up to {index}", 3},
    {"trace", "commit ", "has committed up to entry {to}", 6},
    {"trace", "apply ", "", 0},
    {"trace", "recovering ", "knows that it lost entries from {lost-from} on", 9},
    {"trace", "recovered ", "has recovered up to entry {last}", 9},
    {"trace", "snapshot-saved ", "has a snapshot at entry {index}", 6},
    {"trace", "snapshot-installed ", "installs a snapshot at entry {index} from its leader", 8},
    {"trace", "disk-error ", "meets a failing disk: operation {operation}, file kind {file}", 6},
    {"trace", "halt", "halts", 9},
};

/* The value of name in a detail of "name=value" words; empty if it is not there. */
static void detail_value(const char *detail, const char *name, size_t length, char *out,
                         size_t size)
{
    out[0] = '\0';
    for (const char *at = detail; at != NULL && *at != '\0'; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        const size_t end = strcspn(at + length + 1, " ");
        (void)snprintf(out, size, "%.*s", (int)end, at + length + 1);
        return;
    }
}

/* Puts the detail's values into the phrase. */
static void phrase_fill(const char *text, const char *detail, char *out, size_t size)
{
    size_t used = 0;

    while (*text != '\0' && used + 1 < size) {
        const char *close = *text == '{' ? strchr(text, '}') : NULL;
        if (close == NULL) {
            out[used++] = *text++;
            continue;
        }
        char value[40];
        detail_value(detail, text + 1, (size_t)(close - text - 1), value, sizeof value);
        used += (size_t)snprintf(out + used, size - used, "%s", value);
        used = used < size ? used : size - 1;
        text = close + 1;
    }
    out[used] = '\0';
}

/* A vote for n0 is for nobody. "n0" is shorter than "nobody" by four letters. */
static void nobody_name(char *text, size_t size)
{
    char *at = strstr(text, "for n0");
    const size_t length = strlen(text);

    if (at == NULL || length + 5 > size)
        return;
    memmove(at + 10, at + 6, length + 1 - (size_t)(at + 6 - text));
    memcpy(at, "for nobody", 10);
}

/* "entries 2 to 2" is entry 2. */
static void entry_name(char *text)
{
    char *at = strstr(text, "entries ");
    char *end;

    if (at == NULL)
        return;
    const unsigned long long first = strtoull(at + strlen("entries "), &end, 10);
    if (strncmp(end, " to ", 4) != 0 || strtoull(end + 4, &end, 10) != first)
        return;
    const int used = snprintf(at, (size_t)(end - at), "entry %llu", first); /* it is shorter */
    memmove(at + used, end, strlen(end) + 1);
}

/* The weight below which notes are dropped, so that at most `most` stay; *spare: how many of
 * exactly that weight may stay, the last ones. */
static uint32_t weight_least(const struct story *story, uint32_t most, uint32_t *spare)
{
    uint32_t counts[WEIGHT_MAX + 1] = {0};
    uint32_t kept = 0;

    for (uint32_t i = 0; i < story->count; i++)
        counts[story->notes[i].weight]++;
    for (uint32_t weight = WEIGHT_MAX; weight > 0; weight--) {
        if (kept + counts[weight] > most) {
            *spare = most - kept;
            return weight;
        }
        kept += counts[weight];
    }
    *spare = 0;
    return 0;
}

/* Leaves out the lightest notes, and of those the earliest, so that at most `most` stay. */
static void notes_thin(struct story *story, uint32_t most)
{
    uint32_t spare;
    const uint32_t least = weight_least(story, most, &spare);
    uint32_t of_least = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < story->count; i++)
        of_least += story->notes[i].weight == least;
    for (uint32_t i = 0; i < story->count; i++) {
        const struct note *note = &story->notes[i];
        if (note->weight > least || (note->weight == least && of_least-- <= spare))
            story->notes[kept++] = *note;
    }
    story->left_out += story->count - kept;
    story->count = kept;
}

static void note_add(struct story *story, uint64_t event, const char *time, const char *who,
                     const char *text, uint32_t weight)
{
    if (story->count == NOTES_MAX)
        notes_thin(story, NOTES_MAX / 2);
    struct note *note = &story->notes[story->count++];
    note->event = event;
    note->weight = weight;
    (void)snprintf(note->time, sizeof note->time, "%s", time);
    (void)snprintf(note->text, sizeof note->text, "%.6s%s%.*s", who, who[0] == '\0' ? "" : " ",
                   (int)TEXT_BYTES, text);
}

/* A role's line says more in words of its own. */
static bool role_note(struct story *story, uint64_t event, const char *time, const char *who,
                      const char *detail)
{
    char to[16];
    char text[TEXT_BYTES];

    if (strncmp(detail, "role ", 5) != 0)
        return false;
    detail_value(detail + 5, "to", 2, to, sizeof to);
    const bool leader = strcmp(to, "leader") == 0;
    phrase_fill(leader ? "is the leader of term {term}"
                       : "turns from {from} to {to} in term {term}",
                detail + 5, text, sizeof text);
    note_add(story, event, time, who, text, leader ? 9 : 2);
    return true;
}

/* What a partition cuts, as a trace has it (a|b, a>b, or a list), in words. */
static void cut_say(const char *cut, int name_length, const char *name, char *text, size_t size)
{
    const int length = (int)strcspn(cut, "\n");
    const int first = (int)strcspn(cut, "|>");
    const char *second = cut + first + 1;

    if (first >= length || memchr(cut, ',', (size_t)length) != NULL)
        (void)snprintf(text, size, "the network is cut, %.*s (%.*s)", length, cut, name_length,
                       name);
    else if (cut[first] == '|')
        (void)snprintf(text, size, "%.*s and %.*s do not hear each other (%.*s)", first, cut,
                       length - first - 1, second, name_length, name);
    else
        (void)snprintf(text, size, "what %.*s says to %.*s is lost (%.*s)", first, cut,
                       length - first - 1, second, name_length, name);
}

/* A fault: its name, and the other node if there is one. */
static void fault_note(struct story *story, uint64_t event, const char *time, const char *who,
                       const char *detail)
{
    const bool clock = strncmp(detail, "clock-", 6) == 0;
    const bool small = strncmp(detail, "disk-sector-", 12) == 0 ||
                       strncmp(detail, "disk-entry-", 11) == 0 ||
                       strncmp(detail, "disk-size-", 10) == 0;
    const char *drawn = strstr(detail, " detail=");
    const char *cut = strstr(detail, " cut=");
    const int length = (int)(drawn != NULL ? (size_t)(drawn - detail) : strcspn(detail, "\n"));
    char text[TEXT_BYTES];

    if (cut != NULL)
        cut_say(cut + 5, length, detail, text, sizeof text);
    else
        (void)snprintf(text, sizeof text, "suffers %.*s", length, detail);
    note_add(story, event, time, cut != NULL ? "" : who, text, clock ? 1 : small ? 5 : 9);
}

static void story_line(void *context, uint64_t event, const char *line)
{
    struct story *story = context;
    char time[20];
    char who[8];
    char role[24];
    char what[16];
    char text[TEXT_BYTES];
    int used = 0;

    if (sscanf(line, "%*u %19s %7s %23s %n", time, who, role, &used) != 3)
        return;
    const char *detail = line + used;
    used = 0;
    /* A long term stands right behind the role. */
    if (sscanf(detail, role[1] == '\0' ? "%*s %15s %n" : "%15s %n", what, &used) != 1 || used == 0)
        return;
    detail += used;
    if (strcmp(what, "fault") == 0) {
        fault_note(story, event, time, who, detail);
        return;
    }
    if (strcmp(what, "trace") == 0 && role_note(story, event, time, who, detail))
        return;
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        const struct phrase *phrase = &phrases[i];
        if (strcmp(what, phrase->what) != 0 ||
            strncmp(detail, phrase->begins, strlen(phrase->begins)) != 0)
            continue;
        if (phrase->weight == 0)
            return;
        phrase_fill(phrase->text, detail, text, sizeof text);
        nobody_name(text, sizeof text);
        entry_name(text);
        note_add(story, event, time, who, text, phrase->weight);
        return;
    }
}

static void story_print(struct story *story, FILE *out)
{
    notes_thin(story, SENTENCES_MAX);
    for (uint32_t i = 0; i < story->count; i++) {
        const struct note *note = &story->notes[i];
        fprintf(out, "  %10.3f ms  %s\n", strtod(note->time, NULL) / 1000.0, note->text);
    }
    if (story->left_out > 0)
        fprintf(out, "  (%u lesser events are left out: --trace of octo-sim --replay has all)\n",
                story->left_out);
}

char *min_story(const struct octo_plan *plan, const struct octo_machine *machine)
{
    struct story story = {.notes = calloc(NOTES_MAX, sizeof *story.notes)};
    const struct octo_watch watch = {.context = &story, .line = story_line};
    struct octo_sim_result result;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    bool told =
        story.notes != NULL && out != NULL && min_run(plan, machine, UINT64_MAX, &watch, &result);
    if (told) {
        story_print(&story, out);
        fprintf(out, "  and then: %s: %s\n", octo_property_text(result.verdict.property),
                result.verdict.why);
    }
    if (out != NULL)
        told = fclose(out) == 0 && told;
    free(story.notes);
    if (told)
        return text;
    free(text);
    return NULL;
}
