/* The words that every part of Octo shares: domain integers, errors, asserts, byte order.
 *
 * Everything here is freestanding: no I/O, no heap, no clock (contract K1, K2).
 */
#ifndef OCTO_KERNEL_BASE_H
#define OCTO_KERNEL_BASE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t octo_term;      /* Raft term; 0 before the first election */
typedef uint64_t octo_index;     /* log index; the first entry is 1, 0 means "none" */
typedef uint64_t octo_sequence;  /* position in the physical log; the first record is 1 */
typedef uint64_t octo_time_ns;   /* nanoseconds on the clock named by the context */
typedef uint32_t octo_node_id;   /* 1 .. OCTO_NODES_MAX; 0 means "nobody" */
typedef uint64_t octo_client_id; /* names a session; 0 is invalid */

#define OCTO_NODES_MAX 15u           /* voters in one cluster; ids 1..15 fit a 16-bit set */
#define OCTO_NEVER     UINT64_MAX    /* a deadline that does not come */
#define OCTO_MS        1000000ull    /* nanoseconds in a millisecond */
#define OCTO_SECOND    1000000000ull /* nanoseconds in a second */

/* Errors. Zero is success; every other code is negative and stands for a refusal of outside input
 * or for an exhausted capacity. Broken internal invariants are asserts, never errors (K5). */
#define OCTO_ERRORS(E)                                                          \
    E(OK, 0, "ok")                                                              \
    E(FULL, -1, "capacity exhausted")                                           \
    E(TRUNCATED, -2, "input ends too early")                                    \
    E(CHECKSUM, -3, "checksum does not match")                                  \
    E(VERSION, -4, "unknown format version")                                    \
    E(RANGE, -5, "value out of range")                                          \
    E(CLUSTER, -6, "belongs to another cluster")                                \
    E(IDENTITY, -7, "belongs to another node")                                  \
    E(NOT_FOUND, -8, "not found")                                               \
    E(IO, -9, "input/output error")                                             \
    E(NO_SPACE, -10, "no space left on the disk")                               \
    E(NOT_LEADER, -11, "this node is not the leader")                           \
    E(NOT_READY, -12, "the node is still starting")                             \
    E(STALE, -13, "an older request of the session")                            \
    E(SESSIONS_FULL, -14, "no room for another session")                        \
    E(MALFORMED, -15, "malformed input")                                        \
    E(WRONG_TYPE, -16, "unknown message type")                                  \
    E(TRAILING, -17, "bytes left over at the end")                              \
    E(VOTE_UNKNOWN, -18, "both copies of the newest term and vote are damaged") \
    E(UNFORMATTED, -19, "the directory was never formatted for this node")      \
    E(DAMAGED, -20, "acknowledged records are damaged in both topics")          \
    E(LOCKED, -21, "the directory is in use by another process")

enum octo_err {
#define OCTO_ERR_ENUM(name, value, text) OCTO_ERR_##name = (value),
    OCTO_ERRORS(OCTO_ERR_ENUM)
#undef OCTO_ERR_ENUM
};

/* octo_err_text returns a static, English description of err, never NULL. */
const char *octo_err_text(enum octo_err err);

#define OCTO_MUST_USE __attribute__((warn_unused_result))

/* octo_assert_failed reports a broken internal invariant. The host supplies it (the simulator turns
 * it into the verdict "assert", the real node stops at once); it must not return. */
_Noreturn void octo_assert_failed(const char *expression, const char *file, int line);

/* octo_assert is always on, in release builds too (K5). No side effects in the expression. */
#define octo_assert(expression) \
    ((expression) ? (void)0 : octo_assert_failed(#expression, __FILE__, __LINE__))

/* Little-endian stores and loads, for every format that reaches a disk or a wire. */
static inline void octo_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void octo_put_u32(uint8_t *at, uint32_t value)
{
    octo_put_u16(at, (uint16_t)value);
    octo_put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void octo_put_u64(uint8_t *at, uint64_t value)
{
    octo_put_u32(at, (uint32_t)value);
    octo_put_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t octo_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | (uint16_t)(at[1] << 8));
}

static inline uint32_t octo_get_u32(const uint8_t *at)
{
    return octo_get_u16(at) | (uint32_t)octo_get_u16(at + 2) << 16;
}

static inline uint64_t octo_get_u64(const uint8_t *at)
{
    return octo_get_u32(at) | (uint64_t)octo_get_u32(at + 4) << 32;
}

/* octo_align_up rounds value up to a multiple of alignment (a power of two). */
static inline uint64_t octo_align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t octo_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t octo_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* octo_hash is XXH3-64 of size bytes with a seed, in canonical form: the same on every compiler and
 * CPU. Not cryptographic: it finds accidents, not adversaries. */
uint64_t octo_hash(const void *bytes, size_t size, uint64_t seed);

/* octo_mix is a bijective 64-bit finalizer (the last steps of splitmix64, Steele et al. 2014), for
 * combining small integers into keys. */
static inline uint64_t octo_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

#endif
