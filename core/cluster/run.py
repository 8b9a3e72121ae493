"""Upscale a batch on a cluster: the same plan, journal and promises as on one machine; workers do the pictures.

This process plans, hands out blocks, gives results their names and writes the journals. Workers decode, compute and
write under temporary names. So whatever dies, a result is there once, whole and on record, or not at all.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

from core import stores
from core.atomic import PART_SUFFIX
from core.cluster.blocks import Block
from core.cluster.connection import Connection, check_nodes, connected
from core.cluster.messages import Assignment, Begun, BlockEnd, Made, Message, NotMade, Said, TaskProgress
from core.cluster.options import ClusterOptions, Share, device_for, share_for
from core.cluster.work import RunWork
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.upscale import BatchEvent, FileFailed, FileSaved, UpscaleRequest
from core.images.decode import shown
from core.language import current
from core.language import gettext as _
from core.upscale.batch import upscale
from core.upscale.journal_log import parts_of
from core.upscale.plan import Plan, Task
from core.upscale.plan_stream import PlanStream
from core.upscale.progress import RunToken
from core.upscale.records import Encoded, Publication, Records, failure_of

LOOK_SECONDS = 0.2
"""How long this process waits for news before it looks whether it is to stop."""
REPORTS_A_SECOND = 50
"""How many come from all workers together."""
REPORT_SECONDS = 1.0
"""How long a worker gathers news before it reports, at least: a report takes this process some milliseconds."""
CENSUS_SECONDS = 5
"""How often the machines are counted, and the head is asked whether it is there."""
LATE_SECONDS = 30
"""How long no worker may be there before the user is told."""
START_SECONDS = 600
"""And before the run ends: a cluster that grows by need takes minutes for a machine."""
MOST_STARTS = 3
"""Workers that may die in a row before one of them was ready."""
NAMING_THREADS = 32
"""Results in a store that get their names at a time: each takes the store three requests."""
STOP_SECONDS = 60
"""How long workers have to come to an end once they are told to: a layer of a tile, and what is being written."""


def upscale_on(options: ClusterOptions, request: UpscaleRequest, cancel: CancelToken) -> Iterator[BatchEvent]:
    """Upscale pictures and folders of pictures on a cluster.

    Yields:
        What `core.upscale.batch.upscale` yields; pictures of several workers at a time.

    Raises:
        Cancelled: as `cancel.check`. Results that were complete by then are saved and told of first.
        UserError: as `upscale`; or the cluster cannot be reached, or one of its machines cannot do the work.
    """
    with connected(options.address) as connection:

        def run(request: UpscaleRequest, settled: Plan, more: PlanStream, cancel: CancelToken) -> Iterator[BatchEvent]:
            share = share_for(connection.nodes(), options, request.device)
            check_nodes(connection, share, request, settled)
            yield Notice(_("{words} {share} for each worker.").format(words=connection.words, share=share))
            yield from _ClusterRun(connection, options.workers, share, request, settled, more, cancel).events()

        yield from upscale(request, cancel, run)


@dataclass(slots=True)
class _Worker:
    """An actor, and what it has."""

    actor: Any
    news: Any
    """What is to be waited for: the word that it is ready, or the reports on its block; None while it has nothing."""
    node: str = ""
    """Empty until it is ready."""
    block: Block | None = None
    assigned: dict[int, Assignment] = field(default_factory=dict)
    in_network: int | None = None
    """The task that it told of last."""


class _ClusterRun:
    """One run. `events` is all that it does."""

    def __init__(
        self,
        connection: Connection,
        most: int | None,
        share: Share,
        request: UpscaleRequest,
        settled: Plan,
        more: PlanStream,
        cancel: CancelToken,
    ) -> None:
        self._connection = connection
        self._most = most
        self._share = share
        device = device_for(share, connection.nodes(), request.device)
        self._request = replace(request, inputs=(), roots=(), device=device)
        self._cancel = cancel
        self._token = RunToken(cancel)
        self._records = Records(request, settled)
        self._work = RunWork(settled, more, self._token)
        self._actors: Any = None
        self._staff: list[_Worker] = []
        self._wanted = 0
        self._last_census = 0.0
        self._silent = 0
        """How often in a row the head did not answer."""
        self._failed_starts = 0
        self._without_since: float | None = time.monotonic()
        """When the last worker was gone."""
        self._told_late = False
        self._is_paused = False
        self._stopping_since: float | None = None
        self._fatal: UserError | None = None
        self._said: set[str] = set()
        self._mark = token_hex(3)
        self._naming = ThreadPoolExecutor(NAMING_THREADS, "naming")
        self._named: dict[Future[list[FileSaved | OSError | UserError]], Task] = {}
        """Results in stores that are about to have their names."""
        self._attempts = 0
        self._left_behind: dict[Path, Task] = {}
        """For each folder in which a worker died a task that goes there."""

    def events(self) -> Iterator[BatchEvent]:
        """Do all tasks.

        Raises:
            Cancelled, UserError: as `upscale_on`, once what was made has its name.
        """
        try:
            with self._records:
                try:
                    while not self._over():
                        self._heed_orders()
                        if self._stopping_since is None:
                            yield from self._heed_plan()
                        yield from self._count()
                        yield from self._assign()
                        yield from self._listen()
                        yield from self._told_of_names()
                    self._naming.shutdown()
                    yield from self._told_of_names()
                finally:
                    self._dismiss()
                    self._naming.shutdown()
                    for task in self._left_behind.values():
                        self._records.clean(task)
        except _connection_errors() as error:
            raise UserError(
                _("The cluster is gone: {error}").format(error=str(error).strip().splitlines()[0]),
                _("Start it again, then run the same command: finished results are kept."),
            ) from error
        if self._fatal is not None:
            raise self._fatal
        if self._stopping_since is not None:
            raise Cancelled

    def _over(self) -> bool:
        if self._stopping_since is None:
            return self._work.over and not self._named
        at_work = any(worker.block is not None for worker in self._staff)
        return not at_work or time.monotonic() - self._stopping_since > STOP_SECONDS

    # What the user wants

    def _heed_plan(self) -> Iterator[BatchEvent]:
        try:
            yield from self._work.heed_plan(self._wanted)
        except UserError as error:
            self._end(error)

    def _heed_orders(self) -> None:
        if self._stopping_since is None and (self._cancel.cancelled or self._fatal is not None):
            self._stopping_since = time.monotonic()
            self._order("cancel")
        if self._cancel.paused != self._is_paused:
            self._is_paused = not self._is_paused
            self._order("pause" if self._is_paused else "resume")

    def _order(self, what: str) -> None:
        for worker in self._staff:
            worker.actor.order.options(concurrency_group="orders").remote(what)

    # Who works

    def _count(self) -> Iterator[BatchEvent]:
        """See which machines are there, and how many workers there should be."""
        now = time.monotonic()
        if now - self._last_census > CENSUS_SECONDS:
            self._last_census = now
            self._silent = 0 if self._connection.answers() else self._silent + 1
            # Ray would end this process without a word a minute later.
            if self._silent > 2:
                raise ConnectionError(_("its head does not answer, or this machine is no part of it any more."))
            if not self._silent:
                room = sum(node.room_for(self._share) for node in self._connection.nodes())
                self._wanted = room if self._most is None else min(room, self._most)
        if any(worker.node for worker in self._staff):
            self._without_since = None
            return
        if self._without_since is None:
            self._without_since = now
            self._told_late = False
        waited = now - self._without_since
        if waited > LATE_SECONDS and not self._told_late:
            self._told_late = True
            yield Notice(_("No worker yet: the machines of the cluster may be busy. Waiting for one."))
        if waited > START_SECONDS:
            raise UserError(
                _("No worker could be started within {start_seconds} minutes.").format(
                    start_seconds=START_SECONDS // 60
                ),
                _("Look at “ray status”: others may use the machines. Or give each worker less with --per-worker."),
            )

    def _hire(self) -> None:
        starting = sum(not worker.node for worker in self._staff)
        for _rest in range(min(self._wanted - len(self._staff), self._work.at_least - starting)):
            # Once for all: Ray looks at every method of a class, which takes it as long as some pictures take.
            self._actors = self._actors or _actors_with(self._share)
            actor = self._actors.remote(current(), pickle.dumps(self._request), self._share.cpus)
            self._staff.append(_Worker(actor, actor.ready.remote()))

    def _assign(self) -> Iterator[BatchEvent]:
        if self._stopping_since is not None or self._is_paused:
            return
        self._hire()
        for worker in self._staff:
            while worker.node and worker.block is None:
                block = self._work.take(self._wanted)
                if block is None:
                    break
                yield from self._hand_out(block, worker)

    def _hand_out(self, block: Block, worker: _Worker) -> Iterator[BatchEvent]:
        self._attempts += 1
        assignments = []
        for number in block.numbers:
            task = self._work.task(number)
            try:
                self._records.open(task)
            except (UserError, OSError) as error:
                yield from self._failed(block, number, error)
                continue
            # What a store notes of its kind goes by the suffix before the last.
            suffix = task.output.suffix if stores.is_store(task.output) else ""
            name = f".srgan-{self._mark}-{self._attempts}-{number}{suffix}{PART_SUFFIX}"
            folder = parts_of(task.journal) if stores.is_store(task.output) else task.output.parent
            assignments.append(Assignment(number, task, folder / name))
        if assignments:
            worker.block = block
            worker.assigned = {each.number: each for each in assignments}
            every = max(REPORT_SECONDS, self._wanted / REPORTS_A_SECOND)
            worker.news = worker.actor.run.options(num_returns="streaming").remote(assignments, every)

    def _dismiss(self) -> None:
        """End all workers, at once: what they had made is named, and what they were making is not."""
        import ray

        for worker in self._staff:
            if worker.block is not None:
                self._leave_behind(worker)
            ray.kill(worker.actor)
        self._staff = []

    # What they say

    def _listen(self) -> Iterator[BatchEvent]:
        import ray

        waiting = {worker.news: worker for worker in self._staff if worker.news is not None}
        if not waiting:
            time.sleep(LOOK_SECONDS)
            return
        ready, _rest = ray.wait(list(waiting), num_returns=1, timeout=LOOK_SECONDS, fetch_local=False)
        if ready and len(waiting) > 1:
            ready, _rest = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        for news in ready:
            worker = waiting[news]
            try:
                if worker.node:
                    said: list[Message] = ray.get(next(worker.news))
                else:
                    worker.node, _pid = ray.get(worker.news)
                    worker.news = None
                    self._failed_starts = 0
                    said = []
            except _worker_errors() as error:
                yield from self._replace_dead(worker, error)
                continue
            yield from self._heed_report(worker, said)

    def _heed_report(self, worker: _Worker, said: list[Message]) -> Iterator[BatchEvent]:
        # All that was made since the last one gets its name together, so that the disk is flushed twice for all of it.
        for message in said:
            if not isinstance(message, Made | BlockEnd):
                yield from self._heed(worker, message)
        made = [each for each in said if isinstance(each, Made)]
        if made:
            yield from self._publish(worker, made)
        if said and isinstance(said[-1], BlockEnd):
            yield from self._heed(worker, said[-1])

    def _heed(self, worker: _Worker, message: Message) -> Iterator[BatchEvent]:
        assert worker.block is not None
        match message:
            case Begun(number, event):
                worker.in_network = number
                yield event
            case TaskProgress(number, fraction):
                progress = self._work.report(worker.block, number, fraction)
                if progress is not None:
                    yield progress
            case NotMade(number, event, ends):
                if self._work.finish(worker.block, number):
                    yield event
                self._end(ends)
            case Said(text):
                if text not in self._said:
                    self._said.add(text)
                    yield Notice(text)
            case BlockEnd(error, defect):
                if defect:
                    raise RuntimeError(f"A worker failed:\n{defect}")
                self._end(error)
                self._work.give_back(worker.block, blameless=True)
                worker.block, worker.assigned, worker.news, worker.in_network = None, {}, None, None

    def _publish(self, worker: _Worker, reported: list[Made]) -> Iterator[BatchEvent]:
        """Give results their names."""
        assert worker.block is not None
        made = []
        for each in reported:
            assignment = worker.assigned[each.number]
            if not self._work.finish(worker.block, each.number):
                continue
            if stores.is_store(assignment.task.output):
                self._named[self._naming.submit(self._name, [(assignment, each)])] = assignment.task
            else:
                made.append((assignment, each))
        for (assignment, _made), outcome in zip(made, self._name(made), strict=True):
            yield from self._became(assignment.task, outcome)

    def _name(self, made: list[tuple[Assignment, Made]]) -> list[FileSaved | OSError | UserError]:
        outcomes = self._records.publish_all(
            [
                Publication(assignment.task, each.facts, partial(_rename, assignment.temporary, each.encoded))
                for assignment, each in made
            ]
        )
        said: list[FileSaved | OSError | UserError] = []
        for (assignment, each), outcome in zip(made, outcomes, strict=True):
            if isinstance(outcome, FileSaved):
                said.append(replace(outcome, seconds=each.seconds))
                continue
            said.append(outcome)
            with suppress(OSError):
                assignment.temporary.unlink(missing_ok=True)
        return said

    def _became(self, task: Task, outcome: FileSaved | OSError | UserError) -> Iterator[BatchEvent]:
        if isinstance(outcome, FileSaved):
            yield outcome
            return
        failed, ends = failure_of(task, outcome)
        yield failed
        self._end(ends)

    def _told_of_names(self) -> Iterator[BatchEvent]:
        """Say what became of results in stores."""
        for naming in [each for each in self._named if each.done()]:
            task = self._named.pop(naming)
            [outcome] = naming.result()
            yield from self._became(task, outcome)

    def _replace_dead(self, worker: _Worker, error: Exception) -> Iterator[BatchEvent]:
        """A worker is dead: what it had is done by others."""
        import ray

        self._staff.remove(worker)
        # It may only be out of reach, and must not go on.
        ray.kill(worker.actor)
        if worker.block is None:
            self._failed_starts += 1
            if self._failed_starts >= MOST_STARTS:
                raise UserError(
                    _("Workers end before they start: {last_line}").format(last_line=_last_line(error)),
                    _("Look at the logs of Ray on their machine, in /tmp/ray/session_latest/logs."),
                ) from error
            return
        self._leave_behind(worker)
        if worker.in_network is not None:
            self._work.drop(worker.in_network)
        # Where the cluster is gone with it, the next census says so; asking for its nodes would take minutes.
        alive = {node.key for node in self._connection.nodes()} if self._connection.answers() else set()
        blameless = worker.node not in alive or "node has died" in str(error)
        self._last_census = 0.0
        given_up = self._work.give_back(worker.block, blameless=blameless)
        for task in given_up:
            yield FileFailed(
                task.source,
                _("“{source}” ended two workers, so it was left out.").format(source=shown(task.source)),
                _("A worker may have too little memory for it. Do it by itself, without --cluster."),
                str(error),
            )
        if not given_up:
            yield Notice(_("A worker ended unexpectedly; another takes over what it had not done."))

    def _leave_behind(self, worker: _Worker) -> None:
        for each in worker.assigned.values():
            self._left_behind[each.task.output.parent] = each.task

    def _failed(self, block: Block, number: int, error: Exception) -> Iterator[BatchEvent]:
        failed, ends = failure_of(self._work.task(number), error)
        if self._work.finish(block, number):
            yield failed
        self._end(ends)

    def _end(self, error: UserError | None) -> None:
        self._fatal = self._fatal or error


def _actors_with(share: Share) -> Any:
    """The class of Ray of actors that have so much."""
    import ray

    from core.cluster.actor import UpscaleActor

    return ray.remote(  # type: ignore[call-overload]  # its types leave concurrency groups out
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        max_restarts=0,
        max_task_retries=0,
        concurrency_groups={"orders": 1},
        scheduling_strategy="SPREAD",
    )(UpscaleActor)


def _rename(temporary: Path, encoded: Encoded, output: Path) -> Encoded:
    temporary.replace(output)
    return encoded


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def _worker_errors() -> tuple[type[Exception], ...]:
    """What Ray raises where a worker is gone, or cannot be reached."""
    from ray import exceptions

    return (
        exceptions.RayActorError,
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
        exceptions.ObjectLostError,
        exceptions.RuntimeEnvSetupError,
        exceptions.ActorUnschedulableError,
    )


def _connection_errors() -> tuple[type[Exception], ...]:
    """What Ray raises where the cluster itself is gone."""
    from ray import exceptions

    return (exceptions.LocalRayletDiedError, exceptions.RpcError, ConnectionError)
