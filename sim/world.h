/* A world from the inside. Private to sim/; the door is sim/sim.h.
 *
 * One block: this struct first, then an arena that everything else comes from. Raw pointers into
 * the block are allowed (a world stays at its address during a run); pointers out of it, code
 * pointers included, are not, but for `machine`, a constant of the program.
 *
 * Files: world.c (create, step, run, save), queue.c (events in time order), decision.c, plan.c,
 * plan_text.c, attempts.c (how often a key was asked), network.c (messages, cuts of links), host.c
 * (nodes: boot, step, crash, pause, clocks), host_effects.c (what a step asked for, the disk's
 * chances), drawing.c (swarm: what is on, how much), schedule.c (crash, partition and pause
 * windows), shapes.c (what a partition cuts), tuning.c (what a scenario sets), ledger.c (which
 * damage is within the budget), damage.c (what befalls whole disks), clients.c and packets.c
 * (sessions, retries, history, what travels), finish.c (quiet tail, liveness, non-vacuous),
 * record.c (trace hash), text.c (trace text, dump), result.c, names.c, panic.c (a broken assert
 * becomes a verdict).
 */
#ifndef OCTO_SIM_WORLD_H
#define OCTO_SIM_WORLD_H

#include <setjmp.h>

#include "sim/decision.h"
#include "sim/sim.h"

/* ---- Queue: what is due when ----------------------------------------------------------------- */

enum octo_item_kind {
    OCTO_ITEM_TIMER = 1,    /* a node's deadline; subject = node, token = its timer generation */
    OCTO_ITEM_MESSAGE = 2,  /* subject = message slot */
    OCTO_ITEM_DISK = 3,     /* subject = node, token = incarnation << 32 | disk slot */
    OCTO_ITEM_START = 4,    /* subject = node: boot it, token = incarnation it follows */
    OCTO_ITEM_RESUME = 5,   /* subject = node: end of a pause */
    OCTO_ITEM_CLIENT = 6,   /* subject = client: think time over or timeout, token = generation */
    OCTO_ITEM_REQUEST = 7,  /* a client's request arrives; subject = request slot */
    OCTO_ITEM_REPLY = 8,    /* a node's answer arrives; subject = reply slot */
    OCTO_ITEM_SCHEDULE = 9, /* subject = fault window number, token = what */
    OCTO_ITEM_FINISH = 10,  /* quiet tail: look whether all is well */
    OCTO_ITEM_CRASH = 11,   /* subject = node: it loses power, token = its incarnation */
};

struct octo_item {
    octo_time_ns time; /* virtual */
    uint64_t tie;      /* decision TIE: order within an instant; unique by construction */
    uint64_t token;
    uint32_t subject;
    uint8_t kind; /* enum octo_item_kind */
};

struct octo_queue; /* a 4-ary heap in the arena, grown by doubling */

/* ---- The drawing: what this seed turned on ----------------------------------------------------
 */

/* All rates in parts per million. Filled once at creation by drawing.c from DRAWING decisions. */
struct octo_drawing {
    bool on[OCTO_FAULT_COUNT];
    octo_time_ns latency_base_ns, latency_jitter_ns; /* per link base; jitter is 0 .. this */
    uint32_t loss_ppm, duplicate_ppm, delay_ppm, corrupt_ppm;
    octo_time_ns delay_ns; /* largest extra delay of a delayed message */
    uint32_t disk_read_error_ppm, disk_write_error_ppm, disk_sync_error_ppm, disk_stall_ppm;
    octo_time_ns disk_latency_ns, disk_jitter_ns, disk_stall_ns;
    uint32_t short_read_ppm, lost_write_ppm, misdirected_write_ppm, misdirected_read_ppm;
    uint32_t damage_ppm;    /* per window: full, slow, rotting, wiped or swapped disks */
    octo_time_ns damage_ns; /* largest length of a full or slow disk's window */
    uint32_t crash_at_io_ppm;
    uint32_t crash_elected_ppm;   /* a new leader loses power within a few milliseconds */
    uint32_t crash_truncated_ppm; /* likewise who replaces entries of its log */
    octo_time_ns window_ns;       /* fault windows: one decision per kind and window */
    uint32_t crash_ppm, partition_ppm, pause_ppm; /* per window */
    octo_time_ns down_ns, cut_ns, pause_ns;       /* largest lengths */
    octo_time_ns clock_offset_ns;
    uint32_t clock_drift_ppm;
    uint32_t client_count; /* concurrent sessions */
    octo_time_ns think_ns, timeout_ns, give_up_ns;
    octo_time_ns burst_ns;     /* all clients wake together at its multiples; 0: a steady stream */
    uint32_t burst_operations; /* of each client before it sleeps until the next multiple */
    uint32_t client_crash_ppm, client_duplicate_ppm;
    octo_time_ns
        faults_end_ns;    /* faults stop here at the latest; earlier when all operations ended */
    octo_time_ns heal_ns; /* how long the quiet tail may take */
    octo_time_ns faults_from_ns, faults_to_ns; /* faults strike in between only */
    uint64_t bandwidth_bytes; /* a second, of each link between nodes; 0: no limit */
    uint32_t crash_count;     /* nodes that a scheduled crash strikes at once */
    struct octo_workload workload;
    octo_node_id victim; /* OCTO_SIM_TARGET_SAME: whom; else 0 */
};

