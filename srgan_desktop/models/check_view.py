"""How good will it be on my picture? One model measured beside bicubic, with the pictures to look at."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from core.contract.evaluate import CheckReady
from core.language import gettext as _
from core.language import sentences, shown_number
from srgan_desktop import problems
from srgan_desktop.compare.view import Shown
from srgan_desktop.fields import Choice, labelled, quiet, titled
from srgan_desktop.models.picture_card import PictureCard
from srgan_desktop.models.session import CHECK_MOST, ModelsSession, Trial
from srgan_desktop.models.trial_view import TrialView
from srgan_desktop.theme import Theme, repolish

TITLE = _("How good will it be on my picture?")
STEPS = (
    _("Choose a model, a sharp picture of yours, and the part to test."),
    _(
        "The part is reduced by the model’s factor and enlarged again: by the model, and by "
        "plain bicubic interpolation."
    ),
    _("Both are measured against the original, and you can compare all three."),
)
NO_DISTANCE = _("For the perceptual distance, content weights are needed (Train page, GAN recipes).")


class CheckView(TrialView):
    """Sets a check up and shows what it found."""

    def __init__(self, theme: Theme, session: ModelsSession, parent: QWidget | None = None) -> None:
        super().__init__(theme, session, Trial.CHECK, _("&Measure"), TITLE, STEPS, parent)
        self.model = Choice(self.place)
        self.picture = PictureCard(
            theme, session, lambda: session.check_region, session.choose_check_region, CHECK_MOST, self.place
        )
        self.fields.addLayout(labelled(_("M&odel"), _("The model that is measured."), self.model))
        self.fields.addWidget(titled(_("Picture"), "section"))
        self.fields.addWidget(self.picture)
        self.figures = CheckFigures(self.place)
        self.fields.addWidget(self.figures)
        self.fields.addStretch(1)
        self.verdict = QLabel()
        self.verdict.setTextFormat(Qt.TextFormat.PlainText)
        self.verdict.setProperty("role", "strong")
        self.verdict.setWordWrap(True)
        self.meaning = quiet()
        self.notes = quiet()
        for label in (self.verdict, self.meaning, self.notes):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.below.addWidget(label)
        self.result: CheckReady | None = None
        session.checked.connect(self.show_check)
        self.show_models()
        self.show_state()

    def choose(self, key: str) -> None:
        """Measure this model next."""
        row = self.model.findData(key)
        if row >= 0:
            self.model.setCurrentIndex(row)

    def try_it(self) -> None:
        if not self.why_not():
            self.session.check(self.model.currentData())

    def why_not(self) -> str:
        if self.model.currentData() is None:
            return _("No models yet.")
        return self.why_no_picture()

    def show_models(self) -> None:
        chosen = self.model.currentData() or self.session.default_key
        self.model.blockSignals(True)
        self.model.clear()
        for model in self.session.models:
            self.model.addItem(f"{model.card.name} ({model.card.scale}×)", model.key)
        self.model.setCurrentIndex(max(0, self.model.findData(chosen)) if self.model.count() else -1)
        self.model.blockSignals(False)
        self.show_state()

    def forget_results(self) -> None:
        super().forget_results()
        self.result = None
        self.figures.hide()

    def show_check(self, ready: CheckReady) -> None:
        """Show what was found."""
        self.result = ready
        self.compare.show_pictures(
            [
                Shown(_("Original"), ready.original),
                Shown(ready.model, ready.upscaled),
                Shown(_("Bicubic"), ready.bicubic),
            ]
        )
        self.figures.show_check(ready)
        self.verdict.setText(ready.verdict)
        self.meaning.setText(ready.meaning)
        notes = list(ready.notes)
        if ready.quality.perceptual is None:
            notes.append(NO_DISTANCE)
        self.notes.setText(sentences(notes))
        self.notes.setVisible(bool(notes))
        self.show_results()


class CheckFigures(QWidget):
    """Model and bicubic beside each other, the better figure in green."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self.cells: dict[tuple[str, str], QLabel] = {}
        for column, head in enumerate((_("Model"), _("Bicubic")), 1):
            label = titled(head, "section")
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(label, 0, column)
        self._rows: dict[str, QLabel] = {}
        tips = {
            "PSNR-Y": ("PSNR-Y", _("Difference in brightness from the original, in decibels: higher is better.")),
            "SSIM-Y": ("SSIM-Y", _("Similarity of structures, at most 1: higher is better.")),
            "Perceptual": (
                _("Perceptual"),
                _("Perceptual distance, by the features of a recognition network: lower is better."),
            ),
            "Time": (_("Time"), _("Of the network only.")),
        }
        for row, (name, (title, tip)) in enumerate(tips.items(), 1):
            label = quiet(title)
            label.setToolTip(tip)
            self._rows[name] = label
            self._grid.addWidget(label, row, 0)
            for column, who in enumerate(("model", "bicubic"), 1):
                cell = QLabel("–", alignment=Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                cell.setToolTip(tip)
                self.cells[name, who] = cell
                self._grid.addWidget(cell, row, column)
        self.hide()

    def show_check(self, ready: CheckReady) -> None:
        """Fill the table."""
        mine, other = ready.quality, ready.bicubic_quality
        self._put("PSNR-Y", mine.psnr_y, other.psnr_y, _decibels, more_is_better=True)
        self._put("SSIM-Y", mine.ssim_y, other.ssim_y, partial(shown_number, spec=".4f"), more_is_better=True)
        measured = mine.perceptual is not None and other.perceptual is not None
        for cell in (self._rows["Perceptual"], *(self.cells["Perceptual", who] for who in ("model", "bicubic"))):
            cell.setVisible(measured)
        if mine.perceptual is not None and other.perceptual is not None:
            self._put(
                "Perceptual", mine.perceptual, other.perceptual, partial(shown_number, spec=".3f"), more_is_better=False
            )
        self.cells["Time", "model"].setText(problems.seconds(ready.seconds))
        self.show()

    def _put(
        self, name: str, mine: float, other: float, words: Callable[[float], str], *, more_is_better: bool
    ) -> None:
        for who, value, against in (("model", mine, other), ("bicubic", other, mine)):
            cell = self.cells[name, who]
            cell.setText(words(value))
            better = value > against if more_is_better else value < against
            cell.setProperty("role", "better" if better else "")
            repolish(cell)


def _decibels(value: float) -> str:
    return _("equal") if math.isinf(value) else _("{value:.2f} dB").format(value=value)
