/* Plans: text, lines, and replays that repeat a run exactly. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "sim/plan.h"

static void *block_take(const struct octo_sim_options *options)
{
    const size_t bytes = octo_world_bytes(options);
    void *block = aligned_alloc(4096, bytes);
    cr_assert(block != NULL);
    return block;
}

static uint64_t run_hash(const struct octo_plan *plan, struct octo_plan *recording, void *block)
{
    octo_plan_record(recording);
    struct octo_world *world =
        octo_world_create_planned(block, octo_world_bytes(&plan->options), plan, &octo_machine_kv);
    cr_assert(world != NULL);
    octo_world_run(world, UINT64_MAX);
    octo_plan_record(NULL);
    if (recording != NULL)
        octo_plan_record_end(recording, world);
    return octo_world_hash(world);
}

/* A plan written and read again. */
static void plan_reread(const struct octo_plan *plan, struct octo_plan *copy)
{
    char error[OCTO_PLAN_ERROR_BYTES] = "";
    FILE *file = tmpfile();
    cr_assert(file != NULL);
    cr_assert(octo_plan_write(plan, file, "the test"));
    rewind(file);
    cr_assert(octo_plan_read(copy, file, error), "%s", error);
    (void)fclose(file);
}

Test(plan, recording_repeats_the_run_on_the_calm_base)
{
    static const enum octo_sim_faults mixes[] = {OCTO_SIM_FAULTS_ALL, OCTO_SIM_FAULTS_SWARM,
                                                 OCTO_SIM_FAULTS_DISK};
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct octo_plan seeded = {.options = octo_sim_options_default()};
        struct octo_plan recorded = {0};
        struct octo_plan reread = {0};
        struct octo_plan again = {0};
        seeded.options.seed = seed;
        seeded.options.node_count = 3;
        seeded.options.operations = 60;
        seeded.options.faults = mixes[seed % 3];
        void *block = block_take(&seeded.options);
        const uint64_t hash = run_hash(&seeded, &recorded, block);
        cr_assert(recorded.count > 100, "seed %d", (int)seed);
        plan_reread(&recorded, &reread);
        cr_assert_eq(reread.count, recorded.count);
        cr_assert(run_hash(&reread, &again, block) == hash, "seed %d", (int)seed);
        cr_assert_eq(again.count, recorded.count, "a replay records the same lines");
        free(block);
        octo_plan_free(&recorded);
        octo_plan_free(&reread);
        octo_plan_free(&again);
    }
}

Test(plan, calm_base_without_lines_has_no_faults)
{
    struct octo_plan plan = {
        .options = octo_sim_options_default(), .base = OCTO_BASE_CALM, .quiet_ns = OCTO_SECOND};
    struct octo_sim_result result;
    plan.options.operations = 40;
    plan.options.faults = OCTO_SIM_FAULTS_ALL;
    void *block = block_take(&plan.options);
    struct octo_world *world =
        octo_world_create_planned(block, octo_world_bytes(&plan.options), &plan, &octo_machine_kv);
    octo_world_run(world, UINT64_MAX);
    octo_world_result(world, &result);
    cr_assert_eq(result.verdict.property, OCTO_PROPERTY_NONE, "%s", result.verdict.why);
    cr_assert_eq(result.acked, 40);
    for (uint32_t fault = 0; fault < OCTO_FAULT_COUNT; fault++) {
        if (fault != OCTO_FAULT_CLOCK_OFFSET && fault != OCTO_FAULT_CLOCK_DRIFT)
            cr_assert(result.faults[fault] == 0, "%s", octo_fault_text((enum octo_fault)fault));
    }
    free(block);
}

Test(plan, luck_draws_decisions_anew_under_the_same_drawing)
{
    struct octo_plan plan = {.options = octo_sim_options_default(), .base = OCTO_BASE_STEADY};
    struct octo_plan recorded = {0};
    struct octo_plan copy = {0};
    plan.options.operations = 60;
    plan.options.faults = OCTO_SIM_FAULTS_ALL;
    void *block = block_take(&plan.options);
    const uint64_t usual = run_hash(&plan, NULL, block);
    plan.luck = 7;
    plan_reread(&plan, &copy);
    cr_assert_eq(copy.luck, 7);
    const uint64_t lucky = run_hash(&copy, &recorded, block);
    cr_assert(lucky != usual);
    cr_assert_eq(recorded.luck, 0, "its lines say all");
    cr_assert(run_hash(&recorded, NULL, block) == lucky);
    free(block);
    octo_plan_free(&copy);
    octo_plan_free(&recorded);
}

