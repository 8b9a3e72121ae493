"""A set and an index of millions of texts that keep a few bytes of each. Plain.

Python's own keep the texts, which for the paths of a large batch takes more memory than all else. Both are hash tables
with linear probing (Knuth, The Art of Computer Programming, vol. 3, sec. 6.4), at most two thirds full.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b

_FIRST_SLOTS = 64
_DIGEST_BYTES = 16
_EMPTY = bytes(_DIGEST_BYTES)
_NUMBER_BITS = 36
_NUMBERS = (1 << _NUMBER_BITS) - 1


class TextSet:
    """A set of texts that keeps 16 bytes of a hash of each, 24 to 48 with the room that it needs.

    Two texts are taken for one with a probability below 10^-25 among a million million of pairs.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Begin with these."""
        self._slots = bytearray(_FIRST_SLOTS * _DIGEST_BYTES)
        self._mask = _FIRST_SLOTS - 1
        self._count = 0
        for text in texts:
            self.add(text)

    def add(self, text: str) -> bool:
        """Whether it is new; from now on it is in the set."""
        digest = _digest(text, _DIGEST_BYTES)
        at = self._place(digest)
        if self._slots[at : at + _DIGEST_BYTES] == digest:
            return False
        self._slots[at : at + _DIGEST_BYTES] = digest
        self._count += 1
        if 3 * self._count > 2 * (self._mask + 1):
            self._grow()
        return True

    def __contains__(self, text: str) -> bool:
        digest = _digest(text, _DIGEST_BYTES)
        at = self._place(digest)
        return self._slots[at : at + _DIGEST_BYTES] == digest

    def __len__(self) -> int:
        return self._count

    def _place(self, digest: bytes) -> int:
        """Where in `_slots` it is, or would be."""
        slot = int.from_bytes(digest[:8], "little") & self._mask
        while True:
            at = slot * _DIGEST_BYTES
            there = self._slots[at : at + _DIGEST_BYTES]
            if there in (digest, _EMPTY):
                return at
            slot = (slot + 1) & self._mask

    def _grow(self) -> None:
        old = self._slots
        self._slots = bytearray(2 * len(old))
        self._mask = 2 * self._mask + 1
        for start in range(0, len(old), _DIGEST_BYTES):
            digest = bytes(old[start : start + _DIGEST_BYTES])
            if digest != _EMPTY:
                at = self._place(digest)
                self._slots[at : at + _DIGEST_BYTES] = digest


class TextIndex:
    """For each text some numbers below 2^36, such as where in a file it stands: 8 bytes for each, 12 to 24 with the
    room that it needs.

    The texts are not kept: `find` may have numbers of another one, so whoever asks looks there.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._mask = _FIRST_SLOTS - 1
        self._count = 0

    def add(self, text: str, number: int) -> None:
        """Note one more number of a text.

        Raises:
            OverflowError: it does not fit.
        """
        if not 0 <= number < _NUMBERS:
            raise OverflowError(number)
        # Higher by one, so that 0 is a free slot.
        self._put(_tag(text) << _NUMBER_BITS | (number + 1))
        self._count += 1
        if 3 * self._count > 2 * (self._mask + 1):
            self._grow()

    def replace(self, text: str, old: int, new: int) -> None:
        """Let one number of a text be another."""
        tag = _tag(text)
        for slot in self._slots_of(tag):
            if self._slots[slot] & _NUMBERS == old + 1:
                self._slots[slot] = tag << _NUMBER_BITS | (new + 1)
                return

    def find(self, text: str) -> list[int]:
        """The numbers of a text, and perhaps of others, from the smallest."""
        return sorted((self._slots[slot] & _NUMBERS) - 1 for slot in self._slots_of(_tag(text)))

    def numbers(self) -> list[int]:
        """Those of all texts, from the smallest."""
        return sorted((each & _NUMBERS) - 1 for each in self._slots if each)

    def __len__(self) -> int:
        return self._count

    def _slots_of(self, tag: int) -> Iterator[int]:
        slot = tag & self._mask
        while each := self._slots[slot]:
            if each >> _NUMBER_BITS == tag:
                yield slot
            slot = (slot + 1) & self._mask

    def _put(self, entry: int) -> None:
        slot = (entry >> _NUMBER_BITS) & self._mask
        while self._slots[slot]:
            slot = (slot + 1) & self._mask
        self._slots[slot] = entry

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("Q", bytes(16 * len(old)))
        self._mask = 2 * self._mask + 1
        for each in old:
            if each:
                self._put(each)


def _digest(text: str, size: int) -> bytes:
    # File names may hold bytes that are no UTF-8, which Python keeps as halves of characters.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def _tag(text: str) -> int:
    """28 bits that decide where a text's numbers stand."""
    return int.from_bytes(_digest(text, 4), "little") >> 4
