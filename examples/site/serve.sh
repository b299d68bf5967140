#!/bin/bash
# Makes This Waifu Does Not Exist of the network and the language model that ship, and serves it with
# nginx until Ctrl-C: examples/site/serve.sh [FACES] [FOLDER] [PORT]. A hundred faces take a minute.
# Once made, a site of this size is copied to any web host; nginx.conf says how it is best cached.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
export PATH=$root/bin:$PATH
count=${1:-100} folder=${2:-waifus} port=${3:-8080}

"$root/setup"
mkdir -p "$folder/tmp"
cd "$folder"
last=$((count - 1))
gptsnip --seeds "0-$last" --whole > snippets.txt
sggen --seeds "0-$last" --psi 0.5,0.8,1.1 > faces.txt
waifusite --snippets snippets < faces.txt > pages.txt

sed "s/127.0.0.1:8080/127.0.0.1:$port/" "$root/examples/site/nginx.conf" > nginx.conf
nginx=$(command -v nginx || command -v /usr/sbin/nginx) || {
    echo "serve.sh: nginx is not installed; open $PWD/site/index.html instead" >&2
    exit 2
}
echo "http://127.0.0.1:$port/"
exec "$nginx" -p "$PWD" -c "$PWD/nginx.conf" -g "daemon off;"
