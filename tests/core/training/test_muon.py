"""Muon: what a step is, which parameters it takes, and that it learns and resumes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from core.models.generator import GeneratorConfig
from core.training.checkpoint import load_optimizer, optimizer_tensors
from core.training.muon import AS_ADAM, Muon, orthogonal
from tests.core.networks import lively_generator


@pytest.mark.parametrize("shape", [(3, 24, 60), (1, 60, 24), (2, 32, 48)])
def test_singular_values_become_about_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(shape) @ torch.diag(torch.logspace(0, -1, shape[2]))
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert values.max() < 1.25
    assert values.min() > 0.5
    # The directions stay.
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(orthogonal(matrices).flatten(), (left @ right).flatten(), dim=0) > 0.97


def test_wide_kernels_take_steps_as_long_as_adams() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 24, 3)
    optimizer = Muon(conv, 1e-2, (0.9, 0.99))
    before = conv.weight.detach().clone()
    conv.weight.grad, conv.bias.grad = torch.randn_like(conv.weight), torch.ones_like(conv.bias)
    bias = conv.bias.detach().clone()
    optimizer.step()
    assert (conv.weight - before).square().mean().sqrt().item() == pytest.approx(1e-2 * AS_ADAM, rel=0.2)
    # Adam's first step has the length of the rate in every value.
    torch.testing.assert_close(bias - conv.bias, torch.full_like(bias, 1e-2), rtol=1e-4, atol=0)


def test_colours_and_the_last_layer_stay_with_adam() -> None:
    generator = lively_generator(GeneratorConfig(features=16, blocks=1, norm="none", skip="bicubic"))
    wide, rest = Muon(generator, 1e-3, (0.9, 0.99)).param_groups
    names = {id(p): name for name, p in generator.named_parameters()}
    assert {names[id(p)] for p in wide["params"]} == {
        *("trunk.0.conv1.weight", "trunk.0.conv2.weight", "trunk_end.weight"),
        *("upsample.0.conv.weight", "upsample.1.conv.weight"),
    }
    assert len(wide["params"]) + len(rest["params"]) == len(names)
    (only,) = Muon(nn.Conv2d(3, 3, 1), 1e-3, (0.9, 0.99)).param_groups
    assert not only["wide"]


def test_it_learns_and_goes_on_exactly() -> None:
    def run(steps: int, network: nn.Module, optimizer: Muon) -> float:
        for step in range(steps):
            torch.manual_seed(step)
            x = torch.rand(2, 16, 8, 8)
            loss = (network(x) - x.flip(1)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    torch.manual_seed(0)
    network = nn.Conv2d(16, 16, 3, padding=1).to(memory_format=torch.channels_last)
    optimizer = Muon(network, 2e-2, (0.9, 0.99), weight_decay=0.01)
    first = run(1, network, optimizer)
    assert run(60, network, optimizer) < first / 5
    copy = nn.Conv2d(16, 16, 3, padding=1).to(memory_format=torch.channels_last)
    copy.load_state_dict(network.state_dict())
    again = Muon(copy, 2e-2, (0.9, 0.99), weight_decay=0.01)
    load_optimizer(again, copy, optimizer_tensors(optimizer, network))
    assert run(5, network, optimizer) == run(5, copy, again)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), copy.parameters(), strict=True))
    assert math.isfinite(run(1, copy, again))
