"""The window as a whole: its start, its pages, its end."""

import json
import os

import psutil
import pytest
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QFont
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

from core import paths
from srgan_desktop import settings
from srgan_desktop.fields import Scrolled
from srgan_desktop.job import EngineState
from srgan_desktop.main_window import PAGES, MainWindow
from srgan_desktop.problems import Problem
from srgan_desktop.upscale.queue_model import State
from tests.desktop.conftest import make_picture, run_program
from tests.desktop.scripted import KILLED

TIMEOUT = 90_000

WATCH = """
import json, sys
from pathlib import Path
from PySide6.QtCore import QTimer
from srgan_desktop import app
from srgan_desktop.main_window import PAGES
from srgan_desktop.upscale.page import UpscalePage

# It is another process, and imports torch at leisure.
UpscalePage.start_engine = lambda page: None

class Watched(app.MainWindow):
    painted = False
    def paintEvent(self, event):
        super().paintEvent(event)
        if not self.painted:
            self.painted = True
            self.early = self.heavy()
            self.timer = QTimer(self, interval=50)
            self.timer.timeout.connect(self.look)
            self.timer.start()
    def look(self):
        page = self.page("upscale")
        rows = page.session.queue.entries
        if rows and not page.session.scanning and all(page.session.thumbnails.get(row.path) for row in rows):
            self.timer.stop()
            for each in PAGES:
                self.show_page(each.key)
            for view in ("run", "history"):
                self.page("train").show_view(view)
            print(json.dumps({"early": self.early, "late": self.heavy(), "rows": len(rows),
                              "output": page.settings.get(app.OUTPUT)}), flush=True)
            self.close()
    def heavy(self):
        return [name for name in ("torch", "torchvision", "spandrel", "PIL", "tifffile") if name in sys.modules]

app.MainWindow = Watched
sys.exit(app.run(sys.argv[1:]))
"""


def test_the_window_never_imports_torch(own_home, tmp_path):
    """In a process of its own, as this one has torch; with every page open and thumbnails made."""
    printed = run_program(WATCH, "-o", str(tmp_path / "out"), str(paths.RESOURCES / "samples"))
    seen = json.loads(printed)
    assert seen["rows"] >= 10
    assert seen["output"] == str(tmp_path / "out")
    assert not {"torch", "torchvision", "spandrel"} & {*seen["early"], *seen["late"]}
    assert "PIL" in seen["late"]
    # The choice of -o is for this once.
    assert str(tmp_path / "out") not in paths.user_settings().read_text()


HANGING = """
import os, sys
from PySide6.QtCore import QTimer
from srgan_desktop import app, background, thumbnails

background.GRACE_MS = 100

def read_for_ever(path):
    QTimer.singleShot(0, Hanging.window, Hanging.window.close)
    return open(sys.argv[1]).read()

class Hanging(app.MainWindow):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        Hanging.window = self

thumbnails.make_thumbnail = read_for_ever
app.MainWindow = Hanging
sys.exit(app.run([sys.argv[2]]))
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="nothing to hang in")
def test_the_program_ends_in_order_while_a_thread_hangs_in_reading(tmp_path):
    """It hangs as on a network drive that is gone: nobody ever writes into the pipe that is read."""
    os.mkfifo(tmp_path / "pipe")
    run_program(HANGING, str(tmp_path / "pipe"), str(make_picture(tmp_path / "a.png")), timeout=60)


SIGNALLED = """
import os, signal, sys
from PySide6.QtCore import SIGNAL, QTimer
from PySide6.QtWidgets import QApplication
from srgan_desktop import app

class Signalled(app.MainWindow):
    def _start_engines(self):
        super()._start_engines()
        print(QApplication.instance().receivers(SIGNAL("commitDataRequest(QSessionManager&)")))
        QTimer.singleShot(0, lambda: os.kill(os.getpid(), getattr(signal, sys.argv[1])))

app.MainWindow = Signalled
sys.exit(app.run([]))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_logout_closes_the_window_in_order(name):
    printed = run_program(SIGNALLED, name)
    # A session manager that would ask cannot be played here.
    assert printed.strip() == "1"


@pytest.fixture
def window(qtbot, theme, options, small_model, tmp_path, warm_workers):
    options.set(settings.MODEL, small_model)
    options.set(settings.OUTPUT, str(tmp_path / "out"))
    options.set(settings.PREVIEW, False)
    window = MainWindow(theme, options)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    yield window
    if not window.is_closing:
        with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
            window.close_now()
    window.deleteLater()


