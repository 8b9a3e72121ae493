from __future__ import annotations

import hashlib
import urllib.error
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
import torchvision

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import DownloadProgress
from core.models.content import (
    ContentLoss,
    InputRule,
    cached_content,
    content_from_file,
    load_content,
    perceptual_distances,
)
from tests.core.training.pictures import vgg16_file
from tests.homes import move_in


def test_the_input_rule_of_a_caffe_network() -> None:
    rule = InputRule.parse("RGB in 0..1, times 255, to BGR, minus (104.007, 116.669, 122.679)")
    assert rule == InputRule(255.0, True, (104.007, 116.669, 122.679), (1.0, 1.0, 1.0))


@pytest.mark.parametrize("text", ["", "BGR in 0..255", "RGB in 0..1, minus (1, 2)", "RGB in 0..1, to BGR, times 255"])
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no rule"):
        InputRule.parse(text)


def test_features_equal_torchvisions(vgg16: Path) -> None:
    network = content_from_file(vgg16)
    reference = torchvision.models.vgg16(weights=None).features.eval()
    state = safetensors.torch.load_file(vgg16)
    reference.load_state_dict({key: value.float() for key, value in state.items()})
    torch.manual_seed(0)
    x = torch.rand(1, 3, 32, 32)
    normalised = torchvision.transforms.functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        before, after = network(x, ("conv4_3", "relu5_3"))
        torch.testing.assert_close(before, reference[:22](normalised))
        torch.testing.assert_close(after, reference[:30](normalised))


def test_caffe_input_is_scaled_turned_and_shifted(tmp_path: Path, vgg16: Path) -> None:
    torch_like = content_from_file(vgg16)
    rule = "RGB in 0..1, times 255, to BGR, minus (104, 117, 123)"
    caffe_like = content_from_file(vgg16_file(tmp_path / "caffe.safetensors", rule))
    x = torch.rand(1, 3, 16, 16)
    prepared = (x * 255).flip(1) - torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
    first = torch_like.features[0]
    torch.testing.assert_close(caffe_like(x, ("conv1_1",))[0], first(prepared))


def test_a_layer_that_vgg16_lacks_is_the_last_of_its_block(vgg16: Path) -> None:
    network = content_from_file(vgg16)
    assert network.layer("conv3_4") == "conv3_3"
    with pytest.raises(ValueError, match="no layer"):
        network.layer("conv6_1")


def test_content_loss_by_hand_and_its_gradient(vgg16: Path) -> None:
    network = content_from_file(vgg16)
    torch.manual_seed(0)
    sr, hr = torch.rand(2, 3, 16, 16, requires_grad=True), torch.rand(2, 3, 16, 16)
    loss = ContentLoss(network, {"conv1_2": 2.0, "conv2_2": 0.5})(sr, hr)
    with torch.no_grad():
        mine, target = (network(each, ("conv1_2", "conv2_2")) for each in (sr, hr))
        parts = [(a - b).abs().mean() / b.abs().mean() for a, b in zip(mine, target, strict=True)]
    assert float(loss.detach()) == pytest.approx(float(2 * parts[0] + 0.5 * parts[1]), rel=1e-4)
    (gradient,) = torch.autograd.grad(loss, sr)
    assert gradient.abs().sum() > 0
    plain = ContentLoss(network, {"conv1_2": 1.0}, before_activation=False, distance="mse", normalise=False)
    with torch.no_grad():
        expected = (mine[0].relu() - target[0].relu()).square().mean()
    assert float(plain(sr, hr).detach()) == pytest.approx(float(expected), rel=1e-4)


def test_the_lpips_distance_with_equal_weights_is_the_perceptual_distance(vgg16: Path) -> None:
    network = content_from_file(vgg16)
    torch.manual_seed(0)
    sr, hr = torch.rand(2, 3, 32, 32, requires_grad=True), torch.rand(2, 3, 32, 32)
    layers = dict.fromkeys(("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"), 0.2)
    loss = ContentLoss(network, layers, before_activation=False, distance="lpips")(sr, hr)
    assert [loss.item()] == pytest.approx(perceptual_distances(network, sr.detach(), [hr]), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, sr)
    assert gradient.abs().sum() > 0
    # Directions alone: features twice as long are no further away.
    first = {"conv1_1": 1.0}
    network.features[0].bias.zero_()
    network.mean.zero_()
    doubled = ContentLoss(network, first, distance="lpips")
    assert doubled(hr * 2, hr).item() == pytest.approx(0, abs=1e-6)


def test_perceptual_distance_grows_with_the_difference(vgg16: Path) -> None:
    network = content_from_file(vgg16)
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 32, 32)
    noisy = (picture + 0.02 * torch.randn_like(picture)).clamp(0, 1)
    none, little, much = perceptual_distances(network, picture, [picture, noisy, torch.rand(1, 3, 32, 32)])
    assert none == 0
    assert 0 < little < much < 2


def test_files_that_do_not_say_how_are_refused(tmp_path: Path, vgg16: Path) -> None:
    state = safetensors.torch.load_file(vgg16)
    safetensors.torch.save_file(state, tmp_path / "silent.safetensors")
    with pytest.raises(UserError, match="does not say how"):
        content_from_file(tmp_path / "silent.safetensors")
    state["0.weight"] = state["0.weight"][:, :1].contiguous()
    safetensors.torch.save_file(state, tmp_path / "odd.safetensors", {"input": "RGB in 0..1"})
    with pytest.raises(UserError, match="VGG16 or VGG19"):
        content_from_file(tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match="not a safetensors"):
        content_from_file(tmp_path / "vgg.pth")


def test_no_network_and_no_file_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_args, **_more):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UserError) as caught:
        list(load_content("vgg19", None, CancelToken()))
    assert "could not be downloaded" in caught.value.message
    assert "internet" in caught.value.hint
    assert "--content-weights" in caught.value.hint
    assert not cached_content("vgg19").exists()


class Served:
    """What `urlopen` gives for a file's contents."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.headers = {"Content-Length": str(len(content))}

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        chunk, self.content = self.content[:size], self.content[size:]
        return chunk


@pytest.mark.parametrize("honest", [True, False])
def test_downloads_are_checked_and_kept(tmp_path: Path, vgg16: Path, monkeypatch: pytest.MonkeyPatch, honest) -> None:
    state = {f"features.{k}": v for k, v in safetensors.torch.load_file(vgg16).items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(3)}, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:8] if honest else "00000000"
    weights = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(url=f"http://nowhere.test/vgg16-{digest}.pth"))
    monkeypatch.setattr(torchvision.models, "VGG16_Weights", weights)
    monkeypatch.setattr("urllib.request.urlopen", lambda *_a, **_k: Served(content))
    move_in(monkeypatch, tmp_path, "cache")
    if not honest:
        with pytest.raises(UserError, match="SHA-256"):
            list(load_content("vgg16", None, CancelToken()))
        assert not list(cached_content("vgg16").parent.iterdir())
        return
    events = list(load_content("vgg16", None, CancelToken()))
    assert events[-1] == DownloadProgress("torchvision's vgg16", len(content), len(content))
    assert [p.name for p in cached_content("vgg16").parent.iterdir()] == ["vgg16-imagenet.safetensors"]
    monkeypatch.setattr("urllib.request.urlopen", None)
    assert list(load_content("vgg16", None, CancelToken())) == []
    assert content_from_file(cached_content("vgg16")).name == "vgg16"
