#!/bin/sh
#SBATCH --job-name=octo-farm
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=shard-%a.log
# A farm as a Slurm array: each task is one shard with a database of its own.
#
#   sbatch --array=1-16 tools/farm/slurm-array.sh --scenario all --seeds 1..10000
#   octo-farm merge farm.db shard-*.db
#
# The words after the script go to octo-farm. Databases and logs come to be in the folder of the
# sbatch command. A task that is requeued, or an array that is submitted again there, makes the
# runs that are missing. To repeat tasks of an array: OCTO_SHARDS=16 sbatch --array=3,7 ...
#
# OCTO_FARM    the program, on every node (default: octo-farm in the PATH)
# OCTO_SHARDS  how many shards there are (default: the number of tasks in the array)
set -eu
index=${SLURM_ARRAY_TASK_ID:?not a task of an array: sbatch --array=1-N}
shards=${OCTO_SHARDS:-}
if [ -z "$shards" ]; then
    shards=$SLURM_ARRAY_TASK_COUNT
    if [ "$SLURM_ARRAY_TASK_MIN" -ne 1 ] || [ "$SLURM_ARRAY_TASK_MAX" -ne "$shards" ]; then
        echo "slurm-array.sh: the array is not 1-$shards: say how many shards in OCTO_SHARDS" >&2
        exit 2
    fi
fi
exec "${OCTO_FARM:-octo-farm}" "$@" --shard "$index/$shards" --jobs "${SLURM_CPUS_PER_TASK:-1}" \
    --db "shard-$index.db"
