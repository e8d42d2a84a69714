/* Plans as text: docs/plans.md. */
#include "sim/plan_parse.h"

#define TEXT_BYTES 2048u /* of a line, comment included: one with every mark fits */

/* ---- Headers --------------------------------------------------------------------------------- */

static const char *const bases[] = {
    [OCTO_BASE_SEEDED] = "seeded",
    [OCTO_BASE_CALM] = "calm",
    [OCTO_BASE_STEADY] = "steady",
};
#define BASES (sizeof bases / sizeof bases[0])

static void marks_write(const struct octo_plan *plan, FILE *file)
{
    const char *before = "marks ";

    for (uint32_t mark = 0; mark < OCTO_MARK_COUNT; mark++) {
        if (!plan->marks[mark])
            continue;
        fprintf(file, "%s%s", before, octo_mark_text((enum octo_mark)mark));
        before = " ";
    }
    if (before[1] == '\0')
        fputc('\n', file);
}

/* When it took effect, and on whom, stands behind it as a comment. */
static void line_write(const struct octo_plan_line *line, FILE *file)
{
    char text[OCTO_PLAN_LINE_BYTES];

    octo_plan_line_text(line, text);
    fputs(text, file);
    if (line->at_ns != 0)
        fprintf(file, "  # at %llu.%03llu ms", (unsigned long long)(line->at_ns / OCTO_MS),
                (unsigned long long)(line->at_ns % OCTO_MS / 1000));
    for (octo_node_id id = 1; id <= OCTO_SIM_NODES_MAX; id++) {
        if ((line->struck & 1u << id) != 0)
            fprintf(file, ", n%u", id);
    }
    fputc('\n', file);
}

bool octo_plan_write(const struct octo_plan *plan, FILE *file, const char *build)
{
    const struct octo_sim_options *options = &plan->options;

    fprintf(file, "octo-plan %u\n# made by %s\n", OCTO_PLAN_VERSION, build);
    if (plan->scenario[0] != '\0')
        fprintf(file, "scenario %s\n", plan->scenario);
    fprintf(file, "seed %" PRIu64 "\nnodes %u\nops %u\nfaults %s\n", options->seed,
            options->node_count, options->operations, octo_sim_faults_text(options->faults));
    if (options->io_error_ppm != 0)
        fprintf(file, "io-errors-ppm %u\n", options->io_error_ppm);
    if (options->crash_cycles != 0)
        fprintf(file, "crash-cycles %u\n", options->crash_cycles);
    if (options->unbounded)
        fprintf(file, "unbounded 1\n");
    fprintf(file, "base %s\n", bases[plan->base]);
    if (plan->luck != 0)
        fprintf(file, "luck %" PRIu64 "\n", plan->luck);
    if (plan->base == OCTO_BASE_CALM)
        fprintf(file, "quiet-ns %" PRIu64 "\n", plan->quiet_ns);
    if (plan->bug[0] != '\0')
        fprintf(file, "bug %s\n", plan->bug);
    if (plan->expect[0] != '\0')
        fprintf(file, "expect %s\n", plan->expect);
    marks_write(plan, file);
    fputc('\n', file);
    for (uint32_t i = 0; i < plan->count; i++)
        line_write(&plan->lines[i], file);
    return fflush(file) == 0 && ferror(file) == 0;
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
        return plan_refuse(error, value, "scenario wants a name or a path of less than 128 bytes");
    if (!octo_scenario_load(value, &scenario, why)) {
        (void)snprintf(error, OCTO_PLAN_ERROR_BYTES, "%.*s", (int)OCTO_PLAN_ERROR_BYTES - 1, why);
        return false;
    }
    memcpy(plan->scenario, value, strlen(value) + 1);
    plan->options = scenario.options;
    return true;
}

