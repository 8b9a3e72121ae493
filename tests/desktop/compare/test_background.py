import gc
import threading

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject

from srgan_desktop.compare.background import Background


@pytest.fixture
def owner(qapp):
    owner = QObject()
    yield owner
    owner.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def test_results_arrive_in_order_in_the_main_thread(qtbot, owner):
    background, got = Background(owner), []
    background.arrived.connect(lambda result: got.append((result, threading.current_thread())))
    worked_in = []

    def work(_token, deliver):
        worked_in.append(threading.current_thread())
        for number in range(200):
            deliver(number)

    background.start(work)
    qtbot.waitUntil(lambda: len(got) == 200)
    assert [result for result, _thread in got] == list(range(200))
    assert {thread for _result, thread in got} == {threading.main_thread()}
    assert worked_in[0] is not threading.main_thread()


def test_an_exception_is_a_result(qtbot, owner):
    background = Background(owner)

    def work(_token, _deliver):
        raise ValueError("broken")

    with qtbot.waitSignal(background.arrived) as got:
        background.start(work)
    assert isinstance(got.args[0], ValueError)
    # And the next request is served.
    with qtbot.waitSignal(background.arrived) as got:
        background.start(lambda _token, deliver: deliver("well"))
    assert got.args == ["well"]


def test_the_newest_request_wins(qtbot, owner):
    background, got = Background(owner), []
    background.arrived.connect(got.append)
    begun, go_on = threading.Event(), threading.Event()

    def slow(token, deliver):
        deliver("early")
        begun.set()
        go_on.wait(10)
        deliver("late")
        token.check()
        deliver("never")

    background.start(slow)
    assert begun.wait(10)
    for number in range(5):
        background.start(lambda _token, deliver, number=number: deliver(number))
    go_on.set()
    qtbot.waitUntil(lambda: bool(got))
    QCoreApplication.processEvents()
    # Not even what was on its way when the next one was asked for.
    assert got == [4]


def test_what_is_cancelled_never_arrives(qtbot, owner):
    background, got, done = Background(owner), [], threading.Event()
    background.arrived.connect(got.append)

    def work(_token, deliver):
        deliver("result")
        done.set()

    background.start(work)
    assert done.wait(10)
    background.cancel()
    QCoreApplication.processEvents()
    assert got == []


def delete_with_its_parent(owner, background):
    owner.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def delete_itself(owner, background):
    background.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.mark.parametrize("delete", [delete_with_its_parent, delete_itself])
def test_deleting_it_in_the_middle_of_work_ends_the_thread(qapp, delete):
    owner = QObject()
    background = Background(owner)
    begun, ended, tokens = threading.Event(), threading.Event(), []

    def work(token, deliver):
        tokens.append(token)
        begun.set()
        while not token.cancelled:
            deliver("result")
        # Into the void, and not into a destroyed object.
        for _ in range(1_000):
            deliver("result")
        ended.set()

    background.start(work)
    assert begun.wait(10)
    delete(owner, background)
    del background, owner
    gc.collect()
    assert ended.wait(10)
    assert tokens[0].cancelled
    QCoreApplication.processEvents()


def test_losing_the_last_reference_ends_the_thread(qapp):
    owner = QObject()
    background = Background(owner)
    begun, ended = threading.Event(), threading.Event()

    def work(token, _deliver):
        begun.set()
        while not token.cancelled:
            pass
        ended.set()

    background.start(work)
    assert begun.wait(10)
    del background, owner
    gc.collect()
    assert ended.wait(10)


def test_a_thread_lives_only_while_there_is_work(qtbot, owner):
    background = Background(owner)
    for number in range(3):
        with qtbot.waitSignal(background.arrived) as got:
            background.start(lambda _token, deliver, number=number: deliver(number))
        assert got.args == [number]
        qtbot.waitUntil(lambda: not [each for each in threading.enumerate() if each.name == "compare"])