def test_closing_in_a_run_asks_cancels_and_leaves_nothing(qtbot, window, tmp_path):
    for n in range(200):
        make_picture(tmp_path / "in" / f"{n}.png", 60, 60)
    window.open([tmp_path / "in"])
    page = window.page("upscale")
    qtbot.waitUntil(lambda: not page.session.scanning and page.session.engine is EngineState.READY, timeout=TIMEOUT)
    assert "Ready on" in window.status.engine.whole
    worker = psutil.Process(page.session.worker_pid)
    # Other tests of this process may have left a cluster running for those to come.
    ours = {worker, *worker.children(recursive=True)}
    QTest.mouseClick(page.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.session.queue.count(State.DONE) > 1, timeout=TIMEOUT)
    # To stay is the default, and the run goes on.
    window.close()
    box = window.findChild(QMessageBox)
    assert box.isVisible()
    QTest.keyClick(box, Qt.Key.Key_Escape)
    assert window.isVisible()
    assert page.busy
    window.close()
    box = next(box for box in window.findChildren(QMessageBox) if box.isVisible())
    yes = next(button for button in box.findChildren(QPushButton) if "close" in button.text())
    ours.update(worker.children(recursive=True))
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        QTest.mouseClick(yes, Qt.MouseButton.LeftButton)
    assert not window.isVisible()
    assert not [process for process in ours if process.is_running()]
    assert not list((tmp_path / "out").rglob("*.part"))
    assert 0 < len(list((tmp_path / "out").glob("*.png"))) < 200


def test_the_question_does_not_outlive_the_run(qtbot, window, tmp_path):
    window.open([make_picture(tmp_path / "a.png")])
    page = window.page("upscale")
    qtbot.waitUntil(lambda: not page.session.scanning and page.session.engine is EngineState.READY, timeout=TIMEOUT)
    page.session.start()
    page.session.pause()
    window.close()
    window.close()
    (box,) = (box for box in window.findChildren(QMessageBox) if box.isVisible())
    with qtbot.waitSignals([box.finished, window.closed], timeout=TIMEOUT):
        page.session.resume()
    assert page.session.queue.count(State.DONE) == 1


def _with_a_paused_run(qtbot, window, tmp_path):
    """The Upscale page, in the middle of a run that does not end by itself."""
    window.open([make_picture(tmp_path / "a.png")])
    page = window.page("upscale")
    qtbot.waitUntil(lambda: not page.session.scanning, timeout=TIMEOUT)
    page.session.start()
    page.session.pause()
    return page


def test_an_end_that_asks_nobody_takes_the_question_back(qtbot, window, tmp_path):
    _with_a_paused_run(qtbot, window, tmp_path)
    window.close()
    box = window.findChild(QMessageBox)
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        window.close_now()
        assert not box.isVisible()


def test_a_restart_asks_about_the_run_as_closing_does(qtbot, window, tmp_path):
    page = _with_a_paused_run(qtbot, window, tmp_path)
    window.restart()
    box = window.findChild(QMessageBox)
    QTest.keyClick(box, Qt.Key.Key_Escape)
    # Who stays has taken the restart back: a later end is an end.
    assert page.busy
    assert not window.restarts
    window.restart()
    box = next(box for box in window.findChildren(QMessageBox) if box.isVisible())
    yes = next(button for button in box.findChildren(QPushButton) if "close" in button.text())
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        QTest.mouseClick(yes, Qt.MouseButton.LeftButton)
    assert window.restarts


def test_an_idle_window_closes_without_a_question(qtbot, window):
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        window.close()
    assert window.findChild(QMessageBox) is None


def test_the_engine_strip_says_what_happens(qtbot, window):
    page = window.page("upscale")
    assert "Starting the engine" in window.status.engine.whole
    qtbot.waitUntil(lambda: page.session.worker_pid is not None, timeout=TIMEOUT)
    psutil.Process(page.session.worker_pid).kill()
    qtbot.waitUntil(lambda: "stopped" in window.status.engine.whole, timeout=TIMEOUT)
    assert KILLED in window.status.notice.whole


def test_pages_by_keyboard(qtbot, window):
    for number, entry in enumerate(PAGES, 1):
        window.show_page(PAGES[0].key)
        QTest.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), Qt.KeyboardModifier.ControlModifier)
        # A button's own key clicks it a moment later, so that it is seen going down.
        qtbot.waitUntil(lambda key=entry.key: window.front is window.page(key))
        assert window.page_buttons[entry.key].isChecked()


def test_more_models_are_on_their_page(qtbot, window):
    window.show_page("upscale")
    (more,) = (each for each in window.page("upscale").findChildren(QPushButton) if each.text() == "More models…")
    more.click()
    assert window.front is window.page("models")


def test_what_happens_on_a_page_behind_is_told_on_the_one_in_front(qtbot, window):
    problem = Problem("The disk is full.", "Make room.")
    train, button = window.page("train"), window.page_buttons["train"]
    train.session.failed.emit(problem)
    assert window.status.notice.whole == "The disk is full. · Make room."
    assert button.text() == "Train •"
    assert "news" in button.accessibleName()
    # It was seen once the page has been opened, and what happens in front of people is in the banner alone.
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.front is train)
    assert button.text() == "Train"
    window.status.show_notice("")
    train.session.failed.emit(problem)
    assert train.banner.isVisible()
    assert button.text() == "Train"
    assert window.status.notice.whole == ""


