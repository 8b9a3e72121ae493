"""Runs as they lie on the disk and as they go on: curves, validations, verdict. Plain reading, no widgets, no torch."""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from core import paths
from core.atomic import replacing
from core.contract.errors import UserError
from core.contract.training import TrainingFinished, TrainingStarted, TrainingStep, Validation, ValidationPicture
from core.language import gettext as _
from core.models.card import read_card
from core.models.catalogue import SUFFIXES, models
from core.names import first_free
from core.training.recipe import Recipe
from core.training.run import VALIDATION_FOLDERS, RunFolder
from srgan_desktop.training.requests import MOST_OF_NAME

NAME_FILE = "name.txt"
"""In a run's folder: what the user has renamed it to."""
POINTS = 2048
"""A curve keeps at most so many points: when it is full, every second one goes."""


class Series:
    """One curve, thinned as it grows, so that a run of days is drawn as fast as one of minutes."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.values: list[float] = []
        self._every = 1
        self._count = 0

    def add(self, step: int, value: float) -> None:
        """Take a point; some are left out once the curve is long."""
        if self._count % self._every == 0:
            self.steps.append(step)
            self.values.append(value)
            if len(self.steps) >= POINTS:
                self.steps, self.values = self.steps[::2], self.values[::2]
                self._every *= 2
        self._count += 1

    def forget_after(self, step: int) -> None:
        """Drop what will be done again."""
        while self.steps and self.steps[-1] > step:
            self.steps.pop()
            self.values.pop()


@dataclass
class RunRecord:
    """All that the page shows of one run."""

    folder: Path
    name: str
    """The recipe's, until the user renames the run."""
    total_steps: int = 0
    step: int = 0
    stage: str = ""
    bicubic_psnr: float | None = None
    parent: str = ""
    teacher: str = ""
    began: datetime | None = None
    losses: dict[str, Series] = field(default_factory=dict)
    d_real: Series = field(default_factory=Series)
    d_fake: Series = field(default_factory=Series)
    validations: list[Validation] = field(default_factory=list)
    last: TrainingStep | None = None
    finished: TrainingFinished | None = None
    can_go_on: bool = False
    """There is a checkpoint, and steps are left."""

    def take(self, event: object) -> None:
        """Add what an event says."""
        match event:
            case TrainingStarted():
                self.total_steps = event.total_steps
                self.bicubic_psnr = event.bicubic_psnr_y
                self.parent = event.parent
                self.teacher = event.teacher
                self.forget_after(event.start_step)
            case TrainingStep():
                # A run that went back to its last finite state does some steps again.
                if event.step <= self.step:
                    self.forget_after(event.step - 1)
                self.step, self.stage, self.total_steps = event.step, event.stage, event.total_steps
                self.last = event
                if event.skipped:
                    return
                for name, value in event.losses.items():
                    self.losses.setdefault(name, Series()).add(event.step, value)
                if event.d_real is not None and event.d_fake is not None:
                    self.d_real.add(event.step, event.d_real)
                    self.d_fake.add(event.step, event.d_fake)
            case Validation():
                self.validations = [each for each in self.validations if each.step < event.step]
                self.validations.append(event)
                self.step = max(self.step, event.step)
            case TrainingFinished():
                if event.model is not None:
                    self.finished = event
                    self.can_go_on = False

    def forget_after(self, step: int) -> None:
        """Drop what will be done again."""
        self.step = min(self.step, step)
        self.finished = None
        self.validations = [each for each in self.validations if each.step <= step]
        for series in (*self.losses.values(), self.d_real, self.d_fake):
            series.forget_after(step)

    @property
    def best(self) -> Validation | None:
        """The last validation that was the best so far."""
        return next((each for each in reversed(self.validations) if each.best), None)

    @property
    def model(self) -> Path | None:
        """The finished model, else the best or the newest weights; None before the first validation."""
        folder = RunFolder(self.folder)
        places = (folder.model, folder.best("gan"), folder.best("psnr"), folder.latest)
        return next((path for path in places if path.is_file()), None)


def read_runs(root: Path) -> list[RunRecord]:
    """Every run below `root`, the newest first, without the points of its curves."""
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.is_dir() and (folder / "recipe.toml").is_file():
            found.append(read_run(folder, curves=False))
    return sorted(found, key=lambda record: record.began or datetime.min, reverse=True)


