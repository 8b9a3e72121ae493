"""The curves of a run: quality on held-out pictures, losses, and what the discriminator believes."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from core.language import gettext as _
from core.language import headed, shown_number
from srgan_desktop.background import Throttle
from srgan_desktop.fields import titled
from srgan_desktop.theme import Theme
from srgan_desktop.training.runs import RunRecord, Series

REDRAW_MS = 250
"""How often curves are drawn anew at most: steps come faster than anyone looks."""
MOST_DECADES = 5
"""Most decades that a logarithmic axis shows."""
SMOOTHED_OVER = 0.02
"""Share of a curve that its smooth line averages over."""
COLOURS = {
    "light": ("#2357c8", "#b3541e", "#187a4b", "#8a3ab9", "#a06a00", "#00788a", "#c02b37", "#5b6475", "#7a5230"),
    "dark": ("#8cb2ff", "#ff9d66", "#52c98f", "#d19bff", "#eab04c", "#5fd0e0", "#f47b83", "#a9b4c7", "#d3a67a"),
}
"""Colours of lines, in an order that the colour-blind can tell apart: blue before orange."""


class Curves(QWidget):
    """Three plots over the steps of a run; the last one only where there is a second stage."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._record: RunRecord | None = None
        self.quality = _Plot(_("Quality on test pictures"), _("PSNR: higher is truer to the original"), _("PSNR (dB)"))
        self.losses = _Plot(
            _("Losses"), _("each weighted as in the recipe; lower is better"), _("loss"), logarithmic=True
        )
        self.balance = _Plot(_("Discriminator"), _("how real it believes pictures are: D(real), D(fake)"), _("belief"))
        self.balance.plot.getPlotItem().getAxis("left").setTicks([[(0, "0"), (0.5, "0.5"), (1, "1")]])
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(8)
        for plot, share in ((self.quality, 4), (self.losses, 4), (self.balance, 3)):
            column.addWidget(plot, share)
        self._redraw = Throttle(REDRAW_MS, self.draw, self)
        theme.changed.connect(self.draw)
        self.show_record(None)

    def show_record(self, record: RunRecord | None) -> None:
        """Draw another run."""
        self._record = record
        for plot in (self.quality, self.losses, self.balance):
            plot.reset()
        self.draw()

    def draw_soon(self) -> None:
        """The run has another point."""
        self._redraw.soon()

    def draw(self) -> None:
        """Draw all curves as they are now."""
        tokens = self._theme.tokens
        colours = COLOURS[self._theme.scheme]
        record = self._record
        for plot in (self.quality, self.losses, self.balance):
            plot.tint(self._theme)
        self.balance.setVisible(record is not None and bool(record.d_real.steps))
        if record is None:
            return
        last = max(record.step, 1)
        validations = record.validations
        self.quality.line(
            _("Test pictures"),
            [each.step for each in validations],
            [each.psnr_y for each in validations],
            colours[0],
            dots=True,
        )
        seen = [(each.step, each.psnr_y, each.seen_gain) for each in validations if each.seen_gain is not None]
        if seen:
            # Other pictures differ by far more than overfitting does, so both lines begin at one point.
            _rest, start, first = seen[0]
            gains = [start + gain - first for _, _, gain in seen]
            self.quality.line(
                _("Training pictures (from the same start)"), [step for step, _, _ in seen], gains, colours[1]
            )
        if record.bicubic_psnr is not None:
            self.quality.line(_("Bicubic"), [0, last], [record.bicubic_psnr] * 2, tokens.muted, dashed=True)
        for number, (name, series) in enumerate(sorted(record.losses.items())):
            colour = colours[number % len(colours)]
            self.losses.line(name, series.steps, series.values, colour, faint=True)
            self.losses.line(name, series.steps, smoothed(series), colour)
        self.losses.fit_decades()
        for name, series, colour in (("D(real)", record.d_real, colours[0]), ("D(fake)", record.d_fake, colours[1])):
            self.balance.line(name, series.steps, series.values, colour, faint=True)
            self.balance.line(name, series.steps, smoothed(series), colour)
        self.balance.plot.setYRange(0, 1, padding=0.14)
        for plot in (self.quality, self.losses, self.balance):
            plot.plot.setXRange(0, last, padding=0.02)


def smoothed(series: Series) -> list[float]:
    """A running mean: where a noisy curve goes."""
    keep = 1 - 1 / max(1.0, len(series.values) * SMOOTHED_OVER)
    mean, smooth = 0.0, []
    for number, value in enumerate(series.values):
        # The mean of what there is, until there is enough.
        weight = min(keep, number / (number + 1))
        mean = weight * mean + (1 - weight) * value
        smooth.append(mean)
    return smooth


