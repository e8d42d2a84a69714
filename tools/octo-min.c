/* octo-min: the shortest plan that still breaks the same property in the same way. */
#include "sim/main/words.h"
#include "tools/min/min.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_HELD = 1, EXIT_USAGE = 2, EXIT_HARNESS = 3 };

#define SECONDS_DEFAULT 60u
#define RESEED_PERCENT  50u            /* of the time, at most */
#define VACUOUS         "non-vacuous:" /* what breaks is the run itself: it showed too little */

struct arguments {
    struct octo_sim_options options;
    const char *plan;     /* to begin with; NULL: the options' seed */
    const char *scenario; /* NULL: none */
    const char *output;   /* NULL: PLAN of standard output */
    uint32_t jobs;
    uint32_t seconds; /* 0: no limit */
    bool same_seed, quiet, json;
};

static const char help_text[] =
    "usage: octo-min [--seed N] [--nodes N] [--ops N] [--faults MIX] [FLAG]...\n"
    "       octo-min PLAN [FLAG]...\n"
    "\n"
    "Takes a run that breaks a property, from its seed or its plan, and looks for the shortest\n"
    "plan that breaks it in the same way: fewer nodes, fewer operations, fewer faults, sooner.\n"
    "Prints the plan, and tells the story of what happens in it.\n"
    "\n"
    "Flags (never abbreviated; --flag VALUE or --flag=VALUE):\n"
    "  --seed N              the run: 0 to 18446744073709551615 (default 1)\n"
    "  --scenario NAME       the scenario that it belongs to, as octo-sim has it: a name or a\n"
    "                        file; the flags below go over what it says\n"
    "  --nodes N             voters in the cluster: 1 to 9 (default 5)\n"
    "  --ops N               client operations: 1 to 100000 (default 1000)\n"
    "  --faults MIX          swarm (default); none; all; disk: as octo-sim has it\n"
    "  --io-errors PERCENT   as octo-sim has it: 1 to 50\n"
    "  --crash-cycles N      as octo-sim has it: 1 to 100\n"
    "  --unbounded           as octo-sim has it\n"
    "  -o, --output PLAN     write the plan there, not to standard output\n"
    "  --same-seed           begin with this very run; do not look for one that breaks alike\n"
    "                        in a smaller cluster under another seed\n"
    "  --jobs N              processes: 1 to 64 (default: one a core)\n"
    "  --for SECONDS         stop after so long with the best so far: 1 to 86400, or 0: when\n"
    "                        nothing helps any more (default 60)\n"
    "  --json                one JSON object with the figures, instead of the report\n"
    "  -q, --quiet           no report, only the plan\n"
    "  -h, --help            show this text\n"
    "  --version             show the version\n"
    "\n"
    "Ctrl-C stops the search and leaves the best so far. The result does not depend on --jobs,\n"
    "nor, unless time runs out, on the speed of the machine.\n"
    "\n"
    "Exit status: 0 a plan was made; 1 the run breaks nothing; 2 bad usage or bad input; 3 the\n"
    "minimizer itself failed.\n";

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("octo-min: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * OCTO_SECOND + (uint64_t)time.tv_nsec;
}

static uint64_t clock_ms(void)
{
    return clock_ns(CLOCK_MONOTONIC) / OCTO_MS;
}

/* ---- The command line ------------------------------------------------------------------------ */

enum {
    FLAG_SEED = 256,
    FLAG_SCENARIO,
    FLAG_NODES,
    FLAG_OPS,
    FLAG_FAULTS,
    FLAG_IO_ERRORS,
    FLAG_CRASH_CYCLES,
    FLAG_UNBOUNDED,
    FLAG_SAME_SEED,
    FLAG_JOBS,
    FLAG_FOR,
    FLAG_JSON,
    FLAG_VERSION
};

