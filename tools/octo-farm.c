/* octo-farm: the farm with the built-in key-value machine. */
#include "tools/farm/farm.h"

#include "sim/sim.h"

int main(int argc, char **argv)
{
    return octo_farm_main(argc, argv, &octo_machine_kv);
}
