"""The `srgan` commands around training: prepare, train, evaluate, blend, export.

`add_to` puts them on the program's command line; `python -m core.commands.training` is that without the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from core.commands.console import Json, add_command, plain, print_json, running_command
from core.commands.options import help_of
from core.contract.errors import UserError
from core.contract.evaluate import Evaluated, EvaluateRequest, ModelQuality, PictureEvaluated, SetEvaluated
from core.contract.jobs import Event, Notice
from core.contract.models import DownloadProgress
from core.contract.settings import SETTINGS, Precision
from core.contract.training import (
    CheckpointSaved,
    PictureQuarantined,
    PrepareFinished,
    PrepareProgress,
    PrepareRequest,
    ScanFinished,
    ScanProgress,
    StageStarted,
    TeacherProgress,
    TrainingEstimated,
    TrainingEstimateRequest,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
)
from core.language import gettext as _
from core.language import ngettext

LINE_EVERY = 50
"""Steps between two lines where the output is no terminal."""

Content = Annotated[
    Path | None,
    typer.Option(
        "--content-weights",
        help=_("File of VGG16 or VGG19 features; else torchvision's VGG19, which training downloads once."),
    ),
]
Device = Annotated[str, typer.Option(help=help_of("device"))]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for name, command in (
        ("prepare", prepare_command),
        ("train", train_command),
        ("evaluate", evaluate_command),
        ("blend", blend_command),
        ("export", export_command),
    ):
        add_command(app, name, command)


def prepare_command(
    source: Annotated[Path, typer.Argument(help=_("Folder of pictures."))],
    out: Annotated[Path, typer.Argument(help=_("Folder that gets hr_images and lr_images."))],
    hr: Annotated[int, typer.Option(help=_("Side of the HR pictures, in pixels."))] = 128,
    lr: Annotated[int, typer.Option(help=_("Side of the LR pictures; divides the other."))] = 32,
    count: Annotated[int, typer.Option(help=_("At most so many pictures; 0 takes all."))] = 2000,
    seed: Annotated[int, typer.Option(help=_("Which ones."))] = 0,
    as_json: Json = False,
) -> None:
    """Make the two folders of a training set out of a folder of pictures of any size."""
    from core.training.prepare import prepare

    with running_command() as (cancel, console):
        events: Iterable[Event] = prepare(PrepareRequest(source, out, hr, lr, count, seed), cancel)
        if as_json:
            print_json(events)
            return
        with _bar(console) as bar:
            task = bar.add_task(_("Pictures"), total=None)
            for event in events:
                if isinstance(event, PrepareProgress):
                    bar.update(task, completed=event.done, total=event.total)
                elif isinstance(event, PictureQuarantined):
                    bar.console.print(
                        plain(_("left out {name}: {reason}").format(name=event.path.name, reason=event.reason)),
                        style="yellow",
                        soft_wrap=True,
                    )
                elif isinstance(event, PrepareFinished):
                    bar.console.print(
                        plain(
                            _("{made} pairs made, {kept} already there, {left_out} left out: {output}").format(
                                made=event.made, kept=event.kept, left_out=event.left_out, output=event.output
                            )
                        ),
                        soft_wrap=True,
                    )


def train_command(
    recipe: Annotated[
        str, typer.Argument(help=_("Name of a shipped recipe, or a TOML file; not needed to resume a --run."))
    ] = "",
    data: Annotated[
        Path | None,
        typer.Option(help=_("Folder of HR pictures, or with hr_images and lr_images; --resume knows it.")),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help=_("Folder of the run; else runs/<recipe> in the user's folder."))
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help=_("Go on from the run's newest checkpoint."))] = False,
    val: Annotated[Path | None, typer.Option(help=_("Folder of test pictures; else some of the data."))] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help=_("Change a field, as psnr.steps=500."))] = None,
    start: Annotated[str, typer.Option(help=_("Model to start from; goes before the recipe's own."))] = "",
    teacher: Annotated[
        str, typer.Option(help=_("Model to learn from, as large as you like; goes before the recipe's own."))
    ] = "",
    content_weights: Content = None,
    device: Annotated[
        str | None, typer.Option(help=_("auto, cpu, cuda, cuda:1, xpu or mps; else that of the run, or auto."))
    ] = None,
    threads: Annotated[int, typer.Option(help=_("CPU threads; 0 leaves it to torch."))] = 0,
    stop_after: Annotated[int, typer.Option(help=_("Save and end at this step of the run, to resume later."))] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help=_("Also write TensorBoard's event files."))
    ] = False,
    trial: Annotated[
        bool, typer.Option("--trial", help=_("Only measure a few steps, and tell how long it takes."))
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model on your own pictures. Ctrl-C saves; --resume continues exactly there."""
    from core.training import trainer

    with running_command() as (cancel, console):
        if resume and set_:
            raise UserError(
                _("A resumed run keeps its recipe, so --set has no effect."),
                _("Resume without it, or start a new run from this run's model (--start)."),
            )
        if resume and start:
            raise UserError(
                _("A resumed run keeps its model, so --start has no effect."), _("Leave it out, or start a new run.")
            )
        if resume and teacher:
            raise UserError(
                _("A resumed run keeps its teacher, so --teacher has no effect."),
                _("Leave it out, or start a new run."),
            )
        if not recipe and not (resume and run):
            raise UserError(
                _("No recipe was named."),
                _("Write srgan train RECIPE --data PHOTOS, or, to resume, srgan train --run FOLDER --resume."),
            )
        folder = run or _default_run(recipe)
        if data is None and not resume:
            raise UserError(_("No pictures were named."), _("Add --data FOLDER."))
        request = TrainRequest(
            recipe,
            data,
            folder,
            resume=resume,
            validation=val,
            overrides=(*_overrides(set_ or []), *([("teacher", json.dumps(teacher))] if teacher else [])),
            start=start,
            content_weights=content_weights,
            device=device or "",
            threads=threads,
            tensorboard=tensorboard,
            stop_after=stop_after,
        )
        events = trainer.estimate(TrainingEstimateRequest(request), cancel) if trial else trainer.train(request, cancel)
        if as_json:
            print_json(events)
        else:
            _draw_training(events, console)


