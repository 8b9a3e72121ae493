from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3_server import S3Server, set_environment


@pytest.fixture(scope="session")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG16 features with random weights."""
    # Here, as it brings torch, which tests of plain rooms do without.
    from tests.core.training.pictures import vgg16_file

    return vgg16_file(tmp_path_factory.mktemp("content") / "vgg16.safetensors")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks are slower on several threads, above all beside other tests; and sums depend on how many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def store_port() -> Iterator[int]:
    """Where the tests' store is, for this process and all that it starts: what speaks S3 is led there."""
    before = dict(os.environ)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    set_environment(port)
    yield port
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def s3_server(store_port: int) -> Iterator[S3Server]:
    """The one server of this process: where it is, fsspec remembers."""
    for library in ("s3fs", "moto", "flask_cors"):
        pytest.importorskip(library, reason="needs the extras srgan-desktop[stores,dev]")
    from fsspec.config import conf, set_conf_env

    # fsspec has read the environment already.
    set_conf_env(conf)
    server = S3Server(store_port)
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: S3Server) -> S3Server:
    """A server of S3 with an empty bucket."""
    s3_server.empty()
    return s3_server
