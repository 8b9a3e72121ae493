"""How LR pictures are made from HR ones. numpy and Pillow; every random choice comes from the generator handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.evaluate.resampling import KERNELS, Kernel, compressed, reduce_bicubic, resize, to_uint8

Degradation = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""(H x W x 3 uint8 RGB, scale that divides H and W, random generator) to H/scale x W/scale x 3 uint8."""


def bicubic(hr: np.ndarray, scale: int, random: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """Clean antialiased bicubic reduction: what the benchmarks use."""
    return reduce_bicubic(hr, scale)


@dataclass(frozen=True, slots=True)
class _Order:
    """Ranges of one round of blur, resize, noise and compression (Wang et al. 2021, Real-ESRGAN, appendix)."""

    blur: float
    """Probability."""
    sigma: tuple[float, float]
    """Of the Gaussian blurs, in pixels."""
    up_keep_down: tuple[float, float, float]
    """Probabilities of enlarging, keeping and reducing."""
    factors: tuple[float, float]
    """Smallest reduction and largest enlargement."""
    gaussian: tuple[float, float]
    """Standard deviation of additive noise, in 0..255."""
    poisson: tuple[float, float]
    """Strength of shot noise."""
    quality: tuple[int, int]
    """Of JPEG or WebP."""


# The ranges are Real-ESRGAN's but for the ends that leave nothing to restore: its noise of 30 and quality of 30 come
# twice, one after the other, and a generator of this size answers by painting everything flat.
_FIRST = _Order(0.8, (0.2, 2.4), (0.2, 0.3, 0.5), (0.25, 1.5), (1, 15), (0.05, 1.2), (35, 95))
_SECOND = _Order(0.6, (0.2, 1.2), (0.3, 0.4, 0.3), (0.4, 1.2), (1, 8), (0.05, 0.8), (40, 95))
# Of small pictures by themselves; nothing follows that would average its noise away.
_SMALL = _Order(0.5, (0.2, 2.0), (0.0, 1.0, 0.0), (1.0, 1.0), (1, 12), (0.05, 0.8), (30, 95))
_SMALL_ALONE = 0.5
"""Probability, of those that are not left clean, that all wear befell the picture when it was as small as it is now.
Small pictures were mostly taken, scanned or saved at their size: no reduction has averaged noise and blocks away."""
_SMALL_COMPRESSED = 0.85
_SECOND_ORDER = 0.5
"""Probability of a second round: pictures that were passed on."""
_CLEAN = 0.1
"""Probability of plain bicubic, so that clean pictures stay clean."""
_GREY_NOISE = 0.4
_NOISE = 0.8
_SINC = 0.1
"""Probability that a blur is a sinc, which rings as sharpened and resized pictures do."""
_WEBP = 0.2


def blind(hr: np.ndarray, scale: int, random: np.random.Generator) -> np.ndarray:
    """What old and shared pictures went through: blur, resizing, noise and compression.

    After Real-ESRGAN (Wang et al. 2021, sec. 3.2): generalised Gaussian and sinc blurs, three resampling kernels,
    Gaussian and Poisson noise in colour or grey, JPEG or WebP. A tenth stays clean. Half of the rest
    was reduced first and worn at its final size; the others were worn large, in one round or two, the last compression
    before or after the last reduction.
    """
    if random.random() < _CLEAN:
        return reduce_bicubic(hr, scale)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    picture = hr.astype(np.float32)
    if random.random() < _SMALL_ALONE:
        picture = resize(_blurred(picture, _SMALL, random), height, width, _kernel(random))
        picture = _noisy(picture, _SMALL, random)
        if random.random() < _SMALL_COMPRESSED:
            picture = _compressed(picture, _SMALL, random)
        return to_uint8(picture)
    picture = _resized(_blurred(picture, _FIRST, random), hr, _FIRST, random)
    picture = _compressed(_noisy(picture, _FIRST, random), _FIRST, random)
    if random.random() < _SECOND_ORDER:
        # Its factors are of the final size, as the first round's are of HR.
        final = np.empty((2 * height, 2 * width, 0))
        picture = _resized(_blurred(picture, _SECOND, random), final, _SECOND, random)
        picture = _noisy(picture, _SECOND, random)
        if random.random() < 0.5:
            picture = _compressed(picture, _SECOND, random)
            return to_uint8(resize(picture, height, width, _kernel(random)))
        return to_uint8(_compressed(resize(picture, height, width, _kernel(random)), _SECOND, random))
    return to_uint8(resize(picture, height, width, _kernel(random)))


DEGRADATIONS: dict[str, Degradation] = {"bicubic": bicubic, "blind": blind}
"""What `data.degradation` in a recipe may say."""


def _blurred(picture: np.ndarray, order: _Order, random: np.random.Generator) -> np.ndarray:
    if random.random() >= order.blur:
        return picture
    radius = int(random.integers(3, 11))
    radius = min(radius, picture.shape[0] - 1, picture.shape[1] - 1)
    kernel = _sinc(radius, random) if random.random() < _SINC else _gaussian(radius, order.sigma, random)
    return _convolved(picture, kernel)


def _gaussian(radius: int, sigmas: tuple[float, float], random: np.random.Generator) -> np.ndarray:
    """A turned, stretched Gaussian whose exponent is generalised: flatter or more peaked than 2."""
    along, across = random.uniform(*sigmas, 2)
    if random.random() < 0.5:
        across = along
    angle = random.uniform(-np.pi, np.pi)
    shape = random.choice([1.0, random.uniform(0.5, 1.0), random.uniform(1.0, 2.0)], p=[0.7, 0.15, 0.15])
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    kernel = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2) ** shape)
    return kernel / kernel.sum()


