#include "sim/main/object.h"

/* Unicode's table of well-formed sequences: neither overlong forms nor surrogates nor more than
 * U+10FFFF. Only the second byte's range depends on the first. */
size_t sim_utf8_size(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char least = 0x80, most = 0xbf;
    size_t size = 1;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    if (at[0] >= 0xe0)
        size++;
    if (at[0] >= 0xf0)
        size++;
    if (at[0] == 0xe0 || at[0] == 0xf0)
        least = at[0] == 0xe0 ? 0xa0 : 0x90;
    if (at[0] == 0xed || at[0] == 0xf4)
        most = at[0] == 0xed ? 0x9f : 0x8f;
    for (size_t i = 1; i <= size; i++) {
        if (at[i] < least || at[i] > most)
            return 0;
        least = 0x80;
        most = 0xbf;
    }
    return size + 1;
}

static void string(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text != '\0') {
        const unsigned char letter = (unsigned char)*text;
        const size_t size = sim_utf8_size(text);
        if (letter == '"' || letter == '\\')
            fprintf(out, "\\%c", letter);
        else if (letter < 32)
            fprintf(out, "\\u%04x", letter);
        else if (size == 0)
            fputs("\\ufffd", out);
        else
            (void)fwrite(text, 1, size, out);
        text += size == 0 ? 1 : size;
    }
    fputc('"', out);
}

static void key(struct sim_object *object, const char *name)
{
    fputc(object->begun ? ',' : '{', object->out);
    object->begun = true;
    string(object->out, name);
    fputc(':', object->out);
}

void sim_object_number(struct sim_object *object, const char *name, uint64_t value)
{
    key(object, name);
    fprintf(object->out, "%llu", (unsigned long long)value);
}

void sim_object_bool(struct sim_object *object, const char *name, bool value)
{
    key(object, name);
    fputs(value ? "true" : "false", object->out);
}

void sim_object_text(struct sim_object *object, const char *name, const char *value)
{
    key(object, name);
    if (value == NULL)
        fputs("null", object->out);
    else
        string(object->out, value);
}

struct sim_object sim_object_open(struct sim_object *object, const char *name)
{
    key(object, name);
    return (struct sim_object){.out = object->out};
}

void sim_object_close(struct sim_object *object)
{
    fputs(object->begun ? "}" : "{}", object->out);
}

void sim_object_line(struct sim_object *object)
{
    sim_object_close(object);
    fputc('\n', object->out);
}
