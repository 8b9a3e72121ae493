#!/usr/bin/env bash
# How fast the program is under Wine: `srgan upscale` against Linux, and the window of the built program against that of
# the source. Prints medians and their ratios; nothing should run beside it.
# usage: scripts/windows/speed.sh [srgan-desktop | srgan-desktop-light]      (after setup.sh; a built one after package.sh)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
turns=${TURNS:-5}

if [ "${1:-}" = --windows ]; then # in a session: seconds until each program's window is there, in turns
    shown() { xdotool search --onlyvisible --name "SRGAN Desktop" | head -n 1; }
    first_window() { # name, program...
        local name=$1 begun window
        shift
        begun=$(date +%s%N)
        "$@" >/dev/null 2>&1 </dev/null &
        until window=$(shown) && [ -n "$window" ]; do sleep 0.02; done
        echo "$name $((($(date +%s%N) - begun) / 1000000))"
        sleep 1
        xdotool windowfocus "$window" key ctrl+q
        wait $! || true
    }
    for _ in $(seq "$turns"); do
        first_window source wine "$WINDOWS_PYTHON" -m srgan_desktop
        first_window built wine "$2"
    done
    exit
fi

folder=$(realpath -m "${WINE_FOLDER:-$source/.wine}")
python=${PYTHON:-$source/.venv/bin/python}
# shellcheck source=scripts/windows/inside.sh
. "$here/inside.sh"
cd "$source"
times=$folder/output/speed/times
rm -rf "$folder/output/speed"
mkdir -p "$folder/output/speed/in"
cp resources/samples/{cat.jpg,cup.png,coffee.webp,astronaut.jpg} "$folder/output/speed/in"
ratio() { # one name in the file of times, another: medians, and one over the other
    "$python" - "$times" "$@" <<'END'
import sys
from statistics import median

lines = [line.split() for line in open(sys.argv[1], encoding="utf-8")]
one, other = (median(float(value) for key, value in lines if key == name) for name in sys.argv[2:])
print(f"{sys.argv[2]} {one / 1000:.2f} s, {sys.argv[3]} {other / 1000:.2f} s: {one / other:.2f}")
END
}
took() { # name: what the pictures took but for the first, with which everything starts
    "$python" -c '
import json, sys
events = [json.loads(line) for line in sys.stdin]
print(sys.argv[1], 1000 * sum([each["seconds"] for each in events if each["event"] == "FileSaved"][1:]))' "$1" >>"$times"
}
upscale=(-m core.cli upscale --model faithful-x4 --precision fp32 --device cpu --format png --json)
pictures=$(windows "$w/output/speed")
for turn in $(seq "$turns"); do
    PYTHONPATH=$source "$python" "${upscale[@]}" "$folder/output/speed/in" -o "$folder/output/speed/linux$turn" | took linux
    "$here/run.sh" python "${upscale[@]}" "$pictures\\in" -o "$pictures\\wine$turn" | took wine
done
ratio wine linux
if [ -n "${1:-}" ]; then
    "$here/run.sh" env TURNS="$turns" bash scripts/windows/speed.sh --windows "$(windows "$w/dist/$1/srgan-desktop.exe")" >>"$times"
    ratio built source
fi
