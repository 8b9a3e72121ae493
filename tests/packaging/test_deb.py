"""The Debian package: what it says about itself, and that its program starts from where it is unpacked."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import package_deb
from tests.packaging.conftest import ROOT

pytestmark = pytest.mark.of_the_full_edition


@pytest.fixture(scope="module")
def package(bundle: Path, debian_tools: None, tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("deb")
    yield package_deb.main(bundle, folder)
    # Gigabytes, which pytest would keep for three runs.
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def root(package: Path, tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("root")
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    yield folder
    shutil.rmtree(folder)


def field(package: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True, text=True).stdout.strip()


def test_describes_itself(package):
    assert field(package, "Package") == "srgan-desktop"
    depends = field(package, "Depends")
    assert re.search(r"libc6 \(>= 2\.\d+\)", depends)
    for name in ("libstdc++6", "libgcc-s1", "libgl1", "libxcb1"):
        assert name in depends.split(", "), depends
    assert int(field(package, "Installed-Size")) > 300_000


def test_puts_everything_where_desktops_look(root):
    usr = root / "usr"
    entry = (usr / "share/applications/srgan-desktop.desktop").read_text()
    assert "Exec=srgan-desktop %F" in entry
    for size in (16, 48, 256):
        assert (usr / f"share/icons/hicolor/{size}x{size}/apps/srgan-desktop.png").stat().st_size > 300
    assert (usr / "share/icons/hicolor/scalable/apps/srgan-desktop.svg").read_bytes() == (
        ROOT / "resources/icons/srgan-desktop.svg"
    ).read_bytes()
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in (usr / "share/doc/srgan-desktop/copyright").read_text()
    # The window says that it belongs to this entry; its name in the dock comes from there.
    assert 'setDesktopFileName("srgan-desktop")' in (ROOT / "srgan_desktop/app.py").read_text()


def test_every_picture_format_of_the_entry_can_be_read():
    from core.images.formats import FORMATS

    entry = (ROOT / "packaging/linux/srgan-desktop.desktop").read_text()
    types = {kind.removeprefix("x-") for kind in re.findall(r"image/([\w.+-]+)", entry)}
    others = {
        "vnd.adobe.photoshop": "psd",
        "portable-anymap": "pnm",
        "vnd.radiance": "hdr",
        "vnd.microsoft.icon": "ico",
    }
    types = {others.get(kind, kind) for kind in types}
    assert len(types) > 10
    known = {suffix.lstrip(".") for row in FORMATS.values() if row.can_read for suffix in row.suffixes}
    assert types <= known


def test_starts_from_where_it_was_unpacked(root, bare, pictures, tmp_path):
    done = subprocess.run(
        [root / "usr/bin/srgan", "upscale", pictures / "cat.jpg", "-o", tmp_path / "out"],
        env=bare,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "cat.jpg").is_file()
    shown = subprocess.run(
        [root / "usr/bin/srgan-desktop", "--version"], env=bare, capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("srgan-desktop 0.")
