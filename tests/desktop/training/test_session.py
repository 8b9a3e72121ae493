from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QCoreApplication

from core import paths
from core.contract.training import SamplesReady
from srgan_desktop.job import EngineState
from srgan_desktop.settings import TRAIN_FOLDER, TRAIN_VALIDATION, Settings
from srgan_desktop.training import session as session_module
from srgan_desktop.training.runs import read_run
from srgan_desktop.training.session import Ended, TrainingPhase, TrainSession
from tests.desktop.training.conftest import WAIT_MS, Heard
from tests.desktop.training.scripted import STEPS

Ready = Callable[[str], TrainSession]


def run_folders() -> list[Path]:
    return sorted(paths.user_runs().iterdir()) if paths.user_runs().is_dir() else []


def test_a_folder_is_examined_and_samples_are_made(session: TrainSession, options: Settings, qtbot, home: Path) -> None:
    (home / "plain").mkdir()
    with qtbot.waitSignal(session.examiner.samples_ready, timeout=WAIT_MS) as samples:
        options.set(TRAIN_FOLDER, str(home / "plain"))
        assert session.why_not_start == "Still checking the pictures."
    assert isinstance(samples.args[0], SamplesReady)
    found = session.examiner.found
    assert (found.finished.training, found.finished.validation) == (10, 2)
    assert [each.kind for each in found.quarantined] == ["small", "duplicate"]
    assert session.can_start


def test_an_unusable_folder_is_said_and_nothing_can_start(
    session: TrainSession, options: Settings, qtbot, home: Path
) -> None:
    (home / "unusable").mkdir()
    options.set(TRAIN_FOLDER, str(home / "unusable"))
    qtbot.waitUntil(lambda: session.examiner.found.problem is not None, timeout=WAIT_MS)
    assert session.why_not_start == "There is nothing to learn from."
    assert not session.can_start
    session.start()
    assert not session.busy


def test_pictures_are_looked_at_again_when_the_page_is_shown_after_the_worker_died_of_them(
    session: TrainSession, options: Settings, qtbot, home: Path
) -> None:
    (home / "dies-at-first").mkdir()
    with qtbot.waitSignal(session.examiner.samples_ready, timeout=WAIT_MS) as samples:
        options.set(TRAIN_FOLDER, str(home / "dies-at-first"))
    for problem in (session.examiner.found.problem, samples.args[0]):
        assert "memory" in problem.message
        assert "Choose the folder again" in problem.hint
        assert "Start" not in problem.hint
    session.look_at_pictures()
    qtbot.waitUntil(lambda: session.can_start, timeout=WAIT_MS)


def test_a_folder_that_was_not_there_is_looked_at_again_with_the_next_change(
    session: TrainSession, options: Settings, qtbot, home: Path
) -> None:
    options.set(TRAIN_FOLDER, str(home / "a disk"))
    qtbot.waitUntil(lambda: session.examiner.found.problem is not None, timeout=WAIT_MS)
    assert session.why_not_start == "The folder is not there."
    (home / "a disk").mkdir()
    session.draft.set("psnr.steps", "7")
    qtbot.waitUntil(lambda: session.can_start, timeout=WAIT_MS)


def test_another_minimum_looks_at_the_pictures_again_and_another_rate_does_not(ready: Ready, qtbot) -> None:
    session = ready("plain")
    before = session.examiner.found
    session.draft.set("psnr.rate", "0.001")
    session.scan_timer.timeout.emit()
    assert session.examiner.found is before
    session.draft.set("data.minimum_side", "200")
    session.scan_timer.timeout.emit()
    assert session.examiner.found is not before
    qtbot.waitUntil(lambda: session.can_start, timeout=WAIT_MS)


def test_a_folder_of_held_out_pictures_goes_into_scan_and_run(ready: Ready, options: Settings, home: Path) -> None:
    session = ready("plain")
    options.set(TRAIN_VALIDATION, str(home))
    assert session.examiner.found.running
    assert session.request(home / "run").validation == home


def test_a_run_tells_everything_in_order(ready: Ready, qtbot) -> None:
    session = ready("plain")
    heard = Heard(session)
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS) as ended:
        session.start()
    record = ended.args[0].record
    assert not ended.args[0].stopped
    assert heard.words[:3] == ["starting", "begun", "running"]
    assert heard.words[-2:] == ["idle", "ended"]
    assert heard.words.count("validated") == STEPS // 2
    assert heard.words.count("stepped") >= STEPS
    assert record is session.record
    assert record.losses["l1"].steps == list(range(1, STEPS + 1))
    assert record.bicubic_psnr == 27.0
    assert record.finished.better_than_bicubic
    assert not record.can_go_on
    qtbot.waitUntil(lambda: [each.folder for each in session.files.runs] == run_folders(), timeout=WAIT_MS)


def test_the_recipes_changes_and_name_reach_the_run(ready: Ready, qtbot) -> None:
    session = ready("plain")
    session.draft.set("name", "My cats, summer")
    session.draft.set("psnr.rate", "0.0005")
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.start()
    (folder,) = run_folders()
    assert folder.name.startswith("my-cats-summer-")
    assert 'name = "My cats, summer"' in (folder / "recipe.toml").read_text()
    assert "rate = 0.0005" in (folder / "recipe.toml").read_text()


