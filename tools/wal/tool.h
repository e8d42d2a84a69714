/* octo-wal: reads a node's directory for people. Private to tools/wal/.
 *
 * A third reader of docs/formats.md, beside the kernel's and the oracle's, and written from that
 * page: of the kernel it uses magics, seeds and the hash, nothing else. Nothing is ever written to
 * the directory.
 *
 *     arguments.c   the command line
 *     directory.c   names, files, the lock
 *     identity.c    whose directory it is, or may be
 *     vote.c        term and vote
 *     snapshot.c    snapshot files, block by block
 *     scan.c        the topics, place by place
 *     meaning.c     from records to the log
 *     survey.c      all of that together
 *     judge.c       what is damaged, and what a node would do about it
 *     dump.c, verify.c, explain.c   the three reports
 *     output.c      JSON, colour, complaints, memory
 */
#ifndef OCTO_TOOLS_WAL_TOOL_H
#define OCTO_TOOLS_WAL_TOOL_H

#include "kernel/kernel.h"

#include <stdarg.h>
#include <stdio.h>

enum tool_exit {
    TOOL_SOUND = 0,
    TOOL_DAMAGED = 1, /* or the node cannot start */
    TOOL_USAGE = 2,   /* or there is no directory of a node to be read */
    TOOL_BROKEN = 3,  /* the program itself failed: no memory, output not written */
};

enum tool_command {
    TOOL_NONE = 0,
    TOOL_DUMP = 1,
    TOOL_VERIFY = 2,
    TOOL_EXPLAIN = 3,
};

enum { TOPIC_MAIN = 0, TOPIC_RECOVERY = 1, TOPICS = 2 };
#define IN_MAIN     (1u << TOPIC_MAIN)
#define IN_RECOVERY (1u << TOPIC_RECOVERY)
#define IN_BOTH     (IN_MAIN | IN_RECOVERY)

struct tool_arguments {
    enum tool_command command;
    const char *path;
    bool json, quiet, help, version;
    uint64_t cluster; /* 0: not given */
    uint32_t node;    /* 0: not given */
    uint32_t topics;  /* dump: IN_MAIN, IN_RECOVERY or IN_BOTH */
    uint32_t segment; /* dump: 0: all */
    uint64_t from;    /* dump: records of this sequence and above */
    uint64_t limit;   /* dump: lines at most */
};

/* ---- arguments.c ----------------------------------------------------------------------------- */

/* arguments_parse fills arguments. On bad usage it prints one line on standard error and returns
 * false. */
bool arguments_parse(struct tool_arguments *arguments, int argc, char **argv) OCTO_MUST_USE;
void help_print(FILE *out);
void version_print(FILE *out);

/* ---- output.c -------------------------------------------------------------------------------- */

/* complain prints "octo-wal: ..." and a newline on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* tool_grow returns a block of count items of size bytes that begins with what `block` held. There
 * is no return without memory: exit status TOOL_BROKEN. */
void *tool_grow(void *block, size_t count, size_t size) OCTO_MUST_USE;

void tool_free(void *block);

/* text_of returns a formatted string of its own, which lives until texts_free is called with a mark
 * that was taken before it was made. */
const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *text_of_list(const char *format, va_list list) __attribute__((format(printf, 1, 0)));

struct text;
struct text *texts_mark(void) OCTO_MUST_USE;
void texts_free(const struct text *mark);

/* A word from outside, fit for one line: control characters become '?', long words are cut. */
const char *quoted(const char *word);

/* An object being written: one line. */
struct json {
    FILE *out;
    bool begun;
};

void json_number(struct json *json, const char *name, uint64_t value);
void json_text(struct json *json, const char *name, const char *value);
void json_bool(struct json *json, const char *name, bool value);
void json_hash(struct json *json, const char *name, uint64_t value); /* as 16 hexadecimal digits */
void json_end(struct json *json);

enum colour { COLOUR_GOOD, COLOUR_BAD, COLOUR_DIM };
/* coloured prints text, padded to width, in colour where there is any: on a terminal, and not if
 * NO_COLOR is set. */
