"""A run of the Upscale page, from Start to its end, as a table: which phase follows which, and what is to be done then.

No widgets, no Qt and no worker process: the session tells a run what happens, and does what it answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import MappingProxyType

from srgan_desktop.problems import Problem


class Phase(Enum):
    """Where a run is: whether it has a job, what that is at, and whether it is paused."""

    IDLE = auto()
    """No run is under way."""
    WORKING = auto()
    """A job upscales."""
    PAUSED = auto()
    """The same, paused."""
    RESTING = auto()
    """A job that watches folders has done all that there was."""
    RESTING_PAUSED = auto()
    HANDING_OVER = auto()
    """A job that rested was asked to stop, so that another one also does what was added since."""
    HANDING_OVER_PAUSED = auto()
    BETWEEN_JOBS = auto()
    """No job is left, and the run is kept open for what a search may still find."""
    BETWEEN_JOBS_PAUSED = auto()
    """No job is left, and what was added waits for Resume."""
    CANCELLING = auto()
    """The job was asked to stop, and the run ends with it."""


class Happening(Enum):
    """What a run is told: what somebody wants, what the job said, and what is left to do."""

    START = auto()
    PAUSE = auto()
    RESUME = auto()
    CANCEL = auto()
    CLOSE = auto()
    """The window closes, and the job is stopped with the worker process."""
    BATCH_BEGAN = auto()
    """The job, which watches folders, has found something to do."""
    BATCH_ENDED = auto()
    """The job, which watches folders, has nothing left to do."""
    JOB_DONE = auto()
    JOB_CANCELLED = auto()
    JOB_FAILED = auto()
    MORE = auto()
    """There is work for another job: pictures that no job has, or other folders to watch."""
    SEARCHING = auto()
    """There is no such work, but a search is under way that may find some."""
    NOTHING = auto()
    """There is neither."""


class Order(Enum):
    """What the session has to do now."""

    RUN_JOB = auto()
    PAUSE_JOB = auto()
    RESUME_JOB = auto()
    STOP_JOB = auto()
    LOOK_AHEAD = auto()
    """Tell the run which of `MORE`, `SEARCHING` and `NOTHING` holds."""
    END = auto()
    """The run came to its end."""
    END_EARLY = auto()
    """It was cancelled."""
    FAIL = auto()
    """It was ended by what went wrong with its job."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The answer to something that happened."""

    phase: Phase
    order: Order | None = None


_STOPPING = Transition(Phase.CANCELLING, Order.STOP_JOB)
_PASSING_ON = Transition(Phase.BETWEEN_JOBS, Order.LOOK_AHEAD)
_PASSING_ON_PAUSED = Transition(Phase.BETWEEN_JOBS_PAUSED, Order.LOOK_AHEAD)
_DONE = Transition(Phase.IDLE, Order.END)
_CUT_SHORT = Transition(Phase.IDLE, Order.END_EARLY)
_BROKEN = Transition(Phase.IDLE, Order.FAIL)
_CLOSING = Transition(Phase.CANCELLING)

