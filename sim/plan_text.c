/* Plans as text: docs/plans.md. */
#include "sim/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define TEXT_BYTES 512u /* of a line, comment included */

/* ---- Lines ----------------------------------------------------------------------------------- */

static int actor_text(char *out, size_t size, uint8_t actor)
{
    if (actor >= OCTO_ACTOR_CLIENT)
        return snprintf(out, size, "c%u", actor - OCTO_ACTOR_CLIENT);
    return snprintf(out, size, "n%u", actor);
}

/* What a key is about, in the words of docs/plans.md; fields that are 0 are left out. */
void octo_plan_line_text(const struct octo_plan_line *line, char text[OCTO_PLAN_LINE_BYTES])
{
    const struct octo_key *key = &line->key;
    const size_t size = OCTO_PLAN_LINE_BYTES;
    size_t used = 0;

#define PUT(...) (used += (size_t)snprintf(text + used, size - used, __VA_ARGS__))
    PUT("%s", octo_decision_text((enum octo_decision)key->purpose));
    if (key->actor != 0) {
        PUT(" by=");
        used += (size_t)actor_text(text + used, size - used, key->actor);
    }
    if (key->target != 0 && key->purpose == OCTO_DECIDE_DISK) {
        PUT(" op=%u", key->target);
    } else if (key->target != 0) {
        PUT(" to=");
        used += (size_t)actor_text(text + used, size - used, key->target);
    }
    if (key->incarnation != 0)
        PUT(" life=%u", key->incarnation);
    if (key->detail != 0)
        PUT(" what=%u", key->detail);
    if (key->identity[0] != 0)
        PUT(" of=%" PRIu64, key->identity[0]);
    if (key->identity[1] != 0)
        PUT(" at=%" PRIu64, key->identity[1]);
    if (key->attempt != 0)
        PUT(" try=%u", key->attempt);
    if (line->fault != 0)
        PUT(" fault=%s", octo_fault_text((enum octo_fault)line->fault));
    if (line->none)
        PUT(" none");
    else
        PUT(" bits=%" PRIx64, line->bits);
#undef PUT
}

static bool refuse(char error[OCTO_PLAN_ERROR_BYTES], const char *word, const char *expected)
{
    (void)snprintf(error, OCTO_PLAN_ERROR_BYTES, "%s, not '%.60s'", expected, word);
    return false;
}

static bool number_parse(const char *word, int base, uint64_t most, uint64_t *value)
{
    char *end = NULL;

    if ((*word < '0' || *word > '9') && !(base == 16 && *word >= 'a' && *word <= 'f'))
        return false;
    errno = 0;
    *value = strtoull(word, &end, base);
    return errno == 0 && *end == '\0' && *value <= most;
}

static bool actor_parse(const char *word, uint8_t *actor)
{
    uint64_t value;
    const bool client = word[0] == 'c';

    if ((!client && word[0] != 'n') || !number_parse(word + 1, 10, client ? 200 : 9, &value))
        return false;
    *actor = (uint8_t)(client ? OCTO_ACTOR_CLIENT + value : value);
    return true;
}

static bool fault_parse(const char *word, uint8_t *fault)
{
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        if (strcmp(word, octo_fault_text((enum octo_fault)i)) == 0) {
            *fault = (uint8_t)i;
            return true;
        }
    }
    return false;
}

