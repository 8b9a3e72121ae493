"""The stages of a batch as a worker runs them: results go under temporary names, and what happens is told by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.cluster.messages import Assignment, Begun, Made, Message, NotMade, Said, TaskProgress
from core.contract.cancel import CancelToken
from core.contract.jobs import Notice
from core.contract.upscale import BatchEvent, FileStarted, UpscaleRequest
from core.upscale.plan import Plan, Task
from core.upscale.records import ResultFacts, Save, failure_of
from core.upscale.stages import Stages


class BlockStages(Stages):
    """One block."""

    def __init__(
        self,
        request: UpscaleRequest,
        block: Sequence[Assignment],
        cancel: CancelToken,
        tell: Callable[[Message], None],
    ) -> None:
        """Take the block, and what hears of it; `tell` is called from several threads."""
        super().__init__(request, Plan(tuple(each.task for each in block), (), (), ""), cancel, self._pass_on)
        self._tell = tell
        self._assigned = {id(each.task): each for each in block}
        self._by_output = {each.task.output: each for each in block}

    def open(self, task: Task) -> None:
        """Rely on the run, which made the folder ready."""

    def publish(self, task: Task, facts: ResultFacts, save: Save, seconds: Callable[[], float]) -> None:
        """Write a result under its temporary name, and leave the rest to the run."""
        mine = self._assigned[id(task)]
        encoded = save(mine.temporary)
        self._tell(Made(mine.number, facts, encoded, seconds()))

    def fail(self, task: Task, error: Exception) -> None:
        """Tell of a failure; the run decides what follows from it."""
        failed, ends = failure_of(task, error)
        self._tell(NotMade(self._assigned[id(task)].number, failed, ends))
        if ends is not None:
            self.cancel.cancel()

    def report(self, index: int, task: Task, fraction: float) -> None:
        """Tell how far a task is."""
        if self.progress.report(index, task.source, task.pixels, fraction) is not None:
            self._tell(TaskProgress(self._assigned[id(task)].number, fraction))

    def _pass_on(self, event: BatchEvent) -> None:
        if isinstance(event, FileStarted):
            self._tell(Begun(self._by_output[event.output].number, event))
        elif isinstance(event, Notice):
            self._tell(Said(event.message))
