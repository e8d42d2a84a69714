#include "kernel/step.h"

#include <criterion/criterion.h>

#define ITEMS 8u
#define BYTES 64u

struct fixture {
    struct octo_effect items[ITEMS];
    uint8_t bytes[BYTES];
    uint32_t marks[OCTO_MARK_COUNT];
    struct octo_effects effects;
    uint64_t next_op;
    struct octo_step step;
};

static void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0xee, sizeof *fixture);
    memset(fixture->marks, 0, sizeof fixture->marks);
    fixture->effects = (struct octo_effects){
        .items = fixture->items,
        .capacity = ITEMS,
        .bytes = fixture->bytes,
        .bytes_capacity = BYTES,
        .deadline = OCTO_NEVER,
    };
    fixture->step = (struct octo_step){
        .effects = &fixture->effects,
        .now = 5,
        .marks = fixture->marks,
        .next_op = &fixture->next_op,
    };
    fixture->next_op = 9;
}

Test(step, effects_come_out_in_order)
{
    struct fixture f;
    const uint8_t data[4] = {1, 2, 3, 4};
    const struct octo_disk_op op = {
        .id = 9,
        .kind = OCTO_DISK_WRITE,
        .file = {OCTO_FILE_MAIN, 2},
        .offset = 512,
        .length = 4,
        .data = data,
    };

    fixture_init(&f);
    octo_step_trace(&f.step, OCTO_TRACE_COMMIT, 1, 2, 3, 0);
    octo_step_disk(&f.step, &op);
    octo_step_reply(&f.step, 11, 12, OCTO_ERR_NOT_LEADER, 3, NULL, 0);
    octo_step_halt(&f.step, OCTO_ERR_DAMAGED);
    octo_step_mark(&f.step, OCTO_MARK_LOG_FULL);
    octo_step_deadline(&f.step, 100);
    octo_step_deadline(&f.step, 200);

    cr_assert_eq(f.effects.count, 4);
    cr_assert_eq(f.items[0].kind, OCTO_EFFECT_TRACE);
    cr_assert_eq(f.items[0].trace.kind, OCTO_TRACE_COMMIT);
    cr_assert_eq(f.items[0].trace.reserved, 0);
    cr_assert_eq(f.items[0].trace.words[2], 3);
    cr_assert_eq(f.items[1].kind, OCTO_EFFECT_DISK);
    cr_assert_eq(f.items[1].disk.id, 9);
    cr_assert_eq(f.items[1].disk.file.number, 2);
    cr_assert_eq(f.items[1].disk.data, data);
    cr_assert_eq(f.items[2].reply.client, 11);
    cr_assert_eq(f.items[2].reply.leader, 3);
    cr_assert_null(f.items[2].reply.result);
    cr_assert_eq(f.items[3].halt.reason, OCTO_ERR_DAMAGED);
    cr_assert_eq(f.marks[OCTO_MARK_LOG_FULL], 1);
    cr_assert_eq(f.effects.deadline, 100);
}

Test(step, equal_effects_are_equal_bytes)
{
    struct fixture a;
    struct fixture b;

    fixture_init(&a);
    fixture_init(&b);
    memset(b.items, 0x11, sizeof b.items);
    octo_step_trace(&a.step, OCTO_TRACE_TERM, 1, 2, 3, 0);
    octo_step_trace(&b.step, OCTO_TRACE_TERM, 1, 2, 3, 0);
    cr_assert_eq(memcmp(a.items, b.items, sizeof a.items[0]), 0);
}

/* A message is built once and sent to two nodes; the next one begins after it. */
Test(step, bytes_are_kept_as_far_as_they_are_named)
{
    struct fixture f;
    const uint8_t elsewhere[3] = {7, 8, 9};

    fixture_init(&f);
    uint8_t *first = octo_step_bytes(&f.step, BYTES);
    cr_assert_eq(first, f.bytes);
    cr_assert_eq(f.effects.bytes_used, 0, "room is not yet use");
    octo_step_send(&f.step, 2, first, 15);
    octo_step_send(&f.step, 3, first, 20);
    cr_assert_eq(f.effects.bytes_used, 20);
    octo_step_send(&f.step, 4, first + 5, 10);
    cr_assert_eq(f.effects.bytes_used, 20);
    uint8_t *second = octo_step_bytes(&f.step, 44);
    cr_assert_eq(second, f.bytes + 20);
    octo_step_reply(&f.step, 1, 1, OCTO_ERR_OK, 0, second, 44);
    cr_assert_eq(f.effects.bytes_used, BYTES);
    octo_step_reply(&f.step, 1, 2, OCTO_ERR_OK, 0, elsewhere, 3);
    cr_assert_eq(f.effects.bytes_used, BYTES);
    cr_assert_eq(f.items[4].reply.result, elsewhere);
}

Test(step, too_many_effects_is_a_broken_invariant, .exit_code = 77)
{
    struct fixture f;
    fixture_init(&f);
    for (uint32_t i = 0; i <= ITEMS; i++)
        octo_step_halt(&f.step, OCTO_ERR_IO);
}

Test(step, too_many_bytes_is_a_broken_invariant, .exit_code = 77)
{
    struct fixture f;
    fixture_init(&f);
    octo_step_send(&f.step, 2, octo_step_bytes(&f.step, 1), 1);
    octo_step_bytes(&f.step, BYTES);
}
