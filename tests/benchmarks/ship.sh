#!/bin/bash
# Makes a snapshot of examples/train-next.sh the network that ships: writes default.pkl, the encoder that
# belongs to it, its directions, and its card with its pictures. Takes about ten minutes of a core; if
# interrupted, run the same line again, and the encoder goes on.
#
# Usage: tests/benchmarks/ship.sh SNAPSHOT DATASET RUN [KIMG of the encoder]
# with the dataset that it learned from and the folder of its run, such as
# results/00000-faces64-ada/snapshot-000300.pkl faces64.zip results/00000-faces64-ada
#
# What docs/default-encoder.md, docs/next-network.md and docs/editing.md quote is printed by projection.py,
# obedience.py and editing.py.
set -euo pipefail
snapshot=$(realpath "$1") dataset=$(realpath "$2") run=$(realpath "$3") kimg=${4:-16}
cd "$(dirname "$(readlink -f "$0")")/../.."
network=animetools/netfiles/default.pkl

bin/sgconvert --small --force "$snapshot" $network
encoder=build/encoder-$(sha256sum $network | cut -c1-16)
examples/train-encoder.sh "$encoder" "$kimg"
cp "$encoder/encoder.safetensors" animetools/inversion/default.safetensors
examples/train-directions.sh animetools/editing/default.npz
PYTHONPATH=. .venv/bin/python tests/benchmarks/editing.py --examples 0 --steps 0 --sheet docs/editing.jpg \
    blue_hair glasses open_mouth hat smile
PYTHONPATH=. .venv/bin/python tests/benchmarks/faces.py default "$dataset" --psi 0.5,0.7,1,1.3 \
    --card docs/default-network.md --sheet docs/default-samples.jpg --history "$run" docs/default-history.jpg
