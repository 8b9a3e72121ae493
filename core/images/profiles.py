"""ICC profiles made here (ICC.1:2022): of colours by code points, of a PNG's own description, of grey pictures.

A profile and the channels of its pixels always agree in what is written: readers refuse grey with an RGB profile.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np

from core.images.cicp import (
    SRGB_CHROMATICITIES,
    Cicp,
    meant,
    sdr_chromaticities,
    srgb_to_linear,
    to_sdr,
    xyz_of_rgb,
)

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_CURVE_POINTS = 4096
_GRID = 17
"""Points a side of the table that shows an HDR picture to programs that know no HDR."""
_HDR_PEAK = 1000.0
"""cd/m² that this table takes for the brightest: it is one for all pictures."""

_NAMES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_TRANSFERS = {8: "linear", 13: "sRGB", 16: "PQ", 18: "HLG"}


def channels_of(icc: bytes) -> str:
    """The colour space of a profile's pixels as its header says it: `RGB`, `GRAY`, `CMYK` and others."""
    return icc[16:20].decode("latin-1").strip()


@lru_cache(maxsize=32)
def profile_of(cicp: Cicp, grey: bool = False) -> bytes:
    """The profile of colours by code points, which it repeats in a tag of its own.

    HDR's curves cannot be said by a profile for all programs; those that know the tag see the whole range, and the
    others a tone-mapped picture by way of a table.
    """
    name = f"{_NAMES.get(cicp.primaries, f'primaries {cicp.primaries}')} {_TRANSFERS.get(cicp.transfer, '')}".strip()
    codes = b"cicp" + bytes(4) + bytes((cicp.primaries, cicp.transfer, 0, 1))
    tags = {**_texts(name), b"wtpt": _xyz(_D50), b"cicp": codes}
    if cicp.is_hdr and not grey:
        return _assembled(_VERSION, b"RGB ", tags | {b"A2B0": _tone_mapping(cicp)}, kind=b"scnr", meant_as=b"Lab ")
    return _profile(tags, _curve_tag(cicp), cicp.chromaticities, grey)


@lru_cache(maxsize=4)
def sdr_profile(cicp: Cicp, grey: bool) -> bytes | None:
    """The profile of what `to_sdr` gives; None for sRGB."""
    chromaticities = sdr_chromaticities(cicp)
    if chromaticities == SRGB_CHROMATICITIES or grey:
        return None
    return profile_of(Cicp(12, 13))


@lru_cache(maxsize=32)
def profile_of_png(chromaticities: tuple[float, ...] | None, gamma: float | None, grey: bool = False) -> bytes:
    """The profile of what a PNG's cHRM (x, y of white, red, green, blue) and gAMA (1 / its exponent) say."""
    curve = _parametric(1 / gamma) if gamma else _SRGB_CURVE
    tags = {**_texts("PNG's own colours"), b"wtpt": _xyz(_D50)}
    return _profile(tags, curve, chromaticities or SRGB_CHROMATICITIES, grey)


def grey_profile_of(icc: bytes) -> bytes | None:
    """The one-channel profile of an RGB profile's greys; None where its channels have different curves, or none."""
    tags = tags_of(icc)
    curves = {tags.get(name) for name in (b"rTRC", b"gTRC", b"bTRC")}
    curve = curves.pop()
    if curves or curve is None or b"A2B0" in tags:
        return None
    tags = {**_texts(f"grey of {_description(tags)}"), b"wtpt": _xyz(_D50), b"kTRC": curve}
    return _assembled(icc[8:12], b"GRAY", tags)


def rgb_profile_of(icc: bytes) -> bytes | None:
    """The RGB profile, in sRGB's primaries, whose greys are those of a one-channel profile; None where it has none."""
    tags = tags_of(icc)
    if b"kTRC" not in tags:
        return None
    named = {**_texts(f"RGB of {_description(tags)}"), b"wtpt": _xyz(_D50)}
    return _profile(named, tags[b"kTRC"], SRGB_CHROMATICITIES, False)


def codes_of(icc: bytes) -> Cicp | None:
    """The code points that a profile repeats in a tag of its own (ICC.1:2022, 9.2.17); None where it has none."""
    tag = tags_of(icc).get(b"cicp", b"")
    return meant(tag[8], tag[9]) if len(tag) >= 12 and tag[:4] == b"cicp" and tag[11] else None


