"""The network is the paper's, and every rewrite of it for serving computes the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
import torch

from core.models.generator import (
    Generator,
    GeneratorConfig,
    Upsample,
    config_of,
    fold_batch_norm,
    initialise,
)
from core.models.serving import ServedGenerator
from tests.core.networks import lively_generator

CHOICES: Iterable[Any] = itertools.product(
    (2, 4, 8), ("batch", "none"), ("none", "channel"), ("none", "bicubic"), ("shuffle", "direct")
)
CONFIGS = [
    GeneratorConfig(scale, features=8, blocks=2, norm=norm, attention=attention, skip=skip, upsampler=upsampler)
    for scale, norm, attention, skip, upsampler in CHOICES
]


def test_default_generator_is_the_papers() -> None:
    generator = Generator()
    kernels = {(m.out_channels, m.kernel_size[0]) for m in generator.modules() if isinstance(m, torch.nn.Conv2d)}
    assert kernels == {(64, 9), (64, 3), (256, 3), (3, 9)}
    assert len(generator.trunk) == 16
    assert len(generator.upsample) == 2
    norms = [m for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) == 2 * 16 + 1
    # By hand: head 15,616 + 64; block 2 x (36,928 + 128) + 64; trunk end 36,928 + 128; upsample 2 x (147,712 + 64);
    # tail 15,555.
    assert sum(p.numel() for p in generator.parameters()) == 15_680 + 16 * 74_176 + 37_056 + 2 * 147_776 + 15_555


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_shape_and_hyper_parameters_from_weights_alone(config: GeneratorConfig) -> None:
    generator = lively_generator(config)
    assert config_of(generator.state_dict()) == config
    with torch.inference_mode():
        assert generator(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * config.scale, 7 * config.scale)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_served_generator_computes_the_same(config: GeneratorConfig) -> None:
    generator = lively_generator(config)
    x = torch.rand(1, 3, 13, 9)
    with torch.inference_mode():
        expected = generator(x)
        folded = Generator(config_of(fold_batch_norm(generator.state_dict()))).eval()
        folded.load_state_dict(fold_batch_norm(generator.state_dict()))
        torch.testing.assert_close(folded(x), expected, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(ServedGenerator(folded)(x), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.attention == "none" and c.norm == "none"], ids=str)
def test_reach_is_exact(config: GeneratorConfig) -> None:
    """One pixel beyond the stated reach changes nothing; the stated trunk reach itself is needed."""
    generator = lively_generator(config)
    assert generator.trunk_reach is not None
    x = torch.rand(1, 3, 1, 61)
    changed = x.clone()
    changed[..., 0] = 1 - changed[..., 0]
    with torch.inference_mode():
        features = (generator.trunk_features(x) != generator.trunk_features(changed)).any(1)[0, 0]
        output = (generator(x) != generator(changed)).any(1).any(1)[0]
    assert features.nonzero().max() == generator.trunk_reach
    last = output.nonzero().max() // config.scale
    assert last <= generator.trunk_reach + generator.tail_reach
    assert last >= generator.trunk_reach + 1


def test_initialised_generator_starts_near_bicubic_without_checkerboard() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(features=16, blocks=4, norm="none", skip="bicubic"))
    initialise(generator)
    x = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 34, 34), 3, 1)
    assert generator.skip is not None
    with torch.inference_mode():
        assert (generator(x) - generator.skip(x)).abs().mean() < 0.05
        for upsample in generator.upsample:
            assert isinstance(upsample, Upsample)
            planes = upsample.conv(torch.rand(1, 16, 6, 6)).view(1, 16, 4, 6, 6)
            # ICNR: the four sub-pixels of each pixel start equal.
            torch.testing.assert_close(planes, planes[:, :, :1].expand_as(planes))


@pytest.mark.parametrize("bad", [{"scale": 3}, {"features": 0}, {"blocks": 1000}])
def test_impossible_hyper_parameters_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"must be|out of range"):
        GeneratorConfig(**bad)  # type: ignore[arg-type]
