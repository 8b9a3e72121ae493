"""Which picture models are tried on, and which part of it: a rectangle to draw, to move, and to type with arrows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import QPoint, QRectF, QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.contract.upscale import Region
from core.language import gettext as _
from srgan_desktop.fields import Elided, titled
from srgan_desktop.models.session import ModelsSession
from srgan_desktop.models.trial_picture import LEAST_SIDE, TrialPicture, whole
from srgan_desktop.pixels import to_qpixmap
from srgan_desktop.theme import Theme

STEP = 1 / 24
"""How much of the picture's longer side an arrow key moves; a quarter of it with Control."""

MOST_HEIGHT = 240
"""Height of the small picture in pixels, where there is room."""
EDGE = 6
"""Left free around it for the rectangle's line and the focus."""


class PictureCard(QWidget):
    """The session's picture, with the part that one kind of trial takes."""

    file_requested = Signal()
    queue_requested = Signal()

    def __init__(
        self,
        theme: Theme,
        session: ModelsSession,
        region: Callable[[], Region],
        choose: Callable[[Region], None],
        most: int,
        parent: QWidget | None = None,
    ) -> None:
        """Show no picture yet.

        Args:
            theme: for colours and icons.
            session: has the picture.
            region: the part that is taken.
            choose: takes another.
            most: pixels of the largest part.
            parent: what this stands in.
        """
        super().__init__(parent)
        self._session = session
        self._region = region
        self._choose = choose
        self._most = most
        self.name = Elided(mode=Qt.TextElideMode.ElideMiddle)
        self.change = self._tool(theme, "folder", _("Choose another picture"), self.file_requested)
        self.from_queue = self._tool(
            theme, "queue", _("Use the picture selected on the Upscale page"), self.queue_requested
        )
        self.picker = RegionPicker(theme)
        self.words = Elided("muted")
        self.all = QPushButton(_("All of it"))
        self.all.setProperty("role", "link")
        self.all.clicked.connect(self._take_all)
        self.choose_file = QPushButton(_("Choose a picture…"))
        self.choose_file.clicked.connect(self.file_requested)
        self.choose_queued = QPushButton(_("From the Upscale page"))
        self.choose_queued.setToolTip(_("Use the picture selected there"))
        self.choose_queued.clicked.connect(self.queue_requested)
        self.contents = QStackedWidget(self)
        self._lay_out(theme)
        self.picker.region_chosen.connect(choose)
        session.picture_changed.connect(self.show_picture)
        self.show_picture()

    def show_picture(self) -> None:
        """Bring everything in line with the session."""
        session, picture = self._session, self._session.picture
        self.contents.setCurrentIndex(0 if picture is None else 1)
        self.opening.setVisible(session.opening is not None)
        self.opening.say(_("Opening {name}…").format(name=session.opening.name) if session.opening is not None else "")
        if picture is None:
            return
        region = self._region()
        self.name.say(session.opening.name if session.opening is not None else picture.path.name, str(picture.path))
        self.picker.show_region(picture, region)
        width, height = picture.size
        is_all = region == whole(picture.size, self._most)
        self.all.setVisible(not is_all)
        capped = width * height > self._most
        self.all.setText(_("Largest possible") if capped else _("All of it"))
        self.all.setToolTip(_("At most {most:.0f} megapixels").format(most=self._most / 1e6) if capped else "")
        words = (
            _("All of {width:,} × {height:,} pixels")
            if region[2:] == picture.size
            else _("{part_width:,} × {part_height:,} of {width:,} × {height:,} pixels")
        )
        self.words.say(words.format(width=width, height=height, part_width=region[2], part_height=region[3]))

    def show_queue(self, available: bool) -> None:
        """Whether the Upscale page has a picture to take."""
        self.from_queue.setEnabled(available)
        self.choose_queued.setEnabled(available)

    def _take_all(self) -> None:
        if self._session.picture is not None:
            self._choose(whole(self._session.picture.size, self._most))

    def _tool(self, theme: Theme, icon: str, words: str, signal: SignalInstance) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(18, 18))
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        theme.set_icon(button, icon)
        button.clicked.connect(signal)
        return button

    def _lay_out(self, theme: Theme) -> None:
        self.opening = Elided("muted")
        hint = titled(_("Drop a picture here"))
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        empty = QWidget(self.contents)
        inside = QVBoxLayout(empty)
        inside.setContentsMargins(0, 4, 0, 4)
        inside.setSpacing(8)
        inside.addWidget(hint)
        for button in (self.choose_file, self.choose_queued):
            inside.addWidget(button)
        inside.addWidget(self.opening)
        inside.addStretch(1)
        head = QHBoxLayout()
        head.setSpacing(2)
        head.addWidget(self.name, 1)
        head.addWidget(self.change)
        head.addWidget(self.from_queue)
        foot = QHBoxLayout()
        foot.setSpacing(4)
        foot.addWidget(self.words, 1)
        foot.addWidget(self.all)
        filled = QWidget(self.contents)
        column = QVBoxLayout(filled)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(head)
        column.addWidget(self.picker)
        column.addLayout(foot)
        column.addStretch(1)
        self.contents.addWidget(empty)
        self.contents.addWidget(filled)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.contents)


Drag = Literal["new", "move"]


