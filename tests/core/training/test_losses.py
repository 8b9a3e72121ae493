from __future__ import annotations

import math

import pytest
import torch

from core.training.losses import LOSSES, StepContext, artefact_map, discriminator_loss, probabilities
from core.training.recipe import LOSS_DECLARATIONS, load_recipe


def context(sr: list | torch.Tensor, hr: list | torch.Tensor, **more) -> StepContext:
    return StepContext(torch.as_tensor(sr, dtype=torch.float32), torch.as_tensor(hr, dtype=torch.float32), **more)


def value(name: str, ctx: StepContext) -> float:
    return float(LOSSES[name](ctx))


def test_a_recipe_may_weigh_every_loss_and_a_form_says_what_it_does() -> None:
    weights = ", ".join(f"{name} = 0.5" for name in LOSSES)
    assert set(load_recipe("quick", (("gan.losses", f"{{ {weights} }}"),)).gan.losses) == set(LOSSES)
    assert all(LOSSES[name].__doc__ and len(declared.words) > 20 for name, declared in LOSS_DECLARATIONS.items())


def test_pixel_losses_by_hand() -> None:
    ctx = context([[[[0.0, 1.0], [0.5, 0.5]]]], [[[[0.5, 0.0], [0.5, 0.5]]]])
    assert value("l1", ctx) == pytest.approx(1.5 / 4)
    assert value("mse", ctx) == pytest.approx(1.25 / 4)
    expected = (math.sqrt(0.25 + 1e-6) + math.sqrt(1 + 1e-6) + 2e-3) / 4
    assert value("charbonnier", ctx) == pytest.approx(expected)


def test_total_variation_by_hand() -> None:
    # across: |1-0|, |0.5-0.5|; down: |0.5-0|, |0.5-1|
    assert value("tv", context([[[[0.0, 1.0], [0.5, 0.5]]]], torch.zeros(1, 1, 2, 2))) == pytest.approx(0.5 + 0.5)


def test_fft_by_hand() -> None:
    # A constant difference c has all its power in one bin: c * sqrt(H W), of the H x (W/2 + 1) x 2 numbers kept.
    ctx = context(torch.full((1, 1, 4, 6), 0.3), torch.zeros(1, 1, 4, 6))
    assert value("fft", ctx) == pytest.approx(0.3 * math.sqrt(24) / (4 * 4 * 2), rel=1e-5)


def test_texture_counts_how_much_detail_there_is_and_not_where() -> None:
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    checkers = 0.5 + 0.2 * ((x + y) % 2 * 2.0 - 1).expand(1, 3, 32, 32)
    other_checkers = 1 - checkers
    assert value("texture", context(checkers, checkers)) == 0
    assert value("texture", context(other_checkers, checkers)) == pytest.approx(0, abs=1e-5)
    halved = 0.5 + (checkers - 0.5) / 2
    soft = torch.full((1, 3, 32, 32), 0.5)
    assert value("texture", context(soft, checkers)) > value("texture", context(halved, checkers)) > 0
    # What nobody sees hardly counts.
    assert value("texture", context(soft + 0.001 * (checkers - 0.5), soft)) < 0.01


def test_texture_of_half_the_amplitude_has_a_quarter_of_the_power() -> None:
    noise = 0.1 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).expand(1, 3, 64, 64)
    assert value("texture", context(0.5 + noise / 2, 0.5 + noise)) == pytest.approx(math.log(4), rel=0.02)


def test_a_weave_is_no_texture() -> None:
    """It has the energy of the noise that it stands for, and is hardly nearer to it than nothing at all."""
    noise, other = (
        0.05 * torch.randn(1, 1, 96, 96, generator=torch.Generator().manual_seed(seed)).expand(1, 3, 96, 96)
        for seed in (0, 1)
    )
    wave = torch.sin(2 * math.pi * torch.arange(96) / 3.2).expand(1, 3, 96, 96)
    weave = wave * noise.square().mean().sqrt() / wave.square().mean().sqrt()
    as_noise, as_weave, as_nothing = (
        value("texture", context(0.5 + each, 0.5 + noise)) for each in (other, weave, torch.zeros_like(noise))
    )
    assert as_noise < 0.1 * as_weave
    assert as_weave > 0.8 * as_nothing


