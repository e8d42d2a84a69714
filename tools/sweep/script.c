/* The workload: a fixed list of acts, and the clients that send its commands. */
#include "tools/sweep/sweep.h"

#define RETRY_NS  (10 * OCTO_MS)
#define ANSWER_NS (250 * OCTO_MS) /* then it is asked anew, and somebody else */

/* Every run ends so: all up and equal; then the power goes everywhere at once, what was not synced
 * is lost, and what was acknowledged must be there again. */
#define ENDING                                                                              \
    {SWEEP_ACT_LAST, 0, 0}, {SWEEP_ACT_SETTLE, 0, 0}, {SWEEP_ACT_POWER_ALL, 0, 0},          \
        {SWEEP_ACT_SEND, 3, SWEEP_SMALL}, {SWEEP_ACT_WAIT, 0, 0}, {SWEEP_ACT_SETTLE, 0, 0}, \
        {SWEEP_ACT_END, 0, 0}, /* what follows, only sweep_world_calm asks for */           \
        {SWEEP_ACT_SETTLE, 0, 0}, {SWEEP_ACT_PAUSE, 100, 0}, {SWEEP_ACT_SETTLE, 0, 0},      \
    {                                                                                       \
        SWEEP_ACT_END, 0, 0                                                                 \
    }

static const struct sweep_act one_acts[] = {
    {SWEEP_ACT_SEND, 2, SWEEP_SMALL}, {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_SEND, 3, SWEEP_MIXED},                                   /* several at a time */
    {SWEEP_ACT_WAIT, 0, 0},           {SWEEP_ACT_SEND, 1, SWEEP_LARGE}, /* larger than a segment */
    {SWEEP_ACT_SEND, 2, SWEEP_EMPTY}, {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_SEND, 5, SWEEP_MIXED}, /* the first snapshot */
    {SWEEP_ACT_WAIT, 0, 0},           {SWEEP_ACT_KILL, 0, 1},
    {SWEEP_ACT_SEND, 4, SWEEP_SMALL}, {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_SEND, 3, SWEEP_LARGE}, {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_POWER, SWEEP_LOST, 1}, {SWEEP_ACT_SEND, 8, SWEEP_MIXED},
    {SWEEP_ACT_WAIT, 0, 0},           {SWEEP_ACT_SEND, 3, SWEEP_SMALL},
    {SWEEP_ACT_PAUSE, 1, 0},          {SWEEP_ACT_POWER, SWEEP_EVEN, 1}, /* in the middle of it */
    {SWEEP_ACT_WAIT, 0, 0},           {SWEEP_ACT_SEND, 9, SWEEP_MIXED},
    {SWEEP_ACT_WAIT, 0, 0},           ENDING,
};

static const struct sweep_act three_acts[] = {
    {SWEEP_ACT_SEND, 3, SWEEP_MIXED},
    {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_SETTLE, 0, 0},
    {SWEEP_ACT_DOWN, 0, 3},
    {SWEEP_ACT_SEND, 14, SWEEP_MIXED}, /* snapshots; what node 3 lacks is not in the log any more */
    {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_UP, 0, 3},
    {SWEEP_ACT_SETTLE, 0, 0},
    {SWEEP_ACT_CUT, 0, 0},
    {SWEEP_ACT_SEND, 3, SWEEP_SMALL}, /* will be truncated */
    {SWEEP_ACT_PAUSE, 5, 0},
    {SWEEP_ACT_UNPIN, 0, 0},
    {SWEEP_ACT_WAIT, 0, 0}, /* another leader */
    {SWEEP_ACT_JOIN, 0, 0},
    {SWEEP_ACT_SETTLE, 0, 0},
    {SWEEP_ACT_POWER, SWEEP_LOST, SWEEP_LEADER},
    {SWEEP_ACT_SEND, 4, SWEEP_MIXED},
    {SWEEP_ACT_WAIT, 0, 0},
    {SWEEP_ACT_SEND, 3, SWEEP_SMALL},
    {SWEEP_ACT_PAUSE, 1, 0},
    {SWEEP_ACT_POWER, SWEEP_EVEN, 3},
    {SWEEP_ACT_WAIT, 0, 0},
    ENDING,
};

