/* YAML events to entries. */
#include "sim/scenario/entries.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

bool entries_refuse(const struct entries *entries, uint32_t line, const char *format, ...)
{
    va_list list;
    int used =
        line == 0
            ? snprintf(entries->error, OCTO_SCENARIO_ERROR_BYTES, "%s: ", entries->file)
            : snprintf(entries->error, OCTO_SCENARIO_ERROR_BYTES, "%s:%u: ", entries->file, line);

    if (used >= (int)OCTO_SCENARIO_ERROR_BYTES)
        return false;
    va_start(list, format);
    (void)vsnprintf(entries->error + used, OCTO_SCENARIO_ERROR_BYTES - (size_t)used, format, list);
    va_end(list);
    return false;
}

/* Where the reader stands. */
struct reader {
    struct entries *entries;
    struct entry next; /* its key has been read */
    char section[ENTRY_KEY_BYTES];
    uint32_t depth; /* mappings that are open */
    bool has_key, done;
};

static uint32_t line_of(const yaml_event_t *event)
{
    return (uint32_t)event->start_mark.line + 1;
}

static bool scalar_copy(const struct reader *reader, const yaml_event_t *event, char *out,
                        size_t bytes, const char *what)
{
    const char *text = (const char *)event->data.scalar.value;
    const size_t size = event->data.scalar.length;
    const uint32_t line = line_of(event);

    if (event->data.scalar.anchor != NULL)
        return entries_refuse(reader->entries, line, "anchors (&name) are not used here");
    if (event->data.scalar.tag != NULL)
        return entries_refuse(reader->entries, line, "tags (!name) are not used here");
    if (size >= bytes)
        return entries_refuse(reader->entries, line, "a %s has at most %zu bytes, not %zu", what,
                              bytes - 1, size);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 32)
            return entries_refuse(reader->entries, line, "a %s is one line of text", what);
    }
    memcpy(out, text, size);
    out[size] = '\0';
    return true;
}

static bool entry_add(struct reader *reader, bool is_section)
{
    struct entries *entries = reader->entries;
    struct entry *next = &reader->next;

    for (uint32_t i = 0; i < entries->count; i++) {
        const struct entry *item = &entries->items[i];
        if (strcmp(item->key, next->key) == 0 && strcmp(item->section, next->section) == 0)
            return entries_refuse(entries, next->line, "'%s' is given twice, first in line %u",
                                  next->key, item->line);
    }
    if (entries->count == ENTRIES_MAX)
        return entries_refuse(entries, next->line, "more than %u lines of settings", ENTRIES_MAX);
    next->is_section = is_section;
    entries->items[entries->count++] = *next;
    reader->has_key = false;
    return true;
}

static bool take_scalar(struct reader *reader, const yaml_event_t *event)
{
    if (reader->depth == 0)
        return entries_refuse(reader->entries, line_of(event),
                              "a scenario is lines of 'key: value'");
    if (!reader->has_key) {
        reader->next = (struct entry){.line = line_of(event)};
        memcpy(reader->next.section, reader->section, sizeof reader->section);
        reader->has_key = true;
        return scalar_copy(reader, event, reader->next.key, sizeof reader->next.key, "key");
    }
    return scalar_copy(reader, event, reader->next.value, sizeof reader->next.value, "value") &&
           entry_add(reader, false);
}

static bool take_mapping(struct reader *reader, const yaml_event_t *event)
{
    const uint32_t line = line_of(event);

    if (event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL)
        return entries_refuse(reader->entries, line, "anchors and tags are not used here");
    if (reader->depth == 2 || (reader->depth == 1 && !reader->has_key))
        return entries_refuse(reader->entries, line, "sections hold settings, not more sections");
    if (reader->depth == 1) {
        memcpy(reader->section, reader->next.key, sizeof reader->section);
        if (!entry_add(reader, true))
            return false;
    }
    reader->depth++;
    return true;
}

static bool take_document(const struct reader *reader, const yaml_event_t *event)
{
    if (reader->done)
        return entries_refuse(reader->entries, line_of(event), "a file holds one scenario");
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
        return entries_refuse(reader->entries, line_of(event), "directives (%%) are not used here");
    return true;
}

static bool take_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
        return true;
    case YAML_DOCUMENT_START_EVENT:
        return take_document(reader, event);
    case YAML_DOCUMENT_END_EVENT:
        reader->done = true;
        return true;
    case YAML_ALIAS_EVENT:
        return entries_refuse(reader->entries, line_of(event), "aliases (*name) are not used here");
    case YAML_SCALAR_EVENT:
        return take_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return entries_refuse(reader->entries, line_of(event), "lists are not used here");
    case YAML_MAPPING_START_EVENT:
        return take_mapping(reader, event);
    case YAML_MAPPING_END_EVENT:
        reader->depth--;
        reader->section[0] = '\0';
        return true;
    }
    return true;
}

static bool refuse_syntax(const struct reader *reader, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";
    const bool colon = strstr(problem, "mapping values") != NULL;

    return entries_refuse(reader->entries, (uint32_t)parser->problem_mark.line + 1,
                          "this is not YAML: %s%s", problem,
                          colon ? " (a value with ': ' in it wants quotes)" : "");
}

static bool parse(struct reader *reader, yaml_parser_t *parser)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0)
            return refuse_syntax(reader, parser);
        more = event.type != YAML_STREAM_END_EVENT;
        const bool good = take_event(reader, &event);
        yaml_event_delete(&event);
        if (!good)
            return false;
    }
    return true;
}

bool entries_read(struct entries *entries, const char *text, size_t size)
{
    struct reader reader = {.entries = entries};
    yaml_parser_t parser;

    entries->count = 0;
    if (yaml_parser_initialize(&parser) == 0)
        return entries_refuse(entries, 0, "no memory to read it");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    const bool good = parse(&reader, &parser);
    yaml_parser_delete(&parser);
    return good;
}
