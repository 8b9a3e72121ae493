"""Networks of other people run as they run elsewhere, in tiles too; what is no upscaler is refused by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spandrel import ImageModelDescriptor, MaskedImageModelDescriptor, ModelLoader, ModelTiling, SizeRequirements
from spandrel.architectures.Compact import Compact, CompactArch
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.RCAN import RCAN
from spandrel.architectures.SwinIR import SwinIR
from torch import Tensor, nn

from core import devices
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.images import load
from core.models.community import CommunityNetwork, load_community
from core.models.serving import load_served
from core.paths import RESOURCES
from core.runtimes.torch_network import TorchModel
from core.upscale import engine as engine_module
from core.upscale.engine import Engine, open_engine
from tests.core.models.ncnn_weights import ncnn_files, state_of

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _trust_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "distrusted", set())


def sample(name: str, height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(load(RESOURCES / "samples" / name).pixels[40 : 40 + height, 60 : 60 + width])


def small_esrgan(**options: Any) -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = ESRGAN(**{"num_filters": 8, "num_blocks": 1, **options})
    return {key: value * 2 for key, value in network.state_dict().items()}


def small_compact(**options: Any) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Compact(**{"num_feat": 8, "num_conv": 3, "upscale": 4, **options}).state_dict()


def whole(state: dict[str, Tensor], pixels: np.ndarray) -> np.ndarray:
    """What spandrel makes of the whole picture at once."""
    x = torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]
    y = ModelLoader().load_from_state_dict(dict(state)).eval()(x)
    return y[0].permute(1, 2, 0).mul(255).round().numpy()


def by_ncnn(name: str, pixels: np.ndarray) -> np.ndarray:
    """What Tencent's ncnn makes of it, from its own copy of the weights."""
    import ncnn

    network = ncnn.Net()
    param, binary = ncnn_files(name)
    assert network.load_param(str(param)) == 0
    assert network.load_model(str(binary)) == 0
    planes = np.ascontiguousarray((pixels / np.float32(255)).transpose(2, 0, 1))
    source = ncnn.Mat(planes).clone()
    extractor = network.create_extractor()
    extractor.input("data", source)
    _code, result = extractor.extract("output")
    return np.array(result).transpose(1, 2, 0).clip(0, 1) * 255


