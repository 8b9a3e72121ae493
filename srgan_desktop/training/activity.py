"""What a starting run, or an estimate of one, is busy with: in words, and how much of it is done."""

from __future__ import annotations

from dataclasses import dataclass

from core.contract.models import DownloadProgress
from core.contract.training import ScanFinished, ScanProgress, TeacherProgress
from core.language import gettext as _


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that takes a while before the first step."""

    words: str = ""
    fraction: float | None = None
    """How much of it is done, 0 to 1; None while nobody can tell."""


def activity_of(event: object) -> Activity | None:
    """What an event says of it; None where it says nothing."""
    match event:
        case DownloadProgress():
            return Activity(
                _("Downloading {name}").format(name=event.name), event.done / event.total if event.total else None
            )
        case ScanProgress():
            words = _("Checking pictures: {done:,} of {total:,}").format(done=event.done, total=event.total)
            return Activity(words, event.done / event.total if event.total else None)
        case TeacherProgress():
            words = _("{teacher} upscales its examples: {done:,} of {total:,}").format(
                teacher=event.teacher, done=event.done, total=event.total
            )
            return Activity(words, event.done / event.total)
        case ScanFinished():
            return Activity(_("Preparing the networks"))
    return None
