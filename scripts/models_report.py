"""Measure every shipped model, and write the tables and pictures of docs/models.md anew.

    make models-report BENCH=folder-with-Set5-Set14-BSD100 CONTENT=vgg16-features.safetensors

Figures are kept in docs/models/figures.json under the SHA-256 of the weights, so only new weights are measured;
`--speed` measures the seconds again, all models in turn in one run. Pictures are made from resources/samples and a page
of text that is drawn here. `--also NAME=FILE` adds a model that does not ship to the table of artefacts.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt
from torch import Tensor, nn

from core import processor
from core.contract.cancel import CancelToken
from core.contract.evaluate import BICUBIC, Evaluated, EvaluateRequest, ModelQuality, SetEvaluated
from core.contract.jobs import Notice
from core.evaluate.benchmark import add_wear, evaluate
from core.evaluate.metrics import luma
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, middle, reduce_bicubic, rgb8
from core.images import load
from core.models.catalogue import DEFAULT_MODEL, base_of, find_model, full_of, models
from core.models.weights import load_generator
from core.upscale.engine import open_engine

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "models.md"
FIGURES = ROOT / "docs" / "models" / "figures.json"
IMAGES = ROOT / "docs" / "images"
SAMPLES = ROOT / "resources" / "samples"
MEASURED = {"clean": ("Set5", "Set14", "BSD100"), "worn": ("Set5", "Set14")}
SCALE = 4
HALF = 50
"""Percent of detail that is measured between a base and its model."""
HALO = (2, 6)
"""Pixels from the ink: where marks round text are looked for. Nearer, an edge is merely a little off."""
ROUNDS = 5
SPEED_SIDE = 192

PUBLISHED = (
    ("SRCNN (2014)", ("30.48 / .8628", "27.50 / .7513", "26.90 / .7101")),
    ("FSRCNN (2016)", ("30.70 / .8657", "27.59 / .7535", "26.96 / .7128")),
    ("SRResNet (2017)", ("32.05 / .9019", "28.49 / .8184", "27.58 / .7620")),
    ("SRGAN (2017)", ("29.40 / .8472", "26.02 / .7397", "25.16 / .6688")),
    ("ESRGAN’s PSNR network (2018)", ("32.73 / .9011", "28.99 / .7917", "27.85 / .7455")),
)
"""PSNR / SSIM as the papers, or later ones' tables, print them. Their training sets are far larger."""


@dataclass(frozen=True)
class Candidate:
    """What is measured: a model at a detail."""

    label: str
    name: str
    """Key or path."""
    detail: int = 100
    ships: bool = True
    ensemble: bool = False

    @property
    def identity(self) -> str:
        """A name for the weights and for how they are used."""
        model = find_model(self.name)
        parts = [model.path] if self.detail == 100 else [model.path, base_of(model).path]  # type: ignore[union-attr]
        ways = [str(self.detail)] if self.detail < 100 else []
        ways += ["ensemble"] if self.ensemble else []
        return "-".join([*(digest_of_weights(path) for path in parts), *ways])

    @property
    def alone(self) -> bool:
        """Whether it is a file used as it is: what has a cost, a size and a column of its own."""
        return self.detail == 100 and not self.ensemble


