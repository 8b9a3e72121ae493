#!/usr/bin/env bash
# What run.sh starts where Wine is.
# usage: session.sh FOLDER OUTPUT COMMAND...
set -uo pipefail
w=$1
output=$2
shift 2
windows="Z:${w//\//\\}"
export HOME="$w/home" WINEPREFIX="$w/prefix" WINEDEBUG="${WINEDEBUG:--all}" LANG=C.UTF-8
# Microsoft's runtimes of C++ and OpenMP lie beside Python. Wine would take its own: with its OpenMP LibRaw's colours come
# out wrong, and an exception of OpenVINO's ends the program where ncnn, which brings a runtime too, was imported first.
export WINEDLLOVERRIDES="${WINE_WITHOUT:+$WINE_WITHOUT=;}mscoree,mshtml=;vcomp140,msvcp140,msvcp140_1,msvcp140_2,msvcp140_atomic_wait,concrt140=n,b"
export PYTHONPATH="$windows\\site-wine;$windows\\own;$windows\\src"
# Of this Python, and neither in the source nor among the wheels: without it every process would compile all it imports.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="$windows\\pycache"
# torch counts one core under Wine.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"
# Windows lets every program use AMX, Linux only those that ask, and Wine does not: without this oneDNN's bf16 ends them.
export ONEDNN_MAX_CPU_ISA="${ONEDNN_MAX_CPU_ISA:-AVX512_CORE_BF16}"
# torch's OpenMP would ask Windows which core is whose, which Wine cannot tell, and end.
export KMP_AFFINITY="${KMP_AFFINITY:-disabled}"
export WINDOWS_PYTHON="$w/python/python.exe"
mkdir -p "$HOME"

# Other sessions have screens too, in other namespaces: what is free, the server knows best.
number=$(mktemp)
Xvfb -displayfd 1 -screen 0 1600x1000x24 -nolisten tcp >"$number" 2>/dev/null &
screen=$!
finish() {
    # Every program of Windows ends with the server, also a worker that nobody waits for.
    /usr/lib/wine/wineserver64 -k >/dev/null 2>&1
    kill "$screen" 2>/dev/null
}
trap finish EXIT
for _ in $(seq 300); do [ -s "$number" ] && break; sleep 0.1; done
DISPLAY=":$(cat "$number")"
export DISPLAY
rm -f "$number"

# A server that stays: each program would start its own again, which takes seconds.
/usr/lib/wine/wineserver64 -p >/dev/null 2>&1
if [ ! -f "$WINEPREFIX/system.reg" ]; then
    wine wineboot --init >/dev/null 2>&1
    # Qt looks for fonts where Windows has them.
    cp /usr/share/fonts/truetype/dejavu/*.ttf "$WINEPREFIX/drive_c/windows/Fonts/"
fi
if [ "$1" = python ]; then
    shift
    set -- wine "$WINDOWS_PYTHON" "$@"
fi
# Into a file: Wine's services keep a pipe open, and its reader would wait for ever.
"$@" >"$output" 2>&1 </dev/null
