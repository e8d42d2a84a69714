/* Clients from the inside: shared by clients.c (what a client does) and packets.c (what travels).
 * Private to sim/.
 *
 * A client holds one session at a time and has one operation in it at a time, which it sends again
 * and again until it knows the end of it or gives up. After a give-up or a crash its outcome is
 * unknown and may yet take effect, so the client goes on in a new session.
 */
#ifndef OCTO_SIM_CLIENTS_H
#define OCTO_SIM_CLIENTS_H

#include "sim/world.h"

enum client_state {
    CLIENT_IDLE = 1,    /* thinks; its timer begins the next operation */
    CLIENT_WAITING = 2, /* for an answer; its timer is the timeout */
    CLIENT_PAUSING = 3, /* before it tries again */
    CLIENT_DONE = 4,    /* no operations are left */
};

struct client {
    octo_client_id session;
    uint64_t sequence;       /* of the present operation, or the last */
    uint64_t generation;     /* of its timer: an older item is void */
    uint64_t random, choice; /* what the machine's sample makes the command of */
    octo_time_ns give_up_at;
    octo_time_ns crash_at; /* OCTO_NEVER: it does not crash in this operation */
    enum client_state state;
    uint32_t operation;  /* number in the whole world */
    uint32_t attempt;    /* how often this one was sent */
    uint32_t redirects;  /* hints followed without a pause */
    uint32_t in_burst;   /* operations since it last slept */
    uint32_t sessions;   /* how many it has had */
    octo_node_id hint;   /* believed leader, 0 if unknown */
    octo_node_id target; /* of the last attempt */
};

/* A request or a reply on its way. */
struct client_packet {
    octo_client_id session;
    uint64_t sequence;
    uint64_t random, choice; /* request: its command */
    uint64_t name;           /* the key's hash: what the queue calls it */
    uint8_t *result;         /* reply: result_short, or a buffer of packets->large */
    uint32_t size;
    enum octo_err status;
    octo_node_id node, leader;
    uint32_t next_free;
    uint8_t result_short[64];
};

#define PACKETS_CHUNK  32u
#define PACKETS_CHUNKS 64u

struct client_packets {
    struct client_packet *chunks[PACKETS_CHUNKS];
    uint32_t count; /* slots ever used */
    uint32_t free_slot;
    uint8_t *free_large; /* the first bytes of a free buffer point at the next one */
    uint64_t sent;
};

struct octo_clients {
    struct client *clients;
    uint32_t count;
    uint32_t begun, acked, failed, unknown; /* operations */
    uint32_t begun_loud;                    /* before the quiet tail */
    uint32_t sessions; /* taken so far: the cluster remembers config.sessions_max */
    octo_time_ns progress;
    struct client_packets packets;
    struct octo_buffer command; /* scratch: the command that a request carries */
};

/* clients_command makes the command that random and choice stand for; valid until the next call. */
struct octo_buffer clients_command(const struct octo_world *world, uint64_t random,
                                   uint64_t choice);

/* client_hears takes the answer that reached client number `number`. */
void client_hears(struct octo_world *world, uint32_t number, const struct client_packet *packet);

/* packets.c: the present attempt of client number `number` goes to its target, `late` beyond the
 * usual; copy says that it is the second of two. */
void packets_request(struct octo_world *world, uint32_t number, bool copy, octo_time_ns late);
void packets_init(struct client_packets *packets);

/* Client number n has sessions n + 1, n + 1001, n + 2001 … */
#define CLIENT_SESSION_STEP 1000u

static inline uint32_t client_number(octo_client_id session)
{
    return (uint32_t)((session - 1) % CLIENT_SESSION_STEP);
}

#endif
