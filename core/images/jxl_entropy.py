"""Entropy coding of a JPEG XL codestream (ISO/IEC 18181-1, annex C), as far as the profile in its head needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.images.jxl_bits import Bits

_PRECISION = 12
_RANGE = 1 << _PRECISION
_FINAL_STATE = 0x130000
_WINDOW = 1 << 20
_CODE_LENGTH_ORDER = (1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_LOG_COUNT_STEP = ((3, 10), (4, 4), (3, 7), (4, 1), (3, 6), (3, 8), (3, 9), (4, 2))
_LOG_COUNT_ODD = ((3, 10), (5, 0), (3, 7), (4, 3), (3, 6), (3, 8), (3, 9), (4, 5))
_REPEAT = 13
"""Among the logarithms of counts: the last count again."""


def _log_count(bits: Bits) -> int:
    """The code of a distribution's logarithms: its bits are those of a table of 128 entries."""
    index = bits.peek(7)
    row, place = divmod(index, 8)
    size, value = (_LOG_COUNT_ODD if row % 2 == 0 else _LOG_COUNT_STEP)[place]
    if place == 1 and row % 2 == 0:
        size, value = {0: (7, 12), 8: (7, _REPEAT), 4: (6, 11), 12: (6, 11)}.get(row, (size, value))
    bits.skip(size)
    return value


@dataclass(frozen=True, slots=True)
class _Numbers:
    """How a token stands for a number (hybrid integers)."""

    split: int
    high: int
    low: int

    def read(self, bits: Bits, token: int) -> int:
        if token < 1 << self.split:
            return token
        count = self.split - self.high - self.low + ((token - (1 << self.split)) >> (self.high + self.low))
        if count > 31:
            raise ValueError("too large a number")
        low = token & ((1 << self.low) - 1)
        high = (token >> self.low) & ((1 << self.high) - 1) | 1 << self.high
        return (high << count | bits.read(count)) << self.low | low


class EntropyDecoder:
    """Reads numbers in contexts.

    Raises:
        ValueError: from every method, where the data are damaged.
    """

    def __init__(self, bits: Bits, contexts: int, may_repeat: bool = True) -> None:
        self._bits = bits
        self._repeats = bits.flag()
        if self._repeats:
            if not may_repeat:
                raise ValueError("repeats in a map of contexts")
            self._least_symbol = bits.choice(((0, 224), (0, 512), (0, 4096), (15, 8)))
            self._least_length = bits.choice(((0, 3), (0, 4), (2, 5), (8, 9)))
            self._lengths = _numbers(bits, 8)
            contexts += 1
        self._clusters = _clusters(bits, contexts) if contexts > 1 else [0]
        count = max(self._clusters) + 1
        prefix = bits.flag()
        size = 15 if prefix else 5 + bits.read(2)
        self._numbers = [_numbers(bits, size) for _ in range(count)]
        self._symbol: list[Callable[[], int]]
        self._state = 0
        if prefix:
            sizes = [_alphabet(bits) for _ in range(count)]
            self._symbol = [_PrefixCode(bits, size).read for size in sizes]
        else:
            tables = [_Aliases(_distribution(bits), size) for _ in range(count)]
            self._symbol = [self._reader_of(table) for table in tables]
            self._state = bits.read(32)
        self._is_prefix = prefix
        self._past: list[int] = []
        self._to_copy = self._copy_from = 0

    def read(self, context: int) -> int:
        """The next number, in this context."""
        if self._to_copy:
            return self._copied()
        cluster = self._clusters[context]
        token = self._symbol[cluster]()
        if self._repeats and token >= self._least_symbol:
            self._to_copy = self._lengths.read(self._bits, token - self._least_symbol) + self._least_length
            cluster = self._clusters[-1]
            distance = self._numbers[cluster].read(self._bits, self._symbol[cluster]()) + 1
            self._copy_from = len(self._past) - min(distance, len(self._past), _WINDOW)
            return self._copied()
        value = self._numbers[cluster].read(self._bits, token)
        if self._repeats:
            self._past.append(value)
        return value

    def finish(self) -> None:
        """Check that the end is where it should be."""
        if not self._is_prefix and self._state != _FINAL_STATE:
            raise ValueError("a wrong state at the end")

    def _copied(self) -> int:
        value = self._past[self._copy_from] if self._copy_from < len(self._past) else 0
        self._copy_from += 1
        self._to_copy -= 1
        self._past.append(value)
        return value

    def _reader_of(self, table: _Aliases) -> Callable[[], int]:
        def read() -> int:
            symbol, count, offset = table.look_up(self._state & (_RANGE - 1))
            self._state = count * (self._state >> _PRECISION) + offset
            if self._state < 1 << 16:
                self._state = self._state << 16 | self._bits.read(16)
            return symbol

        return read


def _bit_count(value: int) -> int:
    """The least number of bits that tell `value` + 1 numbers apart."""
    return value.bit_length()