const struct sweep_scenario sweep_one = {"one-voter", 1, one_acts};
const struct sweep_scenario sweep_three = {"three-voters", 3, three_acts};

static const struct sweep_crash script_crashes[] = {
    [SWEEP_KEPT] = {"all kept", true, SWEEP_KEPT, 1, 0},
    [SWEEP_LOST] = {"all lost", true, SWEEP_LOST, 0, 0},
    [SWEEP_EVEN] = {"even sectors kept", true, SWEEP_EVEN, 1, 0},
};
static const struct sweep_crash script_kill = {.text = "by the script"};

const char *sweep_script_act_text(const struct sweep_world *world)
{
    switch (world->scenario->acts[world->act].kind) {
    case SWEEP_ACT_SEND:
        return "send";
    case SWEEP_ACT_WAIT:
        return "wait";
    case SWEEP_ACT_SETTLE:
        return "settle";
    case SWEEP_ACT_PAUSE:
        return "pause";
    case SWEEP_ACT_KILL:
    case SWEEP_ACT_POWER:
    case SWEEP_ACT_DOWN:
    case SWEEP_ACT_UP:
    case SWEEP_ACT_CUT:
    case SWEEP_ACT_UNPIN:
    case SWEEP_ACT_JOIN:
    case SWEEP_ACT_LAST:
    case SWEEP_ACT_POWER_ALL:
        return "crash";
    case SWEEP_ACT_END:
        return "end";
    }
    return "";
}

/* ---- Clients --------------------------------------------------------------------------------- */

static uint32_t value_size(enum sweep_shape shape, uint64_t number)
{
    switch (shape) {
    case SWEEP_SMALL:
        return 8;
    case SWEEP_LARGE:
        return 4600;
    case SWEEP_EMPTY:
        return 0;
    case SWEEP_MIXED:
        break;
    }
    static const uint32_t sizes[] = {8, 700, 0, 90, 1900, 16, 300};
    return sizes[number % (sizeof sizes / sizeof sizes[0])];
}

/* A small one is appended to its client's key, so that the order and the number of times show in
 * the state; a larger one is set, so that snapshots stay small; every other empty one is nothing at
 * all, which no machine understands. */
static uint32_t command_write(const struct sweep_client *client, uint32_t at, uint8_t *to)
{
    uint8_t value[SWEEP_COMMAND_BYTES];
    const uint64_t number = client->sequence * SWEEP_CLIENTS + at;
    const uint32_t size = value_size(client->shape, number);
    const uint8_t key[2] = {size > 64 ? 'l' : 's', (uint8_t)('0' + at)};
    struct octo_buffer out = {.bytes = to, .capacity = SWEEP_COMMAND_BYTES};

    if (size == 0 && client->sequence % 2 == 0)
        return 0;
    for (uint32_t i = 0; i < size; i += 4)
        octo_put_u32(value + i, (uint32_t)octo_mix(number * 65536 + i));
    const struct octo_kv_command command = {
        .op = size > 64 ? OCTO_KV_SET : OCTO_KV_APPEND,
        .key = key,
        .key_size = sizeof key,
        .value = value,
        .value_size = size,
    };
    const enum octo_err err = octo_kv_encode(&command, &out);
    octo_assert(err == OCTO_ERR_OK);
    return out.size;
}

