"""The packaged `srgan`, where there is no Python and no home to write to, beside the command of the environment."""

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.packaging.conftest import EXACTLY, EXE, PRECISELY, READ_ONLY, ROOT, assert_same_pictures


@pytest.fixture
def srgan(bundle: Path, bare: dict[str, str], tmp_path: Path):
    def run(*words: str | Path) -> subprocess.CompletedProcess:
        return subprocess.run(
            [bundle / f"srgan{EXE}", *map(str, words)],
            env=bare,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
        )

    return run


def test_says_its_version(srgan):
    done = srgan("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("srgan 0.")


def test_explains_itself(srgan):
    # Help is drawn by parts of rich that nothing else needs.
    done = srgan("upscale", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--model" in done.stdout


def test_lists_devices(srgan):
    done = srgan("devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cpu" in done.stdout.lower()


def test_makes_the_same_pictures_as_the_command(srgan, unfrozen, pictures, tmp_path):
    done = srgan("upscale", pictures, "-o", tmp_path / "frozen", *PRECISELY)
    assert (done.returncode, done.stderr) == (0, "")
    command = [unfrozen, "upscale", pictures, "-o", tmp_path / "unfrozen", *EXACTLY]
    subprocess.run(command, check=True, capture_output=True)
    assert_same_pictures(tmp_path / "frozen", tmp_path / "unfrozen")
    assert not READ_ONLY or not (Path(READ_ONLY) / ".cache").exists()


def test_reports_a_broken_picture_as_the_command_does(srgan, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    done = srgan("upscale", tmp_path / "broken.png", "-o", tmp_path / "out", "--json")
    assert done.returncode == 1
    kinds = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert "FileFailed" in kinds
    assert "Traceback" not in done.stderr


@pytest.mark.of_the_full_edition
def test_trains_a_few_steps_and_upscales_with_the_result(srgan, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, name in enumerate(("cat.jpg", "astronaut.jpg", "rocket.jpg", "coffee.webp")):
        with Image.open(ROOT / "resources" / "samples" / name) as image:
            image.convert("RGB").resize((160, 128)).save(photos / f"{number}.png")
    small = ["generator.features=8", "generator.blocks=1", "psnr.steps=4", "psnr.batch=2", "psnr.warmup=1"]
    small += ["validation.every=2", "validation.pictures=1", "validation.side=64", "validation.shown=1"]
    done = srgan("train", "quick", "--data", photos, "--run", tmp_path / "run", *(f"--set={field}" for field in small))
    assert done.returncode == 0, done.stderr
    models = sorted((tmp_path / "run").rglob("*.safetensors"))
    assert models
    used = srgan("upscale", photos / "0.png", "-o", tmp_path / "large", "--model", models[0])
    assert used.returncode == 0, used.stderr
    with Image.open(tmp_path / "large" / "0.png") as image:
        assert image.size == (640, 512)


@pytest.mark.of_the_light_edition
def test_computes_by_openvino_and_by_ncnn(srgan, pictures, tmp_path):
    devices = [json.loads(line) for line in srgan("devices", "--json").stdout.splitlines()]
    assert devices[0]["name"] == "openvino"
    by = {"auto": "by OpenVINO", "cpu": "by ncnn"}
    for device, label in by.items():
        words = ["-o", tmp_path / device, "--device", device, *PRECISELY]
        done = srgan("upscale", pictures / "cat.jpg", "--model", "fast-x4", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert label in done.stdout
    assert_same_pictures(tmp_path / "auto", tmp_path / "cpu")
    eight = srgan("upscale", pictures / "cat.jpg", "-o", tmp_path / "8", "--model", "fast-x4", "--precision", "int8")
    assert (eight.returncode, eight.stderr) == (0, "")
    assert "(int8)" in eight.stdout


@pytest.mark.of_the_light_edition
def test_says_what_it_leaves_out(srgan, pictures, tmp_path):
    done = srgan("train", "quick", "--data", pictures)
    assert done.returncode == 1
    wanted = "“srgan train” needs torch, which this light edition leaves out. Get the full program."
    assert done.stderr.strip() == wanted
    (tmp_path / "theirs.pth").write_bytes(b"PK\x03\x04")
    done = srgan("upscale", pictures, "-o", tmp_path / "out", "--model", tmp_path / "theirs.pth")
    assert done.returncode == 1
    assert "theirs.pth needs torch" in done.stderr
