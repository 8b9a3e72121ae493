"""Make the two folders of a training set of equal squares: `hr_images` and `lr_images`."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import (
    HR_FOLDER,
    LR_FOLDER,
    PictureQuarantined,
    PrepareEvent,
    PrepareFinished,
    PrepareProgress,
    PrepareRequest,
)
from core.evaluate.resampling import reduce_bicubic, resize, to_uint8
from core.language import gettext as _
from core.training.dataset import decode
from core.training.sources import PREPARED, pictures_in
from core.training.validation import write_png

EVENTS_A_SECOND = 20


def prepare(request: PrepareRequest, cancel: CancelToken) -> Iterator[PrepareEvent]:
    """Cut the middle square of each picture, reduce it to HR by antialiased bicubic, and that again to LR.

    The output may lie inside the source: what is in it is no source (`pictures_in`).

    A run that was stopped goes on where it was when it is started again with the same request: finished pairs are kept.

    Yields:
        `PrepareProgress`, a `PictureQuarantined` for each that was left out, `PrepareFinished`.

    Raises:
        UserError: the source holds no pictures; the output is the source, was made with other settings, or cannot be
            written.
        Cancelled: asked for; every pair is whole or absent.
    """
    begin = time.monotonic()
    files = _named(request.source)
    hr_folder, lr_folder = _open_output(request)
    order = np.random.default_rng(request.seed).permutation(len(files))
    goal = min(request.count, len(files)) if request.count else len(files)
    made = kept = left_out = 0
    threads = request.threads or os.cpu_count() or 1
    with ThreadPoolExecutor(threads, thread_name_prefix="prepare") as pool:
        waiting = deque(files[i] for i in order)
        running: deque[tuple[Path, Future[str | None]]] = deque()
        last = 0.0
        try:
            # In the drawn order, so that the same seed gives the same set on any number of threads.
            while made + kept < goal and (waiting or running):
                cancel.check()
                while waiting and len(running) < min(2 * threads, goal - made - kept):
                    path, name = waiting.popleft()
                    running.append((path, pool.submit(_make, path, name, hr_folder, lr_folder, request)))
                path, future = running.popleft()
                outcome = future.result()
                if outcome is None:
                    made += 1
                elif outcome == _KEPT:
                    kept += 1
                else:
                    left_out += 1
                    kind, reason = outcome.split(": ", 1)
                    yield PictureQuarantined(path, "small" if kind == "small" else "unreadable", reason)
                if time.monotonic() - last > 1 / EVENTS_A_SECOND:
                    last = time.monotonic()
                    yield PrepareProgress(made + kept, goal)
        except OSError as error:
            raise UserError(
                _("{output} cannot be written: {strerror}.").format(
                    output=request.output, strerror=error.strerror or error
                ),
                _("Free some space or choose another folder; the same command then continues where it stopped."),
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    if not made + kept:
        raise UserError(
            _("No picture in {source} could be used ({left_out} left out).").format(
                source=request.source, left_out=left_out
            ),
            _("Pictures need sides of at least {hr} pixels.").format(hr=request.hr),
        )
    yield PrepareProgress(made + kept, made + kept)
    yield PrepareFinished(request.output, made, kept, left_out, time.monotonic() - begin)


_KEPT = "kept"


def _make(path: Path, name: str, hr_folder: Path, lr_folder: Path, request: PrepareRequest) -> str | None:
    """Write one pair. None when made, `_KEPT`, or `kind: reason` when it cannot be."""
    hr_path, lr_path = hr_folder / name, lr_folder / name
    # HR is written last, so where it is the pair is whole.
    if hr_path.exists() and lr_path.exists():
        return _KEPT
    try:
        picture = decode(path)
    except UserError as error:
        return f"unreadable: {error.message}"
    height, width = picture.shape[:2]
    side = min(height, width)
    if side < request.hr:
        return _("small: {width} x {height}, and at least {hr} a side are needed").format(
            width=width, height=height, hr=request.hr
        )
    top, left = (height - side) // 2, (width - side) // 2
    hr = to_uint8(resize(picture[top : top + side, left : left + side], request.hr, request.hr))
    write_png(lr_path, reduce_bicubic(hr, request.hr // request.lr))
    write_png(hr_path, hr)
    return None


def _named(source: Path) -> Sequence[tuple[Path, str]]:
    """Every picture with the name of its pair; equal stems from different folders are numbered."""
    if not source.is_dir():
        raise UserError(_("There is no folder {source}.").format(source=source), _("Choose a folder of pictures."))
    files = pictures_in(source)
    if not files:
        raise UserError(_("{source} holds no pictures.").format(source=source), _("Choose another folder."))
    taken: set[str] = set()
    named = []
    for path in files:
        stem, number = path.stem, 2
        # Case does not tell names apart on Windows and macOS.
        while stem.lower() in taken:
            stem, number = f"{path.stem}~{number}", number + 1
        taken.add(stem.lower())
        named.append((path, stem + ".png"))
    return named


def _open_output(request: PrepareRequest) -> tuple[Path, Path]:
    settings = {
        "source": str(request.source.resolve()),
        "hr": request.hr,
        "lr": request.lr,
        "count": request.count,
        "seed": request.seed,
    }
    if request.output.resolve() == request.source.resolve():
        # Its pairs would be among the pictures that they are made of when this is done again.
        raise UserError(
            _("The pairs cannot be written into {source}, the folder of the pictures themselves.").format(
                source=request.source
            ),
            _("Choose another folder for them; one inside it will do."),
        )
    note = request.output / PREPARED
    hr_folder, lr_folder = request.output / HR_FOLDER, request.output / LR_FOLDER
    if note.exists():
        try:
            before = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        if before != settings:
            raise UserError(
                _("{output} was made with other settings.").format(output=request.output),
                _("Choose another folder, or delete it."),
            )
    elif any(folder.is_dir() and any(folder.iterdir()) for folder in (hr_folder, lr_folder)):
        raise UserError(
            _("{output} already holds other pictures.").format(output=request.output), _("Choose another folder.")
        )
    try:
        hr_folder.mkdir(parents=True, exist_ok=True)
        lr_folder.mkdir(parents=True, exist_ok=True)
        with replacing(note) as temporary:
            temporary.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    except OSError as error:
        raise UserError(
            _("{output} cannot be written: {strerror}.").format(output=request.output, strerror=error.strerror),
            _("Choose another folder."),
        ) from error
    return hr_folder, lr_folder
