/* octo-sweep from the inside: whole nodes over simulated disks, and every point at which one can
 * fail. Private to tools/.
 *
 *     script -> world -> base run -> at every disk operation: save, strike, run to the end, judge,
 *                                    restore
 *
 * A world lies in one block of memory and is copied with memcpy. Everything in it is fixed: network
 * and disks take always the same time, nothing is drawn, so that a point has a number.
 */
#ifndef OCTO_TOOLS_SWEEP_SWEEP_H
#define OCTO_TOOLS_SWEEP_SWEEP_H

#include "kernel/kernel.h"
#include "vfs/vfs.h"

#include <setjmp.h>
#include <stdio.h>

#define SWEEP_NODES_MAX     3u
#define SWEEP_CLIENTS       3u
#define SWEEP_COMMAND_BYTES 5000u
#define SWEEP_PENDING_MAX   64u
#define SWEEP_MESSAGES_MAX  128u
#define SWEEP_WIRE_BYTES    65536u
#define SWEEP_READY_NS      (10 * OCTO_SECOND) /* of virtual time, from start to READY */
#define SWEEP_LOG_MAX       512u               /* entries that a run may commit */
#define SWEEP_TERMS_MAX     256u
#define SWEEP_TEXT_BYTES    256u

/* ---- Strikes: what happens to a disk, and when ------------------------------------------------
 */

/* What becomes of the sectors that are not synced when the power goes. */
enum sweep_unsynced {
    SWEEP_KEPT = 1,
    SWEEP_LOST = 2,
    SWEEP_EVEN = 3, /* those with even numbers are kept, the others lost */
    SWEEP_ODD = 4,
    SWEEP_TORN = 5, /* the first half of each is new */
    SWEEP_GARBAGE = 6,
};

struct sweep_crash {
    const char *text;
    bool power; /* false: the process is killed, the page cache stays */
    enum sweep_unsynced unsynced;
    uint8_t entries; /* CRASH_ENTRY: 0 lost, 1 kept */
    uint8_t size;    /* CRASH_SIZE */
};

enum sweep_strike_kind {
    SWEEP_STRIKE_FAULT = 1, /* one answer of chance */
    SWEEP_STRIKE_WINDOW,    /* the same answer for a while, from this operation on */
    SWEEP_STRIKE_BEFORE,    /* a crash just before the operation is submitted */
    SWEEP_STRIKE_AFTER,     /* and just after */
};

struct sweep_strike {
    enum sweep_strike_kind kind;
    octo_node_id node;
    uint64_t op; /* the how manieth of that node, from 1 */
    enum octo_disk_chance_kind chance;
    uint64_t answer;
    const struct sweep_crash *crash;
};

/* An operation that the last event of the base run submitted. */
struct sweep_op {
    octo_node_id node;
    uint64_t number;
    struct octo_disk_op op;
    uint32_t asked; /* bits 1 << enum octo_disk_chance_kind */
    bool apart;     /* something happened since the operation before it: a crash before this one is
                       not the crash after that one */
};

/* ---- The script --------------------------------------------------------------------------------
 */

enum sweep_act_kind {
    SWEEP_ACT_SEND = 1,  /* count commands of a shape, by the clients in turn */
    SWEEP_ACT_WAIT,      /* until all are acknowledged */
    SWEEP_ACT_PAUSE,     /* count milliseconds */
    SWEEP_ACT_KILL,      /* node is killed and comes back */
    SWEEP_ACT_POWER,     /* node loses its power and comes back; count: enum sweep_unsynced */
    SWEEP_ACT_DOWN,      /* node is killed and stays down */
    SWEEP_ACT_UP,        /* until it is started again */
    SWEEP_ACT_CUT,       /* the leader is cut off; clients talk to it alone */
    SWEEP_ACT_UNPIN,     /* clients talk to whom they like again */
    SWEEP_ACT_JOIN,      /* nobody is cut off */
    SWEEP_ACT_SETTLE,    /* until all nodes are up, equal, and their disks idle */
    SWEEP_ACT_LAST,      /* nothing: what follows is how every run ends */
    SWEEP_ACT_POWER_ALL, /* every node at once */
    SWEEP_ACT_END,
};

enum sweep_shape { SWEEP_SMALL, SWEEP_EMPTY, SWEEP_LARGE, SWEEP_MIXED };

#define SWEEP_LEADER 100u /* as a node: who leads now, or the first one */

struct sweep_act {
    enum sweep_act_kind kind;
    uint32_t count;
    uint32_t what; /* shape or node */
};

struct sweep_scenario {
    const char *name;
    uint32_t nodes;
    const struct sweep_act *acts;
};

