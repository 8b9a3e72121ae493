"""Colours by code points (CICP, ITU-T H.273): what AVIF, HEIC and PNG say in four numbers instead of a profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SRGB_CHROMATICITIES = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_C = (0.310, 0.316)
_EQUAL = (1 / 3, 1 / 3)
CHROMATICITIES: dict[int, tuple[float, ...]] = {
    1: SRGB_CHROMATICITIES,  # BT.709, sRGB
    4: (*_C, 0.670, 0.330, 0.210, 0.710, 0.140, 0.080),  # BT.470 M
    5: (0.3127, 0.3290, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060),  # BT.470 BG
    6: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # BT.601
    7: (0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # SMPTE 240M
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),  # film
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    10: (*_EQUAL, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),  # CIE 1931 XYZ
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (0.3127, 0.3290, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),  # EBU 3213
}
"""CIE 1931 x, y of white, red, green, blue by code point (H.273, table 2)."""

_SRGB, _PQ, _HLG = 13, 16, 18
_LINEAR = 8

REFERENCE_WHITE = 203.0
"""cd/m² of paper white in an HDR picture (ITU-R BT.2408)."""
_HLG_PEAK = 1000.0
"""cd/m² of the display that HLG's system gamma of 1.2 is for (ITU-R BT.2100)."""

Curve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Cicp:
    """Which colours the samples of a picture mean."""

    primaries: int
    """H.273's ColourPrimaries."""
    transfer: int
    """H.273's TransferCharacteristics."""
    full_range: bool = True
    """Whether samples use all of their range, and not video's 16 to 235. Only PNG keeps others as they are."""

    @property
    def is_hdr(self) -> bool:
        """Whether the samples reach beyond the white of paper (PQ or HLG)."""
        return self.transfer in (_PQ, _HLG)

    @property
    def is_srgb(self) -> bool:
        """Whether the samples mean what those of a picture mean that says nothing."""
        return self.primaries in (1, 2) and self.transfer in (2, _SRGB) and self.full_range

    @property
    def chromaticities(self) -> tuple[float, ...]:
        """CIE 1931 x, y of white, red, green and blue; those of sRGB where the code point names none."""
        return CHROMATICITIES.get(self.primaries, SRGB_CHROMATICITIES)

    @property
    def curve(self) -> Curve:
        """From samples of 0 to 1 to light: relative to white, or in cd/m² where `is_hdr` (PQ; HLG before its OOTF)."""
        return _CURVES.get(self.transfer, srgb_to_linear)


def meant(primaries: int, transfer: int, full_range: bool = True) -> Cicp | None:
    """The colours that these code points mean; None for sRGB, and for code points that nobody has defined."""
    known = Cicp(primaries if primaries in CHROMATICITIES else 2, transfer if transfer in _CURVES else 2, full_range)
    return None if known.is_srgb else known


