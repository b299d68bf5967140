#!/bin/bash
# Trains small StyleGAN 3 networks, config T and then R, on drawn faces of 32 x 32 pixels, and makes of each
# a sheet of samples and two films, in which it turns and moves what it draws. A kimg takes a minute of one
# thread. If interrupted, run the same line again: it continues.
#
# Usage: train-stylegan3.sh [FOLDER [PICTURES [KIMG [SECONDS]]]]
# with the length of the films
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH" OMP_NUM_THREADS=1
folder=${1:-$root/stylegan3} pictures=${2:-1000} kimg=${3:-40} seconds=${4:-4}
mkdir -p "$folder"
cd "$folder"

animedraw --count "$pictures" --seed 5 --portraits 96 | animepack --size 32 -o faces32.zip

# Narrow networks and small batches, because a CPU does few iterations; a short blur to match.
for config in t r; do
    [ $config = t ] && gamma=0.3 rate=0.003 || gamma=0.1 rate=0.0025
    (
        mkdir -p $config
        cd $config
        until sgtrain --preset s3$config --channel-base 1024 --channel-max 32 --batch 8 --gamma $gamma \
            --g-lr $rate --d-lr 0.002 --aug none --mirror --ema-kimg 0.15 --blur-kimg 0.6 --seed 2 \
            --kimg "$kimg" --snap 8 --jobs 1 --resume latest ../faces32.zip; do
            [ $? = 2 ] && exit 2
        done
        sgconvert --small --force latest ../$config.pkl
    )
    sggen --network $config.pkl --seeds 0-31 --grid 8x4 -o $config-samples
    for kind in turn drift; do
        sgvideo $kind --network $config.pkl --seeds 0-3 --grid 4x1 --seconds "$seconds" -o $config-films
    done
done
