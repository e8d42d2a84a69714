/* Processes that replay plans. Each has memory shared with the parent, where a candidate's lines
 * are put, and a pipe each way. A process that dies (a bug may do anything) is a candidate that
 * does not break alike, and is replaced. So is one that takes far longer than the run that was to
 * be minimized, in time of its core: what else the machine does decides nothing. */
#include "tools/min/min.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX    64u
#define CACHE_SLOTS (1u << 16)
#define LOOK_MS     100 /* how soon a stop is seen while a replay is waited for */
#define TRIAL_S     20u /* a replay may take so long, */
#define TRIAL_TIMES 10u /* or so many times what the recording took */

volatile sig_atomic_t min_stop;

struct order {
    struct octo_plan plan; /* its lines follow */
    uint64_t events;
    struct octo_plan_line lines[MIN_LINES_MAX];
};

struct worker {
    pid_t process;
    int orders, answers; /* the parent's ends of two pipes */
    struct order *order;
};

struct cached {
    uint64_t name; /* of the plan and the bound; 0: free */
    struct min_replay replay;
};

struct min_pool {
    uint32_t jobs;
    struct worker workers[JOBS_MAX];
    const struct octo_machine *machine;
    void *block;
    size_t block_bytes;
    uint32_t trial_s; /* of a core: the most that a replay may take */
    bool failed;      /* no process can be started any more */
    struct cached *cache;
    uint64_t replays, hits;
};

/* ---- Replays --------------------------------------------------------------------------------- */

