/* Names of disk questions, operations and files, from the tables in vfs.h and kernel/event.h. */
#include "vfs/vfs.h"

static const char *const chance_texts[] = {[OCTO_CHANCE_NONE] = "none",
#define CHANCE_TEXT(name, text) [OCTO_CHANCE_##name] = text,
                                           OCTO_DISK_CHANCES(CHANCE_TEXT)
#undef CHANCE_TEXT
};

static const char *const kind_texts[] = {[OCTO_DISK_NONE] = "none",
#define KIND_TEXT(name, value, text) [OCTO_DISK_##name] = text,
                                         OCTO_DISK_OPS(KIND_TEXT)
#undef KIND_TEXT
};

static const char *const file_texts[] = {[OCTO_FILE_NONE] = "none",
#define FILE_TEXT(name, value, text) [OCTO_FILE_##name] = text,
                                         OCTO_FILES(FILE_TEXT)
#undef FILE_TEXT
};

/* Texts are asked for with numbers from traces and plans, so a number may be anything. */
static const char *text_of(const char *const *texts, size_t count, uint32_t number)
{
    return number < count && texts[number] != NULL ? texts[number] : "unknown";
}

const char *octo_disk_chance_text(enum octo_disk_chance_kind kind)
{
    return text_of(chance_texts, sizeof chance_texts / sizeof *chance_texts, (uint32_t)kind);
}

const char *octo_disk_kind_text(enum octo_disk_kind kind)
{
    return text_of(kind_texts, sizeof kind_texts / sizeof *kind_texts, (uint32_t)kind);
}

const char *octo_file_kind_text(enum octo_file_kind kind)
{
    return text_of(file_texts, sizeof file_texts / sizeof *file_texts, (uint32_t)kind);
}
