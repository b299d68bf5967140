#!/bin/bash
# Makes the network that ships with animetools, from nothing: draws portraits, cuts their faces out,
# packs them at 64 x 64, trains on them and writes default.pkl. On two cores half an hour for the
# faces; sgtrain says how long it will take. Wherever it was ended, the same line goes on.
#
# Usage: train-default.sh [FOLDER [PICTURES [KIMG [animecrop's options, as --cascade FILE]]]]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
folder=${1:-$root/default} pictures=${2:-12000} kimg=${3:-76}
mkdir -p "$folder"
cd "$folder"

# Status 1 only says that no face was found in some pictures, or that some were grey.
animedraw --count "$pictures" --seed 1 --portraits 256 |
    animecrop --largest --min-size 64 "${@:4}" | animeclean |
    animepack --size 64 --fit cover -o faces64.zip || [ $? = 1 ]

# Small batches at a high rate: a processor does few iterations, and they must tell. No image is seen
# often enough to need augmentation; lower rates at the end take the grain away. bf16 is fp32 where
# the processor does not multiply it.
rates=0.008,62:0.004,70:0.002
until sgtrain --preset ada --channel-base 2048 --channel-max 128 --batch 8 --gamma 1 \
    --g-lr "$rates" --d-lr "$rates" --pl-weight 0 --mixing 0 --aug none --ema-kimg 2 --mirror \
    --dtype bf16 --seed 1 --kimg "$kimg" --resume latest faces64.zip; do
    [ $? = 2 ] && exit 2
done
sgconvert --small --force latest default.pkl
