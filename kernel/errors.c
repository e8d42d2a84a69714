#include "kernel/base.h"

const char *octo_err_text(enum octo_err err)
{
    switch (err) {
#define ERR_TEXT(name, value, text) \
    case OCTO_ERR_##name:           \
        return text;
        OCTO_ERRORS(ERR_TEXT)
#undef ERR_TEXT
    }
    return "unknown error";
}
