/* octo-sweep: every point at which a node's disk can fail, one after the other. */
#include "tools/sweep/points.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#if !defined(OCTO_VERSION)
#define OCTO_VERSION "0.0.0"
#endif

enum { EXIT_HELD = 0, EXIT_BROKEN = 1, EXIT_USAGE = 2, EXIT_HARNESS = 3 };

static const struct {
    const struct sweep_scenario *scenario;
    octo_node_id struck;
} worlds[] = {{&sweep_one, 1}, {&sweep_three, 1}, {&sweep_three, 2}, {&sweep_three, 3}};

#define WORLDS (sizeof worlds / sizeof worlds[0])
#define ROWS   (WORLDS * SWEEP_KIND_COUNT)

struct arguments {
    struct sweep_options options;
    enum sweep_kind only; /* SWEEP_KIND_COUNT: all */
    bool json;
};

static const char help[] =
    "usage: octo-sweep [--only SWEEP] [--nodes N] [--quick] [--json]\n"
    "       octo-sweep --only SWEEP --point N\n"
    "\n"
    "Runs one fixed workload over a simulated disk, again and again, and makes the disk fail at\n"
    "every point in turn: nothing is drawn, and nothing is left out. After each run every\n"
    "acknowledged command must be applied exactly once, in order, on every node.\n"
    "\n"
    "Flags (never abbreviated; --flag VALUE or --flag=VALUE):\n"
    "  --only SWEEP   one sweep alone:\n"
    "                   fail    every disk operation fails, in every way\n"
    "                   crash   power loss and kill before and after every disk operation\n"
    "                   twice   power loss, and again at every operation of the recovery\n"
    "                   damage  every sector of every file of one copy, after a clean kill\n"
    "                   mend    power loss at every operation of the recovery that repairs one\n"
    "  --nodes N      the workload of one voter alone (1), or of three (3)\n"
    "  --quick        every 7th point only: not exhaustive, for a quick look\n"
    "  --every        run again what a power loss leaves just as another one left it: bytes on "
    "the\n"
    "                 disk, roles and logs of the others, commands asked for and committed\n"
    "  --point N      with --only: this point alone, with every transition of its run\n"
    "  --failures N   tell at most so many failures of a row (default 10)\n"
    "  --json         one JSON object instead of the table\n"
    "  -h, --help     show this text\n"
    "  --version      show the version\n"
    "\n"
    "Exit status: 0 all points held; 1 one did not; 2 bad usage; 3 the program itself failed.\n";

static int usage(const char *format, const char *value)
{
    fprintf(stderr, "octo-sweep: ");
    fprintf(stderr, format, value); /* NOLINT: the formats are below */
    fprintf(stderr, " (see octo-sweep --help)\n");
    return EXIT_USAGE;
}

static bool number(const char *text, uint64_t maximum, uint64_t *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value >= 1 && *value <= maximum;
}

static bool sweep_named(const char *name, enum sweep_kind *sweep)
{
    for (uint32_t i = 0; i < SWEEP_KIND_COUNT; i++) {
        if (strcmp(name, sweep_name((enum sweep_kind)i)) == 0) {
            *sweep = (enum sweep_kind)i;
            return true;
        }
    }
    return false;
}

enum flag {
    FLAG_ONLY = 256,
    FLAG_NODES,
    FLAG_QUICK,
    FLAG_EVERY,
    FLAG_POINT,
    FLAG_FAILURES,
    FLAG_JSON,
    FLAG_VERSION
};

