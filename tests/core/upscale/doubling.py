"""A runtime of numpy alone: each pixel becomes four. Run as a program, it shows that the engine needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.settings import Precision
from core.runtimes.network import Part, Report, TileGeometry, levels, unit_values
from core.tiling import Rect
from core.upscale.engine import Engine


class Doubling:
    """A loaded model and its network in one."""

    geometry = TileGeometry(
        scale=2, reach=3, blended=0, aligned=1, whole=False, largest_side=64, tail_reach=0, values_per_pixel=9.0,
        tiles_note="", each_picture=False,
    )  # fmt: skip
    device, device_label = "cpu", "numpy"
    fast_precision: Precision = "fp32"
    precision: Precision = "fp32"
    weights_bytes = 0

    def network(self, precision: Precision) -> Doubling:
        return self

    def memory(self) -> tuple[int, int]:
        return 1 << 30, 1 << 30

    def release_memory(self) -> None:
        pass

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        inside = unit_values(source[core.top : core.bottom, core.left : core.right])
        report(1.0)
        enlarged = inside.repeat(2, 1).repeat(2, 2)
        yield Part(core.relative_to(core).scaled(2), levels(enlarged, kind), float(inside.min()), float(inside.max()))


def main() -> None:
    for kind in (np.uint8, np.uint16):
        pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (100, 150, 3), kind, endpoint=True)
        for ensemble in (False, True):
            result = Engine(Doubling(), "doubling").upscale(pixels, CancelToken(), ensemble=ensemble)
            np.testing.assert_array_equal(result, pixels.repeat(2, 0).repeat(2, 1))
    if "torch" in sys.modules:
        sys.exit("torch was loaded")


if __name__ == "__main__":
    main()
