/* Where the plan goes. A file is written beside its place and moved there when it is whole: the
 * plan that was there, which may be the one that was minimized, is never lost. What is no file (a
 * pipe) is written to. */
#include "tools/min/min.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool place_find(struct min_output *output, bool there)
{
    if (there)
        return access(output->path, W_OK) == 0 && realpath(output->path, output->place) != NULL;
    const int size = snprintf(output->place, sizeof output->place, "%s", output->path);
    if ((size_t)size < sizeof output->place)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

bool min_output_open(struct min_output *output, const char *path)
{
    struct stat status;

    *output = (struct min_output){.path = path, .file = path == NULL ? stdout : NULL};
    if (path == NULL)
        return true;
    const bool there = stat(path, &status) == 0;
    output->moves = !there || S_ISREG(status.st_mode);
    if (output->moves && !place_find(output, there))
        return false;
    (void)snprintf(output->beside, sizeof output->beside, "%s.new", output->place);
    output->file = fopen(output->moves ? output->beside : path, "w");
    if (output->file != NULL && output->moves && there)
        (void)fchmod(fileno(output->file), status.st_mode & 07777);
    return output->file != NULL;
}

void min_output_drop(struct min_output *output)
{
    if (output->path == NULL || output->file == NULL)
        return;
    (void)fclose(output->file);
    if (output->moves)
        (void)remove(output->beside);
}

bool min_output_close(struct min_output *output, bool wrote)
{
    if (output->path == NULL)
        return fflush(stdout) == 0 && wrote;
    wrote = fclose(output->file) == 0 && wrote;
    if (wrote && output->moves)
        wrote = rename(output->beside, output->place) == 0;
    if (!wrote && output->moves) {
        const int why = errno;
        (void)remove(output->beside);
        errno = why;
    }
    return wrote;
}
