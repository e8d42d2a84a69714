/* Words of a plan. Private to plan_line.c and plan_text.c. */
#ifndef OCTO_SIM_PLAN_PARSE_H
#define OCTO_SIM_PLAN_PARSE_H

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sim/plan.h"

static inline bool plan_refuse(char error[OCTO_PLAN_ERROR_BYTES], const char *word,
                               const char *expected)
{
    (void)snprintf(error, OCTO_PLAN_ERROR_BYTES, "%s, not '%.60s'", expected, word);
    return false;
}

static inline bool plan_number(const char *word, int base, uint64_t most, uint64_t *value)
{
    char *end = NULL;

    if ((*word < '0' || *word > '9') && !(base == 16 && *word >= 'a' && *word <= 'f'))
        return false;
    errno = 0;
    *value = strtoull(word, &end, base);
    return errno == 0 && *end == '\0' && *value <= most;
}

#endif
