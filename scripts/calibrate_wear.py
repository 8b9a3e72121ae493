"""Fit the estimator of wear to pictures whose wear is known, and print how near it comes on others.

    python scripts/calibrate_wear.py make --data FOLDER --out CACHE [--count N] [--seed S]
    python scripts/calibrate_wear.py fit CACHE... --out resources/estimator/wear.npz
    python scripts/calibrate_wear.py check --data FOLDER

FOLDER holds train/, train2/ (fitted to) and val/ (checked on). `make` wears crops of them, measures each and keeps
measurements and truth; run it several times with other seeds for more. `fit` trains the small network on them, leaving
a fifth of the originals out to choose by. `check` wears the pictures of val/ in stated ways and prints a table.
"""

from __future__ import annotations

import argparse
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from core.evaluate.resampling import KERNELS, compressed, resize, to_uint8
from core.images.wear import KINDS, LOUDEST, MOST_DEVIATIONS, NETWORK, OUTPUTS, SHIFT, estimate_wear
from core.images.wear_features import measure
from core.training.synthetic import draw

RGB_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], np.float32)
UNKNOWN = -1.0
HIDDEN = (48, 32)
MEMBERS = 2
"""Networks whose mean is taken."""
EPOCHS = 40
BATCH = 128
KIND_WEIGHTS = (1.5, 1.0, 1.0)
TIMES = 8
"""Every crop is worn so many times in different ways."""
SIDES = (128, 256, 512)
"""Sizes that those of val/, which have 512 pixels a side, are checked at; the smaller ones are what people enlarge."""
HELD_OUT = 5
"""One original in so many is not fitted to."""


@dataclass
class Truth:
    """What befell a picture; `UNKNOWN` where it cannot be said."""

    noise: float = 0.0
    chroma: float = 0.0
    quality: float = 100.0
    blur: float = 0.0
    kind: float = UNKNOWN

    def row(self) -> list[float]:
        return [self.noise, self.chroma, self.quality, self.blur, self.kind]


