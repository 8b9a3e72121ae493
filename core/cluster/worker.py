"""A worker: an actor of Ray with one device, which keeps its model warm and does blocks of pictures.

It gives results no names and writes no journal: both are the run's, which may be on another machine.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator

from core.cluster.messages import Assignment, BlockEnd, Message, TaskProgress
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.upscale import UpscaleRequest


class UpscaleWorker:
    """Does blocks of a run, one after another. Its actor calls `run` on one thread and `order` on another."""

    def __init__(self, request: UpscaleRequest, cpus: int) -> None:
        """Take the settings, and how many threads torch may use."""
        self._request = request
        self._cpus = cpus
        self._token = CancelToken()

    def ready(self) -> tuple[str, int]:
        """Say that it is up: the node that it is on, and its process."""
        import ray

        return ray.get_runtime_context().get_node_id(), os.getpid()

    def run(self, block: list[Assignment], every: float) -> Iterator[list[Message]]:
        """Do a block.

        Args:
            block: its tasks.
            every: seconds between two reports.

        Yields:
            What happened since the last report; the last one ends in a `BlockEnd`.
        """
        messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        thread = threading.Thread(target=self._work, args=(block, messages), name="upscale", daemon=True)
        thread.start()
        ended = False
        while not ended:
            report = [messages.get()]
            until = time.monotonic() + every
            while not isinstance(report[-1], BlockEnd) and (left := until - time.monotonic()) > 0:
                try:
                    report.append(messages.get(timeout=left))
                except queue.Empty:
                    break
            ended = isinstance(report[-1], BlockEnd)
            yield thinned(report)
        thread.join()

    def order(self, what: str) -> None:
        """Do at once as told: `pause`, `resume` or `cancel`."""
        getattr(self._token, what)()

    def _work(self, block: list[Assignment], messages: queue.SimpleQueue[Message]) -> None:
        from core.cluster.block_stages import BlockStages

        # By hand, and on the very thread that computes: Ray sets OMP_NUM_THREADS, which a process that was used before
        # has read already. OpenVINO's and ncnn's threads go by it whenever a model is loaded; torch's when it is
        # imported, which takes seconds that only a model wants which torch computes.
        os.environ["OMP_NUM_THREADS"] = str(self._cpus)
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(self._cpus)
        end = BlockEnd()
        try:
            BlockStages(self._request, block, self._token, messages.put).run()
        except Cancelled:
            pass
        except UserError as error:
            end = BlockEnd(error)
        except BaseException:
            # In words, as not every error can be sent.
            end = BlockEnd(defect=traceback.format_exc())
        messages.put(end)


def thinned(report: list[Message]) -> list[Message]:
    """Leave out all words on a task's progress but the last."""
    last = {each.number: each for each in report if isinstance(each, TaskProgress)}
    return [each for each in report if not isinstance(each, TaskProgress) or each is last[each.number]]
