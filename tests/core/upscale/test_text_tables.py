"""Tables that keep a few bytes a text say what Python's own would, and stay small."""

from __future__ import annotations

import tracemalloc
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from core.upscale.text_tables import TextIndex, TextSet

MANY = 20_000
# What os.fsdecode makes of bytes that are no UTF-8 comes, too.
TEXTS = st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF) | st.sampled_from("aé/"), max_size=3)


@given(st.lists(TEXTS, max_size=200))
def test_a_set_knows_what_was_added_and_nothing_else(texts: list[str]) -> None:
    known: set[str] = set()
    found = TextSet()
    for text in texts:
        assert (text in found) == (text in known)
        assert found.add(text) == (text not in known)
        known.add(text)
    assert len(found) == len(known)
    assert all(text in TextSet(texts) for text in texts)


@given(st.lists(st.tuples(TEXTS, st.integers(0, (1 << 36) - 2)), max_size=200, unique_by=lambda pair: pair[1]))
def test_an_index_finds_all_numbers_of_a_text_in_order(pairs: list[tuple[str, int]]) -> None:
    index, known = TextIndex(), defaultdict(list)
    for text, number in pairs:
        index.add(text, number)
        known[text].append(number)
    for text, numbers in known.items():
        assert set(index.find(text)) >= set(numbers)
        assert index.find(text) == sorted(index.find(text))
    assert index.numbers() == sorted(number for _text, number in pairs)
    assert len(index) == len(pairs)


def test_a_number_can_become_another() -> None:
    index = TextIndex()
    index.add("a", 1)
    index.add("b", 2)
    index.replace("a", 1, 7)
    assert index.find("a") == [7]
    assert index.find("b") == [2]


def test_a_text_takes_few_bytes_however_long_it_is() -> None:
    index, found = TextIndex(), TextSet()
    tracemalloc.start()
    for number in range(MANY):
        assert found.add(f"/archive/{'x' * 200}/{number}.png")
    for_set, _peak = tracemalloc.get_traced_memory()
    for number in range(MANY):
        index.add(f"/archive/{'x' * 200}/{number}.png", number)
    for_both, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(f"/archive/{'x' * 200}/{number}.png" in found for number in range(MANY))
    assert [index.find(f"/archive/{'x' * 200}/{number}.png") for number in (0, 7, MANY - 1)] == [[0], [7], [MANY - 1]]
    assert for_set <= 50 * MANY
    assert for_both - for_set <= 25 * MANY
