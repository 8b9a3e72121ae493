"""Colours between formats: what the network does not know (CMYK, LAB) becomes sRGB, and what a format cannot say in a
picture's own way is said in another, or mapped to what it can say."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from core.images.cicp import full_range, is_plausible, meant, to_sdr
from core.images.formats import Format
from core.images.picture import Metadata
from core.images.profiles import (
    channels_of,
    grey_profile_of,
    profile_of,
    profile_of_png,
    rgb_profile_of,
    sdr_profile,
)


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_for(metadata: Metadata, grey: bool) -> bytes | None:
    """The ICC profile of a picture's colours, however they are said; None for sRGB."""
    if metadata.cicp is not None:
        return profile_of(metadata.cicp, grey)
    if metadata.icc is None and metadata.png_colour:
        return profile_of_png(*_numbers(metadata), grey)
    return metadata.icc


def agreeing(pixels: np.ndarray, metadata: Metadata) -> tuple[np.ndarray, Metadata, tuple[str, ...]]:
    """Pixels (H x W x 1 or 3) and metadata whose profile is for as many channels, and what to tell the user.

    Grey in an RGB profile gets the profile of that one's greys; where there is none, it becomes RGB.
    """
    if metadata.icc is None:
        return pixels, metadata, ()
    space, channels = channels_of(metadata.icc), pixels.shape[2]
    if (space, channels) in (("GRAY", 1), ("RGB", 3)):
        return pixels, metadata, ()
    if space == "RGB":
        grey = grey_profile_of(metadata.icc)
        if grey is not None:
            return pixels, replace(metadata, icc=grey), ()
        return np.repeat(pixels, 3, axis=2), metadata, ()
    if space == "GRAY" and (colour := rgb_profile_of(metadata.icc)) is not None:
        return pixels, replace(metadata, icc=colour), ()
    return pixels, replace(metadata, icc=None), ("Its colour profile is for other channels and was left out.",)


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
    if cicp is not None and not cicp.full_range:
        pixels, cicp = full_range(pixels), meant(cicp.primaries, cicp.transfer)
    plain = replace(metadata, icc=profile_for(replace(metadata, cicp=cicp), grey), cicp=None, png_colour=())
    if cicp is None:
        return pixels, plain, ()
    if target.key == "avif":
        return pixels, replace(plain, icc=None, cicp=cicp), ()
    if cicp.is_hdr and target.bits == 8:
        note = f"Its HDR colours were tone-mapped to ordinary ones, as {target.label} cannot hold them."
        return to_sdr(pixels, cicp), replace(plain, icc=sdr_profile(cicp, grey)), (note,)
    return pixels, plain, ()


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
                "Its CMYK colours were turned into sRGB through its own profile."
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB"), "Its CMYK colours were turned into sRGB without a profile, as it has none that works."


def lab_to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """RGB of a CIELAB (D50) picture, and what to tell the user."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return _converted(image, profile), "Its LAB colours were turned into sRGB."


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