def read_run(folder: Path, *, curves: bool = True) -> RunRecord:
    """One run from its folder; what cannot be read is left out, so that it can still be looked at and deleted."""
    place = RunFolder(folder)
    recipe: Recipe | None = None
    try:
        recipe = place.recipe()
    except UserError:
        pass
    record = RunRecord(folder, recipe.name if recipe else folder.name, recipe.total_steps if recipe else 0)
    with contextlib.suppress(OSError):
        record.name = (folder / NAME_FILE).read_text(encoding="utf-8", errors="replace").strip() or record.name
    try:
        record.began = datetime.fromtimestamp((folder / "recipe.toml").stat().st_mtime)
        log = place.log_file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        log = ""
    for event in _events(log, folder, curves):
        record.take(event)
    record.can_go_on = record.finished is None and recipe is not None and place.holds_checkpoint
    return record


def rename_run(folder: Path, name: str) -> None:
    """Call a run otherwise in lists. Its recipe stays as it is, as a resumed run must find it unchanged.

    Raises:
        UserError: the name is empty, or cannot be written.
    """
    plain = " ".join(name.split())[:MOST_OF_NAME]
    if not plain:
        raise UserError(_("A run needs a name."), _("Type one."))
    try:
        with replacing(folder / NAME_FILE) as temporary:
            temporary.write_text(f"{plain}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            _("The name could not be saved in {folder}: {strerror}.").format(
                folder=folder, strerror=error.strerror or error
            ),
            _("Check the disk and the permissions."),
        ) from error


def new_run_folder(name: str) -> Path:
    """A folder for a run of this name that is not there yet."""
    root = paths.user_runs()
    stem = f"{slug(name)}-{datetime.now():%Y%m%d-%H%M%S}"
    return first_free(lambda number: root / (stem if number == 1 else f"{stem}-{number}"), lambda path: path.exists())


def install_model(source: Path) -> str:
    """Copy a run's model among the user's own, under a free name; answers with its key in the catalogue.

    One that is already there, byte for byte, is not copied again.

    Raises:
        UserError: it cannot be read or written.
    """
    folder = paths.user_models()
    stem = slug(read_card(source).name)
    try:
        content = source.read_bytes()
        for model in models():
            if model.path.parent == folder and model.key.startswith(stem) and model.path.read_bytes() == content:
                return model.key
        folder.mkdir(parents=True, exist_ok=True)
        taken = {path.stem for path in folder.iterdir() if path.suffix.lower() in SUFFIXES}
        taken |= {path.stem for path in paths.SHIPPED_MODELS.glob("*")}
        target = first_free(
            lambda number: folder / f"{stem if number == 1 else f'{stem}-{number}'}.safetensors",
            lambda path: path.stem in taken,
        )
        with replacing(target) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UserError(
            _("The model could not be copied: {strerror}.").format(strerror=error.strerror or error),
            _("Check the disk and the permissions of {folder}.").format(folder=folder),
        ) from error
    return target.stem


def slug(name: str) -> str:
    """A name as a file system of any kind takes it: `My café, x4` becomes `my-cafe-x4`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "model"


def _events(log: str, folder: Path, curves: bool) -> Iterator[object]:
    lines = log.splitlines()
    steps = sum(line.startswith('{"event": "TrainingStep"') for line in lines)
    # Only the last step matters to a list of runs; and no curve is sharper than a few thousand points.
    every = max(1, steps // POINTS) if curves else steps
    seen = 0
    for line in lines:
        if line.startswith('{"event": "TrainingStep"'):
            seen += 1
            if seen % every and seen != steps:
                continue
        event = _event(line, folder)
        if event is not None:
            yield event


def _event(line: str, folder: Path) -> object | None:
    """None for what is no event of ours, or the half line of a killed run."""
    try:
        fields = json.loads(line)
        match fields.pop("event"):
            case "TrainingStarted":
                return TrainingStarted(**{**fields, "run": folder})
            case "TrainingStep":
                return TrainingStep(**fields)
            case "Validation" | "Look":
                pictures = tuple(
                    ValidationPicture(
                        **{**each, **{kind: _here(folder, each[kind]) for kind in ("sr", "lr", "hr", "bicubic")}}
                    )
                    for each in fields["pictures"]
                )
                return Validation(**{**fields, "pictures": pictures, "model": folder / "latest.safetensors"})
            case "TrainingFinished":
                model = RunFolder(folder).model if fields["model"] else None
                return TrainingFinished(**{**fields, "run": folder, "model": model})
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def _here(folder: Path, noted: str) -> Path:
    """A validation's picture, also where the run was moved since: `.../validation/reference/x.png`."""
    parts = Path(noted).parts[-3:]
    return folder.joinpath(*parts) if parts[0] in VALIDATION_FOLDERS else Path(noted)
