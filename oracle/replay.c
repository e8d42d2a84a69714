/* no-lost-write and exactly-once: the committed sequence, applied to a fresh machine with the
 * session rule as it is written down, explains what clients were told. The commit order is also a
 * witness of linearizability, for any machine: every result is the replay's, and it respects real
 * time.
 */
#include "oracle/oracle_state.h"

#define NOBODY UINT32_MAX

struct session {
    octo_client_id client; /* 0: a free place */
    uint64_t sequence;     /* of the last command that took effect */
};

/* What a command that stands in the log again does. */
enum rule {
    RULE_ONCE = 1,   /* nothing: as it should be */
    RULE_NEWEST = 2, /* it takes effect again if it is its session's newest */
    RULE_ALWAYS = 3, /* it takes effect again in any case */
    RULE_COUNT = 4,
};

struct replay {
    struct octo_oracles *oracles;
    enum rule rule;

    struct octo_machine_context context;
    struct octo_buffer result;

    struct session *sessions; /* open addressing */
    uint32_t sessions_capacity;
    uint32_t sessions_count;
    uint32_t *operations; /* open addressing by (client, sequence): number + 1 */
    uint32_t operations_capacity;
    octo_index *effects; /* of each operation: where it first took effect, 0 if nowhere */

    uint32_t different;  /* an operation that was told another result, or NOBODY */
    uint32_t suspect;    /* an operation whose result is to be explained, or NOBODY */
    bool explained;      /* it is */
    octo_index repeated; /* an index that holds a command again, 0 if none */
};

/* ---- Memory -------------------------------------------------------------------------------- */

static uint32_t capacity_for(uint32_t count)
{
    uint32_t capacity = 16;

    while (capacity < 2 * (uint64_t)count)
        capacity *= 2;
    return capacity;
}

static uint64_t operation_hash(octo_client_id client, uint64_t sequence)
{
    return octo_mix(client ^ octo_mix(sequence));
}

/* The place of (client, sequence): an operation's number + 1, or 0. */
static uint32_t *operation_slot(const struct replay *replay, octo_client_id client,
                                uint64_t sequence)
{
    const uint32_t mask = replay->operations_capacity - 1;
    uint32_t at = (uint32_t)operation_hash(client, sequence) & mask;

    while (replay->operations[at] != 0) {
        const struct oracle_operation *operation =
            oracle_operation_at(replay->oracles, replay->operations[at] - 1);
        if (operation->client == client && operation->sequence == sequence)
            break;
        at = (at + 1) & mask;
    }
    return &replay->operations[at];
}

static struct session *session_slot(const struct replay *replay, octo_client_id client)
{
    const uint32_t mask = replay->sessions_capacity - 1;
    uint32_t at = (uint32_t)octo_mix(client) & mask;

    while (replay->sessions[at].client != 0 && replay->sessions[at].client != client)
        at = (at + 1) & mask;
    return &replay->sessions[at];
}

static bool machine_make(struct replay *replay, struct octo_arena *scratch)
{
    const struct octo_oracles_config *config = &replay->oracles->config;
    void *region = octo_arena_alloc(scratch, config->machine_memory_bytes);

    replay->result.capacity = config->result_bytes_max;
    replay->result.bytes = octo_arena_alloc(scratch, config->result_bytes_max);
    if (region == NULL || replay->result.bytes == NULL)
        return false;
    replay->context.allocator = octo_allocator_init(region, config->machine_memory_bytes);
    return config->machine->init(&replay->context) == OCTO_ERR_OK;
}

static bool replay_make(struct replay *replay, struct octo_oracles *oracles, enum rule rule,
                        struct octo_arena *scratch)
{
    const uint32_t count = oracles->operation_count;

    *replay =
        (struct replay){.oracles = oracles, .rule = rule, .different = NOBODY, .suspect = NOBODY};
    replay->sessions_capacity = capacity_for(oracles->clients.count);
    replay->operations_capacity = capacity_for(count);
    const size_t sessions_bytes = replay->sessions_capacity * sizeof *replay->sessions;
    const size_t operations_bytes = replay->operations_capacity * sizeof *replay->operations;
    const size_t effects_bytes = (size_t)count * sizeof *replay->effects;
    replay->sessions = octo_arena_alloc(scratch, sessions_bytes);
    replay->operations = octo_arena_alloc(scratch, operations_bytes);
    replay->effects = octo_arena_alloc(scratch, effects_bytes);
    if (replay->sessions == NULL || replay->operations == NULL || replay->effects == NULL)
        return false;
    memset(replay->sessions, 0, sessions_bytes);
    memset(replay->operations, 0, operations_bytes);
    memset(replay->effects, 0, effects_bytes);
    for (uint32_t i = 0; i < count; i++) {
        const struct oracle_operation *operation = oracle_operation_at(oracles, i);
        *operation_slot(replay, operation->client, operation->sequence) = i + 1;
    }
    return machine_make(replay, scratch);
}

