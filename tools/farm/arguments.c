#include "tools/farm/arguments.h"

#include "sim/main/words.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHARDS_MAX 1000000u

enum flag {
    FLAG_FIRST = 256, /* above every character, so that getopt's '?' and ':' stay apart */
#define FLAG_ENUM(NAME, name, value, help) FLAG_##NAME,
    FARM_FLAGS(FLAG_ENUM)
#undef FLAG_ENUM
};

static const struct option options[] = {
#define FLAG_OPTION(NAME, name, value, help) \
    {(name), sizeof(value) > 1 ? required_argument : no_argument, NULL, FLAG_##NAME},
    FARM_FLAGS(FLAG_OPTION)
#undef FLAG_OPTION
        {NULL, 0, NULL, 0},
};

void farm_complain(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("octo-farm: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

void farm_help_print(void)
{
    static const struct {
        const char *name, *value, *help;
    } flags[] = {
#define FLAG_ROW(NAME, name, value, help) {(name), (value), (help)},
        FARM_FLAGS(FLAG_ROW)
#undef FLAG_ROW
    };
    printf(
        "usage: octo-farm [--scenario NAME]... [--seeds A..B | --for TIME] [--db FILE] "
        "[FLAG]...\n"
        "       octo-farm report [--ndjson FILE] [--junit FILE] [--html FILE] [--quiet] DB\n"
        "       octo-farm merge OUT IN...\n\n"
        "Runs many seeds of many scenarios on every core. A run that crashes, hangs or needs too\n"
        "much memory is a result as any other.\n\n"
        "Flags (never abbreviated; --flag VALUE or --flag=VALUE):\n");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        char left[32];
        const char *letter = strcmp(flags[i].name, "help") == 0    ? "-h, "
                             : strcmp(flags[i].name, "quiet") == 0 ? "-q, "
                                                                   : "";
        (void)snprintf(left, sizeof left, "%s--%s %s", letter, flags[i].name, flags[i].value);
        printf("  %-20s%s\n", left, flags[i].help);
    }
    printf(
        "\nOCTO_SCENARIO_SEEDS in the environment is the count of seeds of every scenario, where "
        "neither\n--seeds nor --for is given.\n\n"
        "Exit status: 0 all properties held; 1 one broke, or a run crashed, hung or grew too "
        "large, or\nmore runs were excused than the scenario allows; 2 bad usage or bad input; 3 "
        "the farm itself\nfailed, or was interrupted; 4 more checks were undecided than the "
        "scenario allows.\n");
}

uint64_t farm_seeds_whole(const struct farm_arguments *arguments, uint32_t scenario)
{
    if (arguments->for_ns != 0)
        return 0;
    if (arguments->ranged)
        return arguments->last - arguments->first + 1;
    return arguments->scenarios[scenario].seeds;
}

uint64_t farm_seeds_share(uint64_t whole, uint32_t shard, uint32_t shards)
{
    return whole < shard ? 0 : (whole - shard) / shards + 1;
}

static bool number(const char *name, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    if (sim_number(optarg, minimum, maximum, value))
        return true;
    farm_complain("%s wants a whole number from %llu to %llu, not '%.60s'", name,
                  (unsigned long long)minimum, (unsigned long long)maximum, optarg);
    return false;
}

static bool seed_range(struct farm_arguments *arguments)
{
    if (sim_range(optarg, FARM_SEED_MAX, &arguments->first, &arguments->last))
        return arguments->ranged = true;
    farm_complain("--seeds wants A..B with whole numbers A <= B up to %llu, not '%.60s'",
                  (unsigned long long)FARM_SEED_MAX, optarg);
    return false;
}

static bool duration(struct farm_arguments *arguments)
{
    uint64_t value;
    const char *rest = sim_digits(optarg, &value);
    if (rest != NULL && 0 < value && value <= 1000000 && strlen(rest) == 1) {
        const uint64_t unit = *rest == 's' ? 1 : *rest == 'm' ? 60 : *rest == 'h' ? 3600 : 0;
        arguments->for_ns = value * unit * OCTO_SECOND;
        if (unit != 0)
            return true;
    }
    farm_complain("--for wants a time as 90s, 10m or 2h, not '%.60s'", optarg);
    return false;
}

static bool shard(struct farm_arguments *arguments)
{
    uint64_t number_of, count;
    const char *rest = sim_digits(optarg, &number_of);
    if (rest != NULL && *rest == '/' && 1 <= number_of &&
        sim_number(rest + 1, number_of, SHARDS_MAX, &count)) {
        arguments->shard = (uint32_t)number_of;
        arguments->shards = (uint32_t)count;
        return true;
    }
    farm_complain("--shard wants I/N with 1 <= I <= N, as in 2/4, not '%.60s'", optarg);
    return false;
}

static bool scenario_add(struct farm_arguments *arguments, const struct octo_scenario *scenario,
                         const char *given)
{
    uint32_t at = arguments->scenario_count;
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(arguments->scenarios[i].name, scenario->name) != 0)
            continue;
        if (arguments->scenarios[i].digest == scenario->digest)
            return true; /* given twice */
        farm_complain("two scenarios are called '%s' and say different things: each wants a name "
                      "of its own",
                      scenario->name);
        return false;
    }
    if (at == FARM_SCENARIOS_MAX) {
        farm_complain("a farm holds at most %u scenarios", FARM_SCENARIOS_MAX);
        return false;
    }
    for (; at > 0 && strcmp(arguments->scenarios[at - 1].name, scenario->name) > 0; at--) {
        arguments->scenarios[at] = arguments->scenarios[at - 1];
        arguments->given[at] = arguments->given[at - 1];
    }
    arguments->scenarios[at] = *scenario;
    arguments->given[at] = given;
    arguments->scenario_count++;
    return true;
}

