"""The chosen pictures: how many can be learned from, which are quarantined and why, and what the network will see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFontInfo,
    QFontMetrics,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.contract.training import PictureQuarantined, SamplesReady
from core.language import gettext as _
from core.language import headed, listed, shown_number
from srgan_desktop import settings
from srgan_desktop.fields import Choice, Elided, Scrolled, quiet, titled
from srgan_desktop.pixels import to_qpixmap
from srgan_desktop.problems import Problem
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme
from srgan_desktop.thumbnails import Thumbnails, paint_thumbnail
from srgan_desktop.training.session import TrainSession

KINDS = {
    "unreadable": _("Unreadable"),
    "small": _("Too small"),
    "duplicate": _("Near-duplicate"),
    "upscaled": _("Enlarged or out of focus"),
    "compressed": _("Heavily compressed"),
    "unpaired": _("Without a partner"),
    "mismatch": _("Pair that does not match"),
}
ROW_PADDING = 22
PICTURE = 38
MARGIN = 10
SAMPLE_SIDE = 104

Index = QModelIndex | QPersistentModelIndex


class PicturesCard(QFrame):
    """Shows the session's examination of the chosen folder."""

    folder_requested = Signal()
    held_out_requested = Signal()
    report_requested = Signal(object)
    """Path of a picture that is to be opened."""

    def __init__(self, theme: Theme, session: TrainSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.session = session
        self.thumbnails = Thumbnails(self)
        self._area = Scrolled("pictures", self)
        inside = self._area.inside
        self.folder = Elided(mode=Qt.TextElideMode.ElideMiddle)
        self.change = QPushButton(_("C&hange…"))
        self.change.setToolTip(_("Choose another folder of pictures, or drop one (Ctrl+O)"))
        self.change.clicked.connect(self.folder_requested)
        self.held_out = Elided("muted", Qt.TextElideMode.ElideMiddle)
        self.choose_held_out = QPushButton(_("Choose…"))
        self.choose_held_out.setProperty("role", "link")
        self.choose_held_out.setToolTip(settings.TRAIN_VALIDATION.tooltip)
        self.choose_held_out.setAccessibleName(_("Choose a folder of test pictures"))
        self.choose_held_out.clicked.connect(self.held_out_requested)
        self.drop_held_out = QToolButton()
        self.drop_held_out.setIconSize(QSize(14, 14))
        self.drop_held_out.setToolTip(_("Take test pictures from this folder instead"))
        self.drop_held_out.setAccessibleName(_("Take test pictures from this folder instead"))
        theme.set_icon(self.drop_held_out, "reset")
        self.drop_held_out.clicked.connect(lambda: session.settings.set(settings.TRAIN_VALIDATION, ""))

        self.learn, self.hold, self.quarantined = (
            _Count(_("for training"), inside),
            _Count(_("for testing"), inside),
            _Count(_("quarantined"), inside),
        )
        self.progress = ProgressLine(theme)
        self.progress.setAccessibleName(_("Checking the pictures"))
        self.words = quiet()
        self.kind = Choice(inside)
        self.kind.setAccessibleName(_("Which of the quarantined pictures"))
        self.model = QuarantineList(self.thumbnails)
        self.list = QListView(inside)
        self.list.setModel(self.model)
        self.list.setAccessibleName(_("Quarantined pictures"))
        self.list.setItemDelegate(_QuarantineDelegate(theme, self.list))
        self.list.setUniformItemSizes(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setMinimumHeight(2 * _row_height(self.list.fontMetrics()))
        self.samples = SampleStrip(theme)
        self.sample_words = quiet()
        self._lay_out()

        self.kind.currentIndexChanged.connect(self._filter)
        self.list.activated.connect(lambda index: self.report_requested.emit(self.model.entry(index.row()).path))
        session.examiner.changed.connect(self.show_state)
        session.draft.changed.connect(self._show_degradation)
        session.examiner.samples_ready.connect(self._on_samples)
        theme.changed.connect(self.list.viewport().update)
        self.show_state()
        self._show_degradation()

    def show_state(self) -> None:
        """Bring everything in line with the session."""
        found, data = self.session.examiner.found, self.session.data
        self.folder.say(str(data) if data else "")
        validation = self.session.settings.get(settings.TRAIN_VALIDATION)
        self.held_out.say(
            _("Test pictures: {validation}").format(validation=validation)
            if validation
            else _("Test pictures: {count} taken from this folder").format(count=self._taken_from_folder())
        )
        self.drop_held_out.setVisible(bool(validation))
        finished = found.finished
        for count, value in (
            (self.learn, finished.training if finished else None),
            (self.hold, finished.validation if finished else None),
            (self.quarantined, finished.quarantined if finished else len(found.quarantined) or None),
        ):
            count.show_number(value)
        self.progress.setVisible(found.running)
        self.progress.show_fraction(found.done / found.total if found.total else None)
        self.words.setText(self._words())
        self.words.setProperty("role", "fault" if found.problem else "muted")
        self.words.style().polish(self.words)
        self.words.setVisible(bool(self.words.text()))
        self._show_kinds(found.quarantined)
        self._filter()
        some = bool(found.quarantined)
        self.quarantine_title.setVisible(some)
        self.kind.setVisible(some)
        self.list.setVisible(some)
        self.filler.setVisible(not some)

    def _taken_from_folder(self) -> str:
        """Where test pictures come from that nobody chose."""
        finished = self.session.examiner.found.finished
        return _("some") if finished is None else shown_number(finished.validation, ",")

    def close_threads(self) -> None:
        """Let the thumbnails' threads end."""
        self.thumbnails.close()

    def _words(self) -> str:
        found = self.session.examiner.found
        if found.problem is not None:
            return f"{found.problem.message} {found.problem.hint}"
        if found.waiting and not found.running and found.finished is None:
            return _("The pictures are checked when the current run ends.")
        if found.running:
            if found.total:
                return _("Checking pictures: {done:,} of {total:,}").format(done=found.done, total=found.total)
            return _("Starting the engine…")
        if found.finished is None:
            return ""
        if found.finished.advice:
            return found.finished.advice
        if not found.quarantined:
            return _("All pictures are usable: none broken, too small, duplicate, upscaled or heavily compressed.")
        return ""

    def _show_kinds(self, quarantined: Sequence[PictureQuarantined]) -> None:
        counts = Counter(each.kind for each in quarantined)
        wanted: list[tuple[str | None, str]] = [(None, _("All {count:,}").format(count=len(quarantined)))]
        wanted += [(kind, headed(KINDS[kind], shown_number(count, ","))) for kind, count in counts.most_common()]
        if wanted == [(self.kind.itemData(row), self.kind.itemText(row)) for row in range(self.kind.count())]:
            return
        chosen = self.kind.currentData()
        self.kind.blockSignals(True)
        self.kind.clear()
        for kind, label in wanted:
            self.kind.addItem(label, kind)
        self.kind.setCurrentIndex(max(0, self.kind.findData(chosen)))
        self.kind.blockSignals(False)

    def _filter(self) -> None:
        kind = self.kind.currentData()
        self.model.show_entries([e for e in self.session.examiner.found.quarantined if kind is None or e.kind == kind])

    def _show_degradation(self) -> None:
        recipe = self.session.draft.recipe
        if recipe is None:
            return
        how = (
            _("reduced cleanly (bicubic)")
            if recipe.data.degradation == "bicubic"
            else _("blurred, noisy and compressed at random (blind), as worn pictures are")
        )
        self.sample_words.setText(
            _("Left: the low-resolution input, {how}. Right: the original it should become.").format(how=how)
        )

    def _on_samples(self, samples: object) -> None:
        if isinstance(samples, SamplesReady):
            self.samples.show_pairs(samples.pairs)
        elif isinstance(samples, Problem):
            self.samples.show_pairs(())

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(10)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(titled(_("Pictures"), "title"))
        words.addWidget(self.folder)
        top.addLayout(words, 1)
        top.addWidget(self.change, 0, Qt.AlignmentFlag.AlignTop)
        held = QHBoxLayout()
        held.setSpacing(4)
        held.addWidget(self.held_out, 1)
        held.addWidget(self.drop_held_out)
        held.addWidget(self.choose_held_out)
        counts = QHBoxLayout()
        counts.setSpacing(8)
        for count in (self.learn, self.hold, self.quarantined):
            counts.addWidget(count, 1)
        self.quarantine_title = titled(_("Quarantined, and why"))
        heading = QHBoxLayout()
        heading.setSpacing(8)
        heading.addWidget(self.quarantine_title)
        heading.addStretch(1)
        heading.addWidget(self.kind, 1)
        self.filler = QWidget()
        column = QVBoxLayout(self._area.inside)
        column.setContentsMargins(16, 12, 14, 12)
        column.setSpacing(8)
        column.addLayout(top)
        column.addLayout(held)
        column.addLayout(counts)
        column.addWidget(self.progress)
        column.addWidget(self.words)
        column.addLayout(heading)
        column.addWidget(self.list, 2)
        column.addWidget(titled(_("What the network will see")))
        column.addWidget(self.sample_words)
        column.addWidget(self.samples, 1)
        column.addWidget(self.filler, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 1, 1, 1)
        outer.addWidget(self._area)


class QuarantineList(QAbstractListModel):
    """Pictures that are not trained on; a row costs nothing until it is seen."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__(thumbnails)
        self._thumbnails = thumbnails
        self._entries: list[PictureQuarantined] = []
        self._rows: dict[Path, int] = {}
        thumbnails.made.connect(self._on_made)

    def show_entries(self, entries: Sequence[PictureQuarantined]) -> None:
        """Show these; where there are only more of them, what is seen stays where it is."""
        entries = list(entries)
        old = len(self._entries)
        if entries == self._entries:
            return
        if entries[:old] == self._entries:
            self.beginInsertRows(QModelIndex(), old, len(entries) - 1)
            self._entries = entries
            self.endInsertRows()
        else:
            self.beginResetModel()
            self._entries = entries
            self.endResetModel()
        self._rows = {each.path: row for row, each in enumerate(entries)}

    def entry(self, row: int) -> PictureQuarantined:
        """The picture in a row."""
        return self._entries[row]

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        entry = self._entries[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return entry.path.name
            case Qt.ItemDataRole.UserRole:
                return entry
            case Qt.ItemDataRole.DecorationRole:
                return self._thumbnails.get(entry.path)
            case Qt.ItemDataRole.ToolTipRole:
                return f"{entry.path}\n{headed(KINDS[entry.kind], entry.reason)}"
            case Qt.ItemDataRole.AccessibleTextRole:
                return listed((entry.path.name, headed(KINDS[entry.kind], entry.reason)))
        return None

    def _on_made(self, path: Path) -> None:
        row = self._rows.get(path)
        if row is not None and row < len(self._entries):
            self.dataChanged.emit(self.index(row), self.index(row), [Qt.ItemDataRole.DecorationRole])


class SampleStrip(QWidget):
    """Pairs of LR, enlarged without smoothing, and HR; as many as there is room for."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._pairs: list[tuple[QPixmap, QPixmap]] = []
        self.setMinimumHeight(SAMPLE_SIDE)
        self.setAccessibleName(_("Samples of LR and HR"))
        theme.changed.connect(self.update)

    @property
    def count(self) -> int:
        """Pairs that there are."""
        return len(self._pairs)

    def show_pairs(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Show others."""
        self._pairs = [(to_qpixmap(lr), to_qpixmap(hr)) for lr, hr in pairs]
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._pairs:
            painter.setPen(QColor(tokens.muted))
            painter.drawText(
                self.rect(), int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop), _("No samples yet")
            )
            painter.end()
            return
        side, gap, between = min(SAMPLE_SIDE, self.height()), 2, 12
        across = max(1, (self.width() + between) // (2 * side + gap + between))
        down = max(1, (self.height() + between) // (side + between))
        # Larger where that fills the row.
        side = min(self.height(), ((self.width() + between) // across - between - gap) // 2) if down == 1 else side
        for number, pair in enumerate(self._pairs[: across * down]):
            x = number % across * (2 * side + gap + between)
            y = number // across * (side + between)
            shape = QPainterPath()
            shape.addRoundedRect(QRectF(x, y, 2 * side + gap, side), 6, 6)
            painter.save()
            painter.setClipPath(shape)
            for place, pixmap in enumerate(pair):
                # LR as it is, pixel by pixel; HR smoothly.
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, place == 1)
                painter.drawPixmap(QRect(x + place * (side + gap), y, side, side), pixmap)
            painter.restore()
        painter.end()


class _Count(QFrame):
    """A number, and what it counts."""

    def __init__(self, what: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "count")
        self._what = what
        self._number = QLabel("–")
        self._number.setProperty("role", "number")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 6, 12, 6)
        column.setSpacing(0)
        column.addWidget(self._number)
        column.addWidget(titled(what, "muted"))

    @property
    def text(self) -> str:
        """What it says."""
        return f"{self._number.text()} {self._what}"

    def show_number(self, number: int | None) -> None:
        self._number.setText("–" if number is None else shown_number(number, ","))
        self.setAccessibleName(self.text)


class _QuarantineDelegate(QStyledItemDelegate):
    """Thumbnail, name, and the reason below it."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(120, _row_height(option.fontMetrics))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry: PictureQuarantined = index.data(Qt.ItemDataRole.UserRole)
        tokens = self._theme.tokens
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(tokens.selection))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, QColor(tokens.raised))
        painter.setPen(QPen(QColor(tokens.border), 1))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
        box = option.rect.adjusted(6, 5, -8, -6)
        paint_thumbnail(
            self._theme,
            painter,
            QRect(box.left(), box.top(), PICTURE, PICTURE),
            index.data(Qt.ItemDataRole.DecorationRole),
        )
        words = box.adjusted(PICTURE + MARGIN, 0, 0, 0)
        upper, lower = QRect(words), QRect(words)
        upper.setBottom(words.center().y())
        lower.setTop(words.center().y() + 1)
        painter.setFont(option.font)
        painter.setPen(QColor(tokens.text))
        flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        name = QFontMetrics(option.font).elidedText(entry.path.name, Qt.TextElideMode.ElideMiddle, upper.width())
        painter.drawText(upper, flags, name)
        small = option.font
        small.setPointSizeF(QFontInfo(small).pointSizeF() * 0.88)
        painter.setFont(small)
        painter.setPen(QColor(tokens.muted))
        reason = headed(KINDS[entry.kind], entry.reason)
        painter.drawText(
            lower, flags, QFontMetrics(small).elidedText(reason, Qt.TextElideMode.ElideRight, lower.width())
        )
        painter.restore()


def _row_height(metrics: QFontMetrics) -> int:
    return max(PICTURE + 12, 2 * metrics.height() + ROW_PADDING)
