/* One line of a plan as text: docs/plans.md. */
#include <stdarg.h>

#include "sim/plan_parse.h"
#include "vfs/vfs.h"

#define TEXT_BYTES  512u /* of a line */
#define DETAILS_MAX 128u

/* ---- Words ------------------------------------------------------------------------------------
 */

static bool is_window(const struct octo_key *key)
{
    return key->actor == 0 && key->detail == 0;
}

static bool is_message(const struct octo_key *key)
{
    return key->purpose >= OCTO_DECIDE_MESSAGE_LATENCY &&
           key->purpose <= OCTO_DECIDE_MESSAGE_CORRUPTED;
}

static bool among_nodes(const struct octo_key *key)
{
    return key->actor < OCTO_ACTOR_CLIENT && key->target < OCTO_ACTOR_CLIENT;
}

static bool is_disk(const struct octo_key *key)
{
    return key->purpose == OCTO_DECIDE_DISK || key->purpose == OCTO_DECIDE_CRASH_AT_IO;
}

/* The names of the two words of an identity. A line may also call them `of` and `at`. */
struct names {
    const char *first, *second;
};

static const struct names all_names[] = {
    {"of", "at"}, {"term", "index"}, {"session", "sequence"}, {"file", "nth"}, {"window", "at"},
};
#define NAMES (sizeof all_names / sizeof all_names[0])

static const struct names *names_of(const struct octo_key *key)
{
    const bool client =
        key->purpose >= OCTO_DECIDE_CLIENT_COMMAND && key->purpose <= OCTO_DECIDE_CLIENT_DUPLICATE;

    if (is_message(key))
        return &all_names[among_nodes(key) ? 1 : 2];
    if (client)
        return &all_names[2];
    if (is_disk(key))
        return &all_names[3];
    return &all_names[key->purpose >= OCTO_DECIDE_PARTITION && is_window(key) ? 4 : 0];
}

static const char *crash_word(uint8_t detail)
{
    switch (detail) {
    case OCTO_CRASH_AGAIN:
        return "again";
    case OCTO_CRASH_FORMAT:
        return "format";
    case OCTO_CRASH_ELECTED:
        return "elected";
    case OCTO_CRASH_TRUNCATED:
        return "truncated";
    default:
        return NULL;
    }
}

static const char *packet_word(uint8_t detail)
{
    static const char *const words[] = {NULL, "request", "reply", "second-request"};
    return detail < sizeof words / sizeof words[0] ? words[detail] : NULL;
}

