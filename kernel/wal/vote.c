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
 * The newest value in memory is then tried again as the *next* generation, in the other pair: the
 * sync is not repeated over the same bytes, and no generation ever names two values. Two failures
 * in a row lead back to the first pair, whose suspect copy is the one that FIRST or REPAIR
 * overwrites.
 *
 * The newest saved generation s, in pair p, is not lost on the way: copy 1 of p is overwritten only
 * by REPAIR and SECOND, when copy 0 of p is good with a generation >= s; copy 0 of p only by FIRST,
 * when copy 1 of p is good. FIRST makes copy 1 the only holder of s; if a failure follows, copy 0
 * is not good, so that the next to come to p is FIRST again and copy 1 stays. Hence some good copy
 * always holds a generation >= s, and the highest valid generation is what counts.
 *
 * Booting. What was good must be told from the slots alone, although a killed process may have left
 * a copy that reads well from the page cache and is damaged below it. Copy 1 is only ever written
 * while copy 0 is good with that same generation, so: equal generations: copy 0 is good, copy 1
 * perhaps not; copy 0 newer: FIRST was interrupted, copy 1 is good; one copy damaged: the other is
 * good. For the same reason the value that was read counts as saved only after it has been written
 * once more, as a new generation: every boot does that before its first promise. */
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

/* Judges one pair; found[] are the ballots of its valid copies. */
static enum octo_err pair_read(struct wal_votes *votes, struct octo_step *step, uint32_t pair,
                               const bool valid[2], const struct wal_ballot found[2])
{
    bool *good = &votes->good[2 * pair];

    for (uint32_t copy = 0; copy < 2; copy++) {
        if (valid[copy] && found[copy].generation + 1 >= votes->next_generation) {
            votes->next_generation = found[copy].generation + 1;
            votes->term = found[copy].term;
            votes->vote = found[copy].vote;
        }
    }
    votes->damaged = votes->damaged || !valid[0] || !valid[1];
    if (!valid[0] && !valid[1])
        return OCTO_ERR_VOTE_UNKNOWN;

    /* Where they differ copy 1 is good. (Were it the newer one, which no crash can make, it would
     * be the one to keep all the same.) */
    const bool equal = valid[0] && valid[1] && found[0].generation == found[1].generation;
    good[0] = equal || !valid[1];
    good[1] = !good[0];
    votes->first[pair] = found[0];
    if (!equal)
        octo_step_mark(step, OCTO_MARK_VOTE_COPY_TORN);
    return OCTO_ERR_OK;
}

enum octo_err octo_wal_votes_read(struct octo_wal *wal, struct octo_step *step, uint32_t size)
{
    struct wal_votes *votes = &wal->votes;
    enum octo_err err = OCTO_ERR_OK;

    votes->next_generation = 0;
    votes->damaged = false;
    for (uint32_t pair = 0; pair < 2; pair++) {
        struct wal_ballot found[2] = {{0}, {0}};
        bool valid[2];
        for (uint32_t copy = 0; copy < 2; copy++) {
            const uint32_t slot = 2 * pair + copy;
            const uint64_t offset = slot_offset(wal, slot);
            valid[copy] = offset + OCTO_VOTE_BYTES <= size &&
                          slot_parse(wal, votes->buffer + offset, slot, &found[copy]);
        }
        if (pair_read(votes, step, pair, valid, found) != OCTO_ERR_OK)
            err = OCTO_ERR_VOTE_UNKNOWN;
    }
    return err;
}

uint64_t octo_wal_votes_newest(const struct octo_wal *wal)
{
    return wal->votes.next_generation == 0 ? 0 : wal->votes.next_generation - 1;
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
    votes->next_generation++;
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
