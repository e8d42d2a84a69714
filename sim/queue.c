/* What is due when: a 4-ary heap, ordered by (time, tie).
 *
 * The tie's upper half is the decision TIE: one mix of the seed, the instant, the kind of item and
 * its semantic identity, so that items at one instant come in seeded order, and adding or removing
 * others does not reorder them. (Not a draw of the generator: there is one per item, nearly all of
 * them without a rival. A plan's line for it will come in here.) The lower half counts items and
 * only decides between equal upper halves. What is put off has an upper half of 0. */
#include "sim/world.h"

#define QUEUE_CAPACITY_FIRST 256u
#define ARITY                4u

#define TIE_KIND     0x9e3779b97f4a7c15ull
#define TIE_TIME     0xc2b2ae3d27d4eb4full
#define TIE_IDENTITY 0xd6e8feb86659fd93ull

struct octo_queue {
    struct octo_arena *arena;
    struct octo_item *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t serial; /* of the last item */
};

struct octo_queue *queue_create(struct octo_arena *arena)
{
    struct octo_queue *queue = octo_arena_alloc(arena, sizeof *queue);
    if (queue == NULL)
        return NULL;
    *queue = (struct octo_queue){.arena = arena, .capacity = QUEUE_CAPACITY_FIRST};
    queue->items = octo_arena_alloc(arena, QUEUE_CAPACITY_FIRST * sizeof(struct octo_item));
    return queue->items != NULL ? queue : NULL;
}

uint32_t queue_count(const struct octo_queue *queue)
{
    return queue->count;
}

/* One comparison of 128 bits: which of two items comes first, no branch foresees. */
static inline octo_u128 rank(const struct octo_item *item)
{
    return (octo_u128)item->time << 64 | item->tie;
}

static void queue_grow(struct octo_queue *queue)
{
    const size_t capacity = 2 * (size_t)queue->capacity;
    struct octo_item *items = octo_arena_alloc(queue->arena, capacity * sizeof *items);
    octo_assert(items != NULL);
    memcpy(items, queue->items, queue->count * sizeof *items);
    queue->items = items;
    queue->capacity = (uint32_t)capacity;
}

static void queue_push(struct octo_queue *queue, const struct octo_item *item)
{
    if (queue->count == queue->capacity)
        queue_grow(queue);
    uint32_t at = queue->count++;
    while (at > 0) {
        const uint32_t parent = (at - 1) / ARITY;
        if (rank(item) >= rank(&queue->items[parent]))
            break;
        queue->items[at] = queue->items[parent];
        at = parent;
    }
    queue->items[at] = *item;
}

bool queue_pop(struct octo_queue *queue, struct octo_item *item)
{
    if (queue->count == 0)
        return false;
    struct octo_item *const items = queue->items;
    *item = items[0];
    const struct octo_item last = items[--queue->count];
    uint32_t at = 0;
    for (;;) {
        const uint32_t first = ARITY * at + 1;
        if (first >= queue->count)
            break;
        const uint32_t end = (uint32_t)octo_min_u64(first + ARITY, queue->count);
        uint32_t least = first;
        octo_u128 least_rank = rank(&items[first]);
        for (uint32_t child = first + 1; child < end; child++) {
            const octo_u128 child_rank = rank(&items[child]);
            const bool less = child_rank < least_rank;
            least = less ? child : least;
            least_rank = less ? child_rank : least_rank;
        }
        if (least_rank >= rank(&last))
            break;
        items[at] = items[least];
        at = least;
    }
    items[at] = last;
    return true;
}

void world_at_named(struct octo_world *world, octo_time_ns time, enum octo_item_kind kind,
                    uint32_t subject, uint64_t token, uint64_t identity)
{
    octo_assert(time >= world->now);
    const uint64_t order = octo_mix(world->options.seed + (uint64_t)kind * TIE_KIND +
                                    time * TIE_TIME + identity * TIE_IDENTITY);
    const struct octo_item item = {
        .time = time,
        .tie = (order | 1ull << 63) >> 32 << 32 | ++world->queue->serial,
        .token = token,
        .subject = subject,
        .kind = (uint8_t)kind,
    };
    queue_push(world->queue, &item);
}

void world_at(struct octo_world *world, octo_time_ns time, enum octo_item_kind kind,
              uint32_t subject, uint64_t token)
{
    uint64_t identity = 0;
    switch (kind) {
    case OCTO_ITEM_MESSAGE:
    case OCTO_ITEM_REQUEST:
    case OCTO_ITEM_REPLY:
        identity = token;
        break;
    case OCTO_ITEM_TIMER:
        identity = subject;
        break;
    case OCTO_ITEM_DISK:
    case OCTO_ITEM_START:
    case OCTO_ITEM_RESUME:
    case OCTO_ITEM_CLIENT:
    case OCTO_ITEM_SCHEDULE:
    case OCTO_ITEM_FINISH:
    case OCTO_ITEM_CRASH:
        identity = octo_mix(subject) ^ token;
        break;
    }
    world_at_named(world, time, kind, subject, token, identity);
}

void world_put_off(struct octo_world *world, octo_time_ns time, const struct octo_item *item)
{
    octo_assert(time >= world->now);
    struct octo_item later = *item;
    later.time = time;
    later.tie = ++world->queue->serial;
    queue_push(world->queue, &later);
}
