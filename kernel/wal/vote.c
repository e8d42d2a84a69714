/* Term and vote: two generations x two copies, docs/formats.md, "vote".
 *
 * A generation is saved when it is durable in both copies of its pair. After any crash, recovery
 * must find the newest saved value or a newer one that was in memory, and never a pair with both
 * copies damaged. A crash may destroy what is being written and nothing else. So:
 *
 *   V1  Each pair has at all times a copy that is *good*: known to be durable and valid.
 *
 * A copy stops being good when a WRITE to it is submitted, and is good again when the SYNC after
 * that WRITE has succeeded. V1 holds if a copy is written only while its twin is good:
 *
 *   FIRST   the new generation goes to copy 0; needs copy 1 good.
 *   SECOND  then to copy 1; needs copy 0 good, which FIRST has just made it.
 *   REPAIR  before FIRST, if copy 1 is not good (then copy 0 is, by V1): copy 1 is made equal to
 *           copy 0, so that it may stand in while copy 0 is overwritten.
 *
 * Failures. A WRITE or SYNC that failed leaves its copy suspect, whatever a read may return (K8).
 * The newest value in memory is then tried again in the same pair, as the next generation that
 * belongs there: what is synced has been written since, and no generation ever names two values.
 *
 *   V2  The pair of the newest saved generation, or of the newest that a boot has read, is left
 *       alone until a newer one is saved in the other pair.
 *
 * So neither failures nor crashes, however many, take what was saved; and where one copy of it
 * lies, whichever that may be, the other one stays. (A sector that can never be written again keeps
 * the node from voting: if it wrote over its last vote instead, one lie would be enough to lose
 * that.)
 *
 * Booting. What was good must be told from the slots alone, although a killed process may have left
 * a copy that reads well from the page cache and is damaged below it. Copy 1 is only ever written
 * while copy 0 is good with that same generation, so: equal generations: copy 0 is good, copy 1
 * perhaps not; copy 0 newer: FIRST was interrupted, copy 1 is good; one copy damaged: the other is
 * good. For the same reason the value that was read counts as saved only after it has been written
 * once more, as a new generation: every boot does that before its first promise.
 *
 * Let the newest, n, be in copy 0 only, so that it was never saved or its copy 1 lies, and let o be
 * the newest of the other pair.
 *
 *   o has the value of n   An earlier boot read o and was writing it anew. There may be one copy of
 *                          o only: so it is o that is left alone, and n that is written over.
 *   o has another value    The node was READY when it began n, so o was saved. If copy 0 of o is
 *                          newer than copy 1, then copy 1 lies: REPAIR comes before FIRST. */
#include "kernel/wal/wal_state.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_COPY = 5,
    AT_ZERO = 6,
    AT_CHECKSUM = 8,
    AT_GENERATION = 16, /* the checksum covers from here on */
    AT_TERM = 24,
    AT_VOTE = 32,
    AT_ZERO_TOO = 36,
};

static uint32_t pair_of(uint64_t generation)
{
    return (uint32_t)(generation % 2);
}

static uint64_t slot_offset(const struct octo_wal *wal, uint32_t slot)
{
    return (uint64_t)slot * wal->config.sector_bytes;
}

static uint64_t checksum(const struct octo_wal *wal, const uint8_t *at, uint32_t slot)
{
    return octo_hash(at + AT_GENERATION, OCTO_VOTE_BYTES - AT_GENERATION,
                     octo_format_seed(wal->config.cluster_id, wal->config.node_id, OCTO_FILE_VOTE,
                                      slot_offset(wal, slot)));
}

static void slot_encode(const struct octo_wal *wal, uint8_t *at, uint32_t slot,
                        const struct wal_ballot *ballot)
{
    octo_assert(slot / 2 == pair_of(ballot->generation));
    memset(at, 0, wal->config.sector_bytes);
    octo_put_u32(at + AT_MAGIC, OCTO_VOTE_MAGIC);
    at[AT_VERSION] = OCTO_VOTE_VERSION;
    at[AT_COPY] = (uint8_t)(slot % 2);
    octo_put_u64(at + AT_GENERATION, ballot->generation);
    octo_put_u64(at + AT_TERM, ballot->term);
    octo_put_u32(at + AT_VOTE, ballot->vote);
    octo_put_u64(at + AT_CHECKSUM, checksum(wal, at, slot));
}