def test_a_long_message_does_not_widen_the_window(qtbot, window):
    window.resize(window.minimumSize())
    width = window.width()
    window.status.show_notice("word " * 300)
    window.status.show_engine("engine " * 100, "bad")
    page = window.page("upscale")
    page.compare.words.say("preview " * 200)
    page.banner.say("bad", "A long message. " * 20, "Long advice. " * 40, [("Details…", lambda: None)])
    QTest.qWait(0)
    assert window.width() == width
    assert window.minimumSizeHint().width() <= width
    assert window.status.notice.toolTip().startswith("word word")


def test_the_place_on_the_screen_is_remembered(qtbot, theme, options, window):
    # Within the 800 x 800 pixels of the screen that is none.
    window.resize(window.minimumWidth(), 640)
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        window.close()
    again = MainWindow(theme, options)
    assert again.size() == window.size()
    again.show()
    with qtbot.waitSignal(again.closed, timeout=TIMEOUT):
        again.close_now()
    again.deleteLater()


def test_nonsense_as_geometry(qtbot, theme, options):
    options.set(settings.GEOMETRY, "no base64!")
    window = MainWindow(theme, options)
    assert window.width() >= window.minimumWidth()
    window.show()
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        window.close_now()
    window.deleteLater()


def test_files_of_a_second_start_come_to_their_page(qtbot, window, tmp_path):
    window.show_page("models")
    window.open([make_picture(tmp_path / "a.png")])
    page = window.page("upscale")
    assert page.isVisible()
    qtbot.waitUntil(lambda: len(page.session.queue.entries) == 1, timeout=TIMEOUT)


def test_a_page_that_was_begun_is_finished_when_it_is_asked_for(qtbot, window):
    assert window.build_piece_of("train")
    page = window.begun["train"]
    assert not hasattr(page, "tabs")
    window.show_page("train")
    assert window.front is page
    assert page.tabs.isVisible()
    assert not window.build_piece_of("train")


def test_piece_by_piece_a_page_becomes_whole(window):
    pieces = 0
    while window.build_piece_of("models"):
        pieces += 1
    assert pieces > 5
    assert window.page("models").list.count() > 0
    assert window.front is window.page("upscale")


class Moved(QObject):
    """Notes every widget that gets a parent when there are others in it already."""

    def __init__(self):
        super().__init__()
        self.moved = []

    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.ParentChange and isinstance(watched, QWidget):
            # Qt's own list of a combo box comes into its window when that is made.
            its_own = watched.parentWidget().metaObject().className() == "QComboBoxPrivateContainer"
            if watched.findChild(QWidget) is not None and not its_own:
                self.moved.append((type(watched).__name__, watched.objectName() or watched.property("role")))
        return False


@pytest.mark.parametrize("key", ["train", "models"])
def test_what_is_filled_gets_no_other_parent(qapp, window, key):
    """Qt would style it again with all that is in it: pages took twice as long to make."""
    moved = Moved()
    qapp.installEventFilter(moved)
    while window.build_piece_of(key):
        pass
    qapp.removeEventFilter(moved)
    assert window.page(key).findChild(Scrolled) is not None
    assert moved.moved == []


@pytest.mark.parametrize("points", [9, 12])
def test_the_window_fits_half_a_full_hd_screen(qtbot, qapp, theme, window, points):
    """960 x 540, with room for a title and a panel, also in larger type."""
    before = qapp.font()
    font = QFont(before)
    font.setPointSize(points)
    qapp.setFont(font)
    try:
        window.resize(900, 480)
        for entry in PAGES:
            window.show_page(entry.key)
            QTest.qWait(0)
            for area in window.front.findChildren(Scrolled):
                if area.isVisible():
                    # What scrolls up and down is never cut at its side.
                    assert area.widget().minimumSizeHint().width() <= area.viewport().width(), (entry.key, area)
        assert (window.width(), window.height()) == (900, 480)
    finally:
        qapp.setFont(before)


class Shown(QObject):
    """Notes every widget without a parent that is shown."""

    def __init__(self):
        super().__init__()
        self.windows = []

    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Show and isinstance(watched, QWidget) and watched.parent() is None:
            self.windows.append(type(watched).__name__)
        return False


def test_no_page_flashes_little_windows(qtbot, qapp, theme, options, tmp_path):
    """A widget that is shown before it has a parent is a window of its own for a moment."""
    shown = Shown()
    qapp.installEventFilter(shown)
    window = MainWindow(theme, options)
    window.show()
    for entry in PAGES:
        window.show_page(entry.key)
    window.open([make_picture(tmp_path / "a.png")])
    page = window.page("upscale")
    qtbot.waitUntil(lambda: not page.session.scanning, timeout=TIMEOUT)
    page.banner.say("bad", "Something happened", "It takes room.", [("Details…", lambda: None)])
    window.page("models").session.listed.emit()
    for each in (window.page("models"), window.page("train")):
        for view in each.views:
            each.show_view(view)
    qapp.removeEventFilter(shown)
    assert shown.windows == ["MainWindow"]
    with qtbot.waitSignal(window.closed, timeout=TIMEOUT):
        window.close_now()
    window.deleteLater()
