"""What the window's process and the worker process say to each other over one two-way pipe.

The window sends `Submit`, `Cancel`, `Pause`, `Resume` and `Shutdown`; the worker sends `Report`. A closed pipe means to
either that the other is gone: the worker then cancels what it does and exits, so no orphan is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.contract.jobs import Event

NO_JOB = 0
"""The job number of reports that belong to no job, such as `WorkerReady`."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Do this; jobs run one after another in the order they came."""

    job: int
    """Chosen by the sender, above 0, never used twice."""
    request: object
    """A request of `core.contract`."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop this job, or forget it if it has not begun."""

    job: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Make this job wait."""

    job: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Let this job go on."""

    job: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Cancel everything and exit."""


@dataclass(frozen=True, slots=True)
class Report:
    """An event of a job."""

    job: int
    event: Event
    """An event of `core.contract`; the last one of a job is `JobDone`, `JobFailed` or `JobCancelled`."""
