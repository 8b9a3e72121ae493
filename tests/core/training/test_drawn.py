from __future__ import annotations

import numpy as np

from core.evaluate.resampling import reduce_bicubic
from core.training import drawn


def pictures(count: int) -> list[np.ndarray]:
    return [drawn.draw(np.random.default_rng([0, number])) for number in range(count)]


def test_the_seed_decides_everything() -> None:
    first, second = pictures(6), pictures(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({picture.tobytes() for picture in first}) == 6
    assert {(picture.shape, picture.dtype.name) for picture in first} == {((drawn.SIDE, drawn.SIDE, 3), "uint8")}


def test_they_are_sharp_flat_and_coloured() -> None:
    """What photographs lack: many pixels exactly like their neighbour, and edges from one pixel to the next."""
    for picture in pictures(8):
        steps = np.abs(np.diff(picture.astype(int), axis=1)).max(2)
        assert (steps == 0).mean() > 0.3
        assert (steps > 20).mean() > 0.002
    assert np.mean([np.ptp(picture, axis=2).mean() for picture in pictures(8)]) > 10


def test_some_of_it_survives_a_reduction_to_a_quarter() -> None:
    contrasts = [float(reduce_bicubic(picture, 4).std()) for picture in pictures(8)]
    assert min(contrasts) > 1
    assert np.median(contrasts) > 15
