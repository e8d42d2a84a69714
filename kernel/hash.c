/* XXH3-64, compiled into the kernel so that one binary holds one version of it. */
#include "kernel/base.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t octo_hash(const void *bytes, size_t size, uint64_t seed)
{
    octo_assert(bytes != NULL || size == 0);
    /* The library wants a pointer even for no bytes; the value does not depend on it. */
    return XXH3_64bits_withSeed(size > 0 ? bytes : "", size, seed);
}
