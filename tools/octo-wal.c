/* octo-wal: looks at a node's directory, and changes nothing in it. */
#include "tools/wal/tool.h"

#include <stdlib.h>

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    complain("this is a bug: %s:%d: %s", file, line, expression);
    exit(TOOL_BROKEN);
}

/* What was printed must have arrived: a script that reads half of it would act on that. */
static enum tool_exit finish(enum tool_exit status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    complain("cannot write to standard output");
    return TOOL_BROKEN;
}

static void report(struct survey *survey)
{
    switch (survey->arguments->command) {
    case TOOL_DUMP:
        dump_print(survey, stdout);
        survey->status = TOOL_SOUND;
        break;
    case TOOL_VERIFY:
        verify_print(survey, stdout);
        break;
    case TOOL_EXPLAIN:
        explain_print(survey, stdout);
        break;
    case TOOL_NONE:
        break;
    }
}

int main(int argc, char **argv)
{
    struct tool_arguments arguments;
    struct survey survey;

    if (!arguments_parse(&arguments, argc, argv)) {
        texts_free(NULL);
        return TOOL_USAGE;
    }
    if (arguments.help || arguments.version) {
        (arguments.help ? help_print : version_print)(stdout);
        return (int)finish(TOOL_SOUND);
    }
    if (!survey_make(&survey, &arguments)) {
        survey_free(&survey);
        texts_free(NULL);
        return TOOL_USAGE;
    }
    survey_judge(&survey);
    if (survey.directory.locked)
        complain("a node is running on %s; what you see may change", quoted(arguments.path));
    report(&survey);
    const enum tool_exit status = survey.status;
    survey_free(&survey);
    texts_free(NULL);
    return (int)finish(status);
}
