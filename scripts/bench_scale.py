"""What millions of pictures take: of memory and processor time for each name, in the plan and in the journal.

Names and the journal are measured at their full number, as they are made up; the plan with `--planned` small files all
at once, and with `--streamed` in portions, as it reads their headers; and in portions with a listing of `--generated`
files that are not there, whose headers and stamps are all the same, and with `--resumed` of them, all done but one
folder, as a journal says. Each is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.upscale import Input, UpscaleRequest
from core.images import Probe
from core.images.decode import probe
from core.models.catalogue import find_model, mix_for
from core.upscale.journal import FOLDER, Journal
from core.upscale.journal_log import JOURNAL
from core.upscale.plan import PORTION, Plan, plan, plans
from core.upscale.plan_stream import PlanStream
from core.upscale.settings import fingerprint_of
from core.upscale.text_tables import TextSet

MODEL = "faithful-x4"
IN_FOLDER = 1000
"""Files in one folder."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--planned", type=int, default=5_000)
    parser.add_argument("--streamed", type=int, default=20_000)
    parser.add_argument("--generated", type=int, default=20_000)
    parser.add_argument("--resumed", type=int, default=20_000)
    parser.add_argument("--flat", type=int, default=5_000, help="files of one folder whose first portion is planned")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report("names, in a set", given.names, apart(names, given.names))
        write_journal(Path(folder), given.names)
        report("journal, read", given.names, apart(read, Path(folder)))
        report("journal, read and rewritten", given.names, apart(begin, Path(folder)))
        report("journal, read again", given.names, apart(read, Path(folder)))
        make_pictures(Path(folder) / "in", given.planned)
        report("plan", given.planned, apart(planned, Path(folder) / "in"))
        make_pictures(Path(folder) / "more", given.streamed)
        report("plan, its first portion", min(given.streamed, PORTION), apart(begun, Path(folder) / "more"))
        report("plan, in portions", given.streamed, apart(streamed, Path(folder) / "more"))
        report("plan of a generated listing", given.generated, apart(generated, given.generated))
        report("the same, nearly all done", given.resumed, apart(resumed, given.resumed))
        make_pictures(Path(folder) / "flat", given.flat, flat=True)
        report("first portion of one folder", given.flat, apart(begun, Path(folder) / "flat"))


def report(what: str, count: int, measured: tuple[int, float]) -> None:
    grown, seconds = measured
    each = f"{grown / count:7.0f} bytes, {seconds / count * 1e6:6.1f} µs"
    print(f"{what:28} {count:9,}: {each} for each; {grown / 1e6:6.0f} MB, {seconds:5.1f} s", flush=True)


