"""Bits of a JPEG XL codestream, the lowest of each byte first (ISO/IEC 18181-1, annex B)."""

from __future__ import annotations


class Bits:
    """Reads them.

    Raises:
        ValueError: from every method, where the data end.
    """

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self.position = position
        """In bits."""

    def read(self, count: int) -> int:
        """An unsigned number of so many bits."""
        value = self.peek(count)
        self.skip(count)
        return value

    def peek(self, count: int) -> int:
        """The same, to be read again; zeros lie behind the end."""
        first = self.position >> 3
        window = int.from_bytes(self._data[first : (self.position + count + 7) >> 3], "little")
        return (window >> (self.position & 7)) & ((1 << count) - 1)

    def skip(self, count: int) -> None:
        """Leave so many bits out."""
        self.position += count
        if self.position > 8 * len(self._data):
            raise ValueError("cut off")

    def flag(self) -> bool:
        """One bit."""
        return bool(self.read(1))

    def choice(self, ways: tuple[tuple[int, int], ...]) -> int:
        """U32: which of four ways to write a number, each so many bits and an offset."""
        count, offset = ways[self.read(2)]
        return self.read(count) + offset

    def long(self) -> int:
        """U64."""
        kind = self.read(2)
        if kind < 3:
            return 0 if kind == 0 else 1 + self.read(4) if kind == 1 else 17 + self.read(8)
        value, shift = self.read(12), 12
        while self.flag():
            if shift == 60:
                return value | self.read(4) << 60
            value |= self.read(8) << shift
            shift += 8
        return value


class BitWriter:
    """Writes them."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, int]] = []

    def write(self, value: int, count: int) -> None:
        """An unsigned number of so many bits."""
        self._parts.append((value, count))

    def copy(self, data: bytes, start: int, end: int) -> None:
        """The bits of other data from `start` to `end`."""
        self.write(Bits(data, start).read(end - start), end - start)

    def long(self, value: int) -> None:
        """U64."""
        if value < 17:
            self.write(1 if value else 0, 2)
            self.write(max(0, value - 1), 4 if value else 0)
            return
        if value < 273:
            self.write(2, 2)
            self.write(value - 17, 8)
            return
        self.write(3, 2)
        self.write(value & 0xFFF, 12)
        value >>= 12
        while value:
            self.write(1, 1)
            self.write(value & 0xFF, 8)
            value >>= 8
        self.write(0, 1)

    def bytes(self) -> bytes:
        """All of them, with zeros up to a whole byte."""
        data, held, count = bytearray(), 0, 0
        for value, size in self._parts:
            held |= value << count
            count += size
            whole = count >> 3
            data += (held & ((1 << 8 * whole) - 1)).to_bytes(whole, "little")
            held >>= 8 * whole
            count -= 8 * whole
        if count:
            data.append(held)
        return bytes(data)
