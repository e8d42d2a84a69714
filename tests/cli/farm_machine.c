/* A farm for the key-value machine that, at commands that some seeds issue and others do not, does
 * what the environment's FARM_TRAP says: "crash" (SIGABRT), "hang", "memory" or "exit". */
#include "sim/sim.h"
#include "tools/farm/farm.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define ONE_OF 4000u /* commands of which one springs the trap */

static bool springs(const uint8_t *command, uint32_t size)
{
    uint32_t sum = 2166136261u;
    for (uint32_t i = 0; i < size; i++)
        sum = (sum ^ command[i]) * 16777619u;
    return (sum ^ sum >> 15) % ONE_OF == 0;
}

static void fill_memory(void)
{
    for (;;) {
        uint8_t *more = malloc(1 << 20);
        if (more != NULL)
            memset(more, 1, 1 << 20);
        __asm__ volatile(""
                         :
                         : "r"(more)
                         : "memory"); /* the compiler must believe that it is read */
        (void)usleep(1000);
    }
}

static void trapped_apply(struct octo_machine_context *context, const uint8_t *command,
                          uint32_t size, struct octo_buffer *result)
{
    const char *trap = getenv("FARM_TRAP");
    if (trap != NULL && springs(command, size)) {
        if (strcmp(trap, "crash") == 0)
            (void)raise(SIGABRT);
        else if (strcmp(trap, "exit") == 0)
            _exit(0);
        else if (strcmp(trap, "memory") == 0)
            fill_memory();
        else
            (void)pause();
    }
    octo_machine_kv.apply(context, command, size, result);
}

int main(int argc, char **argv)
{
    struct octo_machine machine = octo_machine_kv;
    machine.apply = trapped_apply;
    return octo_farm_main(argc, argv, &machine);
}
