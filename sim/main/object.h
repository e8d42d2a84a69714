/* JSON as it is written: objects, one a line. Private to sim/main/ and tools/farm/. */
#ifndef OCTO_SIM_MAIN_OBJECT_H
#define OCTO_SIM_MAIN_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* An object being written: begin with {.out = FILE}; members are separated as they come. */
struct sim_object {
    FILE *out;
    bool begun;
};

void sim_object_number(struct sim_object *object, const char *name, uint64_t value);
void sim_object_bool(struct sim_object *object, const char *name, bool value);

/* sim_object_text writes a string, or null for NULL. What is no UTF-8 becomes U+FFFD. */
void sim_object_text(struct sim_object *object, const char *name, const char *value);

/* sim_object_open begins an object that is a member; sim_object_close ends it. */
struct sim_object sim_object_open(struct sim_object *object, const char *name);
void sim_object_close(struct sim_object *object);

/* sim_object_line ends the outermost object, and the line. */
void sim_object_line(struct sim_object *object);

/* sim_utf8_size is the size of the character that text begins with, 1 to 4; 0 if it is no
 * well-formed UTF-8. Text ends with a zero byte. */
size_t sim_utf8_size(const char *text);

#endif
