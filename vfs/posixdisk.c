/* The POSIX disk's door: the queue of operations, the threads, the completions. */
#include "vfs/posixdisk.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* A log writes two topics at once; a vote, a snapshot and the next segments of both may be under
 * way beside them. Threads that wait cost next to nothing. */
#define THREADS_DEFAULT 8u
#define PENDING_DEFAULT 256u

/* ---- Lists ----------------------------------------------------------------------------------- */

static void list_add(struct posixdisk_list *list, struct posixdisk_pending *pending)
{
    pending->next = NULL;
    if (list->last != NULL)
        list->last->next = pending;
    else
        list->first = pending;
    list->last = pending;
}

static struct posixdisk_pending *list_take(struct posixdisk_list *list)
{
    struct posixdisk_pending *pending = list->first;
    if (pending == NULL)
        return NULL;
    list->first = pending->next;
    if (list->first == NULL)
        list->last = NULL;
    return pending;
}

/* ---- The disk's threads ---------------------------------------------------------------------- */

/* The descriptor is readable exactly while `done` holds something: both calls are made under
 * queue_lock, when it begins to and when it ends. */
static void event_raise(int event)
{
    const uint64_t one = 1;
    const ssize_t written = write(event, &one, sizeof one);
    octo_assert(written == (ssize_t)sizeof one);
}

static void event_clear(int event)
{
    uint64_t count = 0;
    const ssize_t got = read(event, &count, sizeof count);
    octo_assert(got == (ssize_t)sizeof count);
}

static void *thread_main(void *context)
{
    struct octo_posixdisk *disk = context;
    pthread_mutex_lock(&disk->queue_lock);
    for (;;) {
        while (disk->todo.first == NULL && !disk->closing)
            pthread_cond_wait(&disk->submitted, &disk->queue_lock);
        if (disk->closing)
            break;
        struct posixdisk_pending *pending = list_take(&disk->todo);
        pthread_mutex_unlock(&disk->queue_lock);
        posixdisk_execute(disk, pending);
        pthread_mutex_lock(&disk->queue_lock);
        if (disk->done.first == NULL)
            event_raise(disk->event);
        list_add(&disk->done, pending);
    }
    pthread_mutex_unlock(&disk->queue_lock);
    return NULL;
}

