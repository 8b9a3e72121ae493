"""What the comparison draws over its pictures, and in place of them. In logical pixels, but for `checks`."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

from srgan_desktop.theme import Tokens


def paint_divider(painter: QPainter, x: float, top: float, bottom: float) -> None:
    """Draw a vertical line with a grip in its middle."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    # White on a shadow is seen on every picture.
    for colour, width in ((QColor(0, 0, 0, 110), 4.0), (QColor(255, 255, 255), 2.0)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawLine(QPointF(x, top), QPointF(x, bottom))
    middle = QPointF(x, (top + bottom) / 2)
    painter.setPen(QPen(QColor(0, 0, 0, 110), 1))
    painter.setBrush(QColor(255, 255, 255))
    painter.drawEllipse(middle, 13, 13)
    painter.setPen(QPen(QColor(40, 48, 64), 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for side in (-1, 1):
        tip = middle + QPointF(side * 7.5, 0)
        painter.drawPolyline(QPolygonF([tip + QPointF(-side * 3.5, -3.5), tip, tip + QPointF(-side * 3.5, 3.5)]))


def paint_caption(
    painter: QPainter, words: str, area: QRectF, clip: QRectF, font: QFont, flush_right: bool = False
) -> None:
    """Draw a caption in an upper corner of a pane.

    Args:
        painter: of the canvas.
        words: shortened where there is no room for them.
        area: the pane.
        clip: the part of the pane that is seen.
        font: in normal weight.
        flush_right: in the right corner instead of the left one.
    """
    bold = _bold(font)
    metrics = QFontMetrics(bold)
    room = int(area.width() / (2 if clip != area else 1)) - 36
    words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, max(20, room))
    pill = QRectF(0, area.top() + 10, metrics.horizontalAdvance(words) + 18, metrics.height() + 8)
    pill.moveLeft(area.right() - pill.width() - 10 if flush_right else area.left() + 10)
    painter.save()
    painter.setClipRect(clip)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    # The rim parts it from a dark picture.
    painter.setPen(QPen(QColor(255, 255, 255, 46), 1))
    painter.setBrush(QColor(12, 15, 22, 190))
    painter.drawRoundedRect(pill.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
    painter.setFont(bold)
    painter.setPen(QColor(255, 255, 255))
    painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, words)
    painter.restore()


def paint_outline(painter: QPainter, area: QPainterPath, line: float) -> None:
    """Draw a dashed frame around a part of a picture, seen on light and on dark.

    Args:
        painter: in device pixels.
        area: in device pixels.
        line: width of the frame in device pixels.
    """
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, style in ((QColor(0, 0, 0, 170), Qt.PenStyle.SolidLine), (QColor(255, 255, 255), Qt.PenStyle.DashLine)):
        painter.setPen(QPen(colour, line, style))
        painter.drawPath(area)


def paint_message(painter: QPainter, title: str, advice: str, area: QRect, font: QFont, tokens: Tokens) -> None:
    """Draw words in the middle of an area: a title in bold, and below it what to do."""
    bold = _bold(font)
    flags = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
    painter.setFont(bold)
    title_box = painter.boundingRect(area, flags, title)
    painter.setFont(font)
    advice_box = painter.boundingRect(area, flags, advice) if advice else QRect()
    height = title_box.height() + (6 + advice_box.height() if advice else 0)
    top = area.top() + max(0, (area.height() - height) // 2)
    painter.setPen(QColor(tokens.muted))
    painter.drawText(area.translated(0, top + title_box.height() + 6 - area.top()), flags, advice)
    painter.setFont(bold)
    painter.setPen(QColor(tokens.text if advice else tokens.muted))
    painter.drawText(area.translated(0, top - area.top()), flags, title)


def paint_focus(painter: QPainter, area: QRectF, tokens: Tokens) -> None:
    """Draw the frame of what has the keyboard focus."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(tokens.accent_text), 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 5, 5)


def checks(side: int) -> QBrush:
    """Squares of two greys, which show where a picture is transparent; `side` is in device pixels."""
    pixmap = QPixmap(2 * side, 2 * side)
    pixmap.fill(QColor(222, 222, 222))
    painter = QPainter(pixmap)
    for x, y in ((0, 0), (side, side)):
        painter.fillRect(x, y, side, side, QColor(255, 255, 255))
    painter.end()
    return QBrush(pixmap)


def _bold(font: QFont) -> QFont:
    bold = QFont(font)
    bold.setWeight(QFont.Weight.DemiBold)
    return bold
