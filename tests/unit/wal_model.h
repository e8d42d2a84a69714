/* What a durable log must hold: the model that the tests of kernel/wal/ judge it by.
 *
 * The log's history is a list of operations: an entry was appended (cutting off what stood at its
 * index and after), or the log was emptied after an installed snapshot. A chain stands for a whole
 * prefix, so the state after an operation is known by its last index and the chain there. A log
 * that was recovered must be the state after some operation, at or after the last one that was
 * acknowledged: nothing in between, nothing mixed. What was not recovered is void from then on.
 */
#ifndef OCTO_TESTS_WAL_MODEL_H
#define OCTO_TESTS_WAL_MODEL_H

#include "kernel/wal/wal.h"

#define MODEL_OPERATIONS 1024u
#define MODEL_VOTES      512u
#define MODEL_NONE       UINT32_MAX

struct model_operation {
    struct octo_position end; /* of the log after it */
    struct octo_entry entry;  /* without command; index 0: the log was emptied after `end` */
    uint64_t previous;        /* chain of the entry's predecessor */
    uint64_t command_seed;
};

struct model_vote {
    octo_term term;
    octo_node_id vote;
};

struct model {
    struct model_operation operations[MODEL_OPERATIONS]; /* [0]: the empty log */
    uint32_t count;
    uint32_t acked;                      /* this operation and all before it are durable */
    uint32_t at_index[MODEL_OPERATIONS]; /* the operation that made the entry at an index */
    struct octo_position snapshot;       /* the durable one that counts */
    struct octo_position promised;       /* the furthest position that was acknowledged */
    struct model_vote votes[MODEL_VOTES];
    uint32_t vote_count; /* since, and with, the last one that was saved */
    bool was_ready;
    bool lazy;  /* the log acknowledges before it marks, and may have to ask others after a crash */
    bool lossy; /* damage was done that may cost acknowledged entries, but not silently */
    const char *complaint; /* what broke first */
};

static inline bool model_rule(struct model *model, bool holds, const char *rule)
{
    if (!holds && model->complaint == NULL)
        model->complaint = rule;
    return model->complaint == NULL;
}

static inline void model_init(struct model *model)
{
    memset(model, 0, sizeof *model);
    model->count = 1;
}

/* ---- Entries --------------------------------------------------------------------------------- */

#define MODEL_COMMAND_MAX 8192u

static inline const uint8_t *model_command(uint64_t seed, uint32_t size)
{
    static uint8_t bytes[MODEL_COMMAND_MAX];

    for (uint32_t i = 0; i < size; i += 8)
        octo_put_u64(bytes + i, octo_mix(seed + i));
    return bytes;
}

/* The chain, from docs/formats.md. */
static inline uint64_t model_chain(uint64_t previous, const struct octo_entry *entry)
{
    static uint8_t bytes[32 + MODEL_COMMAND_MAX];

    octo_put_u64(bytes, entry->term);
    octo_put_u64(bytes + 8, (uint64_t)entry->kind);
    octo_put_u64(bytes + 16, entry->client);
    octo_put_u64(bytes + 24, entry->sequence);
    if (entry->size > 0)
        memcpy(bytes + 32, entry->command, entry->size);
    return octo_hash(bytes, 32 + entry->size, previous);
}

/* The newest operation up to `from` that ends in (index, chain). */
static inline uint32_t model_find(const struct model *model, uint32_t from, octo_index index,
                                  uint64_t chain)
{
    for (uint32_t i = from + 1; i-- > 0;) {
        const struct octo_position *end = &model->operations[i].end;
        if (end->index == index && end->chain == chain)
            return i;
    }
    return MODEL_NONE;
}

static inline void model_push(struct model *model, const struct model_operation *operation)
{
    const bool room = model->count < MODEL_OPERATIONS && operation->end.index < MODEL_OPERATIONS;

    if (!model_rule(model, room, "the test's model is full"))
        return;
    model->operations[model->count] = *operation;
    model->at_index[operation->end.index] = model->count++;
}