/* As a storm of messages records it, whose replay once found no room. */
Test(plan, a_plan_of_a_million_lines_has_room)
{
    struct octo_plan plan = {
        .options = octo_sim_options_default(), .base = OCTO_BASE_CALM, .quiet_ns = OCTO_SECOND};
    struct octo_plan_line line = {.key = {.purpose = OCTO_DECIDE_MESSAGE_LATENCY, .actor = 1}};
    uint32_t first;
    plan.options.operations = 10;
    void *small = block_take(&plan.options);
    const uint64_t hash = run_hash(&plan, NULL, small);
    free(small);
    for (line.key.identity[0] = 1; line.key.identity[0] <= 1u << 20; line.key.identity[0]++)
        cr_assert(octo_plan_add(&plan, &line));
    cr_assert(octo_plan_add(&plan, &line));
    const size_t bytes = octo_world_bytes(&plan.options) + octo_plan_room(plan.count);
    void *block = aligned_alloc(4096, bytes);
    cr_assert(block != NULL);
    struct octo_world *world = octo_world_create_planned(block, bytes, &plan, &octo_machine_kv);
    cr_assert(world != NULL);
    octo_world_run(world, UINT64_MAX);
    cr_assert(octo_world_hash(world) == hash, "lines that nobody asks for change nothing");
    cr_assert_eq(octo_world_unmatched(world, &first), plan.count);
    free(block);
    octo_plan_free(&plan);
}

Test(plan, one_line_is_one_fault_and_others_are_reported)
{
    char error[OCTO_PLAN_ERROR_BYTES];
    struct octo_plan plan = {
        .options = octo_sim_options_default(), .base = OCTO_BASE_CALM, .quiet_ns = 3 * OCTO_SECOND};
    struct octo_plan_line line;
    struct octo_sim_result result;
    uint32_t first;
    plan.options.operations = 10;
    plan.options.faults = OCTO_SIM_FAULTS_ALL;
    cr_assert(octo_plan_line_parse("crash of=2 fault=kill bits=0", &line, error), "%s", error);
    cr_assert(octo_plan_add(&plan, &line));
    cr_assert(octo_plan_line_parse("crash of=4000 fault=kill bits=0", &line, error), "%s", error);
    cr_assert(octo_plan_add(&plan, &line));
    void *block = block_take(&plan.options);
    struct octo_world *world =
        octo_world_create_planned(block, octo_world_bytes(&plan.options), &plan, &octo_machine_kv);
    octo_world_run(world, UINT64_MAX);
    octo_world_result(world, &result);
    cr_assert_eq(result.verdict.property, OCTO_PROPERTY_NONE, "%s", result.verdict.why);
    cr_assert_eq(result.faults[OCTO_FAULT_KILL], 1);
    cr_assert_eq(result.crashes, 1);
    cr_assert_eq(octo_world_unmatched(world, &first), 1);
    cr_assert_eq(first, 1);
    free(block);
    octo_plan_free(&plan);
}

Test(plan, line_that_says_none_takes_a_strike_out_of_a_seeded_run)
{
    char error[OCTO_PLAN_ERROR_BYTES];
    struct octo_plan plan = {.options = octo_sim_options_default()};
    struct octo_plan_line line;
    plan.options.node_count = 3;
    plan.options.operations = 40;
    plan.options.faults = OCTO_SIM_FAULTS_ALL;
    void *block = block_take(&plan.options);
    const uint64_t hash = run_hash(&plan, NULL, block);
    cr_assert(octo_plan_line_parse("crash of=1 none", &line, error), "%s", error);
    cr_assert(octo_plan_add(&plan, &line));
    cr_assert(run_hash(&plan, NULL, block) != hash);
    free(block);
    octo_plan_free(&plan);
}

Test(plan, lines_survive_text)
{
    for (uint32_t i = 0; i < 2000; i++) {
        const uint64_t bits = octo_mix(i);
        struct octo_plan_line line = {
            .key = {.purpose = (uint8_t)(1 + i % (OCTO_DECISION_COUNT - 1)),
                    .detail = (uint8_t)(i & 8 ? bits >> 56 : 1 + (bits >> 56) % 12),
                    .actor = (uint8_t)(1 + bits % 9 + (i & 16 ? OCTO_ACTOR_CLIENT : 0)),
                    .target = (uint8_t)((bits >> 8) % 15 % 9),
                    .incarnation = (uint32_t)(bits >> 32) * (i & 1),
                    .identity = {i & 64 ? (bits % 12) << 32 | (bits >> 60) : bits * (i & 2),
                                 octo_mix(bits) * (i & 4)},
                    .attempt = (uint32_t)(bits >> 40)},
            .bits = octo_mix(bits + 1),
        };
        struct octo_plan_line copy;
        char text[OCTO_PLAN_LINE_BYTES];
        char error[OCTO_PLAN_ERROR_BYTES];
        if (line.key.purpose == OCTO_DECIDE_PARTITION)
            line.fault = OCTO_FAULT_PARTITION_BRIDGE;
        if (line.key.purpose == OCTO_DECIDE_PAUSE)
            line.fault = OCTO_FAULT_PAUSE;
        octo_plan_line_text(&line, text);
        cr_assert(octo_plan_line_parse(text, &copy, error), "%s: %s", text, error);
        cr_assert(octo_key_hash(1, &copy.key) == octo_key_hash(1, &line.key), "%s", text);
        cr_assert(copy.bits == line.bits && copy.fault == line.fault && copy.none == line.none);
    }
}