@pytest.mark.parametrize(
    ("name", "height", "width"),
    [("realesr-animevideov3-x4", 48, 64), ("realesrgan-x4plus-anime", 32, 32), ("realesrgan-x4plus", 24, 32)],
)
def test_real_weights_give_what_ncnn_gives(name: str, height: int, width: int, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.pth"
    torch.save({"params_ema": state_of(name)}, path)
    network, _card = load_served([(path, 1.0)])
    assert isinstance(network, CommunityNetwork)
    assert network.scale == 4
    pixels = sample("cat.jpg", height, width)
    result = Engine(TorchModel(network, CPU), name, "fp32").upscale(pixels, CancelToken())
    wanted = by_ncnn(name, pixels)
    # A picture, and not a constant that both agree on.
    assert wanted.std() > 10
    assert np.abs(result - wanted).max() <= 2


def test_tiles_of_a_real_network_join_without_a_seam(animevideo: Path) -> None:
    pixels = sample("cat.jpg", 75, 90)
    parts = open_engine(str(animevideo), "cpu", "fp32", tile=31)
    at_once = open_engine(str(animevideo), "cpu", "fp32", tile=200)
    difference = np.abs(
        parts.upscale(pixels, CancelToken()).astype(int) - at_once.upscale(pixels, CancelToken()).astype(int)
    )
    assert difference.max() <= 1


@pytest.mark.parametrize(("tile", "ensemble"), [(0, False), (0, True), (30, False)])
def test_scale_and_size_rules_are_the_networks_own(tile: int, ensemble: bool) -> None:
    # x2 by unshuffling pixels first: tiles must begin at even pixels.
    state = small_esrgan(scale=2, in_nc=3, shuffle_factor=2)
    network = load_community(state, "x2")
    assert (network.scale, network.aligned) == (2, 16)
    pixels = sample("cat.jpg", 41, 53)
    result = Engine(TorchModel(network, CPU), "x2", "fp32", tile).upscale(pixels, CancelToken(), ensemble=ensemble)
    assert result.shape == (82, 106, 3)
    if not ensemble:
        inside = np.s_[:-4, :-4]
        # An odd side is padded, and which pixels then stand for the edge differs in a tile.
        assert np.abs(result[inside] - whole(state, pixels)[inside]).max() <= 1


def test_seams_are_blended_in_both_directions() -> None:
    class Levels(nn.Module):
        """A network whose brightness depends on the tile: no overlap makes its tiles agree."""

        def __init__(self) -> None:
            super().__init__()
            self.level = nn.Parameter(torch.tensor(0.0))

        def forward(self, x: Tensor) -> Tensor:
            return x.mean() + 0.01 * x

    def call(model: nn.Module, x: Tensor) -> Tensor:
        return nn.functional.interpolate(model(x), scale_factor=2)

    network = CommunityNetwork(descriptor(Levels(), scale=2, call=call), "levels")
    network.reach = network.blended = 8
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 200
    pixels[32:] += 20
    result = Engine(TorchModel(network, CPU), "levels", "fp32", 32).upscale(pixels, CancelToken())[..., 0].astype(int)
    assert result[5, 5] + 60 < result[5, -5]
    # A hard seam would jump by some 100 levels; 16 enlarged pixels of ramp jump by a sixteenth of that.
    assert np.abs(np.diff(result, axis=1)).max() <= 12
    assert np.abs(np.diff(result, axis=0)).max() <= 12
    assert np.diff(result, axis=1).min() >= -1


def test_grey_networks_take_each_channel_and_know_a_grey_picture() -> None:
    network = load_community(small_compact(num_in_ch=1, num_out_ch=1), "grey")
    assert network.channels == 1
    colour, grey = sample("cat.jpg", 20, 24), np.repeat(sample("cat.jpg", 20, 24)[..., :1], 3, axis=2)
    engine = Engine(TorchModel(network, CPU), "grey", "fp32")
    result, of_grey = engine.upscale(colour, CancelToken()), engine.upscale(grey, CancelToken())
    np.testing.assert_array_equal(result[..., 0], of_grey[..., 0])
    assert (of_grey == of_grey[..., :1]).all()
    assert not (result == result[..., :1]).all()


def test_networks_of_four_channels_get_an_opaque_picture() -> None:
    network = load_community(small_esrgan(in_nc=4, out_nc=4), "rgba")
    assert network.channels == 4
    assert Engine(TorchModel(network, CPU), "rgba", "fp32").upscale(sample("cat.jpg", 9, 8), CancelToken()).shape == (
        36,
        32,
        3,
    )


def test_half_precision_only_where_the_architecture_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "fast_precision", lambda _device: "bf16")
    assert Engine(TorchModel(load_community(small_compact(), "c"), CPU), "c").precision == "bf16"
    network = load_community(small_compact(), "c")
    network.descriptor.supports_bfloat16 = False
    assert Engine(TorchModel(network, CPU), "c").precision == "fp32"
    with pytest.raises(UserError, match="does not work in bf16"):
        Engine(TorchModel(network, CPU), "c", "bf16")


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_a_network_that_fails_in_half_precision_is_alone_in_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "fast_precision", lambda _device: "bf16")
    torch.manual_seed(0)
    # spandrel's descriptor promises bf16, but this one mixes it with float32.
    mixed = SwinIR(
        img_size=16, window_size=8, depths=[2], num_heads=[2], embed_dim=12, upsampler="pixelshuffle", upscale=4
    )
    network = load_community(mixed.state_dict(), "mixed")
    pixels = sample("cat.jpg", 20, 24)
    engine = Engine(TorchModel(network, CPU), "mixed")
    assert engine.precision == "fp32"
    assert "bf16 gives wrong pictures of mixed" in engine.take_notes()[0]
    assert np.abs(engine.upscale(pixels, CancelToken()) - whole(mixed.state_dict(), pixels)).max() <= 1
    with pytest.raises(UserError, match="wrong pictures of mixed"):
        Engine(TorchModel(network, CPU), "mixed", "bf16")
    assert Engine(TorchModel(load_community(small_compact(), "c"), CPU), "c").precision == "bf16"


def test_half_precision_of_real_weights_is_near_fp32(animevideo: Path) -> None:
    pixels = sample("cat.jpg", 40, 40)
    half = open_engine(str(animevideo), "cpu", "bf16").upscale(pixels, CancelToken()).astype(int)
    full = open_engine(str(animevideo), "cpu", "fp32").upscale(pixels, CancelToken()).astype(int)
    assert 0 < np.abs(half - full).max() <= 5


def test_sixteen_bits_go_through(animevideo: Path) -> None:
    pixels = sample("cat.jpg", 12, 14).astype(np.uint16) * 257
    result = open_engine(str(animevideo), "cpu").upscale(pixels, CancelToken())
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 256


def test_progress_rises_within_a_tile_and_cancel_is_heard_there() -> None:
    network = load_community(small_esrgan(), "esrgan")
    seen: list[float] = []
    Engine(TorchModel(network, CPU), "esrgan", "fp32").upscale(sample("cat.jpg", 20, 20), CancelToken(), seen.append)
    assert len(seen) > 20
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    cancel, calls = CancelToken(), []

    def stop(fraction: float) -> None:
        calls.append(fraction)
        if len(calls) == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        Engine(TorchModel(network, CPU), "esrgan", "fp32").upscale(sample("cat.jpg", 20, 20), cancel, stop)
    assert len(calls) == 3


def test_what_tiles_mean_is_told_once(animevideo: Path) -> None:
    network, _ = load_served([(animevideo, 1.0)])
    engine = Engine(TorchModel(network, CPU), "anime", "fp32", 40)
    engine.upscale(sample("cat.jpg", 30, 30), CancelToken())
    assert engine.take_notes() == ()
    engine.upscale(sample("cat.jpg", 30, 60), CancelToken())
    (note,) = engine.take_notes()
    assert "overlap by 48 pixels and are blended" in note
    engine.upscale(sample("cat.jpg", 30, 60), CancelToken())
    assert engine.take_notes() == ()


