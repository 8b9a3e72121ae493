"""What the Models page knows and does, without widgets: the models, what is fetched and brought in, and trials."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.contract.errors import UserError
from core.contract.evaluate import (
    MOST_COMPARED,
    CheckProgress,
    CheckReady,
    CheckRequest,
    CompareFailed,
    CompareRequest,
    ModelCompared,
)
from core.contract.jobs import JobCancelled, JobDone, JobFailed
from core.contract.models import BlendRequest, DownloadProgress, ImportRequest, ModelAdded, ModelRefused
from core.contract.upscale import Region
from core.models.card import read_header
from core.models.catalogue import DEFAULT_MODEL, SUFFIXES, Model, downloadable, models
from core.models.known import KnownModel
from srgan_desktop import problems, settings
from srgan_desktop.compare.background import Background
from srgan_desktop.detail import detail_in_use
from srgan_desktop.job import Job
from srgan_desktop.models.fetching import Fetching
from srgan_desktop.models.shelf import Shelf
from srgan_desktop.models.subject import Subject, fitted, middle, reading
from srgan_desktop.problems import Problem
from srgan_desktop.session import Session
from srgan_desktop.settings import Option, Settings

log = logging.getLogger(__name__)

CHECK_SIDE, CHECK_MOST = 1024, 16_000_000
"""Of the part that a check measures: its side to begin with, and the most pixels. The network sees a sixteenth."""
COMPARE_SIDE, COMPARE_MOST = 256, 1_000_000
"""Of the part that models are compared on: every result has many times its pixels."""


class Trial(Enum):
    """What the engine tries at the moment."""

    NONE = "none"
    CHECK = "check"
    COMPARE = "compare"


@dataclass(frozen=True, slots=True)
class Download:
    """One that is under way, or that failed."""

    done: int = 0
    """Bytes."""
    total: int = 0
    """Bytes; 0 while that is not known."""
    problem: Problem | None = None


@dataclass(slots=True)
class Imported:
    """What became of the files that were to be brought in."""

    before: frozenset[str] = frozenset()
    """Keys of the models that were there already."""
    added: list[ModelAdded] = field(default_factory=list)
    refused: list[ModelRefused] = field(default_factory=list)


class ModelsSession(Session):
    """The models, what is fetched and brought in, and trials."""

    listed = Signal()
    """`models`, `known` or the default model is another."""
    downloading = Signal(str)
    """Key of a known model whose download is not where it was."""
    added = Signal(object)
    """`ModelAdded` of a download or a blend."""
    imported = Signal(object)
    """`Imported`, at the end."""
    renamed = Signal(str, str)
    """Key before and after."""
    hashed = Signal(object, str)
    """Path of a model file, and its SHA-256."""
    subject_changed = Signal()
    """`subject`, `opening` or a part of it is another."""
    checked = Signal(object)
    """`CheckReady`."""
    compared = Signal(object)
    """`ModelCompared` or `CompareFailed`, one for each model of `compared_models`."""

    def __init__(self, options: Settings, parent: QObject | None = None, job: Job | None = None) -> None:
        super().__init__(options, job or Job(), parent)
        self.models: list[Model] = []
        self.known: list[KnownModel] = []
        self.downloads: dict[str, Download] = {}
        """Those under way and those that failed, by key."""
        self.trial = Trial.NONE
        self.fraction = 0.0
        self.compared_models: tuple[str, ...] = ()
        self.subject: Subject | None = None
        self.opening: Path | None = None
        """A picture that is being read."""
        self.check_region: Region = (0, 0, 1, 1)
        self.compare_region: Region = (0, 0, 1, 1)
        self._shelf = Shelf(self)
        self._shelf.hashed.connect(self.hashed)
        self._shelf.renamed.connect(self._on_renamed)
        self._shelf.removed.connect(self._on_removed)
        self._shelf.failed.connect(self.failed)
        self.await_end_of(self._shelf.stopped, writes=lambda: self._shelf.writes)
        self._fetching = Fetching(self)
        self._fetching.progressed.connect(self._on_progress)
        self._fetching.fetched.connect(self._on_fetched)
        self._fetching.ended.connect(self._on_fetch_ended)
        self.await_end_of(self._fetching.stopped)
        self._reader = Background(self)
        self._reader.arrived.connect(self._on_read)
        self._import: int | None = None
        self._blend: int | None = None
        self._trying: int | None = None
        self._imported = Imported()
        options.changed.connect(self._on_option)
        self.reload()

    # The models

    def reload(self) -> None:
        """Look again which models there are."""
        self.models = models()
        self.known = downloadable()
        self.listed.emit()

    def find(self, key: str) -> Model | None:
        """The model that is here under this key."""
        return next((model for model in self.models if model.key == key), None)

    @property
    def default_key(self) -> str:
        """Of the model that the Upscale page uses."""
        return self.settings.get(settings.MODEL) or DEFAULT_MODEL

    def make_default(self, key: str) -> None:
        """Have the Upscale page use this model from now on."""
        self.settings.set(settings.MODEL, key)

    def rename(self, key: str, name: str) -> None:
        """Give a model of the user's another name; ends with `renamed` or `failed`."""
        self._shelf.rename(key, name)

    def remove(self, key: str) -> None:
        """Delete a model of the user's for good; ends with `listed` or `failed`."""
        self._shelf.remove(key)

    def hash(self, path: Path) -> None:
        """Compute the SHA-256 of a model's file; ends with `hashed`."""
        self._shelf.hash(path)

    def partners(self, model: Model) -> list[Model]:
        """The models of the same topology, with which this one can be blended."""
        return [other for other in self.models if other.key != model.key and _same_topology(model, other)]

    # Getting models

    @property
    def busy(self) -> bool:
        """Whether closing would break something off that cannot go on later."""
        return self._import is not None or self._blend is not None

    @property
    def importing(self) -> bool:
        """Whether files are being looked at and brought in."""
        return self._import is not None

    @property
    def blending(self) -> bool:
        """Whether a blend is being made."""
        return self._blend is not None

    def download(self, key: str) -> None:
        """Fetch a known model; ends with `added`, or with a problem in `downloads`."""
        self.downloads[key] = Download()
        self._fetching.start(key)
        self.downloading.emit(key)

    def cancel_download(self, key: str) -> None:
        """Give a download up; what came is kept."""
        self._fetching.cancel(key)

    def import_files(self, files: Iterable[Path]) -> None:
        """Bring model files in, and those that lie in a folder; ends with `imported` or `failed`."""
        found = [file for path in files for file in _model_files(path)]
        if self.shutting_down:
            return
        if not found:
            self.failed.emit(
                Problem("There is no model file in that folder.", "Models are .safetensors, .pth and .pt files.")
            )
        elif self._import is not None:
            self.failed.emit(Problem("Other files are being brought in.", "Drop these again when that is done."))
        else:
            self._imported = Imported(frozenset(model.key for model in self.models))
            self._import = self._job.run(ImportRequest(tuple(found)))
            self.changed.emit()

    def blend(self, first: str, second: str, share: float, name: str) -> None:
        """Make a model between two; ends with `added` or `failed`."""
        if self._blend is None and not self.shutting_down:
            self._blend = self._job.run(BlendRequest(first, second, share, name))
            self.changed.emit()

    # Trying models on a picture

    def choose_picture(self, path: Path) -> None:
        """Read a picture to try models on; ends with `subject_changed` or `failed`."""
        # What is found out about the picture before would be shown as this one's.
        self.stop_trial()
        self.opening = path
        self._reader.start(reading(path))
        self.subject_changed.emit()

    def choose_check_region(self, region: Region) -> None:
        """Measure this part from now on."""
        if self.subject is not None:
            self.check_region = fitted(region, self.subject.size, CHECK_MOST)
            self.subject_changed.emit()

    def choose_compare_region(self, region: Region) -> None:
        """Compare models on this part from now on."""
        if self.subject is not None:
            self.compare_region = fitted(region, self.subject.size, COMPARE_MOST)
            self.subject_changed.emit()

    def check(self, model: str) -> None:
        """Measure a model on the chosen part of the picture; a trial under way is given up. Ends with `checked`."""
        if self.subject is None or self.shutting_down:
            return
        value = self.settings.get
        content = value(settings.TRAIN_CONTENT)
        request = CheckRequest(
            self.subject.path,
            model,
            self.check_region,
            # A file that is gone costs the distance, and not the whole check.
            Path(content) if content and Path(content).is_file() else None,
            device=value(settings.DEVICE),
            precision=value(settings.PRECISION),
            tile=value(settings.TILE),
            detail=detail_in_use(self.settings, model),
        )
        self._try(Trial.CHECK, request)

    def compare(self, keys: Sequence[str]) -> None:
        """Enlarge the chosen part by two to four models. Ends with a `compared` for each."""
        if self.subject is None or self.shutting_down or not 2 <= len(keys) <= MOST_COMPARED:
            return
        self.compared_models = tuple(keys)
        value = self.settings.get
        request = CompareRequest(
            self.subject.path,
            self.compare_region,
            self.compared_models,
            device=value(settings.DEVICE),
            precision=value(settings.PRECISION),
            tile=value(settings.TILE),
            details=tuple(detail_in_use(self.settings, key) for key in keys),
        )
        self._try(Trial.COMPARE, request)

    def stop_trial(self) -> None:
        """Give up what the engine tries."""
        if self._trying is not None:
            self._job.cancel(self._trying)
            self._trying = None
            self.trial = Trial.NONE
            self.changed.emit()

    # Within

    def _close(self) -> None:
        self._reader.cancel()
        self._shelf.close()
        self._fetching.close()
        self._job.shutdown()

    def _try(self, trial: Trial, request: CheckRequest | CompareRequest) -> None:
        if self._trying is not None:
            self._job.cancel(self._trying)
        self.trial = trial
        self.fraction = 0.0
        self._trying = self._job.run(request)
        self.changed.emit()

    def _on_job(self, job: int, event: object) -> None:
        if job == self._trying:
            self._on_trial(event)
        elif job == self._import:
            self._on_import(event)
        elif job == self._blend:
            self._on_blend(event)

    def _on_trial(self, event: object) -> None:
        match event:
            case CheckProgress():
                self.fraction = event.fraction
            case CheckReady():
                self.checked.emit(event)
            case ModelCompared() | CompareFailed():
                self.compared.emit(event)
            case JobDone() | JobCancelled() | JobFailed():
                self._trying = None
                self.trial = Trial.NONE
                if isinstance(event, JobFailed):
                    self._fail(event)
        self.changed.emit()

    def _on_import(self, event: object) -> None:
        match event:
            case ModelAdded():
                self._imported.added.append(event)
            case ModelRefused():
                self._imported.refused.append(event)
            case JobDone() | JobCancelled() | JobFailed():
                self._import = None
                self.reload()
                if self._imported.added or self._imported.refused:
                    self.imported.emit(self._imported)
                if isinstance(event, JobFailed):
                    self._fail(event)
        self.changed.emit()

    def _on_blend(self, event: object) -> None:
        match event:
            case ModelAdded():
                self.reload()
                self.added.emit(event)
            case JobDone() | JobCancelled() | JobFailed():
                self._blend = None
                if isinstance(event, JobFailed):
                    self._fail(event)
        self.changed.emit()

    def _fail(self, event: JobFailed) -> None:
        if event.details:
            log.error("%s\n%s", event.message, event.details)
        self.failed.emit(problems.of_event(event) if self._job.running else problems.trial_died(event))

    def _on_progress(self, event: DownloadProgress) -> None:
        self.downloads[event.name] = Download(event.done, event.total)
        self.downloading.emit(event.name)

    def _on_fetched(self, event: ModelAdded) -> None:
        self.downloads.pop(event.key, None)
        self.reload()
        self.added.emit(event)

    def _on_fetch_ended(self, key: str, problem: Problem | None) -> None:
        if problem is None:
            self.downloads.pop(key, None)
        else:
            self.downloads[key] = Download(problem=problem)
            self.failed.emit(problem)
        self.downloading.emit(key)

    def _on_renamed(self, old: str, new: str) -> None:
        if self.settings.get(settings.MODEL) == old:
            self.settings.set(settings.MODEL, new)
        self.reload()
        self.renamed.emit(old, new)

    def _on_removed(self, key: str) -> None:
        if self.settings.get(settings.MODEL) == key:
            self.settings.set(settings.MODEL, "")
        self.reload()

    def _on_read(self, result: object) -> None:
        self.opening = None
        if isinstance(result, Subject):
            self.subject = result
            self.check_region = middle(result.size, CHECK_SIDE)
            self.compare_region = middle(result.size, COMPARE_SIDE)
        elif isinstance(result, BaseException):
            self.failed.emit(problems.of_exception(result))
        self.subject_changed.emit()

    def _on_option(self, option: Option) -> None:
        if option is settings.MODEL:
            self.listed.emit()


def _model_files(path: Path) -> list[Path]:
    """A file as it is, whatever it be called, as its refusal says what it is; of a folder the models in it."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))


def _same_topology(one: Model, other: Model) -> bool:
    shapes = _shapes(one), _shapes(other)
    if shapes[0] is not None and shapes[1] is not None:
        return shapes[0] == shapes[1]
    # A .pth has no header to read; the cards of known models say enough.
    named = [(each.card.architecture.lower(), each.card.size.lower(), each.card.scale) for each in (one, other)]
    return named[0] == named[1] and "" not in named[0]


def _shapes(model: Model) -> dict[str, tuple[int, ...]] | None:
    """Of the weights by name; None where the file does not say."""
    if model.path.suffix.lower() != ".safetensors":
        return None
    try:
        header = read_header(model.path)
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (UserError, TypeError, KeyError):
        return None
