"""How long a batch takes on so many workers, and what that costs, by pictures of it that are done for measuring."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.cluster.messages import Assignment, Made, NotMade
from core.cluster.worker import UpscaleWorker
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import UpscaleRequest
from core.language import gettext as _
from core.upscale.plan import Task, plans

SAMPLES = 24
"""Pictures that are measured at most, spread evenly over the batch."""
SAMPLE_SECONDS = 30
"""After so long no further one is begun."""
SPREAD = 0.05
"""What is lost to blocks, starts and the last picture of each worker, as a share of the time; see docs/scale.md."""


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What a batch would take."""

    pictures: int
    """Still to be done."""
    megapixels: float
    """How many all results have together."""
    measured: int
    """How many pictures that is taken from."""
    seconds_per_megapixel: float
    """One worker's time for one megapixel of results, with reading, writing and all."""
    workers: int

    @property
    def worker_hours(self) -> float:
        """Hours of one worker: what a cluster is paid by."""
        return self.megapixels * self.seconds_per_megapixel * (1 + SPREAD) / 3600

    @property
    def hours(self) -> float:
        """From the first picture to the last."""
        return self.worker_hours / self.workers


def estimate(request: UpscaleRequest, workers: int, cpus: int, cancel: CancelToken) -> BatchEstimate:
    """Measure some pictures of a batch on this machine, as a worker would do them; nothing is left of their results.

    Args:
        request: the batch.
        workers: how many there will be.
        cpus: threads of each; a worker with a graphics card is measured on that of this machine.
        cancel: asked between pictures.

    Raises:
        Cancelled: as `cancel.check`.
        UserError: as `plan`; there is nothing to do, or none of the measured pictures could be done.
    """
    tasks: list[Task] = []
    count, pixels_of_all, step = 0, 0, 1
    for portion in plans(request, cancel):
        # Every so many of a large batch, so that of millions some hundred are kept.
        tasks += (task for number, task in enumerate(portion.tasks, count) if number % step == 0)
        count += len(portion.tasks)
        pixels_of_all += sum(task.pixels for task in portion.tasks)
        while not portion.complete and len(tasks) > 16 * SAMPLES:
            tasks, step = tasks[::2], 2 * step
    if not tasks:
        raise UserError(_("There is nothing left to do."), _("Every picture has its result, or cannot be done."))
    worker = UpscaleWorker(request, cpus)
    with tempfile.TemporaryDirectory(prefix="srgan-") as folder:
        # The first one loads the model, and is not counted.
        _seconds_for(worker, tasks[0], Path(folder))
        pixels, seconds, measured = 0, 0.0, 0
        for task in _spread(tasks):
            cancel.check()
            taken = _seconds_for(worker, task, Path(folder))
            if taken is not None:
                pixels, seconds, measured = pixels + task.pixels, seconds + taken, measured + 1
            if seconds > SAMPLE_SECONDS:
                break
    if not measured:
        raise UserError(
            _("None of the pictures that were tried could be done."), _("Try one by itself: srgan upscale FILE")
        )
    return BatchEstimate(count, pixels_of_all / 1e6, measured, seconds / (pixels / 1e6), workers)


def _spread(tasks: Sequence[Task]) -> list[Task]:
    """A few of the tasks, spread evenly: in an order in which the first ones are spread, too."""
    step = max(1, len(tasks) // SAMPLES)
    chosen = tasks[::step][:SAMPLES]
    return [*chosen[::4], *chosen[2::4], *chosen[1::4], *chosen[3::4]]


def _seconds_for(worker: UpscaleWorker, task: Task, folder: Path) -> float | None:
    begun = time.monotonic()
    said = [each for report in worker.run([Assignment(0, task, folder / "result")], 60) for each in report]
    if any(isinstance(each, NotMade) for each in said) or not any(isinstance(each, Made) for each in said):
        return None
    return time.monotonic() - begun