void coloured(FILE *out, enum colour colour, const char *text, int width);

/* ---- directory.c ----------------------------------------------------------------------------- */

#define NAME_BYTES 32u

struct entry {
    uint8_t kind; /* enum octo_file_kind */
    uint32_t number;
    uint64_t bytes;
};

struct directory {
    const char *path;
    int descriptor;
    struct entry *entries; /* by kind, then by number */
    uint32_t count;
    const char **strangers; /* names that are not a node's */
    uint32_t stranger_count;
    bool locked;     /* a live process holds the lock */
    const char *who; /* what it has written into the file, "" if nothing */
};

/* directory_open lists path. On failure it complains and returns false. */
bool directory_open(struct directory *directory, const char *path) OCTO_MUST_USE;

/* file_name writes what a node calls the file. */
void file_name(uint8_t kind, uint32_t number, char name[NAME_BYTES]);

/* directory_find returns the entry, NULL if there is none. */
const struct entry *directory_find(const struct directory *directory, uint8_t kind,
                                   uint32_t number);

struct content {
    uint8_t *bytes;      /* NULL if there is no such file, or it is empty */
    uint64_t size;       /* bytes */
    uint64_t unreadable; /* bytes that the disk did not give: they are zeros here */
    bool missing;
};

/* content_read reads a whole file; content_free gives it back. */
void content_read(struct content *content, const struct directory *directory, uint8_t kind,
                  uint32_t number);
void content_free(struct content *content);

/* content_zeros: whether [from, from + bytes) holds zeros, as it does beyond the end. */
bool content_zeros(const struct content *content, uint64_t from, uint64_t bytes);

/* ---- identity.c ------------------------------------------------------------------------------ */

enum owner_state {
    OWNER_KNOWN = 0,   /* the identity is valid */
    OWNER_MISSING = 1, /* there is no such file */
    OWNER_EMPTY = 2,   /* or nothing in it: a formatting did not get that far */
    OWNER_DAMAGED = 3,
    OWNER_VERSION = 4, /* of another version */
};

/* Where cluster and node come from if not from the identity. */
enum owner_source {
    SOURCE_IDENTITY = 0,
    SOURCE_GIVEN = 1,   /* the command line */
    SOURCE_GUESSED = 2, /* seeds that verify */
    SOURCE_NONE = 3,    /* not known: nothing else can be verified */
};

struct owner {
    enum owner_state state;
    enum owner_source source;
    uint8_t version; /* of the identity */
    uint64_t cluster;
    uint32_t node;
    uint32_t nodes; /* 0: unknown */
    uint32_t sector;
    uint64_t size;
    bool contradicted; /* the identity is valid and is not what the command line says */
};

/* owner_find reads the identity, or finds out in another way. */
void owner_find(struct owner *owner, const struct directory *directory,
                const struct tool_arguments *arguments);

/* ---- vote.c ---------------------------------------------------------------------------------- */

struct ballot {
    bool valid;
    bool zeros; /* nothing was ever written there */
    uint64_t generation;
    uint64_t term;
    uint32_t vote;
};

struct votes {
    bool missing;
    uint64_t size;
    struct ballot slots[OCTO_VOTE_SLOTS];
    bool found;    /* some copy is valid */
    bool known;    /* each pair has a valid copy: the newest one is the newest there was */
    uint32_t slot; /* of the one that counts */
    bool in_use;   /* generation 2 or more: a node was ready with this directory */
};

void votes_read(struct votes *votes, const struct directory *directory, const struct owner *owner);

/* ballot_parse judges the slot at `at` of a file of size bytes. */
void ballot_parse(struct ballot *ballot, const struct content *file, uint32_t slot,
                  const struct owner *owner);

/* ---- snapshot.c ------------------------------------------------------------------------------ */

struct position {
    uint64_t index;
    uint64_t term;
    uint64_t chain;
};

