"""The colours that an AV1 stream says itself, in its sequence header (AV1 Bitstream Specification, section 5.5)."""

from __future__ import annotations

_SEQUENCE_HEADER = 1
_MOST_UNITS = 16


class _Bits:
    """Reads bits, the highest of each byte first; `ValueError` at the end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def __call__(self, count: int = 1) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("cut off")
        return self._value >> self._left & ((1 << count) - 1)

    def skip(self, *counts: int) -> None:
        for count in counts:
            self(count)


def colours_of_stream(data: bytes) -> tuple[int, int, int] | None:
    """Primaries, transfer and matrix of the first sequence header; None where it says none, or there is none.

    Raises:
        ValueError: it is cut off.
    """
    at = 0
    for _ in range(_MOST_UNITS):
        if at >= len(data):
            return None
        head = data[at]
        at += 2 if head & 4 else 1
        size = shift = 0
        if head & 2:
            while True:
                if at >= len(data) or shift > 28:
                    raise ValueError("cut off")
                byte = data[at]
                at += 1
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
        else:
            size = len(data) - at
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            return _colours(_Bits(data[at : at + size]))
        at += size
    return None


def _colours(bits: _Bits) -> tuple[int, int, int] | None:
    profile = bits(3)
    bits()
    reduced = bits()
    if reduced:
        bits(5)
    else:
        _skip_operating_points(bits)
    across, down = bits(4) + 1, bits(4) + 1
    bits.skip(across, down)
    if not reduced and bits():
        bits.skip(4, 3)
    bits.skip(1, 1, 1)
    if not reduced:
        _skip_tools(bits)
    bits.skip(1, 1, 1)
    if bits() and profile == 2:
        bits()
    if profile != 1:
        bits()
    return (bits(8), bits(8), bits(8)) if bits() else None


def _skip_operating_points(bits: _Bits) -> None:
    delay_bits = 0
    if bits():
        bits.skip(32, 32)
        if bits():
            zeros = 0
            while not bits():
                zeros += 1
            bits(min(zeros, 32))
        if bits():
            delay_bits = bits(5) + 1
            bits.skip(32, 5, 5)
    has_delay = bits()
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:
            bits()
        if delay_bits and bits():
            bits.skip(delay_bits, delay_bits, 1)
        if has_delay and bits():
            bits(4)


def _skip_tools(bits: _Bits) -> None:
    bits.skip(1, 1, 1, 1)
    has_order = bits()
    if has_order:
        bits.skip(1, 1)
    screen = 2 if bits() else bits()
    if screen and not bits():
        bits()
    if has_order:
        bits(3)
