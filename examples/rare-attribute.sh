#!/bin/bash
# Has a network draw a rare attribute more often, as in "Editing Rare Attributes" of Gwern Branwen's
# "Making Anime Faces With StyleGAN": trains on with as many images that have it as others, and counts
# it in the same samples before and after. Where it is common by then, its direction in latent space is
# learned, and the samples of the old network are edited along it.
#
# Usage: rare-attribute.sh TAG METADATA [NETWORK [IMAGES [SAMPLES [KIMG [options of sgtrain]]]]]
# with a tag that animetag knows, and the metadata of a booru's images. Writes TAG/ with faces/, data.zip,
# results/ (where fakes*.jpg are sheets), the samples before/ and after/, direction.npz and the edited
# samples edited/, and prints how many of each have the tag. If interrupted, run the same line again: it
# continues. AMOUNT=4 edits by 4 standard deviations of w instead of 3.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/bin:$PATH"
tag=$1 metadata=$2 network=${3:-default} images=${4:-1000} samples=${5:-500} kimg=${6:-4}
mkdir -p "$tag"

if [ ! -e "$tag/data.zip" ]; then
    size=$(sgconvert --info "$network" | awk '$1 == "width" { print $2 }')
    # Status 1 means that some files are bad.
    booruselect --tag "$tag" --sample "$images" "$metadata" |
        animecrop --largest -o "$tag/faces" >"$tag/with.txt" || [ $? = 1 ]
    # As many others; twice the pictures, because not every one has a face.
    count=$(wc -l <"$tag/with.txt")
    [ "$count" -gt 0 ] || { echo "no face with the tag $tag in $metadata" >&2; exit 2; }
    booruselect --no-tag "$tag" --sample $((2 * count)) "$metadata" |
        animecrop --largest -o "$tag/faces" >"$tag/without.txt" || [ $? = 1 ]
    head -n "$count" "$tag/without.txt" | cat "$tag/with.txt" - |
        animepack --size "$size" --fit cover -o "$tag/data.zip" >&2
fi

begin=(--transfer "$network")
if compgen -G "$tag/results/*/snapshot-*.pkl" >/dev/null; then
    begin=(--resume latest)
fi
trained=$(sgtrain "${begin[@]}" --kimg "$kimg" "${@:7}" -o "$tag/results" "$tag/data.zip" | tail -n 1)

seeds="0-$((samples - 1))"
count() { # pictures, by paths on standard input, that have the tag
    found=$(animetag --json | tee "$tag/$1.jsonl" | grep -cF "[\"$tag\"," || [ $? = 1 ])
    echo "$1: $found of $samples samples have $tag"
}
sggen --network "$network" --seeds "$seeds" --psi 1 -o "$tag/before" --json | count before
sggen --network "$trained" --seeds "$seeds" --psi 1 -o "$tag/after" --json | count after

if [ ! -e "$tag/direction.npz" ]; then
    sgedit --network "$trained" --learn "$tag/direction.npz" --tags "$tag" - <"$tag/after.jsonl" >/dev/null || {
        echo "edited: too few samples to learn from; train for longer, or draw more of them"
        exit
    }
fi
sgedit --network "$network" --directions "$tag/direction.npz" --edit "$tag=${AMOUNT:-3}" \
    --seeds "$seeds" --psi 1 -o "$tag/edited" | count edited
