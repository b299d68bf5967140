#!/bin/bash
# Trains the tagger that comes with animetools from scratch: draws pictures with their true tags, trains
# on them, writes default.safetensors, and measures it on pictures of other seeds (figures.md). The
# training takes 80 minutes on two busy cores with bf16 instructions; before it, 19,000 pictures are drawn.
# If interrupted, run the same line again: it continues.
#
# Usage: train-tagger.sh [FOLDER [PORTRAITS [WHOLE [IMAGES]]]]
# with the numbers of drawn portraits and whole pictures, and of augmented pictures to train on.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PYTHONPATH="$root" OMP_NUM_THREADS=1
python="$root/.venv/bin/python"
folder=${1:-$root/default-tagger} portraits=${2:-14000} whole=${3:-5000} images=${4:-400000}
mkdir -p "$folder"
cd "$folder"

# Seeds 900 to 999 are for figures, and nothing is trained on them.
nice "$python" -m examples.tagger.pictures train 11 "$portraits" "$whole"
nice "$python" -m examples.tagger.pictures valid 21 $(((portraits + 14) / 15)) $(((whole + 14) / 15))
nice "$python" -m examples.tagger.pictures test 901 $(((portraits + 6) / 7)) $(((whole + 9) / 10))

nice "$python" -m examples.tagger.train train valid run "$images"
cp run/default.safetensors .
"$python" -m examples.tagger.figures default.safetensors test | tee figures.md
