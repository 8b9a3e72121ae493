"""The folder of a run: recipe, checkpoints, validations, log and models.

recipe.toml          what this run does
request.json         with which pictures, device and content weights, for going on
log.jsonl            its steps (one in two seconds) and validations, one a line
tensorboard/         curves for TensorBoard, where they are wanted
checkpoints/         checkpoints, from which it can go on
samples/             some training crops
validation/          reference/: LR, HR and bicubic of the shown held-out pictures; 00000500/: the SR of that step
latest.safetensors   EMA weights of the last validation; best-psnr and best-gan the best ones of each stage
model.safetensors    the finished model, with its card
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from core.atomic import replacing
from core.contract.errors import UserError
from core.contract.training import TrainingEvent, TrainRequest
from core.language import gettext as _
from core.training.recipe import Recipe, load_recipe, parse_recipe, recipe_toml, toml_value

TENSORBOARD = "tensorboard"
"""The folder that `core.training.tensorboard` writes into."""
VALIDATION_FOLDERS = ("validation", "looks")
"""Where the pictures of validations lie: now, and in runs of the first versions, which go on as they began."""
CHECKPOINT_FOLDERS = ("checkpoints", "bundles")
CHECKPOINT_NAMES = ("checkpoint", "bundle")
"""What the files in them begin with; all before the step, after a hyphen."""


class RunFolder:
    """Where everything of one run lies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = _first_there(path, CHECKPOINT_FOLDERS)
        self.samples = path / "samples"
        self.validations = _first_there(path, VALIDATION_FOLDERS)
        self.references = self.validations / "reference"
        self.log_file = path / "log.jsonl"
        self.latest = path / "latest.safetensors"
        self.model = path / "model.safetensors"
        self._recipe = path / "recipe.toml"
        self._request = path / "request.json"

    @property
    def holds_run(self) -> bool:
        """Whether a run was begun here."""
        return self._recipe.is_file() and self.checkpoints.is_dir()

    @property
    def holds_checkpoint(self) -> bool:
        """Whether a run here can go on."""
        return any(any(self.checkpoints.glob(f"{name}-*.safetensors")) for name in CHECKPOINT_NAMES)

    def best(self, stage: str) -> Path:
        """The best weights of a stage."""
        return self.path / f"best-{stage}.safetensors"

    def validation(self, step: int) -> Path:
        """Folder of the pictures of the validation after a step."""
        return self.validations / f"{step:08d}"

    def was_begun_by(self, job: str, recipe: Recipe) -> bool:
        """Whether this `torchrun` has begun the run here, with this recipe, and is about to do so again.

        Args:
            job: what `core.training.processes.job` says.
            recipe: as `create` was given it.
        """
        try:
            noted = json.loads(self._request.read_text(encoding="utf-8"))
            if not job or noted["job"] != job:
                return False
            return not self._recipe.exists() or self._recipe.read_text(encoding="utf-8") == recipe_toml(recipe)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def create(self, recipe: Recipe, request: TrainRequest, job: str = "", *, begun: bool = False) -> None:
        """Make the folder, and note the recipe and what else it takes to go on.

        Args:
            recipe: as it was settled.
            request: likewise.
            job: what `core.training.processes.job` says.
            begun: whether the folder may hold what `was_begun_by` this job.

        Raises:
            UserError: it holds a run or anything else already, or cannot be written.
        """
        if self._recipe.exists() and not begun:
            raise UserError(
                _("{path} already holds a run.").format(path=self.path),
                _("Resume it (--resume), or choose another folder."),
            )
        try:
            found = None if begun else self._found()
            if found is not None:
                raise UserError(
                    _("{path} is not empty: it holds {relative_to}.").format(
                        path=self.path, relative_to=found.relative_to(self.path)
                    ),
                    _("A run could overwrite its files. Choose an empty folder, or move them away."),
                )
            for folder in (self.checkpoints, self.samples, self.references):
                folder.mkdir(parents=True, exist_ok=True)
            # The recipe last: with it, the folder holds a run.
            self.note(request, job)
            with replacing(self._recipe) as temporary:
                temporary.write_text(recipe_toml(recipe), encoding="utf-8")
        except OSError as error:
            raise UserError(
                _("{path} cannot be written: {strerror}.").format(path=self.path, strerror=error.strerror),
                _("Choose another folder."),
            ) from error

    def note(self, request: TrainRequest, job: str = "") -> None:
        """Remember what it takes to go on, whole paths all, as that may be done from another folder.

        Raises:
            OSError: the disk is full, or gone.
        """
        start = Path(request.start).expanduser()
        whole = replace(
            request,
            data=request.data and request.data.absolute(),
            run=self.path.absolute(),
            validation=request.validation and request.validation.absolute(),
            content_weights=request.content_weights and request.content_weights.absolute(),
            start=str(start.absolute()) if request.start and start.is_file() else request.start,
        )
        with replacing(self._request) as temporary:
            temporary.write_text(json.dumps(asdict(whole) | {"job": job}, default=str, indent=1), encoding="utf-8")

    def _found(self) -> Path | None:
        """A file that somebody else has put here.

        Empty folders may be of a start that was killed, hidden files are file managers' own, and TensorBoard begins
        its file before the run is created.
        """
        files = (path for path in self.path.rglob("*") if not path.is_dir() and not path.name.startswith("."))
        return next((path for path in files if path.relative_to(self.path).parts[0] != TENSORBOARD), None)

    def check_present(self) -> None:
        """Refuse to go on in a folder that was moved away: half a run would grow in its place.

        Raises:
            FileNotFoundError: it is not there.
        """
        if not self._recipe.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))

    def settle(self, request: TrainRequest) -> tuple[TrainRequest, Recipe]:
        """Settle what a request leaves open, for a new run by its recipe and for one that goes on by what it was begun
        with: other held-out pictures would be pictures that it has seen.

        Returns:
            The request with pictures, starting model and device, and the recipe.

        Raises:
            UserError: the recipe is no recipe, there is no run to go on with, or nobody says with which pictures.
        """
        if not request.resume:
            if request.data is None:
                raise UserError(_("No pictures were named."), _("Name a folder of pictures to train on."))
            # Part of the recipe, which is checked as a whole: without a PSNR stage, a GAN stage needs a model.
            start = (("start", toml_value(request.start)),) if request.start else ()
            recipe = load_recipe(request.recipe, (*request.overrides, *start))
            teacher = Path(recipe.teacher).expanduser()
            if recipe.teacher and teacher.is_file():
                # The run may go on from another folder.
                recipe = recipe.model_copy(update={"teacher": str(teacher.absolute())})
            return replace(request, start=recipe.start, device=request.device or "auto"), recipe
        recipe = self.recipe()
        try:
            begun = self.request()
        except UserError:
            if request.data is None:
                raise
            begun = request  # runs of the first versions do not say
        settled = replace(
            request,
            recipe=request.recipe or begun.recipe,
            data=request.data or begun.data,
            validation=request.validation or begun.validation,
            start=request.start or begun.start,
            content_weights=request.content_weights or begun.content_weights,
            device=request.device or begun.device or "auto",
            threads=request.threads or begun.threads,
            tensorboard=request.tensorboard or begun.tensorboard,
        )
        return settled, recipe

    def recipe(self) -> Recipe:
        """The run's own recipe.

        Raises:
            UserError: there is no run here.
        """
        try:
            text = self._recipe.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(
                _("{path} holds no run that can be resumed.").format(path=self.path),
                _("Check the folder, or start a new run."),
            ) from error
        return parse_recipe(text, str(self._recipe))

    def request(self) -> TrainRequest:
        """What goes on with this run: its own pictures, device and content weights.

        Raises:
            UserError: the folder does not say, as those of the first versions.
        """
        try:
            noted = json.loads(self._request.read_text(encoding="utf-8"))
            return TrainRequest(
                recipe=str(noted["recipe"]),
                data=Path(noted["data"]),
                run=self.path,
                resume=True,
                start=str(noted["start"]),
                device=str(noted["device"]),
                threads=int(noted["threads"]),
                tensorboard=bool(noted["tensorboard"]),
                validation=Path(noted["validation"]) if noted["validation"] else None,
                content_weights=Path(noted["content_weights"]) if noted["content_weights"] else None,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                _("{path} does not say which pictures it was trained on.").format(path=self.path),
                _("Go on with it from the command line: srgan train RECIPE --data DIR --run FOLDER --resume."),
            ) from error

    def log(self, event: TrainingEvent) -> None:
        """Append an event to the log."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": type(event).__name__, **asdict(event)}, default=str) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop what the log says of steps that will be done again."""
        if not self.log_file.exists():
            return
        kept = []
        for line in self.log_file.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line).get("step", 0) <= step:
                    kept.append(line)
            except (ValueError, AttributeError):
                continue  # the half line of a killed run
        with replacing(self.log_file) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _first_there(folder: Path, names: tuple[str, ...]) -> Path:
    """The first of these folders that is there, or else the first."""
    return next((folder / name for name in names if (folder / name).is_dir()), folder / names[0])
