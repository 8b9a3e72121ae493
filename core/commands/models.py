"""The `srgan` commands around models: info, models (list, download, import, remove), check, blind.

`add_to` puts them on the program's command line; `python -m core.commands.models` is that without the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from core import paths
from core.atomic import check_free
from core.commands.console import EXIT_FAILED, Json, add_command, plain, print_json, running_command
from core.commands.options import help_of
from core.contract.errors import UserError
from core.contract.evaluate import BICUBIC, BlindRequest, CheckProgress, CheckReady, CheckRequest
from core.contract.jobs import Event
from core.contract.models import DownloadProgress, DownloadRequest, ImportRequest, ModelAdded, ModelRefused
from core.contract.settings import SETTINGS, Precision
from core.contract.upscale import Region
from core.language import gettext as _
from core.models.card import set_and_figure
from core.models.catalogue import (
    DEFAULT_DETAIL,
    DEFAULT_MODEL,
    Model,
    chosen,
    detail_of_each,
    downloadable,
    find_model,
    licence,
    models,
    remove_model,
)
from core.models.known import KnownModel

_OF_A_CHECK = ("original", "reduced", "upscaled", "bicubic")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(no_args_is_help=True, help=_("List, download, import and remove models."))
    add_command(group, "list", list_command)
    add_command(group, "download", download_command)
    add_command(group, "import", import_command)
    add_command(group, "remove", remove_command)
    app.add_typer(group, name="models")
    add_command(app, "info", info_command)
    add_command(app, "check", check_command)
    add_command(app, "blind", blind_command)


def list_command(as_json: Json = False) -> None:
    """List the models that are here, and those that can be downloaded."""
    with running_command() as (_cancel, console):
        here, there = models(), downloadable()
        if as_json:
            print_json([*here, *there])
            return
        console.print(_models_table(here))
        if there:
            console.print(_known_table(there))
            console.print(_("Get one with: srgan models download NAME"), highlight=False)


def download_command(
    names: Annotated[list[str], typer.Argument(help=_("Names from `srgan models list`."))],
    as_json: Json = False,
) -> None:
    """Download models into your folder; an interrupted download continues where it was."""
    from core.models.downloads import download

    with running_command() as (cancel, console):
        for name in names:
            events: Iterable[Event] = download(DownloadRequest(name), cancel)
            if as_json:
                print_json(events)
                continue
            with Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=console,
                disable=not console.is_terminal,
                transient=True,
            ) as bar:
                task = bar.add_task(name, total=None)
                for event in events:
                    if isinstance(event, DownloadProgress):
                        bar.update(task, completed=event.done, total=event.total or None)
                    elif isinstance(event, ModelAdded):
                        _say_added(bar.console, event)


def import_command(
    files: Annotated[
        list[Path], typer.Argument(help=_("Model files: .safetensors, .pth, .pt, .onnx, or ncnn's .param."))
    ],
    as_json: Json = False,
) -> None:
    """Copy model files into your folder; each is checked first, and no code in it ever runs."""
    from core.models.importing import import_models

    with running_command() as (cancel, console):
        refused = False
        for event in import_models(ImportRequest(tuple(files)), cancel):
            refused |= isinstance(event, ModelRefused)
            if as_json:
                print_json([event])
            elif isinstance(event, ModelAdded):
                _say_added(console, event)
            else:
                _say(console, event.message, "red")
                _say(console, event.hint)
        if refused:
            raise typer.Exit(EXIT_FAILED)


def remove_command(names: Annotated[list[str], typer.Argument(help=_("Names from `srgan models list`."))]) -> None:
    """Delete your models. Those that came with the program stay."""
    with running_command() as (_cancel, console):
        for name in names:
            remove_model(name)
            _say(console, _("{name} is removed.").format(name=name))


def info_command(
    model: Annotated[str, typer.Argument(help=_("A model's name, or its file; without one, the default model."))] = "",
    recipe: Annotated[bool, typer.Option("--recipe", help=_("Print only its training recipe, as TOML."))] = False,
    as_json: Json = False,
) -> None:
    """Show a model's card: what it is, who made it, how it was trained and measured."""
    with running_command() as (_cancel, console):
        found = find_model(model)
        if recipe:
            if not found.card.recipe.strip():
                raise UserError(
                    _("{name} does not say how it was trained.").format(name=found.card.name), _("Ask its author.")
                )
            typer.echo(found.card.recipe.strip())
            return
        if as_json:
            print_json([found.card])
            return
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in _card_rows(found):
            table.add_row(name, plain(value))
        table.add_row(_("file"), plain(found.path))
        console.print(table)


