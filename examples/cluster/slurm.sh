#!/bin/bash
#SBATCH --job-name=animetools
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=animetools-%j.log
# Runs a line of shell on the machines of a Slurm job: a Dask scheduler on the first, a worker for each
# core on all; in LINE, $CLUSTER is the address of the scheduler. Two minutes before its time is over the
# job returns to the queue; LINE then runs again, and its commands continue where they were. All files
# must be on a file system that the machines share. Change the lines above to what your cluster has.
#
# Usage: sbatch examples/cluster/slurm.sh 'find raw/ | animecrop --cluster $CLUSTER > crops.txt'
set -uo pipefail
root=${ANIMETOOLS:-$PWD} # the folder of animetools: Slurm runs a copy of this script
export PATH="$root/bin:$PATH"
dask=("$root/.venv/bin/python" -m dask)
export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False # which would cost some percent
known=$PWD/.cluster-$SLURM_JOB_ID.json
rm -f "$known"

stop() {
    kill "$scheduler" "$workers"
    wait "$scheduler" "$workers"
    rm -f "$known"
}
return_to_queue() {
    stop
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
}
"${dask[@]}" scheduler --host "$(hostname)" --port 0 --no-dashboard --scheduler-file "$known" < /dev/null &
scheduler=$!
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" "${dask[@]}" worker --scheduler-file "$known" \
    --nworkers "$SLURM_CPUS_PER_TASK" --nthreads 1 --no-dashboard --local-directory /tmp \
    --death-timeout 120 < /dev/null &
workers=$!
trap return_to_queue USR1
until CLUSTER=$(sed -n 's/.*"address": "\(.*\)".*/\1/p' "$known" 2> /dev/null) && [ "$CLUSTER" ]; do
    kill -0 "$scheduler" 2> /dev/null || exit 2
    sleep 0.2
done
export CLUSTER

bash -o pipefail -c "$1" & # in the background, so that the trap is not delayed
wait $!
status=$?
stop
exit "$status"
