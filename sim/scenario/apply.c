/* Entries to a scenario: which keys there are, what each wants, and what it sets. */
#include "sim/scenario/entries.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "sim/world.h" /* drawing_has_rate, tuning_has */

#define PPM_OF_A_PERCENT 10000u
#define NAME_LETTERS     "abcdefghijklmnopqrstuvwxyz0123456789-"

/* What is being applied; one entry at a time. */
struct apply {
    const struct entries *entries;
    const struct entry *entry;
    struct octo_scenario *scenario;
};

static bool refuse(const struct apply *apply, const char *wants)
{
    return entries_refuse(apply->entries, apply->entry->line, "'%s' wants %s, not '%s'",
                          apply->entry->key, wants, apply->entry->value);
}

/* ---- Values ------------------------------------------------------------------------------------
 */

/* Digits at `at`; false if there are none or the number is beyond 10^15. Moves `at` behind them. */
static bool digits(const char **at, uint64_t *value)
{
    const char *first = *at;

    for (*value = 0; **at >= '0' && **at <= '9'; (*at)++) {
        if (*value > 100000000000000ull)
            return false;
        *value = *value * 10 + (uint64_t)(**at - '0');
    }
    return *at != first;
}

/* A percentage with at most four decimals, as parts per million. */
static bool percent(const char *at, uint64_t *ppm)
{
    uint64_t whole = 0;
    uint64_t part = 0;

    if (!digits(&at, &whole) || whole > 1000000)
        return false;
    if (*at == '.') {
        const char *first = ++at;
        if (!digits(&at, &part) || at - first > 4)
            return false;
        for (long places = at - first; places < 4; places++)
            part *= 10;
    }
    *ppm = whole * PPM_OF_A_PERCENT + part;
    return strcmp(at, "%") == 0;
}

struct unit {
    const char *name;
    uint64_t times;
};

static const struct unit time_units[] = {
    {"ns", 1}, {"us", 1000}, {"ms", OCTO_MS}, {"s", OCTO_SECOND}, {NULL, 0}};