static const struct option flags[] = {
    {"only", required_argument, NULL, FLAG_ONLY},
    {"nodes", required_argument, NULL, FLAG_NODES},
    {"quick", no_argument, NULL, FLAG_QUICK},
    {"every", no_argument, NULL, FLAG_EVERY},
    {"point", required_argument, NULL, FLAG_POINT},
    {"failures", required_argument, NULL, FLAG_FAILURES},
    {"json", no_argument, NULL, FLAG_JSON},
    {"version", no_argument, NULL, FLAG_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* getopt_long takes abbreviations, which a later flag would make ambiguous. */
static bool abbreviated(const char *word)
{
    const size_t size = strcspn(word, "=");

    if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
        return false;
    for (const struct option *flag = flags; flag->name != NULL; flag++) {
        if (strlen(flag->name) == size - 2 && strncmp(word + 2, flag->name, size - 2) == 0)
            return false;
    }
    return true;
}

/* Returns an exit status, or -1 to go on. */
static int take(struct arguments *arguments, int flag, const char *word)
{
    switch (flag) {
    case FLAG_ONLY:
        if (!sweep_named(optarg, &arguments->only))
            return usage("--only wants fail, crash, twice, damage or mend, not \"%s\"", optarg);
        return -1;
    case FLAG_NODES:
        if (!number(optarg, 3, &arguments->options.nodes) || arguments->options.nodes == 2)
            return usage("--nodes wants 1 or 3, not \"%s\"", optarg);
        return -1;
    case FLAG_POINT:
        if (!number(optarg, UINT64_MAX, &arguments->options.point))
            return usage("--point wants a number from 1 on, not \"%s\"", optarg);
        return -1;
    case FLAG_FAILURES:
        if (!number(optarg, UINT64_MAX, &arguments->options.failures_max))
            return usage("--failures wants a number from 1 on, not \"%s\"", optarg);
        return -1;
    case FLAG_QUICK:
        arguments->options.quick = true;
        return -1;
    case FLAG_EVERY:
        arguments->options.every = true;
        return -1;
    case FLAG_JSON:
        arguments->json = true;
        return -1;
    case FLAG_VERSION:
        printf("octo-sweep %s\n", OCTO_VERSION);
        return EXIT_HELD;
    case 'h':
        fputs(help, stdout);
        return EXIT_HELD;
    case ':':
        return usage("%s wants a value", word);
    default:
        return strchr(word, '=') != NULL ? usage("%s takes no value", word)
                                         : usage("unknown flag %s", word);
    }
}

static int parse(struct arguments *arguments, int argc, char **argv)
{
    int flag;

    opterr = 0;
    for (int i = 1; i < argc; i++) {
        if (abbreviated(argv[i]))
            return usage("unknown flag %s", argv[i]);
    }
    while ((flag = getopt_long(argc, argv, ":h", flags, NULL)) != -1) {
        const int status = take(arguments, flag, argv[optind - 1]);
        if (status >= 0)
            return status;
    }
    if (optind < argc)
        return usage("unexpected \"%s\"", argv[optind]);
    if (arguments->options.point != 0 && arguments->only == SWEEP_KIND_COUNT)
        return usage("%s", "--point counts the points of a sweep: say which with --only");
    if (arguments->options.point != 0 && arguments->options.quick)
        return usage("%s", "--point and --quick exclude each other");
    return -1;
}

/* ---- The report ------------------------------------------------------------------------------ */

static void print_counts(const struct sweep_row *row)
{
    printf("  struck:");
    for (uint32_t kind = 0; kind < OCTO_CHANCE_COUNT; kind++) {
        if (row->faults[kind] > 0 && kind != OCTO_CHANCE_LATENCY)
            printf(" %s %llu", octo_disk_chance_text((enum octo_disk_chance_kind)kind),
                   (unsigned long long)row->faults[kind]);
    }
    printf(
        " power-loss %llu kill %llu damage %llu\n  marks:", (unsigned long long)row->power_losses,
        (unsigned long long)row->kills, (unsigned long long)row->damaged);
    for (uint32_t mark = OCTO_MARK_FLUSH_FAILED; mark < OCTO_MARK_COUNT; mark++) {
        if (row->marks[mark] > 0)
            printf(" %s %llu", octo_mark_text((enum octo_mark)mark),
                   (unsigned long long)row->marks[mark]);
    }
    printf(" halt %llu\n", (unsigned long long)row->halts);
}

static void print_table(const struct sweep_row *rows, uint32_t count, bool quick)
{
    struct sweep_row all = {.seconds = 0};

    printf("%-7s %-13s %4s %9s %9s %9s %6s %6s %8s %6s %8s\n", "sweep", "workload", "node",
           "points", "run", "same", "out", "lost", "diverged", "broken", "seconds");
    for (uint32_t i = 0; i < count; i++) {
        const struct sweep_row *row = &rows[i];
        printf("%-7s %-13s %4u %9llu %9llu %9llu %6llu %6llu %8llu %6llu %8.1f\n",
               sweep_name(row->sweep), row->scenario->name, row->struck,
               (unsigned long long)row->points, (unsigned long long)row->runs,
               (unsigned long long)row->same, (unsigned long long)row->out,
               (unsigned long long)row->lost, (unsigned long long)row->diverged,
               (unsigned long long)row->broken, row->seconds);
        print_counts(row);
        all.points += row->points;
        all.runs += row->runs;
        all.same += row->same;
        all.lost += row->lost;
        all.diverged += row->diverged;
        all.broken += row->broken;
        all.out += row->out;
        all.seconds += row->seconds;
    }
    printf("%llu points, %llu run, %llu the same as one of those, %s: %llu lost, %llu diverged, "
           "%llu broken, %llu stay out as they "
           "may; %.1f s\n",
           (unsigned long long)all.points, (unsigned long long)all.runs,
           (unsigned long long)all.same, quick ? "every 7th, not exhaustive" : "exhaustive",
           (unsigned long long)all.lost, (unsigned long long)all.diverged,
           (unsigned long long)all.broken, (unsigned long long)all.out, all.seconds);
}

static void print_json_row(const struct sweep_row *row)
{
    const char *comma = "";

    printf("{\"sweep\":\"%s\",\"workload\":\"%s\",\"node\":%u,\"points\":%llu,\"run\":%llu,"
           "\"same\":%llu,"
           "\"out\":%llu,\"lost\":%llu,\"diverged\":%llu,\"broken\":%llu,\"seconds\":%.3f,"
           "\"power_losses\":%llu,\"kills\":%llu,\"damaged\":%llu,\"halts\":%llu,\"faults\":{",
           sweep_name(row->sweep), row->scenario->name, row->struck,
           (unsigned long long)row->points, (unsigned long long)row->runs,
           (unsigned long long)row->same, (unsigned long long)row->out,
           (unsigned long long)row->lost, (unsigned long long)row->diverged,
           (unsigned long long)row->broken, row->seconds, (unsigned long long)row->power_losses,
           (unsigned long long)row->kills, (unsigned long long)row->damaged,
           (unsigned long long)row->halts);
    for (uint32_t kind = OCTO_CHANCE_LATENCY + 1; kind < OCTO_CHANCE_COUNT; kind++) {
        printf("%s\"%s\":%llu", comma, octo_disk_chance_text((enum octo_disk_chance_kind)kind),
               (unsigned long long)row->faults[kind]);
        comma = ",";
    }
    printf("},\"marks\":{");
    comma = "";
    for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++) {
        printf("%s\"%s\":%llu", comma, octo_mark_text((enum octo_mark)mark),
               (unsigned long long)row->marks[mark]);
        comma = ",";
    }
    printf("}}");
}

static void print_json(const struct sweep_row *rows, uint32_t count, bool exhaustive)
{
    printf("{\"exhaustive\":%s,\"rows\":[", exhaustive ? "true" : "false");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            printf(",");
        print_json_row(&rows[i]);
    }
    printf("]}\n");
}

