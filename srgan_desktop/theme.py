"""The look: one small table of tokens per scheme makes the palette, the style sheet and the colour of every icon."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from string import Template
from typing import Literal

from PySide6.QtCore import QByteArray, QObject, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontInfo,
    QFontMetrics,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPixmap,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

from core import paths
from srgan_desktop.settings import APPEARANCE, Option, Settings
from srgan_desktop.underlines import QuietStyle, Underlines

Scheme = Literal["light", "dark"]

ICONS = paths.RESOURCES / "icons"
STYLE = paths.RESOURCES / "style" / "window.qss"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Colours of one scheme, as Qt writes them."""

    window: str
    """Behind everything."""
    surface: str
    """Cards, the queue, fields."""
    raised: str
    """Buttons, headers, the row under the pointer."""
    pressed: str
    border: str
    strong_border: str
    text: str
    muted: str
    """Labels, second lines; still 4.5 : 1 against `surface`."""
    faint: str
    """Disabled text."""
    accent: str
    """Behind `on_accent`."""
    accent_hover: str
    on_accent: str
    accent_text: str
    """The accent as text and lines on `surface`."""
    selection: str
    good: str
    warn: str
    bad: str
    good_fill: str
    warn_fill: str
    bad_fill: str
    info_fill: str


TOKENS: dict[Scheme, Tokens] = {
    "light": Tokens(
        window="#f1f3f8",
        surface="#ffffff",
        raised="#f3f5fa",
        pressed="#e3e8f2",
        border="#dbe0ea",
        strong_border="#b9c2d3",
        text="#1a2233",
        muted="#576178",
        faint="#9aa3b5",
        accent="#2b62d9",
        accent_hover="#2354c0",
        on_accent="#ffffff",
        accent_text="#2357c8",
        selection="#e1eafd",
        good="#187a4b",
        warn="#8f5a00",
        bad="#c02b37",
        good_fill="#e3f5ec",
        warn_fill="#fdf2dc",
        bad_fill="#fdeaec",
        info_fill="#e6eefe",
    ),
    "dark": Tokens(
        window="#12151c",
        surface="#1a1f29",
        raised="#232a37",
        pressed="#2d3647",
        border="#2c3443",
        strong_border="#465269",
        text="#e8ecf5",
        muted="#9ba7bd",
        faint="#616c82",
        accent="#3c74ea",
        accent_hover="#5186f2",
        on_accent="#ffffff",
        accent_text="#8cb2ff",
        selection="#24375c",
        good="#52c98f",
        warn="#eab04c",
        bad="#f47b83",
        good_fill="#173326",
        warn_fill="#382c15",
        bad_fill="#3d2026",
        info_fill="#1d2d4d",
    ),
}

SHAPE = {"radius": "8px", "small_radius": "6px"}
"""What both schemes share."""
FONT_SIZES = {"small": 0.9, "number": 1.58, "title": 1.42, "headline": 1.83}
"""Sizes of text, as multiples of the application's font."""

ACCENTED = "accentIcon"
"""Property of a button whose icon takes the colour of text on the accent."""


class Theme(QObject):
    """Keeps the application in the scheme of the system, or in the one that the user chose."""

    changed = Signal()
    """Other colours are in force; whoever paints by hand paints again."""

    def __init__(self, app: QApplication, settings: Settings) -> None:
        super().__init__(app)
        self._app = app
        self._settings = settings
        self._scheme: Scheme | None = None
        # Kept here, as the application does not keep Python's half of it.
        self._style = QuietStyle("Fusion")
        app.setStyle(self._style)
        self._underlines = Underlines(app, self._style)
        hints = QGuiApplication.styleHints()
        self._sheet = ""
        hints.colorSchemeChanged.connect(self._on_system_change)
        settings.changed.connect(self._on_setting)
        self._apply()

    @property
    def scheme(self) -> Scheme:
        """The one in force."""
        return self._scheme or "light"

    @property
    def tokens(self) -> Tokens:
        """Colours in force."""
        return TOKENS[self.scheme]

    def set_icon(self, button: QAbstractButton, icon: str, accented: bool = False) -> None:
        """Give a button one of our icons, tinted now and whenever the scheme changes."""
        button.setProperty("iconName", icon)
        button.setProperty(ACCENTED, accented)
        self._tint(button)

    def icon(self, name: str, colour: str | None = None) -> QIcon:
        """One of our icons in a colour, by default that of text."""
        return _icon(name, colour or self.tokens.text, self.tokens.faint)

    def fit_font(self) -> None:
        """Take the sizes of the application's font, which is another one now."""
        sheet = style_sheet(self.tokens, self._app.font())
        if sheet != self._sheet:
            self._sheet = sheet
            self._app.setStyleSheet(sheet)
            self.changed.emit()

    def _on_system_change(self, _scheme: Qt.ColorScheme) -> None:
        self._apply()

    def _on_setting(self, option: Option) -> None:
        if option is APPEARANCE:
            self._apply()

    def _apply(self) -> None:
        scheme = self._wanted()
        if scheme == self._scheme:
            return
        self._scheme = scheme
        self._app.setPalette(_palette(self.tokens))
        self._sheet = style_sheet(self.tokens, self._app.font())
        self._app.setStyleSheet(self._sheet)
        for widget in self._app.allWidgets():
            if isinstance(widget, QAbstractButton) and widget.property("iconName"):
                self._tint(widget)
        self.changed.emit()

    def _wanted(self) -> Scheme:
        chosen = self._settings.get(APPEARANCE)
        if chosen != "system":
            return "dark" if chosen == "dark" else "light"
        return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"

    def _tint(self, button: QAbstractButton) -> None:
        colour = self.tokens.on_accent if button.property(ACCENTED) else self.tokens.text
        button.setIcon(self.icon(str(button.property("iconName")), colour))


