"""Errors and figures in words."""

import errno
import math
from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.contract.jobs import JobFailed
from core.contract.upscale import FileFailed
from srgan_desktop import problems


def test_a_user_error_keeps_its_words():
    problem = problems.of_exception(UserError("The disk is full.", "Free some space."))
    assert (problem.message, problem.hint, problem.details) == ("The disk is full.", "Free some space.", "")
    assert problem.text == "The disk is full. Free some space."


def test_a_refusal_of_the_system_names_cause_and_file():
    problem = problems.of_exception(OSError(errno.EACCES, "Permission denied", "/root/secret"))
    assert "Permission denied" in problem.message
    assert "/root/secret" in problem.message


def test_a_defect_has_its_traceback():
    try:
        dict[str, str]()["no such key"]
    except KeyError as error:
        problem = problems.of_exception(error)
    assert "KeyError" in problem.message
    assert "no such key" in problem.details
    assert "This is a bug" in problem.hint


def test_events_of_the_worker():
    assert problems.of_event(FileFailed(Path("a"), "Broken.", "Get another.")).hint == "Get another."
    assert problems.of_event(JobFailed("Odd.", details="Traceback ...")).hint == problems.REPORT_HINT


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (-9, "memory"),
        (137, "memory"),
        (-11, "SIGSEGV"),
        (-250, "signal 250"),
        (1, "exit code 1"),
        (None, "started"),
        # Windows has no signals.
        (3221225477, "access violation"),
        (3221226505, "buffer overrun"),
        (3221225725, "stack overflow"),
        (3221225495, "memory"),
        (3221225773, "memory"),
    ],
)
def test_every_death_of_the_engine_has_words_and_advice(code, word):
    failure = problems.engine_died(code)
    assert word in failure.message
    assert failure.hint


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "estimating the time left"),
        (math.inf, "estimating the time left"),
        (3, "a few seconds left"),
        (41, "about 45 seconds left"),
        (58, "about a minute left"),
        (170, "about 3 minutes left"),
        (3660, "about 1 h 01 min left"),
    ],
)
def test_time_left_is_as_coarse_as_an_estimate(seconds, words):
    assert problems.time_left(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (-1, "0 s")]
)
def test_durations(seconds, words):
    assert problems.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.004, "0.01 s"), (0.364, "0.36 s"), (4.21, "4.2 s"), (59.4, "59.4 s"), (200, "3 min 20 s")]
)
def test_a_measured_time_has_the_digits_that_mean_something(seconds, words):
    assert problems.seconds(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "5 s"),
        (22, "20 s"),
        (57, "55 s"),
        (58, "1 min"),
        (89, "1 min"),
        (3500, "58 min"),
        (3600, "1 h 00 min"),
        (7150, "2 h 00 min"),
        (950_000, "11 days"),
    ],
)
def test_no_more_exact_than_an_estimate_is(seconds, words):
    assert problems.rough_duration(seconds) == words


def test_figures():
    assert problems.pictures(1) == "1 picture"
    assert problems.pictures(1204) == "1,204 pictures"
    assert problems.decibels(math.inf) == "equal"
    assert problems.decibels(31.27) == "31.3 dB"
    assert problems.gigabytes(850_000_000) == "850 MB"


def test_nothing_found_names_the_one_folder():
    assert "“holiday”" in problems.nothing_found([Path("/home/me/holiday")]).message
    assert "them" in problems.nothing_found([Path("a"), Path("b")]).message
