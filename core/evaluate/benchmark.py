"""Measure a model as papers do: reduce HR pictures by bicubic, enlarge them again, compare, beside bicubic."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.atomic import check_free
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import (
    BICUBIC,
    Artefacts,
    Evaluated,
    EvaluateEvent,
    EvaluateRequest,
    ModelQuality,
    PictureEvaluated,
    SetEvaluated,
)
from core.contract.jobs import Notice
from core.evaluate.artefacts import artefacts
from core.evaluate.metrics import mean_psnr, psnr_y, ssim_y
from core.evaluate.perceptual import content_network, perceptual
from core.evaluate.resampling import compressed, crop_to_multiple, enlarge_bicubic, reduce_bicubic, rgb8, to_uint8
from core.evaluate.saving import save_png
from core.images import READABLE_SUFFIXES, load
from core.language import gettext as _
from core.models.catalogue import SUFFIXES
from core.names import free_name
from core.upscale.engine import open_engine

if TYPE_CHECKING:
    from core.models.content import ContentNetwork

SMALLEST = 32
"""Pixels: of a smaller side the border and SSIM's window leave nothing to measure."""
WORN_NOISE = 6.0
"""Standard deviation, in levels, of the noise in worn pictures."""
WORN_QUALITY = 50
"""The quality of their JPEG compression, with colour at half the resolution."""


def evaluate(request: EvaluateRequest, cancel: CancelToken) -> Iterator[EvaluateEvent]:
    """Measure models and bicubic on one or several sets of HR pictures.

    Yields:
        A `PictureEvaluated` for each, a `Notice` for each that cannot be read, and a `SetEvaluated` after each set.

    Raises:
        UserError: a model or the content weights are unusable, the models differ in scale, there are no pictures, or a
            result that is to be kept has no free place.
        Cancelled: asked for.
    """
    sets = _sets(request.data)
    engines = [
        open_engine(each.model, request.device, request.precision, detail=each.detail, clean_up=each.clean_up)
        for each in request.models
    ]
    names = labels(request.models)
    kept = {} if request.output is None else _places(request.output, names, sets)
    check_free(kept.values())
    scale = engines[0].scale
    if any(engine.scale != scale for engine in engines):
        raise UserError(_("These models enlarge by different factors."), _("Measure those of one factor together."))
    content = content_network(request.content_weights, engines[0].device)
    if content is None:
        yield Notice(_("No perceptual distance: it needs a VGG (--content-weights FILE)."))
    for name, files in sets.items():
        done: list[PictureEvaluated] = []
        pixels = 0
        for path in files:
            cancel.check()
            try:
                hr = rgb8(load(path).pixels)
            except UserError as error:
                yield Notice(_("{name} is left out: {message}").format(name=path.name, message=error.message))
                continue
            hr = crop_to_multiple(hr, scale)
            if min(hr.shape[:2]) < SMALLEST:
                yield Notice(
                    _("{name} is left out: {width} x {height} is too small to measure.").format(
                        name=path.name, width=hr.shape[1], height=hr.shape[0]
                    )
                )
                continue
            lr = reduce_bicubic(hr, scale)
            if request.worn:
                lr = add_wear(lr, len(done))
            made, seconds = [], []
            for engine, asked in zip(engines, request.models, strict=True):
                begin = time.perf_counter()
                made.append(engine.upscale(lr, cancel, ensemble=asked.ensemble))
                seconds.append(time.perf_counter() - begin)
            shown = {BICUBIC: enlarge_bicubic(lr, scale), **dict(zip(names, made, strict=True))}
            bicubic, *results = _qualities(hr, shown, scale, content)
            pixels += hr.shape[0] * hr.shape[1]
            if kept:
                for label, sr in zip(names, made, strict=True):
                    save_png(kept[label, path], sr)
            done.append(PictureEvaluated(path, name, bicubic, tuple(results), tuple(seconds)))
            yield done[-1]
        if done:
            yield SetEvaluated(
                name,
                len(done),
                _mean([each.bicubic for each in done]),
                tuple(_mean([each.results[k] for each in done]) for k in range(len(engines))),
                tuple(sum(each.seconds[k] for each in done) / pixels * 1e6 for k in range(len(engines))),
            )


def labels(models: Sequence[Evaluated]) -> list[str]:
    """What each is called in tables and as a folder: its key, file or run, and how it is used; numbered where equal."""
    found: list[str] = []
    for each in models:
        path = Path(each.model)
        name = path.stem if path.suffix.lower() in SUFFIXES else path.name
        if name == "model" and path.parent.name:
            name = path.parent.name  # a training run's, as all of them call theirs so
        wanted = name if each.detail == 100 else f"{name} at {each.detail} %"
        wanted += f", clean-up {each.clean_up} %" if each.clean_up else ""
        wanted += ", 8 passes" if each.ensemble else ""
        found.append(free_name(wanted, found.__contains__))
    return found


def _qualities(
    hr: np.ndarray, results: dict[str, np.ndarray], scale: int, content: ContentNetwork | None
) -> list[ModelQuality]:
    distances: list[float | None] = [None] * len(results)
    if content is not None:
        distances[:] = perceptual(content, hr, list(results.values()))
    return [
        ModelQuality(name, psnr_y(hr, sr, scale), ssim_y(hr, sr, scale), distance, artefacts(hr, sr))
        for (name, sr), distance in zip(results.items(), distances, strict=True)
    ]


def _mean(each: list[ModelQuality]) -> ModelQuality:
    distances = [quality.perceptual for quality in each if quality.perceptual is not None]
    faults = (float(np.mean([getattr(q.artefacts, name) for q in each])) for name in ("mesh", "ringing", "colour"))
    return ModelQuality(
        each[0].of,
        mean_psnr([quality.psnr_y for quality in each]),
        float(np.mean([quality.ssim_y for quality in each])),
        float(np.mean(distances)) if distances else None,
        Artefacts(*faults),
    )


def _places(output: Path, names: list[str], sets: dict[str, list[Path]]) -> dict[tuple[str, Path], Path]:
    """Where the result of each model goes for each picture; `x.jpg` and `x.png` of one set do not share one."""
    places: dict[tuple[str, Path], Path] = {}
    for label in names:
        top = output / label if len(names) > 1 else output
        for name, files in sets.items():
            stems = Counter(path.stem.casefold() for path in files)
            for path in files:
                stem = path.stem if stems[path.stem.casefold()] == 1 else path.name
                places[label, path] = top / name / f"{stem}.png"
    return places


def add_wear(lr: np.ndarray, seed: int) -> np.ndarray:
    """What a picture looks like that was taken in poor light and sent around: noise, then JPEG.

    Args:
        lr: H x W x 3 uint8 RGB.
        seed: of the noise.
    """
    noise = np.random.default_rng(seed).normal(0, WORN_NOISE, lr.shape)
    return compressed(to_uint8(lr + noise), "JPEG", quality=WORN_QUALITY)


def _sets(data: Path) -> dict[str, list[Path]]:
    if not data.is_dir():
        raise UserError(_("There is no folder {data}.").format(data=data), _("Choose a folder of HR pictures."))

    def pictures(folder: Path) -> list[Path]:
        return sorted(p for p in folder.iterdir() if p.suffix.lower() in READABLE_SUFFIXES and p.is_file())

    folders = [data, *sorted(p for p in data.iterdir() if p.is_dir())]
    sets = {folder.name or str(folder): files for folder in folders if (files := pictures(folder))}
    if not sets:
        raise UserError(_("{data} holds no pictures.").format(data=data), _("Choose a folder of HR pictures."))
    return sets
