"""What the engine asks of a runtime: a model loaded for a device, and its network in each precision. Plain.

A runtime is a library that computes networks; each has one file here. What goes in and comes out are numpy arrays of
pixels, so that the engine knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from core.contract.settings import Precision
from core.language import gettext as _
from core.tiling import Rect

GENERATOR_SIDE = 1024
"""Largest side of a tile for our own networks, in source pixels: the overlap then costs a tenth, and fp32 fits in
3 GB."""
COMMUNITY_SIDE = 512
"""Largest side of a tile for other people's networks, in source pixels: larger ones save little and take long to
cancel."""

TAIL_SIDE = 128
"""Side of the pieces of a tile that what lies behind our networks' trunk runs on, in source pixels."""
TRUNK_SHARE = 0.45
"""About how much of their work is done when the trunk is; for progress."""

OTHERWISE = _("Choose the device auto or cpu.")
"""What to do where a runtime cannot compute a model."""

Report = Callable[[float], None]
"""Takes the share of a tile that is done, 0 to 1; may raise `Cancelled`."""


class DeviceMemoryError(MemoryError):
    """The device has too little memory for this tile."""


class UnsupportedPrecisionError(Exception):
    """The model, or the device, does not work in this precision."""


class DeviceLostError(Exception):
    """The device stopped answering, and will not compute anything more in this process."""


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part of a tile."""

    where: Rect
    """In enlarged pixels, counted from the corner of the tile's enlarged core."""
    pixels: np.ndarray
    """h x w x 3, of the type that was asked for: rounded levels in uint8 or uint16, or float32 around 0..1, not
    clipped."""
    low: float
    """The smallest value before clipping and rounding; not finite where any value is not."""
    high: float


class Network(Protocol):
    """A model's network in one runtime, on one device, in one precision. Not to be shared between threads."""

    @property
    def precision(self) -> Precision:
        """In which it computes."""

    @property
    def weights_bytes(self) -> int:
        """What its weights take."""

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        """Enlarge the core of a tile, in one part or several.

        Args:
            source: H x W x 3, RGB: levels in uint8 or uint16, or float32 in 0..1. May be read-only.
            core: what is wanted of it; the rest is overlap.
            kind: of the result's pixels: `np.uint8`, `np.uint16` or `np.float32`.
            report: told what is done, after each layer where the runtime allows, so that cancelling is quick.

        Raises:
            DeviceMemoryError: the tile is too large for the device.
            DeviceLostError: the device is gone.
        """


@dataclass(frozen=True, slots=True)
class TileGeometry:
    """How a network's tiles are cut, whatever computes them."""

    scale: int
    """How many times it enlarges each side."""
    reach: int
    """How many source pixels around a region change its result, or those that a tile looks at."""
    blended: int
    """Source pixels across a seam over which tiles are blended; 0 where they agree."""
    aligned: int
    """Tiles begin at multiples of so many source pixels."""
    whole: bool
    """Whether it wants the whole picture at once."""
    largest_side: int
    """The largest side of a tile in source pixels, however much memory there is."""
    tail_reach: int
    """How many source pixels around one what lies behind the trunk looks at; for networks that come in two parts."""
    values_per_pixel: float
    """How many values are alive at once per source pixel, at the peak."""
    tiles_note: str
    """What a user should know where a picture is done in tiles, with `{model}` where the model's name belongs; empty
    where tiles do not show."""
    each_picture: bool
    """Whether that is told of each picture that it concerns, or once."""
    multiple: int = 1
    """The number of which the sides of what goes into the network must be multiples; what is missing is repeated."""


class LoadedModel(Protocol):
    """A model, loaded for one device."""

    @property
    def geometry(self) -> TileGeometry:
        """How its tiles are cut."""

    @property
    def device(self) -> str:
        """What a request calls the device: `cpu`, `cuda:0`, `openvino`."""

    @property
    def device_label(self) -> str:
        """The device's name, for people, and the runtime's where that is not torch."""

    @property
    def fast_precision(self) -> Precision:
        """What should be fastest there; whether it is right, the engine finds out."""

    def network(self, precision: Precision) -> Network:
        """Its network in this precision; made anew at each call.

        Raises:
            UnsupportedPrecisionError: the model or the device does not work in it.
        """

    def memory(self) -> tuple[int, int]:
        """(total, free) bytes of the memory that the device computes in."""

    def release_memory(self) -> None:
        """Give memory that is cached for the next tile back to the system."""


@runtime_checkable
class LanedModel(Protocol):
    """A loaded model that can be computed on several threads at once."""

    def lanes(self, precision: Precision) -> Sequence[Network]:
        """Its network once for each thread, all of one precision; none where there are cores for one thread only.

        Small pictures are done sooner so than one after the other on all cores, as no core waits for the others.
        """


def levels(planes: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """Values in 0..1 to what `Network.run` gives.

    Args:
        planes: 3 x h x w, float32.
        kind: `np.uint8`, `np.uint16` or `np.float32`.

    Returns:
        h x w x 3 of that type, clipped and rounded unless that is float32.
    """
    pixels = planes.transpose(1, 2, 0)
    if kind is np.float32:
        return pixels
    top = np.float32(np.iinfo(kind).max)  # type: ignore[type-var]
    scaled = np.clip(pixels, 0, 1)
    scaled *= top
    return np.rint(scaled, out=scaled).astype(kind)


def unit_values(source: np.ndarray) -> np.ndarray:
    """H x W x 3 levels, or float32 in 0..1, to 3 x H x W float32 in 0..1, in one piece of memory."""
    planes = np.ascontiguousarray(source.transpose(2, 0, 1), dtype=np.float32)
    if source.dtype != np.float32:
        # Contiguous float32 planes are a copy of integers.
        planes /= np.float32(np.iinfo(source.dtype).max)
    return planes
