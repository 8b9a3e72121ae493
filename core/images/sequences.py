"""Files of several pictures, written one picture at a time: pages of a TIFF, frames of an animation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from core.atomic import replacing
from core.images.animation import Timing, write_apng, write_avif, write_gif, write_webp
from core.images.colour import profile_for
from core.images.dicom_tags import encode_dicom
from core.images.encode import samples_for, values_for
from core.images.formats import FORMATS, Format
from core.images.jxl import write_jxl_animation
from core.images.jxl_header import can_say
from core.images.metadata.carry import Origin, as_written
from core.images.picture import Picture
from core.images.tiff import BIG, TiffPages


def save_all(
    path: Path,
    pictures: Iterable[Picture],
    format: str,
    quality: int = 95,
    *,
    timing: Timing | None = None,
    expected_bytes: int = 0,
    lossless: bool = False,
    keep_values: bool = False,
    origin: Origin | None = None,
    date_ns: tuple[int, int] | None = None,
) -> tuple[str, ...]:
    """Write pictures as pages of a TIFF, or frames of one size as an animation or DICOM file, under the final name once
    complete.

    Of a TIFF no more than one page is in memory at a time, if `pictures` makes them so; of an animation one frame, but
    for AVIF, whose encoder wants all of them; JPEG XL keeps what they were packed to.

    Args:
        path: where it goes.
        pictures: each is asked for when the one before is written; what this raises leaves no file.
        format: `tiff`, `dicom`, or a format of animations.
        quality: of lossy formats.
        timing: of the frames of an animation.
        expected_bytes: of all pages uncompressed, roughly: beyond 4 GB the file becomes a BigTIFF.
        lossless: whether WebP and AVIF lose nothing, whatever `quality` says.
        keep_values: as in `save`.
        origin: as in `save`.
        date_ns: as in `save`.

    Returns:
        What the user should know, each thing once.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    notes: dict[str, None] = {}
    target = FORMATS[format]
    with replacing(path) as temporary:
        if format == "tiff":
            with TiffPages(temporary, big=expected_bytes > BIG) as pages:
                for picture in pictures:
                    metadata, more = as_written(picture.metadata, target, (picture.width, picture.height), origin)
                    samples, metadata, lost = samples_for(target, picture, metadata)
                    if picture.scale is not None:
                        samples, metadata = values_for(picture, samples, metadata, keep_values=keep_values)
                    pages.add(samples, metadata)
                    notes |= dict.fromkeys((*more, *lost))
                    # Not held while the next page is made.
                    del picture, samples
                notes |= dict.fromkeys(pages.finish())
        elif format == "dicom":
            with temporary.open("wb") as file:
                for picture in pictures:
                    samples, _metadata, lost = samples_for(target, picture, picture.metadata)
                    head, frame = encode_dicom(picture, samples, origin, of_several=True)
                    if file.tell() == 0:
                        file.write(head)
                    file.write(frame)
                    notes |= dict.fromkeys(lost)
                file.write(b"\0" * (file.tell() % 2))
        else:
            if timing is None:
                raise ValueError("an animation needs its timing")
            loss = None if lossless or quality == 100 else quality
            notes |= dict.fromkeys(_animate(temporary, pictures, target, loss, timing, origin))
        if date_ns is not None:
            os.utime(temporary, ns=date_ns)
    return tuple(notes)


def _animate(
    path: Path,
    pictures: Iterable[Picture],
    target: Format,
    quality: int | None,
    timing: Timing,
    origin: Origin | None,
) -> tuple[str, ...]:
    iterator = iter(pictures)
    first = next(iterator)
    metadata, notes = as_written(first.metadata, target, (first.width, first.height), origin)
    says_codes = target.key == "jxl" and metadata.cicp is not None and can_say(metadata.cicp)
    if target.key != "png" and not says_codes:
        # The other encoders of animations know profiles only.
        metadata = replace(metadata, icc=profile_for(metadata, grey=False), cicp=None, png_colour=())

    def frames() -> Iterator[np.ndarray]:
        for picture in chain([first], iterator):
            yield _samples(picture)

    with path.open("wb") as file:
        if target.key == "png":
            write_apng(file, frames(), metadata, timing)
        elif target.key == "webp":
            write_webp(file, frames(), metadata, timing, quality)
        elif target.key == "gif":
            write_gif(file, frames(), metadata, timing)
        elif target.key == "jxl":
            notes += write_jxl_animation(file, frames(), metadata, timing, quality)
        else:
            write_avif(file, frames(), metadata, timing, quality)
    return notes


def _samples(picture: Picture) -> np.ndarray:
    """H x W x 3 or 4: all frames of an animation are RGB, with alpha or without."""
    parts = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha[..., None]]
    return np.ascontiguousarray(np.concatenate(parts, axis=2))
