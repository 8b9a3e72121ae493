"""What is in the packaged program, and what is not."""

import filecmp
import re
import subprocess
from pathlib import Path

import pytest

from core.worker import WORK
from tests.packaging.conftest import EXE, LIGHT, ROOT

FORBIDDEN = {
    "headers": r"\.(h|hpp|cuh|cmake)$",
    "static libraries": r"\.(a|lib)$",
    "compilers": r"^triton/|(^|/)(protoc(-[\d.]+)?|ptxas|nvcc)(/|$)",
    "test tools": r"^(pytest|_pytest|hypothesis|mypy|ruff|pre_commit|tensorboard)(/|$)",
    "tests of packages": r"^(numpy|sympy|mpmath|scipy|pydantic|pyqtgraph)/(.*/)?tests?/",
    "optional codecs": r"^(pillow_heif|onnx|onnxruntime|scipy|cv2|skimage)(/|$)",
    "other parts of Qt": r"Qt6?(Quick|Qml|WebEngine|Pdf|Designer|Multimedia|Sql|Test)",
    "GTK": r"libgtk-|qgtk3",
    "the system's C++ library": r"^libstdc\+\+\.so",
}
if LIGHT:
    FORBIDDEN |= {
        "torch": r"^(torch|torchvision|spandrel|einops|sympy|nvidia)(/|$)",
        "front ends of OpenVINO": r"openvino_(onnx|tensorflow|pytorch|paddle|jax|gguf).*frontend",
        "telemetry": r"openvino_telemetry",
    }
MEGABYTES = 350
"""The light edition's folder, at most."""
PACKED_MEGABYTES = 150
"""The archive of it, at most."""


@pytest.fixture(scope="module")
def names(inside: Path) -> list[str]:
    return [path.relative_to(inside).as_posix() for path in inside.rglob("*")]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_holds_no(what: str, names: list[str]) -> None:
    assert [name for name in names if re.search(FORBIDDEN[what], name)] == []


def test_holds_every_module_of_ours(inside: Path) -> None:
    wanted = {
        path.relative_to(ROOT).with_suffix(".pyc")
        for package in ("core", "srgan_desktop")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__main__.py" or path.parent.name == "srgan_desktop"
    }
    assert {path for path in wanted if not (inside / path).is_file()} == set()


def test_holds_all_kinds_of_work(inside: Path) -> None:
    for target in WORK.values():
        assert (inside / (target.split(":")[0].replace(".", "/") + ".pyc")).is_file(), target


def test_resources_are_those_of_the_repository(inside: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "resources"], capture_output=True, text=True, check=True
    ).stdout
    files = [name for name in listed.split("\0") if name]
    assert len(files) > 40
    _, different, missing = filecmp.cmpfiles(ROOT, inside, files, shallow=False)
    assert (different, missing) == ([], [])


def test_says_whose_works_it_holds(inside: Path, names: list[str]) -> None:
    text = (inside / "THIRD_PARTY_LICENSES.txt").read_text(encoding="utf-8")
    head = text.split("=" * 100)[0]
    computing = ("openvino", "ncnn") if LIGHT else ("torch", "spandrel", "ncnn")
    for name in ("Python", "numpy", "PySide6_Essentials", "pillow", "imagecodecs", "pyinstaller", *computing):
        assert re.search(rf"^{name} \S+: .* \[\d", head, re.MULTILINE), name
    for text_of in ("GNU LESSER GENERAL PUBLIC LICENSE", "Bootloader Exception", "PYTHON SOFTWARE FOUNDATION LICENSE"):
        assert text_of.lower() in text.lower(), text_of
    # A part that is really here, by its folder, is really named.
    for folder, owner in (("torchvision", "torchvision"), ("einops", "einops"), ("nvidia", "nvidia-cudnn-cu13")):
        if any(name.startswith(f"{folder}/") for name in names):
            assert f"\n{owner} " in head


def test_says_what_it_was_built_of(inside: Path) -> None:
    text = (inside / "VERSIONS.txt").read_text(encoding="utf-8")
    assert re.search(r"^srgan-desktop \d", text)
    assert re.search(r"^commit \S+", text, re.MULTILINE)
    assert bool(re.search(r"^torch 2\.", text, re.MULTILINE)) is not LIGHT
    assert bool(re.search(r"^openvino 20", text, re.MULTILINE)) is LIGHT


def test_no_link_leads_nowhere(bundle: Path) -> None:
    assert [path for path in bundle.rglob("*") if path.is_symlink() and not path.exists()] == []


def test_both_programs_share_everything(bundle: Path) -> None:
    assert {path.name for path in bundle.iterdir()} == {f"srgan-desktop{EXE}", f"srgan{EXE}", "_internal"}
    for program in (f"srgan-desktop{EXE}", f"srgan{EXE}"):
        assert (bundle / program).stat().st_size < 12e6


@pytest.mark.of_the_light_edition
def test_is_small(bundle: Path, tmp_path: Path) -> None:
    files = [path for path in bundle.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 1e6
    archive = tmp_path / "light.tar.zst"
    # As the release packs it.
    subprocess.run(["tar", "-C", bundle, "-I", "zstd -10", "-cf", archive, "."], check=True)
    assert archive.stat().st_size < PACKED_MEGABYTES * 1e6