static inline void model_appended(struct model *model, const struct octo_entry *entry,
                                  uint64_t previous, uint64_t command_seed)
{
    struct model_operation operation = {
        .entry = *entry, .previous = previous, .command_seed = command_seed};

    operation.end = (struct octo_position){entry->index, entry->term, model_chain(previous, entry)};
    operation.entry.command = NULL;
    model_push(model, &operation);
}

/* A snapshot is durable that the log does not contain: whatever happens now, it goes on from there.
 */
static inline void model_installed(struct model *model, const struct octo_position *snapshot)
{
    const struct model_operation operation = {.end = *snapshot};

    model->snapshot = *snapshot;
    model_push(model, &operation);
    model->acked = model->count - 1;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static inline void model_check_entries(struct model *model, const struct octo_log *log)
{
    uint64_t chain = log->base.chain;
    struct octo_entry entry;

    for (octo_index index = log->base.index + 1; index <= log->last; index++) {
        if (!model_rule(model, octo_log_entry(log, index, &entry), "an entry is missing"))
            return;
        chain = model_chain(chain, &entry);
        model_rule(model, entry.index == index && entry.chain == chain, "an entry's chain");
        model_rule(model, chain == octo_log_chain(log, index), "a chain");
    }
}

static inline bool model_position_ahead(const struct octo_position *a,
                                        const struct octo_position *b)
{
    return a->term > b->term || (a->term == b->term && a->index > b->index);
}

/* A boot has ended: the log is one that was, and nothing that was promised is missing. */
static inline void model_check_recovered(struct model *model, const struct octo_wal *wal)
{
    const struct octo_log *log = octo_wal_log(wal);
    const struct octo_position end = octo_log_position(log, log->last);
    const uint32_t found = model_find(model, model->count - 1, end.index, end.chain);
    struct octo_position floor;

    model_rule(model, log->base.index == model->snapshot.index, "the log's base");
    model_rule(model, log->base.chain == model->snapshot.chain, "the log's base: chain");
    model_check_entries(model, log);
    if (!model_rule(model, found != MODEL_NONE, "a log from nowhere"))
        return;
    model_rule(model, found >= model->acked || model->lossy, "an acknowledged entry was lost");
    model_rule(model, model->lossy || model->lazy || !octo_wal_floor(wal, &floor),
               "recovering, with no reason");
    model_rule(model, octo_wal_durable(wal) == log->last, "READY and not durable");
    model->count = found + 1;
    model->acked = found;
    for (octo_index index = log->base.index; index <= log->last; index++)
        model->at_index[index] = model_find(model, found, index, octo_log_chain(log, index));
}

static inline void model_check_vote(struct model *model, const struct octo_wal *wal)
{
    bool known = !model->was_ready && model->vote_count == 0;

    model_rule(model, octo_wal_vote_saved(wal), "READY and the vote not saved");
    for (uint32_t i = 0; i < model->vote_count; i++)
        known = known || (model->votes[i].term == octo_wal_term(wal) &&
                          model->votes[i].vote == octo_wal_vote(wal));
    model_rule(model, known, "the vote went back, or came from nowhere");
    model->was_ready = true;
}

/* Takes note of what may be promised now. */
static inline void model_promises(struct model *model, const struct octo_wal *wal)
{
    const struct octo_log *log = octo_wal_log(wal);
    const octo_index durable = octo_wal_durable(wal);
    const struct octo_position votes_by = octo_wal_vote_position(wal);

    /* 0: a log that a snapshot replaced, and that does not say so yet. */
    if (!model_rule(model, durable == 0 || octo_log_has(log, durable),
                    "durable outside of the log"))
        return;
    const struct octo_position at =
        durable == 0 ? (struct octo_position){0} : octo_log_position(log, durable);
    if (durable > log->base.index && model->at_index[durable] > model->acked)
        model->acked = model->at_index[durable];
    if (!model_position_ahead(&model->promised, &at))
        model->promised = at;
    model_rule(model, !model_position_ahead(&model->promised, &votes_by),
               "votes by less than it has promised");
    if (octo_wal_vote_saved(wal)) {
        model->votes[0] = (struct model_vote){octo_wal_term(wal), octo_wal_vote(wal)};
        model->vote_count = 1;
    }
}

#endif
