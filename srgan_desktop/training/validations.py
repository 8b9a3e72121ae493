"""Fixed held-out pictures at every validation of a run: LR, what the network makes of it, the original, and bicubic."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget

from core.contract.training import Validation
from core.language import gettext as _
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.view import CompareView, Shown
from srgan_desktop.fields import Choice, Elided
from srgan_desktop.theme import Theme
from srgan_desktop.training.runs import RunRecord


class ValidationPanel(QWidget):
    """A comparison with a scrubber over the time of the run."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._record: RunRecord | None = None
        self.compare = CompareView(theme, self)
        self.compare.canvas.set_mode(Mode.SIDE)
        self.compare.file_step_requested.connect(self._step_picture)
        self.picture = Choice(self)
        self.picture.setAccessibleName(_("Test picture"))
        self.picture.setToolTip(_("Test picture shown (PgUp, PgDn)"))
        self.picture.currentIndexChanged.connect(self._show)
        self.words = Elided("muted", Qt.TextElideMode.ElideRight)
        above = QHBoxLayout()
        above.setContentsMargins(12, 8, 10, 6)
        above.setSpacing(10)
        above.addWidget(self.picture, 3)
        above.addWidget(self.words, 5)
        self.time = QSlider(Qt.Orientation.Horizontal)
        self.time.setAccessibleName(_("Time of the run"))
        self.time.setToolTip(_("Validations of the run, from the first to the last"))
        self.time.setPageStep(1)
        self.time.valueChanged.connect(self._show)
        self.when = QLabel()
        self.when.setProperty("role", "muted")
        self.earlier = self._button(theme, "left", _("The validation before"), -1)
        self.later = self._button(theme, "right", _("The validation after"), 1)
        scrub = QHBoxLayout()
        scrub.setContentsMargins(8, 5, 8, 6)
        scrub.setSpacing(6)
        scrub.addWidget(self.earlier)
        scrub.addWidget(self.time, 1)
        scrub.addWidget(self.later)
        scrub.addWidget(self.when)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(above)
        column.addWidget(self.compare, 1)
        column.addLayout(scrub)
        self.show_record(None)

    @property
    def validation(self) -> Validation | None:
        """The one that is shown."""
        validations = self._record.validations if self._record is not None else []
        return validations[self.time.value()] if self.time.value() < len(validations) else None

    def show_record(self, record: RunRecord | None) -> None:
        """Show another run, at its last validation."""
        self._record = record
        self._fill(follow=True)

    def add_validation(self) -> None:
        """The run has another validation; who watches the newest sees it at once."""
        self._fill(follow=self.time.value() == self.time.maximum())

    def _fill(self, follow: bool) -> None:
        validations = self._record.validations if self._record is not None else []
        for widget in (self.picture, self.time):
            widget.blockSignals(True)
        self.time.setMaximum(max(0, len(validations) - 1))
        if follow:
            self.time.setValue(self.time.maximum())
        names = [picture.name for picture in validations[-1].pictures] if validations else []
        if names != [self.picture.itemText(row) for row in range(self.picture.count())]:
            chosen = self.picture.currentText()
            self.picture.clear()
            self.picture.addItems(names)
            self.picture.setCurrentIndex(max(0, self.picture.findText(chosen)) if names else -1)
        for widget in (self.picture, self.time):
            widget.blockSignals(False)
        if validations:
            # Room for the longest words, so that the slider keeps its length while it is dragged.
            self.when.setMinimumWidth(self.when.fontMetrics().horizontalAdvance(_when(validations[-1], best=True)))
        self._show()

    def _show(self) -> None:
        validation = self.validation
        several = self._record is not None and len(self._record.validations) > 1
        self.picture.setEnabled(self.picture.count() > 0)
        self.time.setEnabled(several)
        self.earlier.setEnabled(several and self.time.value() > 0)
        self.later.setEnabled(several and self.time.value() < self.time.maximum())
        picture = (
            next((p for p in validation.pictures if p.name == self.picture.currentText()), None) if validation else None
        )
        if validation is None or picture is None:
            self.compare.clear()
            self.compare.canvas.set_message(
                _("No test yet"), _("After some steps the network is tested on pictures it never trains on.")
            )
            self.words.say("")
            self.when.setText("")
            return
        self.words.say(
            _("{psnr_y:.2f} dB (bicubic {bicubic_psnr_y:.2f})").format(
                psnr_y=picture.psnr_y, bicubic_psnr_y=picture.bicubic_psnr_y
            )
        )
        self.when.setText(_when(validation, validation.best))
        self.compare.show_pictures(
            [
                Shown("LR", picture.lr),
                Shown("SR", picture.sr),
                Shown("HR", picture.hr),
                Shown(_("Bicubic"), picture.bicubic),
            ]
        )

    def _step_picture(self, by: int) -> None:
        row = self.picture.currentIndex() + by
        if 0 <= row < self.picture.count():
            self.picture.setCurrentIndex(row)

    def _button(self, theme: Theme, icon: str, words: str, by: int) -> QToolButton:
        button = QToolButton()
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        theme.set_icon(button, icon)
        button.clicked.connect(lambda: self.time.setValue(self.time.value() + by))
        return button


def _when(validation: Validation, best: bool) -> str:
    words = (
        _("Step {step:,}: of all {psnr_y:.2f} dB, best so far") if best else _("Step {step:,}: of all {psnr_y:.2f} dB")
    )
    return words.format(step=validation.step, psnr_y=validation.psnr_y)
