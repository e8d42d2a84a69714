#include "sim/main/arguments.h"

#include "sim/main/words.h"

#include <stdarg.h>
#include <stdlib.h>

#define OPERATIONS_MAX 100000u
#define QUOTED_BYTES   72u

/* Flags that say which run it is: a plan says that itself. */
#define GIVEN_SEED 1u
#define GIVEN_RUN  2u

enum flag {
    FLAG_FIRST = 256, /* above every character, so that getopt's '?' and ':' stay apart */
#define FLAG_ENUM(NAME, name, value, letter, help) FLAG_##NAME,
    SIM_FLAGS(FLAG_ENUM)
#undef FLAG_ENUM
};

static const struct option options[] = {
#define FLAG_OPTION(NAME, name, value, letter, help) \
    {(name), sizeof(value) > 1 ? required_argument : no_argument, NULL, FLAG_##NAME},
    SIM_FLAGS(FLAG_OPTION)
#undef FLAG_OPTION
        {NULL, 0, NULL, 0},
};

void sim_complain(const struct sim_program *program, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "%s: ", program->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

/* The user's word, fit for one line of a message. */
struct quoted {
    char text[QUOTED_BYTES];
};

static struct quoted quote(const char *word)
{
    struct quoted quoted;
    size_t used = 0;
    for (; word[used] != '\0' && used < QUOTED_BYTES - 4; used++) {
        const unsigned char letter = (unsigned char)word[used];
        if (letter < 32 || letter == 127)
            quoted.text[used] = '?';
        else
            quoted.text[used] = word[used];
    }
    memcpy(quoted.text + used, word[used] == '\0' ? "" : "...", word[used] == '\0' ? 1 : 4);
    return quoted;
}

static bool number(const struct sim_program *program, const char *flag, uint64_t minimum,
                   uint64_t maximum, uint64_t *value)
{
    if (sim_number(optarg, minimum, maximum, value))
        return true;
    sim_complain(program, "%s wants a whole number from %llu to %llu, not '%s'", flag,
                 (unsigned long long)minimum, (unsigned long long)maximum, quote(optarg).text);
    return false;
}

static bool small_number(const struct sim_program *program, const char *flag, uint32_t maximum,
                         uint32_t *value)
{
    uint64_t wide;
    if (!number(program, flag, 1, maximum, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

static bool seed_range(struct sim_program *program)
{
    struct sim_arguments *arguments = &program->arguments;
    if (sim_range(optarg, UINT64_MAX, &arguments->first, &arguments->last))
        return arguments->many = true;
    sim_complain(program,
                 "--seeds wants A..B with whole numbers A <= B up to %llu, as in 1..1000, not '%s'",
                 (unsigned long long)UINT64_MAX, quote(optarg).text);
    return false;
}

static bool fault_mix(struct sim_program *program)
{
    if (octo_sim_faults_parse(optarg, &program->arguments.options.faults))
        return true;
    sim_complain(program, "--faults wants swarm, none, all or disk, not '%s'", quote(optarg).text);
    return false;
}

static bool file_name(const struct sim_program *program, const char *flag, const char * or,
                      const char **path)
{
    if (*optarg == '\0') {
        sim_complain(program, "%s wants the name of a file%s", flag, or);
        return false;
    }
    *path = optarg;
    return true;
}

/* One flag that getopt has recognised. */
static bool take(struct sim_program *program, enum flag flag, uint32_t *given)
{
    struct sim_arguments *arguments = &program->arguments;
    switch (flag) {
    case FLAG_SEED:
        *given |= GIVEN_SEED;
        return number(program, "--seed", 0, UINT64_MAX, &arguments->options.seed);
    case FLAG_SEEDS:
        return seed_range(program);
    case FLAG_KEEP_GOING:
        return arguments->keep_going = true;
    case FLAG_SCENARIO:
        arguments->scenario_name = optarg;
        return true;
    case FLAG_LIST_SCENARIOS:
        return arguments->list_scenarios = true;
    case FLAG_NODES:
        *given |= GIVEN_RUN;
        return small_number(program, "--nodes", OCTO_SIM_NODES_MAX, &arguments->options.node_count);
    case FLAG_OPS:
        *given |= GIVEN_RUN;
        return small_number(program, "--ops", OPERATIONS_MAX, &arguments->options.operations);
    case FLAG_FAULTS:
        *given |= GIVEN_RUN;
        return fault_mix(program);
    case FLAG_IO_ERRORS:
        *given |= GIVEN_RUN;
        if (!small_number(program, "--io-errors", 50, &arguments->options.io_error_ppm))
            return false;
        arguments->options.io_error_ppm *= 10000;
        return true;
    case FLAG_CRASH_CYCLES:
        *given |= GIVEN_RUN;
        return small_number(program, "--crash-cycles", 100, &arguments->options.crash_cycles);
    case FLAG_UNBOUNDED:
        *given |= GIVEN_RUN;
        return arguments->options.unbounded = true;
    case FLAG_TRACE:
        return file_name(program, "--trace", ", or - for standard output", &arguments->trace);
    case FLAG_RECORD:
        return file_name(program, "--record", ", or - for standard output", &arguments->record);
    case FLAG_REPLAY:
        return file_name(program, "--replay", ", or - for standard input", &arguments->replay);
    case FLAG_UNTIL:
        return number(program, "--until", 1, UINT64_MAX, &arguments->until);
    case FLAG_DUMP:
        return small_number(program, "--dump", OCTO_SIM_NODES_MAX, &arguments->dump);
    case FLAG_CHECK_DETERMINISM:
        return arguments->check_determinism = true;
    case FLAG_JSON:
        return arguments->json = true;
    case FLAG_QUIET:
        return arguments->quiet = true;
    case FLAG_HELP:
        return arguments->help = true;
    case FLAG_VERSION:
        return arguments->version = true;
    case FLAG_FIRST:
        break;
    }
    octo_assert(false);
}

static void refuse(const struct sim_program *program, int found, const char *word)
{
    const char *name = sim_flag_name(options, word);
    if (found == ':' && name != NULL) {
        sim_complain(program, "--%s wants a value; see --help", name);
    } else if (name != NULL) {
        sim_complain(program, "--%s takes no value; see --help", name);
    } else {
        sim_complain(program, "unknown flag '%s' (flags are never abbreviated); see --help",
                     quote(word).text);
    }
}

/* What is written must not take the place of what is read or written, too. */
static bool files_differ(const struct sim_program *program)
{
    const struct sim_arguments *arguments = &program->arguments;
    const char *const files[] = {arguments->replay, arguments->record, arguments->trace};

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (size_t j = 0; j < i; j++) {
            if (files[i] == NULL || files[j] == NULL || strcmp(files[i], "-") == 0 ||
                !sim_same_file(files[i], files[j]))
                continue;
            sim_complain(program,
                         "'%s' is named twice: --replay, --record and --trace want a file "
                         "each",
                         quote(files[i]).text);
            return false;
        }
    }
    return true;
}

static bool is_consistent(const struct sim_program *program, uint32_t given)
{
    const struct sim_arguments *arguments = &program->arguments;
    const bool looks = arguments->until != UINT64_MAX || arguments->dump != 0;
    const char *text = NULL;

    if (arguments->many && (given & GIVEN_SEED) != 0)
        text = "--seed and --seeds exclude each other: give one run or a range";
    else if (arguments->replay != NULL &&
             (arguments->many || given != 0 || arguments->scenario_name != NULL))
        text = "--replay takes the run from the plan: it goes without --seed, --seeds, --scenario, "
               "--nodes, --ops, --faults and the like";
    else if (arguments->many && arguments->record != NULL)
        text = "--record is for one run: give --seed, not --seeds";
    else if (arguments->check_determinism &&
             (arguments->record != NULL || arguments->replay != NULL))
        text = "--check-determinism goes without --record and --replay";
    else if (arguments->many && arguments->trace != NULL)
        text = "--trace is for one run: give --seed, not --seeds";
    else if (arguments->many && looks)
        text = "--until and --dump are for one run: give --seed, not --seeds";
    else if (arguments->keep_going && !arguments->many)
        text = "--keep-going is for many runs: give --seeds A..B";
    else if (arguments->check_determinism && (arguments->trace != NULL || looks))
        text = "--check-determinism goes without --trace, --until and --dump";
    else if (arguments->json && arguments->dump != 0)
        text = "--dump is for people: it goes without --json";
    if (text != NULL) {
        sim_complain(program, "%s", text);
        return false;
    }
    if (!files_differ(program))
        return false;
    struct octo_plan plan;
    if ((arguments->record != NULL || arguments->check_determinism) &&
        arguments->scenario_name != NULL && !octo_plan_named(&plan, arguments->scenario_name)) {
        sim_complain(program, OCTO_PLAN_NAMED_WANTS ", not '%s'",
                     quote(arguments->scenario_name).text);
        return false;
    }
    if (arguments->dump > arguments->options.node_count) {
        sim_complain(program, "--dump wants a node of the cluster, 1 to %u, not '%u'",
                     arguments->options.node_count, arguments->dump);
        return false;
    }
    return true;
}

/* Every flag, over what the options are before; false: one was refused. */
static bool take_all(struct sim_program *program, int argc, char **argv, uint32_t *given)
{
    opterr = 0;
    optind = 0; /* glibc: begin anew, whoever parsed before */
    for (int at = 1;; at = optind) {
        const int found = getopt_long(argc, argv, "+:qh", options, NULL);
        if (found == -1)
            break;
        const char *word = argv[at];
        if (found == 'q') {
            program->arguments.quiet = true;
        } else if (found == 'h') {
            program->arguments.help = true;
        } else if (found == '?' || found == ':' || sim_flag_name(options, word) == NULL) {
            refuse(program, found, word);
            return false;
        } else if (!take(program, (enum flag)found, given)) {
            return false;
        }
        if (program->arguments.help || program->arguments.version)
            return true;
    }
    if (optind < argc) {
        sim_complain(program, "unexpected argument '%s': everything is given by flags; see --help",
                     quote(argv[optind]).text);
        return false;
    }
    return true;
}

/* The scenario that the flags name; then the flags once more, over its options, so that their order
 * is of no account. */
static bool take_scenario(struct sim_program *program, int argc, char **argv, uint32_t *given)
{
    struct sim_arguments *arguments = &program->arguments;
    char error[OCTO_SCENARIO_ERROR_BYTES];
    uint32_t seeds = 0;

    if (!octo_scenario_load(arguments->scenario_name, &arguments->scenario, error) ||
        !octo_scenario_seeds(arguments->scenario.seeds, &seeds, error)) {
        sim_complain(program, "%s", error);
        return false;
    }
    arguments->options = arguments->scenario.options;
    if (!take_all(program, argc, argv, given))
        return false;
    if ((*given & GIVEN_SEED) == 0 && !arguments->many) {
        arguments->many = true;
        arguments->first = 1;
        arguments->last = seeds;
    }
    return true;
}

bool sim_arguments_parse(struct sim_program *program, int argc, char **argv)
{
    struct sim_arguments *arguments = &program->arguments;
    uint32_t given = 0;

    *arguments = (struct sim_arguments){.options = octo_sim_options_default(), .until = UINT64_MAX};
    if (!take_all(program, argc, argv, &given))
        return false;
    if (arguments->help || arguments->version || arguments->list_scenarios)
        return true;
    if (arguments->scenario_name != NULL && !take_scenario(program, argc, argv, &given))
        return false;
    return is_consistent(program, given);
}
