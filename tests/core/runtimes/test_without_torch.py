"""The light edition: everything but training works without torch, and looks the same.

Each test asks a worker in a process of its own, where torch cannot be imported.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from spandrel.architectures.Compact import Compact

from core.contract.cancel import Cancelled, CancelToken
from core.contract.evaluate import CheckReady, CheckRequest, CompareRequest, ModelCompared
from core.contract.jobs import JobDone, JobFailed, Notice, WorkerReady
from core.contract.models import BlendRequest, DownloadRequest, ImportRequest, ModelAdded, ModelRefused
from core.contract.training import TrainRequest
from core.contract.upscale import Input, PreviewReady, PreviewRequest, UpscaleRequest
from core.models.card import ModelCard
from core.models.graph import Graph
from core.models.graph_files import save_graph
from core.models.weights import load_state
from core.paths import RESOURCES
from core.runtimes.ncnn_processor import load
from core.tiling import Rect
from core.upscale.batch import upscale
from tests.core.networks import save_small_model
from tests.core.runtimes.conftest import SMALL, generator_file, most_apart, sample
from tests.homes import move_in

pytestmark = pytest.mark.timeout(600)

HIDDEN = "import sys\nfor name in {names}: sys.modules[name] = None\n"
WORKER = """
import multiprocessing, pickle, threading
from core.contract.jobs import JobCancelled, JobDone, JobFailed
from core.contract.protocol import Shutdown, Submit
from core.worker import serve

def ask():
    reports = []
    for number, request in enumerate(pickle.load(open(sys.argv[1], "rb")), 1):
        ours.send(Submit(number, request))
        while not reports or reports[-1].job != number or not isinstance(
            reports[-1].event, (JobDone, JobFailed, JobCancelled)
        ):
            reports.append(ours.recv())
    with open(sys.argv[2], "wb") as file:
        pickle.dump((reports, "torch" in sys.modules and sys.modules["torch"] is not None), file)
    ours.send(Shutdown())

ours, theirs = multiprocessing.Pipe()
thread = threading.Thread(target=ask)
thread.start()
serve(theirs)
thread.join()
"""
TORCHS = ("torch", "torchvision", "spandrel")


def hidden_process(code: str, *arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDDEN.format(names=(*TORCHS, *without)) + code, *arguments],
        capture_output=True,
        encoding="utf-8",
        timeout=500,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@dataclass
class Light:
    """Asks the light edition."""

    folder: Path
    without: tuple[str, ...] = ()
    """Further packages that are not there."""

    def ask(self, *requests: object) -> list[list[Any]]:
        """The events of the worker's start, and of each request."""
        asked, answered = self.folder / "asked", self.folder / "answered"
        asked.write_bytes(pickle.dumps(requests))
        ended = hidden_process(WORKER, str(asked), str(answered), without=self.without)
        assert ended.returncode == 0, ended.stderr
        reports, has_torch = pickle.loads(answered.read_bytes())
        assert not has_torch
        return [[each.event for each in reports if each.job == number] for number in range(len(requests) + 1)]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        code = f"sys.argv[1:1] = {list(arguments)!r}\nfrom core.cli import main\nmain()"
        return hidden_process(code, without=self.without)


def of_kind(events: list[Any], kind: type) -> list[Any]:
    return [each for each in events if isinstance(each, kind)]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_in(monkeypatch, tmp_path)


