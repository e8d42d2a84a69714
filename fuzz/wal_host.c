#include "fuzz/wal_host.h"

#include <stdlib.h>

#define LIST_MAX 4096u

static void *grown(void *block, uint64_t size)
{
    void *made = realloc(block, size > 0 ? size : 1);

    if (made == NULL)
        abort();
    return made;
}

void host_make(struct wal_host *host, const struct octo_config *config, uint64_t file_bytes_max)
{
    memset(host, 0, sizeof *host);
    octo_assert(octo_config_check(config) == OCTO_ERR_OK);
    host->config = *config;
    host->file_bytes_max = file_bytes_max;
    host->scratch_bytes = config->read_bytes + LIST_MAX;
    host->scratch = grown(NULL, host->scratch_bytes);
    host->effects.items = host->items;
    host->effects.capacity = HOST_EFFECTS;
    host->deadline = OCTO_NEVER;
}

void host_free(struct wal_host *host)
{
    for (uint32_t i = 0; i < HOST_FILES; i++)
        free(host->files[i].bytes);
    free(host->block);
    free(host->scratch);
    memset(host, 0, sizeof *host);
}

/* ---- Files ----------------------------------------------------------------------------------- */

struct host_file *host_file(struct wal_host *host, uint8_t kind, uint32_t number)
{
    for (uint32_t i = 0; i < HOST_FILES; i++) {
        struct host_file *file = &host->files[i];
        if (file->name.kind == kind && file->name.number == number && kind != 0)
            return file;
    }
    return NULL;
}

static void file_remove(struct host_file *file)
{
    free(file->bytes);
    *file = (struct host_file){.bytes = NULL};
}

/* The file, made if it is not there; NULL if there is no room for it. */
static struct host_file *file_get(struct wal_host *host, uint8_t kind, uint32_t number)
{
    struct host_file *file = host_file(host, kind, number);

    for (uint32_t i = 0; file == NULL && i < HOST_FILES; i++) {
        if (host->files[i].name.kind != 0)
            continue;
        file = &host->files[i];
        file->name = (struct octo_file){.kind = kind, .number = number};
    }
    return file;
}

static bool file_extend(const struct wal_host *host, struct host_file *file, uint64_t size)
{
    if (size <= file->size)
        return true;
    if (size > host->file_bytes_max)
        return false;
    file->bytes = grown(file->bytes, size);
    memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
    return true;
}

void host_put(struct wal_host *host, uint8_t kind, uint32_t number, const uint8_t *bytes,
              uint64_t size)
{
    struct host_file *file = file_get(host, kind, number);

    if (file == NULL)
        abort();
    file->bytes = grown(file->bytes, size);
    file->size = size;
    if (size > 0)
        memcpy(file->bytes, bytes, size);
}

/* ---- Operations ------------------------------------------------------------------------------ */

