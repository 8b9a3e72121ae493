"""A comparison as a web page: one file that holds two pictures and a divider between them, and needs nothing else."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice

from core import language, paths
from core.atomic import replacing
from core.language import gettext as _
from core.late import np
from srgan_desktop.pixels import to_qimage

TEMPLATE = paths.RESOURCES / "pages" / "slider.html"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two pictures."""

    caption: str
    pixels: np.ndarray
    """uint8, in sRGB: H x W, H x W x 3 or H x W x 4."""


def save_slider_page(title: str, before: Side, after: Side, path: Path) -> Path:
    """Write the page. The pictures are PNG, pixel for pixel what was compared, and carry nothing but pixels: neither
    place nor camera of the originals is passed on with them.

    Args:
        title: stands over the pictures.
        before: drawn as large as `after`, on the left of the divider.
        after: on the right of it.
        path: of the page; gets `.html` where it has another suffix.

    Returns:
        The path written.

    Raises:
        OSError: it cannot be written there.
    """
    import html

    path = path if path.suffix.lower() in (".html", ".htm") else path.with_name(f"{path.name}.html")
    height, width = after.pixels.shape[:2]
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, text in (
        ("TITLE", html.escape(title)),
        ("WIDTH", str(width)),
        ("HEIGHT", str(height)),
        ("LANGUAGE", language.tag()),
        (
            "DIVIDER",
            html.escape(_("Divider between {left} and {right}").format(left=before.caption, right=after.caption)),
        ),
        ("FULL", html.escape(_("Pixel for pixel"))),
        ("SQUARES", html.escape(_("Show pixels as squares"))),
        ("HINT", html.escape(_("Drag, or use the arrow keys"))),
        ("BEFORE", html.escape(before.caption)),
        ("AFTER", html.escape(after.caption)),
        ("BEFORE_PICTURE", _address(before.pixels)),
        ("AFTER_PICTURE", _address(after.pixels)),
    ):
        page = page.replace(f"/*{name}*/", text)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _address(pixels: np.ndarray) -> str:
    """A picture as an address that holds all of it."""
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not to_qimage(pixels).save(buffer, "PNG"):  # type: ignore[call-overload]
        raise OSError(None, "the picture could not be written as PNG")
    return f"data:image/png;base64,{base64.b64encode(data.data()).decode('ascii')}"