static bool scenario_add_all(struct farm_arguments *arguments)
{
    struct octo_scenario scenario;
    for (uint32_t i = 0; i < octo_scenario_count(); i++) {
        octo_scenario_at(i, &scenario);
        if (!scenario_add(arguments, &scenario, NULL))
            return false;
    }
    return true;
}

static bool scenario_take(struct farm_arguments *arguments)
{
    char error[OCTO_SCENARIO_ERROR_BYTES];
    struct octo_scenario scenario;
    if (strcmp(optarg, "all") == 0)
        return scenario_add_all(arguments);
    if (octo_scenario_load(optarg, &scenario, error))
        return scenario_add(arguments, &scenario, optarg);
    farm_complain("%s", error);
    return false;
}

static bool output(struct farm_arguments *arguments, enum farm_form form, const char *flag)
{
    arguments->outputs[form] = optarg;
    if (*optarg == '\0')
        farm_complain("%s wants the name of a file, or - for standard output", flag);
    return *optarg != '\0';
}

static bool take(struct farm_arguments *arguments, enum flag flag)
{
    uint64_t value = 0;
    switch (flag) {
    case FLAG_SCENARIO:
        return scenario_take(arguments);
    case FLAG_SEEDS:
        return seed_range(arguments);
    case FLAG_FOR:
        return duration(arguments);
    case FLAG_SHARD:
        return shard(arguments);
    case FLAG_JOBS:
        if (!number("--jobs", 1, FARM_JOBS_MAX, &value))
            return false;
        arguments->jobs = (uint32_t)value;
        return true;
    case FLAG_BUDGET:
        if (!number("--budget", 1, 86400, &value))
            return false;
        arguments->budget_ns = value * OCTO_SECOND;
        return true;
    case FLAG_MEMORY:
        if (!number("--memory", 64, 65536, &value))
            return false;
        arguments->memory_bytes = value << 20;
        return true;
    case FLAG_DB:
        arguments->db = optarg;
        if (*optarg == '\0')
            farm_complain("--db wants the name of a file");
        return *optarg != '\0';
    case FLAG_NDJSON:
        return output(arguments, FARM_NDJSON, "--ndjson");
    case FLAG_JUNIT:
        return output(arguments, FARM_JUNIT, "--junit");
    case FLAG_HTML:
        return output(arguments, FARM_HTML, "--html");
    case FLAG_LIST_SCENARIOS:
        return arguments->list_scenarios = true;
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

/* OCTO_SCENARIO_SEEDS, where neither --seeds nor --for is given. */
static bool environment(struct farm_arguments *arguments)
{
    char error[OCTO_SCENARIO_ERROR_BYTES];
    if (arguments->ranged || arguments->for_ns != 0)
        return true;
    for (uint32_t i = 0; i < arguments->scenario_count; i++) {
        struct octo_scenario *scenario = &arguments->scenarios[i];
        if (!octo_scenario_seeds(scenario->seeds, &scenario->seeds, error)) {
            farm_complain("%s", error);
            return false;
        }
    }
    return true;
}

static bool same_output(const char *one, const char *other)
{
    return one != NULL && other != NULL && (strcmp(one, other) == 0 || sim_same_file(one, other));
}

/* Whether an output would take the place of the database, or of a file that SQLite has beside it.
 */
static bool is_of_database(const char *output, const char *database)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof ends / sizeof ends[0] && database != NULL; i++) {
        (void)snprintf(path, sizeof path, "%s%s", database, ends[i]);
        if (same_output(output, path))
            return true;
    }
    return false;
}