Test(plan, bad_text_is_refused_with_its_line)
{
    static const struct {
        const char *text, *wants;
    } bad[] = {
        {"", "1: is empty"},
        {"octo-plan 2\n", "1: expected 'octo-plan 1'"},
        {"octo-plan 1\nnodes 10\n", "2: nodes wants a whole number from 1 to 9"},
        {"octo-plan 1\nseed x\n", "2: seed wants"},
        {"octo-plan 1\nseed 18446744073709551616\n", "2: seed wants"},
        {"octo-plan 1\nbase wild\n", "2: base wants seeded, calm or steady"},
        {"octo-plan 1\nfaults few\n", "2: faults wants"},
        {"octo-plan 1\n\n# hm\nfrobnicate of=1\n", "4: expected a header's name or a decision"},
        {"octo-plan 1\ncrash of\n", "2: expected name=value"},
        {"octo-plan 1\ncrash of=1 fault=rust\n", "2: fault= wants a fault kind"},
        {"octo-plan 1\ncrash of=1 fault=pause\n", "2: fault= wants a kind that goes"},
        {"octo-plan 1\ncrash of=1 fault=kill bits=xyz\n", "2: bits= wants"},
        {"octo-plan 1\nmessage-lost by=x1\n", "2: by= wants"},
        {"octo-plan 1\nmarks nothing-rare\n", "2: marks wants names of marks"},
        {"octo-plan 1\nbug a-name-that-is-longer-than-any-bug-in-the-tree-has-or-ever-would-have\n",
         "2: bug wants"},
        {"octo-plan 1\ndisk op=paint\n", "2: op= wants a disk operation"},
        {"octo-plan 1\ndisk file=poem.1\n", "2: expected a number in range"},
        {"octo-plan 1\nmessage-lost what=256\n", "2: what= wants a word"},
        {"octo-plan 1\nmessage-lost bits=0\nnodes 3\n", "3: 'nodes 3' is a header"},
        {"octo-plan 1\nunbounded 2\n", "2: unbounded wants 1"},
        {"octo-plan 1\nexpect\n", "2: expect wants a text"},
        {"octo-plan 1\ncrash window=1\n", "2: a window's strike wants fault="},
        {"octo-plan 1\nmessage-latency by=n1 none\n", "2: this decision always comes"},
        {"octo-plan 1\nexpect \033[2J\n", "2: has a byte that is no text (0x1b)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct octo_plan plan;
        char error[OCTO_PLAN_ERROR_BYTES] = "";
        FILE *file = tmpfile();
        cr_assert(file != NULL);
        fputs(bad[i].text, file);
        rewind(file);
        cr_assert(!octo_plan_read(&plan, file, error), "%s", bad[i].text);
        cr_assert(strncmp(error, bad[i].wants, strlen(bad[i].wants)) == 0, "%s: %s", bad[i].text,
                  error);
        (void)fclose(file);
        octo_plan_free(&plan);
    }
}

/* What a run must show, and the bug that it is about, survive text; a mark that is missed is said.
 */
Test(plan, marks_are_judged)
{
    struct octo_plan plan = {
        .options = octo_sim_options_default(), .base = OCTO_BASE_CALM, .quiet_ns = OCTO_SECOND};
    struct octo_plan reread;
    struct octo_sim_result result;
    char error[OCTO_PLAN_ERROR_BYTES];
    plan.options.operations = 10;
    memset(plan.marks, true, sizeof plan.marks);
    (void)snprintf(plan.bug, sizeof plan.bug, "vote-erased");
    FILE *file = tmpfile();
    cr_assert(file != NULL && octo_plan_write(&plan, file, "test"));
    rewind(file);
    cr_assert(octo_plan_read(&reread, file, error), "%s", error);
    (void)fclose(file);
    cr_assert_str_eq(reread.bug, "vote-erased");
    cr_assert(memcmp(reread.marks, plan.marks, sizeof plan.marks) == 0);
    void *block = block_take(&plan.options);
    struct octo_world *world = octo_world_create_planned(block, octo_world_bytes(&plan.options),
                                                         &reread, &octo_machine_kv);
    octo_world_run(world, UINT64_MAX);
    octo_world_result(world, &result);
    cr_assert_eq(result.verdict.property, OCTO_PROPERTY_NON_VACUOUS);
    cr_assert(strstr(result.verdict.why, "the plan is stale") != NULL, "%s", result.verdict.why);
    uint32_t missed = 0;
    while (missed < OCTO_MARK_COUNT && result.marks[missed] != 0)
        missed++;
    cr_assert(missed < OCTO_MARK_COUNT);
    cr_assert(strstr(result.verdict.why, octo_mark_text((enum octo_mark)missed)) != NULL, "%s",
              result.verdict.why);
    free(block);
    octo_plan_free(&reread);
}