/* ---- One command --------------------------------------------------------------------------- */

/* The session rule (thesis 6.3): only what is newer than the last takes effect, and a client for
 * whom there is no room has none. */
static bool takes_effect(struct replay *replay, const struct oracle_committed *command)
{
    struct session *session = session_slot(replay, command->client);
    const bool fresh = session->client == 0;

    if (fresh && replay->sessions_count == replay->oracles->config.sessions_max)
        return false;
    if (!fresh && command->sequence < session->sequence)
        return replay->rule == RULE_ALWAYS;
    if (!fresh && command->sequence == session->sequence)
        return replay->rule != RULE_ONCE;
    replay->sessions_count += fresh;
    session->client = command->client;
    session->sequence = command->sequence;
    return true;
}

static bool result_fits(const struct replay *replay, const struct oracle_operation *operation)
{
    return replay->result.size == operation->result_size &&
           oracle_hash(replay->result.bytes, replay->result.size, 0) == operation->result_hash;
}

/* An operation takes effect at index, with the result that the machine has just given. */
static void effect_note(struct replay *replay, uint32_t number, octo_index index)
{
    struct octo_oracles *oracles = replay->oracles;
    const struct oracle_operation *operation = oracle_operation_at(oracles, number);

    if (number == replay->suspect && result_fits(replay, operation))
        replay->explained = true;
    if (replay->effects[number] != 0)
        return; /* again */
    replay->effects[number] = index;
    if (operation->outcome == ORACLE_FAILED)
        oracle_break(oracles, OCTO_PROPERTY_NO_LOST_WRITE,
                     "command %" PRIu64 " of client %" PRIu64 " was refused for good at event "
                     "%" PRIu64 ", yet takes effect at index %" PRIu64,
                     operation->sequence, operation->client, operation->ended_event, index);
    else if (operation->outcome == ORACLE_RETURNED && replay->different == NOBODY &&
             !result_fits(replay, operation))
        replay->different = number;
}

static void command_apply(struct replay *replay, octo_index index,
                          const struct oracle_committed *command)
{
    struct octo_oracles *oracles = replay->oracles;
    const uint32_t slot = *operation_slot(replay, command->client, command->sequence);

    if (slot == 0 || oracle_operation_at(oracles, slot - 1)->command_hash !=
                         oracle_hash(command->command, command->size, 0)) {
        oracle_break(oracles, OCTO_PROPERTY_NO_LOST_WRITE,
                     "entry %" PRIu64 " (term %" PRIu64 ") holds a command %" PRIu64
                     " of client %" PRIu64 " that the client never asked for",
                     index, command->term, command->sequence, command->client);
        return;
    }
    if (replay->effects[slot - 1] != 0 && replay->repeated == 0)
        replay->repeated = index;
    if (!takes_effect(replay, command))
        return;
    replay->result.size = 0;
    oracles->config.machine->apply(&replay->context, command->command, command->size,
                                   &replay->result);
    effect_note(replay, slot - 1, index);
}

/* The snapshots that nodes took are compared on the way if `scratch` is given. */
static void commands_apply(struct replay *replay, const struct octo_arena *scratch)
{
    struct octo_oracles *oracles = replay->oracles;
    uint32_t snapshot = 0;

    for (octo_index i = 1; i <= oracles->committed_count && !oracles->stopped; i++) {
        const struct oracle_committed *command = oracle_committed_at(oracles, i);
        if (command->kind == OCTO_ENTRY_COMMAND)
            command_apply(replay, i, command);
        if (scratch != NULL && !oracles->stopped)
            oracle_snapshot_replayed(oracles, &replay->context, i, &snapshot, *scratch);
    }
}

/* ---- Judgement ----------------------------------------------------------------------------- */

/* A result that the replay does not give: does it, if commands take effect again? */
static void different_judge(struct octo_oracles *oracles, const struct replay *once,
                            struct octo_arena scratch)
{
    const struct oracle_operation *operation = oracle_operation_at(oracles, once->different);

    for (int rule = RULE_NEWEST; rule < RULE_COUNT && once->repeated != 0; rule++) {
        struct octo_arena room = scratch;
        struct replay again;
        if (!replay_make(&again, oracles, (enum rule)rule, &room))
            return;
        again.suspect = once->different;
        commands_apply(&again, NULL);
        if (!again.explained)
            continue;
        oracle_break(
            oracles, OCTO_PROPERTY_EXACTLY_ONCE,
            "command %" PRIu64 " of client %" PRIu64 " (entry %" PRIu64
            ") was told a result that follows only if repeated commands take effect again; "
            "e.g. at index %" PRIu64,
            operation->sequence, operation->client, once->effects[once->different], once->repeated);
        return;
    }
}

