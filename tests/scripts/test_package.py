"""What the build calls, on a bundle of a few files; tests/packaging looks at the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import PIL
import PySide6
import pytest
from PIL import Image

from core.version import VERSION
from scripts import package_contents, package_deb, package_icons, package_icu

ENTRIES = (
    ("numpy/__init__.pyc", str(np.__file__), "PYMODULE"),
    ("PIL/__init__.pyc", str(PIL.__file__), "PYMODULE"),
    ("core/version.pyc", str(package_contents.ROOT / "core" / "version.py"), "PYMODULE"),
    ("a link", "elsewhere", "SYMLINK"),
)


@pytest.fixture
def two_distributions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """To list the files of all that is installed takes most of a minute."""
    owners = [distribution(name) for name in ("numpy", "pillow")]
    monkeypatch.setattr(package_contents, "distributions", lambda: owners)
    package_contents.owners_by_path.cache_clear()
    yield
    package_contents.owners_by_path.cache_clear()


@pytest.mark.usefixtures("two_distributions")
def test_contents_name_owners_licences_and_sizes() -> None:
    parts = package_contents.parts_of(ENTRIES)
    assert {part.name.lower() for part in parts} == {"numpy", "pillow", "srgan-desktop", "pyinstaller"}
    text = package_contents.licences(parts)
    assert f"numpy {np.__version__}: " in text
    assert "Bootloader Exception" in text
    assert "srgan-desktop" not in text.split("=" * 100)[0]
    assert f"numpy {np.__version__}" in package_contents.versions(parts).splitlines()
    assert "(MB)" in package_contents.report(parts)


@pytest.mark.usefixtures("two_distributions")
def test_a_file_of_nobody_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "stray.bin").touch()
    with pytest.raises(SystemExit, match=r"own these files[^$]*stray\.bin"):
        package_contents.parts_of([("stray.bin", str(tmp_path / "stray.bin"), "DATA")])


def test_icons_are_drawn_in_every_size(tmp_path: Path) -> None:
    package_icons.main(tmp_path)
    for size in package_icons.SIZES:
        with Image.open(tmp_path / f"{size}.png") as icon:
            assert icon.size == (size, size)
            assert icon.getextrema()[3] == (0, 255)
    with Image.open(tmp_path / "srgan-desktop.ico") as icon:
        assert icon.info["sizes"] == {(size, size) for size in package_icons.WINDOWS}
    assert (tmp_path / "srgan-desktop.icns").stat().st_size > 10_000


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="this is no Debian")
def test_a_debian_package_of_a_tiny_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "srgan-desktop"
    (bundle / "_internal").mkdir(parents=True)
    # A program of this machine, so that there are libraries to look for.
    shutil.copy(Path(sys.executable).resolve(), bundle / "srgan-desktop")
    (bundle / "srgan").symlink_to("srgan-desktop")
    (bundle / "_internal" / "THIRD_PARTY_LICENSES.txt").write_text("numpy: BSD")
    package = package_deb.main(bundle, tmp_path)
    assert package.name.startswith(f"srgan-desktop_{VERSION}_")
    fields = subprocess.run(["dpkg-deb", "-f", package], check=True, capture_output=True, text=True).stdout
    assert f"Version: {VERSION}\n" in fields
    assert "libc6 (>= 2." in fields
    listed = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout
    assert "./usr/bin/srgan-desktop -> ../lib/srgan-desktop/srgan-desktop" in listed
    assert not (tmp_path / "deb").exists()


def test_no_package_without_a_program(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make package"):
        package_deb.main(tmp_path, tmp_path)


def test_the_light_edition_has_openvino_and_no_torch() -> None:
    full, light = package_contents.required(), package_contents.required(light=True)
    assert {"torch", "spandrel", "sympy", "numpy"} <= full.keys()
    assert {"openvino", "ncnn", "numpy"} <= light.keys()
    assert not {"torch", "torchvision", "spandrel", "sympy", "openvino-telemetry"} & light.keys()


SORTED = """
import functools
from PySide6.QtCore import QCollator, QLocale
for language in ("sv_SE", "de_DE", "ja_JP", "zh_CN"):
    collator = QCollator(QLocale(language))
    collator.setNumericMode(True)
    names = ["p10", "p9", "ä", "z", "Å", "a", "b", "东", "北", "京", "あ", "ア"]
    print(sorted(names, key=functools.cmp_to_key(collator.compare)))
print("SMALLER/libicudata" in open("/proc/self/maps").read())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Qt brings no ICU")
def test_less_of_icu_sorts_the_same(tmp_path: Path) -> None:
    (library,) = (Path(PySide6.__path__[0]) / "Qt" / "lib").glob("libicudata.so.*")
    smaller = tmp_path / "SMALLER" / library.name
    package_icu.reduce(library, smaller)
    assert smaller.stat().st_size < 6e6 < library.stat().st_size

    def said(**environment: str) -> list[str]:
        command = [sys.executable, "-c", SORTED]
        ended = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=True, encoding="utf-8"
        )
        return ended.stdout.splitlines()

    *wanted, before = said(PYTHONIOENCODING="utf-8")
    *found, after = said(PYTHONIOENCODING="utf-8", LD_PRELOAD=str(smaller))
    assert (before, after) == ("False", "True")
    assert found == wanted
    assert len(set(found)) > 1
