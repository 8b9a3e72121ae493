"""From a file to a picture: what it holds, whether it may be read, and its pixels upright."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from core import archives, stores
from core.contract.cancel import Cancelled
from core.contract.errors import UserError
from core.images.animation import Animation, DeepAvif, Timing
from core.images.apng import Apng
from core.images.bmp_fields import BitFieldsSource, has_bit_fields
from core.images.camera_raw import RawSource
from core.images.colour import agreeing
from core.images.content import key_of_content
from core.images.dds import DdsLightSource, texture_of
from core.images.dicom import DicomSource
from core.images.formats import FORMATS, format_of_suffix
from core.images.jxl import JxlSource
from core.images.light import ExrSource, RadianceSource
from core.images.metadata.carry import as_read
from core.images.picture import Header, Picture, Probe, Source, StoredPixels
from core.images.pillow_source import PillowSource
from core.images.png import PngSource
from core.images.pnm import PnmSource
from core.images.psd import PsdSource
from core.images.qoi import QoiSource
from core.images.refusal import CameraRawError, UnreadableError, damaged
from core.images.samples import TURNS, turns_sides
from core.images.tiff import TiffSource
from core.language import gettext as _

_LONGEST_PATH = 259
"""Characters that Windows allows where long paths are off; of a longer one it says that there is no such file."""


def load(path: Path, check: Callable[[], None] = lambda: None, *, whole_range: bool = False) -> Picture:
    """Decode a picture and turn it upright. The content decides what it is, not the suffix.

    Pixels stay in the file's own colour profile, but for CMYK and LAB, which become sRGB. 16 bits stay 16 bits.

    Args:
        path: a file.
        check: called where that takes long, as with measured values, whose whole series is looked at; raises where
            nobody wants the picture any more.
        whole_range: whether all numbers of a DICOM picture become pixels, with its tags, so that they can be written
            as one again; else what a viewer shows.

    Raises:
        UserError: it is missing, unreadable, no picture, damaged, cut off, or has more than `MAX_PIXELS` pixels.
    """
    with _opened(path, check=check, whole_range=whole_range) as (key, source):
        return _picture(path, key, source.header, source.decode(), is_first_of_many=source.header.frames > 1)


def load_all(path: Path, check: Callable[[], None] = lambda: None, *, whole_range: bool = False) -> Sequence:
    """All pages or frames of a file, one after another, each as `load` gives the first.

    Args:
        path: a TIFF, a DICOM file or an animation.
        check: called between pictures, to raise where nobody wants the rest.
        whole_range: as in `load`.

    Raises:
        UserError: as `load`, also while pictures are taken from the result.
    """
    with _opened(path) as (key, source):
        count = source.header.frames
        if FORMATS[key].several != "frames":
            return Sequence(count, None, _pages(path, count, check, whole_range))
        with archives.opened(path) as file:
            timing = _animation(file, key, source.header.bits, check).timing
        return Sequence(len(timing.durations), timing, _frames(path, source.header, check))


@dataclass(frozen=True, slots=True)
class Sequence:
    """The pictures of one file."""

    count: int
    timing: Timing | None
    """When frames are shown; None for pages."""
    pictures: Iterator[Picture]


def _pages(path: Path, count: int, check: Callable[[], None], whole_range: bool) -> Iterator[Picture]:
    for page in range(count):
        check()
        with _opened(path, page, check, whole_range) as (key, source):
            made = [_picture(path, key, source.header, source.decode(), is_first_of_many=False)]
        # No page is held here while the next one is read.
        del source
        yield made.pop()


def _frames(path: Path, header: Header, check: Callable[[], None]) -> Iterator[Picture]:
    with _opened(path) as (key, _source), archives.opened(path) as file:
        for decoded in _animation(file, key, header.bits, check).frames():
            check()
            bits = min(header.bits, 8 * decoded.pixels.dtype.itemsize)
            if bits < header.bits:
                note = _("Its {bits} bits a channel were reduced to 8.").format(bits=header.bits)
                decoded = replace(decoded, notes=(*decoded.notes, note))
            yield _picture(path, key, replace(header, bits=bits), decoded, is_first_of_many=False)


def _animation(file: BinaryIO, key: str, bits: int, check: Callable[[], None]) -> Animation | Apng | JxlSource:
    if key == "avif" and bits > 8:
        return DeepAvif(file, bits, check)
    if key == "jxl":
        return JxlSource(file)
    return Apng(file) if key == "png" else Animation(file, key, check)


def _picture(path: Path, key: str, header: Header, decoded: StoredPixels, *, is_first_of_many: bool) -> Picture:
    # A picture that decodes to another size than its header says has lied to `check_size`.
    if decoded.pixels.shape[:2] != (header.height, header.width):
        raise damaged()
    pixels, alpha = _turned(decoded, header.orientation)
    metadata = replace(header.metadata, icc=decoded.icc or header.metadata.icc)
    pixels, metadata, colour_notes = agreeing(pixels, metadata)
    metadata, remarks = as_read(
        metadata, (header.width, header.height), (pixels.shape[1], pixels.shape[0]), header.orientation
    )
    said = _content_notes(path, key, header.frames if is_first_of_many else 1)
    notes = (*said, *decoded.notes, *colour_notes, *remarks)
    if alpha is not None and not alpha.any():
        notes += (_("It is transparent everywhere: nothing of it can be seen."),)
    return Picture(
        pixels,
        alpha,
        metadata,
        key,
        notes,
        header.bits,
        header.lossless,
        decoded.scale,
        texture=header.texture,
        dicom=header.dicom,
        colourless=_colourless(pixels),
        jpeg_quality=header.jpeg_quality,
        orientation=header.orientation,
    )


def probe(path: Path) -> Probe:
    """What `load` would give, from the header alone.

    Raises:
        UserError: as `load`, but for damage beyond the header.
    """
    with _opened(path) as (key, source):
        header = source.header
        width, height = header.width, header.height
        if turns_sides(header.orientation):
            width, height = height, width
        return Probe(width, height, key, header.sixteen_bit, header.alpha, header.frames)


def thumbnail(path: Path, side: int) -> np.ndarray:
    """A small upright picture: h x w x 4 uint8 RGBA that fits into `side` x `side`; smaller pictures keep their size.

    Raises:
        UserError: as `load`.
    """
    with _opened(path) as (_key, source):
        if isinstance(source, PillowSource):
            source.draft(side)
        pixels, alpha = _turned(source.decode(), source.header.orientation)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
        alpha = None if alpha is None else (alpha >> 8).astype(np.uint8)
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).convert("RGB")
    if alpha is not None:
        image.putalpha(Image.fromarray(alpha))
    image.thumbnail((side, side), Image.Resampling.BICUBIC)
    return np.array(image.convert("RGBA"))


@contextmanager
def _opened(
    path: Path, page: int = 0, check: Callable[[], None] = lambda: None, whole_range: bool = False
) -> Iterator[tuple[str, Source]]:
    """The key and the open source of a picture, or of another page of a TIFF or frame of a DICOM file.

    What goes wrong inside becomes a `UserError` that names the file.
    """
    try:
        ordinary = stores.is_store(path) or archives.archive_of(path) is not None
        if not ordinary and not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                raise UnreadableError(_("is a folder, not a picture."), _("Choose a file."))
            # Reading a pipe or a device might never end.
            raise UnreadableError(_("is not an ordinary file."), _("Choose a picture file."))
        with archives.opened(path) as file, ExitStack() as copies:
            try:
                key = key_of_content(file, path)
                source = _source(file, key, path, page, check, whole_range)
            except CameraRawError:
                if not FORMATS["raw"].can_read:
                    raise
                key, source = "raw", RawSource(file, copies.enter_context(archives.on_disk(path)))
            yield key, source
    except (UserError, Cancelled):
        raise
    except UnreadableError as refusal:
        raise UserError(_("“{path}” {what}").format(path=shown(path), what=refusal.what), refusal.hint) from refusal
    except FileNotFoundError as error:
        if sys.platform == "win32" and len(str(path)) > _LONGEST_PATH:
            raise UserError(
                _("“{path}” has a path of {count} characters; Windows opens none over {longest_path}.").format(
                    path=shown(path), count=len(str(path)), longest_path=_LONGEST_PATH
                ),
                _("Move it nearer to the top of its disk, or switch long paths on in Windows."),
            ) from error
        raise UserError(
            _("“{path}” does not exist.").format(path=shown(path)), _("It may have been moved, renamed or deleted.")
        ) from error
    except PermissionError as error:
        raise UserError(
            _("“{path}” may not be read.").format(path=shown(path)),
            _("Ask its owner for permission to read it, or copy it elsewhere."),
        ) from error
    except MemoryError as error:
        raise UserError(
            _("“{path}” does not fit into memory.").format(path=shown(path)),
            _("Close other programs, or cut the picture into parts."),
        ) from error
    except OSError as error:
        # The system's errors have a number; those that decoders raise about the content have none.
        if error.errno is not None:
            raise UserError(
                _("“{path}” could not be read: {strerror}.").format(path=shown(path), strerror=error.strerror),
                stores.hint_for(path),
            ) from error
        raise _damaged(path) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(
            _("“{path}” has too many pixels.").format(path=shown(path)), _("Cut it into parts first.")
        ) from error
    except Exception as error:
        # A decoder may raise anything at all on what a stranger made; the cause goes along for a bug report.
        raise _damaged(path) from error


def shown(path: Path) -> str:
    """A file's name for a message: on one line, whatever it is made of."""
    return "".join(character if character.isprintable() else "�" for character in path.name or str(path))


