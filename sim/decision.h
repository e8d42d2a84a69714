/* Decisions: whatever chance decides is one question with a stable key. Private to sim/.
 *
 * A key names the purpose, the actors, the incarnation and a semantic identity, never a position in
 * a stream: removing one decision re-rolls no other. The value is the plan's line if there is one,
 * else base(key): seeded (xoshiro256** seeded by splitmix64 from seed and key,
 * Blackman and Vigna 2018) or calm (the constant that stands for "nothing happens").
 */
#ifndef OCTO_SIM_DECISION_H
#define OCTO_SIM_DECISION_H

#include "kernel/kernel.h"

/* Every purpose: name, text. */
#define OCTO_DECISIONS(D)                                                                      \
    D(DRAWING, "drawing")                 /* swarm: which kinds are on, and how much */        \
    D(MESSAGE_LATENCY, "message-latency") /* ns on top of the base latency */                  \
    D(MESSAGE_LOST, "message-lost")                                                            \
    D(MESSAGE_DUPLICATED, "message-duplicated")                                                \
    D(MESSAGE_DELAYED, "message-delayed")                                                      \
    D(MESSAGE_CORRUPTED, "message-corrupted")                                                  \
    D(DISK, "disk")                     /* the disk's own questions; kind rides in identity */ \
    D(TIE, "tie")                       /* order among events of one instant */                \
    D(JITTER, "jitter")                 /* the boot seed of a node */                          \
    D(CLOCK, "clock")                   /* offset and drift of a node's incarnation */         \
    D(PARTITION, "partition")           /* schedule: window -> shape, members, length */       \
    D(CRASH, "crash")                   /* schedule: window -> node, kind, downtime */         \
    D(CRASH_AT_IO, "crash-at-io")       /* at a disk operation */                              \
    D(PAUSE, "pause")                   /* schedule */                                         \
    D(DAMAGE, "damage")                 /* schedule: window -> what befalls a disk */          \
    D(CLIENT_COMMAND, "client-command") /* what a client asks */                               \
    D(CLIENT_TARGET, "client-target")   /* whom it asks */                                     \
    D(CLIENT_THINK, "client-think")     /* how long it waits between operations */             \
    D(CLIENT_CRASH, "client-crash")                                                            \
    D(CLIENT_DUPLICATE, "client-duplicate")

enum octo_decision {
    OCTO_DECIDE_NONE = 0,
#define OCTO_DECISION_ENUM(name, text) OCTO_DECIDE_##name,
    OCTO_DECISIONS(OCTO_DECISION_ENUM)
#undef OCTO_DECISION_ENUM
        OCTO_DECISION_COUNT,
};

struct octo_key {
    uint8_t purpose;      /* enum octo_decision */
    uint8_t detail;       /* purpose's own: a message type, a disk chance, a drawing's item */
    uint8_t actor;        /* node id, or OCTO_ACTOR_CLIENT + client; 0 for the world */
    uint8_t target;       /* likewise */
    uint32_t incarnation; /* of the actor */
    uint64_t
        identity[2];  /* e.g. (term, index) of a message, (file, occurrence) of a disk question */
    uint32_t attempt; /* how many equal keys came before in this run */
};

#define OCTO_ACTOR_CLIENT 32u

/* Details of keys. Of CRASH, by a node (0: a window's): at a moment that matters. */
enum octo_crash_detail {
    OCTO_CRASH_AGAIN = 3,      /* while the node recovers from a crash */
    OCTO_CRASH_FORMAT = 8,     /* while it formats its directory */
    OCTO_CRASH_ELECTED = 16,   /* as a new leader */
    OCTO_CRASH_TRUNCATED = 17, /* while it writes entries in place of others */
};

/* Of messages between a client and a node; among nodes the detail is the message's type. */
enum octo_packet_detail {
    OCTO_PACKET_REQUEST = 1,
    OCTO_PACKET_REPLY = 2,
    OCTO_PACKET_COPY = 3, /* the second request of a client that sent it twice */
};

#define OCTO_MESSAGE_COPY 0x80u /* on top of the type: the second copy of a duplicated message */

__extension__ typedef unsigned __int128 octo_u128;

/* octo_fold multiplies two words and folds the 128 bits of the product into 64. */
static inline uint64_t octo_fold(uint64_t a, uint64_t b)
{
    const octo_u128 product = (octo_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* octo_key_hash stands for the key, its attempt included; different seeds give unrelated hashes. */
uint64_t octo_key_hash(uint64_t seed, const struct octo_key *key);

/* octo_base_seeded returns 64 bits for key. */
uint64_t octo_base_seeded(uint64_t seed, const struct octo_key *key);

/* octo_range maps 64 random bits to 0 .. bound - 1 (bound > 0) by multiplication (Lemire 2019). */
static inline uint64_t octo_range(uint64_t bits, uint64_t bound)
{
    return (uint64_t)(((octo_u128)bits * bound) >> 64);
}

/* octo_strikes: an event of probability ppm parts per million. */
static inline bool octo_strikes(uint64_t bits, uint32_t ppm)
{
    return octo_range(bits, 1000000) < ppm;
}

const char *octo_decision_text(enum octo_decision decision);

#endif