static void client_send(struct sweep_world *world, uint32_t at)
{
    static uint8_t command[SWEEP_COMMAND_BYTES];
    struct sweep_client *client = &world->clients[at];
    struct octo_event event = {.kind = OCTO_EVENT_REQUEST};

    if (world->pinned != 0)
        client->target = world->pinned;
    struct sweep_host *host = &world->hosts[client->target - 1];
    event.request.client = at + 1;
    event.request.sequence = client->sequence;
    event.request.command = command;
    event.request.size = command_write(client, at, command);
    client->at = world->now + ANSWER_NS;
    client->target = client->target % world->scenario->nodes + 1; /* if no answer comes */
    if (!host->up) {
        client->at = world->now + RETRY_NS;
        return;
    }
    sweep_say(world, host->id, "request client=%u sequence=%llu, %u bytes", at + 1,
              (unsigned long long)client->sequence, event.request.size);
    sweep_host_step(world, host, &event);
}

void sweep_script_clients(struct sweep_world *world)
{
    for (uint32_t at = 0; at < SWEEP_CLIENTS; at++) {
        if (world->clients[at].waiting && world->clients[at].at <= world->now) {
            client_send(world, at);
            return; /* one event at a time */
        }
    }
}

void sweep_script_reply(struct sweep_world *world, octo_node_id node,
                        const struct octo_effect *effect)
{
    const uint64_t id = effect->reply.client;
    octo_assert(id >= 1 && id <= SWEEP_CLIENTS);
    struct sweep_client *client = &world->clients[id - 1];

    sweep_say(world, node, "reply client=%llu sequence=%llu %s", (unsigned long long)id,
              (unsigned long long)effect->reply.sequence, octo_err_text(effect->reply.status));
    if (!client->waiting || effect->reply.sequence != client->sequence)
        return;
    const enum octo_err status = effect->reply.status;
    if (status == OCTO_ERR_OK) {
        client->waiting = false;
        client->target = node;
        sweep_judge_acknowledged(world, id, client->sequence);
        return;
    }
    if (status == OCTO_ERR_STALE || status == OCTO_ERR_SESSIONS_FULL) {
        sweep_judge_break(world, SWEEP_BROKEN, "client %llu was answered: %s",
                          (unsigned long long)id, octo_err_text(status));
        return;
    }
    if (status != OCTO_ERR_NOT_LEADER)
        client->target = node;
    else if (effect->reply.leader != 0)
        client->target = effect->reply.leader;
    client->at = world->now + RETRY_NS;
}

/* ---- Acts ------------------------------------------------------------------------------------ */

static bool all_answered(const struct sweep_world *world)
{
    for (uint32_t at = 0; at < SWEEP_CLIENTS; at++) {
        if (world->clients[at].waiting)
            return false;
    }
    return world->to_send == 0;
}

static bool host_settled(const struct sweep_world *world, const struct sweep_host *host)
{
    struct octo_node_view view;

    if (!host->up || host->pending_count > 0)
        return false;
    octo_node_look(host->node, &view);
    return view.role != OCTO_ROLE_STARTING && view.floor_index == 0 &&
           view.applied == world->judge.top && view.last == view.durable &&
           octo_node_digest(host->node, &octo_machine_kv) != 0;
}

bool sweep_script_settled(const struct sweep_world *world)
{
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        if (!host_settled(world, &world->hosts[i]))
            return false;
    }
    return all_answered(world) && world->judge.top > 0;
}

static struct sweep_host *leader(struct sweep_world *world)
{
    struct sweep_host *found = &world->hosts[0];
    octo_term term = 0;

    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        struct octo_node_view view;
        if (!world->hosts[i].up)
            continue;
        octo_node_look(world->hosts[i].node, &view);
        if (view.role == OCTO_ROLE_LEADER && view.term > term) {
            found = &world->hosts[i];
            term = view.term;
        }
    }
    return found;
}

static void start_all(struct sweep_world *world)
{
    world->pinned = 0;
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        struct sweep_host *host = &world->hosts[i];
        host->cut = false;
        if (!host->up && !host->dead && host->boot_at == OCTO_NEVER)
            host->boot_at = world->now;
    }
}

