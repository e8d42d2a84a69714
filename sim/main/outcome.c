#include "sim/main/outcome.h"

#include <stdarg.h>

#include "sim/world.h"

void sim_outcome_take(struct sim_outcome *outcome, const struct octo_world *world,
                      const struct octo_sim_options *options, uint64_t wall_ns)
{
    *outcome = (struct sim_outcome){
        .options = *options, .wall_ns = wall_ns, .stopped = !octo_world_over(world)};
    octo_world_result(world, &outcome->result);
    memcpy(outcome->excuses, world->excuses, sizeof outcome->excuses);
}

bool sim_outcome_make(struct sim_outcome *outcome, const struct sim_block *block,
                      const struct octo_sim_options *options, const struct octo_machine *machine)
{
    const uint64_t begin = sim_clock_ns();
    struct octo_world *world = octo_world_create(block->base, block->size, options, machine);
    if (world == NULL)
        return false;
    octo_world_run(world, UINT64_MAX);
    sim_outcome_take(outcome, world, options, sim_clock_ns() - begin);
    return true;
}

enum sim_exit sim_outcome_exit(const struct sim_outcome *outcome)
{
    if (outcome->result.verdict.property != OCTO_PROPERTY_NONE)
        return SIM_EXIT_BROKEN;
    return outcome->result.verdict.undecided ? SIM_EXIT_UNDECIDED : SIM_EXIT_OK;
}

const char *sim_outcome_text(const struct sim_outcome *outcome)
{
    if (outcome->result.verdict.property != OCTO_PROPERTY_NONE)
        return "broken";
    return outcome->result.verdict.undecided ? "undecided" : "ok";
}

uint64_t sim_outcome_faults(const struct sim_outcome *outcome)
{
    uint64_t sum = 0;
    for (size_t fault = 0; fault < OCTO_FAULT_COUNT; fault++)
        sum += outcome->result.faults[fault];
    return sum;
}

uint64_t sim_rate(uint64_t count, uint64_t wall_ns)
{
    return wall_ns == 0 ? 0 : (uint64_t)((double)count * 1e9 / (double)wall_ns);
}

const char *sim_excuse_text(enum octo_excuse excuse)
{
    static const char *const texts[] = {
#define EXCUSE_TEXT(name, text) [OCTO_EXCUSE_##name] = (text),
        OCTO_EXCUSES(EXCUSE_TEXT)
#undef EXCUSE_TEXT
    };
    octo_assert(excuse < OCTO_EXCUSE_COUNT);
    return texts[excuse];
}

static bool is_plain(const char *word)
{
    const size_t plain = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_./+-@%:,");
    return plain > 0 && word[plain] == '\0';
}

/* A word as a shell reads it, in single quotes. Cut short if it is very long. */
static void shell_word(const char *word, char *out, size_t capacity)
{
    size_t used = 0;

    if (is_plain(word) && strlen(word) < capacity) {
        memcpy(out, word, strlen(word) + 1);
        return;
    }
    out[used++] = '\'';
    for (; *word != '\0' && used + 6 < capacity; word++) {
        if (*word == '\'') {
            memcpy(out + used, "'\\''", 4);
            used += 4;
        } else {
            out[used++] = *word;
        }
    }
    out[used++] = '\'';
    out[used] = '\0';
}

/* The line being written; what does not fit is left out. */
struct line {
    char *out;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void line_add(struct line *line, const char *format,
                                                           ...)
{
    va_list list;
    va_start(list, format);
    const int size = vsnprintf(line->out + line->used, SIM_REPLAY_BYTES - line->used, format, list);
    va_end(list);
    octo_assert(size >= 0 && line->used + (size_t)size < SIM_REPLAY_BYTES);
    line->used += (size_t)size;
}

/* Options that the command line would have without any flag are not mentioned. */
void sim_replay_text(const struct sim_program *program, const struct octo_sim_options *options,
                     char *out)
{
    const struct sim_arguments *arguments = &program->arguments;
    struct octo_sim_options usual = octo_sim_options_default();
    struct line line = {.out = out};
    char word[SIM_REPLAY_BYTES / 2 - 100];

    shell_word(program->path, word, sizeof word);
    line_add(&line, "%s", word);
    if (arguments->replay != NULL) {
        shell_word(arguments->replay, word, sizeof word);
        line_add(&line, " --replay %s", word);
        return;
    }
    if (arguments->scenario_name != NULL) {
        usual = arguments->scenario.options;
        shell_word(arguments->scenario_name, word, sizeof word);
        line_add(&line, " --scenario %s", word);
    }
    line_add(&line, " --seed %llu --nodes %u --ops %u", (unsigned long long)options->seed,
             options->node_count, options->operations);
    if (options->faults != usual.faults)
        line_add(&line, " --faults %s", octo_sim_faults_text(options->faults));
    if (options->io_error_ppm != usual.io_error_ppm)
        line_add(&line, " --io-errors %u", options->io_error_ppm / 10000);
    if (options->crash_cycles != usual.crash_cycles)
        line_add(&line, " --crash-cycles %u", options->crash_cycles);
    if (options->unbounded != usual.unbounded)
        line_add(&line, " --unbounded");
}
