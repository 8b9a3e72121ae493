from __future__ import annotations

import pytest
import torch

from core.models.generator import GeneratorConfig
from core.training.fast_forward import FastForward
from tests.core.networks import lively_generator


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(scale=4, features=8, blocks=2, norm="none", skip="bicubic"),
        GeneratorConfig(scale=2, features=6, blocks=1, norm="batch", attention="channel"),
        GeneratorConfig(scale=4, features=6, blocks=1, norm="none", upsampler="direct"),
        GeneratorConfig(scale=2, features=6, blocks=1, norm="none", output="tanh"),
    ],
)
def test_output_and_gradients_are_those_of_the_generator(config: GeneratorConfig) -> None:
    generator = lively_generator(config).double()
    x = torch.rand(2, 3, 11, 14, dtype=torch.float64)
    weights = torch.rand(2, 3, 11 * config.scale, 14 * config.scale, dtype=torch.float64)
    parameters = list(generator.parameters())
    plain, fast = generator(x), FastForward(generator)(x)
    torch.testing.assert_close(fast, plain)
    wanted = torch.autograd.grad((plain * weights).sum(), parameters)
    found = torch.autograd.grad((fast * weights).sum(), parameters)
    torch.testing.assert_close(found, wanted)
