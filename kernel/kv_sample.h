/* The key-value machine's `sample`. Private to kernel/kv.c. */
#ifndef OCTO_KERNEL_KV_SAMPLE_H
#define OCTO_KERNEL_KV_SAMPLE_H

#include "kernel/machine.h"

/* octo_kv_sample writes a command to out: `random` decides what is asked of which key, `choice` the
 * values, workload how large and how many they are (at most 16 keys). out->size is 0 if not even a
 * command with an empty value fits. */
void octo_kv_sample(const struct octo_workload *workload, uint64_t random, uint64_t choice,
                    struct octo_buffer *out);

#endif
