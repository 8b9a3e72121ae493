"""A comparison as a file: what is seen as a picture, or both pictures as a page with a divider to drag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.language import gettext as _
from srgan_desktop.background import Lane
from srgan_desktop.compare.slider_page import Side, save_slider_page
from srgan_desktop.desktop import dialog_folder

PICTURE = _("Picture of what is shown (*.png *.jpg *.webp)")
PAGE = _("Web page with a slider (*.html)")
PAGE_SUFFIXES = (".html", ".htm")


class ComparisonSaver(QObject):
    """Asks where, and writes."""

    saved = Signal(object)
    """The path written."""
    failed = Signal(object)
    """The exception why nothing was."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._folder = ""
        """That of the last one saved."""
        self._lane = Lane("slider page", self)

    def ask(self, source: Path | None, image: Callable[[], QImage], sides: Sequence[Side]) -> None:
        """Save where the user says, as what the user says.

        Args:
            source: the first picture, where it is a file: the name that is proposed comes of it.
            image: what is seen.
            sides: the two pictures of a page; none where there are not two.
        """
        stem, beside = (source.stem, str(source.parent)) if source is not None else (_("Pictures"), "")
        file, kind = QFileDialog.getSaveFileName(
            self._parent,
            _("Save the comparison"),
            str(Path(dialog_folder(self._folder, beside)) / f"{stem} compared.png"),
            ";;".join([PICTURE, PAGE] if sides else [PICTURE]),
        )
        if file:
            # Not every dialog changes the suffix of the name with the kind.
            path = Path(file).with_suffix(PAGE_SUFFIXES[0]) if kind == PAGE else Path(file)
            self._folder = str(path.parent)
            self.save(path, image, sides)

    def save(self, path: Path, image: Callable[[], QImage], sides: Sequence[Side]) -> None:
        """Write a page or a picture, by the suffix; ends with `saved` or `failed`."""
        if path.suffix.lower() in PAGE_SUFFIXES and sides:
            # A hundred megapixels take seconds to pack.
            self._lane.stream(partial(_page, tuple(sides), path), self.saved.emit, self._on_ended, writes=True)
            return
        try:
            self.saved.emit(save_image(image(), path))
        except OSError as error:
            self.failed.emit(error)

    def _on_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.failed.emit(error)


def _page(sides: tuple[Side, ...], path: Path, _cancel: CancelToken) -> Sequence[Path]:
    before, after = sides
    return (save_slider_page(path.stem, before, after, path),)


def save_image(image: QImage, path: Path) -> Path:
    """Write an image as its file's suffix says, as PNG where it has none; answers with the path written.

    Raises:
        OSError: it cannot be written there, or Qt writes no such files.
    """
    path = path if path.suffix else path.with_suffix(".png")
    with replacing(path) as temporary:
        if not image.save(str(temporary), path.suffix[1:].upper()):  # type: ignore[call-overload]
            raise OSError(None, _("no picture of this kind can be written there"), str(path))
    return path