def check_command(
    picture: Annotated[Path, typer.Argument(help=_("One of your pictures."))],
    model: Annotated[str, typer.Option("--model", "-m", help=_("A model's name, or its file."))] = "",
    detail: Annotated[int | None, typer.Option(help=help_of("detail"))] = None,
    clean_up: Annotated[int | None, typer.Option(help=help_of("clean_up"))] = None,
    region: Annotated[str, typer.Option(help=_("Only this part: x,y,width,height in pixels."))] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help=_("Keep the pictures that are compared here."))
    ] = None,
    content_weights: Annotated[
        Path | None,
        typer.Option("--content-weights", help=_("File of VGG16 or VGG19 features, for the perceptual distance.")),
    ] = None,
    device: Annotated[str, typer.Option(help=help_of("device"))] = "auto",
    precision: Annotated[str, typer.Option(help=help_of("precision"))] = "auto",
    tile: Annotated[int, typer.Option(min=0, help=help_of("tile"))] = 0,
    as_json: Json = False,
) -> None:
    """How good will it be? Make a picture smaller, enlarge it again, and compare with the picture itself."""
    from core.evaluate.check import check
    from core.evaluate.saving import save_png

    with running_command() as (cancel, console):
        known: Precision = SETTINGS["precision"].parse(precision)
        model, percent, cleaned = chosen(model, detail, clean_up)
        request = CheckRequest(picture, model, _region(region), content_weights, device, known, tile, percent, cleaned)
        kept = {} if out is None else {each: out / f"{picture.stem}-{each}.png" for each in _OF_A_CHECK}
        check_free(kept.values())
        with Progress(console=console, disable=as_json or not console.is_terminal, transient=True) as bar:
            task = bar.add_task(_("Measuring"), total=1.0)
            for event in check(request, cancel):
                if isinstance(event, CheckProgress):
                    bar.update(task, completed=event.fraction)
                    continue
                for name, place in kept.items():
                    save_png(place, getattr(event, name))
                if as_json:
                    print_json([event])
                else:
                    bar.stop()
                    _say_checked(console, event)


def blind_command(
    pictures: Annotated[list[Path], typer.Argument(help=_("Pictures, and folders of pictures."))],
    first: Annotated[str, typer.Option("--first", "-a", help=_("A model's name, its file, or bicubic."))],
    second: Annotated[
        str,
        typer.Option(
            "--second",
            "-b",
            help=_("Likewise; else {default_model} at {default_detail} % detail.").format(
                default_model=DEFAULT_MODEL, default_detail=DEFAULT_DETAIL
            ),
        ),
    ] = "",
    detail: Annotated[int | None, typer.Option(help=help_of("detail"))] = None,
    page: Annotated[Path, typer.Option("--out", "-o", help=_("The page to write."))] = Path("blind.html"),
    side: Annotated[
        int, typer.Option(help=_("Source pixels a side of what is shown, from each picture's middle."))
    ] = 160,
    reduced: Annotated[
        bool, typer.Option("--reduced", help=_("Reduce the pictures first; ask which looks more like the original."))
    ] = False,
    worn: Annotated[
        bool, typer.Option("--worn", help=_("With --reduced: also add noise and JPEG compression."))
    ] = False,
    device: Annotated[str, typer.Option(help=help_of("device"))] = "auto",
    as_json: Json = False,
) -> None:
    """Make a page on which people choose between two models without knowing which is which; it counts."""
    from core.evaluate.blind import blind

    with running_command() as (cancel, console):
        names = (first, second or DEFAULT_MODEL)
        subjects = [name for name in names if name != BICUBIC]
        share_of = dict(zip(subjects, detail_of_each(subjects, 100 if detail is None else detail), strict=True))
        details = (share_of.get(names[0], 100), share_of.get(names[1], 100))
        if not second and detail is None:
            details = (details[0], DEFAULT_DETAIL)
        request = BlindRequest(tuple(pictures), *names, page, side, reduced, device, worn=worn, details=details)
        with Progress(console=console, disable=as_json or not console.is_terminal, transient=True) as bar:
            task = bar.add_task(_("Enlarging"), total=1.0)
            for event in blind(request, cancel):
                if isinstance(event, CheckProgress):
                    bar.update(task, completed=event.fraction)
                elif as_json:
                    print_json([event])
                else:
                    bar.stop()
                    for words in event.left_out:
                        _say(console, _("left out {words}").format(words=words), "yellow")
                    _say(
                        console, _("{pairs} pairs: open {page} in a browser").format(pairs=event.pairs, page=event.page)
                    )


