from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path

import pytest

from core.version import VERSION
from scripts import package_windows

PUBLISHED = b"MZ api-ms-win-crt-math-l1-1-0.dll \0cabs\0"
FOR_WINE = PUBLISHED.replace(b"api-", b"xpi-")


@pytest.fixture
def packages(tmp_path: Path) -> tuple[Path, Path]:
    """(as published, for Wine): one library that Wine needs changed, and one that is the same file in both."""
    published, for_wine = tmp_path / "site", tmp_path / "site-wine"
    (published / "lib").mkdir(parents=True)
    (published / "lib" / "deep.dll").write_bytes(PUBLISHED)
    (published / "lib" / "plain.dll").write_bytes(b"MZ plain")
    record = published / "lib-1.0.dist-info" / "RECORD"
    record.parent.mkdir()
    digest = base64.urlsafe_b64encode(hashlib.sha256(PUBLISHED).digest()).decode().rstrip("=")
    record.write_text(f"lib/deep.dll,sha256={digest},{len(PUBLISHED)}\nlib-1.0.dist-info/RECORD,,\n")
    (for_wine / "lib").mkdir(parents=True)
    (for_wine / "lib" / "plain.dll").hardlink_to(published / "lib" / "plain.dll")
    (for_wine / "lib" / "deep.dll").write_bytes(FOR_WINE)
    return published, for_wine


@pytest.fixture
def built(tmp_path: Path, packages: tuple[Path, Path]) -> Path:
    """What PyInstaller makes of the packages for Wine."""
    folder = tmp_path / "built" / "srgan-desktop"
    (folder / "_internal" / "lib").mkdir(parents=True)
    (folder / "srgan-desktop.exe").write_bytes(b"MZ program")
    (folder / "_internal" / "icuuc.dll").write_bytes(b"MZ stand-in")
    (folder / "_internal" / "xpi-ms-win-crt-math-l1-1-0.dll").write_bytes(b"MZ stand-in")
    for name in ("deep.dll", "plain.dll"):
        shutil.copy(packages[1] / "lib" / name, folder / "_internal" / "lib" / name)
    return folder


def test_what_is_given_away_is_what_was_published(tmp_path: Path, packages: tuple[Path, Path], built: Path) -> None:
    published, for_wine = packages
    folder = tmp_path / "given" / "srgan-desktop"
    package_windows.as_published(built, for_wine, published, folder)
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "deep.dll",
        "plain.dll",
        "srgan-desktop.exe",
    ]
    assert (folder / "_internal" / "lib" / "deep.dll").read_bytes() == PUBLISHED
    assert package_windows.unlike_records(folder, published) == []
    # The copy that runs under Wine is left as it is.
    assert (built / "_internal" / "lib" / "deep.dll").read_bytes() == FOR_WINE
    assert package_windows.unlike_records(built, published) == ["_internal/lib/deep.dll"]


def test_a_library_of_the_interpreter_may_be_called_as_one_of_a_wheel(
    tmp_path: Path, packages: tuple[Path, Path]
) -> None:
    folder, interpreter = tmp_path / "given", tmp_path / "python"
    for place in (folder, interpreter / "DLLs"):
        place.mkdir(parents=True)
        (place / "deep.dll").write_bytes(b"MZ Python's own")
    assert package_windows.unlike_records(folder, packages[0]) == ["deep.dll"]
    assert package_windows.unlike_records(folder, packages[0], interpreter) == []


def test_a_changed_library_that_nobody_published_ends_it(
    tmp_path: Path, packages: tuple[Path, Path], built: Path
) -> None:
    published, for_wine = packages
    (built / "_internal" / "other.pyd").write_bytes(FOR_WINE + b"of its own")
    with pytest.raises(SystemExit, match=r"other\.pyd"):
        package_windows.as_published(built, for_wine, published, tmp_path / "given")


def test_the_uninstaller_deletes_what_was_installed_and_nothing_else(built: Path) -> None:
    (built / "_internal" / "$odd.txt").write_text("a name that NSIS would take for a variable")
    lines = package_windows.files_list(built).splitlines()
    assert r'  Delete "$INSTDIR\srgan-desktop.exe"' in lines
    assert r'  Delete "$INSTDIR\_internal\$$odd.txt"' in lines
    # Folders from the inside out, and only where they are empty.
    assert [line.strip() for line in lines if "RMDir" in line] == [
        r'RMDir "$INSTDIR\_internal\lib"',
        r'RMDir "$INSTDIR\_internal"',
    ]
    script = (package_windows.ROOT / "packaging" / "windows" / "installer.nsi").read_text(encoding="utf-8")
    assert "RMDir /r" not in script
    assert "HKLM" not in script


def test_every_kind_of_picture_is_named_and_taken_back() -> None:
    text = package_windows.types_list([".jpg", ".png"])
    add, remove = text.split("!macro RemoveTypes")
    for suffix in (".jpg", ".png"):
        assert f'SupportedTypes" "{suffix}"' in add
        assert f"SystemFileAssociations\\{suffix}\\shell" in remove
    assert add.count('"%1"') == 2


@pytest.mark.skipif(shutil.which("makensis") is None, reason="no NSIS: make package-windows brings one")
def test_nsis_makes_an_installer_of_it(built: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    shutil.copytree(built, output / "srgan-desktop")
    made = package_windows.make_installer(output / "srgan-desktop", output, ["makensis"], "zlib")
    assert made.name == f"srgan-desktop-{VERSION}-setup.exe"
    assert made.read_bytes()[:2] == b"MZ"
    assert sorted(path.name for path in output.iterdir()) == sorted(["srgan-desktop", made.name])
