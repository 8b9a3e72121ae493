"""From a file to a picture: what it holds, whether it may be read, and its pixels upright."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from core.contract.errors import UserError
from core.images.colour import agreeing
from core.images.formats import FORMATS, format_of_suffix
from core.images.metadata.carry import as_read
from core.images.picture import Picture, Probe, StoredPixels
from core.images.pillow_source import PillowSource
from core.images.png import PngSource
from core.images.refusal import UnreadableError, camera_raw, damaged
from core.images.tiff import TiffSource

Source = PngSource | TiffSource | PillowSource


def load(path: Path) -> Picture:
    """Decode a picture and turn it upright. The content decides what it is, not the suffix.

    Pixels stay in the file's own colour profile, but for CMYK and LAB, which become sRGB. 16 bits stay 16 bits.

    Raises:
        UserError: it is missing, unreadable, no picture, damaged, cut off, or has more than `MAX_PIXELS` pixels.
    """
    with _opened(path) as (key, source):
        header = source.header
        decoded = source.decode()
        # A picture that decodes to another size than its header says has lied to `check_size`.
        if decoded.pixels.shape[:2] != (header.height, header.width):
            raise damaged()
        pixels, alpha = _turned(decoded, header.orientation)
        metadata = replace(header.metadata, icc=decoded.icc or header.metadata.icc)
        pixels, metadata, colour_notes = agreeing(pixels, metadata)
        metadata, remarks = as_read(
            metadata, (header.width, header.height), (pixels.shape[1], pixels.shape[0]), header.orientation
        )
        notes = (*_content_notes(path, key, header.frames), *decoded.notes, *colour_notes, *remarks)
        if alpha is not None and not alpha.any():
            notes += ("It is transparent everywhere: nothing of it can be seen.",)
        return Picture(
            pixels,
            alpha,
            metadata,
            key,
            notes,
            header.bits,
            header.lossless,
            decoded.scale,
            colourless=_colourless(pixels),
            jpeg_quality=header.jpeg_quality,
        )


def probe(path: Path) -> Probe:
    """What `load` would give, from the header alone.

    Raises:
        UserError: as `load`, but for damage beyond the header.
    """
    with _opened(path) as (key, source):
        header = source.header
        width, height = header.width, header.height
        if header.orientation >= 5:
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
def _opened(path: Path) -> Iterator[tuple[str, Source]]:
    """The key and the open source of a picture; what goes wrong inside becomes a `UserError` that names the file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            if path.is_dir():
                raise UnreadableError("is a folder, not a picture.", "Choose a file.")
            # Reading a pipe or a device might never end.
            raise UnreadableError("is not an ordinary file.", "Choose a picture file.")
        with path.open("rb") as file:
            key = _key_of_content(file)
            yield key, _source(file, key, path)
    except UserError:
        raise
    except UnreadableError as refusal:
        raise UserError(f"“{shown(path)}” {refusal.what}", refusal.hint) from refusal
    except FileNotFoundError as error:
        raise UserError(f"“{shown(path)}” does not exist.", "It may have been moved, renamed or deleted.") from error
    except PermissionError as error:
        raise UserError(
            f"“{shown(path)}” may not be read.", "Ask its owner for the right to read it, or copy it elsewhere."
        ) from error
    except MemoryError as error:
        raise UserError(
            f"“{shown(path)}” does not fit into memory.", "Close other programs, or cut the picture into parts."
        ) from error
    except OSError as error:
        # The system's errors have a number; those that decoders raise about the content have none.
        if error.errno is not None:
            raise UserError(f"“{shown(path)}” could not be read: {error.strerror}.", "Check the disk.") from error
        raise _damaged(path) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"“{shown(path)}” has too many pixels.", "Cut it into parts first.") from error
    except Exception as error:
        # A decoder may raise anything at all on what a stranger made; the cause goes along for a bug report.
        raise _damaged(path) from error


def shown(path: Path) -> str:
    """A file's name for a message: on one line, whatever it is made of."""
    return "".join(character if character.isprintable() else "�" for character in path.name or str(path))


def _damaged(path: Path) -> UserError:
    refusal = damaged()
    return UserError(f"“{shown(path)}” {refusal.what}", refusal.hint)