/* The word for a detail of a decision like this; NULL: it has none, and is a number. */
static const char *detail_word(const struct octo_key *key, uint8_t detail)
{
    const char *word = NULL;

    if (is_message(key))
        word = among_nodes(key) ? octo_message_type_text((enum octo_message_type)detail)
                                : packet_word(detail);
    else if (key->purpose == OCTO_DECIDE_DISK)
        word = octo_disk_chance_text((enum octo_disk_chance_kind)detail);
    else if (key->purpose == OCTO_DECIDE_CRASH_AT_IO)
        word = octo_disk_kind_text((enum octo_disk_kind)detail);
    else if (key->purpose == OCTO_DECIDE_CRASH)
        word = crash_word(detail);
    return detail == 0 || word == NULL || strcmp(word, "unknown") == 0 ? NULL : word;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

struct text {
    char *bytes;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    text->used +=
        (size_t)vsnprintf(text->bytes + text->used, text->size - text->used, format, values);
    va_end(values);
    octo_assert(text->used < text->size);
}

static void put_actor(struct text *text, const char *name, uint8_t actor)
{
    if (actor >= OCTO_ACTOR_CLIENT)
        put(text, " %s=c%u", name, actor - OCTO_ACTOR_CLIENT);
    else if (actor != 0)
        put(text, " %s=n%u", name, actor);
}

static void put_target(struct text *text, const struct octo_key *key)
{
    const char *op = octo_disk_kind_text((enum octo_disk_kind)key->target);

    if (key->purpose != OCTO_DECIDE_DISK)
        put_actor(text, "to", key->target);
    else if (key->target != 0 && strcmp(op, "unknown") != 0)
        put(text, " op=%s", op);
    else if (key->target != 0)
        put(text, " op=%u", key->target);
}

static void put_detail(struct text *text, const struct octo_key *key)
{
    const bool copy = is_message(key) && among_nodes(key) && (key->detail & OCTO_MESSAGE_COPY) != 0;
    const uint8_t detail = copy ? key->detail & (uint8_t)~OCTO_MESSAGE_COPY : key->detail;
    const char *word = detail_word(key, detail);

    if (word != NULL)
        put(text, " what=%s%s", word, copy ? "+copy" : "");
    else if (key->detail != 0)
        put(text, " what=%u", key->detail);
}

static void put_identity(struct text *text, const struct octo_key *key)
{
    const struct names *names = names_of(key);
    const uint32_t kind = (uint32_t)(key->identity[0] >> 32);
    const uint32_t number = (uint32_t)key->identity[0];
    const char *file = octo_file_kind_text((enum octo_file_kind)kind);

    if (is_disk(key) && kind != 0 && strcmp(file, "unknown") != 0)
        put(text, number == 0 ? " %s=%s" : " %s=%s.%u", names->first, file, number);
    else if (key->identity[0] != 0)
        put(text, " %s=%" PRIu64, names->first, key->identity[0]);
    if (key->identity[1] != 0)
        put(text, " %s=%" PRIu64, names->second, key->identity[1]);
}

void octo_plan_line_text(const struct octo_plan_line *line, char text[OCTO_PLAN_LINE_BYTES])
{
    const struct octo_key *key = &line->key;
    struct text out = {text, OCTO_PLAN_LINE_BYTES, 0};

    put(&out, "%s", octo_decision_text((enum octo_decision)key->purpose));
    put_actor(&out, "by", key->actor);
    put_target(&out, key);
    if (key->incarnation != 0)
        put(&out, " life=%u", key->incarnation);
    put_detail(&out, key);
    put_identity(&out, key);
    if (key->attempt != 0)
        put(&out, " try=%u", key->attempt);
    if (line->fault != 0)
        put(&out, " fault=%s", octo_fault_text((enum octo_fault)line->fault));
    if (line->none)
        put(&out, " none");
    else
        put(&out, " bits=%" PRIx64, line->bits);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static bool actor_parse(const char *word, uint8_t *actor)
{
    uint64_t value;
    const bool client = word[0] == 'c';

    if ((!client && word[0] != 'n') || !plan_number(word + 1, 10, client ? 200 : 9, &value))
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

static bool op_parse(const char *word, uint8_t *op)
{
    uint64_t value = 0;

    for (uint32_t i = 1; i <= UINT8_MAX; i++) {
        if (strcmp(word, octo_disk_kind_text((enum octo_disk_kind)i)) == 0) {
            *op = (uint8_t)i;
            return strcmp(word, "unknown") != 0;
        }
    }
    const bool number = plan_number(word, 10, UINT8_MAX, &value);
    *op = (uint8_t)value;
    return number;
}

/* What a decision's detail is: a word of that decision, or a number. Whether nodes are among
 * themselves is known when `by` and `to` stand before. */
static bool detail_parse(char *word, struct octo_key *key)
{
    char *copy = strstr(word, "+copy");
    uint64_t value = 0;

    if (copy != NULL && copy[5] == '\0')
        *copy = '\0';
    else
        copy = NULL;
    for (uint8_t i = 1; i < DETAILS_MAX; i++) {
        const char *known = detail_word(key, i);
        if (known != NULL && strcmp(known, word) == 0) {
            key->detail = copy != NULL ? i | OCTO_MESSAGE_COPY : i;
            return true;
        }
    }
    const bool number = copy == NULL && plan_number(word, 10, UINT8_MAX, &value);
    if (number)
        key->detail = (uint8_t)value;
    return number;
}

/* A file's name, as in a trace: main.3, vote. */
static bool file_parse(const char *word, uint64_t *identity)
{
    const size_t length = strcspn(word, ".");
    uint64_t number = 0;

    if (word[length] == '.' && !plan_number(word + length + 1, 10, UINT32_MAX, &number))
        return false;
    for (uint32_t kind = 1; kind < DETAILS_MAX; kind++) {
        const char *known = octo_file_kind_text((enum octo_file_kind)kind);
        if (strlen(known) != length || strncmp(known, word, length) != 0 ||
            strcmp(known, "unknown") == 0)
            continue;
        *identity = (uint64_t)kind << 32 | number;
        return true;
    }
    return false;
}

static bool identity_parse(const char *name, const char *text, struct octo_key *key, bool *known)
{
    *known = true;
    for (size_t i = 0; i < NAMES; i++) {
        if (strcmp(name, all_names[i].first) == 0)
            return plan_number(text, 10, UINT64_MAX, &key->identity[0]) ||
                   (is_disk(key) && file_parse(text, &key->identity[0]));
        if (strcmp(name, all_names[i].second) == 0)
            return plan_number(text, 10, UINT64_MAX, &key->identity[1]);
    }
    *known = false;
    return false;
}

/* One "name=value". */
static bool field_parse(char *word, struct octo_plan_line *line, char error[OCTO_PLAN_ERROR_BYTES])
{
    struct octo_key *key = &line->key;
    uint64_t value = 0;
    bool known;
    char *is = strchr(word, '=');

    if (strcmp(word, "none") == 0)
        return line->none = true;
    if (is == NULL)
        return plan_refuse(error, word, "expected name=value or none");
    *is = '\0';
    char *text = is + 1;
    if (strcmp(word, "by") == 0)
        return actor_parse(text, &key->actor) ||
               plan_refuse(error, text, "by= wants n1 .. n9 or c0 ..");
    if (strcmp(word, "to") == 0)
        return actor_parse(text, &key->target) ||
               plan_refuse(error, text, "to= wants n1 .. n9 or c0 ..");
    if (strcmp(word, "op") == 0)
        return op_parse(text, &key->target) ||
               plan_refuse(error, text, "op= wants a disk operation");
    if (strcmp(word, "what") == 0)
        return detail_parse(text, key) ||
               plan_refuse(error, text, "what= wants a word of this decision, or 0 to 255");
    if (strcmp(word, "fault") == 0)
        return fault_parse(text, &line->fault) ||
               plan_refuse(error, text, "fault= wants a fault kind");
    if (strcmp(word, "bits") == 0)
        return plan_number(text, 16, UINT64_MAX, &line->bits) ||
               plan_refuse(error, text, "bits= wants up to 16 hex digits, small letters");
    if (identity_parse(word, text, key, &known))
        return true;
    if (!known && strcmp(word, "life") != 0 && strcmp(word, "try") != 0)
        return plan_refuse(
            error, word,
            "expected by, to, op, life, what, what it is of (window, term, index, file, "
            "nth, session, sequence), try, fault or bits");
    if (known || !plan_number(text, 10, UINT32_MAX, &value))
        return plan_refuse(error, text, "expected a number in range");
    *(strcmp(word, "life") == 0 ? &key->incarnation : &key->attempt) = (uint32_t)value;
    return true;
}

/* The strikes of windows say which fault it is, and the other decisions do not. */
static bool fault_fits(const struct octo_plan_line *line)
{
    const bool window = is_window(&line->key);
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
        return plan_refuse(error, text, "expected a line of less than 512 bytes");
    memcpy(words, text, strlen(text) + 1);
    *line = (struct octo_plan_line){0};
    const char *purpose = strtok_r(words, " \t", &rest);
    for (uint8_t i = 1; purpose != NULL && i < OCTO_DECISION_COUNT; i++) {
        if (strcmp(purpose, octo_decision_text((enum octo_decision)i)) == 0)
            line->key.purpose = i;
    }
    if (line->key.purpose == 0)
        return plan_refuse(error, purpose == NULL ? "" : purpose,
                           "expected a header's name or a decision");
    for (char *word = strtok_r(NULL, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        if (!field_parse(word, line, error))
            return false;
    }
    if (line->none && !octo_key_strikes(&line->key))
        return plan_refuse(error, "none", "this decision always comes: bits= say how");
    if (fault_fits(line))
        return true;
    return line->fault == 0
               ? plan_refuse(error, text, "a window's strike wants fault= with its kind, or none")
               : plan_refuse(error, octo_fault_text((enum octo_fault)line->fault),
                             "fault= wants a kind that goes with the decision");
}