@pytest.fixture(params=["openvino", "ncnn"])
def light(request: pytest.FixtureRequest, tmp_path: Path) -> Light:
    """With OpenVINO, and without."""
    if request.param == "ncnn":
        return Light(tmp_path, ("openvino",))
    pytest.importorskip("openvino")
    return Light(tmp_path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, one of them seen through."""
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(sample(48, 56)).save(folder / "cat.png")
    with Image.open(RESOURCES / "samples" / "cup.png") as cup:
        cup.resize((32, 25), Image.Resampling.LANCZOS).save(folder / "cup.png")
    return folder


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of scale 1, imported from ncnn."""
    graph = Graph()
    x = graph.add("input", channels=3)
    weight = np.random.default_rng(0).normal(0, 0.04, (3, 3, 3, 3)).astype(np.float32)
    weight[[0, 1, 2], [0, 1, 2], 1, 1] += 0.9
    graph.add("convolution", x, channels=3, weight=weight, bias=np.zeros(3, np.float32), sides=(1, 1, 1, 1))
    path = tmp_path_factory.mktemp("models") / "1x-sharpens.safetensors"
    save_graph(path, graph, ModelCard(name="sharpens", scale=1))
    return str(path)


def batch(pictures: Path, output: Path, **settings: Any) -> UpscaleRequest:
    return UpscaleRequest(inputs=(Input(pictures),), output=output, **settings)


MIXES: dict[str, dict[str, Any]] = {
    "faithful": {"model": "faithful-x4"},
    "detail": {"model": "detail-x4"},
    "half detail": {"model": "detail-x4", "detail": 50},
    "half cleaned": {"model": "detail-x4", "detail": 30, "clean_up": 60},
    "photo": {"model": "photo-x4"},
    "photo soft": {"model": "photo-soft-x4"},
    "fast": {"model": "fast-x4"},
    "automatic": {"model": "auto"},
    "ensemble": {"model": "fast-x4", "ensemble": True},
    "tiles": {"model": "fast-x4", "tile": 32},
}
"""Every shipped model, and what is mixed of several."""


@pytest.fixture(scope="module")
def mixes(restorer: str) -> dict[str, dict[str, Any]]:
    return MIXES | {"restored": {"model": "fast-x4", "before": (restorer,)}}


@pytest.fixture(scope="module")
def by_torch(
    pictures: Path, mixes: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], np.ndarray]:
    """What torch makes of each picture by each mix."""
    out = tmp_path_factory.mktemp("torch")
    for name, settings in mixes.items():
        list(upscale(batch(pictures, out / name, precision="fp32", device="cpu", **settings), CancelToken()))
    made = [(name, file.name) for name in mixes for file in pictures.iterdir()]
    return {(name, file): np.asarray(Image.open(out / name / file)) for name, file in made}


def test_results_are_those_of_torch(
    light: Light,
    pictures: Path,
    mixes: dict[str, dict[str, Any]],
    by_torch: dict[tuple[str, str], np.ndarray],
    tmp_path: Path,
) -> None:
    requests = [batch(pictures, tmp_path / name, precision="fp32", **each) for name, each in mixes.items()]
    start, *answers = light.ask(*requests)
    by = "by ncnn" if light.without else "by OpenVINO"
    assert by in of_kind(start, WorkerReady)[0].device
    for name, events in zip(mixes, answers, strict=True):
        assert isinstance(events[-1], JobDone), (name, events)
        assert by in of_kind(events, Notice)[0].message, name
    assert len(by_torch) == 2 * len(mixes)
    for (name, picture), wanted in by_torch.items():
        mine = np.asarray(Image.open(tmp_path / name / picture))
        assert mine.shape == wanted.shape
        assert wanted.std() > 5
        assert np.abs(mine.astype(int) - wanted).max() <= 1, (name, picture)


def test_what_the_window_asks_besides(light: Light, pictures: Path, restorer: str, tmp_path: Path) -> None:
    cat = pictures / "cat.png"
    mine = save_small_model(tmp_path / "mine.safetensors")
    _, shown, compared, checked, added = light.ask(
        PreviewRequest(source=cat, region=(10, 8, 30, 20), model="auto", before=(restorer,)),
        CompareRequest(cat, (10, 8, 30, 20), ("fast-x4", "photo-x4")),
        CheckRequest(cat, "fast-x4"),
        ImportRequest((mine, Path(restorer))),
    )
    (preview,) = of_kind(shown, PreviewReady)
    assert preview.pixels.shape == (80, 120, 3)
    assert [each.pixels.shape for each in of_kind(compared, ModelCompared)] == [(80, 120, 3)] * 2
    assert of_kind(checked, CheckReady)[0].quality.psnr_y > 20
    taken = of_kind(added, ModelAdded)
    assert len(taken) == 2
    state, card = load_state(taken[0].path)
    original = load_state(mine)[0]
    assert card.scale == 4
    assert all(torch.equal(value, original[name]) for name, value in state.items())


