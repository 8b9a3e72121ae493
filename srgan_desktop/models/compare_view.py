"""Two to four models on one part of a picture, in the same place, with what each takes."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QListWidget, QListWidgetItem, QWidget

from core.contract.evaluate import MOST_COMPARED, CompareFailed, ModelCompared
from core.language import gettext as _
from core.language import headed
from srgan_desktop import problems
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.view import Shown
from srgan_desktop.fields import Elided, quiet, titled
from srgan_desktop.models.picture_card import PictureCard
from srgan_desktop.models.session import COMPARE_MOST, ModelsSession, Trial
from srgan_desktop.models.trial_view import TrialView
from srgan_desktop.theme import Theme

ROW_PADDING = 12
MOST_ROWS, MOST_ROWS_LOW = 8, 4
"""Models seen at once, and in a low window; further ones are scrolled to."""
LOW = 560
"""Height of the view under which the window is called low."""

TITLE = _("Which model suits this picture?")
STEPS = (
    _(
        "Tick two to {most_compared} models, choose a picture, and draw a rectangle around the part that matters."
    ).format(most_compared=MOST_COMPARED),
    _("Every model enlarges that part as it would in the whole picture, with the Detail of the Upscale page."),
    _(
        "Look at the results side by side (S), or one at a time (T) and blink between them "
        "with the number keys: zoom and position are shared. Below stand the seconds and the "
        "memory that each takes for a megapixel."
    ),
)


class CompareModelsView(TrialView):
    """Sets a comparison up and shows what came of it."""

    def __init__(self, theme: Theme, session: ModelsSession, parent: QWidget | None = None) -> None:
        super().__init__(theme, session, Trial.COMPARE, _("&Compare"), TITLE, STEPS, parent)
        self.choice = QListWidget(self.place)
        self.choice.setObjectName("choice")
        self.choice.setAccessibleName(_("Models to compare"))
        self.choice.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.choice.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.picture = PictureCard(
            theme, session, lambda: session.compare_region, session.choose_compare_region, COMPARE_MOST, self.place
        )
        self.heading = titled(_("Models"), "section")
        self.fields.addWidget(self.heading)
        self.fields.addWidget(self.choice)
        self.fields.addWidget(titled(_("Picture"), "section"))
        self.fields.addWidget(self.picture)
        self.fields.addStretch(1)
        self.table = Results(self.results)
        self.below.addWidget(self.table)
        self.ticked: list[str] = []
        """Keys in the order in which they were ticked: that of the numbers."""
        self._shown: list[ModelCompared | CompareFailed | None] = []
        self._arranged = False
        self.choice.itemChanged.connect(self._on_ticked)
        session.compared.connect(self.show_result)
        session.changed.connect(self._begin)
        self.show_models()
        self.show_state()

    def tick(self, key: str) -> None:
        """Compare this model too; where there are enough, in place of the last."""
        if key in self.ticked or self.session.find(key) is None:
            return
        self.ticked = [*self.ticked[: MOST_COMPARED - 1], key]
        self.show_models()

    def try_it(self) -> None:
        if not self.why_not():
            self._shown = []
            self.session.compare(self.ticked)

    def why_not(self) -> str:
        if len(self.session.models) < 2:
            return _("Two models needed: download or import another one.")
        if len(self.ticked) < 2:
            return _("Tick two to {most_compared} models.").format(most_compared=MOST_COMPARED)
        return self.why_no_picture()

    def show_models(self) -> None:
        keys = [model.key for model in self.session.models]
        self.ticked = [key for key in self.ticked if key in keys]
        if not self.ticked and self.session.default_key in keys:
            self.ticked = [self.session.default_key]
        self.choice.blockSignals(True)
        self.choice.clear()
        full = len(self.ticked) == MOST_COMPARED
        for model in self.session.models:
            item = QListWidgetItem(f"{model.card.name} ({model.card.scale}×)")
            ticked = model.key in self.ticked
            item.setData(Qt.ItemDataRole.UserRole, model.key)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsSelectable)
            item.setFlags(item.flags() | (Qt.ItemFlag.ItemIsEnabled if ticked or not full else Qt.ItemFlag.NoItemFlags))
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            item.setToolTip(model.card.name)
            item.setSizeHint(QSize(0, self._row_height))
            self.choice.addItem(item)
        self._fit_choice()
        self.choice.blockSignals(False)
        self.show_state()

    def show_state(self) -> None:
        super().show_state()
        self.heading.setText(
            _("Models ({count} of at most {most_compared})").format(count=len(self.ticked), most_compared=MOST_COMPARED)
        )

    def show_result(self, event: ModelCompared | CompareFailed) -> None:
        """One of the models is done, or could not do it."""
        if len(self._shown) != len(self.session.compared_models):
            self._shown = [None] * len(self.session.compared_models)
        self._shown[event.index] = event
        pictures = [Shown(each.model, each.pixels) for each in self._shown if isinstance(each, ModelCompared)]
        if pictures:
            self.compare.show_pictures(pictures)
            if not self._arranged:
                # Side by side is what most people expect of several; whoever chose another mode keeps it.
                self._arranged = True
                self.compare.canvas.set_mode(Mode.SIDE)
        names = [
            each.model if isinstance(each, ModelCompared) else self._name(key)
            for key, each in zip(self.session.compared_models, self._shown, strict=True)
        ]
        self.table.show_results(names, self._shown)
        self.show_results()

    def _begin(self) -> None:
        if not self.trying and None in self._shown:
            # Given up before its end.
            self._shown = [each for each in self._shown if each is not None]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_choice()

    @property
    def _row_height(self) -> int:
        return self.choice.fontMetrics().height() + ROW_PADDING

    def _fit_choice(self) -> None:
        most = MOST_ROWS if self.height() > LOW else MOST_ROWS_LOW
        self.choice.setFixedHeight(min(most, max(1, self.choice.count())) * self._row_height + 10)

    def _name(self, key: str) -> str:
        model = self.session.find(key)
        return model.card.name if model is not None else key

    def _on_ticked(self, item: QListWidgetItem) -> None:
        key = item.data(Qt.ItemDataRole.UserRole)
        if item.checkState() is Qt.CheckState.Checked:
            self.ticked = [*self.ticked, key][:MOST_COMPARED]
        else:
            self.ticked = [each for each in self.ticked if each != key]
        row = self.choice.row(item)
        self.show_models()
        self.choice.setCurrentRow(row)


class Results(QWidget):
    """What each model takes, or why it could not do it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        for column, (head, tip) in enumerate(
            (
                ("", ""),
                (_("Model"), ""),
                (_("Time / MP"), _("For a megapixel of output: the network’s own; a small part overstates it")),
                (_("Memory / MP"), _("For a megapixel of output: at the peak, beyond what was taken before")),
            )
        ):
            label = titled(head, "section")
            label.setToolTip(tip)
            if column > 1:
                label.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(label, 0, column)
        self.rows: list[tuple[QLabel, Elided, QLabel, QLabel]] = []
        for row in range(1, MOST_COMPARED + 1):
            cells = (quiet(str(row)), Elided(), QLabel(), QLabel())
            for column, cell in enumerate(cells):
                if column > 1:
                    cell.setAlignment(Qt.AlignmentFlag.AlignRight)
                self._grid.addWidget(cell, row, column)
            self.rows.append(cells)

    def show_results(self, names: list[str], results: list[ModelCompared | CompareFailed | None]) -> None:
        """Fill the table; numbers are those of the pictures, so what failed has none."""
        number = 0
        for index, (place, name, seconds, memory) in enumerate(self.rows):
            there = index < len(results)
            for cell in (place, name, seconds, memory):
                cell.setVisible(there)
            if not there:
                continue
            result = results[index]
            place.setText("–")
            seconds.setText("")
            memory.setText("")
            match result:
                case None:
                    name.say(f"{names[index]}: …")
                case ModelCompared():
                    number += 1
                    place.setText(str(number))
                    name.say(f"{names[index]} · {result.scale}×", "\n".join((result.device, *result.notes)))
                    seconds.setText(problems.seconds(result.seconds_per_megapixel))
                    memory.setText(problems.gigabytes(result.memory_per_megapixel))
                case CompareFailed():
                    name.say(headed(names[index], result.message), result.hint)
