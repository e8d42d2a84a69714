#include "tools/farm/pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_LENGTH 4u /* tasks a worker holds, so that it never waits for the next one */
#define LOOK_MS      100
#define STOPPED_MS   2000u /* a farm that did not look for so long was stopped itself: by ^Z, say */
#define PROCESS_MIB  64u   /* of a worker, besides the world */

struct worker {
    pid_t process;
    int socket;
    uint64_t begin_ns; /* when the first task of the queue began, at the latest */
    uint32_t length;
    struct farm_task queue[QUEUE_LENGTH];
    enum farm_fate killed_for; /* 0: not by us */
    bool late;                 /* killed, but the run that it was for had ended: nobody's fate */
};

struct pool {
    const struct farm_arguments *arguments;
    const struct octo_machine *machine;
    const struct farm_owner *owner;
    struct worker workers[FARM_JOBS_MAX];
    struct pollfd polled[FARM_JOBS_MAX];
    struct farm_result result;
    bool drained; /* the owner has no more tasks */
};

/* ---- In the worker --------------------------------------------------------------------------- */

static bool map_largest(const struct farm_arguments *arguments, struct sim_block *block)
{
    const struct octo_sim_options *largest = &arguments->scenarios[0].options;
    for (uint32_t i = 1; i < arguments->scenario_count; i++) {
        const struct octo_sim_options *options = &arguments->scenarios[i].options;
        if (octo_world_bytes(options) > octo_world_bytes(largest))
            largest = options;
    }
    return sim_block_map(block, largest, 0, NULL);
}

static enum farm_fate fate_of(const struct sim_outcome *outcome)
{
    switch (sim_outcome_exit(outcome)) {
    case SIM_EXIT_OK:
        return FARM_OK;
    case SIM_EXIT_UNDECIDED:
        return FARM_UNDECIDED;
    case SIM_EXIT_BROKEN:
    case SIM_EXIT_USAGE:
    case SIM_EXIT_HARNESS:
        break;
    }
    return FARM_BROKEN;
}

/* What a run is that used more than it may: the same whether it got to its end or was killed
 * before, which depends on when the farm looked. The next run does not find these pages. */
static void too_large(struct farm_result *result, const struct sim_block *block)
{
    result->fate = FARM_MEMORY;
    result->outcome = (struct sim_outcome){.options = result->outcome.options,
                                           .wall_ns = result->outcome.wall_ns};
    (void)madvise(block->base, block->size, MADV_DONTNEED);
}

/* Runs what comes over the socket until the farm is gone. */
static void work(const struct pool *pool, int socket)
{
    static struct farm_result result;
    struct sim_block block;
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    if (!map_largest(pool->arguments, &block))
        _exit(SIM_EXIT_HARNESS);
    while (recv(socket, &result.task, sizeof result.task, 0) == (ssize_t)sizeof result.task) {
        struct octo_sim_options options = pool->arguments->scenarios[result.task.scenario].options;
        options.seed = result.task.seed;
        if (!sim_outcome_make(&result.outcome, &block, &options, pool->machine))
            _exit(SIM_EXIT_HARNESS);
        result.fate = fate_of(&result.outcome);
        if (result.outcome.result.used_bytes > pool->arguments->memory_bytes)
            too_large(&result, &block);
        if (send(socket, &result, sizeof result, MSG_NOSIGNAL) != (ssize_t)sizeof result)
            break;
    }
    _exit(0);
}

/* ---- In the farm ----------------------------------------------------------------------------- */

static bool start(struct pool *pool, struct worker *worker)
{
    int ends[2];
    const pid_t farm = getpid();
    worker->killed_for = 0;
    worker->late = false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        farm_complain("cannot start a worker: %s", strerror(errno));
        return false;
    }
    worker->process = fork();
    if (worker->process == 0) {
        (void)signal(SIGINT, SIG_IGN); /* the farm decides when to stop */
        (void)signal(SIGTERM, SIG_DFL);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != farm)
            _exit(0);
        (void)close(ends[0]);
        for (uint32_t i = 0; i < pool->arguments->jobs; i++) {
            if (pool->workers[i].socket >= 0)
                (void)close(pool->workers[i].socket);
        }
        work(pool, ends[1]);
    }
    (void)close(ends[1]);
    worker->socket = ends[0];
    if (worker->process > 0)
        return true;
    farm_complain("cannot start a worker: %s", strerror(errno));
    return false;
}

static bool send_task(const struct worker *worker, uint32_t number)
{
    const struct farm_task *task = &worker->queue[number];
    return send(worker->socket, task, sizeof *task, MSG_NOSIGNAL) == (ssize_t)sizeof *task;
}

/* Fills the worker's queue. What cannot be sent is sent to its successor. */
static void feed(struct pool *pool, struct worker *worker)
{
    while (!pool->drained && worker->length < QUEUE_LENGTH) {
        struct farm_task task;
        if (!pool->owner->next(pool->owner->context, &task)) {
            pool->drained = true;
            return;
        }
        if (worker->length == 0)
            worker->begin_ns = sim_clock_ns();
        worker->queue[worker->length++] = task;
        (void)send_task(worker, worker->length - 1);
    }
}

