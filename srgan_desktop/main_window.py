"""The window: a rail of pages, the page, and a strip that says what the engine does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from PySide6.QtCore import QByteArray, QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QSystemTrayIcon,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _
from srgan_desktop.afterwards import AfterRuns
from srgan_desktop.awake import Awake
from srgan_desktop.fields import Elided
from srgan_desktop.help import AboutDialog, KeysDialog
from srgan_desktop.page import Page
from srgan_desktop.page_builder import PageBuilder
from srgan_desktop.problems import Problem
from srgan_desktop.rail import Rail
from srgan_desktop.settings import GEOMETRY, MODEL, Settings
from srgan_desktop.taskbar import TaskbarProgress
from srgan_desktop.theme import Theme, app_icon

if TYPE_CHECKING:
    from srgan_desktop.models.page import ModelsPage
    from srgan_desktop.training.page import TrainPage
    from srgan_desktop.upscale.page import UpscalePage

NOTICE_MS = 8_000
"""How long a line stays in the status strip."""
TASKBAR_MS = 1_000
"""How often the taskbar hears how far the runs are."""


@dataclass(frozen=True, slots=True)
class PageEntry:
    """A page of the rail."""

    key: str
    title: str
    icon: str
    module: str
    """Where its class is."""
    make: Callable[[MainWindow], Page]
    """Begins the page while the window rests, or when it is first shown; imports what the page needs.

    What one page asks of another is connected here, by way of the window, as pages do not know each other.
    """


def _upscale(window: MainWindow) -> UpscalePage:
    from srgan_desktop.upscale.page import UpscalePage

    page = UpscalePage(window.theme, window.settings, window.stack)
    page.check_requested.connect(window.check_picture)
    page.options.more_models.connect(partial(window.show_page, "models"))
    return page


def _train(window: MainWindow) -> TrainPage:
    from srgan_desktop.training.page import TrainPage

    page = TrainPage(window.theme, window.settings, window.stack, built=False)
    page.model_ready.connect(lambda key: window.settings.set(MODEL, key))
    return page


def _models(window: MainWindow) -> ModelsPage:
    from srgan_desktop.models.page import ModelsPage

    page = ModelsPage(window.theme, window.settings, window.stack, built=False)
    page.selected_picture = lambda: window.page("upscale").selected_picture
    page.fine_tune_requested.connect(window.fine_tune)
    return page


PAGES: tuple[PageEntry, ...] = (
    PageEntry("upscale", _("Upscale"), "upscale", "srgan_desktop.upscale.page", _upscale),
    PageEntry("train", _("Train"), "train", "srgan_desktop.training.page", _train),
    PageEntry("models", _("Models"), "models", "srgan_desktop.models.page", _models),
)
"""Top to bottom; the first is shown at the start and takes what is dropped on the program."""


class MainWindow(QMainWindow):
    """Lives until every page has let go of its process and threads."""

    closing = Signal()
    """It goes for sure, and takes nothing more."""
    closed = Signal()
    """Nothing is left running; the program can end."""

    def __init__(self, theme: Theme, settings: Settings) -> None:
        super().__init__()
        self.setWindowTitle("SRGAN Desktop")
        self.setMinimumSize(QSize(820, 470))
        self.theme = theme
        self.settings = settings
        self._pages: dict[str, Page] = {}
        self.begun: dict[str, Page] = {}
        """Pages that are being made."""
        self._engine_words: dict[str, tuple[str, str]] = {}
        self._to_stop = 0
        self.is_closing = False
        """Whether it goes for sure, and takes nothing more."""
        self.restarts = False
        """Whether the program is to start again once it is closed."""
        self._painted = False
        self._question: QMessageBox | None = None
        self._tray: QSystemTrayIcon | None = None
        self._awake = Awake()
        self._taskbar = TaskbarProgress(self)
        self._taskbar_timer = QTimer(self, interval=TASKBAR_MS)
        self._taskbar_timer.timeout.connect(self._show_in_taskbar)
        self._was_busy = False
        """Whether a run has ended just now, and nobody knows yet whether by itself."""
        self.after_runs = AfterRuns(self, self._let_sleep)
        self.after_runs.failed.connect(self._on_failed)
        self.stack = QStackedWidget()
        """Holds the pages, and is their parent from the start: what moves into another widget is styled anew."""
        self.status = StatusStrip(theme)
        self.rail = Rail(theme, settings, [(entry.key, entry.title, entry.icon) for entry in PAGES], self.after_runs)
        self.rail.page_requested.connect(self.show_page)
        self.rail.keys_requested.connect(self._show_keys)
        self.rail.about_requested.connect(self._show_about)
        self.rail.language_chosen.connect(self._offer_restart)
        self.page_buttons = self.rail.page_buttons
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.stack, 1)
        right.addWidget(self.status)
        centre = QWidget()
        row = QHBoxLayout(centre)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(right, 1)
        self.setCentralWidget(centre)
        leave = QAction(_("Quit"), self, shortcut=QKeySequence("Ctrl+Q"))
        leave.triggered.connect(self.close)
        self.addAction(leave)
        keys = QAction(_("Keys"), self)
        keys.setShortcuts([QKeySequence("F1"), QKeySequence("?"), QKeySequence("Shift+?")])
        keys.triggered.connect(self._show_keys)
        self.addAction(keys)
        self._builder = PageBuilder(self, [(entry.key, entry.module) for entry in PAGES[1:]], self.build_piece_of)
        self._builder.stopped.connect(self._on_stopped)
        self._restore_geometry()
        self.show_page(PAGES[0].key)

    @overload
    def page(self, key: Literal["upscale"]) -> UpscalePage: ...
    @overload
    def page(self, key: Literal["train"]) -> TrainPage: ...
    @overload
    def page(self, key: Literal["models"]) -> ModelsPage: ...
    @overload
    def page(self, key: str) -> Page: ...

    def page(self, key: str) -> Page:
        """A page, made if it was not shown yet."""
        if key not in self._pages:
            page = self.begun.pop(key, None) or self._entry(key).make(self)
            page.build()
            page.status_changed.connect(partial(self._on_status, key))
            page.notice.connect(self.status.show_notice)
            page.notify.connect(partial(self._notify, key))
            page.stopped.connect(self._on_stopped)
            page.session.changed.connect(self._close_if_no_longer_asked)
            page.session.changed.connect(self._follow_runs)
            self._pages[key] = page
            self.stack.addWidget(page)
            if self._painted:
                page.start_engine()
        return self._pages[key]

    def build_piece_of(self, key: str) -> bool:
        """Make another piece of a page while the window rests; whether there is more to make of it."""
        if key in self._pages:
            return False
        if key not in self.begun:
            self.begun[key] = self._entry(key).make(self)
            return True
        if self.begun[key].build_piece():
            return True
        self.page(key)
        return False

    def _entry(self, key: str) -> PageEntry:
        return next(entry for entry in PAGES if entry.key == key)

    @property
    def front(self) -> QWidget | None:
        """The page that is seen."""
        return self.stack.currentWidget()

    def show_page(self, key: str) -> None:
        """Bring a page to the front."""
        self.stack.setCurrentWidget(self.page(key))
        self.page_buttons[key].setChecked(True)
        self.rail.mark(key, news=False)
        if key in self._engine_words:
            self.status.show_engine(*self._engine_words[key])

    def open(self, paths: list[Path]) -> None:
        """Put files and folders into the first page's queue, and bring that page to the front."""
        self.show_page(PAGES[0].key)
        self.page(PAGES[0].key).open(paths)

    def fine_tune(self, model: str) -> None:
        """Have a model trained further, by its key."""
        self.page("train").fine_tune(model)
        self.show_page("train")

    def check_picture(self, picture: Path) -> None:
        """Have a picture checked on the Models page."""
        self.page("models").check_picture(picture)
        self.show_page("models")

    def come_forward(self) -> None:
        """Be seen, and get the keys, as far as the system lets us."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.raise_()
        self.activateWindow()

    def close_now(self) -> None:
        """Close without asking, as the system does when it shuts down."""
        if not self.is_closing:
            self._begin_to_close()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._painted:
            self._painted = True
            # Behind the first paint: starting a process takes longer than painting.
            QTimer.singleShot(0, self, self._start_engines)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ApplicationFontChange:
            self.theme.fit_font()

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        if self.is_closing:
            return
        if self._question is not None:
            self._question.raise_()
        elif self._busy:
            self._ask()
        else:
            self._begin_to_close()

    @property
    def _busy(self) -> bool:
        return any(page.busy for page in self._pages.values())

    def _start_engines(self) -> None:
        self._builder.begin()
        for page in self._pages.values():
            page.start_engine()

    def _on_status(self, key: str, words: str, level: str) -> None:
        """Every page has an engine of its own; the strip is that of the page in front."""
        self._engine_words[key] = words, level
        if self.front is self._pages.get(key):
            self.status.show_engine(words, level)

    def _ask(self) -> None:
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(_("Close SRGAN Desktop"))
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(_("A run is in progress. Cancel it and close?"))
        box.setInformativeText(
            _("Finished results are kept. Upscaling continues where it stopped; training with Resume.")
        )
        cancel = box.addButton(_("Cancel the run and &close"), QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton(_("&Keep working"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        cancel.clicked.connect(self.close_now)
        # Not told apart by `finished`, which comes before the click on its button is told.
        box.rejected.connect(self._keep_working)
        box.finished.connect(self._forget_question)
        self._question = box
        box.open()

    def _follow_runs(self) -> None:
        """Nobody wants a night's run to fall asleep with the machine, nor to come back for a look how far it is."""
        busy = self._busy
        if busy == self._awake.held:
            return
        self._awake.hold(busy)
        if busy:
            self._taskbar_timer.start()
        else:
            self._taskbar_timer.stop()
            self._was_busy = True
            # A run that ends by itself is told of before that; one that was stopped is not.
            QTimer.singleShot(0, self, self._forget_run)
        self._show_in_taskbar()

    def _forget_run(self) -> None:
        self._was_busy = False

    def _show_in_taskbar(self) -> None:
        known = [page.progress for page in self._pages.values() if page.progress is not None]
        self._taskbar.show(min(known, default=None))

    def _let_sleep(self) -> None:
        self._awake.hold(False)

    def _on_failed(self, problem: Problem) -> None:
        self.status.show_notice(f"{problem.message} {problem.hint}")

    def _show_keys(self) -> None:
        KeysDialog(self).open()

    def _show_about(self) -> None:
        AboutDialog(self).open()

    def _offer_restart(self) -> None:
        """Texts are looked up when the program starts, so another language needs it to start again."""
        box = QMessageBox(self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(_("Language"))
        box.setIcon(QMessageBox.Icon.Question)
        box.setText(_("The new language takes effect when the program restarts."))
        again = box.addButton(_("&Restart now"), QMessageBox.ButtonRole.AcceptRole)
        later = box.addButton(_("&Later"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(again)
        box.setEscapeButton(later)
        again.clicked.connect(self.restart)
        box.open()

    def restart(self) -> None:
        """Close, and start again after that. A run that is in progress is asked about first, as always."""
        self.restarts = True
        self.close()

    def _forget_question(self) -> None:
        self._question = None

    def _keep_working(self) -> None:
        # Rejected is the question also when it is taken back, as the window closes anyway.
        if not self.is_closing:
            self.restarts = False

    def _close_if_no_longer_asked(self) -> None:
        """A run that ends answers the question whether it is to be cancelled: to close is what was wanted."""
        if self._question is not None and not self._busy:
            # The page that says so is in the middle of something.
            QTimer.singleShot(0, self, self.close_now)

    def _begin_to_close(self) -> None:
        self.is_closing = True
        if self._question is not None:
            self._question.reject()
        self.closing.emit()
        self.settings.set(GEOMETRY, base64.b64encode(self.saveGeometry().data()).decode())
        self.settings.save()
        if not self._busy:
            self.hide()
        else:
            self.stack.setEnabled(False)
            self.status.show_notice(_("Stopping the run…"))
        self._builder.close()
        for key in list(self.begun):
            # Only a whole page can let go of what it has.
            self.page(key)
        self._to_stop = len(self._pages) + 1
        for page in self._pages.values():
            page.shutdown()

    def _on_stopped(self) -> None:
        self._to_stop -= 1
        if self._to_stop == 0:
            if self._tray is not None:
                self._tray.hide()
            self._awake.hold(False)
            self._taskbar.show(None)
            self.hide()
            self.closed.emit()

    def _restore_geometry(self) -> None:
        saved = self.settings.get(GEOMETRY)
        try:
            restored = bool(saved) and self.restoreGeometry(QByteArray(base64.b64decode(saved)))
        except ValueError:
            restored = False
        if not restored:
            screen = self.screen().availableGeometry()
            self.resize(min(1280, screen.width()), min(800, screen.height()))

    def _notify(self, key: str, title: str, text: str) -> None:
        """Tell people who are elsewhere, on another page or in another window; those who look see the page's banner."""
        if self._was_busy and not self._busy:
            self._was_busy = False
            self.after_runs.begin()
        in_front = self.front is self._pages[key]
        if not in_front:
            self.rail.mark(key, news=True)
            self.status.show_notice(" · ".join(part for part in (title, text) if part))
        elif self.isActiveWindow():
            return
        QApplication.alert(self)
        if QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages():
            if self._tray is None:
                self._tray = QSystemTrayIcon(app_icon(), self)
                self._tray.messageClicked.connect(self.come_forward)
            self._tray.show()
            self._tray.showMessage(title, text, app_icon())


class StatusStrip(QFrame):
    """The engine's state on the left, the last notice on the right."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("statusStrip")
        self._dot = _Dot(theme)
        self.engine = Elided()
        self.notice = Elided("muted")
        self._timer = QTimer(self, singleShot=True, interval=NOTICE_MS)
        self._timer.timeout.connect(self._clear_notice)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 5, 14, 5)
        row.setSpacing(8)
        row.addWidget(self._dot)
        row.addWidget(self.engine)
        row.addStretch(1)
        row.addWidget(self.notice)

    def show_engine(self, words: str, level: str) -> None:
        """Say what the engine does; `level` is `good`, `warn`, `bad` or `busy`."""
        self.engine.say(words)
        self._dot.show_level(level)

    def show_notice(self, words: str) -> None:
        """Say something for a while."""
        self.notice.say(words)
        self._timer.start()

    def _clear_notice(self) -> None:
        self.notice.say("")


class _Dot(QWidget):
    """Green, amber, red, or blue while something starts."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setFixedSize(10, 10)
        self._theme = theme
        self._level = "busy"

    def show_level(self, level: str) -> None:
        self._level = level
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = self._theme.tokens
        colours = {"good": tokens.good, "warn": tokens.warn, "bad": tokens.bad}
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colours.get(self._level, tokens.accent_text))
        painter.drawEllipse(self.rect().adjusted(1, 1, -1, -1))
        painter.end()
