"""A model between two others of one network."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QPushButton, QSlider, QVBoxLayout, QWidget

from core.language import gettext as _
from core.models.catalogue import Model
from srgan_desktop.fields import Choice, labelled, quiet, titled
from srgan_desktop.models.card_view import breakable

WORDS = _(
    "The weights of both are averaged. Between a faithful model and one trained on from "
    "it that invents more detail, the slider says how much is invented. The blend is a "
    "model of its own; both others stay as they are."
)
ALONE = _(
    "No other model here has the same network, so there is nothing to blend it with. A "
    "model that was fine-tuned from this one has; so have “general-x4v3” and "
    "“general-wdn-x4v3” among those that can be downloaded."
)
WIDTH = 520


class BlendDialog(QDialog):
    """Chooses the second model, how much of it, and the name of the new one."""

    blend_requested = Signal(str, str, float, str)
    """Key of the first and of the second model, share of the second, name."""

    def __init__(self, model: Model, partners: Sequence[Model], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("Blend two models"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._model = model
        self._named = False
        self.other = Choice()
        for partner in partners:
            self.other.addItem(partner.card.name, partner)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, 99)
        self.slider.setValue(50)
        self.slider.setPageStep(10)
        self.slider.setAccessibleName(_("Share of the second model"))
        self.share = titled("", "strong")
        self.share.setWordWrap(True)
        self.name = QLineEdit()
        self.name.setMaxLength(80)
        self.save = QPushButton(_("&Blend and save"))
        self.save.setProperty("role", "primary")
        self.save.setDefault(True)
        cancel = QPushButton(_("Cancel") if partners else _("Close"))
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(12)
        title = titled(breakable(_("Blend “{name}”").format(name=model.card.name)), "title")
        title.setWordWrap(True)
        column.addWidget(title)
        column.addWidget(quiet(WORDS if partners else ALONE))
        if partners:
            column.addLayout(labelled(_("&With"), _("A model of the same network."), self.other))
            column.addWidget(self.share)
            column.addWidget(self.slider)
            column.addLayout(labelled(_("&Name"), _("Of the new model."), self.name))
        column.addStretch(1)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.save)
        self.save.setVisible(bool(partners))
        column.addLayout(buttons)
        cancel.clicked.connect(self.reject)
        self.save.clicked.connect(self._save)
        self.slider.valueChanged.connect(self._show_share)
        self.other.currentIndexChanged.connect(self._show_share)
        self.name.textEdited.connect(self._on_named)
        if partners:
            self._show_share()
        column.activate()
        self.resize(QSize(WIDTH, max(380 if partners else 190, column.totalHeightForWidth(WIDTH))))

    @property
    def partner(self) -> Model:
        """The second model."""
        chosen: Model = self.other.currentData()
        return chosen

    def _show_share(self) -> None:
        second = self.slider.value()
        first, other = self._model.card.name, self.partner.card.name
        self.share.setText(breakable(f"{100 - second} % {first}\n{second} % {other}"))
        if not self._named:
            self.name.setText(f"{first} + {second}% {other}"[:80])
        self.save.setEnabled(bool(self.name.text().strip()))

    def _on_named(self, text: str) -> None:
        self._named = bool(text.strip())
        self.save.setEnabled(self._named)

    def _save(self) -> None:
        self.blend_requested.emit(
            self._model.key, self.partner.key, self.slider.value() / 100, self.name.text().strip()
        )
        self.accept()
