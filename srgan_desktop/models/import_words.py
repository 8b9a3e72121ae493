"""What the banner says when model files were imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.language import gettext as _
from core.language import listed, ngettext, sentences
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
    there = (
        ngettext("{names} was already here.", "{names} were here already.", len(known)).format(names=listed(known))
        if known
        else ""
    )
    if outcome.refused:
        return _with_refusals(outcome, names, there)
    if not new:
        return ImportWords("info", _("Nothing new"), there)
    notes = dict.fromkeys(note for event in new for note in event.notes)
    if len(new) == 1:
        title = _("{name} was added to your models").format(name=names[0])
        return ImportWords("good", title, sentences((there, *notes)), new[0].key)
    return ImportWords(
        "good",
        ngettext("{count} model imported", "{count} models imported", len(new)).format(count=len(new)),
        sentences((_("{names} imported.").format(names=listed(names)), there, *notes)),
    )


def _with_refusals(outcome: Imported, names: list[str], there: str) -> ImportWords:
    refusals = tuple((str(each.path), Problem(each.message, each.hint)) for each in outcome.refused)
    first = refusals[0][1]
    if len(refusals) == 1 and not outcome.added:
        return ImportWords("bad", first.message, first.hint)
    title = ngettext("{count} file was refused", "{count} files were refused", len(refusals)).format(
        count=len(refusals)
    )
    taken = _("{names} imported.").format(names=listed(names)) if names else ""
    why = first.message if len(refusals) == 1 else ""
    level: Level = "warn" if names else "bad"
    return ImportWords(level, title, sentences((taken, there, why)), refusals=refusals)
