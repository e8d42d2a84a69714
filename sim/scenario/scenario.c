/* The door: built-in scenarios and files. */
#include "sim/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/scenario/builtin.h"
#include "sim/scenario/entries.h"

#define FILE_BYTES_MAX 65536u
#define WORD_BYTES     64u /* of a word that is compared for likeness */

uint32_t octo_scenario_distance(const char *a, const char *b)
{
    uint32_t row[WORD_BYTES + 1];
    const uint32_t width = (uint32_t)octo_min_u64(strlen(b), WORD_BYTES);

    for (uint32_t j = 0; j <= width; j++)
        row[j] = j;
    for (uint32_t i = 1; a[i - 1] != '\0'; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= width; j++) {
            const uint32_t above = row[j];
            const uint32_t change = diagonal + (a[i - 1] != b[j - 1]);
            const uint32_t gap = 1 + (above < row[j - 1] ? above : row[j - 1]);
            row[j] = change < gap ? change : gap;
            diagonal = above;
        }
    }
    return row[width];
}

static bool text_load(const char *file, const char *text, size_t size,
                      struct octo_scenario *scenario, char *error)
{
    struct entries *entries = malloc(sizeof *entries);

    if (entries == NULL) {
        (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES, "no memory for a scenario");
        return false;
    }
    entries->file = file;
    entries->error = error;
    const bool good = entries_read(entries, text, size) && entries_apply(entries, scenario);
    free(entries);
    return good;
}

static bool file_load(const char *path, struct octo_scenario *scenario, char *error)
{
    static char text[FILE_BYTES_MAX + 1];
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES, "cannot read the scenario '%.120s': %s",
                       path, strerror(errno));
        return false;
    }
    errno = 0;
    const size_t size = fread(text, 1, sizeof text, file);
    const int problem = ferror(file) != 0 ? errno : 0;
    (void)fclose(file);
    if (problem != 0)
        (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES, "cannot read the scenario '%.120s': %s",
                       path, strerror(problem));
    else if (size > FILE_BYTES_MAX)
        (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES, "%.120s: a scenario has at most %u bytes",
                       path, FILE_BYTES_MAX);
    else
        return text_load(path, text, size, scenario, error);
    return false;
}

static bool builtin_load(uint32_t number, struct octo_scenario *scenario, char *error)
{
    const struct scenario_builtin *builtin = &scenario_builtins[number];

    return text_load(builtin->file, (const char *)builtin->text, builtin->size, scenario, error);
}

uint32_t octo_scenario_count(void)
{
    return scenario_builtin_count;
}

void octo_scenario_at(uint32_t number, struct octo_scenario *scenario)
{
    char error[OCTO_SCENARIO_ERROR_BYTES];

    octo_assert(number < scenario_builtin_count);
    const bool good = builtin_load(number, scenario, error);
    octo_assert(good); /* tests load every one */
}

static bool is_path(const char *name)
{
    const size_t size = strlen(name);
    return strchr(name, '/') != NULL || (size > 5 && strcmp(name + size - 5, ".yaml") == 0);
}

static bool named_load(const char *name, struct octo_scenario *scenario, char *error)
{
    uint32_t best = 0;
    uint32_t least = UINT32_MAX;

    for (uint32_t i = 0; i < scenario_builtin_count; i++) {
        const uint32_t distance = octo_scenario_distance(name, scenario_builtins[i].name);
        if (distance == 0)
            return builtin_load(i, scenario, error);
        if (distance < least) {
            best = i;
            least = distance;
        }
    }
    const bool near = least <= 1 + strlen(name) / 3;
    (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES,
                   "no scenario '%.60s'%s%s%s; --list-scenarios names them, a path is a file", name,
                   near ? " (did you mean '" : "", near ? scenario_builtins[best].name : "",
                   near ? "'?)" : "");
    return false;
}

/* What people wrote may be in the message: it stays one line. */
static bool one_line(char *error)
{
    for (char *at = error; *at != '\0'; at++) {
        if ((unsigned char)*at < 32 || *at == 127)
            *at = '?';
    }
    return false;
}

bool octo_scenario_load(const char *name, struct octo_scenario *scenario,
                        char error[OCTO_SCENARIO_ERROR_BYTES])
{
    const bool good =
        is_path(name) ? file_load(name, scenario, error) : named_load(name, scenario, error);
    return good || one_line(error);
}

bool octo_scenario_seeds(uint32_t default_count, uint32_t *count,
                         char error[OCTO_SCENARIO_ERROR_BYTES])
{
    const char *text = getenv(OCTO_SCENARIO_SEEDS_VARIABLE);
    uint64_t value = 0;

    *count = default_count;
    if (text == NULL || text[0] == '\0')
        return true;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= OCTO_SCENARIO_SEEDS_MAX; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (*at != '\0' || value == 0 || value > OCTO_SCENARIO_SEEDS_MAX) {
        (void)snprintf(error, OCTO_SCENARIO_ERROR_BYTES,
                       OCTO_SCENARIO_SEEDS_VARIABLE
                       " wants a whole number from 1 to %u, not '%.60s'",
                       OCTO_SCENARIO_SEEDS_MAX, text);
        return one_line(error);
    }
    *count = (uint32_t)value;
    return true;
}
