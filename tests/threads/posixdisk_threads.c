/* The POSIX disk under load, for ThreadSanitizer: whatever is wrong between the threads is its to
 * say. A plain program, as Criterion's processes and the sanitizer do not go together.
 *
 *   posixdisk_threads DIRECTORY [OPERATIONS]
 *
 * The directory is made if it is not there; only its file `lock` stays. */
#include "vfs/vfs.h"

#include <stdio.h>
#include <stdlib.h>

#define FILES   4u
#define WINDOW  48u /* operations in flight */
#define PAGE    4096u
#define PLACES  16u
#define RESULTS 3u

static const uint8_t kinds[FILES] = {OCTO_FILE_MAIN, OCTO_FILE_RECOVERY, OCTO_FILE_SNAPSHOT,
                                     OCTO_FILE_VOTE};

struct run {
    struct octo_posixdisk *disk;
    uint64_t state, next_id, completions;
    uint32_t in_flight;
    uint32_t results[RESULTS]; /* OK, NOT_FOUND, others */
};

static uint32_t draw_below(struct run *run, uint32_t limit)
{
    run->state += 0x9e3779b97f4a7c15ull;
    return (uint32_t)(octo_mix(run->state) % limit);
}

static void submit(struct run *run, struct octo_disk_op op)
{
    op.id = ++run->next_id;
    const enum octo_err err = octo_posixdisk_submit(run->disk, &op);
    octo_assert(err == OCTO_ERR_OK);
    run->in_flight++;
}

static void take(struct run *run)
{
    struct octo_event event;
    const bool came = octo_posixdisk_wait(run->disk, OCTO_NEVER, &event);
    octo_assert(came);
    const uint32_t class = event.disk.result == OCTO_ERR_OK          ? 0
                           : event.disk.result == OCTO_ERR_NOT_FOUND ? 1
                                                                     : 2;
    run->results[class]++;
    run->completions++;
    run->in_flight--;
}

/* All operations of all kinds, overlapping or not: the contents are nobody's concern here. */
static struct octo_disk_op drawn(struct run *run, const uint8_t *data)
{
    static const uint8_t ops[] = {
        OCTO_DISK_WRITE,  OCTO_DISK_WRITE,    OCTO_DISK_WRITE,  OCTO_DISK_READ,
        OCTO_DISK_READ,   OCTO_DISK_SYNC,     OCTO_DISK_SYNC,   OCTO_DISK_CREATE,
        OCTO_DISK_CREATE, OCTO_DISK_UNLINK,   OCTO_DISK_RENAME, OCTO_DISK_DIR_SYNC,
        OCTO_DISK_LIST,   OCTO_DISK_ALLOCATE,
    };
    const uint8_t kind = kinds[draw_below(run, FILES)];
    const uint32_t top = kind == OCTO_FILE_VOTE ? 1 : 3;
    const struct octo_file file = {kind, draw_below(run, top)};
    return (struct octo_disk_op){
        .kind = ops[draw_below(run, sizeof ops)],
        .file = file,
        .target = {kind, draw_below(run, top)},
        .offset = (uint64_t)draw_below(run, PLACES) * PAGE,
        .length = PAGE - (draw_below(run, 4) == 0 ? 1 : 0),
        .data = data + (uint64_t)draw_below(run, PLACES) * PAGE,
    };
}

int main(int argc, char **argv)
{
    octo_assert(argc >= 2);
    const uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 3000;
    const struct octo_posixdisk_options options = {.create = true, .direct = true};
    char why[200];
    uint8_t *data = aligned_alloc(PAGE, (size_t)PLACES * PAGE);
    struct run run = {.state = 1};
    octo_assert(data != NULL);
    memset(data, 'x', (size_t)PLACES * PAGE);
    if (octo_posixdisk_open(argv[1], &options, &run.disk, why, sizeof why) != OCTO_ERR_OK) {
        fprintf(stderr, "%s\n", why);
        return 2;
    }
    for (uint32_t i = 0; i < count; i++) {
        while (run.in_flight == WINDOW)
            take(&run);
        submit(&run, drawn(&run, data));
    }
    while (run.in_flight > 0)
        take(&run);
    for (uint32_t i = 0; i < FILES * 3; i++) {
        const struct octo_file file = {kinds[i % FILES], i / FILES};
        if (file.kind != OCTO_FILE_VOTE || file.number == 0)
            submit(&run, (struct octo_disk_op){.kind = OCTO_DISK_UNLINK, .file = file});
    }
    while (run.in_flight > 0)
        take(&run);
    for (uint32_t i = 0; i < WINDOW; i++)
        submit(&run, (struct octo_disk_op){.kind = OCTO_DISK_DIR_SYNC});
    octo_posixdisk_close(run.disk); /* with operations in flight */
    free(data);
    printf("%llu completions: %u ok, %u not found, %u others\n",
           (unsigned long long)run.completions, run.results[0], run.results[1], run.results[2]);
    return run.results[2] == 0 && run.results[0] > count / 3 ? 0 : 1;
}
