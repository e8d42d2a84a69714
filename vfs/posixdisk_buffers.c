/* The bytes of READs and LISTs, kept for the next one.
 *
 * A buffer of a few MiB that comes new from the system costs a page fault for every 4 KiB: reading
 * from the page cache took twice as long with it. Who recovers a log reads its two topics in
 * windows of one size, two at a time, and each window goes to the caller before the next is asked
 * for: two buffers are kept. Only the owner's thread comes here. */
#include "vfs/posixdisk.h"

#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BUFFERS_PASS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define BUFFERS_PASS 1
#endif
#ifndef BUFFERS_PASS
#define BUFFERS_PASS 0 /* 1: none is kept, so that the sanitizer sees who uses one too long */
#endif

struct posixdisk_buffer posixdisk_buffer_take(struct octo_posixdisk *disk, uint32_t size)
{
    for (uint32_t i = 0; i < POSIXDISK_BUFFERS; i++) {
        const struct posixdisk_buffer kept = disk->kept[i];
        if (kept.size >= size && kept.size / 2 <= size) {
            disk->kept[i] = (struct posixdisk_buffer){0};
            return kept;
        }
    }
    return (struct posixdisk_buffer){.bytes = malloc(size), .size = size};
}

void posixdisk_buffer_give(struct octo_posixdisk *disk, struct posixdisk_buffer buffer)
{
    struct posixdisk_buffer *least = &disk->kept[0];

    if (BUFFERS_PASS || buffer.size < POSIXDISK_BUFFER_LEAST) {
        free(buffer.bytes);
        return;
    }
    for (uint32_t i = 1; i < POSIXDISK_BUFFERS; i++) {
        if (disk->kept[i].size < least->size)
            least = &disk->kept[i];
    }
    free(least->bytes);
    *least = buffer;
}

void posixdisk_buffers_free(struct octo_posixdisk *disk)
{
    for (uint32_t i = 0; i < POSIXDISK_BUFFERS; i++)
        free(disk->kept[i].bytes);
}
