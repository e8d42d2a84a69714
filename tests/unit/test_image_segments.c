/* The oracles' reader of durable images over many files: segments that come, go and are recycled,
 * what bases and cuts say, the snapshot that a log begins from, and both topics together. */
#include "draw.h"
#include "image_script.h"

static void entries_durable(struct script *script, octo_index from, octo_index to, octo_term term)
{
    for (octo_index i = from; i <= to; i++) {
        const struct rig_record record = script_entry(script, i, term, 20);
        batch_durable(&record, 1);
    }
    const struct rig_record marker = script_marker(script);
    batch_durable(&marker, 1);
}

static const struct oracle_topic *topic(uint32_t number)
{
    return &node->image.topics[number];
}

static bool holds(const struct script *script, octo_index index)
{
    return oracle_image_holds(oracles, node, index, script->chains[index]);
}

/* ---- Segments -------------------------------------------------------------------------------- */

Test(image_segments, a_log_goes_on_in_the_next_segment)
{
    struct script script = {.last = 0};

    open_image();
    entries_durable(&script, 1, 3, 1);
    segment = 2;
    entries_durable(&script, 4, 6, 1);
    refresh();
    segment = 3;
    entries_durable(&script, 7, 8, 2);
    refresh();
    cr_assert_eq(topic(0)->log.last, 8);
    cr_assert(holds(&script, 8));
    cr_assert(oracle_image_marked(oracles, node, 8));
    compare();
    close_image();
}

/* The file of an old segment under a new name: what stands in it is of no number but its own. */
Test(image_segments, ghosts_of_a_recycled_segment)
{
    struct script script = {.last = 0};

    open_image();
    entries_durable(&script, 1, 4, 1);
    segment = 2;
    entries_durable(&script, 5, 6, 1);
    refresh();
    committed(4, 1, script.chains[4]);
    snapshot_durable(&script, 4, 1);
    segment_gone(1, 3);
    refresh();
    cr_assert_eq(topic(0)->log.base.index, 4);
    cr_assert_eq(topic(0)->log.last, 6);
    compare();
    segment = 3;
    entries_durable(&script, 7, 7, 1);
    refresh();
    cr_assert(holds(&script, 7));
    cr_assert(oracle_image_marked(oracles, node, 7));
    compare();
    close_image();
}

/* Bug C9: what goes was covered by no snapshot. */
Test(image_segments, a_segment_that_goes_takes_the_log_with_it)
{
    struct script script = {.last = 0};

    open_image();
    entries_durable(&script, 1, 4, 1);
    segment = 2;
    entries_durable(&script, 5, 6, 1);
    refresh();
    segment_gone(1, 0);
    refresh();
    cr_assert_eq(topic(0)->log.last, 0);
    cr_assert_not(holds(&script, 6));
    compare();

    committed(3, 1, script.chains[3]); /* not far enough */
    snapshot_durable(&script, 3, 1);
    refresh();
    cr_assert_eq(topic(0)->log.last, 3);
    cr_assert_not(holds(&script, 6));
    close_image();
}

Test(image_segments, a_truncated_suffix_stays_truncated)
{
    struct script script = {.last = 0};

    open_image();
    entries_durable(&script, 1, 6, 1);
    const uint64_t old = script.chains[6];
    segment = 2;
    entries_durable(&script, 4, 5, 2);
    refresh();
    cr_assert_eq(topic(0)->log.last, 5);
    cr_assert_not(oracle_image_holds(oracles, node, 6, old));
    committed(5, 2, script.chains[5]);
    snapshot_durable(&script, 5, 1);
    segment_gone(1, 3);
    refresh();
    segment = 3;
    entries_durable(&script, 6, 6, 2);
    refresh();
    cr_assert(holds(&script, 6));
    compare();
    close_image();
}

/* ---- Bases ----------------------------------------------------------------------------------- */

