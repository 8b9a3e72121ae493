"""`srgan upscale` and `srgan devices`: the batch, drawn on a terminal or printed as lines of JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from core.cluster.options import ClusterOptions, Share
from core.commands.console import EXIT_FAILED, Json, add_command, plain, print_json, running_command
from core.commands.options import option, read_settings, takes_settings
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Event, Notice
from core.contract.settings import OUTPUT, WATCH, check_settings
from core.contract.upscale import (
    ArchiveSaved,
    BatchFinished,
    BatchInterrupted,
    FileFailed,
    FileSaved,
    FileSkipped,
    FileStarted,
    Input,
    Planned,
    UpscaleRequest,
    WatchRequest,
)
from core.contract.upscale import Progress as BatchProgress
from core.language import gettext as _
from core.language import ngettext
from core.models.catalogue import AUTOMATIC, chosen, find_model

if TYPE_CHECKING:
    from core.upscale.plan import Plan


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    add_command(app, "upscale", upscale_command)
    add_command(app, "devices", devices_command)


@takes_settings
def upscale_command(
    inputs: Annotated[list[Path], typer.Argument(help=_("Pictures, and folders of pictures."))],
    *,
    output: Annotated[Path | None, option(OUTPUT)] = None,
    given: dict[str, Any],
    settings: Annotated[
        Path | None,
        # `--recipe` is what it was called in version 0.1.
        typer.Option("--settings", "--recipe", help=_("Settings from a file, as a run leaves in OUTPUT/.srgan/.")),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help=_("Settings by name (Web 2x, “Archive TIFF 16 bit”, your own) or file.")),
    ] = None,
    watching: Annotated[bool, option(WATCH)] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help=_("Let a cluster of Ray do it: HOST:PORT of its head, or auto: the one that this machine is part of."),
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help=_("With --cluster: how many work at a time, at most."))
    ] = None,
    per_worker: Annotated[
        str | None,
        typer.Option(
            "--per-worker",
            metavar="SHARE",
            help=_("With --cluster: what each has for itself: gpu=1, or cpu=4, or both."),
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only show what would be done."))] = False,
    as_json: Json = False,
) -> None:
    """Upscale pictures and folders. What was done before with the same settings is not done again."""
    with running_command() as (cancel, console):
        if preset is not None:
            from core.upscale.presets import find_preset

            if settings is not None:
                raise UserError(_("--preset and --settings exclude each other."), _("Name one of them."))
            settings = find_preset(preset)
        request = request_of(inputs, output, settings, read_settings(given))
        on = _cluster_options(cluster, workers, per_worker, watching=watching)
        if dry_run:
            _tell_plan(request, cancel, console, as_json=as_json)
            return
        from core.upscale.batch import upscale
        from core.upscale.watch import watch

        if watching:
            for path in inputs:
                if not path.is_dir():
                    raise UserError(
                        _("“{path}” is not a folder, so it cannot be watched.").format(path=path),
                        _("Name folders, not files."),
                    )
            folders = tuple(path.absolute() for path in inputs)
            events: Iterable[Event] = watch(WatchRequest(replace(request, inputs=()), folders), cancel)
        elif on is not None:
            from core.cluster.run import upscale_on

            events = upscale_on(on, request, cancel)
        else:
            events = upscale(request, cancel)
        if as_json:
            failed = 0
            for event in events:
                failed += isinstance(event, FileFailed)
                print_json([event])
        else:
            failed = _draw(events, console, watching=watching)
        if failed:
            raise typer.Exit(EXIT_FAILED)


def devices_command(as_json: Json = False) -> None:
    """List what can be computed on here, and by what."""
    from core.runtimes import choice

    with running_command() as (_cancel, console):
        found = choice.devices()
        if as_json:
            print_json(found)
            return
        table = Table()
        for head in ("device", "name", "precision", "memory", "free"):
            table.add_column(head, justify="right" if head in ("memory", "free") else "left")
        for each in found:
            memory, free = (f"{size / 2**30:.1f} GB" for size in (each.memory_total, each.memory_free))
            table.add_row(each.name, each.label, each.precision, memory, free)
        console.print(table)


def _cluster_options(
    address: str | None, workers: int | None, share: str | None, *, watching: bool
) -> ClusterOptions | None:
    if address is None:
        if workers is not None or share is not None:
            raise UserError(_("--workers and --per-worker are about a cluster."), _("Add --cluster auto."))
        return None
    if watching:
        raise UserError(
            _("A cluster cannot watch folders."), _("Leave out --watch, and run the command again from time to time.")
        )
    return ClusterOptions(address, workers, None if share is None else Share.parse(share))


def request_of(inputs: list[Path], output: Path | None, file: Path | None, given: dict[str, Any]) -> UpscaleRequest:
    """Defaults, then the settings file, then what stands on the command line."""
    from core.upscale.settings import from_toml

    request = UpscaleRequest(tuple(Input(path) for path in inputs), output)
    if file is not None:
        request = from_toml(file, request)
    of_file = request.model
    request = replace(request, **given)
    # Detail and clean-up in a settings file are those of its model: another model begins at its own.
    degrees: dict[str, int | None] = {name: given.get(name) for name in ("detail", "clean_up")}
    begins_anew = file is None or not _same_model(request.model, of_file)
    says_how_much = any(each is not None for each in degrees.values())
    if request.model in ("", AUTOMATIC) and not says_how_much:
        request = replace(request, model=AUTOMATIC, detail=100, clean_up=0)
    elif begins_anew or says_how_much:
        if not begins_anew and request.model != AUTOMATIC:
            noted = {"detail": request.detail, "clean_up": request.clean_up or None}
            degrees = {name: noted[name] if each is None else each for name, each in degrees.items()}
        # Whoever says how much takes over from the automatic choice.
        named = "" if request.model == AUTOMATIC else request.model
        model, detail, clean_up = chosen(named, degrees["detail"], degrees["clean_up"])
        request = replace(request, model=model, detail=detail, clean_up=clean_up)
    check_settings(request)
    return request


def _same_model(given: str, of_file: str) -> bool:
    if given == of_file:
        return True
    try:
        return find_model(of_file).key == find_model(given).key
    except UserError:
        # The file's model may be gone since. If the other one is gone too, opening it says so.
        return False


def _tell_plan(request: UpscaleRequest, cancel: CancelToken, console: Console, *, as_json: bool) -> None:
    from core.upscale.plan import plans

    write, pictures, skip, refuse, is_first = 0, 0, 0, 0, True
    for portion in plans(request, cancel):
        write += len(portion.tasks)
        pictures += sum(task.pictures for task in portion.tasks)
        skip += len(portion.done)
        refuse += len(portion.refused)
        if as_json:
            _print_plan(portion)
        else:
            console.print(_table_of(portion, is_first=is_first))
            is_first = False
            for warning in portion.warnings:
                console.print(plain(warning), style="yellow")
    if not as_json:
        console.print(
            _("{write} to write{several}, {skip} to skip, {refused} refused.").format(
                write=write, several=_several(write, pictures), skip=skip, refused=refuse
            )
        )
    if refuse:
        raise typer.Exit(EXIT_FAILED)


def _print_plan(portion: Plan) -> None:
    for kind, items in (("write", portion.tasks), ("skip", portion.done), ("refuse", portion.refused)):
        for item in items:
            line: dict[str, Any] = {"plan": kind, "source": str(item.source)}
            if kind == "refuse":
                line |= {"message": item.error.message, "hint": item.error.hint}  # type: ignore[union-attr]
            else:
                line["output"] = str(item.final if kind == "write" else item.output)  # type: ignore[union-attr]
            if kind == "write":
                line["pictures"] = item.pictures  # type: ignore[union-attr]
            sys.stdout.write(json.dumps(line) + "\n")


def _table_of(portion: Plan, *, is_first: bool) -> Table:
    table = Table(title=_("What would be done") if is_first else None, show_header=is_first)
    for head in ("", _("picture"), _("result")):
        table.add_column(head, overflow="fold")
    for task in portion.tasks:
        size = ", ".join(filter(None, (f"{task.size[0]} x {task.size[1]}", task.pictures_in_words)))
        table.add_row(_("write"), plain(task.source), plain(f"{task.final} ({size})"))
    for done in portion.done:
        there = _("{output} exists").format(output=done.output) if done.output != done.source else done.reason
        table.add_row(_("skip"), plain(done.source), plain(there))
    for refused in portion.refused:
        table.add_row(Text(_("refuse"), "red"), plain(refused.source), plain(str(refused.error)))
    return table


def _draw(events: Iterable[Event], console: Console, *, watching: bool) -> int:
    """Show a run; answers with how many files failed."""
    failures: list[FileFailed] = []
    with _bar(console) as bar:
        draw = UpscaleLines(bar, None if watching else failures)
        for event in events:
            draw(event)
    if failures:
        table = Table(title=_("Not done"), title_style="bold red")
        for head in (_("picture"), _("why"), _("what to do")):
            table.add_column(head, overflow="fold")
        for failure in failures:
            table.add_row(plain(failure.source), plain(failure.message), plain(failure.hint))
        console.print(table)
        for failure in failures:
            if failure.details:
                console.print(plain(f"{failure.source}\n{failure.details}"), style="dim")
    return len(failures)


class UpscaleLines:
    """One line for each result, and a bar for the run."""

    def __init__(self, bar: Progress, failures: list[FileFailed] | None) -> None:
        """`failures` gets what failed, for a table at the end; without it all is said at once."""
        self.bar = bar
        self.failures = failures
        self.task: TaskID = bar.add_task(_("Checking the pictures"), total=None, left="")
        self.files = 0
        self.finished = 0
        self.refused = 0
        """Refusals still to come, most of them before the first picture begins; `files` does not count them."""
        self.left_out = 0
        """How many of the batch were larger than asked for."""
        self.complete = True
        """Whether `files` are all of the batch; the next `Planned` then is another one's."""
        self._refused_so_far = 0

    def __call__(self, event: object) -> None:
        """Show an event of a batch or a watch."""
        if isinstance(event, Planned):
            if self.complete:
                self.refused, self.finished = event.refused, 0
                self.bar.update(self.task, total=1.0, description=_("Starting"))
            else:
                self.refused += event.refused - self._refused_so_far
            self.files, self.complete, self._refused_so_far = event.files, event.complete, event.refused
        elif isinstance(event, FileStarted):
            self.bar.update(self.task, description=self._title(event.source))
        elif isinstance(event, BatchProgress):
            self.bar.update(self.task, completed=event.total_fraction, left=_duration(event.seconds_left))
        elif isinstance(event, FileSaved):
            self.finished += 1
            before, after = ("{} x {}".format(*size) for size in (event.input_size, event.output_size))
            score = _("equal") if math.isinf(event.consistency) else f"{event.consistency:.1f} dB"
            many = (
                ngettext("{count:,} picture", "{count:,} pictures", event.pictures).format(count=event.pictures) + ", "
                if event.pictures > 1
                else ""
            )
            self._say(
                _("{packed}  {many}{before} to {after}, consistency {score}, {seconds:.1f} s").format(
                    packed=event.packed or event.output,
                    many=many,
                    before=before,
                    after=after,
                    score=score,
                    seconds=event.seconds,
                )
            )
            for note in (event.reason, *event.notes):
                if note:
                    self._say(f"    {note}", "dim")
        elif isinstance(event, FileSkipped):
            is_there = event.output != event.source
            self.left_out += not is_there
            there = _("is there already") if is_there else event.reason
            self._say(f"{event.output}  {there}", "dim")
        elif isinstance(event, ArchiveSaved):
            self._say(
                f"{event.output}  "
                + ngettext("{count:,} picture", "{count:,} pictures", event.pictures).format(count=event.pictures)
            )
            for note in event.notes:
                self._say(f"    {note}", "dim")
        elif isinstance(event, FileFailed):
            self.finished += not self.refused
            self.refused = max(0, self.refused - 1)
            if self.failures is not None:
                self.failures.append(event)
                self._say(event.message, "red")
            else:
                self._say(f"{event.message} {event.hint}".strip(), "red")
                if event.details:
                    self._say(event.details, "dim")
        elif isinstance(event, Notice):
            self._say(event.message, "dim")
        elif isinstance(event, BatchInterrupted):
            self._say(_("{message} Waiting for it.").format(message=event.message), "yellow")
            self.bar.update(self.task, description=_("Waiting"), completed=0, left="")
        elif isinstance(event, BatchFinished):
            words = (
                _(
                    "{saved} saved{several}, {skipped} were done before, {larger} are larger, "
                    "{failed} failed, in {duration}."
                )
                if self.left_out
                else _("{saved} saved{several}, {skipped} were done before, {failed} failed, in {duration}.")
            )
            self._say(
                words.format(
                    saved=event.saved,
                    several=_several(event.saved, event.pictures),
                    skipped=event.skipped - self.left_out,
                    larger=self.left_out,
                    failed=event.failed,
                    duration=_duration(event.seconds),
                ),
                "bold",
            )
            self.left_out = 0
            # A watch goes on waiting for more pictures.
            self.bar.update(self.task, description=_("Waiting"), completed=0, left="")

    def _title(self, source: Path) -> str:
        number = min(self.finished + 1, self.files)
        words = _("{number} of {files}  {name}") if self.complete else _("{number} of {files} so far  {name}")
        return words.format(number=number, files=self.files, name=plain(source.name).plain)

    def _say(self, text: str, style: str = "") -> None:
        self.bar.console.print(plain(text), style=style, soft_wrap=True, highlight=False)


def _several(files: int, pictures: int) -> str:
    """A word on pages and frames, where files have several."""
    return _(" ({pictures:,} pages and frames)").format(pictures=pictures) if pictures > files else ""


class _Percent(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.percentage:3.0f} %" if task.total else "")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Percent(),
        TextColumn("{task.fields[left]}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    return _("{minutes} min {rest} s").format(minutes=minutes, rest=rest) if minutes else f"{rest} s"