/* One "name=value". */
static bool field_parse(char *word, struct octo_plan_line *line, char error[OCTO_PLAN_ERROR_BYTES])
{
    struct octo_key *key = &line->key;
    uint64_t value = 0;
    char *is = strchr(word, '=');

    if (strcmp(word, "none") == 0)
        return line->none = true;
    if (is == NULL)
        return refuse(error, word, "expected name=value or none");
    *is = '\0';
    const char *text = is + 1;
    if (strcmp(word, "by") == 0)
        return actor_parse(text, &key->actor) || refuse(error, text, "by= wants n1 .. n9 or c0 ..");
    if (strcmp(word, "to") == 0)
        return actor_parse(text, &key->target) ||
               refuse(error, text, "to= wants n1 .. n9 or c0 ..");
    if (strcmp(word, "fault") == 0)
        return fault_parse(text, &line->fault) || refuse(error, text, "fault= wants a fault kind");
    if (strcmp(word, "bits") == 0)
        return number_parse(text, 16, UINT64_MAX, &line->bits) ||
               refuse(error, text, "bits= wants up to 16 hex digits, small letters");
    const bool wide = strcmp(word, "of") == 0 || strcmp(word, "at") == 0;
    const bool narrow = strcmp(word, "op") == 0 || strcmp(word, "what") == 0;
    if (!number_parse(text, 10, wide ? UINT64_MAX : narrow ? UINT8_MAX : UINT32_MAX, &value))
        return refuse(error, text, "expected a number in range");
    if (strcmp(word, "op") == 0)
        key->target = (uint8_t)value;
    else if (strcmp(word, "what") == 0)
        key->detail = (uint8_t)value;
    else if (strcmp(word, "life") == 0)
        key->incarnation = (uint32_t)value;
    else if (strcmp(word, "try") == 0)
        key->attempt = (uint32_t)value;
    else if (strcmp(word, "of") == 0)
        key->identity[0] = value;
    else if (strcmp(word, "at") == 0)
        key->identity[1] = value;
    else
        return refuse(error, word, "expected by, to, op, life, what, of, at, try, fault or bits");
    return true;
}

/* The strikes of windows say which fault it is, and the other decisions do not. */
static bool fault_fits(const struct octo_plan_line *line)
{
    const bool window = line->key.detail == 0 && line->key.actor == 0;
    switch ((int)line->key.purpose) {
    case OCTO_DECIDE_CRASH:
        return !window || line->none || line->fault == OCTO_FAULT_POWER_LOSS ||
               line->fault == OCTO_FAULT_KILL || line->fault == OCTO_FAULT_CRASH_IN_RECOVERY ||
               line->fault == OCTO_FAULT_MAJORITY_CRASH;
    case OCTO_DECIDE_PARTITION:
        return line->none || (line->fault >= OCTO_FAULT_PARTITION_SYMMETRIC &&
                              line->fault <= OCTO_FAULT_PARTITION_CLIENTS);
    case OCTO_DECIDE_PAUSE:
        return line->none || line->fault == OCTO_FAULT_PAUSE;
    case OCTO_DECIDE_DAMAGE:
        return !window || line->none ||
               (line->fault >= OCTO_FAULT_DISK_FULL && line->fault <= OCTO_FAULT_DISK_SWAP &&
                line->fault != OCTO_FAULT_DISK_NO_SPACE);
    default:
        return line->fault == 0;
    }
}

