"""The queue on the screen: a table whose cells are painted, so that a row costs nothing until it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import (
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QDrag, QFont, QFontInfo, QFontMetrics, QKeyEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from core.language import gettext as _
from core.language import percent, sentences
from srgan_desktop import problems
from srgan_desktop.background import Throttle
from srgan_desktop.desktop import mime_of
from srgan_desktop.problems import Problem
from srgan_desktop.theme import Theme
from srgan_desktop.thumbnails import paint_thumbnail
from srgan_desktop.upscale.queue_model import (
    DIFFERS,
    ENTRY,
    FAITHFUL,
    THUMBNAIL,
    Column,
    Entry,
    Queue,
    State,
    dimensions,
    shown_name,
)

ROW_PADDING = 26
"""Height of a row beyond its two lines."""
MARGIN = 10
PICTURE = 40
"""Side of the box a thumbnail is shown in."""
FILTER_ROWS = 500
FILTER_MS = 100
"""What changes within this time is filtered once."""
NARROW = 470
"""Width beside the sizes under which there is no room for three more columns."""

Index = QModelIndex | QPersistentModelIndex


class QueueView(QTableView):
    """Shows a `Queue`; Del removes, Return opens, the rest is in the page's menu."""

    remove_requested = Signal()
    open_requested = Signal()

    def __init__(self, queue: Queue, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._matches: Callable[[Entry], bool] | None = None
        self.setModel(queue)
        self.setAccessibleName(_("Queue"))
        self.setItemDelegate(QueueDelegate(queue, theme, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        # Tab leaves the table, as arrow keys walk within it.
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        rows = self.verticalHeader()
        rows.hide()
        # Fixed, or the view measures every row.
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        columns = self.horizontalHeader()
        columns.setHighlightSections(False)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        # Unsorted until somebody clicks on a title, and again after the third click.
        columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        columns.setSortIndicatorClearable(True)
        self.setSortingEnabled(True)
        self._filtered = 0
        """Rows that were looked at for the filter in force."""
        self._filter_on = Throttle(0, self._filter_slice, self)
        self._filter_soon = Throttle(FILTER_MS, self._filter_again, self)
        for changed in (queue.rowsInserted, queue.dataChanged, queue.layoutChanged):
            changed.connect(self._filter_later)
        self._hovered = -1
        self.entered.connect(self._on_entered)
        theme.changed.connect(self._repaint)
        self._fit_columns()

    def selected_rows(self) -> list[int]:
        """Top to bottom, without those that are filtered out."""
        rows = (index.row() for index in self.selectionModel().selectedRows())
        return sorted(row for row in rows if not self.isRowHidden(row))

    def show_only(self, matches: Callable[[Entry], bool] | None) -> None:
        """Show the rows that match; all with None."""
        self._matches = matches
        self._filter_again()

    def _filter_again(self) -> None:
        self._filtered = 0
        self._filter_slice()

    def _filter_slice(self) -> None:
        """Hide what does not match, some hundred rows a turn of the event loop, so that no frame is late."""
        matches, entries = self._matches, self._queue.entries
        last = min(self._filtered + FILTER_ROWS, len(entries))
        for row in range(self._filtered, last):
            hidden = matches is not None and not matches(entries[row])
            if hidden != self.isRowHidden(row):
                self.setRowHidden(row, hidden)
        self._filtered = last
        if last < len(entries):
            self._filter_on.soon()

    def startDrag(self, _actions: Qt.DropAction) -> None:
        """Drag results to wherever files can be dropped; sources where there is no result yet."""
        paths = self.files_of(self.selected_rows())
        if paths:
            drag = QDrag(self)
            drag.setMimeData(mime_of(paths))
            drag.exec(Qt.DropAction.CopyAction)

    def files_of(self, rows: Iterable[int]) -> list[Path]:
        """The results of these rows, or their sources."""
        chosen = [self._queue.entries[row] for row in rows]
        return [(entry.output if entry.has_result else None) or entry.path for entry in chosen]

    def choose(self, row: int) -> None:
        """Make a row the current and the only selected one; `selectRow` would heed a modifier that is held just now."""
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(self.model().index(row, 0), flags)

    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        # The frame goes round a whole row, of which Qt repaints one cell where the row is not selected.
        self.viewport().update()

    @property
    def hovered_row(self) -> int:
        """The row under the pointer, or -1."""
        return self._hovered

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_width()
        # A message above the queue makes it lower: the row in use must not sink under its edge.
        current = self.currentIndex()
        if current.isValid() and event.size().height() < event.oldSize().height():
            was = QRect(0, 0, event.oldSize().width(), event.oldSize().height())
            if was.intersects(self.visualRect(current)):
                self.scrollTo(current)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._hover(-1)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_columns()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_requested.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_requested.emit()
        elif event.key() in (Qt.Key.Key_Home, Qt.Key.Key_End) and not event.modifiers():
            # To the ends of the queue; a table would go to those of the row.
            self.choose(0 if event.key() == Qt.Key.Key_Home else self.model().rowCount() - 1)
        else:
            super().keyPressEvent(event)

    def _fit_columns(self) -> None:
        metrics = self.fontMetrics()
        self.verticalHeader().setDefaultSectionSize(row_height(metrics))
        columns = self.horizontalHeader()
        title = QFont(self.font())
        title.setWeight(QFont.Weight.DemiBold)
        columns.resizeSection(Column.SIZE, metrics.horizontalAdvance("→ 00000 × 00000") + 2 * MARGIN)
        columns.resizeSection(Column.CONSISTENCY, QFontMetrics(title).horizontalAdvance(DIFFERS) + 2 * MARGIN + 6)
        self._share_width()

    def _share_width(self) -> None:
        """Give names and states what is left; where that is little, consistency makes room for them."""
        columns = self.horizontalHeader()
        free = self.viewport().width() - columns.sectionSize(Column.SIZE)
        narrow = free < NARROW
        self.setColumnHidden(Column.CONSISTENCY, narrow)
        if not narrow:
            free -= columns.sectionSize(Column.CONSISTENCY)
        columns.resizeSection(Column.PICTURE, free // 2)
        columns.resizeSection(Column.STATE, free - free // 2)

    def _filter_later(self) -> None:
        if self._matches is not None:
            self._filter_soon.soon()

    def _on_entered(self, index: QModelIndex) -> None:
        self._hover(index.row())

    def _hover(self, row: int) -> None:
        self._hovered = row
        self.viewport().update()

    def _repaint(self) -> None:
        self.viewport().update()


def row_height(metrics: QFontMetrics) -> int:
    """The height of a row with two lines in this font."""
    return max(PICTURE + 14, 2 * metrics.height() + ROW_PADDING)


class QueueDelegate(QStyledItemDelegate):
    """Paints two lines a cell: what matters, and below it, quieter, what belongs to it."""

    def __init__(self, queue: Queue, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._queue = queue
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, row_height(option.fontMetrics))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        entry: Entry = index.data(ENTRY)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, option, index)
        box = option.rect.adjusted(MARGIN, 6, -MARGIN, -6)
        match Column(index.column()):
            case Column.PICTURE:
                thumbnail = index.data(THUMBNAIL)
                paint_thumbnail(
                    self._theme,
                    painter,
                    QRect(box.left(), box.center().y() - PICTURE // 2 + 1, PICTURE, PICTURE),
                    thumbnail,
                )
                self._paint_lines(
                    painter,
                    option,
                    box.adjusted(PICTURE + MARGIN, 0, 0, 0),
                    shown_name(entry.path),
                    str(entry.path.parent),
                )
            case Column.SIZE:
                after = self._queue.output_size_of(entry)
                self._paint_lines(
                    painter,
                    option,
                    box,
                    dimensions(entry.size),
                    f"→ {dimensions(after)}" if after and entry.size else "",
                )
            case Column.STATE:
                self._paint_state(painter, option, box, entry)
            case Column.CONSISTENCY:
                if entry.consistency is not None:
                    colour = self._theme.tokens.warn if entry.differs_much else self._theme.tokens.good
                    words = DIFFERS if entry.differs_much else FAITHFUL
                    self._paint_lines(painter, option, box, words, "", colour)
        painter.restore()

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        tokens = self._theme.tokens
        view = self.parent()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(tokens.selection))
        elif isinstance(view, QueueView) and view.hovered_row == index.row():
            painter.fillRect(option.rect, QColor(tokens.raised))
        painter.setPen(QPen(QColor(tokens.border), 1))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
        if isinstance(view, QueueView) and view.hasFocus() and view.currentIndex().row() == index.row():
            # The whole row has the focus ring, a part of it in every cell.
            pen = QPen(QColor(tokens.accent_text), 2)
            painter.setPen(pen)
            ring = option.rect.adjusted(0, 1, 0, -2)
            painter.drawLine(ring.topLeft(), ring.topRight())
            painter.drawLine(ring.bottomLeft(), ring.bottomRight())
            if index.column() == 0:
                painter.drawLine(ring.left() + 1, ring.top(), ring.left() + 1, ring.bottom())
            if option.rect.right() >= view.viewport().width() - 1:
                painter.drawLine(ring.right(), ring.top(), ring.right(), ring.bottom())

    def _paint_state(self, painter: QPainter, option: QStyleOptionViewItem, box: QRect, entry: Entry) -> None:
        tokens = self._theme.tokens
        match entry.state:
            case State.WAITING:
                self._paint_waiting(painter, option, box, entry)
            case State.WORKING:
                words = f"{self._queue.working_word()}  {percent(entry.fraction)}"
                paused = self._queue.paused
                self._paint_lines(painter, option, box, words, " ", tokens.warn if paused else tokens.accent_text)
                groove = QRectF(box.left(), box.bottom() - 11, box.width(), 6)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(tokens.border))
                painter.drawRoundedRect(groove, 3, 3)
                groove.setWidth(max(6.0, groove.width() * min(1.0, entry.fraction)))
                painter.setBrush(QColor(tokens.warn if paused else tokens.accent))
                painter.drawRoundedRect(groove, 3, 3)
            case State.DONE:
                below = sentences(entry.notes) or (shown_name(entry.output) if entry.output else "")
                words = _("Saved in {duration}").format(duration=problems.seconds(entry.seconds))
                colour = tokens.warn if entry.differs_much else tokens.good
                self._paint_lines(painter, option, box, words, below, colour)
            case State.SKIPPED:
                self._paint_lines(painter, option, box, State.SKIPPED.value, sentences(entry.notes), tokens.muted)
            case State.FAILED:
                self._paint_problem(painter, option, box, entry.problem or Problem(State.FAILED.value))

    def _paint_waiting(self, painter: QPainter, option: QStyleOptionViewItem, box: QRect, entry: Entry) -> None:
        if entry.problem is None:
            self._paint_lines(painter, option, box, State.WAITING.value, entry.own_words, self._theme.tokens.muted)
        else:
            self._paint_problem(painter, option, box, entry.problem)

    def _paint_problem(self, painter: QPainter, option: QStyleOptionViewItem, box: QRect, problem: Problem) -> None:
        elide = Qt.TextElideMode.ElideRight
        self._paint_lines(painter, option, box, problem.message, problem.hint, self._theme.tokens.bad, elide)

    def _paint_lines(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        box: QRect,
        first: str,
        second: str,
        colour: str | None = None,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        tokens = self._theme.tokens
        upper, lower = QRect(box), QRect(box)
        if second:
            upper.setBottom(box.center().y())
            lower.setTop(box.center().y() + 1)
        painter.setFont(option.font)
        painter.setPen(QColor(colour or tokens.text))
        metrics = QFontMetrics(option.font)
        elided = metrics.elidedText(first, elide, box.width())
        painter.drawText(upper, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), elided)
        if second.strip():
            small = QFont(option.font)
            small.setPointSizeF(QFontInfo(small).pointSizeF() * 0.88)
            painter.setFont(small)
            painter.setPen(QColor(tokens.muted))
            elided = QFontMetrics(small).elidedText(second, elide, box.width())
            painter.drawText(lower, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), elided)