static struct rig_record base_record(struct script *script)
{
    struct rig_record record = script_marker(script);

    record.type = 3;
    record.sequence = ++script->sequence;
    return record;
}

/* The node held entries up to 3; a leader's snapshot is at 8. */
static struct script installed(void)
{
    struct script leader = {.last = 0};

    entries_durable(&leader, 1, 3, 1);
    for (octo_index i = 4; i <= 8; i++)
        script_entry(&leader, i, 1, 20);
    leader.sequence = 3;
    committed(8, 1, leader.chains[8]);
    return leader;
}

Test(image_segments, a_base_goes_on_from_a_snapshot)
{
    open_image();
    struct script script = installed();
    snapshot_durable(&script, 8, 1);
    refresh();
    cr_assert_eq(topic(0)->log.last, 8);
    cr_assert(oracle_image_marked(oracles, node, 8));
    const struct rig_record base = base_record(&script);
    batch_durable(&base, 1);
    entries_durable(&script, 9, 10, 1);
    refresh();
    cr_assert(holds(&script, 10));
    cr_assert(oracle_image_marked(oracles, node, 10));
    cr_assert_not(topic(0)->contradiction);
    compare();
    close_image();
}

Test(image_segments, a_base_without_its_snapshot_holds_nothing)
{
    open_image();
    struct script script = installed();
    const struct rig_record base = base_record(&script);
    batch_durable(&base, 1);
    entries_durable(&script, 9, 10, 1);
    refresh();
    cr_assert(topic(0)->unfounded);
    cr_assert_not(holds(&script, 8));
    cr_assert_not(holds(&script, 10));
    compare();
    struct oracle_found found = oracle_image_found(oracles, node, &images);
    cr_assert_eq(found.last.index, 10);
    cr_assert_eq(found.start.index, 0); /* a start has nothing to put it on */

    snapshot_durable(&script, 8, 1); /* there it is */
    refresh();
    cr_assert(holds(&script, 10));
    found = oracle_image_found(oracles, node, &images);
    cr_assert_eq(found.start.index, 10);
    cr_assert_eq(found.start.chain, found.last.chain);
    compare();
    close_image();
}

Test(image_segments, a_log_without_foundation_is_replaced_from_the_first_entry)
{
    open_image();
    struct script script = installed();
    const struct rig_record base = base_record(&script);
    batch_durable(&base, 1);
    refresh();
    cr_assert(topic(0)->unfounded);
    entries_durable(&script, 1, 2, 1);
    refresh();
    cr_assert_not(topic(0)->unfounded);
    cr_assert_eq(topic(0)->log.last, 2);
    cr_assert(holds(&script, 2));
    compare();
    close_image();
}

/* A snapshot ahead of the log: what does not go on from it is passed over. */
Test(image_segments, a_snapshot_ahead_of_the_log)
{
    open_image();
    struct script script = installed();
    struct script other = {.last = 8, .sequence = 3};
    other.chains[8] = script.chains[8] + 1;
    other.terms[8] = 1;
    const struct rig_record wrong = script_entry(&other, 9, 1, 20);
    snapshot_durable(&script, 8, 1);
    batch_durable(&wrong, 1);
    refresh();
    cr_assert_eq(topic(0)->log.last, 8);
    entries_durable(&script, 9, 9, 1);
    refresh();
    cr_assert(holds(&script, 9));
    compare();
    close_image();
}

/* ---- Cuts ------------------------------------------------------------------------------------ */

