"""Modules that are imported when something of them is first asked for: what opens the window needs no pixels yet.

`from core.late import np` in place of `import numpy as np` in modules that the window imports at its start, and
`np.ndarray` only within functions and annotations. Numpy and Pillow are an eighth of the time until the window stands.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING


class _Late(ModuleType):
    """Stands for a module, and imports it once; safe in threads, as importing is."""

    def __getattr__(self, name: str) -> object:
        found: object = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def name_of_package(package: str, places: Mapping[str, Collection[str]], name: str) -> object:
    """Import a name that a package offers from one of its modules; what the package's `__getattr__` answers.

    Args:
        package: its own name.
        places: which names each module has.
        name: the one that is asked for.

    Raises:
        AttributeError: no module has it.
    """
    for module, names in places.items():
        if name in names:
            found: object = getattr(import_module(module), name)
            setattr(sys.modules[package], name, found)
            return found
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
else:
    np = _Late("numpy")
    Image = _Late("PIL.Image")

__all__ = ["Image", "np"]