static void *block_map(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

static void replay_take(const struct octo_sim_result *result, struct min_replay *replay)
{
    *replay = (struct min_replay){
        .cost = {result->events, result->deliveries},
    };
    octo_sim_signature(&result->verdict, replay->signature);
}

static bool replay_in(void *block, size_t bytes, const struct octo_plan *plan, uint64_t events,
                      const struct octo_machine *machine, const struct octo_watch *watch,
                      struct octo_sim_result *result)
{
    struct octo_world *world = octo_world_create_planned(block, bytes, plan, machine);
    if (world == NULL)
        return false;
    octo_world_watch(world, watch);
    octo_world_run(world, events);
    octo_world_watch(world, NULL);
    octo_world_result(world, result);
    return true;
}

bool min_run(const struct octo_plan *plan, const struct octo_machine *machine, uint64_t events,
             const struct octo_watch *watch, struct octo_sim_result *result)
{
    const size_t bytes = octo_world_bytes(&plan->options) + octo_plan_room(plan->count);
    void *block = block_map(bytes);
    if (block == NULL)
        return false;
    const bool ran = replay_in(block, bytes, plan, events, machine, watch, result);
    (void)munmap(block, bytes);
    return ran;
}

bool min_record(const struct octo_plan *from, const struct octo_machine *machine,
                struct octo_plan *plan, struct min_replay *replay)
{
    const size_t bytes = octo_world_bytes(&from->options) + octo_plan_room(from->count);
    void *block = block_map(bytes);
    if (block == NULL)
        return false;
    octo_plan_record(plan);
    struct octo_world *world = octo_world_create_planned(block, bytes, from, machine);
    if (world != NULL) {
        octo_world_run(world, UINT64_MAX);
        octo_plan_record_end(plan, world);
        struct octo_sim_result result;
        octo_world_result(world, &result);
        replay_take(&result, replay);
    }
    octo_plan_record(NULL);
    (void)munmap(block, bytes);
    return world != NULL;
}

bool min_normalize(struct octo_plan *plan, const struct octo_machine *machine, uint64_t events,
                   struct min_replay *replay)
{
    struct octo_plan asked = {0};
    struct octo_sim_result result;

    octo_plan_record(&asked);
    const bool ran = min_run(plan, machine, events, NULL, &result);
    octo_plan_record(NULL);
    if (ran)
        replay_take(&result, replay);
    if (!ran || asked.count > plan->count) {
        octo_plan_free(&asked);
        return ran;
    }
    free(plan->lines);
    plan->lines = asked.lines;
    plan->count = asked.count;
    plan->capacity = asked.capacity;
    return true;
}

/* ---- Workers --------------------------------------------------------------------------------- */

static bool read_all(int file, void *bytes, size_t size)
{
    size_t have = 0;
    while (have < size) {
        const ssize_t got = read(file, (char *)bytes + have, size - have);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        have += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* The process dies when it has computed for so long from now on; 0: it does not. */
static void trial_limit(uint32_t seconds)
{
    const struct itimerval limit = {.it_value = {.tv_sec = (time_t)seconds}};
    (void)setitimer(ITIMER_VIRTUAL, &limit, NULL);
}

static _Noreturn void work(const struct min_pool *pool, struct order *order, int orders,
                           int answers)
{
    void *block = block_map(pool->block_bytes);
    char go;

    (void)signal(SIGINT, SIG_IGN); /* the parent's to answer */
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGVTALRM, SIG_DFL); /* ends a replay that takes too long */
    while (block != NULL && read_all(orders, &go, 1)) {
        struct min_replay replay = {0};
        struct octo_sim_result result;
        struct octo_plan plan = order->plan;
        plan.lines = order->lines;
        trial_limit(pool->trial_s);
        if (replay_in(block, pool->block_bytes, &plan, order->events, pool->machine, NULL, &result))
            replay_take(&result, &replay);
        trial_limit(0);
        if (write(answers, &replay, sizeof replay) != (ssize_t)sizeof replay)
            break;
    }
    _exit(0);
}

static bool worker_start(struct min_pool *pool, struct worker *worker)
{
    int down[2];
    int up[2];

    if (pipe(down) != 0)
        return false;
    if (pipe(up) != 0) {
        (void)close(down[0]);
        (void)close(down[1]);
        return false;
    }
    worker->process = fork();
    if (worker->process == 0) {
        for (uint32_t i = 0; i < pool->jobs; i++) { /* the others' pipes */
            if (pool->workers[i].process > 0 && &pool->workers[i] != worker) {
                (void)close(pool->workers[i].orders);
                (void)close(pool->workers[i].answers);
            }
        }
        (void)close(down[1]);
        (void)close(up[0]);
        work(pool, worker->order, down[0], up[1]);
    }
    (void)close(down[0]);
    (void)close(up[1]);
    worker->orders = down[1];
    worker->answers = up[0];
    return worker->process > 0;
}

static void worker_end(struct worker *worker)
{
    if (worker->process <= 0)
        return;
    (void)close(worker->orders);
    (void)close(worker->answers);
    (void)kill(worker->process, SIGKILL);
    (void)waitpid(worker->process, NULL, 0);
    worker->process = 0;
}

struct min_pool *min_pool_create(uint32_t jobs, const struct octo_sim_options *largest,
                                 const struct octo_machine *machine, uint64_t usual_ns)
{
    struct min_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
    pool->machine = machine;
    pool->trial_s = TRIAL_S + (uint32_t)(TRIAL_TIMES * usual_ns / OCTO_SECOND);
    pool->block_bytes = octo_world_bytes(largest) + octo_plan_room(MIN_LINES_MAX);
    pool->cache = calloc(CACHE_SLOTS, sizeof *pool->cache);
    bool made = pool->cache != NULL;
    (void)signal(SIGPIPE, SIG_IGN);
    for (uint32_t i = 0; i < pool->jobs && made; i++) {
        struct worker *worker = &pool->workers[i];
        void *order = mmap(NULL, sizeof *worker->order, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        made = order != MAP_FAILED;
        worker->order = made ? order : NULL;
        made = made && worker_start(pool, worker);
    }
    if (made)
        return pool;
    min_pool_destroy(pool);
    return NULL;
}

void min_pool_destroy(struct min_pool *pool)
{
    if (pool == NULL)
        return;
    for (uint32_t i = 0; i < pool->jobs; i++) {
        worker_end(&pool->workers[i]);
        if (pool->workers[i].order != NULL)
            (void)munmap(pool->workers[i].order, sizeof *pool->workers[i].order);
    }
    free(pool->cache);
    free(pool);
}

uint64_t min_pool_replays(const struct min_pool *pool)
{
    return pool->replays;
}

uint64_t min_pool_cached(const struct min_pool *pool)
{
    return pool->hits;
}

/* ---- Verdicts that are known ----------------------------------------------------------------- */

static uint64_t plan_name(const struct octo_plan *plan, uint64_t events)
{
    const struct octo_sim_options *options = &plan->options;
    const uint64_t words[] = {
        options->seed,        events,     (uint64_t)options->node_count << 32 | options->operations,
        (uint64_t)plan->base, plan->luck, plan->quiet_ns,
    };
    uint64_t name = 0;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        name = octo_mix(name ^ words[i]); /* each by itself: two words xored may equal two others */
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct octo_plan_line *line = &plan->lines[i];
        const uint64_t what = (uint64_t)line->none << 8 | line->fault;
        name = octo_mix(name ^ octo_key_hash(what, &line->key) ^ octo_mix(line->bits));
    }
    return name | 1;
}

static struct cached *cache_slot(struct min_pool *pool, uint64_t name)
{
    return &pool->cache[(name >> 32) % CACHE_SLOTS];
}

/* ---- A list of candidates -------------------------------------------------------------------- */

static void order_send(struct min_pool *pool, struct worker *worker, const struct octo_plan *plan,
                       uint64_t events)
{
    struct order *order = worker->order;

    octo_assert(plan->count <= MIN_LINES_MAX);
    order->plan = *plan;
    order->events = events;
    if (plan->count > 0)
        memcpy(order->lines, plan->lines, plan->count * sizeof *plan->lines);
    pool->replays++;
    (void)!write(worker->orders, "g", 1); /* that it is dead is found out when its answer is read */
}

/* The worker is gone or has to go: its successor. */
static void worker_replace(struct min_pool *pool, struct worker *worker)
{
    worker_end(worker);
    if (worker_start(pool, worker))
        return;
    perror("octo-min: cannot start a process; what was found so far is the result");
    pool->failed = true;
}

/* Waits for an answer; false, and the replay is ended, when the search is stopped before. */
static bool answer_take(struct min_pool *pool, struct worker *worker, struct min_replay *replay)
{
    struct pollfd polled = {.fd = worker->answers, .events = POLLIN};

    *replay = (struct min_replay){0};
    while (poll(&polled, 1, LOOK_MS) <= 0) {
        if (min_stop) {
            worker_replace(pool, worker);
            return false;
        }
    }
    if (!read_all(worker->answers, replay, sizeof *replay))
        worker_replace(pool, worker);
    return true;
}

struct trial {
    struct octo_plan plan;
    struct min_replay replay;
    uint32_t worker; /* UINT32_MAX: the replay is here */
    bool exists;
};

static void trial_begin(struct min_pool *pool, struct trial *trial, uint32_t job, uint64_t events,
                        min_candidate candidate, void *context, uint32_t number)
{
    *trial = (struct trial){.worker = UINT32_MAX};
    trial->exists = !pool->failed && candidate(context, number, &trial->plan);
    if (!trial->exists)
        return;
    const uint64_t name = plan_name(&trial->plan, events);
    const struct cached *known = cache_slot(pool, name);
    if (known->name == name) {
        trial->replay = known->replay;
        pool->hits++;
        return;
    }
    trial->worker = job;
    order_send(pool, &pool->workers[job], &trial->plan, events);
}

static void trial_end(struct min_pool *pool, struct trial *trial, uint64_t events)
{
    if (!trial->exists || trial->worker == UINT32_MAX)
        return;
    if (answer_take(pool, &pool->workers[trial->worker], &trial->replay)) {
        const uint64_t name = plan_name(&trial->plan, events);
        *cache_slot(pool, name) = (struct cached){name, trial->replay};
    }
    trial->worker = UINT32_MAX;
}

uint32_t min_pool_first(struct min_pool *pool, const char *signature, struct min_cost bound,
                        min_candidate candidate, void *context, struct octo_plan *plan,
                        struct min_replay *replay)
{
    struct trial trials[JOBS_MAX];
    uint32_t found = UINT32_MAX;

    /* Candidate i runs on process i modulo jobs; all that are under way are ended in order. */
    for (uint32_t i = 0; i < pool->jobs; i++)
        trial_begin(pool, &trials[i], i, bound.events, candidate, context, i);
    for (uint32_t number = 0; found == UINT32_MAX && !min_stop; number++) {
        struct trial *trial = &trials[number % pool->jobs];
        if (!trial->exists)
            break;
        trial_end(pool, trial, bound.events);
        if (strcmp(trial->replay.signature, signature) == 0 &&
            trial->replay.cost.deliveries <= bound.deliveries) {
            found = number;
            *plan = trial->plan;
            *replay = trial->replay;
            trial->plan = (struct octo_plan){0};
            break;
        }
        octo_plan_free(&trial->plan);
        trial_begin(pool, trial, number % pool->jobs, bound.events, candidate, context,
                    number + pool->jobs);
    }
    for (uint32_t i = 0; i < pool->jobs; i++) {
        trial_end(pool, &trials[i], bound.events);
        octo_plan_free(&trials[i].plan);
    }
    return found;
}
