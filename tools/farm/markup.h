/* Text in XML and HTML. Private to tools/farm/. */
#ifndef OCTO_FARM_MARKUP_H
#define OCTO_FARM_MARKUP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* farm_markup writes text so that it reads as itself between tags and in an attribute's quotes.
 * What is no UTF-8, and the characters that XML 1.0 has not, become U+FFFD. */
void farm_markup(FILE *out, const char *text);

/* farm_markup_short writes at most `letters` of it, and then an ellipsis. */
void farm_markup_short(FILE *out, const char *text, size_t letters);

/* farm_markup_attribute writes " name="text"", with a blank before it. */
void farm_markup_attribute(FILE *out, const char *name, const char *text);

/* farm_markup_seconds writes nanoseconds as seconds with three decimals. */
void farm_markup_seconds(FILE *out, uint64_t ns);

#endif