def _damaged(path: Path) -> UserError:
    refusal = damaged()
    return UserError(_("“{path}” {what}").format(path=shown(path), what=refusal.what), refusal.hint)


_SOURCES: dict[str, Callable[[BinaryIO], Source]] = {
    "png": PngSource,
    "jxl": JxlSource,
    "psd": PsdSource,
    "pnm": PnmSource,
    "pfm": PnmSource,
    "hdr": RadianceSource,
    "exr": ExrSource,
    "qoi": QoiSource,
}
"""What reads a format; Pillow the rest."""


def _source(file: BinaryIO, key: str, path: Path, page: int, check: Callable[[], None], whole_range: bool) -> Source:
    if key == "dicom":
        return DicomSource(file, path, page, check, whole_range=whole_range)
    if key == "tiff":
        return TiffSource(file, path, page, check)
    if key == "bmp" and has_bit_fields(file):
        return BitFieldsSource(file)
    if key == "dds" and (texture := texture_of(file)).is_light:
        return DdsLightSource(file, texture)
    reader = _SOURCES.get(key)
    return reader(file) if reader else PillowSource(file, key)


def _content_notes(path: Path, key: str, frames: int) -> tuple[str, ...]:
    notes = []
    named = format_of_suffix(path.suffix)
    if named is not None and named != key:
        notes.append(
            _("Its name says {label}, but it holds {found}.").format(
                label=FORMATS[named].label, found=FORMATS[key].label
            )
        )
    if frames > 1 and key == "heic":
        notes.append(_("Only the main one of its {frames} pictures was taken.").format(frames=frames))
    elif frames > 1:
        words = (
            _("Only the first of its {count} pages was taken.")
            if key == "tiff"
            else _("Only the first of its {count} frames was taken.")
        )
        notes.append(words.format(count=frames))
    return tuple(notes)


def _colourless(pixels: np.ndarray) -> bool:
    # Lossy WebP and conversions from LAB leave a grey picture's channels a level apart.
    level = 257 if pixels.dtype == np.uint16 else 1

    def alike(rows: np.ndarray) -> bool:
        return all(
            int((np.maximum(one, other) - np.minimum(one, other)).max()) <= level
            for one, other in ((rows[..., 0], rows[..., 1]), (rows[..., 1], rows[..., 2]), (rows[..., 2], rows[..., 0]))
        )

    # A few rows tell of most colour pictures, and the others are looked at in bands, for little memory.
    return pixels.shape[2] == 1 or (
        alike(pixels[::64]) and all(alike(pixels[top : top + 256]) for top in range(0, len(pixels), 256))
    )


def _turned(decoded: StoredPixels, orientation: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels and alpha the way up that EXIF's orientation (CIPA DC-008, Orientation) asks for."""
    turn = TURNS[orientation]
    alpha = None if decoded.alpha is None else np.ascontiguousarray(turn(decoded.alpha))
    return np.ascontiguousarray(turn(decoded.pixels)), alpha
