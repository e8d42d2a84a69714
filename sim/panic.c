/* A broken assert during a step is a verdict, not the end of the program.
 *
 * The jump buffer is outside every world, one per thread: a world that is being stepped is stepped
 * by one thread. */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#define PANIC_BYTES  384u
#define EXIT_HARNESS 3

static _Thread_local jmp_buf *armed;
static _Thread_local char text[PANIC_BYTES];

void panic_arm(jmp_buf *jump)
{
    armed = jump;
}

const char *panic_text(void)
{
    return text;
}

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    snprintf(text, sizeof text, "%s (%s:%d)", expression, file, line);
    if (armed != NULL) {
        jmp_buf *const jump = armed;
        armed = NULL; /* an assert on the way out ends the program */
        longjmp(*jump, 1);
    }
    fprintf(stderr, "octo: assertion failed: %s\n", text);
    exit(EXIT_HARNESS);
}
