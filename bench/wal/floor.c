/* The floor: what the disk takes for the same bytes with nothing around them.
 *
 * A round is a write and an fdatasync, to one file or to two in parallel: a log of two topics
 * cannot acknowledge a batch with less. The files have their space before, as segments do, and are
 * begun again when they are full. */
#include "bench/wal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct floor {
    int files[2];
    uint32_t file_bytes;
    uint8_t *bytes; /* file_bytes of them */
    pthread_t helper;
    bool has_helper;
    pthread_barrier_t barrier;
    /* Of the present round; the helper reads them between two barriers. */
    bool over;
    uint32_t length;
    uint32_t offset;
    bool good[2];
};

static bool write_sync(const struct floor *floor, uint32_t file)
{
    uint32_t done = 0;

    while (done < floor->length) {
        const ssize_t written = pwrite(floor->files[file], floor->bytes + floor->offset + done,
                                       floor->length - done, (off_t)floor->offset + (off_t)done);
        if (written > 0)
            done += (uint32_t)written;
        else if (written == 0 || errno != EINTR)
            return false;
    }
    return fdatasync(floor->files[file]) == 0;
}

static void *helper_main(void *context)
{
    struct floor *floor = context;

    for (;;) {
        (void)pthread_barrier_wait(&floor->barrier);
        if (floor->over)
            return NULL;
        floor->good[1] = write_sync(floor, 1);
        (void)pthread_barrier_wait(&floor->barrier);
    }
}

static bool file_make(struct floor *floor, const char *directory, uint32_t number)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/floor-%u", directory, number);
    floor->files[number] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    floor->offset = 0;
    floor->length = floor->file_bytes;
    if (floor->files[number] < 0 || !write_sync(floor, number))
        return bench_wal_fail("%s: cannot be written", path);
    return true;
}

struct floor *floor_open(const char *directory, uint32_t file_bytes)
{
    struct floor *floor = calloc(1, sizeof *floor);

    if (floor == NULL) {
        (void)bench_wal_fail("no memory for the floor");
        return NULL;
    }
    *floor = (struct floor){.files = {-1, -1}, .file_bytes = file_bytes};
    floor->bytes = malloc(file_bytes);
    bool good = floor->bytes != NULL || bench_wal_fail("no memory for the floor");
    if (good) {
        bench_wal_noise(floor->bytes, file_bytes);
        good = file_make(floor, directory, 0) && file_make(floor, directory, 1);
    }
    if (good) {
        good = pthread_barrier_init(&floor->barrier, NULL, 2) == 0;
        floor->has_helper = good && pthread_create(&floor->helper, NULL, helper_main, floor) == 0;
        good = floor->has_helper || bench_wal_fail("no thread for the floor");
    }
    if (good)
        return floor;
    floor_close(floor);
    return NULL;
}

void floor_close(struct floor *floor)
{
    if (floor == NULL)
        return;
    if (floor->has_helper) {
        floor->over = true;
        (void)pthread_barrier_wait(&floor->barrier);
        (void)pthread_join(floor->helper, NULL);
        (void)pthread_barrier_destroy(&floor->barrier);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (floor->files[i] >= 0)
            close(floor->files[i]);
    }
    free(floor->bytes);
    free(floor);
}

bool floor_run(struct floor *floor, uint32_t files, uint32_t bytes, uint64_t for_ns,
               uint64_t *samples, uint32_t room, uint64_t *rounds, uint64_t *spent_ns)
{
    const uint64_t begin = bench_wal_now();
    uint64_t last = begin;

    octo_assert(bytes <= floor->file_bytes);
    floor->length = bytes;
    floor->offset = 0;
    floor->good[1] = true;
    *rounds = 0;
    do {
        if (bench_wal_stopped)
            return bench_wal_fail("interrupted");
        if (files == 2)
            (void)pthread_barrier_wait(&floor->barrier);
        floor->good[0] = write_sync(floor, 0);
        if (files == 2)
            (void)pthread_barrier_wait(&floor->barrier);
        if (!floor->good[0] || !floor->good[1])
            return bench_wal_fail("the floor's files cannot be written");
        const uint64_t now = bench_wal_now();
        if (*rounds < room)
            samples[*rounds] = now - last;
        last = now;
        (*rounds)++;
        floor->offset += bytes;
        if (floor->offset > floor->file_bytes - bytes)
            floor->offset = 0;
    } while (last - begin < for_ns);
    *spent_ns = last - begin;
    return true;
}
