"""What an AV1 stream says of itself: its colours, and whether it was coded without loss.

Read are the sequence header and the head of the first frame, up to its quantiser (AV1 Bitstream & Decoding Process
Specification, sections 5.5 and 5.9).
"""

from __future__ import annotations

from dataclasses import dataclass, field

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6
_MOST_UNITS = 16
_BY_FRAME = 2
"""Where a tool is not decided for the whole sequence (SELECT_SCREEN_CONTENT_TOOLS, SELECT_INTEGER_MV)."""
_KEY, _INTRA_ONLY = 0, 2
_IDENTITY = 0


@dataclass(frozen=True, slots=True)
class Av1Stream:
    """What the first picture of a stream says of itself."""

    colours: tuple[int, int, int] | None
    """Primaries, transfer and matrix by their code points (ITU-T H.273); None where it does not say."""
    lossless: bool
    """Whether its samples are coded exactly, and none of its channels at less than full size."""


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

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1, by as few bits as it takes (ns(n) of section 4.10.7)."""
        width = count.bit_length()
        short = (1 << width) - count
        value = self(width - 1)
        return value if value < short else (value << 1) - short + self()


@dataclass(slots=True)
class _Sequence:
    """A sequence header, as far as the head of a frame hangs on it."""

    colours: tuple[int, int, int] | None = None
    channels: int = 3
    is_full_size: bool = True
    has_own_v_quantiser: bool = False
    is_reduced: bool = False
    frame_size_bits: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)
    frame_id_bits: int = 0
    has_large_blocks: bool = False
    order_bits: int = 0
    screen_tools: int = _BY_FRAME
    whole_motion: int = _BY_FRAME
    has_superres: bool = False
    presentation_bits: int = 0
    """Bits of the time at which a shown frame is shown; 0 where none stands there."""
    removal_bits: int = 0
    operating_points: list[tuple[int, bool]] = field(default_factory=list)
    """Which layers each works on, and whether frames tell when it takes them out of its buffer."""


def read_stream(data: bytes) -> Av1Stream | None:
    """What the beginning of a stream says of its first picture; None where there is no sequence header.

    Where the head of the first frame is broken or not there, the picture is not known to be lossless.

    Raises:
        ValueError: the sequence header is cut off.
    """
    at, sequence = 0, None
    for _ in range(_MOST_UNITS):
        if at >= len(data):
            break
        head = data[at]
        layers = (data[at + 1] >> 5, data[at + 1] >> 3 & 3) if head & 4 and at + 1 < len(data) else (0, 0)
        at += 2 if head & 4 else 1
        size, at = _size_of_unit(data, at) if head & 2 else (len(data) - at, at)
        kind = head >> 3 & 15
        if kind == _SEQUENCE_HEADER:
            sequence = _sequence(_Bits(data[at : at + size]))
        elif kind in (_FRAME_HEADER, _FRAME) and sequence is not None:
            try:
                exact = _is_exact(_Bits(data[at : at + size]), sequence, layers)
            except ValueError:
                exact = False
            return Av1Stream(sequence.colours, exact and sequence.is_full_size)
        at += size
    return Av1Stream(sequence.colours, lossless=False) if sequence else None


def _size_of_unit(data: bytes, at: int) -> tuple[int, int]:
    """A length in groups of seven bits (leb128, section 4.10.5), and where it ends."""
    size = shift = 0
    while True:
        if at >= len(data) or shift > 28:
            raise ValueError("cut off")
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return size, at


def _sequence(bits: _Bits) -> _Sequence:
    found = _Sequence()
    profile = bits(3)
    bits()
    found.is_reduced = bool(bits())
    if found.is_reduced:
        bits(5)
        found.operating_points = [(0, False)]
    else:
        _read_operating_points(bits, found)
    found.frame_size_bits = bits(4) + 1, bits(4) + 1
    found.size = bits(found.frame_size_bits[0]) + 1, bits(found.frame_size_bits[1]) + 1
    if not found.is_reduced and bits():
        found.frame_id_bits = bits(4) + 2
        found.frame_id_bits += bits(3) + 1
    found.has_large_blocks = bool(bits())
    bits.skip(1, 1)
    if not found.is_reduced:
        _read_tools(bits, found)
    found.has_superres = bool(bits())
    bits.skip(1, 1)
    _read_colours(bits, found, profile)
    return found


def _read_operating_points(bits: _Bits, found: _Sequence) -> None:
    delay_bits = 0
    if bits():
        bits.skip(32, 32)
        has_equal_intervals = bits()
        if has_equal_intervals:
            zeros = 0
            while not bits():
                zeros += 1
            bits(min(zeros, 32))
        if bits():
            delay_bits = bits(5) + 1
            bits(32)
            found.removal_bits = bits(5) + 1
            presentation_bits = bits(5) + 1
            found.presentation_bits = 0 if has_equal_intervals else presentation_bits
    has_delay = bits()
    for _ in range(bits(5) + 1):
        layers = bits(12)
        if bits(5) > 7:
            bits()
        is_timed = bool(delay_bits and bits())
        found.operating_points.append((layers, is_timed))
        if is_timed:
            bits.skip(delay_bits, delay_bits, 1)
        if has_delay and bits():
            bits(4)


def _read_tools(bits: _Bits, found: _Sequence) -> None:
    bits.skip(1, 1, 1, 1)
    has_order = bits()
    if has_order:
        bits.skip(1, 1)
    found.screen_tools = _BY_FRAME if bits() else bits()
    if found.screen_tools:
        found.whole_motion = _BY_FRAME if bits() else bits()
    if has_order:
        found.order_bits = bits(3) + 1


def _read_colours(bits: _Bits, found: _Sequence, profile: int) -> None:
    is_deep = bits()
    is_12_bits = bool(profile == 2 and is_deep and bits())
    if profile != 1 and bits():
        found.channels = 1
    if bits():
        found.colours = bits(8), bits(8), bits(8)
    if found.channels == 1:
        bits()
        return
    if found.colours != (1, 13, _IDENTITY):
        bits()
        found.is_full_size = not bits() if is_12_bits else profile == 1
    if not found.is_full_size:
        # Nothing after it is asked for: such a picture is not lossless.
        return
    found.has_own_v_quantiser = bool(bits())


def _is_exact(bits: _Bits, sequence: _Sequence, layers: tuple[int, int]) -> bool:
    """Whether the first frame's quantiser is the one that takes nothing away (section 5.9.2)."""
    is_shown, is_key, keeps_places = True, True, True
    if not sequence.is_reduced:
        if bits():
            return False
        kind = bits(2)
        is_key = kind == _KEY
        if kind not in (_KEY, _INTRA_ONLY):
            return False
        is_shown = bool(bits())
        if is_shown:
            bits(sequence.presentation_bits)
        else:
            bits()
        keeps_places = bool(is_key and is_shown) or bool(bits())
    stops_learning = bits()
    has_screen_tools = bits() if sequence.screen_tools == _BY_FRAME else sequence.screen_tools
    if has_screen_tools and sequence.whole_motion == _BY_FRAME:
        bits()
    bits(sequence.frame_id_bits)
    has_own_size = not sequence.is_reduced and bits()
    bits(sequence.order_bits)
    if sequence.removal_bits and bits():
        for works_on, is_timed in sequence.operating_points:
            if is_timed and (not works_on or (works_on >> layers[0] & 1 and works_on >> (layers[1] + 8) & 1)):
                bits(sequence.removal_bits)
    replaced = 0xFF if is_key and is_shown else bits(8)
    if replaced != 0xFF and keeps_places and sequence.order_bits:
        bits.skip(*[sequence.order_bits] * 8)
    width, height = (bits(count) + 1 for count in sequence.frame_size_bits) if has_own_size else sequence.size
    coded = width
    if sequence.has_superres and bits():
        divisor = bits(3) + 9
        coded = (width * 8 + divisor // 2) // divisor
    if bits():
        bits.skip(16, 16)
    if has_screen_tools and coded == width:
        bits()
    if not sequence.is_reduced and not stops_learning:
        bits()
    _skip_tiles(bits, coded, height, 7 if sequence.has_large_blocks else 6)
    # One step for all, and none beside it: then samples go through a transform that can be undone (section 7.12.2).
    if bits(8) or bits():
        return False
    if sequence.channels == 1:
        return coded == width
    has_second = sequence.has_own_v_quantiser and bits()
    return coded == width and not any(bits() for _ in range(4 if has_second else 2))


def _skip_tiles(bits: _Bits, width: int, height: int, block_bits: int) -> None:
    """How the frame is cut into tiles (section 5.9.15); a block is of 1 << `block_bits` pixels a side."""
    across, down = (-(-(-(-side // 8) * 8) // (1 << block_bits)) for side in (width, height))
    widest, most = 4096 >> block_bits, (4096 * 2304) >> (2 * block_bits)
    least_across = _doublings(widest, across)
    least = max(least_across, _doublings(most, across * down))
    if bits():
        columns = _counted(bits, least_across, _doublings(1, min(across, 64)))
        rows = _counted(bits, max(least - columns, 0), _doublings(1, min(down, 64)))
    else:
        sizes = _cut(bits, across, widest)
        columns = _doublings(1, len(sizes))
        area = (across * down) >> (least + 1) if least else across * down
        rows = _doublings(1, len(_cut(bits, down, max(area // max(sizes), 1))))
    if columns or rows:
        bits.skip(columns + rows, 2)


def _doublings(unit: int, wanted: int) -> int:
    """How often a number is doubled until it is no less than another (tile_log2 of section 5.9.16)."""
    count = 0
    while unit << count < wanted:
        count += 1
    return count


def _counted(bits: _Bits, least: int, most: int) -> int:
    while least < most and bits():
        least += 1
    return least


def _cut(bits: _Bits, whole: int, longest: int) -> list[int]:
    sizes = []
    while whole > 0:
        sizes.append(bits.below(min(whole, longest)) + 1)
        whole -= sizes[-1]
    return sizes
