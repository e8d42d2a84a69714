/* Names of trace records and marks, from the tables in trace.h. */
#include "kernel/trace.h"

static const char *const mark_texts[OCTO_MARK_COUNT] = {
#define MARK_TEXT(name, text) [OCTO_MARK_##name] = text,
    OCTO_MARKS(MARK_TEXT)
#undef MARK_TEXT
};

static const char *const trace_texts[OCTO_TRACE_COUNT][5] = {
    [OCTO_TRACE_NONE] = {"none", "", "", "", ""},
#define TRACE_TEXT(name, text, a, b, c, d) [OCTO_TRACE_##name] = {text, a, b, c, d},
    OCTO_TRACES(TRACE_TEXT)
#undef TRACE_TEXT
};

const char *octo_mark_text(enum octo_mark mark)
{
    return (uint32_t)mark < OCTO_MARK_COUNT ? mark_texts[mark] : "unknown";
}

const char *octo_trace_text(enum octo_trace_kind kind)
{
    return (uint32_t)kind < OCTO_TRACE_COUNT ? trace_texts[kind][0] : "unknown";
}

const char *octo_trace_word_text(enum octo_trace_kind kind, uint32_t word)
{
    if ((uint32_t)kind >= OCTO_TRACE_COUNT || word >= 4)
        return "";
    return trace_texts[kind][word + 1];
}
