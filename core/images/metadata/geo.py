"""Where on earth a picture lies: GeoTIFF's tags and world files, with a pixel's size divided as pixels become more."""

from __future__ import annotations

import math
import struct

from core.images.directories import ASCII, SHORT, TagValue
from core.images.metadata.xmp import Geometry

_DOUBLE = 12
_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _RPC = 33550, 33922, 34264, 50844
_KEYS, _DOUBLES, _TEXTS = 34735, 34736, 34737
_GDAL_METADATA, NO_DATA = 42112, 42113
TAGS = frozenset({_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _RPC, _KEYS, _DOUBLES, _TEXTS, _GDAL_METADATA, NO_DATA})
"""GeoTIFF 1.1 (OGC 19-008), RPC coefficients of satellites, and GDAL's own tags."""
_RASTER_TYPE, _POINT = 1025, 2
_RPC_OFFSETS, _RPC_SCALES = (2, 3), (7, 8)
"""Places of lines and samples, in that order."""

Tags = tuple[tuple[int, TagValue], ...]


def scaled(tags: Tags, factors: tuple[float, float]) -> Tags:
    """The tags of a picture with so many times the pixels across and down; what is malformed is left out."""
    if factors == (1.0, 1.0):
        return tags
    # Where a pixel's number stands for its middle, that of the first pixel moves.
    shift = 0.5 if _counts_middles(dict(tags)) else 0.0
    made = []
    for code, value in tags:
        if code in (_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _RPC):
            numbers = _doubles(value)
            new = numbers and _CHANGES[code](numbers, factors, shift)
            if not new:
                continue
            value = TagValue(_DOUBLE, len(new), struct.pack(f"<{len(new)}d", *new))
        made.append((code, value))
    return tuple(made)


def _doubles(value: TagValue) -> list[float]:
    if value.kind != _DOUBLE or len(value.data) != 8 * value.count:
        return []
    numbers = list(struct.unpack(f"<{value.count}d", value.data))
    return numbers if all(map(math.isfinite, numbers)) else []


def _counts_middles(tags: dict[int, TagValue]) -> bool:
    keys = tags.get(_KEYS)
    if keys is None or keys.kind != SHORT or len(keys.data) != 2 * keys.count:
        return False
    numbers = struct.unpack(f"<{keys.count}H", keys.data)
    return any(numbers[at : at + 4] == (_RASTER_TYPE, 0, 1, _POINT) for at in range(4, len(numbers) - 3, 4))


def _pixel_scale(numbers: list[float], factors: tuple[float, float], _shift: float) -> list[float]:
    return [numbers[0] / factors[0], numbers[1] / factors[1], *numbers[2:]] if len(numbers) >= 2 else []


def _tie_points(numbers: list[float], factors: tuple[float, float], shift: float) -> list[float]:
    if len(numbers) % 6:
        return []
    new = []
    for at in range(0, len(numbers), 6):
        column, row, *rest = numbers[at : at + 6]
        new += [(column + shift) * factors[0] - shift, (row + shift) * factors[1] - shift, *rest]
    return new


def _transformation(numbers: list[float], factors: tuple[float, float], shift: float) -> list[float]:
    if len(numbers) != 16:
        return []
    new = list(numbers)
    for row in (0, 4, 8):
        across, down = numbers[row] / factors[0], numbers[row + 1] / factors[1]
        new[row], new[row + 1] = across, down
        # The middle of the first pixel comes nearer to the corner, which stays where it is.
        new[row + 3] = numbers[row + 3] + shift * (across - numbers[row] + down - numbers[row + 1])
    return new


def _rational_polynomials(numbers: list[float], factors: tuple[float, float], _shift: float) -> list[float]:
    if len(numbers) < 12:
        return []
    new = list(numbers)
    for index, factor in zip(_RPC_OFFSETS, factors[::-1], strict=True):
        new[index] = (numbers[index] + 0.5) * factor - 0.5
    for index, factor in zip(_RPC_SCALES, factors[::-1], strict=True):
        new[index] = numbers[index] * factor
    return new


_CHANGES = {
    _PIXEL_SCALE: _pixel_scale,
    _TIE_POINTS: _tie_points,
    _TRANSFORMATION: _transformation,
    _RPC: _rational_polynomials,
}


def no_data_tag(number: float) -> tuple[int, TagValue]:
    """GDAL's tag for what stands for no number."""
    text = f"{number:.17g}".encode() + b"\0"
    return NO_DATA, TagValue(ASCII, len(text), text)


def world_of(text: str, geometry: Geometry) -> str | None:
    """The six lines of a world file for a picture that was turned and enlarged; None where it is none.

    They are the steps across in x and y, the steps down in x and y, and the middle of the upper left pixel, as the file
    stores it: who reads world files turns nothing.
    """
    try:
        numbers = [float(line.replace(",", ".")) for line in text.split()]
    except ValueError:
        return None
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        return None
    across_x, across_y, down_x, down_y, x, y = numbers
    width, height = geometry.before
    corner, right, below = (geometry.point_before(*point) for point in ((0, 0), (1, 0), (0, 1)))
    new = []
    for end, side in zip((right, below), geometry.size, strict=True):
        columns, rows = (end[0] - corner[0]) * width / side, (end[1] - corner[1]) * height / side
        new += [across_x * columns + down_x * rows, across_y * columns + down_y * rows]
    column, row = corner[0] * width - 0.5, corner[1] * height - 0.5
    new += [
        x + across_x * column + down_x * row + (new[0] + new[2]) / 2,
        y + across_y * column + down_y * row + (new[1] + new[3]) / 2,
    ]
    return "".join(f"{number:.12f}\n" for number in new)
