"""What reading and writing pictures costs beside the libraries alone, as ratios measured in turn in one run.

A 16-bit picture of 24 megapixels as TIFF and as lossless JPEG XL, against tifffile and imagecodecs without anything
around them; a TIFF of 200 pages against one of its pages, by the peak of the process's memory; and the metadata of a
JPEG with EXIF, XMP and IPTC, read and made ready for the result.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import imagecodecs
import numpy as np
import psutil
import tifffile
from PIL import ExifTags, Image

from core import paths
from core.images import FORMATS, Origin, Picture, load, load_all, probe, save, save_all
from core.images.jpeg import with_segments
from core.images.jxl import LOSSLESS_EFFORT
from core.images.metadata.carry import as_written

ROUNDS = 5
SIZE = (4000, 6000)
"""Rows and columns of the picture: 24 megapixels."""
PAGES = 200
PAGE = (1500, 2000)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for label, ours, alone in _pairs(Path(folder)):
            mine, theirs = _in_turns(ours, alone)
            print(f"{label}: {mine / theirs:.2f} of the library's time")
        print(f"a TIFF of {PAGES} pages: {_memory(Path(folder)):.2f} of the memory that one of its pages takes")
        print(f"metadata of a JPEG: {1000 * _metadata(Path(folder)):.2f} ms a file")


def _photograph(height: int, width: int) -> np.ndarray:
    """A 16-bit photograph of any size: a sample again and again, its lowest bits as a sensor's."""
    with Image.open(paths.RESOURCES / "samples" / "coffee.webp") as image:
        sample = np.asarray(image.convert("RGB"))
    tiles = (-(-height // sample.shape[0]), -(-width // sample.shape[1]), 1)
    pixels = np.tile(sample, tiles)[:height, :width].astype(np.uint16) * 257
    return pixels + np.random.default_rng(0).integers(0, 128, pixels.shape, np.uint16)


def _pairs(folder: Path) -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    """What is measured, by us and by the library alone."""
    pixels = _photograph(*SIZE)
    picture = Picture(pixels, None)
    ours, alone = ({name: folder / f"{whose}.{name}" for name in ("tif", "jxl")} for whose in ("ours", "alone"))

    def write_jxl() -> None:
        alone["jxl"].write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=LOSSLESS_EFFORT))

    return [
        (
            "writing TIFF",
            lambda: save(ours["tif"], picture, "tiff"),
            lambda: tifffile.imwrite(alone["tif"], pixels, photometric="rgb", compression="zlib", predictor=True),
        ),
        ("reading TIFF", lambda: load(ours["tif"]), lambda: tifffile.imread(ours["tif"])),
        ("writing JPEG XL", lambda: save(ours["jxl"], picture, "jxl", lossless=True), write_jxl),
        ("reading JPEG XL", lambda: load(ours["jxl"]), lambda: imagecodecs.jpegxl_decode(ours["jxl"].read_bytes())),
    ]


def _in_turns(*contenders: Callable[[], object]) -> list[float]:
    """The median of each one's seconds."""
    times: list[list[float]] = [[] for _ in contenders]
    # What was written before is not to be written out to the disk meanwhile.
    sync = getattr(os, "sync", None)
    if sync is not None:
        sync()
    for _ in range(ROUNDS):
        for each, contender in zip(times, contenders, strict=True):
            begun = time.perf_counter()
            contender()
            each.append(time.perf_counter() - begun)
    return [statistics.median(each) for each in times]


def _memory(folder: Path) -> float:
    """Peak memory of reading and writing a TIFF of many pages, over that of a TIFF of one; what Python and libraries
    take is not counted."""
    path = folder / "pages.tif"
    page = _photograph(*PAGE)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for _ in range(PAGES):
            writer.write(page, photometric="rgb", compression="zlib", predictor=True)
    tifffile.imwrite(folder / "page.tif", page, photometric="rgb", compression="zlib", predictor=True)
    many, one = (_peak(each) for each in (path, folder / "page.tif"))
    return many / max(one, 1)


def _peak(path: Path) -> float:
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_copy, args=(other, path))
    process.start()
    megabytes: float = pipe.recv()
    process.join()
    return megabytes


def _copy(pipe: Connection, path: Path) -> None:
    """Read a TIFF and write it again, page by page, in a process of its own; tell by how much its memory grew."""
    tifffile.imwrite(io.BytesIO(), np.zeros((8, 8), np.uint8), compression="zlib")
    before = _largest()
    sequence = load_all(path)
    save_all(path.with_suffix(".copy.tif"), sequence.pictures, "tiff", expected_bytes=8 << 30)
    pipe.send(_largest() - before)


def _largest() -> float:
    """The most memory that this process ever had, in MB."""
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):
        return float(memory.peak_wset) / 1e6
    with contextlib.suppress(OSError):
        # Not `getrusage`: under Linux it still tells of the process that started this one.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _metadata(folder: Path) -> float:
    """Seconds that it takes to read the metadata of a JPEG and to make it ready for the result."""
    image = Image.fromarray((_photograph(64, 64) >> 8).astype(np.uint8))
    image.save(folder / "bare.jpg")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright] = "Ada Lovelace", "free"
    more = {ExifTags.Base.FocalPlaneXResolution: 3000.0, _SUBJECT_AREA: (20, 30, 8, 8)}
    exif.get_ifd(ExifTags.IFD.Exif).update(more)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(range(256)) * 100
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 30.0, 1.0)
    packet = _XMP.format("".join(f"<rdf:li>subject {number}</rdf:li>" for number in range(50)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif, xmp=packet.encode())
    caption = b"A caption, as an archive would write it. " * 20
    iptc = b"\x1c\x02\x78" + struct.pack(">H", len(caption)) + caption
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    (folder / "full.jpg").write_bytes(with_segments(buffer.getvalue(), resource, ("a comment",), None))
    origin = Origin("SRGAN Desktop", "faithful x4", "400 %")

    def full() -> None:
        found = probe(folder / "full.jpg")
        as_written(load(folder / "full.jpg").metadata, FORMATS["jpeg"], (4 * found.width, 4 * found.height), origin)

    def bare() -> None:
        probe(folder / "bare.jpg")
        load(folder / "bare.jpg")

    with_metadata, without = _in_turns(*(lambda each=each: [each() for _ in range(10)] for each in (full, bare)))
    return (with_metadata - without) / 10


_SUBJECT_AREA = 0x9214
_XMP = """<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'>
<dc:subject><rdf:Bag>{}</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""


if __name__ == "__main__":
    main()