def test_pause_makes_it_wait_and_going_on_lets_it_end(ready: Ready, qtbot) -> None:
    session = ready("waits")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    with qtbot.waitSignal(session.notice, timeout=WAIT_MS):
        session.pause()
    assert session.phase is TrainingPhase.PAUSED
    assert session.record.step == 2
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.go_on()
    assert session.record.finished is not None


def test_a_stopped_run_goes_on_where_it_was(ready: Ready, qtbot) -> None:
    session = ready("waits")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS) as ended:
        session.stop()
        assert session.phase is TrainingPhase.STOPPING
    assert ended.args[0].stopped
    assert ended.args[0].record.can_go_on
    with qtbot.waitSignal(session.begun, timeout=WAIT_MS):
        session.resume(ended.args[0].record.folder)
    qtbot.waitUntil(lambda: session.phase is TrainingPhase.RUNNING, timeout=WAIT_MS)
    with qtbot.waitSignal(session.notice, timeout=WAIT_MS):
        session.pause()
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.go_on()
    assert session.record.losses["l1"].steps == list(range(1, STEPS + 1))
    assert len(run_folders()) == 1


def test_a_worker_that_dies_when_it_is_to_stop_has_not_saved_everything(ready: Ready, qtbot) -> None:
    session = ready("waits-and-dies")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS) as ended:
        session.stop()
    assert ended.args[0].stopped
    assert "last saved state" in ended.args[0].problem.hint
    assert session.engine is EngineState.STOPPED


def test_a_run_goes_on_after_a_restart_of_the_program(
    ready: Ready, make_session: Callable[[], TrainSession], qtbot
) -> None:
    first = ready("waits")
    first.start()
    qtbot.waitUntil(lambda: first.record is not None and first.record.step == 2, timeout=WAIT_MS)
    # Closing the window: the run is stopped and saved before its process is told to exit.
    with qtbot.waitSignal(first.stopped, timeout=WAIT_MS):
        first.shutdown()
    (folder,) = run_folders()
    assert (folder / "checkpoints" / "checkpoint-00000002.safetensors").is_file()

    second = make_session()
    with qtbot.waitSignal(second.files.listed, timeout=WAIT_MS):
        second.files.reload()
    (past,) = second.files.runs
    assert past.can_go_on
    assert past.step == 2
    with qtbot.waitSignal(second.begun, timeout=WAIT_MS):
        second.resume(past.folder)
    assert second.record.losses["l1"].steps == [1, 2]
    qtbot.waitUntil(lambda: second.phase is TrainingPhase.RUNNING, timeout=WAIT_MS)
    with qtbot.waitSignal(second.notice, timeout=WAIT_MS):
        second.pause()
    with qtbot.waitSignal(second.ended, timeout=WAIT_MS):
        second.go_on()
    assert second.record.finished is not None
    assert [each.step for each in second.record.validations] == [2, 4, 6]


def test_a_run_whose_pictures_are_gone_says_so(ready: Ready, qtbot, home: Path) -> None:
    session = ready("waits")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.stop()
    (home / "waits").rmdir()
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.resume(session.record.folder)
    assert "are gone" in failed.args[0].message
    assert not session.busy


def test_a_failure_is_told_in_its_words(ready: Ready, qtbot) -> None:
    session = ready("fails")
    heard = Heard(session)
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.start()
    assert failed.args[0].message == "The disk is full."
    assert heard.words[-2:] == ["idle", "failed"]
    assert session.record is None
    assert run_folders() == []


def test_a_killed_worker_leaves_a_run_that_goes_on(ready: Ready, qtbot) -> None:
    session = ready("dies")
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.start()
    assert "memory ran out" in failed.args[0].message
    assert failed.args[0].hint.startswith("Press Resume")
    assert not session.busy
    assert session.record.can_go_on
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.resume(session.record.folder)
    assert session.record.finished is not None


def test_a_worker_killed_while_paused_is_noticed(ready: Ready, qtbot) -> None:
    session = ready("waits")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    with qtbot.waitSignal(session.notice, timeout=WAIT_MS):
        session.pause()
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS):
        psutil.Process(session.worker_pid).kill()
    assert session.phase is TrainingPhase.IDLE


def test_an_estimate_holds_until_the_recipe_changes(ready: Ready, qtbot) -> None:
    session = ready("plain")
    session.try_steps()
    assert session.estimator.busy
    qtbot.waitUntil(lambda: session.estimator.estimate is not None and not session.estimator.busy, timeout=WAIT_MS)
    assert session.estimator.estimate.seconds_total == 7200.0
    session.draft.set("psnr.steps", "7")
    assert session.estimator.estimate is None


def test_an_estimate_that_the_worker_died_of_advises_on_the_recipe(ready: Ready, qtbot) -> None:
    session = ready("dies")
    session.try_steps()
    qtbot.waitUntil(lambda: session.estimator.problem is not None, timeout=WAIT_MS)
    assert "smaller batch" in session.estimator.problem.hint
    assert "tile" not in session.estimator.problem.hint


