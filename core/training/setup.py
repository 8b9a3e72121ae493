"""What a run starts from: pictures, networks and losses. All that can fail for a person's reasons fails here, before
anything is written."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch

from core import devices, processor
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import ScanRequest, TrainingEvent, TrainRequest
from core.language import gettext as _
from core.models.catalogue import Model, find_model
from core.models.content import ContentLoss, ContentNetwork, load_content
from core.models.generator import Generator as Network
from core.models.generator import GeneratorConfig, initialise
from core.models.weights import load_generator
from core.training.checkpoint import PartState
from core.training.dataset import Batch, CropLoader, loader_of
from core.training.networks import training_precision
from core.training.processes import Place, wait_for_all
from core.training.recipe import Recipe, StageRecipe
from core.training.scan import Scan, scan
from core.training.step import Training
from core.training.teacher import Teacher, pool_of


class Pictures:
    """The training pictures as a part of a checkpoint: going on with others is going on with another run."""

    def __init__(self, found: Scan) -> None:
        self.found = found
        self.changed = False
        """Whether a restored run had other ones."""

    def state(self) -> PartState:
        """Return their fingerprint."""
        return PartState(values={"fingerprint": self.found.fingerprint})

    def restore(self, state: PartState) -> None:
        """Notice whether they are the same."""
        # The very first checkpoints do not say.
        self.changed = state.values.get("fingerprint", self.found.fingerprint) != self.found.fingerprint


@dataclass
class Setup:
    """What a run works with."""

    recipe: Recipe
    """With epochs turned into steps."""
    pictures: Pictures
    training: Training
    loader: CropLoader
    content: ContentNetwork | None
    parent: Model | None
    teacher: Teacher | None

    @property
    def found(self) -> Scan:
        """What the scan of the pictures found."""
        return self.pictures.found

    def batches(self, stage: StageRecipe, step: int, ahead: int = 0) -> list[Batch]:
        """The batches of step `step` (from 0) of a stage; the next `ahead` steps are prepared meanwhile."""
        first = self.recipe.psnr.steps if stage is self.recipe.gan else 0
        coming = [
            ((first + s) * stage.accumulate + part, stage.crop_at(s), self._batch(stage, s))
            for s in range(step, min(step + 1 + ahead, stage.steps))
            for part in range(stage.accumulate)
        ]
        return [self.loader.take(*coming[part], coming[part + 1 :]) for part in range(stage.accumulate)]

    def _batch(self, stage: StageRecipe, step: int) -> int:
        """Crops of a step, the same number for every process."""
        count = self.loader.shard[1]
        return max(count, round(stage.batch_at(step) / count) * count)


def set_up(
    request: TrainRequest, recipe: Recipe, place: Place, cancel: CancelToken, *, only_try: bool = False
) -> Generator[TrainingEvent, None, Setup]:
    """Find and load everything, in the order of how soon its faults are known.

    Args:
        request: settled.
        recipe: its recipe.
        place: of this process.
        cancel: asked at every picture.
        only_try: let a teacher enlarge only as much as a few steps need.

    Yields:
        `DownloadProgress` where content weights are missing, the events of a scan, and `TeacherProgress`.

    Raises:
        UserError: recipe, data, model, teacher or content weights are unusable.
        Cancelled: asked for.
    """
    device = devices.choose(request.device)
    processor.keep_large_blocks()
    if request.threads:
        torch.set_num_threads(request.threads)
    torch.manual_seed(recipe.seed)
    generator, parent = _first_generator(recipe, request.start or recipe.start)
    teacher = _teacher(recipe, device)
    content = yield from _content_network(request, recipe, place, cancel)
    if content is not None:
        content = content.to(device).to(memory_format=torch.channels_last)
    distance = _content_loss(recipe, content)
    found = yield from _scanned(request, recipe, cancel)
    recipe = recipe.for_pictures(len(found.training))
    training = Training(recipe, generator, device, training_precision(device, recipe.precision), distance)
    pool = None
    if teacher is not None:
        pool = yield from pool_of(recipe, found, teacher, place, cancel, only_try=only_try)
    loader = loader_of(recipe, found.training, (place.rank, place.count), pool)
    return Setup(recipe, Pictures(found), training, loader, content, parent, teacher)


def _first_generator(recipe: Recipe, start: str) -> tuple[Network, Model | None]:
    """With what it started from; None for random weights."""
    wanted = GeneratorConfig(**recipe.generator.model_dump())
    if not start:
        if recipe.psnr.losses.get("keep"):
            raise UserError(
                _("psnr.losses.keep keeps what a model knows, and this run begins with random weights."),
                _("Name a model to start from, or leave that loss out."),
            )
        generator = Network(wanted)
        initialise(generator)
        return generator, None
    model = find_model(start)
    generator, _rest = load_generator(model.path)
    if generator.config != wanted:
        mine = generator.config
        raise UserError(
            _("{name} is another network than the recipe's.").format(name=model.path.name),
            _(
                "It has scale = {scale}, features = {features}, blocks = {blocks}, norm = {norm}, "
                "attention = {attention}, skip = {skip}, upsampler = {upsampler}, output = {output}: "
                "set these in the recipe's [generator], or start from another model."
            ).format(
                scale=mine.scale,
                features=mine.features,
                blocks=mine.blocks,
                norm=mine.norm,
                attention=mine.attention,
                skip=mine.skip,
                upsampler=mine.upsampler,
                output=mine.output,
            ),
        )
    return generator, model


def _teacher(recipe: Recipe, device: torch.device) -> Teacher | None:
    if not recipe.wants_teacher:
        return None
    if not recipe.teacher:
        raise UserError(
            _("The recipe {name} learns from a teacher, and none is named.").format(name=recipe.name),
            _(
                'Name a model: --teacher MODEL on the command line, teacher = "MODEL" in the recipe, '
                "or “Teacher” in the window."
            ),
        )
    return Teacher(recipe, device)


def _content_network(
    request: TrainRequest, recipe: Recipe, place: Place, cancel: CancelToken
) -> Generator[TrainingEvent, None, ContentNetwork | None]:
    if not recipe.wants_content:
        return None
    if not place.first:
        wait_for_all()  # until the first has downloaded it
    content = yield from load_content(recipe.gan.content.network, request.content_weights, cancel)
    if place.first:
        wait_for_all()
    return content


def _content_loss(recipe: Recipe, content: ContentNetwork | None) -> ContentLoss | None:
    if content is None:
        return None
    wanted = recipe.gan.content
    try:
        return ContentLoss(
            content,
            wanted.layers,
            before_activation=wanted.before_activation,
            distance=wanted.distance,
            normalise=wanted.normalise,
        )
    except ValueError as error:
        raise UserError(_("gan.content.layers: {error}.").format(error=error), _("Correct the recipe.")) from error


def _scanned(request: TrainRequest, recipe: Recipe, cancel: CancelToken) -> Generator[TrainingEvent, None, Scan]:
    assert request.data is not None  # the run folder has seen to it
    found = yield from scan(
        ScanRequest(
            request.data,
            recipe.generator.scale,
            max(recipe.data.minimum_side, recipe.largest_crop * recipe.generator.scale),
            request.validation,
            recipe.data.held_out,
            recipe.seed,
            recipe.data.quarantine,
        ),
        cancel,
    )
    if any(picture.lr is not None for picture in found.training):
        for field, is_set in (
            ("data.synthetic", recipe.data.synthetic > 0),
            ("data.reduce_to", recipe.data.reduce_to < 1),
        ):
            if is_set:
                raise UserError(
                    _("{field} does not go with ready-made pairs: how their small ones were made is not known.").format(
                        field=field
                    ),
                    _("Leave it out of the recipe, or choose a folder of large pictures alone."),
                )
    return found
