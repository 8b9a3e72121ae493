"""Model files that are something else, or made to do harm: refused in words, before they can."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from core.contract.errors import UserError
from core.models.weights import load_state


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_state(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "pointer of Git LFS"),
        (b"7767517\n40 41\nInput", "network of ncnn"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\xff\xd8\xff\xe0 a photograph", "picture"),
        (b"", "damaged"),
        (b"hello", "damaged"),
        (b"PK\x03\x04 and no more", "damaged"),
        (pickle.dumps([1, 2, 3]), "damaged"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    assert says in refusal(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"optimizer": {"a": torch.zeros(1)}}, torch.zeros(3)])
def test_a_checkpoint_without_weights(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pth")
    assert "no table of weights" in refusal(tmp_path / "model.pth")


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "zip archive of something else" in refusal(path)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"params": {"a": torch.zeros(4)}}, tmp_path / "small.pth")
    path = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(tmp_path / "small.pth") as small,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb,
    ):
        for entry in small.infolist():
            content = small.read(entry)
            bomb.writestr(entry.filename, bytes(1 << 25) if entry.filename.endswith("data/0") else content)
    assert path.stat().st_size < 1 << 20
    assert "unpack to more than its own size" in refusal(path)


def test_a_tensor_larger_than_its_bytes_is_refused_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "wide.pth"
    torch.save({"params": {"conv.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}}, path)
    before = psutil.Process().memory_info().rss
    assert "conv.weight claims 1,099,511,627,776 values" in refusal(path)
    assert psutil.Process().memory_info().rss - before < 1 << 28


@pytest.mark.filterwarnings("ignore")
def test_a_sparse_tensor_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.eye(3).to_sparse()}, tmp_path / "model.pth")
    assert "cannot be read here" in refusal(tmp_path / "model.pth")


def test_a_torchscript_program_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"script/{name}", b"")
    assert "TorchScript program" in refusal(path)


def test_a_whole_pickled_network_names_the_code_it_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(nn.Conv2d(3, 3, 3), path)
    message = refusal(path)
    assert "holds code" in message
    assert "Conv2d" in message


def test_steps_and_names_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2), "iter": 5, "name": "x"}, tmp_path / "plain.pth")
    state, _ = load_state(tmp_path / "plain.pth")
    assert list(state) == ["weight"]
