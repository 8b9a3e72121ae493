"""Write pictures that somebody wants to keep of a measurement."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.contract.errors import UserError
from core.images import Picture, save
from core.language import gettext as _


def save_png(path: Path, pixels: np.ndarray) -> None:
    """Write H x W x 3 uint8 RGB as PNG, and the folders above it.

    Raises:
        UserError: the disk is full, or the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, Picture(pixels, None), "png")
    except OSError as error:
        raise UserError(
            _("{path} cannot be written: {strerror}.").format(path=path, strerror=error.strerror),
            _("Choose another folder."),
        ) from error
