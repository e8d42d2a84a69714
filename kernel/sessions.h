/* Client sessions: a command takes effect at most once, however often it is retried (thesis 6.3).
 *
 * Private to kernel/. A session is a client id, the last sequence applied, and the result of that
 * one command. Sessions are part of the replicated state: they change only by octo_sessions_record,
 * in log order, so every replica holds the same ones.
 *
 * Which results are still kept is a function of the log as well. A result of up to 32 bytes stays
 * with its session. A longer one is *long*: long results share a ring of R = max(256 *
 * sessions_max, result_bytes_max) bytes, and one is dropped once the long results recorded since,
 * its own bytes included, pass R bytes. A retry of a command whose result was dropped is answered
 * STALE: it did take effect, once, but what it returned is forgotten. (Results of writes are short
 * in the built-in machine, so there only a read can be forgotten.)
 */
#ifndef OCTO_KERNEL_SESSIONS_H
#define OCTO_KERNEL_SESSIONS_H

#include "kernel/config.h"
#include "kernel/machine.h"
#include "kernel/memory.h"

struct octo_sessions;

/* octo_sessions_bytes is what octo_sessions_init takes from the arena. */
size_t octo_sessions_bytes(const struct octo_config *config);

/* octo_sessions_init makes an empty table in arena, which must have room (asserted). */
struct octo_sessions *octo_sessions_init(const struct octo_config *config,
                                         struct octo_arena *arena);

enum octo_session_verdict {
    OCTO_SESSION_NEW = 1,       /* apply it, then record it */
    OCTO_SESSION_DUPLICATE = 2, /* the last one applied: here is its result */
    OCTO_SESSION_STALE = 3,     /* applied before; its result is no longer kept */
    OCTO_SESSION_FULL = 4,      /* an unknown client, and no room for another */
};

/* octo_sessions_look judges a command of client (not 0) with sequence (not 0). For DUPLICATE
 * *result and *size are the kept result, valid until the next octo_sessions_record; else NULL and
 * 0. */
enum octo_session_verdict octo_sessions_look(const struct octo_sessions *sessions,
                                             octo_client_id client, uint64_t sequence,
                                             const uint8_t **result, uint32_t *size);

/* octo_sessions_record remembers that a command was applied, and its result of at most
 * result_bytes_max bytes. Only after octo_sessions_look said NEW (asserted). */
void octo_sessions_record(struct octo_sessions *sessions, octo_client_id client, uint64_t sequence,
                          const uint8_t *result, uint32_t size);

/* octo_sessions_digest is a hash of everything that octo_sessions_look can ever depend on: equal on
 * replicas that applied the same commands. O(1). */
uint64_t octo_sessions_digest(const struct octo_sessions *sessions);

/* octo_sessions_clear empties the table. */
void octo_sessions_clear(struct octo_sessions *sessions);

/* octo_sessions_image_bytes is the size of what octo_sessions_snapshot writes in all. */
uint64_t octo_sessions_image_bytes(const struct octo_sessions *sessions);

/* octo_sessions_snapshot writes the table (docs/formats.md, "Session table") from *cursor on, as
 * much as fits, and moves *cursor; true when the last byte is out. *cursor starts at 0, and the
 * table must not change in between. Equal tables give equal bytes. */
bool octo_sessions_snapshot(const struct octo_sessions *sessions, uint64_t *cursor,
                            struct octo_buffer *out);

/* octo_sessions_restore takes the next piece of such bytes into a table that was empty; `last` with
 * the last piece, which may be empty. The table then answers as the one that was written.
 * MALFORMED: these are not such bytes. RANGE: of a table with other limits. Clear it then. */
enum octo_err octo_sessions_restore(struct octo_sessions *sessions, const uint8_t *bytes,
                                    uint32_t size, bool last) OCTO_MUST_USE;

/* octo_sessions_check walks the table and asserts its invariants. */
void octo_sessions_check(const struct octo_sessions *sessions);

#endif
