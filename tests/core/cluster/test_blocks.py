"""Every task of a run comes to its end exactly once, whatever dies."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from core.cluster.blocks import LEAST_PIXELS, MOST_FILES, MOST_PIXELS, SUSPECTS, Block, Blocks


def finish(blocks: Blocks, block: Block) -> None:
    for number in block.numbers:
        assert blocks.finish(block, number)


def test_blocks_are_cut_by_pixels_in_order_and_shrink_towards_the_end() -> None:
    blocks = Blocks([LEAST_PIXELS // 4] * 1000)
    sizes, numbers = [], []
    while block := blocks.take(4):
        sizes.append(len(block.numbers))
        numbers += block.numbers
        finish(blocks, block)
    assert numbers == list(range(1000))
    assert blocks.done
    assert sizes[0] == 1000 // 12
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[-2] == 4


def test_what_comes_later_follows_what_is_known() -> None:
    blocks = Blocks([LEAST_PIXELS] * 2)
    first, second = blocks.take(1), blocks.take(1)
    assert first is not None
    assert second is not None
    finish(blocks, first)
    assert not blocks.done
    blocks.add([LEAST_PIXELS] * 2)
    assert blocks.waiting == blocks.at_least == 2
    assert blocks.give_back(second, blameless=True) == []
    numbers = []
    while block := blocks.take(1):
        numbers += block.numbers
        finish(blocks, block)
    assert numbers == [1, 2, 3]
    assert blocks.done


def test_no_block_is_larger_than_one_may_lose() -> None:
    large = Blocks([MOST_PIXELS // 10] * 10_000).take(1)
    assert large is not None
    assert len(large.numbers) == 10
    tiny = Blocks([100] * 10_000_000).take(1)
    assert tiny is not None
    assert len(tiny.numbers) == MOST_FILES
    huge = Blocks([MOST_PIXELS * 3, 5]).take(9)
    assert huge is not None
    assert huge.numbers == [0]


def test_a_picture_that_kills_its_worker_twice_is_given_up_and_no_other() -> None:
    blocks = Blocks([10] * 100)
    killer, deaths, done = 57, 0, []
    while block := blocks.take(1):
        for number in block.numbers:
            if number == killer:
                deaths += 1
                given_up = blocks.give_back(block, blameless=False)
                break
            assert blocks.finish(block, number)
            done.append(number)
    assert deaths == 2
    assert given_up == [killer]
    assert sorted(done) == [number for number in range(100) if number != killer]
    assert blocks.done


def test_a_machine_that_is_lost_blames_no_picture() -> None:
    blocks = Blocks([10] * 40)
    for _ in range(5):
        block = blocks.take(1)
        assert blocks.give_back(block, blameless=True) == []
    assert not block.alone
    # Those that are done by themselves after a death stay so.
    blocks.give_back(blocks.take(1), blameless=False)
    for _ in range(3):
        alone = blocks.take(1)
        assert alone.alone
        assert blocks.give_back(alone, blameless=True) == []
    assert len([1 for _ in range(SUSPECTS) if finish(blocks, blocks.take(1)) is None]) == SUSPECTS
    rest = blocks.take(1)
    assert rest.numbers == list(range(SUSPECTS, 40))


def test_a_result_that_comes_again_does_not_count() -> None:
    blocks = Blocks([10, 10])
    block = blocks.take(1)
    assert blocks.finish(block, 0)
    assert not blocks.finish(block, 0)
    blocks.give_back(block, blameless=True)
    assert not blocks.finish(block, 1)
    assert not blocks.done


@given(
    st.lists(st.integers(1, 3 * LEAST_PIXELS), min_size=1, max_size=60),
    st.integers(1, 5),
    st.sets(st.integers(0, 59), max_size=4),
    st.integers(0, 1000),
)
def test_nothing_is_lost_and_nothing_twice(pixels: list[int], workers: int, killers: set[int], seed: int) -> None:
    random = Random(seed)
    blocks = Blocks(pixels)
    killers &= set(range(len(pixels)))
    ended: list[int] = []
    hands: list[Block] = []
    for _ in range(10_000):
        while len(hands) < workers and (block := blocks.take(workers)):
            hands.append(block)
        if not hands:
            break
        block = hands.pop(random.randrange(len(hands)))
        if random.random() < 0.1:
            assert blocks.give_back(block, blameless=True) == []
            continue
        died = False
        for number in block.numbers:
            if number in killers:
                ended += blocks.give_back(block, blameless=False)
                died = True
                break
            assert blocks.finish(block, number)
            ended.append(number)
        if not died:
            assert blocks.give_back(block, blameless=True) == []
    assert blocks.done
    assert sorted(ended) == list(range(len(pixels)))
