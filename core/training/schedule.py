"""The learning rate of a step."""

from __future__ import annotations

import math

from core.training.recipe import StageRecipe


def get_lr(stage: StageRecipe, step: int, *, peak: float | None = None, rested: int = 0) -> float:
    """The learning rate of a step by the stage's schedule and warm-up.

    Args:
        stage: whose schedule it is.
        step: of the stage, from 0.
        peak: rate at the top of the schedule; None takes the generator's.
        rested: steps of the stage in which the network was not trained: its warm-up begins after them.
    """
    share = 1.0
    if stage.schedule == "step" and step >= stage.steps / 2:
        share = 0.1
    elif stage.schedule == "cosine":
        end = stage.rate_end / stage.rate
        share = end + (1 - end) * (1 + math.cos(math.pi * step / max(1, stage.steps))) / 2
    warm = min(1.0, max(0, step - rested + 1) / max(1, stage.warmup))
    return (stage.rate if peak is None else peak) * share * warm
