/* The command line of octo-wal. */
#include "tools/wal/tool.h"

#include <getopt.h>

#define FLAG_COLUMN 24

/* Every flag: NAME, "name", value's name ("" for none), short letter or 0, help. */
#define TOOL_FLAGS(F)                                                                      \
    F(TOPIC, "topic", "TOPIC", 0, "dump: main or recovery; only what that topic holds")    \
    F(SEGMENT, "segment", "N", 0, "dump: only segment N")                                  \
    F(FROM, "from", "SEQ", 0, "dump: only records of sequence SEQ and above")              \
    F(LIMIT, "limit", "N", 0, "dump: at most N records")                                   \
    F(CLUSTER, "cluster", "ID", 0,                                                         \
      "whose directory it is, where the identity is damaged; where "                       \
      "it is not, they are compared")                                                      \
    F(NODE, "node", "N", 0, "likewise: 1 to 15")                                           \
    F(JSON, "json", "", 0, "JSON, one object a line")                                      \
    F(QUIET, "quiet", "", 'q', "dump: no heading; verify: only damage; explain: no hints") \
    F(HELP, "help", "", 'h', "show this text")                                             \
    F(VERSION, "version", "", 0, "show the version")

enum flag {
    FLAG_FIRST = 256,
#define FLAG_ENUM(NAME, name, value, letter, help) FLAG_##NAME,
    TOOL_FLAGS(FLAG_ENUM)
#undef FLAG_ENUM
};

