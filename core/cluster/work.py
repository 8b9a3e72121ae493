"""What a run on a cluster has to do, by the numbers of its tasks, and how far it is; more comes as planned. Plain.

A task is forgotten when it is over, so that of millions a few blocks for each worker are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from core.cluster.blocks import MOST_FILES, Block, Blocks
from core.contract.cancel import Cancelled
from core.contract.upscale import BatchEvent, Progress
from core.upscale.plan import PORTION, Plan, Task
from core.upscale.plan_stream import PlanStream
from core.upscale.progress import ProgressMeter, RunToken

BLOCKS_AHEAD = 2
"""How many of the largest blocks wait for each worker before more is taken from the plan."""


class RunWork:
    """All tasks of a run that are known and not over."""

    def __init__(self, settled: Plan, more: PlanStream, token: RunToken) -> None:
        """Take the first tasks, where those come from that follow them, and what knows how long the run was paused."""
        self._more = more
        self._token = token
        self._tasks: dict[int, Task] = {}
        self._count = 0
        self._blocks = Blocks()
        self._meter: ProgressMeter | None = None
        self._take_on(settled)

    def _take_on(self, portion: Plan) -> None:
        for task in portion.tasks:
            self._tasks[self._count] = task
            self._count += 1
        self._blocks.add(task.pixels for task in portion.tasks)

    def heed_plan(self, workers: int) -> Iterator[BatchEvent]:
        """Take on what is planned by now, as far as so many workers will soon need it, and say what is known.

        Raises:
            UserError: what is wrong with the rest of the plan.
        """
        # A run that is cancelled notices by itself.
        with suppress(Cancelled):
            enough = max(PORTION, BLOCKS_AHEAD * MOST_FILES * workers)
            while self._blocks.waiting < enough and (portion := self._more.take()) is not None:
                self._take_on(portion)
                yield from self._more.announced(portion)
            if self._meter is not None:
                self._meter.know(self._more.pixels, complete=self._more.complete)
            news = self._more.news()
            if news is not None:
                yield news

    @property
    def over(self) -> bool:
        """Whether every task has come to its end, and no more will come."""
        return self._blocks.done and self._more.over

    @property
    def at_least(self) -> int:
        """How many workers there is something to do for."""
        return self._blocks.at_least

    def task(self, number: int) -> Task:
        """One that is not over."""
        return self._tasks[number]

    def take(self, workers: int) -> Block | None:
        """The next block for one of so many workers; None where nothing is waiting."""
        return self._blocks.take(max(1, min(workers, self._count)))

    def finish(self, block: Block, number: int) -> bool:
        """A task has come to its end, well or not; False if that was known."""
        if not self._blocks.finish(block, number):
            return False
        self._forget(number)
        return True

    def give_back(self, block: Block, *, blameless: bool) -> list[Task]:
        """A worker is gone: what it had not done is to be done by another, but for what is given up, as
        `Blocks.give_back` says."""
        return [self._forget(number) for number in self._blocks.give_back(block, blameless=blameless)]

    def report(self, block: Block, number: int, fraction: float) -> Progress | None:
        """The event to send of a task in work, if one is due."""
        if number not in block.open:
            return None
        task = self._tasks[number]
        return self._progress().report(number, task.source, task.pixels, fraction)

    def drop(self, number: int) -> None:
        """A task is in nobody's work any more, and will be begun anew."""
        if self._meter is not None:
            self._meter.drop(number)

    def _forget(self, number: int) -> Task:
        task = self._tasks.pop(number)
        self._progress().finish(number, task.pixels)
        return task

    def _progress(self) -> ProgressMeter:
        # From the first news on, as workers take a while to start.
        if self._meter is None:
            self._meter = ProgressMeter(self._more.pixels, self._token, complete=self._more.complete)
        return self._meter
