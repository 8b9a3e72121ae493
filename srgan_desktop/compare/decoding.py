"""From files and arrays to pyramids, away from the main thread: rough ones at once, then exact ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from core import images
from core.contract.cancel import CancelToken
from core.hashing import stamp_of
from core.late import np
from srgan_desktop.compare.pyramid import Pyramid, build, rough
from srgan_desktop.pixels import for_display

PictureSource: TypeAlias = "Path | np.ndarray"
"""A file, or uint8 pixels in sRGB: H x W, H x W x 1, 3 (RGB) or 4 (RGBA, not premultiplied), not to be written to."""


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A picture that can be shown."""

    source: PictureSource
    pyramid: Pyramid
    stamp: tuple[int, int] | None = None
    """Time of change and length of the file when it was decoded."""
    icc: bytes | None = None
    """The profile that the file's pixels are in; those of the pyramid are in sRGB."""
    grey: bool = False


@dataclass(frozen=True, slots=True)
class Promised:
    """Width and height of the largest picture, from the headers alone."""

    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PictureDecoded:
    """A picture is there, or is there again with more levels."""

    index: int
    decoded: DecodedPicture


@dataclass(frozen=True, slots=True)
class PictureRefused:
    """A picture cannot be decoded."""

    index: int
    error: Exception


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more will come."""


DecodingEvent = Promised | PictureDecoded | PictureRefused | Finished


def decode(
    sources: Sequence[PictureSource | None], known: Sequence[DecodedPicture], token: CancelToken
) -> Iterator[DecodingEvent]:
    """Decode pictures for a comparison: all of them roughly, then all of them exactly.

    Args:
        sources: what to decode; None is passed over.
        known: earlier results; a file among them that did not change is not decoded again.
        token: asked between two pictures.

    Yields:
        `Promised`, then a `PictureDecoded` or `PictureRefused` for each source, in their order, then a
        `PictureDecoded` once more for each that was rough, and `Finished`.
    """
    wanted = [(index, source) for index, source in enumerate(sources) if source is not None]
    if len(wanted) > 1:
        sizes = [size for _index, source in wanted if (size := _size(source)) is not None]
        if sizes:
            yield Promised(max(sizes, key=lambda size: size[0] * size[1]))
    there: list[tuple[int, DecodedPicture]] = []
    for index, source in wanted:
        token.check()
        try:
            decoded = _known(source, known) or _decode(source)
        except Exception as error:
            yield PictureRefused(index, error)
            continue
        there.append((index, decoded))
        yield PictureDecoded(index, decoded)
    for index, decoded in there:
        pixels = decoded.pyramid.levels[0]
        if not decoded.pyramid.exact and pixels is not None:
            yield PictureDecoded(index, replace(decoded, pyramid=build(pixels, token)))
    yield Finished()


def decode_patch(pixels: np.ndarray, like: DecodedPicture, token: CancelToken) -> Iterator[Pyramid]:
    """Build the pyramid of a piece of a picture.

    Args:
        pixels: uint8, H x W x 3 (RGB) or 4 (RGBA), in the colour profile of that picture.
        like: the picture.
        token: asked between two strips.
    """
    # The profile of a grey picture fits one channel only.
    colour = pixels[..., :1] if like.grey else pixels[..., :3]
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
    yield build(for_display(images.Picture(colour, alpha, images.Metadata(icc=like.icc))), token)


def _size(source: PictureSource) -> tuple[int, int] | None:
    if isinstance(source, np.ndarray):
        return source.shape[1], source.shape[0]
    try:
        header = images.probe(source)
    except Exception:
        # Decoding will say what is wrong with it.
        return None
    return header.width, header.height


def _known(source: PictureSource, known: Sequence[DecodedPicture]) -> DecodedPicture | None:
    for each in known:
        if isinstance(source, Path):
            if isinstance(each.source, Path) and each.source == source and each.stamp == stamp_of(source):
                return each
        elif each.source is source:
            return each
    return None


def _decode(source: PictureSource) -> DecodedPicture:
    if isinstance(source, np.ndarray):
        pixels = source[..., 0] if source.shape[2:] == (1,) else source
        return DecodedPicture(source, rough(pixels))
    stamp = stamp_of(source)
    picture = images.load(source)
    grey = picture.pixels.shape[2] == 1
    icc = images.profile_for(picture.metadata, grey)
    return DecodedPicture(source, rough(for_display(picture)), stamp, icc, grey)
