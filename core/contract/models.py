"""Requests and events of getting models: a download, an import, a blend of two.

A download is any number of `DownloadProgress` and one `ModelAdded`; an import gives one `ModelAdded` or `ModelRefused`
for each file; a blend one `ModelAdded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Fetch a model of the catalogue into the user's folder; what an earlier attempt got is not fetched again."""

    key: str
    """Which `core.models.known.KnownModel`."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Bring model files from anywhere into the user's folder, each looked at and run once before it is taken."""

    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class BlendRequest:
    """Make a model between two of one topology, in the user's folder."""

    first: str
    """Name or path of a model."""
    second: str
    share: float = 0.5
    """How much of the second, 0 to 1."""
    name: str = ""
    """What the new model is called; empty makes a name up from both."""


@dataclass(frozen=True, slots=True)
class ModelAdded:
    """A model can be used now."""

    key: str
    """What requests call it."""
    path: Path
    notes: tuple[str, ...] = ()
    """What the user should know: it was here already, its licence is not known."""


@dataclass(frozen=True, slots=True)
class ModelRefused:
    """This file was not taken; the others go on. In words: what it is, and what to do."""

    path: Path
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """Weights that training needs are being fetched, once."""

    name: str
    done: int
    """Bytes."""
    total: int
    """Bytes; 0 where the server does not say."""
