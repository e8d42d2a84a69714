/* Hosts: a node's life (boot, steps, crash, pause), its clock and its timer. */
#include "sim/world.h"

#define CLOCK_START_NS OCTO_SECOND /* so that no clock begins at 0 or runs back below it */
#define PPM            1000000

#define CLOCK_OFFSET 1u /* a CLOCK decision's detail */
#define CLOCK_DRIFT  2u

#define PENDING_MAX 128u /* disk operations of one node in flight */

bool host_create(struct octo_world *world, octo_node_id id)
{
    struct octo_config config = world->config;
    config.node_id = id;
    struct octo_host_node *const host = &world->hosts[id];
    host->block_bytes = octo_node_bytes(&config);
    host->block = octo_arena_alloc(&world->arena, host->block_bytes);
    host->disk = octo_simdisk_create(&world->arena, PENDING_MAX);
    host->deadline = OCTO_NEVER;
    host->wanted = OCTO_NEVER;
    return host->block != NULL && host->disk != NULL;
}

/* ---- Clocks ---------------------------------------------------------------------------------- */

/* A node's clock: it begins with an offset and gains or loses drift_ppm. Exact integers: what it
 * gained since the world began, rounded down, so that it never goes back while the drift stays. */
octo_time_ns host_clock(const struct octo_world *world, octo_node_id id)
{
    const struct octo_host_node *const host = &world->hosts[id];
    const octo_time_ns steady = CLOCK_START_NS + host->clock_offset_ns + world->now;
    if (host->clock_drift_ppm == 0)
        return steady;
    const int64_t whole = (int64_t)(world->now / PPM) * host->clock_drift_ppm;
    const int64_t part = (int64_t)(world->now % PPM) * host->clock_drift_ppm;
    const int64_t part_down = part >= 0 ? part / PPM : -((-part + PPM - 1) / PPM);
    return steady + (octo_time_ns)(whole + part_down);
}

/* The virtual time at which the node's clock shows deadline: rounded up, and at most a nanosecond
 * or two off, which host_timer sees to. */
static octo_time_ns clock_to_virtual(const struct octo_world *world, octo_node_id id,
                                     octo_time_ns deadline)
{
    const struct octo_host_node *const host = &world->hosts[id];
    if (deadline == OCTO_NEVER)
        return OCTO_NEVER;
    const octo_time_ns clock = host_clock(world, id);
    if (deadline <= clock)
        return world->now + 1; /* time goes on, whatever a node wants */
    const octo_time_ns left = deadline - clock;
    if (host->clock_drift_ppm == 0)
        return world->now + left;
    octo_assert(left < UINT64_MAX / (2 * PPM));
    const uint64_t rate = (uint64_t)(PPM + host->clock_drift_ppm);
    return world->now + (left * PPM + rate - 1) / rate;
}

static void clock_draw(struct octo_world *world, octo_node_id id)
{
    struct octo_host_node *const host = &world->hosts[id];
    const struct octo_drawing *const drawing = &world->drawing;
    struct octo_key key = {
        .purpose = OCTO_DECIDE_CLOCK, .actor = (uint8_t)id, .incarnation = host->incarnation};

    host->clock_offset_ns = 0;
    host->clock_drift_ppm = 0;
    if (world->quiet)
        return;
    if (drawing->on[OCTO_FAULT_CLOCK_OFFSET]) {
        key.detail = CLOCK_OFFSET;
        host->clock_offset_ns = octo_range(world_decide(world, &key), drawing->clock_offset_ns + 1);
        record_fault(world, OCTO_FAULT_CLOCK_OFFSET, id, 0, host->clock_offset_ns);
    }
    if (drawing->on[OCTO_FAULT_CLOCK_DRIFT]) {
        key.detail = CLOCK_DRIFT;
        const uint64_t width = 2ull * drawing->clock_drift_ppm + 1;
        host->clock_drift_ppm = (int32_t)octo_range(world_decide(world, &key), width) -
                                (int32_t)drawing->clock_drift_ppm;
        octo_assert(host->clock_drift_ppm > -PPM);
        record_fault(world, OCTO_FAULT_CLOCK_DRIFT, id, 0, (uint64_t)host->clock_drift_ppm);
    }
}

/* ---- The timer ------------------------------------------------------------------------------- */

/* One TIMER item is under way at a time. An earlier deadline replaces it; for a later one nothing
 * is done until it fires, which spares the queue most of the elections that never come. */
