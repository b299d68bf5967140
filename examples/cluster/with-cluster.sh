#!/bin/bash
# Runs a line of shell on several machines: starts a Dask scheduler here and, by ssh, workers on each
# HOST (without HOST, on this machine), runs LINE, in which $CLUSTER is the address of the scheduler, and
# stops what it has started. The folder of animetools, the current folder and all files must be on a file
# system that all machines share, and ssh must log in without a password. WORKERS is the number of
# workers of each machine: by default one for each core. Whoever reaches the scheduler's port may run
# programs as you: see docs/cluster.md.
#
# Usage: with-cluster.sh [HOST]... -- 'find raw/ | animecrop --cluster $CLUSTER > crops.txt'
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export PATH="$root/bin:$PATH"
dask=("$root/.venv/bin/python" -m dask)
hosts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    hosts+=("$1")
    shift
done
[ $# = 2 ] || { echo "usage: with-cluster.sh [HOST]... -- LINE" >&2; exit 2; }
"$root/.venv/bin/python" -c "import distributed" 2> /dev/null ||
    { echo "with-cluster.sh: needs Dask: $root/.venv/bin/pip install '$root[cluster]'" >&2; exit 2; }

state=$(mktemp -d)
started=()
stop() {
    kill "${started[@]}" 2> /dev/null || true # the scheduler tells all workers
    wait "${started[@]}" || true
    rm -r "$state"
}
trap stop EXIT

here=127.0.0.1
[ ${#hosts[@]} = 0 ] || here=$(hostname -f)
"${dask[@]}" scheduler --host "$here" --port 0 --no-dashboard --scheduler-file "$state/scheduler.json" \
    < /dev/null > "$state/scheduler.log" 2>&1 &
started+=($!)
until CLUSTER=$(sed -n 's/.*"address": "\(.*\)".*/\1/p' "$state/scheduler.json" 2> /dev/null) && [ "$CLUSTER" ]; do
    kill -0 "${started[0]}" 2> /dev/null || { cat "$state/scheduler.log" >&2; exit 2; }
    sleep 0.2
done
export CLUSTER

# One thread each: that wastes no time on Python's lock. The profile would cost some percent.
worker=(env DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False "${dask[@]}" worker "$CLUSTER" --nworkers "${WORKERS:--1}" --nthreads 1 --no-dashboard
    --local-directory /tmp --death-timeout 60)
[ ${#hosts[@]} -gt 0 ] || { "${worker[@]}" < /dev/null > "$state/worker.log" 2>&1 & started+=($!); }
for host in "${hosts[@]}"; do
    ssh -n "$host" "cd $(printf %q "$PWD") && exec $(printf '%q ' "${worker[@]}")" > "$state/$host.log" 2>&1 &
    started+=($!)
done

bash -o pipefail -c "$2"
