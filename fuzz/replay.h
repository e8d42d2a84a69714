/* What every fuzzer here shares. With OCTO_FUZZ_REPLAY it is a program instead:
 *
 *     fuzz-NAME-replay FILE...        replays files
 *     fuzz-NAME-replay --write DIR    writes the seeds of fuzz/corpus/NAME
 */
#ifndef OCTO_FUZZ_REPLAY_H
#define OCTO_FUZZ_REPLAY_H

#include "kernel/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fuzz_seeds calls seed_put for every seed. Each fuzzer has its own. */
void fuzz_seeds(const char *directory);
void seed_put(const char *directory, const char *name, const uint8_t *bytes, size_t size);

/* fuzz_directory, where a fuzzer has one, saves what an input stands for as a node's directory:
 * fuzz-NAME-replay --directory DIR FILE. */
extern const char *fuzz_directory;

#endif
