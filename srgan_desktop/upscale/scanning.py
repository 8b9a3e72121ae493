"""Searching files and folders for pictures without holding up the window."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.upscale import Input
from core.language import gettext as _
from srgan_desktop import problems
from srgan_desktop.background import Lane
from srgan_desktop.problems import Problem

BATCH_SECONDS = 0.1
"""How long finds are collected before the queue hears of them: a signal for each would swamp it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A picture, or a folder that cannot be searched."""

    input: Input
    problem: Problem | None = None
    """Why the folder cannot be searched."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """One search came to its end."""

    words: str
    """For the status strip."""
    problem: Problem | None = None
    """What ended it early, or that there was nothing."""
    folders: tuple[Path, ...] = ()
    """Those of the paths searched that are one."""


class Scanner(Lane):
    """Searches files and folders in the order in which they came."""

    found = Signal(object)
    """A list of `Found`."""
    finished = Signal(object)
    """The `Scanned` of a search; one without words for a search that was given up."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("scanner", parent)

    def search(self, paths: Sequence[Path], recursive: bool) -> None:
        """Find the pictures among these files and in these folders."""
        ended = _Ending(self)
        self.stream(partial(_search, tuple(paths), recursive), ended.take, ended.tell)

    def save_and_add(self, image: QImage, path: Path) -> None:
        """Write a pasted picture as PNG to `path`, then find it there."""
        ended = _Ending(self)
        self.stream(partial(_save, image, path), ended.take, ended.tell, writes=True)

    def copy_and_add(self, source: Path, path: Path) -> None:
        """Copy a picture to `path`, unless it is there, then find it there."""
        ended = _Ending(self)
        self.stream(partial(_copy, source, path), ended.take, ended.tell, writes=True)


class _Ending:
    """Keeps what a search says last until it has ended, so that the scanner is no longer busy when that is heard."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._scanned = Scanned("")

    def take(self, event: list[Found] | Scanned) -> None:
        if isinstance(event, Scanned):
            self._scanned = event
        else:
            self._scanner.found.emit(event)

    def tell(self, error: Exception | None) -> None:
        scanned = self._scanned if error is None else Scanned("", problems.of_exception(error))
        self._scanner.finished.emit(scanned)


def _search(paths: tuple[Path, ...], recursive: bool, cancel: CancelToken) -> Iterator[list[Found] | Scanned]:
    # Says no of what cannot be asked, as of a name that is too long.
    folders = tuple(path for path in paths if os.path.isdir(path))  # noqa: PTH112
    batch: list[Found] = []
    since = time.monotonic()
    pictures = entries = 0
    for found in _pictures(paths, recursive, cancel):
        batch.append(found)
        entries += 1
        pictures += found.problem is None
        if time.monotonic() - since > BATCH_SECONDS:
            yield batch
            batch = []
            since = time.monotonic()
    if batch:
        yield batch
    if entries == 0:
        yield Scanned("", problems.nothing_found(paths), folders)
    else:
        yield Scanned(_("Found {pictures}").format(pictures=problems.pictures(pictures)), folders=folders)


def _save(image: QImage, path: Path, _cancel: CancelToken) -> Iterator[list[Found] | Scanned]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if not image.save(str(temporary), "PNG"):  # type: ignore[call-overload]
            raise OSError(None, _("the picture could not be written"), str(path))
    yield [Found(Input(path))]
    yield Scanned(_("Pasted picture saved as {path}").format(path=path))


def _copy(source: Path, path: Path, _cancel: CancelToken) -> Iterator[list[Found] | Scanned]:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            shutil.copyfile(source, temporary)
    yield [Found(Input(path))]
    yield Scanned(_("Sample copied to {path}").format(path=path))


def _pictures(paths: tuple[Path, ...], recursive: bool, cancel: CancelToken) -> Iterator[Found]:
    # Here, as decoders are imported with it, and the window is to paint first.
    from core.upscale.scan import Unusable, scan

    for each in scan([Input(path) for path in paths], recursive, cancel):
        if isinstance(each, Unusable):
            yield Found(Input(each.path), problem=problems.of_exception(each.error))
        else:
            yield Found(each)