extern const struct sweep_scenario sweep_one, sweep_three;

/* ---- The world ---------------------------------------------------------------------------------
 */

struct sweep_pending {
    octo_time_ns at;
    uint64_t order;
    uint32_t slot;
    uint8_t kind;
    struct octo_file file;
};

struct sweep_world;

struct sweep_host {
    struct sweep_world *world;
    octo_node_id id;
    struct octo_node *node;
    void *block;
    struct octo_simdisk *disk;
    struct octo_config config;
    octo_time_ns deadline;
    octo_time_ns boot_at;  /* OCTO_NEVER: not by itself */
    octo_time_ns ready_by; /* OCTO_NEVER once it is ready */
    uint32_t incarnation;
    uint32_t halts; /* in a row */
    enum octo_err halt_reason;
    bool up, formatted, cut, dead;
    bool recovering;      /* said so since its last start */
    uint64_t ops;         /* disk operations submitted since the world began */
    octo_term saved_term; /* the newest durable promise */
    octo_node_id saved_vote;
    uint64_t marks[OCTO_MARK_COUNT]; /* of incarnations that have ended */
    uint32_t pending_count;
    struct sweep_pending pending[SWEEP_PENDING_MAX];
};

struct sweep_message {
    octo_time_ns at;
    octo_node_id from, to;
    uint32_t offset, size;
};

struct sweep_network { /* first in, first out: every message takes the same time */
    uint32_t first, count, used;
    struct sweep_message messages[SWEEP_MESSAGES_MAX];
    uint8_t bytes[SWEEP_WIRE_BYTES];
};

struct sweep_client {
    uint64_t sequence; /* of the command sent last */
    bool waiting;      /* for its answer */
    enum sweep_shape shape;
    octo_node_id target;
    octo_time_ns at; /* when it is sent, or sent again */
};

enum sweep_verdict {
    SWEEP_HELD = 0,
    SWEEP_OUT,      /* a node stays out, and says why; only where that is allowed */
    SWEEP_LOSS,     /* something acknowledged is gone */
    SWEEP_DIVERGED, /* two nodes, or a node and a replay, differ */
    SWEEP_BROKEN,   /* an assert, a term that went back, a node that does not come up */
};

struct sweep_judge {
    enum sweep_verdict verdict;
    char why[SWEEP_TEXT_BYTES];
    octo_index top; /* entries committed, as far as any node has applied them */
    uint64_t chains[SWEEP_LOG_MAX];
    uint64_t digests[SWEEP_LOG_MAX]; /* of a replay up to there */
    uint64_t applied[SWEEP_CLIENTS]; /* last sequence in the replay */
    uint64_t acked[SWEEP_CLIENTS];
    octo_node_id leaders[SWEEP_TERMS_MAX];
    struct octo_machine_context machine; /* the replay */
    void *memory;
};

struct sweep_world {
    const struct sweep_scenario *scenario;
    struct octo_arena arena;
    octo_time_ns now, bound;
    uint64_t order, events;
    bool over;
    bool may_stay_out; /* a node may be halted or recovering for good */
    uint32_t act;
    octo_time_ns act_began;
    uint32_t to_send, send_next;
    enum sweep_shape send_shape;
    octo_node_id pinned;
    struct sweep_strike strikes[2];
    uint32_t strike_count, strike_next;
    octo_time_ns window_end;
    struct sweep_strike window;
    const struct sweep_strike *armed; /* while the operation that it strikes is submitted */
    const struct sweep_crash *crash;  /* while a power loss is resolved */
    uint32_t asked;
    uint64_t crashes, kills, restarts, halts;
    struct sweep_client clients[SWEEP_CLIENTS];
    struct sweep_judge judge;
    struct sweep_host hosts[SWEEP_NODES_MAX]; /* node id - 1 */
    struct sweep_network network;
};

/* sweep_world_create makes the world of a scenario in block (the caller's). */
struct sweep_world *sweep_world_create(void *block, size_t size,
                                       const struct sweep_scenario *scenario);

/* sweep_world_step takes the next event; false when the run is over, one way or the other. */
bool sweep_world_step(struct sweep_world *world);

/* sweep_world_run steps to the end. A failed assert is a verdict. */
void sweep_world_run(struct sweep_world *world);

void sweep_world_save(struct sweep_world *world, void *copy);
void sweep_world_restore(struct sweep_world *world, const void *copy);

/* sweep_world_shorten: what is left of the script is how every run ends. */
void sweep_world_shorten(struct sweep_world *world);

/* sweep_world_calm: nothing is to be done but to settle. */
void sweep_world_calm(struct sweep_world *world);