/* Entry 3 was not readable when the node started, and comes up later. */
Test(image_segments, a_cut_voids_what_comes_up_late)
{
    struct script script = {.last = 0};
    uint64_t sectors;

    open_image();
    entries_durable(&script, 1, 2, 1);
    struct script after = script;
    const struct rig_record late[] = {script_entry(&script, 3, 1, 20), script_marker(&script)};
    const uint64_t first = write_batch(late, 2, &sectors);
    const struct rig_record cut[] = {script_cut(&after), script_marker(&after)};
    batch_durable(cut, 2);
    refresh();
    cr_assert_eq(topic(0)->log.last, 2);
    now_durable(OCTO_FILE_MAIN, first, sectors);
    now_durable(OCTO_FILE_RECOVERY, first, sectors);
    refresh();
    cr_assert_eq(topic(0)->log.last, 2);
    cr_assert_eq(topic(0)->marker.sequence, 2);
    compare();
    entries_durable(&after, 3, 3, 2); /* of the same sequence, and another entry */
    refresh();
    cr_assert(holds(&after, 3));
    cr_assert(oracle_image_marked(oracles, node, 3));
    compare();
    close_image();
}

/* A cut that is read after what it voids: the loss of entries that were durable. */
Test(image_segments, a_cut_voids_what_was_taken)
{
    struct script script = {.last = 0};

    open_image();
    entries_durable(&script, 1, 2, 1);
    struct script after = script;
    entries_durable(&script, 3, 5, 1);
    refresh();
    cr_assert(holds(&script, 5));
    struct rig_record records[] = {script_cut(&after), script_marker(&after)};
    records[1].entry.client = 1; /* the floor */
    records[1].entry.sequence = 5;
    segment = 2;
    batch_durable(records, 2);
    refresh();
    cr_assert_not(holds(&script, 5));
    cr_assert_eq(topic(0)->log.last, 2);
    const struct oracle_found found = oracle_image_found(oracles, node, &images);
    cr_assert_eq(found.last.index, 2);
    cr_assert_eq(found.marker.floor_index, 5);
    cr_assert_eq(found.marker.floor_term, 1);
    compare();
    close_image();
}

/* ---- Both topics together -------------------------------------------------------------------- */

