"""A comparison as a picture file."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from core.atomic import replacing
from srgan_desktop.desktop import dialog_folder


def ask_for_file(parent: QWidget, stem: str, *folders: str) -> Path | None:
    """Ask where a comparison is to be saved; None where the user thinks better of it.

    Args:
        parent: the window.
        stem: of the name that is proposed.
        folders: the dialog begins in the first of these that is there.
    """
    file, _ = QFileDialog.getSaveFileName(
        parent,
        "Save the comparison as a picture",
        str(Path(dialog_folder(*folders)) / f"{stem} compared.png"),
        "Pictures (*.png *.jpg *.webp)",
    )
    return Path(file) if file else None


def save_image(image: QImage, path: Path) -> Path:
    """Write an image as its file's suffix says, as PNG where it has none; answers with the path written.

    Raises:
        OSError: it cannot be written there, or Qt writes no such files.
    """
    path = path if path.suffix else path.with_suffix(".png")
    with replacing(path) as temporary:
        if not image.save(str(temporary), path.suffix[1:].upper()):  # type: ignore[call-overload]
            raise OSError(None, "no picture of this kind can be written there", str(path))
    return path