static bool threads_start(struct octo_posixdisk *disk, uint32_t count)
{
    /* Signals are the owner's business: none is delivered to a thread of the disk. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    disk->threads = calloc(count, sizeof *disk->threads);
    if (disk->threads == NULL || pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    while (disk->thread_count < count &&
           pthread_create(&disk->threads[disk->thread_count], NULL, thread_main, disk) == 0)
        disk->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return disk->thread_count == count;
}

/* ---- Open and close -------------------------------------------------------------------------- */

static bool memory_take(struct octo_posixdisk *disk, uint32_t pending_max)
{
    disk->zeros = aligned_alloc(OCTO_POSIXDISK_ALIGNMENT, POSIXDISK_ZEROS_BYTES);
    disk->pending = calloc(pending_max, sizeof *disk->pending);
    if (disk->zeros == NULL || disk->pending == NULL)
        return false;
    memset(disk->zeros, 0, POSIXDISK_ZEROS_BYTES);
    for (uint32_t i = 0; i < pending_max; i++)
        list_add(&disk->free, &disk->pending[i]);
    disk->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return disk->event >= 0;
}

enum octo_err octo_posixdisk_open(const char *directory,
                                  const struct octo_posixdisk_options *options,
                                  struct octo_posixdisk **disk, char *why, size_t why_bytes)
{
    const uint32_t threads = options->threads != 0 ? options->threads : THREADS_DEFAULT;
    const uint32_t pending_max = options->pending_max != 0 ? options->pending_max : PENDING_DEFAULT;
    *disk = NULL;
    struct octo_posixdisk *made = calloc(1, sizeof *made);
    if (made == NULL) {
        snprintf(why, why_bytes, "%s: out of memory", directory);
        return OCTO_ERR_FULL;
    }
    made->calls = options->calls != NULL ? options->calls : &octo_posix_calls;
    made->directory = made->lock = made->event = -1;
    made->direct_writes = options->direct;
    atomic_init(&made->direct_works, true);
    pthread_mutex_init(&made->files_lock, NULL);
    pthread_mutex_init(&made->queue_lock, NULL);
    pthread_cond_init(&made->submitted, NULL);
    enum octo_err err = posixdisk_directory_open(made, directory, options->create, why, why_bytes);
    if (err == OCTO_ERR_OK && !(memory_take(made, pending_max) && threads_start(made, threads))) {
        snprintf(why, why_bytes, "%s: out of memory, threads or file descriptors", directory);
        err = OCTO_ERR_FULL;
    }
    if (err != OCTO_ERR_OK) {
        octo_posixdisk_close(made);
        return err;
    }
    *disk = made;
    return OCTO_ERR_OK;
}

static void list_free_bytes(struct posixdisk_list *list)
{
    for (struct posixdisk_pending *pending; (pending = list_take(list)) != NULL;)
        free(pending->answer.bytes);
}

void octo_posixdisk_close(struct octo_posixdisk *disk)
{
    if (disk == NULL)
        return;
    pthread_mutex_lock(&disk->queue_lock);
    disk->closing = true;
    pthread_cond_broadcast(&disk->submitted);
    pthread_mutex_unlock(&disk->queue_lock);
    for (uint32_t i = 0; i < disk->thread_count; i++)
        pthread_join(disk->threads[i], NULL);
    posixdisk_files_close(disk);
    list_free_bytes(&disk->todo);
    list_free_bytes(&disk->done);
    if (disk->event >= 0)
        close(disk->event);
    if (disk->directory >= 0)
        close(disk->directory);
    posixdisk_unlock(disk); /* last: whoever gets it next finds nothing going on */
    pthread_cond_destroy(&disk->submitted);
    pthread_mutex_destroy(&disk->queue_lock);
    pthread_mutex_destroy(&disk->files_lock);
    free(disk->threads);
    free(disk->returned.bytes);
    posixdisk_buffers_free(disk);
    free(disk->pending);
    free(disk->zeros);
    free(disk);
}

/* ---- Operations ------------------------------------------------------------------------------ */

enum octo_err octo_posixdisk_submit(struct octo_posixdisk *disk, const struct octo_disk_op *op)
{
    octo_assert(op->kind >= OCTO_DISK_READ);
    octo_assert(op->kind <= OCTO_DISK_LIST);
    octo_assert(op->kind == OCTO_DISK_DIR_SYNC || op->file.kind != OCTO_FILE_NONE);
    octo_assert(op->kind != OCTO_DISK_RENAME || op->target.kind != OCTO_FILE_NONE);
    const bool answers = op->kind == OCTO_DISK_READ || op->kind == OCTO_DISK_LIST;
    struct posixdisk_buffer answer = {0};
    if (answers && op->length > 0) {
        answer = posixdisk_buffer_take(disk, op->length);
        if (answer.bytes == NULL)
            return OCTO_ERR_FULL;
    }
    pthread_mutex_lock(&disk->queue_lock);
    struct posixdisk_pending *pending = list_take(&disk->free);
    if (pending != NULL) {
        *pending = (struct posixdisk_pending){.op = *op, .answer = answer};
        list_add(&disk->todo, pending);
        disk->in_flight++;
        pthread_cond_signal(&disk->submitted);
    }
    pthread_mutex_unlock(&disk->queue_lock);
    if (pending == NULL)
        posixdisk_buffer_give(disk, answer);
    return pending != NULL ? OCTO_ERR_OK : OCTO_ERR_FULL;
}

/* Takes the next completion, if there is one. *in_flight: how many operations are. */
static bool completion_take(struct octo_posixdisk *disk, struct octo_event *event,
                            uint32_t *in_flight)
{
    pthread_mutex_lock(&disk->queue_lock);
    struct posixdisk_pending *pending = list_take(&disk->done);
    if (pending != NULL) {
        event->kind = OCTO_EVENT_DISK;
        event->disk.id = pending->op.id;
        event->disk.result = pending->result;
        event->disk.data = pending->result == OCTO_ERR_OK ? pending->answer.bytes : NULL;
        event->disk.length = pending->length;
        disk->returned = pending->answer;
        list_add(&disk->free, pending);
        disk->in_flight--;
        if (disk->done.first == NULL)
            event_clear(disk->event);
    }
    *in_flight = disk->in_flight;
    pthread_mutex_unlock(&disk->queue_lock);
    return pending != NULL;
}

static octo_time_ns clock_now(void)
{
    struct timespec now;
    const int result = clock_gettime(CLOCK_MONOTONIC, &now);
    octo_assert(result == 0);
    return (octo_time_ns)now.tv_sec * OCTO_SECOND + (octo_time_ns)now.tv_nsec;
}

bool octo_posixdisk_wait(struct octo_posixdisk *disk, octo_time_ns timeout_ns,
                         struct octo_event *event)
{
    posixdisk_buffer_give(disk, disk->returned);
    disk->returned = (struct posixdisk_buffer){0};
    uint32_t in_flight = 0;
    octo_time_ns deadline = 0;
    for (;;) {
        if (completion_take(disk, event, &in_flight))
            return true;
        if (in_flight == 0 || timeout_ns == 0)
            return false;
        const octo_time_ns now = clock_now();
        if (deadline == 0)
            deadline = timeout_ns < OCTO_NEVER - now ? now + timeout_ns : OCTO_NEVER;
        if (now >= deadline)
            return false;
        const octo_time_ns left = deadline - now;
        const struct timespec timeout = {.tv_sec = (time_t)(left / OCTO_SECOND),
                                         .tv_nsec = (long)(left % OCTO_SECOND)};
        struct pollfd wanted = {.fd = disk->event, .events = POLLIN};
        const int ready = ppoll(&wanted, 1, deadline == OCTO_NEVER ? NULL : &timeout, NULL);
        octo_assert(ready >= 0 || errno == EINTR);
    }
}

int octo_posixdisk_descriptor(const struct octo_posixdisk *disk)
{
    return disk->event;
}
