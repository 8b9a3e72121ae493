"""The Models page: what models there are, how they compare, how good one is. Widgets only; the session works."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PySide6.QtCore import QMimeData, QSize, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.contract.models import ModelAdded
from core.images import READABLE_SUFFIXES
from core.language import gettext as _
from core.language import sentences
from core.models.catalogue import SUFFIXES, Model
from core.models.known import KnownModel
from srgan_desktop import problems, settings
from srgan_desktop.desktop import dialog_folder, paths_in
from srgan_desktop.dialogs import FailuresDialog
from srgan_desktop.fields import Tabs, card
from srgan_desktop.job import EngineState
from srgan_desktop.models.actions import ModelActions
from srgan_desktop.models.card_view import ModelCardView
from srgan_desktop.models.check_view import CheckView
from srgan_desktop.models.compare_view import CompareModelsView
from srgan_desktop.models.import_words import words_of_import
from srgan_desktop.models.list_view import ModelList
from srgan_desktop.models.session import Imported, ModelsSession, Trial
from srgan_desktop.page import TabbedPage
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme

PICTURES = READABLE_SUFFIXES


LIST_CHARACTERS = 36
"""Width of the list, in characters of middling width, where the window is narrow."""


class ModelsPage(TabbedPage):
    """Models, side by side, and measured."""

    session: ModelsSession

    fine_tune_requested = Signal(str)
    """Key of a model that a training run is to start from."""

    def __init__(
        self,
        theme: Theme,
        options: Settings,
        parent: QWidget | None = None,
        session: ModelsSession | None = None,
        *,
        built: bool = True,
    ) -> None:
        """Make the page, or with `built` False only its session: `build_piece` then makes the rest."""
        super().__init__(theme, options, session or ModelsSession(options), parent)
        self.selected_picture: Callable[[], Path | None] = lambda: None
        """The picture that is selected on the Upscale page; the window knows."""
        self._check_when_read = False
        self.model_actions = ModelActions(self.session, self)
        self.model_actions.taken.connect(self.banner.hide)
        self.model_actions.notice.connect(self.notice)
        if built:
            self.build()

    def _build(self) -> Iterator[None]:
        theme = self.theme
        self.tabs = Tabs(
            theme,
            (
                ("models", _("Models"), "models"),
                ("compare", _("Compare models"), "side"),
                ("check", _("How good on my picture?"), "measure"),
            ),
            self,
        )
        models = QWidget(self.stack)
        beside = card(models)
        yield
        self.list = ModelList(theme, self.session, beside)
        yield
        self.card = ModelCardView(theme, self.session, models)
        yield
        _lay_out_models(models, beside, self.list, self.card)
        yield
        self.compare = CompareModelsView(theme, self.session, self.stack)
        yield
        self.check = CheckView(theme, self.session, self.stack)
        yield
        self.import_button = QPushButton(_("&Import…"))
        self.import_button.setToolTip(
            _("Import model files: .safetensors, .pth, .pt, .onnx and ncnn's .param (Ctrl+O)")
        )
        self.import_button.setIconSize(QSize(16, 16))
        theme.set_icon(self.import_button, "import")
        self.views = {"models": models, "compare": self.compare, "check": self.check}
        yield
        yield from self._lay_out(self.import_button)
        self._bind()
        self.show_view("models")
        self._show_entry()

    # What the window asks

    def open(self, paths: list[Path]) -> None:
        """Take model files to import, or a picture to try models on."""
        pictures = [path for path in paths if path.suffix.lower() in PICTURES and not path.is_dir()]
        files = [path for path in paths if path not in pictures]
        if files:
            self.show_view("models")
            self.session.import_files(files)
        elif pictures:
            if self.stack.currentWidget() is self.views["models"]:
                self.show_view("check")
            self.session.choose_picture(pictures[0])

    def check_picture(self, path: Path) -> None:
        """Measure the model in use on this picture."""
        self.show_view("check")
        self.check.choose(self.session.default_key)
        self._check_when_read = True
        self.session.choose_picture(path)

    def shutdown(self) -> None:
        """Give everything up; ends with `stopped`."""
        self.compare.compare.clear()
        self.check.compare.clear()
        super().shutdown()

    def show_view(self, key: str) -> None:
        """Bring `models`, `compare` or `check` to the front."""
        super().show_view(key)
        self._show_queue()

    def showEvent(self, event: QShowEvent) -> None:
        # Training, the command line and people put models there, too.
        self.session.reload()
        self._show_queue()
        super().showEvent(event)

    # Within

    def _bind(self) -> None:
        session, shown = self.session, self.card
        self.import_button.clicked.connect(self._choose_models)
        self.list.chosen.connect(self._show_entry)
        self.list.download_requested.connect(self.model_actions.download)
        self.list.cancel_requested.connect(session.cancel_download)
        self.list.use_requested.connect(self._use_current)
        self.list.remove_requested.connect(self._remove_current)
        shown.use_requested.connect(self.model_actions.use)
        shown.check_requested.connect(self._check)
        shown.compare_requested.connect(self._compare)
        shown.blend_requested.connect(self.model_actions.ask_to_blend)
        shown.fine_tune_requested.connect(self.fine_tune_requested)
        shown.rename_requested.connect(self.model_actions.ask_for_name)
        shown.folder_requested.connect(self.model_actions.show_folder)
        shown.remove_requested.connect(self.model_actions.ask_to_remove)
        shown.download_requested.connect(self.model_actions.download)
        shown.cancel_requested.connect(session.cancel_download)
        for view in (self.compare, self.check):
            view.picture.file_requested.connect(self._choose_picture)
            view.picture.queue_requested.connect(self._take_queued)
            view.compare.failed.connect(self._on_cannot_show)
        session.added.connect(self._on_added)
        session.imported.connect(self._on_imported)
        session.renamed.connect(lambda _old, new: self.list.select(new))
        session.failed.connect(self._on_failed)
        session.notice.connect(self.notice)
        session.picture_changed.connect(self._on_picture)
        session.checked.connect(lambda _ready: self.banner.hide())
        self._add_keys(
            (
                ("Ctrl+O", self._choose_for_view),
                ("Ctrl+Return", self._try),
                ("Ctrl+Enter", self._try),
                ("F2", self._rename_current),
            )
        )

    def _show_entry(self) -> None:
        self.card.show_entry(self.list.entry)

    def _show_queue(self) -> None:
        available = self.selected_picture() is not None
        for view in (self.compare, self.check):
            view.picture.show_queue(available)

    def _show_status(self) -> None:
        self.import_button.setEnabled(not self.session.importing)
        self.import_button.setText(_("Importing…") if self.session.importing else _("&Import…"))
        super()._show_status()

    def _engine_words(self) -> tuple[str, str]:
        session = self.session
        match session.engine:
            case EngineState.OFF:
                return _("Engine starts when needed"), "good"
            case EngineState.STARTING:
                return _("Starting the engine…"), "busy"
            case EngineState.STOPPED:
                return _("Engine stopped; restarts when needed"), "bad"
            case EngineState.READY:
                working = session.trial is not Trial.NONE or session.busy
                words = _("Working on {device}") if working else _("Ready on {device}")
                return words.format(device=session.device), "good"

    def _on_added(self, event: ModelAdded) -> None:
        name = self._name(event.key)
        self.list.select(event.key)
        self.banner.say(
            "good",
            _("“{name}” was added to your models").format(name=name),
            sentences(event.notes),
            [(_("Use for upscaling"), lambda: self.model_actions.use(event.key))],
        )
        self.notify.emit(_("A model is ready"), name)

    def _on_imported(self, outcome: Imported) -> None:
        if outcome.added:
            self.list.select(outcome.added[-1].key)
        words = words_of_import(outcome, self._name)
        actions: list[tuple[str, Callable[[], object]]] = []
        if words.refusals:
            actions.append((_("Show why…"), lambda: self._show_refusals(words.refusals)))
        elif words.model is not None:
            new = words.model
            actions.append((_("Use for upscaling"), lambda: self.model_actions.use(new)))
        self.banner.say(words.level, words.title, words.text, actions)

    def _name(self, key: str) -> str:
        model = self.session.find(key)
        return model.card.name if model is not None else key

    def _show_refusals(self, refusals: Sequence[tuple[str, Problem]]) -> None:
        FailuresDialog(
            refusals,
            self.window(),
            title=_("Refused files"),
            advice=_("Nothing was run or kept. Details for each file:"),
        ).open()

    def _on_failed(self, problem: Problem) -> None:
        self._check_when_read = False
        super()._on_failed(problem)

    def _on_cannot_show(self, error: object) -> None:
        if isinstance(error, BaseException):
            self._on_failed(problems.of_exception(error))

    def _on_picture(self) -> None:
        if self._check_when_read and self.session.opening is None:
            self._check_when_read = False
            self.check.try_it()

    # What is done with a model

    def _current(self) -> Model | None:
        entry = self.list.entry
        return entry if isinstance(entry, Model) else None

    def _use_current(self) -> None:
        entry = self.list.entry
        if isinstance(entry, KnownModel):
            self.model_actions.download(entry.key)
        elif entry is not None:
            self.model_actions.use(entry.key)

    def _check(self, key: str) -> None:
        self.show_view("check")
        self.check.choose(key)
        self._offer_queued()

    def _compare(self, key: str) -> None:
        self.compare.tick(key)
        self.show_view("compare")
        self._offer_queued()

    def _rename_current(self) -> None:
        model = self._current()
        if model is not None and self.card.rename.isEnabled() and self.views["models"].isVisible():
            self.model_actions.ask_for_name(model.key)

    def _remove_current(self) -> None:
        model = self._current()
        if model is not None:
            self.model_actions.ask_to_remove(model.key)

    # Input

    def _drop_words(self, mime: QMimeData) -> str:
        paths = paths_in(mime)
        if not paths:
            return ""
        brings_models = any(path.suffix.lower() not in PICTURES for path in paths)
        return _("Drop to import models") if brings_models else _("Drop to test models on this picture")

    def _try(self) -> None:
        view = self.stack.currentWidget()
        if view is self.compare:
            self.compare.try_it()
        elif view is self.check:
            self.check.try_it()

    def _choose_for_view(self) -> None:
        if self.stack.currentWidget() is self.views["models"]:
            self._choose_models()
        else:
            self._choose_picture()

    def _choose_models(self) -> None:
        suffixes = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        files, _rest = QFileDialog.getOpenFileNames(
            self,
            _("Import models"),
            dialog_folder(self.settings.get(settings.MODELS_FOLDER), self.settings.get(settings.FOLDER)),
            _("Models ({suffixes});;All files (*)").format(suffixes=suffixes),
        )
        if files:
            self.settings.set(settings.MODELS_FOLDER, str(Path(files[0]).parent))
            self.session.import_files([Path(file) for file in files])

    def _choose_picture(self) -> None:
        suffixes = " ".join(f"*{suffix}" for suffix in sorted(PICTURES))
        file, _rest = QFileDialog.getOpenFileName(
            self,
            _("Picture to test models on"),
            dialog_folder(self.settings.get(settings.FOLDER)),
            _("Pictures ({suffixes});;All files (*)").format(suffixes=suffixes),
        )
        if file:
            self.settings.set(settings.FOLDER, str(Path(file).parent))
            self.session.choose_picture(Path(file))

    def _take_queued(self) -> None:
        path = self.selected_picture()
        if path is not None:
            self.session.choose_picture(path)

    def _offer_queued(self) -> None:
        """Take the Upscale page's picture where there is none yet."""
        if self.session.picture is None and self.session.opening is None:
            self._take_queued()


def _lay_out_models(view: QWidget, left: QWidget, models: ModelList, card_view: ModelCardView) -> None:
    inside = QVBoxLayout(left)
    inside.setContentsMargins(1, 1, 1, 1)
    inside.addWidget(models)
    row = QHBoxLayout(view)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(12)
    row.addWidget(left, 5)
    row.addWidget(card_view, 6)
    left.setMinimumWidth(LIST_CHARACTERS * left.fontMetrics().averageCharWidth())
