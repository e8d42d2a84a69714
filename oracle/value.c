/* Values as polynomial hashes: sum of (byte + 1) * BASE^(bytes after it), modulo 2^61 - 1. So the
 * hash of two strings in a row follows from theirs and the second one's length. Values come from
 * the simulator's clients, not from an adversary, and lengths are compared as well. */
#include "oracle/linearizable.h"

__extension__ typedef unsigned __int128 wide;

#define PRIME ((1ull << 61) - 1)
#define WORD  8u

/* BASE^0 .. BASE^8; the base was drawn once. */
static const uint64_t powers[WORD + 1] = {
    0x1,
    0x1f6d8fecf88eecd9,
    0x031c16c23323d0db,
    0x05091c8e936c12c2,
    0x069ad71255e6720d,
    0x1a141e8250b61a58,
    0x0b5365e758d08ae7,
    0x065198e7256f8974,
    0x19cdb4e45a5b3641,
};

static uint64_t reduce(wide x)
{
    uint64_t low = (uint64_t)(x & PRIME) + (uint64_t)(x >> 61);

    low = (low & PRIME) + (low >> 61);
    return low >= PRIME ? low - PRIME : low;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    return reduce((wide)a * b);
}

/* BASE^exponent. */
static uint64_t power(uint64_t exponent)
{
    uint64_t result = 1;

    for (uint64_t square = powers[1]; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0)
            result = multiply(result, square);
        square = multiply(square, square);
    }
    return result;
}

struct octo_history_value octo_history_value(const void *bytes, uint64_t size)
{
    const uint8_t *at = bytes;
    uint64_t hash = 0;
    uint64_t left = size;

    for (; left >= WORD; left -= WORD, at += WORD) {
        wide sum = (wide)hash * powers[WORD];
        for (uint32_t i = 0; i < WORD; i++)
            sum += (wide)powers[WORD - 1 - i] * (at[i] + 1u);
        hash = reduce(sum);
    }
    for (; left > 0; left--, at++)
        hash = reduce((wide)hash * powers[1] + *at + 1u);
    return (struct octo_history_value){.hash = hash, .size = size};
}

struct octo_history_value octo_history_join(struct octo_history_value a,
                                            struct octo_history_value b)
{
    return (struct octo_history_value){
        .hash = reduce((wide)a.hash * power(b.size) + b.hash),
        .size = a.size + b.size,
    };
}