class _Plot(QWidget):
    """One plot with its title, and a legend of the last values in words rather than a box over the lines."""

    def __init__(self, title: str, explanation: str, unit: str, *, logarithmic: bool = False) -> None:
        super().__init__()
        self._logarithmic = logarithmic
        self.lines: dict[tuple[str, bool], pg.PlotDataItem] = {}
        """By name, and whether it is the faint one behind the smoothed."""
        self._values: dict[str, tuple[float, str]] = {}
        self._axes = True
        self.legend = QLabel()
        self.legend.setProperty("role", "muted")
        self.plot = pg.PlotWidget()
        self.plot.setAccessibleName(headed(title, explanation))
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMinimumHeight(60)
        self.plot.setLogMode(y=logarithmic)
        item = self.plot.getPlotItem()
        item.showGrid(x=False, y=True, alpha=0.14)
        item.getAxis("bottom").enableAutoSIPrefix(False)
        item.getAxis("left").enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(60)
        item.setLabel("left", unit)
        item.setLabel("bottom", _("step"))
        heading = QHBoxLayout()
        heading.setSpacing(8)
        self._title = titled(title)
        self._title.setToolTip(explanation)
        heading.addWidget(self._title)
        heading.addStretch(1)
        heading.addWidget(self.legend)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(heading)
        column.addWidget(self.plot, 1)

    def reset(self) -> None:
        self.plot.clear()
        self.lines.clear()
        self._values.clear()
        self.legend.setText(_("nothing measured yet"))
        self._show_axes(False)

    def tint(self, theme: Theme) -> None:
        tokens = theme.tokens
        self.plot.setBackground(QColor(tokens.surface))
        for side in ("left", "bottom"):
            axis = self.plot.getPlotItem().getAxis(side)
            axis.setPen(QColor(tokens.border))
            axis.setTextPen(QColor(tokens.muted))
            axis.setStyle(tickFont=self.font())
            axis.label.setFont(self.font())
            axis.label.setDefaultTextColor(QColor(tokens.muted))

    def line(
        self,
        name: str,
        steps: list[int],
        values: list[float],
        colour: str,
        *,
        dots: bool = False,
        dashed: bool = False,
        faint: bool = False,
    ) -> None:
        """Draw a line, or draw it anew."""
        key = name, faint
        if key not in self.lines:
            self.lines[key] = self.plot.plot([], [])
        tint = QColor(colour)
        if faint:
            tint.setAlpha(60)
        width = 1 if faint or dashed else 2
        style = pg.QtCore.Qt.PenStyle.DashLine if dashed else pg.QtCore.Qt.PenStyle.SolidLine
        item = self.lines[key]
        item.setPen(pg.mkPen(tint, width=width, style=style))
        item.setSymbol("o" if dots else None)
        if dots:
            item.setSymbolSize(6)
            item.setSymbolBrush(tint)
            item.setSymbolPen(None)
        if self._logarithmic:
            # A loss may reach 0, which has no logarithm.
            values = [max(value, 1e-8) for value in values]
        item.setData(steps, values)
        if values and not self._axes:
            self._show_axes(True)
        if values and not faint:
            self._values[name] = (values[-1], colour)
            self._show_legend()

    def fit_decades(self) -> None:
        """Keep a loss near 0 from squeezing all others into one line."""
        values = [value for item in self.lines.values() for value in item.getOriginalDataset()[1]]
        if values:
            highest, lowest = math.log10(max(values)), math.log10(min(values))
            self.plot.setYRange(max(lowest, highest - MOST_DECADES), highest, padding=0.05)

    def _show_axes(self, there: bool) -> None:
        self._axes = there
        for side in ("left", "bottom"):
            self.plot.getPlotItem().showAxis(side, there)

    def _show_legend(self) -> None:
        room = self.width() - self._title.sizeHint().width() - 16
        names = [name.replace("_", " ") for name in self._values]
        figures = [f"{name} {_figure(value)}" for name, (value, _) in zip(names, self._values.values(), strict=True)]
        metrics = QFontMetrics(self.legend.font())
        # The most that there is room for.
        for words in (figures, names, [name.split()[0] for name in names]):
            if metrics.horizontalAdvance("".join(f"●  {word}  " for word in words)) <= room:
                break
        colours = (colour for _, colour in self._values.values())
        marked = (f'<span style="color:{c}">●</span> {word}' for c, word in zip(colours, words, strict=True))
        self.legend.setText("&nbsp; ".join(marked))
        self.legend.setToolTip("\n".join(headed(name, _figure(value)) for name, (value, _) in self._values.items()))


def _figure(value: float) -> str:
    return shown_number(value, ".2f" if abs(value) >= 0.1 else ".2g")
