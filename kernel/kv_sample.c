/* What the simulator's clients ask of the key-value machine.
 *
 * Few keys, so that clients meet; most values unique, so that a lost or doubled write shows; some
 * of a set of eight, so that a CAS sometimes finds what it expects. */
#include "kernel/kv_sample.h"

#define KEYS         16u
#define COMMON       8u /* values that recur */
#define VALUE_SMALL  8u
#define VALUE_MEDIUM 64u
#define VALUE_LARGE  1024u
#define APPEND_MAX   8u

/* The nth of the independent draws that come from one word. */
static uint64_t draw(uint64_t word, uint64_t n)
{
    return octo_mix(word + (n + 1) * 0x9e3779b97f4a7c15ull);
}

static bool chance(uint64_t drawn, uint32_t percent)
{
    return drawn % 100 < percent;
}

/* One of the values that recur: a letter, repeated. */
static uint32_t common_value(uint64_t drawn, uint8_t *value)
{
    const uint32_t which = (uint32_t)(drawn % COMMON);
    memset(value, (int)('A' + which), VALUE_SMALL + which);
    return VALUE_SMALL + which;
}

/* Text from [a-p], from its word alone: no two are likely to be equal. */
static void unique_text(uint64_t word, uint8_t *value, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        value[i] = (uint8_t)('a' + (draw(word, i / 16) >> (4 * (i % 16)) & 15));
}

static uint32_t set_value(const struct octo_workload *workload, uint64_t choice, uint8_t *value)
{
    if (workload->value_bytes != 0) {
        const uint32_t most = (uint32_t)octo_min_u64(workload->value_bytes, VALUE_LARGE);
        const uint32_t bytes = 1 + (uint32_t)(draw(choice, 1) % most);
        unique_text(choice, value, bytes);
        return bytes;
    }
    const uint64_t sort = draw(choice, 0) % 100;
    const uint64_t size = draw(choice, 1);
    uint32_t count = VALUE_SMALL + (uint32_t)(size % (VALUE_MEDIUM - VALUE_SMALL + 1));

    if (sort < 50)
        return common_value(size, value);
    if (sort < 54)
        return 0;
    if (sort < 57)
        count = VALUE_MEDIUM + (uint32_t)(size % (VALUE_LARGE - VALUE_MEDIUM + 1));
    unique_text(choice, value, count);
    return count;
}

static enum octo_kv_op sample_op(const struct octo_workload *workload, uint64_t random)
{
    uint64_t sort = draw(random, 0) % 100;
    if (workload->mixed && draw(random, 2) % 1000000 < workload->reads_ppm)
        return OCTO_KV_GET;
    if (workload->mixed) { /* the writes among themselves as usual */
        sort = draw(random, 0) % 65;
        sort += sort < 30 ? 0 : 35;
    }
    if (sort < 30)
        return OCTO_KV_SET;
    if (sort < 65)
        return OCTO_KV_GET;
    if (sort < 72)
        return OCTO_KV_DEL;
    return sort < 87 ? OCTO_KV_CAS : OCTO_KV_APPEND;
}

void octo_kv_sample(const struct octo_workload *workload, uint64_t random, uint64_t choice,
                    struct octo_buffer *out)
{
    const uint64_t keys = workload->keys != 0 ? octo_min_u64(workload->keys, KEYS) : KEYS;
    static const uint8_t digits[KEYS + 1] = "0123456789abcdef";
    const uint8_t key[4] = {'k', 'e', 'y', digits[draw(random, 1) % keys]};
    uint8_t value[VALUE_LARGE];
    uint8_t expected[VALUE_MEDIUM];
    struct octo_kv_command command = {
        .op = sample_op(workload, random),
        .key = key,
        .key_size = sizeof key,
        .value = value,
        .expected = expected,
    };

    switch (command.op) {
    case OCTO_KV_SET:
        command.value_size = set_value(workload, choice, value);
        break;
    case OCTO_KV_CAS:
        command.value_size = chance(draw(choice, 2), 75) ? common_value(draw(choice, 3), value)
                                                         : set_value(workload, choice, value);
        command.expected_size = common_value(draw(choice, 4), expected);
        break;
    case OCTO_KV_APPEND:
        command.value_size = 1 + (uint32_t)(draw(choice, 5) % APPEND_MAX);
        unique_text(choice, value, command.value_size);
        break;
    case OCTO_KV_GET:
    case OCTO_KV_DEL:
        break;
    }
    /* A small buffer gets a shorter value: every buffer with room for a read gets a command. */
    const uint32_t fixed = OCTO_KV_HEADER_BYTES + command.key_size + command.expected_size;
    if (out->capacity >= fixed)
        command.value_size = (uint32_t)octo_min_u64(command.value_size, out->capacity - fixed);
    if (octo_kv_encode(&command, out) != OCTO_ERR_OK)
        out->size = 0;
}