/* sweep_world_marks adds up the marks of all nodes. */
void sweep_world_marks(const struct sweep_world *world, uint64_t *marks);

void sweep_host_crash(struct sweep_world *world, struct sweep_host *host,
                      const struct sweep_crash *crash);
void sweep_host_boot(struct sweep_world *world, struct sweep_host *host);
void sweep_host_step(struct sweep_world *world, struct sweep_host *host, struct octo_event *event);

/* sweep_host_complete ends the operation in pending[at] and hands it to the node. */
void sweep_host_complete(struct sweep_world *world, struct sweep_host *host, uint32_t at);

/* sweep_effects_create: the effects are nobody's state. Their buffers are outside the world, and
 * shared. */
void sweep_effects_create(const struct octo_config *config);

/* Operations submitted by the last event, kept outside the world. */
#define SWEEP_OPS_MAX 64u
extern struct sweep_op sweep_ops[SWEEP_OPS_MAX];
extern uint32_t sweep_op_count;

/* Where every transition is written as a line; NULL: nowhere. */
extern FILE *sweep_trace;

/* sweep_say writes a line of the trace. printf-like. */
void sweep_say(const struct sweep_world *world, octo_node_id node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An assert that fails while *sweep_jump is set jumps there; sweep_assert_text says which. */
extern jmp_buf *sweep_jump;
extern char sweep_assert_text[SWEEP_TEXT_BYTES];

/* sweep_op_text describes an operation in a static buffer. */
const char *sweep_op_text(const struct octo_disk_op *op);

/* ---- Script and judge --------------------------------------------------------------------------
 */

/* sweep_script_advance does what can be done now; sweep_script_next says when there is something to
 * do by itself. */
void sweep_script_advance(struct sweep_world *world);
octo_time_ns sweep_script_next(const struct sweep_world *world);
void sweep_script_clients(struct sweep_world *world); /* sends what is due */
void sweep_script_reply(struct sweep_world *world, octo_node_id node,
                        const struct octo_effect *effect);
bool sweep_script_settled(const struct sweep_world *world);
const char *sweep_script_act_text(const struct sweep_world *world);

/* sweep_judge_break ends the run; the first verdict stands. printf-like. */
void sweep_judge_break(struct sweep_world *world, enum sweep_verdict verdict, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));
void sweep_judge_init(struct sweep_world *world);
/* sweep_judge_step looks at a node after a step, and at what it said. */
void sweep_judge_step(struct sweep_world *world, struct sweep_host *host,
                      const struct octo_effects *effects);
void sweep_judge_acknowledged(struct sweep_world *world, octo_client_id client, uint64_t sequence);
/* sweep_judge_end looks at a world that has come to its end. */
void sweep_judge_end(struct sweep_world *world);

/* ---- Sweeps ------------------------------------------------------------------------------------
 */

#define SWEEP_SWEEPS(S)                                                               \
    S(FAIL, "fail", "every disk operation fails, in every way")                       \
    S(CRASH, "crash", "power loss and kill before and after every disk operation")    \
    S(TWICE, "twice", "power loss, and again at every operation of the recovery")     \
    S(DAMAGE, "damage", "every sector of every file of one copy, after a clean kill") \
    S(MEND, "mend", "power loss at every operation of the recovery that repairs one")

enum sweep_kind {
#define SWEEP_ENUM(NAME, name, text) SWEEP_##NAME,
    SWEEP_SWEEPS(SWEEP_ENUM)
#undef SWEEP_ENUM
        SWEEP_KIND_COUNT,
};

/* One row of the table. */
struct sweep_row {
    enum sweep_kind sweep;
    const struct sweep_scenario *scenario;
    octo_node_id struck;
    uint64_t points; /* that exist */
    uint64_t runs;   /* that were run */
    uint64_t same;   /* power losses that left what another one had left; not run again */
    uint64_t out, lost, diverged, broken;
    uint64_t faults[OCTO_CHANCE_COUNT]; /* that struck, by kind, the script's own included */
    uint64_t power_losses, kills, halts, damaged;
    uint64_t marks[OCTO_MARK_COUNT];
    double seconds;
};

#define SWEEP_QUICK 7u

struct sweep_options {
    bool quick;
    bool every;     /* what is the same is run again */
    uint64_t point; /* 0: all */
    uint64_t nodes; /* of the workloads that are run; 0: all */
    uint64_t failures_max;
    bool progress;
};

/* sweep_run runs one row; `point` counts on over the rows of a sweep. Failures are printed to out
 * as they come. */
void sweep_run(struct sweep_row *row, const struct sweep_options *options, uint64_t *point,
               FILE *out);

#endif