/* ---- The program ----------------------------------------------------------------------------- */

static int run_all(const struct arguments *arguments)
{
    static struct sweep_row rows[ROWS];
    FILE *out = arguments->json ? stderr : stdout;
    uint32_t count = 0;
    uint64_t bad = 0;
    uint64_t runs = 0;

    for (uint32_t sweep = 0; sweep < SWEEP_KIND_COUNT; sweep++) {
        uint64_t point = 0;
        if (arguments->only != SWEEP_KIND_COUNT && sweep != arguments->only)
            continue;
        for (uint32_t i = 0; i < WORLDS; i++) {
            if (arguments->options.nodes != 0 &&
                arguments->options.nodes != worlds[i].scenario->nodes)
                continue;
            struct sweep_row *row = &rows[count++];
            *row = (struct sweep_row){.sweep = (enum sweep_kind)sweep,
                                      .scenario = worlds[i].scenario,
                                      .struck = worlds[i].struck};
            sweep_run(row, &arguments->options, &point, out);
            bad += row->lost + row->diverged + row->broken;
            runs += row->runs;
        }
    }
    if (arguments->options.point != 0 && runs == 0)
        return usage("%s", "there is no point of that number");
    const bool exhaustive = !arguments->options.quick && arguments->options.point == 0;
    if (arguments->json)
        print_json(rows, count, exhaustive);
    else if (arguments->options.point == 0)
        print_table(rows, count, arguments->options.quick);
    return bad > 0 ? EXIT_BROKEN : EXIT_HELD;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.only = SWEEP_KIND_COUNT};

    arguments.options.failures_max = 10;
    arguments.options.progress = isatty(STDERR_FILENO) == 1;
    const int status = parse(&arguments, argc, argv);
    if (status >= 0)
        return status;
    const int result = run_all(&arguments);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        fprintf(stderr, "octo-sweep: cannot write to standard output\n");
        return EXIT_HARNESS;
    }
    return result;
}
