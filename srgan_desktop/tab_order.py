"""Where Tab goes: Qt goes by when each widget got its parent, people by where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLayout, QScrollArea, QWidget


def tab_as_laid_out(widget: QWidget) -> None:
    """Make Tab go through a widget and all that is in it in the order of their layouts, as they are read.

    What is in no layout keeps its place.
    """
    stops = [each for each in _laid_out(widget) if each.focusPolicy() & Qt.FocusPolicy.TabFocus]
    for before, after in pairwise(stops):
        QWidget.setTabOrder(before, after)


def _laid_out(widget: QWidget) -> Iterator[QWidget]:
    if widget.focusProxy() is None:
        yield widget
    inside = widget.widget() if isinstance(widget, QScrollArea) else None
    if inside is not None:
        yield from _laid_out(inside)
    layout = widget.layout()
    if layout is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    for place in range(layout.count()):
        item = layout.itemAt(place)
        assert item is not None
        inside, below = item.widget(), item.layout()
        if inside is not None:
            yield from _laid_out(inside)
        elif below is not None:
            yield from _in_layout(below)