struct snapshot {
    uint32_t number;
    uint64_t size;
    bool valid;
    bool headed; /* the header verifies: position and cluster are true */
    uint64_t cluster;
    struct position position;
    uint32_t machine_version;
    uint32_t blocks;    /* that verify, the last one not counted */
    uint64_t bytes;     /* of the file that mean something */
    uint64_t raw_bytes; /* that the blocks stand for */
    uint64_t damaged_at;
    const char *why; /* it is not valid; NULL if it is */
};

/* snapshot_read verifies a whole file. */
void snapshot_read(struct snapshot *snapshot, const struct directory *directory, uint32_t number,
                   uint64_t cluster);

/* snapshot_cluster: the cluster that a header, which verifies, names; 0 if it does not. */
uint64_t snapshot_cluster(const struct directory *directory, uint32_t number);

/* ---- scan.c ---------------------------------------------------------------------------------- */

struct record {
    uint8_t type;
    uint8_t kind;
    uint64_t sequence, index, term, chain, client, client_sequence;
    uint32_t size;
    const uint8_t *command; /* valid during the visit */
    uint32_t there;         /* bytes of it in the file; the others are zeros */
    /* Where it stands. */
    uint32_t segment;
    uint64_t offset;
    uint32_t bytes;
    uint32_t topics; /* that hold it: IN_MAIN, IN_RECOVERY, IN_BOTH */
    bool other;      /* the twin holds another valid record there, which does not count */
};

static inline uint64_t record_place(const struct record *record)
{
    return octo_segment_place(record->segment, record->offset);
}

/* Sectors that hold no record in either topic, and are not all zeros. */
struct rubble {
    uint32_t segment;
    uint64_t offset;
    uint64_t bytes;
    uint32_t topics;      /* in which there is something */
    bool looks_like_ours; /* it begins like a record */
    bool version;         /* of a version that this program does not know */
};

struct scan_visitor {
    void *context;
    void (*record)(void *context, const struct record *record);
    void (*rubble)(void *context, const struct rubble *rubble);
};

/* record_parse verifies the record at offset of a segment; false if there is none. */
bool record_parse(const struct content *file, const struct owner *owner, uint32_t segment,
                  uint64_t offset, struct record *record) OCTO_MUST_USE;

struct segment {
    uint32_t number;
    bool present[TOPICS];
    uint64_t size[TOPICS];
    uint64_t unreadable[TOPICS];
    uint64_t records;      /* in either topic */
    uint64_t held[TOPICS]; /* of these */
    uint64_t end;          /* where the last one ends */
};

/* scan_topics visits what stands in the segments, in the order of places. */
void scan_topics(const struct directory *directory, const struct owner *owner,
                 struct segment *segments, uint32_t count, const struct scan_visitor *visitor);

/* ---- meaning.c ------------------------------------------------------------------------------- */

enum meaning {
    MEANS_TAKEN = 1,     /* an entry of the log */
    MEANS_REPLACED = 2,  /* an entry at or below the base: the log was cut to its base */
    MEANS_BASE = 3,      /* likewise, a base */
    MEANS_UNFOUNDED = 4, /* a base above the log's: its snapshot is not there */
    MEANS_MARKER = 5,
    MEANS_CUT = 6,
    MEANS_DUPLICATE = 7, /* passed over, as are those that follow */
    MEANS_VOID = 8,
    MEANS_BEYOND = 9,   /* its predecessor is not there */
    MEANS_STRANGE = 10, /* its predecessor is not the log's */
};

struct slot {
    uint64_t term, chain, sequence;
};

struct cut {
    uint64_t place;
    uint64_t sequence;
};

struct marker {
    uint64_t sequence;
    struct position at;
    uint64_t floor_term, floor_index;
    uint64_t place;
    uint32_t topics;
};

struct log {
    struct position snapshot; /* where it begins */
    struct position base;     /* the same, unless it is without foundation */
    struct slot *slots;       /* of base.index + 1 .. last */
    uint64_t last;
    uint64_t room; /* slots */
    uint64_t accepted;
    uint64_t base_sequence; /* of the record that last emptied the log */
    /* Another log than the one that counts, from the snapshot's index on: a snapshot that a leader
     * sent replaced it, and a crash came before a record could say so. */
    uint64_t *other;     /* chains at snapshot.index .. other_last */
    uint64_t other_last; /* 0: there is none */
    uint64_t other_room;
    struct cut *cuts; /* all there are, by place */
    uint32_t cut_count;
    struct marker *markers; /* likewise */
    uint32_t marker_count;
    bool marked;
    struct marker marker; /* the one that counts */
};

