"""What sets up Windows' Python for Wine: scripts/windows."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import package_contents
from scripts.windows import patch, requirements


def test_versions_come_from_the_lock() -> None:
    lock = "# a comment\nPySide6_Essentials==6.11.3\nnumpy==2.4.6\n"
    wanted = requirements.requirements("# for the window\npyside6-essentials\npefile==2024.8.26\ntorch>=2.9\n", lock)
    assert wanted == ["PySide6_Essentials==6.11.3", "pefile==2024.8.26", "torch>=2.9"]
    with pytest.raises(ValueError, match=r"scipy has no version in requirements\.lock"):
        requirements.requirements("scipy\n", lock)


def test_the_lists_go_together() -> None:
    found = requirements.requirements(requirements.PACKAGES.read_text(), requirements.LOCK.read_text())
    assert len(found) == len(set(found)) > 50


def test_windows_gets_all_that_the_program_requires_there() -> None:
    """A new dependency that is not listed would show only when PyInstaller runs under Wine."""
    lines = requirements.requirements(requirements.PACKAGES.read_text(), requirements.LOCK.read_text())
    listed = {canonicalize_name(Requirement(line).name) for line in lines}
    windows = {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "python_version": "3.13"}
    queue, missing = ["srgan-desktop", *package_contents.LIGHT_EXTRAS], []
    seen = set(queue)
    while queue:
        for line in distribution(queue.pop()).requires or []:
            requirement = Requirement(line)
            name = canonicalize_name(requirement.name)
            marker = requirement.marker
            if name in seen or (marker is not None and not marker.evaluate({"extra": ""} | windows)):
                continue
            seen.add(name)
            if name in listed:
                queue.append(name)
            elif name != "openvino-telemetry":  # left out on purpose
                missing.append(name)
    assert missing == []


def test_only_libraries_that_need_it_are_changed_and_links_are_not_followed(tmp_path: Path) -> None:
    published, for_wine = tmp_path / "site", tmp_path / "site-wine"
    contents = {
        "complex.pyd": b"MZ..API-MS-win-crt-math-l1-1-0.dll..\0cexp\0.",
        "real.pyd": b"MZ..api-ms-win-crt-math-l1-1-0.dll..\0sqrt\0.",
        "text.txt": b"api-ms-win-crt-math-l1-1-0.dll \0cexp",
    }
    for folder in (published, for_wine):
        folder.mkdir()
    for name, content in contents.items():
        (published / name).write_bytes(content)
        (for_wine / name).hardlink_to(published / name)
    assert [path.name for path in patch.patch(for_wine)] == ["complex.pyd"]
    assert {name: (published / name).read_bytes() for name in contents} == contents
    assert (for_wine / "complex.pyd").read_bytes() == contents["complex.pyd"].replace(b"API", b"xPI")
    assert (for_wine / "real.pyd").samefile(published / "real.pyd")
