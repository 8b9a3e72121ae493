"""Small files beside a picture that belong to it: world files, projections, XMP sidecars."""

from __future__ import annotations

from pathlib import Path

from core import archives, stores
from core.atomic import replacing
from core.contract.errors import UserError
from core.images.decode import shown
from core.images.formats import FORMATS
from core.images.metadata import geo, xmp
from core.images.metadata.parts import without_pointers
from core.images.metadata.xmp import Geometry
from core.images.samples import turns_sides
from core.language import gettext as _

_MOST_BYTES = 1 << 24


def world_suffixes(suffix: str) -> tuple[str, ...]:
    """What a world file of a picture with this suffix may be called: `.tfw`, `.tifw`, `.wld`."""
    letters = suffix[1:]
    if len(letters) < 2:
        return (".wld",)
    return (f".{letters[0]}{letters[-1]}w", f"{suffix}w", ".wld")


def carry_companions(
    source: Path,
    output: Path,
    before: tuple[int, int],
    after: tuple[int, int],
    orientation: int = 1,
    *,
    copied: bool = False,
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the companions of a picture beside its result, corrected to its size.

    A world file gets the name that goes with the result's suffix. Nothing is replaced: what is there already stays.

    Args:
        source: the picture.
        output: the result.
        before: width and height of the picture, upright.
        after: width and height of the result.
        orientation: of EXIF, 1 to 8, by which the picture was turned upright.
        copied: whether the result is the source's own file again; then so are they.

    Returns:
        What was written, and what to tell the user.

    Raises:
        OSError: the folder cannot be written.
    """
    wanted: list[tuple[Path, bytes]] = []
    # A store is asked once for all that could be there.
    there = stores.names_like(source) if isinstance(source, stores.StorePath) else None
    geometry = Geometry(after, before[::-1] if turns_sides(orientation) else before, orientation)
    for suffix in world_suffixes(source.suffix.lower()):
        content = _content(_beside(source, suffix, there), there)
        world = geo.world_of(content.decode("latin-1"), geometry) if content else None
        if content and world is not None:
            target = output.with_suffix(world_suffixes(output.suffix.lower())[0])
            wanted.append((target, content if copied else world.encode()))
            break
    projection = _content(_beside(source, ".prj", there), there)
    if projection:
        wanted.append((output.with_suffix(".prj"), projection))
    for sidecar, target in (
        (_beside(source, ".xmp", there), output.with_suffix(".xmp")),
        (source.with_name(source.name + ".xmp"), output.with_name(output.name + ".xmp")),
    ):
        packet = _content(sidecar, there)
        if packet and b"rdf:RDF" in packet:
            if not copied:
                packet = xmp.edited_xmp(without_pointers(packet)[0], geometry)
            wanted.append((target, packet))
    written, notes = [], []
    for target, content in wanted:
        if target.exists() and target.read_bytes() != content:
            notes.append(_("{target} already exists and was left as it is.").format(target=shown(target)))
        elif not target.exists():
            with replacing(target) as temporary:
                temporary.write_bytes(content)
            written.append(target)
    return tuple(written), tuple(notes)


def _beside(source: Path, suffix: str, there: set[str] | None) -> Path:
    """The companion with this suffix, in the case that it is written in."""
    plain = source.with_suffix(suffix)
    try:
        is_there = archives.exists(plain) if there is None else plain.name in there
    except OSError:  # a name that is too long with that suffix
        is_there = False
    return plain if is_there else source.with_suffix(suffix.upper())


def _content(path: Path, there: set[str] | None) -> bytes | None:
    """All of a small file; None where there is none that can be read, or it is none of those that are known to be."""
    try:
        if there is not None and path.name not in there:
            return None
        stamp = archives.stamp_of(path) if archives.exists(path) else None
        if stamp is None or stamp[0] > _MOST_BYTES:
            return None
        with archives.opened(path) as file:
            return file.read()
    except (OSError, UserError):
        return None


def is_companion(path: Path) -> bool:
    """Whether a file is, by its suffix, one that belongs to a picture and is carried with it."""
    return path.suffix.lower() in _OF_COMPANIONS


_OF_COMPANIONS = frozenset({".xmp", ".prj"}).union(
    # Camera raw, which may end like world files (`.arw`, `.crw`), has none; nor have icons.
    *(world_suffixes(suffix) for row in FORMATS.values() if row.key not in ("raw", "ico") for suffix in row.suffixes)
)
