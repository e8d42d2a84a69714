/* The message table: the one place that knows what travels between nodes.
 *
 * Structs, encoder, decoder with its bounds checks, and trace text are all generated from it.
 *
 *   MESSAGE(NAME, name, code)      and, per message, OCTO_MESSAGE_<NAME>_FIELDS(F) of
 *   F(type, field, minimum, maximum)   with type u8, u32, u64; or
 *   a tail                             of some: a list of log entries, or bytes of a snapshot
 *
 * Header of every message, 40 bytes, little-endian:
 *
 *    0  magic u32 "OCTM"     16  from u32    32  body size u32: all that follows the header
 *    4  version u8 (1)       20  to u32      36  zero u32
 *    5  type u8              24  term u64    40  fields in order, packed; then the tail
 *    6  zero u16
 *    8  checksum u64: XXH3-64 of all bytes from 16 on, seeded with octo_mix(cluster id) XOR bytes
 *       0 to 7 as one integer, so that type and version are covered too
 *
 * Entry, 32 + n bytes: term u64, client u64, sequence u64, size u32 (n), kind u8, zero u8 x 3, then
 * n bytes of command.
 *
 * What holds between fields is checked as well: a request's last or prev index is 0 exactly when
 * its term is; the terms of entries do not fall, begin at prev_term or later, and do not pass the
 * message's; a no-op has no client, sequence or command, and a command has a client and a sequence.
 */
#ifndef OCTO_KERNEL_WIRE_MESSAGES_H
#define OCTO_KERNEL_WIRE_MESSAGES_H

/* Terms and indexes from outside end well before 2^64, so that adding to one cannot wrap. */
#define OCTO_WIRE_NUMBER_MAX (UINT64_MAX / 4)

#define OCTO_MESSAGES(M)                       \
    M(PRE_VOTE_REQUEST, pre_vote_request, 1)   \
    M(PRE_VOTE_RESPONSE, pre_vote_response, 2) \
    M(VOTE_REQUEST, vote_request, 3)           \
    M(VOTE_RESPONSE, vote_response, 4)         \
    M(APPEND_REQUEST, append_request, 5)       \
    M(APPEND_RESPONSE, append_response, 6)     \
    M(SNAPSHOT_REQUEST, snapshot_request, 7)   \
    M(SNAPSHOT_RESPONSE, snapshot_response, 8) \
    M(FETCH_REQUEST, fetch_request, 9)         \
    M(FETCH_RESPONSE, fetch_response, 10)

/* PRE_VOTE_REQUEST: the header's term is the one the sender would campaign in; the receiver must
 * not take it over. */
#define OCTO_MESSAGE_PRE_VOTE_REQUEST_FIELDS(F) \
    F(u64, last_index, 0, OCTO_WIRE_NUMBER_MAX) \
    F(u64, last_term, 0, OCTO_WIRE_NUMBER_MAX)

/* PRE_VOTE_RESPONSE: the header's term is the request's when granted, the replier's own if not. */
#define OCTO_MESSAGE_PRE_VOTE_RESPONSE_FIELDS(F) F(u8, granted, 0, 1)

#define OCTO_MESSAGE_VOTE_REQUEST_FIELDS(F)     \
    F(u64, last_index, 0, OCTO_WIRE_NUMBER_MAX) \
    F(u64, last_term, 0, OCTO_WIRE_NUMBER_MAX)

#define OCTO_MESSAGE_VOTE_RESPONSE_FIELDS(F) F(u8, granted, 0, 1)

/* APPEND_REQUEST: a heartbeat is one without entries. round counts the leader's heartbeat rounds
 * and comes back in the response. */
#define OCTO_MESSAGE_APPEND_REQUEST_FIELDS(F)   \
    F(u64, prev_index, 0, OCTO_WIRE_NUMBER_MAX) \
    F(u64, prev_term, 0, OCTO_WIRE_NUMBER_MAX)  \
    F(u64, commit, 0, OCTO_WIRE_NUMBER_MAX)     \
    F(u64, round, 0, UINT64_MAX)                \
    F(u32, entry_count, 0, 65536)

/* APPEND_RESPONSE: granted: `index` is the last one that matches the leader and is durable here;
 * hint_index is the last one that matches, durable or not: it need not be sent again. hint_term is
 * 0. Refused: `index` is the refused prev_index; hint_index and hint_term say where to try next
 * (the follower's last index at or below prev_index whose term may match, and its term); lost says
 * that it had acknowledged entries beyond its log's end. */
#define OCTO_MESSAGE_APPEND_RESPONSE_FIELDS(F)  \
    F(u8, granted, 0, 1)                        \
    F(u64, index, 0, OCTO_WIRE_NUMBER_MAX)      \
    F(u64, hint_index, 0, OCTO_WIRE_NUMBER_MAX) \
    F(u64, hint_term, 0, OCTO_WIRE_NUMBER_MAX)  \
    F(u64, round, 0, UINT64_MAX)                \
    F(u8, lost, 0, 1)

/* SNAPSHOT_REQUEST: a leader's, in place of entries that it no longer has: bytes of the file of its
 * snapshot at (index, snapshot_term, chain), from offset on; last: they are the last ones. Without
 * bytes it is a heartbeat, and asks how far the follower is. */
#define OCTO_MESSAGE_SNAPSHOT_REQUEST_FIELDS(F)    \
    F(u64, index, 1, OCTO_WIRE_NUMBER_MAX)         \
    F(u64, snapshot_term, 1, OCTO_WIRE_NUMBER_MAX) \
    F(u64, chain, 0, UINT64_MAX)                   \
    F(u64, offset, 0, OCTO_WIRE_NUMBER_MAX)        \
    F(u64, round, 0, UINT64_MAX)                   \
    F(u8, last, 0, 1)

/* SNAPSHOT_RESPONSE: `offset` is where the bytes begin that are wanted next of the snapshot at
 * index; installed: none, all up to index is committed and durable here. */
#define OCTO_MESSAGE_SNAPSHOT_RESPONSE_FIELDS(F) \
    F(u64, index, 0, OCTO_WIRE_NUMBER_MAX)       \
    F(u64, offset, 0, OCTO_WIRE_NUMBER_MAX)      \
    F(u64, round, 0, UINT64_MAX)                 \
    F(u8, installed, 0, 1)

/* FETCH_REQUEST: sent to everyone by a node that lost acknowledged entries and hears no leader:
 * `index` is the first one that it lacks, `chain` that of its log before. The header's term is its
 * own and means nothing. */
#define OCTO_MESSAGE_FETCH_REQUEST_FIELDS(F) \
    F(u64, index, 1, OCTO_WIRE_NUMBER_MAX)   \
    F(u64, chain, 0, UINT64_MAX)

/* FETCH_RESPONSE: entries after prev_index, from whoever has them. */
#define OCTO_MESSAGE_FETCH_RESPONSE_FIELDS(F)   \
    F(u64, prev_index, 0, OCTO_WIRE_NUMBER_MAX) \
    F(u64, prev_term, 0, OCTO_WIRE_NUMBER_MAX)  \
    F(u32, entry_count, 1, 65536)

#endif