static void list(struct wal_host *host, const struct octo_disk_op *op, struct octo_event *event)
{
    uint32_t count = 0;
    uint32_t numbers[HOST_FILES];

    for (uint32_t i = 0; i < HOST_FILES; i++) {
        uint32_t at = count;
        if (host->files[i].name.kind != op->file.kind)
            continue;
        for (; at > 0 && numbers[at - 1] > host->files[i].name.number; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = host->files[i].name.number;
        count++;
    }
    /* A part of the answer begins at `offset`, as with a READ. */
    uint8_t whole[4 * HOST_FILES];
    for (uint32_t i = 0; i < count; i++)
        octo_put_u32(whole + (size_t)4 * i, numbers[i]);
    const uint64_t from = octo_min_u64(op->offset, 4 * count);
    event->disk.length = (uint32_t)octo_min_u64(op->length, 4 * count - from);
    memcpy(host->scratch, whole + from, event->disk.length);
    event->disk.data = host->scratch;
}

static void read_file(struct wal_host *host, const struct octo_disk_op *op,
                      struct octo_event *event)
{
    const struct host_file *file = host_file(host, op->file.kind, op->file.number);

    if (file == NULL) {
        event->disk.result = OCTO_ERR_NOT_FOUND;
        return;
    }
    octo_assert(op->length <= host->scratch_bytes);
    const uint64_t from = octo_min_u64(op->offset, file->size);
    event->disk.length = (uint32_t)octo_min_u64(op->length, file->size - from);
    if (event->disk.length > 0)
        memcpy(host->scratch, file->bytes + from, event->disk.length);
    event->disk.data = host->scratch;
}

static void rename_file(struct wal_host *host, const struct octo_disk_op *op,
                        struct octo_event *event)
{
    struct host_file *file = host_file(host, op->file.kind, op->file.number);
    struct host_file *target = host_file(host, op->target.kind, op->target.number);

    if (file == NULL) {
        event->disk.result = OCTO_ERR_NOT_FOUND;
        return;
    }
    if (target != NULL && target != file)
        file_remove(target);
    file->name = op->target;
}

static void extend_or_write(struct wal_host *host, const struct octo_disk_op *op,
                            struct octo_event *event)
{
    struct host_file *file = host_file(host, op->file.kind, op->file.number);

    if (file == NULL) {
        event->disk.result = OCTO_ERR_NOT_FOUND;
    } else if (!file_extend(host, file, op->offset + op->length)) {
        event->disk.result = OCTO_ERR_NO_SPACE;
    } else if (op->kind == OCTO_DISK_WRITE) {
        memcpy(file->bytes + op->offset, op->data, op->length);
        event->disk.length = op->length;
    }
}

static void execute(struct wal_host *host, const struct octo_disk_op *op, struct octo_event *event)
{
    struct host_file *file = host_file(host, op->file.kind, op->file.number);

    *event = (struct octo_event){.kind = OCTO_EVENT_DISK, .now = host->now, .disk = {.id = op->id}};
    switch ((enum octo_disk_kind)op->kind) {
    case OCTO_DISK_READ:
        read_file(host, op, event);
        break;
    case OCTO_DISK_WRITE:
    case OCTO_DISK_ALLOCATE:
        extend_or_write(host, op, event);
        break;
    case OCTO_DISK_SYNC:
        event->disk.result = file != NULL ? OCTO_ERR_OK : OCTO_ERR_NOT_FOUND;
        break;
    case OCTO_DISK_CREATE:
        if (file_get(host, op->file.kind, op->file.number) == NULL)
            event->disk.result = OCTO_ERR_NO_SPACE;
        break;
    case OCTO_DISK_DIR_SYNC:
        break;
    case OCTO_DISK_UNLINK:
        if (file != NULL)
            file_remove(file);
        else
            event->disk.result = OCTO_ERR_NOT_FOUND;
        break;
    case OCTO_DISK_RENAME:
        rename_file(host, op, event);
        break;
    case OCTO_DISK_LIST:
        list(host, op, event);
        break;
    case OCTO_DISK_NONE:
        abort();
    }
}

/* ---- Steps ----------------------------------------------------------------------------------- */

struct octo_step host_begin(struct wal_host *host)
{
    host->effects.count = 0;
    host->effects.bytes_used = 0;
    host->effects.deadline = OCTO_NEVER;
    return (struct octo_step){
        .config = &host->config,
        .effects = &host->effects,
        .now = host->now,
        .marks = host->marks,
        .next_op = &host->next_op,
    };
}

void host_end(struct wal_host *host, struct octo_step *step)
{
    octo_wal_flush(host->wal, step);
    octo_wal_check(host->wal);
    for (uint32_t i = 0; i < host->effects.count; i++) {
        const struct octo_effect *effect = &host->items[i];
        if (effect->kind != OCTO_EFFECT_DISK)
            continue;
        octo_assert(host->op_count < HOST_OPS);
        host->ops[host->op_count++] = effect->disk;
    }
    host->deadline = host->effects.deadline;
}

void host_boot(struct wal_host *host, bool format)
{
    const size_t size = octo_wal_bytes(&host->config);
    struct octo_arena arena;

    free(host->block);
    host->block = aligned_alloc(64, octo_align_up(size, 64));
    if (host->block == NULL)
        abort();
    memset(host->block, 0xa5, size);
    octo_arena_init(&arena, host->block, size);
    host->op_count = 0;
    host->wal = octo_wal_init(&host->config, &arena);
    struct octo_step step = host_begin(host);
    octo_wal_boot(host->wal, &step, format);
    host_end(host, &step);
}

void host_found(struct wal_host *host, const struct octo_position *snapshot)
{
    struct octo_step step = host_begin(host);

    octo_wal_found(host->wal, &step, snapshot);
    host_end(host, &step);
}

static void complete_first(struct wal_host *host)
{
    const struct octo_disk_op op = host->ops[0];
    struct octo_event event;

    host->op_count--;
    memmove(host->ops, host->ops + 1, host->op_count * sizeof host->ops[0]);
    host->now++;
    execute(host, &op, &event);
    struct octo_step step = host_begin(host);
    (void)octo_wal_completion(host->wal, &step, &event);
    host_end(host, &step);
}

static bool stopped(const struct wal_host *host)
{
    const enum octo_wal_stage stage = octo_wal_stage(host->wal);

    return stage == OCTO_WAL_WAITING || stage == OCTO_WAL_READY || stage == OCTO_WAL_FAILED;
}

bool host_run(struct wal_host *host, uint64_t most, bool stop)
{
    for (uint64_t i = 0; i < most; i++) {
        if (stop && stopped(host))
            return true;
        if (host->op_count > 0) {
            complete_first(host);
        } else if (host->deadline != OCTO_NEVER && host->deadline > host->now) {
            host->now = host->deadline;
            struct octo_step step = host_begin(host);
            host_end(host, &step);
        } else {
            return true;
        }
    }
    return false;
}

void host_kill(struct wal_host *host)
{
    for (uint32_t i = 0; i < host->op_count; i++) {
        struct octo_event event;
        if (host->ops[i].kind == OCTO_DISK_WRITE)
            execute(host, &host->ops[i], &event);
    }
    host->op_count = 0;
}
