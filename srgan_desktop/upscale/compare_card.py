"""The comparison's card: a picture of the queue before and after, with a live preview where there is no result yet."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout

from core.contract.upscale import PreviewReady
from srgan_desktop import problems, settings
from srgan_desktop.compare.view import CompareView
from srgan_desktop.fields import Elided
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Option
from srgan_desktop.theme import Theme
from srgan_desktop.upscale.preview import PreviewRegion
from srgan_desktop.upscale.queue_model import Entry, State
from srgan_desktop.upscale.session import UpscaleSession

PREVIEW_DELAY_MS = 200
"""The view must rest so long before a preview is asked for."""
PREVIEWED = (settings.MODEL, settings.SIZE, settings.DEVICE, settings.PRECISION, settings.TILE, settings.ENSEMBLE)
"""Options that change what a preview shows, beside Detail."""


class CompareCard(QFrame):
    """Shows one entry of the queue, and has the session make previews of what is seen of it."""

    check_requested = Signal()
    """The model in use is to be measured on this picture."""

    def __init__(self, theme: Theme, session: UpscaleSession) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._session = session
        self._settings = session.settings
        self._entry: Entry | None = None
        self._shows_result = False
        self._previewed = PreviewRegion()
        self._is_old = False
        """Whether the Detail slider moved on since the preview under way was asked for."""
        self._preview_timer = QTimer(self, singleShot=True, interval=PREVIEW_DELAY_MS)
        self._preview_timer.timeout.connect(self.ask_preview)
        self.view = CompareView(theme)
        self.words = Elided("muted")
        self.preview_button = _button(theme, settings.PREVIEW.label, "eye", settings.PREVIEW.tooltip)
        self.preview_button.setCheckable(True)
        self.preview_button.setChecked(self._settings.get(settings.PREVIEW))
        self.check_button = _button(
            theme,
            "How good will it be?",
            "measure",
            "Measure the model on this picture, beside bicubic, where the truth is known",
        )
        self._lay_out()
        self._bind()

    def show_entry(self, entry: Entry) -> None:
        """Show a picture and its result, where it has one."""
        self._entry = entry
        self._session.previews.give_up()
        self._previewed.forget()
        self._shows_result = entry.has_result
        self.view.load_files(entry.path, entry.output if entry.has_result else None)
        self.ask_preview_soon()

    def refresh(self) -> None:
        """Show the picture anew once its result is no longer what the options ask for."""
        if self._entry is not None and self._entry.state is State.WAITING and self._shows_result:
            self.show_entry(self._entry)

    def clear(self) -> None:
        """Show nothing."""
        self._entry = None
        self._preview_timer.stop()
        self.view.clear()

    def ask_preview_soon(self) -> None:
        """Ask for a preview once the view has rested."""
        self._preview_timer.start()

    def ask_preview(self) -> None:
        """Have what is seen previewed, or say why it is not."""
        entry = self._entry
        if entry is None or not self.preview_button.isChecked():
            self.words.say("")
            return
        if entry.state in (State.DONE, State.SKIPPED):
            self.words.say("Source and result" if entry.output else "")
            return
        if self._session.busy:
            self.words.say("Previews come back when the run has ended")
            return
        self._is_old = False
        seen = self.view.visible_region()
        region = None if seen is None else self._previewed.choose(entry.path, seen)
        if region is not None and self._session.preview(entry.path, region):
            self.words.say("Upscaling what you see…")

    def give_way(self) -> None:
        """Ask again, also for the same region: the preview under way was given up for a run."""
        self._previewed.forget()
        self.ask_preview()

    # Building

    def _lay_out(self) -> None:
        above = QHBoxLayout()
        above.setContentsMargins(6, 5, 10, 5)
        above.setSpacing(8)
        above.addWidget(self.preview_button)
        above.addWidget(self.words, 1)
        above.addWidget(self.check_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(above)
        column.addWidget(self.view, 1)

    def _bind(self) -> None:
        self._session.previews.ready.connect(self._on_preview)
        self._session.previews.failed.connect(self._on_preview_failed)
        self.view.view_changed.connect(self.ask_preview_soon)
        self.view.failed.connect(self._on_view_failed)
        self.preview_button.toggled.connect(self._on_preview_toggled)
        self.check_button.clicked.connect(self.check_requested)
        self._settings.changed.connect(self._on_option)

    # What happens

    def _on_preview_toggled(self, on: bool) -> None:
        self._settings.set(settings.PREVIEW, on)
        if on:
            self._previewed.forget()
            self.ask_preview_soon()
        else:
            self._session.previews.give_up()
            self.words.say("")

    def _on_option(self, option: Option) -> None:
        if option is settings.DETAIL and self._session.previews.under_way:
            # While the slider is dragged, every preview is finished and shown before the next is asked for.
            self._is_old = True
        elif option is settings.DETAIL and self._preview_timer.isActive():
            self._previewed.forget()
        elif option in (*PREVIEWED, settings.DETAIL):
            self._previewed.forget()
            self.ask_preview_soon()

    def _on_preview(self, event: PreviewReady) -> None:
        if self._entry is None or self._entry.path != event.source:
            return
        self._previewed.learn(event)
        if self._is_old:
            self._previewed.forget()
            self.ask_preview()
        self.view.set_overlay_region(event.region, event.scale, event.pixels)
        words = f"Previewed in {event.seconds:.1f} s"
        if self._previewed.is_part:
            words += " · the middle of what you see; zoom in for all of it"
        if not self._session.previews.under_way:
            self.words.say(words, " ".join(event.notes))

    def _on_preview_failed(self, problem: Problem) -> None:
        self._is_old = False
        self.words.say(problem.message, problem.hint)

    def _on_view_failed(self, error: object) -> None:
        if isinstance(error, BaseException):
            self.words.say(problems.of_exception(error).message)


def _button(theme: Theme, label: str, icon: str, tooltip: str) -> QToolButton:
    button = QToolButton()
    button.setText(label)
    button.setToolTip(tooltip)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setIconSize(QSize(18, 18))
    theme.wear(button, icon)
    return button
