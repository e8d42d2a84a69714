/* octo-wal dump: one line a record. */
#include "tools/wal/tool.h"

struct dump {
    const struct tool_arguments *arguments;
    struct log *log;
    FILE *out;
    uint64_t printed;
};

static const char *type_text(uint8_t type)
{
    static const char *const texts[] = {"", "entry", "marker", "base", "cut"};
    return texts[type];
}

static const char *kind_text(uint8_t kind)
{
    static const char *const texts[] = {"-", "no-op", "command"};
    return texts[kind];
}

static const char *topics_text(uint32_t topics)
{
    static const char *const texts[] = {"", "main", "recovery", "both"};
    return texts[topics];
}

/* "ok", or what is to be said of the record. */
static const char *state_text(const struct record *record, const char *meaning)
{
    const char *twin = "";

    if (record->other)
        twin = "twin holds another";
    else if (record->topics != IN_BOTH)
        twin = "twin lacks it";
    if (twin[0] == '\0' && meaning[0] == '\0')
        return "ok";
    return text_of("%s%s%s", twin, twin[0] != '\0' && meaning[0] != '\0' ? "; " : "", meaning);
}

static void print_json(const struct dump *dump, const struct record *record, const char *state,
                       bool counts)
{
    struct json json = {.out = dump->out};

    json_text(&json, "topic", topics_text(record->topics));
    json_number(&json, "segment", record->segment);
    json_number(&json, "offset", record->offset);
    json_text(&json, "type", type_text(record->type));
    json_number(&json, "sequence", record->sequence);
    json_number(&json, "index", record->index);
    json_number(&json, "term", record->term);
    json_hash(&json, "chain", record->chain);
    json_text(&json, "kind", kind_text(record->kind));
    json_number(&json, record->type == OCTO_RECORD_MARKER ? "floor_term" : "client",
                record->client);
    json_number(&json, record->type == OCTO_RECORD_MARKER ? "floor_index" : "client_sequence",
                record->client_sequence);
    json_number(&json, "size", record->size);
    json_bool(&json, "counts", counts);
    json_text(&json, "state", state);
    json_end(&json);
}

static void print_line(const struct dump *dump, const struct record *record, const char *state)
{
    fprintf(dump->out, "%-8s %7u %10llu %-6s %10llu %10llu %8llu %016llx %-7s %20llu %10llu %8u ",
            topics_text(record->topics), record->segment, (unsigned long long)record->offset,
            type_text(record->type), (unsigned long long)record->sequence,
            (unsigned long long)record->index, (unsigned long long)record->term,
            (unsigned long long)record->chain, kind_text(record->kind),
            (unsigned long long)record->client, (unsigned long long)record->client_sequence,
            record->size);
    coloured(dump->out,
             strcmp(state, "ok") == 0      ? COLOUR_GOOD
             : (record->topics == IN_BOTH) ? COLOUR_DIM
                                           : COLOUR_BAD,
             state, 0);
    fputc('\n', dump->out);
}

static bool wanted(const struct dump *dump, const struct record *record)
{
    const struct tool_arguments *arguments = dump->arguments;

    if ((record->topics & arguments->topics) == 0 || dump->printed >= arguments->limit)
        return false;
    if (arguments->segment != 0 && record->segment != arguments->segment)
        return false;
    return record->sequence >= arguments->from;
}

static void dump_record(void *context, const struct record *record)
{
    struct dump *dump = context;
    const struct tool_arguments *arguments = dump->arguments;
    const enum meaning meaning = log_take(dump->log, record);
    const struct text *mark = texts_mark();
    const char *means = meaning_text(dump->log, record, meaning);

    if (wanted(dump, record)) {
        const char *state = state_text(record, means);
        dump->printed++;
        if (arguments->json)
            print_json(dump, record, state, meaning < MEANS_DUPLICATE);
        else
            print_line(dump, record, state);
    }
    texts_free(mark);
}

static void dump_rubble(void *context, const struct rubble *rubble)
{
    (void)context;
    (void)rubble;
}

void dump_print(struct survey *survey, FILE *out)
{
    struct dump dump = {.arguments = survey->arguments, .log = &survey->log, .out = out};
    const struct scan_visitor visitor = {&dump, dump_record, dump_rubble};
    const struct position begin = survey->log.snapshot;

    if (!survey->arguments->json && !survey->arguments->quiet)
        fprintf(out, "%-8s %7s %10s %-6s %10s %10s %8s %-16s %-7s %20s %10s %8s %s\n", "topic",
                "segment", "offset", "type", "sequence", "index", "term", "chain", "kind", "client",
                "client-seq", "size", "state");
    log_begin(&survey->log, &begin);
    scan_topics(&survey->directory, &survey->owner, survey->segments, survey->segment_count,
                &visitor);
}
