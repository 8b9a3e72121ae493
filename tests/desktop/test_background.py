"""Lanes of background work, and the throttle."""

import gc
import sys
import threading
import weakref

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject

from core.contract.cancel import CancelToken
from srgan_desktop import background
from srgan_desktop.background import Lane, Throttle


@pytest.fixture
def owner(qapp):
    owner = QObject()
    yield owner
    owner.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def gate():
    """Lets go of everything that waits for it, also when a test failed."""
    gate = threading.Event()
    yield gate
    gate.set()


class Heard:
    """What came of streams, in order; an end is None or an exception."""

    def __init__(self):
        self.words, self.threads = [], set()

    def take(self, event):
        self.words.append(event)
        self.threads.add(threading.current_thread())

    def ended(self, error):
        self.words.append(error)
        self.threads.add(threading.current_thread())


@pytest.fixture
def heard():
    return Heard()


def counts(number):
    def work(_token):
        yield from range(number)

    return work


def hangs(gate, begun=None):
    """Reading that looks at no token until the gate opens."""

    def work(_token):
        if begun is not None:
            begun.set()
        gate.wait()
        yield "late"

    return work


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_events_arrive_in_order_in_the_main_thread_and_then_one_end(qtbot, owner, heard):
    lane = Lane("lane", owner)
    worked_in = []

    def work(_token):
        worked_in.append(threading.current_thread())
        yield from range(200)

    lane.stream(work, heard.take, heard.ended)
    qtbot.waitUntil(lambda: heard.words == [*range(200), None])
    assert heard.threads == {threading.main_thread()}
    assert worked_in[0] is not threading.main_thread()
    assert not lane.busy


def test_tasks_are_done_one_after_the_other(qtbot, owner, heard, gate):
    lane = Lane("lane", owner)
    lane.stream(hangs(gate), heard.take, heard.ended)
    for number in (1, 2):
        lane.stream(counts(number), heard.take, heard.ended)
    assert len(threads_named("lane")) == 1
    gate.set()
    qtbot.waitUntil(lambda: heard.words == ["late", None, 0, None, 0, 1, None])


def test_as_many_at_once_as_was_said(qtbot, owner, heard, gate):
    two, many = Lane("two", owner, threads=2), Lane("many", owner, threads=None)
    for lane in (two, many):
        for _ in range(5):
            lane.stream(hangs(gate), heard.take, heard.ended)
    assert len(threads_named("two")) == 2
    assert len(threads_named("many")) == 5
    gate.set()
    qtbot.waitUntil(lambda: heard.words.count(None) == 10)


def test_what_hangs_in_one_lane_holds_up_no_other(qtbot, owner, heard, gate):
    Lane("drive that is gone", owner).stream(hangs(gate), print, print)
    Lane("compare", owner).stream(counts(2), heard.take, heard.ended)
    qtbot.waitUntil(lambda: heard.words == [0, 1, None])


def test_an_exception_is_the_end_and_the_next_task_is_done(qtbot, owner, heard):
    lane = Lane("lane", owner)

    def work(_token):
        yield "first"
        raise ValueError("broken")

    lane.stream(work, heard.take, heard.ended)
    lane.stream(counts(1), heard.take, heard.ended)
    qtbot.waitUntil(lambda: len(heard.words) == 4)
    assert isinstance(heard.words.pop(1), ValueError)
    assert heard.words == ["first", 0, None]


def test_run_gives_what_a_function_returned_or_the_problem(qtbot, owner):
    lane, got = Lane("lane", owner), []
    lane.run(lambda: "value", got.append)
    qtbot.waitUntil(lambda: got == ["value"])
    with qtbot.waitSignal(lane.failed) as failed:
        lane.run(lambda: 1 / 0, got.append)
    assert "division" in failed.args[0].details
    assert got == ["value"]