/* ---- Hosts ------------------------------------------------------------------------------------
 */

struct octo_host_node {
    struct octo_node *node;
    struct octo_simdisk *disk;
    void *block;
    size_t block_bytes;
    uint32_t incarnation; /* 0 before the first boot */
    bool up, paused, formatted;
    bool halted; /* HALT came; until a later incarnation is READY */
    uint32_t crashes;
    bool ready_seen;           /* READY came in this incarnation */
    octo_time_ns paused_until; /* events for a paused node are put off to here, in order */
    octo_time_ns clock_offset_ns;
    int32_t clock_drift_ppm;
    octo_time_ns booted_at; /* virtual */
    octo_time_ns deadline;  /* armed TIMER, virtual; OCTO_NEVER if none */
    octo_time_ns wanted;    /* when the node wants its TIMER: never before `deadline` */
    uint64_t timer_generation;
};

/* ---- The schedule: what the present window decided, and what has to be undone (schedule.c) ------
 */

/* How often faults with a rate could have struck, counted when they stop (finish.c). */
struct octo_chances {
    uint64_t messages, reads, writes, syncs, sectors;
};

struct octo_schedule {
    struct octo_chances chances;
    uint32_t window;                                 /* number of the present one, from 1 */
    uint64_t crash, partition, pause, damage;        /* its decisions' bits */
    uint64_t format[OCTO_SIM_NODES_MAX + 1];         /* of crashes while formatting, by node */
    uint8_t crash_kind, partition_kind, damage_kind; /* enum octo_fault: what the bits chose */
    uint8_t striking; /* enum octo_decision: the family whose strike is under way; NONE: none is */
    uint32_t lived[OCTO_SIM_NODES_MAX + 1]; /* windows that began with the node ready, with a log */
    bool partition_active, partition_cut;   /* cut is false while a flapping one is healed */
    uint32_t partition_window;              /* the window that began the active one */
    octo_time_ns partition_until;
    octo_time_ns flap_ns;
    uint16_t links[OCTO_SIM_NODES_MAX + 1]; /* bit b of links[a]: the active one cuts a -> b */
    uint32_t turn;                          /* crashes under OCTO_SIM_TARGET_TURN so far */
    octo_node_id leader;                    /* the last one seen; stands in while there is none */
};

/* ---- The ledger: which damage the protocol promises to survive (ledger.c)
 * ------------------------
 */

/* Lies are told within a budget. Of what a node has twice (the log's topics), one copy at a time
 * may be a lie: while one topic holds any, the other is spared. Of what it has once, or of both
 * copies, only on *impaired* nodes, a minority that is drawn at the beginning. */
struct octo_ledger {
    uint32_t impaired;                       /* bit id */
    uint32_t out;                            /* bit id: wiped or swapped; its promises are void */
    uint32_t astray[OCTO_SIM_NODES_MAX + 1]; /* segment whose read went astray last, + 1 */
    uint32_t astray_incarnation[OCTO_SIM_NODES_MAX + 1];
    octo_time_ns full_until[OCTO_SIM_NODES_MAX + 1];
    octo_time_ns slow_until[OCTO_SIM_NODES_MAX + 1];
};

struct octo_network;    /* network.c */
struct octo_clients;    /* clients.c */
struct octo_world_plan; /* plan.c */

