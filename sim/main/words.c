#include "sim/main/words.h"

#include <string.h>

const char *sim_digits(const char *word, uint64_t *value)
{
    const char *at = word;
    for (*value = 0; *at >= '0' && *at <= '9'; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return NULL;
        *value = *value * 10 + digit;
    }
    return at == word ? NULL : at;
}

bool sim_number(const char *word, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    const char *rest = sim_digits(word, value);
    return rest != NULL && *rest == '\0' && minimum <= *value && *value <= maximum;
}

bool sim_range(const char *word, uint64_t maximum, uint64_t *first, uint64_t *last)
{
    const char *rest = sim_digits(word, first);
    return rest != NULL && rest[0] == '.' && rest[1] == '.' &&
           sim_number(rest + 2, *first, maximum, last);
}

const char *sim_flag_name(const struct option *options, const char *word)
{
    if (strncmp(word, "--", 2) != 0)
        return NULL;
    for (const struct option *option = options; option->name != NULL; option++) {
        const size_t size = strlen(option->name);
        if (strncmp(word + 2, option->name, size) == 0 &&
            (word[2 + size] == '\0' || word[2 + size] == '='))
            return option->name;
    }
    return NULL;
}
