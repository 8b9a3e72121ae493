"""The comparison: before and after, or two to four renderings of a picture. Files, keys, buttons; the canvas draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.language import gettext as _
from core.language import listed
from core.late import np
from srgan_desktop import problems
from srgan_desktop.background import Lane
from srgan_desktop.compare.bar import MOST_PICTURES, CompareBar, shown_zoom
from srgan_desktop.compare.canvas import Canvas
from srgan_desktop.compare.decoding import (
    DecodedPicture,
    DecodingEvent,
    Finished,
    PictureDecoded,
    PictureRefused,
    PictureSource,
    Promised,
    decode,
    decode_patch,
)
from srgan_desktop.compare.difference import difference
from srgan_desktop.compare.full_screen import FullScreen
from srgan_desktop.compare.keys import press_key
from srgan_desktop.compare.navigator import Navigator
from srgan_desktop.compare.overlay import Overlay
from srgan_desktop.compare.pyramid import Pyramid
from srgan_desktop.compare.saving import ComparisonSaver
from srgan_desktop.compare.scene import Patch, Scene
from srgan_desktop.compare.slider_page import Side
from srgan_desktop.theme import Theme

HOLD_MS = 150
"""The last picture stays this long while the next one is decoded; most are there by then, and nothing flickers."""
NOTHING = _("Nothing to compare yet")


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture to be shown."""

    caption: str
    source: PictureSource | None
    """None where there is none yet: the first picture stands in for it, and a patch may be laid on it."""


