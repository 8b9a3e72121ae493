"""Where a result contradicts its source: what is left of it, reduced again, minus the source, as a heat map."""

from __future__ import annotations

from collections.abc import Iterator

from core.contract.cancel import CancelToken
from core.late import Image, np
from srgan_desktop.compare.pyramid import Pyramid, build

COLOURS = (
    (0, (0, 0, 0)),
    (2, (34, 24, 92)),
    (6, (150, 42, 112)),
    (12, (236, 106, 44)),
    (24, (252, 214, 92)),
    (48, (255, 255, 255)),
)
"""(levels of 255, colour), interpolated between. A hundredth of the range can be seen."""


def difference(source: np.ndarray, result: np.ndarray, token: CancelToken) -> Iterator[Pyramid]:
    """Build the heat map of a result.

    Args:
        source: uint8 in sRGB, H x W, H x W x 3 or 4, as shown.
        result: the same of another size.
        token: asked between two channels.

    Yields:
        One pyramid of the smaller of both sizes, RGB: black where the result, reduced as its consistency is measured,
        equals the source, and brighter the more the channel that differs most does.
    """
    size = (min(source.shape[1], result.shape[1]), min(source.shape[0], result.shape[0]))
    most = np.zeros((size[1], size[0]), np.int16)
    for channel in range(3):
        token.check()
        one, other = (_reduced(pixels, channel, size) for pixels in (source, result))
        np.maximum(most, np.abs(one - other), out=most)
    levels, colours = zip(*COLOURS, strict=True)
    table = np.stack([np.interp(np.arange(256), levels, part) for part in zip(*colours, strict=True)], axis=1)
    yield build(np.rint(table).astype(np.uint8)[most], token)


def _reduced(pixels: np.ndarray, channel: int, size: tuple[int, int]) -> np.ndarray:
    plane = pixels if pixels.ndim == 2 else pixels[..., channel]
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
