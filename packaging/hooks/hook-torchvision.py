"""torchvision loads its operators by path, and spandrel needs them registered; pictures we decode ourselves."""

from pathlib import Path

from PyInstaller.utils.hooks import get_package_paths

_FOLDER = Path(get_package_paths("torchvision")[1])
binaries = [
    (str(path), "torchvision") for path in _FOLDER.glob("_C*") if path.suffix in (".so", ".pyd", ".dll", ".dylib")
]
module_collection_mode = {"torchvision.models.densenet": "pyz+py"}  # an overload, whose source torch reads
