"""How many pictures a second does the trainer learn from, beside the same step written plainly?

Ratios of the best of several rounds, measured in turn in one run: the PSNR step and the SRGAN step of the `default`
recipe, and the SRGAN step of the `students` recipe, each against fp32, contiguous, eager PyTorch with the same
networks, losses and crops. Then a step with a teacher whose outputs are on the disk, as `distil` takes it, against the
same step without one, and the share of time in which the device waits for data. Weights are random: only time is
measured. `--set FIELD=VALUE` changes all recipes, as in `srgan train`.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from core import paths, processor
from core.models.content import ContentLoss, ContentNetwork, InputRule
from core.models.discriminator import UNetDiscriminator, build_discriminator
from core.models.generator import Generator, GeneratorConfig, initialise
from core.training.dataset import Batch, CropLoader, TrainingPicture, loader_of
from core.training.losses import LOSSES, StepContext
from core.training.networks import training_precision
from core.training.pool import CHUNK, Pool
from core.training.recipe import GanStage, Recipe, StageRecipe, load_recipe
from core.training.step import Training

ROUNDS = 5
WAITING_SECONDS = 10
TAUGHT_STEPS = 40
PICTURES = 48
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a field of the recipes")
    fields = tuple((field, value) for field, _, value in (each.partition("=") for each in parser.parse_args().set))
    processor.keep_large_blocks()
    torch.manual_seed(0)
    precision = training_precision(CPU, "auto")
    print(f"{torch.get_num_threads()} threads, the trainer in {precision}, the plain steps in fp32")
    with _Plain(fields) as plain:
        speed = {
            name: _pictures_a_second({"trainer": _trainer(name, fields), "plain": partial(plain, name)})
            for name in CONTESTS
        }
    for name, of in speed.items():
        print(f"{name} step: {of['trainer'] / of['plain']:.2f} times the plain step's pictures a second")
    # Both stages work on crops of 128 x 128.
    ratio = speed["SRGAN"]["trainer"] / speed["students' SRGAN"]["plain"]
    print(f"SRGAN step beside the students' plain one: {ratio:.2f} times the pictures of 128 x 128 a second")
    recipe = load_recipe("default", fields)
    with tempfile.TemporaryDirectory() as folder:
        pictures = _photographs(Path(folder))
        for degradation in ("bicubic", "blind"):
            for cache, held in ((2 << 30, "all in memory"), (PICTURES << 18, "a third of them in memory")):
                share = _waiting(recipe, pictures, degradation, cache)
                print(f"waiting for {degradation} data, {held}: {share:.2%} of the time")
        print(f"a step with a teacher takes {_taught(pictures, Path(folder), fields):.3f} times as long as one without")


CONTESTS: dict[str, tuple[str, Literal["psnr", "gan"]]] = {
    "PSNR": ("default", "psnr"),
    "SRGAN": ("default", "gan"),
    "students' SRGAN": ("students", "gan"),
}
"""Recipe and stage of each pair of contenders."""

Fields = tuple[tuple[str, str], ...]
"""Changed fields of the recipes, as `load_recipe` takes them."""


def _trainer(name: str, fields: Fields) -> Callable[[], int]:
    """The trainer's step; gives the number of its pictures."""
    recipe, stage = _recipe(name, fields)
    training, content = _training(recipe), None
    if stage.losses.get("content"):
        content = _content(recipe).to(memory_format=torch.channels_last)
    training.content_distance = content
    # Behind the discriminator's head start, where a step is the whole step.
    training.step = recipe.psnr.steps + recipe.gan.head_start if stage is recipe.gan else 0
    training.begin_stage(stage is recipe.gan)
    batch = _crops(stage.batch, stage.crops[0], recipe.generator.scale)

    def step() -> int:
        training.train_step([batch])
        return stage.batch

    return step


def _training(recipe: Recipe) -> Training:
    return Training(recipe, _generator(recipe), CPU, training_precision(CPU, "auto"))


def _generator(recipe: Recipe) -> Generator:
    generator = Generator(GeneratorConfig(**recipe.generator.model_dump()))
    initialise(generator)
    return generator


def _recipe(name: str, fields: Fields) -> tuple[Recipe, StageRecipe]:
    file, stage = CONTESTS[name]
    recipe = load_recipe(file, fields).for_pictures(2000)
    return recipe, recipe.gan if stage == "gan" else recipe.psnr


