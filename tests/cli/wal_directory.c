/* Makes a node's directory for the tests of octo-wal, with the kernel's own log, and tells what the
 * kernel makes of one.
 *
 *     octo-wal-directory WORD...
 *
 * Words are done in their order:
 *     cluster N, node N, nodes N, sector N, segment N   before the first boot
 *     load DIR, save DIR         the files
 *     at INDEX TERM CHAIN        the snapshot that the next boot goes on from (chain in
 * hexadecimal) format, boot               to READY, or to FAILED append COUNT BYTES entries, made
 * durable tail COUNT BYTES           entries, written and not synced: the process ends rewrite
 * INDEX              another entry of a later term there vote TERM NODE snapshot NUMBER INDEX a
 * file with the log's position at INDEX; the log before it goes install NUMBER INDEX       one that
 * a leader sent; the log is empty after it print                      one JSON object: what the
 * kernel says of itself
 */
#include "fuzz/wal_host.h"
#include "kernel/format.h"

#include <dirent.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define OPERATIONS_MAX 1000000u
#define RAW_BYTES      100000u

static struct wal_host host;
static struct octo_config config;
static struct octo_position snapshot;
static octo_term term = 1;
static uint64_t client_sequence;
static char **words;

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: octo_assert(%s)\n", file, line, expression);
    abort();
}

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "octo-wal-directory: %s\n", what);
    exit(2);
}

static const char *word(void)
{
    if (*words == NULL)
        wrong("another word is wanted");
    return *words++;
}

static uint64_t number(void)
{
    return strtoull(word(), NULL, 10);
}

