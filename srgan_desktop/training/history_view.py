"""All runs on this computer: how each ended, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _
from srgan_desktop.dialogs import ask_for_name
from srgan_desktop.fields import Buttons, card, quiet, titled
from srgan_desktop.theme import Theme
from srgan_desktop.training.runs import RunRecord
from srgan_desktop.training.session import TrainingPhase, TrainSession


class RunColumn(IntEnum):
    """Columns of the table of runs."""

    RUN = 0
    BEGUN = 1
    STEPS = 2
    QUALITY = 3
    STATE = 4


TITLES = {
    RunColumn.RUN: _("Run"),
    RunColumn.BEGUN: _("Begun"),
    RunColumn.STEPS: _("Steps"),
    RunColumn.QUALITY: _("Quality"),
    RunColumn.STATE: _("State"),
}
ROW_PADDING = 24

Index = QModelIndex | QPersistentModelIndex


class HistoryView(QWidget):
    """A table of runs and its buttons. The page asks before anything is deleted."""

    open_requested = Signal(object)
    folder_requested = Signal(object)
    delete_requested = Signal(object)
    """Each with a `RunRecord`."""

    def __init__(self, theme: Theme, session: TrainSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.model = RunTable(theme, session)
        self.contents = QStackedWidget(self)
        full = card(self.contents)
        self.table = _Table(full)
        self.table.setModel(self.model)
        columns = self.table.horizontalHeader()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.open = self._button(theme, _("&Open"), "eye", _("Look at its curves and pictures (Return)"))
        self.resume = self._button(theme, _("&Resume"), "play", _("Continue exactly where it stopped"))
        self.use = self._button(theme, _("&Use this model"), "good", _("Add its model to yours, for the Upscale page"))
        self.rename = self._button(theme, _("Re&name…"), "rename", _("Give the run another name (F2)"))
        self.folder = self._button(theme, _("&Folder"), "folder", _("Show its files in the file manager"))
        self.delete = self._button(
            theme, _("&Delete…"), "remove", _("Delete the run with its pictures and saved states")
        )
        self.words = quiet()
        self.words.setContentsMargins(14, 8, 14, 0)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(10, 8, 10, 8)
        buttons.setSpacing(8)
        buttons.addWidget(Buttons(full, (self.open, self.resume, self.use), most=3, equal=False))
        buttons.addStretch(1)
        buttons.addWidget(Buttons(full, (self.rename, self.folder, self.delete), most=3, equal=False))
        column = QVBoxLayout(full)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addWidget(self.table, 1)
        column.addWidget(self.words)
        column.addLayout(buttons)
        self.contents.addWidget(_nothing(self.contents))
        self.contents.addWidget(full)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.contents)
        self._bind()
        self.show_runs()

    def current(self) -> RunRecord | None:
        """The selected run."""
        index = self.table.currentIndex()
        return self.model.record(index.row()) if index.isValid() else None

    def show_runs(self) -> None:
        """The list is another one; the same run stays selected."""
        chosen = self.current()
        self.model.show_runs(self.session.files.runs)
        self.contents.setCurrentIndex(1 if self.session.files.runs else 0)
        row = next((i for i, r in enumerate(self.session.files.runs) if chosen and r.folder == chosen.folder), 0)
        if self.session.files.runs:
            self.table.selectRow(row)
        self.show_state()

    def show_state(self) -> None:
        """Enable what can be done with the selected run."""
        record = self.current()
        active = record is not None and record.folder == self.session.active_folder
        self.open.setEnabled(record is not None)
        self.resume.setEnabled(record is not None and record.can_go_on and not self.session.busy)
        self.use.setEnabled(record is not None and not active and record.model is not None)
        self.use.setText(_("&Use this model") if record is None or record.finished else _("&Use the best so far"))
        self.rename.setEnabled(record is not None)
        self.folder.setEnabled(record is not None)
        self.delete.setEnabled(record is not None and not active)
        self.words.setText(_words(record))
        self.model.repaint()

    def _bind(self) -> None:
        self.session.files.listed.connect(self.show_runs)
        self.session.changed.connect(self.show_state)
        self.table.selectionModel().currentRowChanged.connect(self.show_state)
        self.table.doubleClicked.connect(self._open)
        self.table.open_requested.connect(self._open)
        self.table.delete_requested.connect(self._delete)
        self.table.rename_requested.connect(self._rename)
        self.rename.clicked.connect(self._rename)
        self.open.clicked.connect(self._open)
        self.resume.clicked.connect(self._resume)
        self.use.clicked.connect(self._use)
        self.folder.clicked.connect(self._folder)
        self.delete.clicked.connect(self._delete)

    def _open(self) -> None:
        if (record := self.current()) is not None:
            self.open_requested.emit(record)

    def _resume(self) -> None:
        if (record := self.current()) is not None and self.resume.isEnabled():
            self.session.resume(record.folder)

    def _use(self) -> None:
        if (record := self.current()) is not None:
            self.session.files.install(record)

    def _rename(self) -> None:
        if (record := self.current()) is not None:
            ask_for_name(
                self.window(),
                _("Rename a run"),
                _("Name of the run:"),
                record.name,
                lambda name: self.session.files.rename(record.folder, name),
            )

    def _folder(self) -> None:
        if (record := self.current()) is not None:
            self.folder_requested.emit(record.folder)

    def _delete(self) -> None:
        if (record := self.current()) is not None and self.delete.isEnabled():
            self.delete_requested.emit(record)

    def _button(self, theme: Theme, text: str, icon: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tooltip)
        button.setIconSize(QSize(16, 16))
        theme.set_icon(button, icon)
        return button


class RunTable(QAbstractTableModel):
    """Runs, the newest first."""

    def __init__(self, theme: Theme, session: TrainSession) -> None:
        super().__init__(session)
        self._theme = theme
        self._session = session
        self._runs: Sequence[RunRecord] = ()

    def show_runs(self, runs: Sequence[RunRecord]) -> None:
        """Show these."""
        self.beginResetModel()
        self._runs = list(runs)
        self.endResetModel()

    def record(self, row: int) -> RunRecord | None:
        """The run in a row."""
        return self._runs[row] if row < len(self._runs) else None

    def repaint(self) -> None:
        """A run's state may be another."""
        if self._runs:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._runs) - 1, len(RunColumn) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self._runs)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(RunColumn)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole and orientation is Qt.Orientation.Horizontal:
            return TITLES[RunColumn(section)]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        record = self._runs[index.row()]
        column = RunColumn(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(record, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return record.finished.verdict if record.finished else str(record.folder)
        if role == Qt.ItemDataRole.ForegroundRole and column is RunColumn.STATE:
            return QColor(self._colour(record))
        return None

    def _text(self, record: RunRecord, column: RunColumn) -> str:
        match column:
            case RunColumn.RUN:
                return record.name
            case RunColumn.BEGUN:
                return record.began.strftime("%Y-%m-%d %H:%M") if record.began else ""
            case RunColumn.STEPS:
                return _("{step:,} of {total_steps:,}").format(step=record.step, total_steps=record.total_steps)
            case RunColumn.QUALITY:
                best = record.best
                if best is None:
                    return ""
                against = (
                    _(" (bicubic {bicubic_psnr:.2f})").format(bicubic_psnr=record.bicubic_psnr)
                    if record.bicubic_psnr is not None
                    else ""
                )
                return _("{psnr_y:.2f} dB{against}").format(psnr_y=best.psnr_y, against=against)
        return self._state(record)

    def _state(self, record: RunRecord) -> str:
        if record.folder == self._session.active_folder:
            return _("paused") if self._session.phase is TrainingPhase.PAUSED else _("running")
        if record.finished is not None:
            better = record.finished.better_than_bicubic and record.finished.better_than_parent is not False
            return _("finished, better") if better else _("finished, not better")
        return _("stopped, can resume") if record.can_go_on else _("cannot resume")

    def _colour(self, record: RunRecord) -> str:
        tokens = self._theme.tokens
        state = self._state(record)
        return {
            _("finished, better"): tokens.good,
            _("finished, not better"): tokens.warn,
            _("cannot resume"): tokens.bad,
        }.get(state, tokens.text)


class _Table(QTableView):
    open_requested = Signal()
    delete_requested = Signal()
    rename_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("runs")
        self.setAccessibleName(_("Runs"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        row_height = self.fontMetrics().height() + ROW_PADDING
        self.setMinimumHeight(4 * row_height)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(row_height)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_requested.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_requested.emit()
        elif event.key() == Qt.Key.Key_F2:
            self.rename_requested.emit()
        else:
            super().keyPressEvent(event)


def _words(record: RunRecord | None) -> str:
    if record is None:
        return ""
    if record.finished is not None:
        return record.finished.verdict
    if record.can_go_on:
        return _("Stopped. Resume continues exactly from here.")
    return _("Nothing to resume: no state was saved.")


def _nothing(parent: QWidget) -> QWidget:
    frame = card(parent)
    column = QVBoxLayout(frame)
    title = titled(_("No run yet"), "headline")
    words = quiet(_("All runs are kept here: open, resume or use them."))
    for label in (title, words):
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    column.addStretch(2)
    column.addWidget(title)
    column.addSpacing(4)
    column.addWidget(words)
    column.addStretch(3)
    return frame
