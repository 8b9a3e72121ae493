"""Events of every kind of job in the worker process, which ends with exactly one of `JobDone`, `JobFailed`,
`JobCancelled`; and the `Notice` that any work may give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from core.contract.device import DeviceInfo


class Event(Protocol):
    """What work yields: any frozen dataclass, so that it can be pickled, compared, and written as JSON."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth a line in the window that belongs to no one file."""

    message: str


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker process has imported torch and chosen a device: `device` says which, for people."""

    device: str


@dataclass(frozen=True, slots=True)
class DevicesFound:
    """What the worker process can compute on, by every runtime; follows `WorkerReady`."""

    devices: tuple[DeviceInfo, ...]


@dataclass(frozen=True, slots=True)
class JobDone:
    """The job's generator ran to its end."""


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """The job stopped because it was asked to."""


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The job ended on an error; words as in `UserError`, and a traceback where the cause was not the user's."""

    message: str
    hint: str = ""
    details: str = ""