def apart(act: Callable[[Any], object], argument: object) -> tuple[int, float]:
    """By how many bytes a new process grows at its peak, and its processor time in seconds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (act, argument))


def _measured(act: Callable[[Any], object], argument: object) -> tuple[int, float]:
    # Tables of formats and the like, which the first picture needs.
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (8, 8)).save(Path(folder) / "a.png")
        probe(Path(folder) / "a.png")
    before, begun = _peak(), time.process_time()
    kept = act(argument)
    measured = _peak() - before, time.process_time() - begun
    del kept
    return measured


def _peak() -> int:
    # Not `ru_maxrss`, in which a process that was forked begins with what its parent had.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


def name(number: int) -> str:
    return f"scans/box {number // IN_FOLDER:05}/page {number:08}"


def names(count: int) -> TextSet:
    return TextSet(f"/archive/{name(number)}.tif" for number in range(count))


def write_journal(folder: Path, count: int, says: Callable[[int], dict[str, Any]] = lambda _number: {}) -> None:
    """What a run leaves that has done so many; `says` is what the lines of one say otherwise."""
    (folder / FOLDER).mkdir(parents=True)
    with (folder / FOLDER / JOURNAL).open("w", encoding="ascii") as file:
        for number in range(count):
            line = {
                "complete": False, "recipe": "0" * 64, "source": f"../{name(number)}.tif",
                "source_sha256": f"{number:064x}", "source_stamp": [number, 1_700_000_000 * 10**9, number],
                "output": f"{name(number)}.png", "output_size": [4000, 3000], "output_stamp": [0, 0],
                "consistency": 0.0, "reason": "",
            }  # fmt: skip
            line |= says(number)
            file.write(json.dumps(line) + "\n")
            done = {"complete": True, "output_stamp": [number, 1_700_000_000 * 10**9], "consistency": 43.21}
            file.write(json.dumps(line | done | says(number)) + "\n")


def read(folder: Path) -> Journal:
    return Journal(folder)


def begin(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.begin("")
    journal.end()
    return journal


def make_pictures(folder: Path, count: int, *, flat: bool = False) -> None:
    """One picture under so many names; a file system allows some ten thousand for each file."""
    folder.mkdir()
    one = folder.with_suffix(".png")
    Image.new("RGB", (64, 48)).save(one)
    for number in range(count):
        path = folder / f"{name(number)}.png"
        path = folder / path.name if flat else path
        if number % IN_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            one = shutil.copyfile(one, path)
        else:
            os.link(one, path)


def request_of(folder: Path) -> UpscaleRequest:
    return UpscaleRequest((Input(folder),), folder.with_name("out"), model=MODEL)


def planned(folder: Path) -> object:
    return plan(request_of(folder), CancelToken())


def begun(folder: Path) -> object:
    return next(plans(request_of(folder), CancelToken()))


def streamed(folder: Path) -> object:
    cancel = CancelToken()
    with PlanStream(request_of(folder), cancel) as stream:
        while (portion := stream.take(cancel)) is not None:
            last = portion
    return last


def generated(count: int) -> object:
    """Plan files that are not there: whole folders of them."""
    with tempfile.TemporaryDirectory() as folder, _not_there(count):
        return _planned_in(Path(folder), count, 0)


def resumed(count: int) -> object:
    """The same, of which all but the last folder are done."""
    done = count - IN_FOLDER

    def says(number: int) -> dict[str, Any]:
        inner = name(number).partition("/")[2]
        stamps = {"source_stamp": (1, 1, 1), "output_stamp": (1, 1)}
        return {"recipe": fingerprint, "source": f"../in/{inner}.png", "output": f"{inner}.png", **stamps}

    with tempfile.TemporaryDirectory() as folder, _not_there(count), patch("core.upscale.journal.stamp_of", _stamp):
        request, model = request_of(Path(folder) / "in"), find_model(MODEL)
        fingerprint = fingerprint_of(request, model, mix_for(model, request.detail, request.clean_up))
        write_journal(Path(folder) / "out", done, says)
        return _planned_in(Path(folder), IN_FOLDER, done)


def _stamp(_path: Path) -> tuple[int, int]:
    return (1, 1)


@contextmanager
def _not_there(count: int) -> Iterator[None]:
    """Let folders seem to have so many files, a thousand in each."""

    @contextmanager
    def listing(folder: Path) -> Iterator[Iterator[SimpleNamespace]]:
        inside = folder.name.startswith("box")
        first = int(folder.name[4:]) * IN_FOLDER if inside else 0
        files = (Path(name(number)).name + ".png" for number in range(first, first + IN_FOLDER))
        folders = (f"box {number:05}" for number in range(count // IN_FOLDER))
        yield (SimpleNamespace(name=each, is_dir=lambda: not inside) for each in (files if inside else folders))

    header = Probe(16, 12, "png", False, False, 1)
    with (
        patch("core.upscale.folder_listing.os", SimpleNamespace(scandir=listing)),
        patch("core.upscale.plan.probe", lambda _path: header),
        patch("core.upscale.journal.source_stamp", lambda _path: (1, 1, 1)),
    ):
        yield


def _planned_in(folder: Path, tasks: int, done: int) -> Plan:
    """Plan what is in a folder, and see that so many are to do and done; the last portion."""
    (folder / "in").mkdir()
    before, begun = _peak(), time.monotonic()
    cancel = CancelToken()
    with PlanStream(request_of(folder / "in"), cancel) as stream:
        print(f"{'first portion after':28} {time.monotonic() - begun:9.1f} s, {_peak() / 1e6:6.0f} MB", flush=True)
        work = begun
        while (portion := stream.take(cancel)) is not None:
            if portion.tasks and work == begun:
                work = time.monotonic()
                print(f"{'first picture to do after':28} {work - begun:9.1f} s", flush=True)
            tasks -= len(portion.tasks)
            done -= len(portion.done)
            last = portion
    print(f"{'peak of the process':28} {_peak() / 1e6:9.0f} MB, {before / 1e6:.0f} MB before", flush=True)
    assert (tasks, done) == (0, 0)
    return last


if __name__ == "__main__":
    main()
