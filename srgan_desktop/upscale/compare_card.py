"""The comparison's card: a picture of the queue before and after, with a live preview where there is no result yet or
where the options are no longer those that made it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QVBoxLayout

from core.contract.upscale import PreviewReady, Region
from core.language import gettext as _
from core.language import sentences
from srgan_desktop import problems, settings
from srgan_desktop.background import Throttle
from srgan_desktop.compare.view import CompareView
from srgan_desktop.fields import Elided, Tabs
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Option
from srgan_desktop.theme import Theme
from srgan_desktop.upscale.crossfade import Crossfade
from srgan_desktop.upscale.preview import PreviewRegion
from srgan_desktop.upscale.queue_model import Entry, State
from srgan_desktop.upscale.requests import LOOK, differing, has_detail, settings_words
from srgan_desktop.upscale.session import UpscaleSession

PREVIEW_DELAY_MS = 200
"""The view must rest so long before a preview is asked for."""
NARROW = 560
"""Width under which there is no room for all words above the comparison."""


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
        self._side = "preview"
        """Which of both is in front where the result and the present settings differ: `saved` or `preview`."""
        self._previewed = PreviewRegion()
        self._caption = ""
        """What the preview under way will be called; empty where it has no result beside it."""
        self._previewed_words = "", ""
        """What was said of the last preview, and its notes."""
        self._seconds = 0.0
        """What the parts of the preview took together."""
        self._is_old = False
        """Whether the Detail slider moved on since the preview under way was asked for."""
        self._fade = Crossfade()
        self._fade_region: Region | None = None
        """The part that both ends are kept of: the first one of what is seen."""
        self._makes_end = False
        """Whether what is under way is an end of the slider, and not to be shown."""
        self._preview_timer = Throttle(PREVIEW_DELAY_MS, self.ask_preview, self)
        self.view = CompareView(theme)
        self.words = Elided("muted")
        self.sides = Tabs(theme, (("saved", _("Saved"), ""), ("preview", _("Preview"), "")))
        self.sides.buttons["saved"].setToolTip(_("Show the saved result (P)"))
        self.sides.buttons["preview"].setToolTip(_("Preview with the current settings (P)"))
        self.preview_button = _button(theme, settings.PREVIEW.label, "eye", settings.PREVIEW.tooltip)
        self.preview_button.setCheckable(True)
        self.preview_button.setChecked(self._settings.get(settings.PREVIEW))
        self.check_button = _button(
            theme,
            _("How good will it be?"),
            "measure",
            _("Measure the model on this picture, beside bicubic enlargement, where the original is known"),
        )
        self._lay_out()
        self._bind()

    def show_entry(self, entry: Entry) -> None:
        """Show a picture and its result, where it has one."""
        self._entry = entry
        self._session.previews.give_up()
        self._previewed.forget()
        self._shows_result = entry.has_result
        self.view.load_files(entry.path, entry.output if entry.has_result else None, self._result_caption())
        self._show_sides("preview")
        self.ask_preview_soon()

    def refresh(self) -> None:
        """Show the picture anew once its result is there, or is to be made again."""
        if self._entry is not None and self._entry.has_result != self._shows_result:
            self.show_entry(self._entry)

    def clear(self) -> None:
        """Show nothing."""
        self._entry = None
        self._preview_timer.stop()
        self.view.clear()
        self._show_sides("preview")

    def ask_preview_soon(self) -> None:
        """Ask for a preview once the view has rested."""
        self._preview_timer.when_quiet()

    def ask_preview(self) -> None:
        """Have what is seen previewed, or say why it is not."""
        entry = self._entry
        self._show_sides(self._side)
        if entry is None or not self.preview_button.isChecked():
            self.words.say("")
            return
        if entry.state in (State.DONE, State.SKIPPED) and (self._side == "saved" or not self._differs()):
            self.words.say(_("Source and result") if entry.output else "")
            return
        if self._session.busy:
            self.words.say(_("Previews resume when the run ends"))
            return
        self._is_old = False
        seen = self.view.visible_region()
        first = not self._previewed.adds
        region = None if seen is None else self._previewed.choose(entry.path, seen)
        if region is not None and first:
            self._fade_region = region
        if region is not None and self._session.preview(entry.path, region):
            self._makes_end = False
            self._caption = self._preview_caption()
            self.words.say(_("Upscaling the visible part…"))

    def give_way(self) -> None:
        """Ask again, also for the same region: the preview under way was given up for a run."""
        self._previewed.forget()
        self.ask_preview()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_buttons()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """P shows the saved result, or the preview again."""
        if not self.flip_by(event):
            super().keyPressEvent(event)

    def flip_by(self, event: QKeyEvent) -> bool:
        """Show the other of saved result and preview where this is P, and there are both."""
        wanted = event.key() == Qt.Key.Key_P and not event.modifiers() and self.sides.isVisible()
        if wanted:
            self._choose_side("preview" if self._side == "saved" else "saved")
        return wanted

    # Saved, or as the options would have it

    def _differs(self) -> bool:
        """Whether the result shown was made with other settings than the present ones."""
        return bool(self._differing())

    def _differing(self) -> tuple[str, ...]:
        entry = self._entry
        if entry is None or not entry.has_result or entry.made_with is None:
            return ()
        return differing(entry.made_with, self._session.pins.settings_of(entry), LOOK)

    def _difference(self) -> str:
        entry = self._entry
        return "" if entry is None else settings_words(self._session.pins.settings_of(entry), self._differing())

    def _preview_caption(self) -> str:
        return _("Preview: {difference}").format(difference=self._difference()) if self._differs() else ""

    def _result_caption(self) -> str:
        entry = self._entry
        if entry is None or entry.made_with is None or not self._differs():
            return _("After")
        return _("Saved: {settings_words}").format(settings_words=settings_words(entry.made_with, self._differing()))

    def _show_sides(self, side: str) -> None:
        """Offer both where they differ, and show one of them."""
        self._side = side
        self.sides.setVisible(self._differs() and self.preview_button.isChecked() and not self._session.busy)
        self.sides.show_chosen(side)
        self._fit_buttons()
        self.view.hide_overlay(side == "saved")

    def _choose_side(self, side: str) -> None:
        self._show_sides(side)
        if side == "preview":
            self.words.say(*self._previewed_words)
        self.ask_preview_soon()

    def _on_difference(self) -> None:
        """The options are others now: what is saved is called so, and the preview comes to the front."""
        self.view.call_last(self._result_caption())
        self._show_sides("preview")
        if not self._differs() and self._shows_result:
            self._session.previews.give_up()
            self.view.drop_overlay()

    def _fit_buttons(self) -> None:
        """Leave the words of one button out where both sides need the room."""
        narrow = self.width() < NARROW and not self.sides.isHidden()
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if narrow else Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        if self.check_button.toolButtonStyle() != style:
            self.check_button.setToolButtonStyle(style)

    # Building

    def _lay_out(self) -> None:
        above = QHBoxLayout()
        above.setContentsMargins(6, 5, 10, 5)
        above.setSpacing(8)
        above.addWidget(self.preview_button)
        above.addWidget(self.words, 1)
        above.addWidget(self.sides)
        above.addWidget(self.check_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(above)
        column.addWidget(self.view, 1)
        self._show_sides("preview")

    def _bind(self) -> None:
        self._session.previews.ready.connect(self._on_preview)
        self._session.previews.failed.connect(self._on_preview_failed)
        self.view.view_changed.connect(self.ask_preview_soon)
        self.view.failed.connect(self._on_view_failed)
        self.view.saved.connect(lambda path: self.words.say(_("Saved as {path}").format(path=path)))
        self.preview_button.toggled.connect(self._on_preview_toggled)
        self.check_button.clicked.connect(self.check_requested)
        self.sides.chosen.connect(self._choose_side)
        self._settings.changed.connect(self._on_option)

    # What happens

    def _on_preview_toggled(self, on: bool) -> None:
        self._settings.set(settings.PREVIEW, on)
        if on:
            self._previewed.forget()
            self.ask_preview_soon()
        else:
            self._session.previews.give_up()
            self.view.drop_overlay()
            self.words.say("")
        self._show_sides("preview")

    def _on_option(self, option: Option) -> None:
        if option in settings.PREVIEWED:
            self._on_difference()
            self.view.call_overlay_old()
        if option is settings.DETAIL:
            self._show_mix()
        if option is settings.DETAIL and self._makes_end:
            # The other end is no use now: what is asked for comes first.
            self._makes_end = False
            self._previewed.forget()
            self.ask_preview()
        elif option is settings.DETAIL and self._session.previews.under_way:
            # While the slider is dragged, every preview is finished and shown before the next is asked for.
            self._is_old = True
        elif option is settings.DETAIL and self._preview_timer.isActive():
            self._previewed.forget()
        elif option in settings.PREVIEWED:
            self._previewed.forget()
            self.ask_preview_soon()

    def _on_preview(self, event: PreviewReady) -> None:
        if self._entry is None or self._entry.path != event.source:
            return
        request = self._session.previews.request
        if request is not None and request.region == self._fade_region:
            self._fade.keep(request, event)
        if self._makes_end:
            self._makes_end = False
            self._make_end()
            return
        adds = self._previewed.adds
        self.view.set_overlay_region(
            event.region, event.scale, event.pixels, self._caption, adds=adds, old=self._is_old
        )
        self._previewed.learn(event)
        self._seconds = event.seconds + (self._seconds if adds else 0.0)
        if self._is_old:
            self._previewed.forget()
        # What is not covered yet of what is seen comes part by part.
        self.ask_preview()
        if not self._session.previews.under_way:
            self._make_end()
        words = _("Previewed in {seconds:.1f} s").format(seconds=self._seconds) + (
            f" · {event.reason}" if event.reason else ""
        )
        self._previewed_words = words, sentences(event.notes)
        if (self._makes_end or not self._session.previews.under_way) and self._side == "preview":
            self.words.say(*self._previewed_words)

    def _make_end(self) -> None:
        """Have an end of the Detail slider made while nothing else is to do, so that a drag shows something at once."""
        entry, region = self._entry, self._fade_region
        if entry is None or region is None or self._is_old:
            return
        request = self._session.preview_request(entry.path, region)
        missing = self._fade.missing(request) if has_detail(request.model) else None
        if missing is not None and self._session.preview(entry.path, region, missing.detail):
            self._makes_end = True

    def _show_mix(self) -> None:
        """Show roughly what the slider asks for, until that is there."""
        entry, region = self._entry, self._fade_region
        if entry is None or region is None or self._side == "saved":
            return
        mixed = self._fade.mix(self._session.preview_request(entry.path, region))
        if mixed is not None:
            self.view.set_overlay_region(mixed.region, mixed.scale, mixed.pixels, self._preview_caption(), old=True)

    def _on_preview_failed(self, problem: Problem) -> None:
        self._is_old = self._makes_end = False
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
    theme.set_icon(button, icon)
    return button
