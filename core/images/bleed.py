"""Colour under transparent pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image


def bleed_colour(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Spread colour from visible into fully transparent pixels, whose own colour is arbitrary.

    A picture whose colour and alpha are enlarged apart has no dark or white fringe then. Pull-push interpolation
    (Gortler et al., The Lumigraph, 1996, section 3.4) with alpha as weight: smooth, and linear in the number of pixels.

    Args:
        pixels: H x W x C, uint8 or uint16, not multiplied by alpha.
        alpha: H x W of the same dtype, 0 = transparent.

    Returns:
        `pixels` with other colours where alpha is 0; `pixels` itself where there is nothing to spread, or nowhere to.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    weight = _halved(alpha)
    colour = np.stack([_halved(pixels[..., channel], alpha) for channel in range(pixels.shape[2])], axis=-1)
    coarse = _filled(colour, weight)
    result = pixels.copy()
    for channel in range(pixels.shape[2]):
        spread = _doubled(coarse[..., channel], alpha.shape)
        np.copyto(result[..., channel], np.rint(spread), where=hidden, casting="unsafe")
    return result


def _filled(weighted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The colours of H x W x C weighted sums, with those of weight 0 out of coarser levels."""
    seen = weight > 0
    colour = weighted / np.where(seen, weight, 1)[..., None]
    if seen.all():
        return colour
    summed = [_halved(weighted[..., channel]) for channel in range(weighted.shape[2])]
    coarse = _filled(np.stack(summed, axis=-1), _halved(weight))
    for channel in range(weighted.shape[2]):
        spread = _doubled(coarse[..., channel], weight.shape)
        np.copyto(colour[..., channel], spread, where=~seen)
    return colour


def _halved(values: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Sums over 2 x 2 of values (times weight); a float32 array of half the size, rounded up."""
    height, width = values.shape
    result = np.zeros(((height + 1) // 2, (width + 1) // 2), np.float32)
    for top in (0, 1):
        for left in (0, 1):
            part = values[top::2, left::2].astype(np.float32)
            if weight is not None:
                part *= weight[top::2, left::2]
            result[: part.shape[0], : part.shape[1]] += part
    return result


def _doubled(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bilinear enlargement by 2, cut to `shape` (H, W)."""
    height, width = values.shape
    image = Image.fromarray(np.ascontiguousarray(values)).resize((width * 2, height * 2), Image.Resampling.BILINEAR)
    return np.asarray(image)[: shape[0], : shape[1]]
