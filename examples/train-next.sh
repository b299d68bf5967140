#!/bin/bash
# Trains the network that comes with animetools further, and its successor at 128 x 128 pixels: they draw
# what tags say. Draws portraits and packs them with their tags; begins with the network that ships, which
# comes from such a run; learns at 64 pixels, where a step costs half as much, and goes on at 128. That
# takes one thread about 20 hours, by the pace of its beginning. Some pairs of tags are held
# out: no image with both is trained on, so tests/benchmarks/obedience.py can see whether the network
# combines what it has learned apart. If interrupted, run the same line again: it continues, and with more
# PICTURES learns from those too.
#
# Usage: train-next.sh [FOLDER [PICTURES [KIMG64 [KIMG128 [NETWORK]]]]]
# with the network to begin with; train-default.sh makes one from scratch.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH" OMP_NUM_THREADS=1
folder=${1:-$root/next} pictures=${2:-16000} kimg64=${3:-300} kimg128=${4:-600}
network=${5:-default}
[ -e "$network" ] && network=$(realpath "$network")
mkdir -p "$folder"
cd "$folder"

# What can be seen of a face. The order is part of the network.
tags=$(paste -sd, <<END
blonde_hair,brown_hair,black_hair,blue_hair,aqua_hair,green_hair,pink_hair,purple_hair,red_hair
silver_hair,white_hair,grey_hair,orange_hair
blue_eyes,red_eyes,green_eyes,purple_eyes,brown_eyes,yellow_eyes,aqua_eyes,pink_eyes,orange_eyes
grey_eyes,closed_eyes
short_hair,medium_hair,long_hair,bob_cut,spiked_hair,twintails,low_twintails,ponytail,side_ponytail
single_braid,twin_braids,double_bun,drill_hair,wavy_hair,hime_cut,gradient_hair,ahoge,sidelocks
blunt_bangs,swept_bangs,parted_bangs,hair_between_eyes,hair_over_one_eye
hat,witch_hat,beret,baseball_cap,straw_hat,hairband,hair_bow,hair_ribbon,hair_flower,hairclip
animal_ears,cat_ears,fox_ears,rabbit_ears,horns,halo
glasses,round_eyewear,rectangular_eyewear,earrings
smile,closed_mouth,open_mouth,:d,:o,teeth,expressionless,frown,blush,v-shaped_eyebrows
1girl,1boy,dark_skin,monochrome
END
)
held_out="blue_hair+red_eyes pink_hair+glasses green_hair+hat black_hair+aqua_eyes red_hair+cat_ears
    blonde_hair+purple_eyes white_hair+twintails purple_hair+open_mouth"
chosen=true
for pair in $held_out; do
    chosen+=" and not (tags like '% ${pair%+*} %' and tags like '% ${pair#*+} %')"
done

nice animedraw --count "$pictures" --seed 31 --portraits 256 -o drawn > drawn.txt

last() { ls results/*-"faces$1"-*/snapshot-* 2> /dev/null | tail -n 1; }

# learn SIZE NETWORK KIMG RATES GAMMA EMA-KIMG
#
# Half of the labels are incomplete, as lists of tags are that people write. The discriminator learns
# from labels of other images too, or it would look at tags only when faces are good; it tells the tags
# of images, or it would never look at eyes, which are small; and it judges by each tag on its own, or it
# would refuse the pairs that it never saw.
learn() {
    booruselect --where "$chosen" --json drawn/metadata.jsonl |
        nice animepack --append --size "$1" --labels "$tags" -o "faces$1.zip" -
    local begin=(--transfer "$2")
    until
        [ "$(last "$1")" ] && begin=(--resume latest)
        nice sgtrain --preset ada --cond --label-dropout 0.5 --mismatch 2 --classify 0.2 --d-map-layers 0 --mirror \
            --batch 16 --gamma "$5" --g-lr "$4" --d-lr "$4" --pl-weight 0 --mixing 0 --aug none \
            --ema-kimg "$6" --dtype bf16 --seed 1 --kimg "$3" --keep 3 --jobs 1 "${begin[@]}" "faces$1.zip"
    do
        [ $? != 2 ] || exit 2
    done
}
learn 64 "$network" "$kimg64" 0.003,250:0.0015 0.1 4
learn 128 "$(last 64)" "$kimg128" 0.004,400:0.002,550:0.001 4 4
sgconvert --small --force latest next.pkl