class RegionPicker(QWidget):
    """A small picture with a rectangle: drag a new one, drag the old one elsewhere, or click where it should be.

    Arrow keys move it, with Shift they change its size.
    """

    region_chosen = Signal(object)
    """A `Region`, not fitted into the picture."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._picture: TrialPicture | None = None
        self._pixmap: QPixmap | None = None
        self._region: Region = (0, 0, 1, 1)
        self._drag: Drag | None = None
        self._from = (0.0, 0.0)
        self._before: Region = (0, 0, 1, 1)
        self._most = MOST_HEIGHT
        self.setMinimumSize(120, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName(_("Part of the picture"))
        self.setToolTip(_("Drag a rectangle over the part to test. Arrow keys move it; with Shift they resize it."))
        theme.changed.connect(self.update)

    def show_region(self, picture: TrialPicture, region: Region) -> None:
        """Show this picture with this part of it."""
        if picture is not self._picture:
            self._picture = picture
            self._pixmap = to_qpixmap(picture.thumbnail)
            self._drag = None
            self._fit()
        self._region = region
        self.setAccessibleDescription(
            _("{region} × {region_2} pixels at {region_3}, {region_4}").format(
                region=region[2], region_2=region[3], region_3=region[0], region_4=region[1]
            )
        )
        self.update()

    def limit_height(self, most: int) -> None:
        """Be no higher than this."""
        self._most = most
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def to_widget(self, x: float, y: float) -> QPoint:
        """Where a pixel of the picture is drawn."""
        place = self._place()
        scale = self._scale()
        return QPoint(round(place.x() + x * scale), round(place.y() + y * scale))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._picture is None or event.button() != Qt.MouseButton.LeftButton:
            return
        self._from = self._to_picture(event)
        self._before = self._region
        x, y, width, height = self._region
        inside = x <= self._from[0] < x + width and y <= self._from[1] < y + height
        # A rectangle over the whole picture cannot be moved: then a drag draws.
        self._drag = "move" if inside and (width, height) != self._picture.size else "new"

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is None or self._picture is None:
            return
        (x, y), (from_x, from_y) = self._to_picture(event), self._from
        if self._drag == "move":
            left, top, width, height = self._before
            self.region_chosen.emit((round(left + x - from_x), round(top + y - from_y), width, height))
        elif max(abs(x - from_x), abs(y - from_y)) * self._scale() >= 4:
            x, y = self._clipped(x, y)
            from_x, from_y = self._clipped(from_x, from_y)
            left, top = round(min(x, from_x)), round(min(y, from_y))
            self.region_chosen.emit((left, top, round(abs(x - from_x)), round(abs(y - from_y))))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag == "new" and self._region == self._before and self._picture is not None:
            # A click: the same rectangle, there.
            x, y = self._to_picture(event)
            _rest, _rest, width, height = self._before
            self.region_chosen.emit((round(x - width / 2), round(y - height / 2), width, height))
        self._drag = None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        arrows = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if self._picture is None or event.key() not in arrows:
            super().keyPressEvent(event)
            return
        step = max(1, round(max(self._picture.size) * STEP))
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            step = max(1, step // 4)
        right, down = (each * step for each in arrows[Qt.Key(event.key())])
        x, y, width, height = self._region
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            size = (max(LEAST_SIDE, width + right), max(LEAST_SIDE, height + down))
            self.region_chosen.emit((x, y, *size))
        else:
            self.region_chosen.emit((x + right, y + down, width, height))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._pixmap is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        place = self._place()
        painter.drawPixmap(place, self._pixmap, QRectF(self._pixmap.rect()))
        x, y, width, height = self._region
        scale = self._scale()
        part = QRectF(place.x() + x * scale, place.y() + y * scale, width * scale, height * scale)
        painter.save()
        painter.setClipRect(place)
        shade = QColor(0, 0, 0, 130)
        for each in (
            QRectF(place.left(), place.top(), place.width(), part.top() - place.top()),
            QRectF(place.left(), part.bottom(), place.width(), place.bottom() - part.bottom()),
            QRectF(place.left(), part.top(), part.left() - place.left(), part.height()),
            QRectF(part.right(), part.top(), place.right() - part.right(), part.height()),
        ):
            painter.fillRect(each, shade)
        painter.restore()
        painter.setPen(QPen(QColor("#ffffff"), 3))
        painter.drawRect(part)
        painter.setPen(QPen(QColor(self._theme.tokens.accent), 1.5))
        painter.drawRect(part)
        if self.hasFocus():
            painter.setPen(QPen(QColor(self._theme.tokens.accent_text), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _fit(self) -> None:
        """Be as high as the picture is at this width."""
        if self._picture is not None:
            width, height = self._picture.size
            self.setFixedHeight(max(96, min(self._most, (self.width() - EDGE) * height // width + EDGE)))

    def _scale(self) -> float:
        """Screen pixels for one of the picture."""
        if self._picture is None:
            return 1.0
        width, height = self._picture.size
        return min((self.width() - EDGE) / width, (self.height() - EDGE) / height)

    def _place(self) -> QRectF:
        if self._picture is None:
            return QRectF()
        width, height = (side * self._scale() for side in self._picture.size)
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    def _to_picture(self, event: QMouseEvent) -> tuple[float, float]:
        place = self._place()
        at = event.position()
        return (at.x() - place.x()) / self._scale(), (at.y() - place.y()) / self._scale()

    def _clipped(self, x: float, y: float) -> tuple[float, float]:
        assert self._picture is not None
        return min(max(0.0, x), self._picture.size[0]), min(max(0.0, y), self._picture.size[1])
