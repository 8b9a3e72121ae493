"""What the Models page knows and does, without widgets: the models, downloads, imports, and trials."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
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
from core.language import gettext as _
from core.models.card import read_header
from core.models.catalogue import AUTOMATIC, DEFAULT_MODEL, SUFFIXES, Model, downloadable, models
from core.models.known import KnownModel
from srgan_desktop import problems, settings
from srgan_desktop.background import Lane
from srgan_desktop.detail import detail_in_use
from srgan_desktop.job import Job
from srgan_desktop.models.downloads import ModelDownloads
from srgan_desktop.models.files import ModelFiles
from srgan_desktop.models.trial_picture import TrialPicture, fitted, middle, read_trial_picture
from srgan_desktop.problems import Problem
from srgan_desktop.session import Session
from srgan_desktop.settings import Option, Settings

log = logging.getLogger(__name__)

CHECK_SIDE, CHECK_MOST = 1024, 16_000_000
"""The part that a check measures: its side at first, and the most pixels. The network sees a sixteenth of it."""
COMPARE_SIDE, COMPARE_MOST = 256, 1_000_000
"""The part that models are compared on: its side at first, and the most pixels; every result has many times those."""


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

    @property
    def fraction(self) -> float | None:
        """How much has come, 0 to 1; None while the length is not known."""
        return self.done / self.total if self.total else None


@dataclass(slots=True)
class Imported:
    """What became of the files that were to be imported."""

    before: frozenset[str] = frozenset()
    """Keys of the models that were there already."""
    added: list[ModelAdded] = field(default_factory=list)
    refused: list[ModelRefused] = field(default_factory=list)


class ModelsSession(Session):
    """The models, downloads, imports, and trials."""

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
    picture_changed = Signal()
    """`picture`, `opening` or a part of it is another."""
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
        self.picture: TrialPicture | None = None
        """The picture that models are tried on."""
        self.opening: Path | None = None
        """A picture that is being read."""
        self.check_region: Region = (0, 0, 1, 1)
        self.compare_region: Region = (0, 0, 1, 1)
        self._files = ModelFiles(self)
        self._files.hashed.connect(self.hashed)
        self._files.renamed.connect(self._on_renamed)
        self._files.removed.connect(self._on_removed)
        self._files.failed.connect(self.failed)
        self.await_end_of(self._files.stopped)
        self._downloads = ModelDownloads(self)
        self._downloads.progressed.connect(self._on_progress)
        self._downloads.fetched.connect(self._on_fetched)
        self._downloads.ended.connect(self._on_fetch_ended)
        self.await_end_of(self._downloads.stopped)
        self._reader = Lane("trial picture", self)
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
        """Key of the model that the Upscale page uses; the usual one where it chooses by the picture."""
        key = self.settings.get(settings.MODEL)
        return DEFAULT_MODEL if key in ("", AUTOMATIC) else key

    def make_default(self, key: str) -> None:
        """Have the Upscale page use this model from now on."""
        self.settings.set(settings.MODEL, key)

    def rename(self, key: str, name: str) -> None:
        """Give a model of the user's another name; ends with `renamed` or `failed`."""
        self._files.rename(key, name)

    def remove(self, key: str) -> None:
        """Delete a model of the user's for good; ends with `listed` or `failed`."""
        self._files.remove(key)

    def hash(self, path: Path) -> None:
        """Compute the SHA-256 of a model's file; ends with `hashed`."""
        self._files.hash(path)

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
        """Whether an import is under way."""
        return self._import is not None

    @property
    def blending(self) -> bool:
        """Whether a blend is being made."""
        return self._blend is not None

    def download(self, key: str) -> None:
        """Fetch a known model; ends with `added`, or with a problem in `downloads`."""
        self.downloads[key] = Download()
        self._downloads.start(key)
        self.downloading.emit(key)

    def cancel_download(self, key: str) -> None:
        """Give a download up; what came is kept."""
        self._downloads.give_up(key)

    def import_files(self, files: Iterable[Path]) -> None:
        """Import model files, and those in a folder; ends with `imported` or `failed`."""
        found = [file for path in files for file in _model_files(path)]
        if self.shutting_down:
            return
        if not found:
            self.failed.emit(
                Problem(
                    _("There is no model file in that folder."),
                    _("Models: .safetensors, .pth, .pt, .onnx, .param with .bin."),
                )
            )
        elif self._import is not None:
            self.failed.emit(Problem(_("Other files are being imported."), _("Drop these again when that is done.")))
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
        """Read a picture to try models on; ends with `picture_changed` or `failed`."""
        # What is found out about the picture before would be shown as this one's.
        self.stop_trial()
        self.opening = path
        self._reader.cancel_all()
        self._reader.stream(partial(read_trial_picture, path), self._on_read, self._on_reading_ended)
        self.picture_changed.emit()

    def choose_check_region(self, region: Region) -> None:
        """Measure this part from now on."""
        if self.picture is not None:
            self.check_region = fitted(region, self.picture.size, CHECK_MOST)
            self.picture_changed.emit()

    def choose_compare_region(self, region: Region) -> None:
        """Compare models on this part from now on."""
        if self.picture is not None:
            self.compare_region = fitted(region, self.picture.size, COMPARE_MOST)
            self.picture_changed.emit()

    def check(self, model: str) -> None:
        """Measure a model on the chosen part of the picture; a trial under way is given up. Ends with `checked`."""
        if self.picture is None or self.shutting_down:
            return
        value = self.settings.get
        content = value(settings.TRAIN_CONTENT)
        request = CheckRequest(
            self.picture.path,
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
        if self.picture is None or self.shutting_down or not 2 <= len(keys) <= MOST_COMPARED:
            return
        self.compared_models = tuple(keys)
        value = self.settings.get
        request = CompareRequest(
            self.picture.path,
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
        self._reader.cancel_all()
        self._files.close()
        self._downloads.close()
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
            self._on_estimate(event)
        elif job == self._import:
            self._on_import(event)
        elif job == self._blend:
            self._on_blend(event)

    def _on_estimate(self, event: object) -> None:
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
        self.failed.emit(problems.of_job(event, self._job.running, problems.trial_died))

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
            self.settings.set(settings.MODEL, settings.MODEL.default)
        self.reload()

    def _on_read(self, picture: TrialPicture) -> None:
        self.opening = None
        self.picture = picture
        self.check_region = middle(picture.size, CHECK_SIDE)
        self.compare_region = middle(picture.size, COMPARE_SIDE)
        self.picture_changed.emit()

    def _on_reading_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.opening = None
            self.failed.emit(problems.of_exception(error))
            self.picture_changed.emit()

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
    """Shapes of the weights by name; None where the file does not say."""
    if model.path.suffix.lower() != ".safetensors":
        return None
    try:
        header = read_header(model.path)
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (UserError, TypeError, KeyError):
        return None
