/* The simulator's door: whole clusters in one block of memory, in virtual time, from one seed.
 *
 *     seed -> drawing (which faults, how much) -> world -> events -> trace, oracles -> verdict
 *
 * Within a run a world stays at its address; where that is, and what the memory held before, has no
 * influence on anything.
 */
#ifndef OCTO_SIM_SIM_H
#define OCTO_SIM_SIM_H

#include "kernel/kernel.h"
#include "oracle/oracle.h"
#include "vfs/vfs.h"

/* Fault kinds, as counted and reported. Each is one decision with a stable key. */
#define OCTO_FAULTS(F)                                                                            \
    F(MESSAGE_LOST, "message-lost")                                                               \
    F(MESSAGE_DUPLICATED, "message-duplicated")                                                   \
    F(MESSAGE_DELAYED, "message-delayed")     /* far beyond the usual: overtaken by others */     \
    F(MESSAGE_CORRUPTED, "message-corrupted") /* one or more bits flipped */                      \
    F(PARTITION_SYMMETRIC, "partition-symmetric")                                                 \
    F(PARTITION_ONE_WAY, "partition-one-way")                                                     \
    F(PARTITION_LEADER, "partition-leader")                                                       \
    F(PARTITION_MINORITY, "partition-minority")                                                   \
    F(PARTITION_BRIDGE, "partition-bridge")                                                       \
    F(PARTITION_FLAPPING, "partition-flapping")                                                   \
    F(PARTITION_CLIENTS, "partition-clients")                                                     \
    F(POWER_LOSS, "power-loss")                                                                   \
    F(KILL, "kill")                                                                               \
    F(CRASH_IN_RECOVERY, "crash-in-recovery")                                                     \
    F(CRASH_AT_IO, "crash-at-io") /* power loss right at a disk operation */                      \
    F(MAJORITY_CRASH, "majority-crash")                                                           \
    F(PAUSE, "pause")                                                                             \
    F(CLOCK_OFFSET, "clock-offset")                                                               \
    F(CLOCK_DRIFT, "clock-drift")                                                                 \
    F(DISK_READ_ERROR, "disk-read-error")                                                         \
    F(DISK_WRITE_ERROR, "disk-write-error")                                                       \
    F(DISK_SYNC_ERROR, "disk-sync-error")                                                         \
    F(DISK_SECTOR_LOST, "disk-sector-lost")                                                       \
    F(DISK_SECTOR_TORN, "disk-sector-torn")                                                       \
    F(DISK_ENTRY_LOST, "disk-entry-lost")                                                         \
    F(DISK_STALL, "disk-stall")                                                                   \
    F(DISK_SECTOR_GARBAGE, "disk-sector-garbage")                                                 \
    F(DISK_SIZE_WRONG, "disk-size-wrong") /* size and data out of step after a power loss */      \
    F(DISK_SHORT_READ, "disk-short-read")                                                         \
    F(DISK_LOST_WRITE, "disk-lost-write")                                                         \
    F(DISK_MISDIRECTED_WRITE, "disk-misdirected-write")                                           \
    F(DISK_MISDIRECTED_READ, "disk-misdirected-read")                                             \
    F(DISK_FULL, "disk-full")         /* a window without space for anything new */               \
    F(DISK_NO_SPACE, "disk-no-space") /* an operation that found none */                          \
    F(DISK_SLOW, "disk-slow")         /* a window in which everything takes many times as long */ \
    F(DISK_ROT, "disk-rot")           /* one copy of something, chosen by its meaning */          \
    F(DISK_ROT_DOUBLE, "disk-rot-double") /* both copies, on an impaired node */                  \
    F(DISK_WIPE, "disk-wipe")             /* an impaired node comes back with an empty disk */    \
    F(DISK_SWAP, "disk-swap")             /* two impaired nodes, each with the other's */         \
    F(CLIENT_CRASH, "client-crash")                                                               \
    F(CLIENT_DUPLICATE, "client-duplicate") /* a request sent twice */

enum octo_fault {
#define OCTO_FAULT_ENUM(name, text) OCTO_FAULT_##name,
    OCTO_FAULTS(OCTO_FAULT_ENUM)
#undef OCTO_FAULT_ENUM
        OCTO_FAULT_COUNT,
};
const char *octo_fault_text(enum octo_fault fault);

