/* The files of scenarios/, as embed.py writes them into the program. Private to
 * sim/scenario/. */
#ifndef OCTO_SIM_SCENARIO_BUILTIN_H
#define OCTO_SIM_SCENARIO_BUILTIN_H

#include <stddef.h>
#include <stdint.h>

struct scenario_builtin {
    const char *name; /* of the file, without ".yaml" */
    const char *file; /* for messages: "scenarios/NAME.yaml" */
    const uint8_t *text;
    size_t size;
};

extern const struct scenario_builtin scenario_builtins[]; /* by name */
extern const uint32_t scenario_builtin_count;

#endif