/* No two outputs into one file, and none into the database: one would take the place of the other.
 */
static bool outputs_differ(const struct farm_arguments *arguments)
{
    const bool reports = arguments->command == FARM_REPORT && arguments->file_count > 0;
    const char *database = reports ? arguments->files[0] : arguments->db;

    for (int i = 0; i < FARM_FORM_COUNT; i++) {
        const char *output = arguments->outputs[i];
        if (is_of_database(output, database)) {
            farm_complain("%s is the database or of it: an output wants a file of its own", output);
            return false;
        }
        for (int j = 0; j < i; j++) {
            if (same_output(output, arguments->outputs[j])) {
                farm_complain("two outputs go to '%.60s': each wants a file of its own", output);
                return false;
            }
        }
    }
    return true;
}

static bool has_outputs(const struct farm_arguments *arguments)
{
    for (int i = 0; i < FARM_FORM_COUNT; i++) {
        if (arguments->outputs[i] != NULL)
            return true;
    }
    return false;
}

static bool finish(struct farm_arguments *arguments)
{
    const int files = arguments->file_count;
    if (!outputs_differ(arguments))
        return false;
    if (arguments->command == FARM_MERGE && has_outputs(arguments)) {
        farm_complain("merge writes a database only: make the outputs from it with report");
        return false;
    }
    if (arguments->command == FARM_REPORT && files > 1 && arguments->files[1][0] == '-') {
        farm_complain("'%.60s' comes too late: flags stand before the name of the database",
                      arguments->files[1]);
        return false;
    }
    if (arguments->command == FARM_REPORT && files != 1) {
        farm_complain("report wants the name of one database");
        return false;
    }
    if (arguments->command == FARM_MERGE && files < 2) {
        farm_complain("merge wants the name of the new database and of those to join");
        return false;
    }
    if (arguments->command == FARM_RUN && files != 0) {
        farm_complain("unexpected argument '%.60s': runs are given by flags; see --help",
                      arguments->files[0]);
        return false;
    }
    if (arguments->ranged && arguments->for_ns != 0) {
        farm_complain("--seeds and --for exclude each other: give a range or a time");
        return false;
    }
    if (arguments->scenario_count == 0 && !scenario_add_all(arguments))
        return false;
    return environment(arguments);
}

bool farm_arguments_parse(struct farm_arguments *arguments, int argc, char **argv)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int begin = 1;
    *arguments = (struct farm_arguments){.first = 1,
                                         .shard = 1,
                                         .shards = 1,
                                         .budget_ns = 60 * OCTO_SECOND,
                                         .memory_bytes = (uint64_t)1 << 30,
                                         .jobs = 1};
    if (cores > 1)
        arguments->jobs = cores > (long)FARM_JOBS_MAX ? FARM_JOBS_MAX : (uint32_t)cores;
    if (argc > 1 && strcmp(argv[1], "report") == 0)
        arguments->command = FARM_REPORT;
    else if (argc > 1 && strcmp(argv[1], "merge") == 0)
        arguments->command = FARM_MERGE;
    begin += arguments->command != FARM_RUN;
    opterr = 0;
    optind = begin;
    for (int at = optind;; at = optind) {
        const int found = getopt_long(argc, argv, "+:qh", options, NULL);
        if (found == -1)
            break;
        if (found == 'q') {
            arguments->quiet = true;
        } else if (found == 'h') {
            arguments->help = true;
        } else if (found == ':' && sim_flag_name(options, argv[at]) != NULL) {
            farm_complain("%.60s wants a value; see --help", argv[at]);
            return false;
        } else if (found == '?' || found == ':' || sim_flag_name(options, argv[at]) == NULL) {
            farm_complain("unknown flag '%.60s' (flags are never abbreviated); see --help",
                          argv[at]);
            return false;
        } else if (!take(arguments, (enum flag)found)) {
            return false;
        }
        if (arguments->help || arguments->version || arguments->list_scenarios)
            return true;
    }
    arguments->files = argv + optind;
    arguments->file_count = argc - optind;
    return finish(arguments);
}
