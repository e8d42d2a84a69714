/* The oracles' reader of durable images: what it accepts, and that reading step by step gives what
 * reading as a whole does, in whatever order sectors become durable. */
#include "kernel/wal/record.h"

#include "draw.h"
#include "image_script.h"

/* ---- What a record is ------------------------------------------------------------------------ */

/* The page of the format, read twice: by whoever wrote the kernel, and here. */
Test(image, the_kernel_writes_the_same_records)
{
    static const uint32_t sizes[] = {0, 1, 7, 8, 100, 1000};
    static uint8_t ours[2048], theirs[2048];
    static uint8_t command[1000];
    uint64_t seed = 3;

    draw_bytes(&seed, command, sizeof command);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const uint32_t size = sizes[i];
        const struct rig_record record = {
            .type = 1,
            .sequence = 5,
            .chain = 0x1122334455667788,
            .entry = {.index = 4,
                      .term = 3,
                      .kind = size == 0 ? OCTO_ENTRY_NOOP : OCTO_ENTRY_COMMAND,
                      .client = size == 0 ? 0 : 6,
                      .sequence = size == 0 ? 0 : 2,
                      .command = command,
                      .size = size},
        };
        const struct octo_record kernel_record = {
            .type = OCTO_RECORD_ENTRY,
            .sequence = 5,
            .index = 4,
            .term = 3,
            .chain = record.chain,
            .kind = record.entry.kind,
            .client = record.entry.client,
            .client_sequence = record.entry.sequence,
            .command = command,
            .size = size,
        };
        memset(ours, 0, sizeof ours);
        memset(theirs, 0, sizeof theirs);
        const uint32_t length = rig_record_put(ours, 2, 1, 512, &record);
        cr_assert_eq(octo_record_encode(theirs + 512, &kernel_record,
                                        octo_format_seed(RIG_CLUSTER, 2, OCTO_FILE_MAIN,
                                                         octo_segment_place(1, 512))),
                     length);
        cr_assert_eq(memcmp(ours, theirs, sizeof ours), 0, "size %u", size);
        struct octo_entry entry = record.entry;
        cr_assert_eq(oracle_chain(record.chain, &entry), octo_entry_chain(record.chain, &entry));
    }
}

Test(image, every_byte_of_a_record_counts)
{
    struct script script = {.last = 0};

    open_image();
    memset(script.commands, 0, sizeof script.commands);
    const struct rig_record record = script_entry(&script, 1, 1, 40);
    batch_durable(&record, 1);
    refresh();
    cr_assert_eq(node->image.topics[0].log.last, 1);
    struct rig_file *file = rig_file(disks, 2, OCTO_FILE_MAIN);
    for (uint32_t at = 0; at < 112; at++) {
        file->bytes[at] ^= 0x10;
        now_durable(OCTO_FILE_MAIN, 0, 1);
        refresh();
        cr_assert_eq(node->image.topics[0].log.last, 0, "byte %u", at);
        file->bytes[at] ^= 0x10;
    }
    file->bytes[112] ^= 0x10; /* padding */
    now_durable(OCTO_FILE_MAIN, 0, 1);
    refresh();
    cr_assert_eq(node->image.topics[0].log.last, 1);
    cr_assert(oracle_image_holds(oracles, node, 1, script.chains[1]));
    cr_assert_not(oracle_image_holds(oracles, node, 1, script.chains[1] + 1));
    cr_assert_not(oracle_image_holds(oracles, node, 2, script.chains[1]));
    close_image();
}

/* ---- Logs ------------------------------------------------------------------------------------ */

Test(image, an_entry_at_or_below_the_last_truncates)
{
    struct script script = {.last = 0};
    struct rig_record records[8];

    open_image();
    for (octo_index i = 1; i <= 5; i++)
        records[i] = script_entry(&script, i, 1, 10);
    batch_durable(&records[1], 5);
    records[6] = script_marker(&script);
    batch_durable(&records[6], 1);
    refresh();
    cr_assert(oracle_image_marked(oracles, node, 5));
    const uint64_t old = script.chains[5];
    records[7] = script_entry(&script, 3, 2, 10);
    batch_durable(&records[7], 1);
    refresh();
    cr_assert_eq(node->image.topics[0].log.last, 3);
    cr_assert(oracle_image_holds(oracles, node, 3, script.chains[3]));
    cr_assert_not(oracle_image_holds(oracles, node, 5, old));
    cr_assert(oracle_image_marked(oracles, node, 2));
    cr_assert_not(oracle_image_marked(oracles, node, 3));
    records[6] = script_marker(&script);
    batch_durable(&records[6], 1);
    refresh();
    cr_assert(oracle_image_marked(oracles, node, 3));
    cr_assert_eq(node->image.topics[1].accepted, 6);
    close_image();
}

