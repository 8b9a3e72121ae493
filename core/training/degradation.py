"""How LR pictures are made from HR ones. numpy and Pillow; every random choice comes from the generator handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from core.evaluate.resampling import KERNELS, Kernel, compressed, reduce_bicubic, resize, to_uint8

VERSION = 4
"""Counts the changes of `blind`: what a teacher made of crops that were worn otherwise is not used."""

Degradation = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""(H x W x 3 uint8 RGB, scale that divides H and W, random generator) to H/scale x W/scale x 3 uint8."""


def bicubic(hr: np.ndarray, scale: int, random: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """Clean antialiased bicubic reduction: what the benchmarks use."""
    return reduce_bicubic(hr, scale)


@dataclass(frozen=True, slots=True)
class _Wear:
    """Ranges of one round of blur, resize, noise and compression (Wang et al. 2021, Real-ESRGAN, appendix)."""

    blur: float
    """Probability."""
    sigma: tuple[float, float]
    """Standard deviation of the Gaussian blurs, in pixels."""
    up_keep_down: tuple[float, float, float]
    """Probabilities of enlarging, keeping and reducing."""
    factors: tuple[float, float]
    """Smallest reduction and largest enlargement."""
    noise: tuple[float, float]
    """Standard deviation of noise at mid-grey, in 0..255."""
    quality: tuple[int, int]
    """JPEG or WebP quality."""


# The ranges of the first two are Real-ESRGAN's but for the ends that leave nothing to restore: its noise of 30 and
# quality of 30 come twice, one after the other, and a generator of this size answers by painting everything flat.
_FIRST = _Wear(0.8, (0.2, 2.4), (0.2, 0.3, 0.5), (0.25, 1.5), (1, 18), (30, 95))
_SECOND = _Wear(0.6, (0.2, 1.2), (0.3, 0.4, 0.3), (0.4, 1.2), (1, 10), (35, 95))
# The last two are for pictures worn at their small size: nothing follows that would average noise away. Most people's
# are worn lightly; some are photographs taken in the dark, pushed film, or passed on through three programs.
_LIGHT = _Wear(0.5, (0.2, 1.4), (0.0, 1.0, 0.0), (1.0, 1.0), (1, 14), (30, 95))
_HEAVY = _Wear(0.5, (0.2, 2.0), (0.0, 1.0, 0.0), (1.0, 1.0), (10, 34), (15, 75))
_HEAVY_SHARE = 0.5
_CLEAN = 0.1
"""Probability of plain bicubic, so that clean pictures stay clean."""
_SMALL_ALONE = 0.75
"""Probability, for pictures that are not left clean, that all wear befell the picture when it was as small as it is
now. Small pictures were mostly taken, scanned or saved at their size: no reduction has averaged noise away."""
_ONE_THING = 0.55
"""Probability that only one thing befell such a picture. What one thing took can be given back further than where
another has covered it, and a network that hardly ever sees it does not."""
_WHICH_THING = (0.35, 0.35, 0.3)
"""Probabilities that it is out of focus, noisy and compressed. Blur is the slowest to learn."""
_SMALL_NOISE = 0.65
_SMALL_COMPRESSED = 0.75
_SECOND_ORDER = 0.5
"""Probability of a second round: pictures that were passed on."""
_NOISE = 0.8
_SINC = 0.1
"""Probability that a blur is a sinc, which rings as sharpened and resized pictures do."""
_SHARPENED = 0.15
"""Probability of an unsharp mask, as phones and scanners apply it, before the last compression."""
_INTERLACED = 0.02
"""Probability that every other row is from another moment, as in stills of old video."""
_AGAIN = 0.2
"""Probability that a compressed picture is compressed once more, on a block grid of its own."""
_WEBP = 0.15


def blind(hr: np.ndarray, scale: int, random: np.random.Generator) -> np.ndarray:
    """What worn pictures went through: blur, resizing, noise or grain, sharpening and compression.

    After Real-ESRGAN (Wang et al. 2021, sec. 3.2): generalised Gaussian and sinc blurs, three resampling kernels,
    noise, JPEG or WebP. Noise is white or correlated as demosaicing and scanning leave it, in colour, grey or in
    blotches of colour, and follows the light as photons or as film grain does. A tenth stays clean. Three quarters of
    the rest were reduced first and worn at their final size, half of them by one thing alone; the others were worn
    large, in one round or two, the last compression before or after the last reduction.
    """
    if random.random() < _CLEAN:
        return reduce_bicubic(hr, scale)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    picture = hr.astype(np.float32)
    if random.random() < _SMALL_ALONE:
        wear = _HEAVY if random.random() < _HEAVY_SHARE else _LIGHT
        picture = resize(picture, height, width, _kernel(random))
        if random.random() < _ONE_THING:
            return to_uint8(_worn_once(picture, wear, random))
        # Blurred when it is small already: a lens or a scanner out of focus, seen at the size that is there now.
        picture = _blurred(picture, wear, random)
        if random.random() < _INTERLACED:
            picture = _interlaced(picture, random)
        if random.random() < _SMALL_NOISE:
            picture = _noisy(picture, wear, random)
        picture = _sharpened(picture, random)
        if random.random() < _SMALL_COMPRESSED:
            picture = _compressed(picture, wear, random)
        return to_uint8(picture)
    picture = _resized(_blurred(picture, _FIRST, random), hr, _FIRST, random)
    if random.random() < _NOISE:
        picture = _noisy(picture, _FIRST, random)
    picture = _compressed(picture, _FIRST, random)
    if random.random() < _SECOND_ORDER:
        # Its factors are of the final size, as the first round's are of HR.
        final = np.empty((2 * height, 2 * width, 0))
        picture = _resized(_blurred(picture, _SECOND, random), final, _SECOND, random)
        if random.random() < _NOISE:
            picture = _noisy(picture, _SECOND, random)
        if random.random() < 0.5:
            picture = _compressed(picture, _SECOND, random)
            return to_uint8(_sharpened(resize(picture, height, width, _kernel(random)), random))
        picture = _sharpened(resize(picture, height, width, _kernel(random)), random)
        return to_uint8(_compressed(picture, _SECOND, random))
    return to_uint8(_sharpened(resize(picture, height, width, _kernel(random)), random))


DEGRADATIONS: dict[str, Degradation] = {"bicubic": bicubic, "blind": blind}
"""What `data.degradation` in a recipe may say."""


def _worn_once(picture: np.ndarray, wear: _Wear, random: np.random.Generator) -> np.ndarray:
    way = random.choice(3, p=_WHICH_THING)
    if way == 0:
        return _blurred(picture, replace(wear, blur=1.0), random)
    return _noisy(picture, wear, random) if way == 1 else _compressed(picture, wear, random)


def _blurred(picture: np.ndarray, wear: _Wear, random: np.random.Generator) -> np.ndarray:
    if random.random() >= wear.blur:
        return picture
    radius = int(random.integers(3, 11))
    radius = min(radius, picture.shape[0] - 1, picture.shape[1] - 1)
    kernel = _sinc(radius, random) if random.random() < _SINC else _gaussian(radius, wear.sigma, random)
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


def _resized(picture: np.ndarray, reference: np.ndarray, wear: _Wear, random: np.random.Generator) -> np.ndarray:
    way = random.choice(3, p=wear.up_keep_down)
    low, high = wear.factors
    factor = (random.uniform(1.0, high), 1.0, random.uniform(low, 1.0))[way]
    height, width = max(4, round(reference.shape[0] * factor)), max(4, round(reference.shape[1] * factor))
    if (height, width) == picture.shape[:2]:
        return picture
    return np.clip(resize(picture, height, width, _kernel(random)), 0, 255)


def _noisy(picture: np.ndarray, wear: _Wear, random: np.random.Generator) -> np.ndarray:
    """Noise of one standard deviation at mid-grey, of a random kind.

    White noise comes from a sensor read as it is. Demosaicing, denoising and scanning make neighbours alike; film grain
    is larger than a pixel, in grey, and strongest where the film is half exposed.
    """
    deviation = random.uniform(*wear.noise)
    kind = random.random()
    grey = random.random() < 0.5
    height, width = picture.shape[:2]
    noise = random.standard_normal((height, width, 1 if grey else 3), dtype=np.float32)
    if kind < (0.6 if grey else 0.4):
        # Neighbours alike, within a pixel or two; a sum of shifted copies is quicker than a convolution.
        noise = _correlated(noise, float(random.uniform(0.1, 0.5)), int(random.integers(1, 3)))
    if not grey and random.random() < 0.3:
        # What a phone's denoising leaves: fine grain in grey, blotches in colour.
        blotches = _correlated(random.standard_normal((height, width, 3), dtype=np.float32), 0.5, 4)
        noise = noise.mean(2, keepdims=True) * np.float32(3**0.5) + blotches * np.float32(random.uniform(0.3, 1.0))
    light = picture.mean(2, keepdims=True) if grey else picture
    dependence = random.random()
    if dependence < 0.35:
        # Photons: the variance follows the brightness.
        noise = noise * np.sqrt(np.maximum(light, 4) / 128)
    elif dependence < 0.6:
        noise = noise * (0.35 + 0.65 * np.sin(np.pi * np.clip(light, 0, 255) / 255))
    return np.clip(picture + noise * np.float32(deviation), 0, 255)


def _correlated(noise: np.ndarray, share: float, times: int) -> np.ndarray:
    """Noise blurred `times` times with (share, 1, share) each way, at a standard deviation of 1 as before."""
    for _ in range(times):
        for axis in (0, 1):
            noise = noise + np.float32(share) * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    return noise / max(float(noise.std()), 1e-3)


def _sharpened(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """An unsharp mask, most often none: halos, and louder noise."""
    if random.random() >= _SHARPENED:
        return picture
    radius = int(random.integers(1, 4))
    radius = min(radius, picture.shape[0] - 1, picture.shape[1] - 1)
    soft = _convolved(picture, _gaussian(radius, (0.5, 2.0), random))
    return np.clip(picture + (picture - soft) * np.float32(random.uniform(0.3, 1.5)), 0, 255)


def _interlaced(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Every other row shifted sideways, as where something moved between the two fields of a video frame."""
    combed = picture.copy()
    combed[1::2] = np.roll(combed[1::2], int(random.integers(1, 4)), axis=1)
    return combed


def _compressed(picture: np.ndarray, wear: _Wear, random: np.random.Generator) -> np.ndarray:
    for _ in range(2 if random.random() < _AGAIN else 1):
        quality = int(random.integers(wear.quality[0], wear.quality[1] + 1))
        if random.random() < _WEBP:
            picture = compressed(to_uint8(picture), "WEBP", quality=quality, method=0).astype(np.float32)
            continue
        subsampling = 2 if random.random() < 0.7 else 0
        # A picture that is cut and saved again has its blocks elsewhere.
        y, x = (int(n) for n in random.integers(0, 8, 2))
        moved = to_uint8(np.pad(picture, ((y, 0), (x, 0), (0, 0)), mode="edge"))
        moved = compressed(moved, "JPEG", quality=quality, subsampling=subsampling)
        picture = moved[y:, x:].astype(np.float32)
    return picture


def _kernel(random: np.random.Generator) -> Kernel:
    return KERNELS[int(random.integers(len(KERNELS)))]
