"""Between the program and the desktop around it: drops, the clipboard, the file manager."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QProcess, QStandardPaths, QUrl
from PySide6.QtGui import QDesktopServices, QImage, QPixmap

from core.archives import archive_of

WEB = ("http", "https")
"""Schemes of links that can be fetched."""


def paths_in(mime: QMimeData) -> list[Path]:
    """The local files and folders of a drop or of the clipboard."""
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile() and url.toLocalFile()]


def mime_of(paths: Sequence[Path]) -> QMimeData:
    """Files, as the clipboard and a drop take them: as such, and their paths as text; for those in archives, these."""
    paths = list(dict.fromkeys(archive_of(path) or path for path in paths))
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    mime.setText("\n".join(str(path) for path in paths))
    return mime


def links_in(mime: QMimeData) -> list[str]:
    """The web addresses of a drop from a browser, or of a copied one."""
    text = mime.text().strip() if mime.hasText() and not mime.hasUrls() else ""
    urls = [QUrl(text)] if text.startswith(("http://", "https://")) and len(text.split()) == 1 else mime.urls()
    return [url.toString(QUrl.ComponentFormattingOption.FullyEncoded) for url in urls if url.scheme() in WEB]


def image_in(mime: QMimeData) -> QImage | None:
    """A copied picture that is no file."""
    if not mime.hasImage():
        return None
    image = mime.imageData()
    if isinstance(image, QPixmap):
        image = image.toImage()
    return image if isinstance(image, QImage) and not image.isNull() else None


def dialog_folder(*remembered: str) -> str:
    """Where a file dialog begins: the first of these that is there, else the user's pictures, and never wherever the
    program happened to be started."""
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return next((folder for folder in (*remembered, pictures) if folder and Path(folder).is_dir()), str(Path.home()))


def show_in_file_manager(path: Path) -> None:
    """Open the folder of a file, or of the archive that it is in, with that selected where the system can do that."""
    path = archive_of(path) or path
    if sys.platform == "win32":
        explorer = QProcess()
        explorer.setProgram("explorer")
        # Explorer takes its line apart by itself: a comma in a name that is not in quotes ends it there.
        explorer.setNativeArguments(f'/select,"{path}"')  # type: ignore[attr-defined]
        explorer.startDetached()
    elif sys.platform == "darwin":
        QProcess.startDetached("open", ["-R", str(path)])
    else:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))
