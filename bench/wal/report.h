/* What octo-bench-wal measured, and how it is shown. */
#ifndef OCTO_BENCH_WAL_REPORT_H
#define OCTO_BENCH_WAL_REPORT_H

#include "bench/wal/wal.h"

#define APPENDS_MAX 9u

struct report {
    const char *directory;
    const char *file_system;
    double load_before, load_after; /* of the machine, one minute */
    uint32_t cores;
    uint32_t segment_bytes, sector_bytes;
    uint32_t rounds;
    uint64_t slice_ns;
    struct append appends[APPENDS_MAX];
    uint32_t append_count;
    struct recovery recovery;
    double record_ns;
};

void report_text(struct report *report);
void report_json(struct report *report);

#endif
