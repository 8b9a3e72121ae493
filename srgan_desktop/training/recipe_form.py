"""Every field of the recipe, in parts that fold, each with its explanation beside it; checked as it is typed."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _
from core.language import headed
from srgan_desktop.fields import Choice, quiet, titled
from srgan_desktop.tab_order import tab_as_laid_out
from srgan_desktop.theme import Theme, repolish
from srgan_desktop.training.draft import FIELDS, GROUPS, Draft, Field

EDITOR_CHARACTERS = 28
"""Width of a value, in characters of middling width."""


class RecipeForm(QWidget):
    """Reads from and writes to a draft."""

    def __init__(self, theme: Theme, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._draft = draft
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(_("Search the fields"))
        self.search.setAccessibleName(_("Search the fields of the recipe"))
        self.search.setClearButtonEnabled(True)
        self.only_changed = QCheckBox(_("Only changed"))
        self.only_changed.setToolTip(_("Show only changed fields"))
        self.reset_all = QPushButton(_("Reset all"))
        self.reset_all.setToolTip(_("Undo all changes"))
        above = QHBoxLayout()
        above.setSpacing(10)
        above.addWidget(self.search, 1)
        above.addWidget(self.only_changed)
        above.addWidget(self.reset_all)
        self.fault = quiet()
        """What is wrong with what was typed, in words."""
        self.fault.setProperty("role", "fault")
        self.nothing = quiet(_("No field matches."))
        self.rows: dict[str, FieldRow] = {}
        self.parts: dict[str, _FoldingSection] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(above)
        column.addWidget(self.fault)
        column.addWidget(self.nothing)
        for key, (title, explanation) in GROUPS.items():
            part = self.parts[key] = _FoldingSection(theme, title, explanation, self)
            part.fold.toggled.connect(self._show_fields)
            column.addWidget(part)
        self.search.textChanged.connect(self._show_fields)
        self.only_changed.toggled.connect(self._show_fields)
        self.reset_all.clicked.connect(lambda: draft.reset())
        draft.changed.connect(self._show_draft)
        self._show_draft()

    def _show_draft(self) -> None:
        for row in self.rows.values():
            row.show_draft()
        for key, part in self.parts.items():
            part.show_state(self._draft.changed_in(key), self._draft.faults.get(key, "") if key else "")
        whole = self._draft.faults.get("", "")
        self.fault.setText(whole)
        self.fault.setVisible(bool(whole))
        self.reset_all.setEnabled(bool(self._draft.changes))
        self._show_fields()

    def _show_fields(self) -> None:
        words = self.search.text().lower().split()
        only_changed = self.only_changed.isChecked()
        searching = bool(words) or only_changed
        any_seen = False
        for key, part in self.parts.items():
            if not part.rows and (searching or part.fold.isChecked()):
                self._fill(key)
            matching = 0 if part.rows else 1
            for row in part.rows:
                matches = row.matches(words) and (not only_changed or row.field.path in self._draft.changes)
                row.setVisible(matches and (searching or part.fold.isChecked()))
                matching += matches
            part.setVisible(matching > 0)
            part.explanation.setVisible(part.fold.isChecked() and not searching)
            part.show_open(searching or part.fold.isChecked())
            any_seen = any_seen or matching > 0
            if self._draft.faults.get(key) and key:
                part.setVisible(True)
        self.nothing.setVisible(not any_seen)

    def _fill(self, group: str) -> None:
        """Make the rows of a part when they are first to be seen: all of them at once would hold the window up."""
        for field in FIELDS:
            if field.group == group:
                row = self.rows[field.path] = FieldRow(self._theme, self._draft, field, self.parts[group])
                self.parts[group].add(row)
                row.show_draft()
        tab_as_laid_out(self)


class FieldRow(QWidget):
    """One field: title and explanation on the left, the value on the right, and below it what is wrong with it."""

    def __init__(self, theme: Theme, draft: Draft, field: Field, parent: QWidget) -> None:
        super().__init__(parent)
        self.field = field
        self._draft = draft
        self._title = titled(field.title)
        self.mark = QLabel(_("changed"))
        self.mark.setProperty("role", "changed")
        self.mark.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.reset = QToolButton()
        self.reset.setIconSize(QSize(14, 14))
        self.reset.setFixedSize(22, 22)
        self.reset.setAccessibleName(_("Reset {title}").format(title=field.title))
        theme.set_icon(self.reset, "reset")
        self.reset.clicked.connect(lambda: draft.reset(field.path))
        self.fault = quiet()
        """What is wrong with what was typed, in words."""
        self.fault.setProperty("role", "fault")
        self.editor = self._make_editor()
        width = EDITOR_CHARACTERS * self.fontMetrics().averageCharWidth()
        self.editor.setFixedWidth(width)
        self.editor.setAccessibleName(headed(GROUPS[field.group][0], field.title))
        self.editor.setAccessibleDescription(field.explanation)
        heading = QHBoxLayout()
        heading.setSpacing(6)
        heading.addWidget(self._title)
        heading.addWidget(self.mark)
        heading.addWidget(self.reset)
        heading.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addLayout(heading)
        words.addWidget(quiet(field.explanation))
        right = QVBoxLayout()
        right.setSpacing(3)
        right.addWidget(self.editor)
        right.addWidget(self.fault)
        right.addStretch(1)
        self.fault.setFixedWidth(width)
        row = QHBoxLayout(self)
        row.setContentsMargins(22, 5, 2, 5)
        row.setSpacing(12)
        row.addLayout(words, 1)
        row.addLayout(right)

    def matches(self, words: list[str]) -> bool:
        """Whether all of these stand in its name, title or explanation."""
        text = f"{self.field.path} {self.field.title} {self.field.explanation} {GROUPS[self.field.group][0]}".lower()
        return all(word in text for word in words)

    def show_draft(self) -> None:
        """Show the draft's value and what is wrong with it."""
        text = self._draft.text(self.field.path)
        match self.editor:
            case QCheckBox():
                self.editor.setChecked(text == "true")
                self.editor.setText(_("On") if text == "true" else _("Off"))
            case Choice():
                self.editor.setCurrentIndex(self.editor.findData(text))
            case QLineEdit() if self.editor.text().strip() != text:
                self.editor.setText(text)
        changed = self.field.path in self._draft.changes
        self.mark.setVisible(changed)
        self.reset.setVisible(changed)
        default = self._draft.default_text(self.field.path)
        self.reset.setToolTip(_("Reset to {default}").format(default=default or _("nothing")))
        fault = self._draft.faults.get(self.field.path, "")
        self.fault.setText(fault)
        self.fault.setVisible(bool(fault))
        if self.editor.property("fault") != bool(fault):
            self.editor.setProperty("fault", bool(fault))
            repolish(self.editor)

    def _make_editor(self) -> QCheckBox | Choice | QLineEdit:
        path = self.field.path
        if self.field.kind == "flag":
            box = QCheckBox()
            box.toggled.connect(lambda on: self._draft.set(path, "true" if on else "false"))
            return box
        if self.field.kind == "choice":
            choice = Choice(self)
            for value in self.field.choices:
                choice.addItem(value.replace("_", " "), value)
            choice.currentIndexChanged.connect(lambda _row: self._draft.set(path, str(choice.currentData())))
            return choice
        line = QLineEdit()
        line.textEdited.connect(lambda text: self._draft.set(path, text))
        return line