struct octo_world {
    struct octo_arena arena; /* over the whole block, this struct included */
    struct octo_sim_options options;
    struct octo_drawing drawing;
    const struct octo_machine *machine;
    struct octo_config config; /* of every node, but for node_id */
    octo_time_ns now;
    uint64_t events; /* octo_node_step calls so far */
    uint64_t hash;
    bool over, quiet;
    octo_time_ns quiet_since;
    struct octo_host_node hosts[OCTO_SIM_NODES_MAX + 1]; /* [0] unused */
    struct octo_effects effects; /* buffers in the arena, shared by all steps */
    uint8_t *scratch;            /* for disk reads */
    uint32_t scratch_bytes;
    struct octo_queue *queue;
    struct octo_network *network;
    struct octo_clients *clients;
    struct octo_schedule schedule;
    struct octo_ledger ledger;
    struct octo_attempts *attempts;
    struct octo_world_plan *plan; /* NULL: the seed alone */
    struct octo_oracles *oracles;
    uint64_t faults[OCTO_FAULT_COUNT];
    uint64_t marks[OCTO_MARK_COUNT]; /* of incarnations that have ended */
    uint32_t elections, crashes, restarts;
    uint64_t deliveries;
    uint64_t excuses[OCTO_EXCUSE_COUNT];
    uint64_t items, items_max; /* taken from the queue so far; a run that needs more does not end */
    uint64_t share_ns[OCTO_SHARE_COUNT];
    uint64_t share_since_ns; /* wall clock: when share_current began; only with options.timing */
    enum octo_sim_share share_current;
};

/* No fault strikes now: it is too early, too late, or the quiet tail. What has struck goes on. */
static inline bool world_calm(const struct octo_world *world)
{
    return world->quiet || world->now < world->drawing.faults_from_ns ||
           world->now >= world->drawing.faults_to_ns;
}

/* ---- Calls between the files ------------------------------------------------------------------
 */

/* plan.c. world_decide: the value of a decision: the plan's, else the base's. world_chance: whether
 * something strikes that has a rate, or is due; *bits then say how. world_planned: what the plan
 * says about the strike of a window; if it is SILENT, *bits are the seed's, and
 * world_planned_record is told what came of it.
 *
 * plan_struck: the strike that is under way hits a node (0: none in particular). For the comments
 * of a recording. */
enum plan_answer {
    PLAN_SILENT,  /* the seed decides */
    PLAN_NOTHING, /* no strike */
    PLAN_STRIKES, /* *fault does */
};
uint64_t world_decide(struct octo_world *world, const struct octo_key *key);
bool world_chance(struct octo_world *world, const struct octo_key *key, uint32_t ppm, bool forced,
                  uint64_t *bits);
enum plan_answer world_planned(struct octo_world *world, const struct octo_key *key, uint64_t *bits,
                               uint8_t *fault);
void world_planned_record(const struct octo_world *world, const struct octo_key *key, uint64_t bits,
                          uint8_t fault);
void plan_struck(const struct octo_world *world, octo_node_id id);

/* plan_calm: nothing happens but what the plan says, and nothing is forced or missed.
 * plan_quiet_ns: when its quiet tail begins. plan_wants: it is stale if the mark is not hit. */
struct octo_plan;
bool plan_install(struct octo_world *world, const struct octo_plan *plan) OCTO_MUST_USE;
bool plan_calm(const struct octo_world *world);
bool plan_wants(const struct octo_world *world, enum octo_mark mark);
octo_time_ns plan_quiet_ns(const struct octo_world *world);

/* attempts.c: how many times this key (its attempt left out) was asked before; counts this one. */
uint32_t world_attempt(struct octo_world *world, const struct octo_key *key);

/* queue.c. world_at schedules; time is at least now. MESSAGE, REQUEST and REPLY are named by token
 * (a semantic identity: subject is but a slot), TIMER by subject, the others by both. */
void world_at(struct octo_world *world, octo_time_ns time, enum octo_item_kind kind,
              uint32_t subject, uint64_t token);

/* world_at_named is world_at with the item's identity given; world_put_off schedules an item anew
 * for `time`: before all others of that instant, and what was put off first comes first. */
void world_at_named(struct octo_world *world, octo_time_ns time, enum octo_item_kind kind,
                    uint32_t subject, uint64_t token, uint64_t identity);
void world_put_off(struct octo_world *world, octo_time_ns time, const struct octo_item *item);

