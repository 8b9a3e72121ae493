"""The state behind the Models page: files, downloads from a server of the test's, and trials by a scripted worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core import paths
from core.contract.evaluate import CheckReady, CompareFailed, ModelCompared
from core.models.catalogue import DEFAULT_MODEL
from core.models.known import KnownModel
from srgan_desktop import settings
from srgan_desktop.job import EngineState
from srgan_desktop.models.session import CHECK_MOST, COMPARE_SIDE, ModelsSession, Trial
from srgan_desktop.settings import Settings
from tests.desktop.conftest import make_picture
from tests.desktop.models.conftest import WAIT_MS, Server, name_of


@pytest.fixture
def with_picture(session: ModelsSession, tmp_path: Path, qtbot) -> ModelsSession:
    session.choose_picture(make_picture(tmp_path / "a.png", 400, 300))
    qtbot.waitUntil(lambda: session.picture is not None, timeout=WAIT_MS)
    return session


def keys(session: ModelsSession) -> list[str]:
    return [model.key for model in session.models if not model.shipped]


def test_models_that_come_and_go_are_listed(session: ModelsSession, make_own: Callable[..., Path]) -> None:
    assert keys(session) == []
    path = make_own("mine")
    session.reload()
    assert keys(session) == ["mine"]
    path.unlink()
    session.reload()
    assert keys(session) == []


def test_files_and_folders_are_brought_in_and_refused_each_for_itself(
    session: ModelsSession, qtbot, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("b.pth", "a.safetensors", "readme.txt", ".hidden.pth"):
        (folder / name).touch()
    with qtbot.waitSignal(session.imported, timeout=WAIT_MS) as done:
        session.import_files([tmp_path / "evil.pth", folder])
        assert session.busy
    outcome = done.args[0]
    assert [event.key for event in outcome.added] == ["a", "b"]
    assert [event.message for event in outcome.refused] == ["evil.pth would run code."]
    assert session.engine is EngineState.READY
    qtbot.waitUntil(lambda: not session.busy, timeout=WAIT_MS)


def test_a_folder_without_models_is_said_so(session: ModelsSession, qtbot, tmp_path: Path) -> None:
    with qtbot.waitSignal(session.failed) as failed:
        session.import_files([tmp_path])
    assert failed.args[0].message == "There is no model file in that folder."
    assert not session.busy


def test_a_default_model_is_followed_by_name_and_given_up_when_it_goes(
    session: ModelsSession, make_own: Callable[..., Path], options: Settings, qtbot
) -> None:
    make_own("mine")
    session.reload()
    assert session.default_key == DEFAULT_MODEL
    session.make_default("mine")
    assert options.get(settings.MODEL) == "mine"
    with qtbot.waitSignal(session.renamed, timeout=WAIT_MS) as renamed:
        session.rename("mine", "Mine too: x4")
    assert renamed.args == ["mine", "Mine too- x4"]
    assert name_of("Mine too- x4") == "Mine too: x4"
    assert session.default_key == "Mine too- x4"
    session.remove("Mine too- x4")
    qtbot.waitUntil(lambda: keys(session) == [], timeout=WAIT_MS)
    assert session.default_key == DEFAULT_MODEL
    assert list(paths.user_models().iterdir()) == []


def test_what_came_with_the_program_is_never_removed(session: ModelsSession, qtbot) -> None:
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.remove(DEFAULT_MODEL)
    assert "belongs to the program" in failed.args[0].message
    assert session.find(DEFAULT_MODEL).path.is_file()


def test_the_hash_of_a_file(session: ModelsSession, make_own: Callable[..., Path], qtbot) -> None:
    path = make_own("mine")
    with qtbot.waitSignal(session.hashed, timeout=WAIT_MS) as hashed:
        session.hash(path)
    assert hashed.args == [path, hashlib.sha256(path.read_bytes()).hexdigest()]


def test_only_models_of_one_topology_can_be_blended(session: ModelsSession, make_own: Callable[..., Path]) -> None:
    for key, network in {"a": {}, "b": {"seed": 1}, "wide": {"features": 16}, "double": {"scale": 2}}.items():
        make_own(key, **network)
    session.reload()
    assert [model.key for model in session.partners(session.find("a"))] == ["b"]
    assert session.partners(session.find("wide")) == []


def test_a_blend_ends_with_a_model_or_with_words(session: ModelsSession, qtbot) -> None:
    with qtbot.waitSignal(session.added, timeout=WAIT_MS) as added:
        session.blend("a", "b", 0.25, "half")
    assert added.args[0].key == "a-b-0.25-half"
    qtbot.waitUntil(lambda: not session.blending, timeout=WAIT_MS)
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.blend("fails", "b", 0.5, "no")
    assert failed.args[0].message == "These models are different networks."
    assert not session.blending


# Downloads


def test_a_download_arrives_checked_and_can_be_used(
    known: KnownModel, make_session: Callable[[], ModelsSession], qtbot
) -> None:
    session = make_session()
    assert [each.key for each in session.known] == ["remote"]
    seen = []
    session.downloading.connect(lambda key: seen.append(session.downloads.get(key)))
    with qtbot.waitSignal(session.added, timeout=WAIT_MS) as added:
        session.download("remote")
    assert added.args[0].key == "remote"
    assert session.find("remote").kind == "downloaded"
    assert session.known == []
    assert session.downloads == {}
    assert seen[0].done == 0
    assert any(each is not None and each.done == each.total > 0 for each in seen)
    assert session.worker_pid is None


def test_a_cancelled_download_goes_on_where_it_was(
    known: KnownModel, server: Server, make_session: Callable[[], ModelsSession], qtbot
) -> None:
    session = make_session()
    server.hold = True
    session.download("remote")
    qtbot.waitUntil(lambda: session.downloads["remote"].done > 0, timeout=WAIT_MS)
    session.cancel_download("remote")
    qtbot.waitUntil(lambda: "remote" not in session.downloads, timeout=WAIT_MS)
    assert session.find("remote") is None
    server.hold = False
    server.released.set()
    with qtbot.waitSignal(session.added, timeout=WAIT_MS):
        session.download("remote")
    assert server.starts[0] == 0 < server.starts[-1]


def test_no_connection_is_put_into_words_and_another_try_is_possible(
    known: KnownModel, server: Server, make_session: Callable[[], ModelsSession], qtbot
) -> None:
    session = make_session()
    server.close()
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.download("remote")
    assert "no connection" in failed.args[0].message
    assert session.downloads["remote"].problem == failed.args[0]


def test_shutdown_in_the_middle_of_a_download(known: KnownModel, server: Server, options: Settings, qtbot) -> None:
    session = ModelsSession(options)
    server.hold = True
    session.download("remote")
    qtbot.waitUntil(lambda: session.downloads["remote"].done > 0, timeout=WAIT_MS)
    with qtbot.waitSignal(session.stopped, timeout=WAIT_MS):
        session.shutdown()
    server.released.set()


# Trials


def test_a_picture_is_read_and_its_middle_taken(with_picture: ModelsSession, qtbot, tmp_path: Path) -> None:
    session = with_picture
    assert session.picture.size == (400, 300)
    assert session.check_region == (0, 0, 400, 300)
    assert session.compare_region == (72, 22, COMPARE_SIDE, COMPARE_SIDE)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS):
        session.choose_picture(tmp_path / "broken.png")
    assert session.picture.path.name == "a.png"
    assert session.opening is None


def test_a_part_stays_in_the_picture_and_within_reason(with_picture: ModelsSession) -> None:
    session = with_picture
    session.choose_check_region((390, -20, 5, 5))
    assert session.check_region == (336, 0, 64, 64)
    session.choose_compare_region((-50, 100, 9_000, 9_000))
    assert session.compare_region == (0, 0, 400, 300)
    assert CHECK_MOST > 400 * 300


def test_a_check_ends_with_figures(with_picture: ModelsSession, qtbot) -> None:
    session = with_picture
    with qtbot.waitSignal(session.checked, timeout=WAIT_MS) as checked:
        session.check("mine")
    assert checked.args[0].model == "mine"
    assert checked.args[0].region == session.check_region
    qtbot.waitUntil(lambda: session.trial is Trial.NONE, timeout=WAIT_MS)


def test_a_newer_trial_replaces_the_one_before(with_picture: ModelsSession, qtbot) -> None:
    session = with_picture
    session.check("waits")
    qtbot.waitUntil(lambda: session.fraction == 0.5, timeout=WAIT_MS)
    with qtbot.waitSignal(session.checked, timeout=WAIT_MS) as checked:
        session.check("mine")
    assert checked.args[0].model == "mine"


def test_a_stopped_trial_is_over_at_once(with_picture: ModelsSession, qtbot) -> None:
    session = with_picture
    session.check("waits")
    qtbot.waitUntil(lambda: session.fraction == 0.5, timeout=WAIT_MS)
    session.stop_trial()
    assert session.trial is Trial.NONE
    with qtbot.waitSignal(session.checked, timeout=WAIT_MS):
        session.check("mine")


def test_another_picture_is_not_given_the_figures_of_the_one_before(
    with_picture: ModelsSession, qtbot, tmp_path: Path
) -> None:
    session = with_picture
    heard: list[CheckReady] = []
    session.checked.connect(heard.append)
    session.check("mine")
    session.choose_picture(make_picture(tmp_path / "b.png", 400, 300, seed=1))
    assert session.trial is Trial.NONE
    qtbot.waitUntil(lambda: session.picture.path.name == "b.png", timeout=WAIT_MS)
    with qtbot.waitSignal(session.checked, timeout=WAIT_MS):
        session.check("mine")
    assert [ready.source.name for ready in heard] == ["b.png"]


def test_a_worker_that_dies_is_put_into_words(with_picture: ModelsSession, qtbot) -> None:
    session = with_picture
    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as failed:
        session.check("dies")
    assert "memory" in failed.args[0].message
    assert "smaller part" in failed.args[0].hint
    assert session.trial is Trial.NONE
    assert session.engine is EngineState.STOPPED
    with qtbot.waitSignal(session.checked, timeout=WAIT_MS):
        session.check("mine")


def test_each_compared_model_answers_for_itself(with_picture: ModelsSession, qtbot) -> None:
    session = with_picture
    heard: list[ModelCompared | CompareFailed] = []
    session.compared.connect(heard.append)
    session.compare(["a", "fails", "b"])
    qtbot.waitUntil(lambda: session.trial is Trial.NONE, timeout=WAIT_MS)
    assert [(event.index, type(event)) for event in heard] == [
        (0, ModelCompared),
        (1, CompareFailed),
        (2, ModelCompared),
    ]
    session.compare(["a"])
    assert session.trial is Trial.NONE
