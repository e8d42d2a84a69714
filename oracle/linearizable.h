/* Linearizability of a history of registers, one per key. Private to oracle/, and to the programs
 * that check recorded histories.
 *
 * Wing and Gong's search (1993) with Lowe's memo (2017): a history is linearizable if its
 * operations can be put into one order that respects real time and explains every answer. Keys are
 * independent (Herlihy and Wing 1990), so each is searched by itself.
 */
#ifndef OCTO_ORACLE_LINEARIZABLE_H
#define OCTO_ORACLE_LINEARIZABLE_H

#include "kernel/kernel.h"

/* What a register holds: a polynomial hash modulo 2^61 - 1 and the length, so that the value after
 * an APPEND can be computed. */
struct octo_history_value {
    uint64_t hash;
    uint64_t size; /* bytes; OCTO_HISTORY_ABSENT: there is no such key */
};

#define OCTO_HISTORY_ABSENT UINT64_MAX

/* octo_history_value of size bytes; octo_history_absent of a key that is not there. */
struct octo_history_value octo_history_value(const void *bytes, uint64_t size);
static inline struct octo_history_value octo_history_absent(void)
{
    return (struct octo_history_value){.hash = 0, .size = OCTO_HISTORY_ABSENT};
}

/* octo_history_join is the value of a's bytes followed by b's. Neither is absent. */
struct octo_history_value octo_history_join(struct octo_history_value a,
                                            struct octo_history_value b);

enum octo_history_kind {
    OCTO_HISTORY_READ = 1,  /* value: what was seen, if the outcome is OK */
    OCTO_HISTORY_WRITE = 2, /* value */
    OCTO_HISTORY_DELETE = 3,
    OCTO_HISTORY_CAS = 4,    /* value, if the register holds expected */
    OCTO_HISTORY_APPEND = 5, /* value; makes the register if it is absent */
};

/* What an operation came to: a set, since an answer may leave several possible. */
#define OCTO_OUTCOME_OK        1u
#define OCTO_OUTCOME_MISSING   2u /* READ, DELETE, CAS: the register is absent */
#define OCTO_OUTCOME_DIFFERENT 4u /* CAS: it holds something else */
#define OCTO_OUTCOME_ANY       7u

/* One operation. What certainly had no effect and tells nothing is left out by the caller. */
struct octo_history_operation {
    uint64_t invoked;  /* a number of the history's order; all of them differ */
    uint64_t returned; /* likewise; OCTO_NEVER: unknown, may take effect at any time, or never */
    uint64_t key;
    struct octo_history_value value;
    struct octo_history_value expected; /* CAS */
    uint8_t kind;                       /* enum octo_history_kind */
    uint8_t outcomes;                   /* OCTO_OUTCOME_*; ANY if unknown */
};

enum octo_linearizability {
    OCTO_LINEARIZABLE = 1,
    OCTO_NOT_LINEARIZABLE = 2,
    OCTO_LINEARIZABLE_UNDECIDED = 3, /* out of steps, or of scratch memory */
};

struct octo_linearizable_report {
    uint64_t key;       /* of what follows */
    uint32_t operation; /* not linearizable: one that no order explains */
    uint32_t explained; /* operations of the key that the longest attempt explained before it */
    uint64_t steps;     /* taken, over all keys */
};

/* octo_linearizable judges count operations, sorted by `invoked`, of registers that begin as
 * `initial`. `scratch` is used up and given back (it is a copy). At most `steps_max` steps: a
 * history without unknown outcomes takes a few for each operation. */
enum octo_linearizability octo_linearizable(const struct octo_history_operation *operations,
                                            uint32_t count, struct octo_history_value initial,
                                            struct octo_arena scratch, uint64_t steps_max,
                                            struct octo_linearizable_report *report) OCTO_MUST_USE;

#endif
