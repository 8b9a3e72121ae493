"""Colours between formats: what the network does not know (CMYK, LAB) becomes sRGB, and what a format cannot say in a
picture's own way is said in another, or mapped to what it can say."""

from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import replace
from functools import cache

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

from core.images.cicp import full_range, is_plausible, meant, to_sdr
from core.images.formats import Format
from core.images.jxl_header import can_say
from core.images.picture import Metadata
from core.images.profiles import (
    channels_of,
    codes_of,
    grey_profile_of,
    profile_of,
    profile_of_png,
    rgb_profile_of,
    sdr_profile,
)
from core.language import gettext as _


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_for(metadata: Metadata, grey: bool) -> bytes | None:
    """The ICC profile of a picture's colours, however they are said; None for sRGB."""
    if metadata.cicp is not None and not (metadata.icc and codes_of(metadata.icc) == metadata.cicp):
        return profile_of(metadata.cicp, grey)
    if metadata.icc is None and metadata.png_colour:
        return profile_of_png(*_numbers(metadata), grey)
    return metadata.icc


def agreeing(pixels: np.ndarray, metadata: Metadata) -> tuple[np.ndarray, Metadata, tuple[str, ...]]:
    """Pixels (H x W x 1 or 3) and metadata whose profile is for as many channels, and what to tell the user.

    Grey in an RGB profile gets the profile of that one's greys; where there is none, it becomes RGB. HDR that a profile
    says is said by code points, too, as formats of 8 bits need it tone-mapped.
    """
    icc = metadata.icc
    if icc is None:
        return pixels, metadata, ()
    codes = codes_of(icc) if metadata.cicp is None else None
    if codes is not None and codes.is_hdr:
        metadata = replace(metadata, cicp=codes)
    space, channels = channels_of(icc), pixels.shape[2]
    if (space, channels) in (("GRAY", 1), ("RGB", 3)):
        return pixels, metadata, ()
    if space == "RGB":
        grey = grey_profile_of(icc)
        if grey is not None:
            return pixels, replace(metadata, icc=grey), ()
        return np.repeat(pixels, 3, axis=2), metadata, ()
    if space == "GRAY" and (colour := rgb_profile_of(icc)) is not None:
        return pixels, replace(metadata, icc=colour), ()
    return pixels, replace(metadata, icc=None), (_("Its colour profile is for other channels and was left out."),)


def expressed(pixels: np.ndarray, metadata: Metadata, target: Format) -> tuple[np.ndarray, Metadata, tuple[str, ...]]:
    """Pixels and metadata that say the same colours in a way that the format knows, and what to tell the user.

    Args:
        pixels: H x W x 1 or 3, uint8 or uint16.
        metadata: of which `icc`, `cicp` and `png_colour` count.
        target: the format to be written.
    """
    if target.key == "png":
        return pixels, metadata, ()
    cicp, grey = metadata.cicp, pixels.shape[2] == 1
    if target.light and metadata.icc is None and not metadata.png_colour:
        # Light is what code points say best.
        return pixels, metadata, ()
    if cicp is not None and not cicp.full_range:
        pixels, cicp = full_range(pixels), meant(cicp.primaries, cicp.transfer)
    plain = replace(metadata, icc=profile_for(replace(metadata, cicp=cicp), grey), cicp=None, png_colour=())
    if target.plain:
        return _as_srgb(pixels, metadata, plain, target)
    if cicp is None:
        return pixels, plain, ()
    if target.key == "avif" or (target.key == "jxl" and can_say(cicp)):
        return pixels, replace(plain, icc=None, cicp=cicp), ()
    if cicp.is_hdr and target.bits == 8:
        note = _("Its HDR colours were tone-mapped to ordinary ones, as {label} cannot hold them.").format(
            label=target.label
        )
        return to_sdr(pixels, cicp), replace(plain, icc=sdr_profile(cicp, grey)), (note,)
    return pixels, plain, ()


def _as_srgb(
    pixels: np.ndarray, metadata: Metadata, plain: Metadata, target: Format
) -> tuple[np.ndarray, Metadata, tuple[str, ...]]:
    """For a format that has no place to say which colours it means."""
    cicp, icc = metadata.cicp, plain.icc
    bare = replace(plain, icc=None)
    notes: tuple[str, ...] = ()
    if cicp is not None and cicp.is_hdr:
        pixels, icc = to_sdr(pixels, cicp), sdr_profile(cicp, pixels.shape[2] == 1)
        notes = (
            _("Its HDR colours were tone-mapped to ordinary ones, as {label} cannot hold them.").format(
                label=target.label
            ),
        )
    if icc is None:
        return pixels, bare, notes
    converted = None
    with contextlib.suppress(RuntimeError, ValueError):
        if _is_nearly_srgb(icc):
            return pixels, bare, notes
        converted = _through_profile(pixels, icc)
    if converted is None:
        return (
            pixels,
            bare,
            (*notes, _("Its colour profile was left out, as {label} has no place for one.").format(label=target.label)),
        )
    return (
        converted,
        bare,
        (*notes, _("Its colours became sRGB, as {label} has no place for a profile.").format(label=target.label)),
    )


