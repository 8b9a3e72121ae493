"""The queue's card: its rows, the buttons over them, and what can be done with a row."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPoint, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout

from core.archives import archive_of
from core.language import gettext as _
from core.language import without_letter
from srgan_desktop import problems
from srgan_desktop.desktop import mime_of, show_in_file_manager
from srgan_desktop.dialogs import ProblemDialog
from srgan_desktop.theme import Theme
from srgan_desktop.upscale.queue_filter import QueueFilter
from srgan_desktop.upscale.queue_model import Entry, State
from srgan_desktop.upscale.queue_view import QueueView
from srgan_desktop.upscale.session import UpscaleSession


class QueueCard(QFrame):
    """Shows the session's queue, and acts on its rows."""

    files_requested = Signal()
    folder_requested = Signal()
    paste_requested = Signal()
    notice = Signal(str)
    """One line for the status strip."""
    current_changed = Signal()
    """Another row is the current one."""

    def __init__(self, theme: Theme, session: UpscaleSession) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._theme = theme
        self._session = session
        self.table = QueueView(session.queue, theme)
        self.filter = QueueFilter(theme)
        self._build_actions()
        self._lay_out()
        self.filter.changed.connect(self._on_filter)
        self.table.remove_requested.connect(self._remove)
        self.table.open_requested.connect(self._open_result)
        self.table.doubleClicked.connect(self._open_result)
        self.table.customContextMenuRequested.connect(self._show_menu)
        self.table.selectionModel().currentRowChanged.connect(self._on_current)
        self.table.selectionModel().selectionChanged.connect(self.show_state)
        session.changed.connect(self.show_state)
        theme.changed.connect(self._tint_actions)
        self._tint_actions()

    def current(self) -> Entry | None:
        """The row that is compared; None while the queue is empty."""
        row = self.table.currentIndex().row()
        entries = self._session.queue.entries
        return entries[row] if 0 <= row < len(entries) else None

    def step(self, by: int) -> bool:
        """Go to the row so many further down; whether there is one."""
        row = self.table.currentIndex().row() + by
        while 0 <= row < len(self._session.queue.entries) and self.table.isRowHidden(row):
            row += by
        if not 0 <= row < len(self._session.queue.entries):
            return False
        self.table.choose(row)
        return True

    def show_state(self) -> None:
        """Bring the buttons and the count in line with the session."""
        session, queue = self._session, self._session.queue
        rows = self.table.selectionModel().hasSelection()
        self.remove.setEnabled(rows)
        self.retry.setEnabled(rows or queue.count(State.FAILED) > 0)
        self.undo.setEnabled(session.filling.removed > 0)
        self.undo.setToolTip(
            _("Put back the {pictures} removed last (Ctrl+Z)").format(
                pictures=problems.pictures(session.filling.removed)
            )
        )
        self.clear.setEnabled(len(queue.entries) > 0 or len(session.watched) > 0)
        self.count.setText(problems.pictures(len(queue.entries)) + (_(" · searching…") if session.scanning else ""))

    # Building

    def _build_actions(self) -> None:
        session = self._session
        self.add_files = self._action(_("&Add files…"), "add-files", self.files_requested, "Ctrl+O")
        self.add_folder = self._action(_("Add f&older…"), "add-folder", self.folder_requested, "Ctrl+Shift+O")
        self.paste = self._action(_("Paste"), "copy", self.paste_requested, QKeySequence.StandardKey.Paste)
        self.retry = self._action(_("Retry"), "retry", self._retry, "Ctrl+R")
        self.retry.setToolTip(
            _(
                "Retry failed pictures: the selected ones, else all. If none failed, upscale the "
                "selection again (Ctrl+R)"
            )
        )
        self.remove = self._action(_("Remove"), "remove", self._remove)
        self.remove.setToolTip(_("Remove the selected pictures from the queue (Del). Your files stay."))
        self.pin = self._action(_("Keep the current options"), "rename", self._pin)
        self.pin.setToolTip(_("Give the selected pictures the options as they are now, whatever the options become"))
        self.take_over = self._action(_("Keep what Automatic chooses"), "good", self._take_over)
        self.take_over.setToolTip(
            _("Let Automatic choose model, clean-up and detail now, as settings to change by hand")
        )
        self.edit_own = self._action(_("Edit…"), "set-up", self._edit_own)
        self.edit_own.setToolTip(
            _("Show these settings in the options, to change them for the selected pictures alone")
        )
        self.use_for_all = self._action(_("Use for all pictures"), "upscale", self._use_for_all)
        self.unpin = self._action(_("Follow the options again"), "reset", self._unpin)
        self.undo = self._action(_("Undo remove"), "undo", session.filling.undo_removal, "Ctrl+Z")
        self.searching = self._action(_("Search…"), "search", self.filter.open_filter, "Ctrl+F")
        self.copy = self._action(_("Copy file"), "copy", self._copy, "Ctrl+C")
        self.copy.setToolTip(_("Copy the results, or the sources where there is no result yet (Ctrl+C)"))
        self.clear_done = self._action(_("Clear finished"), "good", session.filling.clear_finished)
        self.clear = self._action(_("Clear all"), "clear", session.filling.clear)
        self.clear.setToolTip(_("Empty the queue. Your files stay."))
        self.open_result = self._action(_("Open the result"), "eye", self._open_result)
        self.show_result = self._action(_("Show result in file manager"), "folder", self._show_result)
        self.show_source = self._action(_("Show source in file manager"), "folder", self._show_source)
        self.show_problem = self._action(_("Show the error…"), "info", self._show_problem)

    def _action(self, text: str, icon: str, act: object, keys: str | QKeySequence.StandardKey = "") -> QAction:
        """An action that calls `act`, or emits it where that is a signal."""
        action = QAction(text, self)
        action.setData(icon)
        sequence = QKeySequence(keys)
        if not sequence.isEmpty():
            action.setShortcut(sequence)
            action.setToolTip(f"{without_letter(text).rstrip('…')} ({sequence.toString()})")
        action.triggered.connect(act)
        self.addAction(action)
        return action

    def _lay_out(self) -> None:
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.add_files_button = self._tool(self.add_files, Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add_folder_button = self._tool(self.add_folder, Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        tools = QHBoxLayout()
        tools.setContentsMargins(6, 5, 6, 5)
        tools.setSpacing(4)
        tools.addWidget(self.add_files_button)
        tools.addWidget(self.add_folder_button)
        tools.addStretch(1)
        tools.addWidget(self.count)
        tools.addSpacing(6)
        for action in (self.searching, self.retry, self.remove, self.clear):
            tools.addWidget(self._tool(action))
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(tools)
        column.addWidget(self.filter)
        column.addWidget(self.table, 1)

    def _tool(self, action: QAction, style: Qt.ToolButtonStyle = Qt.ToolButtonStyle.ToolButtonIconOnly) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(action)
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setAccessibleName(without_letter(action.text()))
        button.setToolButtonStyle(style)
        return button

    def _tint_actions(self) -> None:
        for action in self.actions():
            action.setIcon(self._theme.icon(action.data()))

    # Acting

    def _on_current(self, _current: QModelIndex, _previous: QModelIndex) -> None:
        if self.current() is not None:
            self.current_changed.emit()

    def _on_filter(self) -> None:
        self.table.show_only(self.filter.matches)

    def _copy(self) -> None:
        files = self.table.files_of(self.table.selected_rows())
        if files:
            QGuiApplication.clipboard().setMimeData(mime_of(files))
            self.notice.emit(_("Copied {files}").format(files=problems.files(len(files))))

    def _retry(self) -> None:
        rows = self.table.selected_rows()
        entries = self._session.queue.entries
        chosen = [row for row in rows if entries[row].state is State.FAILED]
        failed = [row for row, entry in enumerate(entries) if entry.state is State.FAILED]
        # A run leaves its last picture selected; who then says Retry means those that failed.
        self._session.retry(chosen or failed or rows)

    def _pin(self) -> None:
        self._session.pins.pin(self.table.selected_rows())

    def _take_over(self) -> None:
        self._session.pins.take_over(self.table.selected_rows())

    def _edit_own(self) -> None:
        self._session.pins.edit(self.table.selected_rows())

    def _use_for_all(self) -> None:
        if (entry := self.current()) is not None:
            self._session.pins.use_for_all(entry)

    def _unpin(self) -> None:
        self._session.pins.unpin(self.table.selected_rows())

    def _remove(self) -> None:
        rows = self.table.selected_rows()
        if not rows:
            return
        before = len(self._session.queue.entries)
        self._session.filling.remove(rows)
        left = len(self._session.queue.entries)
        if before - left < len(rows):
            self.notice.emit(_("Pictures of the current run stay until it ends"))
        if left:
            self.table.choose(min(rows[0], left - 1))

    def _open_result(self) -> None:
        entry = self.current()
        if entry is None:
            return
        if entry.state is State.FAILED:
            self._show_problem()
        else:
            result = entry.output or entry.path
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(archive_of(result) or result)))

    def _show_result(self) -> None:
        entry = self.current()
        if entry is not None and entry.output is not None:
            show_in_file_manager(entry.output)

    def _show_source(self) -> None:
        entry = self.current()
        if entry is not None:
            show_in_file_manager(entry.path)

    def _show_problem(self) -> None:
        entry = self.current()
        if entry is not None and entry.problem is not None:
            ProblemDialog(entry.problem, self.window()).open()

    def _show_menu(self, at: QPoint) -> None:
        entry = self.current()
        if entry is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.open_result.setEnabled(entry.has_result)
        self.show_result.setEnabled(entry.has_result)
        if entry.problem is not None:
            menu.addAction(self.show_problem)
            menu.addSeparator()
        menu.addActions([self.open_result, self.show_result, self.show_source, self.copy])
        menu.addSeparator()
        menu.addActions([self.retry, self.remove])
        menu.addSeparator()
        own = menu.addMenu(self._theme.icon("set-up"), _("Own settings"))
        own.setToolTipsVisible(True)
        own.addActions([self.pin, self.take_over, self.edit_own, self.use_for_all, self.unpin])
        entries = [self._session.queue.entries[row] for row in self.table.selected_rows()]
        for action in (self.edit_own, self.use_for_all, self.unpin):
            action.setEnabled(any(each.own is not None for each in entries))
        self.take_over.setEnabled(any(self._session.pins.is_automatic(each) for each in entries))
        menu.addSeparator()
        menu.addActions([self.clear_done, self.clear, self.undo])
        menu.popup(self.table.viewport().mapToGlobal(at))
