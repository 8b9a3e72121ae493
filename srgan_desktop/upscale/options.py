"""The options beside the queue: every one says what it does, and is kept between starts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.contract.errors import UserError
from core.contract.settings import MAX_FACTOR, MAX_SIDE, MIN_FACTOR, SETTINGS, OutputSize, SizeKind
from core.images import FORMATS
from core.language import gettext as _
from core.models.card import ModelCard
from core.models.catalogue import (
    AUTOMATIC,
    DEFAULT_MODEL,
    Model,
    base_of,
    cleaner_of,
    find_model,
    full_of,
    models,
    uncleaned_of,
)
from srgan_desktop import problems, settings
from srgan_desktop.desktop import dialog_folder
from srgan_desktop.detail import name_of, standing_of
from srgan_desktop.fields import SECOND_LINE, Choice, Elided, Scrolled, indent_number, labelled, quiet
from srgan_desktop.percent_slider import PercentSlider
from srgan_desktop.settings import Option, Settings
from srgan_desktop.theme import Theme
from srgan_desktop.upscale.bound_fields import BoundFields
from srgan_desktop.upscale.device_rows import possible
from srgan_desktop.upscale.preset_field import PresetField

PURPOSE = 120
"""Characters of what a model is for that are shown under its name."""
WIDEST, NARROWEST = (340, 44), (270, 36)
"""Widths of the column: in pixels, and where that is more, in characters of middling width."""
AUTOMATIC_CHOICE = Model(
    AUTOMATIC,
    Path(),
    ModelCard(
        "Automatic",
        description="Looks at each picture, and chooses model, clean-up and detail by its noise, compression and blur.",
    ),
    shipped=True,
)
"""What stands first among the models; it is none itself."""

F = TypeVar("F", bound=QWidget)


class OptionsPanel(Scrolled):
    """Reads from and writes to the settings; nothing else needs to know its widgets."""

    more_models = Signal()
    """Other models than those in the list are asked for."""

    def __init__(self, theme: Theme, options: Settings, parent: QWidget | None = None) -> None:
        super().__init__("options", parent)
        self._theme = theme
        self._settings = options
        self._fields = BoundFields(options, self)
        self.setMaximumWidth(widest(self))
        self.inside.setMinimumWidth(_pixels(self, *NARROWEST) - 16)
        self._column = QVBoxLayout(self.inside)
        self._column.setContentsMargins(4, 0, 10, 8)
        self._column.setSpacing(12)
        self._add_preset()
        self._add_model()
        self._add_mix()
        self._add_before()
        self._add_size()
        self._add_format()
        self._add_output()
        self._add_advanced()
        self._column.addStretch(1)
        self.reload_models()
        self._say_whether_quality_counts()
        options.changed.connect(self._on_option)

    # Building, top to bottom

    def _add_preset(self) -> None:
        self.preset = PresetField(self._theme, self._settings)
        self._fields.guarded(self.preset.choice)
        tooltip = _(
            "Settings under a name: for the web, for print, for an archive, or your own (command line: --preset)."
        )
        self._column.addLayout(labelled(_("&Preset"), tooltip, self.preset))
        self.preset.applied.connect(self.show_options)

    def show_options(self) -> None:
        """Show the options as they are, whoever changed them."""
        self._fields.show_values()
        self.output_size.show_size(self._settings.get(settings.SIZE))
        self._say_whether_quality_counts()
        self.reload_models()

    def _add_model(self) -> None:
        self.model = self._fields.guarded(Choice())
        self.model.explain_rows()
        self._purpose = quiet()
        self._facts = Elided("muted")
        more = QPushButton(_("More models…"))
        more.setProperty("role", "link")
        more.setToolTip(_("Download, import, compare and test models on the Models page"))
        more.clicked.connect(self.more_models)
        facts = QWidget()
        in_facts = QHBoxLayout(facts)
        in_facts.setContentsMargins(0, 0, 0, 0)
        in_facts.addWidget(self._facts, 1)
        in_facts.addWidget(more)
        self._column.addLayout(self._fields.labelled(settings.MODEL, self.model, self._purpose, facts))
        self.model.currentIndexChanged.connect(self._on_model)

    def _add_mix(self) -> None:
        self.detail, self.detail_row = self._slider(settings.DETAIL, _("Faithful"), _("More detail"))
        self.clean_up, self.clean_up_row = self._slider(settings.CLEAN_UP, _("Leave as is"), _("Clean"))

    def _slider(self, option: Option[int], low: str, high: str) -> tuple[PercentSlider, QWidget]:
        slider = PercentSlider(low, high, option.default)
        in_row = self._fields.labelled(option, slider)
        in_row.setContentsMargins(0, 0, 0, 0)
        row = QWidget()
        row.setLayout(in_row)
        self._fields.guarded(slider.slider)
        self._column.addWidget(row)
        slider.chosen.connect(lambda percent: self._on_mix(option, percent))
        return slider, row

    def _add_before(self) -> None:
        self.before = self._fields.guarded(Choice())
        in_row = self._fields.labelled(settings.BEFORE, self.before)
        in_row.setContentsMargins(0, 0, 0, 0)
        self._before_row = QWidget()
        self._before_row.setLayout(in_row)
        self._column.addWidget(self._before_row)
        self.before.currentIndexChanged.connect(
            lambda _row: self._settings.set(settings.BEFORE, self.before.currentData())
        )

    def _add_size(self) -> None:
        self.output_size = SizeField(self._settings.get(settings.SIZE))
        self._fields.guard_all_in(self.output_size)
        self._column.addLayout(self._fields.labelled(settings.SIZE, self.output_size))
        self.output_size.chosen.connect(lambda size: self._settings.set(settings.SIZE, size))

    def _add_format(self) -> None:
        self.format = self._fields.choice(
            settings.FORMAT,
            [("same", _("Same as source")), *((row.key, row.label) for row in FORMATS.values() if row.can_choose)],
        )
        self.quality = self._fields.number(settings.QUALITY)
        pair = QHBoxLayout()
        pair.setSpacing(10)
        pair.addLayout(self._fields.labelled(settings.FORMAT, self.format), 5)
        pair.addLayout(self._fields.labelled(settings.QUALITY, self.quality), 3)
        self._column.addLayout(pair)

    def _add_output(self) -> None:
        self.output = OutputField(self._theme, self._settings)
        self._column.addLayout(self._fields.labelled(settings.OUTPUT, self.output))
        self.existing = self._fields.choice(settings.EXISTING)
        self._column.addLayout(self._fields.labelled(settings.EXISTING, self.existing))
        self.recursive = self._fields.check(settings.RECURSIVE)
        self.watch = self._fields.check(settings.WATCH)
        checks = QVBoxLayout()
        checks.setSpacing(6)
        checks.addWidget(self.recursive)
        checks.addWidget(self.watch)
        self._column.addLayout(checks)

    def _add_advanced(self) -> None:
        self.fold = QToolButton()
        self.fold.setText(settings.ADVANCED.label)
        self.fold.setToolTip(settings.ADVANCED.tooltip)
        self.fold.setProperty("role", "fold")
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setIconSize(QSize(16, 16))
        self.fold.setCheckable(True)
        self.fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._column.addWidget(self.fold)
        self.advanced = QWidget()
        hidden = QVBoxLayout(self.advanced)
        hidden.setContentsMargins(0, 0, 0, 0)
        hidden.setSpacing(12)
        self.device = self._fields.choice(settings.DEVICE, possible(self._settings.get(settings.DEVICE)))
        self.precision = self._fields.choice(settings.PRECISION)
        self.tile = self._fields.choice(settings.TILE)
        hidden.addLayout(self._fields.labelled(settings.DEVICE, self.device))
        hidden.addLayout(self._fields.labelled(settings.PRECISION, self.precision))
        hidden.addLayout(self._fields.labelled(settings.TILE, self.tile))
        self.ensemble = self._fields.check(settings.ENSEMBLE)
        self.metadata = self._fields.check(settings.METADATA)
        self.tie_colours = self._fields.check(settings.TIE_COLOURS)
        hidden.addWidget(self.ensemble)
        hidden.addWidget(self.tie_colours)
        hidden.addWidget(self.metadata)
        for name in ("depth", "larger", "frames", "archives"):
            option = settings.UPSCALE[name]
            hidden.addLayout(self._fields.labelled(option, self._fields.choice(option)))
        pattern = settings.UPSCALE["result_name"]
        hidden.addLayout(self._fields.labelled(pattern, self._fields.text(pattern)))
        for name in ("wrap", "keep_date", "provenance", "keep_values"):
            hidden.addWidget(self._fields.check(settings.UPSCALE[name]))
        self._column.addWidget(self.advanced)
        self.fold.toggled.connect(self._on_fold)
        self.fold.setChecked(self._settings.get(settings.ADVANCED))
        self._on_fold(self.fold.isChecked())

    # The models

    def sizeHint(self) -> QSize:
        return QSize(self.maximumWidth(), super().sizeHint().height())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # The Models page adds, renames and removes some while this one is behind it.
        self.reload_models()

    def reload_models(self) -> None:
        """Look again at which models there are, and keep the chosen one; if it is gone, take the default."""
        all_here = models()
        self._reload_before([model for model in all_here if model.card.scale == 1])
        here = [model for model in all_here if model.card.scale != 1]
        known = [AUTOMATIC_CHOICE, *here] if here else []
        key = self._settings.get(settings.MODEL)
        try:
            # Also a file elsewhere, which the list does not have.
            chosen: Model | None = AUTOMATIC_CHOICE if key == AUTOMATIC else find_model(key)
        except UserError:
            self._settings.set(settings.MODEL, settings.MODEL.default)
            chosen = known[0] if known else None
        self.model.blockSignals(True)
        self.model.clear()
        if chosen is not None and all(model.key != chosen.key for model in known):
            known.append(chosen)
        for model in known:
            if model is not chosen and model.key != key and _is_slider_end(model):
                # The sliders of another model lead there.
                continue
            self.model.addItem(name_of(model), model)
            self.model.setItemData(self.model.count() - 1, _purpose(model), SECOND_LINE)
            if chosen is not None and model.key == chosen.key:
                self.model.setCurrentIndex(self.model.count() - 1)
        self.model.blockSignals(False)
        if self.model.count() == 0:
            self._purpose.setText(
                _("No models found. Reinstall the program, or put a model file into the models folder.")
            )
            self._purpose.show()
            self._facts.say("")
        else:
            self._describe(self.model.currentData())

    def _reload_before(self, restoring: Sequence[Model]) -> None:
        """Offer the models of scale 1; who has none is not asked."""
        chosen = self._settings.get(settings.BEFORE)
        rows: dict[tuple[str, ...], str] = {(): _("Nothing")}
        rows |= {(model.key,): model.card.name for model in restoring}
        # Also several, or a file elsewhere, as a settings file may say.
        rows.setdefault(chosen, " + ".join(Path(name).stem for name in chosen))
        self.before.blockSignals(True)
        self.before.clear()
        for names, label in rows.items():
            self.before.addItem(label, names)
            if names == chosen:
                self.before.setCurrentIndex(self.before.count() - 1)
        self.before.blockSignals(False)
        self._before_row.setVisible(len(rows) > 1)

    def _on_model(self, _row: int) -> None:
        model: Model | None = self.model.currentData()
        if model is not None:
            if base_of(model) is not None and self._settings.get(settings.DETAIL) == 0:
                # Who chooses this model by name does not mean the other one.
                self._settings.set(settings.DETAIL, settings.DETAIL.default)
            if cleaner_of(model) is not None and self._settings.get(settings.CLEAN_UP) == 100:
                self._settings.set(settings.CLEAN_UP, settings.CLEAN_UP.default)
            self._settings.set(settings.MODEL, model.key)
            self._describe(model)

    def _describe(self, model: Model) -> None:
        card = model.card
        # A stranger's card may hold a novel.
        self._purpose.setText(textwrap.shorten(card.purpose, PURPOSE, placeholder="…"))
        self._purpose.setVisible(bool(card.purpose))
        facts = [f"{card.scale}×", card.license]
        self._facts.say(
            " · ".join(fact for fact in facts if fact),
            _("By {author}").format(author=card.author) if card.author else "",
        )
        about = "\n".join(
            part
            for part in (
                card.explanation,
                _("Trained on: {dataset}").format(dataset=card.dataset) if card.dataset else "",
            )
            if part
        )
        tooltip = settings.MODEL.tooltip
        self.model.setToolTip(f"{tooltip}\n\n{name_of(model)}: {about}" if about else tooltip)

        self._show_mix(model)

    def _show_mix(self, model: Model) -> None:
        """The sliders, where the model stands on them."""
        standing = standing_of(model, self._settings)
        for slider, row, percent in (
            (self.detail, self.detail_row, standing.detail),
            (self.clean_up, self.clean_up_row, standing.clean_up),
        ):
            row.setVisible(percent is not None)
            if percent is not None:
                slider.show_value(percent)

    def _on_mix(self, option: Option[int], percent: int) -> None:
        model: Model | None = self.model.currentData()
        if model is None:
            return
        standing = standing_of(model, self._settings)
        shown = {settings.DETAIL: standing.detail, settings.CLEAN_UP: standing.clean_up}
        # First the values: the preview that the other model asks for then is the right one.
        for each, value in {**shown, option: percent}.items():
            if value is not None:
                self._settings.set(each, value)
        if standing.full.key != self._shown_key():
            self._settings.set(settings.MODEL, standing.full.key)

    def _shown_key(self) -> str:
        model: Model | None = self.model.currentData()
        return "" if model is None else model.key

    def _on_fold(self, open_: bool) -> None:
        self.advanced.setVisible(open_)
        self._theme.set_icon(self.fold, "down" if open_ else "right")
        self._settings.set(settings.ADVANCED, open_)

    def _on_option(self, option: Option) -> None:
        if option is settings.FORMAT:
            self._say_whether_quality_counts()
        elif option in (settings.OUTPUT, settings.SIZE):
            self.output.show_folder()
        elif option is settings.MODEL and self._settings.get(option) not in ("", self._shown_key()):
            # Chosen elsewhere, and perhaps not there when this list was made: a model that was just trained.
            self.reload_models()
        elif option in (settings.DETAIL, settings.CLEAN_UP) and (model := self.model.currentData()) is not None:
            self._show_mix(model)

    def _say_whether_quality_counts(self) -> None:
        key = self._settings.get(settings.FORMAT)
        self.quality.setEnabled(key not in FORMATS or FORMATS[key].lossy)


class OptionsNotice(QFrame):
    """Says over the options whose settings they are, where they are not simply those of the next run."""

    done = Signal(bool)
    """The settings of single pictures are edited no longer; whether they are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("banner", "info")
        self.setMaximumWidth(widest(self))
        self.words = quiet()
        self.keep = QPushButton(_("Done"), self)
        self.keep.clicked.connect(lambda: self.done.emit(True))
        self.drop = QPushButton(_("Cancel"), self)
        self.drop.clicked.connect(lambda: self.done.emit(False))
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.keep)
        buttons.addWidget(self.drop)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 7, 10, 7)
        column.addWidget(self.words)
        column.addLayout(buttons)
        self.hide()

    def show_state(self, edited: Sequence[Path], kept: str) -> None:
        """Name the pictures whose settings are edited, or the settings that the run keeps; else nothing is seen."""
        for button in (self.keep, self.drop):
            button.setVisible(bool(edited))
        if edited:
            whose = f"“{edited[0].name}”" if len(edited) == 1 else problems.pictures(len(edited))
            self.words.setText(_("Own settings of {whose}").format(whose=whose))
        else:
            self.words.setText(_("The current run keeps {kept}. Changes apply to the next one.").format(kept=kept))
        self.setVisible(bool(edited) or bool(kept))