class CompareView(QWidget):
    """Shows pictures of one subject so that differences are seen: with a divider, side by side, or blinking.

    Decodes on a thread of its own; the last request wins. All of it can be done by keyboard (see `keyPressEvent`).
    """

    view_changed = Signal()
    """`visible_region` gives something else now, or the same of another picture."""
    file_step_requested = Signal(int)
    """PgUp (-1) or PgDn (1) was pressed."""
    failed = Signal(object)
    """The exception why a picture cannot be shown; the view says so, too. Or why one could not be saved."""
    saved = Signal(object)
    """The path of a picture of the comparison."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.shown: Sequence[Shown] = ()
        self._numbered = False
        self._decoded: list[DecodedPicture | None] = []
        self._errors: list[Exception | None] = []
        self._promised: tuple[int, int] | None = None
        self._overlay = Overlay()
        self._region: tuple[int, int, int, int] | None = None
        self._difference: Pyramid | None = None

        self.canvas = Canvas(theme, self)
        self.navigator = Navigator(self.canvas)
        self.bar = CompareBar(theme, self.canvas, self)
        self._decoder, self._patcher, self._subtracter = (Lane("compare", self) for _ in range(3))
        self._saver = ComparisonSaver(self)
        self._hold = QTimer(self, singleShot=True, interval=HOLD_MS)
        self._lay_out()
        self._bind()
        self.clear()

    # What to show

    def load_files(self, before: Path, after: Path | None, caption: str = _("After")) -> None:
        """Show a picture and what became of it, or the picture alone. Zoom and place are kept.

        Args:
            before: the source.
            after: the result; None where there is none yet.
            caption: what to call the result.
        """
        self._load([Shown(_("Before"), before), Shown(caption, after)], numbered=False)

    def call_last(self, caption: str) -> None:
        """Give the last picture another caption."""
        if self.shown and self.shown[-1].caption != caption:
            self.shown = [*self.shown[:-1], replace(self.shown[-1], caption=caption)]
            self._show_scene()

    def show_pictures(self, pictures: Sequence[Shown]) -> None:
        """Show two to four renderings of one subject, which number keys choose between. Zoom and place are kept.

        Sizes may differ: all are drawn as large as the largest. One picture alone is shown as such.

        Raises:
            ValueError: none, or more than `MOST_PICTURES`.
        """
        if not 1 <= len(pictures) <= MOST_PICTURES:
            raise ValueError(f"{len(pictures)} pictures cannot be compared, 1 to {MOST_PICTURES} can")
        self._load(pictures, numbered=len(pictures) > 1)

    def clear(self) -> None:
        """Show nothing, and let go of all pictures."""
        self._full_screen.leave()
        for lane in (self._decoder, self._patcher, self._subtracter):
            lane.cancel_all()
        self._hold.stop()
        self.shown, self._decoded, self._errors = (), [], []
        self._promised = self._difference = None
        self._overlay.drop()
        self.bar.show_choices(())
        self.canvas.set_message(NOTHING)

    def set_overlay_region(
        self,
        region: tuple[int, int, int, int],
        scale: int,
        pixels: np.ndarray,
        caption: str = "",
        *,
        adds: bool = False,
        old: bool = False,
    ) -> None:
        """Lay a live preview over the place of the result; a later one replaces it, and so does another file.

        Where the result is there, the preview takes its place until `hide_overlay` or `drop_overlay`.

        Args:
            region: x, y, width, height in pixels of the first picture.
            scale: of the result.
            pixels: uint8, (height * scale) x (width * scale) x 3 (RGB) or 4 (RGBA), in the first picture's profile.
            caption: what to call it; empty adds a word to the caption of the result.
            adds: whether the parts that are there already stay: they were made with the same settings.
            old: whether a newer one is being made, and this one only stands in for it.
        """
        first = self._decoded[0] if self._decoded else None
        if first is not None:
            self._overlay.caption = caption
            if not adds:
                self._patcher.cancel_all()
            take = partial(self._on_patch, region, scale, adds, old)
            self._patcher.stream(partial(decode_patch, pixels, first), take, self._on_patch_ended)

    @property
    def loading(self) -> bool:
        """Whether something is still being decoded."""
        return any(lane.busy for lane in (self._decoder, self._patcher, self._subtracter))

    def hide_overlay(self, hidden: bool) -> None:
        """Show the result in place of the live preview, or the preview again."""
        if hidden != self._overlay.is_hidden:
            self._overlay.is_hidden = hidden
            self._show_scene()

    def drop_overlay(self) -> None:
        """Show the result, and forget the live preview."""
        self._patcher.cancel_all()
        was_there = bool(self._overlay.patches)
        self._overlay.drop()
        if was_there:
            self._show_scene()

    def call_overlay_old(self) -> None:
        """Say of the live preview that a newer one is being made."""
        if not self._overlay.is_old:
            self._overlay.is_old = True
            if self._overlay.patches:
                self._show_scene()

    def visible_region(self) -> tuple[int, int, int, int] | None:
        """x, y, width, height of what is seen, in pixels of the first picture; None while that is not there."""
        scene, viewport = self.canvas.scene, self.canvas.viewport
        if scene is None or viewport is None or not self._decoded or self._decoded[0] is None:
            return None
        left, top, right, bottom = viewport.shown
        if right <= left or bottom <= top:
            return None
        return scene.to_first(*viewport.to_scene(left, top), *viewport.to_scene(right, bottom))

    # Keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """PgUp, PgDn: the file. X: the difference. All others are those of `press_key`."""
        key, modifiers = event.key(), event.modifiers()
        if key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) and not modifiers & ~Qt.KeyboardModifier.KeypadModifier:
            self.file_step_requested.emit(-1 if key == Qt.Key.Key_PageUp else 1)
        elif key == Qt.Key.Key_X and not modifiers:
            self.bar.difference_button.click()
        elif not press_key(self.canvas, event, len(self.shown) if self._numbered else 0):
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.canvas.hold_original(False)
        elif event.key() == Qt.Key.Key_L and not event.isAutoRepeat():
            self.canvas.hold_loupe(False)
        else:
            event.ignore()

    # Building

    def _lay_out(self) -> None:
        self.canvas.setAccessibleName(_("Comparison"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.bar)
        self._full_screen = FullScreen(self.canvas, self, column)
        self.setFocusProxy(self.canvas)

    def _bind(self) -> None:
        self.canvas.moved.connect(self._on_moved)
        self.canvas.arranged.connect(self._show_state)
        self.bar.difference_button.toggled.connect(self._on_difference_toggled)
        self._saver.saved.connect(self.saved)
        self._saver.failed.connect(self.failed)
        self.bar.save_button.clicked.connect(self._choose_file)
        self.bar.full_screen_button.clicked.connect(self.toggle_full_screen)
        alone = QAction(self)
        alone.setShortcut(QKeySequence("F11"))
        alone.triggered.connect(self.toggle_full_screen)
        self.addAction(alone)
        self._hold.timeout.connect(self._show_waiting)

    # The picture alone, and as a file

    def toggle_full_screen(self) -> None:
        """Show the picture alone on the whole screen, or no longer."""
        if self._full_screen.is_on:
            self._full_screen.leave()
        elif self.canvas.scene is not None:
            self._full_screen.enter()

    def save(self, path: Path) -> None:
        """Write what is seen into a picture file of any kind that Qt writes, or both pictures into a page with a slider
        where the suffix is that of a page; ends with `saved` or `failed`."""
        self._saver.save(path, self.canvas.picture, self._sides)

    def _choose_file(self) -> None:
        source = self.shown[0].source if self.shown else None
        self._saver.ask(source if isinstance(source, Path) else None, self.canvas.picture, self._sides)

    @property
    def _sides(self) -> tuple[Side, ...]:
        return _sides(self.shown, self._decoded, self.canvas.pair)

    def _on_difference_toggled(self) -> None:
        self._subtract()
        if self._decoded:
            self._show_scene()

    # Loading

    def _load(self, pictures: Sequence[Shown], numbered: bool) -> None:
        for lane in (self._decoder, self._patcher, self._subtracter):
            lane.cancel_all()
        sources = [shown.source for shown in pictures]
        # No more than these, so that the memory of the others is free for the new ones.
        known = [each for each in self._decoded if each is not None and _among(each.source, sources)]
        self.shown, self._numbered = list(pictures), numbered
        self._decoded, self._errors = [None] * len(pictures), [None] * len(pictures)
        self._promised = self._region = self._difference = None
        self._overlay = Overlay()
        self.bar.show_choices([shown.caption for shown in pictures] if numbered else ())
        if self.canvas.scene is None:
            self._show_waiting()
        else:
            self._hold.start()
        self._decoder.stream(partial(decode, sources, known), self._on_decoded, self._on_decoding_ended)

    def _on_decoded(self, event: DecodingEvent) -> None:
        match event:
            case Promised(size):
                self._promised = size
                return
            case PictureDecoded(index, decoded):
                self._decoded[index] = decoded
            case PictureRefused(index, error):
                self._errors[index] = error
                self.failed.emit(error)
            case Finished():
                self._promised = None
                self._subtract()
        self._show_scene()

    def _on_decoding_ended(self, error: Exception | None) -> None:
        if error is not None:
            self._promised = None
            self._errors = [error if there is None else None for there in self._decoded]
            self.failed.emit(error)
            self._show_scene()

    def _on_patch(self, region: tuple[int, int, int, int], scale: int, adds: bool, old: bool, pyramid: Pyramid) -> None:
        self._overlay.take(Patch(pyramid, region, scale), adds=adds, old=old)
        self._show_scene()

    def _on_patch_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.failed.emit(error)

    def _subtract(self) -> None:
        """Have the difference computed, where it is wanted, possible and not there yet."""
        pair = self._source_and_result
        if pair is not None and self.bar.difference_button.isChecked() and self._difference is None:
            self._subtracter.cancel_all()
            self._subtracter.stream(partial(difference, *pair), self._on_difference, self._on_patch_ended)

    def _on_difference(self, pyramid: Pyramid) -> None:
        self._difference = pyramid
        self._show_scene()

    @property
    def _source_and_result(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The pixels of both; None where these are other pictures, or one is missing."""
        if self._numbered or len(self._decoded) != 2 or self._decoded[0] is None or self._decoded[1] is None:
            return None
        source, result = (each.pyramid.levels[0] for each in (self._decoded[0], self._decoded[1]))
        return None if source is None or result is None else (source, result)

    # Showing

    @property
    def _shown_difference(self) -> Pyramid | None:
        return self._difference if self.bar.difference_button.isChecked() else None

    def _show_scene(self) -> None:
        pictures = tuple(None if each is None else each.pyramid for each in self._decoded)
        if self._shown_difference is not None:
            pictures = pictures[0], self._shown_difference
        if any(picture is not None for picture in pictures):
            self._hold.stop()
            overlay = self._overlay if self._shown_difference is None else Overlay()
            scene = overlay.scene(pictures, self._promised)
            self.canvas.set_scene(scene, self._captions(scene))
        elif all(shown.source is None or error for shown, error in zip(self.shown, self._errors, strict=True)):
            self._hold.stop()
            error = next((error for error in self._errors if error is not None), None)
            if error is None:
                self.canvas.set_message(NOTHING)
            else:
                problem = problems.of_exception(error)
                self.canvas.set_message(problem.message, problem.hint)

    def _show_waiting(self) -> None:
        source = self.shown[0].source if self.shown else None
        self.canvas.set_message(_opening(source.name) if isinstance(source, Path) else _("Opening…"))

    def _captions(self, scene: Scene) -> list[str]:
        pictures = enumerate(zip(self.shown, self._decoded, self._errors, strict=True), 1)
        captions = [_caption(number if self._numbered else 0, *picture) for number, picture in pictures]
        if len(self.shown) == 2 and not scene.comparable:
            # Nothing is before or after it.
            captions[0] = _caption(0, replace(self.shown[0], caption=_("Original")), self._decoded[0], self._errors[0])
        if self._shown_difference is not None:
            captions[-1] = _("Difference")
        elif self._overlay.is_seen:
            captions[-1] = self._overlay.words(self.shown[-1].caption)
        return captions

    def _on_moved(self) -> None:
        self._show_state()
        region = self.visible_region()
        if region != self._region:
            self._region = region
            if region is not None:
                self.view_changed.emit()

    def _show_state(self) -> None:
        self.bar.show_state(can_subtract=self._source_and_result is not None)
        self.canvas.setAccessibleDescription(self._description())

    def _description(self) -> str:
        canvas, viewport = self.canvas, self.canvas.viewport
        if canvas.scene is None or viewport is None:
            return canvas.message
        captions = self._captions(canvas.scene)
        if canvas.divided:
            left, right = canvas.pair
            words = _divided(canvas.divider, captions[left], captions[right])
        else:
            words = listed(captions[pane.index] for pane in canvas.panes)
        zoom = shown_zoom(viewport.zoom * canvas.scene.factor)
        return _("{words}. Zoom {percent}.").format(words=words, percent=zoom)


