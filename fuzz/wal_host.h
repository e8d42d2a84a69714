/* A durable log by itself, on files in memory: what the fuzzers of its bytes drive, and what makes
 * directories for the tests of octo-wal.
 *
 * The disk does what it is told, at once and in order. Every operation may be the last one: what a
 * crash or a failing disk does is the simulated disk's business.
 */
#ifndef OCTO_FUZZ_WAL_HOST_H
#define OCTO_FUZZ_WAL_HOST_H

#include "kernel/step.h"
#include "kernel/wal/wal.h"

#define HOST_FILES   64u
#define HOST_OPS     64u
#define HOST_EFFECTS 128u

struct host_file {
    struct octo_file name; /* kind 0: a free place */
    uint8_t *bytes;
    uint64_t size;
};

struct wal_host {
    struct octo_config config;
    uint64_t file_bytes_max; /* an operation that needs a longer file finds NO_SPACE */
    struct host_file files[HOST_FILES];
    void *block;
    struct octo_wal *wal;
    struct octo_effect items[HOST_EFFECTS];
    struct octo_effects effects;
    uint32_t marks[OCTO_MARK_COUNT];
    uint64_t next_op;
    octo_time_ns now, deadline;
    struct octo_disk_op ops[HOST_OPS];
    uint32_t op_count;
    uint8_t *scratch;
    uint32_t scratch_bytes;
};

/* host_make gives an empty directory; config must pass octo_config_check. host_free gives all
 * memory back. */
void host_make(struct wal_host *host, const struct octo_config *config, uint64_t file_bytes_max);
void host_free(struct wal_host *host);

/* host_file returns the file, NULL if there is none; host_put makes or replaces it. */
struct host_file *host_file(struct wal_host *host, uint8_t kind, uint32_t number);
void host_put(struct wal_host *host, uint8_t kind, uint32_t number, const uint8_t *bytes,
              uint64_t size);

/* host_boot starts an octo_wal anew on the files. host_found answers its question for the snapshot;
 * WAITING only. */
void host_boot(struct wal_host *host, bool format);
void host_found(struct wal_host *host, const struct octo_position *snapshot);

/* host_run executes operations until nothing is under way, or, with stop, until the log waits for
 * octo_wal_found, is READY or has FAILED. False if `most` operations did not suffice. */
bool host_run(struct wal_host *host, uint64_t most, bool stop);

/* A step of the host's own: host_begin, calls of octo_wal_..., host_end. */
struct octo_step host_begin(struct wal_host *host);
void host_end(struct wal_host *host, struct octo_step *step);

/* host_kill executes the writes that are under way and drops the rest, as if the process had ended.
 */
void host_kill(struct wal_host *host);

#endif