def digest_of_weights(path: Path) -> str:
    """The hash of a safetensors file without its header: another card is not another model."""
    content = path.read_bytes()
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared" / "data" / "bench")
    parser.add_argument("--content", type=Path)
    parser.add_argument("--also", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--speed", action="store_true", help="measure the seconds again")
    options = parser.parse_args()
    candidates = shipped()
    alone = [candidate for candidate in candidates if candidate.alone]
    extra = [Candidate(name, file, ships=False) for name, _, file in (each.partition("=") for each in options.also)]
    kept: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.is_file() else {}
    measure([*candidates, *extra], options.bench, options.content, kept)
    if options.speed or any("seconds" not in kept[candidate.identity] for candidate in alone):
        measure_speed(alone, kept)
    # Weights that no longer ship are no longer shown.
    current = {BICUBIC, *(candidate.identity for candidate in candidates)}
    kept = {key: entry for key, entry in kept.items() if key in current or not entry["ships"]}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    # Also those that were measured in an earlier run and do not ship.
    known = [(entry["label"], entry) for entry in kept.values() if not entry.get("ships", True)]
    rows = [(BICUBIC, kept[BICUBIC]), *((candidate.label, kept[candidate.identity]) for candidate in candidates)]
    write_page(
        figures=figures_table(rows),
        worn=worn_table(rows),
        cost=cost_table([(candidate.label, kept[candidate.identity]) for candidate in alone]),
        artefacts=artefacts_table([*rows, *known]),
    )
    draw_sheets(alone)


def shipped() -> list[Candidate]:
    """The models that ship, bases before what was trained on from them (the usual model's also in eight passes), and
    half-way along each Detail slider."""
    found = []
    for model in sorted(models(), key=lambda model: full_of(model) is model):
        if not model.shipped:
            continue
        if base_of(model) is not None:
            found.append(Candidate(f"`{model.card.name}` at {HALF} %", model.key, HALF))
        found.append(Candidate(f"`{model.card.name}`", model.key))
        if full_of(model).key == DEFAULT_MODEL != model.key:
            found.append(Candidate(f"`{model.card.name}`, 8 passes", model.key, ensemble=True))
    return found


def measure(candidates: list[Candidate], bench: Path, content: Path | None, kept: dict[str, Any]) -> None:
    """Fill in what is not known yet of these weights. Originals and bicubic go through the VGG once for all models."""
    for candidate in candidates:
        entry = kept.setdefault(candidate.identity, {})
        entry |= {"label": candidate.label, "ships": candidate.ships}
        model = find_model(candidate.name)
        entry["bytes"] = model.path.stat().st_size
        if "multiply_adds" not in entry:
            generator, _card = load_generator(model.path, fold=True)
            entry["multiply_adds"] = multiply_adds(generator)
            entry["parameters"] = sum(value.numel() for value in generator.parameters())
        if "halo" not in entry:
            engine = open_engine(candidate.name, "cpu", "fp32", detail=candidate.detail)
            entry["halo"] = halo(engine.upscale(small_text(), CancelToken(), ensemble=candidate.ensemble))
    kept.setdefault(BICUBIC, {})["halo"] = halo(enlarge_bicubic(small_text(), SCALE))
    for kind, sets in MEASURED.items():
        for name in sets:
            missing = [each for each in candidates if name not in kept[each.identity].setdefault(kind, {})]
            if missing and (bench / name).is_dir():
                if content is None:
                    raise SystemExit("There are weights to measure: say with which VGG file (CONTENT=..., --content).")
                asked = tuple(Evaluated(each.name, each.detail, ensemble=each.ensemble) for each in missing)
                request = EvaluateRequest(asked, bench / name, content, "cpu", "fp32", worn=kind == "worn")
                means = mean_of(evaluate(request, CancelToken()))
                places = [kept.setdefault(BICUBIC, {}), *(kept[each.identity] for each in missing)]
                for place, quality in zip(places, [means.bicubic, *means.results], strict=True):
                    place.setdefault(kind, {})[name] = figures_of_set(quality, means.pictures)
                    print(kind, name, place.get("label", BICUBIC), place[kind][name], flush=True)


def mean_of(events: Iterable[object]) -> SetEvaluated:
    """The one set's means. A picture that was left out, or a missing distance, would make another table of it."""
    means: list[SetEvaluated] = []
    for event in events:
        if isinstance(event, Notice):
            raise SystemExit(event.message)
        if isinstance(event, SetEvaluated):
            means.append(event)
    (only,) = means
    return only


def black_text() -> np.ndarray:
    """Black letters of several sizes on white, as HR."""
    lines = [(56, "Aa Rg 8 Qe"), (40, "Super 25 resolution"), (30, "of small pictures 1960")]
    lines += [(24, "the quick brown fox jumps over"), (64, "& @ S 9")]
    return written((512, 384), lines, corner=(8, 6), spacing=1.35, ink=(0, 0, 0))


def small_text() -> np.ndarray:
    """The same, as LR."""
    return reduce_bicubic(black_text(), SCALE)


def halo(result: np.ndarray) -> float:
    """Mean error of luma round the letters of an enlarged `small_text`, `HALO` pixels from the ink, in levels."""
    truth = luma(black_text())
    away = distance_transform_edt(truth > 128)
    around = (away >= HALO[0]) & (away <= HALO[1])
    return float(np.abs(luma(result) - truth)[around].mean())


def figures_of_set(quality: ModelQuality, pictures: int) -> dict[str, float]:
    """What is kept of a set's means."""
    kept = {"psnr_y": quality.psnr_y, "ssim_y": quality.ssim_y, **asdict(quality.artefacts), "pictures": pictures}
    return kept if quality.perceptual is None else kept | {"perceptual": quality.perceptual}


def multiply_adds(generator: nn.Module) -> int:
    """What all convolutions take per LR pixel."""
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += module.weight[0].numel() * output.numel()

    hooks = [each.register_forward_hook(count) for each in generator.modules() if isinstance(each, nn.Conv2d)]
    side = 32
    with torch.inference_mode():
        generator(torch.rand(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return round(total / side**2)


def measure_speed(candidates: list[Candidate], kept: dict[str, Any]) -> None:
    """Seconds a megapixel of output in the precision that the program chooses here, taking turns."""
    processor.keep_large_blocks()
    pixels = np.random.default_rng(0).integers(0, 255, (SPEED_SIDE, SPEED_SIDE, 3), np.uint8)
    engines = {
        candidate.identity: open_engine(candidate.name, "cpu", detail=candidate.detail) for candidate in candidates
    }
    times: dict[str, list[float]] = {identity: [] for identity in engines}
    for turn in range(ROUNDS + 1):
        for identity, engine in engines.items():
            start = time.perf_counter()
            engine.upscale(pixels, CancelToken())
            if turn:
                times[identity].append(time.perf_counter() - start)
    for identity, engine in engines.items():
        megapixels = (SPEED_SIDE * engine.scale) ** 2 / 1e6
        kept[identity]["seconds"] = statistics.median(times[identity]) / megapixels
        kept[identity]["precision"] = engine.precision


# Tables


def figures_of(result: dict[str, float]) -> str:
    """`31.45 / .8851 / .123`: PSNR, SSIM and, where it was measured, the perceptual distance."""
    text = f"{result['psnr_y']:.2f} / {_point(result['ssim_y'], 4)}"
    return f"{text} / {_point(result['perceptual'], 3)}" if "perceptual" in result else text


def _point(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".lstrip("0")


def figures_table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """On clean LR, beside published figures."""
    lines = _table("x4, clean LR", *MEASURED["clean"])
    lines += [_row(label, *(figures_of(entry["clean"][name]) for name in MEASURED["clean"])) for label, entry in rows]
    lines += [_row(f"*{label}*", *(f"*{each}*" for each in figures)) for label, figures in PUBLISHED]
    return "\n".join(lines)


def worn_table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """On noisy, compressed LR."""
    lines = _table("x4, worn LR", *MEASURED["worn"])
    lines += [_row(label, *(figures_of(entry["worn"][name]) for name in MEASURED["worn"])) for label, entry in rows]
    return "\n".join(lines)


def cost_table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """Complexity and size."""
    lines = _table("", "multiply-adds per LR pixel", "parameters", "file", "seconds a megapixel")
    most = max(entry["seconds"] for _label, entry in rows)
    for label, entry in rows:
        lines.append(
            _row(
                label,
                f"{entry['multiply_adds'] / 1e3:,.0f} thousand",
                f"{entry['parameters'] / 1e6:.2f} million",
                f"{entry['bytes'] / 1e6:.2f} MB",
                f"{entry['seconds']:.2f} ({entry['seconds'] / most:.2f} of the slowest; {entry['precision']})",
            )
        )
    return "\n".join(lines)


def artefacts_table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """Means over all pictures of the sets, and what stands round black letters."""
    heads = ("mesh, dB", "ringing, levels", "colour shift, levels", "halo round text, levels")
    lines = _table("clean LR, all three sets", *heads)
    for label, entry in rows:
        sets = [entry["clean"][name] for name in MEASURED["clean"]]
        weights = [each["pictures"] for each in sets]
        means = (np.average([each[s] for each in sets], weights=weights) for s in ("mesh", "ringing", "colour"))
        round_text = f"{entry['halo']:.1f}" if "halo" in entry else "–"
        lines.append(_row(label, *(f"{mean:.2f}" for mean in means), round_text))
    return "\n".join(lines)


def _table(*heads: str) -> list[str]:
    return [_row(*heads), "|" + "---|" * len(heads)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def write_page(**tables: str) -> None:
    """Put each table between its two marks."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin not in text:
            raise SystemExit(f"{PAGE} has no {begin}")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"
    PAGE.write_text(text, encoding="utf-8")


# Pictures


def draw_sheets(candidates: list[Candidate]) -> None:
    """Three sheets: samples as truth, the same after wear, and samples enlarged as users enlarge them."""
    IMAGES.mkdir(exist_ok=True)
    truths = {name: sample(name, 128) for name in ("cat.jpg", "astronaut.jpg", "textures/grass.png", "rocket.jpg")}
    truths["text"] = page_of_text(128)
    columns = [candidate for candidate in candidates if "fast" not in candidate.name]
    for file, wear in (("models-clean", False), ("models-worn", True)):
        grid = []
        for number, truth in enumerate(truths.values()):
            lr = reduce_bicubic(truth, 4)
            if wear:
                lr = add_wear(lr, number)
            made = [open_engine(each.name, "cpu", "fp32").upscale(lr, CancelToken()) for each in columns]
            grid.append([np.repeat(np.repeat(lr, 4, 0), 4, 1), enlarge_bicubic(lr, 4), *made, truth])
        heads = ["LR", "bicubic", *(find_model(each.name).card.name for each in columns), "HR"]
        save_sheet(IMAGES / f"{file}.webp", heads, grid, zoom=2)
    grid = []
    for name, corner in (("portrait.png", (32, 24)), ("coffee.webp", (90, 50)), ("textures/bricks.webp", (40, 40))):
        part = np.ascontiguousarray(rgb8(load(SAMPLES / name).pixels)[corner[1] :, corner[0] :][:64, :64])
        made = [open_engine(each.name, "cpu", "fp32").upscale(part, CancelToken()) for each in columns]
        grid.append([enlarge_bicubic(part, 4), *made])
    heads = ["bicubic", *(find_model(each.name).card.name for each in columns)]
    save_sheet(IMAGES / "models-use.webp", heads, grid, zoom=1)


def sample(name: str, side: int) -> np.ndarray:
    """The middle of a sample picture."""
    pixels = crop_to_multiple(rgb8(load(SAMPLES / name).pixels), 4)
    return np.ascontiguousarray(pixels[middle(pixels.shape, side)])


def page_of_text(side: int) -> np.ndarray:
    """Dark letters on white, down to a size that no model can read."""
    lines = [(30, "Aa Rg 8"), (22, "Super 25"), (16, "resolution")]
    lines += [(12, "of small pictures"), (9, "cannot read what is not there")]
    return written((side, side), lines, corner=(4, 2), spacing=1.2, ink=(20, 20, 30))


def written(
    extent: tuple[int, int],
    lines: list[tuple[int, str]],
    *,
    corner: tuple[int, int],
    spacing: float,
    ink: tuple[int, int, int],
) -> np.ndarray:
    """Lines of (size of the letters in pixels, words) under one another on a white page of `extent` (width, height)."""
    image = Image.new("RGB", extent, "white")
    draw = ImageDraw.Draw(image)
    left, y = corner
    for size, words in lines:
        draw.text((left, y), words, fill=ink, font=ImageFont.load_default(size))
        y += int(size * spacing)
    return np.asarray(image)


def save_sheet(path: Path, heads: list[str], grid: list[list[np.ndarray]], zoom: int) -> None:
    """Pictures in rows under a line of names, each pixel `zoom` x `zoom`."""
    gap, top = 6, 26
    side = grid[0][0].shape[0] * zoom
    font = ImageFont.load_default(15)
    image = Image.new("RGB", (len(heads) * (side + gap) - gap, top + len(grid) * (side + gap) - gap), "white")
    draw = ImageDraw.Draw(image)
    for column, head in enumerate(heads):
        draw.text((column * (side + gap) + side / 2, 4), head, fill="black", font=font, anchor="ma")
        for line, row in enumerate(grid):
            cell = Image.fromarray(row[column]).resize((side, side), Image.Resampling.NEAREST)
            image.paste(cell, (column * (side + gap), top + line * (side + gap)))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=92, method=6)
    path.write_bytes(file.getvalue())
    print(f"{path}: {image.width} x {image.height}, {len(file.getvalue()) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
