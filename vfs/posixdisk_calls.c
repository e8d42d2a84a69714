/* The system calls of the POSIX disk that tests replace. */
#include "vfs/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int64_t call_read_at(int file, uint8_t *bytes, uint64_t size, uint64_t offset)
{
    const ssize_t result = pread(file, bytes, size, (off_t)offset);
    return result >= 0 ? result : -errno;
}

static int64_t call_write_at(int file, const uint8_t *bytes, uint64_t size, uint64_t offset)
{
    const ssize_t result = pwrite(file, bytes, size, (off_t)offset);
    return result >= 0 ? result : -errno;
}

static int call_sync_data(int file)
{
    return fdatasync(file) == 0 ? 0 : -errno;
}

static int call_sync_directory(int directory)
{
    return fsync(directory) == 0 ? 0 : -errno;
}

static int call_allocate(int file, uint64_t offset, uint64_t size)
{
    return fallocate(file, 0, (off_t)offset, (off_t)size) == 0 ? 0 : -errno;
}

const struct octo_posix_calls octo_posix_calls = {
    .read_at = call_read_at,
    .write_at = call_write_at,
    .sync_data = call_sync_data,
    .sync_directory = call_sync_directory,
    .allocate = call_allocate,
};