def test_out_of_memory_halves_the_tile() -> None:
    state = small_compact()
    network = load_community(state, "c")
    real = network.run

    def small_only(x: Tensor, after_layer: Callable[[float], None]) -> Tensor:
        if x.shape[2] * x.shape[3] > 150 * 150:
            raise torch.OutOfMemoryError
        return real(x, after_layer)

    network.run = small_only
    engine = Engine(TorchModel(network, CPU), "c", "fp32", 200)
    pixels = np.random.default_rng(0).integers(0, 255, (160, 190, 3), np.uint8, endpoint=True)
    result = engine.upscale(pixels, CancelToken())
    assert np.abs(result - whole(state, pixels)).max() <= 1
    assert any("Memory ran out" in note for note in engine.take_notes())


def test_networks_that_cut_up_the_picture_themselves_get_all_of_it() -> None:
    seen: list[tuple[int, ...]] = []

    def call(model: nn.Module, x: Tensor) -> Tensor:
        seen.append(tuple(x.shape[-2:]))
        return model(x)

    network = CommunityNetwork(descriptor(small_module(), scale=4, call=call, tiling=ModelTiling.INTERNAL), "whole")
    Engine(TorchModel(network, CPU), "whole", "fp32", 10).upscale(sample("cat.jpg", 30, 40), CancelToken())
    assert seen[-1] == (30, 40)


def small_module(upscale: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return Compact(num_feat=4, num_conv=1, upscale=upscale)


def descriptor(
    module: nn.Module,
    *,
    scale: int,
    purpose: Any = "SR",
    channels: tuple[int, int] = (3, 3),
    call: Callable[[Any, Tensor], Tensor] | None = None,
    tiling: ModelTiling = ModelTiling.SUPPORTED,
) -> ImageModelDescriptor:
    return ImageModelDescriptor(
        module, module.state_dict(), CompactArch(), purpose, [], False, False, scale, *channels,
        SizeRequirements(), tiling, call,
    )  # fmt: skip


def masked() -> MaskedImageModelDescriptor:
    module = small_module()
    return MaskedImageModelDescriptor(module, module.state_dict(), CompactArch(), "Inpainting", [], False, False, 3, 3)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: descriptor(small_module(), scale=4, purpose="FaceSR"), "face model"),
        (lambda: masked(), "inpainting model"),
        (lambda: descriptor(small_module(), scale=32), "out of range"),
        (lambda: descriptor(small_module(), scale=4, channels=(6, 3)), "6 channels into 3"),
        (lambda: descriptor(small_module(), scale=2), "makes 96 x 96 pixels of 24 x 24"),
        (lambda: descriptor(small_module(), scale=4, call=lambda _m, _x: 1 / 0), "does not run"),  # type: ignore[arg-type, return-value]
    ],
)
def test_what_is_no_upscaler_is_refused_by_name(
    make: Callable[[], Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelLoader, "load_from_state_dict", lambda _self, _state: make())
    with pytest.raises(UserError, match=says) as caught:
        load_community({"x": torch.zeros(1)}, "theirs.pth")
    assert "theirs.pth" in caught.value.message
    assert caught.value.hint


def test_a_restorer_opens() -> None:
    assert load_community(small_compact(upscale=1), "denoise.pth").scale == 1


def test_strangers_and_damaged_ones_are_refused() -> None:
    with pytest.raises(UserError, match="no network that this program knows"):
        load_community({"layer.weight": torch.zeros(3)}, "classifier.pth")
    damaged = small_esrgan()
    del damaged["model.1.sub.0.RDB1.conv2.0.weight"]
    with pytest.raises(UserError, match="weights do not fit"):
        load_community(damaged, "half.pth")


def test_shapes_that_contradict_each_other_are_refused() -> None:
    state = small_compact()
    state["body.2.weight"] = torch.zeros(8, 5, 3, 3)
    with pytest.raises(UserError, match="weights do not fit"):
        load_community(state, "odd.pth")


def test_a_network_that_scales_its_input_in_place_is_judged_and_fed_rightly() -> None:
    network = RCAN(scale=4, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4)
    community = load_community(network.state_dict(), "rcan.pth")
    x = torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(1))
    before = x.clone()
    with torch.inference_mode():
        first, second = community(x), community(x)
    assert torch.equal(x, before)
    assert torch.equal(first, second)
    # The look at the other memory layout sees the same picture, and so finds that it stands it.
    assert community.channels_last


def test_networks_of_ours_do_not_wait_for_spandrel() -> None:
    """It brings torchvision and torch's compiler: more than twice the time to import, and 160 MB."""
    code = """
import sys
from pathlib import Path
import core.training.trainer
from core.models.serving import load_served
from core.runtimes.torch_network import TorchModel
load_served([(Path(sys.argv[1]), 1.0)])
print(*sorted({"spandrel", "torchvision", "torch._dynamo"} & set(sys.modules)))
"""
    path = RESOURCES / "models" / "fast-x4.safetensors"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