class _Plain:
    """The plain steps, in a process of their own: how the trainer sets memory up is part of what is measured."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def __enter__(self) -> Callable[[str], int]:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve_plain, args=(other, self.fields), daemon=True)
        self.process.start()
        return self._step

    def _step(self, name: str) -> int:
        self.pipe.send(name)
        pictures: int = self.pipe.recv()
        return pictures

    def __exit__(self, *exception: object) -> None:
        self.pipe.send("")
        self.process.join()


def _serve_plain(pipe: Connection, fields: Fields) -> None:
    """Do the steps that are named, one contest after the other; an empty name ends it."""
    torch.manual_seed(0)
    now = ""
    while name := pipe.recv():
        if name != now:
            now, step = name, _plain(name, fields)
        pipe.send(step())


def _plain(name: str, fields: Fields) -> Callable[[], int]:
    recipe, stage = _recipe(name, fields)
    scale = recipe.generator.scale
    content = _content(recipe) if stage.losses.get("content") else None
    plain = _PlainStep(stage, _generator(recipe), content, scale)
    batch = _crops(stage.batch, stage.crops[0], scale)

    def step() -> int:
        plain(batch)
        return stage.batch

    return step


class _PlainUNet(nn.Module):
    """The U-Net discriminator with its features enlarged first and convolved then, as it is usually written."""

    def __init__(self, network: UNetDiscriminator) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        d = self.network

        def up(conv: Any, x: Tensor) -> Tensor:
            doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            normed: Tensor = conv.parametrizations.weight[0](conv.parametrizations.weight.original)
            return F.leaky_relu(F.conv2d(F.pad(doubled, (1, 1, 1, 1), mode="replicate"), normed), 0.2)

        y0 = F.leaky_relu(d.first(x), 0.2)
        y1 = F.leaky_relu(d.down1(y0), 0.2)
        y2 = F.leaky_relu(d.down2(y1), 0.2)
        y = F.leaky_relu(d.down3(y2), 0.2)
        y = up(d.up1, y) + y2
        y = up(d.up2, y) + y1
        y = up(d.up3, y) + y0
        return d.logits(F.leaky_relu(d.last2(F.leaky_relu(d.last1(y), 0.2)), 0.2))


class _PlainStep:
    """What a tutorial would write: fp32, contiguous, one backward pass a network, the discriminator after."""

    def __init__(self, stage: StageRecipe, generator: Generator, content: nn.Module | None, scale: int) -> None:
        self.stage = stage
        self.generator = generator.train()
        self.ema = copy.deepcopy(generator).requires_grad_(False).eval()
        self.content = content
        self.optimizer = torch.optim.AdamW(generator.parameters(), stage.rate, stage.betas)
        if isinstance(stage, GanStage):
            crop = stage.crops[0] * scale
            network = build_discriminator(stage.discriminator, stage.discriminator_features, crop)
            self.discriminator = _PlainUNet(network) if isinstance(network, UNetDiscriminator) else network
            self.optimizer_d = torch.optim.AdamW(self.discriminator.parameters(), stage.discriminator_rate, stage.betas)

    def __call__(self, batch: Batch) -> None:
        stage = self.stage
        lr, hr = (
            torch.from_numpy(each).permute(0, 3, 1, 2).float().contiguous() / 255 for each in (batch.lr, batch.hr)
        )
        self.optimizer.zero_grad()
        sr = self.generator(lr)
        fake = real = ema_sr = None
        if stage.losses.get("adversarial"):
            self.discriminator.requires_grad_(False)
            fake, real = self.discriminator(sr), sr.new_zeros(1)
        if stage.losses.get("ldl"):
            with torch.no_grad():
                ema_sr = self.ema(lr)
        context = StepContext(sr, hr, ema_sr=ema_sr, content_distance=self.content, real_logits=real, fake_logits=fake)
        total = sum((w * LOSSES[name](context) for name, w in stage.losses.items() if w), torch.zeros(()))
        total.backward()  # type: ignore[no-untyped-call]
        self._move(self.generator, self.optimizer)
        if fake is not None:
            self.discriminator.requires_grad_(True)
            self.optimizer_d.zero_grad()
            real, fake = self.discriminator(hr), self.discriminator(sr.detach())
            (F.softplus(-real).mean() + F.softplus(fake).mean()).backward()  # type: ignore[no-untyped-call]
            self._move(self.discriminator, self.optimizer_d)
        if stage.ema:
            with torch.no_grad():
                for mine, average in zip(self.generator.parameters(), self.ema.parameters(), strict=True):
                    average.lerp_(mine, 1 - stage.ema)

    def _move(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if self.stage.clip:
            nn.utils.clip_grad_norm_(network.parameters(), self.stage.clip)
        optimizer.step()


def _content(recipe: Recipe) -> ContentLoss:
    """The content loss on a VGG of random weights: no one trains here, and nothing is to be downloaded."""
    wanted = recipe.gan.content
    counts = (2, 2, 4, 4, 4) if wanted.network == "vgg19" else (2, 2, 3, 3, 3)
    state: dict[str, Tensor] = {}
    maps, index = 3, 0
    for block, count in enumerate(counts):
        for _ in range(count):
            after = min(512, 64 << block)
            state[f"{index}.weight"] = torch.randn(after, maps, 3, 3) * (2 / (9 * maps)) ** 0.5
            state[f"{index}.bias"] = torch.zeros(after)
            maps, index = after, index + 2
        index += 1
    network = ContentNetwork(wanted.network, state, InputRule(), "random")
    return ContentLoss(
        network,
        wanted.layers,
        before_activation=wanted.before_activation,
        distance=wanted.distance,
        normalise=wanted.normalise,
    )


def _crops(count: int, side: int, scale: int) -> Batch:
    random = np.random.default_rng(0)
    hr = random.integers(0, 256, (count, side * scale, side * scale, 3), np.uint8)
    return Batch(np.ascontiguousarray(hr[:, ::scale, ::scale]), hr)


def _pictures_a_second(contenders: dict[str, Callable[[], int]]) -> dict[str, float]:
    """At its best of each, taking turns; other work on the machine only ever takes away. The first turn warms up."""
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS + 1):
        for name, step in contenders.items():
            begin = time.perf_counter()
            pictures = step()
            if turn:
                speeds[name].append(pictures / (time.perf_counter() - begin))
    return {name: max(each) for name, each in speeds.items()}


def _photographs(folder: Path) -> list[TrainingPicture]:
    """JPEGs of 512 x 512, cut out of the sample pictures."""
    random = np.random.default_rng(0)
    samples = [Image.open(p).convert("RGB") for p in sorted((paths.RESOURCES / "samples").glob("*.jpg"))]
    pictures = []
    for number in range(PICTURES):
        sample = samples[number % len(samples)]
        side = int(random.integers(min(sample.size) // 2, min(sample.size)))
        x, y = (int(random.integers(length - side)) for length in sample.size)
        path = folder / f"{number}.jpg"
        sample.crop((x, y, x + side, y + side)).resize((512, 512)).save(path, quality=95)
        pictures.append(TrainingPicture(path, 512, 512, ""))
    return pictures


def _waiting(recipe: Recipe, pictures: list[TrainingPicture], degradation: str, cache_bytes: int) -> float:
    """Share of a run of PSNR steps, the shorter ones, that the device stood still for want of crops."""
    stage, trainer = recipe.psnr, _training(recipe)
    trainer.begin_stage(gan=False)
    loader = CropLoader(
        pictures,
        scale=recipe.generator.scale,
        degradation=degradation,
        seed=0,
        cache_bytes=cache_bytes,
        threads=recipe.data.loader_threads,
    )
    with loader:
        step = 0

        def train_step() -> None:
            nonlocal step
            ahead = [(later, stage.crops[0], stage.batch) for later in range(step + 1, step + 4)]
            trainer.train_step([loader.take(step, stage.crops[0], stage.batch, ahead)])
            step += 1

        for _ in range(3):
            train_step()
        before, begin = loader.waited, time.perf_counter()
        while time.perf_counter() - begin < WAITING_SECONDS:
            train_step()
        return (loader.waited - before) / (time.perf_counter() - begin)


def _taught(pictures: list[TrainingPicture], folder: Path, fields: Fields) -> float:
    """How many times as long a step with a teacher takes, its crops included, as the same step towards the truth."""
    taught = load_recipe("distil", fields)
    plain = taught.model_copy(update={"psnr": taught.psnr.model_copy(update={"losses": {"l1": 1.0}})})
    pool = Pool(folder, 64, taught.generator.scale, 200)
    records = np.zeros(CHUNK, pool.dtype)
    random = np.random.default_rng(0)
    for chunk in pool.chunks:
        for name in ("lr", "hr", "teacher"):
            records[name] = random.integers(0, 256, records[name].shape, np.uint8)
        pool.write(chunk, records)
    contenders = [(recipe, _training(recipe), loader_of(recipe, pictures, pool=of)) for recipe, of in
                  ((plain, None), (taught, pool))]  # fmt: skip
    for _, training, _ in contenders:
        training.begin_stage(gan=False)
    times: list[list[float]] = [[], []]
    for step in range(TAUGHT_STEPS):
        for of, (recipe, training, loader) in zip(times, contenders, strict=True):
            begin = time.perf_counter()
            training.train_step([loader.cut(step, recipe.psnr.crops[0], recipe.psnr.batch)])
            of.append(time.perf_counter() - begin)
    # The first ones decode pictures.
    without, with_teacher = (float(np.median(of[TAUGHT_STEPS // 4 :])) for of in times)
    return with_teacher / without


if __name__ == "__main__":
    main()