struct octo_queue *queue_create(struct octo_arena *arena) OCTO_MUST_USE; /* NULL: arena full */
bool queue_pop(struct octo_queue *queue, struct octo_item *item);        /* false: empty */
uint32_t queue_count(const struct octo_queue *queue);

struct octo_attempts *attempts_create(struct octo_arena *arena) OCTO_MUST_USE;

/* network.c. Links are directed. Endpoints are nodes 1 .. n, and 0 for all clients. */
void network_send(struct octo_world *world, octo_node_id from, octo_node_id to,
                  const uint8_t *bytes, uint32_t size);
void network_arrive(struct octo_world *world, const struct octo_item *item); /* OCTO_ITEM_MESSAGE */
struct octo_network *network_create(struct octo_arena *arena, uint32_t message_bytes_max);
bool network_is_cut(const struct octo_world *world, octo_node_id from, octo_node_id to);
void network_cut(struct octo_world *world, octo_node_id from, octo_node_id to, bool cut);
void network_heal(struct octo_world *world); /* removes every cut */
/* latency of one message or client packet on a link: base + jitter, by the decision under key. */
octo_time_ns network_latency(struct octo_world *world, const struct octo_key *key);

/* host.c. host_start: a boot event of a new incarnation; counts a restart. host_stop: a crash; it
 * records POWER_LOSS or KILL, and CRASH_IN_RECOVERY, and counts; START is the caller's to schedule.
 * host_pause records PAUSE and schedules RESUME. A node that is down stays as it is. */
bool host_create(struct octo_world *world, octo_node_id id) OCTO_MUST_USE; /* false: arena full */
void host_start(struct octo_world *world, octo_node_id id);
void host_stop(struct octo_world *world, octo_node_id id, bool power_loss);
void host_pause(struct octo_world *world, octo_node_id id, octo_time_ns until);
void host_resume(struct octo_world *world, octo_node_id id);
bool host_is_paused(const struct octo_world *world, octo_node_id id); /* now */
octo_time_ns host_late(const struct octo_world *world); /* when the last pause's work comes */
void host_timer(struct octo_world *world, const struct octo_item *item); /* OCTO_ITEM_TIMER */
void host_disk(struct octo_world *world, const struct octo_item *item);  /* OCTO_ITEM_DISK */
struct octo_images host_images(struct octo_world *world);
void host_step(struct octo_world *world, octo_node_id id, struct octo_event *event); /* sets now */
octo_time_ns host_clock(const struct octo_world *world, octo_node_id id);
octo_node_id host_leader(
    const struct octo_world *world); /* leader of the highest term that is up */

/* drawing.c. Reads options, fills drawing; asks DRAWING decisions only. drawing_has_rate: whether
 * the kind strikes at a rate of its own, which a tuning may set. */
void drawing_make(struct octo_world *world);
bool drawing_has_rate(enum octo_fault fault);

/* tuning.c: whether every value is within its limits. */
bool tuning_ok(const struct octo_sim_tuning *tuning);
bool tuning_has(const struct octo_sim_tuning *tuning, enum octo_tune tune);
/* world_required: how often the fault has to strike at least, being on. */
uint64_t world_required(const struct octo_world *world, enum octo_fault fault);

/* schedule.c: OCTO_ITEM_SCHEDULE; schedule_begin sets the first windows going. */
void schedule_begin(struct octo_world *world);
void schedule_item(struct octo_world *world, uint32_t window, uint64_t token);
void schedule_end(struct octo_world *world); /* faults stop: heal, resume and restart everything */
/* the first scheduled kind that is on and has not struck yet; OCTO_FAULT_COUNT if none */
enum octo_fault schedule_missing(const struct octo_world *world);

/* schedule_cycles_over: every node has crashed as often as the options ask. schedule_crash: a crash
 * that another fault brings along; the node starts again within the drawing's down_ns. */
bool schedule_cycles_over(const struct octo_world *world);
void schedule_crash(struct octo_world *world, octo_node_id id, bool power_loss, uint64_t bits);

/* ledger.c */
void ledger_draw(struct octo_world *world);
void ledger_tell(struct octo_world *world); /* to the oracles */
bool ledger_impaired(const struct octo_world *world, octo_node_id id);

/* ledger_allows: whether the node's copy of this file may become a lie now. ledger_allows_read: and
 * whether a read of it may go astray. */