def full_range(pixels: np.ndarray) -> np.ndarray:
    """Samples of video's range, 16 to 235 of 255 at 8 bits, spread over all of theirs (H.273, section 8.3)."""
    unit = 1 << (8 * pixels.dtype.itemsize - 8)
    top = int(np.iinfo(pixels.dtype).max)
    spread = (pixels.astype(np.float32) - 16 * unit) * (top / (219 * unit))
    return np.rint(np.clip(spread, 0, top)).astype(pixels.dtype)


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    """sRGB's curve (IEC 61966-2-1), 0 to 1."""
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """The inverse of sRGB's curve."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055)


def _bt709(values: np.ndarray) -> np.ndarray:
    return np.where(values < 0.081, values / 4.5, ((np.maximum(values, 0) + 0.099) / 1.099) ** (1 / 0.45))


def _smpte240(values: np.ndarray) -> np.ndarray:
    return np.where(values < 0.0913, values / 4.0, ((np.maximum(values, 0) + 0.1115) / 1.1115) ** (1 / 0.45))


def _gamma(exponent: float) -> Curve:
    return lambda values: np.maximum(values, 0) ** exponent


def _logarithmic(decades: float) -> Curve:
    return lambda values: np.where(values <= 0, 0.0, 10 ** ((values - 1) * decades))


def _same(values: np.ndarray) -> np.ndarray:
    return values


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_to_light(values: np.ndarray) -> np.ndarray:
    """PQ's EOTF (SMPTE ST 2084): 0 to 1 becomes 0 to 10,000 cd/m²."""
    power = np.clip(values, 0, 1) ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def light_to_pq(light: np.ndarray) -> np.ndarray:
    """The inverse of PQ's EOTF."""
    power = np.clip(light / 10_000, 0, 1) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _hlg_to_scene(values: np.ndarray) -> np.ndarray:
    """HLG's inverse OETF (ITU-R BT.2100), 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)


_CURVES: dict[int, Curve] = {
    1: _bt709,
    4: _gamma(2.2),
    5: _gamma(2.8),
    6: _bt709,
    7: _smpte240,
    _LINEAR: _same,
    9: _logarithmic(2),
    10: _logarithmic(2.5),
    11: _bt709,
    12: _bt709,
    _SRGB: srgb_to_linear,
    14: _bt709,
    15: _bt709,
    _PQ: pq_to_light,
    17: _gamma(2.6),
    _HLG: _hlg_to_scene,
}


def xyz_of_rgb(chromaticities: tuple[float, ...]) -> np.ndarray:
    """The 3 x 3 matrix from linear RGB to CIE XYZ, with Y of white 1 (SMPTE RP 177)."""
    white, *primaries = (
        np.array([x / y, 1.0, (1 - x - y) / y]) if y else np.array([x, y, 1 - x - y])
        for x, y in zip(chromaticities[::2], chromaticities[1::2], strict=True)
    )
    columns = np.stack(primaries, axis=1)
    return columns * np.linalg.solve(columns, white)


def is_plausible(chromaticities: tuple[float, ...]) -> bool:
    """Whether these are a white and three primaries that span an area, as any file may claim any."""
    if any(y <= 0 for y in chromaticities[1::2]) or any(not -1 <= value <= 2 for value in chromaticities):
        return False
    (x0, y0), (x1, y1), (x2, y2) = zip(chromaticities[2::2], chromaticities[3::2], strict=True)
    return abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)) > 1e-3


def to_sdr(pixels: np.ndarray, cicp: Cicp, peak: float | None = None) -> np.ndarray:
    """Tone-map an HDR picture to 8 bits of Display P3, or sRGB where its primaries are no wider.

    Light up to about half of paper white stays as it is, and what is brighter is compressed so that the picture's
    brightest light becomes white (ITU-R BT.2390, section 5.4.1). The largest of the three channels decides, so that
    hues stay.

    Args:
        pixels: H x W x C, C = 1 or 3, uint8 or uint16.
        cicp: what they mean; `is_hdr`.
        peak: cd/m² to become white; None for the picture's own.

    Returns:
        The same shape, uint8, in the space of `sdr_chromaticities`.
    """
    result = np.empty(pixels.shape, np.uint8)
    levels = np.arange(int(np.iinfo(pixels.dtype).max) + 1) / np.iinfo(pixels.dtype).max
    # A table for the curve: there are at most 65,536 different samples, and powers are slow.
    table = cicp.curve(levels).astype(np.float32)
    if peak is None:
        peak = _peak(pixels, table, cicp)
    tones = _Tones(peak)
    matrix = np.linalg.solve(xyz_of_rgb(sdr_chromaticities(cicp)), xyz_of_rgb(cicp.chromaticities)).T
    for top in range(0, len(pixels), _ROWS):
        light = _light(table[pixels[top : top + _ROWS]], cicp)
        mapped = tones.mapped(light)
        if mapped.shape[2] == 3:
            mapped = mapped @ matrix.astype(np.float32)
        result[top : top + _ROWS] = np.rint(linear_to_srgb(np.clip(mapped, 0, 1)) * 255)
    return result


def sdr_chromaticities(cicp: Cicp) -> tuple[float, ...]:
    """The space that `to_sdr` maps into."""
    return CHROMATICITIES[1 if cicp.primaries in (1, 2, 5, 6, 7, 22) else 12]


_ROWS = 256


def _light(samples: np.ndarray, cicp: Cicp) -> np.ndarray:
    """cd/m² of what `Cicp.curve` gives."""
    if cicp.transfer == _PQ:
        return samples
    if samples.shape[2] == 1:
        return _HLG_PEAK * samples**1.2
    weights = xyz_of_rgb(cicp.chromaticities)[1].astype(np.float32)
    luminance = np.maximum(samples @ weights, 1e-6)[..., None]
    return _HLG_PEAK * luminance**0.2 * samples


def _peak(pixels: np.ndarray, table: np.ndarray, cicp: Cicp) -> float:
    # A quarter of a million pixels tell enough; the few that outshine everything do not count.
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / 250_000)))
    light = _light(table[pixels[::step, ::step]], cicp).max(axis=2)
    return float(np.percentile(light, 99.9))


class _Tones:
    """BT.2390's curve from a source of some peak to paper white."""

    def __init__(self, peak: float) -> None:
        self._peak = max(peak, REFERENCE_WHITE)
        light = np.linspace(0, 1, 4096) ** 3 * self._peak
        top = float(light_to_pq(np.array(self._peak)))
        most = float(light_to_pq(np.array(REFERENCE_WHITE))) / top
        knee = 1.5 * most - 0.5
        values = light_to_pq(light) / top
        t = (values - knee) / max(1 - knee, 1e-6)
        spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
        values = np.where(values < knee, values, spline)
        mapped = np.minimum(pq_to_light(values * top), REFERENCE_WHITE)
        self._at = light.astype(np.float32)
        self._ratio = (mapped / np.maximum(light, 1e-6)).astype(np.float32)

    def mapped(self, light: np.ndarray) -> np.ndarray:
        """H x W x C in cd/m² to light relative to white."""
        brightest = np.minimum(light.max(axis=2, keepdims=True), self._peak)
        ratio = np.interp(brightest, self._at[1:], self._ratio[1:]).astype(np.float32)
        return np.minimum(light, self._peak) * (ratio / np.float32(REFERENCE_WHITE))