TABLE: Mapping[Phase, Mapping[Happening, Transition]] = MappingProxyType(
    {
        Phase.IDLE: {
            Happening.START: Transition(Phase.WORKING, Order.RUN_JOB),
        },
        Phase.WORKING: {
            Happening.PAUSE: Transition(Phase.PAUSED, Order.PAUSE_JOB),
            Happening.CANCEL: _STOPPING,
            Happening.CLOSE: _CLOSING,
            Happening.BATCH_ENDED: Transition(Phase.RESTING, Order.LOOK_AHEAD),
            Happening.JOB_DONE: _PASSING_ON,
            Happening.JOB_CANCELLED: _CUT_SHORT,
            Happening.JOB_FAILED: _BROKEN,
        },
        Phase.PAUSED: {
            Happening.RESUME: Transition(Phase.WORKING, Order.RESUME_JOB),
            Happening.CANCEL: _STOPPING,
            Happening.CLOSE: _CLOSING,
            Happening.BATCH_ENDED: Transition(Phase.RESTING_PAUSED),
            Happening.JOB_DONE: _PASSING_ON_PAUSED,
            Happening.JOB_CANCELLED: _CUT_SHORT,
            Happening.JOB_FAILED: _BROKEN,
        },
        Phase.RESTING: {
            Happening.PAUSE: Transition(Phase.RESTING_PAUSED, Order.PAUSE_JOB),
            Happening.CANCEL: _STOPPING,
            Happening.CLOSE: _CLOSING,
            Happening.BATCH_BEGAN: Transition(Phase.WORKING),
            Happening.MORE: Transition(Phase.HANDING_OVER, Order.STOP_JOB),
            Happening.JOB_DONE: _PASSING_ON,
            Happening.JOB_CANCELLED: _CUT_SHORT,
            Happening.JOB_FAILED: _BROKEN,
        },
        Phase.RESTING_PAUSED: {
            Happening.RESUME: Transition(Phase.RESTING, Order.RESUME_JOB),
            Happening.CANCEL: _STOPPING,
            Happening.CLOSE: _CLOSING,
            Happening.BATCH_BEGAN: Transition(Phase.PAUSED),
            Happening.JOB_DONE: _PASSING_ON_PAUSED,
            Happening.JOB_CANCELLED: _CUT_SHORT,
            Happening.JOB_FAILED: _BROKEN,
        },
        Phase.HANDING_OVER: {
            Happening.PAUSE: Transition(Phase.HANDING_OVER_PAUSED, Order.PAUSE_JOB),
            Happening.CANCEL: Transition(Phase.CANCELLING),
            Happening.CLOSE: _CLOSING,
            Happening.JOB_DONE: _PASSING_ON,
            Happening.JOB_CANCELLED: _PASSING_ON,
            Happening.JOB_FAILED: _BROKEN,
        },
        Phase.HANDING_OVER_PAUSED: {
            Happening.RESUME: Transition(Phase.HANDING_OVER, Order.RESUME_JOB),
            Happening.CANCEL: Transition(Phase.CANCELLING),
            Happening.CLOSE: _CLOSING,
            Happening.JOB_DONE: _PASSING_ON_PAUSED,
            Happening.JOB_CANCELLED: _PASSING_ON_PAUSED,
            Happening.JOB_FAILED: _BROKEN,
        },
        Phase.BETWEEN_JOBS: {
            Happening.PAUSE: Transition(Phase.BETWEEN_JOBS_PAUSED),
            Happening.CANCEL: _CUT_SHORT,
            Happening.CLOSE: _CLOSING,
            Happening.MORE: Transition(Phase.WORKING, Order.RUN_JOB),
            Happening.NOTHING: _DONE,
        },
        Phase.BETWEEN_JOBS_PAUSED: {
            Happening.RESUME: _PASSING_ON,
            Happening.CANCEL: _CUT_SHORT,
            Happening.CLOSE: _CLOSING,
            Happening.NOTHING: _DONE,
        },
        Phase.CANCELLING: {
            # It was just done when it was asked to stop.
            Happening.JOB_DONE: _DONE,
            Happening.JOB_CANCELLED: _CUT_SHORT,
            Happening.JOB_FAILED: _BROKEN,
        },
    }
)
"""What follows what. Whatever a phase does not name leaves it as it is."""

WITH_JOB = frozenset(Phase) - {Phase.IDLE, Phase.BETWEEN_JOBS, Phase.BETWEEN_JOBS_PAUSED}
"""Phases in which a job is under way. (In `CANCELLING` there may be none once the window closes.)"""
PAUSED = frozenset({Phase.PAUSED, Phase.RESTING_PAUSED, Phase.HANDING_OVER_PAUSED, Phase.BETWEEN_JOBS_PAUSED})


