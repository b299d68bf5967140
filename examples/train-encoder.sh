#!/bin/bash
# Trains the encoder that comes with animetools from scratch: from samples of the network that ships, which
# are drawn as they are needed. Takes about five minutes on a free core. If interrupted, run the same line
# again: it continues.
#
# Usage: train-encoder.sh [FOLDER [KIMG]]
# with the number of samples to learn from, in thousands.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
folder=${1:-$root/default-encoder} kimg=${2:-16}

# With one thread the same bits come out again on the same kind of processor.
sgproject --train-encoder --network default --kimg "$kimg" --jobs 1 --device cpu -o "$folder"
