#!/usr/bin/env bash
# Use the real window under Wine as a person would: pictures given, preview, Start, the worker killed in the middle, a
# second start that hands its picture over, the end by keys. Says what happened, and ends with 1 if something did not.
# usage: run.sh bash scripts/windows/window.sh [PROGRAM...]      (the program; `python -m srgan_desktop` unless given)
set -uo pipefail
w=${WINEPREFIX%/prefix}
work=$w/window-test
rm -rf "$work"
mkdir -p "$work/in" "$work/late"
cp resources/samples/*.png "$work/in/" 2>/dev/null || cp resources/samples/* "$work/in/"
late=$(find "$work/in" -type f | head -n 1)
mv "$late" "$work/late/"
windows() { echo "Z:${1//\//\\}"; }
program=("${@:-}")
if [ -z "${program[0]}" ]; then program=(wine "$WINDOWS_PYTHON" -m srgan_desktop); fi

patience=${PATIENCE:-300}
wait_for() { # what, command...: until it succeeds
    local what=$1 begin=$SECONDS
    shift
    until "$@" >/dev/null 2>&1; do
        if [ $((SECONDS - begin)) -gt "$patience" ]; then
            echo "FAILED: waited $patience s in vain for $what"
            cat "$work/said.txt"
            exit 1
        fi
        sleep 0.5
    done
    echo "ok: $what ($((SECONDS - begin)) s)"
}
window() { xdotool search --onlyvisible --name "SRGAN Desktop" | head -n 1; }
there() { [ -n "$(window)" ]; }
results() { find "$work/out" -name '*.png' -o -name '*.jpg' -o -name '*.webp' -o -name '*.avif' 2>/dev/null | wc -l; }
at_least() { [ "$(results)" -ge "$1" ]; }
focus() { xdotool windowfocus "$(window)"; }
start_until() { at_least "$1" || { focus; xdotool key ctrl+Return; sleep 1; at_least "$1"; }; }
# The worker is the program again, started by multiprocessing.
workers() { pgrep -f '\.exe.*multiprocessing'; }

count=$(find "$work/in" -type f | wc -l)
"${program[@]}" -o "$(windows "$work/out")" "$(windows "$work/in")" >"$work/said.txt" 2>&1 </dev/null &
running=$!
wait_for "the window" there
wait_for "the first result" start_until 1
worker=$(workers | tail -n 1)
if [ -n "$worker" ] && kill -9 "$worker"; then echo "ok: worker killed with $(results) of $count results there"; fi
sleep 2
focus
xdotool key Escape
wait_for "all $count results, by a new worker" start_until "$count"
"${program[@]}" "$(windows "$(find "$work/late" -type f)")" >>"$work/said.txt" 2>&1 </dev/null
echo "ok: a second start ended with $?"
wait_for "the result of the second start" start_until $((count + 1))
quit() {
    kill -0 "$running" 2>/dev/null || return 0
    focus
    xdotool key Escape
    xdotool key ctrl+q
    sleep 1
    ! kill -0 "$running" 2>/dev/null
}
wait_for "the end" quit
wait "$running"
status=$?
echo "the program ended with $status"
no_workers() { [ -z "$(workers)" ]; }
wait_for "no worker left" no_workers
if find "$work" -name '*.part' | grep -q .; then echo "FAILED: a half-written file"; exit 1; fi
cat "$work/said.txt"
exit "$status"
