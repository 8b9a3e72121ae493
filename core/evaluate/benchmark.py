"""Measure a model as papers do: reduce HR pictures by bicubic, enlarge them again, compare, beside bicubic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.events import Notice
from core.contract.training import Artefacts, EvaluateRequest, PictureEvaluated, SetEvaluated
from core.evaluate.artefacts import artefacts
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.resampling import compressed, crop_to_multiple, enlarge_bicubic, reduce_bicubic, rgb8, to_uint8
from core.images import READABLE_SUFFIXES, Picture, load, save
from core.models.content import content_for, picture_distances
from core.upscale.engine import open_engine

SMALLEST = 32
"""Pixels: of a smaller side the border and SSIM's window leave nothing to measure."""
WORN_NOISE = 6.0
"""Standard deviation, in levels, of the noise in worn pictures."""
WORN_QUALITY = 50
"""Of their JPEG compression, with colour at half the resolution."""


def evaluate(request: EvaluateRequest, cancel: CancelToken) -> Iterator[PictureEvaluated | SetEvaluated | Notice]:
    """Measure a model on one or several sets of HR pictures.

    Yields:
        A `PictureEvaluated` for each, a `Notice` for each that cannot be read, and a `SetEvaluated` after each set.

    Raises:
        UserError: the model or the content weights are unusable, or there are no pictures.
        Cancelled: asked for.
    """
    sets = _sets(request.data)
    engine = open_engine(request.model, request.device, request.precision, detail=request.detail)
    content = content_for(request.content_weights)
    if content is None:
        yield Notice("No perceptual distance: that needs content weights (--content-weights, or torchvision's VGG19).")
    else:
        content = content.to(engine.device)
    for name, files in sets.items():
        done: list[PictureEvaluated] = []
        pixels = 0
        for path in files:
            cancel.check()
            try:
                hr = rgb8(load(path).pixels)
            except UserError as error:
                yield Notice(f"{path.name} is left out: {error.message}")
                continue
            hr = crop_to_multiple(hr, engine.scale)
            if min(hr.shape[:2]) < SMALLEST:
                yield Notice(f"{path.name} is left out: {hr.shape[1]} x {hr.shape[0]} is too small to measure.")
                continue
            lr = reduce_bicubic(hr, engine.scale)
            if request.worn:
                lr = worn(lr, len(done))
            begin = time.perf_counter()
            sr = engine.upscale(lr, cancel)
            seconds = time.perf_counter() - begin
            bicubic = enlarge_bicubic(lr, engine.scale)
            pixels += sr.shape[0] * sr.shape[1]
            mine, other = (None, None) if content is None else picture_distances(content, hr, [sr, bicubic])
            event = PictureEvaluated(
                path,
                name,
                psnr_y(hr, sr, engine.scale),
                ssim_y(hr, sr, engine.scale),
                psnr_y(hr, bicubic, engine.scale),
                ssim_y(hr, bicubic, engine.scale),
                mine,
                other,
                seconds,
                artefacts(hr, sr),
                artefacts(hr, bicubic),
            )
            if request.output is not None:
                folder = request.output / name
                folder.mkdir(parents=True, exist_ok=True)
                save(folder / f"{path.stem}.png", Picture(sr, None), "png")
            done.append(event)
            yield event
        if done:
            yield _means(name, done, pixels)


def _means(name: str, done: list[PictureEvaluated], pixels: int) -> SetEvaluated:
    def mean(field: str) -> float:
        return float(np.mean([getattr(each, field) for each in done]))

    measured = done[0].perceptual is not None
    return SetEvaluated(
        name,
        len(done),
        mean("psnr_y"),
        mean("ssim_y"),
        mean("bicubic_psnr_y"),
        mean("bicubic_ssim_y"),
        mean("perceptual") if measured else None,
        mean("bicubic_perceptual") if measured else None,
        sum(each.seconds for each in done) / pixels * 1e6,
        _mean_artefacts([each.artefacts for each in done]),
        _mean_artefacts([each.bicubic_artefacts for each in done]),
    )


def _mean_artefacts(scores: list[Artefacts]) -> Artefacts:
    return Artefacts(*(float(np.mean([getattr(s, name) for s in scores])) for name in ("mesh", "ringing", "colour")))


def worn(lr: np.ndarray, seed: int) -> np.ndarray:
    """What a picture looks like that was taken in poor light and sent around: noise, then JPEG.

    Args:
        lr: H x W x 3 uint8 RGB.
        seed: of the noise.
    """
    noise = np.random.default_rng(seed).normal(0, WORN_NOISE, lr.shape)
    return compressed(to_uint8(lr + noise), "JPEG", quality=WORN_QUALITY)


def _sets(data: Path) -> dict[str, list[Path]]:
    if not data.is_dir():
        raise UserError(f"There is no folder {data}.", "Choose a folder of HR pictures.")

    def pictures(folder: Path) -> list[Path]:
        return sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE_SUFFIXES and p.is_file())

    folders = [data, *sorted(p for p in data.iterdir() if p.is_dir())]
    sets = {folder.name or str(folder): files for folder in folders if (files := pictures(folder))}
    if not sets:
        raise UserError(f"{data} holds no pictures.", "Choose a folder of HR pictures.")
    return sets