Test(image_segments, what_either_topic_holds)
{
    struct script script = {.last = 0};
    uint64_t first, sectors;

    open_image();
    entries_durable(&script, 1, 2, 1);
    for (octo_index i = 3; i <= 6; i++) {
        const struct rig_record record = script_entry(&script, i, 1, 20);
        first = write_batch(&record, 1, &sectors);
        if (i != 5)
            now_durable(i % 2 == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY, first, sectors);
    }
    refresh();
    cr_assert_eq(topic(0)->log.last, 2);
    cr_assert_eq(topic(1)->log.last, 3);
    struct oracle_found found = oracle_image_found(oracles, node, &images);
    cr_assert_eq(found.last.index, 4);
    cr_assert_eq(found.last.chain, script.chains[4]);
    now_durable(OCTO_FILE_RECOVERY, first - 1, 1);
    refresh();
    found = oracle_image_found(oracles, node, &images);
    cr_assert_eq(found.last.index, 6);
    close_image();
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

/* Any bytes: the reader only hashes them. */
static struct rig_snapshot sample(uint64_t seed, bool packed, uint32_t block_bytes)
{
    static uint8_t sessions[1000], machine[50000];

    draw_bytes(&seed, sessions, sizeof sessions);
    memset(machine, 7, sizeof machine);
    draw_bytes(&seed, machine, sizeof machine / 2);
    return (struct rig_snapshot){
        .index = 9,
        .term = 3,
        .chain = 0x1234,
        .version = octo_machine_kv.version,
        .sessions = sessions,
        .sessions_bytes = sizeof sessions,
        .machine = machine,
        .machine_bytes = sizeof machine,
        .packed = packed,
        .block_bytes = block_bytes,
    };
}

static uint64_t sample_put(uint32_t number, const struct rig_snapshot *snapshot)
{
    struct rig_file *file = rig_file_at(disks, 2, OCTO_FILE_SNAPSHOT, number);
    const uint64_t size = rig_snapshot_put(file->bytes, snapshot);

    file_durable(OCTO_FILE_SNAPSHOT, number, 0, (size + RIG_SECTOR - 1) / RIG_SECTOR);
    return size;
}

static struct oracle_snapshot snapshot_now(void)
{
    const struct oracle_snapshot nothing = {.number = 0};

    return oracle_snapshot_read(oracles, 2, &nothing, &images);
}

Test(image_segments, a_snapshot_in_any_blocks)
{
    static const uint32_t blocks[] = {0, 4096, 1000, 1};

    for (size_t i = 0; i < 6; i++) {
        open_image();
        struct rig_snapshot snapshot = sample(5, i % 2 == 0, blocks[i / 2]);
        sample_put(1, &snapshot);
        const struct oracle_snapshot read = snapshot_now();
        cr_assert_eq(read.number, 1);
        cr_assert_eq(read.at.index, 9);
        cr_assert_eq(read.at.term, 3);
        cr_assert_eq(read.at.chain, 0x1234);
        cr_assert_eq(read.sessions_bytes, snapshot.sessions_bytes);
        cr_assert_eq(read.machine_bytes, snapshot.machine_bytes);
        cr_assert_eq(read.machine_hash, octo_hash(snapshot.machine, snapshot.machine_bytes, 0));
        cr_assert_eq(read.sessions_hash, octo_hash(snapshot.sessions, snapshot.sessions_bytes, 0));
        close_image();
    }
}

Test(image_segments, every_byte_of_a_snapshot_counts)
{
    open_image();
    struct rig_snapshot snapshot = sample(6, true, 0);
    snapshot.machine_bytes = 300;
    snapshot.sessions_bytes = 40;
    const uint64_t size = sample_put(1, &snapshot);
    uint8_t *bytes = rig_file_at(disks, 2, OCTO_FILE_SNAPSHOT, 1)->bytes;
    const uint32_t stored = octo_get_u32(bytes + 64 + 16);
    const uint64_t end = 64 + 32 + stored; /* of the first block; then padding */
    cr_assert_eq(snapshot_now().number, 1);
    for (uint64_t at = 0; at < size; at++) {
        bytes[at] ^= 0x20;
        const bool padding = at >= end && at < octo_align_up(end, 8);
        cr_assert_eq(snapshot_now().number, padding, "byte %llu", (unsigned long long)at);
        bytes[at] ^= 0x20;
    }
    bytes[size] ^= 0x20; /* what follows means nothing */
    cr_assert_eq(snapshot_now().number, 1);
    close_image();
}

Test(image_segments, the_newest_valid_snapshot_counts)
{
    open_image();
    struct rig_snapshot snapshot = sample(7, true, 0);
    sample_put(0, &snapshot); /* the spare */
    cr_assert_eq(snapshot_now().number, 0);
    sample_put(2, &snapshot);
    snapshot.index = 12;
    sample_put(4, &snapshot);
    refresh();
    cr_assert_eq(node->image.snapshot.at.index, 12);
    rig_file_at(disks, 2, OCTO_FILE_SNAPSHOT, 4)->bytes[200] ^= 1;
    file_durable(OCTO_FILE_SNAPSHOT, 4, 0, 1);
    refresh();
    cr_assert_eq(node->image.snapshot.number, 2);
    compare();
    close_image();
}

/* ---- Any order ------------------------------------------------------------------------------- */

/* What the walk below knows of its disk. */
struct walk {
    struct script script;
    octo_index highest[RIG_NUMBERS]; /* entry in each segment */
    uint32_t first;                  /* segment that is there */
    uint32_t snapshot;               /* number, 0 if there is none */
    octo_index snapshot_index;
    uint64_t seed;
};

static void walk_batch(struct walk *walk)
{
    struct script *script = &walk->script;
    struct rig_record records[5];
    uint32_t count = 0;
    uint64_t sectors;

    if (draw_below(&walk->seed, 8) == 0)
        records[count++] = script_cut(script);
    if (draw_below(&walk->seed, 2) == 0)
        records[count++] = script_marker(script);
    for (uint32_t more = 1 + draw_below(&walk->seed, 3); more > 0 && script->last < 60; more--) {
        octo_index index = script->last + 1;
        if (draw_below(&walk->seed, 6) == 0 && script->last > walk->snapshot_index + 2)
            index -= draw_below(&walk->seed, 3);
        if (draw_below(&walk->seed, 5) == 0)
            script->sequence += draw_below(&walk->seed, 4);
        const octo_term term = script->terms[index - 1] + 1;
        records[count++] = script_entry(script, index, term, draw_below(&walk->seed, 400));
        walk->highest[segment] = octo_max_u64(walk->highest[segment], index);
    }
    const uint64_t first = write_batch(records, count, &sectors);
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t kind = i == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;
        for (uint64_t k = 0; k < sectors; k++) {
            /* In a recycled segment what is written shows at once. */
            if (draw_below(&walk->seed, 12) != 0 ||
                rig_file_at(disks, 2, kind, segment)->durable[first + k])
                now_durable(kind, first + k, 1);
        }
    }
}

