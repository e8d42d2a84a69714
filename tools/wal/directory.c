/* The directory: which of a node's files are there, and what they hold. Opened for reading only. */
#include "tools/wal/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME   "lock"
#define READ_BYTES  (1u << 20)
#define BLOCK_BYTES 4096u /* what is given up where the disk fails */

static const char *kind_text(uint8_t kind)
{
    static const char *const texts[] = {"",
#define KIND_TEXT(name, value, text) text,
                                        OCTO_FILES(KIND_TEXT)
#undef KIND_TEXT
    };
    return kind < sizeof texts / sizeof texts[0] ? texts[kind] : "";
}

static bool is_numbered(uint8_t kind)
{
    return kind != OCTO_FILE_IDENTITY && kind != OCTO_FILE_VOTE;
}

void file_name(uint8_t kind, uint32_t number, char name[NAME_BYTES])
{
    if (is_numbered(kind))
        snprintf(name, NAME_BYTES, "%s-%010" PRIu32, kind_text(kind), number);
    else
        snprintf(name, NAME_BYTES, "%s", kind_text(kind));
}

/* A name is a file's only if the file would be called like that. */
static bool name_parse(const char *name, struct entry *entry)
{
    const char *dash = strrchr(name, '-');
    char expected[NAME_BYTES];

    for (uint8_t kind = OCTO_FILE_IDENTITY; kind <= OCTO_FILE_SNAPSHOT; kind++) {
        const bool numbered = is_numbered(kind);
        if (numbered != (dash != NULL))
            continue;
        entry->kind = kind;
        entry->number = numbered ? (uint32_t)strtoul(dash + 1, NULL, 10) : 0;
        file_name(kind, entry->number, expected);
        if (strcmp(name, expected) == 0)
            return true;
    }
    return false;
}

static void listed(struct directory *directory, const char *name)
{
    struct entry entry = {0};
    struct stat status;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, LOCK_NAME) == 0)
        return;
    const bool regular = fstatat(directory->descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                         S_ISREG(status.st_mode);
    if (!regular || !name_parse(name, &entry)) {
        directory->strangers = tool_grow(directory->strangers, directory->stranger_count + 1,
                                         sizeof *directory->strangers);
        directory->strangers[directory->stranger_count++] = quoted(name);
        return;
    }
    entry.bytes = (uint64_t)status.st_size;
    directory->entries =
        tool_grow(directory->entries, directory->count + 1, sizeof *directory->entries);
    directory->entries[directory->count++] = entry;
}

static int by_name(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* A shared lock is tried only where the file says that somebody had it, and is given back at once:
 * a node that starts in between would be refused. */
static void lock_look(struct directory *directory)
{
    char text[128];
    const int lock =
        openat(directory->descriptor, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    directory->who = "";
    if (lock < 0)
        return;
    const ssize_t length = pread(lock, text, sizeof text - 1, 0);
    if (length > 0) {
        text[length] = '\0';
        text[strcspn(text, "\n")] = '\0';
        directory->who = quoted(text);
        if (flock(lock, LOCK_SH | LOCK_NB) != 0)
            directory->locked = errno == EWOULDBLOCK;
        else
            flock(lock, LOCK_UN);
    }
    close(lock);
}

bool directory_open(struct directory *directory, const char *path)
{
    *directory = (struct directory){.path = path};
    directory->descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->descriptor < 0) {
        complain("%s: %s", quoted(path), strerror(errno));
        return false;
    }
    const int again = dup(directory->descriptor);
    DIR *stream = again < 0 ? NULL : fdopendir(again);
    if (stream == NULL) {
        complain("%s: %s", quoted(path), strerror(errno));
        return false;
    }
    errno = 0;
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream))
        listed(directory, entry->d_name);
    const int error = errno;
    closedir(stream);
    if (error != 0 && directory->count == 0) {
        complain("%s: %s", quoted(path), strerror(error));
        return false;
    }
    if (directory->count > 0)
        qsort(directory->entries, directory->count, sizeof *directory->entries, by_name);
    lock_look(directory);
    return true;
}

const struct entry *directory_find(const struct directory *directory, uint8_t kind, uint32_t number)
{
    for (uint32_t i = 0; i < directory->count; i++) {
        const struct entry *entry = &directory->entries[i];
        if (entry->kind == kind && entry->number == number)
            return entry;
    }
    return NULL;
}

/* ---- Content --------------------------------------------------------------------------------- */

/* Reads [from, from + want) as far as the file goes; returns where it ends. What the disk does not
 * give is left zero, block by block. */
static uint64_t range_read(struct content *content, int file, uint64_t from, uint64_t want)
{
    uint64_t at = from;

    while (at < from + want) {
        const ssize_t got = pread(file, content->bytes + at, (size_t)(from + want - at), (off_t)at);
        if (got == 0)
            break;
        if (got > 0) {
            at += (uint64_t)got;
        } else if (errno != EINTR) {
            const uint64_t lost = octo_min_u64(BLOCK_BYTES - at % BLOCK_BYTES, from + want - at);
            content->unreadable += lost;
            at += lost;
        }
    }
    return at;
}

void content_read(struct content *content, const struct directory *directory, uint8_t kind,
                  uint32_t number)
{
    char name[NAME_BYTES];
    const struct entry *entry = directory_find(directory, kind, number);

    *content = (struct content){.missing = entry == NULL};
    if (entry == NULL || entry->bytes == 0)
        return;
    file_name(kind, number, name);
    content->bytes = tool_grow(NULL, entry->bytes, 1);
    memset(content->bytes, 0, entry->bytes);
    const int file =
        openat(directory->descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) {
        content->size = entry->bytes;
        content->unreadable = entry->bytes;
        return;
    }
    while (content->size < entry->bytes) {
        const uint64_t want = octo_min_u64(READ_BYTES, entry->bytes - content->size);
        const uint64_t end = range_read(content, file, content->size, want);
        const bool over = end < content->size + want;
        content->size = end;
        if (over)
            break;
    }
    close(file);
}

void content_free(struct content *content)
{
    free(content->bytes);
    *content = (struct content){.missing = true};
}

bool content_zeros(const struct content *content, uint64_t from, uint64_t bytes)
{
    const uint64_t end = octo_min_u64(content->size, from + bytes);

    for (uint64_t at = from; at < end; at++) {
        if (content->bytes[at] != 0)
            return false;
    }
    return true;
}
