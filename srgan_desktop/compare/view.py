"""The comparison: before and after, or two to four renderings of a picture. Files, keys, buttons; the canvas draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from srgan_desktop import problems
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.background import Background
from srgan_desktop.compare.canvas import Canvas
from srgan_desktop.compare.decoding import (
    Arrived,
    Decoded,
    Finished,
    PictureSource,
    Promised,
    Refused,
    decoding,
    patching,
)
from srgan_desktop.compare.pyramid import Pyramid
from srgan_desktop.compare.scene import Patch, Scene
from srgan_desktop.theme import Theme

MOST_PICTURES = 4
DIVIDER_STEP = 0.01
"""Of the divider, for an arrow key; ten times as much with Shift."""
PAN_STEP = 0.1
"""Of the pane, for an arrow key."""
HOLD_MS = 150
"""The last picture stays this long while the next one is decoded; most are there by then, and nothing flickers."""
NOTHING = "Nothing to compare yet"

MODES = {
    Mode.SPLIT: ("split", "Divider", "D", "Two pictures over each other, with a divider to drag"),
    Mode.SIDE: ("side", "Side by side", "S", "All pictures side by side; zoom and place are common"),
    Mode.TOGGLE: ("toggle", "Blink", "T", "One picture at a time, in the same place; a click or T shows the next"),
}


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
    """The exception why a picture cannot be shown; the view says so, too."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: Sequence[Shown] = ()
        self._numbered = False
        self._decoded: list[Decoded | None] = []
        self._errors: list[Exception | None] = []
        self._promised: tuple[int, int] | None = None
        self._patch: Patch | None = None
        self._patch_place: tuple[tuple[int, int, int, int], int] | None = None
        self._patch_caption = ""
        self._patch_hidden = False
        self._region: tuple[int, int, int, int] | None = None

        self.canvas = Canvas(theme)
        self._decoder = Background(self)
        self._patcher = Background(self)
        self._hold = QTimer(self, singleShot=True, interval=HOLD_MS)
        self._lay_out()
        self._bind()
        self.clear()

    # What to show

    def load_files(self, before: Path, after: Path | None, caption: str = "After") -> None:
        """Show a picture and what became of it, or the picture alone. Zoom and place are kept.

        Args:
            before: the source.
            after: the result; None where there is none yet.
            caption: what to call the result.
        """
        self._load([Shown("Before", before), Shown(caption, after)], numbered=False)

    def call_last(self, caption: str) -> None:
        """Give the last picture another caption."""
        if self._shown and self._shown[-1].caption != caption:
            self._shown = [*self._shown[:-1], replace(self._shown[-1], caption=caption)]
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
        self._decoder.cancel()
        self._patcher.cancel()
        self._hold.stop()
        self._shown, self._decoded, self._errors = (), [], []
        self._promised = self._patch = None
        self._show_choices()
        self.canvas.set_message(NOTHING)

    def set_overlay_region(
        self, region: tuple[int, int, int, int], scale: int, pixels: np.ndarray, caption: str = ""
    ) -> None:
        """Lay a live preview over the place of the result; a later one replaces it, and so does another file.

        Where the result is there, the preview takes its place until `hide_overlay` or `drop_overlay`.

        Args:
            region: x, y, width, height in pixels of the first picture.
            scale: of the result.
            pixels: uint8, (height * scale) x (width * scale) x 3 (RGB) or 4 (RGBA), in the first picture's profile.
            caption: what to call it; empty adds a word to the caption of the result.
        """
        first = self._decoded[0] if self._decoded else None
        if first is not None:
            self._patch_place = region, scale
            self._patch_caption = caption
            self._patcher.start(patching(pixels, first))

    def hide_overlay(self, hidden: bool) -> None:
        """Show the result in place of the live preview, or the preview again."""
        if hidden != self._patch_hidden:
            self._patch_hidden = hidden
            self._show_scene()

    def drop_overlay(self) -> None:
        """Show the result, and forget the live preview."""
        self._patcher.cancel()
        if self._patch is not None:
            self._patch = None
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
        """D, S, T: modes (T again: the next picture). 0, or 1 where pictures have no numbers: 100 %. F: fit. + and -:
        zoom. Space held: the original. Left, Right: the divider by 1 %, with Shift by 10 %; the picture shown. Up,
        Down, Ctrl and arrows: pan. PgUp, PgDn: the file. N: nearest or bicubic. 1 to 4: pictures with numbers."""
        if not self._press(event):
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.canvas.hold_original(False)
        else:
            event.ignore()

    def _press(self, event: QKeyEvent) -> bool:
        key, canvas = event.key(), self.canvas
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if event.modifiers() & (Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier):
            return False
        arrows = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key in arrows:
            self._press_arrow(*arrows[Qt.Key(key)], shift, control)
            return True
        if control:
            return False
        modes = {Qt.Key.Key_D: Mode.SPLIT, Qt.Key.Key_S: Mode.SIDE, Qt.Key.Key_T: Mode.TOGGLE}
        digit = key - Qt.Key.Key_0
        if key in modes:
            if key == Qt.Key.Key_T and canvas.mode is Mode.TOGGLE:
                canvas.show_next()
            canvas.set_mode(modes[Qt.Key(key)])
        elif self._numbered and 1 <= digit <= len(self._shown):
            canvas.choose(digit - 1)
        elif digit in (0, 1):
            canvas.zoom_to(1)
        elif key == Qt.Key.Key_F:
            canvas.fit()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            canvas.zoom_step(1)
        elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
            canvas.zoom_step(-1)
        elif key == Qt.Key.Key_N:
            canvas.set_nearest(not canvas.nearest)
        elif key == Qt.Key.Key_Space:
            canvas.hold_original(True)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.file_step_requested.emit(-1 if key == Qt.Key.Key_PageUp else 1)
        else:
            return False
        return True

    def _press_arrow(self, right: int, down: int, shift: bool, control: bool) -> None:
        canvas = self.canvas
        if right and not control and canvas.divided:
            canvas.set_divider(canvas.divider + right * DIVIDER_STEP * (10 if shift else 1))
        elif right and not control and canvas.mode is Mode.TOGGLE:
            canvas.show_next(right)
        else:
            canvas.pan(-right * PAN_STEP, -down * PAN_STEP)

    # Building

    def _lay_out(self) -> None:
        self.canvas.setAccessibleName("Comparison")
        self._group = QButtonGroup(self)
        self.mode_buttons = {mode: self._mode_button(mode) for mode in MODES}
        self.mode_buttons[self.canvas.mode].setChecked(True)
        self.choices = [self._button("", "") for _ in range(MOST_PICTURES)]
        self.pixels_button = self._button("pixels", "Show the pixels of smaller pictures as squares (N)")
        self.pixels_button.setAccessibleName("Show pixels as squares")
        self.pixels_button.setCheckable(True)
        self.out_button = self._button("zoom-out", "Zoom out (−)")
        self.in_button = self._button("zoom-in", "Zoom in (+)")
        self.zoom_label = QLabel()
        self.zoom_label.setProperty("role", "muted")
        self.zoom_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.zoom_label.setFixedWidth(self.zoom_label.fontMetrics().horizontalAdvance("0000.0 %"))
        self.zoom_label.setToolTip("Screen pixels for each pixel of the largest picture")
        self.fit_button = self._button("fit", "Fit (F)")
        self.full_button = self._button("", "")
        self.full_button.setText("1:1")
        self.full_button.setAccessibleName("100 %")
        bar = QFrame()
        bar.setObjectName("compareBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(6, 3, 6, 3)
        row.setSpacing(2)
        for button in self.mode_buttons.values():
            row.addWidget(button)
        row.addSpacing(6)
        for number, button in enumerate(self.choices, 1):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            button.setCheckable(True)
            button.setText(str(number))
            button.setMinimumWidth(28)
            row.addWidget(button)
        row.addStretch(1)
        for each in (self.pixels_button, self.out_button, self.zoom_label, self.in_button):
            row.addWidget(each)
        row.addWidget(self.full_button)
        row.addWidget(self.fit_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.canvas, 1)
        column.addWidget(bar)
        self.setFocusProxy(self.canvas)

    def _mode_button(self, mode: Mode) -> QToolButton:
        icon, name, key, words = MODES[mode]
        button = self._button(icon, f"{words} ({key})")
        button.setAccessibleName(name)
        button.setCheckable(True)
        self._group.addButton(button)
        return button

    def _button(self, icon: str, tooltip: str) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolTip(tooltip)
        button.setAccessibleName(tooltip.partition(" (")[0])
        if icon:
            self._theme.wear(button, icon)
        return button

    def _bind(self) -> None:
        canvas = self.canvas
        for mode, button in self.mode_buttons.items():
            button.clicked.connect(lambda _checked, mode=mode: canvas.set_mode(mode))
        for index, button in enumerate(self.choices):
            button.clicked.connect(lambda _checked, index=index: canvas.choose(index))
        self.pixels_button.clicked.connect(canvas.set_nearest)
        self.out_button.clicked.connect(lambda: canvas.zoom_step(-1))
        self.in_button.clicked.connect(lambda: canvas.zoom_step(1))
        self.full_button.clicked.connect(lambda: canvas.zoom_to(1))
        self.fit_button.clicked.connect(canvas.fit)
        canvas.moved.connect(self._on_moved)
        canvas.arranged.connect(self._show_state)
        self._decoder.arrived.connect(self._on_decoded)
        self._patcher.arrived.connect(self._on_patch)
        self._hold.timeout.connect(self._show_waiting)

    # Loading

    def _load(self, pictures: Sequence[Shown], numbered: bool) -> None:
        self._patcher.cancel()
        sources = [shown.source for shown in pictures]
        # No more than these, so that the memory of the others is free for the new ones.
        known = [each for each in self._decoded if each is not None and _among(each.source, sources)]
        self._shown, self._numbered = list(pictures), numbered
        self._decoded, self._errors = [None] * len(pictures), [None] * len(pictures)
        self._promised = self._patch = self._region = None
        self._patch_hidden = False
        self._show_choices()
        if self.canvas.scene is None:
            self._show_waiting()
        else:
            self._hold.start()
        self._decoder.start(decoding(sources, known))

    def _on_decoded(self, result: object) -> None:
        match result:
            case Promised(size):
                self._promised = size
                return
            case Arrived(index, decoded):
                self._decoded[index] = decoded
            case Refused(index, error):
                self._errors[index] = error
                self.failed.emit(error)
            case Finished():
                self._promised = None
            case Exception():
                self._promised = None
                self._errors = [result if there is None else None for there in self._decoded]
                self.failed.emit(result)
        self._show_scene()

    def _on_patch(self, result: object) -> None:
        if isinstance(result, Pyramid) and self._patch_place is not None:
            self._patch = Patch(result, *self._patch_place)
            self._show_scene()
        elif isinstance(result, Exception):
            self.failed.emit(result)

    # Showing

    def _show_scene(self) -> None:
        pictures = tuple(None if each is None else each.pyramid for each in self._decoded)
        if any(picture is not None for picture in pictures):
            self._hold.stop()
            self.canvas.set_scene(self._scene(pictures), self._captions())
        elif all(shown.source is None or error for shown, error in zip(self._shown, self._errors, strict=True)):
            self._hold.stop()
            error = next((error for error in self._errors if error is not None), None)
            if error is None:
                self.canvas.set_message(NOTHING)
            else:
                problem = problems.of_exception(error)
                self.canvas.set_message(problem.message, problem.hint)

    def _scene(self, pictures: tuple[Pyramid | None, ...]) -> Scene:
        """The pictures, and the live preview in place of the last one. Either way the scene is as large as with both,
        so that nothing moves when they change places."""
        result, patch = pictures[-1], self._patch
        if patch is None or result is None or len(pictures) < 2:
            return Scene(pictures, patch, self._promised)
        if not self._patch_hidden:
            return Scene((*pictures[:-1], None), patch, _larger(self._promised, result.size))
        first = next(picture for picture in pictures if picture is not None)
        width, height = (side * patch.scale for side in first.size)
        return Scene(pictures, None, _larger(self._promised, (width, height)))

    def _show_waiting(self) -> None:
        source = self._shown[0].source if self._shown else None
        self.canvas.set_message(f"Opening {source.name}…" if isinstance(source, Path) else "Opening…")

    def _captions(self) -> list[str]:
        captions = []
        for number, (shown, decoded, error) in enumerate(zip(self._shown, self._decoded, self._errors, strict=True), 1):
            words = f"{number}  {shown.caption}" if self._numbered else shown.caption
            if decoded is not None:
                width, height = decoded.pyramid.size
                words += f"  {width} × {height}"
            elif error is not None:
                words += " · cannot be shown"
            elif shown.source is not None:
                words += " · opening…"
            elif self._patch is not None:
                words += " · preview"
            captions.append(words)
        if self._patch is not None and self._patch_caption and not self._patch_hidden:
            captions[-1] = self._patch_caption
        return captions

    def _on_moved(self) -> None:
        self._show_state()
        region = self.visible_region()
        if region != self._region:
            self._region = region
            if region is not None:
                self.view_changed.emit()

    def _show_choices(self) -> None:
        for index, button in enumerate(self.choices):
            button.setVisible(self._offers(index))
            if self._numbered and index < len(self._shown):
                button.setAccessibleName(self._shown[index].caption)
                button.setToolTip(f"{self._shown[index].caption} ({index + 1})")
        self.full_button.setToolTip(f"100 % ({'0' if self._numbered else '1'})")

    def _offers(self, index: int) -> bool:
        """Whether a picture has a button: side by side all are shown, and there is nothing to choose."""
        return self._numbered and index < len(self._shown) and self.canvas.mode is not Mode.SIDE

    def _show_state(self) -> None:
        canvas, scene, viewport = self.canvas, self.canvas.scene, self.canvas.viewport
        self.mode_buttons[canvas.mode].setChecked(True)
        self.pixels_button.setChecked(canvas.nearest)
        comparable = scene is not None and scene.comparable
        for button in self.mode_buttons.values():
            button.setEnabled(comparable)
        for each in (self.pixels_button, self.out_button, self.in_button, self.full_button, self.fit_button):
            each.setEnabled(scene is not None)
        seen = canvas.pair if canvas.mode is Mode.SPLIT else (canvas.shown,)
        for index, button in enumerate(self.choices):
            button.setEnabled(comparable)
            button.setChecked(index in seen)
            button.setVisible(self._offers(index))
        self.zoom_label.setText("" if scene is None or viewport is None else _percent(viewport.zoom))
        self.canvas.setAccessibleDescription(self._description())

    def _description(self) -> str:
        canvas, viewport = self.canvas, self.canvas.viewport
        if canvas.scene is None or viewport is None:
            return canvas.message
        captions = self._captions()
        if canvas.divided:
            left, right = canvas.pair
            words = f"Divider at {round(canvas.divider * 100)} %, {captions[left]} left of it, {captions[right]} right"
        else:
            words = ", ".join(captions[pane.index] for pane in canvas.panes)
        return f"{words}. Zoom {_percent(viewport.zoom)}."


def _among(source: PictureSource, sources: Sequence[PictureSource | None]) -> bool:
    if isinstance(source, Path):
        return any(isinstance(each, Path) and each == source for each in sources)
    return any(each is source for each in sources)


def _larger(one: tuple[int, int] | None, other: tuple[int, int]) -> tuple[int, int]:
    return max((one or (0, 0)), other, key=lambda size: size[0] * size[1])


def _percent(zoom: float) -> str:
    return f"{zoom * 100:.0f} %" if zoom >= 0.1 else f"{zoom * 100:.1f} %"
