"""Where a large batch may be cut into portions: results on both sides of a cut never come to want one name. Plain."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from core.upscale.text_tables import TextSet


def alike(name: str) -> str:
    """Equal for names that some file system takes for one: by case, or by how accents are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def are_apart(names: Iterable[str]) -> bool:
    """Whether no two of these are one for any file system."""
    met = TextSet()
    return all(met.add(alike(name)) for name in names)


def safe_cuts(names: Iterable[str]) -> bytearray:
    """For each picture of a folder, by their order, 1 where the batch may be cut before it, and 0 elsewhere.

    The names are asked for several times.

    A result has the name of its picture up to the last dot, or, where two have that, the suffix behind it: `a_jpg`.
    Pictures that may want one name so are never parted, however far they are from each other.
    """
    met, shared = TextSet(), TextSet()
    for name in names:
        stem = _stem(name)
        if not met.add(stem):
            shared.add(stem)
    # Nearly always those that share a stem follow each other. For the rest: where the last of them is.
    last: dict[str, int] = {}
    begun = TextSet()
    before = ""
    for index, name in enumerate(names) if len(shared) else ():
        stem = _stem(name)
        if stem in shared:
            if stem != before and not begun.add(stem):
                last[stem] = index
            if (renamed := _renamed(name, stem)) in met:
                last[renamed] = index
        before = stem
    if last:
        for index, name in enumerate(names):
            if (stem := _stem(name)) in last:
                last[stem] = max(last[stem], index)
    cuts = bytearray()
    tied, before = -1, ""
    for index, name in enumerate(names):
        stem = _stem(name)
        cuts.append(index > tied and stem != before)
        before = stem
        if last:
            tied = max(tied, last.get(stem, -1))
            if stem in shared:
                tied = max(tied, last.get(_renamed(name, stem), -1))
    return cuts


def stem_and_suffix(name: str) -> tuple[str, str]:
    """What `Path` makes of a file's name that does not end in a dot, in a tenth of the time."""
    at = name.rfind(".")
    return (name[:at], name[at:]) if at > 0 else (name, "")


def _stem(name: str) -> str:
    return alike(stem_and_suffix(name)[0])


def _renamed(name: str, stem: str) -> str:
    return f"{stem}_{alike(stem_and_suffix(name)[1][1:])}"