Test(image, both_topics_must_hold_it)
{
    struct script script = {.last = 0};
    uint64_t sectors;

    open_image();
    const struct rig_record record = script_entry(&script, 1, 1, 10);
    const uint64_t first = write_batch(&record, 1, &sectors);
    now_durable(OCTO_FILE_RECOVERY, first, sectors);
    refresh();
    cr_assert_not(oracle_image_holds(oracles, node, 1, script.chains[1]));
    cr_assert_eq(oracle_image_log(node)->last, 1);
    now_durable(OCTO_FILE_MAIN, first, sectors);
    refresh();
    cr_assert(oracle_image_holds(oracles, node, 1, script.chains[1]));
    close_image();
}

Test(image, a_record_over_several_sectors_comes_in_any_order)
{
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint64_t seed = 4;

    for (size_t i = 0; i < 6; i++) {
        struct script script = {.last = 0};
        uint64_t sectors;
        open_image();
        draw_bytes(&seed, script.commands, sizeof script.commands);
        const struct rig_record record = script_entry(&script, 1, 1, 1200);
        const uint64_t first = write_batch(&record, 1, &sectors);
        cr_assert_eq(sectors, 3);
        now_durable(OCTO_FILE_RECOVERY, first, sectors);
        for (uint32_t k = 0; k < 3; k++) {
            cr_assert_not(oracle_image_holds(oracles, node, 1, script.chains[1]));
            now_durable(OCTO_FILE_MAIN, first + orders[i][k], 1);
            refresh();
        }
        cr_assert(oracle_image_holds(oracles, node, 1, script.chains[1]), "order %zu", i);
        close_image();
    }
}

/* A batch that failed is written again further on; its remains come up late, or never. */
Test(image, a_batch_written_again)
{
    struct script script = {.last = 0};
    struct rig_record records[3];
    uint64_t sectors;

    open_image();
    records[0] = script_entry(&script, 1, 1, 10);
    batch_durable(records, 1);
    records[1] = script_entry(&script, 2, 1, 10);
    const uint64_t failed = write_batch(&records[1], 1, &sectors);
    batch_durable(&records[1], 1);
    refresh();
    cr_assert(oracle_image_holds(oracles, node, 2, script.chains[2]));
    now_durable(OCTO_FILE_MAIN, failed, sectors);
    records[2] = script_entry(&script, 3, 1, 10);
    batch_durable(&records[2], 1);
    refresh();
    cr_assert(oracle_image_holds(oracles, node, 3, script.chains[3]));
    oracle_image_compare(oracles, node, &images);
    cr_assert_not(oracles->stopped, "%s", oracles->verdict.why);
    close_image();
}

Test(image, what_is_not_next_is_passed_over)
{
    struct script script = {.last = 0};
    struct rig_record records[2];

    open_image();
    records[0] = script_entry(&script, 1, 1, 10);
    batch_durable(records, 1);
    records[1] = script_entry(&script, 2, 1, 10);
    struct rig_record wrong = records[1];
    wrong.chain++;
    batch_durable(&wrong, 1);
    wrong = records[1];
    wrong.sequence = 1;
    batch_durable(&wrong, 1);
    wrong = records[1];
    wrong.entry.index = 3;
    batch_durable(&wrong, 1);
    wrong.entry.index = 0;
    batch_durable(&wrong, 1);
    refresh();
    cr_assert_eq(node->image.topics[0].log.last, 1);
    records[1].sequence = 9; /* sequences may skip */
    batch_durable(&records[1], 1);
    refresh();
    cr_assert(oracle_image_holds(oracles, node, 2, script.chains[2]));
    close_image();
}

Test(image, a_marker_that_lies_covers_nothing)
{
    struct script script = {.last = 0};
    struct rig_record records[2];

    open_image();
    records[0] = script_entry(&script, 1, 1, 10);
    records[1] = script_marker(&script);
    records[1].chain++;
    batch_durable(records, 2);
    refresh();
    cr_assert(oracle_image_holds(oracles, node, 1, script.chains[1]));
    cr_assert_not(oracle_image_marked(oracles, node, 1));
    close_image();
}

/* ---- Any order ------------------------------------------------------------------------------- */

