#include "sim/main/words.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

/* Where a file is that need not exist: its folder, resolved, and its name. */
static bool place(const char *path, struct stat *folder, const char **name)
{
    char text[PATH_MAX];
    const char *slash = strrchr(path, '/');

    *name = slash == NULL ? path : slash + 1;
    if (slash == NULL)
        return stat(".", folder) == 0;
    if ((size_t)snprintf(text, sizeof text, "%.*s", (int)(slash - path + 1), path) >= sizeof text)
        return false;
    return stat(text, folder) == 0;
}

bool sim_same_file(const char *a, const char *b)
{
    struct stat one, other;
    const char *name, *other_name;
    const bool there = stat(a, &one) == 0;

    if (there != (stat(b, &other) == 0))
        return false;
    if (there)
        return S_ISREG(one.st_mode) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
    return place(a, &one, &name) && place(b, &other, &other_name) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino && strcmp(name, other_name) == 0;
}