bool octo_plan_line_parse(const char *text, struct octo_plan_line *line,
                          char error[OCTO_PLAN_ERROR_BYTES])
{
    char words[TEXT_BYTES];
    char *rest = words;

    if (strlen(text) >= sizeof words)
        return refuse(error, text, "expected a line of less than 512 bytes");
    memcpy(words, text, strlen(text) + 1);
    *line = (struct octo_plan_line){0};
    const char *purpose = strtok_r(words, " \t", &rest);
    for (uint8_t i = 1; purpose != NULL && i < OCTO_DECISION_COUNT; i++) {
        if (strcmp(purpose, octo_decision_text((enum octo_decision)i)) == 0)
            line->key.purpose = i;
    }
    if (line->key.purpose == 0)
        return refuse(error, purpose == NULL ? "" : purpose,
                      "expected a header's name or a decision");
    for (char *word = strtok_r(NULL, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        if (!field_parse(word, line, error))
            return false;
    }
    if (!fault_fits(line))
        return refuse(error, octo_fault_text((enum octo_fault)line->fault),
                      "fault= wants a kind that goes with the decision");
    return true;
}

/* ---- Headers --------------------------------------------------------------------------------- */

static const char *const mixes[] = {
    [OCTO_SIM_FAULTS_SWARM] = "swarm",
    [OCTO_SIM_FAULTS_NONE] = "none",
    [OCTO_SIM_FAULTS_ALL] = "all",
    [OCTO_SIM_FAULTS_DISK] = "disk",
};
#define MIXES (sizeof mixes / sizeof mixes[0])

static const char *const bases[] = {
    [OCTO_BASE_SEEDED] = "seeded",
    [OCTO_BASE_CALM] = "calm",
    [OCTO_BASE_STEADY] = "steady",
};
#define BASES (sizeof bases / sizeof bases[0])

bool octo_plan_write(const struct octo_plan *plan, FILE *file, const char *build)
{
    const struct octo_sim_options *options = &plan->options;

    fprintf(file, "octo-plan %u\n# made by %s\n", OCTO_PLAN_VERSION, build);
    if (plan->scenario[0] != '\0')
        fprintf(file, "scenario %s\n", plan->scenario);
    fprintf(file, "seed %" PRIu64 "\nnodes %u\nops %u\nfaults %s\n", options->seed,
            options->node_count, options->operations, mixes[options->faults]);
    if (options->io_error_ppm != 0)
        fprintf(file, "io-errors-ppm %u\n", options->io_error_ppm);
    if (options->crash_cycles != 0)
        fprintf(file, "crash-cycles %u\n", options->crash_cycles);
    if (options->unbounded)
        fprintf(file, "unbounded 1\n");
    fprintf(file, "base %s\n", bases[plan->base]);
    if (plan->base == OCTO_BASE_CALM)
        fprintf(file, "quiet-ns %" PRIu64 "\n", plan->quiet_ns);
    if (plan->expect[0] != '\0')
        fprintf(file, "expect %s\n", plan->expect);
    fputc('\n', file);
    for (uint32_t i = 0; i < plan->count; i++) {
        char text[OCTO_PLAN_LINE_BYTES];
        octo_plan_line_text(&plan->lines[i], text);
        fprintf(file, "%s\n", text);
    }
    return fflush(file) == 0 && ferror(file) == 0;
}

static bool mix_parse(const char *value, struct octo_sim_options *options)
{
    for (uint32_t i = 0; i < MIXES; i++) {
        if (strcmp(value, mixes[i]) == 0) {
            options->faults = (enum octo_sim_faults)i;
            return true;
        }
    }
    return false;
}

static bool base_parse(const char *value, struct octo_plan *plan)
{
    for (uint32_t i = 0; i < BASES; i++) {
        if (strcmp(value, bases[i]) == 0) {
            plan->base = (enum octo_plan_base)i;
            return true;
        }
    }
    return false;
}

/* The headers that follow say what is different from the scenario's options. */
static bool scenario_take(const char *value, struct octo_plan *plan,
                          char error[OCTO_PLAN_ERROR_BYTES])
{
    struct octo_scenario scenario;
    char why[OCTO_SCENARIO_ERROR_BYTES];

    if (strlen(value) >= sizeof plan->scenario)
        return refuse(error, value, "scenario wants a name or a path of less than 128 bytes");
    if (!octo_scenario_load(value, &scenario, why)) {
        (void)snprintf(error, OCTO_PLAN_ERROR_BYTES, "%.*s", (int)OCTO_PLAN_ERROR_BYTES - 1, why);
        return false;
    }
    memcpy(plan->scenario, value, strlen(value) + 1);
    plan->options = scenario.options;
    return true;
}

/* A header's line: 1 taken, 0 not a header, -1 refused. */
static int header_parse(const char *text, struct octo_plan *plan, char error[OCTO_PLAN_ERROR_BYTES])
{
    struct octo_sim_options *options = &plan->options;
    const struct {
        const char *name;
        uint64_t least, most;
        uint64_t *wide;
        uint32_t *narrow;
    } numbers[] = {
        {"seed", 0, UINT64_MAX, &options->seed, NULL},
        {"nodes", 1, OCTO_SIM_NODES_MAX, NULL, &options->node_count},
        {"ops", 1, 100000, NULL, &options->operations},
        {"io-errors-ppm", 1, 500000, NULL, &options->io_error_ppm},
        {"crash-cycles", 1, 100, NULL, &options->crash_cycles},
        {"quiet-ns", 0, OCTO_NEVER - 1, &plan->quiet_ns, NULL},
    };
    const char *space = strchr(text, ' ');
    const size_t length = space == NULL ? strlen(text) : (size_t)(space - text);
    const char *value = space == NULL ? "" : space + 1;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t number;
        if (strlen(numbers[i].name) != length || strncmp(text, numbers[i].name, length) != 0)
            continue;
        if (!number_parse(value, 10, numbers[i].most, &number) || number < numbers[i].least) {
            (void)snprintf(error, OCTO_PLAN_ERROR_BYTES,
                           "%s wants a whole number from %" PRIu64 " to %" PRIu64 ", not '%.40s'",
                           numbers[i].name, numbers[i].least, numbers[i].most, value);
            return -1;
        }
        if (numbers[i].wide != NULL)
            *numbers[i].wide = number;
        else
            *numbers[i].narrow = (uint32_t)number;
        return 1;
    }
    if (strncmp(text, "scenario ", 9) == 0)
        return scenario_take(value, plan, error) ? 1 : -1;
    if (strncmp(text, "faults ", 7) == 0)
        return mix_parse(value, options)
                   ? 1
                   : (refuse(error, value, "faults wants swarm, none, all or disk"), -1);
    if (strcmp(text, "unbounded 1") == 0) {
        options->unbounded = true;
        return 1;
    }
    if (strncmp(text, "base ", 5) == 0)
        return base_parse(value, plan)
                   ? 1
                   : (refuse(error, value, "base wants seeded, calm or steady"), -1);
    if (strncmp(text, "expect ", 7) == 0) {
        (void)snprintf(plan->expect, sizeof plan->expect, "%.*s", (int)sizeof plan->expect - 1,
                       value);
        return 1;
    }
    return 0;
}

