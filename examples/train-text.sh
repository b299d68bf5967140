#!/bin/bash
# Makes the language model that ships with animetools, from nothing: writes synopses of anime that do
# not exist, learns them, and leaves the model in default/. That takes two hours of a core that multiplies
# bf16; more STEPS make a better one. Wherever it was ended, the same line goes on.
#
# Usage: train-text.sh [FOLDER [SYNOPSES [STEPS]]]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
folder=${1:-$root/default-text} synopses=${2:-120000} steps=${3:-18500}
mkdir -p "$folder"
cd "$folder"

# bf16 is fp32 where the processor does not multiply it.
"$root/.venv/bin/python" "$root/examples/synopses.py" --count "$synopses" --seed 1 > synopses.txt
gpttrain --from-scratch --size tiny --steps "$steps" --batch 5 --context 256 --lr 0.002 --valid 1% \
    --snap 1000 --patience 0 --dtype bf16 --resume synopses.txt -o run

# What ships: the model and its tokenizer, of all that is in the folder.
mkdir -p default
cp run/*config.json run/tokenizer.json run/model.safetensors default/
