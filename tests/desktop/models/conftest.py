from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import paths
from core.models import catalogue, downloads
from core.models.card import ModelCard, read_card
from core.models.known import KnownModel
from srgan_desktop.job import Job
from srgan_desktop.models.session import ModelsSession
from srgan_desktop.settings import Settings
from tests.core.networks import save_small_model
from tests.desktop.models.scripted import scripted
from tests.local_server import LocalHandler, LocalServer

WAIT_MS = 60_000


@pytest.fixture
def no_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches for the internet, whatever it clicks."""
    monkeypatch.setattr(catalogue, "KNOWN", ())


@pytest.fixture
def one_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Only the default model ships, so that lists do not depend on which others do."""
    folder = tmp_path_factory.mktemp("shipped")
    name = f"{catalogue.DEFAULT_MODEL}.safetensors"
    shutil.copyfile(paths.SHIPPED_MODELS / name, folder / name)
    monkeypatch.setattr(paths, "SHIPPED_MODELS", folder)


@pytest.fixture
def make_own(own_home: Path) -> Callable[..., Path]:
    """Puts small real models into the user's folder."""

    def make(key: str, **network: int) -> Path:
        paths.user_models().mkdir(parents=True, exist_ok=True)
        return save_small_model(paths.user_models() / f"{key}.safetensors", **network)

    return make


@pytest.fixture
def make_session(warm_workers: None, options: Settings, qtbot) -> Iterator[Callable[[], ModelsSession]]:
    """Sessions over scripted workers; none leaves a process or thread behind."""
    made: list[ModelsSession] = []

    def make() -> ModelsSession:
        made.append(ModelsSession(options, job=Job(target=scripted)))
        return made[-1]

    yield make
    for session in made:
        with qtbot.waitSignal(session.stopped, timeout=WAIT_MS):
            session.shutdown()


@pytest.fixture
def session(no_known: None, one_shipped: None, make_session: Callable[[], ModelsSession]) -> ModelsSession:
    return make_session()


class Server(LocalServer):
    """Serves one body; with `hold`, sends half of it and waits until it is released."""

    def __init__(self, body: bytes) -> None:
        super().__init__(_Handler)
        self.body = body
        self.hold = False
        self.starts: list[int] = []


class _Handler(LocalHandler):
    server: Server

    def do_GET(self) -> None:
        body, start, half = self.server.body, self.start, len(self.server.body) // 2
        self.server.starts.append(start)
        self.send_head(len(body), start)
        if self.server.hold:
            self.wfile.write(body[start:half])
            self.wfile.flush()
            self.server.released.wait()
            self.close_connection = True
        else:
            self.wfile.write(body[start:])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(save_small_model(tmp_path / "remote.safetensors", features=32).read_bytes())
    yield server
    server.close()


@pytest.fixture
def known(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KnownModel:
    """A model that lies on the server alone."""
    known = KnownModel(
        f"{server.url}/remote.safetensors",
        hashlib.sha256(server.body).hexdigest(),
        len(server.body) / 1e6,
        "Anything, in a test.",
        ModelCard("remote", license="MIT", description="Anything, in a test."),
    )
    monkeypatch.setattr(catalogue, "KNOWN", (known,))
    monkeypatch.setattr(downloads, "KNOWN", (known,))
    monkeypatch.setattr(downloads, "known_model", lambda key: known if key == known.key else None)
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    return known


def name_of(key: str) -> str:
    return read_card(paths.user_models() / f"{key}.safetensors").name
