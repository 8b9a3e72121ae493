"""SRGAN generators of other programs, rebuilt here as they are there, and loaded through ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.contract.errors import UserError
from core.models.foreign import to_our_layout
from core.models.generator import GeneratorConfig
from core.models.serving import ServedGenerator, load_served
from core.models.weights import load_generator
from tests.core.networks import lively_generator


class LeftthomasBlock(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(maps, maps, 3, padding=1), nn.BatchNorm2d(maps)
        self.prelu = nn.PReLU()
        self.conv2, self.bn2 = nn.Conv2d(maps, maps, 3, padding=1), nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))


class LeftthomasUp(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.conv, self.prelu = nn.Conv2d(maps, 4 * maps, 3, padding=1), nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(nn.functional.pixel_shuffle(self.conv(x), 2))


class Leftthomas(nn.Module):
    def __init__(self, doublings: int = 2, maps: int = 8) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, maps, 9, padding=4), nn.PReLU())
        for number in range(2, 7):
            self.add_module(f"block{number}", LeftthomasBlock(maps))
        self.block7 = nn.Conv2d(maps, maps, 3, padding=1)
        self.block8 = nn.Sequential(*(LeftthomasUp(maps) for _ in range(doublings)), nn.Conv2d(maps, 3, 9, padding=4))

    def forward(self, x: Tensor) -> Tensor:
        first = self.block1(x)
        y = first
        for number in range(2, 7):
            y = self.get_submodule(f"block{number}")(y)
        return (torch.tanh(self.block8(first + self.block7(y))) + 1) / 2


class LornatangBlock(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.rcb = nn.Sequential(
            nn.Conv2d(maps, maps, 3, padding=1, bias=False),
            nn.BatchNorm2d(maps),
            nn.PReLU(),
            nn.Conv2d(maps, maps, 3, padding=1, bias=False),
            nn.BatchNorm2d(maps),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rcb(x)


class LornatangUp(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.upsample_block = nn.Sequential(nn.Conv2d(maps, 4 * maps, 3, padding=1), nn.PixelShuffle(2), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.upsample_block(x)


class Lornatang(nn.Module):
    def __init__(self, infix: str, doublings: int = 2, maps: int = 8) -> None:
        super().__init__()
        self.infix = infix
        self.add_module(f"conv{infix}1", nn.Sequential(nn.Conv2d(3, maps, 9, padding=4), nn.PReLU()))
        self.trunk = nn.Sequential(*(LornatangBlock(maps) for _ in range(3)))
        self.add_module(
            f"conv{infix}2",
            nn.Sequential(nn.Conv2d(maps, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps)),
        )
        self.upsampling = nn.Sequential(*(LornatangUp(maps) for _ in range(doublings)))
        self.add_module(f"conv{infix}3", nn.Conv2d(maps, 3, 9, padding=4))

    def part(self, number: int) -> nn.Module:
        return self.get_submodule(f"conv{self.infix}{number}")

    def forward(self, x: Tensor) -> Tensor:
        first = self.part(1)(x)
        return self.part(3)(self.upsampling(first + self.part(2)(self.trunk(first)))).clamp(0, 1)


def settled(network: nn.Module) -> nn.Module:
    """Weights and statistics that show in the output."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if value.dim() == 4:
                value.normal_(0, (2 / value[0].numel()) ** 0.5 * 0.7, generator=generator)
            elif name.endswith(("running_var", "weight")):
                value.uniform_(0.2, 1.4, generator=generator)
            elif value.is_floating_point():
                value.uniform_(-0.3, 0.3, generator=generator)
    return network.eval()


NETWORKS = {
    "leftthomas x4": lambda: Leftthomas(),
    "leftthomas x2": lambda: Leftthomas(doublings=1),
    "lornatang 2022": lambda: Lornatang("_block"),
    "lornatang 2023": lambda: Lornatang(""),
    "lornatang x8": lambda: Lornatang("", doublings=3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_picture_is_that_of_the_other_program(name: str, tmp_path: Path) -> None:
    theirs = settled(NETWORKS[name]())
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    x = torch.rand(1, 3, 13, 11, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wanted = theirs(x)
        assert wanted.std() > 0.05
        generator, _ = load_generator(tmp_path / "theirs.pth")
        served, _ = load_served([(tmp_path / "theirs.pth", 1.0)])
        assert isinstance(served, ServedGenerator)
        torch.testing.assert_close(generator(x).clamp(0, 1), wanted, atol=2e-4, rtol=0)
        torch.testing.assert_close(served(x).clamp(0, 1), wanted, atol=2e-4, rtol=0)
    assert generator.config.scale == wanted.shape[-1] // 11
    if "leftthomas" in name:
        assert (generator.config.blocks, generator.config.norm, generator.config.output) == (5, "none", "tanh")
    else:
        assert (generator.config.blocks, generator.config.norm, generator.config.output) == (3, "batch", "linear")


def test_half_precision_keeps_the_tanh_at_the_end() -> None:
    generator = lively_generator(GeneratorConfig(features=8, blocks=1, norm="none", output="tanh"))
    x = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = generator(x)
        found = ServedGenerator(generator).use_precision(torch.bfloat16)(x)
    assert wanted.min() >= 0
    assert wanted.max() <= 1
    torch.testing.assert_close(found, wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 1}},
        lambda state: {"state_dict": {}, "ema_state_dict": {**{f"module.{k}": v for k, v in state.items()},
                                                           "n_averaged": torch.tensor(7)}},
        lambda state: {"state_dict": {**{f"netG.{k}": v for k, v in state.items()},
                                      "netD.conv.weight": torch.zeros(1)}},
        lambda state: {f"_orig_mod.{k}": v for k, v in state.items()},
    ],
    ids=["checkpoint", "average", "both networks", "compiled"],
)  # fmt: skip
def test_generators_inside_training_checkpoints_are_found(wrap: object, tmp_path: Path) -> None:
    theirs = settled(Lornatang(""))
    torch.save(wrap(theirs.state_dict()), tmp_path / "epoch_3.pth")
    generator, _ = load_generator(tmp_path / "epoch_3.pth")
    assert torch.equal(generator.tail.weight, theirs.get_parameter("conv3.weight"))


def test_strangers_are_not_taken_for_one_of_them(tmp_path: Path) -> None:
    ours = lively_generator(GeneratorConfig(features=8, blocks=1)).state_dict()
    assert to_our_layout(ours) is None
    state = settled(Lornatang("")).state_dict()
    assert to_our_layout({**state, "attention.weight": torch.zeros(1)}) is None
    assert to_our_layout({key: value for key, value in state.items() if not key.startswith("conv3")}) is None
    state = settled(Leftthomas()).state_dict()
    assert to_our_layout({key: value for key, value in state.items() if not key.startswith("block4")}) is None
    # The right names over the wrong shapes are refused in words.
    torch.save({**state, "block7.weight": torch.zeros(3, 3, 3, 3)}, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd\.pth does not hold an SRGAN generator"):
        load_generator(tmp_path / "odd.pth")
