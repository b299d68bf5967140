#!/bin/bash
# Trains the network with which the one that comes with animetools began, from scratch; it knows no tags,
# which train-next.sh teaches it. Draws portraits, crops their faces, packs them at 64 x 64, trains on them
# and writes former.pkl. The faces take half an hour on two cores; sgtrain says how long training will take.
# If interrupted, run the same line again: it continues.
#
# Usage: train-default.sh [FOLDER [PICTURES [KIMG [options of animecrop, such as --cascade FILE]]]]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
folder=${1:-$root/default} pictures=${2:-12000} kimg=${3:-76}
mkdir -p "$folder"
cd "$folder"

# Status 1 means that some files failed.
animedraw --count "$pictures" --seed 1 --portraits 256 |
    animecrop --largest --min-size 64 "${@:4}" | animeclean |
    animepack --size 64 --fit cover -o faces64.zip || [ $? = 1 ]

# Small batches with a high learning rate, because a CPU does few iterations. No image is shown often
# enough to need augmentation. Lower rates at the end remove the grain. bf16 is fp32 on processors
# without bf16 instructions.
rates=0.008,62:0.004,70:0.002
until sgtrain --preset ada --channel-base 2048 --channel-max 128 --batch 8 --gamma 1 \
    --g-lr "$rates" --d-lr "$rates" --pl-weight 0 --mixing 0 --aug none --ema-kimg 2 --mirror \
    --dtype bf16 --seed 1 --kimg "$kimg" --resume latest faces64.zip; do
    [ $? = 2 ] && exit 2
done
sgconvert --small --force latest former.pkl
