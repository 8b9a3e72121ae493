"""Upscale one picture as an array, and keep its metadata: python examples/upscale_array.py PICTURE RESULT.png."""

import sys
from dataclasses import replace
from pathlib import Path

from core import CancelToken, load, open_engine, save


def main(source: Path, target: Path) -> None:
    picture = load(source)
    engine = open_engine("faithful-x4")
    rgb = picture.pixels if picture.pixels.shape[2] == 3 else picture.pixels.repeat(3, axis=2)
    save(target, replace(picture, pixels=engine.upscale(rgb, CancelToken()), alpha=None), "png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