static void send_idle(struct sweep_world *world)
{
    for (uint32_t i = 0; i < SWEEP_CLIENTS && world->to_send > 0; i++) {
        struct sweep_client *client = &world->clients[world->send_next];
        if (!client->waiting) {
            client->waiting = true;
            client->sequence++;
            client->shape = world->send_shape;
            client->at = world->now;
            world->to_send--;
        }
        world->send_next = (world->send_next + 1) % SWEEP_CLIENTS;
    }
}

static void crash_all(struct sweep_world *world)
{
    for (uint32_t i = 0; i < world->scenario->nodes; i++) {
        if (!world->hosts[i].dead)
            sweep_host_crash(world, &world->hosts[i], &script_crashes[SWEEP_LOST]);
    }
}

/* Returns false if the act must be waited for. */
static bool act_do(struct sweep_world *world, const struct sweep_act *act)
{
    struct sweep_host *host = act->what == SWEEP_LEADER || act->kind == SWEEP_ACT_CUT ||
                                      act->what == 0 || act->what > world->scenario->nodes
                                  ? leader(world)
                                  : &world->hosts[act->what - 1];

    switch (act->kind) {
    case SWEEP_ACT_SEND:
        world->to_send = act->count;
        world->send_shape = (enum sweep_shape)act->what;
        return true;
    case SWEEP_ACT_WAIT:
        return all_answered(world);
    case SWEEP_ACT_PAUSE:
        return world->now >= world->act_began + act->count * OCTO_MS;
    case SWEEP_ACT_SETTLE:
        return sweep_script_settled(world);
    case SWEEP_ACT_KILL:
        sweep_host_crash(world, host, &script_kill);
        return true;
    case SWEEP_ACT_POWER:
        sweep_host_crash(world, host, &script_crashes[act->count]);
        return true;
    case SWEEP_ACT_DOWN:
        sweep_host_crash(world, host, &script_kill);
        host->boot_at = OCTO_NEVER;
        return true;
    case SWEEP_ACT_UP:
        start_all(world);
        return true;
    case SWEEP_ACT_CUT:
        host->cut = true;
        world->pinned = host->id;
        return true;
    case SWEEP_ACT_UNPIN:
        world->pinned = 0;
        return true;
    case SWEEP_ACT_JOIN:
    case SWEEP_ACT_LAST:
        start_all(world);
        return true;
    case SWEEP_ACT_POWER_ALL:
        crash_all(world);
        return true;
    case SWEEP_ACT_END:
        world->over = true;
        return false;
    }
    return false;
}

void sweep_script_advance(struct sweep_world *world)
{
    while (!world->over && act_do(world, &world->scenario->acts[world->act])) {
        world->act++;
        world->act_began = world->now;
        sweep_say(world, 0, "act %u: %s", world->act, sweep_script_act_text(world));
    }
    send_idle(world);
}

octo_time_ns sweep_script_next(const struct sweep_world *world)
{
    const struct sweep_act *act = &world->scenario->acts[world->act];
    octo_time_ns at = OCTO_NEVER;

    if (act->kind == SWEEP_ACT_PAUSE)
        at = world->act_began + act->count * OCTO_MS;
    for (uint32_t i = 0; i < SWEEP_CLIENTS; i++) {
        if (world->clients[i].waiting)
            at = octo_min_u64(at, world->clients[i].at);
    }
    return octo_max_u64(at, world->now);
}

void sweep_world_shorten(struct sweep_world *world)
{
    uint32_t last = 0;

    while (world->scenario->acts[last].kind != SWEEP_ACT_LAST)
        last++;
    if (world->act >= last)
        return;
    world->act = last;
    world->to_send = 0;
    world->act_began = world->now;
}

void sweep_world_calm(struct sweep_world *world)
{
    world->over = false;
    world->act = 0;
    while (world->scenario->acts[world->act].kind != SWEEP_ACT_END)
        world->act++;
    world->act++;
    world->act_began = world->now;
}