def _opening(name: str) -> str:
    return _("Opening {name}…").format(name=name)


def _divided(share: float, left: str, right: str) -> str:
    return _("Divider at {divider} %, {left} left of it, {right} right").format(
        divider=round(share * 100), left=left, right=right
    )


def _caption(number: int, shown: Shown, decoded: DecodedPicture | None, error: Exception | None) -> str:
    words = f"{number}  {shown.caption}" if number else shown.caption
    if decoded is not None:
        width, height = decoded.pyramid.size
        return f"{words}  {width} × {height}"
    if error is not None:
        return _("{words} · cannot be shown").format(words=words)
    return words if shown.source is None else _("{words} · opening…").format(words=words)


def _sides(shown: Sequence[Shown], decoded: Sequence[DecodedPicture | None], pair: tuple[int, int]) -> tuple[Side, ...]:
    """Both pictures of the divider, where both are there."""
    if len(decoded) < 2:
        return ()
    there = [(shown[index].caption, picture) for index in pair if (picture := decoded[index]) is not None]
    levels = [(caption, picture.pyramid.levels[0]) for caption, picture in there]
    sides = tuple(Side(caption, pixels) for caption, pixels in levels if pixels is not None)
    return sides if len(sides) == 2 else ()


def _among(source: PictureSource, sources: Sequence[PictureSource | None]) -> bool:
    if isinstance(source, Path):
        return any(isinstance(each, Path) and each == source for each in sources)
    return any(each is source for each in sources)