def _is_nearly_srgb(icc: bytes) -> bool:
    """Whether a profile changes no colour by more than a level."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    if channels_of(icc) == "GRAY":
        grid = steps.reshape(1, -1, 1)
    else:
        grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return int(np.abs(_through_profile(grid, icc).astype(int) - grid).max()) <= 1


_CMS_BANDS = 512
_RELATIVE, _BLACK_POINTS = 1, 0x2000


def _through_profile(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """H x W x 1, 3 or 4 (grey, RGB, inks) of any profile as sRGB, H x W x 1 for grey, else x 3, of the same type."""
    channels = pixels.shape[2]
    result = np.empty((*pixels.shape[:2], 1 if channels == 1 else 3), pixels.dtype)
    space = {1: "gray", 3: "rgb", 4: "cmyk"}[channels]
    for top in range(0, len(pixels), _CMS_BANDS):
        rows = np.ascontiguousarray(pixels[top : top + _CMS_BANDS])
        result[top : top + _CMS_BANDS] = imagecodecs.cms_transform(
            rows[..., 0] if channels == 1 else rows,
            icc,
            srgb_profile(),
            colorspace=space,
            outcolorspace="rgb",
            intent=_RELATIVE,
            flags=_BLACK_POINTS,
        )[..., : result.shape[2]]
    return result


def _numbers(metadata: Metadata) -> tuple[tuple[float, ...] | None, float | None]:
    """x, y of white, red, green and blue, and gamma, as far as a PNG's chunks say them."""
    chunks = dict(metadata.png_colour)
    points, gamma = chunks.get(b"cHRM"), chunks.get(b"gAMA")
    chromaticities = tuple(value / 100_000 for value in struct.unpack(">8I", points)) if points else None
    if chromaticities and not is_plausible(chromaticities):
        chromaticities = None
    return chromaticities, (struct.unpack(">I", gamma)[0] / 100_000 or None) if gamma else None


def is_grey_profile(icc: bytes | None) -> bool:
    """Whether a profile describes one channel."""
    return icc is not None and icc[16:20] == b"GRAY"


def cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str]:
    """RGB of a CMYK picture by way of its profile, and what to tell the user.

    Without a usable profile inks are taken as ideal, as nobody knows which were meant; colours then come out stronger.
    """
    if icc is not None:
        try:
            return _converted(image, ImageCms.ImageCmsProfile(io.BytesIO(icc))), (
                _("Its CMYK colours were turned into sRGB through its own profile.")
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB"), _(
        "Its CMYK colours were turned into sRGB without a profile, as it has none that works."
    )


def inks_to_srgb(inks: np.ndarray, icc: bytes | None) -> tuple[np.ndarray, str]:
    """RGB of H x W x 4 (how much cyan, magenta, yellow and black; uint8 or uint16), and what to tell the user.

    As `cmyk_to_srgb`, at all depths.
    """
    if icc is not None and channels_of(icc) == "CMYK":
        with contextlib.suppress(RuntimeError, ValueError):
            return _through_profile(inks, icc), _("Its CMYK colours were turned into sRGB through its own profile.")
    top = int(np.iinfo(inks.dtype).max)
    paper = (top - inks).astype(np.uint64)
    rgb = ((paper[..., :3] * paper[..., 3:] + top // 2) // top).astype(inks.dtype)
    return rgb, _("Its CMYK colours were turned into sRGB without a profile, as it has none that works.")


def lab_to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """RGB of a CIELAB (D50) picture, and what to tell the user."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return _converted(image, profile), _("Its LAB colours were turned into sRGB.")


def grey_to_srgb(grey: np.ndarray, icc: bytes) -> np.ndarray:
    """H x W uint8 in a one-channel profile to H x W x 3 uint8 in sRGB; unchanged values where the profile is broken."""
    image = Image.fromarray(grey)
    try:
        return np.asarray(_converted(image, ImageCms.ImageCmsProfile(io.BytesIO(icc))))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return np.asarray(image.convert("RGB"))


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    result = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert result is not None
    return result
