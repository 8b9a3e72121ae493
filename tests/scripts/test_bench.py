"""The benchmarks, on a few pixels: they run, and print one ratio for each contender."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from scripts import (
    bench_batches,
    bench_cluster,
    bench_engine,
    bench_formats,
    bench_package,
    bench_runtimes,
    bench_scale,
    bench_training,
    bench_window,
)
from tests.core.networks import save_small_model
from tests.scripts.conftest import Run

TINY = (
    "generator.features=8",
    "generator.blocks=1",
    "psnr.batch=2",
    "psnr.crops=[8]",
    "psnr.crop_starts=[0.0]",
    "gan.batch=2",
    "gan.crops=[8]",
    "gan.discriminator_features=4",
)


def test_bench_engine(main: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_engine, "ROUNDS", 1)
    monkeypatch.setattr(bench_engine, "SIDE", 16)
    said = main(bench_engine)
    assert re.findall(r"\d+\.\d\d of the plain", said)[0] == "1.00 of the plain"
    assert len(said.splitlines()) in (2, 3)  # where half precision does not pay, `auto` is fp32


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """No shipped model: runtimes are tried for one, and take seconds to prepare it."""
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


def test_bench_runtimes(main: Run, monkeypatch: pytest.MonkeyPatch, small_model: str) -> None:
    monkeypatch.setattr(bench_engine, "ROUNDS", 1)
    monkeypatch.setattr(bench_runtimes, "SIDE", 32)
    # The one that all know, and one that some refuse.
    monkeypatch.setattr(bench_runtimes, "PRECISIONS", ("fp32", "bf16"))
    said = main(bench_runtimes, "--only", small_model)
    assert re.search(r"torch auto +1\.00 of torch's time", said)
    assert re.search(r"cpu fp32 .*equal to fp32", said)
    assert re.search(r"openvino fp32 +\d+\.\d\d of torch's time", said)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_bench_scale(main: Run) -> None:
    said = main(
        bench_scale, "--names=2000", "--planned=20", "--streamed=30", "--generated=2000", "--resumed=2000", "--flat=30"
    )
    assert len(re.findall(r": +-?\d+ bytes, +\d+\.\d µs for each", said)) == 10


@pytest.mark.skipif(sys.platform != "linux", reason="Ray has clusters of several nodes on Linux alone")
def test_bench_cluster(main: Run, small_model: str) -> None:
    pytest.importorskip("ray", reason="needs the extra srgan-desktop[cluster]")
    said = main(bench_cluster, "--pictures=4", f"--model={small_model}")
    assert re.search(r"with --cluster on this machine: \d+\.\d\d times as long", said)
    assert re.search(r"the driver: \d+\.\d% of its workers' processor time", said)
    assert re.search(r"two nodes of one core: \d+\.\d\d times as fast as one", said)


def test_bench_training(main: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ROUNDS", 1), ("WAITING_SECONDS", 0.1), ("TAUGHT_STEPS", 4), ("PICTURES", 4)):
        monkeypatch.setattr(bench_training, name, value)
    said = main(bench_training, *(f"--set={field}" for field in TINY))
    assert len(re.findall(r"^\S.* step: \d+\.\d\d times", said, re.MULTILINE)) == len(bench_training.CONTESTS)
    assert re.search(r"^a step with a teacher takes \d+\.\d+ times as long", said, re.MULTILINE)
    assert len(re.findall(r"waiting for \w+ data, .*: \d+\.\d\d%", said)) == 4


def test_bench_package_says_what_is_missing(main: Run, tmp_path: Path) -> None:
    assert "no packaged program" in main(bench_package, tmp_path)


def test_bench_package_takes_turns() -> None:
    order: list[str] = []

    def contender(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    times = bench_package.alternately(2, lambda: contender("a", 1.0), lambda: contender("b", 2.0))
    assert (order, times) == (["a", "b", "a", "b"], [[1.0, 1.0], [2.0, 2.0]])


def test_bench_window(main: Run, qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_window, "TURNS", 1)
    monkeypatch.setattr(bench_window, "MANY", 200)
    monkeypatch.setattr(bench_window, "STARTS", 1)
    said = main(bench_window, "--against", str(bench_window.ROOT))
    assert re.search(r"start: \d+\.\d\d times that of", said)
    assert re.search(r"sort, 200 rows: \d+\.\d ms, \d+\.\d times that of 100", said)
    assert re.search(r"TrainPage: longest piece \d+ ms", said)


def test_bench_formats(main: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROUNDS": 1, "SIZE": (40, 60), "PAGES": 3, "PAGE": (20, 30)}.items():
        monkeypatch.setattr(bench_formats, name, value)
    said = main(bench_formats)
    assert len(re.findall(r"^(?:writing|reading) .*: \d+\.\d\d of the library's time$", said, re.MULTILINE)) == 4
    assert re.search(r"a TIFF of 3 pages: \d+\.\d\d of the memory", said)
    assert re.search(r"metadata of a JPEG: -?\d+\.\d\d ms a file", said)


def test_bench_batches(main: Run, monkeypatch: pytest.MonkeyPatch, small_model: str) -> None:
    tiny = {"PICTURES": 5, "SIDES": (12, 20), "MODEL": small_model, "TURNS": 1, "X4PLUS_SIDE": 16, "LARGE_SIDE": 50}
    for name, value in tiny.items():
        monkeypatch.setattr(bench_batches, name, value)
    monkeypatch.setattr(bench_engine, "ROUNDS", 1)
    said = main(bench_batches, "--large")
    assert re.search(r"a batch of 5: \d+\.\d\d of the network's own time", said)
    assert re.search(r"without torch: 0\.\d\d GB at the peak", said)
    assert re.search(r"x4plus takes \d+\.\d\d times as long", said)
