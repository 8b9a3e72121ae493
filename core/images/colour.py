"""Colours that the network does not know (CMYK, LAB, grey in a colour-only file) become sRGB."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageCms


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


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