static bool slot_parse(const struct octo_wal *wal, const uint8_t *at, uint32_t slot,
                       struct wal_ballot *ballot)
{
    if (octo_get_u32(at + AT_MAGIC) != OCTO_VOTE_MAGIC || at[AT_VERSION] != OCTO_VOTE_VERSION)
        return false;
    if (at[AT_COPY] != slot % 2 || octo_get_u16(at + AT_ZERO) != 0)
        return false;
    if (octo_get_u32(at + AT_ZERO_TOO) != 0 || octo_get_u64(at + AT_ZERO_TOO + 4) != 0)
        return false;
    if (octo_get_u64(at + AT_CHECKSUM) != checksum(wal, at, slot))
        return false;
    *ballot = (struct wal_ballot){
        .generation = octo_get_u64(at + AT_GENERATION),
        .term = octo_get_u64(at + AT_TERM),
        .vote = octo_get_u32(at + AT_VOTE),
    };
    return pair_of(ballot->generation) == slot / 2 &&
           ballot->generation <= OCTO_FORMAT_NUMBER_MAX && ballot->term <= OCTO_FORMAT_NUMBER_MAX;
}

void octo_wal_votes_format(struct octo_wal *wal)
{
    struct wal_votes *votes = &wal->votes;

    for (uint32_t slot = 0; slot < OCTO_VOTE_SLOTS; slot++) {
        const struct wal_ballot ballot = {.generation = slot / 2};
        slot_encode(wal, votes->buffer + slot_offset(wal, slot), slot, &ballot);
    }
}

/* What was read. */
struct slots {
    bool valid[OCTO_VOTE_SLOTS];
    struct wal_ballot found[OCTO_VOTE_SLOTS];
};

static struct slots slots_read(const struct octo_wal *wal, uint32_t size)
{
    struct slots slots = {.valid = {false}};

    for (uint32_t slot = 0; slot < OCTO_VOTE_SLOTS; slot++) {
        const uint64_t offset = slot_offset(wal, slot);
        slots.valid[slot] = offset + OCTO_VOTE_BYTES <= size &&
                            slot_parse(wal, wal->votes.buffer + offset, slot, &slots.found[slot]);
    }
    return slots;
}

/* The first of `count` slots that holds the highest generation; OCTO_VOTE_SLOTS if none is valid.
 */
static uint32_t newest_of(const struct slots *slots, uint32_t first, uint32_t count)
{
    uint32_t newest = OCTO_VOTE_SLOTS;

    for (uint32_t slot = first; slot < first + count; slot++) {
        if (slots->valid[slot] && (newest == OCTO_VOTE_SLOTS ||
                                   slots->found[slot].generation > slots->found[newest].generation))
            newest = slot;
    }
    return newest;
}

/* Whether both copies of a pair are valid and of one generation. */
static bool pair_whole(const struct slots *slots, uint32_t pair)
{
    const struct wal_ballot *found = &slots->found[2 * pair];

    return slots->valid[2 * pair] && slots->valid[2 * pair + 1] &&
           found[0].generation == found[1].generation;
}

static void pair_judge(struct wal_votes *votes, struct octo_step *step, uint32_t pair,
                       const struct slots *slots)
{
    const bool *valid = &slots->valid[2 * pair];
    bool *good = &votes->good[2 * pair];

    votes->damaged = votes->damaged || !valid[0] || !valid[1];
    if (!valid[0] && !valid[1])
        return;

    /* Where they differ copy 1 is good. (Were it the newer one, which no crash can make, it would
     * be the one to keep all the same.) */
    const bool whole = pair_whole(slots, pair);
    good[0] = whole || !valid[1];
    good[1] = !good[0];
    votes->first[pair] = slots->found[2 * pair];
    if (!whole)
        octo_step_mark(step, OCTO_MARK_VOTE_COPY_TORN);
}

/* Takes the newest, and decides which pair is written next. */
static void newest_take(struct wal_votes *votes, const struct slots *slots, uint32_t slot)
{
    const struct wal_ballot *newest = &slots->found[slot];
    const uint32_t other = pair_of(newest->generation) ^ 1u;
    const uint32_t before = newest_of(slots, 2 * other, 2);

    votes->newest_read = newest->generation;
    votes->term = newest->term;
    votes->vote = newest->vote;
    votes->next_generation = newest->generation + 1;
    if (slot % 2 == 1 || pair_whole(slots, slot / 2) || before == OCTO_VOTE_SLOTS)
        return;
    /* In copy 0 only: the two exceptions. */
    if (slots->found[before].term == newest->term && slots->found[before].vote == newest->vote) {
        votes->next_generation++;
    } else if (before % 2 == 0) {
        votes->good[before] = true;
        votes->good[before + 1] = false;
    }
}

enum octo_err octo_wal_votes_read(struct octo_wal *wal, struct octo_step *step, uint32_t size)
{
    struct wal_votes *votes = &wal->votes;
    const struct slots slots = slots_read(wal, size);
    const uint32_t newest = newest_of(&slots, 0, OCTO_VOTE_SLOTS);

    votes->newest_read = 0;
    votes->damaged = false;
    for (uint32_t pair = 0; pair < 2; pair++)
        pair_judge(votes, step, pair, &slots);
    if (newest != OCTO_VOTE_SLOTS)
        newest_take(votes, &slots, newest);
    for (uint32_t pair = 0; pair < 2; pair++) {
        if (newest_of(&slots, 2 * pair, 2) == OCTO_VOTE_SLOTS)
            return OCTO_ERR_VOTE_UNKNOWN;
    }
    return OCTO_ERR_OK;
}