static void timer_arm(struct octo_world *world, octo_node_id id, octo_time_ns wanted)
{
    struct octo_host_node *const host = &world->hosts[id];
    host->wanted = wanted;
    if (wanted >= host->deadline)
        return;
    host->deadline = wanted;
    host->timer_generation++;
    world_at(world, wanted, OCTO_ITEM_TIMER, id, host->timer_generation);
}

static void timer_forget(struct octo_host_node *host)
{
    host->deadline = OCTO_NEVER;
    host->wanted = OCTO_NEVER;
    host->timer_generation++;
}

void host_timer(struct octo_world *world, const struct octo_item *item)
{
    const octo_node_id id = item->subject;
    struct octo_host_node *const host = &world->hosts[id];
    if (!host->up || item->token != host->timer_generation)
        return;
    if (host_is_paused(world, id)) {
        world_put_off(world, host->paused_until, item);
        return;
    }
    const octo_time_ns wanted = host->wanted;
    host->deadline = OCTO_NEVER;
    if (wanted > world->now) {
        timer_arm(world, id, wanted);
        return;
    }
    host->wanted = OCTO_NEVER;
    struct octo_event event = {.kind = OCTO_EVENT_TIMER};
    host_step(world, id, &event);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static const uint8_t *image_sector(void *context, octo_node_id node, struct octo_file file,
                                   uint64_t sector)
{
    const struct octo_world *const world = context;
    return octo_simdisk_durable_sector(world->hosts[node].disk, file, sector);
}

static bool image_size(void *context, octo_node_id node, struct octo_file file, uint64_t *size)
{
    const struct octo_world *const world = context;
    return octo_simdisk_durable_size(world->hosts[node].disk, file, size);
}

static uint32_t image_files(void *context, octo_node_id node, uint8_t kind, uint32_t *numbers,
                            uint32_t count)
{
    const struct octo_world *const world = context;
    return octo_simdisk_files(world->hosts[node].disk, kind, numbers, count);
}

struct octo_images host_images(struct octo_world *world)
{
    return (struct octo_images){
        .context = world, .sector = image_sector, .size = image_size, .files = image_files};
}

/* The oracles look before the effects are executed: what a step promises must be durable by then.
 */
static void host_observe(struct octo_world *world, octo_node_id id, const struct octo_event *event)
{
    const enum octo_sim_share share = world_share(world, OCTO_SHARE_ORACLES);
    const struct octo_observation observation = {
        .event = world->events,
        .time = world->now,
        .node_id = id,
        .incarnation = world->hosts[id].incarnation,
        .input = event,
        .effects = &world->effects,
        .node = world->hosts[id].node,
    };
    const struct octo_images images = host_images(world);
    if (!octo_oracles_step(world->oracles, &observation, &images))
        world->over = true;
    world_share(world, share);
}

void host_step(struct octo_world *world, octo_node_id id, struct octo_event *event)
{
    struct octo_host_node *const host = &world->hosts[id];
    octo_assert(host->up);
    event->now = host_clock(world, id);
    world->events++;

    const enum octo_sim_share share = world_share(world, OCTO_SHARE_KERNEL);
    octo_node_step(host->node, event, &world->effects);
    world_share(world, share);

    record_event(world, id, event, &world->effects);
    host_observe(world, id, event);
    if (world->over)
        return;
    host_execute(world, id);
    if (host->up)
        timer_arm(world, id, clock_to_virtual(world, id, world->effects.deadline));
}

void host_disk(struct octo_world *world, const struct octo_item *item)
{
    const octo_node_id id = item->subject;
    struct octo_host_node *const host = &world->hosts[id];
    if (!host->up || item->token >> 32 != host->incarnation)
        return; /* the process that asked is gone, and the operation with it */
    if (host_is_paused(world, id)) {
        world_put_off(world, host->paused_until, item);
        return;
    }
    const enum octo_sim_share share = world_share(world, OCTO_SHARE_DISK);
    struct host_context context = {.world = world, .id = id};
    const struct octo_disk_host disk_host = host_disk_host(&context);
    struct octo_event event = {0};
    octo_simdisk_complete(host->disk, (uint32_t)item->token, &disk_host, world->scratch,
                          world->scratch_bytes, &event);
    world_share(world, share);
    host_step(world, id, &event);
}

/* ---- Life ------------------------------------------------------------------------------------ */

void host_start(struct octo_world *world, octo_node_id id)
{
    struct octo_host_node *const host = &world->hosts[id];
    if (host->up)
        return;
    if (host->incarnation > 0)
        world->restarts++;
    host->incarnation++;
    host->paused = false;
    host->ready_seen = false;
    host->booted_at = world->now;
    timer_forget(host);
    clock_draw(world, id);

    struct octo_config config = world->config;
    config.node_id = id;
    const enum octo_err err = octo_node_init(host->block, host->block_bytes, &config, &host->node);
    octo_assert(err == OCTO_ERR_OK);
    host->up = true;
    const struct octo_key key = {
        .purpose = OCTO_DECIDE_JITTER, .actor = (uint8_t)id, .incarnation = host->incarnation};
    struct octo_event event = {
        .kind = OCTO_EVENT_BOOT,
        .boot = {.seed = world_decide(world, &key), .format = !host->formatted},
    };
    host_step(world, id, &event);
}

void host_end(struct octo_world *world, octo_node_id id, bool power_loss)
{
    struct octo_host_node *const host = &world->hosts[id];
    octo_assert(host->up);
    const uint32_t *const marks = octo_node_marks(host->node);
    for (uint32_t i = 0; i < OCTO_MARK_COUNT; i++)
        world->marks[i] += marks[i];
    host->up = false;
    host->paused = false;
    timer_forget(host);

    struct host_context context = {.world = world, .id = id};
    const struct octo_disk_host disk_host = host_disk_host(&context);
    if (power_loss)
        octo_simdisk_power_loss(host->disk, &disk_host);
    else
        octo_simdisk_kill(host->disk);
    const struct octo_images images = host_images(world);
    const struct octo_simdisk_stats *const stats = octo_simdisk_stats(host->disk);
    const bool lies = stats->lies_told != stats->lies_ended;
    if (!octo_oracles_crash(world->oracles, id, world->events, power_loss, lies, &images))
        world->over = true;
}

void host_crash(struct octo_world *world, octo_node_id id, bool power_loss, enum octo_fault fault)
{
    const struct octo_host_node *const host = &world->hosts[id];
    if (!host->up)
        return;
    record_fault(world, fault, id, 0, host->incarnation);
    if (!host->ready_seen)
        record_fault(world, OCTO_FAULT_CRASH_IN_RECOVERY, id, 0, host->incarnation);
    world->crashes++;
    world->hosts[id].crashes++;
    host_end(world, id, power_loss);
}

void host_stop(struct octo_world *world, octo_node_id id, bool power_loss)
{
    host_crash(world, id, power_loss, power_loss ? OCTO_FAULT_POWER_LOSS : OCTO_FAULT_KILL);
}

bool host_is_paused(const struct octo_world *world, octo_node_id id)
{
    const struct octo_host_node *const host = &world->hosts[id];
    return host->paused && world->now < host->paused_until;
}

void host_pause(struct octo_world *world, octo_node_id id, octo_time_ns until)
{
    struct octo_host_node *const host = &world->hosts[id];
    if (!host->up || host_is_paused(world, id))
        return;
    octo_assert(until >= world->now);
    host->paused = true;
    host->paused_until = until;
    record_fault(world, OCTO_FAULT_PAUSE, id, 0, until);
    world_at(world, until, OCTO_ITEM_RESUME, id, host->incarnation);
}

octo_time_ns host_late(const struct octo_world *world)
{
    octo_time_ns last = 0;

    for (octo_node_id id = 1; id <= world->options.node_count; id++)
        last = octo_max_u64(last, world->hosts[id].paused_until);
    return last;
}

/* What was put off while the node was paused still comes when it was put off to: late at the worst.
 */
void host_resume(struct octo_world *world, octo_node_id id)
{
    world->hosts[id].paused = false;
}

octo_node_id host_leader(const struct octo_world *world)
{
    octo_node_id leader = 0;
    octo_term term = 0;
    for (octo_node_id id = 1; id <= world->options.node_count; id++) {
        if (!world->hosts[id].up)
            continue;
        struct octo_node_view view;
        octo_node_look(world->hosts[id].node, &view);
        if (view.role == OCTO_ROLE_LEADER && view.term > term) {
            leader = id;
            term = view.term;
        }
    }
    return leader;
}