/* A sector that was written comes up late, or once more. */
static void walk_late(struct walk *walk)
{
    const uint8_t kind = draw_below(&walk->seed, 2) == 0 ? OCTO_FILE_MAIN : OCTO_FILE_RECOVERY;
    const uint64_t end = rig_file_at(disks, 2, kind, segment)->end / RIG_SECTOR;

    if (end > 0)
        now_durable(kind, draw_below(&walk->seed, (uint32_t)end), 1);
}

/* A snapshot; then segments that it covers go, and now and then come back under a new number. */
static void walk_snapshot(struct walk *walk)
{
    const octo_index index = node->image.topics[0].log.last;
    struct script *script = &walk->script;

    refresh();
    if (index <= walk->snapshot_index || !holds(script, index) || walk->snapshot + 1 >= RIG_NUMBERS)
        return;
    for (octo_index i = walk->snapshot_index + 1; i <= index; i++)
        committed(i, script->terms[i], script->chains[i]);
    snapshot_durable(script, index, ++walk->snapshot);
    walk->snapshot_index = index;
    if (walk->snapshot > 1)
        file_gone(OCTO_FILE_SNAPSHOT, walk->snapshot - 1, 0);
    if (draw_below(&walk->seed, 2) == 0)
        refresh();
    for (; walk->first < segment && walk->highest[walk->first] <= index; walk->first++) {
        const bool again = draw_below(&walk->seed, 2) == 0 && segment + 1 < RIG_NUMBERS;
        segment_gone(walk->first, again ? segment + 1 : 0);
        if (draw_below(&walk->seed, 2) == 0)
            refresh();
    }
}

/* A disk as a node's life makes it, and worse: what is read step by step is what is there. */
Test(image_segments, step_by_step_as_a_whole)
{
    uint64_t last = 0, snapshots = 0, recycled = 0;

    for (uint64_t seed = 0; seed < 150; seed++) {
        struct walk walk = {.first = 1, .seed = seed};
        open_image();
        draw_bytes(&walk.seed, walk.script.commands, sizeof walk.script.commands);
        for (uint32_t i = 0; i < 60; i++) {
            const uint32_t what = draw_below(&walk.seed, 10);
            if (what < 6)
                walk_batch(&walk);
            else if (what == 6 && segment + 1 < RIG_NUMBERS)
                segment++;
            else if (what == 7)
                walk_snapshot(&walk);
            else if (what == 8)
                walk_late(&walk);
            else
                refresh();
            if (draw_below(&walk.seed, 3) == 0)
                compare();
        }
        last += node->image.topics[0].log.last;
        snapshots += walk.snapshot;
        recycled += walk.first - 1;
        close_image();
    }
    cr_assert_gt(last, 1500);
    cr_assert_gt(snapshots, 100);
    cr_assert_gt(recycled, 50);
}
