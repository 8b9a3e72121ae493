"""The recipe: which one, under what name, from which model on, with which weights, and all its fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core import paths
from core.language import gettext as _
from core.models.catalogue import models
from core.training.recipe import load_recipe, shipped_recipes
from srgan_desktop import settings
from srgan_desktop.fields import SECOND_LINE, Choice, Elided, Fold, Scrolled, labelled, quiet, titled
from srgan_desktop.settings import Option
from srgan_desktop.theme import Theme, repolish
from srgan_desktop.training.draft import Draft
from srgan_desktop.training.recipe_form import RecipeForm
from srgan_desktop.training.requests import suggested_name
from srgan_desktop.training.session import TrainSession

FIRST_RECIPES = ("quick", "finetune", "default", "photo", "fast")
"""The order in which people should meet them; the others follow."""
SIZES = {"vgg19": _("about 550 MB"), "vgg16": _("about 530 MB")}
"""What torchvision downloads."""
FILE, OTHER_MODEL = "file…", "model…"
"""Rows that open a dialog."""


SCALES = ("2", "4", "8")
"""Scales of the networks that can be trained."""


STAGES = {
    ("psnr", "steps"): _("Steps, first st&age"),
    ("psnr", "epochs"): _("Passes, &first stage"),
    ("gan", "steps"): _("Steps, &GAN stage"),
    ("gan", "epochs"): _("Passes, &GAN stage"),
}


class LengthField(QWidget):
    """How long a stage of the recipe is, in steps or in passes over the pictures; hidden where it has no such stage."""

    def __init__(self, draft: Draft, stage: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._draft = draft
        self._stage = stage
        self._unit = "steps"
        self.value = QLineEdit()
        self.value.setMaxLength(12)
        column = labelled(
            STAGES[stage, "steps"], _("More steps learn more, and take longer: Estimate tells how long."), self.value
        )
        column.setContentsMargins(0, 0, 0, 0)
        self.setLayout(column)
        label = self.findChild(QLabel)
        assert label is not None
        self._label = label
        self.value.textEdited.connect(lambda text: draft.set(f"{self._stage}.{self._unit}", text.replace(",", "")))

    def show_draft(self) -> None:
        """Show what the draft says; it has to be in its place by then."""
        draft, stage = self._draft, self._stage
        self._unit = "epochs" if draft.default_text(f"{stage}.epochs") != "0" else "steps"
        path = f"{stage}.{self._unit}"
        self.setVisible(draft.default_text(path) != "0" or path in draft.changes)
        self._label.setText(STAGES[stage, self._unit])
        if self.value.text().replace(",", "").strip() != draft.text(path):
            self.value.setText(draft.text(path))
        fault = draft.faults.get(path, "")
        self.value.setToolTip(fault)
        if bool(self.value.property("fault")) != bool(fault):
            self.value.setProperty("fault", bool(fault))
            repolish(self.value)


class RecipeCard(QFrame):
    """Shows and changes the session's draft."""

    recipe_file_requested = Signal()
    save_requested = Signal()
    start_file_requested = Signal()
    content_requested = Signal()

    def __init__(self, theme: Theme, session: TrainSession, parent: QWidget | None = None) -> None:
        """Show nothing yet: `build` makes what is in it."""
        super().__init__(parent)
        self.setProperty("role", "card")
        self.session = session
        self._theme = theme

    def build(self) -> Iterator[None]:
        """Make it in pieces, each a moment's work; whatever else it has is there when they are all made."""
        theme, session = self._theme, self.session
        draft = session.draft
        self._area = Scrolled("recipe", self)
        inside = self._area.inside
        self.more = Fold(
            theme, _("All settings"), _("Device, teacher, losses, optimiser, network and the rest"), inside
        )
        below = self.more.contents
        self._recipe_row = QWidget(inside)
        self.recipe = Choice(self._recipe_row)
        self.recipe.explain_rows()
        self.about = quiet()
        self.save = QToolButton()
        self.save.setIconSize(QSize(18, 18))
        self.save.setToolTip(_("Save this recipe with its changes as a file"))
        self.save.setAccessibleName(_("Save the recipe as a file"))
        theme.set_icon(self.save, "save")
        self.name = QLineEdit()
        self.name.setMaxLength(60)
        self.start = Choice(inside)
        self.teacher = Choice(below)
        self.device = Choice(below)
        for value, label in settings.TRAIN_DEVICES:
            self.device.addItem(label, value)
        self.device.setCurrentIndex(max(0, self.device.findData(session.settings.get(settings.TRAIN_DEVICE))))
        self.content = QWidget(below)
        self.content_file = Elided(mode=Qt.TextElideMode.ElideMiddle)
        self.content_words = quiet()
        self.choose_content = QPushButton(_("Choose…"))
        self.drop_content = QToolButton()
        self.drop_content.setIconSize(QSize(16, 16))
        self.drop_content.setToolTip(_("Use torchvision’s again"))
        self.drop_content.setAccessibleName(_("Use torchvision’s content weights again"))
        theme.set_icon(self.drop_content, "reset")
        self.lengths = {stage: LengthField(draft, stage, inside) for stage in ("psnr", "gan")}
        yield
        self.form = RecipeForm(theme, draft, below)
        yield
        self._lay_out()
        yield
        self._fill_recipes()
        self.reload_models()
        self._bind()
        self.show_draft()

    def reload_models(self) -> None:
        """Look again at which models a run may start and learn from."""
        self.start.blockSignals(True)
        self.start.clear()
        self.start.addItem(_("Nothing (random weights)"), "")
        for model in models():
            self.start.addItem(model.card.name, model.key)
        self.start.addItem(_("A model file…"), OTHER_MODEL)
        self.start.blockSignals(False)
        self._show_start()
        self.teacher.blockSignals(True)
        self.teacher.clear()
        self.teacher.addItem(_("None (pictures only)"), "")
        for model in models():
            self.teacher.addItem(model.card.name, model.key)
        self.teacher.blockSignals(False)
        self._show_teacher()

    def show_draft(self) -> None:
        """Bring the fields in line with the draft and the settings."""
        draft = self.session.draft
        row = self.recipe.findData(draft.source)
        if row < 0:
            row = self.recipe.count() - 1
            self.recipe.insertItem(row, Path(draft.source).stem, draft.source)
        self.recipe.blockSignals(True)
        self.recipe.setCurrentIndex(row)
        self.recipe.blockSignals(False)
        self.about.setText(_(draft.base.description))
        self.save.setEnabled(draft.recipe is not None)
        own = draft.text("name") if "name" in draft.changes else ""
        if self.name.text().strip() != own:
            self.name.setText(own)
        self.name.setPlaceholderText(suggested_name(self.session.settings, self.session.draft))
        if draft.lacks_teacher or set(draft.faults) - {f"{stage}.{unit}" for stage, unit in STAGES}:
            # What keeps the run from starting is not to be hidden.
            self.more.show_open(True)
        for field in self.lengths.values():
            field.show_draft()
        self._show_start()
        self._show_teacher()
        self._show_content()

    def _show_start(self) -> None:
        _show(self.start, self.session.draft.text("start"), before_last=True)

    def _show_teacher(self) -> None:
        _show(self.teacher, self.session.draft.text("teacher"), before_last=False)

    def _show_content(self) -> None:
        draft, chosen = self.session.draft, self.session.settings.get(settings.TRAIN_CONTENT)
        self.content.setVisible(draft.wants_content)
        self.drop_content.setVisible(bool(chosen))
        network = draft.recipe.gan.content.network if draft.recipe is not None else "vgg19"
        if chosen:
            self.content_file.say(chosen)
            self.content_words.setText(_("Used for the content loss and the perceptual distance."))
        elif paths.downloaded_content(network).is_file():
            self.content_file.say(_("torchvision’s {network}, already downloaded").format(network=network.upper()))
            self.content_words.setText("")
        else:
            self.content_file.say(_("torchvision’s {network}").format(network=network.upper()))
            self.content_words.setText(
                _(
                    "It is downloaded once ({sizes}) when the run starts. Without internet, choose a file "
                    "of VGG features: a run that finds neither ends before its first step and says so. "
                    "Random weights are never used."
                ).format(sizes=SIZES[network])
            )
        self.content_words.setVisible(bool(self.content_words.text()))

    def _fill_recipes(self) -> None:
        names = shipped_recipes()
        order = [name for name in FIRST_RECIPES if name in names]
        order += [name for name in names if name not in order]
        for name in order:
            self.recipe.addItem(name, name)
            row = self.recipe.count() - 1
            self.recipe.setItemData(row, _(load_recipe(name).description), SECOND_LINE)
        self.recipe.addItem(_("From a file…"), FILE)

    def _bind(self) -> None:
        session = self.session
        self.recipe.currentIndexChanged.connect(self._on_recipe)
        self.save.clicked.connect(self.save_requested)
        self.name.textEdited.connect(lambda text: session.draft.set("name", text))
        self.start.currentIndexChanged.connect(self._on_start)
        self.teacher.currentIndexChanged.connect(lambda _row: self.choose_teacher(self.teacher.currentData()))
        self.device.currentIndexChanged.connect(
            lambda _row: session.settings.set(settings.TRAIN_DEVICE, self.device.currentData())
        )
        self.choose_content.clicked.connect(self.content_requested)
        self.drop_content.clicked.connect(lambda: session.settings.set(settings.TRAIN_CONTENT, ""))
        session.draft.changed.connect(self.show_draft)
        session.settings.changed.connect(self._on_option)

    def _on_recipe(self, _row: int) -> None:
        chosen = self.recipe.currentData()
        if chosen == FILE:
            self.show_draft()
            self.recipe_file_requested.emit()
        elif not self.session.choose_recipe(chosen):
            self.show_draft()

    def _on_start(self, _row: int) -> None:
        chosen = self.start.currentData()
        if chosen == OTHER_MODEL:
            self._show_start()
            self.start_file_requested.emit()
        else:
            self.choose_start(chosen)

    def choose_start(self, model: str) -> None:
        """Start from a model, by key or path, and make the network of the recipe that model's."""
        draft = self.session.draft
        draft.set("start", model)
        known = {each.key: each.path for each in models()}
        if model:
            draft.fit_to(known.get(model, Path(model)))

    def choose_teacher(self, model: str) -> None:
        """Learn from a model, by key or path; the network takes its scale. From none where it is empty."""
        draft = self.session.draft
        scale = next((str(each.card.scale) for each in models() if each.key == model), "")
        if scale in SCALES:
            draft.set("generator.scale", scale)
        draft.learn_from(model)

    def _on_option(self, option: Option) -> None:
        if option is settings.TRAIN_CONTENT:
            self._show_content()
        elif option is settings.TRAIN_FOLDER:
            self.name.setPlaceholderText(suggested_name(self.session.settings, self.session.draft))

    def _lay_out(self) -> None:
        beside = QHBoxLayout(self._recipe_row)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(4)
        beside.addWidget(self.recipe, 1)
        beside.addWidget(self.save)
        self._recipe_row.setFocusProxy(self.recipe)
        self.recipe.setAccessibleName(_("Recipe"))
        content_row = QHBoxLayout()
        content_row.setSpacing(6)
        content_row.addWidget(self.content_file, 1)
        content_row.addWidget(self.drop_content)
        content_row.addWidget(self.choose_content)
        content = QVBoxLayout(self.content)
        content.setContentsMargins(0, 0, 0, 0)
        content.setSpacing(4)
        heading = titled(settings.TRAIN_CONTENT.label, "section")
        heading.setBuddy(self.choose_content)
        heading.setToolTip(settings.TRAIN_CONTENT.tooltip)
        self.choose_content.setToolTip(settings.TRAIN_CONTENT.tooltip)
        self.choose_content.setAccessibleName(_("Choose content weights"))
        content.addWidget(heading)
        content.addLayout(content_row)
        content.addWidget(self.content_words)
        fields = QGridLayout()
        fields.setHorizontalSpacing(12)
        fields.setVerticalSpacing(10)
        fields.addLayout(labelled(settings.TRAIN_RECIPE.label, settings.TRAIN_RECIPE.tooltip, self._recipe_row), 0, 0)
        fields.addLayout(labelled(_("&Name of the run"), _("Its model gets this name, too."), self.name), 0, 1)
        fields.addWidget(self.about, 1, 0, 1, 2)
        start_words = _(
            "Continue training an existing model instead of starting from zero. The recipe takes over its network."
        )
        fields.addLayout(labelled(_("Start &from"), start_words, self.start), 2, 0)
        lengths = QHBoxLayout()
        lengths.setSpacing(12)
        for field in self.lengths.values():
            lengths.addWidget(field, 1)
        fields.addLayout(lengths, 2, 1)
        teacher_words = _(
            "A larger, slower model to imitate. It upscales some patches of your pictures once, before the first step."
        )
        fields.setColumnStretch(0, 1)
        fields.setColumnStretch(1, 1)
        others = QGridLayout(self.more.contents)
        others.setContentsMargins(0, 0, 0, 0)
        others.setHorizontalSpacing(12)
        others.setVerticalSpacing(10)
        others.addLayout(labelled(settings.TRAIN_DEVICE.label, settings.TRAIN_DEVICE.tooltip, self.device), 0, 0)
        others.addLayout(labelled(_("&Teacher"), teacher_words, self.teacher), 0, 1)
        others.addWidget(self.content, 1, 0, 1, 2)
        others.addWidget(self.form, 2, 0, 1, 2)
        others.setColumnStretch(0, 1)
        others.setColumnStretch(1, 1)
        column = QVBoxLayout(self._area.inside)
        column.setContentsMargins(16, 12, 12, 12)
        column.setSpacing(12)
        column.addWidget(titled(_("Recipe"), "title"))
        column.addLayout(fields)
        column.addWidget(self.more)
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 1, 1, 1)
        outer.addWidget(self._area)


def _show(choice: Choice, wanted: str, *, before_last: bool) -> None:
    """Select the row of a model; one that is not installed gets a row, before the one that opens a dialog if there is
    one."""
    row = choice.findData(wanted)
    choice.blockSignals(True)
    if row < 0:
        row = choice.count() - before_last
        choice.insertItem(row, Path(wanted).name, wanted)
    choice.setCurrentIndex(row)
    choice.blockSignals(False)
