"""Its architectures are found by walking one registry; all of them belong to it."""

from PyInstaller.utils.hooks import collect_submodules

hiddenimports = collect_submodules("spandrel")