#define OCTO_SIM_NODES_MAX 9u

/* ---- Tuning: what a scenario sets beyond the options below ------------------------------------
 */

/* One number each: NAME, section and key in a scenario's file, unit, least, most. The least and the
 * most are in the unit's base: nanoseconds, parts per million, bytes, or a count. */
#define OCTO_TUNES(T)                                                              \
    T(WINDOW, "schedule", "window", NS, 10 * OCTO_MS, 60 * OCTO_SECOND)            \
    T(FAULTS_FROM, "schedule", "from", NS, 0, 3600 * OCTO_SECOND)                  \
    T(FAULTS_TO, "schedule", "to", NS, OCTO_MS, 3600 * OCTO_SECOND)                \
    T(CRASH_RATE, "schedule", "crash-rate", PPM, 0, 1000000)                       \
    T(CRASH_COUNT, "schedule", "crash-count", COUNT, 1, OCTO_SIM_NODES_MAX)        \
    T(CRASH_ELECTED_RATE, "schedule", "crash-elected-rate", PPM, 0, 1000000)       \
    T(CRASH_TRUNCATING_RATE, "schedule", "crash-truncating-rate", PPM, 0, 1000000) \
    T(PARTITION_RATE, "schedule", "partition-rate", PPM, 0, 1000000)               \
    T(DAMAGE_RATE, "schedule", "damage-rate", PPM, 0, 1000000)                     \
    T(DOWN, "schedule", "down", NS, OCTO_MS, 60 * OCTO_SECOND)                     \
    T(CUT, "schedule", "cut", NS, OCTO_MS, 60 * OCTO_SECOND)                       \
    T(PAUSE, "schedule", "pause", NS, OCTO_MS, 60 * OCTO_SECOND)                   \
    T(DAMAGE, "schedule", "damage", NS, OCTO_MS, 60 * OCTO_SECOND)                 \
    T(LATENCY, "network", "latency", NS, 1000, OCTO_SECOND)                        \
    T(JITTER, "network", "jitter", NS, 0, OCTO_SECOND)                             \
    T(DELAY, "network", "delay", NS, OCTO_MS, 60 * OCTO_SECOND)                    \
    T(BANDWIDTH, "network", "bandwidth", BYTES, 1000, 1000000000)                  \
    T(DISK_LATENCY, "disk", "latency", NS, 1000, OCTO_SECOND)                      \
    T(DISK_JITTER, "disk", "jitter", NS, 0, OCTO_SECOND)                           \
    T(STALL, "disk", "stall", NS, OCTO_MS, 60 * OCTO_SECOND)                       \
    T(CLOCK_OFFSET, "clock", "offset", NS, 1, 86400 * OCTO_SECOND)                 \
    T(CLIENTS, "clients", "count", COUNT, 1, 64)                                   \
    T(DURATION, "clients", "duration", NS, OCTO_SECOND, 600 * OCTO_SECOND)         \
    T(BURST, "clients", "burst", COUNT, 0, 64)                                     \
    T(TIMEOUT, "clients", "timeout", NS, 10 * OCTO_MS, 60 * OCTO_SECOND)           \
    T(GIVE_UP, "clients", "give-up", NS, 10 * OCTO_MS, 600 * OCTO_SECOND)          \
    T(READS, "workload", "reads", PPM, 0, 1000000)                                 \
    T(KEYS, "workload", "keys", COUNT, 1, 16)                                      \
    T(VALUE_BYTES, "workload", "value-bytes", BYTES, 1, 1024)                      \
    T(SNAPSHOT_ENTRIES, "storage", "snapshot-entries", COUNT, 10, 400)             \
    T(KEEP_ENTRIES, "storage", "keep-entries", COUNT, 0, 64)                       \
    T(SEGMENT_BYTES, "storage", "segment-bytes", BYTES, 16384, 131072)

enum octo_tune {
#define OCTO_TUNE_ENUM(name, section, key, unit, least, most) OCTO_TUNE_##name,
    OCTO_TUNES(OCTO_TUNE_ENUM)
#undef OCTO_TUNE_ENUM
        OCTO_TUNE_COUNT,
};

enum octo_sim_kind {
    OCTO_SIM_KIND_DRAWN = 0, /* as the mix has it */
    OCTO_SIM_KIND_ON = 1,    /* and it has to strike, or the run counts as vacuous */
    OCTO_SIM_KIND_OFF = 2,
};

