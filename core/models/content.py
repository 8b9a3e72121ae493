"""VGG features: the content loss, and the perceptual distance that results are measured by.

Weights come from torchvision (downloaded once, hash checked) or from a safetensors file of the user's, whose metadata
says how pictures are to be prepared for it. They are never random: a content loss of random features looks like one
that works, and is none.
"""

from __future__ import annotations

import hashlib
import re
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import paths
from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import DownloadProgress
from core.language import gettext as _
from core.models.card import read_header
from core.models.weights import load_state

VggName = Literal["vgg16", "vgg19"]
Distance = Literal["l1", "mse", "lpips"]

_CONVOLUTIONS: dict[VggName, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""How many convolutions a block has; a 2 x 2 max pooling follows each."""
_IMAGENET = "RGB in 0..1, minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)"
PERCEPTUAL_LAYERS = ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4")
_CHUNK = 1 << 20
TIMEOUT = 10.0
"""Seconds that a server may stay silent. A network that swallows everything is found out after that long."""


@dataclass(frozen=True, slots=True)
class InputRule:
    """How RGB in 0..1 becomes what a network was trained on: `(x * gain)[channels] - mean) / deviation`."""

    gain: float = 1.0
    bgr: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def parse(cls, text: str) -> InputRule:
        """Read a metadata line as `RGB in 0..1, times 255, to BGR, minus (104, 117, 123), divided by (1, 1, 1)`.

        All but the first part may be left out; the order is fixed, and the numbers follow the order of the channels.

        Raises:
            ValueError: the text is something else.
        """
        number = r"([-+0-9.eE]+)"
        triple = rf"\({number}, *{number}, *{number}\)"
        match = re.fullmatch(
            rf"RGB in 0\.\.1(?:, times {number})?(, to BGR)?(?:, minus {triple})?(?:, divided by {triple})?",
            text.strip(),
        )
        if not match:
            raise ValueError(f"“{text}” is no rule of preparation")
        gain, bgr, *numbers = match.groups()
        mean = tuple(float(n or 0) for n in numbers[:3])
        deviation = tuple(float(n or 1) for n in numbers[3:])
        return cls(float(gain or 1), bool(bgr), (mean[0], mean[1], mean[2]), (deviation[0], deviation[1], deviation[2]))


class ContentNetwork(nn.Module):
    """The convolutions of VGG16 or VGG19 (Simonyan & Zisserman 2015), frozen, with their input rule."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, name: VggName, state: Mapping[str, Tensor], rule: InputRule, origin: str) -> None:
        """Take the weights over.

        Args:
            name: `vgg16` or `vgg19`.
            state: keys as torchvision's `features` has them: `0.weight`, `0.bias`, `2.weight`...
            rule: how RGB in 0..1 is prepared.
            origin: where the weights are from, for model cards and logs.

        Raises:
            ValueError: keys or shapes are not those of the network.
        """
        super().__init__()
        self.name = name
        self.origin = origin
        self.rule = rule
        self.layers: list[str] = []
        """`conv1_1`, `relu1_1`, ..., in the order of `features`."""
        modules: list[nn.Module] = []
        maps = 3
        with torch.device("meta"):
            for block, count in enumerate(_CONVOLUTIONS[name], start=1):
                after = min(512, 64 << (block - 1))
                for number in range(1, count + 1):
                    modules += [nn.Conv2d(maps, after, 3, padding=1), nn.ReLU()]
                    self.layers += [f"conv{block}_{number}", f"relu{block}_{number}"]
                    maps = after
                modules.append(nn.MaxPool2d(2, 2))
                self.layers.append(f"pool{block}")
        self.features = nn.Sequential(*modules)
        try:
            self.features.load_state_dict({k: v.float() for k, v in state.items()}, strict=True, assign=True)
        except RuntimeError as error:
            raise ValueError(f"these are not the features of {name}") from error
        self.register_buffer("mean", torch.tensor(rule.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(rule.deviation).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def layer(self, wanted: str) -> str:
        """The name of a layer here. One that VGG16 lacks, as `conv3_4`, is the last of its block.

        Raises:
            ValueError: there is nothing like it.
        """
        match = re.fullmatch(r"(conv|relu)([1-5])_([1-4])", wanted)
        if not match:
            raise ValueError(f"“{wanted}” is no layer of {self.name}; they are named as conv3_4")
        last = _CONVOLUTIONS[self.name][int(match[2]) - 1]
        return f"{match[1]}{match[2]}_{min(int(match[3]), last)}"

    def forward(self, x: Tensor, layers: tuple[str, ...]) -> list[Tensor]:
        """Features of RGB in 0..1, N x 3 x H x W, at `layers` (names of `self.layers`), in that order."""
        y = x * self.rule.gain if self.rule.gain != 1 else x
        if self.rule.bgr:
            y = y.flip(1)
        y = (y - self.mean) / self.deviation
        wanted, found = set(layers), {}
        for name, module in zip(self.layers, self.features, strict=True):
            y = module(y)
            if name in wanted:
                found[name] = y
                if len(found) == len(wanted):
                    break
        return [found[name] for name in layers]


class ContentLoss(nn.Module):
    """Weighted distance of the features of SR and HR: N x 3 x H x W each, RGB in 0..1, to a scalar."""

    def __init__(
        self,
        network: ContentNetwork,
        layers: Mapping[str, float],
        *,
        before_activation: bool = True,
        distance: Distance = "l1",
        normalise: bool = True,
    ) -> None:
        """Choose what is compared.

        Args:
            network: whose features; shared, not copied.
            layers: weight by name, as `conv4_4`.
            before_activation: take the convolution's output, not the ReLU's (ESRGAN, sec. 3.3).
            distance: mean absolute difference, mean squared difference, or that of LPIPS (`_between_directions`).
            normalise: divide by the mean magnitude (or square) of HR's features, layer by layer; nothing to do for
                `lpips`.

        Raises:
            ValueError: a layer is unknown.
        """
        super().__init__()
        self.network = network
        kind = "conv" if before_activation else "relu"
        weights: dict[str, float] = {}
        for name, weight in layers.items():
            here = network.layer(name.replace("conv", kind))
            weights[here] = weights.get(here, 0.0) + weight
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.distance = distance
        self.magnitude = _mean_absolute if distance == "l1" else _mean_square
        self.normalise = normalise

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The distance; the gradient reaches `sr` only."""
        names = tuple(self.weights)
        with torch.no_grad():
            targets = self.network(hr, names)
        total = sr.new_zeros((), dtype=torch.float32)
        for name, mine, target in zip(names, self.network(sr, names), targets, strict=True):
            total = total + self.weights[name] * self._term(mine, target)
        return total

    def _term(self, mine: Tensor, target: Tensor) -> Tensor:
        if self.distance == "lpips":
            return _between_directions(mine, _direction(target))
        term = self.magnitude(mine - target)
        return term / self.magnitude(target).clamp(min=1e-6) if self.normalise else term


def _direction(features: Tensor) -> Tensor:
    """Features scaled to length 1 at each position, in float32."""
    return F.normalize(features.float(), dim=1)


def _between_directions(features: Tensor, wanted: Tensor) -> Tensor:
    """Squared distance of features scaled to length 1 and `wanted`, which is; the mean over positions: 0 to 4.

    LPIPS (Zhang et al. 2018, eq. 1) with all weights of a layer 1.
    """
    return (wanted - _direction(features)).square().sum(1).mean()


def _mean_absolute(features: Tensor) -> Tensor:
    """In float32 whatever the features are in, and in one pass: VGG's first maps are the largest of a step."""
    return torch.linalg.vector_norm(features, 1, dtype=torch.float32) / features.numel()


def _mean_square(features: Tensor) -> Tensor:
    return features.float().square().mean()


def picture_distances(network: ContentNetwork, original: np.ndarray, results: Sequence[np.ndarray]) -> list[float]:
    """`perceptual_distances` of H x W x 3 uint8 RGB pictures."""
    device = network.mean.device

    def tensor(picture: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture)).to(device).permute(2, 0, 1)[None].float() / 255

    return perceptual_distances(network, tensor(original), [tensor(each) for each in results])


@torch.no_grad()
def perceptual_distances(network: ContentNetwork, original: Tensor, results: Sequence[Tensor]) -> list[float]:
    """Distances of pictures from an original as a VGG sees them: 0 for equal ones, larger for what looks less alike.

    The last layer of each of the five blocks, after its ReLU; the features of each position scaled to length 1; the
    squared difference summed over channels, averaged over positions, then over the layers. This is LPIPS (Zhang et al.
    2018, eq. 1) with all weights equal instead of learned ones: its figures rank results, and are not to be set beside
    published LPIPS. They also depend on whose weights `network` has.

    Args:
        network: on the same device.
        original: N x 3 x H x W, RGB in 0..1, at least 16 pixels a side.
        results: each of the same size.
    """
    layers = tuple(network.layer(name.replace("conv", "relu")) for name in PERCEPTUAL_LAYERS)
    wanted = [_direction(features) for features in network(original, layers)]
    found = []
    for result in results:
        pairs = zip(network(result, layers), wanted, strict=True)
        distances = [_between_directions(mine, target) for mine, target in pairs]
        found.append(float(torch.stack(distances).mean()))
    return found


def load_content(
    name: VggName, file: Path | None, cancel: CancelToken
) -> Generator[DownloadProgress, None, ContentNetwork]:
    """Get a content network: from `file` if given, else torchvision's, downloading it the first time.

    Raises:
        UserError: the file is unusable or does not say how to prepare pictures; or there is neither file nor network.
        Cancelled: while downloading.
    """
    if file is not None:
        return content_from_file(file)
    cached = cached_content(name)
    if not cached.is_file():
        yield from _download(name, cached, cancel)
    return content_from_file(cached)


def cached_content(name: VggName) -> Path:
    """Where torchvision's features lie once downloaded."""
    return paths.downloaded_content(name)


def content_for(file: Path | None) -> ContentNetwork | None:
    """The network for the perceptual distance: the user's, else torchvision's if it is here, else none.

    Raises:
        UserError: the file is unusable.
    """
    if file is not None:
        return content_from_file(file)
    cached = cached_content("vgg19")
    return content_from_file(cached) if cached.is_file() else None


def content_from_file(path: Path) -> ContentNetwork:
    """Read VGG features from a safetensors file.

    Its metadata says under `input` how pictures are prepared (`InputRule.parse`); which VGG it is, the number of its
    convolutions tells.

    Raises:
        UserError: it is no such file.
    """
    if path.suffix.lower() != ".safetensors":
        raise UserError(
            _("{name} is not a safetensors file.").format(name=path.name),
            _(
                "Content weights must say how pictures are prepared for them, which a .pth cannot; "
                "save them as safetensors with that in the metadata, or leave the file out to "
                "download torchvision's."
            ),
        )
    if not path.is_file():
        raise UserError(
            _("There are no content weights {path}.").format(path=path),
            _("Check the path, or leave it out to download them."),
        )
    metadata = read_header(path).get("__metadata__", {})
    try:
        rule = InputRule.parse(metadata.get("input", ""))
    except ValueError as error:
        raise UserError(
            _("{name} does not say how pictures are prepared for it.").format(name=path.name),
            _("Its metadata needs an entry “input” as “{imagenet}”.").format(imagenet=_IMAGENET),
        ) from error
    state, _rest = load_state(path)
    name: VggName = "vgg19" if sum(key.endswith(".weight") for key in state) == 16 else "vgg16"
    try:
        return ContentNetwork(name, state, rule, metadata.get("origin", path.name))
    except ValueError as error:
        raise UserError(
            _("{name} does not hold the convolutions of VGG16 or VGG19.").format(name=path.name),
            _("Choose another file."),
        ) from error


def _download(name: VggName, target: Path, cancel: CancelToken) -> Generator[DownloadProgress, None, None]:
    """Fetch torchvision's weights, check them, and keep the convolutions (a seventh of the file)."""
    # Here, as importing it takes seconds and is for nothing where the weights are already there.
    import torchvision

    weights = {
        "vgg16": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
        "vgg19": torchvision.models.VGG19_Weights.IMAGENET1K_V1,
    }[name]
    # torchvision names its files by the beginning of their SHA-256.
    digest = re.search(r"-([0-9a-f]{8,})\.pth$", weights.url)
    assert digest is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = target.with_suffix(".pth")
    try:
        with replacing(whole) as temporary:
            found = hashlib.sha256()
            with urllib.request.urlopen(weights.url, timeout=TIMEOUT) as answer, temporary.open("wb") as file:
                total = int(answer.headers.get("Content-Length") or 0)
                done = 0
                while chunk := answer.read(_CHUNK):
                    cancel.check()
                    file.write(chunk)
                    found.update(chunk)
                    done += len(chunk)
                    yield DownloadProgress(f"torchvision's {name}", done, total)
            if not found.hexdigest().startswith(digest[1]):
                raise UserError(
                    _(
                        "The downloaded weights of {name} are damaged: their SHA-256 does not begin with {digest}."
                    ).format(name=name, digest=digest[1]),
                    _("Try again, or give a file of content weights."),
                )
        state, _rest = load_state(whole)
        prefix = "features."
        features = {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}
        metadata = {
            "architecture": f"torchvision {name}.features",
            "origin": f"torchvision {weights}",
            "input": _IMAGENET,
        }
        with replacing(target) as temporary:
            temporary.write_bytes(safetensors.torch.save(features, metadata))
    except OSError as error:
        raise UserError(
            _("The content loss needs the weights of {name}, and they could not be downloaded: {error}").format(
                name=name, error=error
            ),
            _(
                "Connect to the internet once, or give a safetensors file of VGG16 or VGG19 features "
                "(--content-weights); or do without: --set gan.losses.content=0 --set "
                "validation.gan_metric=psnr_y."
            ),
        ) from error
    finally:
        whole.unlink(missing_ok=True)
