/* octo_machine: the user's side of a replicated service.
 *
 * A machine is a deterministic function from (state, command) to (state, result). The kernel calls
 * it with committed commands, in order, on every node. It may use no clock, no randomness, no
 * address as a value and no memory but what its allocator gives: then it runs inside the simulator,
 * whole worlds of it can be copied, and every replica is equal, byte for byte.
 *
 * Mind one trap. Whether octo_alloc succeeds depends on all allocations before, and a replica that
 * was restored from a snapshot has others behind it. So a machine must decide from its logical
 * state whether a command fits, and never from octo_alloc's answer: the built-in one keeps
 * everything in cells of one size and counts them. All nodes have the same machine_memory_bytes and
 * result_bytes_max.
 */
#ifndef OCTO_KERNEL_MACHINE_H
#define OCTO_KERNEL_MACHINE_H

#include "kernel/memory.h"

/* What the kernel hands to a machine. `state` is the machine's own root object: init sets it. */
struct octo_machine_context {
    struct octo_allocator *allocator; /* the machine's memory; valid as long as the node */
    void *state;                      /* set by init; lives in the allocator's region */
};

/* Where a result or a snapshot goes. The callee writes at most `capacity` bytes and sets `size`. */
struct octo_buffer {
    uint8_t *bytes;
    uint32_t capacity;
    uint32_t size;
};

/* What clients ask for, as a scenario has it. Zero members: as the machine likes. */
struct octo_workload {
    bool mixed;           /* reads_ppm counts */
    uint32_t reads_ppm;   /* commands that only read, of all */
    uint32_t keys;        /* how many things they are about: the fewer, the more clients meet */
    uint32_t value_bytes; /* largest value */
};

struct octo_machine {
    const char *name; /* short, [a-z0-9-]; in help texts and reports */
    uint32_t version; /* of the command and snapshot formats */

    /* init makes an empty state. Returns OCTO_ERR_FULL if the allocator is too small. */
    enum octo_err (*init)(struct octo_machine_context *context);

    /* apply executes one committed command and writes its result. A command that makes no sense, or
     * that does not fit in memory, is a *result* that says so (K9), never an abort: the state is
     * then unchanged. Deterministic, bounded by the size of the command and of one value. */
    void (*apply)(struct octo_machine_context *context, const uint8_t *command, uint32_t size,
                  struct octo_buffer *result);

    /* query answers a read-only command from the state as it is. May be NULL: reads then go through
     * the log as commands. Must not change the state. */
    void (*query)(const struct octo_machine_context *context, const uint8_t *command, uint32_t size,
                  struct octo_buffer *result);

    /* snapshot writes the state from *cursor on, as much as fits, and moves *cursor; it returns
     * true when the last byte is out. *cursor starts at 0; the state must not change in between.
     * The bytes are a function of the logical state alone (not of the history of allocations). */
    bool (*snapshot)(const struct octo_machine_context *context, uint64_t *cursor,
                     struct octo_buffer *out);

    /* restore consumes the next piece of a snapshot into a freshly initialised state. `last` is
     * true with the final piece, which may be empty. OCTO_ERR_MALFORMED or OCTO_ERR_FULL leaves the
     * state unusable. */
    enum octo_err (*restore)(struct octo_machine_context *context, const uint8_t *bytes,
                             uint32_t size, bool last);

    /* compact may rearrange memory; the logical state stays. May be NULL. */
    void (*compact)(struct octo_machine_context *context);

    /* digest returns a hash of the logical state: equal states give equal digests whatever the
     * history of allocations. Called often: keep it incremental. */
    uint64_t (*digest)(const struct octo_machine_context *context);

    /* sample writes a command for the simulator's clients to try. `random` is a well-mixed word and
     * `choice` another; equal words and workloads give equal commands. A machine makes of the
     * workload what fits. Only the simulator calls it. */
    void (*sample)(const struct octo_workload *workload, uint64_t random, uint64_t choice,
                   struct octo_buffer *command);
};

/* octo_machine_kv is the built-in key-value machine (SET, GET, DEL, CAS, APPEND). */
extern const struct octo_machine octo_machine_kv;

/* The key-value machine's commands and results. Integers are little-endian.
 *
 *   command = op u8 | key_size u16 | value_size u32 | expected_size u32 | key | value | expected
 *             (value is empty for GET and DEL; expected only for CAS)
 *   result  = status u8 | value (GET only, when OK)
 *
 * CAS compares the present value with `expected`; an absent key is MISSING. APPEND to an absent key
 * creates it. DEL of an absent key is MISSING. */
enum octo_kv_op {
    OCTO_KV_SET = 1,
    OCTO_KV_GET = 2,
    OCTO_KV_DEL = 3,
    OCTO_KV_CAS = 4,
    OCTO_KV_APPEND = 5,
};

enum octo_kv_status {
    OCTO_KV_OK = 1,
    OCTO_KV_MISSING = 2,   /* GET, DEL, CAS: no such key */
    OCTO_KV_DIFFERENT = 3, /* CAS: the value is not the expected one */
    OCTO_KV_TOO_LARGE = 4, /* no memory, the value would pass OCTO_KV_VALUE_MAX, or (GET) it does
                              not fit into the result */
    OCTO_KV_MALFORMED = 5, /* not a command */
};

#define OCTO_KV_HEADER_BYTES 11u
#define OCTO_KV_KEY_MAX      255u
#define OCTO_KV_VALUE_MAX    65536u

struct octo_kv_command {
    enum octo_kv_op op;
    const uint8_t *key;
    uint32_t key_size;
    const uint8_t *value;
    uint32_t value_size;
    const uint8_t *expected;
    uint32_t expected_size;
};

/* octo_kv_encode writes command to out. OCTO_ERR_FULL if it does not fit, OCTO_ERR_RANGE if a size
 * is beyond its limit; out->size is then 0. */
enum octo_err octo_kv_encode(const struct octo_kv_command *command,
                             struct octo_buffer *out) OCTO_MUST_USE;

/* octo_kv_decode reads a command; the pointers in *command point into bytes. OCTO_ERR_MALFORMED for
 * anything that octo_kv_encode does not write. */
enum octo_err octo_kv_decode(const uint8_t *bytes, uint32_t size,
                             struct octo_kv_command *command) OCTO_MUST_USE;

#endif
