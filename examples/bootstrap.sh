#!/bin/bash
# Improves a network with its own best samples, as Gwern Branwen's "Making Anime Faces With StyleGAN"
# does: draws samples, ranks them, adds the best tenth to the training images, and trains on with all;
# round after round. The discriminator has blind spots, so look at the best of each round.
#
# Usage: bootstrap.sh FACES [NETWORK [ROUNDS [SAMPLES [KIMG [options of sgtrain]]]]]
# with a folder of images. Writes bootstrap/ROUND/ with samples/, best.txt, tails.png (the best and the
# worst), data.zip and results/, and prints the network of each round. If interrupted, run the same line
# again: it continues.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/bin:$PATH"
faces=$1 network=${2:-default} rounds=${3:-3} samples=${4:-2000} kimg=${5:-20}

size=$(sgconvert --info "$network" | awk '$1 == "width" { print $2 }')
mkdir -p bootstrap
find "$faces" >bootstrap/faces.txt
best=()
for round in $(seq "$rounds"); do
    folder=bootstrap/$round
    mkdir -p "$folder"
    best+=("$folder/best.txt")
    if [ ! -e "$folder/data.zip" ]; then
        rm -f "$folder/tails.png" # of a round that was interrupted
        seeds=$(((round - 1) * samples))-$((round * samples - 1))
        sggen --network "$network" --seeds "$seeds" --psi 0.7 -o "$folder/samples" |
            dranker "$network" --best 10% --sheet "$folder/tails.png" >"$folder/best.txt"
        # Status 1 means that some files are bad.
        cat bootstrap/faces.txt "${best[@]}" |
            animepack --size "$size" --fit cover -o "$folder/data.zip" >&2 || [ $? = 1 ]
    fi

    begin=(--transfer "$network")
    if compgen -G "$folder/results/*/snapshot-*.pkl" >/dev/null; then
        begin=(--resume latest)
    fi
    network=$(sgtrain "${begin[@]}" --kimg "$kimg" "${@:6}" -o "$folder/results" "$folder/data.zip" | tail -n 1)
    echo "$network"
done
