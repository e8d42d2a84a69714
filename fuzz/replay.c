#include "fuzz/replay.h"

#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX (1u << 20)

const char *fuzz_directory;

_Noreturn void octo_assert_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: octo_assert(%s)\n", file, line, expression);
    abort();
}

void seed_put(const char *directory, const char *name, const uint8_t *bytes, size_t size)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(2);
    }
}

#if defined(OCTO_FUZZ_REPLAY)

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(INPUT_MAX);

    if (file == NULL || bytes == NULL) {
        perror(path);
        exit(2);
    }
    const size_t size = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

int main(int argc, char **argv)
{
    int first = 1;

    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        fuzz_seeds(argv[2]);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "--directory") == 0) {
        fuzz_directory = argv[2];
        first = 3;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE... | --write DIR | --directory DIR FILE\n", argv[0]);
        return 2;
    }
    for (int i = first; i < argc; i++)
        replay(argv[i]);
    return 0;
}

#endif
