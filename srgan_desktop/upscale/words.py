"""What the page says about a run, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srgan_desktop import problems
from srgan_desktop.job import EngineState
from srgan_desktop.run_bar import BarState
from srgan_desktop.upscale.estimate import estimate_words
from srgan_desktop.upscale.filling import own_pictures
from srgan_desktop.upscale.links import Fetching
from srgan_desktop.upscale.queue_model import State, shown_name
from srgan_desktop.upscale.run import Phase, Summary
from srgan_desktop.upscale.session import UpscaleSession


def bar_state(session: UpscaleSession) -> BarState:
    """How far the run is, or what Start would do."""
    run = session.run
    if run.phase is Phase.IDLE:
        return _idle(session)
    if run.phase is Phase.CANCELLING:
        return BarState("Stopping…", "saved results stay", run.fraction)
    done, total = run.saved + run.skipped, run.total - len(run.failures)
    failed = f"{len(run.failures):,} failed" if run.failures else ""
    if run.paused:
        # A watch has no end that it could come nearer to, but a bar that stands still says that it is paused.
        return BarState(f"Paused after {done:,} of {total:,}", failed, run.fraction, paused=True)
    so_far = _joined(f"{done:,} finished so far", failed)
    if session.engine is EngineState.STARTING:
        return BarState("Starting the engine…", "the first start takes a few seconds")
    if run.rests:
        return BarState(f"Watching {named(session.watched)}", so_far, has_progress=False)
    if run.phase is Phase.BETWEEN_JOBS:
        return BarState("Searching for more pictures…", so_far)
    if run.fraction == 0 and run.finished == 0 and session.queue.count(State.WORKING) == 0:
        return BarState("Preparing…", "checking what is already done")
    title = f"Upscaling {min(done + 1, total):,} of {total:,}"
    return BarState(title, _joined(problems.time_left(run.seconds_left), failed), run.fraction)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _idle(session: UpscaleSession) -> BarState:
    queue, watched = session.queue, session.watched
    if not queue.entries:
        title = f"Ready to watch {named(watched)}" if watched else "The queue is empty"
        return BarState("Searching for pictures…" if session.scanning else title, has_progress=False)
    waiting = queue.count(State.WAITING)
    parts = [
        f"{queue.count(state):,} {word}"
        for state, word in ((State.DONE, "saved"), (State.SKIPPED, "already done"), (State.FAILED, "failed"))
        if queue.count(state)
    ]
    if watched:
        parts.append(f"Start {'also ' if waiting else ''}watches {named(watched)}")
    title = "Finished" if queue.count(State.FAILED) else "Everything is finished"
    estimate = session.forecast.estimate
    if waiting:
        title = f"{problems.pictures(waiting - queue.unreadable)} ready to upscale"
        parts.append(estimate_words(estimate))
        parts.append(f"{queue.unreadable:,} cannot be read" if queue.unreadable else "")
    return BarState(title, _joined(*parts), has_progress=False, warns=waiting > 0 and estimate.warns)


def start_words(session: UpscaleSession) -> tuple[str, str]:
    """What the Start button says, and what it does."""
    again = session.made_otherwise
    if again:
        replaces = session.run_settings.wanted.existing == "replace"
        kept = "replaced" if replaces else "kept; new ones get a number"
        return f"Up&scale {again:,} again with the new settings", f"Existing results are {kept}"
    if session.starts_again:
        return "&Start again", "Upscale everything again; unchanged results are skipped"
    return "&Start", "Upscale all waiting pictures"


def engine_words(session: UpscaleSession) -> tuple[str, str]:
    """What the engine does, and `good`, `warn`, `bad` or `busy`."""
    match session.engine:
        case EngineState.OFF:
            return "", "busy"
        case EngineState.STARTING:
            return "Starting the engine…", "busy"
        case EngineState.STOPPED:
            return "Engine stopped; restarts when needed", "bad"
        case EngineState.READY:
            if session.run.paused:
                return f"Paused on {session.device}", "warn"
            working = session.busy and not session.run.rests
            return f"{'Working' if working else 'Ready'} on {session.device}", "good"


def summary_figures(summary: Summary) -> str:
    """`3 pictures saved, 1 failed, in 8 s.`"""
    parts = [f"{problems.pictures(summary.saved)} saved"]
    if summary.skipped:
        parts.append(f"{summary.skipped:,} already done")
    if summary.failed:
        parts.append(f"{summary.failed:,} failed")
    return ", ".join(parts) + (f", in {problems.duration(summary.seconds)}." if summary.seconds else ".")


def fetching_words(fetching: Fetching) -> str:
    """`3 of 12 MB from example.org, into /home/me/Pictures/SRGAN Desktop`."""
    total = f" of {problems.gigabytes(fetching.total)}" if fetching.total else ""
    so_far = f"{problems.gigabytes(fetching.done)}{total} from {fetching.host}" if fetching.done else fetching.host
    return f"{so_far}, into {own_pictures()}"


def named(folders: Sequence[Path]) -> str:
    """One folder by its name, several by their number."""
    return f"“{shown_name(folders[0])}”" if len(folders) == 1 else f"{len(folders)} folders"
