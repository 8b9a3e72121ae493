"""A `Network` of functions that take and give planes: what OpenVINO and ncnn have in common. Plain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.contract.errors import UserError
from core.contract.settings import Precision
from core.language import gettext as _
from core.models.graph import Graph
from core.runtimes.network import (
    OTHERWISE,
    TAIL_SIDE,
    TRUNK_SHARE,
    Part,
    Report,
    TileGeometry,
    UnsupportedPrecisionError,
    levels,
    unit_values,
)
from core.tiling import Rect, tiles

TOLERANCE = 1 / 255
"""How far values in 0..1 may differ from torch's in fp32."""
Compute = Callable[[Sequence[np.ndarray], Report], np.ndarray]
"""Takes arrays of C x H x W, float32, and gives one; tells from time to time about what share is done, if it can."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A model as plain graphs, and what becomes of one small picture."""

    name: str
    """The name of the model, for people."""
    graphs: tuple[Graph, ...]
    geometry: TileGeometry
    source: np.ndarray
    """H x W x 3, float32 in 0..1."""
    wanted: np.ndarray
    """sH x sW x 3 in float32, clipped: what torch makes of it, or else ncnn on the processor."""


class GraphNetwork:
    """Runs our generators' trunk on the whole tile and what lies behind it on pieces; other networks whole."""

    def __init__(
        self, geometry: TileGeometry, precision: Precision, weights_bytes: int, computes: Sequence[Compute]
    ) -> None:
        """Take what computes.

        Args:
            geometry: of the model.
            precision: that it computes in.
            weights_bytes: what its weights take.
            computes: pixels to features, and features with their pixels to enlarged pixels; or pixels to enlarged
                pixels alone.
        """
        self.precision = precision
        self.weights_bytes = weights_bytes
        self._geometry = geometry
        self._computes = computes

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        """Enlarge the core of a tile, as `Network.run` says."""
        report(0.0)
        x = unit_values(source)
        parts = self._whole(x, core, report) if len(self._computes) == 1 else self._in_pieces(x, core, report)
        for where, planes in parts:
            yield Part(where, levels(planes, kind), float(planes.min()), float(planes.max()))

    def _whole(self, x: np.ndarray, core: Rect, report: Report) -> Iterator[tuple[Rect, np.ndarray]]:
        inner = core.scaled(self._geometry.scale)
        bottom, right = (-side % self._geometry.multiple for side in x.shape[1:])
        if bottom or right:
            x = np.pad(x, ((0, 0), (0, bottom), (0, right)), mode="edge")
        planes = self._computes[0]([x], report)[:, inner.top : inner.bottom, inner.left : inner.right]
        # Clipped as spandrel does it: what is flat only because it is out of range shows as flat.
        yield Rect(0, 0, inner.width, inner.height), planes.clip(0, 1)
        report(1.0)

    def _in_pieces(self, x: np.ndarray, core: Rect, report: Report) -> Iterator[tuple[Rect, np.ndarray]]:
        trunk, tail = self._computes
        features = trunk([x], lambda done: report(TRUNK_SHARE * done))
        scale = self._geometry.scale
        area, done = core.width * core.height, 0
        whole = Rect(0, 0, x.shape[2], x.shape[1])
        for piece in tiles(core, whole, TAIL_SIDE, self._geometry.tail_reach):
            look = piece.padded
            window = (slice(None), slice(look.top, look.bottom), slice(look.left, look.right))
            planes = tail([np.ascontiguousarray(each[window]) for each in (features, x)], lambda _done: None)
            inner = piece.core.relative_to(look).scaled(scale)
            yield (
                piece.core.relative_to(core).scaled(scale),
                planes[:, inner.top : inner.bottom, inner.left : inner.right],
            )
            done += piece.core.width * piece.core.height
            report(TRUNK_SHARE + (1 - TRUNK_SHARE) * done / area)


class GraphModel(ABC):
    """What `LoadedModel`s of plain graphs have in common: they are checked, and the network that was is used."""

    _checked: GraphNetwork | None = None

    @abstractmethod
    def build(self, precision: Precision) -> GraphNetwork:
        """Make its network in this precision.

        Raises:
            UnsupportedPrecisionError: the model or the device does not work in it.
        """

    def network(self, precision: Precision) -> GraphNetwork:
        """Its network in this precision, not to be shared: made anew, or the one that was checked, which is handed over
        once.

        Raises:
            UnsupportedPrecisionError: as `build`.
        """
        if precision == "fp32" and self._checked is not None:
            network, self._checked = self._checked, None
            return network
        return self.build(precision)

    def check(self, traced: Traced, runtime: str) -> None:
        """Compare what its network in fp32 makes of a small picture with what should become of it.

        Args:
            traced: what it was made from.
            runtime: that computes it, for people.

        Raises:
            UserError: the runtime cannot compute here at all, or the pictures differ by more than a level of 8 bits.
        """
        try:
            network = self.build("fp32")
        except UnsupportedPrecisionError as error:
            # What every device computes in: so there is none, as where a machine does not tell its processor's cores.
            raise UserError(
                _("{runtime} does not compute on this machine: {error}").format(
                    runtime=runtime, error=str(error).strip().rpartition("\n")[2]
                ),
                OTHERWISE,
            ) from error
        height, width = traced.source.shape[:2]
        (part,) = network.run(traced.source, Rect(0, 0, width, height), np.float32, lambda _done: None)
        found = part.pixels.clip(0, 1)
        if found.shape != traced.wanted.shape or not np.abs(found - traced.wanted).max() <= TOLERANCE:
            raise UserError(
                _("{name} cannot be computed by {runtime}: it comes out differently.").format(
                    name=traced.name, runtime=runtime
                ),
                OTHERWISE,
            )
        self._checked = network
