/* Reads the recorded histories of tests/histories into what the checker takes. Test code. */
#ifndef OCTO_TESTS_HISTORY_READER_H
#define OCTO_TESTS_HISTORY_READER_H

#include "oracle/linearizable.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum history_model { HISTORY_ETCD, HISTORY_KNOSSOS, HISTORY_KV };

struct history_text {
    const char *at;
    size_t size;
};

struct history {
    enum history_model model;
    struct octo_history_operation *operations;
    long *processes; /* of each operation */
    bool *dropped;   /* says nothing and did nothing */
    uint32_t count;
    uint32_t capacity;
    uint64_t order;
};

static bool history_is(struct history_text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.at, word, text.size) == 0;
}

/* ---- Words ----------------------------------------------------------------------------------- */

static const char *history_skip(const char *at)
{
    for (;;) {
        while (*at != '\0' && (isspace((unsigned char)*at) || *at == ','))
            at++;
        if (*at != ';')
            return at;
        while (*at != '\0' && *at != '\n')
            at++;
    }
}

/* One EDN value: a string (without its quotes), a collection as a whole, or an atom. */
static const char *history_word(const char *at, struct history_text *text)
{
    at = history_skip(at);
    text->at = at;
    if (*at == '"') {
        text->at = ++at;
        while (*at != '\0' && *at != '"')
            at++;
        text->size = (size_t)(at - text->at);
        return *at == '"' ? at + 1 : at;
    }
    if (*at == '[' || *at == '(' || *at == '{') {
        int depth = 0;
        do {
            depth += *at == '[' || *at == '(' || *at == '{';
            depth -= *at == ']' || *at == ')' || *at == '}';
            at++;
        } while (*at != '\0' && depth > 0);
    } else {
        while (*at != '\0' && !isspace((unsigned char)*at) && strchr(",[](){}\"", *at) == NULL)
            at++;
    }
    text->size = (size_t)(at - text->at);
    return at;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static struct octo_history_value history_value(struct history_text text)
{
    return octo_history_value(text.at, text.size);
}

static void history_pair(struct history_text text, struct octo_history_operation *operation)
{
    struct history_text expected = {"", 0};
    struct history_text value = {"", 0};

    history_word(history_word(text.at + 1, &expected), &value);
    operation->expected = history_value(expected);
    operation->value = history_value(value);
}

static void history_invoke(struct history *history, long process, struct history_text what,
                           struct history_text key, struct history_text value)
{
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 256 : 2 * history->capacity;
        history->operations =
            realloc(history->operations, history->capacity * sizeof *history->operations);
        history->processes = realloc(history->processes, history->capacity * sizeof(long));
        history->dropped = realloc(history->dropped, history->capacity * sizeof(bool));
    }
    struct octo_history_operation *operation = &history->operations[history->count];
    *operation = (struct octo_history_operation){
        .invoked = history->order,
        .returned = OCTO_NEVER,
        .key = octo_hash(key.at, key.size, 0),
        .outcomes = OCTO_OUTCOME_ANY,
    };
    history->processes[history->count] = process;
    history->dropped[history->count] = false;
    history->count++;
    if (history_is(what, ":cas")) {
        operation->kind = OCTO_HISTORY_CAS;
        history_pair(value, operation);
        return;
    }
    operation->kind = OCTO_HISTORY_READ;
    if (history_is(what, ":write") || history_is(what, ":put"))
        operation->kind = OCTO_HISTORY_WRITE;
    else if (history_is(what, ":append"))
        operation->kind = OCTO_HISTORY_APPEND;
    if (operation->kind != OCTO_HISTORY_READ)
        operation->value = history_value(value);
}

static void history_ok(struct history *history, struct octo_history_operation *operation,
                       struct history_text value)
{
    operation->outcomes = OCTO_OUTCOME_OK;
    if (operation->kind != OCTO_HISTORY_READ)
        return;
    operation->value = history_value(value);
    if (!history_is(value, "nil"))
        return;
    operation->outcomes = OCTO_OUTCOME_MISSING;
    if (history->model == HISTORY_KNOSSOS) /* a read of nil says nothing */
        history->dropped[operation - history->operations] = true;
}

static void history_event(struct history *history, long process, struct history_text type,
                          struct history_text what, struct history_text key,
                          struct history_text value)
{
    history->order++;
    if (history_is(type, ":invoke")) {
        history_invoke(history, process, what, key, value);
        return;
    }
    uint32_t i = history->count;
    while (i > 0 && (history->processes[i - 1] != process || history->dropped[i - 1] ||
                     history->operations[i - 1].returned != OCTO_NEVER))
        i--;
    if (i == 0 || history_is(type, ":info"))
        return; /* of nobody (a fault that was injected), or unknown for ever */
    struct octo_history_operation *operation = &history->operations[i - 1];
    if (history_is(type, ":ok")) {
        history_ok(history, operation, value);
        operation->returned = history->order;
    } else if (history->model == HISTORY_ETCD && operation->kind == OCTO_HISTORY_CAS) {
        operation->outcomes = OCTO_OUTCOME_MISSING | OCTO_OUTCOME_DIFFERENT;
        operation->returned = history->order;
    } else {
        history->dropped[i - 1] = true;
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void history_read_maps(struct history *history, const char *at)
{
    for (at = strchr(at, '{'); at != NULL; at = strchr(at, '{')) {
        struct history_text type = {"", 0}, what = {"", 0}, key = {"", 0}, value = {"", 0};
        long process = -1;
        at = history_skip(at + 1);
        while (*at != '}' && *at != '\0') {
            struct history_text name;
            struct history_text word;
            at = history_skip(history_word(history_word(at, &name), &word));
            if (history_is(name, ":process"))
                process = isdigit((unsigned char)*word.at) ? strtol(word.at, NULL, 10) : -1;
            else if (history_is(name, ":type"))
                type = word;
            else if (history_is(name, ":f"))
                what = word;
            else if (history_is(name, ":key"))
                key = word;
            else if (history_is(name, ":value"))
                value = word;
        }
        if (process >= 0)
            history_event(history, process, type, what, key, value);
    }
}

static void history_read_lines(struct history *history, const char *at)
{
    static const char mark[] = "jepsen.util - ";

    for (at = strstr(at, mark); at != NULL; at = strstr(at, mark)) {
        struct history_text type, what, value;
        const struct history_text key = {"", 0};
        char *end = NULL;
        const long process = strtol(at + strlen(mark), &end, 10);
        const char *line = end;
        at = end;
        if (line == NULL || *line != '\t')
            continue; /* the nemesis */
        at = history_word(history_word(history_word(line, &type), &what), &value);
        history_event(history, process, type, what, key, value);
    }
}

/* Leaves out what says nothing. */
static void history_compact(struct history *history)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < history->count; i++) {
        if (!history->dropped[i])
            history->operations[kept++] = history->operations[i];
    }
    history->count = kept;
}

/* history_read returns false if the file cannot be read. history_free gives the memory back. */
static bool history_read(struct history *history, const char *path, enum history_model model)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t size = 0;
    char *bytes = malloc(1);
    for (size_t got = 1; got > 0; size += got) {
        bytes = realloc(bytes, size + 65537);
        got = fread(bytes + size, 1, 65536, file);
    }
    fclose(file);
    bytes[size] = '\0';
    *history = (struct history){.model = model};
    if (model == HISTORY_ETCD)
        history_read_lines(history, bytes);
    else
        history_read_maps(history, bytes);
    history_compact(history);
    free(bytes);
    return true;
}

static void history_free(struct history *history)
{
    free(history->operations);
    free(history->processes);
    free(history->dropped);
}

#endif
