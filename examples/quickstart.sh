#!/bin/bash
# Draws sample pictures, crops, cleans and packs their faces (quickstart/dataset.zip), and makes a
# contact sheet of them. Then it draws faces with the network that comes with animetools (model.pkl)
# into images/ and ranks them. Installs animetools first; takes two or three minutes the first time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
mkdir -p "${1:-$root/quickstart}"
cd "${1:-$root/quickstart}"

animedraw --count 60 --seed 1 --flaws 10%
# Status 1 means that some files are bad; a tenth of these are, on purpose.
find raw/ | animecrop | animeclean --rejects rejects.tsv | animepack || [ $? = 1 ]
"$root/.venv/bin/python" "$root/examples/sheet.py" dataset.zip sheet.jpg

[ -e model.pkl ] || sgconvert default model.pkl
sggen --seeds 0-35 --psi 0.8
dranker model.pkl images/*

echo "See $PWD/sheet.jpg for the faces in $PWD/dataset.zip, and $PWD/rejects.tsv for what was dropped." >&2
echo "See $PWD/images for what model.pkl draws from 36 seeds; its own scores of them are above." >&2
