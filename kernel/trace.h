/* What a node tells about itself: trace records for people and oracles, and marks for rare paths.
 *
 * A trace record is an effect like any other, so that the oracles see nothing that the trace file
 * does not show. The table is the documentation: name, text, and the meaning of the four words.
 */
#ifndef OCTO_KERNEL_TRACE_H
#define OCTO_KERNEL_TRACE_H

#include "kernel/base.h"

/*    name            text           a                 b                c                d */
#define OCTO_TRACES(T)                                                        \
    T(READY, "ready", "term", "vote", "last", "sequence")                     \
    T(ROLE, "role", "from", "to", "term", "leader")                           \
    T(TERM, "term", "from", "to", "vote", "")                                 \
    T(VOTE_SAVED, "vote-saved", "term", "vote", "generation", "")             \
    T(VOTE_RECEIVED, "vote-from", "voter", "term", "granted", "pre")          \
    T(APPEND, "append", "first", "last", "term", "sequence")                  \
    T(TRUNCATE, "truncate", "from", "last", "term", "")                       \
    T(DURABLE, "durable", "index", "sequence", "", "")                        \
    T(COMMIT, "commit", "from", "to", "term", "")                             \
    T(APPLY, "apply", "index", "term", "client", "sequence")                  \
    T(REFUSE, "refuse", "error", "event", "", "")                             \
    T(DISK_ERROR, "disk-error", "error", "operation", "file", "")             \
    T(HALT, "halt", "reason", "", "", "")                                     \
    T(RECOVERING, "recovering", "lost-from", "floor-term", "floor-index", "") \
    T(RECOVERED, "recovered", "last", "term", "", "")                         \
    T(SEGMENT, "segment", "number", "bytes", "recycled", "")                  \
    T(NO_SPACE, "no-space", "file", "", "", "")                               \
    T(COMPACT, "compact", "base", "term", "segments", "")                     \
    T(SNAPSHOT_BEGUN, "snapshot-begun", "index", "term", "number", "")        \
    T(SNAPSHOT_SAVED, "snapshot-saved", "index", "term", "number", "bytes")   \
    T(SNAPSHOT_FAILED, "snapshot-failed", "index", "error", "number", "")     \
    T(SNAPSHOT_INSTALLED, "snapshot-installed", "index", "term", "number", "bytes")

enum octo_trace_kind {
    OCTO_TRACE_NONE = 0,
#define OCTO_TRACE_ENUM(name, text, a, b, c, d) OCTO_TRACE_##name,
    OCTO_TRACES(OCTO_TRACE_ENUM)
#undef OCTO_TRACE_ENUM
        OCTO_TRACE_COUNT,
};
/* REFUSE: error is the negated enum octo_err; event the enum octo_event_kind refused. Words whose
 * text is "" are 0. TERM: vote is the vote in the new term. APPEND: sequence is 0 as long as the
 * entries are not on their way to the disk. RECOVERING: entries from lost-from on are known to have
 * existed, up to the floor, and are not readable any more. SNAPSHOT_SAVED: durable, verified, and
 * the one that counts. SNAPSHOT_INSTALLED: likewise, one that a leader has sent; the state is its.
 */

struct octo_trace {
    uint32_t kind; /* enum octo_trace_kind */
    uint32_t reserved;
    uint64_t words[4];
};