def _numbers(bits: Bits, alphabet_bits: int) -> _Numbers:
    split = bits.read(_bit_count(alphabet_bits))
    if split > alphabet_bits:
        raise ValueError("a split beyond the alphabet")
    if split == alphabet_bits:
        return _Numbers(split, 0, 0)
    high = bits.read(_bit_count(split))
    if high > split:
        raise ValueError("more bits than a token has")
    low = bits.read(_bit_count(split - high))
    if high + low > split:
        raise ValueError("more bits than a token has")
    return _Numbers(split, high, low)


def _clusters(bits: Bits, contexts: int) -> list[int]:
    if bits.flag():
        count = bits.read(2)
        return [bits.read(count) for _ in range(contexts)]
    moved = bits.flag()
    decoder = EntropyDecoder(bits, 1, may_repeat=contexts > 2)
    clusters = [decoder.read(0) for _ in range(contexts)]
    decoder.finish()
    if max(clusters) > 255:
        raise ValueError("too many clusters")
    if moved:
        order = list(range(256))
        for index, place in enumerate(clusters):
            value = order.pop(place)
            order.insert(0, value)
            clusters[index] = value
    return clusters


def _small(bits: Bits) -> int:
    """A number of up to 8 bits."""
    if not bits.flag():
        return 0
    count = bits.read(3)
    return bits.read(count) + (1 << count)


def _alphabet(bits: Bits) -> int:
    if not bits.flag():
        return 1
    count = bits.read(4)
    size = 1 + (1 << count) + bits.read(count)
    if size > 1 << 15:
        raise ValueError("too large an alphabet")
    return size


def _distribution(bits: Bits) -> list[int]:
    """How often each symbol comes, of 4096."""
    if bits.flag():
        two = bits.flag()
        symbols = [_small(bits) for _ in range(1 + two)]
        counts = [0] * (max(symbols) + 1)
        if not two:
            counts[symbols[0]] = _RANGE
            return counts
        if symbols[0] == symbols[1]:
            raise ValueError("a symbol twice")
        counts[symbols[0]] = bits.read(_PRECISION)
        counts[symbols[1]] = _RANGE - counts[symbols[0]]
        return counts
    if bits.flag():
        size = _small(bits) + 1
        share, more = divmod(_RANGE, size)
        return [share + (index < more) for index in range(size)]
    return _uneven(bits)


def _uneven(bits: Bits) -> list[int]:
    length_bits = 0
    while length_bits < 3 and bits.flag():
        length_bits += 1
    shift = (bits.read(length_bits) | 1 << length_bits) - 1
    if shift > _PRECISION + 1:
        raise ValueError("too fine a distribution")
    size = _small(bits) + 3
    logs, same = [0] * size, [0] * size
    omitted, index = -1, 0
    while index < size:
        logs[index] = _log_count(bits)
        if logs[index] == _REPEAT:
            repeated = _small(bits)
            same[index] = repeated + 5
            index += repeated + 4
            continue
        if omitted < 0 or logs[index] > logs[omitted]:
            omitted = index
        index += 1
    if omitted < 0 or (omitted + 1 < size and logs[omitted + 1] == _REPEAT):
        raise ValueError("a broken distribution")
    counts = [0] * size
    left = last = 0
    for index in range(size):
        if same[index]:
            left, last = same[index] - 1, counts[index - 1] if index else 0
        if left:
            counts[index] = last
            left -= 1
        elif index != omitted and logs[index]:
            log = logs[index] - 1
            fine = max(0, min(log, shift - ((_PRECISION - log) >> 1)))
            counts[index] = (1 << log) + (bits.read(fine) << (log - fine)) if log else 1
    counts[omitted] = _RANGE - sum(counts)
    if counts[omitted] <= 0:
        raise ValueError("a distribution of more than all")
    return counts


class _Aliases:
    """Which symbol a state means: each place of the table has at most two."""

    def __init__(self, counts: list[int], alphabet_bits: int) -> None:
        size = 1 << alphabet_bits
        if len(counts) > size:
            raise ValueError("too many symbols")
        self._shift = _PRECISION - alphabet_bits
        room = 1 << self._shift
        self._counts = counts + [0] * (size - len(counts))
        self._cutoffs = list(self._counts)
        self._others = list(range(size))
        self._offsets = [0] * size
        if _RANGE in counts:
            self._others = [counts.index(_RANGE)] * size
            self._cutoffs = [0] * size
            self._offsets = [room * index for index in range(size)]
            return
        over = [index for index, count in enumerate(self._cutoffs) if count > room]
        under = [index for index, count in enumerate(self._cutoffs) if count < room]
        while over:
            full, free = over.pop(), under.pop()
            self._cutoffs[full] -= room - self._cutoffs[free]
            self._others[free] = full
            self._offsets[free] = self._cutoffs[full]
            if self._cutoffs[full] < room:
                under.append(full)
            elif self._cutoffs[full] > room:
                over.append(full)
        for index in range(size):
            if self._cutoffs[index] == room:
                self._others[index], self._offsets[index], self._cutoffs[index] = index, 0, 0
            else:
                self._offsets[index] -= self._cutoffs[index]

    def look_up(self, place: int) -> tuple[int, int, int]:
        """The symbol, how often it comes, and where in its share the place lies."""
        index, position = place >> self._shift, place & ((1 << self._shift) - 1)
        if position < self._cutoffs[index]:
            return index, self._counts[index], position
        symbol = self._others[index]
        return symbol, self._counts[symbol], position + self._offsets[index]


