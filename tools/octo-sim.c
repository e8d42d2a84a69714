/* octo-sim: the simulator with the built-in key-value machine. */
#include "sim/sim.h"

int main(int argc, char **argv)
{
    return octo_sim_main(argc, argv, &octo_machine_kv);
}
