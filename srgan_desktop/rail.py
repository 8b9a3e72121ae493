"""The rail at the left edge of the window: its pages, and below them what concerns all of them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QActionGroup, QKeySequence
from PySide6.QtWidgets import QButtonGroup, QFrame, QMenu, QSizePolicy, QToolButton, QVBoxLayout

from core import language
from core.language import gettext as _
from core.language import in_sentence, without_letter
from srgan_desktop.afterwards import AfterRuns, Afterwards, possible
from srgan_desktop.settings import APPEARANCE, LANGUAGE, Settings
from srgan_desktop.theme import Theme, repolish


class Rail(QFrame):
    """Buttons alone; the window does what they ask for."""

    page_requested = Signal(str)
    """The key of a page."""
    keys_requested = Signal()
    about_requested = Signal()
    language_chosen = Signal()
    """Another one than the program speaks, or the system's: it is spoken from the next start on."""

    def __init__(
        self, theme: Theme, settings: Settings, pages: Sequence[tuple[str, str, str]], after_runs: AfterRuns
    ) -> None:
        """Lay it out.

        Args:
            theme: for the icons.
            settings: has the appearance.
            pages: (key, title, icon), top to bottom.
            after_runs: what is chosen for when all runs are finished.
        """
        super().__init__()
        self.setObjectName("rail")
        # The style sheet's least width of its buttons would let it become narrower than their words.
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self._theme = theme
        self._settings = settings
        self._after_runs = after_runs
        self._titles = {key: title for key, title, _icon in pages}
        self.page_buttons: dict[str, QToolButton] = {}
        group = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 14, 8, 10)
        column.setSpacing(6)
        for key, title, icon in pages:
            button = QToolButton()
            button.setProperty("role", "page")
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(26, 26))
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setToolTip(f"{title} ({self._shortcut(key)})")
            button.clicked.connect(lambda _checked, key=key: self.page_requested.emit(key))
            theme.set_icon(button, icon)
            group.addButton(button)
            self.page_buttons[key] = button
            self.mark(key, news=False)
            column.addWidget(button)
        column.addStretch(1)
        self._afterwards = self._afterwards_button()
        self._afterwards.setVisible(len(possible()) > 1)
        for button in (self._afterwards, self._help_button(), self._appearance_button()):
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def mark(self, key: str, *, news: bool) -> None:
        """Show whether something happened on a page that was not seen yet."""
        title = self._titles[key]
        button = self.page_buttons[key]
        button.setText(f"{title} •" if news else title)
        button.setAccessibleName(
            _("Page {title}, with news").format(title=title) if news else _("Page {title}").format(title=title)
        )
        button.setProperty("news", news)
        repolish(button)
        # Another text takes the key away.
        button.setShortcut(QKeySequence(self._shortcut(key)))

    def _shortcut(self, key: str) -> str:
        return f"Ctrl+{list(self._titles).index(key) + 1}"

    def _afterwards_button(self) -> QToolButton:
        button = self._menu_button("afterwards")
        button.setObjectName("afterwards")
        menu = button.menu()
        # Not a section: style sheets draw no words on separators.
        menu.addAction(_("When all runs are finished")).setEnabled(False)
        choices = QActionGroup(menu)
        for what in possible():
            action = menu.addAction(what.value)
            action.setData(what)
            action.setCheckable(True)
            action.triggered.connect(lambda _checked, what=what: self._after_runs.choose(what))
            choices.addAction(action)
        self._after_runs.changed.connect(self._show_afterwards)
        self._show_afterwards(button)
        return button

    def _show_afterwards(self, button: QToolButton | None = None) -> None:
        button = button or self._afterwards
        choice = self._after_runs.choice
        for action in button.menu().actions():
            action.setChecked(action.data() is choice)
        words = _("When all runs are finished: {choice}").format(choice=in_sentence(without_letter(choice.value)))
        button.setToolTip(words)
        button.setAccessibleName(words)
        # Chosen, it is lit: a machine that shuts down is to surprise nobody.
        button.setProperty("news", choice is not Afterwards.NOTHING)
        repolish(button)

    def _help_button(self) -> QToolButton:
        button = self._menu_button("help", _("Help: keys, version, licences, log"), _("Help"))
        button.menu().addAction(_("&Keys (?)")).triggered.connect(self.keys_requested)
        button.menu().addAction(_("&About SRGAN Desktop")).triggered.connect(self.about_requested)
        return button

    def _appearance_button(self) -> QToolButton:
        button = self._menu_button("appearance", APPEARANCE.tooltip, APPEARANCE.label)
        choices = QActionGroup(button)
        for value, label in (("system", _("&System")), ("light", _("&Light")), ("dark", _("&Dark"))):
            action = button.menu().addAction(label)
            action.setCheckable(True)
            action.setChecked(self._settings.get(APPEARANCE) == value)
            action.triggered.connect(lambda _checked, value=value: self._settings.set(APPEARANCE, value))
            choices.addAction(action)
        button.menu().addSeparator()
        button.menu().addMenu(self._languages(button.menu()))
        return button

    def _languages(self, parent: QMenu) -> QMenu:
        menu = QMenu(LANGUAGE.label, parent)
        menu.setToolTip(LANGUAGE.tooltip)
        choices = QActionGroup(menu)
        # Each by its own name: who does not understand the one in use finds the way back.
        for value, label in (("system", _("&System")), *language.LANGUAGES.items()):
            action = menu.addAction(label)
            action.setData(value)
            action.setCheckable(True)
            action.setChecked(self._settings.get(LANGUAGE) == value)
            action.triggered.connect(lambda _checked, value=value: self._choose_language(value))
            choices.addAction(action)
        return menu

    def _choose_language(self, value: str) -> None:
        if value != self._settings.get(LANGUAGE):
            self._settings.set(LANGUAGE, value)
            self.language_chosen.emit()

    def _menu_button(self, icon: str, tooltip: str = "", name: str = "") -> QToolButton:
        # With a parent from the start: shown before it is laid out, it would be a window of its own.
        button = QToolButton(self)
        button.setIconSize(QSize(20, 20))
        button.setToolTip(tooltip)
        button.setAccessibleName(name)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(QMenu(button))
        self._theme.set_icon(button, icon)
        return button
