"""The ICC profile in a JPEG XL codestream (ISO/IEC 18181-1, annex E.4): predicted from what profiles usually hold."""

from __future__ import annotations

from core.images.jxl_bits import Bits, BitWriter
from core.images.jxl_entropy import EntropyDecoder
from core.images.refusal import MAX_METADATA_BYTES

_CONTEXTS = 41
_HEADER = 128
_MAX_TAGS = 1000
_TAGS = b"cprt wtpt bkpt rXYZ gXYZ bXYZ kXYZ rTRC gTRC bTRC kTRC chad desc chrm dmnd dmdd lumi".split()
_TYPES = (b"XYZ ", b"desc", b"text", b"mluc", b"para", b"curv", b"sf32", b"gbd ")
_TWENTY_BYTES = frozenset({b"rXYZ", b"gXYZ", b"bXYZ", b"kXYZ", b"wtpt", b"bkpt", b"lumi"})
_INSERT, _SHUFFLE_2, _SHUFFLE_4, _PREDICT, _XYZ, _FIRST_TYPE = 1, 2, 3, 4, 10, 16


def read_icc(bits: Bits) -> bytes:
    """The profile, from where its size begins.

    Raises:
        ValueError: it is damaged, or too long.
    """
    size = bits.long()
    if size > MAX_METADATA_BYTES:
        raise ValueError("too long a profile")
    decoder = EntropyDecoder(bits, _CONTEXTS)
    encoded = bytearray()
    last = before = 0
    for index in range(size):
        value = decoder.read(_context(index, last, before))
        if value > 255:
            raise ValueError("no byte")
        encoded.append(value)
        last, before = value, last
    decoder.finish()
    return _unpredicted(bytes(encoded))


def write_icc(writer: BitWriter, icc: bytes) -> None:
    """The profile in the plainest way: its bytes by a code of 8 bits each, only its header predicted."""
    header = _predicted_header(len(icc))
    residuals = bytearray()
    for index, value in enumerate(icc[:_HEADER]):
        _foresee(header, icc, index)
        residuals.append((value - header[index]) & 255)
    commands = b"\0" + (bytes((_INSERT,)) + _variable(len(icc) - _HEADER) if len(icc) > _HEADER else b"")
    encoded = _variable(len(icc)) + _variable(len(commands)) + commands + residuals + icc[_HEADER:]
    writer.long(len(encoded))
    # No repeats; one cluster for all contexts; a prefix code; tokens of 8 bits are the numbers themselves.
    writer.write(0b10010, 5)
    for value in (8, 0, 0):
        writer.write(value, 4)
    # 256 symbols, all of them of 8 bits: of the lengths of lengths, only that of 8 is not zero.
    writer.write(1, 1)
    writer.write(7, 4)
    writer.write(127, 7)
    writer.write(0, 2)
    for length in (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15):
        writer.write(0b10 if length == 8 else 0, 2)
    for value in encoded:
        writer.write(int(f"{value:08b}"[::-1], 2), 8)


def _context(index: int, last: int, before: int) -> int:
    if index <= _HEADER:
        return 0
    return 1 + _kind(last) + _kind_before(before) * 8


def _kind(value: int) -> int:
    character = chr(value)
    if character.isascii() and character.isalpha():
        return 0
    if character in "0123456789.,":
        return 1
    if value in (0, 1, 255):
        return {0: 2, 1: 3, 255: 6}[value]
    return 4 if value < 16 else 5 if value > 240 else 7


def _kind_before(value: int) -> int:
    kind = _kind(value)
    return kind if kind < 2 else 2 if value < 16 else 3 if value > 240 else 4


def _predicted_header(size: int) -> bytearray:
    header = bytearray(_HEADER)
    header[0:4] = (size & 0xFFFFFFFF).to_bytes(4, "big")
    header[8] = 4
    header[12:24] = b"mntrRGB XYZ "
    header[36:40] = b"acsp"
    header[68:80] = bytes((0, 0, 246, 214, 0, 1, 0, 0, 0, 0, 211, 45))
    return header


