"""Errors and figures in words for people: what comes of any error of `core` is written here."""

from __future__ import annotations

import math
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.contract.errors import UserError
from core.contract.jobs import JobFailed
from core.contract.upscale import FileFailed
from core.language import gettext as _
from core.language import ngettext, shown_number

SMALLER_BATCH = _("If memory ran out, choose a smaller batch or cache in the recipe.")
REPORT_HINT = _("This is a bug. Copy the details into a report, then try again.")


@dataclass(frozen=True, slots=True)
class Problem:
    """What happened, what to do, and what a developer wants to see."""

    message: str
    hint: str = ""
    details: str = ""

    @property
    def text(self) -> str:
        """Everything, for the clipboard."""
        return "\n\n".join(part for part in (f"{self.message} {self.hint}".strip(), self.details) if part)


def of_event(event: FileFailed | JobFailed) -> Problem:
    """What the worker said, kept in its words."""
    if event.details and not event.hint:
        return Problem(event.message, REPORT_HINT, event.details)
    return Problem(event.message, event.hint, event.details)


def of_exception(error: BaseException) -> Problem:
    """A `UserError` in its own words, a failing system call by its cause, anything else as a fault of the program."""
    if isinstance(error, UserError):
        return Problem(error.message, error.hint)
    details = "".join(traceback.format_exception(error))
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return Problem(
            _("System error: {strerror}{where}.").format(strerror=error.strerror, where=where),
            _("Check the disk and the permissions."),
            details,
        )
    return Problem(
        _("Something went wrong: {name}: {error}").format(name=type(error).__name__, error=error), REPORT_HINT, details
    )


_CRASHES = {
    0xC0000005: _("access violation"),
    0xC000001D: _("illegal instruction"),
    0xC0000094: _("division by zero"),
    0xC00000FD: _("stack overflow"),
    0xC0000374: _("heap corruption"),
    0xC0000409: _("buffer overrun"),
}
"""What processes end with that crash on Windows (NTSTATUS), where no signals are."""
_OUT_OF_MEMORY = (0xC0000017, 0xC000012D)


def engine_died(exit_code: int | None) -> JobFailed:
    """What becomes of a job whose worker process ended without a word.

    Args:
        exit_code: of the process; negative is minus the signal that ended it; None when it never started.
    """
    again = _("Press Start to continue: finished results are kept.")
    for_memory = _("Close other programs or choose a smaller tile under Advanced. {again}").format(again=again)
    for_crashes = _(
        "Often the graphics driver is to blame; Processor as the device, under Advanced, does without it. {again}"
    ).format(again=again)
    if exit_code is None:
        return JobFailed(
            _("The engine could not be started."), _("Restart the program; if that does not help, reinstall it.")
        )
    if exit_code in (-9, 137):
        return JobFailed(
            _("The system ended the engine, most likely because memory ran out."),
            for_memory,
            f"worker process ended by SIGKILL (exit code {exit_code})",
        )
    if exit_code in _OUT_OF_MEMORY:
        return JobFailed(
            _("The engine was ended, most likely because memory ran out."),
            for_memory,
            f"worker process ended with status {exit_code:#010x}",
        )
    if exit_code in _CRASHES:
        return JobFailed(
            _("The engine crashed ({crashes}).").format(crashes=_CRASHES[exit_code]),
            for_crashes,
            f"worker process ended with status {exit_code:#010x}",
        )
    if exit_code < 0:
        try:
            name = signal.Signals(-exit_code).name
        except ValueError:
            name = f"signal {-exit_code}"
        return JobFailed(
            _("The engine crashed ({name}).").format(name=name),
            for_crashes,
            f"worker process ended by {name} (exit code {exit_code})",
        )
    return JobFailed(
        _("The engine ended unexpectedly (exit code {exit_code}).").format(exit_code=exit_code),
        again,
        f"worker process: exit code {exit_code}",
    )


def training_died(event: JobFailed, can_go_on: bool) -> Problem:
    """What becomes of a training run whose worker process ended without a word.

    Args:
        event: what `engine_died` made of its exit code.
        can_go_on: whether a checkpoint of the run is on the disk.
    """
    return Problem(event.message, f"{_kept_of_run(can_go_on)} {SMALLER_BATCH}", event.details)


def training_cut_short(can_go_on: bool) -> Problem:
    """What becomes of a training run that was asked to stop, and whose worker process ended before it had saved.

    Args:
        can_go_on: whether a checkpoint of the run is on the disk.
    """
    return Problem(_("The run stopped before its last steps were saved."), _kept_of_run(can_go_on))


