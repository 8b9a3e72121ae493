"""What the pages of the window have in common: what they tell it, and how something is dropped on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from PySide6.QtCore import QMimeData, QRect, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeySequence,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from core.language import gettext as _
from srgan_desktop import problems
from srgan_desktop.banner import MARGIN, Banner
from srgan_desktop.desktop import paths_in
from srgan_desktop.dialogs import ProblemDialog
from srgan_desktop.fields import Tabs, titled
from srgan_desktop.problems import Problem
from srgan_desktop.session import Session
from srgan_desktop.settings import Settings
from srgan_desktop.tab_order import tab_as_laid_out
from srgan_desktop.theme import Theme

_ALL_MADE = object()


class Page(QWidget):
    """Base of a page: a session, seen and driven.

    A page is used once it is built: at once by its maker, or by and by while the window rests.
    """

    status_changed = Signal(str, str)
    """What the engine does, in words, and `good`, `warn`, `bad` or `busy`."""
    notice = Signal(str)
    """One line for the status strip."""
    notify = Signal(str, str)
    """Title and text of a system notification."""
    stopped = Signal()
    """After `shutdown`."""

    def __init__(self, theme: Theme, options: Settings, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.settings = options
        self.session = session
        session.setParent(self)
        session.stopped.connect(self.stopped)
        self.banner = Banner(theme, self)
        self.banner.float_in(self._banner_place, at_top=True)
        self.drop_overlay = DropOverlay(self)
        self.setAcceptDrops(True)
        self._pieces = self._build()

    # Making it

    def _build(self) -> Iterator[None]:
        """Make what the page shows, in pieces: at each `yield` the window may look after its user."""
        yield from ()

    def build_piece(self) -> bool:
        """Make the next piece; False when there is none left."""
        return next(self._pieces, _ALL_MADE) is not _ALL_MADE

    def build(self) -> None:
        """Make all that is not made yet."""
        while self.build_piece():
            pass

    # What the window asks

    @property
    def busy(self) -> bool:
        """Whether closing would end or break something off."""
        return self.session.busy

    @property
    def progress(self) -> float | None:
        """How much of the run under way is done, 0 to 1; None where there is none, or nobody can tell."""
        return None

    def start_engine(self) -> None:
        """Called once the page is on the screen. Does nothing where the engine starts when it is first needed."""

    def open(self, paths: list[Path]) -> None:
        """Take files and folders."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """Let go of everything; ends with `stopped`."""
        self.session.shutdown()

    # For the pages

    def _add_keys(self, keys: Iterable[tuple[str, Callable[[], object]]]) -> None:
        """Keys of the page while it is in front, wherever the focus is: Qt leaves those of hidden widgets out."""
        for sequence, act in keys:
            action = QAction(self)
            action.setShortcut(QKeySequence(sequence))
            action.triggered.connect(act)
            self.addAction(action)

    def _on_failed(self, problem: Problem) -> None:
        """Show it, in the window and to those who look elsewhere."""
        actions = []
        if problem.details:
            actions.append((_("Details…"), lambda: ProblemDialog(problem, self.window()).open()))
        self.banner.say("bad", problem.message, problem.hint, actions)
        self.notify.emit(problem.message, problem.hint)

    def _banner_place(self) -> QRect:
        """Where the banner floats, at the top of it."""
        return self.rect().adjusted(0, MARGIN // 2, 0, 0)

    # Drag and drop

    def _drop_words(self, mime: QMimeData) -> str:
        """What a drop of this would do, in words; empty where it cannot be taken."""
        raise NotImplementedError

    def _take(self, mime: QMimeData) -> None:
        paths = paths_in(mime)
        if paths:
            self.open(paths)
        else:
            self._on_failed(problems.drop_refused())

    def _show_drag(self, words: str) -> None:
        """Show that a drop would be taken."""
        self.drop_overlay.cover_page(words)

    def _end_drag(self) -> None:
        self.drop_overlay.hide()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        words = self._drop_words(event.mimeData())
        if words:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._show_drag(words)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._end_drag()

    def dropEvent(self, event: QDropEvent) -> None:
        self._end_drag()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self._take(event.mimeData())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.banner.fit_place()
        if self.drop_overlay.isVisible():
            self.drop_overlay.fit_page()


class TabbedPage(Page):
    """Base of a page of several views, of which one is seen.

    `_build` makes `tabs` and `views`, which have the same keys, and then calls `_lay_out`.
    """

    tabs: Tabs
    views: dict[str, QWidget]

    def __init__(self, theme: Theme, options: Settings, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(theme, options, session, parent)
        self.stack = QStackedWidget(self)
        """The views' parent from the start: what moves into another widget is styled anew with all that is in it."""

    def _lay_out(self, *beside: QWidget) -> Iterator[None]:
        """Put the tabs, with `beside` at the end of their row, over the views; a piece for each view."""
        for view in self.views.values():
            self.stack.addWidget(view)
            yield
        header = QHBoxLayout()
        header.setSpacing(12)
        header.addWidget(self.tabs)
        header.addStretch(1)
        for widget in beside:
            header.addWidget(widget)
        page = QVBoxLayout(self)
        page.setContentsMargins(14, 10, 14, 12)
        page.setSpacing(10)
        page.addLayout(header)
        page.addWidget(self.stack, 1)
        yield
        tab_as_laid_out(self)
        yield
        self.tabs.chosen.connect(self.show_view)
        self.session.changed.connect(self._show_status)

    def show_view(self, key: str) -> None:
        """Bring one of `views` to the front."""
        self.stack.setCurrentWidget(self.views[key])
        self.tabs.show_chosen(key)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_status()

    def _show_status(self) -> None:
        self.status_changed.emit(*self._engine_words())

    def _engine_words(self) -> tuple[str, str]:
        """What `status_changed` says."""
        raise NotImplementedError


class DropOverlay(QFrame):
    """Laid over a page while something is dragged across it."""

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self._page = page
        self.setObjectName("dropOverlay")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.label = titled("", "headline")
        self.label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        QVBoxLayout(self).addWidget(self.label)
        self.hide()

    def cover_page(self, words: str) -> None:
        """Cover the page, and say what a drop would do."""
        self.label.setText(words)
        self.fit_page()
        self.raise_()
        self.show()

    def fit_page(self) -> None:
        """Take the page's size."""
        self.setGeometry(self._page.rect().adjusted(8, 8, -8, -8))