static const struct option flags[] = {
    {"seed", required_argument, NULL, FLAG_SEED},
    {"scenario", required_argument, NULL, FLAG_SCENARIO},
    {"nodes", required_argument, NULL, FLAG_NODES},
    {"ops", required_argument, NULL, FLAG_OPS},
    {"faults", required_argument, NULL, FLAG_FAULTS},
    {"io-errors", required_argument, NULL, FLAG_IO_ERRORS},
    {"crash-cycles", required_argument, NULL, FLAG_CRASH_CYCLES},
    {"unbounded", no_argument, NULL, FLAG_UNBOUNDED},
    {"output", required_argument, NULL, 'o'},
    {"same-seed", no_argument, NULL, FLAG_SAME_SEED},
    {"jobs", required_argument, NULL, FLAG_JOBS},
    {"for", required_argument, NULL, FLAG_FOR},
    {"json", no_argument, NULL, FLAG_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, FLAG_VERSION},
    {NULL, 0, NULL, 0},
};

static uint64_t number(const char *flag, uint64_t least, uint64_t most)
{
    uint64_t value;
    if (sim_number(optarg, least, most, &value))
        return value;
    complain("--%s wants a whole number from %llu to %llu, not '%.60s'", flag,
             (unsigned long long)least, (unsigned long long)most, optarg);
    exit(EXIT_USAGE);
}

static enum octo_sim_faults mix(void)
{
    enum octo_sim_faults faults;
    if (octo_sim_faults_parse(optarg, &faults))
        return faults;
    complain("--faults wants swarm, none, all or disk, not '%.60s'", optarg);
    exit(EXIT_USAGE);
}

/* A flag that getopt has accepted must stand there in full. */
static void refuse_abbreviation(const char *word)
{
    if (word[0] != '-' || word[1] != '-' || sim_flag_name(flags, word) != NULL)
        return;
    complain("unknown flag '%.60s' (flags are never abbreviated); see --help", word);
    exit(EXIT_USAGE);
}

static void take(struct arguments *arguments, int flag, bool *run_given)
{
    struct octo_sim_options *options = &arguments->options;

    *run_given = *run_given || (flag >= FLAG_SEED && flag <= FLAG_UNBOUNDED);
    switch (flag) {
    case FLAG_SEED:
        options->seed = number("seed", 0, UINT64_MAX);
        break;
    case FLAG_SCENARIO:
        arguments->scenario = optarg;
        break;
    case FLAG_NODES:
        options->node_count = (uint32_t)number("nodes", 1, OCTO_SIM_NODES_MAX);
        break;
    case FLAG_OPS:
        options->operations = (uint32_t)number("ops", 1, 100000);
        break;
    case FLAG_FAULTS:
        options->faults = mix();
        break;
    case FLAG_IO_ERRORS:
        options->io_error_ppm = (uint32_t)number("io-errors", 1, 50) * 10000;
        break;
    case FLAG_CRASH_CYCLES:
        options->crash_cycles = (uint32_t)number("crash-cycles", 1, 100);
        break;
    case FLAG_UNBOUNDED:
        options->unbounded = true;
        break;
    case FLAG_SAME_SEED:
        arguments->same_seed = true;
        break;
    case FLAG_JOBS:
        arguments->jobs = (uint32_t)number("jobs", 1, 64);
        break;
    case FLAG_FOR:
        arguments->seconds = (uint32_t)number("for", 0, 86400);
        break;
    case FLAG_JSON:
        arguments->json = true;
        break;
    case 'o':
        arguments->output = optarg;
        break;
    case 'q':
        arguments->quiet = true;
        break;
    case 'h':
        fputs(help_text, stdout);
        exit(EXIT_OK);
    case FLAG_VERSION:
        printf("octo-min %s\n", OCTO_VERSION);
        exit(EXIT_OK);
    default:
        complain("unknown flag; see --help");
        exit(EXIT_USAGE);
    }
}

/* Every flag, over what the options are before. */
static void take_all(struct arguments *arguments, int argc, char **argv, bool *run_given)
{
    arguments->plan = NULL;
    opterr = 0;
    optind = 0; /* glibc: begin anew, whoever parsed before */
    for (int at = 1;; at = optind) {
        const int found = getopt_long(argc, argv, "+:o:qh", flags, NULL);
        if (found == -1 && optind < argc && arguments->plan == NULL) {
            arguments->plan = argv[optind++];
            continue;
        }
        if (found == -1)
            break;
        if (found == ':') {
            complain("%.60s wants a value; see --help", argv[at]);
            exit(EXIT_USAGE);
        }
        refuse_abbreviation(argv[at]);
        take(arguments, found, run_given);
    }
    if (optind < argc) {
        complain("unexpected argument '%.60s': one plan, then flags; see --help", argv[optind]);
        exit(EXIT_USAGE);
    }
}