/* Whom a scheduled crash strikes. */
enum octo_sim_target {
    OCTO_SIM_TARGET_DRAWN = 0,    /* the leader in half of the cases, else any node */
    OCTO_SIM_TARGET_LEADER = 1,   /* while there is none, nobody */
    OCTO_SIM_TARGET_FOLLOWER = 2, /* any but the leader */
    OCTO_SIM_TARGET_SAME = 3,     /* one node that the seed draws, every time */
    OCTO_SIM_TARGET_TURN = 4,     /* one after the other, each when all others are ready */
};

/* What rots. */
enum octo_sim_rot {
    OCTO_SIM_ROT_DRAWN = 0, /* any of the following; entries and markers more often */
    OCTO_SIM_ROT_ENTRY = 1,
    OCTO_SIM_ROT_MARKER = 2,
    OCTO_SIM_ROT_VOTE = 3,     /* of impaired nodes only */
    OCTO_SIM_ROT_SNAPSHOT = 4, /* likewise */
};

#define OCTO_SIM_DRIFT_MAX_PPM 500000u /* of a clock */

/* Zero-initialised it changes nothing. */
struct octo_sim_tuning {
    uint64_t set; /* bit of each tune that has a value; the others are as drawn */
    uint64_t values[OCTO_TUNE_COUNT];
    uint8_t kinds[OCTO_FAULT_COUNT];            /* enum octo_sim_kind */
    uint32_t rates_ppm[OCTO_FAULT_COUNT];       /* of kinds that have one; 0: as drawn */
    uint32_t required_faults[OCTO_FAULT_COUNT]; /* least count; less is vacuous */
    uint32_t required_marks[OCTO_MARK_COUNT];
    enum octo_sim_target crash_target;
    enum octo_sim_rot rot_target;
    uint32_t unjudged; /* properties, as bits; of OCTO_PROPERTIES_OPTIONAL */
};

/* Which kinds of fault are on, and how people write it. */
#define OCTO_SIM_MIXES(M)                                                               \
    M(SWARM, 0, "swarm") /* each seed draws which kinds are on, a fifth of them none */ \
    M(NONE, 1, "none")                                                                  \
    M(ALL, 2, "all")   /* every kind on: the reference run of bench/ */                 \
    M(DISK, 3, "disk") /* disks and crashes only, every kind of them */

enum octo_sim_faults {
#define OCTO_SIM_MIX_ENUM(name, number, text) OCTO_SIM_FAULTS_##name = (number),
    OCTO_SIM_MIXES(OCTO_SIM_MIX_ENUM)
#undef OCTO_SIM_MIX_ENUM
};

/* octo_sim_faults_text is the mix's word, "unknown" for none. octo_sim_faults_parse finds the mix
 * of a word; false: there is none, *faults is as before. */
const char *octo_sim_faults_text(enum octo_sim_faults faults);
bool octo_sim_faults_parse(const char *word, enum octo_sim_faults *faults) OCTO_MUST_USE;

struct octo_sim_options {
    uint64_t seed;
    uint32_t node_count; /* 1 .. OCTO_SIM_NODES_MAX */
    uint32_t operations; /* client operations, 1 .. 100000 */
    enum octo_sim_faults faults;
    uint32_t io_error_ppm; /* of reads, writes and syncs alike; 0: as drawn */
    uint32_t crash_cycles; /* every node crashes and comes back so often; 0: as drawn */
    bool unbounded;        /* damage knows no budget: only "never lie, never crash" is judged */
    struct octo_sim_tuning tuning;
    bool timing; /* measure where wall time goes (octo_sim_result.share_ns); decides nothing */
};

/* octo_sim_options_default: seed 1, 5 nodes, 1000 operations, swarm. */
struct octo_sim_options octo_sim_options_default(void);

struct octo_world;

/* octo_world_bytes is how much address space a world of these options may need. Only what is used
 * is ever touched; octo_world_used says how much that is. */
size_t octo_world_bytes(const struct octo_sim_options *options);

/* octo_world_create makes a world at block (4096-byte aligned, the caller's, `size` bytes, any
 * content). The machine is a constant of the program. NULL if size is too small or the options are
 * out of range. Costs well under 200 us. */
