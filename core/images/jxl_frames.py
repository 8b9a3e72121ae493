"""The heads of the frames of a JPEG XL codestream (ISO/IEC 18181-1, annex F), read and written bit by bit.

The decoder at hand does not tell how long a frame is shown, and the encoder shows all of them alike. What the head of
a frame says of time does not touch its pixels, so that pictures that were encoded one by one become an animation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.images.jxl_bits import Bits, BitWriter
from core.images.jxl_entropy import EntropyDecoder
from core.images.jxl_header import Head, read_animated_head, with_animation

_MOST_FRAMES = 100_000
_MOST_SECTIONS = 1 << 20
_REGULAR, _LOW_FREQUENCIES, _REFERENCE, _SKIPPED = 0, 1, 2, 3
_USES_LOW_FREQUENCIES = 0x20
_BLEND, _ADD_BY_ALPHA, _MULTIPLY = 2, 3, 4
_POWERS = ((0, 1), (0, 2), (0, 4), (0, 8))
_PLACE = ((8, 0), (11, 256), (14, 2304), (30, 18_688))
_DURATION = ((0, 0), (0, 1), (8, 0), (32, 0))
_NAME = ((0, 0), (4, 0), (5, 16), (10, 48))
_SIZES = ((10, 0), (14, 1024), (22, 17_408), (30, 4_211_712))
_ORDER_CONTEXTS = 8
_FLOAT = 16


@dataclass(slots=True)
class _FrameHead:
    """What the head of a frame says, and where; places in bits."""

    start: int
    width: int
    height: int
    kind: int = _REGULAR
    is_modular: bool = False
    is_default: bool = False
    is_partial: bool = False
    upsampling: int = 1
    group_shift: int = 1
    passes: int = 1
    duration: int = 0
    is_last: bool = True
    timing: int = 0
    """Where its duration stands, or would."""
    after_last: int = 0
    """What comes behind the flag of the last frame."""
    end: int = 0
    """Behind the order of its sections."""
    stop: int = 0
    """Where the next frame begins."""

    @property
    def is_shown(self) -> bool:
        """Whether it is a picture of its own, and no layer of one or help for others."""
        return self.kind in (_REGULAR, _SKIPPED) and (self.is_last or self.duration > 0)


def durations(codestream: bytes) -> tuple[float, ...]:
    """Milliseconds that each picture of an animation is shown.

    Raises:
        ValueError: it is damaged.
    """
    head, place = read_animated_head(codestream)
    return tuple(1000 * frame.duration / head.ticks for frame in _frames(codestream, head, place) if frame.is_shown)


def joined(codestreams: Sequence[bytes], milliseconds: Sequence[int], plays: int) -> bytes:
    """An animation of pictures that were encoded one by one.

    Args:
        codestreams: of pictures of one size and kind, encoded alike.
        milliseconds: that each is shown, at least 1, as one that is not shown at all would be a layer of the next.
        plays: how often it is shown; 0 is for ever.

    Raises:
        ValueError: the pictures are of several kinds, or damaged.
    """
    head, place = read_animated_head(codestreams[0])
    start = codestreams[0][:place]
    parts = [with_animation(start, plays)]
    for index, codestream in enumerate(codestreams):
        if codestream[:place] != start:
            raise ValueError("frames of several kinds")
        for frame in _frames(codestream, head, place):
            is_last = frame.is_last and index == len(codestreams) - 1
            duration = max(1, milliseconds[index]) if frame.is_last else 0
            parts.append(_with_timing(codestream, frame, head, duration, is_last=is_last))
    return b"".join(parts)


def _with_timing(data: bytes, frame: _FrameHead, head: Head, duration: int, *, is_last: bool) -> bytes:
    if frame.kind not in (_REGULAR, _SKIPPED):
        return data[frame.start >> 3 : frame.stop >> 3]
    writer = BitWriter()
    channels = len(head.other_channels) + head.alpha
    if frame.is_default:
        # What its one bit stands for, written out: a regular frame in blocks, of no flags and no other size.
        writer.write(0, 1 + 2 + 1 + 2 + (0 if head.xyb else 1) + 2 + 2 * channels)
        if head.xyb:
            writer.write(3 | 2 << 3, 6)
        # One pass, the whole picture, which replaces what was before in all channels.
        writer.write(0, 2 + 1 + 2 + 2 * channels)
    else:
        writer.copy(data, frame.start, frame.timing)
    way = min(duration, 2) if duration < 256 else 3
    writer.write(way, 2)
    writer.write(duration if duration > 1 else 0, _DURATION[way][0])
    writer.write(int(is_last), 1)
    if frame.is_last and not is_last:
        # Nothing refers to it.
        writer.write(0, 2)
    if frame.is_default:
        # No name, the usual filter, no extensions.
        writer.write(0b00_1_00, 5)
    writer.copy(data, frame.after_last, frame.end)
    return writer.bytes() + data[(frame.end + 7) >> 3 : frame.stop >> 3]


def _frames(data: bytes, head: Head, place: int) -> Iterator[_FrameHead]:
    for _rest in range(_MOST_FRAMES):
        bits = Bits(data, 8 * place)
        frame = _FrameHead(8 * place, head.width, head.height)
        _read_frame(bits, head, frame)
        yield frame
        if frame.is_last and frame.kind in (_REGULAR, _SKIPPED):
            return
        place = frame.stop >> 3
    raise ValueError("too many frames")


def _read_frame(bits: Bits, head: Head, frame: _FrameHead) -> None:
    level = 0
    frame.is_default = bits.flag()
    if frame.is_default:
        frame.timing = frame.after_last = bits.position
    else:
        level = _read_fields(bits, head, frame)
        _skip_filter(bits, frame.is_modular)
        _skip_extensions(bits)
    count = _sections(frame, level)
    if bits.flag():
        _skip_order(bits, count)
    frame.end = bits.position
    bits.skip(-bits.position % 8)
    size = sum(bits.choice(_SIZES) for _index in range(count))
    bits.skip(-bits.position % 8)
    bits.skip(8 * size)
    frame.stop = bits.position


def _read_fields(bits: Bits, head: Head, frame: _FrameHead) -> int:
    """All up to the filter, and on which level of low frequencies it is."""
    channels = len(head.other_channels) + head.alpha
    frame.kind, frame.is_modular = bits.read(2), bits.flag()
    flags = bits.long()
    has_ycbcr = not head.xyb and bits.flag()
    if not flags & _USES_LOW_FREQUENCIES:
        bits.skip(6 * has_ycbcr)
        frame.upsampling = bits.choice(_POWERS)
        bits.skip(2 * channels)
    if frame.is_modular:
        frame.group_shift = bits.read(2)
    elif head.xyb:
        bits.skip(6)
    if frame.kind != _REFERENCE:
        frame.passes = _passes(bits)
    level = 0
    if frame.kind == _LOW_FREQUENCIES:
        level = bits.read(2) + 1
    elif bits.flag():
        _read_place(bits, frame)
    if frame.kind in (_REGULAR, _SKIPPED):
        replaces, *_others = [_read_blending(bits, frame, channels) for _channel in range(1 + channels)]
        frame.timing = bits.position
        if head.animated:
            frame.duration = bits.choice(_DURATION)
            bits.skip(32 * head.timecodes)
        frame.is_last = bits.flag()
        frame.after_last = bits.position
    else:
        replaces, frame.is_last = False, False
    reference = 0 if frame.is_last or frame.kind == _LOW_FREQUENCIES else bits.read(2)
    may_be_kept = not frame.is_last and (frame.duration == 0 or reference != 0)
    if frame.kind == _REFERENCE or (may_be_kept and replaces and not frame.is_partial):
        bits.flag()
    bits.skip(8 * bits.choice(_NAME))
    return level


def _passes(bits: Bits) -> int:
    count = bits.choice(((0, 1), (0, 2), (0, 3), (3, 4)))
    if count != 1:
        reductions = bits.choice(((0, 0), (0, 1), (0, 2), (1, 3)))
        bits.skip(2 * (count - 1) + 2 * reductions)
        for _reduction in range(reductions):
            bits.choice(((0, 0), (0, 1), (0, 2), (3, 0)))
    return count


def _read_place(bits: Bits, frame: _FrameHead) -> None:
    left = top = 0
    if frame.kind != _REFERENCE:
        left, top = (_signed(bits.choice(_PLACE)) for _side in range(2))
    whole = frame.width, frame.height
    frame.width, frame.height = bits.choice(_PLACE), bits.choice(_PLACE)
    frame.is_partial = (
        left > 0 or top > 0 or left + frame.width < whole[0] or top + frame.height < whole[1]
    ) and frame.kind != _REFERENCE


def _signed(packed: int) -> int:
    return -(packed >> 1) - 1 if packed & 1 else packed >> 1


def _read_blending(bits: Bits, frame: _FrameHead, channels: int) -> bool:
    """Whether a channel replaces what was before."""
    mode = bits.choice(((0, 0), (0, 1), (0, 2), (2, 3)))
    by_alpha = channels > 0 and mode in (_BLEND, _ADD_BY_ALPHA)
    if by_alpha:
        bits.choice(((0, 0), (0, 1), (0, 2), (3, 3)))
    if by_alpha or mode == _MULTIPLY:
        bits.flag()
    if mode or frame.is_partial:
        bits.read(2)
    return mode == 0


def _skip_filter(bits: Bits, is_modular: bool) -> None:
    if bits.flag():
        return
    if bits.flag() and bits.flag():
        bits.skip(6 * _FLOAT)
    if bits.read(2):
        if not is_modular and bits.flag():
            bits.skip(8 * _FLOAT)
        if bits.flag():
            bits.skip(5 * _FLOAT)
        if bits.flag():
            bits.skip((3 if is_modular else 4) * _FLOAT)
        if is_modular:
            bits.skip(_FLOAT)
    _skip_extensions(bits)


def _skip_extensions(bits: Bits) -> None:
    extensions = bits.long()
    lengths = [bits.long() for index in range(64) if extensions >> index & 1]
    for length in lengths:
        bits.skip(length)


def _sections(frame: _FrameHead, level: int) -> int:
    """How many sections the frame is cut into."""
    width, height = (-(-side // (1 << 3 * level)) for side in (frame.width, frame.height))
    width, height = -(-width // frame.upsampling), -(-height // frame.upsampling)
    side = 128 << frame.group_shift
    groups = -(-width // side) * -(-height // side)
    if groups == 1 and frame.passes == 1:
        return 1
    coarse = -(-width // (8 * side)) * -(-height // (8 * side))
    if not 0 < groups <= _MOST_SECTIONS:
        raise ValueError(f"{groups} groups")
    return 2 + coarse + groups * frame.passes


def _skip_order(bits: Bits, count: int) -> None:
    """The order of the sections, as a Lehmer code."""
    numbers = EntropyDecoder(bits, _ORDER_CONTEXTS)
    moved = numbers.read(min(count.bit_length(), _ORDER_CONTEXTS - 1))
    if moved > count:
        raise ValueError("a longer order than there are sections")
    last = 0
    for _index in range(moved):
        last = numbers.read(min(last.bit_length(), _ORDER_CONTEXTS - 1))
    numbers.finish()