def gaussian(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Blurred with mirrored borders."""
    reach = max(1, int(np.ceil(4 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        wide = np.pad(picture, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="symmetric")
        picture = sum(
            weight * wide[(slice(None),) * axis + (slice(k, k + picture.shape[axis]),)] for k, weight in enumerate(taps)
        )
    return picture


def spread(noise: np.ndarray, share: float, times: int) -> np.ndarray:
    """Neighbours made alike, at the same deviation."""
    for _ in range(times):
        for axis in (0, 1):
            noise = noise + np.float32(share) * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    return noise / max(float(noise.std()), 1e-3)


def noise_like(picture: np.ndarray, sigma: float, kind: str, random: np.random.Generator) -> np.ndarray:
    """Noise of a deviation of `sigma` in every channel, on average over the picture where it follows the light."""
    height, width = picture.shape[:2]
    colour = random.standard_normal((height, width, 3), dtype=np.float32)
    if kind == "white":
        noise = colour
    elif kind == "grey":
        noise = np.repeat(colour[..., :1], 3, 2)
    elif kind == "correlated":
        noise = spread(colour, random.uniform(0.15, 0.5), int(random.integers(1, 3)))
    elif kind == "grain":
        light = picture.mean(2, keepdims=True)
        noise = spread(colour[..., :1], random.uniform(0.2, 0.6), int(random.integers(1, 4)))
        noise = np.repeat(noise * (0.35 + 0.65 * np.sin(np.pi * np.clip(light, 0, 255) / 255)), 3, 2)
    elif kind == "photons":
        noise = colour * np.sqrt(np.maximum(picture, 4) / 128)
    elif kind == "blotches":
        fine = np.repeat(colour.mean(2, keepdims=True) * np.float32(3**0.5), 3, 2)
        noise = fine + spread(random.standard_normal((height, width, 3), dtype=np.float32), 0.5, 4)
    else:
        raise ValueError(kind)
    return (noise * np.float32(sigma / max(float(noise.std()), 1e-3))).astype(np.float32)


NOISES = {"white": 0.1, "grey": 0.2, "correlated": 0.15, "grain": 0.35, "photons": 0.1, "blotches": 0.1}
"""Shares; grey noise is hardest to tell from texture, so there is more of it."""


def jpeg(picture: np.ndarray, quality: int, subsampling: int, offset: tuple[int, ...] = (0, 0)) -> np.ndarray:
    y, x = offset
    padded = to_uint8(np.pad(picture, ((y, 0), (x, 0), (0, 0)), mode="edge"))
    return compressed(padded, "JPEG", quality=quality, subsampling=subsampling)[y:, x:].astype(np.float32)


def deviation(difference: np.ndarray) -> tuple[float, float]:
    """Root mean square of luma, and of both colour differences together, of H x W x 3 RGB."""
    squares = np.square(difference @ RGB_TO_YCC.T).mean((0, 1))
    return float(np.sqrt(squares[0])), float(np.sqrt(squares[1:].mean()))


def remaining(noisy: np.ndarray, clean: np.ndarray, noise: np.ndarray) -> tuple[float, float]:
    """What compression left of noise: its deviations, by the share of it that is still found in the difference."""
    before, after = noise @ RGB_TO_YCC.T, (noisy - clean) @ RGB_TO_YCC.T
    power, kept = np.square(before).mean((0, 1)), (before * after).mean((0, 1))
    luma = np.clip(kept[0] / max(power[0], 1e-6), 0, 1) * np.sqrt(power[0])
    share = np.clip(kept[1:].sum() / max(power[1:].sum(), 1e-6), 0, 1)
    return float(luma), float(share * np.sqrt(power[1:].mean()))


def wear(picture: np.ndarray, random: np.random.Generator, truth: Truth) -> np.ndarray:
    """Wear H x W x 3 float32 by a random few of the known ways, and say how."""
    way = random.random()
    if way < 0.12:
        return to_uint8(picture)
    if random.random() < 0.5:
        sigma = float(random.uniform(0.2, 2.4))
        picture = gaussian(picture, sigma)
        if truth.blur != UNKNOWN:
            truth.blur = float(np.hypot(truth.blur, sigma))
    clean = picture
    noise = np.zeros_like(picture)
    if random.random() < 0.7:
        sigma = float(np.exp(random.uniform(np.log(2), np.log(50))))
        noise = noise_like(picture, sigma, str(random.choice(list(NOISES), p=list(NOISES.values()))), random)
    noisy = np.clip(picture + noise, 0, 255)
    if random.random() < 0.12:
        sigma, strength = random.uniform(0.5, 1.6), np.float32(random.uniform(0.3, 1.5))
        clean, noisy = (np.clip(x + (x - gaussian(x, sigma)) * strength, 0, 255) for x in (clean, noisy))
        truth.blur = UNKNOWN
    clean, noisy = to_uint8(clean).astype(np.float32), to_uint8(noisy).astype(np.float32)
    # What is saved twice over, with and without its noise, tells how much of that was left.
    both: tuple[np.ndarray, ...] = (clean, noisy) if noise.any() else (noisy,)
    added = noisy - clean
    truth.noise, truth.chroma = deviation(added)
    saves = random.choice(3, p=(0.55, 0.34, 0.11))
    if random.random() < 0.06:
        quality = int(random.integers(20, 95))
        both = tuple(compressed(to_uint8(x), "WEBP", quality=quality, method=0).astype(np.float32) for x in both)
        truth.quality = UNKNOWN
    worst = 100
    same_grid = random.random() < 0.4
    for _ in range(saves):
        quality = int(random.integers(10, 98))
        offset = (0, 0) if same_grid or random.random() < 0.4 else tuple(int(n) for n in random.integers(0, 8, 2))
        subsampling = 2 if random.random() < 0.7 else 0
        both = tuple(jpeg(x, quality, subsampling, offset) for x in both)
        worst = min(worst, quality)
    if saves and truth.quality != UNKNOWN:
        truth.quality = min(worst, truth.quality)
    clean, noisy = both[0], both[-1]
    truth.noise, truth.chroma = remaining(noisy, clean, added) if added.any() else (0.0, 0.0)
    if random.random() < 0.04:
        # Shown a little smaller than it was saved: no grid is left, but what it did is.
        size = [max(24, round(side * random.uniform(0.6, 0.95))) for side in noisy.shape[:2]]
        noisy = resize(noisy, *size)
        truth.quality = truth.noise = truth.chroma = truth.blur = UNKNOWN
    return to_uint8(noisy)


def kind_of(path: Path) -> float:
    """By name: paintings and renders are left open, as people would call them by either name."""
    first = path.name.split("_")[0]
    if first == "text":
        return float(KINDS.index("text"))
    if first == "draw":
        return float(KINDS.index("drawing")) if path.suffix == ".webp" else UNKNOWN
    return UNKNOWN if first in ("game", "med") else float(KINDS.index("photograph"))


def group_of(path: Path) -> int:
    """The same for all crops of an original."""
    return zlib.crc32(path.stem.rsplit("_", 1)[0].encode()) % HELD_OUT


def original(path: Path | None, random: np.random.Generator) -> tuple[np.ndarray, Truth]:
    """A crop of a picture, most often reduced, so that it is sharp and clean, and what is known of it."""
    truth = Truth()
    if path is None:
        picture = draw(random)
    else:
        picture = np.asarray(Image.open(path).convert("RGB"))
        truth.kind = kind_of(path)
    most = 2.0 if truth.kind == KINDS.index("text") else 4.0
    reduced = 1.0 if random.random() < 0.2 else float(random.choice([2.0, most, random.uniform(1.6, most)]))
    if reduced == 1.0:
        # How sharp it was, and what its own compression left, nobody knows.
        truth.blur, truth.quality = UNKNOWN, 95.0 if path is not None and path.suffix == ".jpg" else 100.0
        side = int(random.integers(96, 256))
    else:
        side = int(random.integers(64, 160) * reduced)
    side = min(side, *picture.shape[:2])
    top, left = (int(random.integers(0, n - side + 1)) for n in picture.shape[:2])
    if reduced == 1.0:
        top, left = top // 8 * 8, left // 8 * 8
    picture = picture[top : top + side, left : left + side].astype(np.float32)
    if reduced > 1.0:
        small = max(24, round(side / reduced))
        picture = np.clip(resize(picture, small, small, KERNELS[int(random.integers(3))]), 0, 255)
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    if random.random() < 0.05 and reduced > 1.0:
        # Enlarged once before, as many are: soft, by how much depends.
        size = round(picture.shape[0] * random.uniform(1.2, 2.0))
        picture = np.clip(resize(picture, size, size), 0, 255)
        truth.blur = UNKNOWN
    if random.random() < 0.08:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    return picture, truth


def make(data: Path, out: Path, count: int, seed: int, seconds: float) -> None:
    random = np.random.default_rng(seed)
    files = sorted((data / "train").iterdir()) + sorted((data / "train2").iterdir())
    weights = np.array([{"text": 3.0, "draw": 3.0}.get(path.name.split("_")[0], 1.0) for path in files])
    weights /= weights.sum()
    rows: list[Any] = []
    deviations: list[Any] = []
    truths: list[Any] = []
    groups: list[Any] = []
    begun = time.monotonic()
    while len(rows) < count and time.monotonic() - begun < seconds:
        path = None if random.random() < 0.06 else files[int(random.choice(len(files), p=weights))]
        picture, known = original(path, random)
        group = group_of(path) if path is not None else int(random.integers(HELD_OUT))
        for _ in range(TIMES):
            truth = replace(known)
            measured = measure(wear(picture, random, truth), None)
            assert measured is not None
            rows.append(measured.values)
            deviations.append((measured.deviation, measured.chroma_deviation))
            truths.append(truth.row())
            groups.append(group)
    np.savez(
        out,
        values=np.array(rows, np.float32),
        deviations=np.array(deviations, np.float32),
        truths=np.array(truths, np.float32),
        groups=np.array(groups),
    )
    print(f"{len(rows)} pictures in {time.monotonic() - begun:.0f} s: {out}")


class Judge(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(*sizes) for sizes in ((inputs, HIDDEN[0]), (HIDDEN[0], HIDDEN[1]), (HIDDEN[1], OUTPUTS))
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        return self.layers[-1](values)


def noises(output: torch.Tensor, deviations: torch.Tensor) -> torch.Tensor:
    """Luma and chroma noise, N x 2, as `estimate_wear` computes them."""
    return torch.sigmoid(output[:, :2] + SHIFT) * torch.tensor(LOUDEST) * deviations


def misjudged(output: torch.Tensor, deviations: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Errors in units of what may be off, each counted where the truth is known."""

    def mean(error: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        size = error.abs()
        rounded = torch.where(size < 1, 0.5 * size**2, size - 0.5)
        return (rounded * known).sum() / known.sum().clamp(min=1)

    total = torch.zeros(())
    judged = noises(output, deviations)
    for column, weight in ((0, 1.0), (1, 0.7)):
        true = truth[:, column]
        allowed = 0.8 + 0.15 * true.clamp(min=0)
        # Coarse grey grain is so like texture, and so rare, that calling it all texture would pay.
        grain = (truth[:, 0] > 6) & (truth[:, 1] < 0.4 * truth[:, 0])
        # Texture taken for noise would be wiped.
        known = (true >= 0).float() * (1 + 0.5 * (true == 0) + 3 * grain)
        total = total + weight * mean((judged[:, column] - true) / allowed, known)
    quality, blur, kind = truth[:, 2], truth[:, 3], truth[:, 4]
    total = total + 0.6 * mean((100 * output[:, 2] - quality.clamp(max=95)) / 6, (quality >= 0).float())
    total = total + 0.6 * mean((output[:, 3] - blur) / 0.2, (blur >= 0).float())
    named = kind >= 0
    return total + nn.functional.cross_entropy(
        output[named, 4:], kind[named].long(), weight=torch.tensor(KIND_WEIGHTS), label_smoothing=0.02
    )


def fit(caches: list[Path], out: Path, everything: bool) -> None:
    stored = [np.load(path) for path in caches]
    names = ("values", "deviations", "truths", "groups")
    values, deviations, truths, groups = (np.concatenate([part[name] for part in stored]) for name in names)
    used = np.ones(len(values), bool) if everything else groups != 0
    mean, scale = values[used].mean(0), values[used].std(0) + 1e-3
    inputs = torch.tensor(np.clip((values - mean) / scale, -MOST_DEVIATIONS, MOST_DEVIATIONS), dtype=torch.float32)
    known, calm = torch.tensor(truths), torch.tensor(deviations)
    print(f"{used.sum()} of {len(values)} pictures")
    members = []
    for member in range(MEMBERS):
        members.append(trained(inputs[used], calm[used], known[used], member))
        if not everything:
            with torch.no_grad():
                judged = members[-1](inputs[~used])
                print(f"  network {member}: {float(misjudged(judged, calm[~used], known[~used])):.3f}")
    arrays = {"mean": mean, "scale": scale}
    for number in range(3):
        layers: list[Any] = [member.layers[number] for member in members]
        arrays[f"weight {number + 1}"] = np.stack([layer.weight.detach().numpy().T for layer in layers])
        arrays[f"bias {number + 1}"] = np.stack([layer.bias.detach().numpy() for layer in layers])
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out, **{name: array.astype(np.float16 if "weight" in name else np.float32) for name, array in arrays.items()}
    )
    if not everything:
        with torch.no_grad():
            output = torch.stack([member(inputs[~used]) for member in members]).mean(0)
            held_out_table(output.numpy(), noises(output, calm[~used])[:, 0].numpy(), truths[~used])


def trained(inputs: torch.Tensor, calm: torch.Tensor, known: torch.Tensor, seed: int) -> Judge:
    torch.manual_seed(seed)
    network = Judge(inputs.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.1)
    steps = EPOCHS * (len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(inputs))
        for first in range(0, len(inputs) - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            shaken = inputs[chosen] + 0.05 * torch.randn(BATCH, inputs.shape[1])
            optimiser.zero_grad()
            misjudged(network(shaken), calm[chosen], known[chosen]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return network.eval()


def held_out_table(output: np.ndarray, noise: np.ndarray, truths: np.ndarray) -> None:
    quality = 100 * output[:, 2]
    true, true_quality, true_blur, kind = truths[:, 0], truths[:, 2], truths[:, 3], truths[:, 4]
    near = np.abs(noise - true) <= np.maximum(1.5, 0.2 * true)
    for name, saved in (
        ("never saved as JPEG", true_quality >= 95),
        ("JPEG", (true_quality >= 0) & (true_quality < 95)),
    ):
        for low, high in ((0, 0.01), (0.01, 3), (3, 8), (8, 20), (20, 60)):
            chosen = saved & (true >= low) & (true < high)
            print(f"  {name}, noise {low:g} to {high:g}: {chosen.sum()} pictures, {near[chosen].mean():.1%} near")
    chosen = (true_quality >= 0) & (true_quality <= 85)
    print(f"  quality without the comb within 10: {(np.abs(quality - true_quality) <= 10)[chosen].mean():.1%}")
    chosen = true_blur >= 0
    print(f"  blur within 0.3: {(np.abs(output[:, 3] - true_blur) <= 0.3)[chosen].mean():.1%}")
    judged = output[:, 4:].argmax(1)
    for number, name in enumerate(KINDS):
        shares = [f"{(judged[kind == number] == other).mean():.1%} {called}" for other, called in enumerate(KINDS)]
        print(f"  {name}: {', '.join(shares)}")


def check(data: Path) -> None:
    """The table: how near the whole estimator comes on val/, whose pictures nothing was fitted to."""
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((data / "val").iterdir())]
    for side in SIDES:
        clean = [np.clip(resize(picture, side, side), 0, 255) for picture in pictures]
        print(f"{side} pixels a side: {len(clean)} pictures")
        estimates = [estimate_wear(to_uint8(picture)) for picture in clean]
        print(
            f"  clean: noise of {np.median([e.noise for e in estimates]):.1f}, over 2.5 in "
            f"{np.mean([e.noise > 2.5 for e in estimates]):.0%}; JPEG under 85 in "
            f"{np.mean([(e.jpeg_quality or 100) < 85 for e in estimates]):.0%}; blur of "
            f"{np.median([e.blur for e in estimates]):.2f}, "
            f"over 0.9 in {np.mean([e.blur > 0.9 for e in estimates]):.0%}; "
            f"photograph {np.mean([e.kind == 'photograph' for e in estimates]):.0%}"
        )
        sharpness = [e.blur for e in estimates]
        check_noise(clean)
        check_quality(clean)
        check_blur(clean, sharpness)


def check_noise(clean: list[np.ndarray]) -> None:
    random = np.random.default_rng(1)
    for kind in ("white", "correlated", "grain"):
        for sigma in (2, 5, 10, 20, 30):
            errors, chroma, true = [], [], []
            for picture in clean:
                noisy = to_uint8(picture + noise_like(picture, sigma, kind, random))
                luma, colour = deviation(noisy - to_uint8(picture).astype(np.float32))
                estimate = estimate_wear(noisy)
                errors.append(estimate.noise - luma)
                chroma.append(abs(estimate.chroma_noise - colour) <= max(1.5, 0.2 * colour))
                true.append(luma)
            near = np.mean(np.abs(errors) <= np.maximum(1.5, 0.2 * np.array(true)))
            print(
                f"  {kind} noise, luma {np.mean(true):.1f}: off by {np.mean(errors):+.1f} on average, "
                f"{near:.0%} near; chroma {np.mean(chroma):.0%} near"
            )


def check_quality(clean: list[np.ndarray]) -> None:
    random = np.random.default_rng(2)
    for name, sigma in (("", 0.0), (" after noise of 8", 8.0)):
        for quality in (15, 25, 35, 50, 65, 80, 90, 95):
            errors, found = [], 0
            for picture in clean:
                offset = tuple(int(n) for n in random.integers(0, 8, 2))
                noisy = picture + noise_like(picture, sigma, "white", random) if sigma else picture
                estimate = estimate_wear(to_uint8(jpeg(noisy, quality, 2 if random.random() < 0.7 else 0, offset)))
                found += estimate.jpeg_quality is not None
                errors.append((estimate.jpeg_quality or 100) - quality)
            near = np.mean(np.abs(errors) <= 10)
            print(f"  JPEG {quality}{name}: off by {np.median(errors):+.0f}, {near:.0%} within 10, {found} seen")
    errors = []
    for picture in clean:
        first, second = (int(n) for n in random.integers(20, 85, 2))
        twice = jpeg(jpeg(picture, first, 2), second, 0, tuple(int(n) for n in random.integers(0, 8, 2)))
        errors.append((estimate_wear(to_uint8(twice)).jpeg_quality or 100) - min(first, second))
    print(f"  JPEG twice, the worse: off by {np.median(errors):+.0f}, {np.mean(np.abs(errors) <= 10):.0%} within 10")


def check_blur(clean: list[np.ndarray], sharpness: list[float]) -> None:
    random = np.random.default_rng(3)
    for name, sigma, quality in (("", 0.0, 0), (", noise of 8, JPEG 60", 8.0, 60)):
        for blur in (0.0, 0.5, 1.0, 1.5, 2.0):
            errors = []
            for picture, before in zip(clean, sharpness, strict=True):
                worn = gaussian(picture, blur) if blur else picture
                if sigma:
                    worn = worn + noise_like(worn, sigma, "white", random)
                if quality:
                    worn = jpeg(worn, quality, 2)
                errors.append(estimate_wear(to_uint8(worn)).blur - float(np.hypot(blur, before)))
            near = np.mean(np.abs(errors) <= 0.3)
            print(f"  blur {blur:.1f}{name}: off by {np.mean(errors):+.2f}, {near:.0%} within 0.3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("--data", type=Path, required=True)
    making.add_argument("--out", type=Path, required=True)
    making.add_argument("--count", type=int, default=20_000)
    making.add_argument("--seed", type=int, default=1)
    making.add_argument("--seconds", type=float, default=float("inf"))
    fitting = commands.add_parser("fit")
    fitting.add_argument("caches", type=Path, nargs="+")
    fitting.add_argument("--out", type=Path, default=NETWORK)
    fitting.add_argument("--everything", action="store_true", help="fit to the held-out fifth too")
    checking = commands.add_parser("check")
    checking.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "make":
        make(given.data, given.out, given.count, given.seed, given.seconds)
    elif given.command == "fit":
        fit(given.caches, given.out, given.everything)
    else:
        check(given.data)


if __name__ == "__main__":
    main()