/* The first pass notes cuts and markers, log_begin then knows the marker that counts, the second
 * pass takes every record. */
void log_note(struct log *log, const struct record *record);
void log_begin(struct log *log, const struct position *snapshot);
enum meaning log_take(struct log *log, const struct record *record);
void log_free(struct log *log);

/* meaning_text says why a record is passed over, or ""; *cut is the one that made it void. */
const char *meaning_text(const struct log *log, const struct record *record, enum meaning meaning);

struct position log_position(const struct log *log, uint64_t index);
static inline bool log_unfounded(const struct log *log)
{
    return log->base.index != log->snapshot.index;
}

/* log_replaced: whether the marker that counts speaks of that other log. */
bool log_replaced(const struct log *log);

/* log_tail: the first index whose entry no marker covers; last + 1 if there is none. */
uint64_t log_tail(const struct log *log);

/* ---- survey.c -------------------------------------------------------------------------------- */

/* A run of records that one topic lacks, or one of rubble. */
struct lack {
    uint32_t segment;
    uint64_t offset, end;
    uint32_t topics;  /* that lack it */
    uint64_t records; /* 0: rubble */
    uint64_t first_sequence, last_sequence;
    bool looks_like_ours;
    bool version;
};

enum severity {
    SEVERITY_NOTE = 0,   /* nothing is wrong */
    SEVERITY_DAMAGE = 1, /* found, and the node can live with it */
    SEVERITY_FATAL = 2,  /* the node will not start */
};

struct finding {
    enum severity severity;
    char file[NAME_BYTES]; /* "" if it is about the whole */
    bool placed;
    uint64_t offset, bytes;
    const char *what;
    const char *twin;   /* "yes": it has it; "no"; "": there is no twin */
    const char *remedy; /* what a node does about it, or what one can do */
};

struct survey {
    const struct tool_arguments *arguments;
    struct directory directory;
    struct owner owner;
    struct votes votes;
    struct snapshot *snapshots; /* by number, the spare not among them */
    uint32_t snapshot_count;
    const struct snapshot *snapshot; /* the one that counts, NULL if there is none */
    bool spare;
    struct segment *segments;
    uint32_t segment_count;
    struct log log;
    uint64_t counts[OCTO_RECORD_CUT + 1]; /* records by type */
    uint64_t passed_over;
    uint64_t disconnected;     /* of these, those that do not connect */
    struct record first_loose; /* the first of those, segment 0 if there is none */
    uint64_t first_place;      /* of all records; UINT64_MAX if there is none */
    uint64_t end_place;        /* where the last one ends */
    uint64_t covered_end;      /* what stands before this place was durable in both topics */
    struct lack *lacks;
    uint32_t lack_count;
    /* What a boot would come to. */
    bool starts;
    const char *refusal; /* why not */
    bool recovering;     /* it has lost what it acknowledged */
    bool floor_unknown;
    struct position floor;
    uint64_t tail;
    uint64_t last; /* of the log that the boot comes to */
    struct position base;
    struct finding *findings;
    uint32_t finding_count;
    enum tool_exit status;
};

/* survey_make looks at everything. False if there is nothing to look at: it has complained. */
bool survey_make(struct survey *survey, const struct tool_arguments *arguments) OCTO_MUST_USE;

/* survey_judge makes the findings and the status. */
void survey_judge(struct survey *survey);

void survey_free(struct survey *survey);

/* ---- Reports --------------------------------------------------------------------------------- */

void dump_print(struct survey *survey, FILE *out);
void verify_print(const struct survey *survey, FILE *out);
void explain_print(const struct survey *survey, FILE *out);

/* findings_json and summary_json are the last lines of verify and explain. */
void findings_json(const struct survey *survey, FILE *out);
void summary_json(const struct survey *survey, FILE *out);

#endif
