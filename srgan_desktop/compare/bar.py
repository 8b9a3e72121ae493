"""The bar below a comparison: how pictures are compared, which of them, and how large."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from core.language import gettext as _
from core.language import percent
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.canvas import Canvas
from srgan_desktop.theme import Theme

MOST_PICTURES = 4
"""That can be compared at once."""
MODES = {
    Mode.SPLIT: ("split", _("Divider"), "D", _("Two pictures over each other, with a divider to drag")),
    Mode.SIDE: ("side", _("Side by side"), "S", _("All pictures side by side; zoom and position are shared")),
    Mode.TOGGLE: (
        "toggle",
        _("Blink"),
        "T",
        _("One picture at a time, in the same place; a click or T shows the next"),
    ),
}
"""(icon, name, key, explanation)."""
DIFFERENCE = _(
    "Show where the result contradicts its source: reduced again, it equals the source "
    "where this is black, and is off by 10 % where it is yellow (X)"
)


class CompareBar(QFrame):
    """Buttons for what keys do on the canvas. The view tells it when something changed."""

    def __init__(self, theme: Theme, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compareBar")
        self._theme = theme
        self._canvas = canvas
        self._captions: Sequence[str] = ()
        self._group = QButtonGroup(self)
        self.mode_buttons = {mode: self._mode_button(mode) for mode in MODES}
        self.mode_buttons[canvas.mode].setChecked(True)
        self.choices = [self._button("", "") for _ in range(MOST_PICTURES)]
        self.pixels_button = self._button("pixels", _("Show the pixels of smaller pictures as squares (N)"))
        self.pixels_button.setAccessibleName(_("Show pixels as squares"))
        self.pixels_button.setCheckable(True)
        self.out_button = self._button("zoom-out", _("Zoom out (−)"))
        self.in_button = self._button("zoom-in", _("Zoom in (+)"))
        self.zoom_label = QLabel()
        self.zoom_label.setProperty("role", "muted")
        self.zoom_label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.zoom_label.setFixedWidth(self.zoom_label.fontMetrics().horizontalAdvance("0000.0 %"))
        self.zoom_label.setToolTip(_("Screen pixels for each pixel of the first picture, the original"))
        self.fit_button = self._button("fit", _("Fit (F)"))
        self.full_button = self._button("", "")
        self.full_button.setText("1:1")
        self.full_button.setAccessibleName(_("Pixel for pixel"))
        self.difference_button = self._button("difference", DIFFERENCE)
        self.difference_button.setAccessibleName(_("Difference"))
        self.difference_button.setCheckable(True)
        self.save_button = self._button("save", _("Save the comparison: as a picture, or as a web page with a slider…"))
        self.full_screen_button = self._button("full-screen", _("The picture alone on the whole screen (F11)"))
        self._spare: tuple[QWidget, ...] = (self.zoom_label, self.in_button, self.out_button)
        """What is left out where the bar is narrow, the last first."""
        self._lay_out()
        self._bind()

    def show_choices(self, captions: Sequence[str]) -> None:
        """Offer numbered pictures to choose between.

        Args:
            captions: one for each; none where pictures have no numbers.
        """
        self._captions = captions
        for index, button in enumerate(self.choices):
            button.setVisible(self._offers(index))
            if index < len(captions):
                button.setAccessibleName(captions[index])
                button.setToolTip(f"{captions[index]} ({index + 1})")
        # None of several renderings is the source.
        self.difference_button.setVisible(not captions)
        key = "0" if captions else "1"
        self.full_button.setToolTip(_("Pixel for pixel, as the largest picture has them ({key})").format(key=key))
        self._fit()

    def show_state(self, *, can_subtract: bool) -> None:
        """Bring all buttons in line with the canvas.

        Args:
            can_subtract: whether there are a source and a result.
        """
        canvas, scene, viewport = self._canvas, self._canvas.scene, self._canvas.viewport
        self.mode_buttons[canvas.mode].setChecked(True)
        self.pixels_button.setChecked(canvas.nearest)
        comparable = scene is not None and scene.comparable
        for button in self.mode_buttons.values():
            button.setEnabled(comparable)
        zoom = (self.out_button, self.in_button, self.full_button, self.fit_button)
        for each in (self.pixels_button, *zoom, self.save_button, self.full_screen_button):
            each.setEnabled(scene is not None)
        self.difference_button.setEnabled(can_subtract)
        seen = canvas.pair if canvas.mode is Mode.SPLIT else (canvas.shown,)
        for index, button in enumerate(self.choices):
            button.setEnabled(comparable)
            button.setChecked(index in seen)
            button.setVisible(self._offers(index))
        self._fit()
        self.zoom_label.setText("" if scene is None or viewport is None else shown_zoom(viewport.zoom * scene.factor))

    def minimumSizeHint(self) -> QSize:
        # Without what goes where there is no room.
        hint, row = super().minimumSizeHint(), self.layout()
        assert row is not None
        spare = sum(_room_for(each) + row.spacing() for each in self._spare if not each.isHidden())
        return QSize(hint.width() - spare, hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Leave zoom buttons out where there is no room for all: the wheel and keys do what they do."""
        row = self.layout()
        assert row is not None
        free = self.width() - self.minimumSizeHint().width()
        for each in self._spare:
            free -= _room_for(each) + row.spacing()
            each.setVisible(free >= 0)

    def _offers(self, index: int) -> bool:
        """Whether a picture has a button: side by side all are shown, and there is nothing to choose."""
        return index < len(self._captions) and self._canvas.mode is not Mode.SIDE

    def _mode_button(self, mode: Mode) -> QToolButton:
        icon, name, key, words = MODES[mode]
        button = self._button(icon, f"{words} ({key})")
        button.setAccessibleName(name)
        button.setCheckable(True)
        self._group.addButton(button)
        return button

    def _button(self, icon: str, tooltip: str) -> QToolButton:
        # With a parent from the start: shown before it is laid out, it would be a window of its own.
        button = QToolButton(self)
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolTip(tooltip)
        button.setAccessibleName(tooltip.partition(" (")[0])
        if icon:
            self._theme.set_icon(button, icon)
        return button

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
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
        zoom: tuple[QWidget, ...] = (
            self.out_button,
            self.zoom_label,
            self.in_button,
            self.full_button,
            self.fit_button,
        )
        for each in (self.difference_button, self.pixels_button, *zoom, self.full_screen_button, self.save_button):
            row.addWidget(each)

    def _bind(self) -> None:
        canvas = self._canvas
        for mode, button in self.mode_buttons.items():
            button.clicked.connect(lambda _checked, mode=mode: canvas.set_mode(mode))
        for index, button in enumerate(self.choices):
            button.clicked.connect(lambda _checked, index=index: canvas.choose(index))
        self.pixels_button.clicked.connect(canvas.set_nearest)
        self.out_button.clicked.connect(lambda: canvas.zoom_step(-1))
        self.in_button.clicked.connect(lambda: canvas.zoom_step(1))
        self.full_button.clicked.connect(lambda: canvas.zoom_to(1))
        self.fit_button.clicked.connect(canvas.fit)


def _room_for(widget: QWidget) -> int:
    return max(widget.minimumWidth(), widget.minimumSizeHint().width())


def shown_zoom(zoom: float) -> str:
    """`100 %`, `6.3 %`."""
    return percent(zoom, ".0f" if zoom >= 0.1 else ".1f")
