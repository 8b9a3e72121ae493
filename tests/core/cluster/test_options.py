"""What a user says of a cluster, and what follows from it for its workers."""

from __future__ import annotations

import pytest

from core.cluster.options import ClusterOptions, Node, Share, device_for, share_for
from core.contract.errors import UserError

BIG, SMALL = Node("1", "big", 16), Node("2", "small", 4)
CARDS = Node("3", "cards", 12, 4)
HEAD = Node("4", "head", 0)


@pytest.mark.parametrize(
    ("text", "share"),
    [("gpu=1", Share(1, 1)), ("cpu=4", Share(4)), ("gpu=0.5,cpu=2", Share(2, 0.5)), (" cpu=2 , gpu=1 ", Share(2, 1))],
)
def test_a_share_is_read_as_it_is_written(text: str, share: Share) -> None:
    assert Share.parse(text) == share
    assert Share.parse(str(share)) == share


@pytest.mark.parametrize(
    "text", ["", "4", "cpu", "cpu=", "cpu=0", "cpu=1.5", "cpu=-1", "gpu=-1", "gpu=nan", "gpu=inf", "gpu=2", "ram=3"]
)
def test_other_shares_are_refused_in_words(text: str) -> None:
    with pytest.raises(UserError) as refused:
        Share.parse(text)
    assert "gpu=1" in refused.value.hint


def test_a_worker_gets_a_card_where_there_are_some_and_a_few_cores_elsewhere() -> None:
    assert share_for([BIG, SMALL, HEAD], ClusterOptions(), "auto") == Share(4)
    assert share_for([BIG], ClusterOptions(), "auto") == Share(8)
    assert share_for([BIG, CARDS, HEAD], ClusterOptions(), "auto") == Share(3, 1)
    assert share_for([BIG, CARDS], ClusterOptions(), "cpu") == Share(8)
    assert share_for([CARDS], ClusterOptions(share=Share(2)), "auto") == Share(2)


@pytest.mark.parametrize(
    ("share", "device", "words"),
    [
        (Share(32), "auto", "cpu=32"),
        (Share(1, 1), "auto", "gpu=1"),
        (Share(1), "cuda", "no graphics card"),
        (None, "cuda:0", "no graphics card"),
    ],
)
def test_what_no_machine_has_is_refused_before_the_run(share: Share | None, device: str, words: str) -> None:
    with pytest.raises(UserError) as refused:
        share_for([BIG, SMALL], ClusterOptions(share=share), device)
    assert words in refused.value.message


def test_a_cluster_without_a_machine_is_refused() -> None:
    with pytest.raises(UserError, match="No machine"):
        share_for([HEAD], ClusterOptions(), "auto")


def test_a_worker_without_a_card_leaves_those_of_others_alone() -> None:
    assert device_for(Share(1), [CARDS], "auto") == "cpu"
    assert device_for(Share(1), [BIG], "auto") == "auto"
    assert device_for(Share(1, 1), [CARDS], "auto") == "auto"
    assert device_for(Share(1, 1), [CARDS], "cuda:3") == "cuda"


def test_room_counts_what_runs_out_first() -> None:
    assert [node.room_for(Share(3, 1)) for node in (BIG, CARDS, HEAD)] == [0, 4, 0]
    assert [node.room_for(Share(3)) for node in (BIG, CARDS, HEAD)] == [5, 4, 0]
    assert CARDS.room_for(Share(1, 0.5)) == 8