class _PrefixCode:
    """A prefix code as Brotli writes it (RFC 7932, section 3)."""

    def __init__(self, bits: Bits, alphabet: int) -> None:
        self._bits = bits
        self._only: int | None = None
        self._codes: dict[tuple[int, int], int] = {}
        if alphabet == 1:
            self._only = 0
            return
        skipped = bits.read(2)
        lengths = _simple_lengths(bits, alphabet) if skipped == 1 else _complex_lengths(bits, alphabet, skipped)
        used = [symbol for symbol, length in enumerate(lengths) if length]
        if len(used) == 1:
            self._only = used[0]
            return
        self._codes = _canonical(lengths)

    def read(self) -> int:
        """The next symbol."""
        if self._only is not None:
            return self._only
        code = 0
        for length in range(1, 16):
            code = code << 1 | self._bits.read(1)
            symbol = self._codes.get((length, code))
            if symbol is not None:
                return symbol
        raise ValueError("no such code")


def _canonical(lengths: list[int]) -> dict[tuple[int, int], int]:
    if sum(1 << (15 - length) for length in lengths if length) != 1 << 15:
        raise ValueError("a prefix code with gaps")
    codes: dict[tuple[int, int], int] = {}
    code = 0
    for length in range(1, 16):
        for symbol, own in enumerate(lengths):
            if own == length:
                codes[length, code] = symbol
                code += 1
        code <<= 1
    return codes


def _simple_lengths(bits: Bits, alphabet: int) -> list[int]:
    count = bits.read(2) + 1
    width = _bit_count(alphabet - 1)
    symbols = [bits.read(width) for _ in range(count)]
    if len(set(symbols)) != count or max(symbols) >= alphabet:
        raise ValueError("a broken prefix code")
    shapes = {1: (1,), 2: (1, 1), 3: (1, 2, 2), 4: (2, 2, 2, 2)}
    shape = (1, 2, 3, 3) if count == 4 and bits.flag() else shapes[count]
    lengths = [0] * alphabet
    for symbol, length in zip(symbols, shape, strict=True):
        lengths[symbol] = length
    return lengths


def _complex_lengths(bits: Bits, alphabet: int, skipped: int) -> list[int]:
    of_codes = [0] * 18
    space = 32
    for symbol in _CODE_LENGTH_ORDER[skipped:]:
        size, length = ((2, 0), (2, 4), (2, 3), (3, 2), (2, 0), (2, 4), (2, 3), (4, 1))[bits.peek(3)]
        if size == 4:
            length = 5 if bits.peek(4) >> 3 else 1
        bits.skip(size)
        of_codes[symbol] = length
        if length:
            space -= 32 >> length
        if space <= 0:
            break
    used = [symbol for symbol, length in enumerate(of_codes) if length]
    if space < 0 or (space and len(used) != 1):
        raise ValueError("a broken prefix code")
    codes = {} if len(used) == 1 else _canonical(of_codes)
    return _repeated_lengths(bits, alphabet, codes, used[0])


def _repeated_lengths(bits: Bits, alphabet: int, codes: dict[tuple[int, int], int], only: int) -> list[int]:
    lengths: list[int] = []
    space, last, again, again_of = 1 << 15, 8, 0, 0
    while len(lengths) < alphabet and space > 0:
        symbol = _next(bits, codes) if codes else only
        if symbol < 16:
            lengths.append(symbol)
            again = 0
            if symbol:
                last = symbol
                space -= 1 << (15 - symbol)
            continue
        extra, value = (2, last) if symbol == 16 else (3, 0)
        before = again if again and again_of == value else 0
        more = bits.read(extra) + 3
        again = (((before - 2) << extra) + more) if before else more
        again_of = value
        lengths += [value] * (again - before)
        if value:
            space -= (again - before) << (15 - value)
    if space != 0 or len(lengths) > alphabet:
        raise ValueError("a broken prefix code")
    return lengths + [0] * (alphabet - len(lengths))


def _next(bits: Bits, codes: dict[tuple[int, int], int]) -> int:
    code = 0
    for length in range(1, 16):
        code = code << 1 | bits.read(1)
        if (length, code) in codes:
            return codes[length, code]
    raise ValueError("no such code")