static void arguments_parse(struct arguments *arguments, int argc, char **argv)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool run_given = false;

    *arguments =
        (struct arguments){.options = octo_sim_options_default(),
                           .jobs = cores < 1 ? 1 : (uint32_t)octo_min_u64(64, (uint64_t)cores),
                           .seconds = SECONDS_DEFAULT};
    take_all(arguments, argc, argv, &run_given);
    if (arguments->plan != NULL && run_given) {
        complain(
            "the plan says which run it is: it goes without --seed, --nodes, --ops and the like");
        exit(EXIT_USAGE);
    }
    if (arguments->scenario == NULL)
        return;
    struct octo_scenario scenario;
    char error[OCTO_SCENARIO_ERROR_BYTES];
    if (!octo_scenario_load(arguments->scenario, &scenario, error)) {
        complain("%s", error);
        exit(EXIT_USAGE);
    }
    arguments->options = scenario.options;
    take_all(arguments, argc, argv, &run_given);
}

/* ---- The search ------------------------------------------------------------------------------ */

struct program {
    const struct arguments *arguments;
    uint64_t began_ms;
    bool terminal; /* standard error is one: progress goes there */
};

static volatile sig_atomic_t interrupted; /* by somebody, not by the clock */

static void stop(int signal)
{
    if (signal != SIGALRM)
        interrupted = 1;
    min_stop = 1;
}

/* Stops the search `percent` of --for after its beginning. */
static void stop_after(const struct program *program, uint32_t percent)
{
    const uint64_t limit_ms = program->arguments->seconds * UINT64_C(10) * percent;
    const uint64_t spent_ms = clock_ms() - program->began_ms;
    const uint64_t left_ms = spent_ms < limit_ms ? limit_ms - spent_ms : 1;
    const struct itimerval timer = {.it_value = {.tv_sec = (time_t)(left_ms / 1000),
                                                 .tv_usec = (suseconds_t)(left_ms % 1000 * 1000)}};

    (void)alarm(0); /* what has not rung yet must not end what follows */
    min_stop = 0;
    if (limit_ms > 0)
        (void)setitimer(ITIMER_REAL, &timer, NULL);
    if (interrupted)
        min_stop = 1;
}

static void progress(void *context, const struct min_search *search, const char *phase)
{
    const struct program *program = context;

    if (!program->terminal || program->arguments->quiet)
        return;
    fprintf(stderr, "\r\033[K%5.1f s  %-16s %u lines, %llu events, %llu messages, %llu replays",
            (double)(clock_ms() - program->began_ms) / 1000.0, phase, search->best.count,
            (unsigned long long)search->cost.events, (unsigned long long)search->cost.deliveries,
            (unsigned long long)min_pool_replays(search->pool));
    fflush(stderr);
}

/* Reads the plan that was given. */
static bool plan_load(const struct arguments *arguments, struct octo_plan *plan)
{
    char error[OCTO_PLAN_ERROR_BYTES];
    FILE *file = fopen(arguments->plan, "r");
    if (file == NULL) {
        complain("cannot read '%s': %s", arguments->plan, strerror(errno));
        return false;
    }
    const bool read = octo_plan_read(plan, file, error);
    (void)fclose(file);
    if (!read)
        complain("%s:%s", arguments->plan, error);
    return read;
}

/* The run that was given, and how long the search took. */
struct before {
    struct min_replay replay;
    uint32_t lines;
    double seconds;
};