/* Sometimes-marks: counters that say that a rare path was really taken (design, section 6). */
#define OCTO_MARKS(M)                                                                              \
    M(ELECTION_STARTED, "election-started")                                                        \
    M(ELECTION_WON, "election-won")                                                                \
    M(ELECTION_CONTESTED, "election-contested") /* a vote refused: already given in the term */    \
    M(VOTE_REFUSED_LOG, "vote-refused-log")     /* candidate's log is behind */                    \
    M(PRE_VOTE_REFUSED, "pre-vote-refused")                                                        \
    M(STEPPED_DOWN_TERM, "stepped-down-term")     /* leader saw a higher term */                   \
    M(STEPPED_DOWN_QUORUM, "stepped-down-quorum") /* leader lost contact with the majority */      \
    M(LOG_TRUNCATED, "log-truncated")                                                              \
    M(APPEND_REJECTED, "append-rejected")                                                          \
    M(APPEND_OVERLAPPED, "append-overlapped") /* entries already here came again */                \
    M(PROBE_AFTER_REJECT, "probe-after-reject")                                                    \
    M(WINDOW_FULL, "window-full")               /* pipelining was held back */                     \
    M(COMMIT_WAITED_TERM, "commit-waited-term") /* majority reached in an older term */            \
    M(STALE_MESSAGE, "stale-message")           /* of an older term */                             \
    M(STALE_COMPLETION, "stale-completion")     /* durable bytes already truncated */              \
    M(DUPLICATE_COMMAND, "duplicate-command")   /* answered from the session */                    \
    M(STALE_COMMAND, "stale-command")                                                              \
    M(MESSAGE_REFUSED, "message-refused") /* did not decode */                                     \
    M(REQUEST_REFUSED, "request-refused")                                                          \
    M(LOG_FULL, "log-full")                                                                        \
    M(APPLY_PAGED, "apply-paged")   /* more to apply than one step may */                          \
    M(GROUP_COMMIT, "group-commit") /* a flush of more than one entry */                           \
    M(FLUSH_FAILED, "flush-failed") /* written again to fresh space */                             \
    M(VOTE_WRITE_FAILED, "vote-write-failed")                                                      \
    M(READ_FAILED, "read-failed")                                                                  \
    M(TAIL_TORN, "tail-torn")               /* recovery discarded damaged records */               \
    M(TAIL_KEPT, "tail-kept")               /* recovery kept unmarked intact records */            \
    M(TOPIC_REPAIRED, "topic-repaired")     /* a record came from one topic only */                \
    M(MARKER_ONE_TOPIC, "marker-one-topic") /* newest marker stood in one topic only */            \
    M(VOTE_COPY_TORN, "vote-copy-torn")                                                            \
    M(RECORD_REWRITTEN, "record-rewritten") /* damaged in one topic, copied back from the other */ \
    M(DAMAGE_REREAD, "damage-reread")       /* damaged when read first, and not the second time */ \
    M(CUT_OBEYED, "cut-obeyed")     /* old records came up that had been given up before */        \
    M(RECOVERING, "recovering")     /* came up with entries lost in both topics */                 \
    M(FETCHED, "fetched-from-peer") /* lost entries came from a peer that does not lead */         \
    M(RECOVERED, "recovered")                                                                      \
    M(SERVED_BELOW_MATCH, "served-below-match")                                                    \
    M(SEGMENT_ROLLED, "segment-rolled")                                                            \
    M(SEGMENT_RECYCLED, "segment-recycled")                                                        \
    M(SEGMENT_REMOVED, "segment-removed")                                                          \
    M(PIPELINED, "pipelined") /* a batch was written while another was on its way */               \
    M(NO_SPACE, "no-space")                                                                        \
    M(SPACE_RETURNED, "space-returned")                                                            \
    M(SNAPSHOT_SAVED, "snapshot-saved")                                                            \
    M(SNAPSHOT_FAILED, "snapshot-failed")                                                          \
    M(SNAPSHOT_SENT, "snapshot-sent") /* the last chunk of one */                                  \
    M(SNAPSHOT_INSTALLED, "snapshot-installed")                                                    \
    M(SNAPSHOT_OVER_LONGER, "snapshot-over-longer-log")                                            \
    M(SNAPSHOT_DAMAGED, "snapshot-damaged") /* found at boot; an older one or a peer must do */    \
    M(SNAPSHOT_DOUBTED, "snapshot-doubted") /* what was sent of it was no good: taken anew */      \
    M(SNAPSHOT_RESTORED, "snapshot-restored")

enum octo_mark {
#define OCTO_MARK_ENUM(name, text) OCTO_MARK_##name,
    OCTO_MARKS(OCTO_MARK_ENUM)
#undef OCTO_MARK_ENUM
        OCTO_MARK_COUNT,
};

/* octo_mark_text and octo_trace_text give the names above; octo_trace_word_text the name of a word
 * (0 .. 3), "" if unused. Static storage, never NULL. */
const char *octo_mark_text(enum octo_mark mark);
const char *octo_trace_text(enum octo_trace_kind kind);
const char *octo_trace_word_text(enum octo_trace_kind kind, uint32_t word);

#endif