def _foresee(header: bytearray, icc: bytes | bytearray, index: int) -> None:
    """What the bytes before `index` tell of those from there on."""
    if index == 8:
        header[80:84] = icc[4:8]
    elif index == 41 and icc[40:41] in (b"A", b"M"):
        header[41:44] = b"PPL" if icc[40] == ord("A") else b"SFT"
    elif index == 42 and icc[40:42] in (b"SG", b"SU"):
        header[42:44] = b"I " if icc[41] == ord("G") else b"NW"


def _variable(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    data.append(value)
    return bytes(data)


class _Stream:
    """A part of the encoded profile that is read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError("cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        value = shift = 0
        while shift < 63:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
        raise ValueError("too long a number")

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)


def _unpredicted(encoded: bytes) -> bytes:
    whole = _Stream(encoded)
    size = whole.number()
    if size > MAX_METADATA_BYTES:
        raise ValueError("too long a profile")
    commands = _Stream(whole.take(whole.number()))
    data = _Stream(whole.rest())
    header = _predicted_header(size)
    result = bytearray()
    for index in range(min(size, _HEADER)):
        _foresee(header, result, index)
        result.append((header[index] + data.byte()) & 255)
    if not commands.ended:
        _read_tags(commands, data, result)
    while not commands.ended:
        _do(commands, data, result)
        if len(result) > size:
            raise ValueError("longer than it says")
    if len(result) != size:
        raise ValueError("shorter than it says")
    return bytes(result)


def _read_tags(commands: _Stream, data: _Stream, result: bytearray) -> None:
    count = commands.number()
    if count == 0:
        return
    count -= 1
    if count > _MAX_TAGS:
        raise ValueError("too many tags")
    result += count.to_bytes(4, "big")
    start, size = _HEADER + 12 * count, 0

    def append(name: bytes, start: int, size: int) -> None:
        result.extend(name + (start & 0xFFFFFFFF).to_bytes(4, "big") + (size & 0xFFFFFFFF).to_bytes(4, "big"))

    while not commands.ended:
        command = commands.byte()
        code = command & 63
        if code == 0:
            return
        if code > 3 and code - 4 >= len(_TAGS):
            raise ValueError("no such tag")
        name = data.take(4) if code == 1 else {2: b"rTRC", 3: b"rXYZ"}.get(code) or _TAGS[code - 4]
        start = commands.number() if command & 64 else start + size
        if name in _TWENTY_BYTES:
            size = 20
        if command & 128:
            size = commands.number()
        append(name, start, size)
        if code == 2:
            append(b"gTRC", start, size)
            append(b"bTRC", start, size)
        elif code == 3:
            append(b"gXYZ", start + size, size)
            append(b"bXYZ", start + 2 * size, size)


def _do(commands: _Stream, data: _Stream, result: bytearray) -> None:
    command = commands.byte()
    if command == _INSERT:
        result += data.take(commands.number())
    elif command in (_SHUFFLE_2, _SHUFFLE_4):
        result += _shuffled(data.take(commands.number()), 2 if command == _SHUFFLE_2 else 4)
    elif command == _PREDICT:
        _predict(commands, data, result)
    elif command == _XYZ:
        result += b"XYZ " + bytes(4) + data.take(12)
    elif _FIRST_TYPE <= command < _FIRST_TYPE + len(_TYPES):
        result += _TYPES[command - _FIRST_TYPE] + bytes(4)
    else:
        raise ValueError("no such command")


def _shuffled(data: bytes, width: int) -> bytes:
    height = -(-len(data) // width)
    return bytes(data[place] for first in range(height) for place in range(first, len(data), height))


def _predict(commands: _Stream, data: _Stream, result: bytearray) -> None:
    flags = commands.byte()
    width, order = (flags & 3) + 1, flags >> 2 & 3
    stride = commands.number() if flags & 16 else width
    if width == 3 or order == 3 or stride < width or 4 * stride >= len(result):
        raise ValueError("a broken prediction")
    residuals = data.take(commands.number())
    if width > 1:
        residuals = _shuffled(residuals, width)
    start = len(result)
    for index, residual in enumerate(residuals):
        place = start + index // width * width
        one, two, three = (
            int.from_bytes(result[place - back * stride : place - back * stride + width], "big") for back in (1, 2, 3)
        )
        value = (one, 2 * one - two, 3 * one - 3 * two + three)[order]
        result.append((value >> 8 * (width - 1 - index % width) & 255) + residual & 255)