def transition(phase: Phase, happening: Happening) -> Transition:
    """What follows when something happens in a phase."""
    return TABLE[phase].get(happening, Transition(phase))


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a run, from Start to its end."""

    saved: int
    skipped: int
    failed: int
    seconds: float
    cancelled: bool
    failures: tuple[tuple[str, Problem], ...]
    """(file, what was wrong), in the order in which they failed."""


class Run:
    """The run under way, or the last one: its phase, the pictures it has before it, and what became of the others."""

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self.pending: set[Path] = set()
        """The pictures that its job has before it or is at: that a picture is in the run is kept here alone."""
        self.watches: tuple[Path, ...] = ()
        """The folders that its job watches."""
        self.saved = 0
        self.skipped = 0
        self.failures: dict[Path, Problem] = {}
        """What was wrong with the pictures and folders that could not be done, in the order in which they failed."""
        self.seconds = 0.0
        """How long its batches took that have ended."""
        self.fraction = 0.0
        """How much of the job is done, 0 to 1."""
        self.seconds_left: float | None = None
        """How long the job still takes; None before that can be said."""
        self._before = 0
        """Pictures that jobs before this one were at."""

    def tell(self, happening: Happening) -> Order | None:
        """Go on to the phase that follows, and answer with what is to be done."""
        following = transition(self.phase, happening)
        if following.phase is Phase.IDLE:
            self.watches = ()
            self.fraction, self.seconds_left = 0.0, None
        self.phase = following.phase
        return following.order

    # What is asked about it

    @property
    def busy(self) -> bool:
        """Whether a run is under way, paused ones included."""
        return self.phase is not Phase.IDLE

    @property
    def paused(self) -> bool:
        """Whether it waits for Resume."""
        return self.phase in PAUSED

    @property
    def can_be_steered(self) -> bool:
        """Whether Pause or Resume, and Cancel, do anything."""
        return self.phase not in (Phase.IDLE, Phase.CANCELLING)

    @property
    def has_job(self) -> bool:
        """Whether a job is under way."""
        return self.phase in WITH_JOB

    @property
    def looks_ahead(self) -> bool:
        """Whether it makes a difference now what is left for another job."""
        return any(what in TABLE[self.phase] for what in (Happening.MORE, Happening.NOTHING))

    @property
    def rests(self) -> bool:
        """Whether it has done all that there was, and waits for what comes into the watched folders."""
        return self.phase in (Phase.RESTING, Phase.RESTING_PAUSED)

    @property
    def finished(self) -> int:
        """Pictures that are saved, were done already, or failed."""
        return self.saved + self.skipped + len(self.failures)

    @property
    def total(self) -> int:
        """All pictures of the run so far."""
        return self.finished + len(self.pending)

    def fraction_with(self, later: int) -> float:
        """How much is done of all its jobs, 0 to 1, each picture counted alike.

        Args:
            later: pictures that wait for jobs after this one.
        """
        if not self.has_job or not (self._before or later):
            return self.fraction
        of_job = max(0, self.total - self._before)
        return (self._before + self.fraction * of_job) / max(1, self.total + later)

    def seconds_left_with(self, later: int) -> float | None:
        """How long all its jobs still take, where pictures of later ones take as long as those of this one."""
        of_job = (self.total - self._before) * (1 - self.fraction)
        if self.seconds_left is None or of_job <= 0:
            return self.seconds_left
        return self.seconds_left * (of_job + later) / of_job

    def summary(self, cancelled: bool) -> Summary:
        """What became of it."""
        failures = tuple((str(path), problem) for path, problem in self.failures.items())
        return Summary(self.saved, self.skipped, len(failures), self.seconds, cancelled, failures)

    # Its pictures

    def begin(self) -> None:
        """Forget the run before."""
        self.pending.clear()
        self.watches = ()
        self.failures.clear()
        self.saved = self.skipped = 0
        self.seconds = self.fraction = 0.0
        self.seconds_left = None

    def give(self, pictures: Iterable[Path], watches: tuple[Path, ...]) -> None:
        """Note what the next job has before it, and which folders it watches."""
        self._before = self.finished
        self.pending = set(pictures)
        self.watches = watches
        self.fraction, self.seconds_left = 0.0, None

    def take(self, pictures: Iterable[Path]) -> None:
        """Note what came into a watched folder."""
        for picture in pictures:
            self.pending.add(picture)
            self.failures.pop(picture, None)

    def count_saved(self, picture: Path) -> None:
        """Note that a result lies on the disk."""
        self.pending.discard(picture)
        self.saved += 1

    def count_skipped(self, picture: Path) -> None:
        """Note that there was nothing to do."""
        self.pending.discard(picture)
        self.skipped += 1

    def count_failed(self, picture: Path, problem: Problem) -> None:
        """Note that a picture or folder could not be done."""
        self.pending.discard(picture)
        self.failures.pop(picture, None)
        self.failures[picture] = problem

    def forget_failures(self, pictures: Iterable[Path]) -> None:
        """Count these no more, as they are tried once more."""
        for picture in pictures:
            self.failures.pop(picture, None)

    def drop_pending(self) -> None:
        """Let go of what no job has before it any more."""
        self.pending.clear()
