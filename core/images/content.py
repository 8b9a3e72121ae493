"""What a file holds, by how it begins: one of `FORMATS`, or something else with a name of its own."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from core.images.formats import FORMATS, format_of_suffix
from core.images.refusal import UnreadableError, camera_raw
from core.language import gettext as _
from core.language import listed

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
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL ", "jxl"),
    (b"\0\0\0\x0cjP  ", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),
    (b"8BPS", "psd"),
    (b"DDS ", "dds"),
    (b"qoif", "qoi"),
    (b"v/1\1", "exr"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"PF", "pfm"),
    (b"Pf", "pfm"),
    *((b"P%d" % number, "pnm") for number in range(1, 8)),
)
_NETPBM = frozenset({"pnm", "pfm"})

_RAW = _("a camera's raw picture")
_FILM = _("a film")
_SOUND = _("a sound")
_ARCHIVE = _("an archive")
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
    (b"%PDF", _("a PDF document")),
    (b"%!PS", _("a PostScript drawing (EPS)")),
    (b"\xc5\xd0\xd3\xc6", _("a PostScript drawing (EPS)")),
    (b"\xd7\xcd\xc6\x9a", _("a Windows drawing (WMF)")),
    (b"gimp xcf", _("a GIMP document")),
    (b"PK\x03\x04", _("a ZIP archive or office document")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _("an office document")),
    (b"Rar!", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"II\xbc\1", _("a JPEG XR picture")),
    (b"SIMPLE  =", _("a FITS picture")),
    (b"\0\5\x16\7", _("what a Mac leaves beside a file, and not the file itself,")),
    (b"<!doctype html", _("a web page")),
    (b"<html", _("a web page")),
)
"""How files begin that people take for pictures, or have among them; text in lower case."""
_HINTS = {
    _FILM: _("Take its frames out as PNG files first, as ffmpeg does."),
    _SOUND: _("Choose a picture."),
    _ARCHIVE: _("Unpack it first."),
}
_TEXT_BYTES = 1024
"""How much of a text's beginning is looked at."""


def key_of_content(file: BinaryIO, path: Path) -> str:
    """The key in `FORMATS` of what an open file holds; `path` counts where formats begin with nothing of their own.

    Raises:
        UnreadableError: it is empty, or none of them.
    """
    head = file.read(_TEXT_BYTES)
    file.seek(0)
    if not head:
        raise UnreadableError(_("is empty."), _("Copy or download it again."))
    for signature, key in _SIGNATURES:
        if head.startswith(signature) and (key not in _NETPBM or head[2:3].isspace() or head[2:3] == b"#"):
            if head[8:10] == b"CR" and key == "tiff":
                raise camera_raw()
            return key
    if head[128:132] == b"DICM":
        return "dicom"
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
    if head[:4] in (b"\0\0\1\0", b"\0\0\2\0") and head[4:6] != b"\0\0":
        # Without a number of pictures it is a TGA, which may begin in the same way.
        return "ico"
    if _is_pcx(head):
        return "pcx"
    if _is_tga(file, head, path):
        return "tga"
    raise _other_kind(head)


def _is_pcx(head: bytes) -> bool:
    return len(head) >= 128 and head[0] == 10 and head[1] in (0, 2, 3, 4, 5) and head[2] == 1 and head[3] in _PCX_BITS


_PCX_BITS = (1, 2, 4, 8)


_TGA_FOOTER = b"TRUEVISION-XFILE.\0"


def _is_tga(file: BinaryIO, head: bytes, path: Path) -> bool:
    """Whether it ends as a Targa picture does, or is called one and has a plausible header."""
    if len(head) < 18:
        return False
    palette, kind, width, height, depth = struct.unpack_from("<xBB9xHHB", head)
    if palette > 1 or kind not in (1, 2, 3, 9, 10, 11) or not width or not height or depth not in (8, 15, 16, 24, 32):
        return False
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(_TGA_FOOTER)))
    ends_so = file.read() == _TGA_FOOTER
    file.seek(0)
    return ends_so or format_of_suffix(path.suffix) == "tga"


def _other_kind(head: bytes) -> UnreadableError:
    """What a file holds that is none of `FORMATS`, by its own name."""
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return UnreadableError(
            _("is a Git LFS pointer, not the file itself."), _("Fetch the files with “git lfs pull”.")
        )
    name = _name_of_other(head)
    if name == _RAW:
        return camera_raw()
    readable = listed(row.label for row in FORMATS.values() if row.can_read)
    if name is None:
        return UnreadableError(
            _("is not a picture that can be read."), _("These can: {readable}.").format(readable=readable)
        )
    return UnreadableError(
        _("holds {name}, which cannot be read.").format(name=name),
        _HINTS.get(name, _("Save it as one of {readable}.").format(readable=readable)),
    )


def _name_of_other(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _RAW if head[8:12] == b"crx " else _FILM
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return _FILM
    if head[:4] == b"RIFF":
        return {b"AVI ": _FILM, b"WAVE": _SOUND}.get(head[8:12])
    lower = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, name in _OTHERS:
        if head.startswith(signature) or lower.startswith(signature):
            return name
    if lower.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in lower:
        return _("an SVG drawing")
    return None