def tags_of(icc: bytes) -> dict[bytes, bytes]:
    """The content of a profile's tags by signature; those that point outside of it are left out."""
    if len(icc) < 132:
        return {}
    (count,) = struct.unpack_from(">I", icc, 128)
    tags = {}
    for index in range(min(count, 200, (len(icc) - 132) // 12)):
        name, offset, size = struct.unpack_from(">4sII", icc, 132 + 12 * index)
        if offset + size <= len(icc):
            tags[name] = icc[offset : offset + size]
    return tags


def _description(tags: dict[bytes, bytes]) -> str:
    tag = tags.get(b"desc", b"")
    if tag[:4] == b"mluc" and len(tag) >= 28:
        size, offset = struct.unpack_from(">II", tag, 20)
        return tag[offset : offset + min(size, 200)].decode("utf-16-be", "replace")
    if tag[:4] == b"desc":
        return tag[12:200].split(b"\0")[0].decode("latin-1")
    return "a profile"


def _curve_tag(cicp: Cicp) -> bytes:
    if cicp.transfer in (2, 13):
        return _SRGB_CURVE
    if cicp.transfer in _EXPONENTS:
        return _parametric(_EXPONENTS[cicp.transfer])
    steps = np.arange(_CURVE_POINTS) / (_CURVE_POINTS - 1)
    if cicp.is_hdr:
        shown = to_sdr(np.rint(steps * 65535).astype(np.uint16).reshape(1, -1, 1), cicp, _HDR_PEAK)
        return _table(srgb_to_linear(shown.ravel() / 255))
    return _table(cicp.curve(steps))


_EXPONENTS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}


def _profile(tags: dict[bytes, bytes], curve: bytes, chromaticities: tuple[float, ...], grey: bool) -> bytes:
    if grey:
        return _assembled(_VERSION, b"GRAY", tags | {b"kTRC": curve})
    matrix = xyz_of_rgb(chromaticities)
    adaptation = _to_d50(matrix.sum(axis=1))
    adapted = adaptation @ matrix
    tags = {**tags, b"chad": b"sf32" + bytes(4) + struct.pack(">9i", *_fixed(adaptation.ravel()))}
    for index, channel in enumerate((b"r", b"g", b"b")):
        tags[channel + b"XYZ"] = _xyz(adapted[:, index])
        tags[channel + b"TRC"] = curve
    return _assembled(_VERSION, b"RGB ", tags)


def _to_d50(white: np.ndarray) -> np.ndarray:
    """Bradford's adaptation (ICC.1:2022, annex E)."""
    ratio = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.linalg.solve(_BRADFORD, np.diag(ratio) @ _BRADFORD)


def _assembled(
    version: bytes, space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", meant_as: bytes = b"XYZ "
) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    places: dict[bytes, tuple[int, int]] = {}
    base = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        # Tags of one content share it.
        if data not in places:
            places[data] = (base + len(body), len(data))
            body += data.ljust(-(-len(data) // 4) * 4, b"\0")
        table += struct.pack(">4sII", name, *places[data])
    head = struct.pack(">I4x4s4s4s4s12s4s", base + len(body), version, kind, space, meant_as, _DATE, b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">3i", *_fixed(_D50))
    return head.ljust(128, b"\0") + table + body


_VERSION = b"\x04\x40\0\0"
_DATE = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)


def _fixed(values: np.ndarray) -> list[int]:
    return [round(float(value) * 65536) for value in values]


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *_fixed(values))


def _texts(name: str) -> dict[bytes, bytes]:
    return {b"desc": _text(name), b"cprt": _text("No copyright, use freely")}


def _text(words: str) -> bytes:
    data = words.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(data), 28) + data


def _parametric(*values: float) -> bytes:
    kind = {1: 0, 5: 3}[len(values)]
    return b"para" + bytes(4) + struct.pack(f">HH{len(values)}i", kind, 0, *(round(value * 65536) for value in values))


_SRGB_CURVE = _parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _table(values: np.ndarray) -> bytes:
    samples = np.rint(np.clip(values, 0, 1) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", samples.size) + samples.tobytes()


def _tone_mapping(cicp: Cicp) -> bytes:
    """The tone-mapped colours of a grid over all samples, as CIELAB in a `lut16Type` (ICC.1:2022, 10.10)."""
    steps = np.rint(np.linspace(0, 65535, _GRID)).astype(np.uint16)
    samples = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    shown = srgb_to_linear(to_sdr(samples, cicp, _HDR_PEAK)[0] / 255)
    matrix = xyz_of_rgb(sdr_chromaticities(cicp))
    xyz = shown @ (_to_d50(matrix.sum(axis=1)) @ matrix).T / _D50
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (xyz * 24389 / 27 + 16) / 116)
    lightness, a, b = 116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])
    lab = np.stack([lightness * 652.8, (a + 128) * 256, (b + 128) * 256], axis=1)
    values = np.rint(np.clip(lab, 0, 65535)).astype(">u2")
    identity = struct.pack(">9i", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    ends = np.tile(np.array([0, 65535], ">u2"), 3).tobytes()
    head = b"mft2" + bytes(4) + bytes((3, 3, _GRID, 0)) + identity + struct.pack(">HH", 2, 2)
    return head + ends + values.tobytes() + ends
