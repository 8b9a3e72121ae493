"""What the Train page asks the worker for, made of the options and the recipe as it is edited."""

from __future__ import annotations

from pathlib import Path

from core.contract.training import SamplesRequest, ScanRequest, TrainRequest
from core.training.recipe import Recipe
from srgan_desktop import settings
from srgan_desktop.settings import Settings
from srgan_desktop.training.draft import Draft

MOST_OF_NAME = 60
"""Characters of the name of a run."""
SHOWN_IN_SAMPLES = {
    "seed",
    "generator.scale",
    "data.minimum_side",
    "data.degradation",
    "data.synthetic",
    "data.candidates",
    "data.reduce_to",
    "data.recolour",
}
"""Fields of a recipe that decide what the crops look like."""


def train_request(options: Settings, draft: Draft, run: Path) -> TrainRequest:
    """A whole run into this folder; a folder of pictures is chosen."""
    data = _path(options.get(settings.TRAIN_FOLDER))
    assert data is not None
    return TrainRequest(
        recipe=draft.source,
        data=data,
        run=run,
        validation=_path(options.get(settings.TRAIN_VALIDATION)),
        overrides=draft.overrides(),
        content_weights=_path(options.get(settings.TRAIN_CONTENT)) if draft.wants_content else None,
        device=options.get(settings.TRAIN_DEVICE),
    )


def suggested_name(options: Settings, draft: Draft) -> str:
    """What a run is called that nobody gave a name: its recipe and its folder of pictures."""
    return f"{draft.base.name} {Path(options.get(settings.TRAIN_FOLDER)).name}".strip()[:MOST_OF_NAME]


def scan_request(options: Settings, recipe: Recipe) -> ScanRequest:
    """The look at the chosen pictures that a run of this recipe would begin with."""
    return ScanRequest(
        Path(options.get(settings.TRAIN_FOLDER)),
        recipe.generator.scale,
        max(recipe.data.minimum_side, recipe.largest_crop * recipe.generator.scale),
        _path(options.get(settings.TRAIN_VALIDATION)),
        recipe.data.held_out,
        recipe.seed,
        recipe.data.quarantine,
    )


def samples_request(options: Settings, draft: Draft) -> SamplesRequest:
    """Some LR pictures of the chosen ones; equal for recipes that make them alike."""
    changes = tuple(each for each in draft.overrides() if each[0] in SHOWN_IN_SAMPLES)
    return SamplesRequest(draft.source, Path(options.get(settings.TRAIN_FOLDER)), changes)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