def _source(file: BinaryIO, key: str, path: Path) -> Source:
    if key == "png":
        return PngSource(file)
    if key == "tiff":
        return TiffSource(file, path)
    return PillowSource(file, key)


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"BM", "bmp"),
)

_RAW = "a camera's raw picture"
_FILM = "a film"
_SOUND = "a sound"
_ARCHIVE = "an archive"
_OTHERS = (
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"II\x1a\0\0\0HEAPCCDR", _RAW),
    (b"IIU\0", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"\0MRM", _RAW),
    (b"FOVb", _RAW),
    (b"\x1aE\xdf\xa3", _FILM),
    (b"\0\0\1\xba", _FILM),
    (b"\0\0\1\xb3", _FILM),
    (b"FLV\1", _FILM),
    (b"OggS", _FILM),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _FILM),
    (b"ID3", _SOUND),
    (b"fLaC", _SOUND),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript drawing (EPS)"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing (EPS)"),
    (b"\xd7\xcd\xc6\x9a", "a Windows drawing (WMF)"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"Rar!", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"II\xbc\1", "a JPEG XR picture"),
    (b"v/1\1", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"#?RGBE", "a Radiance HDR picture"),
    (b"DDS ", "a DDS texture"),
    (b"qoif", "a QOI picture"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"\0\5\x16\7", "what a Mac leaves beside a file, and not the file itself,"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
"""How files begin that people take for pictures, or have among them; text in lower case."""
_HINTS = {
    _RAW: "Develop it into a TIFF or JPEG with the camera's or a raw program.",
    _FILM: "Take its frames out as PNG files first, as ffmpeg does.",
    _SOUND: "Choose a picture.",
    _ARCHIVE: "Unpack it first.",
}
_TEXT_BYTES = 1024
"""How much of a text's beginning is looked at."""


def _key_of_content(file: BinaryIO) -> str:
    head = file.read(_TEXT_BYTES)
    file.seek(0)
    if not head:
        raise UnreadableError("is empty.", "Copy or download it again.")
    for signature, key in _SIGNATURES:
        if head.startswith(signature):
            if head[8:10] == b"CR" and key == "tiff":
                raise camera_raw()
            return key
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        # The brands of ISO base media (HEIF): the major one, a version, then the compatible ones.
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}:
            return "heic"
    raise _other_kind(head)


def _other_kind(head: bytes) -> UnreadableError:
    """What a file holds that is none of `FORMATS`, by its own name."""
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return UnreadableError(
            "is a pointer of Git LFS, and not the file itself.", "Fetch the files with “git lfs pull”."
        )
    name = _name_of_other(head)
    readable = ", ".join(row.label for row in FORMATS.values() if row.can_read)
    if name is None:
        return UnreadableError("is not a picture that can be read.", f"These can: {readable}.")
    return UnreadableError(f"holds {name}, which cannot be read.", _HINTS.get(name, f"Save it as one of {readable}."))


def _name_of_other(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _RAW if head[8:12] == b"crx " else _FILM
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return _FILM
    if head[:4] == b"RIFF":
        return {b"AVI ": _FILM, b"WAVE": _SOUND}.get(head[8:12])
    if head[128:132] == b"DICM":
        return "a DICOM picture"
    lower = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, name in _OTHERS:
        if head.startswith(signature) or lower.startswith(signature):
            return name
    if lower.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in lower:
        return "an SVG drawing"
    return None


def _content_notes(path: Path, key: str, frames: int) -> tuple[str, ...]:
    notes = []
    named = format_of_suffix(path.suffix)
    if named is not None and named != key:
        notes.append(f"Its name says {FORMATS[named].label}, but it holds {FORMATS[key].label}.")
    if frames > 1 and key == "heic":
        notes.append(f"Only the main one of its {frames} pictures was taken.")
    elif frames > 1:
        parts = "pages" if key == "tiff" else "frames"
        notes.append(f"Only the first of its {frames} {parts} was taken.")
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
    turn = _TURNS[orientation]
    alpha = None if decoded.alpha is None else np.ascontiguousarray(turn(decoded.alpha))
    return np.ascontiguousarray(turn(decoded.pixels)), alpha


_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda array: array,
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: np.rot90(array, -1),
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: np.rot90(array),
}
