/* The search for an order of one key's operations. Private to oracle/linearizable*.c. */
#ifndef OCTO_ORACLE_SEARCH_H
#define OCTO_ORACLE_SEARCH_H

#include "oracle/linearizable.h"

#define SEARCH_NONE UINT32_MAX

/* One operation of the key. */
struct search_operation {
    const struct octo_history_operation *history;
    uint64_t power[2]; /* stands for it in the memo's hash of a set */
    uint32_t number;   /* in the caller's history */
    uint32_t twin;     /* unknown outcome: the one before it with the same effect, or SEARCH_NONE */
    bool taken;        /* unknown outcome: is in the order */
};

/* A call or a return of an operation with a known outcome, in real time. A circular list: item 0 is
 * its head. What is in the order is unlinked. */
struct search_moment {
    uint64_t time;
    uint32_t operation;
    uint32_t next;
    uint32_t previous;
    uint32_t other; /* of a call, its return; SEARCH_NONE for a return */
};

/* One decision on the way to here. */
struct search_frame {
    struct octo_history_value before; /* the register */
    uint32_t operation;
    uint32_t moment; /* its call; SEARCH_NONE: unknown outcome */
    bool forced;     /* it only looked: no other choice is better */
};

/* Sets of operations that were tried with a register, and lead nowhere: 128-bit hashes. */
struct search_memo {
    uint64_t (*items)[2]; /* {0, 0} is free */
    uint32_t capacity;    /* a power of two */
    uint32_t count;
};

struct search {
    struct octo_arena *scratch;
    struct search_memo *memo;
    struct search_operation *operations; /* known ones, then unknown ones; each by call */
    uint32_t known;
    uint32_t count;
    struct search_moment *moments; /* 2 * known + 1 */
    struct search_frame *frames;   /* count */
    uint64_t steps_max;

    /* Where it is. */
    struct octo_history_value value;
    uint64_t set[2]; /* hash of what is in the order, the key included */
    uint32_t depth;
    uint64_t steps;

    /* The best attempt. */
    uint32_t explained;
    uint32_t blocked; /* operation */
};

/* search_run looks for an order. BROKEN fills explained and blocked. */
enum octo_linearizability search_run(struct search *search);

/* search_apply is what operation does to value: true if its outcome is one that it may have had. */
bool search_apply(const struct octo_history_operation *operation, struct octo_history_value *value);

#endif
