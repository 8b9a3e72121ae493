"""The Upscale page: queue, comparison, options, and the bar that starts it. Widgets only; the session does the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QMimeData, QModelIndex, QObject, QPoint, QSize, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QAction,
    QDesktopServices,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.contract.upscale import PreviewReady
from core.images import FORMATS
from srgan_desktop import problems, settings
from srgan_desktop.compare.view import CompareView
from srgan_desktop.desktop import image_in, paths_in, show_in_file_manager
from srgan_desktop.dialogs import FailuresDialog, ProblemDialog
from srgan_desktop.fields import Elided, card
from srgan_desktop.job import Engine
from srgan_desktop.page import Page
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Option, Settings
from srgan_desktop.theme import Theme, repolish
from srgan_desktop.upscale.drop_area import DropArea
from srgan_desktop.upscale.options import OptionsPanel
from srgan_desktop.upscale.preview import PreviewRegion
from srgan_desktop.upscale.queue_model import Entry, State, shown_name
from srgan_desktop.upscale.queue_view import QueueView
from srgan_desktop.upscale.session import Phase, Summary, UpscaleSession

PREVIEW_DELAY_MS = 200
"""The view must rest so long before a preview is asked for."""
FOLLOW_EVERY_MS = 1_500
"""How often the comparison may move on to the newest result by itself."""
HANDS = frozenset({QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel, QEvent.Type.NativeGesture})
"""Events that tell that somebody works on what is shown."""
PASSING = frozenset(
    {
        Qt.Key.Key_Control,
        Qt.Key.Key_Shift,
        Qt.Key.Key_Alt,
        Qt.Key.Key_AltGr,
        Qt.Key.Key_Meta,
        Qt.Key.Key_Tab,
        Qt.Key.Key_Backtab,
    }
)
"""Keys that begin a shortcut, or lead to another widget, and change nothing of what is shown."""
PREVIEWED = (settings.MODEL, settings.SIZE, settings.DEVICE, settings.PRECISION, settings.TILE, settings.ENSEMBLE)
"""Options that change what a preview shows."""


class UpscalePage(Page):
    """The queue, the comparison and the run."""

    session: UpscaleSession

    check_requested = Signal(object)
    """Path of a picture on which the model in use is to be measured."""

    def __init__(
        self, theme: Theme, options: Settings, parent: QWidget | None = None, session: UpscaleSession | None = None
    ) -> None:
        super().__init__(theme, options, session or UpscaleSession(options), parent)
        self._previewed = PreviewRegion()
        self._following = False
        self._stale = False
        """Whether the Detail slider moved on since the preview under way was asked for."""
        self._shows_result = False
        self._last_output: Path | None = None

        self.drop_area = DropArea(theme, _formats_line())
        self.table = QueueView(self.session.queue, theme)
        self.compare = CompareView(theme)
        self.options = OptionsPanel(theme, options)
        self._build_actions()
        self._lay_out()
        self._bind()
        self.show_state()
        self._show_contents()

    # What the window asks

    @property
    def selected_picture(self) -> Path | None:
        """The one that is compared; None while the queue is empty."""
        entry = self._current()
        return None if entry is None or entry.is_folder else entry.path

    def start_engine(self) -> None:
        """Called once the window is on the screen."""
        self.session.start_engine()

    def open(self, paths: list[Path]) -> None:
        """Put files and folders into the queue."""
        self.session.add(paths)

    def shutdown(self) -> None:
        """Cancel everything; ends with `stopped`."""
        self._preview_timer.stop()
        self._follow_timer.stop()
        self.compare.clear()
        super().shutdown()

    # Building

    def _build_actions(self) -> None:
        self.add_files = self._action("&Add files…", "add-files", QKeySequence("Ctrl+O"), self._choose_files)
        self.add_folder = self._action("Add f&older…", "add-folder", QKeySequence("Ctrl+Shift+O"), self._choose_folder)
        self.paste = self._action("Paste", "copy", QKeySequence(QKeySequence.StandardKey.Paste), self._paste)
        self.retry = self._action("Retry", "retry", QKeySequence("Ctrl+R"), self._retry)
        self.retry.setToolTip(
            "Let failed pictures wait again: those selected, or else all. Where none failed: those selected (Ctrl+R)"
        )
        self.remove = self._action("Remove", "remove", None, self._remove)
        self.remove.setToolTip("Take the selected pictures out of the queue (Del). Files are not touched.")
        self.clear_done = self._action("Clear finished", "good", None, self.session.clear_finished)
        self.clear = self._action("Clear all", "clear", None, self.session.clear)
        self.clear.setToolTip("Empty the queue. Files are not touched.")
        self.open_result = self._action("Open the result", "eye", None, self._open_result)
        self.show_result = self._action("Show result in file manager", "folder", None, self._show_result)
        self.show_source = self._action("Show source in file manager", "folder", None, self._show_source)
        self.show_problem = self._action("What went wrong…", "info", None, self._show_problem)

    def _action(self, text: str, icon: str, keys: QKeySequence | None, act: object) -> QAction:
        action = QAction(text, self)
        action.setData(icon)
        if keys is not None:
            action.setShortcut(keys)
            action.setToolTip(f"{text.replace('&', '').rstrip('…')} ({keys.toString()})")
        action.triggered.connect(act)
        self.addAction(action)
        return action

    def _lay_out(self) -> None:
        self.count = QLabel()
        self.count.setProperty("role", "muted")
        self.add_files_button = self._tool(self.add_files, with_text=True)
        self.add_folder_button = self._tool(self.add_folder, with_text=True)
        tools = QHBoxLayout()
        tools.setContentsMargins(6, 5, 6, 5)
        tools.setSpacing(4)
        tools.addWidget(self.add_files_button)
        tools.addWidget(self.add_folder_button)
        tools.addStretch(1)
        tools.addWidget(self.count)
        tools.addSpacing(6)
        for action in (self.retry, self.remove, self.clear):
            tools.addWidget(self._tool(action))
        self.queue_card = card()
        in_queue = QVBoxLayout(self.queue_card)
        in_queue.setContentsMargins(1, 1, 1, 1)
        in_queue.setSpacing(0)
        in_queue.addLayout(tools)
        in_queue.addWidget(self.table, 1)

        self.preview_button = QToolButton()
        self.preview_button.setText(settings.PREVIEW.label)
        self.preview_button.setToolTip(settings.PREVIEW.tooltip)
        self.preview_button.setCheckable(True)
        self.preview_button.setChecked(self.settings.get(settings.PREVIEW))
        self.preview_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.preview_button.setIconSize(QSize(18, 18))
        self.theme.wear(self.preview_button, "eye")
        self.preview_words = Elided("muted")
        above = QHBoxLayout()
        above.setContentsMargins(6, 5, 10, 5)
        above.setSpacing(8)
        above.addWidget(self.preview_button)
        above.addWidget(self.preview_words, 1)
        self.check_button = QToolButton()
        self.check_button.setText("How good will it be?")
        self.check_button.setToolTip("Measure the model on this picture, beside bicubic, where the truth is known")
        self.check_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.check_button.setIconSize(QSize(18, 18))
        self.theme.wear(self.check_button, "measure")
        above.addWidget(self.check_button)
        self.compare_card = card()
        in_compare = QVBoxLayout(self.compare_card)
        in_compare.setContentsMargins(1, 1, 1, 1)
        in_compare.setSpacing(0)
        in_compare.addLayout(above)
        in_compare.addWidget(self.compare, 1)

        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(10)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self.queue_card)
        self.split.addWidget(self.compare_card)
        self.split.setStretchFactor(0, 2)
        self.split.setStretchFactor(1, 3)
        self.split.restoreState(QByteArray.fromBase64(self.settings.get(settings.SPLIT).encode()))
        self.split.splitterMoved.connect(self._on_split)
        self.contents = QStackedWidget()
        self.contents.addWidget(self.drop_area)
        self.contents.addWidget(self.split)

        left = QVBoxLayout()
        left.setSpacing(10)
        left.addWidget(self.banner)
        left.addWidget(self.contents, 1)
        upper = QHBoxLayout()
        upper.setSpacing(14)
        upper.addLayout(left, 1)
        upper.addWidget(self.options)
        page = QVBoxLayout(self)
        page.setContentsMargins(14, 14, 6, 12)
        page.setSpacing(12)
        page.addLayout(upper, 1)
        page.addWidget(self._bar())

    def _bar(self) -> QWidget:
        self.bar_title = Elided("strong")
        self.bar_words = Elided("muted")
        self.progress = QProgressBar(minimum=0, maximum=1000, textVisible=False)
        self.progress.setAccessibleName("Progress of the run")
        words = QHBoxLayout()
        words.addWidget(self.bar_title)
        words.addStretch(1)
        words.addWidget(self.bar_words)
        column = QVBoxLayout()
        column.setSpacing(7)
        column.addStretch(1)
        column.addLayout(words)
        column.addWidget(self.progress)
        column.addStretch(1)
        self.cancel_button = QPushButton("&Cancel")
        self.cancel_button.setToolTip("Stop; what is saved stays, the rest waits in the queue (Ctrl+.)")
        self.cancel_button.setShortcut(QKeySequence("Ctrl+."))
        self.pause_button = QPushButton("&Pause")
        self.pause_button.setToolTip("Let the run wait, and leave the machine to other programs (Ctrl+P)")
        self.start_button = QPushButton("&Start")
        self.start_button.setProperty("role", "primary")
        self.start_button.setToolTip("Upscale everything that waits in the queue (Ctrl+Return)")
        self.theme.wear(self.cancel_button, "stop")
        self.theme.wear(self.pause_button, "pause")
        self.theme.wear(self.start_button, "play", accented=True)
        bar = card()
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 10, 12, 10)
        row.setSpacing(8)
        row.addLayout(column, 1)
        row.addSpacing(10)
        for button in (self.cancel_button, self.pause_button, self.start_button):
            button.setIconSize(QSize(16, 16))
            row.addWidget(button)
        outer = QWidget()
        around = QHBoxLayout(outer)
        around.setContentsMargins(0, 0, 8, 0)
        around.addWidget(bar)
        return outer

    def _tool(self, action: QAction, with_text: bool = False) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(action)
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setAccessibleName(action.text().replace("&", ""))
        if with_text:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        return button

    def _bind(self) -> None:
        session, queue = self.session, self.session.queue
        session.changed.connect(self.show_state)
        session.finished.connect(self._on_finished)
        session.failed.connect(self._on_failed)
        session.notice.connect(self.notice)
        session.saved.connect(self._on_saved)
        session.preview_ready.connect(self._on_preview)
        session.preview_failed.connect(self._on_preview_failed)
        queue.rowsInserted.connect(self._show_contents)
        queue.rowsRemoved.connect(self._show_contents)
        queue.dataChanged.connect(self._on_data)
        self.drop_area.files_requested.connect(self._choose_files)
        self.drop_area.folder_requested.connect(self._choose_folder)
        self.table.remove_requested.connect(self._remove)
        self.table.open_requested.connect(self._open_result)
        self.table.doubleClicked.connect(self._open_result)
        self.table.customContextMenuRequested.connect(self._show_menu)
        self.table.selectionModel().currentRowChanged.connect(self._on_current)
        self.table.selectionModel().selectionChanged.connect(self.show_state)
        self.table.pressed.connect(self._stop_following)
        for widget in (self.table, self.compare.canvas, *self.compare.findChildren(QToolButton)):
            widget.installEventFilter(self)
        self.start_button.clicked.connect(self._start)
        self.pause_button.clicked.connect(self._pause_or_resume)
        self.cancel_button.clicked.connect(session.cancel)
        self.compare.view_changed.connect(self._ask_preview_soon)
        self.compare.file_step_requested.connect(self._step)
        self.compare.failed.connect(self._on_compare_failed)
        self.preview_button.toggled.connect(self._on_preview_toggled)
        self.check_button.clicked.connect(self._ask_to_check)
        self.settings.changed.connect(self._on_option)
        self.theme.changed.connect(self._tint_actions)
        self._tint_actions()
        self._add_keys((("Ctrl+Return", self._start), ("Ctrl+Enter", self._start), ("Ctrl+P", self._pause_or_resume)))
        self._preview_timer = QTimer(self, singleShot=True, interval=PREVIEW_DELAY_MS)
        self._preview_timer.timeout.connect(self._ask_preview)
        self._follow_timer = QTimer(self, singleShot=True, interval=FOLLOW_EVERY_MS)

    def _tint_actions(self) -> None:
        for action in self.actions():
            if action.data():
                action.setIcon(self.theme.icon(action.data()))

    # Showing

    def show_state(self) -> None:
        """Bring bar, buttons and status in line with the session."""
        session, queue = self.session, self.session.queue
        phase = session.phase
        buttons = (self.start_button, self.pause_button, self.cancel_button)
        focused = next((button for button in buttons if button.hasFocus()), None)
        self.start_button.setEnabled(session.can_start)
        self.start_button.setVisible(not session.busy)
        self.start_button.setText("&Start again" if session.starts_again else "&Start")
        self.pause_button.setVisible(session.busy)
        self.cancel_button.setVisible(session.busy)
        self.pause_button.setEnabled(phase in (Phase.RUNNING, Phase.PAUSED))
        self.cancel_button.setEnabled(phase in (Phase.RUNNING, Phase.PAUSED))
        wanted = "&Resume" if phase is Phase.PAUSED else "&Pause"
        if self.pause_button.text() != wanted:
            self.pause_button.setText(wanted)
            self.theme.wear(self.pause_button, "play" if phase is Phase.PAUSED else "pause")
        if focused is not None and (focused.isHidden() or not focused.isEnabled()):
            # Else Qt takes the focus somewhere else, as the button that had it is gone.
            (self.pause_button if session.busy else self.start_button).setFocus()
        self._show_progress()
        rows = bool(self.table.selectionModel().hasSelection())
        self.remove.setEnabled(rows)
        self.retry.setEnabled(rows or queue.count(State.FAILED) > 0)
        self.clear.setEnabled(len(queue.entries) > 0 or len(session.watched) > 0)
        self.count.setText(problems.pictures(len(queue.entries)) + (" · searching…" if session.scanning else ""))
        self.status_changed.emit(*self._engine_words())

    def _show_progress(self) -> None:
        session, queue = self.session, self.session.queue
        done, total = session.done_in_run
        title, words = "", ""
        watches = False
        match session.phase:
            case Phase.RUNNING:
                title = f"Upscaling {min(done + 1, total)} of {total:,}"
                words = problems.time_left(session.seconds_left)
                if session.engine is Engine.STARTING:
                    title, words = "Starting the engine…", "the first start takes a few seconds"
                elif session.rests:
                    watches = True
                    title, words = f"Watching {_named(session.watched)}", f"{done:,} finished so far"
                elif session.waits_for_search:
                    title, words = "Searching for more pictures…", f"{done:,} finished so far"
                elif session.fraction == 0 and done == 0 and queue.count(State.WORKING) == 0:
                    title, words = "Preparing…", "looking at what is already done"
            case Phase.PAUSED:
                title, words = f"Paused after {done:,} of {total:,}", ""
            case Phase.CANCELLING:
                title, words = "Stopping…", "what is saved stays"
            case Phase.IDLE:
                title, words = self._idle_words()
        self.bar_title.say(title)
        self.bar_words.say(words)
        # A watch has no end that it could come nearer to.
        self.progress.setVisible(session.busy and not watches)
        waiting_for_engine = session.phase is Phase.RUNNING and (title.endswith("…"))
        # No length yet: the bar moves by itself, so that nothing looks stuck.
        self.progress.setMaximum(0 if waiting_for_engine else 1000)
        self.progress.setValue(round(session.fraction * 1000))
        state = "paused" if session.phase is Phase.PAUSED else ""
        if self.progress.property("state") != state:
            self.progress.setProperty("state", state)
            repolish(self.progress)

    def _idle_words(self) -> tuple[str, str]:
        queue, watched = self.session.queue, self.session.watched
        if not queue.entries:
            if self.session.scanning:
                return "Searching for pictures…", ""
            return (f"Ready to watch {_named(watched)}" if watched else "The queue is empty"), ""
        waiting = queue.count(State.WAITING)
        parts = [
            f"{queue.count(state):,} {word}"
            for state, word in ((State.DONE, "saved"), (State.SKIPPED, "already done"), (State.FAILED, "failed"))
            if queue.count(state)
        ]
        if watched:
            parts.append(f"Start {'also ' if waiting else ''}watches {_named(watched)}")
        if waiting:
            return f"{problems.pictures(waiting)} ready to upscale", " · ".join(parts)
        return "Finished" if queue.count(State.FAILED) else "Everything is finished", " · ".join(parts)

    def _engine_words(self) -> tuple[str, str]:
        match self.session.engine:
            case Engine.OFF:
                return "", "busy"
            case Engine.STARTING:
                return "Starting the engine…", "busy"
            case Engine.STOPPED:
                return "The engine stopped; it starts again when it is needed", "bad"
            case Engine.READY:
                if self.session.phase is Phase.PAUSED:
                    return f"Paused on {self.session.device}", "warn"
                working = self.session.busy and not self.session.rests
                return f"{'Working' if working else 'Ready'} on {self.session.device}", "good"

    def _on_split(self) -> None:
        self.settings.set(settings.SPLIT, self.split.saveState().toBase64().toStdString())

    def _show_contents(self) -> None:
        filled = len(self.session.queue.entries) > 0
        if not filled:
            self.compare.clear()
        focused = self.window().focusWidget()
        self.contents.setCurrentWidget(self.split if filled else self.drop_area)
        if filled and not self.table.currentIndex().isValid():
            self.table.choose(0)
            if self.isVisible() and (focused is None or not self.options.isAncestorOf(focused)):
                self.table.setFocus()
        self.show_state()

    # Input

    def _drop_words(self, mime: QMimeData) -> str:
        return "Drop to add to the queue" if paths_in(mime) or mime.hasImage() else ""

    def _light_up(self, words: str) -> None:
        if self.contents.currentWidget() is self.drop_area:
            self.drop_area.light_up(True)
        else:
            super()._light_up(words)

    def _end_drag(self) -> None:
        self.drop_area.light_up(False)
        super()._end_drag()

    def _take(self, mime: QMimeData) -> None:
        image = None if paths_in(mime) else image_in(mime)
        if image is None:
            super()._take(mime)
        else:
            self.session.add_image(image)

    def _paste(self) -> None:
        self._take(QGuiApplication.clipboard().mimeData())

    def _choose_files(self) -> None:
        suffixes = " ".join(f"*{suffix}" for row in FORMATS.values() if row.can_read for suffix in row.suffixes)
        files, _ = QFileDialog.getOpenFileNames(
            self, "Add pictures", self.settings.get(settings.FOLDER), f"Pictures ({suffixes});;All files (*)"
        )
        if files:
            self.settings.set(settings.FOLDER, str(Path(files[0]).parent))
            self.session.add(Path(file) for file in files)

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Add a folder", self.settings.get(settings.FOLDER))
        if folder:
            self.settings.set(settings.FOLDER, folder)
            self.session.add([Path(folder)])

    # The run

    def _start(self) -> None:
        if self.session.can_start:
            self.banner.hide()
            self._following = True
            self.session.start()
            # The preview under way was given up for the run.
            self._previewed.forget()
            self._ask_preview()

    def _pause_or_resume(self) -> None:
        if self.session.phase is Phase.PAUSED:
            self.session.resume()
        else:
            self.session.pause()

    def _on_saved(self, entry: Entry) -> None:
        self._last_output = entry.output
        row = self.session.queue.row_of(entry.path)
        if row is None:
            return
        if row == self.table.currentIndex().row():
            self._show_entry(entry)
        elif self._following and not self._follow_timer.isActive():
            self._follow_timer.start()
            self.table.choose(row)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in HANDS and not (isinstance(event, QKeyEvent) and event.key() in PASSING):
            self._stop_following()
        return super().eventFilter(watched, event)

    def _stop_following(self) -> None:
        self._following = False

    def _on_failed(self, problem: Problem) -> None:
        super()._on_failed(problem)
        self._ask_preview_soon()

    def _on_finished(self, summary: Summary) -> None:
        self._ask_preview_soon()
        parts = [f"{problems.pictures(summary.saved)} saved"]
        if summary.skipped:
            parts.append(f"{summary.skipped:,} already done")
        if summary.failed:
            parts.append(f"{summary.failed:,} failed")
        figures = ", ".join(parts) + (f", in {problems.duration(summary.seconds)}." if summary.seconds else ".")
        actions = []
        if summary.failures:
            actions.append(("Show failed…", lambda: FailuresDialog(summary.failures, self.window()).open()))
        if self._last_output is not None and summary.saved:
            actions.append(("Open folder", self._open_last_folder))
        if summary.cancelled:
            self.banner.say("info", "Cancelled", f"{figures} The rest waits in the queue.", actions)
            return
        title = "Finished" if not summary.failed else "Finished, with failures"
        self.banner.say("warn" if summary.failed else "good", title, figures, actions)
        self.notify.emit(title, figures)

    def _open_last_folder(self) -> None:
        if self._last_output is not None:
            show_in_file_manager(self._last_output)

    # Rows

    def _current(self) -> Entry | None:
        row = self.table.currentIndex().row()
        entries = self.session.queue.entries
        return entries[row] if 0 <= row < len(entries) else None

    def _on_current(self, _current: QModelIndex, _previous: QModelIndex) -> None:
        entry = self._current()
        if entry is not None:
            self._show_entry(entry)

    def _on_data(self, first: QModelIndex, last: QModelIndex) -> None:
        """Show the current picture anew once its result is no longer what the options ask for."""
        entry = self._current()
        if entry is None or not first.row() <= self.table.currentIndex().row() <= last.row():
            return
        if entry.state is State.WAITING and self._shows_result:
            self._show_entry(entry)

    def _show_entry(self, entry: Entry) -> None:
        self.session.drop_preview()
        self._previewed.forget()
        after = entry.output if entry.state in (State.DONE, State.SKIPPED) else None
        self._shows_result = after is not None
        self.compare.load_files(entry.path, after)
        self._ask_preview_soon()

    def _step(self, by: int) -> None:
        row = self.table.currentIndex().row() + by
        if 0 <= row < len(self.session.queue.entries):
            self._stop_following()
            self.table.choose(row)

    def _retry(self) -> None:
        rows = self.table.selected_rows()
        entries = self.session.queue.entries
        chosen = [row for row in rows if entries[row].state is State.FAILED]
        failed = [row for row, entry in enumerate(entries) if entry.state is State.FAILED]
        # A run leaves its last picture selected; who then says Retry means those that failed.
        self.session.retry(chosen or failed or rows)

    def _remove(self) -> None:
        rows = self.table.selected_rows()
        if not rows:
            return
        before = len(self.session.queue.entries)
        self.session.remove(rows)
        left = len(self.session.queue.entries)
        if before - left < len(rows):
            self.notice.emit("Pictures of the run under way stay until it has ended")
        if left:
            self.table.choose(min(rows[0], left - 1))

    def _open_result(self) -> None:
        entry = self._current()
        if entry is None:
            return
        if entry.state is State.FAILED:
            self._show_problem()
        else:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(entry.output or entry.path)))

    def _show_result(self) -> None:
        entry = self._current()
        if entry is not None and entry.output is not None:
            show_in_file_manager(entry.output)

    def _show_source(self) -> None:
        entry = self._current()
        if entry is not None:
            show_in_file_manager(entry.path)

    def _show_problem(self) -> None:
        entry = self._current()
        if entry is not None and entry.problem is not None:
            ProblemDialog(entry.problem, self.window()).open()

    def _show_menu(self, at: QPoint) -> None:
        entry = self._current()
        if entry is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        has_result = entry.output is not None and entry.state in (State.DONE, State.SKIPPED)
        self.open_result.setEnabled(has_result)
        self.show_result.setEnabled(has_result)
        if entry.problem is not None:
            menu.addAction(self.show_problem)
            menu.addSeparator()
        menu.addActions([self.open_result, self.show_result, self.show_source])
        menu.addSeparator()
        menu.addActions([self.retry, self.remove])
        menu.addSeparator()
        menu.addActions([self.clear_done, self.clear])
        menu.popup(self.table.viewport().mapToGlobal(at))

    # Preview

    def _on_preview_toggled(self, on: bool) -> None:
        self.settings.set(settings.PREVIEW, on)
        if on:
            self._previewed.forget()
            self._ask_preview_soon()
        else:
            self.session.drop_preview()
            self.preview_words.say("")

    def _ask_to_check(self) -> None:
        picture = self.selected_picture
        if picture is not None:
            self.check_requested.emit(picture)

    def _on_option(self, option: Option) -> None:
        if option is settings.DETAIL and self.session.previewing:
            # While the slider is dragged, every preview is finished and shown before the next is asked for.
            self._stale = True
        elif option is settings.DETAIL and self._preview_timer.isActive():
            self._previewed.forget()
        elif option in (*PREVIEWED, settings.DETAIL):
            self._previewed.forget()
            self._ask_preview_soon()

    def _ask_preview_soon(self) -> None:
        self._preview_timer.start()

    def _ask_preview(self) -> None:
        entry = self._current()
        if entry is None or not self.preview_button.isChecked():
            self.preview_words.say("")
            return
        if entry.state in (State.DONE, State.SKIPPED):
            self.preview_words.say("Source and result" if entry.output else "")
            return
        if self.session.busy:
            self.preview_words.say("Previews come back when the run has ended")
            return
        self._stale = False
        seen = self.compare.visible_region()
        region = None if seen is None else self._previewed.choose(entry.path, seen)
        if region is None:
            return
        if self.session.preview(entry.path, region):
            self.preview_words.say("Upscaling what you see…")

    def _on_preview(self, event: PreviewReady) -> None:
        entry = self._current()
        if entry is None or entry.path != event.source:
            return
        self._previewed.learn(event)
        if self._stale:
            self._previewed.forget()
            self._ask_preview()
        self.compare.set_overlay_region(event.region, event.scale, event.pixels)
        words = f"Previewed in {event.seconds:.1f} s"
        if self._previewed.is_part:
            words += " · the middle of what you see; zoom in for all of it"
        if not self.session.previewing:
            self.preview_words.say(words, " ".join(event.notes))

    def _on_preview_failed(self, problem: Problem) -> None:
        self._stale = False
        self.preview_words.say(problem.message, problem.hint)

    def _on_compare_failed(self, error: object) -> None:
        if isinstance(error, BaseException):
            self.preview_words.say(problems.of_exception(error).message)


def _formats_line() -> str:
    return " · ".join(row.label for row in FORMATS.values() if row.can_read)


def _named(folders: Sequence[Path]) -> str:
    """One by its name, several by their number."""
    return f"“{shown_name(folders[0])}”" if len(folders) == 1 else f"{len(folders)} folders"
