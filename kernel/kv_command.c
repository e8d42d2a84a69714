/* The key-value machine's commands: codec, and a sampler for the simulator's clients. */
#include "kernel/machine.h"

#define AT_OP            0u
#define AT_KEY_SIZE      1u
#define AT_VALUE_SIZE    3u
#define AT_EXPECTED_SIZE 7u

_Static_assert(AT_EXPECTED_SIZE + 4 == OCTO_KV_HEADER_BYTES, "the header is packed");

/* Which parts a command may have: a part that it has not is empty. */
static bool parts_ok(const struct octo_kv_command *command)
{
    if (command->key_size > OCTO_KV_KEY_MAX)
        return false;
    if (command->value_size > OCTO_KV_VALUE_MAX || command->expected_size > OCTO_KV_VALUE_MAX)
        return false;
    switch (command->op) {
    case OCTO_KV_SET:
    case OCTO_KV_APPEND:
        return command->expected_size == 0;
    case OCTO_KV_GET:
    case OCTO_KV_DEL:
        return command->value_size == 0 && command->expected_size == 0;
    case OCTO_KV_CAS:
        return true;
    }
    return false;
}

static void part_put(uint8_t **at, const uint8_t *bytes, uint32_t size)
{
    if (size > 0)
        memcpy(*at, bytes, size);
    *at += size;
}

enum octo_err octo_kv_encode(const struct octo_kv_command *command, struct octo_buffer *out)
{
    out->size = 0;
    if (!parts_ok(command))
        return OCTO_ERR_RANGE;
    const uint32_t size =
        OCTO_KV_HEADER_BYTES + command->key_size + command->value_size + command->expected_size;
    if (size > out->capacity)
        return OCTO_ERR_FULL;
    out->bytes[AT_OP] = (uint8_t)command->op;
    octo_put_u16(out->bytes + AT_KEY_SIZE, (uint16_t)command->key_size);
    octo_put_u32(out->bytes + AT_VALUE_SIZE, command->value_size);
    octo_put_u32(out->bytes + AT_EXPECTED_SIZE, command->expected_size);
    uint8_t *at = out->bytes + OCTO_KV_HEADER_BYTES;
    part_put(&at, command->key, command->key_size);
    part_put(&at, command->value, command->value_size);
    part_put(&at, command->expected, command->expected_size);
    out->size = size;
    return OCTO_ERR_OK;
}

enum octo_err octo_kv_decode(const uint8_t *bytes, uint32_t size, struct octo_kv_command *command)
{
    if (size < OCTO_KV_HEADER_BYTES)
        return OCTO_ERR_MALFORMED;
    const uint8_t *body = bytes + OCTO_KV_HEADER_BYTES;
    const uint32_t key_size = octo_get_u16(bytes + AT_KEY_SIZE);
    const uint32_t value_size = octo_get_u32(bytes + AT_VALUE_SIZE);
    const uint32_t expected_size = octo_get_u32(bytes + AT_EXPECTED_SIZE);
    /* In 64 bits: the sizes are anybody's. */
    if (OCTO_KV_HEADER_BYTES + (uint64_t)key_size + value_size + expected_size != size)
        return OCTO_ERR_MALFORMED;
    const struct octo_kv_command read = {
        .op = (enum octo_kv_op)bytes[AT_OP],
        .key = body,
        .key_size = key_size,
        .value = body + key_size,
        .value_size = value_size,
        .expected = body + key_size + value_size,
        .expected_size = expected_size,
    };
    if (!parts_ok(&read))
        return OCTO_ERR_MALFORMED;
    *command = read;
    return OCTO_ERR_OK;
}
