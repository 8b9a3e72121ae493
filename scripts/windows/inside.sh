# To be sourced, with `folder` and `source` set: `inside COMMAND...` runs it where Wine 10 is, in the source's folder.
# There `$w` is $folder and `$w/src` is $source.
if [ -d "$folder/root" ]; then
    w=/w
else
    w=$folder
fi

# A place there, by its name on Windows: `windows "$w/src"`.
windows() { echo "Z:${1//\//\\}"; }

inside() {
    if [ -d "$folder/root" ]; then
        mkdir -p "$folder/root/w" "$folder/src"
        # Mounts and processes of its own, so that nothing stays mounted or running, however this ends.
        FOLDER=$folder SOURCE=$source unshare --mount --propagation private --pid --fork --kill-child bash -ec '
            mount --bind "$FOLDER" "$FOLDER/root/w"
            mount --bind "$SOURCE" "$FOLDER/root/w/src"
            mount -t proc proc "$FOLDER/root/proc"
            mount --rbind /dev "$FOLDER/root/dev"
            mount --rbind /sys "$FOLDER/root/sys"
            for place in run tmp; do mount -t tmpfs none "$FOLDER/root/$place"; done
            mkdir -m 1777 "$FOLDER/root/tmp/.X11-unix"
            exec chroot "$FOLDER/root" /usr/bin/env -C /w/src "$@"' inside "$@"
    else
        [ -e "$folder/src" ] || ln -s "$source" "$folder/src"
        env -C "$source" "$@"
    fi
}
