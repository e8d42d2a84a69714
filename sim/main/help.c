#include "sim/main/arguments.h"

#define FLAG_COLUMN 24

static const struct {
    const char *name, *value;
    char letter;
    const char *help;
} flags[] = {
#define FLAG_ROW(NAME, name, value, letter, help) {(name), (value), (letter), (help)},
    SIM_FLAGS(FLAG_ROW)
#undef FLAG_ROW
};

static const char intro[] =
    "Runs a whole cluster of %s nodes in virtual time, through crashes, partitions and lying\n"
    "disks that follow from one number, the seed, while oracles watch that nothing promised is\n"
    "lost. The same seed gives the same run and the same trace hash, on every machine.\n";

static const char ending[] =
    "Exit status: 0 all properties held (or --until stopped the run before one broke);\n"
    "1 a property broke; 2 bad usage, a bad plan or scenario, or a file that cannot be written;\n"
    "3 the simulator itself failed, or two runs of one seed differed; 4 a check ran out of\n"
    "budget: undecided.\n"
    "\n"
    "A run that breaks a property prints the property, the event, why, and the line that\n"
    "repeats it. Colour and progress appear only on a terminal; NO_COLOR turns colour off.\n";

/* Prints text from column on, wrapped at 92. */
static void print_wrapped(FILE *out, const char *text)
{
    int column = FLAG_COLUMN;
    while (*text != '\0') {
        const int size = (int)strcspn(text, " ");
        if (column > FLAG_COLUMN && column + 1 + size > 92) {
            fprintf(out, "\n%*s", FLAG_COLUMN, "");
            column = FLAG_COLUMN;
        } else if (column > FLAG_COLUMN) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", size, text);
        column += size;
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void sim_help_print(const struct sim_program *program, FILE *out)
{
    fprintf(out, "usage: %s [--seed N] [--nodes N] [--ops N] [--faults MIX] [FLAG]...\n",
            program->name);
    fprintf(out, "       %s --seeds A..B [--keep-going] [FLAG]...\n", program->name);
    fprintf(out, "       %s --scenario NAME|FILE [--seed N|--seeds A..B] [FLAG]...\n\n",
            program->name);
    fprintf(out, intro, program->machine->name);
    fprintf(out, "\nFlags (never abbreviated; --flag VALUE or --flag=VALUE):\n");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        char left[FLAG_COLUMN + 16];
        const char letter[] = {'-', flags[i].letter, ',', ' ', '\0'};
        const int size =
            snprintf(left, sizeof left, "  %s--%s%s%s", flags[i].letter != 0 ? letter : "",
                     flags[i].name, flags[i].value[0] != '\0' ? " " : "", flags[i].value);
        fprintf(out, "%-*s%s", FLAG_COLUMN, left, size >= FLAG_COLUMN ? " " : "");
        print_wrapped(out, flags[i].help);
    }
    fprintf(out, "\n%s", ending);
}

#if !defined(OCTO_VERSION)
#define OCTO_VERSION "0.0.0"
#endif
#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown compiler"
#endif

const char *sim_build_text(void)
{
    return OCTO_VERSION " " COMPILER;
}

void sim_version_print(const struct sim_program *program, FILE *out)
{
    fprintf(out, "%s %s (machine %s, version %u; built by %s)\n", program->name, OCTO_VERSION,
            program->machine->name, program->machine->version, COMPILER);
}