/* Cuts the comment and the blanks at the end; the lines of `expect` have no comment. */
static void line_trim(char *text)
{
    char *comment = strncmp(text, "expect ", 7) == 0 ? NULL : strchr(text, '#');
    if (comment != NULL)
        *comment = '\0';
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
}

bool octo_plan_read(struct octo_plan *plan, FILE *file, char error[OCTO_PLAN_ERROR_BYTES])
{
    char text[TEXT_BYTES];
    char why[OCTO_PLAN_ERROR_BYTES / 2] = "";
    char reason[OCTO_PLAN_ERROR_BYTES];
    uint32_t number = 0;

    *plan = (struct octo_plan){.options = octo_sim_options_default()};
    while (fgets(text, sizeof text, file) != NULL) {
        number++;
        line_trim(text);
        if (number == 1 && strcmp(text, "octo-plan 1") != 0) {
            (void)snprintf(why, sizeof why, "expected 'octo-plan 1', not '%.40s'", text);
            break;
        }
        if (number == 1 || text[0] == '\0')
            continue;
        const int header = plan->count == 0 ? header_parse(text, plan, reason) : 0;
        struct octo_plan_line line;
        if (header < 0 || (header == 0 && !octo_plan_line_parse(text, &line, reason))) {
            (void)snprintf(why, sizeof why, "%.120s", reason);
            break;
        }
        if (header == 0 && !octo_plan_add(plan, &line)) {
            (void)snprintf(why, sizeof why, "out of memory");
            break;
        }
    }
    if (why[0] == '\0' && ferror(file))
        (void)snprintf(why, sizeof why, "cannot be read");
    if (why[0] == '\0' && number == 0)
        (void)snprintf(why, sizeof why, "is empty: expected 'octo-plan 1'");
    if (why[0] == '\0')
        return true;
    (void)snprintf(error, OCTO_PLAN_ERROR_BYTES, "%u: %s", number == 0 ? 1 : number, why);
    return false;
}
