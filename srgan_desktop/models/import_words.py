"""What the banner says when model files were imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from srgan_desktop.banner import Level
from srgan_desktop.models.session import Imported
from srgan_desktop.problems import Problem


@dataclass(frozen=True, slots=True)
class ImportWords:
    """A banner and what its button is about."""

    level: Level
    title: str
    text: str
    model: str | None = None
    """Key of the one model that is new."""
    refusals: tuple[tuple[str, Problem], ...] = ()
    """(file, why) of those that were refused, where one line does not say it all."""


def words_of_import(outcome: Imported, name_of: Callable[[str], str]) -> ImportWords:
    """Say what became of the files.

    Args:
        outcome: of the import.
        name_of: the name of a model from its key.
    """
    new = [event for event in outcome.added if event.key not in outcome.before]
    names = [f"“{name_of(event.key)}”" for event in new]
    known = [f"“{name_of(event.key)}”" for event in outcome.added if event.key in outcome.before]
    there = f"{', '.join(known)} {'was' if len(known) == 1 else 'were'} here already." if known else ""
    if outcome.refused:
        return _with_refusals(outcome, names, there)
    if not new:
        return ImportWords("info", "Nothing new", there)
    notes = dict.fromkeys(note for event in new for note in event.notes)
    if len(new) == 1:
        title = f"{names[0]} was added to your models"
        return ImportWords("good", title, _joined(there, *notes), new[0].key)
    return ImportWords("good", f"{len(new)} models imported", _joined(f"{', '.join(names)}.", there, *notes))


def _with_refusals(outcome: Imported, names: list[str], there: str) -> ImportWords:
    refusals = tuple((str(each.path), Problem(each.message, each.hint)) for each in outcome.refused)
    first = refusals[0][1]
    if len(refusals) == 1 and not outcome.added:
        return ImportWords("bad", first.message, first.hint)
    count = "1 file was" if len(refusals) == 1 else f"{len(refusals)} files were"
    taken = f"{', '.join(names)} imported." if names else ""
    why = first.message if len(refusals) == 1 else ""
    level: Level = "warn" if names else "bad"
    return ImportWords(level, f"{count} refused", _joined(taken, there, why), refusals=refusals)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
