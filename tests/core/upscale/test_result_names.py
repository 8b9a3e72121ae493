"""No two results have one name, on no file system, and none has that of a source."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.contract.upscale import Input
from core.images import Probe
from core.upscale.result_names import Placement, ResultNames

HEADER = Probe(4, 4, "png", False, False, 1)
NAMES = st.sampled_from(["a", "A", "é", unicodedata.normalize("NFD", "é"), "a_jpg", "a (2)", "a (3)", "x" * 251])


def placed(source: Path, output: Path, suffix: str = ".png") -> Placement:
    return Placement(Input(source), HEADER, "png", (16, 16), output, output, source.stem, suffix)


def chosen(sources: list[Path], output: Path) -> list[Path]:
    names = ResultNames(sources)
    placements = [placed(source, output) for source in sources]
    names.part(placements)
    return [names.choose(placement, None)[0] for placement in placements]


def test_a_picture_of_the_format_keeps_its_name_and_others_say_what_they_were() -> None:
    out = Path("/out")
    sources = [Path("/in/a.jpg"), Path("/in/a.png"), Path("/other/a.png"), Path("/in/a")]
    assert [path.name for path in chosen(sources, out)] == ["a_jpg.png", "a.png", "a (2).png", "a_.png"]


@given(st.lists(st.tuples(NAMES, st.sampled_from([".png", ".jpg", ""])), min_size=1, max_size=8, unique=True))
def test_all_are_different_whatever_they_are_called(names: list[tuple[str, str]]) -> None:
    sources = [Path("/in") / f"{stem}{suffix}" for stem, suffix in names]
    made = chosen(sources, Path("/out"))
    assert len({unicodedata.normalize("NFC", path.name).casefold() for path in made}) == len(sources)
    assert not set(chosen(sources, Path("/in"))) & set(sources)
