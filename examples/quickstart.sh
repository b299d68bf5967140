#!/bin/bash
# Draws a small booru, crops its faces, cleans them and packs them: quickstart/dataset.zip, and a
# contact sheet to look at. Then a network and its pictures: model.pkl, a copy of the one that ships
# with animetools, and images/, ranked. Sets itself up first; two or three minutes the first time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
mkdir -p "${1:-$root/quickstart}"
cd "${1:-$root/quickstart}"

animedraw --count 60 --seed 1 --flaws 10%
# Status 1 only says that some files are bad, as a tenth of these are meant to be.
find raw/ | animecrop | animeclean --rejects rejects.tsv | animepack || [ $? = 1 ]
"$root/.venv/bin/python" "$root/examples/sheet.py" dataset.zip sheet.jpg

[ -e model.pkl ] || sgconvert default model.pkl
sggen --seeds 0-35 --psi 0.8
dranker model.pkl images/*

echo "Look at $PWD/sheet.jpg: the faces of $PWD/dataset.zip; $PWD/rejects.tsv says what was dropped." >&2
echo "And at $PWD/images: what model.pkl makes of 36 seeds, with its own scores above." >&2