def evaluate_command(
    models: Annotated[list[str], typer.Argument(help=_("Names of models, or model files."))],
    data: Annotated[Path, typer.Option(help=_("Folder of HR pictures; its folders are sets of their own."))],
    detail: Annotated[int, typer.Option(help=help_of("detail"))] = 100,
    content_weights: Content = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help=help_of("precision"))] = "auto",
    out: Annotated[Path | None, typer.Option(help=_("Keep the enlarged pictures here."))] = None,
    worn: Annotated[bool, typer.Option("--worn", help=_("Enlarge noisy JPEGs instead of clean pictures."))] = False,
    ensemble: Annotated[bool, typer.Option("--ensemble", help=help_of("ensemble"))] = False,
    artefacts: Annotated[
        bool, typer.Option("--artefacts", help=_("Also show mesh, ringing and colour shift."))
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure models beside bicubic: PSNR and SSIM on Y, a perceptual distance, seconds per megapixel."""
    from core.evaluate.benchmark import evaluate
    from core.models.catalogue import detail_of_each

    with running_command() as (cancel, console):
        known: Precision = SETTINGS["precision"].parse(precision)
        details = detail_of_each(models, detail)
        subjects = tuple(Evaluated(name, each, ensemble=ensemble) for name, each in zip(models, details, strict=True))
        request = EvaluateRequest(subjects, data, content_weights, device, known, out, worn)
        events: Iterable[Event] = evaluate(request, cancel)
        if as_json:
            print_json(events)
            return
        sets: list[SetEvaluated] = []
        with _bar(console) as bar:
            task = bar.add_task(_("Pictures"), total=None)
            for event in events:
                if isinstance(event, PictureEvaluated):
                    bar.update(task, advance=1, description=f"{event.dataset} {event.path.name}")
                elif isinstance(event, Notice):
                    bar.console.print(plain(event.message), highlight=False)
                elif isinstance(event, SetEvaluated):
                    sets.append(event)
        console.print(_table(sets))
        if artefacts:
            console.print(_artefacts_table(sets))


def blend_command(
    first: Annotated[str, typer.Argument(help=_("Model, or model file."))],
    second: Annotated[str, typer.Argument(help=_("A model trained on from the first."))],
    alpha: Annotated[float, typer.Option(help=_("Share of the second, 0 to 1."))] = 0.5,
    out: Annotated[Path, typer.Option("--out", "-o", help=_("The new model file."))] = Path("blend.safetensors"),
) -> None:
    """Make a model between two: network interpolation."""
    from core.models.blend import blend_files

    with running_command() as (_cancel, console):
        card = blend_files(first, second, alpha, out)
        console.print(plain(f"{card.name}: {out}"), highlight=False, soft_wrap=True)


def export_command(
    model: Annotated[str, typer.Argument(help=_("Model, or model file."))],
    onnx: Annotated[Path, typer.Option(help=_("The ONNX file to write."))],
) -> None:
    """Write a model as ONNX with dynamic sizes, checked against torch in onnxruntime."""
    from core.models.onnx_export import export_onnx

    with running_command() as (_cancel, console):
        difference = export_onnx(model, onnx)
        words = _("{onnx}: at most {difference:.1e} from torch (of values in 0 to 1)").format(
            onnx=onnx, difference=difference
        )
        console.print(plain(words), highlight=False, soft_wrap=True)


def _draw_training(events: Iterable[Event], console: Console) -> None:
    with _bar(console) as bar:
        draw = _TrainingLines(bar, console.is_terminal)
        for event in events:
            draw(event)


class _TrainingLines:
    """One line for what matters, and a bar for the rest."""

    def __init__(self, bar: Progress, terminal: bool) -> None:
        self.bar = bar
        self.terminal = terminal
        self.task: TaskID = bar.add_task(_("Checking the pictures"), total=None)

    def __call__(self, event: object) -> None:
        if isinstance(event, (ScanProgress, DownloadProgress)):
            name = event.name if isinstance(event, DownloadProgress) else _("Checking the pictures")
            self.bar.update(self.task, description=name, completed=event.done, total=event.total)
        elif isinstance(event, TeacherProgress):
            words = _("{teacher} upscales its examples").format(teacher=event.teacher)
            self.bar.update(self.task, description=words, completed=event.done, total=event.total)
            if not self.terminal and event.done in (0, event.total):
                self._line(_("{words}: {done} of {total}").format(words=words, done=event.done, total=event.total))
        elif isinstance(event, PictureQuarantined):
            self._line(_("quarantined {name}: {reason}").format(name=event.path.name, reason=event.reason), "yellow")
        elif isinstance(event, ScanFinished):
            self._line(
                _("{training} pictures to train on, {validation} to test on, {quarantined} quarantined").format(
                    training=event.training, validation=event.validation, quarantined=event.quarantined
                )
            )
            if event.advice:
                self._line(event.advice, "yellow")
        elif isinstance(event, TrainingStarted):
            self._line(
                _(
                    "{run} on {device} in {precision}, {parameters:.2f} M parameters; bicubic reaches "
                    "{bicubic_psnr_y:.2f} dB"
                ).format(
                    run=event.run,
                    device=event.device,
                    precision=event.precision,
                    parameters=event.parameters / 1e6,
                    bicubic_psnr_y=event.bicubic_psnr_y,
                )
            )
            if event.teacher:
                self._line(_("{teacher} is the teacher").format(teacher=event.teacher))
            self.bar.update(self.task, completed=event.start_step, total=event.total_steps)
        elif isinstance(event, StageStarted):
            self._line(_("{stage} stage, {steps} steps").format(stage=event.stage, steps=event.steps))
        elif isinstance(event, TrainingStep):
            self._step(event)
        elif isinstance(event, Validation):
            perceptual = (
                ""
                if event.perceptual is None
                else _(", perceptual {perceptual:.4f}").format(perceptual=event.perceptual)
            )
            teacher = (
                ""
                if event.psnr_to_teacher is None
                else _(", {psnr_to_teacher:.2f} dB towards the teacher").format(psnr_to_teacher=event.psnr_to_teacher)
            )
            seen = (
                ""
                if event.seen_gain is None
                else _(", training pictures {seen_gain:+.2f} dB over bicubic").format(seen_gain=event.seen_gain)
            )
            mesh = (
                "" if event.mesh is None or event.stage == "psnr" else _(", mesh {mesh:.1f} dB").format(mesh=event.mesh)
            )
            best = _(" (best)") if event.best else ""
            figures = _("{psnr_y:.3f} dB, SSIM {ssim_y:.4f}{perceptual}{teacher}{mesh}").format(
                psnr_y=event.psnr_y, ssim_y=event.ssim_y, perceptual=perceptual, teacher=teacher, mesh=mesh
            )
            self._line(
                _("step {step}: {figures}{seen}{best}").format(step=event.step, figures=figures, seen=seen, best=best)
            )
        elif isinstance(event, Notice):
            self._line(event.message, "yellow")
        elif isinstance(event, TrainingFinished):
            self._line(event.verdict)
            if event.model is not None:
                self._line(_("Use it: srgan upscale PICTURES --model {model}").format(model=event.model))
            else:
                self._line(_("Resume: srgan train --run FOLDER --resume."))
        elif isinstance(event, TrainingEstimated):
            steps = ", ".join(
                _("{name} {seconds:.2f} s a step").format(name=name, seconds=seconds)
                for name, seconds in event.seconds_per_step.items()
            )
            seconds, memory = event.seconds_total, event.peak_memory / 2**30
            time = (
                _("{hours:.1f} hours").format(hours=seconds / 3600)
                if seconds >= 3600
                else _("{minutes} minutes").format(minutes=max(1, round(seconds / 60)))
            )
            self._line(
                _("{steps}; about {time} without the validations, {memory:.1f} GB of memory").format(
                    steps=steps, time=time, memory=memory
                )
            )
        elif isinstance(event, CheckpointSaved) and not self.terminal:
            self._line(_("saved {name}").format(name=event.path.name))

    def _step(self, event: TrainingStep) -> None:
        losses = " ".join(f"{name} {value:.4g}" for name, value in event.losses.items())
        game = (
            ""
            if event.d_real is None
            else _(" D(real) {d_real:.2f} D(fake) {d_fake:.2f}").format(d_real=event.d_real, d_fake=event.d_fake)
        )
        text = f"{event.stage} {losses}{game} {event.seconds_per_step:.2f} s"
        self.bar.update(self.task, completed=event.step, total=event.total_steps, description=text)
        if event.skipped:
            self._line(_("step {step} skipped: {skipped}").format(step=event.step, skipped=event.skipped), "yellow")
        elif not self.terminal and event.step % LINE_EVERY == 0:
            self._line(
                _("step {step} of {total_steps}: {text}").format(
                    step=event.step, total_steps=event.total_steps, text=text
                )
            )

    def _line(self, text: str, style: str = "") -> None:
        self.bar.console.print(plain(text), style=style, highlight=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _table(sets: list[SetEvaluated]) -> Table:
    measured = any(each.bicubic.perceptual is not None for each in sets)
    heads = ["PSNR-Y", "SSIM-Y", *([_("perceptual")] if measured else []), _("s/megapixel")]
    table = _figures_table(_("Means over the pictures"), heads)
    for each in sets:
        times = ["", *(f"{seconds:.2f}" for seconds in each.seconds_per_megapixel)]
        for (place, name, quality), seconds in zip(_rows(each), times, strict=True):
            distance = [] if quality.perceptual is None else [f"{quality.perceptual:.4f}"]
            table.add_row(place, name, f"{quality.psnr_y:.2f}", f"{quality.ssim_y:.4f}", *distance, seconds)
        table.add_section()
    return table


def _artefacts_table(sets: list[SetEvaluated]) -> Table:
    table = _figures_table(_("Artefacts, 0 for none"), [_("mesh, dB"), _("ringing, levels"), _("colour shift, levels")])
    for each in sets:
        for place, name, quality in _rows(each):
            found = quality.artefacts
            table.add_row(place, name, *(f"{value:.2f}" for value in (found.mesh, found.ringing, found.colour)))
        table.add_section()
    return table


def _figures_table(title: str, heads: list[str]) -> Table:
    table = Table(title=title)
    table.add_column("set")
    table.add_column("model")
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _rows(each: SetEvaluated) -> Iterator[tuple[Text, Text, ModelQuality]]:
    """(set, in its first row, model, quality) of bicubic and of each model."""
    pictures = ngettext("{count} picture", "{count} pictures", each.pictures).format(count=each.pictures)
    yield plain(f"{each.dataset} ({pictures})"), plain(each.bicubic.of), each.bicubic
    for quality in each.results:
        yield plain(""), plain(quality.of), quality


def _overrides(given: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in given:
        field, equals, value = text.partition("=")
        if not equals:
            raise UserError(_("“{text}” changes no field.").format(text=text), _("Write it as --set psnr.steps=500."))
        pairs.append((field.strip(), value.strip()))
    return tuple(pairs)


def _default_run(recipe: str) -> Path:
    from core.paths import user_runs

    return user_runs() / Path(recipe).stem


app = typer.Typer(no_args_is_help=True, add_completion=False)
add_to(app)

if __name__ == "__main__":
    app()