static struct wal_host *made(void)
{
    if (host.scratch == NULL)
        host_make(&host, &config, 1u << 24);
    return &host;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static const char *const kinds[] = {"", "identity", "vote", "main", "recovery", "snapshot"};

static void path_of(char *path, size_t size, const char *directory, struct octo_file name)
{
    if (name.kind <= OCTO_FILE_VOTE)
        snprintf(path, size, "%s/%s", directory, kinds[name.kind]);
    else
        snprintf(path, size, "%s/%s-%010u", directory, kinds[name.kind], name.number);
}

static void save(const char *directory)
{
    mkdir(directory, 0777);
    for (uint32_t i = 0; i < HOST_FILES; i++) {
        const struct host_file *at = &made()->files[i];
        char path[512];
        if (at->name.kind == 0)
            continue;
        path_of(path, sizeof path, directory, at->name);
        FILE *out = fopen(path, "wb");
        if (out == NULL || (at->size > 0 && fwrite(at->bytes, 1, at->size, out) != at->size) ||
            fclose(out) != 0)
            wrong(path);
    }
}

static void load_file(const char *path, uint8_t kind, uint32_t at)
{
    FILE *in = fopen(path, "rb");
    static uint8_t bytes[1u << 24];
    if (in == NULL)
        wrong(path);
    const size_t size = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    host_put(made(), kind, at, bytes, size);
}

static void load(const char *directory)
{
    DIR *stream = opendir(directory);
    if (stream == NULL)
        wrong(directory);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        const char *dash = strchr(entry->d_name, '-');
        for (uint8_t kind = OCTO_FILE_IDENTITY; kind <= OCTO_FILE_SNAPSHOT; kind++) {
            char path[512], name[512];
            const uint32_t at = dash != NULL ? (uint32_t)strtoul(dash + 1, NULL, 10) : 0;
            path_of(path, sizeof path, directory, (struct octo_file){kind, at});
            snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
            if (strcmp(path, name) == 0)
                load_file(path, kind, at);
        }
    }
    closedir(stream);
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

static uint32_t block_put(uint8_t *at, uint32_t index, const uint8_t *raw, uint32_t size,
                          uint64_t seed)
{
    uint32_t stored = size;

    /* Every other block is stored as it is. */
    if (index % 2 == 0 && size > 16)
        stored = (uint32_t)LZ4_compress_default((const char *)raw, (char *)at + 32, (int)size,
                                                (int)size - 1);
    else
        memcpy(at + 32, raw, size);
    octo_put_u32(at, OCTO_BLOCK_MAGIC);
    octo_put_u32(at + 4, index);
    octo_put_u32(at + 16, stored);
    octo_put_u32(at + 20, size);
    octo_put_u64(at + 24, 0);
    memset(at + 32 + stored, 0, octo_align_up(stored, 8) - stored);
    octo_put_u64(at + 8, octo_hash(at + 16, 16u + stored, seed ^ octo_get_u64(at)));
    return 32 + (uint32_t)octo_align_up(stored, 8);
}

static void snapshot_write(uint32_t file)
{
    static uint8_t raw[RAW_BYTES], bytes[2 * RAW_BYTES];
    uint32_t used = OCTO_SNAPSHOT_HEADER_BYTES;
    uint32_t index = 0;

    for (uint32_t i = 0; i < RAW_BYTES; i++)
        raw[i] = (uint8_t)(i / 7 + file);
    memset(bytes, 0, sizeof bytes);
    octo_put_u32(bytes, OCTO_SNAPSHOT_MAGIC);
    bytes[4] = OCTO_SNAPSHOT_VERSION;
    octo_put_u64(bytes + 16, config.cluster_id);
    octo_put_u64(bytes + 24, snapshot.index);
    octo_put_u64(bytes + 32, snapshot.term);
    octo_put_u64(bytes + 40, snapshot.chain);
    octo_put_u32(bytes + 48, 1);
    const uint64_t seed = octo_hash(bytes + 16, 48, octo_mix(config.cluster_id));
    octo_put_u64(bytes + 8, seed);
    for (uint32_t at = 0; at < RAW_BYTES; at += 30000)
        used += block_put(bytes + used, index++, raw + at,
                          (uint32_t)octo_min_u64(30000, RAW_BYTES - at), seed);
    uint8_t last[16];
    octo_put_u64(last, RAW_BYTES);
    octo_put_u64(last + 8, octo_hash(raw, RAW_BYTES, 0));
    used += block_put(bytes + used, index | 1u, last, 16, seed);
    uint8_t *at = bytes + used - 48;
    octo_put_u32(at + 4, index);
    octo_put_u32(at + 20, 0);
    octo_put_u64(at + 8, octo_hash(at + 16, 32, seed ^ octo_get_u64(at)));
    host_put(made(), OCTO_FILE_SNAPSHOT, file, bytes, used);
}

static void take_snapshot(bool installed)
{
    const uint32_t file = (uint32_t)number();
    const octo_index index = number();
    struct octo_step step;

    if (installed)
        snapshot = (struct octo_position){index, ++term, octo_mix(index)};
    else
        snapshot = octo_log_position(octo_wal_log(host.wal), index);
    snapshot_write(file);
    step = host_begin(&host);
    if (installed)
        octo_wal_install(host.wal, &step, &snapshot);
    else
        octo_wal_compact(host.wal, &step, index, index);
    host_end(&host, &step);
    host_run(&host, OPERATIONS_MAX, false);
}

/* ---- The log --------------------------------------------------------------------------------- */

static void boot(bool format)
{
    host_boot(made(), format);
    host_run(&host, OPERATIONS_MAX, true);
    if (octo_wal_stage(host.wal) == OCTO_WAL_WAITING)
        host_found(&host, &snapshot);
    host_run(&host, OPERATIONS_MAX, true);
    if (octo_wal_stage(host.wal) == OCTO_WAL_READY)
        host_run(&host, 200, false);
}

static void append_at(octo_index index, uint32_t size)
{
    static uint8_t command[65536];

    memset(command, (int)('a' + index % 26), size);
    const struct octo_entry entry = {
        .index = index,
        .term = term,
        .kind = size > 0 ? OCTO_ENTRY_COMMAND : OCTO_ENTRY_NOOP,
        .client = size > 0 ? 1000 + index % 3 : 0,
        .sequence = size > 0 ? ++client_sequence : 0,
        .command = command,
        .size = size,
    };
    struct octo_step step = host_begin(&host);
    if (octo_wal_append(host.wal, &entry) != OCTO_ERR_OK)
        wrong("append");
    host_end(&host, &step);
}

static void append(bool dies)
{
    const uint64_t count = number();
    const uint32_t size = (uint32_t)number();

    for (uint64_t i = 0; i < count; i++) {
        append_at(octo_wal_log(host.wal)->last + 1, size);
        if (!dies)
            host_run(&host, OPERATIONS_MAX, false);
    }
    if (dies)
        host_kill(&host);
}

static void vote(void)
{
    const octo_term wanted = number();
    const octo_node_id node = (octo_node_id)number();
    struct octo_step step = host_begin(&host);

    term = octo_max_u64(term, wanted);
    octo_wal_set_vote(host.wal, wanted, node);
    host_end(&host, &step);
    host_run(&host, OPERATIONS_MAX, false);
}

static void print(void)
{
    const struct octo_log *log = octo_wal_log(host.wal);
    const bool ready = octo_wal_stage(host.wal) == OCTO_WAL_READY;
    struct octo_position floor = {0};
    const bool recovering = ready && octo_wal_floor(host.wal, &floor);

    printf("{\"ready\":%s,\"reason\":\"%s\"", ready ? "true" : "false",
           ready ? "" : octo_err_text(octo_wal_reason(host.wal)));
    if (ready)
        printf(",\"base\":%llu,\"last\":%llu,\"last_term\":%llu,\"chain\":\"%016llx\","
               "\"recovering\":%s,\"floor_unknown\":%s,\"floor_index\":%llu,\"floor_term\":%llu,"
               "\"term\":%llu,\"vote\":%u",
               (unsigned long long)log->base.index, (unsigned long long)log->last,
               (unsigned long long)octo_log_term(log, log->last),
               (unsigned long long)octo_log_chain(log, log->last), recovering ? "true" : "false",
               floor.index == OCTO_FLOOR_UNKNOWN ? "true" : "false",
               (unsigned long long)(recovering ? floor.index : 0),
               (unsigned long long)(recovering ? floor.term : 0),
               (unsigned long long)octo_wal_term(host.wal), octo_wal_vote(host.wal));
    printf("}\n");
}

/* ---- Words ----------------------------------------------------------------------------------- */

static bool setting(const char *name)
{
    if (strcmp(name, "cluster") == 0)
        config.cluster_id = number();
    else if (strcmp(name, "node") == 0)
        config.node_id = (octo_node_id)number();
    else if (strcmp(name, "nodes") == 0)
        config.node_count = (uint32_t)number();
    else if (strcmp(name, "sector") == 0)
        config.sector_bytes = (uint32_t)number();
    else if (strcmp(name, "segment") == 0)
        config.segment_bytes = (uint32_t)number();
    else
        return false;
    return true;
}

static void position(void)
{
    snapshot.index = number();
    snapshot.term = number();
    snapshot.chain = strtoull(word(), NULL, 16);
}

static void act(const char *name)
{
    if (setting(name))
        return;
    if (strcmp(name, "load") == 0)
        load(word());
    else if (strcmp(name, "save") == 0)
        save(word());
    else if (strcmp(name, "at") == 0)
        position();
    else if (strcmp(name, "format") == 0 || strcmp(name, "boot") == 0)
        boot(name[0] == 'f');
    else if (strcmp(name, "append") == 0 || strcmp(name, "tail") == 0)
        append(name[0] == 't');
    else if (strcmp(name, "rewrite") == 0) {
        term++;
        append_at(number(), 30);
        host_run(&host, OPERATIONS_MAX, false);
    } else if (strcmp(name, "vote") == 0)
        vote();
    else if (strcmp(name, "snapshot") == 0 || strcmp(name, "install") == 0)
        take_snapshot(name[0] == 'i');
    else if (strcmp(name, "print") == 0)
        print();
    else
        wrong(name);
}

int main(int argc, char **argv)
{
    (void)argc;
    octo_config_small(&config, 7, 2, 3, 500);
    words = argv + 1;
    while (*words != NULL)
        act(*words++);
    host_free(&host);
    return 0;
}
