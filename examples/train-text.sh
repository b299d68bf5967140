#!/bin/bash
# Trains the language model that comes with animetools from scratch: writes synopses of anime that do
# not exist, trains on them, and puts the model into default/. Takes two hours on a core with bf16
# instructions; more STEPS make a better model. If interrupted, run the same line again: it continues.
#
# Usage: train-text.sh [FOLDER [SYNOPSES [STEPS]]]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
folder=${1:-$root/default-text} synopses=${2:-120000} steps=${3:-18500}
mkdir -p "$folder"
cd "$folder"

# bf16 is fp32 on processors without bf16 instructions.
"$root/.venv/bin/python" "$root/examples/synopses.py" --count "$synopses" --seed 1 > synopses.txt
gpttrain --from-scratch --size tiny --steps "$steps" --batch 5 --context 256 --lr 0.002 --valid 1% \
    --snap 1000 --patience 0 --dtype bf16 --resume synopses.txt -o run

# Only the model and its tokenizer, of all files in the folder.
mkdir -p default
cp run/*config.json run/tokenizer.json run/model.safetensors default/
