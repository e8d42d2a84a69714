/* Words of a command line. Private to sim/main/ and the programs of tools/. */
#ifndef OCTO_SIM_MAIN_WORDS_H
#define OCTO_SIM_MAIN_WORDS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* sim_digits reads a whole decimal number without sign and blanks. Returns what follows the digits,
 * NULL if there are none or the number does not fit. */
const char *sim_digits(const char *word, uint64_t *value);

/* sim_number reads a word that is such a number and nothing else, from minimum to maximum. */
bool sim_number(const char *word, uint64_t minimum, uint64_t maximum, uint64_t *value);

/* sim_range reads "A..B", A <= B <= maximum. */
bool sim_range(const char *word, uint64_t maximum, uint64_t *first, uint64_t *last);

/* sim_flag_name is the name of the long flag that word is, "--name" or "--name=...", NULL if there
 * is none. getopt_long accepts abbreviations; we do not: a script must not change its meaning when
 * a flag is added. word is the argument as it stands on the command line. */
const char *sim_flag_name(const struct option *options, const char *word);

/* sim_same_file: whether two paths are of one file, or would be if both were written. A device or a
 * pipe is the same as nothing: it can be written twice. */
bool sim_same_file(const char *a, const char *b);

#endif
