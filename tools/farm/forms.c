#include "tools/farm/forms.h"

#include <errno.h>

/* Opens to append, to leave as it is what is there until there is something better. */
bool farm_forms_check(const struct farm_arguments *arguments)
{
    for (int form = 0; form < FARM_FORM_COUNT; form++) {
        const char *path = arguments->outputs[form];
        if (path == NULL || strcmp(path, "-") == 0)
            continue;
        FILE *file = fopen(path, "ae");
        if (file == NULL) {
            farm_complain("cannot write %s: %s", path, strerror(errno));
            return false;
        }
        (void)fclose(file);
    }
    return true;
}

static void write_form(FILE *out, enum farm_form form, const struct farm_summary *summary,
                       struct farm_store *store)
{
    switch (form) {
    case FARM_NDJSON:
        farm_ndjson_write(out, summary, store);
        return;
    case FARM_JUNIT:
        farm_junit_write(out, summary, store);
        return;
    case FARM_HTML:
        farm_html_write(out, summary, store);
        return;
    case FARM_FORM_COUNT:
        break;
    }
    octo_assert(false);
}

bool farm_forms_write(const struct farm_arguments *arguments, const struct farm_summary *summary,
                      struct farm_store *store)
{
    bool good = true;
    for (enum farm_form form = 0; form < FARM_FORM_COUNT; form++) {
        const char *path = arguments->outputs[form];
        if (path == NULL)
            continue;
        if (strcmp(path, "-") == 0) { /* its errors show when the program ends */
            write_form(stdout, form, summary, store);
            continue;
        }
        FILE *file = fopen(path, "we");
        if (file != NULL)
            write_form(file, form, summary, store);
        bool written = file != NULL && ferror(file) == 0;
        if (file != NULL && fclose(file) != 0)
            written = false;
        if (!written)
            farm_complain("cannot write %s: %s", path, strerror(errno));
        good = good && written;
    }
    return good && !store->failed;
}
