#!/bin/bash
# Draws the people of one network in the style of other pictures: trains the network on with these,
# then takes coarse layers, which are poses and shapes, from the old network and fine ones, which are
# colors and textures, from the new one. Source: Pinkney and Adler 2020 (Resolution Dependent GAN
# Interpolation for Controllable Image Synthesis Between Domains).
#
# Usage: toonify.sh IMAGES [NETWORK [KIMG [options of sgtrain]]]
# with a folder of faces in the other style. Writes toonify/ with data.zip, results/ and sheet.jpg, whose
# columns are seeds: its first row is the old network and the last one the new; between them are fine
# layers of the new one from half of the size on, from a quarter, and so on. If interrupted, run the same
# line again: it continues.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/bin:$PATH"
images=$1 network=${2:-default} kimg=${3:-4}
mkdir -p toonify

size=$(sgconvert --info "$network" | awk '$1 == "width" { print $2 }')
[ -e toonify/data.zip ] || animepack --size "$size" --fit cover -o toonify/data.zip "$images"

begin=(--transfer "$network")
if compgen -G "toonify/results/*/snapshot-*.pkl" >/dev/null; then
    begin=(--resume latest)
fi
trained=$(sgtrain "${begin[@]}" --kimg "$kimg" "${@:4}" -o toonify/results toonify/data.zip | tail -n 1)

blends=()
for ((pixels = size / 2; pixels >= 8; pixels /= 2)); do
    sgblend "$network" "$trained" --swap "$pixels" --force -o "toonify/$pixels.pkl" >/dev/null
    blends+=("toonify/$pixels.pkl")
done
for each in "$network" "${blends[@]}" "$trained"; do
    sggen --network "$each" --seeds 0-9 --psi 0.8 --force -o "toonify/drawn/$(basename "${each%.*}")"
done | animepack --size "$size" --force -o toonify/drawn.zip - >&2
PYTHONPATH="$root" "$root/.venv/bin/python" "$root/examples/sheet.py" toonify/drawn.zip toonify/sheet.jpg
