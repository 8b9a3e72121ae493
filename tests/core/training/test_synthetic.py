from __future__ import annotations

from functools import cache

import numpy as np

from core.evaluate.resampling import reduce_bicubic
from core.training import synthetic


def drawn(number: int) -> np.ndarray:
    return synthetic.draw(np.random.default_rng([0, number]))


kept = cache(drawn)
"""Some take a third of a second to draw."""


def pictures(count: int) -> list[np.ndarray]:
    return [kept(number) for number in range(count)]


def test_the_seed_decides_everything() -> None:
    first, second = pictures(6), [drawn(number) for number in range(6)]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({picture.tobytes() for picture in first}) == 6
    assert {(picture.shape, picture.dtype.name) for picture in first} == {
        ((synthetic.SIDE, synthetic.SIDE, 3), "uint8")
    }


def test_they_are_sharp_and_coloured_and_most_are_flat() -> None:
    """What photographs lack: many pixels exactly like their neighbour, and edges from one pixel to the next."""
    flat = []
    for picture in pictures(16):
        steps = np.abs(np.diff(picture.astype(int), axis=1)).max(2)
        flat.append((steps == 0).mean())
        assert (steps > 20).mean() > 0.002
    # Leaves with a grain are not.
    assert np.mean(np.array(flat) > 0.3) > 0.6
    assert np.mean([np.ptp(picture, axis=2).mean() for picture in pictures(8)]) > 10


def test_some_of_it_survives_a_reduction_to_a_quarter() -> None:
    contrasts = [float(reduce_bicubic(picture, 4).std()) for picture in pictures(8)]
    assert min(contrasts) > 1
    assert np.median(contrasts) > 15


def test_leaves_cover_the_picture_at_all_sizes() -> None:
    """Reduced by two, and by two again, the mean step between neighbours grows a little, as in photographs; of large
    shapes alone it would double, of noise be halved."""
    ratios = []
    for number in range(6):
        leaves = synthetic.dead_leaves(np.random.default_rng([1, number]))
        assert leaves.shape == (synthetic.SIDE, synthetic.SIDE, 3)
        fine, coarse = (np.abs(np.diff(reduce_bicubic(leaves, scale).astype(int), axis=1)).mean() for scale in (2, 4))
        ratios.append(coarse / fine)
    assert 1.1 < np.median(ratios) < 1.8
    assert len({tuple(pixel) for pixel in leaves.reshape(-1, 3)}) > 20


def test_grain_is_of_no_mean_and_one_deviation_and_coarser_than_white_noise() -> None:
    grain = synthetic.film_grain(np.random.default_rng(0))
    assert grain.shape == (synthetic.SIDE, synthetic.SIDE)
    assert abs(grain.mean()) < 1e-3
    assert abs(grain.std() - 1) < 1e-3
    # White noise: sqrt(2).
    assert np.diff(grain, axis=1).std() < 1.3