uint64_t octo_wal_votes_newest(const struct octo_wal *wal)
{
    return wal->votes.newest_read;
}

bool octo_wal_votes_are_saved(const struct octo_wal *wal)
{
    const struct wal_votes *votes = &wal->votes;

    return votes->saved && votes->newest_saved.term == votes->term &&
           votes->newest_saved.vote == votes->vote;
}

/* The slot that the present stage writes. */
static uint32_t slot_now(const struct wal_votes *votes)
{
    return 2 * pair_of(votes->writing.generation) + (votes->stage == WAL_VOTE_FIRST ? 0 : 1);
}

static void begin(struct wal_votes *votes)
{
    votes->writing = (struct wal_ballot){
        .generation = votes->next_generation,
        .term = votes->term,
        .vote = votes->vote,
    };
    votes->next_generation += 2; /* should it fail: in the same pair again */
    const uint32_t pair = pair_of(votes->writing.generation);
    votes->stage = votes->good[2 * pair + 1] ? WAL_VOTE_FIRST : WAL_VOTE_REPAIR;
    votes->syncing = false;
}

static void submit(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_votes *votes = &wal->votes;
    const uint32_t slot = slot_now(votes);
    struct octo_disk_op op = {.kind = OCTO_DISK_SYNC, .file = {.kind = OCTO_FILE_VOTE}};

    if (!votes->syncing) {
        const bool repair = votes->stage == WAL_VOTE_REPAIR;
        octo_assert(votes->good[slot ^ 1u]); /* V1 */
        votes->good[slot] = false;
        slot_encode(wal, votes->buffer, slot, repair ? &votes->first[slot / 2] : &votes->writing);
        op.kind = OCTO_DISK_WRITE;
        op.offset = slot_offset(wal, slot);
        op.length = wal->config.sector_bytes;
        op.data = votes->buffer;
    }
    votes->op = octo_step_disk(step, &op);
}

void octo_wal_votes_drive(struct octo_wal *wal, struct octo_step *step)
{
    struct wal_votes *votes = &wal->votes;

    if (!votes->enabled || votes->op != 0)
        return;
    if (votes->stage == WAL_VOTE_IDLE) {
        if (octo_wal_votes_are_saved(wal))
            return;
        if (step->now < votes->not_before) {
            octo_step_deadline(step, votes->not_before);
            return;
        }
        begin(votes);
    }
    submit(wal, step);
}

/* The present stage's copy is durable. */
static void stage_done(struct wal_votes *votes, struct octo_step *step)
{
    votes->syncing = false;
    if (votes->stage == WAL_VOTE_REPAIR) {
        votes->stage = WAL_VOTE_FIRST;
        return;
    }
    if (votes->stage == WAL_VOTE_FIRST) {
        votes->first[pair_of(votes->writing.generation)] = votes->writing;
        votes->stage = WAL_VOTE_SECOND;
        return;
    }
    votes->stage = WAL_VOTE_IDLE;
    votes->saved = true;
    votes->newest_saved = votes->writing;
    votes->next_generation = votes->writing.generation + 1; /* in the other pair */
    octo_step_trace(step, OCTO_TRACE_VOTE_SAVED, votes->writing.term, votes->writing.vote,
                    votes->writing.generation, 0);
}

void octo_wal_votes_completion(struct octo_wal *wal, struct octo_step *step,
                               const struct octo_event *event)
{
    struct wal_votes *votes = &wal->votes;
    const bool syncing = votes->syncing;
    const enum octo_err err =
        syncing ? event->disk.result : octo_wal_result(event, wal->config.sector_bytes);

    octo_assert(votes->stage != WAL_VOTE_IDLE);
    votes->op = 0;
    if (err != OCTO_ERR_OK) {
        octo_step_mark(step, OCTO_MARK_VOTE_WRITE_FAILED);
        octo_wal_refused(step, err, syncing ? OCTO_DISK_SYNC : OCTO_DISK_WRITE, OCTO_FILE_VOTE);
        votes->stage = WAL_VOTE_IDLE;
        votes->not_before = step->now + wal->config.disk_retry_ns;
        return;
    }
    if (!syncing) {
        votes->syncing = true;
        return;
    }
    votes->good[slot_now(votes)] = true;
    stage_done(votes, step);
}

void octo_wal_votes_check(const struct octo_wal *wal)
{
    const struct wal_votes *votes = &wal->votes;

    if (!votes->enabled)
        return;
    octo_assert(votes->good[0] || votes->good[1]); /* V1 */
    octo_assert(votes->good[2] || votes->good[3]);
    octo_assert(!votes->saved || votes->newest_saved.generation < votes->next_generation);
    octo_assert(!votes->saved || votes->newest_saved.term <= votes->term);
}
