"""No cut parts pictures whose results may want one name."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from core.upscale.cuts import are_apart, safe_cuts, stem_and_suffix
from core.upscale.folder_listing import natural

COMPOSED, APART = "é", unicodedata.normalize("NFD", "é")
STEMS = ["a", "A", "b", "a_jpg", "a.b", "a 2", "a10", "a010", COMPOSED, APART, "z"]
SUFFIXES = [".jpg", ".png", ".PNG", ".cr2"]
NAMES = st.builds(str.__add__, st.sampled_from(STEMS), st.sampled_from(SUFFIXES))


def cut(names: list[str]) -> list[list[str]]:
    pieces: list[list[str]] = []
    for name, is_safe in zip(names, safe_cuts(names), strict=True):
        if is_safe or not pieces:
            pieces.append([])
        pieces[-1].append(name)
    return pieces


def wanted(names: list[str]) -> list[set[str]]:
    """What each result may be called where all become PNG."""
    stems = [unicodedata.normalize("NFC", stem_and_suffix(name)[0]).casefold() for name in names]
    return [
        {stem, f"{stem}_{stem_and_suffix(name)[1][1:].lower()}"} if stems.count(stem) > 1 else {stem}
        for stem, name in zip(stems, names, strict=True)
    ]


def test_pictures_of_one_stem_stay_together() -> None:
    assert cut(["a.cr2", "a.jpg", "b.cr2", "b.jpg", "c.png"]) == [["a.cr2", "a.jpg"], ["b.cr2", "b.jpg"], ["c.png"]]


def test_what_sorts_apart_is_tied_with_all_between() -> None:
    # Where files are told apart by case, or by how an accent is composed.
    assert cut(["A.jpg", "B.png", "a.png", "c.png"]) == [["A.jpg", "B.png", "a.png"], ["c.png"]]
    assert cut([f"{APART}.jpg", "f.png", f"{COMPOSED}.png"]) == [[f"{APART}.jpg", "f.png", f"{COMPOSED}.png"]]


def test_a_name_that_another_may_be_given_is_tied_to_it() -> None:
    assert cut(["a.jpg", "a.png", "a2.png", "a_jpg.png", "b.png"]) == [
        ["a.jpg", "a.png", "a2.png", "a_jpg.png"], ["b.png"],
    ]  # fmt: skip
    # Nobody asks for `a_jpg` as long as `a` is free.
    assert len(cut(["a.jpg", "a2.png", "a_jpg.png"])) == 3


@given(st.lists(NAMES, max_size=14, unique=True))
def test_nothing_on_both_sides_of_a_cut_wants_one_name(names: list[str]) -> None:
    names.sort(key=natural)
    pieces = cut(names)
    assert [name for piece in pieces for name in piece] == names
    at = 0
    every = wanted(names)
    for piece in pieces:
        mine = set().union(*every[at : at + len(piece)])
        others = set().union(*every[:at], *every[at + len(piece) :])
        assert not mine & others
        at += len(piece)


def test_folders_are_apart_unless_some_file_system_takes_two_for_one() -> None:
    assert are_apart(["a", "b", "ab"])
    assert not are_apart(["Scans", "b", "scans"])
    assert not are_apart([COMPOSED, APART])