def _models_table(here: list[Model]) -> Table:
    table = Table(title=_("Here"), title_justify="left")
    table.add_column(_("name"), no_wrap=True)
    table.add_column(_("scale"), justify="right")
    for head in (_("network"), _("licence"), _("from")):
        table.add_column(head)
    for model in here:
        key = _("{key} (default)").format(key=model.key) if model.key == DEFAULT_MODEL else model.key
        network = f"{model.card.architecture} {model.card.size}".strip() or _("unknown")
        scale = f"x{model.card.scale}"
        table.add_row(plain(key), scale, plain(network), plain(licence(model)[0]), model.kind)
    return table


def _known_table(there: list[KnownModel]) -> Table:
    table = Table(title=_("Can be downloaded"), title_justify="left")
    table.add_column(_("name"), no_wrap=True)
    for head in (_("scale"), "MB"):
        table.add_column(head, justify="right")
    for head in (_("licence"), _("good at")):
        table.add_column(head)
    for known in there:
        card = known.card
        table.add_row(known.key, f"x{card.scale}", f"{known.megabytes:.1f}", card.license, card.purpose)
    return table


def _card_rows(found: Model) -> list[tuple[str, str]]:
    card = found.card
    # A file from elsewhere may have been trained by this program, but by somebody else.
    is_own = any(found.path.resolve().is_relative_to(own) for own in (paths.user_models(), paths.user_runs()))
    rows = [
        (_("name"), card.name),
        (_("author"), card.author),
        (_("licence"), licence(found)[1] if is_own else card.license or _("unknown")),
        (_("scale"), f"x{card.scale}"),
        (_("network"), f"{card.architecture} {card.size}".strip() or _("unknown; import the file to see")),
        (_("tags"), ", ".join(card.tags)),
        (_("description"), card.explanation),
        (_("trained on"), card.dataset),
        (_("data sha256"), card.dataset_sha256),
        (_("steps"), f"{card.iterations:,}" if card.iterations else ""),
        (_("parent"), card.parent),
        (_("base"), _("{base} (detail 0 %)").format(base=card.base) if card.base else ""),
        (_("cleaner"), _("{cleaner} (clean-up 100 %)").format(cleaner=card.cleaner) if card.cleaner else ""),
        (_("date"), card.date),
        (_("measured"), "\n".join(f"{_measure(name)}: {value:.4g}" for name, value in card.metrics.items())),
        (_("recipe"), _("in the file; --recipe prints it") if card.recipe.strip() else ""),
    ]
    return [(name, value) for name, value in rows if value]


def _measure(name: str) -> str:
    return " ".join(filter(None, set_and_figure(name)))


def _say_added(console: Console, event: ModelAdded) -> None:
    _say(console, f"{event.key}: {event.path}")
    for note in event.notes:
        _say(console, note)


def _say_checked(console: Console, event: CheckReady) -> None:
    table = Table()
    mine, other = event.quality, event.bicubic_quality
    rows = [
        ("PSNR-Y, dB", f"{mine.psnr_y:.2f}", f"{other.psnr_y:.2f}"),
        ("SSIM-Y", f"{mine.ssim_y:.4f}", f"{other.ssim_y:.4f}"),
    ]
    if mine.perceptual is not None and other.perceptual is not None:
        rows.append((_("perceptual distance, less is better"), f"{mine.perceptual:.4f}", f"{other.perceptual:.4f}"))
    table.add_column()
    table.add_column(plain(event.model), justify="right")
    table.add_column(_("bicubic"), justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    _say(console, event.verdict)
    _say(console, event.meaning)
    for note in event.notes:
        _say(console, note, "yellow")
    if mine.perceptual is None:
        _say(console, _("No perceptual distance: it needs a VGG (--content-weights FILE)."), "yellow")


def _say(console: Console, text: str, style: str = "") -> None:
    if text:
        console.print(plain(text), style=style, soft_wrap=True, highlight=False)


def _region(text: str) -> Region | None:
    if not text:
        return None
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(
            _("“{text}” is not a region.").format(text=text),
            _("Write it as x,y,width,height, for example 100,50,400,300."),
        ) from error
    return x, y, width, height


app = typer.Typer(no_args_is_help=True, add_completion=False)
add_to(app)

if __name__ == "__main__":
    app()