static const struct option options[] = {
#define FLAG_OPTION(NAME, name, value, letter, help) \
    {(name), sizeof(value) > 1 ? required_argument : no_argument, NULL, FLAG_##NAME},
    TOOL_FLAGS(FLAG_OPTION)
#undef FLAG_OPTION
        {NULL, 0, NULL, 0},
};

static const struct {
    const char *name, *value;
    char letter;
    const char *help;
} flags[] = {
#define FLAG_ROW(NAME, name, value, letter, help) {(name), (value), (letter), (help)},
    TOOL_FLAGS(FLAG_ROW)
#undef FLAG_ROW
};

/* ---- Values ---------------------------------------------------------------------------------- */

static bool number(const char *flag, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
    const char *at = optarg;
    bool fits = true;

    *value = 0;
    for (; *at >= '0' && *at <= '9' && fits; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        fits = *value <= (UINT64_MAX - digit) / 10;
        *value = *value * 10 + digit;
    }
    if (fits && at != optarg && *at == '\0' && minimum <= *value && *value <= maximum)
        return true;
    complain("%s wants a whole number from %llu to %llu, not '%s'", flag,
             (unsigned long long)minimum, (unsigned long long)maximum, quoted(optarg));
    return false;
}

static bool small_number(const char *flag, uint32_t maximum, uint32_t *value)
{
    uint64_t given;

    if (!number(flag, 1, maximum, &given))
        return false;
    *value = (uint32_t)given;
    return true;
}

static bool topic(struct tool_arguments *arguments)
{
    arguments->topics = strcmp(optarg, "main") == 0       ? IN_MAIN
                        : strcmp(optarg, "recovery") == 0 ? IN_RECOVERY
                                                          : 0;
    if (arguments->topics == 0)
        complain("--topic wants main or recovery, not '%s'", quoted(optarg));
    return arguments->topics != 0;
}

/* One flag that getopt has recognised. */
static bool take(struct tool_arguments *arguments, enum flag flag)
{
    switch (flag) {
    case FLAG_TOPIC:
        return topic(arguments);
    case FLAG_SEGMENT:
        return small_number("--segment", UINT32_MAX, &arguments->segment);
    case FLAG_FROM:
        return number("--from", 0, UINT64_MAX, &arguments->from);
    case FLAG_LIMIT:
        return number("--limit", 1, UINT64_MAX, &arguments->limit);
    case FLAG_CLUSTER:
        return number("--cluster", 1, UINT64_MAX, &arguments->cluster);
    case FLAG_NODE:
        return small_number("--node", OCTO_NODES_MAX, &arguments->node);
    case FLAG_JSON:
        return arguments->json = true;
    case FLAG_QUIET:
        return arguments->quiet = true;
    case FLAG_HELP:
        return arguments->help = true;
    case FLAG_VERSION:
        return arguments->version = true;
    case FLAG_FIRST:
        break;
    }
    return false;
}

/* ---- The line -------------------------------------------------------------------------------- */

static bool refuse_flag(char **argv, int got)
{
    const char *word = argv[optind - 1];

    if (got == ':')
        complain("%s wants a value", quoted(word));
    else if (optopt > FLAG_FIRST)
        complain("%s takes no value", quoted(word));
    else if (optopt != 0)
        complain("no such flag: -%c; try --help", optopt);
    else
        complain("no such flag: %s; try --help", quoted(word));
    return false;
}

/* getopt_long takes a part of a name for the whole: that is refused, for names may be added. */
static bool name_whole(char **argv, int place, int flag)
{
    const char *name = options[flag - FLAG_FIRST - 1].name;
    const char *word = argv[place];
    const size_t size = strlen(name);

    if (strncmp(word, "--", 2) != 0) /* a short flag */
        return true;
    if (strncmp(word + 2, name, size) == 0 && (word[2 + size] == '\0' || word[2 + size] == '='))
        return true;
    complain("no such flag: %s; try --help", quoted(word));
    return false;
}

static bool flags_parse(struct tool_arguments *arguments, int argc, char **argv)
{
    opterr = 0;
    for (;;) {
        const int place = optind;
        optopt = 0;
        int got = getopt_long(argc, argv, "+:qh", options, NULL);
        if (got == -1)
            return true;
        if (got == '?' || got == ':')
            return refuse_flag(argv, got);
        if (got == 'q' || got == 'h')
            got = got == 'q' ? FLAG_QUIET : FLAG_HELP;
        else if (!name_whole(argv, place, got))
            return false;
        if (!take(arguments, (enum flag)got))
            return false;
    }
}

static bool command_parse(struct tool_arguments *arguments, const char *word)
{
    static const char *const names[] = {"", "dump", "verify", "explain"};

    for (uint32_t i = TOOL_DUMP; i <= TOOL_EXPLAIN; i++) {
        if (strcmp(word, names[i]) == 0)
            arguments->command = (enum tool_command)i;
    }
    if (arguments->command == TOOL_NONE)
        complain("'%s' is no command: dump, verify or explain", quoted(word));
    return arguments->command != TOOL_NONE;
}

static bool together(const struct tool_arguments *arguments)
{
    const bool dumps = arguments->topics != IN_BOTH || arguments->segment != 0 ||
                       arguments->from != 0 || arguments->limit != UINT64_MAX;

    if (arguments->command == TOOL_NONE) {
        complain("a command is wanted: dump, verify or explain; try --help");
        return false;
    }
    if (arguments->path == NULL || arguments->path[0] == '\0') {
        complain("a node's directory is wanted; try --help");
        return false;
    }
    if (dumps && arguments->command != TOOL_DUMP) {
        complain("--topic, --segment, --from and --limit go with dump only");
        return false;
    }
    return true;
}

/* Flags may stand before, between and after the two words. */
bool arguments_parse(struct tool_arguments *arguments, int argc, char **argv)
{
    *arguments = (struct tool_arguments){.topics = IN_BOTH, .limit = UINT64_MAX};
    while (optind < argc) {
        if (!flags_parse(arguments, argc, argv))
            return false;
        if (optind >= argc)
            break;
        const char *word = argv[optind++];
        if (arguments->command == TOOL_NONE) {
            if (!command_parse(arguments, word))
                return false;
        } else if (arguments->path == NULL) {
            arguments->path = word;
        } else {
            complain("one directory at a time: what is '%s'?", quoted(word));
            return false;
        }
    }
    return arguments->help || arguments->version || together(arguments);
}

/* ---- Help ------------------------------------------------------------------------------------ */

static void print_wrapped(FILE *out, const char *text)
{
    int column = FLAG_COLUMN;

    while (*text != '\0') {
        const int size = (int)strcspn(text, " ");
        if (column > FLAG_COLUMN && column + 1 + size > 92) {
            fprintf(out, "\n%*s", FLAG_COLUMN, "");
            column = FLAG_COLUMN;
        } else if (column > FLAG_COLUMN) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", size, text);
        column += size;
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void help_print(FILE *out)
{
    fputs(
        "usage: octo-wal dump DIR [--topic TOPIC] [--segment N] [--from SEQ] [--limit N]\n"
        "       octo-wal verify DIR\n"
        "       octo-wal explain DIR\n\n"
        "Looks at a node's directory and changes nothing. dump prints one line a record of the\n"
        "log; verify checks every file, says what is damaged, whether its twin has it and what a\n"
        "node would do about it; explain tells what happened here and what the next start does.\n"
        "\nFlags (never abbreviated; --flag VALUE or --flag=VALUE):\n",
        out);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        char left[FLAG_COLUMN + 16];
        const char letter[] = {'-', flags[i].letter, ',', ' ', '\0'};
        const int size =
            snprintf(left, sizeof left, "  %s--%s%s%s", flags[i].letter != 0 ? letter : "",
                     flags[i].name, flags[i].value[0] != '\0' ? " " : "", flags[i].value);
        fprintf(out, "%-*s%s", FLAG_COLUMN, left, size >= FLAG_COLUMN ? " " : "");
        print_wrapped(out, flags[i].help);
    }
    fputs("\nExit status: 0 all is sound; 1 something is damaged, or the node would not start;\n"
          "2 bad usage, or no directory of a node; 3 octo-wal itself failed. dump: 1 never.\n"
          "Colour appears only on a terminal; NO_COLOR turns it off.\n",
          out);
}

void version_print(FILE *out)
{
    fputs("octo-wal " OCTO_VERSION "\n", out);
}
