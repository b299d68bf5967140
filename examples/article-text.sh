#!/bin/bash
# Plot summaries by a service, with the settings that Gwern Branwen's "This Waifu Does Not Exist" had
# for GPT-3: temperature 0.95, top-p 0.98, 700 tokens; texts under 550 characters are tried again. The
# prompt is like the article's: it announces a list of the best, and begins the list.
#
# Usage: article-text.sh URL MODEL SEEDS [options of gptsnip, such as --max-requests 500]
# with the key, if the service needs one, in OPENAI_API_KEY; for example
#   article-text.sh https://api.openai.com/v1/completions davinci-002 0-999 \
#       --max-cost 5 --price-in 2 --price-out 2
# Writes plots/snippet-N.txt and prints the paths of those that are not duplicates, the least repetitive
# first. If interrupted, run the same line again: it continues, and pays for nothing twice.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$root/bin:$PATH"
url=$1 model=$2 seeds=$3
shift 3

prompt='Below is a selection of 10 unusually interesting, creative and high-quality short anime plot
summaries for your reading pleasure.

1. In the first episode of this anime,'

gptsnip --api "$url" --api-model "$model" --seeds "$seeds" --prompt "$prompt" -o plots \
    --temperature 0.95 --top-p 0.98 --max-tokens 700 --min-chars 550 --tries 20 "$@" |
    gptclean --rank repetition