static bool marks_take(char *value, struct octo_plan *plan, char error[OCTO_PLAN_ERROR_BYTES])
{
    char *rest = value;

    for (char *word = strtok_r(value, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        uint32_t mark = 0;
        while (mark < OCTO_MARK_COUNT && strcmp(word, octo_mark_text((enum octo_mark)mark)) != 0)
            mark++;
        if (mark == OCTO_MARK_COUNT)
            return plan_refuse(error, word, "marks wants names of marks, as octo-sim prints them");
        plan->marks[mark] = true;
    }
    return true;
}

static bool is_header(const char *text, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(text, name, length) == 0 && (text[length] == ' ' || text[length] == '\0');
}

/* A header whose value is a text. */
static bool text_take(const char *value, char *to, size_t size)
{
    return (size_t)snprintf(to, size, "%s", value) < size;
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
        {"luck", 0, UINT64_MAX, &plan->luck, NULL},
        {"quiet-ns", 0, OCTO_NEVER - 1, &plan->quiet_ns, NULL},
    };
    const char *space = strchr(text, ' ');
    const size_t length = space == NULL ? strlen(text) : (size_t)(space - text);
    const char *value = space == NULL ? "" : space + 1;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint64_t number;
        if (strlen(numbers[i].name) != length || strncmp(text, numbers[i].name, length) != 0)
            continue;
        if (!plan_number(value, 10, numbers[i].most, &number) || number < numbers[i].least) {
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
        return octo_sim_faults_parse(value, &options->faults)
                   ? 1
                   : (plan_refuse(error, value, "faults wants swarm, none, all or disk"), -1);
    if (is_header(text, "unbounded")) {
        options->unbounded = strcmp(value, "1") == 0;
        return options->unbounded ? 1 : (plan_refuse(error, value, "unbounded wants 1"), -1);
    }
    if (strncmp(text, "base ", 5) == 0)
        return base_parse(value, plan)
                   ? 1
                   : (plan_refuse(error, value, "base wants seeded, calm or steady"), -1);
    if (strncmp(text, "bug ", 4) == 0)
        return text_take(value, plan->bug, sizeof plan->bug)
                   ? 1
                   : (plan_refuse(error, value, "bug wants a name of less than 64 bytes"), -1);
    if (strncmp(text, "marks ", 6) == 0) {
        char words[TEXT_BYTES];
        (void)text_take(value, words, sizeof words);
        return marks_take(words, plan, error) ? 1 : -1;
    }
    if (is_header(text, "expect"))
        return value[0] != '\0' && text_take(value, plan->expect, sizeof plan->expect)
                   ? 1
                   : (plan_refuse(error, value, "expect wants a text of less than 192 bytes"), -1);
    return 0;
}

/* Whether a line that is none of the plan's would be a header above them. */
static bool is_late_header(const char *text)
{
    struct octo_plan other = {.base = OCTO_BASE_SEEDED};
    char reason[OCTO_PLAN_ERROR_BYTES];

    return header_parse(text, &other, reason) != 0;
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

/* The next line, without its end; false: there is none. `why` says what makes it no line of a plan.
 */
static bool line_read(FILE *file, char text[TEXT_BYTES], char *why, size_t why_bytes)
{
    size_t size = 0;
    int byte;

    while ((byte = getc_unlocked(file)) != EOF && byte != '\n' && why[0] == '\0') {
        if ((byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f)
            (void)snprintf(why, why_bytes, "has a byte that is no text (0x%02x)", (unsigned)byte);
        else if (size == TEXT_BYTES - 2)
            (void)snprintf(why, why_bytes, "is longer than %u bytes", TEXT_BYTES - 2);
        else
            text[size++] = (char)byte;
    }
    text[size] = '\0';
    return byte != EOF || size > 0;
}

bool octo_plan_read(struct octo_plan *plan, FILE *file, char error[OCTO_PLAN_ERROR_BYTES])
{
    char text[TEXT_BYTES];
    char why[OCTO_PLAN_ERROR_BYTES / 2] = "";
    char reason[OCTO_PLAN_ERROR_BYTES];
    uint32_t number = 0;

    *plan = (struct octo_plan){.options = octo_sim_options_default()};
    while (line_read(file, text, why, sizeof why)) {
        number++;
        if (why[0] != '\0')
            break;
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
            if (plan->count > 0 && is_late_header(text))
                (void)snprintf(why, sizeof why,
                               "'%.40s' is a header: headers stand before the lines", text);
            else
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