class _FoldingSection(QWidget):
    """A heading that folds, and its rows."""

    def __init__(self, theme: Theme, title: str, explanation: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._title = title
        self.rows: list[FieldRow] = []
        self.fold = QToolButton()
        self.fold.setProperty("role", "fold")
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setIconSize(QSize(16, 16))
        self.fold.setCheckable(True)
        self.fold.setToolTip(explanation)
        self.fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.explanation = quiet(explanation)
        self.explanation.setContentsMargins(22, 0, 0, 2)
        self.fault = quiet()
        """What is wrong with what was typed, in words."""
        self.fault.setProperty("role", "fault")
        self.fault.setContentsMargins(22, 0, 0, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.fold)
        column.addWidget(self.explanation)
        column.addWidget(self.fault)
        self._open: bool | None = None
        self.show_open(False)

    def add(self, row: FieldRow) -> None:
        self.rows.append(row)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(row)

    def show_open(self, open_: bool) -> None:
        if open_ != self._open:
            self._open = open_
            self._theme.set_icon(self.fold, "down" if open_ else "right")

    def show_state(self, changed: int, fault: str) -> None:
        self.fold.setText(
            _("{title}   ·  {changed} changed").format(title=self._title, changed=changed) if changed else self._title
        )
        self.fault.setText(fault)
        self.fault.setVisible(bool(fault))
