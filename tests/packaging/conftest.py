"""Tests of the packaged program; `make test-package` builds it first and says where it is."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
BUNDLE = os.environ.get("SRGAN_BUNDLE", "")
"""The folder that PyInstaller made."""
LIGHT = os.environ.get("SRGAN_EDITION") == "light"
"""Whether that is the edition without torch."""
EXE = ".exe" if os.name == "nt" else ""
READ_ONLY = {"linux": "/sys", "darwin": "/System"}.get(sys.platform, "")
"""A home where nobody can write, not even root."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.packaged)
            item.add_marker(pytest.mark.timeout(600))
            if not BUNDLE:
                item.add_marker(pytest.mark.skip(reason="no packaged program: make test-package"))
            elif LIGHT and item.get_closest_marker("of_the_full_edition"):
                item.add_marker(pytest.mark.skip(reason="the light edition does not have that"))
            elif not LIGHT and item.get_closest_marker("of_the_light_edition"):
                item.add_marker(pytest.mark.skip(reason="of the light edition: make test-package-light"))


@pytest.fixture(scope="session")
def bundle() -> Path:
    folder = Path(BUNDLE).absolute()
    assert (folder / f"srgan-desktop{EXE}").is_file(), f"no packaged program in {folder}"
    return folder


@pytest.fixture(scope="session")
def inside(bundle: Path) -> Path:
    """Where all but the two programs lie."""
    return bundle / "_internal"


@pytest.fixture(scope="session")
def unfrozen() -> Path:
    """The `srgan` command of the environment that the bundle was built in."""
    return Path(sys.executable).with_name(f"srgan{EXE}")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment with no Python to be found, and nowhere to write at home."""
    empty = tmp_path / "no programs"
    empty.mkdir()
    environment = {"PATH": str(empty), "HOME": READ_ONLY, "LANG": "C.UTF-8", "TMPDIR": str(tmp_path)}
    if os.name == "nt":
        # Windows finds its own libraries by the first; and the home is where the others say, not where HOME does.
        keep = ("SYSTEMROOT", "LOCALAPPDATA", "APPDATA", "USERPROFILE", "TEMP")
        environment |= {name: os.environ[name] for name in keep if name in os.environ}
    return environment


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """A real folder: photographs with a subfolder, transparency, and every kind of file that is written."""
    folder = tmp_path_factory.mktemp("pictures")
    samples = ROOT / "resources" / "samples"
    with Image.open(samples / "cat.jpg") as cat:
        small = cat.convert("RGB").resize((64, 48), Image.Resampling.LANCZOS)
    small.save(folder / "cat.jpg", quality=95)
    small.save(folder / "cat-web.webp", lossless=True)
    small.save(folder / "cat-av.avif", quality=90)
    small.save(folder / "cat-lzw.tif", compression="tiff_lzw")
    (folder / "album").mkdir()
    with Image.open(samples / "cup.png") as cup:
        cup.resize((48, 40), Image.Resampling.LANCZOS).save(folder / "album" / "cup.png")
    deep = np.linspace(0, 65535, 40 * 56 * 3).astype(np.uint16).reshape(40, 56, 3)
    _write_deep_png(folder / "album" / "deep.png", deep)
    return folder


def _write_deep_png(path: Path, pixels: np.ndarray) -> None:
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(pixels))


def samples_of(path: Path) -> np.ndarray:
    """All that a picture file says about its pixels, in its own depth."""
    import imagecodecs
    import tifffile

    if path.suffix == ".png":
        return imagecodecs.png_decode(path.read_bytes())
    if path.suffix in (".tif", ".tiff"):
        return tifffile.imread(path)
    with Image.open(path) as image:
        return np.asarray(image)


def files_below(folder: Path) -> set[Path]:
    """The pictures below a folder; not its journal, which knows times."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and ".srgan" not in path.parts}


EXACTLY = ["--device", "cpu", *(["--precision", "fp32"] if LIGHT else [])]
"""What makes the command beside the bundle compute as that does: by torch, as OpenVINO, which lies beside it and may be
faster, rounds otherwise. The light edition rounds otherwise itself, so it is compared in fp32."""
PRECISELY = ["--precision", "fp32"] if LIGHT else []
"""What the bundle is told beside."""


def assert_same_pictures(one: Path, other: Path) -> None:
    """The same files with the same pixels: to the last bit, or of the light edition within a level of 8 bits."""
    assert files_below(one) == files_below(other)
    assert files_below(one)
    for name in sorted(files_below(one)):
        first, second = samples_of(one / name), samples_of(other / name)
        assert first.dtype == second.dtype, name
        if not LIGHT:
            np.testing.assert_array_equal(first, second, err_msg=str(name))
            continue
        assert first.shape == second.shape, name
        apart = np.abs(first.astype(int) - second) / (np.iinfo(first.dtype).max / 255)
        # A lossy format may make more of a level here and there.
        assert apart.mean() <= 0.5 if name.suffix in (".jpg", ".avif") else apart.max() <= 1, name


@pytest.fixture(scope="session")
def debian_tools() -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("this is no Debian")
