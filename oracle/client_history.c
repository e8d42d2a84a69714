/* What clients asked and were told; and, for the key-value machine, whether that is one register
 * per key in real time. */
#include "oracle/oracle_state.h"

/* Steps of the search for one key. If the commit order is a witness already, it is only a second
 * opinion. */
#define STEPS_MAX         4000000u
#define STEPS_MAX_WITNESS 20000u

/* ---- The key-value machine as registers ---------------------------------------------------- */

static bool machine_is_registers(const struct octo_oracles *oracles)
{
    return oracles->config.machine == &octo_machine_kv;
}

static uint8_t history_kind(enum octo_kv_op op)
{
    switch (op) {
    case OCTO_KV_SET:
        return OCTO_HISTORY_WRITE;
    case OCTO_KV_GET:
        return OCTO_HISTORY_READ;
    case OCTO_KV_DEL:
        return OCTO_HISTORY_DELETE;
    case OCTO_KV_CAS:
        return OCTO_HISTORY_CAS;
    case OCTO_KV_APPEND:
        return OCTO_HISTORY_APPEND;
    }
    return 0;
}

/* A command that is none names no key. */
static bool history_command(struct octo_history_operation *history, const uint8_t *bytes,
                            uint32_t size)
{
    struct octo_kv_command command;

    if (octo_kv_decode(bytes, size, &command) != OCTO_ERR_OK)
        return false;
    history->kind = history_kind(command.op);
    history->key = oracle_hash(command.key, command.key_size, 0);
    history->value = octo_history_value(command.value, command.value_size);
    history->expected = octo_history_value(command.expected, command.expected_size);
    return true;
}

/* Fills in what the result says; false if it says that nothing happened, and nothing more. */
static bool history_result(struct octo_history_operation *history, const uint8_t *result,
                           uint32_t size)
{
    const uint32_t status = size == 0 ? 0 : result[0];

    if (status == OCTO_KV_TOO_LARGE || status == OCTO_KV_MALFORMED)
        return false;
    history->outcomes = 0; /* an answer that is none fits nothing */
    if (status == OCTO_KV_OK)
        history->outcomes = OCTO_OUTCOME_OK;
    else if (status == OCTO_KV_MISSING)
        history->outcomes = OCTO_OUTCOME_MISSING;
    else if (status == OCTO_KV_DIFFERENT)
        history->outcomes = OCTO_OUTCOME_DIFFERENT;
    if (status == OCTO_KV_OK && history->kind == OCTO_HISTORY_READ)
        history->value = octo_history_value(result + 1, size - 1);
    return true;
}

/* ---- Calls --------------------------------------------------------------------------------- */

bool octo_oracles_invoke(struct octo_oracles *oracles, uint32_t operation, uint64_t event,
                         octo_client_id client, uint64_t sequence, const uint8_t *command,
                         uint32_t size)
{
    if (oracles->stopped)
        return oracles->verdict.property == OCTO_PROPERTY_NONE;
    oracles->event = event;
    octo_assert(operation == oracles->operation_count);
    if (!oracle_table_reserve(oracles, &oracles->operations, (uint64_t)operation + 1))
        return true;
    oracles->operation_count++;
    oracles->order++;
    struct oracle_operation *made = oracle_operation_at(oracles, operation);
    *made = (struct oracle_operation){
        .client = client,
        .sequence = sequence,
        .invoked_event = event,
        .command_hash = oracle_hash(command, size, 0),
        .outcome = ORACLE_PENDING,
        .history = {.invoked = oracles->order,
                    .returned = OCTO_NEVER,
                    .outcomes = OCTO_OUTCOME_ANY},
    };
    if (machine_is_registers(oracles))
        made->checkable = history_command(&made->history, command, size);
    return true;
}

/* The pending operation that ends now. */
static struct oracle_operation *operation_end(struct octo_oracles *oracles, uint32_t operation,
                                              uint64_t event, enum oracle_outcome outcome)
{
    octo_assert(operation < oracles->operation_count);
    struct oracle_operation *ended = oracle_operation_at(oracles, operation);
    octo_assert(ended->outcome == ORACLE_PENDING);
    oracles->event = event;
    oracles->order++;
    ended->ended_event = event;
    ended->outcome = outcome;
    ended->history.returned = oracles->order;
    return ended;
}

bool octo_oracles_returned(struct octo_oracles *oracles, uint32_t operation, uint64_t event,
                           const uint8_t *result, uint32_t size)
{
    if (oracles->stopped)
        return oracles->verdict.property == OCTO_PROPERTY_NONE;
    struct oracle_operation *ended = operation_end(oracles, operation, event, ORACLE_RETURNED);
    ended->result_hash = oracle_hash(result, size, 0);
    ended->result_size = size;
    if (ended->checkable)
        ended->checkable = history_result(&ended->history, result, size);
    return true;
}

bool octo_oracles_failed(struct octo_oracles *oracles, uint32_t operation, uint64_t event)
{
    if (oracles->stopped)
        return oracles->verdict.property == OCTO_PROPERTY_NONE;
    operation_end(oracles, operation, event, ORACLE_FAILED)->checkable = false;
    return true;
}

/* ---- The end ------------------------------------------------------------------------------- */

static void history_broken(struct octo_oracles *oracles, uint32_t number,
                           const struct octo_linearizable_report *report, bool witness)
{
    const struct oracle_operation *operation = oracle_operation_at(oracles, number);

    if (witness) { /* one of the two is wrong */
        oracle_break(oracles, OCTO_PROPERTY_ASSERT,
                     "the oracles find no order that explains operation %u, although the commit "
                     "order does",
                     number);
        return;
    }
    oracle_break(oracles, OCTO_PROPERTY_LINEARIZABLE,
                 "no order of the operations on its key explains command %" PRIu64
                 " of client %" PRIu64 " (operation %u, events %" PRIu64 " to %" PRIu64
                 "); the longest attempt explains %u before it",
                 operation->sequence, operation->client, number, operation->invoked_event,
                 operation->ended_event, report->explained);
}

void oracle_history_check(struct octo_oracles *oracles, struct octo_arena scratch, bool witness)
{
    const uint32_t max = oracles->operation_count;
    struct octo_linearizable_report report;
    uint32_t count = 0;

    if (!machine_is_registers(oracles) || max == 0 ||
        !oracle_judges(oracles, OCTO_PROPERTY_LINEARIZABLE))
        return;
    struct octo_history_operation *history = octo_arena_alloc(&scratch, max * sizeof *history);
    uint32_t *numbers = octo_arena_alloc(&scratch, max * sizeof *numbers);
    if (history == NULL || numbers == NULL) {
        if (!witness)
            oracle_undecided(oracles, "no memory for the linearizability of %u operations", max);
        return;
    }
    for (uint32_t i = 0; i < max; i++) {
        const struct oracle_operation *operation = oracle_operation_at(oracles, i);
        if (!operation->checkable)
            continue;
        history[count] = operation->history;
        numbers[count] = i;
        count++;
    }
    const uint64_t steps_max = witness ? STEPS_MAX_WITNESS : STEPS_MAX;
    switch (octo_linearizable(history, count, octo_history_absent(), scratch, steps_max, &report)) {
    case OCTO_LINEARIZABLE:
        break;
    case OCTO_NOT_LINEARIZABLE:
        history_broken(oracles, numbers[report.operation], &report, witness);
        break;
    case OCTO_LINEARIZABLE_UNDECIDED:
        if (!witness) /* else the commit order is an order that explains everything */
            oracle_undecided(oracles,
                             "linearizability of %u operations: no answer in %" PRIu64 " steps",
                             count, report.steps);
        break;
    }
}
