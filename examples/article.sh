#!/bin/bash
# The dataset of Gwern Branwen's "Making Anime Faces With StyleGAN" with the article's own settings:
# faces of 250 px and more, files of 40 kB and more, 257 colors and more, no near-duplicates (99 %),
# small ones enlarged 2x, padded to 512 x 512, JPEG at quality 33.
#
# Usage: article.sh RAW [options of animecrop, such as --cascade FILE]
# Writes faces/, rejects.tsv, upscaled/ and dataset.zip in the current folder.
set -euo pipefail # status 1 means that some files were bad
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/bin:$PATH"
raw=$1
shift

# The article's cascade, on equalized grey. The limit of 40 kB is for its PNG crops.
find "$raw" | animecrop --detector lbp --equalize --min-size 250 "$@" >crops.txt || [ $? = 1 ]

# Small files and files of few colors are sketches, chibis and backgrounds; duplicates are reposts.
animeclean --min-bytes 40k --min-colors 257 --near 99% --rejects rejects.tsv <crops.txt >kept.txt || [ $? = 1 ]

# Enlarge images below 512 x 512 by 2x, with the article's waifu2x and TTA. Ten faces take half a
# minute on one core.
animeupscale --model art --noise 1 --tta <kept.txt >large.txt || [ $? = 1 ]

# Shrink larger images; smaller ones get black bars.
animepack --size 512 --fit pad --no-enlarge --background black --quality 33 <large.txt || [ $? = 1 ]