static void shift(struct worker *worker)
{
    worker->late = worker->killed_for != 0;
    worker->length--;
    memmove(worker->queue, worker->queue + 1, worker->length * sizeof worker->queue[0]);
    worker->begin_ns = sim_clock_ns();
}

/* What becomes of the run in which a worker ended. */
static void blame(struct pool *pool, const struct worker *worker, int status)
{
    struct farm_result *result = &pool->result;
    *result = (struct farm_result){.task = worker->queue[0], .fate = FARM_CRASH};
    if (worker->killed_for != 0)
        result->fate = worker->killed_for;
    else if (WIFSIGNALED(status))
        result->signal = WTERMSIG(status);
    result->outcome.options = pool->arguments->scenarios[result->task.scenario].options;
    result->outcome.options.seed = result->task.seed;
    result->outcome.wall_ns = sim_clock_ns() - worker->begin_ns;
    pool->owner->result(pool->owner->context, result);
}

/* The worker is gone: its run, if it was in one, has a result, and the rest of its queue a new
 * worker. */
static bool replace(struct pool *pool, struct worker *worker)
{
    int status = 0;
    (void)close(worker->socket);
    worker->socket = -1;
    (void)waitpid(worker->process, &status, 0);
    worker->process = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == SIM_EXIT_HARNESS) {
        farm_complain("a worker cannot make worlds: is there memory left?");
        return false;
    }
    if (worker->length != 0 && !worker->late) {
        blame(pool, worker, status);
        shift(worker);
    }
    worker->begin_ns = sim_clock_ns();
    if (!start(pool, worker))
        return false;
    for (uint32_t i = 0; i < worker->length; i++)
        (void)send_task(worker, i);
    return true;
}

static bool hear(struct pool *pool, struct worker *worker)
{
    for (;;) {
        const ssize_t size = recv(worker->socket, &pool->result, sizeof pool->result, MSG_DONTWAIT);
        if (size == (ssize_t)sizeof pool->result) {
            pool->owner->result(pool->owner->context, &pool->result);
            shift(worker);
        } else if (size < 0 && errno == ECONNRESET) {
            continue; /* it died with tasks unread; the results that it sent come after this */
        } else if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        } else {
            return replace(pool, worker);
        }
    }
}

static uint64_t resident_bytes(pid_t process)
{
    char path[64];
    unsigned long long all = 0, resident = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/statm", (long)process);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Ends what takes too long or too much; hear() then finds the worker gone. */
static void watch(struct pool *pool, struct worker *worker)
{
    if (worker->length == 0 || worker->killed_for != 0)
        return;
    if (sim_clock_ns() > worker->begin_ns + pool->arguments->budget_ns)
        worker->killed_for = FARM_HANG;
    else if (resident_bytes(worker->process) >
             pool->arguments->memory_bytes + ((uint64_t)PROCESS_MIB << 20))
        worker->killed_for = FARM_MEMORY;
    if (worker->killed_for != 0)
        (void)kill(worker->process, SIGKILL);
}

static bool serve(struct pool *pool)
{
    const uint32_t jobs = pool->arguments->jobs;
    uint64_t looked_ns = sim_clock_ns();
    for (;;) {
        uint32_t busy = 0;
        for (uint32_t i = 0; i < jobs; i++) {
            feed(pool, &pool->workers[i]);
            busy += pool->workers[i].length != 0;
            pool->polled[i] = (struct pollfd){.fd = pool->workers[i].socket, .events = POLLIN};
        }
        if (busy == 0 || pool->owner->wish(pool->owner->context) == FARM_STOP)
            return true;
        if (poll(pool->polled, jobs, LOOK_MS) < 0 && errno != EINTR)
            return false;
        for (uint32_t i = 0; i < jobs; i++) {
            if (!hear(pool, &pool->workers[i]))
                return false;
        }
        const uint64_t passed_ns = sim_clock_ns() - looked_ns;
        if (passed_ns < LOOK_MS * OCTO_MS)
            continue;
        looked_ns += passed_ns;
        for (uint32_t i = 0; i < jobs; i++) {
            struct worker *worker = &pool->workers[i];
            if (passed_ns > STOPPED_MS * OCTO_MS) /* so was the worker */
                worker->begin_ns = octo_min_u64(worker->begin_ns + passed_ns, looked_ns);
            watch(pool, worker);
        }
    }
}

bool farm_pool_run(const struct farm_arguments *arguments, const struct octo_machine *machine,
                   const struct farm_owner *owner)
{
    static struct pool pool;
    bool good = true;
    pool = (struct pool){.arguments = arguments, .machine = machine, .owner = owner};
    for (uint32_t i = 0; i < arguments->jobs; i++)
        pool.workers[i].socket = -1;
    for (uint32_t i = 0; i < arguments->jobs && good; i++)
        good = start(&pool, &pool.workers[i]);
    good = good && serve(&pool);
    for (uint32_t i = 0; i < arguments->jobs; i++) {
        if (pool.workers[i].process <= 0)
            continue;
        (void)kill(pool.workers[i].process, SIGKILL);
        (void)waitpid(pool.workers[i].process, NULL, 0);
        (void)close(pool.workers[i].socket);
    }
    return good;
}
