/* octo_hash of bytes that come in pieces. Private to kernel/. */
#ifndef OCTO_KERNEL_HASH_H
#define OCTO_KERNEL_HASH_H

#include "kernel/base.h"

/* The library's state; it holds no pointer (K2). */
struct octo_hash_stream {
    alignas(64) uint8_t bytes[576];
};

/* octo_hash_begin, octo_hash_add, octo_hash_end: octo_hash of all that was added, with seed 0. */
void octo_hash_begin(struct octo_hash_stream *stream);
void octo_hash_add(struct octo_hash_stream *stream, const void *bytes, size_t size);
uint64_t octo_hash_end(const struct octo_hash_stream *stream);

#endif
