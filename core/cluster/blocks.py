"""Which pictures are done together by one worker, and what becomes of them when it dies. Plain.

Large blocks spare messages, small ones let all workers end together: each takes a part of what is left (guided
self-scheduling: Polychronopoulos and Kuck 1987), by pixels and not by files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

LEAST_PIXELS = 2_000_000
"""How many the results of a block have, unless less is left: one core makes them in about two seconds, twenty times as
long as it takes to hand out a block, and no worker waits longer for the last of the others."""
MOST_PIXELS = 800_000_000
"""So that a worker that dies takes no more than this with it."""
MOST_FILES = 256
SHARE_PART = 3
"""A worker takes one part in so many of its equal share of what is left."""
SUSPECTS = 16
"""How many pictures of a dead worker's block, the first that are not done, may have been in its hands: those decoded
ahead, in work and being written."""


@dataclass(slots=True)
class Block:
    """Tasks that one worker does in a row, by their numbers."""

    numbers: list[int]
    alone: bool = False
    """Whether it is one picture that may have killed a worker before."""
    open: set[int] = field(default_factory=set)
    """Those that have come to no end yet."""

    def __post_init__(self) -> None:
        self.open = set(self.numbers)


class Blocks:
    """All tasks of a run that are planned: what is waiting, and what is in hands."""

    def __init__(self, pixels: Iterable[int] = ()) -> None:
        """Take the pixels of each task's result, in the order in which they are to be done."""
        self._fresh: deque[int] = deque()
        """The pixels of those that nobody had yet."""
        self._next = 0
        """The number of the first of them."""
        self._pixels: dict[int, int] = {}
        """Those of others that are not over."""
        self._again: deque[int] = deque()
        self._suspects: deque[int] = deque()
        self._waiting_pixels = 0
        self._in_hands = 0
        self.add(pixels)

    def add(self, pixels: Iterable[int]) -> None:
        """Take more tasks, which follow those that are known; as `__init__`."""
        for each in pixels:
            self._fresh.append(each)
            self._waiting_pixels += each

    @property
    def waiting(self) -> int:
        """Files that nobody has."""
        return len(self._suspects) + len(self._again) + len(self._fresh)

    @property
    def at_least(self) -> int:
        """How many workers there is something to do for: so many blocks of the smallest size are waiting."""
        return min(self.waiting, -(-self._waiting_pixels // LEAST_PIXELS))

    @property
    def done(self) -> bool:
        """Whether every task that is known has come to its end."""
        return not self.waiting and not self._in_hands

    def take(self, workers: int) -> Block | None:
        """The next block for one of so many workers; None where nothing is waiting."""
        if not self.waiting:
            return None
        wanted = self._waiting_pixels / (workers * SHARE_PART)
        wanted = max(LEAST_PIXELS, min(MOST_PIXELS, wanted))
        if self._suspects:
            block = Block([self._suspects.popleft()], alone=True)
        else:
            numbers = [self._pop()]
            taken = self._pixels[numbers[0]]
            while len(numbers) < MOST_FILES and (following := self._following_pixels()) is not None:
                taken += following
                if taken > wanted:
                    break
                numbers.append(self._pop())
            block = Block(numbers)
        self._waiting_pixels -= sum(self._pixels[number] for number in block.numbers)
        self._in_hands += len(block.numbers)
        return block

    def finish(self, block: Block, number: int) -> bool:
        """A task has come to its end, well or not; False if that was known."""
        if number not in block.open:
            return False
        block.open.remove(number)
        del self._pixels[number]
        self._in_hands -= 1
        return True

    def give_back(self, block: Block, *, blameless: bool) -> list[int]:
        """A worker is gone, and what it had not done is to be done by another.

        Args:
            block: what it had.
            blameless: whether no picture can be the reason: its machine is gone, or it was sent away.

        Returns:
            Tasks that are given up: their worker had nothing else in its hands, for the worker before it had died too.
        """
        left = [number for number in block.numbers if number in block.open]
        block.open.clear()
        self._in_hands -= len(left)
        if block.alone and left and not blameless:
            for number in left:
                del self._pixels[number]
            return left
        self._waiting_pixels += sum(self._pixels[number] for number in left)
        suspects = 0 if blameless and not block.alone else SUSPECTS
        self._suspects.extend(left[:suspects])
        self._again.extendleft(reversed(left[suspects:]))
        return []

    def _following_pixels(self) -> int | None:
        if self._again:
            return self._pixels[self._again[0]]
        return self._fresh[0] if self._fresh else None

    def _pop(self) -> int:
        if self._again:
            return self._again.popleft()
        self._pixels[self._next] = self._fresh.popleft()
        self._next += 1
        return self._next - 1
