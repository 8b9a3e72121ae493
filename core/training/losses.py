"""The generator's losses, and the discriminator's side of the adversarial one.

Every loss takes a `StepContext` and gives one scalar, unweighted. A new one is its row in
`core.training.recipe.LOSS_DECLARATIONS`, and a function of the same name here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from core.training.recipe import LOSS_DECLARATIONS

Game = Literal["vanilla", "relativistic", "hinge"]

ARTEFACT_WINDOW = 7
"""Side of the window of LDL's local variance (Liang et al. 2022, sec. 3.2)."""
LUMA = (0.299, 0.587, 0.114)
TEXTURE_WINDOW = 16
"""Pixels a side of the windows whose spectra `texture` compares."""
TEXTURE_WINDOWS = 4
"""How many windows each way, half a window apart, it takes the mean of: 40 pixels a side. One window's spectrum is
mostly chance."""
UNSEEN = (1 / 255) ** 2
"""Variance under which nobody sees whether there is detail: of one level, spread over all waves."""
GRID = 4
"""Period in HR pixels of the patterns that `grid` looks for; 2 is among them."""
GRID_WINDOW = 4
"""Periods each way over which it takes means."""
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales, finest first (Wang, Simoncelli & Bovik 2003, sec. 3.2)."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step has at hand; pictures are N x 3 x H x W float32 RGB in about 0..1."""

    sr: Tensor
    """The generator's output: the leaf that gradients are taken for."""
    hr: Tensor
    truth: Tensor | None = None
    """HR where `hr` holds the teacher's output instead; `l1` goes by it."""
    anchor: Tensor | None = None
    """What `keep` holds SR to: HR of synthetic crops; what the network made of the others as the stage began."""
    taught: Tensor | None = None
    """What the teacher made of the crops that it has seen, T x 3 x H x W."""
    taught_places: Tensor | None = None
    """Where these are in the batch, T; None where they are all of it."""
    ema_sr: Tensor | None = None
    """The moving-average generator's output for the same LR, where a loss needs it."""
    content_distance: Callable[[Tensor, Tensor], Tensor] | None = None
    """(SR, HR) to the distance of their VGG features, a scalar."""
    real_logits: Tensor | None = None
    fake_logits: Tensor | None = None
    game: Game = "vanilla"


LossFunction = Callable[[StepContext], Tensor]


def l1(context: StepContext) -> Tensor:
    """Mean absolute error."""
    return F.l1_loss(context.sr, context.hr if context.truth is None else context.truth)


def charbonnier(context: StepContext) -> Tensor:
    """Mean of sqrt(error² + 1e-6): L1, but smooth at 0 (Lai et al. 2017)."""
    return torch.sqrt((context.sr - context.hr).square() + 1e-6).mean()


def mse(context: StepContext) -> Tensor:
    """Mean squared error."""
    return F.mse_loss(context.sr, context.hr)


def keep(context: StepContext) -> Tensor:
    """Mean absolute error against `anchor`: new things are learnt, and of old ones what the network knew stays.

    A network's own earlier outputs as targets are Learning without Forgetting (Li & Hoiem 2016, sec. 3).
    """
    assert context.anchor is not None
    return F.l1_loss(context.sr, context.anchor)


def teacher(context: StepContext) -> Tensor:
    """Mean absolute error against the teacher's output, over the crops that it has seen."""
    return _towards_teacher(context, F.l1_loss)


def teacher_content(context: StepContext) -> Tensor:
    """Distance of VGG features of SR and the teacher's output, over the crops that it has seen."""
    assert context.content_distance is not None
    return _towards_teacher(context, context.content_distance)