static uint32_t random_batch(uint64_t *seed, struct script *script, struct rig_record *records)
{
    uint32_t count = 0;

    if (draw_below(seed, 3) != 0 && script->sequence > 0)
        records[count++] = script_marker(script);
    for (uint32_t more = 1 + draw_below(seed, 3); more > 0 && script->last < 60; more--) {
        octo_index index = script->last + 1;
        if (draw_below(seed, 6) == 0 && script->last > 2)
            index -= draw_below(seed, 3);
        const octo_term term = script->terms[index - 1] + 1 + draw_below(seed, 2);
        records[count] = script_entry(script, index, term, draw_below(seed, 900));
        count++;
    }
    return count;
}

/* Sectors become durable out of order, in both topics, some of them never: the reader looks now and
 * then, and must always know what it would from the whole. */
Test(image, step_by_step_as_a_whole)
{
    uint64_t last = 0;

    for (uint64_t seed = 0; seed < 300; seed++) {
        struct script script = {.last = 0};
        struct rig_record records[4];
        uint64_t state = seed;
        open_image();
        draw_bytes(&state, script.commands, sizeof script.commands);
        for (uint32_t batch = 0; batch < 12; batch++) {
            uint64_t sectors;
            const uint32_t count = random_batch(&state, &script, records);
            if (count == 0)
                continue;
            if (draw_below(&state, 8) == 0) /* fails, and is written again */
                write_batch(records, count, &sectors);
            write_batch(records, count, &sectors);
        }
        const uint64_t end = rig_file(disks, 2, OCTO_FILE_MAIN)->end / RIG_SECTOR;
        uint64_t near = 0;
        for (uint32_t i = 0; i < 4 * end; i++) {
            /* Mostly in order, as batches do; now and then anywhere. */
            const bool anywhere = draw_below(&state, 6) == 0;
            const uint64_t sector = anywhere ? draw_below(&state, (uint32_t)end) : near / 2 % end;
            near += !anywhere;
            now_durable(draw_below(&state, 2) == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY, sector,
                        1);
            if (draw_below(&state, 3) == 0) {
                refresh();
                oracle_image_compare(oracles, node, &images);
                cr_assert_not(oracles->stopped, "seed %llu: %s", (unsigned long long)seed,
                              oracles->verdict.why);
            }
        }
        last += node->image.topics[0].log.last;
        close_image();
    }
    cr_assert_gt(last, 1000);
}

/* ---- Votes ----------------------------------------------------------------------------------- */

static struct oracle_ballot vote_now(void)
{
    return oracle_vote_read(oracles, 2, &images);
}

Test(image, the_newest_vote_counts)
{
    open_image();
    cr_assert_not(vote_now().known);
    for (uint32_t slot = 0; slot < 4; slot++)
        rig_vote_put(disks, 2, slot, slot / 2, 0, 0);
    cr_assert(vote_now().known);
    cr_assert_eq(vote_now().generation, 1);
    rig_vote_put(disks, 2, 0, 2, 5, 3);
    cr_assert_eq(vote_now().term, 5);
    cr_assert_eq(vote_now().vote, 3);
    rig_vote_put(disks, 2, 2, 3, 6, 0);
    cr_assert_eq(vote_now().term, 6);

    /* One copy of each pair may be damaged, not both. */
    struct rig_file *file = rig_file(disks, 2, OCTO_FILE_VOTE);
    file->bytes[2 * RIG_SECTOR + 33] ^= 1;
    cr_assert_eq(vote_now().term, 5);
    cr_assert(vote_now().known);
    file->durable[3] = false;
    cr_assert_not(vote_now().known);
    close_image();
}

Test(image, every_byte_of_a_vote_counts)
{
    open_image();
    for (uint32_t slot = 0; slot < 4; slot++)
        rig_vote_put(disks, 2, slot, slot / 2, 0, 0);
    rig_vote_put(disks, 2, 0, 2, 5, 3);
    struct rig_file *file = rig_file(disks, 2, OCTO_FILE_VOTE);
    for (uint32_t at = 0; at < OCTO_VOTE_BYTES; at++) {
        file->bytes[at] ^= 0x40;
        cr_assert_eq(vote_now().generation, 1, "byte %u", at);
        file->bytes[at] ^= 0x40;
    }
    cr_assert_eq(vote_now().generation, 2);
    rig_vote_put(disks, 2, 1, 3, 9, 1); /* a generation that does not belong there */
    cr_assert_eq(vote_now().generation, 2);
    close_image();
}
