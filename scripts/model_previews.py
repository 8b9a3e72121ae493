"""Make the before and after pictures of the model cards: `python scripts/model_previews.py`, once a model has changed.

A part of a sample picture, enlarged plainly and by each model that ships, beside each other in one small WebP.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from core import paths
from core.contract.cancel import CancelToken
from core.contract.upscale import PreviewRequest
from core.models.catalogue import models
from core.upscale.preview import preview

SAMPLE = paths.RESOURCES / "samples" / "cat.jpg"
PART = (40, 36, 72, 44)
"""x, y, width, height: eyes, fur and whiskers."""


def make(folder: Path) -> None:
    """Write one picture for each shipped model."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y, width, height = PART
    with Image.open(SAMPLE) as image:
        source = image.convert("RGB").crop((x, y, x + width, y + height))
    for model in models():
        if not model.shipped:
            continue
        request = PreviewRequest(SAMPLE, PART, model=model.key, device="cpu", tie_colours=True)
        (ready,) = preview(request, CancelToken())
        after = Image.fromarray(np.ascontiguousarray(ready.pixels[..., :3]))
        before = source.resize(after.size, Image.Resampling.BICUBIC)
        both = Image.new("RGB", (2 * after.width, after.height))
        both.paste(before, (0, 0))
        both.paste(after, (after.width, 0))
        both.save(folder / f"{model.key}.webp", quality=90)


if __name__ == "__main__":
    make(paths.RESOURCES / "previews")
