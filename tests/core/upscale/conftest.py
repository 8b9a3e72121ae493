from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.upscale import FileFailed, FileSaved, FileSkipped, Input, UpscaleRequest
from core.upscale.batch import upscale
from tests.core.networks import save_small_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


def picture(path: Path, width: int = 12, height: int = 9, seed: int = 0, mode: str = "RGB") -> Path:
    """A small picture with something in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(mode) if mode != "L" else 1
    pixels = np.random.default_rng(seed).integers(30, 220, (height, width, channels), np.uint8)
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(path)
    return path


@dataclass
class Outcome:
    """What a run said, sorted."""

    events: list[Any] = field(default_factory=list)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def saved(self) -> dict[str, Path]:
        return {event.source.name: event.output for event in self.of(FileSaved)}

    @property
    def skipped(self) -> dict[str, Path]:
        return {event.source.name: event.output for event in self.of(FileSkipped)}

    @property
    def failed(self) -> dict[str, str]:
        return {event.source.name: f"{event.message} {event.hint}" for event in self.of(FileFailed)}


Run = Callable[..., Outcome]


@pytest.fixture
def run(model: str) -> Run:
    """Upscale with the small model; keyword arguments go into the request."""

    def run_it(*inputs: Path | Input, cancel: CancelToken | None = None, **settings: Any) -> Outcome:
        request = UpscaleRequest(
            tuple(each if isinstance(each, Input) else Input(each) for each in inputs), **{"model": model} | settings
        )
        outcome = Outcome()
        for event in upscale(request, cancel or CancelToken()):
            outcome.events.append(event)
        return outcome

    return run_it


def files_in(folder: Path) -> list[str]:
    """Every visible file, relative."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".srgan") for part in path.relative_to(folder).parts)
    )