def widest(widget: QWidget) -> int:
    """The greatest width of the column of options, in this widget's font."""
    return _pixels(widget, *WIDEST)


def _pixels(widget: QWidget, pixels: int, characters: int) -> int:
    return max(pixels, characters * widget.fontMetrics().averageCharWidth())


class SizeField(QWidget):
    """Presets, and a number where the preset needs one."""

    chosen = Signal(object)
    """The new `OutputSize`."""

    def __init__(self, size: OutputSize) -> None:
        super().__init__()
        self.preset = Choice()
        for preset, label in SETTINGS["size"].choices:
            self.preset.addItem(label, (preset.kind, preset.value))
        for kind, label in (
            ("factor", _("Factor")),
            ("width", _("Width")),
            ("height", _("Height")),
            ("longest", _("Longest side")),
            ("print", _("Print size")),
        ):
            self.preset.addItem(label, (kind, None))
        self.number = QDoubleSpinBox()
        self.number.setAccessibleName(_("Size"))
        indent_number(self.number)
        self.number.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self.number.setKeyboardTracking(False)
        self.dpi = QSpinBox(minimum=30, maximum=2400, value=300, suffix=" dpi")
        self.dpi.setAccessibleName(_("Dots per inch"))
        self.dpi.setKeyboardTracking(False)
        indent_number(self.dpi)
        self.dpi.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for field in (self.preset, self.number, self.dpi):
            # A million pixels would have a wider field than the column; half of it holds what is typed.
            field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row.addWidget(field, 1)
        self.setFocusProxy(self.preset)
        self._show(size)
        self.preset.currentIndexChanged.connect(self._on_preset)
        self.number.valueChanged.connect(self._on_number)
        self.dpi.valueChanged.connect(lambda _dpi: self._on_number(self.number.value()))

    def setToolTip(self, text: str) -> None:
        self.preset.setToolTip(text)
        self.number.setToolTip(text)

    def setAccessibleName(self, name: str) -> None:
        self.preset.setAccessibleName(name)

    def show_size(self, size: OutputSize) -> None:
        """Show without telling."""
        self.preset.blockSignals(True)
        self._show(size)
        self.preset.blockSignals(False)

    def _show(self, size: OutputSize) -> None:
        self.dpi.setVisible(size.kind == "print")
        if size.dpi:
            self.dpi.blockSignals(True)
            self.dpi.setValue(size.dpi)
            self.dpi.blockSignals(False)
        plain = size in dict(SETTINGS["size"].choices)
        for row in range(self.preset.count()):
            kind, factor = self.preset.itemData(row)
            if kind == size.kind and factor == (size.value if plain else None):
                self.preset.setCurrentIndex(row)
        self.number.setVisible(not plain)
        self._prepare_number(size.kind, size.value)

    def _prepare_number(self, kind: str, value: float) -> None:
        self.number.blockSignals(True)
        if kind == "factor":
            self.number.setDecimals(2)
            self.number.setRange(MIN_FACTOR, MAX_FACTOR)
            self.number.setSuffix(" ×")
        elif kind == "print":
            self.number.setDecimals(1)
            self.number.setRange(1, 1000)
            self.number.setSuffix(" cm")
        else:
            self.number.setDecimals(0)
            self.number.setRange(1, MAX_SIDE)
            self.number.setSuffix(" px")
        self.number.setValue(value)
        self.number.blockSignals(False)

    def _on_preset(self, _row: int) -> None:
        kind, factor = self.preset.currentData()
        self.number.setVisible(factor is None)
        self.dpi.setVisible(kind == "print")
        if factor is None:
            # The longer side of A4, in print.
            firsts = {"factor": 2.5, "width": 3840, "height": 2160, "longest": 4096, "print": 29.7}
            self._prepare_number(kind, firsts[kind])
            factor = self.number.value()
        self._tell(kind, factor)

    def _on_number(self, value: float) -> None:
        kind, _rest = self.preset.currentData()
        self._tell(kind, value)

    def _tell(self, kind: SizeKind, value: float) -> None:
        self.chosen.emit(OutputSize(kind, value, self.dpi.value() if kind == "print" else 0))


