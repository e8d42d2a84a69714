/* What clients do: think, ask, follow hints, try again, give up, crash; and what they tell the
 * oracles. */
#include "sim/clients.h"

#define REDIRECTS_MAX   3u              /* hints in a row before a pause */
#define PAUSE_NS        (20 * OCTO_MS)  /* before another try, and as much again by chance */
#define BEGIN_NS        (200 * OCTO_MS) /* the first election takes about this long */
#define BURST_SPREAD_NS (OCTO_MS / 2)
#define QUIET_THINK_NS  (OCTO_MS / 2)
#define SESSIONS_SPARE  8u /* for crashes: give-ups leave them alone */

static struct octo_key client_key(const struct octo_world *world, uint32_t number,
                                  enum octo_decision purpose)
{
    const struct client *client = &world->clients->clients[number];
    return (struct octo_key){
        .purpose = (uint8_t)purpose,
        .actor = (uint8_t)(OCTO_ACTOR_CLIENT + number),
        .identity = {client->session, client->sequence},
    };
}

struct octo_buffer clients_command(const struct octo_world *world, uint64_t random, uint64_t choice)
{
    struct octo_buffer command = world->clients->command;
    command.size = 0;
    world->machine->sample(&world->drawing.workload, random, choice, &command);
    octo_assert(command.size <= command.capacity);
    return command;
}

/* Sets the client's timer, instead of the one before. A crash comes first. */
static void client_timer(struct octo_world *world, uint32_t number, octo_time_ns time)
{
    struct client *client = &world->clients->clients[number];
    client->generation++;
    const octo_time_ns when = octo_max_u64(octo_min_u64(time, client->crash_at), world->now);
    world_at(world, when, OCTO_ITEM_CLIENT, number, client->generation);
}

/* ---- Between operations ------------------------------------------------------------------------
 */

static void client_rest(struct octo_world *world, uint32_t number)
{
    const struct octo_drawing *drawing = &world->drawing;
    struct client *client = &world->clients->clients[number];
    const struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_THINK);
    const uint64_t bits = world_decide(world, &key);
    octo_time_ns wake = world->now + 1;

    client->state = CLIENT_IDLE;
    client->in_burst++;
    if (world->quiet || client->in_burst < drawing->burst_operations) {
        wake += octo_range(bits, QUIET_THINK_NS);
    } else if (drawing->burst_ns != 0) {
        client->in_burst = 0;
        wake = (world->now / drawing->burst_ns + 1) * drawing->burst_ns +
               octo_range(bits, BURST_SPREAD_NS);
    } else {
        wake += octo_range(bits, 2 * drawing->think_ns);
    }
    client_timer(world, number, wake);
}

static void session_begin(struct octo_world *world, uint32_t number)
{
    struct client *client = &world->clients->clients[number];
    client->session = 1 + number + (octo_client_id)CLIENT_SESSION_STEP * client->sessions;
    client->sequence = 0;
    client->sessions++;
    world->clients->sessions++;
}

static void operation_end(struct octo_world *world, uint32_t number, uint32_t *count)
{
    struct client *client = &world->clients->clients[number];
    (*count)++;
    client->crash_at = OCTO_NEVER;
    world->clients->progress = world->now;
    client_rest(world, number);
}

/* The client will never know: the command may take effect at any time from now on, or not. */
static void operation_abandon(struct octo_world *world, uint32_t number)
{
    session_begin(world, number);
    operation_end(world, number, &world->clients->unknown);
}

static void client_crash(struct octo_world *world, uint32_t number)
{
    const struct client *client = &world->clients->clients[number];
    record_fault(world, OCTO_FAULT_CLIENT_CRASH, 0, client->target, client->operation);
    operation_abandon(world, number);
}

/* ---- Asking ------------------------------------------------------------------------------------
 */

/* The believed leader; else a node by chance, another than the last one. */
static octo_node_id target_choose(struct octo_world *world, uint32_t number)
{
    const struct client *client = &world->clients->clients[number];
    const uint32_t nodes = world->options.node_count;

    if (client->hint != 0)
        return client->hint;
    struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_TARGET);
    key.attempt = client->attempt;
    const uint64_t bits = world_decide(world, &key);
    if (client->target == 0 || nodes == 1)
        return 1 + (octo_node_id)octo_range(bits, nodes);
    return 1 + (client->target + (octo_node_id)octo_range(bits, nodes - 1)) % nodes;
}

uint32_t clients_force_from(const struct octo_world *world)
{
    const uint32_t operations = world->options.operations;
    return operations < 8 ? operations : operations / 2;
}

/* Half way, a kind that never struck is forced once: every run that has it on shows it. */
static bool client_strikes(struct octo_world *world, uint32_t number, enum octo_fault fault,
                           const struct octo_key *key, uint32_t ppm, uint64_t *bits)
{
    if (world_calm(world) || !world->drawing.on[fault])
        return false;
    const uint32_t operation = world->clients->clients[number].operation;
    const bool due = operation >= clients_force_from(world) && world->faults[fault] == 0;
    return world_chance(world, key, ppm, due, bits);
}

