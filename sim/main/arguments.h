/* The command line of octo-sim. Private to sim/main/. */
#ifndef OCTO_SIM_MAIN_ARGUMENTS_H
#define OCTO_SIM_MAIN_ARGUMENTS_H

#include "sim/scenario.h"
#include "sim/sim.h"

#include <stdio.h>

/* Every flag: NAME, "name", value's name ("" for none), short letter or 0, help. getopt's table,
 * the help text and the messages come from here. */
#define SIM_FLAGS(F)                                                                               \
    F(SEED, "seed", "N", 0, "the run to make: 0 to 18446744073709551615 (default 1)")              \
    F(SEEDS, "seeds", "A..B", 0, "every run from seed A to seed B, both included")                 \
    F(KEEP_GOING, "keep-going", "", 0, "with --seeds: do not stop at the first failure")           \
    F(SCENARIO, "scenario", "NAME|FILE", 0,                                                        \
      "what to live through; other flags go over it. Without --seed and --seeds: its seeds")       \
    F(LIST_SCENARIOS, "list-scenarios", "", 0, "name the built-in scenarios, a line each")         \
    F(NODES, "nodes", "N", 0, "voters in the cluster: 1 to 9 (default 5)")                         \
    F(OPS, "ops", "N", 0, "client operations: 1 to 100000 (default 1000)")                         \
    F(FAULTS, "faults", "MIX", 0,                                                                  \
      "swarm: each seed draws its faults, a fifth draw none (default); none; all; disk: "          \
      "disks and crashes only")                                                                    \
    F(IO_ERRORS, "io-errors", "PERCENT", 0,                                                        \
      "reads, writes and syncs fail at this rate, unsynced sectors tear: 1 to 50")                 \
    F(CRASH_CYCLES, "crash-cycles", "N", 0,                                                        \
      "every node crashes and comes back at least so often: 1 to 100")                             \
    F(UNBOUNDED, "unbounded", "", 0,                                                               \
      "damage knows no budget: judged is only that no node lies, crashes or diverges")             \
    F(TRACE, "trace", "FILE", 0,                                                                   \
      "write one line a transition; - is standard output (the report then goes to standard "       \
      "error)")                                                                                    \
    F(RECORD, "record", "PLAN", 0,                                                                 \
      "write everything that was done to the cluster as a plan, a text to read, change and "       \
      "replay; - is standard output (the report then goes to standard error)")                     \
    F(REPLAY, "replay", "PLAN", 0, "run what a plan says, instead of a seed; - is standard input") \
    F(UNTIL, "until", "EVENT", 0, "stop after this event: 1 to 18446744073709551615")              \
    F(DUMP, "dump", "NODE", 0, "show this node's view at --until, or at the end of the run")       \
    F(CHECK_DETERMINISM, "check-determinism", "", 0,                                               \
      "run again in another process, at another address, over other memory, saved and "            \
      "restored midway, and as a replay of what was recorded; compare")                            \
    F(JSON, "json", "", 0, "one JSON object a run, each on a line, instead of the report")         \
    F(QUIET, "quiet", "", 'q', "report only what went wrong")                                      \
    F(HELP, "help", "", 'h', "show this text")                                                     \
    F(VERSION, "version", "", 0, "show the version")

struct sim_arguments {
    struct octo_sim_options options;
    const char *scenario_name; /* as given; NULL: none */
    struct octo_scenario scenario;
    bool list_scenarios;
    bool many; /* --seeds first .. last, both included */
    uint64_t first, last;
    bool keep_going;
    const char *trace;           /* NULL: none; "-": standard output */
    const char *record, *replay; /* NULL: none */
    uint64_t until;              /* UINT64_MAX: to the end */
    octo_node_id dump;           /* 0: none */
    bool check_determinism, json, quiet, help, version;
};

/* What every part of the program needs to know. */
struct sim_program {
    const char *path; /* argv[0] */
    const char *name; /* its last part, for messages */
    char **argv;
    const struct octo_machine *machine;
    struct sim_arguments arguments;
    FILE *out;   /* where the report goes */
    bool colour; /* on out */
};

/* sim_arguments_parse fills program->arguments from argv. On bad usage it prints one line on
 * standard error that says what was expected, and returns false (exit status 2). */
bool sim_arguments_parse(struct sim_program *program, int argc, char **argv) OCTO_MUST_USE;

/* sim_complain prints "name: ..." and a newline on standard error. printf-like. */
void sim_complain(const struct sim_program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* sim_help_print and sim_version_print write to out. */
void sim_help_print(const struct sim_program *program, FILE *out);
void sim_version_print(const struct sim_program *program, FILE *out);

/* sim_build_text names the build in reports: version and compiler. */
const char *sim_build_text(void);

#endif
