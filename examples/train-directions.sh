#!/bin/bash
# Learns the directions that come with animetools, for sgedit: what the tags of the network that ships do to
# its w, and the turn of the head. Takes 15 seconds of a core.
#
# Usage: train-directions.sh [FILE.npz]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/setup"
export PATH="$root/bin:$PATH"
file=${1:-$root/default-directions.npz}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# The sliders of waifusite --live have this order.
tags=$(paste -sd, <<END
smile,open_mouth,blush,closed_eyes
hat,witch_hat,straw_hat,animal_ears,cat_ears,glasses
short_hair,long_hair,twintails,ponytail
blonde_hair,brown_hair,black_hair,blue_hair,aqua_hair,green_hair,pink_hair,purple_hair,red_hair
silver_hair,white_hair,grey_hair,orange_hair
blue_eyes,red_eyes,green_eyes,purple_eyes,brown_eyes,yellow_eyes,aqua_eyes,pink_eyes,orange_eyes
grey_eyes,1boy
END
)
sgedit --learn "$folder/tags.npz" --tags "$tags"
# Heads turn in the coarse layers; in the others, light and backgrounds would turn with them.
sgedit --learn "$file" --mirror 1 --names turn --layers 0-3 --directions "$folder/tags.npz" --force