def _kept_of_run(can_go_on: bool) -> str:
    return _("Press Resume to continue from the last saved state.") if can_go_on else _("Nothing was saved yet.")


def of_job(event: JobFailed, worker_lives: bool, died: Callable[[JobFailed], Problem]) -> Problem:
    """What the worker said of a job, or what its death means for that."""
    return of_event(event) if worker_lives else died(event)


def estimate_died(event: JobFailed) -> Problem:
    """What becomes of trial steps of a training whose worker process ended without a word."""
    return Problem(
        event.message, _("Estimate tries again. {smaller_batch}").format(smaller_batch=SMALLER_BATCH), event.details
    )


def scan_died(event: JobFailed) -> Problem:
    """What becomes of the look at the pictures for a training whose worker process ended without a word."""
    hint = _("Choose the folder again to retry; if memory ran out, close other programs first.")
    return Problem(event.message, hint, event.details)


def trial_died(event: JobFailed) -> Problem:
    """What becomes of a check, a comparison or an import whose worker process ended without a word."""
    hint = _("Try again; if memory ran out, close other programs or choose a smaller part of the picture.")
    return Problem(event.message, hint, event.details)


def drop_refused() -> Problem:
    """What was dropped or pasted holds no file and no picture."""
    return Problem(_("Nothing usable was dropped or pasted."), _("Drop or paste files, folders, or a copied picture."))


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _("{minutes} min {seconds:02d} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {rest:02d} min").format(hours=whole // 3600, rest=whole % 3600 // 60)


def seconds(value: float) -> str:
    """A measured time, with as many digits as mean something: `0.36 s`, `4.2 s`, `3 min 20 s`."""
    if value < 1:
        return f"{shown_number(max(0.01, value), '.2f')} s"
    return f"{shown_number(value, '.1f')} s" if value < 60 else duration(value)


def rough_duration(seconds: float) -> str:
    """Words as exact as an estimate is: `20 s`, `4 min`, `2 h 10 min`, `11 days`."""
    if seconds < 57.5:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    if seconds >= 3 * 86_400:
        return _("{seconds:.0f} days").format(seconds=seconds / 86_400)
    hours, rest = divmod(5 * round(minutes / 5), 60)
    return _("{hours} h {rest:02d} min").format(hours=hours, rest=rest)


def time_left(seconds: float | None) -> str:
    """Words as coarse as an estimate is: `about 3 minutes left`."""
    if seconds is None or not math.isfinite(seconds):
        return _("estimating the time left")
    if seconds < 10:
        return _("a few seconds left")
    if seconds < 55:
        return _("about {seconds} seconds left").format(seconds=math.ceil(seconds / 5) * 5)
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("about a minute left") if minutes <= 1 else _("about {minutes} minutes left").format(minutes=minutes)
    hours, rest = divmod(minutes, 60)
    return _("about {hours} h {rest:02d} min left").format(hours=hours, rest=rest)


def gigabytes(count: int) -> str:
    """`850 MB`, `2.1 GB`."""
    return (
        _("{count:.1f} GB").format(count=count / 1e9) if count >= 1e9 else _("{count:.0f} MB").format(count=count / 1e6)
    )


def megapixels(pixels: int) -> str:
    """`0.4 megapixels`, `120 megapixels`."""
    return (
        _("{pixels:.1f} megapixels").format(pixels=pixels / 1e6)
        if pixels < 1e7
        else _("{pixels:,.0f} megapixels").format(pixels=pixels / 1e6)
    )


def pictures(count: int) -> str:
    """`1 picture`, `1,204 pictures`."""
    return ngettext("{count:,} picture", "{count:,} pictures", count).format(count=count)


def files(count: int) -> str:
    """`1 file`, `1,204 files`."""
    return ngettext("{count:,} file", "{count:,} files", count).format(count=count)


def decibels(value: float) -> str:
    """A PSNR; equal pictures have an infinite one."""
    return _("equal") if math.isinf(value) else _("{value:.1f} dB").format(value=value)


def nothing_found(paths: Sequence[Path]) -> Problem:
    """A search that came back with empty hands."""
    return Problem(
        _("No readable pictures in “{name}”.").format(name=paths[0].name or paths[0])
        if len(paths) == 1
        else _("No readable pictures in them."),
        _("Look for PNG, JPEG, WebP, TIFF, AVIF, BMP or GIF files."),
    )