def test_ms_ssim_of_one_scale_equals_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    torch.manual_seed(0)
    first = torch.rand(1, 1, 20, 20)
    second = (first + 0.1 * torch.randn(1, 1, 20, 20)).clamp(0, 1)
    _, full = metrics.structural_similarity(
        first[0, 0].double().numpy(),
        second[0, 0].double().numpy(),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    # 20 pixels leave room for one scale of 11 x 11 windows; scikit-image also counts windows that stand out.
    assert value("ms_ssim", context(first, second)) == pytest.approx(1 - full[5:-5, 5:-5].mean(), abs=2e-5)


def test_ms_ssim_weighs_several_scales() -> None:
    torch.manual_seed(0)
    hr = torch.rand(1, 3, 64, 64)
    assert value("ms_ssim", context(hr, hr)) == pytest.approx(0, abs=1e-6)
    brighter = value("ms_ssim", context((hr * 0.9 + 0.05), hr))
    noisy = value("ms_ssim", context(hr + 0.3 * torch.randn_like(hr), hr))
    assert 0 < brighter < noisy < 1


@pytest.mark.parametrize(
    ("game", "generator", "discriminator"),
    [
        ("vanilla", math.log(1 + math.exp(1)), math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))),
        ("hinge", 1.0, 0.0),
        (
            "relativistic",
            (math.log(1 + math.exp(3)) + math.log(1 + math.exp(3))) / 2,
            (math.log(1 + math.exp(-3)) + math.log(1 + math.exp(-3))) / 2,
        ),
    ],
)
def test_games_by_hand(game, generator: float, discriminator: float) -> None:
    real, fake = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    ctx = context(torch.zeros(1), torch.zeros(1), real_logits=real, fake_logits=fake, game=game)
    assert value("adversarial", ctx) == pytest.approx(generator, rel=1e-5)
    assert float(discriminator_loss(real, fake, game)) == pytest.approx(discriminator, rel=1e-5, abs=1e-7)


def test_relativistic_game_compares_with_the_average() -> None:
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]])
    softplus = lambda x: math.log(1 + math.exp(x))  # noqa: E731
    expected = (softplus(-(1 - 0.5)) + softplus(-(3 - 0.5))) / 2 + (softplus(0 - 2) + softplus(1 - 2)) / 2
    assert float(discriminator_loss(real, fake, "relativistic")) == pytest.approx(expected / 2, rel=1e-5)


def test_probabilities() -> None:
    real, fake = torch.tensor([[0.0]]), torch.tensor([[-100.0]])
    d_real, d_fake = probabilities(real, fake, "vanilla")
    assert (float(d_real), float(d_fake)) == (pytest.approx(0.5), pytest.approx(0.0))


def test_artefact_map_by_hand() -> None:
    hr = torch.zeros(1, 1, 9, 9)
    sr = hr.clone()
    sr[..., 4, 4] = 0.7
    weights = artefact_map(sr, hr, hr + 0.5)
    residual = sr[0, 0]
    crop = residual.var() ** 0.2
    # Only the centre is further from HR than the average's 0.5; its 7 x 7 window holds one 0.7.
    window = torch.zeros(49)
    window[0] = 0.7
    assert float(weights[0, 0, 4, 4]) == pytest.approx(float(crop * window.var()), rel=1e-4)
    weights[..., 4, 4] = 0
    assert float(weights.abs().sum()) == 0
    ctx = context(sr, hr, ema_sr=hr + 0.5)
    assert value("ldl", ctx) == pytest.approx(float(crop * window.var()) * 0.7 / 81, rel=1e-4)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"content"}))
def test_every_loss_has_a_gradient_for_sr(name: str) -> None:
    torch.manual_seed(0)
    hr, sr = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16, requires_grad=True)
    ctx = StepContext(
        sr,
        hr,
        anchor=hr,
        taught=hr,
        ema_sr=hr,
        content_distance=lambda first, second: (first - second).square().mean(),
        real_logits=torch.zeros(1, 1),
        fake_logits=sr.mean().view(1, 1),
    )
    (gradient,) = torch.autograd.grad(LOSSES[name](ctx), sr)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("period", [2, 4])
def test_grid_sees_a_checkerboard_and_hardly_noise(period: int) -> None:
    torch.manual_seed(0)
    hr = torch.rand(1, 3, 64, 72)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(72), indexing="ij")
    board = 0.02 * torch.sign(torch.cos(2 * math.pi * (rows + columns + 0.25) / period))
    noise = 0.02 * torch.randn(1, 3, 64, 72)
    shift = torch.full_like(hr, 0.02)
    assert value("grid", context(hr, hr)) == 0
    assert value("grid", context(hr + shift, hr)) == pytest.approx(0, abs=1e-6)
    assert value("grid", context(hr + board, hr)) == pytest.approx(0.02, rel=0.01)
    # Sixteen samples of a window: a quarter of the deviation, and the mean magnitude of what is left.
    assert value("grid", context(hr + noise, hr)) == pytest.approx(0.02 / 4 * math.sqrt(2 / math.pi), rel=0.1)


def test_grid_takes_crops_of_any_size() -> None:
    assert value("grid", context(torch.rand(1, 3, 10, 9), torch.rand(1, 3, 10, 9))) > 0
