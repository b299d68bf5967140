#!/bin/bash
#SBATCH --job-name=sgtrain
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=sgtrain-%j.log
# Trains on several machines of a Slurm cluster: a torchrun on each, a process on each GPU. Five minutes
# before its time is over the job saves a snapshot and returns to the queue. It continues from there
# until it is done, also with another number of machines. DATA and results/ must be on a file system
# that all machines share. Change the lines above to what your cluster has.
#
# Usage: sbatch examples/slurm-train.sh DATA [options of sgtrain, such as --preset s2 --batch 64]
set -uo pipefail
root=${ANIMETOOLS:-$PWD} # the folder of animetools: Slurm runs a copy of this script
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -1)

save_and_requeue() {
    scancel --signal=TERM "$SLURM_JOB_ID.0" # torchrun passes it on, and waits for the snapshot
    wait
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
}
trap save_and_requeue USR1

# If a process is lost, torchrun starts all of them again, three times.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 \
    "$root/.venv/bin/torchrun" --nnodes="$SLURM_JOB_NUM_NODES" --nproc-per-node="$SLURM_GPUS_ON_NODE" \
    --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-conf=join_timeout=600 \
    --rdzv-endpoint="$first:$((20000 + SLURM_JOB_ID % 20000))" \
    --max-restarts=3 --shutdown-timeout=240 \
    "$root/bin/sgtrain" --resume latest "$@" &
wait $!