def _towards_teacher(context: StepContext, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    assert context.taught is not None
    sr = context.sr
    if context.taught_places is not None:
        if not len(context.taught_places):
            return 0 * sr.sum()
        sr = sr[context.taught_places].contiguous(memory_format=torch.channels_last)
    return distance(sr, context.taught)


def ms_ssim(context: StepContext) -> Tensor:
    """1 - multi-scale SSIM over RGB (Wang, Simoncelli & Bovik 2003).

    Crops too small for five scales use as many as leave an 11 x 11 window, with the weights scaled up to sum to 1.
    """
    first, second = context.sr, context.hr
    side = min(first.shape[-2:])
    scales = next((n for n in range(5, 1, -1) if side // 2 ** (n - 1) >= 11), 1)
    share = sum(MS_SSIM_WEIGHTS[:scales])
    product = first.new_ones(())
    for scale, weight in enumerate(MS_SSIM_WEIGHTS[:scales]):
        whole, contrast = _ssim(first, second)
        last = scale == scales - 1
        # A negative mean has no real power, and no gradient that would lead out.
        product = product * (whole if last else contrast).clamp(min=1e-6) ** (weight / share)
        if not last:
            first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    return 1 - product


def content(context: StepContext) -> Tensor:
    """Distance of VGG features of SR and HR."""
    assert context.content_distance is not None
    return context.content_distance(context.sr, context.hr)


def adversarial(context: StepContext) -> Tensor:
    """How far the discriminator is from taking SR for real."""
    fake, real = context.fake_logits, context.real_logits
    assert fake is not None
    assert real is not None
    if context.game == "hinge":
        return -fake.mean()
    if context.game == "vanilla":
        # The non-saturating form (Goodfellow et al. 2014, sec. 3; SRGAN, eq. 6).
        return F.softplus(-fake).mean()
    return (F.softplus(-(fake - real.mean())).mean() + F.softplus(real - fake.mean()).mean()) / 2


def discriminator_loss(real: Tensor, fake: Tensor, game: Game) -> Tensor:
    """The discriminator's own loss.

    Args:
        real: logits of HR crops, one a crop or one a pixel.
        fake: logits of SR crops.
        game: `vanilla` (Goodfellow et al. 2014), `relativistic` (relativistic average: Jolicoeur-Martineau 2018, as
            in ESRGAN, eq. 1), or `hinge` (Lim & Ye 2017).
    """
    if game == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    if game == "vanilla":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    return (F.softplus(-(real - fake.mean())).mean() + F.softplus(fake - real.mean()).mean()) / 2


def probabilities(real: Tensor, fake: Tensor, game: Game) -> tuple[Tensor, Tensor]:
    """(D(real), D(fake)): the mean probabilities, 0 to 1, that a discriminator with these logits gives."""
    if game == "relativistic":
        return torch.sigmoid(real - fake.mean()).mean(), torch.sigmoid(fake - real.mean()).mean()
    return torch.sigmoid(real).mean(), torch.sigmoid(fake).mean()


def ldl(context: StepContext) -> Tensor:
    """L1 where the residual looks like an artefact: locally discriminative learning (Liang et al. 2022, eq. 2-6).

    The map is the local variance of the residual, scaled by the crop's own variance to the power 1/5, and 0 wherever
    the moving-average generator is further from HR than this one.
    """
    assert context.ema_sr is not None
    weight = artefact_map(context.sr.detach(), context.hr, context.ema_sr)
    return (weight * (context.sr - context.hr).abs()).mean()


def artefact_map(sr: Tensor, hr: Tensor, ema_sr: Tensor) -> Tensor:
    """N x 1 x H x W weights of `ldl`."""
    residual = (hr - sr).abs().sum(1, keepdim=True)
    of_ema = (hr - ema_sr).abs().sum(1, keepdim=True)
    crop = residual.var((1, 2, 3), keepdim=True) ** 0.2
    pad = ARTEFACT_WINDOW // 2
    wide = F.pad(residual, (pad, pad, pad, pad), mode="reflect")
    mean = F.avg_pool2d(wide, ARTEFACT_WINDOW, stride=1)
    square = F.avg_pool2d(wide.square(), ARTEFACT_WINDOW, stride=1)
    count = ARTEFACT_WINDOW**2
    variance = (square - mean.square()).clamp(min=0) * count / (count - 1)
    return torch.where(residual < of_ema, 0.0, crop * variance)


def grid(context: StepContext) -> Tensor:
    """How much the error's local mean depends on where a pixel lies in the 4 x 4 grid that one LR pixel becomes.

    A pixel shuffle has weights of its own for each of these places, so nothing but the losses keeps them level. The
    content network pools, and hardly sees a pattern of a period of 2 or 4 pixels; here it is all that is seen: natural
    texture averages out over a window, a checkerboard adds up.
    """
    error = context.sr - context.hr
    height, width = (side - side % GRID for side in error.shape[-2:])
    places = F.pixel_unshuffle(error[..., :height, :width], GRID)
    means = F.avg_pool2d(places, min(GRID_WINDOW, *places.shape[-2:]))
    means = means.reshape(error.shape[0], error.shape[1], GRID * GRID, *means.shape[-2:])
    return (means - means.mean(2, keepdim=True)).abs().mean()


def texture(context: StepContext) -> Tensor:
    """How far luma's spectrum is from HR's, patch by patch: mean absolute logarithm of the ratio, wave by wave.

    Where several HR crops fit the LR crop, all other losses towards the truth are least for their mean, which has less
    fine detail than any of them. Here it counts how much there is of each direction and width, not where it lies (as
    the local statistics of Sajjadi et al. 2017, EnhanceNet, sec. 4.2.4, without a network). As every wave counts alike,
    a weave of a few of them does not make up for the others.
    """
    of_sr, of_hr = (torch.log(_spectra(x)) for x in (context.sr, context.hr))
    return (of_sr - of_hr).abs().mean()


def _spectra(x: Tensor) -> Tensor:
    """Mean power of luma's waves of up to half a window, N x rows x columns x waves; at least what nobody sees."""
    luma = (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1)
    side = min(TEXTURE_WINDOW, *luma.shape[-2:])
    windows = luma.unfold(1, side, max(1, side // 2)).unfold(2, side, max(1, side // 2))
    line = torch.hann_window(side, dtype=x.dtype, device=x.device)
    shape = line[:, None] * line
    waves = torch.view_as_real(torch.fft.rfft2((windows - windows.mean((-2, -1), keepdim=True)) * shape))
    power = waves.square().sum(-1)
    rows, columns = power.shape[1:3]
    # The mean leaks into the waves next to it.
    power = power.flatten(3)[..., _beyond_mean(side, x.device)]
    pooled = F.avg_pool2d(
        power.permute(0, 3, 1, 2), (min(TEXTURE_WINDOWS, rows), min(TEXTURE_WINDOWS, columns)), TEXTURE_WINDOWS // 2
    )
    return pooled + UNSEEN * shape.square().sum()


@cache
def _beyond_mean(side: int, device: torch.device) -> Tensor:
    """The places of all waves of a side's spectrum that go more than once through it, flattened."""
    down = (torch.fft.fftfreq(side) * side).abs()[:, None]
    across = (torch.fft.rfftfreq(side) * side).abs()
    return (torch.maximum(down, across) > 1).flatten().nonzero()[:, 0].to(device)


def fft(context: StepContext) -> Tensor:
    """Mean absolute error of the real and imaginary parts of the orthonormal spectrum."""
    difference = torch.fft.rfft2(context.sr - context.hr, norm="ortho")
    return torch.view_as_real(difference).abs().mean()


def tv(context: StepContext) -> Tensor:
    """Total variation of SR alone: mean absolute difference of neighbours, across plus down."""
    sr = context.sr
    return sr.diff(dim=-1).abs().mean() + sr.diff(dim=-2).abs().mean()


LOSSES: dict[str, LossFunction] = {name: globals()[name] for name in LOSS_DECLARATIONS}
"""Every loss that a recipe may weigh: the function of its name, here."""


def _ssim(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """(mean SSIM, mean contrast-structure part) over valid 11 x 11 Gaussian windows; range 0..1."""
    c1, c2 = 0.01**2, 0.03**2
    size = min(11, *first.shape[-2:])
    offsets = torch.arange(size, device=first.device, dtype=first.dtype) - (size - 1) / 2
    line = torch.exp(-offsets.square() / (2 * 1.5**2))
    line = line / line.sum()
    channels = first.shape[1]

    def blur(x: Tensor) -> Tensor:
        x = F.conv2d(x, line.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
        return F.conv2d(x, line.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)

    mean1, mean2 = blur(first), blur(second)
    variance1 = blur(first.square()) - mean1.square()
    variance2 = blur(second.square()) - mean2.square()
    covariance = blur(first * second) - mean1 * mean2
    contrast = (2 * covariance + c2) / (variance1 + variance2 + c2)
    luminance = (2 * mean1 * mean2 + c1) / (mean1.square() + mean2.square() + c1)
    return (luminance * contrast).mean(), contrast.mean()
