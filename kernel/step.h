/* Inside one step: what every kernel module needs to know and to say. Private to kernel/. */
#ifndef OCTO_KERNEL_STEP_H
#define OCTO_KERNEL_STEP_H

#include "kernel/config.h"
#include "kernel/event.h"

/* Who is changing the directory and will sync it. One at a time: a DIR_SYNC that fails takes with
 * it the changes of everybody else, whose own DIR_SYNC may then succeed over nothing. */
enum octo_directory_user {
    OCTO_DIRECTORY_FREE = 0,
    OCTO_DIRECTORY_LOG = 1,
    OCTO_DIRECTORY_SNAPSHOTS = 2,
};

struct octo_step {
    const struct octo_config *config;
    struct octo_effects *effects;
    octo_time_ns now;
    uint32_t *marks;                     /* OCTO_MARK_COUNT counters of the node */
    uint64_t *next_op;                   /* the node's counter of disk operations */
    enum octo_directory_user *directory; /* likewise; NULL: nobody else is there */
};

/* Each of these appends one effect and asserts that there is room. */
void octo_step_trace(struct octo_step *step, enum octo_trace_kind kind, uint64_t a, uint64_t b,
                     uint64_t c, uint64_t d);
/* octo_step_disk gives op its id, never used before in this incarnation (K3), and returns it. */
uint64_t octo_step_disk(struct octo_step *step, const struct octo_disk_op *op);

/* octo_step_directory_take: from its first change to its DIR_SYNC a user has the directory for
 * itself; false if another has it. Taking it again is no harm; giving back what somebody else has
 * neither. */
static inline bool octo_step_directory_take(struct octo_step *step, enum octo_directory_user user)
{
    if (step->directory == NULL)
        return true;
    if (*step->directory != OCTO_DIRECTORY_FREE && *step->directory != user)
        return false;
    *step->directory = user;
    return true;
}

static inline void octo_step_directory_give(struct octo_step *step, enum octo_directory_user user)
{
    if (step->directory != NULL && *step->directory == user)
        *step->directory = OCTO_DIRECTORY_FREE;
}

void octo_step_halt(struct octo_step *step, enum octo_err reason);

/* octo_step_bytes returns room for up to size bytes in the effects, for a message or a result that
 * is about to be built; octo_step_send and octo_step_reply then keep what they name of it. */
uint8_t *octo_step_bytes(struct octo_step *step, uint32_t size);
void octo_step_send(struct octo_step *step, octo_node_id to, const uint8_t *bytes, uint32_t size);
void octo_step_reply(struct octo_step *step, octo_client_id client, uint64_t sequence,
                     enum octo_err status, octo_node_id leader, const uint8_t *result,
                     uint32_t size);

/* octo_step_deadline lowers the node's next deadline to at. */
void octo_step_deadline(struct octo_step *step, octo_time_ns at);

static inline void octo_step_mark(struct octo_step *step, enum octo_mark mark)
{
    step->marks[mark]++;
}

#endif
