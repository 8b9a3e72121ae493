"""A worker by itself, in this process: what it tells of a block, and what it leaves on the disk."""

from __future__ import annotations

from pathlib import Path

import torch

from core.cluster.messages import Assignment, Begun, BlockEnd, Made, Message, NotMade, Said, TaskProgress
from core.cluster.worker import UpscaleWorker, thinned
from core.contract.cancel import CancelToken
from core.upscale.batch import upscale
from core.upscale.plan import plan
from tests.core.cluster.conftest import broken_picture, request_for
from tests.core.upscale.conftest import files_in, picture


def block_of(request, folder: Path) -> list[Assignment]:
    tasks = plan(request, CancelToken()).tasks
    return [Assignment(number, task, folder / f".srgan-{number}.part") for number, task in enumerate(tasks, 7)]


def test_results_are_those_of_one_machine_and_get_no_names(tmp_path: Path, model: str) -> None:
    for number in range(3):
        picture(tmp_path / "in" / f"{number}.png", seed=number)
    broken_picture(tmp_path / "in" / "broken.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    work = tmp_path / "work"
    work.mkdir()
    block = block_of(request, work)
    said = [message for report in UpscaleWorker(request, 1).run(block, 0.01) for message in report]
    assert said[-1] == BlockEnd()
    assert isinstance(said[0], Said)
    assert [each.number for each in said if isinstance(each, Begun)] == [7, 8, 9]
    assert sorted(each.number for each in said if isinstance(each, Made)) == [7, 8, 9]
    [failed] = [each for each in said if isinstance(each, NotMade)]
    assert failed.number == 10
    assert failed.ends is None
    assert "broken.png" in failed.event.message
    assert all(0 <= each.fraction <= 1 for each in said if isinstance(each, TaskProgress))
    assert not (tmp_path / "out").exists()
    assert torch.get_num_threads() == 1
    list(upscale(request, CancelToken()))
    for each in block[:3]:
        assert each.temporary.read_bytes() == each.task.output.read_bytes()
    assert files_in(tmp_path / "out") == ["0.png", "1.png", "2.png"]


def test_a_worker_that_is_stopped_says_so_and_no_more(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    worker = UpscaleWorker(request, 1)
    worker.order("pause")
    worker.order("cancel")
    reports = list(worker.run(block_of(request, tmp_path), 0.01))
    assert not any(isinstance(each, Made | NotMade) for report in reports for each in report)
    assert reports[-1][-1] == BlockEnd()


def test_a_folder_that_is_gone_ends_the_run(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    block = [Assignment(each.number, each.task, Path("/dev/full/x")) for each in block_of(request, tmp_path)]
    said = [message for report in UpscaleWorker(request, 1).run(block, 0.01) for message in report]
    [failed] = [each for each in said if isinstance(each, NotMade)]
    # The output folder is not there, which the worker sees as a disk that is gone.
    assert failed.ends is not None


def test_a_model_that_is_gone_is_told_in_words(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    block = block_of(request, tmp_path)
    elsewhere = request_for(str(tmp_path / "none.safetensors"), tmp_path / "out", tmp_path / "in")
    [[end]] = list(UpscaleWorker(elsewhere, 1).run(block, 0.01))
    assert "none.safetensors" in end.error.message


def test_a_report_holds_the_last_word_on_each_pictures_progress() -> None:
    said: list[Message] = [
        TaskProgress(1, 0.2),
        TaskProgress(2, 0.3),
        Said("so"),
        TaskProgress(1, 0.6),
        TaskProgress(2, 0.4),
    ]
    assert thinned(said) == [Said("so"), TaskProgress(1, 0.6), TaskProgress(2, 0.4)]