struct octo_world *octo_world_create(void *block, size_t size,
                                     const struct octo_sim_options *options,
                                     const struct octo_machine *machine) OCTO_MUST_USE;

/* octo_world_step takes the next event; false when the run is over (finished or a property broke).
 */
bool octo_world_step(struct octo_world *world);

/* octo_world_run steps until the run is over or event number `until` has been taken (UINT64_MAX: to
 * the end). */
void octo_world_run(struct octo_world *world, uint64_t until);

bool octo_world_over(const struct octo_world *world);

/* octo_world_used: bytes from the start of the block that hold the world (its high-water mark). */
size_t octo_world_used(const struct octo_world *world);

/* octo_world_save copies the world to `copy` (octo_world_used bytes); octo_world_restore puts it
 * back at the same address. A restored world goes on exactly as the saved one would have. */
void octo_world_save(const struct octo_world *world, void *copy);
void octo_world_restore(struct octo_world *world, const void *copy, size_t used);

/* Liveness excuses: what the liveness oracle forgives, counted and printed. An impaired node that
 * stays out and says why (wiped, another's disk, its vote unreadable) is waited for in vain until
 * there is membership. */
#define OCTO_EXCUSES(E) E(NODE_HALTED, "node-halted")
enum octo_excuse {
#define OCTO_EXCUSE_ENUM(name, text) OCTO_EXCUSE_##name,
    OCTO_EXCUSES(OCTO_EXCUSE_ENUM)
#undef OCTO_EXCUSE_ENUM
        OCTO_EXCUSE_COUNT,
};

enum octo_sim_share {
    OCTO_SHARE_KERNEL,
    OCTO_SHARE_NETWORK,
    OCTO_SHARE_DISK,
    OCTO_SHARE_ORACLES,
    OCTO_SHARE_OTHER,
    OCTO_SHARE_COUNT
};

struct octo_sim_result {
    struct octo_verdict verdict;
    uint64_t hash;   /* of the trace: every event, every effect */
    uint64_t events; /* calls of octo_node_step */
    uint64_t deliveries;
    octo_time_ns virtual_ns;
    uint32_t acked, failed, unknown; /* client operations */
    uint32_t elections, crashes, restarts;
    uint32_t impaired;              /* nodes that the budget lets lose both copies, or their disk */
    uint64_t lies_told, lies_ended; /* sectors; ended: written anew */
    uint64_t faults[OCTO_FAULT_COUNT];
    uint64_t marks[OCTO_MARK_COUNT];
    uint64_t share_ns[OCTO_SHARE_COUNT]; /* wall time, only with options.timing */
    size_t used_bytes;
};

/* octo_world_result sums up what happened so far. */
void octo_world_result(const struct octo_world *world, struct octo_sim_result *result);

/* octo_sim_signature says in which way a run broke, without ids, numbers and times: the property
 * and the shape of the reason ("durable-ack: n# starts without entry #"). Two runs with one
 * signature failed alike. Empty if the verdict is no failure. */
#define OCTO_SIGNATURE_BYTES 192u
void octo_sim_signature(const struct octo_verdict *verdict, char signature[OCTO_SIGNATURE_BYTES]);

/* A watcher sees every transition as text, one line each, fixed columns (docs/trace.md). It is not
 * part of the world and decides nothing. */
struct octo_watch {
    void *context;
    void (*line)(void *context, uint64_t event, const char *text);
};

/* octo_world_watch sets (or, with NULL, removes) the watcher; kept outside the block. */
void octo_world_watch(struct octo_world *world, const struct octo_watch *watch);

/* octo_world_event_hash: the running trace hash after each event, for comparing two runs. */
uint64_t octo_world_hash(const struct octo_world *world);
uint64_t octo_world_events(const struct octo_world *world);

/* octo_world_dump writes a readable picture of one node (1 .. node_count) line by line to watch. */
void octo_world_dump(const struct octo_world *world, octo_node_id node,
                     const struct octo_watch *watch);

/* octo_sim_main is the whole program octo-sim for a user's machine: parses argv, runs, reports, and
 * returns the exit status (0 held, 1 broke, 2 usage, 3 harness failed, 4 undecided). */
int octo_sim_main(int argc, char **argv, const struct octo_machine *machine);

/* The other rooms behind this door. */
#include "sim/plan.h"
#include "sim/scenario.h"

#endif
