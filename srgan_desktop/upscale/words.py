"""What the page says about a run, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.language import gettext as _
from core.language import listed, ngettext
from srgan_desktop import problems
from srgan_desktop.banner import Level
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
        return BarState(_("Stopping…"), _("saved results stay"), fraction_of(session))
    later = _later(session)
    done, total = run.saved + run.skipped, run.total + later - len(run.failures)
    failed = _counted(State.FAILED, len(run.failures))
    if run.paused:
        # A watch has no end that it could come nearer to, but a bar that stands still says that it is paused.
        return BarState(
            _("Paused after {done:,} of {total:,}").format(done=done, total=total),
            failed,
            fraction_of(session),
            paused=True,
        )
    so_far = _joined(ngettext("{done:,} finished so far", "{done:,} finished so far", done).format(done=done), failed)
    if session.engine is EngineState.STARTING:
        return BarState(_("Starting the engine…"), _("the first start takes a few seconds"))
    if run.rests:
        return BarState(_("Watching {named}").format(named=named(session.watched)), so_far, has_progress=False)
    if run.phase is Phase.BETWEEN_JOBS:
        return BarState(_("Searching for more pictures…"), so_far)
    if run.fraction == 0 and run.finished == 0 and session.queue.count(State.WORKING) == 0:
        return BarState(_("Preparing…"), _("checking what is already done"))
    title = _("Upscaling {done:,} of {total:,}").format(done=min(done + 1, total), total=total)
    return BarState(title, _joined(problems.time_left(run.seconds_left_with(later)), failed), fraction_of(session))


def fraction_of(session: UpscaleSession) -> float:
    """How much of the run is done, 0 to 1, pictures of later jobs included."""
    return session.run.fraction_with(_later(session))


def _later(session: UpscaleSession) -> int:
    """Pictures of the run that a later job does: they have own settings, or came after it had begun."""
    queue = session.queue
    unfinished = queue.count(State.WAITING) + queue.count(State.WORKING)
    return max(0, unfinished - len(session.run.pending)) if session.run.busy else 0


def _counted(state: State, count: int) -> str:
    """`3 failed`; nothing where there are none."""
    if not count:
        return ""
    if state is State.DONE:
        words = ngettext("{count:,} saved", "{count:,} saved", count)
    elif state is State.SKIPPED:
        words = ngettext("{count:,} already done", "{count:,} already done", count)
    else:
        words = ngettext("{count:,} failed", "{count:,} failed", count)
    return words.format(count=count)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _idle(session: UpscaleSession) -> BarState:
    queue, watched = session.queue, session.watched
    if not queue.entries:
        title = _("Ready to watch {named}").format(named=named(watched)) if watched else _("The queue is empty")
        return BarState(_("Searching for pictures…") if session.scanning else title, has_progress=False)
    waiting = queue.count(State.WAITING)
    parts = [_counted(state, queue.count(state)) for state in (State.DONE, State.SKIPPED, State.FAILED)]
    if watched:
        words = _("Start also watches {named}") if waiting else _("Start watches {named}")
        parts.append(words.format(named=named(watched)))
    title = _("Finished") if queue.count(State.FAILED) else _("Everything is finished")
    estimate = session.forecast.estimate
    again = session.made_otherwise
    if again:
        title = ngettext("{again:,} result has other settings", "{again:,} results have other settings", again).format(
            again=again
        )
        parts = [estimate_words(estimate), _counted(State.FAILED, queue.count(State.FAILED))]
    if waiting:
        ready, unreadable = waiting - queue.unreadable, queue.unreadable
        title = ngettext("{count:,} picture ready to upscale", "{count:,} pictures ready to upscale", ready).format(
            count=ready
        )
        parts.append(estimate_words(estimate))
        if unreadable:
            words = ngettext("{unreadable:,} cannot be read", "{unreadable:,} cannot be read", unreadable)
            parts.append(words.format(unreadable=unreadable))
    return BarState(title, _joined(*parts), has_progress=False, warns=(waiting > 0 or again > 0) and estimate.warns)


def start_words(session: UpscaleSession) -> tuple[str, str]:
    """What the Start button says, and what it does."""
    again = session.made_otherwise
    if again:
        replaces = session.run_settings.wanted.existing == "replace"
        kept = _("Existing results are replaced") if replaces else _("Existing results are kept; new ones get a number")
        return _("Up&scale {again:,} again with the new settings").format(again=again), kept
    if session.starts_again:
        return _("&Start again"), _("Upscale everything again; unchanged results are skipped")
    return _("&Start"), _("Upscale all waiting pictures")


def engine_words(session: UpscaleSession) -> tuple[str, str]:
    """What the engine does, and `good`, `warn`, `bad` or `busy`."""
    match session.engine:
        case EngineState.OFF:
            return "", "busy"
        case EngineState.STARTING:
            return _("Starting the engine…"), "busy"
        case EngineState.STOPPED:
            return _("Engine stopped; restarts when needed"), "bad"
        case EngineState.READY:
            if session.run.paused:
                return _("Paused on {device}").format(device=session.device), "warn"
            working = session.busy and not session.run.rests
            words = _("Working on {device}") if working else _("Ready on {device}")
            return words.format(device=session.device), "good"


def outcome_words(summary: Summary) -> tuple[Level, str, str]:
    """How a run ended: the banner's colour, its title, and the figures."""
    figures = summary_figures(summary)
    if summary.cancelled:
        return "info", _("Cancelled"), _("{figures} The rest waits in the queue.").format(figures=figures)
    if summary.failed:
        return "warn", _("Finished, with failures"), figures
    return "good", _("Finished"), figures


def summary_figures(summary: Summary) -> str:
    """`3 pictures saved, 1 failed, in 8 s.`"""
    saved = ngettext("{count:,} picture saved", "{count:,} pictures saved", summary.saved).format(count=summary.saved)
    rest = (_counted(State.SKIPPED, summary.skipped), _counted(State.FAILED, summary.failed))
    figures = listed(filter(None, (saved, *rest)))
    if not summary.seconds:
        return _("{figures}.").format(figures=figures)
    return _("{figures}, in {duration}.").format(figures=figures, duration=problems.duration(summary.seconds))


def fetching_words(fetching: Fetching) -> str:
    """`3 of 12 MB from example.org, into /home/me/Pictures/SRGAN Desktop`."""
    if not fetching.done:
        so_far = fetching.host
    else:
        words = _("{done} of {total} from {host}") if fetching.total else _("{done} from {host}")
        done, total = problems.gigabytes(fetching.done), problems.gigabytes(fetching.total or 0)
        so_far = words.format(done=done, total=total, host=fetching.host)
    return _("{so_far}, into {folder}").format(so_far=so_far, folder=own_pictures())


def named(folders: Sequence[Path]) -> str:
    """One folder by its name, several by their number."""
    return f"“{shown_name(folders[0])}”" if len(folders) == 1 else _("{count} folders").format(count=len(folders))