def test_the_newest_request_wins(qtbot, owner, heard, gate):
    lane = Lane("lane", owner)
    begun, newest = threading.Event(), Heard()

    def slow(token):
        yield "early"
        begun.set()
        gate.wait()
        yield "late"
        token.check()
        yield "never"

    lane.stream(slow, heard.take, heard.ended)
    assert begun.wait(10)
    for _ in range(5):
        lane.cancel_all()
        lane.stream(counts(3), heard.take, heard.ended)
    lane.cancel_all()
    lane.stream(counts(1), newest.take, newest.ended)
    gate.set()
    qtbot.waitUntil(lambda: newest.words == [0, None])
    # Not even what was on its way when the next one was asked for.
    assert heard.words == [None] * 6


def test_of_what_is_cancelled_nothing_arrives_but_its_end(qtbot, owner, heard):
    lane, done = Lane("lane", owner), threading.Event()

    def work(_token):
        yield "result"
        done.set()
        raise ValueError("nobody cares")

    task = lane.stream(work, heard.take, heard.ended)
    assert done.wait(10)
    lane.cancel(task)
    qtbot.waitUntil(lambda: not lane.busy)
    assert heard.words == [None]


def test_what_waits_and_is_cancelled_ends_without_its_turn(qtbot, owner, heard, gate):
    lane = Lane("lane", owner)
    lane.stream(hangs(gate), print, print)
    waiting = lane.stream(counts(3), heard.take, heard.ended)
    lane.cancel(waiting)
    assert heard.words == []
    qtbot.waitUntil(lambda: heard.words == [None])
    assert lane.busy


def test_what_hangs_and_is_cancelled_no_longer_holds_up_its_lane(qtbot, owner, heard, gate, monkeypatch):
    monkeypatch.setattr(background, "GRACE_MS", 0)
    lane, hung = Lane("lane", owner), Heard()
    task = lane.stream(hangs(gate), hung.take, hung.ended)
    lane.stream(counts(1), heard.take, heard.ended)
    lane.cancel(task)
    qtbot.waitUntil(lambda: heard.words == [0, None])
    assert hung.words == [None]
    gate.set()
    qtbot.waitUntil(lambda: not threads_named("lane"))
    QCoreApplication.processEvents()
    assert hung.words == [None]


# The end


def test_closing_gives_up_what_hangs_in_reading(qtbot, owner, heard, gate, monkeypatch):
    monkeypatch.setattr(background, "GRACE_MS", 0)
    lane, begun = Lane("lane", owner), threading.Event()
    lane.stream(hangs(gate, begun), heard.take, heard.ended)
    lane.stream(counts(3), heard.take, heard.ended)
    assert begun.wait(10)
    with qtbot.waitSignal(lane.stopped):
        lane.close()
    assert heard.words == [None, None]
    assert threads_named("lane")


def test_closing_waits_for_reading_that_stops_in_time(qtbot, owner, heard):
    lane, begun = Lane("lane", owner), threading.Event()

    def work(token):
        while True:
            begun.set()
            token.check()
            yield "more"

    lane.stream(work, heard.take, heard.ended)
    assert begun.wait(10)
    with qtbot.waitSignal(lane.stopped):
        lane.close()
    assert not threads_named("lane")


def test_closing_finishes_what_writes_and_tells_of_it(qtbot, owner, heard, gate, monkeypatch):
    """Also what waits behind reading that hangs."""
    monkeypatch.setattr(background, "GRACE_MS", 0)
    lane, written, stopped, hanging = Lane("lane", owner), [], [], threading.Event()
    lane.stopped.connect(lambda: stopped.append(list(written)))

    def write(name):
        def work(_token):
            gate.wait()
            written.append(name)
            yield name

        return work

    lane.stream(hangs(hanging), print, print)
    for name in "ab":
        lane.stream(write(name), heard.take, heard.ended, writes=True)
    lane.close()
    lane.close()
    for _ in range(20):
        QCoreApplication.processEvents()
    assert stopped == []
    gate.set()
    qtbot.waitUntil(lambda: stopped == [["a", "b"]])
    assert heard.words == ["a", None, "b", None]
    hanging.set()


