/* The properties' texts, from the table in oracle.h. */
#include "oracle/oracle.h"

static const char *const texts[OCTO_PROPERTY_COUNT][2] = {
    [OCTO_PROPERTY_NONE] = {"none", "nothing"},
#define PROPERTY_TEXTS(name, text, what) [OCTO_PROPERTY_##name] = {text, what},
    OCTO_PROPERTIES(PROPERTY_TEXTS)
#undef PROPERTY_TEXTS
};

const char *octo_property_text(enum octo_property property)
{
    return (uint32_t)property < OCTO_PROPERTY_COUNT ? texts[property][0] : "unknown";
}

const char *octo_property_what(enum octo_property property)
{
    return (uint32_t)property < OCTO_PROPERTY_COUNT ? texts[property][1] : "unknown";
}