static void attempt_send(struct octo_world *world, uint32_t number)
{
    struct client *client = &world->clients->clients[number];

    client->attempt++;
    client->target = target_choose(world, number);
    client->state = CLIENT_WAITING;
    packets_request(world, number, false, 0);
    struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_DUPLICATE);
    key.attempt = client->attempt;
    uint64_t bits;
    if (client_strikes(world, number, OCTO_FAULT_CLIENT_DUPLICATE, &key,
                       world->drawing.client_duplicate_ppm, &bits)) {
        const octo_time_ns late = octo_range(octo_mix(bits), 2 * world->drawing.timeout_ns);
        record_fault(world, OCTO_FAULT_CLIENT_DUPLICATE, 0, client->target, client->operation);
        packets_request(world, number, true, late);
    }
    client_timer(world, number, world->now + world->drawing.timeout_ns);
}

/* Decides whether, and how soon after its request, the client crashes in this operation. */
static void crash_decide(struct octo_world *world, uint32_t number)
{
    struct client *client = &world->clients->clients[number];

    client->crash_at = OCTO_NEVER;
    if (world->clients->sessions >= world->config.sessions_max)
        return;
    const struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_CRASH);
    uint64_t bits;
    if (!client_strikes(world, number, OCTO_FAULT_CLIENT_CRASH, &key,
                        world->drawing.client_crash_ppm, &bits))
        return;
    const uint64_t delay = octo_mix(bits);
    client->crash_at = world->now;
    /* At once, in half of the cases; the forced one too. */
    if (octo_strikes(delay, 500000) && octo_strikes(bits, world->drawing.client_crash_ppm))
        client->crash_at += octo_range(octo_mix(delay), 4 * world->drawing.latency_base_ns);
}

static void operation_begin(struct octo_world *world, uint32_t number)
{
    struct octo_clients *clients = world->clients;
    struct client *client = &clients->clients[number];

    if (clients->begun == world->options.operations) {
        client->state = CLIENT_DONE;
        return;
    }
    client->operation = clients->begun++;
    client->sequence++;
    client->attempt = 0;
    client->redirects = 0;
    client->give_up_at = world->now + world->drawing.give_up_ns;
    const struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_COMMAND);
    client->random = world_decide(world, &key);
    client->choice = octo_mix(client->random ^ 0x5851f42d4c957f2dull);
    const struct octo_buffer command = clients_command(world, client->random, client->choice);
    if (!octo_oracles_invoke(world->oracles, client->operation, world->events, client->session,
                             client->sequence, command.bytes, command.size))
        world->over = true;
    if (!world_calm(world))
        clients->begun_loud = clients->begun;
    crash_decide(world, number);
    attempt_send(world, number);
    if (client->crash_at <= world->now)
        client_crash(world, number);
}

static bool may_give_up(const struct octo_world *world, const struct client *client)
{
    return !world->quiet && world->now >= client->give_up_at &&
           world->clients->sessions + SESSIONS_SPARE < world->config.sessions_max;
}

static void attempt_again(struct octo_world *world, uint32_t number)
{
    if (may_give_up(world, &world->clients->clients[number]))
        operation_abandon(world, number);
    else
        attempt_send(world, number);
}

/* ---- Answers -----------------------------------------------------------------------------------
 */

static void client_pause(struct octo_world *world, uint32_t number)
{
    struct client *client = &world->clients->clients[number];
    struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_THINK);

    key.detail = CLIENT_PAUSING;
    key.attempt = client->attempt;
    client->state = CLIENT_PAUSING;
    client->redirects = 0;
    client_timer(world, number,
                 world->now + PAUSE_NS + octo_range(world_decide(world, &key), PAUSE_NS));
}

static void hears_not_leader(struct octo_world *world, uint32_t number, octo_node_id leader)
{
    struct client *client = &world->clients->clients[number];

    client->hint = leader <= world->options.node_count && leader != client->target ? leader : 0;
    client->redirects++;
    if (client->hint != 0 && client->redirects <= REDIRECTS_MAX)
        attempt_again(world, number);
    else
        client_pause(world, number);
}

/* A refusal that no node will ever revoke. Only the first and only request of an operation is
 * surely without effect: of an earlier one or a copy nothing is known. */
static void hears_refusal(struct octo_world *world, uint32_t number, bool surely)
{
    struct octo_clients *clients = world->clients;

    if (!surely) {
        operation_end(world, number, &clients->unknown);
        return;
    }
    if (!octo_oracles_failed(world->oracles, clients->clients[number].operation, world->events))
        world->over = true;
    operation_end(world, number, &clients->failed);
}

