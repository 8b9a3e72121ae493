"""Why a picture is not taken, and the limit on its size."""

from __future__ import annotations

from core.language import gettext as _

MAX_PIXELS = 1 << 29
"""537 megapixels. The largest cameras give 150; decoded as 8-bit RGB this many are 1.6 GB, which a desktop machine
still has, while a bomb of 60,000 x 60,000 would take 11 GB."""

MAX_METADATA_BYTES = 1 << 24
"""The most that one ICC profile, XMP packet or EXIF block may take once decompressed; real ones stay under 4 MiB."""


class UnreadableError(Exception):
    """A decoder will not take this picture. It does not know the file's name: `decode.py` adds it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        """The rest of a sentence that begins with the file's name."""
        self.hint = hint


def damaged(what: str = _("is damaged or cut off")) -> UnreadableError:
    """The refusal of a file that says it is a picture and does not hold a whole one."""
    return UnreadableError(f"{what}.", _("Copy or download it again, or open it in an image editor and save it again."))


class CameraRawError(UnreadableError):
    """It is a camera's raw file, which another decoder may know."""


def camera_raw() -> CameraRawError:
    """The refusal of a raw file: built like a TIFF, whose first picture is only a small preview."""
    return CameraRawError(
        _("is a camera's raw file."),
        _("Develop it into a TIFF or JPEG with the camera's or a raw program, or install rawpy."),
    )


def check_size(width: int, height: int) -> None:
    """Accept a picture by the size in its header, before anything is decoded.

    Raises:
        UnreadableError: no pixels, or more than `MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise damaged(_("says that it is {width} x {height} pixels").format(width=width, height=height))
    if width * height > MAX_PIXELS:
        raise UnreadableError(
            _("says that it is {width:,} x {height:,} pixels; at most {max_pixels} megapixels can be read.").format(
                width=width, height=height, max_pixels=MAX_PIXELS // 1000000
            ),
            _("If it really is that large, cut it into parts first."),
        )