static void report(FILE *out, const struct arguments *arguments, const struct min_search *search,
                   const struct before *before)
{
    const double factor = search->best.count == 0
                              ? (double)before->lines
                              : (double)before->lines / (double)search->best.count;
    if (arguments->json) {
        fprintf(out,
                "{\"signature\":\"%s\",\"nodes\":%u,\"ops\":%u,\"lines_before\":%u,\"lines\":%u,"
                "\"events_before\":%llu,\"events\":%llu,\"deliveries_before\":%llu,"
                "\"deliveries\":%llu,\"replays\":%llu,\"cached\":%llu,\"seconds\":%.1f}\n",
                search->signature, search->best.options.node_count, search->best.options.operations,
                before->lines, search->best.count, (unsigned long long)before->replay.cost.events,
                (unsigned long long)search->cost.events,
                (unsigned long long)before->replay.cost.deliveries,
                (unsigned long long)search->cost.deliveries,
                (unsigned long long)min_pool_replays(search->pool),
                (unsigned long long)min_pool_cached(search->pool), before->seconds);
        return;
    }
    fprintf(out, "%s\n", search->signature);
    fprintf(out, "                    before      after\n");
    fprintf(out, "  lines         %10u %10u   (%.0f times fewer)\n", before->lines,
            search->best.count, factor);
    fprintf(out, "  events        %10llu %10llu\n", (unsigned long long)before->replay.cost.events,
            (unsigned long long)search->cost.events);
    fprintf(out, "  deliveries    %10llu %10llu\n",
            (unsigned long long)before->replay.cost.deliveries,
            (unsigned long long)search->cost.deliveries);
    fprintf(out, "  %llu replays, %llu known, %.1f s\n\n",
            (unsigned long long)min_pool_replays(search->pool),
            (unsigned long long)min_pool_cached(search->pool), before->seconds);
}

/* ---- What is written ------------------------------------------------------------------------- */

static int cannot_write(const struct min_output *output)
{
    complain("cannot write '%s': %s", output->path == NULL ? "-" : output->path, strerror(errno));
    return EXIT_USAGE;
}

static void story_write(const char *story, const char *before, FILE *out)
{
    for (const char *line = story; *line != '\0';) {
        const size_t length = strcspn(line, "\n") + 1;
        fprintf(out, "%s%.*s", before, (int)length, line);
        line += length;
    }
}

/* The report, the plan, its story. EXIT_OK, or what went wrong. */
static int result_write(const struct arguments *arguments, struct min_output *output,
                        const struct min_search *search, const struct before *before)
{
    const bool words = output->path != NULL || (!arguments->quiet && !arguments->json);
    char *story = words ? min_story(&search->best, search->machine) : NULL;
    bool wrote = true;

    if (!arguments->quiet)
        report(stdout, arguments, search, before);
    if (output->path != NULL || !arguments->json)
        wrote = octo_plan_write(&search->best, output->file, "octo-min " OCTO_VERSION);
    if (output->path != NULL && story != NULL) {
        fputs("\n# What happens:\n", output->file);
        story_write(story, "# ", output->file);
    }
    if (!arguments->quiet && !arguments->json && story != NULL) {
        puts("\nWhat happens:");
        story_write(story, "", stdout);
    }
    const int status = min_output_close(output, wrote) ? EXIT_OK : cannot_write(output);
    if (status != EXIT_OK && output->path != NULL) { /* what took a minute to find is not lost */
        complain("the plan goes to standard output instead");
        if (!octo_plan_write(&search->best, stdout, "octo-min " OCTO_VERSION))
            complain("that cannot be written, either: %s", strerror(errno));
    }
    if (words && story == NULL)
        complain("no memory for another replay: the plan has no story");
    const bool told = !words || story != NULL;
    free(story);
    return status == EXIT_OK && !told ? EXIT_HARNESS : status;
}

/* ---- The program ----------------------------------------------------------------------------- */

/* The run that was given, as a plan on the calm base in search->best; EXIT_OK, or what is wrong
 * with it. */
static int take_run(const struct arguments *arguments, struct min_search *search,
                    struct min_replay *before)
{
    struct octo_plan given = {.options = arguments->options, .base = OCTO_BASE_SEEDED};
    struct octo_plan *best = &search->best;
    struct min_replay again;

