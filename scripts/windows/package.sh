#!/usr/bin/env bash
# Build the program for Windows, start it under Wine, and make the installer: dist/windows.
# usage: scripts/windows/package.sh [full | light]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${WINE_FOLDER:-$source/.wine}")
python=${PYTHON:-$source/.venv/bin/python}
export SRGAN_EDITION=${1:-full}
case $SRGAN_EDITION in
    full) name=srgan-desktop ;;
    light) name=srgan-desktop-light ;;
    *)
        sed -n 's/^# usage/usage/p' "$0" >&2
        exit 2
        ;;
esac

"$here/setup.sh"
# shellcheck source=scripts/windows/inside.sh
. "$here/inside.sh"
cd "$source"
# What the program says of itself is in its own wheel.
rm -rf "$folder/own" "$folder/dist/$name"
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder/own" .
"$python" -m zipfile -e "$folder"/own/*.whl "$folder/own"
rm -rf "$folder"/own/*.whl "$folder"/own/{core,srgan_desktop,resources}
"$here/run.sh" python "$(windows "$w/src/scripts/windows/pyinstaller.py")" "$(windows "$w/site-wine")" \
    --noconfirm --log-level WARN --distpath "$(windows "$w/dist")" --workpath "$(windows "$w/build/$SRGAN_EDITION")" \
    build.spec
"$here/start_package.sh" "$name"
mkdir -p dist/windows
PYTHONPATH=$source "$python" scripts/package_windows.py "$folder/dist/$name" "$folder/site-wine" "$folder/site" dist/windows \
    --interpreter "$folder/python" \
    --makensis "$here/linux.sh $source/dist/windows makensis"
for setup in dist/windows/"$name"-[0-9]*-setup.exe; do
    "$here/run.sh" bash scripts/windows/try_installer.sh "$(windows "$w/src/$setup")"
done
