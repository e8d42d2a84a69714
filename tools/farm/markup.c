#include "tools/farm/markup.h"

#include <inttypes.h>
#include <string.h>

#include "sim/main/object.h"

static const char *entity(char letter)
{
    switch (letter) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
        return "&#9;"; /* in an attribute, a bare one is read as a blank */
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return NULL;
    }
}

void farm_markup_short(FILE *out, const char *text, size_t letters)
{
    for (size_t size; *text != '\0'; text += size == 0 ? 1 : size) {
        if (letters-- == 0) {
            fputs("\xe2\x80\xa6", out);
            return;
        }
        const char *name = entity(*text);
        size = sim_utf8_size(text);
        if (name != NULL)
            fputs(name, out);
        else if (size == 0 || (unsigned char)*text < 32 ||
                 memcmp(text, "\xef\xbf\xbe", size) == 0 || memcmp(text, "\xef\xbf\xbf", size) == 0)
            fputs("\xef\xbf\xbd", out);
        else
            (void)fwrite(text, 1, size, out);
    }
}

void farm_markup(FILE *out, const char *text)
{
    farm_markup_short(out, text, SIZE_MAX);
}

void farm_markup_attribute(FILE *out, const char *name, const char *text)
{
    fprintf(out, " %s=\"", name);
    farm_markup(out, text);
    fputc('"', out);
}

void farm_markup_seconds(FILE *out, uint64_t ns)
{
    const uint64_t ms = ns / 1000000;
    fprintf(out, "%" PRIu64 ".%03" PRIu64, ms / 1000, ms % 1000);
}