    if (arguments->scenario != NULL && !octo_plan_named(&given, arguments->scenario)) {
        complain(OCTO_PLAN_NAMED_WANTS ", not '%.200s'", arguments->scenario);
        return EXIT_USAGE;
    }
    if (arguments->plan != NULL && !plan_load(arguments, &given)) {
        octo_plan_free(&given);
        return EXIT_USAGE;
    }
    const bool ran = min_record(&given, search->machine, best, before);
    memcpy(best->scenario, given.scenario, sizeof given.scenario);
    memcpy(best->bug, given.bug, sizeof given.bug);
    if (given.base == OCTO_BASE_CALM)
        best->quiet_ns = given.quiet_ns;
    octo_plan_free(&given);
    if (!ran) {
        complain("cannot create a world: %s", strerror(errno));
        return EXIT_HARNESS;
    }
    if (before->signature[0] == '\0') {
        complain("this run breaks nothing: there is nothing to minimize");
        return EXIT_HELD;
    }
    if (strncmp(before->signature, VACUOUS, strlen(VACUOUS)) == 0) {
        complain("this run breaks nothing, but shows nothing, either (%s): there is nothing to "
                 "minimize",
                 before->signature);
        return EXIT_HELD;
    }
    if (best->count > MIN_LINES_MAX) {
        complain("this run has %u lines, and octo-min takes %u at most: give it fewer --ops",
                 best->count, MIN_LINES_MAX);
        return EXIT_USAGE;
    }
    if (!min_normalize(best, search->machine, UINT64_MAX, &again) ||
        strcmp(again.signature, before->signature) != 0) {
        complain("the recording of this run does not break as the run did (%s)", before->signature);
        return EXIT_HARNESS;
    }
    memcpy(search->signature, before->signature, sizeof search->signature);
    search->cost = before->cost;
    return EXIT_OK;
}

/* Until nothing helps any more, or somebody or the clock says stop. */
static int search_run(struct program *program, struct min_search *search, uint64_t usual_ns)
{
    const struct arguments *arguments = program->arguments;
    struct min_replay replay;

    search->pool =
        min_pool_create(arguments->jobs, &search->best.options, search->machine, usual_ns);
    if (search->pool == NULL) {
        complain("cannot start processes: %s", strerror(errno));
        return EXIT_HARNESS;
    }
    (void)signal(SIGINT, stop);
    (void)signal(SIGTERM, stop);
    (void)signal(SIGALRM, stop);
    if (!arguments->same_seed && arguments->plan == NULL) {
        stop_after(program, RESEED_PERCENT);
        min_reseed(search);
    }
    stop_after(program, 100);
    min_shrink(search);
    (void)alarm(0);
    if (program->terminal && !arguments->quiet)
        fputs("\r\033[K", stderr);
    memcpy(search->best.expect, search->signature, sizeof search->best.expect);
    if (min_normalize(&search->best, search->machine, UINT64_MAX, &replay) &&
        strcmp(replay.signature, search->signature) == 0)
        return EXIT_OK;
    complain("the shortest plan does not break when it is replayed once more: the simulator is not "
             "deterministic, or there is no memory");
    return EXIT_HARNESS;
}

static int minimize(const struct arguments *arguments, const struct octo_machine *machine)
{
    struct program program = {arguments, clock_ms(), isatty(STDERR_FILENO) == 1};
    struct min_search search = {.machine = machine, .progress = progress, .context = &program};
    struct before before = {.lines = 0};
    struct min_output output = {.path = NULL};

    const uint64_t core_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    int status = take_run(arguments, &search, &before.replay);
    before.lines = search.best.count;
    /* Before the search, which must not be in vain. */
    if (status == EXIT_OK && !min_output_open(&output, arguments->output))
        status = cannot_write(&output);
    if (status == EXIT_OK)
        status = search_run(&program, &search, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - core_ns);
    before.seconds = (double)(clock_ms() - program.began_ms) / 1000.0;
    if (status == EXIT_OK)
        status = result_write(arguments, &output, &search, &before);
    else
        min_output_drop(&output);
    min_pool_destroy(search.pool);
    octo_plan_free(&search.best);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments arguments;

    arguments_parse(&arguments, argc, argv);
    return minimize(&arguments, &octo_machine_kv);
}
