#!/bin/sh
# Install the Debian packages that pip cannot bring, or print the one line that does.
# usage: system_packages.sh run|test|package
set -eu

# Qt's xcb platform plugin loads these; a machine without a desktop has none of them.
packages="python3-venv libegl1 libgl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0 libxkbcommon-x11-0
libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core"
# The real window is tested on a virtual screen, and Vulkan on a driver that needs no card.
if [ "${1:-run}" = test ]; then packages="$packages xvfb xauth xdotool mesa-vulkan-drivers"; fi
# PyInstaller looks into libraries with objdump, and needs Python as one; Debian's own python3.11 is linked without it.
if [ "${1:-run}" = package ]; then
    packages="$packages binutils xvfb xauth xdotool"
    case "$(.venv/bin/python -c 'import sys; print(sys.base_prefix)')" in
        /usr) packages="$packages $(.venv/bin/python -c 'import sys; print("libpython%d.%d" % sys.version_info[:2])')" ;;
    esac
fi

if ! command -v dpkg-query >/dev/null; then
    if [ "$(uname)" = Linux ]; then
        echo "This is no Debian: if the window does not start, install what Qt 6 needs for X11 (libxcb-cursor and others)."
    fi
    exit 0
fi

installed() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

missing=""
for package in $packages; do
    # Debian 13 and Ubuntu 24.04 renamed libraries whose time type grew; apt still knows the old names, dpkg does not.
    installed "$package" || installed "${package}t64" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "Some system packages are missing. Run this once, then make again:" >&2
    echo "    sudo apt-get install --yes$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -qq --yes --no-install-recommends $missing >/dev/null
