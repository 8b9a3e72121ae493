"""What a worker tells the run that it works for; tasks go by their numbers. Plain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.contract.errors import UserError
from core.contract.upscale import FileFailed, FileStarted
from core.upscale.plan import Task
from core.upscale.records import Encoded, ResultFacts


@dataclass(frozen=True, slots=True)
class Assignment:
    """One task of a block."""

    number: int
    task: Task
    temporary: Path
    """Where the result is to be written; it gets its name from the run."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A decoded picture went to the network."""

    number: int
    event: FileStarted


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How much of a task is done, 0 to 1."""

    number: int
    fraction: float


@dataclass(frozen=True, slots=True)
class Made:
    """A result lies complete under its temporary name."""

    number: int
    facts: ResultFacts
    encoded: Encoded
    seconds: float


@dataclass(frozen=True, slots=True)
class NotMade:
    """A task could not be done; `ends` is set where the others would fail in the same way."""

    number: int
    event: FileFailed
    ends: UserError | None


@dataclass(frozen=True, slots=True)
class Said:
    """A `Notice`."""

    text: str


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """The last word on a block; what is not told of then was not done, as the worker was stopped or cannot go on."""

    error: UserError | None = None
    """Why the run cannot go on."""
    defect: str = ""
    """The traceback of an error that is not the user's."""


Message = Begun | TaskProgress | Made | NotMade | Said | BlockEnd
