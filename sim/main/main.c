/* octo_sim_main: the whole program octo-sim, for any machine. */
#include "sim/main/arguments.h"
#include "sim/main/determinism.h"
#include "sim/main/many.h"
#include "sim/main/scenarios.h"
#include "sim/main/single.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool wants_colour(FILE *out)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return (no_colour == NULL || *no_colour == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0 && isatty(fileno(out)) == 1;
}

static enum sim_exit dispatch(struct sim_program *program)
{
    const struct sim_arguments *arguments = &program->arguments;
    int status;
    if (arguments->help) {
        sim_help_print(program, stdout);
        return SIM_EXIT_OK;
    }
    if (arguments->version) {
        sim_version_print(program, stdout);
        return SIM_EXIT_OK;
    }
    if (arguments->list_scenarios) {
        sim_scenarios_print(program);
        return SIM_EXIT_OK;
    }
    if (sim_determinism_witness(program, &status))
        return (enum sim_exit)status;
    if ((arguments->trace != NULL && strcmp(arguments->trace, "-") == 0) ||
        (arguments->record != NULL && strcmp(arguments->record, "-") == 0))
        program->out = stderr;
    program->colour = wants_colour(program->out);
    return arguments->many ? sim_many(program) : sim_single(program);
}

int octo_sim_main(int argc, char **argv, const struct octo_machine *machine)
{
    const char *path = argc > 0 && argv[0][0] != '\0' ? argv[0] : "octo-sim";
    const char *slash = strrchr(path, '/');
    struct sim_program program = {.path = path,
                                  .name = slash == NULL ? path : slash + 1,
                                  .argv = argv,
                                  .machine = machine,
                                  .out = stdout};
    if (!sim_arguments_parse(&program, argc, argv))
        return SIM_EXIT_USAGE;
    const enum sim_exit status = dispatch(&program);
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        sim_complain(&program, "cannot write to standard output: %s",
                     errno == 0 ? "not all of it was taken" : strerror(errno));
        return SIM_EXIT_HARNESS;
    }
    return (int)status;
}
