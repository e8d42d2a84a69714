/* What every report needs: JSON, colour, complaints, memory. */
#include "tools/wal/tool.h"

#include <stdlib.h>
#include <unistd.h>

#define QUOTED_BYTES 96u

void complain(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fputs("octo-wal: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

static _Noreturn void no_memory(void)
{
    complain("out of memory");
    exit(TOOL_BROKEN);
}

void *tool_grow(void *block, size_t count, size_t size)
{
    void *grown = NULL;

    if (count < SIZE_MAX / size)
        grown = realloc(block, count * size > 0 ? count * size : 1);
    if (grown == NULL)
        no_memory();
    return grown;
}

void tool_free(void *block)
{
    free(block);
}

/* ---- Texts ----------------------------------------------------------------------------------- */

struct text {
    struct text *before;
    char letters[];
};

static struct text *texts; /* the newest one */

struct text *texts_mark(void)
{
    return texts;
}

void texts_free(const struct text *mark)
{
    while (texts != mark) {
        struct text *before = texts->before;
        free(texts);
        texts = before;
    }
}

const char *text_of_list(const char *format, va_list list)
{
    va_list again;

    va_copy(again, list);
    const int length = vsnprintf(NULL, 0, format, list);
    octo_assert(length >= 0);
    struct text *text = tool_grow(NULL, 1, sizeof *text + (size_t)length + 1);
    vsnprintf(text->letters, (size_t)length + 1, format, again);
    va_end(again);
    text->before = texts;
    texts = text;
    return text->letters;
}

const char *text_of(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const char *text = text_of_list(format, list);
    va_end(list);
    return text;
}

const char *quoted(const char *word)
{
    char text[QUOTED_BYTES];
    size_t used = 0;

    for (; word[used] != '\0' && used < QUOTED_BYTES - 4; used++) {
        const unsigned char letter = (unsigned char)word[used];
        text[used] = letter < 32 || letter == 127 ? '?' : word[used];
    }
    text[used] = '\0';
    return text_of("%s%s", text, word[used] == '\0' ? "" : "...");
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Bytes above 127 are written as if they were Latin-1: names need not be UTF-8, JSON must. */
static void string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        const unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\')
            fprintf(out, "\\%c", letter);
        else if (letter < 32 || letter > 126)
            fprintf(out, "\\u%04x", letter);
        else
            fputc(letter, out);
    }
    fputc('"', out);
}

static void key(struct json *json, const char *name)
{
    fputc(json->begun ? ',' : '{', json->out);
    json->begun = true;
    string(json->out, name);
    fputc(':', json->out);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    key(json, name);
    fprintf(json->out, "%llu", (unsigned long long)value);
}

void json_text(struct json *json, const char *name, const char *value)
{
    key(json, name);
    if (value == NULL)
        fputs("null", json->out);
    else
        string(json->out, value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    key(json, name);
    fputs(value ? "true" : "false", json->out);
}

void json_hash(struct json *json, const char *name, uint64_t value)
{
    key(json, name);
    fprintf(json->out, "\"%016llx\"", (unsigned long long)value);
}

void json_end(struct json *json)
{
    fputs(json->begun ? "}\n" : "{}\n", json->out);
    json->begun = false;
}

/* ---- Colour ---------------------------------------------------------------------------------- */

void coloured(FILE *out, enum colour colour, const char *text, int width)
{
    static const char *const codes[] = {"\033[32m", "\033[1;31m", "\033[2m"};
    const char *no_color = getenv("NO_COLOR");
    const bool plain = isatty(fileno(out)) == 0 || (no_color != NULL && no_color[0] != '\0');

    if (plain)
        fprintf(out, "%-*s", width, text);
    else
        fprintf(out, "%s%-*s\033[0m", codes[colour], width, text);
}