def style_sheet(tokens: Tokens, font: QFont) -> str:
    """The style sheet in these colours and sizes; raises KeyError for a token it does not have.

    Args:
        tokens: the colours.
        font: the application's; sizes of text and heights of fields follow it, as a style sheet knows pixels alone.
    """
    template = Template(STYLE.read_text(encoding="utf-8"))
    side, line = QFontInfo(font).pixelSize(), QFontMetrics(font).height()
    sizes = {f"{name}_text": f"{max(9, round(factor * side))}px" for name, factor in FONT_SIZES.items()}
    heights = {
        "field_height": f"{max(30, line + 12)}px",
        # The height of a combo box
        "spin_height": f"{max(27, line + 9)}px",
        "row_height": f"{max(28, line + 10)}px",
        "slim_height": f"{max(20, line + 4)}px",
    }
    return template.substitute(asdict(tokens), **SHAPE, **sizes, **heights, icons=ICONS.as_posix())


def app_icon() -> QIcon:
    """The program's mark, in the sizes that window systems ask for."""
    icon = QIcon()
    for side in (16, 24, 32, 48, 64, 128, 256):
        icon.addPixmap(_render((ICONS / "srgan-desktop.svg").read_bytes(), side))
    return icon


def repolish(widget: QWidget) -> None:
    """Make a widget look again at which rules of the style sheet fit its properties."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)


@lru_cache(maxsize=256)
def _icon(name: str, colour: str, disabled: str) -> QIcon:
    return QIcon(_Drawing(name, colour, disabled))


class _Drawing(QIconEngine):
    """One of our icons, drawn in the sizes that are seen, when they are: the window has forty at its start."""

    def __init__(self, name: str, colour: str, disabled: str) -> None:
        super().__init__()
        self._made_of = name, colour, disabled
        self._pixmaps: dict[tuple[int, bool], QPixmap] = {}

    def clone(self) -> QIconEngine:
        return _Drawing(*self._made_of)

    def pixmap(self, size: QSize, mode: QIcon.Mode, _state: QIcon.State) -> QPixmap:
        name, colour, disabled = self._made_of
        key = min(size.width(), size.height()), mode is QIcon.Mode.Disabled
        if key not in self._pixmaps:
            drawing = (ICONS / f"{name}.svg").read_text(encoding="utf-8")
            tint = disabled if mode is QIcon.Mode.Disabled else colour
            self._pixmaps[key] = _render(drawing.replace("currentColor", tint).encode(), key[0])
        return self._pixmaps[key]

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        pixmap = self.pixmap(rect.size() * painter.device().devicePixelRatioF(), mode, state)
        side = min(rect.width(), rect.height())
        place = QRect(0, 0, side, side)
        place.moveCenter(rect.center())
        painter.drawPixmap(place, pixmap)


def _render(drawing: bytes, side: int) -> QPixmap:
    pixmap = QPixmap(QSize(side, side))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(drawing)).render(painter, QRectF(0, 0, side, side))
    painter.end()
    return pixmap


def _palette(tokens: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for each, colour in {
        role.Window: tokens.window,
        role.WindowText: tokens.text,
        role.Base: tokens.surface,
        role.AlternateBase: tokens.raised,
        role.Text: tokens.text,
        role.PlaceholderText: tokens.muted,
        role.Button: tokens.raised,
        role.ButtonText: tokens.text,
        role.BrightText: tokens.bad,
        role.ToolTipBase: tokens.raised,
        role.ToolTipText: tokens.text,
        role.Highlight: tokens.accent,
        role.HighlightedText: tokens.on_accent,
        role.Accent: tokens.accent,
        role.Link: tokens.accent_text,
        role.LinkVisited: tokens.accent_text,
        role.Light: tokens.raised,
        role.Midlight: tokens.raised,
        role.Mid: tokens.border,
        role.Dark: tokens.strong_border,
        role.Shadow: tokens.window,
    }.items():
        palette.setColor(each, QColor(colour))
    for each in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, QColor(tokens.faint))
    return palette