static const struct unit byte_units[] = {{"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static bool measure(const char *at, const struct unit *units, uint64_t *value)
{
    if (!digits(&at, value))
        return false;
    for (; units->name != NULL; units++) {
        if (strcmp(at, units->name) == 0) {
            const bool fits = *value <= UINT64_MAX / units->times;
            *value *= units->times;
            return fits;
        }
    }
    return false;
}

enum value_unit { UNIT_PPM, UNIT_NS, UNIT_BYTES, UNIT_COUNT };

static void number_text(enum value_unit unit, uint64_t value, char *out, size_t bytes)
{
    static const struct unit *const tables[] = {
        [UNIT_NS] = time_units, [UNIT_BYTES] = byte_units, [UNIT_COUNT] = no_units};

    if (unit == UNIT_PPM) {
        (void)snprintf(out, bytes, "%llu%%", (unsigned long long)(value / PPM_OF_A_PERCENT));
        return;
    }
    const struct unit *best = &tables[unit][0];
    for (const struct unit *at = best; at->name != NULL; at++) {
        if (value != 0 && value % at->times == 0)
            best = at;
    }
    (void)snprintf(out, bytes, "%llu%s", (unsigned long long)(value / best->times), best->name);
}

/* The entry's value in the unit, least .. most; else false, and the error says what was wanted. */
static bool number(const struct apply *apply, enum value_unit unit, uint64_t least, uint64_t most,
                   uint64_t *value)
{
    static const char *const names[] = {
        [UNIT_PPM] = "a percentage",
        [UNIT_NS] = "a time (ns, us, ms, s)",
        [UNIT_BYTES] = "a size (B, KiB, MiB)",
        [UNIT_COUNT] = "a whole number",
    };
    const char *text = apply->entry->value;
    bool good = false;
    char wants[96];
    char low[24];
    char high[24];

    switch (unit) {
    case UNIT_PPM:
        good = percent(text, value);
        break;
    case UNIT_NS:
        good = measure(text, time_units, value);
        break;
    case UNIT_BYTES:
        good = measure(text, byte_units, value);
        break;
    case UNIT_COUNT:
        good = measure(text, no_units, value);
        break;
    }
    if (good && least <= *value && *value <= most)
        return true;
    number_text(unit, least, low, sizeof low);
    number_text(unit, most, high, sizeof high);
    (void)snprintf(wants, sizeof wants, "%s from %s to %s", names[unit], low, high);
    return refuse(apply, wants);
}

static bool small_number(const struct apply *apply, enum value_unit unit, uint32_t least,
                         uint32_t most, uint32_t *value)
{
    uint64_t wide = 0;

    if (!number(apply, unit, least, most, &wide))
        return false;
    *value = (uint32_t)wide;
    return true;
}

/* One of the words, up to NULL; its number. */
static bool word(const struct apply *apply, const char *const *words, const char *wants,
                 uint32_t *number)
{
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (strcmp(apply->entry->value, words[i]) == 0) {
            *number = i;
            return true;
        }
    }
    return refuse(apply, wants);
}

/* ---- Keys at the top ---------------------------------------------------------------------------
 */

static const char *const switch_words[] = {"off", "on", NULL};

static bool set_name(const struct apply *apply)
{
    const char *value = apply->entry->value;
    const size_t size = strlen(value);

    if (size == 0 || size >= OCTO_SCENARIO_NAME_BYTES || strspn(value, NAME_LETTERS) != size)
        return refuse(apply, "a name of up to 47 small letters, digits and '-'");
    memcpy(apply->scenario->name, value, size + 1);
    return true;
}

static bool set_summary(const struct apply *apply)
{
    const size_t size = strlen(apply->entry->value);

    if (size == 0 || size >= OCTO_SCENARIO_SUMMARY_BYTES)
        return refuse(apply, "one line of 1 to 119 bytes");
    memcpy(apply->scenario->summary, apply->entry->value, size + 1);
    return true;
}

static bool set_nodes(const struct apply *apply)
{
    return small_number(apply, UNIT_COUNT, 1, OCTO_SIM_NODES_MAX,
                        &apply->scenario->options.node_count);
}

static bool set_operations(const struct apply *apply)
{
    return small_number(apply, UNIT_COUNT, 1, 100000, &apply->scenario->options.operations);
}

static bool set_seeds(const struct apply *apply)
{
    return small_number(apply, UNIT_COUNT, 1, OCTO_SCENARIO_SEEDS_MAX, &apply->scenario->seeds);
}

static bool set_mix(const struct apply *apply)
{
    return octo_sim_faults_parse(apply->entry->value, &apply->scenario->options.faults) ||
           refuse(apply, "swarm, none, all or disk");
}

static bool set_crash_cycles(const struct apply *apply)
{
    return small_number(apply, UNIT_COUNT, 1, 100, &apply->scenario->options.crash_cycles);
}

static bool set_unbounded(const struct apply *apply)
{
    uint32_t number = 0;

    if (!word(apply, switch_words, "on or off", &number))
        return false;
    apply->scenario->options.unbounded = number == 1;
    return true;
}

/* ---- Sections ----------------------------------------------------------------------------------
 */

static bool set_crash_target(const struct apply *apply)
{
    static const char *const words[] = {"any", "leader", "follower", "same", "turn", NULL};
    static_assert(OCTO_SIM_TARGET_DRAWN == 0 && OCTO_SIM_TARGET_TURN == 4,
                  "the words are in the order of the enum");
    uint32_t number = 0;

    if (!word(apply, words, "any, leader, follower, same or turn", &number))
        return false;
    apply->scenario->options.tuning.crash_target = (enum octo_sim_target)number;
    return true;
}

static bool set_rot_target(const struct apply *apply)
{
    static const char *const words[] = {"any", "entry", "marker", "vote", "snapshot", NULL};
    static_assert(OCTO_SIM_ROT_DRAWN == 0 && OCTO_SIM_ROT_SNAPSHOT == 4,
                  "the words are in the order of the enum");
    uint32_t number = 0;

    if (!word(apply, words, "any, entry, marker, vote or snapshot", &number))
        return false;
    apply->scenario->options.tuning.rot_target = (enum octo_sim_rot)number;
    return true;
}

static bool set_excused(const struct apply *apply)
{
    return small_number(apply, UNIT_PPM, 0, 1000000, &apply->scenario->excused_max_ppm);
}

static bool set_undecided(const struct apply *apply)
{
    return small_number(apply, UNIT_PPM, 0, 1000000, &apply->scenario->undecided_max_ppm);
}

static bool set_tune(const struct apply *apply, enum octo_tune tune)
{
    static const struct {
        enum value_unit unit;
        uint64_t least, most;
    } tunes[OCTO_TUNE_COUNT] = {
#define TUNE_ROW(name, section, key, unit, least, most) \
    [OCTO_TUNE_##name] = {UNIT_##unit, (least), (most)},
        OCTO_TUNES(TUNE_ROW)
#undef TUNE_ROW
    };
    struct octo_sim_tuning *tuning = &apply->scenario->options.tuning;

    tuning->set |= 1ull << tune;
    return number(apply, tunes[tune].unit, tunes[tune].least, tunes[tune].most,
                  &tuning->values[tune]);
}

/* `kind: on`, `kind: off`, or, for a kind with a rate, `kind: 5%`. */
static bool set_fault(const struct apply *apply, enum octo_fault fault)
{
    struct octo_sim_tuning *tuning = &apply->scenario->options.tuning;
    const char *value = apply->entry->value;
    uint64_t ppm = 0;

    if (strcmp(value, "on") == 0) {
        tuning->kinds[fault] = OCTO_SIM_KIND_ON;
        return true;
    }
    tuning->kinds[fault] = OCTO_SIM_KIND_OFF;
    if (strcmp(value, "off") == 0)
        return true;
    if (!drawing_has_rate(fault))
        return refuse(apply, "on or off");
    const uint32_t most = fault == OCTO_FAULT_CLOCK_DRIFT ? OCTO_SIM_DRIFT_MAX_PPM : 1000000;
    if (!percent(value, &ppm) || ppm > most) {
        char wants[64];
        (void)snprintf(wants, sizeof wants, "on, off or a percentage from 0%% to %u%%",
                       most / PPM_OF_A_PERCENT);
        return refuse(apply, wants);
    }
    tuning->rates_ppm[fault] = (uint32_t)ppm;
    if (ppm > 0)
        tuning->kinds[fault] = OCTO_SIM_KIND_ON;
    return true;
}

static bool set_required(const struct apply *apply, uint32_t *count)
{
    return small_number(apply, UNIT_COUNT, 1, 1000000, count);
}

/* `property: on`, and `off` where nothing else rests on it. */
static bool set_judged(const struct apply *apply, enum octo_property property)
{
    uint32_t *unjudged = &apply->scenario->options.tuning.unjudged;
    uint32_t number = 0;

    if (!word(apply, switch_words, "on or off", &number))
        return false;
    if (number == 0 && (OCTO_PROPERTIES_OPTIONAL >> property & 1) == 0)
        return refuse(apply, "on: other oracles rest on it");
    *unjudged &= ~(1u << property);
    if (number == 0)
        *unjudged |= 1u << property;
    return true;
}

/* ---- Which key is it ---------------------------------------------------------------------------
 */

static const struct {
    const char *section, *key;
    bool (*set)(const struct apply *apply);
} plain_keys[] = {
    {"", "name", set_name},
    {"", "summary", set_summary},
    {"", "nodes", set_nodes},
    {"", "operations", set_operations},
    {"", "seeds", set_seeds},
    {"", "mix", set_mix},
    {"", "crash-cycles", set_crash_cycles},
    {"", "unbounded", set_unbounded},
    {"schedule", "crash-target", set_crash_target},
    {"schedule", "rot-target", set_rot_target},
    {"ceilings", "excused", set_excused},
    {"ceilings", "undecided", set_undecided},
};

static const struct {
    const char *section, *key;
} tune_keys[OCTO_TUNE_COUNT] = {
#define TUNE_KEY(name, section, key, unit, least, most) [OCTO_TUNE_##name] = {(section), (key)},
    OCTO_TUNES(TUNE_KEY)
#undef TUNE_KEY
};

static const char *const sections[] = {"faults",  "schedule", "network",  "disk",
                                       "clock",   "clients",  "workload", "storage",
                                       "oracles", "require",  "ceilings"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Every name that may stand in the section, one after the other; NULL after the last. */
static const char *candidate(const char *section, size_t number)
{
    size_t left = number;

    for (size_t i = 0; i < COUNT_OF(plain_keys); i++) {
        if (strcmp(plain_keys[i].section, section) == 0 && left-- == 0)
            return plain_keys[i].key;
    }
    for (size_t i = 0; i < OCTO_TUNE_COUNT; i++) {
        if (strcmp(tune_keys[i].section, section) == 0 && left-- == 0)
            return tune_keys[i].key;
    }
    if (section[0] == '\0')
        return left < COUNT_OF(sections) ? sections[left] : NULL;
    if (strcmp(section, "oracles") == 0) /* the first property is none */
        return left + 1 < OCTO_PROPERTY_COUNT ? octo_property_text((enum octo_property)(left + 1))
                                              : NULL;
    const bool require = strcmp(section, "require") == 0;
    if (!require && strcmp(section, "faults") != 0)
        return NULL;
    if (left < OCTO_FAULT_COUNT)
        return octo_fault_text((enum octo_fault)left);
    left -= OCTO_FAULT_COUNT;
    return require && left < OCTO_MARK_COUNT ? octo_mark_text((enum octo_mark)left) : NULL;
}

static bool refuse_unknown(const struct apply *apply)
{
    const struct entry *entry = apply->entry;
    const char *best = NULL;
    uint32_t least = 0;
    const char *name = candidate(entry->section, 0);

    for (size_t i = 0; name != NULL; name = candidate(entry->section, ++i)) {
        const uint32_t distance = octo_scenario_distance(entry->key, name);
        if (best == NULL || distance < least) {
            best = name;
            least = distance;
        }
    }
    const bool near = best != NULL && least <= 1 + strlen(entry->key) / 3;
    return entries_refuse(apply->entries, entry->line, "unknown key '%s'%s%s%s%s%s%s", entry->key,
                          entry->section[0] != '\0' ? " in '" : "", entry->section,
                          entry->section[0] != '\0' ? "'" : "",
                          near ? "; did you mean '" : "; docs/scenarios.md lists the keys",
                          near ? best : "", near ? "'?" : "");
}

static bool apply_setting(const struct apply *apply)
{
    const struct entry *entry = apply->entry;
    struct octo_sim_tuning *tuning = &apply->scenario->options.tuning;
    const bool faults = strcmp(entry->section, "faults") == 0;
    const bool require = strcmp(entry->section, "require") == 0;
    const bool oracles = strcmp(entry->section, "oracles") == 0;

    for (size_t i = 0; i < COUNT_OF(plain_keys); i++) {
        if (strcmp(plain_keys[i].section, entry->section) == 0 &&
            strcmp(plain_keys[i].key, entry->key) == 0)
            return plain_keys[i].set(apply);
    }
    for (uint32_t i = 0; i < OCTO_TUNE_COUNT; i++) {
        if (strcmp(tune_keys[i].section, entry->section) == 0 &&
            strcmp(tune_keys[i].key, entry->key) == 0)
            return set_tune(apply, (enum octo_tune)i);
    }
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT && (faults || require); i++) {
        if (strcmp(entry->key, octo_fault_text((enum octo_fault)i)) == 0)
            return faults ? set_fault(apply, (enum octo_fault)i)
                          : set_required(apply, &tuning->required_faults[i]);
    }
    for (uint32_t i = 1; i < OCTO_PROPERTY_COUNT && oracles; i++) {
        if (strcmp(entry->key, octo_property_text((enum octo_property)i)) == 0)
            return set_judged(apply, (enum octo_property)i);
    }
    for (uint32_t i = 0; i < OCTO_MARK_COUNT && require; i++) {
        if (strcmp(entry->key, octo_mark_text((enum octo_mark)i)) == 0)
            return set_required(apply, &tuning->required_marks[i]);
    }
    return refuse_unknown(apply);
}

static bool apply_one(const struct apply *apply)
{
    const struct entry *entry = apply->entry;

    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (entry->section[0] != '\0' || strcmp(entry->key, sections[i]) != 0)
            continue;
        if (!entry->is_section)
            return refuse(apply, "a section: lines of 'key: value', indented");
        return true;
    }
    if (!entry->is_section)
        return apply_setting(apply);
    for (size_t i = 0; i < COUNT_OF(plain_keys); i++) {
        if (plain_keys[i].section[0] == '\0' && strcmp(plain_keys[i].key, entry->key) == 0)
            return entries_refuse(apply->entries, entry->line, "'%s' wants a value, not a section",
                                  entry->key);
    }
    return refuse_unknown(apply);
}

/* What no single line shows. */
static bool whole_ok(const struct entries *entries, const struct octo_scenario *scenario)
{
    const struct octo_sim_tuning *tuning = &scenario->options.tuning;

    if (scenario->name[0] == '\0')
        return entries_refuse(entries, 0, "the scenario wants a 'name'");
    if (scenario->summary[0] == '\0')
        return entries_refuse(entries, 0, "the scenario wants a 'summary' of one line");
    if (scenario->options.crash_cycles > 0 && tuning->crash_target != OCTO_SIM_TARGET_DRAWN)
        return entries_refuse(
            entries, 0, "'crash-cycles' chooses whom to crash: it goes without 'crash-target'");
    if (!tuning_ok(tuning))
        return entries_refuse(entries, 0, "'from' has to come before 'to'");
    for (uint32_t i = 0; i < OCTO_FAULT_COUNT; i++) {
        if (tuning->required_faults[i] > 0 && tuning->kinds[i] == OCTO_SIM_KIND_OFF)
            return entries_refuse(entries, 0, "'%s' is off and required",
                                  octo_fault_text((enum octo_fault)i));
    }
    return true;
}

static uint64_t entries_digest(const struct entries *entries)
{
    uint64_t digest = 0;

    for (uint32_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->items[i];
        const char *const words[] = {entry->section, entry->key, entry->value};
        for (size_t word = 0; word < COUNT_OF(words); word++)
            digest = octo_hash(words[word], strlen(words[word]), digest);
    }
    return digest;
}

bool entries_apply(const struct entries *entries, struct octo_scenario *scenario)
{
    struct apply apply = {.entries = entries, .scenario = scenario};

    *scenario = (struct octo_scenario){
        .options = octo_sim_options_default(),
        .seeds = OCTO_SCENARIO_SEEDS_DEFAULT,
        .undecided_max_ppm = OCTO_SCENARIO_UNDECIDED_PPM,
        .digest = entries_digest(entries),
    };
    for (uint32_t i = 0; i < entries->count; i++) {
        apply.entry = &entries->items[i];
        if (!apply_one(&apply))
            return false;
    }
    return whole_ok(entries, scenario);
}
