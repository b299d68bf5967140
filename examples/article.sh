#!/bin/bash
# The dataset of Gwern Branwen's "Making Anime Faces With StyleGAN" with the article's own settings:
# faces of 250 px and more, files of 40 kB and more, 257 colors and more, no near-duplicates (99 %),
# small ones doubled, padded to 512 x 512, JPEG at quality 33.
#
# Usage: article.sh RAW [animecrop's options, as --cascade FILE]
# Makes faces/, rejects.tsv, upscaled/ and dataset.zip in the current folder.
set -euo pipefail # status 1 only says that some files were bad
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/bin:$PATH"
raw=$1
shift

# The article's cascade on equalised grey. Its PNG crops are what the 40 kB are measured on.
find "$raw" | animecrop --detector lbp --equalize --min-size 250 "$@" >crops.txt || [ $? = 1 ]

# Small files and few colors are sketches, chibis and backgrounds; twins are reposts.
animeclean --min-bytes 40k --min-colors 257 --near 99% --rejects rejects.tsv <crops.txt >kept.txt || [ $? = 1 ]

# What is smaller than 512 x 512 twice as large, by the article's waifu2x with TTA: half a minute for
# each ten faces and core.
animeupscale --model art --noise 1 --tta <kept.txt >large.txt || [ $? = 1 ]

# Only shrunk, never enlarged: black bars around what is smaller.
animepack --size 512 --fit pad --no-enlarge --background black --quality 33 <large.txt || [ $? = 1 ]