bool ledger_allows(const struct octo_world *world, octo_node_id id, struct octo_file file);
bool ledger_allows_double(const struct octo_world *world, octo_node_id id);
bool ledger_allows_read(struct octo_world *world, octo_node_id id, struct octo_file file);

/* damage.c: a disk fills, slows down, rots, is wiped or swapped: what and whom, the bits say. */
void damage_strike(struct octo_world *world, enum octo_fault kind, uint64_t bits);

/* Whether rot, a wipe or a swap had whom to strike: nodes (impaired ones, for all but simple rot)
 * that were ready with a log often enough before faults ended, which at the highest rates of
 * failing disks not all are. True for every other kind. */
bool damage_possible(const struct octo_world *world, enum octo_fault kind);

/* shapes.c: which links a partition's shape cuts. bits draw the members; leader is 0 if there is
 * none to be had; links as in struct octo_schedule. At least one link is cut. */
void shape_links(const struct octo_world *world, enum octo_fault shape, uint64_t bits,
                 octo_node_id leader, uint16_t links[OCTO_SIM_NODES_MAX + 1]);

/* clients.c */
bool clients_create(struct octo_world *world);
void clients_begin(struct octo_world *world);
void clients_item(struct octo_world *world, uint32_t number, uint64_t generation);
void clients_request_arrives(struct octo_world *world, uint32_t slot);
void clients_reply(struct octo_world *world, octo_node_id from, const struct octo_effect *effect);
void clients_reply_arrives(struct octo_world *world, uint32_t slot);
bool clients_done(const struct octo_world *world); /* every operation acked, failed or given up */
uint32_t clients_ended(const struct octo_world *world);        /* how many operations have */
octo_time_ns clients_progress(const struct octo_world *world); /* when the last one did */
uint32_t clients_begun_loud(const struct octo_world *world); /* operations, before the quiet tail */
/* From this operation on a client's fault that is on and never struck is forced. */
uint32_t clients_force_from(const struct octo_world *world);
uint64_t clients_packets(const struct octo_world *world); /* requests and replies sent so far */
void clients_count(const struct octo_world *world, uint32_t *acked, uint32_t *failed,
                   uint32_t *unknown);

/* result.c: the marks of every incarnation so far. */
void world_marks(const struct octo_world *world, uint64_t marks[OCTO_MARK_COUNT]);

/* finish.c: OCTO_ITEM_FINISH, looked at every few virtual ms of the quiet tail. */
void finish_look(struct octo_world *world);

/* finish_stuck ends a run that does not end by itself, and says why. */
void finish_stuck(struct octo_world *world, const char *why);

/* host_effects.c: executes world->effects of a step of node id. host_disk_host is the disk's way to
 * chance and to the oracles; context must outlive its use. host_crash is host_stop with the fault's
 * name given, host_end is host_stop without any fault. */
struct host_context {
    struct octo_world *world;
    octo_node_id id;
};
void host_execute(struct octo_world *world, octo_node_id id);
struct octo_disk_host host_disk_host(struct host_context *context);
void host_crash(struct octo_world *world, octo_node_id id, bool power_loss, enum octo_fault fault);
void host_end(struct octo_world *world, octo_node_id id, bool power_loss);

/* record.c: the trace hash and the trace text. record_fault counts the fault in world->faults too.
 */
void record_event(struct octo_world *world, octo_node_id id, const struct octo_event *event,
                  const struct octo_effects *effects);
void record_fault(struct octo_world *world, enum octo_fault fault, octo_node_id a, octo_node_id b,
                  uint64_t detail);

/* text.c: lines for the watcher; text_watched is cheap. */
bool text_watched(const struct octo_world *world);
void text_event(struct octo_world *world, octo_node_id id, const struct octo_event *event,
                const struct octo_effects *effects);
void text_fault(struct octo_world *world, enum octo_fault fault, octo_node_id a, octo_node_id b,
                uint64_t detail);

/* world_share charges wall time from now on to `share`, and returns what it went to before. */
enum octo_sim_share world_share_slow(struct octo_world *world, enum octo_sim_share share);
static inline enum octo_sim_share world_share(struct octo_world *world, enum octo_sim_share share)
{
    return world->options.timing ? world_share_slow(world, share) : share;
}

/* panic.c: while armed, a broken assert jumps to `jump`; panic_text is then its expression and
 * place. */
void panic_arm(jmp_buf *jump); /* NULL disarms */
const char *panic_text(void);

#endif
