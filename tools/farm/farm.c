/* octo_farm_main: the whole program octo-farm, for any machine. */
#include "tools/farm/farm.h"

#include "tools/farm/forms.h"
#include "tools/farm/report.h"

#include "sim/main/scenarios.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define COMMIT_NS OCTO_SECOND
#define SHOW_NS   (200 * OCTO_MS)
#define BAR_WIDTH 24u

struct farm {
    const struct farm_arguments *arguments;
    const struct octo_machine *machine;
    struct farm_store store;
    uint64_t step;     /* of the plan: a number of a seed, each with every scenario */
    uint32_t scenario; /* next of the step */
    uint64_t done, failed, kept, total; /* runs; kept: of a farm before; total 0: not known */
    uint64_t begin_ns, committed_ns, shown_ns;
    bool shows_progress;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* ---- The plan: seeds in turn, each with every scenario -----------------------------------------
 */

/* How many seeds scenario has in this shard. */
static uint64_t seeds_of(const struct farm_arguments *arguments, uint32_t scenario)
{
    const uint64_t whole =
        arguments->for_ns != 0 ? FARM_SEED_MAX : farm_seeds_whole(arguments, scenario);
    return farm_seeds_share(whole, arguments->shard, arguments->shards);
}

static bool out_of_time(const struct farm *farm)
{
    return farm->arguments->for_ns != 0 &&
           sim_clock_ns() - farm->begin_ns >= farm->arguments->for_ns;
}

static bool next(void *context, struct farm_task *task)
{
    struct farm *farm = context;
    const struct farm_arguments *arguments = farm->arguments;
    for (uint32_t idle = 0; idle <= arguments->scenario_count && !interrupted;) {
        if (farm->scenario == arguments->scenario_count) {
            farm->scenario = 0;
            farm->step++;
        }
        task->scenario = farm->scenario++;
        task->seed = arguments->first + farm->step * arguments->shards + arguments->shard - 1;
        if (farm->step >= seeds_of(arguments, task->scenario)) {
            idle++;
            continue;
        }
        idle = 0;
        if (!farm_store_has(&farm->store, arguments->scenarios[task->scenario].name, task->seed))
            return !out_of_time(farm);
        farm->kept++;
    }
    return false;
}

/* ---- Progress ---------------------------------------------------------------------------------
 */

static void show_bar(const struct farm *farm, double rate)
{
    const uint64_t done = farm->done + farm->kept;
    const uint32_t full = (uint32_t)(done * BAR_WIDTH / farm->total);
    const double left = rate > 0 ? (double)(farm->total - done) / rate : 0;
    fputs(" [", stderr);
    for (uint32_t i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %.0f s left", left);
}

static void progress(struct farm *farm)
{
    const uint64_t now = sim_clock_ns();
    if (!farm->shows_progress || now - farm->shown_ns < SHOW_NS)
        return;
    const double rate = (double)farm->done * 1e9 / (double)(now - farm->begin_ns + 1);
    const unsigned long long done = farm->done + farm->kept, failed = farm->failed;
    farm->shown_ns = now;
    fprintf(stderr, "\r\033[K%llu runs, %.0f/s, %llu failed", done, rate, failed);
    if (farm->total != 0)
        show_bar(farm, rate);
}

static enum farm_wish wish(void *context)
{
    struct farm *farm = context;
    progress(farm);
    if (sim_clock_ns() - farm->committed_ns > COMMIT_NS) {
        farm_store_commit(&farm->store);
        farm->committed_ns = sim_clock_ns();
    }
    return interrupted || farm->store.failed ? FARM_STOP : FARM_GO_ON;
}

static void take(void *context, const struct farm_result *result)
{
    struct farm *farm = context;
    farm->done++;
    farm->failed += result->fate != FARM_OK && result->fate != FARM_UNDECIDED;
    farm_store_put(&farm->store, farm->arguments, farm->machine, result);
}

/* ---- The programs -----------------------------------------------------------------------------
 */

static enum sim_exit run(const struct farm_arguments *arguments, const struct octo_machine *machine)
{
    static struct farm farm;
    const struct sigaction action = {.sa_handler = interrupt};
    const struct farm_owner owner = {&farm, next, take, wish};
    farm = (struct farm){.arguments = arguments, .machine = machine, .begin_ns = sim_clock_ns()};
    farm.shows_progress = !arguments->quiet && isatty(STDERR_FILENO) == 1;
    for (uint32_t i = 0; i < arguments->scenario_count && arguments->for_ns == 0; i++)
        farm.total += seeds_of(arguments, i);
    if (!farm_forms_check(arguments) || !farm_store_create(&farm.store, arguments, machine))
        return SIM_EXIT_USAGE;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    const bool good = farm_pool_run(arguments, machine, &owner);
    if (good && !interrupted)
        farm_store_end(&farm.store);
    farm_store_commit(&farm.store);
    if (farm.shows_progress)
        fputs("\r\033[K", stderr);
    enum sim_exit status = farm_report(&farm.store, arguments);
    if (interrupted)
        farm_complain("interrupted: %llu runs are done%s", (unsigned long long)farm.done,
                      arguments->db == NULL ? "" : "; the same command goes on from here");
    if (!farm_store_close(&farm.store) || !good || (interrupted && status == SIM_EXIT_OK))
        status = SIM_EXIT_HARNESS;
    return status;
}

static enum sim_exit report(const struct farm_arguments *arguments)
{
    struct farm_store store;
    if (!farm_store_read(&store, arguments->files[0]))
        return SIM_EXIT_USAGE;
    const enum sim_exit status =
        farm_forms_check(arguments) ? farm_report(&store, arguments) : SIM_EXIT_USAGE;
    return farm_store_close(&store) ? status : SIM_EXIT_HARNESS;
}

static enum sim_exit dispatch(const struct farm_arguments *arguments,
                              const struct octo_machine *machine)
{
    if (arguments->help) {
        farm_help_print();
        return SIM_EXIT_OK;
    }
    if (arguments->version) {
        printf("octo-farm %s (machine %s)\n", farm_build_text(), machine->name);
        return SIM_EXIT_OK;
    }
    if (arguments->list_scenarios) {
        const struct sim_program program = {.machine = machine, .out = stdout};
        sim_scenarios_print(&program);
        return SIM_EXIT_OK;
    }
    switch (arguments->command) {
    case FARM_RUN:
        return run(arguments, machine);
    case FARM_REPORT:
        return report(arguments);
    case FARM_MERGE:
        return farm_store_merge(arguments->files[0], arguments->files + 1,
                                arguments->file_count - 1)
                   ? SIM_EXIT_OK
                   : SIM_EXIT_USAGE;
    }
    octo_assert(false);
}

int octo_farm_main(int argc, char **argv, const struct octo_machine *machine)
{
    static struct farm_arguments arguments;
    if (!farm_arguments_parse(&arguments, argc, argv))
        return SIM_EXIT_USAGE;
    enum sim_exit status = dispatch(&arguments, machine);
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        farm_complain("cannot write to standard output: %s",
                      errno == 0 ? "not all of it was taken" : strerror(errno));
        status = SIM_EXIT_HARNESS;
    }
    return (int)status;
}
