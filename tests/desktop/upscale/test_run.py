"""The table of a run: which phase follows which, what is ordered, and what is counted, over random sequences."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from srgan_desktop.problems import Problem
from srgan_desktop.upscale.run import PAUSED, TABLE, WITH_JOB, Happening, Order, Phase, Run, transition

H, P = Happening, Phase
AHEAD = (H.MORE, H.SEARCHING, H.NOTHING)
PICTURES = [Path(name) for name in "abcd"]


class Session(RuleBasedStateMachine):
    """Obeys a run as the session does, in any order in which people, searches and worker can act."""

    def __init__(self):
        super().__init__()
        self.run = Run()
        self.job = None
        """`working`, `paused`, or None."""
        self.asked_to_stop = False
        self.closed = False
        self.cancelled = False
        self.runs = self.ends = 0
        self.ahead = H.NOTHING

    def tell(self, happening):
        order = self.run.tell(happening)
        match order:
            case Order.RUN_JOB:
                assert self.job is None
                assert not self.cancelled
                assert not self.closed
                self.job, self.asked_to_stop = "working", False
            case Order.PAUSE_JOB:
                assert self.job == "working"
                self.job = "paused"
            case Order.RESUME_JOB:
                assert self.job == "paused"
                self.job = "working"
                self.tell(self.ahead)
            case Order.STOP_JOB:
                assert self.job is not None
                assert not self.asked_to_stop
                self.asked_to_stop = True
            case Order.LOOK_AHEAD:
                self.tell(self.ahead)
            case Order.END | Order.END_EARLY | Order.FAIL:
                assert self.job is None
                self.ends += 1
                self.cancelled = False

    @rule(ahead=st.sampled_from(AHEAD))
    def something_is_found_or_taken_away(self, ahead):
        self.ahead = ahead
        self.tell(ahead)

    @precondition(lambda self: not self.closed and not self.run.busy)
    @rule()
    def start(self):
        self.run.begin()
        self.runs += 1
        self.tell(H.START)

    @rule()
    def pause(self):
        self.tell(H.PAUSE)

    @rule()
    def resume(self):
        self.tell(H.RESUME)

    @rule()
    def cancel(self):
        self.cancelled = self.run.busy
        self.tell(H.CANCEL)

    @rule()
    def close(self):
        self.closed = True
        self.tell(H.CLOSE)

    @precondition(lambda self: self.job is not None)
    @rule(said=st.sampled_from([H.BATCH_BEGAN, H.BATCH_ENDED]))
    def a_batch_of_the_watch_begins_or_ends(self, said):
        self.tell(said)

    @precondition(lambda self: self.job is not None)
    @rule(how=st.sampled_from([H.JOB_DONE, H.JOB_CANCELLED, H.JOB_FAILED]))
    def the_job_ends(self, how):
        self.job = None
        self.tell(how)

    @invariant()
    def the_phase_says_what_the_job_does(self):
        run = self.run
        assert run.has_job == (self.job is not None) or (self.closed and run.phase is P.CANCELLING)
        if run.paused:
            assert self.job in (None, "paused")
        elif run.phase is not P.CANCELLING:
            assert self.job in (None, "working")
        assert not (run.phase in (P.HANDING_OVER, P.HANDING_OVER_PAUSED) and not self.asked_to_stop)

    @invariant()
    def every_run_ends_once(self):
        assert self.runs - self.ends == self.run.busy


TestRandomSequences = Session.TestCase

STORIES = {
    "done": [(H.START, P.WORKING), (H.JOB_DONE, P.BETWEEN_JOBS), (H.NOTHING, P.IDLE)],
    "cancelled": [(H.START, P.WORKING), (H.CANCEL, P.CANCELLING), (H.JOB_CANCELLED, P.IDLE)],
    "cancelled too late": [(H.START, P.WORKING), (H.CANCEL, P.CANCELLING), (H.JOB_DONE, P.IDLE)],
    "the worker dies": [(H.START, P.WORKING), (H.PAUSE, P.PAUSED), (H.JOB_FAILED, P.IDLE)],
    "paused": [(H.START, P.WORKING), (H.PAUSE, P.PAUSED), (H.PAUSE, P.PAUSED), (H.RESUME, P.WORKING)],
    "more is found": [
        (H.START, P.WORKING),
        (H.MORE, P.WORKING),
        (H.JOB_DONE, P.BETWEEN_JOBS),
        (H.SEARCHING, P.BETWEEN_JOBS),
        (H.MORE, P.WORKING),
    ],
    "paused as the last one was being written": [
        (H.START, P.WORKING),
        (H.PAUSE, P.PAUSED),
        (H.JOB_DONE, P.BETWEEN_JOBS_PAUSED),
        (H.MORE, P.BETWEEN_JOBS_PAUSED),
        (H.RESUME, P.BETWEEN_JOBS),
        (H.MORE, P.WORKING),
    ],
    "a watch is handed over": [
        (H.START, P.WORKING),
        (H.BATCH_ENDED, P.RESTING),
        (H.NOTHING, P.RESTING),
        (H.MORE, P.HANDING_OVER),
        (H.BATCH_BEGAN, P.HANDING_OVER),
        (H.JOB_CANCELLED, P.BETWEEN_JOBS),
        (H.MORE, P.WORKING),
        (H.BATCH_ENDED, P.RESTING),
        (H.CANCEL, P.CANCELLING),
        (H.JOB_CANCELLED, P.IDLE),
    ],
    "a watch is paused": [
        (H.START, P.WORKING),
        (H.BATCH_ENDED, P.RESTING),
        (H.PAUSE, P.RESTING_PAUSED),
        (H.MORE, P.RESTING_PAUSED),
        (H.BATCH_BEGAN, P.PAUSED),
        (H.BATCH_ENDED, P.RESTING_PAUSED),
        (H.RESUME, P.RESTING),
        (H.MORE, P.HANDING_OVER),
        (H.PAUSE, P.HANDING_OVER_PAUSED),
        (H.JOB_CANCELLED, P.BETWEEN_JOBS_PAUSED),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_stories(story):
    phase = P.IDLE
    for happening, following in story:
        phase = transition(phase, happening).phase
        assert phase is following, happening


def test_every_phase_is_reached_and_left():
    reached, fresh = {P.IDLE}, {P.IDLE}
    while fresh:
        fresh = {answer.phase for phase in fresh for answer in TABLE[phase].values()} - reached
        reached |= fresh
    assert reached == set(Phase) == set(TABLE)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not P.IDLE])
def test_cancel_ends_any_run(phase):
    cancelled = transition(phase, H.CANCEL)
    assert cancelled.phase in (P.CANCELLING, P.IDLE)
    assert transition(cancelled.phase, H.JOB_CANCELLED).phase is P.IDLE


@pytest.mark.parametrize("phase", [phase for phase in P if phase in PAUSED])
def test_nothing_begins_while_a_run_is_paused(phase):
    for happening in set(Happening) - {H.RESUME}:
        assert transition(phase, happening).order is not Order.RUN_JOB
        assert transition(phase, happening).phase in {*PAUSED, P.IDLE, P.CANCELLING}


def test_orders_to_a_job_need_one():
    for phase, answers in TABLE.items():
        for answer in answers.values():
            if answer.order in (Order.PAUSE_JOB, Order.RESUME_JOB, Order.STOP_JOB):
                assert phase in WITH_JOB
                assert answer.phase in WITH_JOB


@given(
    st.lists(st.tuples(st.sampled_from(["give", "take", "save", "skip", "fail", "retry"]), st.sampled_from(PICTURES)))
)
def test_every_picture_is_counted_once(acts):
    run = Run()
    run.begin()
    results = 0
    for act, picture in acts:
        match act:
            case "give":
                run.give([picture], ())
            case "take":
                run.take([picture])
            case "save" | "skip":
                (run.count_saved if act == "save" else run.count_skipped)(picture)
                results += 1
            case "fail":
                run.count_failed(picture, Problem(str(picture)))
            case "retry":
                run.forget_failures([picture])
        assert run.finished == results + len(run.failures)
        assert run.total == run.finished + len(run.pending)
        assert act not in ("save", "skip", "fail", "retry") or picture not in (
            run.pending if act != "retry" else run.failures
        )
    run.begin()
    assert (run.finished, run.total) == (0, 0)


def test_failures_are_told_in_the_order_in_which_they_came():
    run = Run()
    for name in "abca":
        run.count_failed(Path(name), Problem(name))
    assert [str(path) for path in run.failures] == ["b", "c", "a"]