/* Every operation that returned took effect; *missing is the first that did not, or NOBODY. */
static uint32_t missing_find(const struct octo_oracles *oracles, const struct replay *replay)
{
    for (uint32_t i = 0; i < oracles->operation_count; i++) {
        if (oracle_operation_at(oracles, i)->outcome == ORACLE_RETURNED && replay->effects[i] == 0)
            return i;
    }
    return NOBODY;
}

/* An operation that returned before another was invoked takes effect before it. Gives one that does
 * not and the other, or NOBODY. */
static uint32_t late_find(const struct octo_oracles *oracles, const struct replay *replay,
                          uint32_t *earlier)
{
    uint64_t invoked = 0; /* the latest call among what has taken effect so far */

    for (octo_index i = 1; i <= oracles->committed_count; i++) {
        const struct oracle_committed *command = oracle_committed_at(oracles, i);
        if (command->kind != OCTO_ENTRY_COMMAND)
            continue;
        const uint32_t number = *operation_slot(replay, command->client, command->sequence) - 1;
        const struct oracle_operation *operation = oracle_operation_at(oracles, number);
        if (replay->effects[number] != i)
            continue;
        if (operation->outcome == ORACLE_RETURNED && operation->history.returned < invoked)
            return number;
        if (operation->history.invoked > invoked) {
            invoked = operation->history.invoked;
            *earlier = number;
        }
    }
    return NOBODY;
}

static void missing_broken(struct octo_oracles *oracles, uint32_t number)
{
    const struct oracle_operation *operation = oracle_operation_at(oracles, number);

    oracle_break(oracles, OCTO_PROPERTY_NO_LOST_WRITE,
                 "command %" PRIu64 " of client %" PRIu64
                 " (operation %u) was acknowledged at event "
                 "%" PRIu64 " and takes effect nowhere in the %" PRIu64 " committed entries",
                 operation->sequence, operation->client, number, operation->ended_event,
                 oracles->committed_count);
}

static void different_broken(struct octo_oracles *oracles, const struct replay *replay)
{
    const struct oracle_operation *operation = oracle_operation_at(oracles, replay->different);

    oracle_break(oracles, OCTO_PROPERTY_NO_LOST_WRITE,
                 "command %" PRIu64 " of client %" PRIu64 " (operation %u, entry %" PRIu64
                 ") was told another result at event %" PRIu64 " than the replay gives",
                 operation->sequence, operation->client, replay->different,
                 replay->effects[replay->different], operation->ended_event);
}

static void late_broken(struct octo_oracles *oracles, const struct replay *replay, uint32_t number,
                        uint32_t earlier)
{
    oracle_break(oracles, OCTO_PROPERTY_LINEARIZABLE,
                 "operation %u returned at event %" PRIu64 " before operation %u was invoked at "
                 "event %" PRIu64 ", but takes effect after it (entries %" PRIu64 " and %" PRIu64
                 ")",
                 number, oracle_operation_at(oracles, number)->ended_event, earlier,
                 oracle_operation_at(oracles, earlier)->invoked_event, replay->effects[number],
                 replay->effects[earlier]);
}

bool oracle_replay(struct octo_oracles *oracles, struct octo_arena scratch, uint64_t *digest)
{
    struct replay replay;
    uint32_t earlier = NOBODY;

    if (!replay_make(&replay, oracles, RULE_ONCE, &scratch)) {
        oracle_undecided(oracles, "no memory for the replay of %" PRIu64 " entries",
                         oracles->committed_count);
        return false;
    }
    commands_apply(&replay, &scratch);
    if (oracles->stopped)
        return false;
    *digest = oracles->config.machine->digest(&replay.context);
    if (replay.different != NOBODY)
        different_judge(oracles, &replay, scratch);
    const uint32_t missing = missing_find(oracles, &replay);
    const uint32_t late = late_find(oracles, &replay, &earlier);
    const bool witness = replay.different == NOBODY && missing == NOBODY && late == NOBODY;
    if (!oracles->stopped)
        oracle_history_check(oracles, scratch, witness);
    if (missing != NOBODY)
        missing_broken(oracles, missing);
    if (replay.different != NOBODY)
        different_broken(oracles, &replay);
    if (late != NOBODY)
        late_broken(oracles, &replay, late, earlier);
    return true;
}

octo_index oracle_replay_again(struct octo_oracles *oracles, struct octo_arena scratch,
                               uint64_t digest)
{
    for (int rule = RULE_NEWEST; rule < RULE_COUNT; rule++) {
        struct octo_arena room = scratch;
        struct replay again;
        if (!replay_make(&again, oracles, (enum rule)rule, &room))
            return 0;
        commands_apply(&again, NULL);
        if (again.repeated != 0 && oracles->config.machine->digest(&again.context) == digest)
            return again.repeated;
    }
    return 0;
}