def test_what_needs_torch_is_said_in_one_sentence(pictures: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.pth"
    torch.save({"params": Compact(num_feat=8, num_conv=2, upscale=4).state_dict()}, theirs)
    weights = tmp_path / "vgg.safetensors"
    weights.touch()
    train = TrainRequest("quick", pictures, tmp_path / "run")
    _, *answers = Light(tmp_path).ask(
        train,
        batch(pictures, tmp_path / "out", model=str(theirs)),
        batch(pictures, tmp_path / "out", device="cuda"),
        CheckRequest(pictures / "cat.png", "fast-x4", content_weights=weights),
        BlendRequest("fast-x4", "photo-x4", 0.5),
        DownloadRequest("RealESRGAN_x4plus"),
        ImportRequest((theirs,)),
    )
    *failed, refused = answers
    subjects = ["Training", "theirs.pth", "The device “cuda”", "The perceptual distance", "Blending models"]
    subjects.append("RealESRGAN_x4plus.pth")
    for subject, events in zip(subjects, failed, strict=True):
        end = events[-1]
        assert isinstance(end, JobFailed), events
        assert end.message == f"{subject} needs torch, which this light edition leaves out."
        assert "pip install torch" in end.hint
        assert not end.details
    assert of_kind(refused, ModelRefused)[0].message.startswith("theirs.pth needs torch")


def test_the_command_does_the_same(light: Light, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = light.command("upscale", str(pictures), "-o", str(out), "--model", "auto", "--json")
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in out.glob("*.png")} == {"cat.png", "cup.png"}
    devices = [json.loads(line) for line in light.command("devices", "--json").stdout.splitlines()]
    first = "cpu" if light.without else "openvino"
    assert devices[0]["name"] == first
    assert "cpu" in [each["name"] for each in devices]
    refused = light.command("train", "quick", "--data", str(pictures))
    assert refused.returncode == 1
    assert refused.stderr.strip().startswith("“srgan train” needs torch, which this light edition leaves out.")
    assert "Traceback" not in refused.stderr
    listed = light.command("models", "list")
    assert listed.returncode == 0
    assert "faithful-x4" in listed.stdout
    assert "downloaded" not in listed.stdout


def test_ncnn_goes_on_where_openvino_finds_no_processor(pictures: Path, tmp_path: Path) -> None:
    # As under Wine, which does not tell OpenVINO how many cores there are.
    code = (
        "import openvino\n"
        "def none(*_rest, **_named): raise RuntimeError('cpu_streams.cpp:1398:\\nNo CPU resources available!\\n\\n')\n"
        "openvino.Core.compile_model = none\n"
        f"sys.argv[1:1] = ['upscale', {str(pictures)!r}, '-o', {str(tmp_path / 'out')!r}, '--model', 'fast-x4']\n"
        "from core.cli import main\nmain()"
    )
    ended = hidden_process(code)
    assert ended.returncode == 0, ended.stderr
    assert "by ncnn" in ended.stdout
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    refused = hidden_process(code, "--device", "openvino", "--output", str(tmp_path / "again"))
    assert refused.returncode == 1
    assert "OpenVINO does not compute on this machine: No CPU resources available!" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("tile", [0, 32])
def test_ncnn_on_the_processor_equals_torch(tmp_path: Path, tile: int) -> None:
    path = generator_file(tmp_path, **SMALL | {"blocks": 6, "skip": "bicubic"})
    assert most_apart(path, load, "cpu", tile=tile) <= 1


def test_ncnn_on_the_processor_tells_and_stops_within_a_tile(tmp_path: Path) -> None:
    path = generator_file(tmp_path, **SMALL | {"blocks": 10})
    network = load([(path, 1.0)], "cpu").network("fp32")
    source, told = sample(40, 40), list[float]()

    def run(report: Callable[[float], None]) -> None:
        for _part in network.run(source, Rect(0, 0, 40, 40), np.uint8, report):
            pass

    run(told.append)
    assert told == sorted(told)
    assert len([each for each in told if 0 < each < 0.4]) >= 3

    def stop(done: float) -> None:
        if done > 0.1:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(stop)
