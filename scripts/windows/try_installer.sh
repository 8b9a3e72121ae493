#!/usr/bin/env bash
# Install, install again over it, and uninstall, under Wine; says what happened, and ends with 1 if something is left or
# lost. What is installed holds the wheels as published, which Wine cannot start: start_package.sh starts their twins.
# usage: run.sh bash scripts/windows/try_installer.sh 'Z:\w\src\dist\windows\srgan-desktop-VERSION-setup.exe'
set -euo pipefail
key='HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\srgan-desktop'
menu='HKCU\Software\Classes\Directory\shell\srgan-desktop\command'
place() { find "$WINEPREFIX/drive_c/users" -type d -name "SRGAN Desktop"; }
shortcut() { find "$WINEPREFIX/drive_c/users" -name "SRGAN Desktop.lnk"; }
known() { wine reg query "$1" >/dev/null 2>&1; }
fail() {
    echo "FAILED: $*"
    exit 1
}
for turn in first second; do
    wine "$1" /S
    [ -f "$(place)/srgan-desktop.exe" ] || fail "the $turn installation"
    touch "$(place)/mine.txt"
done
[ -n "$(shortcut)" ] || fail "no entry in the start menu"
known "$key" || fail "no entry among the programs"
known "$menu" || fail "no entry in the menu of folders"
at=$(place)
echo "ok: installed twice, $(find "$at" -type f | wc -l) files"
wine "$at/uninstall.exe" /S
# It copies itself elsewhere to delete itself, and goes on there.
for _ in $(seq 120); do [ -f "$at/srgan-desktop.exe" ] || known "$key" || break; sleep 1; done
[ "$(find "$at" -type f -printf '%f\n')" = mine.txt ] || fail "left: $(find "$at" -type f | head -n 5)"
[ -z "$(shortcut)" ] || fail "the entry in the start menu is left"
! known "$key" || fail "the entry among the programs is left"
! known "$menu" || fail "the entry in the menu of folders is left"
rm -r "$at"
echo "ok: uninstalled; what was put beside it is left"
