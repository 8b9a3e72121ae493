"""Modules that are imported when something of them is first asked for: what opens the window needs no pixels yet.

`from core.late import np` in place of `import numpy as np` in modules that the window imports at its start, and
`np.ndarray` only within functions and annotations. Numpy and Pillow are an eighth of the time until the window stands.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING


class _Late(ModuleType):
    """Stands for a module, and imports it once; safe in threads, as importing is."""

    def __getattr__(self, name: str) -> object:
        found: object = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import numpy as np
    from PIL import Image
else:
    np = _Late("numpy")
    Image = _Late("PIL.Image")

__all__ = ["Image", "np"]
