/* The naive model that the key-value machine is compared with. */
#ifndef OCTO_TESTS_UNIT_KV_MODEL_H
#define OCTO_TESTS_UNIT_KV_MODEL_H

#include "kv_host.h"

#define KEYS      40u
#define VALUE_MAX 700u

struct model {
    struct {
        bool there;
        uint32_t size;
        uint8_t value[RESULT_CAPACITY];
    } keys[KEYS];
    uint32_t cells;
    uint32_t cells_max;
};

/* Keys of all lengths up to the limit, many with a common beginning. */
static inline uint32_t key_of(uint32_t number, uint8_t key[OCTO_KV_KEY_MAX])
{
    static const uint32_t sizes[5] = {0, 3, 30, 31, OCTO_KV_KEY_MAX};
    const uint32_t size = number == 0 ? 0 : octo_max_u64(1, sizes[number % 5]);
    memset(key, 'k', OCTO_KV_KEY_MAX);
    if (size > 0)
        key[size - 1] = (uint8_t)number;
    return size;
}

static inline uint32_t model_cells(uint32_t size)
{
    return size <= 30 ? 1 : 1 + (size - 30 + 59) / 60;
}

static inline enum octo_kv_status model_put(struct model *model, uint32_t number,
                                            const struct octo_kv_command *command, uint32_t from)
{
    const uint32_t size = from + command->value_size;
    const uint32_t now =
        model->keys[number].there ? model_cells(command->key_size + model->keys[number].size) : 0;
    const uint32_t then = model_cells(command->key_size + size);
    if (size > OCTO_KV_VALUE_MAX || model->cells - now + then > model->cells_max)
        return OCTO_KV_TOO_LARGE;
    model->cells += then - now;
    model->keys[number].there = true;
    model->keys[number].size = size;
    memcpy(model->keys[number].value + from, command->value, command->value_size);
    return OCTO_KV_OK;
}

static inline enum octo_kv_status model_apply(struct model *model, uint32_t number,
                                              const struct octo_kv_command *command)
{
    const bool there = model->keys[number].there;
    const uint32_t size = model->keys[number].size;

    switch (command->op) {
    case OCTO_KV_SET:
        return model_put(model, number, command, 0);
    case OCTO_KV_APPEND:
        return model_put(model, number, command, there ? size : 0);
    case OCTO_KV_GET:
        return there ? OCTO_KV_OK : OCTO_KV_MISSING;
    case OCTO_KV_DEL:
        if (!there)
            return OCTO_KV_MISSING;
        model->keys[number].there = false;
        model->cells -= model_cells(command->key_size + size);
        return OCTO_KV_OK;
    case OCTO_KV_CAS:
        if (!there)
            return OCTO_KV_MISSING;
        if (size != command->expected_size ||
            memcmp(model->keys[number].value, command->expected, size) != 0)
            return OCTO_KV_DIFFERENT;
        return model_put(model, number, command, 0);
    }
    return OCTO_KV_MALFORMED;
}

#endif