def test_writing_that_asks_its_token_stops_when_it_is_closed(qtbot, owner, heard):
    lane = Lane("lane", owner)

    def download(token):
        while True:
            yield "part"
            token.sleep(0.001)

    lane.stream(download, heard.take, heard.ended, writes=True)
    qtbot.waitUntil(lambda: heard.words[:1] == ["part"])
    with qtbot.waitSignal(lane.stopped):
        lane.close()
    assert heard.words[-1] is None


def test_nothing_is_begun_after_the_end(qtbot, owner, heard):
    lane = Lane("lane", owner)
    with qtbot.waitSignal(lane.stopped):
        lane.close()
    task = lane.stream(counts(1), heard.take, heard.ended)
    lane.cancel(task)
    assert not lane.busy
    assert not threads_named("lane")


# What is deleted in the middle of work


def delete_with_its_parent(owner, lane):
    owner.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def delete_itself(owner, lane):
    lane.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.mark.parametrize("delete", [delete_with_its_parent, delete_itself])
def test_deleting_it_in_the_middle_of_work_ends_the_thread(qapp, delete):
    owner = QObject()
    lane = Lane("lane", owner)
    begun, ended, tokens = threading.Event(), threading.Event(), []

    def work(token):
        tokens.append(token)
        begun.set()
        while not token.cancelled:
            yield "result"
        # Into the void, and not into a destroyed object.
        for _ in range(1_000):
            yield "result"
        ended.set()

    lane.stream(work, print, print)
    assert begun.wait(10)
    delete(owner, lane)
    del lane, owner
    gc.collect()
    assert ended.wait(10)
    assert tokens[0].cancelled
    QCoreApplication.processEvents()


def test_deleting_it_at_any_moment_meets_no_thread_that_posts(qapp):
    """Qt would crash if it destroyed what a thread is just emitting from."""

    def chatters(token):
        while not token.cancelled:
            yield "word"

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            owner = QObject()
            lane = Lane("lane", owner, threads=2)
            for _ in range(2):
                lane.stream(chatters, lambda _word: None, print)
            QCoreApplication.processEvents()
            delete_with_its_parent(owner, lane)
    finally:
        sys.setswitchinterval(interval)


def test_losing_the_last_reference_ends_the_thread(qapp):
    owner = QObject()
    lane = Lane("lane", owner)
    begun, ended = threading.Event(), threading.Event()

    def work(token: CancelToken):
        begun.set()
        while not token.cancelled:
            pass
        ended.set()
        yield

    lane.stream(work, print, print)
    assert begun.wait(10)
    del lane, owner
    gc.collect()
    assert ended.wait(10)


def test_the_thread_keeps_nothing_of_those_who_asked(qapp, gate):
    """Else the last reference to a widget might go in the thread, and Qt would delete it there."""

    class Receiver(QObject):
        def take(self, event):
            raise AssertionError(event)

    receiver = Receiver()
    lane = Lane("lane", receiver)
    begun = threading.Event()
    lane.stream(hangs(gate, begun), receiver.take, receiver.take)
    assert begun.wait(10)
    gone = weakref.ref(receiver)
    del lane, receiver
    gc.collect()
    assert gone() is None


def test_a_thread_lives_only_while_there_is_work(qtbot, owner, heard):
    lane = Lane("lane", owner)
    for number in range(1, 4):
        lane.stream(counts(1), heard.take, heard.ended)
        qtbot.waitUntil(lambda number=number: heard.words == [0, None] * number)
        assert not threads_named("lane")


# The throttle


@pytest.fixture
def acts():
    return []


def test_what_is_asked_for_often_is_done_once(qtbot, owner, acts):
    throttle = Throttle(20, lambda: acts.append(1), owner)
    for _ in range(100):
        throttle.soon()
    assert acts == []
    qtbot.waitUntil(lambda: acts == [1])
    throttle.soon()
    qtbot.waitUntil(lambda: acts == [1, 1])


def test_soon_is_not_put_off_and_quiet_is_waited_for(owner, acts):
    throttle = Throttle(60_000, lambda: acts.append(1), owner)
    throttle.soon()
    timer = throttle.timerId()
    throttle.soon()
    assert throttle.timerId() == timer
    throttle.when_quiet()
    assert throttle.timerId() != timer
    throttle.stop()
    assert acts == []
