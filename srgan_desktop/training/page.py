"""The Train page: set a run up, watch it, look at those of the past. Widgets only; the session does the work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, QUrl, Signal
from PySide6.QtGui import (
    QDesktopServices,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QMessageBox,
    QWidget,
)

from core.contract.errors import UserError
from core.edition import has_torch, needs_torch
from core.language import gettext as _
from core.training.recipe import shipped_recipes
from srgan_desktop import problems, settings
from srgan_desktop.desktop import dialog_folder, paths_in, show_in_file_manager
from srgan_desktop.fields import Tabs
from srgan_desktop.job import EngineState
from srgan_desktop.page import TabbedPage
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme
from srgan_desktop.training.history_view import HistoryView
from srgan_desktop.training.run_view import RunView
from srgan_desktop.training.runs import RunRecord
from srgan_desktop.training.session import Ended, TrainingPhase, TrainSession
from srgan_desktop.training.setup_view import SetupView


class TrainPage(TabbedPage):
    """A run: set up, under way, or of the past."""

    session: TrainSession

    model_ready = Signal(str)
    """Key of a trained model that is to be used for upscaling now."""

    def __init__(
        self,
        theme: Theme,
        options: Settings,
        parent: QWidget | None = None,
        session: TrainSession | None = None,
        *,
        built: bool = True,
    ) -> None:
        """Make the page, or with `built` False only its session: `build_piece` then makes the rest."""
        super().__init__(theme, options, session or TrainSession(options), parent)
        self._listed = False
        if built:
            self.build()

    def _build(self) -> Iterator[None]:
        theme = self.theme
        self.tabs = Tabs(
            theme,
            (("set-up", _("New training"), "set-up"), ("run", _("Run"), "train"), ("history", _("History"), "history")),
            self,
        )
        yield
        self.set_up = SetupView(theme, self.session, self.stack)
        yield from self.set_up.build()
        self.run = RunView(theme, self.session, self.stack)
        yield
        self.history = HistoryView(theme, self.session, self.stack)
        yield
        self.views = {"set-up": self.set_up, "run": self.run, "history": self.history}
        yield from self._lay_out()
        self._bind()
        self.session.await_end_of(self.set_up.pictures.thumbnails.stopped)
        self.show_view("set-up")

    # What the window asks

    @property
    def progress(self) -> float | None:
        run = self.session.active
        return run.step / run.total_steps if run is not None and run.step and run.total_steps else None

    def open(self, paths: list[Path]) -> None:
        """Take a folder of pictures; of files, the folder they lie in."""
        folder = next((path if path.is_dir() else path.parent for path in paths), None)
        if folder is not None:
            self.session.choose_data(folder)
            self.show_view("set-up")

    def fine_tune(self, model: str) -> None:
        """Set a run up that goes on from this model; a recipe that was changed is kept as it is."""
        draft = self.session.draft
        if draft.source != "finetune" and not draft.changes and "finetune" in shipped_recipes():
            self.session.choose_recipe("finetune")
        self.set_up.recipe.reload_models()
        self.set_up.recipe.choose_start(model)
        self.show_view("set-up")
        pictures = _("Now choose the pictures to train on.") if self.session.data is None else ""
        self.banner.say(
            "info",
            _("The next training starts from “{model}”").format(model=self.set_up.recipe.start.currentText()),
            pictures,
        )

    def shutdown(self) -> None:
        """Stop the run with its state saved; ends with `stopped`."""
        self.set_up.pictures.close_threads()
        super().shutdown()

    def show_view(self, key: str) -> None:
        """Bring `set-up`, `run` or `history` to the front."""
        super().show_view(key)
        if key == "history":
            self.session.files.reload()

    def showEvent(self, event: QShowEvent) -> None:
        self.set_up.recipe.reload_models()
        self.session.look_at_pictures()
        if not self._listed:
            self._listed = True
            self.session.files.reload()
            if not has_torch():
                problem = problems.of_exception(needs_torch(_("Training")))
                self.banner.say("info", problem.message, problem.hint)
        super().showEvent(event)

    # Within

    def _bind(self) -> None:
        session = self.session
        self.set_up.welcome.folder_requested.connect(self._choose_folder)
        self.set_up.pictures.folder_requested.connect(self._choose_folder)
        self.set_up.pictures.held_out_requested.connect(self._choose_held_out)
        self.set_up.pictures.report_requested.connect(_open_picture)
        recipe = self.set_up.recipe
        recipe.recipe_file_requested.connect(self._choose_recipe)
        recipe.save_requested.connect(self._save_recipe)
        recipe.start_file_requested.connect(self._choose_start)
        recipe.content_requested.connect(self._choose_content)
        self.run.set_up_requested.connect(lambda: self.show_view("set-up"))
        self.run.folder_requested.connect(lambda folder: show_in_file_manager(folder / "recipe.toml"))
        self.history.open_requested.connect(self._open_run)
        self.history.folder_requested.connect(lambda folder: show_in_file_manager(folder / "recipe.toml"))
        self.history.delete_requested.connect(self._ask_to_delete)
        session.begun.connect(self._on_begun)
        session.ended.connect(self._on_ended)
        session.failed.connect(self._on_failed)
        session.notice.connect(self._on_notice)
        session.files.listed.connect(self._on_listed)
        session.files.installed.connect(self._on_model)
        self._add_keys(
            (
                ("Ctrl+Return", self._start_or_resume),
                ("Ctrl+Enter", self._start_or_resume),
                ("Ctrl+P", self.run.pause_or_go_on),
                ("Ctrl+O", self._choose_folder),
            )
        )

    def _start_or_resume(self) -> None:
        if self.stack.currentWidget() is self.set_up:
            self.session.start()
        elif self.stack.currentWidget() is self.run:
            self.run.go_on()

    def _engine_words(self) -> tuple[str, str]:
        session = self.session
        match session.engine:
            case EngineState.OFF:
                return _("Training engine starts when needed"), "good"
            case EngineState.STARTING:
                return _("Starting the training engine…"), "busy"
            case EngineState.STOPPED:
                return _("Training engine stopped; restarts when needed"), "bad"
            case EngineState.READY:
                if session.phase is TrainingPhase.PAUSED:
                    return _("Training is paused on {device}").format(device=session.device), "warn"
                words = _("Training on {device}") if session.busy else _("Ready to train on {device}")
                return words.format(device=session.device), "good"

    def _on_listed(self, runs: list[RunRecord]) -> None:
        """One may have been renamed; those that are looked at follow."""
        names = {run.folder: run.name for run in runs}
        for record in (self.session.record, self.session.active):
            if record is not None:
                record.name = names.get(record.folder, record.name)
        self._show_count()
        self.session.changed.emit()

    def _show_count(self) -> None:
        count = len(self.session.files.runs)
        self.tabs.buttons["history"].setText(_("History ({count})").format(count=count) if count else _("History"))

    def _on_begun(self) -> None:
        if self.session.record is not None:
            self.show_view("run")
        if self.session.shows_active:
            self.banner.hide()

    def _on_ended(self, ended: Ended) -> None:
        if ended.record is None:
            self.banner.say("info", _("Stopped before the first step"), _("Nothing of this run was kept."))
            self.show_view("set-up")
        elif ended.problem is not None:
            self._on_failed(ended.problem)
        elif ended.stopped:
            self.banner.say(
                "info",
                _("Stopped at step {step:,}").format(step=ended.record.step),
                _("Everything is saved: Resume continues exactly from here."),
            )
        elif ended.record.finished is not None:
            self.notify.emit(_("Training has finished"), ended.record.finished.verdict)

    def _on_failed(self, problem: Problem) -> None:
        super()._on_failed(problem)
        if self.session.record is None and self.stack.currentWidget() is self.run:
            self.show_view("set-up")

    def _on_notice(self, words: str) -> None:
        if self.session.busy:
            self.banner.say("info", words)
        self.notice.emit(words)

    def _on_model(self, key: str) -> None:
        self.banner.say(
            "good", _("“{key}” was added to your models").format(key=key), _("The Upscale page uses it now.")
        )
        # It has done its part, and two strips would take the room of the pictures.
        self.run.verdict.hide()
        self.set_up.recipe.reload_models()
        self.model_ready.emit(key)

    # Input

    def _drop_words(self, mime: QMimeData) -> str:
        return _("Drop a folder to train on") if paths_in(mime) else ""

    def _show_drag(self, words: str) -> None:
        if self.session.data is None and self.stack.currentWidget() is self.set_up:
            self.set_up.welcome.light_up(True)
        else:
            super()._show_drag(words)

    def _end_drag(self) -> None:
        self.set_up.welcome.light_up(False)
        super()._end_drag()

    def _choose_folder(self) -> None:
        start = dialog_folder(self.settings.get(settings.TRAIN_FOLDER), self.settings.get(settings.FOLDER))
        folder = QFileDialog.getExistingDirectory(self, _("Folder of sharp pictures to train on"), start)
        if folder:
            self.open([Path(folder)])

    def _choose_held_out(self) -> None:
        start = dialog_folder(self.settings.get(settings.TRAIN_VALIDATION), self.settings.get(settings.TRAIN_FOLDER))
        folder = QFileDialog.getExistingDirectory(self, _("Folder of test pictures"), start)
        if folder:
            self.settings.set(settings.TRAIN_VALIDATION, folder)

    def _choose_recipe(self) -> None:
        file, _rest = QFileDialog.getOpenFileName(self, _("A training recipe"), self._folder(), _("Recipes (*.toml)"))
        if file:
            self.session.choose_recipe(str(self._remember(file)))

    def _save_recipe(self) -> None:
        file, _rest = QFileDialog.getSaveFileName(
            self, _("Save the recipe"), str(Path(self._folder()) / "recipe.toml"), _("Recipes (*.toml)")
        )
        if file:
            path = self._remember(file)
            try:
                self.session.draft.save(path if path.suffix == ".toml" else path.with_name(f"{path.name}.toml"))
            except UserError as error:
                self._on_failed(problems.of_exception(error))
                return
            self.settings.set(settings.TRAIN_RECIPE, self.session.draft.source)

    def _choose_start(self) -> None:
        file, _rest = QFileDialog.getOpenFileName(
            self, _("A model to start from"), self._folder(), _("Models (*.safetensors *.pth *.pt)")
        )
        if file:
            self.set_up.recipe.choose_start(str(self._remember(file)))

    def _choose_content(self) -> None:
        file, _rest = QFileDialog.getOpenFileName(
            self, _("VGG features for the content loss"), self._folder(), _("Weights (*.safetensors)")
        )
        if file:
            self.settings.set(settings.TRAIN_CONTENT, str(self._remember(file)))

    def _folder(self) -> str:
        return dialog_folder(self.settings.get(settings.TRAIN_FILES), self.settings.get(settings.FOLDER))

    def _remember(self, file: str) -> Path:
        path = Path(file)
        self.settings.set(settings.TRAIN_FILES, str(path.parent))
        return path

    # Runs of the past

    def _open_run(self, record: RunRecord) -> None:
        self.session.open_run(record.folder)

    def _ask_to_delete(self, record: RunRecord) -> None:
        box = QMessageBox(self.window())
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle(_("Delete a run"))
        box.setIcon(QMessageBox.Icon.Warning)
        box.setText(_("Delete the run “{name}” for good?").format(name=record.name))
        box.setInformativeText(
            _(
                "Its pictures, curves and saved states go with it:\n{folder}\n\nA model that you chose "
                "to use was copied, and stays."
            ).format(folder=record.folder)
        )
        delete = box.addButton(_("&Delete"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(_("&Keep"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(lambda: self.session.delete_run(record.folder))
        box.open()


def _open_picture(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
