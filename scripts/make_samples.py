"""Make the sample pictures in resources/samples out of scikit-image's bundled photographs.

    python scripts/make_samples.py

Only photographs that their authors gave to everyone (CC0, public domain) are taken, and only those that come with the
package itself: nothing is downloaded. Each is cropped, reduced by antialiased bicubic and saved; SOURCES.md names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from core.images import Metadata, Picture, format_of_suffix, save

SAMPLES = Path(__file__).resolve().parent.parent / "resources" / "samples"
QUALITY = 92


@dataclass(frozen=True)
class Sample:
    name: str
    """Path below resources/samples."""
    source: str
    """Function of skimage.data."""
    crop: tuple[int, int, int, int]
    """Left, top, right, bottom in the source."""
    width: int
    """Width of the sample in pixels; the height follows."""
    what: str
    author: str
    licence: str
    cut_out: tuple[float, float, float, float] | None = None
    """Centre and radii of an ellipse in the source outside of which the sample is transparent."""


NASA = ("NASA", "public domain (no known copyright restrictions)")
CHELSEA = ("Stéfan van der Walt", "CC0")
COFFEE = ("Rachel Michetti, courtesy of Pikolo Espresso Bar", "CC0")
ROCKET = ("SpaceX", "public domain")
CAMERA = ("Lav Varshney", "CC0")
TEXTURES = ("CC0Textures", "CC0")
GRASS = ("linolafett", "CC0")

ALL = (
    Sample("astronaut.jpg", "astronaut", (0, 0, 512, 512), 208, "Eileen Collins, astronaut", *NASA),
    Sample("portrait.png", "astronaut", (90, 0, 346, 256), 128, "Eileen Collins, astronaut", *NASA),
    Sample("cat.jpg", "chelsea", (0, 0, 451, 300), 224, "Chelsea the cat", *CHELSEA),
    Sample("coffee.webp", "coffee", (0, 0, 600, 400), 240, "A cup of coffee", *COFFEE),
    Sample(
        "cup.png", "coffee", (60, 0, 500, 400), 176, "The same cup, cut out", *COFFEE, cut_out=(279.5, 196, 203, 180)
    ),
    Sample("rocket.jpg", "rocket", (0, 0, 640, 426), 216, "Falcon 9 before the launch of DSCOVR", *ROCKET),
    Sample("photographer.png", "camera", (0, 0, 512, 512), 176, "A photographer, in grey", *CAMERA),
    Sample("textures/bricks.webp", "brick", (0, 0, 512, 512), 160, "A brick wall, in grey", *TEXTURES),
    Sample("textures/grass.png", "grass", (0, 0, 384, 384), 192, "Grass, in grey", *GRASS),
    Sample("textures/gravel.jpg", "gravel", (0, 0, 512, 384), 192, "Gravel, in grey", *TEXTURES),
)


def make(sample: Sample) -> Picture:
    left, top, right, bottom = sample.crop
    size = (sample.width, round(sample.width * (bottom - top) / (right - left)))
    source = Image.fromarray(getattr(data, sample.source)())
    # `box` and not `crop`: the filter then sees what lies beyond the edges.
    pixels = np.asarray(source.resize(size, Image.Resampling.BICUBIC, box=sample.crop))
    return Picture(pixels.reshape(size[1], size[0], -1), alpha_of(sample, size), Metadata())


def alpha_of(sample: Sample, size: tuple[int, int]) -> np.ndarray | None:
    if sample.cut_out is None:
        return None
    x, y, radius_x, radius_y = sample.cut_out
    left, top, right, bottom = sample.crop
    rows, columns = np.mgrid[top:bottom, left:right]
    inside = ((columns - x) / radius_x) ** 2 + ((rows - y) / radius_y) ** 2 < 1
    return np.asarray(Image.fromarray(inside * np.uint8(255)).resize(size, Image.Resampling.BICUBIC))


def main() -> None:
    rows = []
    for sample in ALL:
        path = SAMPLES / sample.name
        path.parent.mkdir(parents=True, exist_ok=True)
        format = format_of_suffix(path.suffix)
        assert format is not None
        picture = make(sample)
        save(path, picture, format, QUALITY)
        done = f"{picture.width} x {picture.height} of the region {sample.crop}"
        if sample.cut_out:
            done += ", transparent outside of an ellipse"
        rows.append(
            f"| {sample.name} | {sample.what} | `{sample.source}` | {sample.author} | {sample.licence} | {done} |"
        )
    text = (
        "# Where the sample pictures come from\n\n"
        "All are photographs that come with scikit-image (`skimage.data`), which states these authors and licences.\n"
        "They were cropped, reduced by antialiased bicubic, and saved (JPEG and WebP at quality "
        f"{QUALITY}) by\n`scripts/make_samples.py`.\n\n"
        "| file | shows | in skimage.data | author | licence | made |\n|---|---|---|---|---|---|\n"
    )
    (SAMPLES / "SOURCES.md").write_text(text + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