static void hears_result(struct octo_world *world, uint32_t number,
                         const struct client_packet *packet)
{
    struct octo_clients *clients = world->clients;
    struct client *client = &clients->clients[number];

    client->hint = packet->node;
    if (!octo_oracles_returned(world->oracles, client->operation, world->events, packet->result,
                               packet->size))
        world->over = true;
    operation_end(world, number, &clients->acked);
}

void client_hears(struct octo_world *world, uint32_t number, const struct client_packet *packet)
{
    struct client *client = &world->clients->clients[number];
    const bool present = client->session == packet->session &&
                         client->sequence == packet->sequence &&
                         (client->state == CLIENT_WAITING || client->state == CLIENT_PAUSING);
    if (!present)
        return;
    if (packet->status == OCTO_ERR_OK) {
        hears_result(world, number, packet);
        return;
    }
    if (client->state != CLIENT_WAITING || packet->node != client->target)
        return; /* a late refusal of an earlier attempt */

    switch ((int)packet->status) {
    case OCTO_ERR_NOT_LEADER:
        hears_not_leader(world, number, packet->leader);
        break;
    case OCTO_ERR_STALE: /* it took effect, but what it returned is forgotten */
        hears_refusal(world, number, false);
        break;
    case OCTO_ERR_SESSIONS_FULL:
        /* Sessions are never removed: had an attempt taken effect, the session would be known; and
         * none can from now on. */
        hears_refusal(world, number, true);
        break;
    case OCTO_ERR_RANGE:
    case OCTO_ERR_MALFORMED:
        hears_refusal(world, number,
                      client->attempt == 1 && !world->drawing.on[OCTO_FAULT_CLIENT_DUPLICATE]);
        break;
    default: /* not ready, full, in trouble: another node may do better */
        client->hint = 0;
        client_pause(world, number);
    }
}

/* ---- The way in --------------------------------------------------------------------------------
 */

bool clients_create(struct octo_world *world)
{
    const uint32_t count = world->drawing.client_count;
    const uint32_t command_bytes = world->config.command_bytes_max;
    struct octo_clients *clients = octo_arena_alloc(&world->arena, sizeof *clients);
    if (clients == NULL)
        return false;
    memset(clients, 0, sizeof *clients);
    clients->clients = octo_arena_alloc(&world->arena, count * sizeof *clients->clients);
    clients->command.bytes = octo_arena_alloc(&world->arena, command_bytes);
    if (clients->clients == NULL || clients->command.bytes == NULL)
        return false;
    memset(clients->clients, 0, count * sizeof *clients->clients);
    clients->count = count;
    clients->command.capacity = command_bytes;
    packets_init(&clients->packets);
    world->clients = clients;
    return true;
}

void clients_begin(struct octo_world *world)
{
    const octo_time_ns most =
        world->drawing.burst_ns != 0 ? BURST_SPREAD_NS : 2 * world->drawing.think_ns;

    for (uint32_t number = 0; number < world->clients->count; number++) {
        struct client *client = &world->clients->clients[number];
        session_begin(world, number);
        client->state = CLIENT_IDLE;
        client->crash_at = OCTO_NEVER;
        const struct octo_key key = client_key(world, number, OCTO_DECIDE_CLIENT_THINK);
        client_timer(world, number,
                     world->now + BEGIN_NS + octo_range(world_decide(world, &key), most));
    }
}

void clients_item(struct octo_world *world, uint32_t number, uint64_t generation)
{
    octo_assert(number < world->clients->count);
    struct client *client = &world->clients->clients[number];

    if (generation != client->generation)
        return;
    if (client->crash_at <= world->now && !world->quiet) {
        client_crash(world, number);
        return;
    }
    client->crash_at = OCTO_NEVER;
    switch (client->state) {
    case CLIENT_IDLE:
        operation_begin(world, number);
        break;
    case CLIENT_WAITING:
        client->hint = 0;
        client->redirects = 0;
        attempt_again(world, number);
        break;
    case CLIENT_PAUSING:
        attempt_again(world, number);
        break;
    case CLIENT_DONE:
        break;
    }
}

uint32_t clients_begun_loud(const struct octo_world *world)
{
    return world->clients->begun_loud;
}

uint32_t clients_ended(const struct octo_world *world)
{
    const struct octo_clients *clients = world->clients;
    return clients->acked + clients->failed + clients->unknown;
}

bool clients_done(const struct octo_world *world)
{
    return clients_ended(world) == world->options.operations;
}

octo_time_ns clients_progress(const struct octo_world *world)
{
    return world->clients->progress;
}

void clients_count(const struct octo_world *world, uint32_t *acked, uint32_t *failed,
                   uint32_t *unknown)
{
    *acked = world->clients->acked;
    *failed = world->clients->failed;
    *unknown = world->clients->begun - *acked - *failed;
}