class OutputField(QWidget):
    """Says in words where results go, and lets it be changed."""

    def __init__(self, theme: Theme, options: Settings) -> None:
        super().__init__()
        self._settings = options
        self.words = quiet()
        self.choose = QPushButton(_("Choose…"))
        self.choose.clicked.connect(self._choose)
        self.beside = QToolButton()
        self.beside.setIconSize(QSize(18, 18))
        self.beside.setToolTip(_("Save beside the originals again"))
        self.beside.setAccessibleName(_("Save beside the originals again"))
        theme.set_icon(self.beside, "reset")
        self.beside.clicked.connect(self._save_beside)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.choose, 1)
        row.addWidget(self.beside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.words)
        column.addLayout(row)
        self.setFocusProxy(self.choose)
        self.show_folder()

    def setToolTip(self, text: str) -> None:
        self.choose.setToolTip(text)

    def setAccessibleName(self, name: str) -> None:
        self.choose.setAccessibleName(f"{name}: {self.words.toolTip() or self.words.text()}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.show_folder()

    def show_folder(self) -> None:
        """Say what the settings say."""
        folder = self._settings.get(settings.OUTPUT)
        self.beside.setVisible(bool(folder))
        metrics = QFontMetrics(self.words.font())
        self.words.setText(
            metrics.elidedText(folder, Qt.TextElideMode.ElideMiddle, max(120, self.width() - 4))
            if folder
            else _beside(self._settings.get(settings.SIZE))
        )
        self.words.setToolTip(folder)
        self.setAccessibleName(_("Save to"))

    def _choose(self) -> None:
        start = dialog_folder(self._settings.get(settings.OUTPUT), self._settings.get(settings.FOLDER))
        folder = QFileDialog.getExistingDirectory(self, _("Folder for the results"), start)
        if folder:
            self._settings.set(settings.OUTPUT, str(Path(folder)))

    def _save_beside(self) -> None:
        self._settings.set(settings.OUTPUT, "")
        self.choose.setFocus()


def _purpose(model: Model) -> str:
    """What a model is for, with the name that its file has where the row shows another."""
    name = f"{model.card.name}: " if model.key == DEFAULT_MODEL else ""
    return f"{name}{textwrap.shorten(model.card.purpose, PURPOSE, placeholder='…')}"


def _is_slider_end(model: Model) -> bool:
    return full_of(model) is not model or uncleaned_of(model) is not model


def _beside(size: OutputSize) -> str:
    """Where results go when nobody chose a folder."""
    return _("Beside each original, named “…_{size}”; results of a folder go to “<folder>_{size}” beside it.").format(
        size=size
    )