def _sinc(radius: int, random: np.random.Generator) -> np.ndarray:
    """Separable ideal low-pass, cut off at a third of the sampling rate or above."""
    cutoff = random.uniform(1 / 3, 1.0)
    line = np.sinc(cutoff * np.arange(-radius, radius + 1)) * np.hamming(2 * radius + 1)
    kernel = np.outer(line, line)
    return kernel / kernel.sum()


def _convolved(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Same size, borders mirrored; by FFT, whose time does not depend on the kernel."""
    radius = kernel.shape[0] // 2
    wide = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="reflect").astype(np.float32)
    # Multiples of 32 transform fast; what wraps around falls on the border that is cut off.
    size = (wide.shape[0] + -wide.shape[0] % 32, wide.shape[1] + -wide.shape[1] % 32)
    centred = np.zeros(size, np.float32)
    centred[: kernel.shape[0], : kernel.shape[1]] = kernel
    spectrum = np.fft.rfft2(wide, s=size, axes=(0, 1)) * np.fft.rfft2(centred)[..., None]
    whole = np.fft.irfft2(spectrum, s=size, axes=(0, 1))
    # The kernel starts at the corner instead of being centred on it, which shifts everything by its radius.
    height, width = picture.shape[:2]
    return whole[2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width].astype(np.float32)


def _resized(picture: np.ndarray, reference: np.ndarray, order: _Order, random: np.random.Generator) -> np.ndarray:
    way = random.choice(3, p=order.up_keep_down)
    low, high = order.factors
    factor = (random.uniform(1.0, high), 1.0, random.uniform(low, 1.0))[way]
    height, width = max(4, round(reference.shape[0] * factor)), max(4, round(reference.shape[1] * factor))
    if (height, width) == picture.shape[:2]:
        return picture
    return np.clip(resize(picture, height, width, _kernel(random)), 0, 255)


def _noisy(picture: np.ndarray, order: _Order, random: np.random.Generator) -> np.ndarray:
    if random.random() >= _NOISE:
        return picture
    grey = random.random() < _GREY_NOISE
    channels = 1 if grey else 3
    shape = (*picture.shape[:2], channels)
    if random.random() < 0.5:
        noise = random.standard_normal(shape, dtype=np.float32) * random.uniform(*order.gaussian)
    else:
        # Shot noise: the variance follows the brightness. So many photons make it all but Gaussian.
        light = picture.mean(2, keepdims=True) if grey else picture
        deviation = np.sqrt(np.maximum(light, 0)) * random.uniform(*order.poisson)
        noise = random.standard_normal(shape, dtype=np.float32) * deviation
    return np.clip(picture + noise, 0, 255)


def _compressed(picture: np.ndarray, order: _Order, random: np.random.Generator) -> np.ndarray:
    quality = int(random.integers(order.quality[0], order.quality[1] + 1))
    whole = to_uint8(picture)
    if random.random() < _WEBP:
        return compressed(whole, "WEBP", quality=quality, method=0).astype(np.float32)
    return compressed(whole, "JPEG", quality=quality, subsampling=int(random.choice([0, 2]))).astype(np.float32)


def _kernel(random: np.random.Generator) -> Kernel:
    return KERNELS[int(random.integers(len(KERNELS)))]
