/* The parts of octo-bench-wal: the durable log on the POSIX disk, beside what the disk can do.
 *
 * Every function that returns false has said why in bench_wal_why.
 */
#ifndef OCTO_BENCH_WAL_WAL_H
#define OCTO_BENCH_WAL_WAL_H

#include "kernel/wal/record.h"
#include "kernel/wal/wal.h"
#include "vfs/vfs.h"

#define MIB 1048576u
#define GIB 1073741824u

/* bench_wal_why is the reason of the last failure; bench_wal_fail sets it and returns false. */
extern char bench_wal_why[256];
bool bench_wal_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* bench_wal_stopped: the user wants it to end; every loop looks at it. */
extern volatile int bench_wal_stopped;

uint64_t bench_wal_now(void); /* ns */

/* bench_wal_percentile sorts samples and returns the one below which `percent` of them lie; 0 if
 * there are none. */
uint64_t bench_wal_percentile(uint64_t *samples, size_t count, uint32_t percent);

/* bench_wal_noise fills size bytes with what does not compress. */
void bench_wal_noise(uint8_t *bytes, size_t size);

/* ---- The log and its host (host.c) --------------------------------------------------------- */

#define SECTOR_BYTES 4096u
#define HOST_EFFECTS 128u

/* What the log asked of its disk, segments being prepared left out. */
struct host_counts {
    uint64_t writes, syncs, bytes_written; /* of both topics */
    uint64_t main_syncs;                   /* of one topic: those of both run in parallel */
    uint64_t bytes_read;
};

struct host {
    struct octo_config config;
    struct octo_posixdisk *disk;
    struct octo_wal *wal;
    void *block;
    size_t block_bytes;
    struct octo_effect items[HOST_EFFECTS];
    struct octo_effects effects;
    uint32_t marks[OCTO_MARK_COUNT];
    uint64_t next_op;
    uint32_t in_flight;
    uint32_t written_segment; /* the last one with a WRITE */
    bool keeps;               /* entries stay in memory and on the disk */
    uint64_t memory_ns;       /* time in which the system gave the memory */
    uint64_t step_ns;         /* time spent in the kernel */
    struct host_counts counts;
};

/* host_config fills in a production node's limits, with segments of segment_bytes. */
void host_config(struct octo_config *config, uint32_t segment_bytes);

/* host_open opens directory, or makes it, and brings the log to READY; boot_ns: how long that took,
 * from octo_wal_boot on. On failure too the host must be closed. */
bool host_open(struct host *host, const struct octo_config *config, const char *directory,
               uint64_t *boot_ns);
void host_close(struct host *host);

/* host_flush ends a step: what is due goes to the disk. */
bool host_flush(struct host *host);

/* host_wait takes one completion, without flushing: the caller may append before it does. */
bool host_wait(struct host *host);

/* host_settle waits until nothing is in flight. */
bool host_settle(struct host *host);

/* host_append appends count entries with commands of size bytes each, from `commands`, where they
 * lie one after the other. Unless the host keeps them all, durable ones make room where needed. */
bool host_append(struct host *host, const uint8_t *commands, uint32_t size, uint32_t count);

/* ---- The floor (floor.c) ------------------------------------------------------------------- */

struct floor;

/* floor_open makes two files of file_bytes in directory, their space written. */
struct floor *floor_open(const char *directory, uint32_t file_bytes);
void floor_close(struct floor *floor);

/* floor_run writes `bytes` and syncs, to one file or to two in parallel, again and again for
 * for_ns. rounds: how often; the duration of each goes to samples, at most room of them. */
bool floor_run(struct floor *floor, uint32_t files, uint32_t bytes, uint64_t for_ns,
               uint64_t *samples, uint32_t room, uint64_t *rounds, uint64_t *spent_ns);

/* ---- Measurements ---------------------------------------------------------------------------- */

#define ROUNDS_MAX  64u
#define SAMPLES_MAX 65536u

/* One series of measurements: a rate for each round, and times of single acknowledgements (steady:
 * since the one before) or syncs. */
struct series {
    double mb_per_second[ROUNDS_MAX]; /* 10^6 bytes really written, all files */
    uint64_t bytes, batches, spent_ns;
    uint64_t *samples; /* SAMPLES_MAX */
    uint32_t sample_count;
    struct host_counts counts;
};

struct append {
    uint32_t size, batch;
    struct series steady; /* APPEND_WINDOW batches outstanding at a time */
    struct series same;   /* the floor with as many bytes a write as that had, on average */
    struct series single; /* the same with one file */
    struct series alone;  /* on an idle log: append, wait for the acknowledgement */
    struct series lazy;   /* likewise, with marker_lazy */
    struct series pair;   /* the floor with the bytes of one batch */
};

#define APPEND_WINDOW 4u

struct append_bench {
    struct host *host;
    struct host *lazy;
    struct floor *floor;
    uint8_t *commands; /* enough for a batch */
    uint32_t sector_bytes;
    uint64_t slice_ns;
};

/* append_round runs each series once, interleaved, as round number `round`. */
bool append_round(struct append_bench *bench, struct append *append, uint32_t round);

/* append_warm_up writes until segments are recycled. */
bool append_warm_up(struct append_bench *bench, struct host *host);

#define RECOVERY_ROUNDS_MAX 16u

struct recovery {
    uint64_t log_bytes; /* wanted, of one topic */
    uint32_t rounds;
    uint64_t entries, bytes_read; /* of one recovery; both topics */
    uint64_t boot_ns[RECOVERY_ROUNDS_MAX];
    uint64_t memory_ns[RECOVERY_ROUNDS_MAX]; /* before that: to get the memory */
    uint64_t step_ns[RECOVERY_ROUNDS_MAX];   /* of that in the kernel; else waiting for reads */
};

/* recovery_run writes a log of entries of 1 KiB into directory and recovers it, from the page
 * cache, `rounds` times. */
bool recovery_run(struct recovery *recovery, const char *directory, uint32_t segment_bytes);

/* encode_run: nanoseconds of processor time to encode a record with a command of 1 KiB, checksum
 * included; the median of `rounds` passes over memory that no cache holds. */
bool encode_run(uint32_t rounds, double *record_ns);

#endif
