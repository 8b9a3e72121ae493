"""The Upscale page: lays out queue, comparison, options and bar, and takes what is given to it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QMimeData, QModelIndex, QObject, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.archives import ARCHIVE_SUFFIXES
from core.images import FORMATS, READABLE_SUFFIXES
from core.language import gettext as _
from srgan_desktop import settings
from srgan_desktop.banner import Banner
from srgan_desktop.desktop import dialog_folder, image_in, links_in, paths_in, show_in_file_manager
from srgan_desktop.dialogs import FailuresDialog
from srgan_desktop.drawer import Drawer
from srgan_desktop.page import Page
from srgan_desktop.problems import Problem
from srgan_desktop.run_bar import RunBar
from srgan_desktop.settings import Option, Settings
from srgan_desktop.theme import Theme
from srgan_desktop.upscale.compare_card import CompareCard
from srgan_desktop.upscale.device_rows import list_devices
from srgan_desktop.upscale.drop_area import DropArea
from srgan_desktop.upscale.filling import Filling, own_pictures
from srgan_desktop.upscale.links import Fetching
from srgan_desktop.upscale.options import OptionsNotice, OptionsPanel
from srgan_desktop.upscale.queue_card import QueueCard
from srgan_desktop.upscale.queue_model import Entry
from srgan_desktop.upscale.run import Summary
from srgan_desktop.upscale.session import UpscaleSession
from srgan_desktop.upscale.words import bar_state, engine_words, fetching_words, fraction_of, outcome_words, start_words

LEAST_LEFT = 86
"""Width of queue and comparison under which the options go into the drawer, in characters of middling width."""
FOLLOW_EVERY_MS = 1_500
"""How often the comparison may move on to the newest result by itself."""
USER_INPUT = frozenset(
    {QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel, QEvent.Type.NativeGesture}
)
"""Events that tell that somebody works on what is shown."""
NEUTRAL_KEYS = frozenset(
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


class UpscalePage(Page):
    """The queue, the comparison and the run."""

    session: UpscaleSession

    check_requested = Signal(object)
    """Path of a picture on which the model in use is to be measured."""

    def __init__(
        self, theme: Theme, options: Settings, parent: QWidget | None = None, session: UpscaleSession | None = None
    ) -> None:
        super().__init__(theme, options, session or UpscaleSession(options), parent)
        self._following = False
        self._last_saved: Entry | None = None
        self._outcome = ""
        self._follow_timer = QTimer(self, singleShot=True, interval=FOLLOW_EVERY_MS)
        readable = [row.label for row in FORMATS.values() if row.can_read]
        self.drop_area = DropArea(
            theme, _("{readable} and {count} more").format(readable=" · ".join(readable[:8]), count=len(readable) - 8)
        )
        self.queue = QueueCard(theme, self.session)
        self.compare = CompareCard(theme, self.session)
        self.options = OptionsPanel(theme, options)
        self.options_notice = OptionsNotice()
        self.bar = RunBar(
            theme,
            Qt.Orientation.Horizontal,
            stop=_("&Cancel"),
            stop_tooltip=_("Stop: saved results stay, the rest waits in the queue"),
            pause_tooltip=_("Pause the run and free the machine for other programs"),
            resume=_("&Resume"),
        )
        self.banner.float_in(self._banner_place)
        self.start_button = QPushButton(_("&Start"))
        self.start_button.setProperty("role", "primary")
        self.bar.add_button(self.start_button, "play")
        self.options_button = QPushButton(settings.OPTIONS.label)
        self.options_button.setToolTip(settings.OPTIONS.tooltip)
        self.options_button.setCheckable(True)
        self.options_button.setShortcut(QKeySequence("Ctrl+,"))
        self.bar.add_button(self.options_button, "set-up", 0)
        self._lay_out()
        self._bind()
        self.show_state()
        self._show_contents()

    @property
    def selected_picture(self) -> Path | None:
        """The one that is compared; None while the queue is empty."""
        entry = self.queue.current()
        return None if entry is None or entry.is_folder else entry.path

    @property
    def progress(self) -> float | None:
        run = self.session.run
        return fraction_of(self.session) if run.busy and not run.rests else None

    def start_engine(self) -> None:
        """Called once the window is on the screen."""
        self.session.start_engine()

    def open(self, paths: list[Path]) -> None:
        """Put files and folders into the queue."""
        self.session.add(paths)

    def shutdown(self) -> None:
        """Cancel everything; ends with `stopped`."""
        self._follow_timer.stop()
        self.compare.clear()
        super().shutdown()

    # Building

    def _lay_out(self) -> None:
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(10)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self.queue)
        self.split.addWidget(self.compare)
        self.split.setStretchFactor(0, 2)
        self.split.setStretchFactor(1, 3)
        self.split.restoreState(QByteArray.fromBase64(self.settings.get(settings.SPLIT).encode()))
        self.split.splitterMoved.connect(self._on_split)
        self.contents = QStackedWidget()
        self.contents.addWidget(self.drop_area)
        self.contents.addWidget(self.split)
        left = QVBoxLayout()
        left.setSpacing(10)
        left.addWidget(self.contents, 1)
        upper = QHBoxLayout()
        upper.setSpacing(14)
        upper.addLayout(left, 1)
        above = QHBoxLayout()
        above.setContentsMargins(4, 0, 10, 0)
        above.addWidget(self.options_notice)
        self.side = QWidget()
        self.side.setMaximumWidth(self.options.maximumWidth())
        right = QVBoxLayout(self.side)
        right.setContentsMargins(0, 0, 0, 0)
        right.addLayout(above)
        right.addWidget(self.options, 1)
        upper.addWidget(self.side)
        self._upper = upper
        self.drawer = Drawer(self, self.side)
        lower = QHBoxLayout()
        lower.setContentsMargins(0, 0, 8, 0)
        lower.addWidget(self.bar)
        page = QVBoxLayout(self)
        page.setContentsMargins(14, 14, 6, 12)
        page.setSpacing(12)
        page.addLayout(upper, 1)
        page.addLayout(lower)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_options()
        self.banner.fit_place()

    def minimumSizeHint(self) -> QSize:
        # That of a page whose options are in the drawer, or the window could never become so narrow.
        margins = self.contentsMargins()
        width = max(self.split.minimumSizeHint().width(), self.bar.minimumSizeHint().width()) + 28
        return QSize(width + margins.left() + margins.right(), super().minimumSizeHint().height())

    def _fit_options(self) -> None:
        """Put the options beside the queue where there is room for both, else into the drawer."""
        narrow = self.width() < self.options.maximumWidth() + LEAST_LEFT * self.fontMetrics().averageCharWidth()
        if narrow:
            self.drawer.hold()
        else:
            self.drawer.release(self._upper)
        # The scroll bar of the options stands in the page’s margin; without them the queue ends where the run bar does.
        self._upper.setContentsMargins(0, 0, 8 if narrow else 0, 0)
        self.options_button.setVisible(narrow)
        self.drawer.fit_page()

    def _bind(self) -> None:
        session, queue = self.session, self.session.queue
        session.changed.connect(self.show_state)
        session.devices_found.connect(partial(list_devices, self.options.device))
        session.finished.connect(self._on_finished)
        session.failed.connect(self._on_failed)
        session.notice.connect(self.notice)
        session.saved.connect(self._on_saved)
        session.filling.fetching.connect(partial(_show_fetching, self.banner, session.filling))
        queue.rowsInserted.connect(self._show_contents)
        queue.rowsRemoved.connect(self._show_contents)
        queue.dataChanged.connect(self._on_data)
        for asking in (self.drop_area, self.queue):
            asking.files_requested.connect(self._choose_files)
            asking.folder_requested.connect(self._choose_folder)
        self.drop_area.sample_requested.connect(session.filling.add_sample)
        self.drop_area.undo_requested.connect(session.filling.undo_removal)
        self.drop_area.last_time_requested.connect(session.filling.put_in_last_time)
        self.queue.paste_requested.connect(self._paste)
        self.queue.notice.connect(self.notice)
        self.queue.current_changed.connect(self._on_current)
        self.queue.table.pressed.connect(self._stop_following)
        view = self.compare.view
        for widget in (self.queue.table, view.canvas, *view.findChildren(QToolButton)):
            widget.installEventFilter(self)
        view.file_step_requested.connect(self._step)
        self.options.preset.failed.connect(self._on_failed)
        self.settings.changed.connect(self._on_option)
        session.pins.options_replaced.connect(self.options.show_options)
        session.pins.failed.connect(self._on_failed)
        self.options_notice.done.connect(lambda keep: session.pins.end_editing(keep=keep))
        self.compare.check_requested.connect(self._ask_to_check)
        self.start_button.clicked.connect(self._start)
        self.options_button.toggled.connect(self.drawer.show_open)
        self.drawer.opened.connect(self.options_button.setChecked)
        self.bar.pause.clicked.connect(self._pause_or_resume)
        self.bar.stop.clicked.connect(session.cancel)
        # The queue's keys are heard also while the empty page has no queue.
        self.addActions(self.queue.actions())
        self._add_keys((("Ctrl+Return", self._start), ("Ctrl+Enter", self._start), ("Ctrl+P", self._pause_or_resume)))

    def _banner_place(self) -> QRect:
        """Over the lower end of the picture, above its buttons."""
        place = QRect(self.contents.mapTo(self, self.contents.rect().topLeft()), self.contents.size())
        return place.adjusted(0, 0, 0, -self.compare.view.bar.height())

    # Showing

    def show_state(self) -> None:
        """Bring bar, buttons and status in line with the session."""
        session, run = self.session, self.session.run
        buttons = (self.start_button, self.bar.pause, self.bar.stop)
        focused = next((button for button in buttons if button.hasFocus()), None)
        self.start_button.setEnabled(session.can_start)
        if not session.busy:
            # It stays where it is during a run, so that no other button comes under the pointer.
            self._show_start()
        self.bar.show_steering(
            session.busy, can_pause=run.can_be_steered, can_stop=run.can_be_steered, paused=run.paused
        )
        if focused is not None and (focused.isHidden() or not focused.isEnabled()):
            # Else Qt takes the focus somewhere else, as the button that had it is gone.
            (self.bar.pause if session.busy else self.start_button).setFocus()
        self.bar.show_state(bar_state(session))
        self.drop_area.show_offers(session.filling.removed, len(session.filling.last_time))
        self.options_notice.show_state(session.pins.edited, session.kept_settings)
        self.status_changed.emit(*engine_words(session))

    def _show_start(self) -> None:
        text, tooltip = start_words(self.session)
        self.start_button.setText(text)
        self.start_button.setToolTip(_("{tooltip} (Ctrl+Return)").format(tooltip=tooltip))

    def _show_contents(self) -> None:
        filled = len(self.session.queue.entries) > 0
        if not filled:
            self.compare.clear()
        focused = self.window().focusWidget()
        self.contents.setCurrentWidget(self.split if filled else self.drop_area)
        if filled and not self.queue.table.currentIndex().isValid():
            self.queue.table.choose(0)
            if self.isVisible() and (focused is None or not self.options.isAncestorOf(focused)):
                self.queue.table.setFocus()
        self.queue.show_state()
        self.show_state()

    def _on_split(self) -> None:
        self.settings.set(settings.SPLIT, self.split.saveState().toBase64().toStdString())

    def _on_current(self) -> None:
        entry = self.queue.current()
        if entry is not None:
            self.compare.show_entry(entry)

    def _on_data(self, first: QModelIndex, last: QModelIndex) -> None:
        if first.row() <= self.queue.table.currentIndex().row() <= last.row():
            self.compare.refresh()

    # Input

    def _drop_words(self, mime: QMimeData) -> str:
        if paths_in(mime) or mime.hasImage():
            return _("Drop to add to the queue")
        words = _("Drop to fetch the picture into {own_pictures}")
        return words.format(own_pictures=own_pictures()) if links_in(mime) else ""

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        # What is dragged out of the queue is not put in again.
        if event.source() is not self.queue.table:
            super().dragEnterEvent(event)

    def _show_drag(self, words: str) -> None:
        if self.contents.currentWidget() is self.drop_area:
            self.drop_area.light_up(True)
        else:
            super()._show_drag(words)

    def _end_drag(self) -> None:
        self.drop_area.light_up(False)
        super()._end_drag()

    def _take(self, mime: QMimeData) -> None:
        image = None if paths_in(mime) else image_in(mime)
        if image is None and links_in(mime) and not paths_in(mime):
            self.session.filling.fetch(links_in(mime))
        elif image is None:
            super()._take(mime)
        else:
            self.session.filling.add_image(image)

    def _paste(self) -> None:
        self._take(QGuiApplication.clipboard().mimeData())

    def _choose_files(self) -> None:
        files, _rest = QFileDialog.getOpenFileNames(self, _("Add pictures"), self._folder, _kinds_of_files())
        if files:
            self.settings.set(settings.FOLDER, str(Path(files[0]).parent))
            self.session.add(Path(file) for file in files)

    @property
    def _folder(self) -> str:
        return dialog_folder(self.settings.get(settings.FOLDER))

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, _("Add a folder"), self._folder)
        if folder:
            self.settings.set(settings.FOLDER, folder)
            self.session.add([Path(folder)])

    def _ask_to_check(self) -> None:
        if self.selected_picture is not None:
            self.check_requested.emit(self.selected_picture)

    # The run

    def _start(self) -> None:
        if self.session.can_start:
            self.banner.hide()
            self._following = True
            self.session.start()
            self.compare.give_way()

    def _pause_or_resume(self) -> None:
        if self.session.run.paused:
            self.session.resume()
        else:
            self.session.pause()

    def _on_saved(self, entry: Entry) -> None:
        self._last_saved = entry
        row = self.session.queue.row_of(entry.path)
        current = self.queue.table.currentIndex().row()
        if row not in (None, current) and self._following and not self._follow_timer.isActive():
            self._follow_timer.start()
            self.queue.table.choose(row)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in USER_INPUT and not (isinstance(event, QKeyEvent) and event.key() in NEUTRAL_KEYS):
            self._stop_following()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """P flips also where the focus is on a slider or a button, which have no use for it."""
        if not self.compare.flip_by(event):
            super().keyPressEvent(event)

    def _stop_following(self) -> None:
        self._following = False

    def _step(self, by: int) -> None:
        if self.queue.step(by):
            self._stop_following()

    def _on_failed(self, problem: Problem) -> None:
        super()._on_failed(problem)
        self.compare.ask_preview_soon()

    def _on_finished(self, summary: Summary) -> None:
        self.compare.ask_preview_soon()
        actions = []
        if summary.failures:
            actions.append((_("Show failed…"), lambda: FailuresDialog(summary.failures, self.window()).open()))
        if self._last_saved is not None and summary.saved:
            actions.append((_("Open folder"), partial(_open_folder_of, self._last_saved)))
        level, title, figures = outcome_words(summary)
        self.banner.say(level, title, figures, actions)
        self._outcome = self.banner.text
        if not summary.cancelled:
            self.notify.emit(title, figures)

    def _on_option(self, option: Option) -> None:
        """Who goes on to other settings has seen how the run ended, and wants to see the picture."""
        if option in settings.PREVIEWED and self.banner.text == self._outcome:
            self.banner.hide()


def _open_folder_of(entry: Entry) -> None:
    if entry.output is not None:
        # Where it lies now: it may have been packed since.
        show_in_file_manager(entry.output)


def _kinds_of_files() -> str:
    """What a file dialog offers to show."""
    suffixes = " ".join(f"*{suffix}" for suffix in sorted(READABLE_SUFFIXES | ARCHIVE_SUFFIXES))
    return _("Pictures ({suffixes});;All files (*)").format(suffixes=suffixes)


def _show_fetching(banner: Banner, filling: Filling, fetching: Fetching | None) -> None:
    if fetching is None:
        banner.hide()
    elif fetching.done and banner.isVisible():
        banner.advise(fetching_words(fetching))
    else:
        give_up = (_("Cancel"), filling.give_up_links)
        banner.say("info", _("Fetching “{name}”").format(name=fetching.name), fetching_words(fetching), [give_up])