def test_a_model_is_copied_once_under_a_free_name(ready: Ready, qtbot) -> None:
    session = ready("plain")
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.start()
    paths.user_models().mkdir(parents=True)
    taken = paths.user_models() / "my-model-x4.pth"
    taken.write_bytes(b"another model")
    with qtbot.waitSignal(session.files.installed, timeout=WAIT_MS) as first:
        session.files.install(session.record)
    with qtbot.waitSignal(session.files.installed, timeout=WAIT_MS) as again:
        session.files.install(session.record)
    assert first.args == again.args == ["my-model-x4-2"]
    assert taken.read_bytes() == b"another model"
    copied = paths.user_models() / "my-model-x4-2.safetensors"
    assert copied.read_bytes() == (session.record.folder / "model.safetensors").read_bytes()
    assert sorted(path.name for path in paths.user_models().iterdir()) == sorted([taken.name, copied.name])


def test_a_run_is_deleted_for_good_but_nothing_else_is(ready: Ready, qtbot, home: Path) -> None:
    session = ready("plain")
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.start()
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "recipe.toml").write_text("")
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS):
        session.delete_run(elsewhere)
    assert elsewhere.is_dir()
    folder = session.record.folder
    session.delete_run(folder)
    qtbot.waitUntil(lambda: session.files.runs == [] and not folder.exists(), timeout=WAIT_MS)
    assert session.record is None


def test_the_run_under_way_is_not_deleted(ready: Ready, qtbot) -> None:
    session = ready("waits")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    session.delete_run(session.record.folder)
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS) as ended:
        session.stop()
    assert isinstance(ended.args[0], Ended)
    assert read_run(ended.args[0].record.folder).can_go_on


def test_another_run_can_be_looked_at_meanwhile(ready: Ready, qtbot, options: Settings, home: Path) -> None:
    session = ready("plain")
    with qtbot.waitSignal(session.ended, timeout=WAIT_MS):
        session.start()
    past = session.record.folder
    (home / "waits").mkdir()
    options.set(TRAIN_FOLDER, str(home / "waits"))
    qtbot.waitUntil(lambda: session.can_start, timeout=WAIT_MS)
    session.draft.set("name", "second")
    session.start()
    qtbot.waitUntil(lambda: session.record is not None and session.record.step == 2, timeout=WAIT_MS)
    running = session.record
    with qtbot.waitSignal(session.begun, timeout=WAIT_MS):
        session.open_run(past)
    assert session.record.finished is not None
    assert not session.shows_active
    assert session.active_folder == running.folder
    with qtbot.waitSignal(session.begun, timeout=WAIT_MS):
        session.open_run(running.folder)
    assert session.record is running
    assert session.shows_active


def test_a_recipe_that_is_not_valid_is_not_taken(session: TrainSession, qtbot, home: Path) -> None:
    bad = home / "bad.toml"
    bad.write_text("name = 3")
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        assert not session.choose_recipe(str(bad))
    assert "bad.toml is not valid" in failed.args[0].message
    assert session.draft.source == "quick"


def archive_is_gone() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name == "run files"]


def test_shutdown_does_not_wait_for_a_list_of_runs_that_hangs(
    session: TrainSession, qtbot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srgan_desktop.background.GRACE_MS", 0)
    gate = threading.Event()
    monkeypatch.setattr("srgan_desktop.training.files.read_runs", lambda _root: gate.wait() and [])
    session.files.reload()
    try:
        with qtbot.waitSignal(session.stopped, timeout=WAIT_MS):
            session.shutdown()
        assert not archive_is_gone()
    finally:
        gate.set()
    qtbot.waitUntil(archive_is_gone, timeout=WAIT_MS)


def test_shutdown_waits_for_what_is_being_written(
    session: TrainSession, qtbot, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srgan_desktop.background.GRACE_MS", 0)
    gate, stopped = threading.Event(), []
    monkeypatch.setattr("srgan_desktop.training.files.delete_run_folder", lambda _folder, _root: gate.wait() and [])
    session.stopped.connect(lambda: stopped.append(True))
    session.delete_run(home / "a run")
    session.shutdown()
    try:
        for _ in range(20):
            QCoreApplication.processEvents()
        assert stopped == []
    finally:
        gate.set()
    qtbot.waitUntil(lambda: stopped == [True], timeout=WAIT_MS)
    assert archive_is_gone()


@pytest.mark.parametrize("part", ["plain", "waits"])
def test_shutdown_leaves_nothing(ready: Ready, qtbot, part: str) -> None:
    session = ready(part)
    session.start()
    with qtbot.waitSignal(session.stopped, timeout=WAIT_MS):
        session.shutdown()
    assert session.worker_pid is None


def test_without_torch_it_says_what_is_needed(session: TrainSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "has_torch", lambda: False)
    assert session.why_not_start.startswith("Training needs torch, which this light edition leaves out.")
    assert not session.can_start
