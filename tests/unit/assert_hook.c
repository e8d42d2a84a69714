/* The host's answer to a broken invariant, for tests: its own exit code, so that a test can expect
 * it
 * (`.exit_code = 77`) and no sanitizer's abort is mistaken for it. */
#include "kernel/base.h"

#include <stdio.h>
#include <unistd.h>

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: octo_assert(%s)\n", file, line, expression);
    fflush(NULL);
    _exit(77);
}
