#!/usr/bin/env bash
# Start what package.sh built: some pictures by the command, whose pixels must be Linux's, then the window.
# usage: scripts/windows/start_package.sh srgan-desktop | srgan-desktop-light
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${WINE_FOLDER:-$source/.wine}")
python=${PYTHON:-$source/.venv/bin/python}
# shellcheck source=scripts/windows/inside.sh
. "$here/inside.sh"

cd "$source"
rm -rf "$folder/output/package"
mkdir -p "$folder/output/package/in"
cp resources/samples/{cat.jpg,cup.png} "$folder/output/package/in"
settings=(--model fast-x4 --precision fp32 --format png)
pictures=$(windows "$w/output/package")
"$here/run.sh" wine "$(windows "$w/dist/$1/srgan.exe")" upscale "$pictures\\in" -o "$pictures\\wine" "${settings[@]}"
PYTHONPATH=$source "$python" -m core.cli upscale "$folder/output/package/in" -o "$folder/output/package/linux" "${settings[@]}" --device cpu
PYTHONPATH=$source "$python" scripts/same_pixels.py "$folder/output/package/wine" "$folder/output/package/linux"
"$here/run.sh" bash scripts/windows/window.sh wine "$(windows "$w/dist/$1/srgan-desktop.exe")"
