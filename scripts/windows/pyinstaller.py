"""PyInstaller under Wine: takes the folder of packages for what it is.

usage: python pyinstaller.py PACKAGES ARGUMENTS...

PyInstaller leaves a library in its package's folder only where that lies in a `site-packages` that `site` knows. From
a folder on PYTHONPATH each would be collected twice, in its package and beside the program: 380 MB more.
"""

from __future__ import annotations

import runpy
import site
import sys

if __name__ == "__main__":
    packages = sys.argv.pop(1)
    site.getsitepackages = lambda prefixes=None: [packages]  # noqa: ARG005
    sys.argv[0] = "pyinstaller"
    runpy.run_module("PyInstaller", run_name="__main__")
