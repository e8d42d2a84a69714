/* System calls for the POSIX disk that fail when they are told to, and are counted. */
#ifndef OCTO_TESTS_UNIT_POSIX_CALLS_H
#define OCTO_TESTS_UNIT_POSIX_CALLS_H

#include "vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <time.h>

enum call { CALL_READ, CALL_WRITE, CALL_SYNC, CALL_DIR_SYNC, CALL_ALLOCATE, CALL_COUNT };

static struct {
    atomic_uint calls[CALL_COUNT];
    atomic_uint fail_from[CALL_COUNT]; /* the first call that fails, from 1 on; 0: none does */
    atomic_uint fail_count[CALL_COUNT];
    atomic_int error[CALL_COUNT];
    atomic_ullong transfer_max; /* bytes that one call moves; 0: all */
    atomic_bool direct;         /* whether the last write was O_DIRECT */
    atomic_uintptr_t data;      /* of the last write */
    atomic_bool gate_closed;    /* syncs and allocations wait while it is */
    atomic_uint meet;           /* a sync waits until this many are under way */
    atomic_uint under_way;
    atomic_uint alone; /* syncs that waited in vain */
} fake;

/* From the n-th call on, `count` calls fail. */
static inline void fake_fail(enum call call, unsigned n, unsigned count, int error)
{
    fake.calls[call] = 0;
    fake.error[call] = error;
    fake.fail_count[call] = count;
    fake.fail_from[call] = n;
}

static inline int fake_call(enum call call)
{
    const unsigned n = ++fake.calls[call];
    const unsigned from = fake.fail_from[call];
    return from != 0 && n >= from && n - from < fake.fail_count[call] ? -fake.error[call] : 0;
}

static inline uint64_t fake_size(uint64_t size)
{
    const uint64_t most = fake.transfer_max;
    return most != 0 && most < size ? most : size;
}

static inline int64_t fake_read(int file, uint8_t *bytes, uint64_t size, uint64_t offset)
{
    const int error = fake_call(CALL_READ);
    return error != 0 ? error : octo_posix_calls.read_at(file, bytes, fake_size(size), offset);
}

static inline int64_t fake_write(int file, const uint8_t *bytes, uint64_t size, uint64_t offset)
{
    fake.direct = (fcntl(file, F_GETFL) & O_DIRECT) != 0;
    fake.data = (uintptr_t)bytes;
    const int error = fake_call(CALL_WRITE);
    return error != 0 ? error : octo_posix_calls.write_at(file, bytes, fake_size(size), offset);
}

static inline void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static inline int fake_sync(int file)
{
    const int error = fake_call(CALL_SYNC);
    fake.under_way++;
    for (int i = 0; fake.gate_closed || (fake.under_way < fake.meet && i < 50000); i++)
        nap();
    if (fake.under_way < fake.meet)
        fake.alone++;
    return error != 0 ? error : octo_posix_calls.sync_data(file);
}

static inline int fake_dir_sync(int directory)
{
    const int error = fake_call(CALL_DIR_SYNC);
    return error != 0 ? error : octo_posix_calls.sync_directory(directory);
}

static inline int fake_allocate(int file, uint64_t offset, uint64_t size)
{
    const int error = fake_call(CALL_ALLOCATE);
    while (fake.gate_closed)
        nap();
    return error != 0 ? error : octo_posix_calls.allocate(file, offset, size);
}

static const struct octo_posix_calls fake_calls = {.read_at = fake_read,
                                                   .write_at = fake_write,
                                                   .sync_data = fake_sync,
                                                   .sync_directory = fake_dir_sync,
                                                   .allocate = fake_allocate};

#endif
