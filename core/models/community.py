"""Networks of other people, through spandrel: it recognises some 40 architectures by their weights alone.

What such a network needs and stands is taken from spandrel's descriptor: scale, channels, sizes, half precision,
tiling. What the descriptor does not say, one small test picture tells: whether the network runs at all, how much memory
a pixel takes, whether it stands the memory layout that convolutions are fastest in.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from spandrel import (
    MAIN_REGISTRY,
    ImageModelDescriptor,
    MaskedImageModelDescriptor,
    ModelLoader,
    ModelTiling,
    UnsupportedModelError,
)
from torch import Tensor, nn

from core.contract.errors import UserError
from core.language import gettext as _
from core.models.graph import BLENDED, OVERLAP
from core.models.graph_files import SCALES

PROBE_SIDE = 24
"""Pixels a side of the test picture; some networks pad it to a multiple of their window."""
BLOCK = 16
"""Largest side of the attention windows, and of the blocks of pixels turned into channels, that networks cut a picture
into without a word in the descriptor."""

_OVERHEAD = 4
"""Values alive at the peak, in units of the largest input and output of one layer: skips and workspace are more."""

try:  # the user's choice, for the licences of some of its architectures
    import spandrel_extra_arches

    spandrel_extra_arches.install(ignore_duplicates=True)
except ImportError:
    pass


class CommunityNetwork(nn.Module):
    """A loaded network: N x 3 x H x W (RGB, 0..1, float32) to N x 3 x sH x sW, as the engine runs it."""

    def __init__(self, descriptor: ImageModelDescriptor, name: str) -> None:
        """Run the test picture through it.

        Args:
            descriptor: in float32, on the CPU, of 1, 3 or 4 channels.
            name: of the file, for people.

        Raises:
            UserError: it does not run.
        """
        super().__init__()
        self.descriptor = descriptor
        """spandrel's, with what it promises of the network."""
        self.network: nn.Module = descriptor.model
        self.architecture: str = descriptor.architecture.name
        self.tags = tuple(str(tag) for tag in descriptor.tags)
        self.scale: int = descriptor.scale
        self.channels: int = descriptor.input_channels
        self.reach = OVERLAP
        self.blended = BLENDED
        self.aligned = math.lcm(descriptor.size_requirements.multiple_of, BLOCK)
        """Tiles begin at multiples of this, so that windows and unshuffled pixels fall as in the whole picture."""
        self.whole = descriptor.tiling == ModelTiling.INTERNAL
        """Whether it wants the whole picture at once, and cuts it up itself."""
        self.tiling_discouraged = descriptor.tiling == ModelTiling.DISCOURAGED
        self.channels_last = False
        self.values_per_pixel = 0.0
        self._work_per_pixel = 0.0
        self._after_layer: Callable[[float], None] = lambda _done: None
        self._work_done = 0.0
        self.requires_grad_(False).eval()
        self._probe(name)

    def supports(self, dtype: torch.dtype) -> bool:
        """Whether its architecture is known to work in this precision; the engine still checks."""
        if dtype == torch.float16:
            return bool(self.descriptor.supports_half)
        return dtype == torch.float32 or bool(self.descriptor.supports_bfloat16)

    def use_precision(self, dtype: torch.dtype) -> CommunityNetwork:
        """Compute in `dtype` from now on; returns itself."""
        self.network.to(dtype)
        return self

    def run(self, x: Tensor, after_layer: Callable[[float], None]) -> Tensor:
        """Do what `forward` does; after each layer `after_layer` gets the share of the work done, and may raise."""
        self._after_layer, self._work_done = after_layer, 0.0
        # One channel at a time is three passes over a picture of the same size.
        passes = 3 if self.channels == 1 else 1
        total = max(1.0, self._work_per_pixel * x.shape[-1] * x.shape[-2] * passes * x.shape[0])
        hooks = [
            layer.register_forward_hook(lambda module, _x, y: self._count(_work(module, y), total))
            for layer in self.network.modules()
            if not list(layer.children())
        ]
        try:
            return self(x)
        finally:
            for hook in hooks:
                hook.remove()

    def forward(self, x: Tensor) -> Tensor:
        """N x 3 x H x W (0..1) to N x 3 x sH x sW, float32."""
        dtype = next(self.network.parameters()).dtype
        x = x.to(dtype)
        if self.channels == 4:
            x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        parts = x.flatten(0, 1)[:, None] if self.channels == 1 else x
        if self.channels == 1 and x.shape[0] == 1 and bool((x == x[:, :1]).all()):
            parts = x[:, :1]
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        # spandrel takes one picture at a time.
        # A copy: some networks, spandrel's RCAN among them, scale what they are given in place.
        results = [self.descriptor(part[None].clone(memory_format=layout)).float() for part in parts]
        y = torch.cat(results)
        if self.channels == 1:
            y = y.view(x.shape[0], -1, *y.shape[-2:])
            return y.expand(-1, 3, -1, -1)
        return y[:, :3]

    def _count(self, work: float, total: float) -> None:
        self._work_done += work
        self._after_layer(min(1.0, self._work_done / total))

    def _probe(self, name: str) -> None:
        x = torch.rand(1, 3, PROBE_SIDE, PROBE_SIDE, generator=torch.Generator().manual_seed(0))
        largest = 0

        def look(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            nonlocal largest
            values = sum(t.numel() for t in (*inputs, output) if isinstance(t, Tensor))
            largest = max(largest, values)
            self._work_per_pixel += _work(module, output)

        hooks = [layer.register_forward_hook(look) for layer in self.network.modules() if not list(layer.children())]
        try:
            with torch.inference_mode(), _one_thread():
                y = self(x)
        except Exception as error:  # whatever a stranger's network stumbles on
            raise UserError(
                _("{name} is recognised as {architecture}, but does not run: {error}").format(
                    name=name, architecture=self.architecture, error=error or type(error).__name__
                ),
                _("Its file may belong to a variant that is not supported; use another model."),
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
        if y.shape != (1, 3, PROBE_SIDE * self.scale, PROBE_SIDE * self.scale):
            raise UserError(
                _(
                    "{name} is recognised as {architecture} x{scale}, but makes {shape} x {shape_2} "
                    "pixels of {probe_side} x {probe_side}."
                ).format(
                    name=name,
                    architecture=self.architecture,
                    scale=self.scale,
                    shape=y.shape[3],
                    shape_2=y.shape[2],
                    probe_side=PROBE_SIDE,
                ),
                _("Its file may belong to a variant that is not supported; use another model."),
            )
        pixels = PROBE_SIDE**2
        self._work_per_pixel /= pixels * (3 if self.channels == 1 else 1)
        self.values_per_pixel = _OVERHEAD * largest / pixels
        self.channels_last = self._stands_channels_last(x, y)

    def _stands_channels_last(self, x: Tensor, wanted: Tensor) -> bool:
        """Convolutions are up to twice as fast in this layout, but code that views instead of reshaping fails in it."""
        other = copy.deepcopy(self)
        try:
            other.to(memory_format=torch.channels_last)
            other.channels_last = True
            with torch.inference_mode(), _one_thread():
                return bool(torch.allclose(other(x), wanted, atol=1e-3))
        except RuntimeError:
            return False


def load_community(state: Mapping[str, Tensor], name: str) -> CommunityNetwork:
    """Build the network that these weights are, in eval mode on the CPU, in float32.

    Args:
        state: as `core.models.weights.load_state` gives it.
        name: of the file, for people.

    Raises:
        UserError: no known architecture, or one that does something else than enlarge a picture; it says which.
    """
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    try:
        with warnings.catch_warnings():
            # Some architectures warn of torch's own changes, which is not the user's concern.
            warnings.simplefilter("ignore")
            descriptor = ModelLoader().load_from_state_dict(state)
    except UnsupportedModelError as error:
        raise UserError(
            _("{name} holds no network that this program knows.").format(name=name),
            _(
                "It knows SRGAN and {count} other architectures, ESRGAN, SwinIR, HAT and SPAN among "
                "them; openmodeldb.info has models."
            ).format(count=len(MAIN_REGISTRY)),
        ) from error
    except Exception as error:  # spandrel's detection looks at a few names only, and the rest may be anything
        raise UserError(
            _("{name} looks like a known network, but its weights do not fit: {error}").format(
                name=name, error=_first(error)
            ),
            _("It may be damaged, or a variant that is not supported; use another model."),
        ) from error
    architecture = descriptor.architecture.name
    if isinstance(descriptor, MaskedImageModelDescriptor) or descriptor.purpose == "Inpainting":
        raise UserError(
            _("{name} is an inpainting model ({architecture}): it fills holes, and enlarges nothing.").format(
                name=name, architecture=architecture
            ),
            _("Choose a model that enlarges pictures."),
        )
    if descriptor.purpose == "FaceSR":
        raise UserError(
            _(
                "{name} is a face model ({architecture}): it redraws one aligned face and knows no other picture."
            ).format(name=name, architecture=architecture),
            _("Choose a model for whole pictures."),
        )
    if descriptor.scale not in SCALES:
        raise UserError(
            _("{name} enlarges by {scale}, which is out of range.").format(name=name, scale=descriptor.scale),
            _("Scales of {start} to {stop} can be used.").format(start=SCALES.start, stop=SCALES.stop - 1),
        )
    if (descriptor.input_channels, descriptor.output_channels) not in ((1, 1), (3, 3), (4, 4)):
        raise UserError(
            _("{name} turns {input_channels} channels into {output_channels} ({architecture}).").format(
                name=name,
                input_channels=descriptor.input_channels,
                output_channels=descriptor.output_channels,
                architecture=architecture,
            ),
            _("Choose a model that makes RGB out of RGB."),
        )
    return CommunityNetwork(descriptor.to(torch.float32), name)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hundreds of layers over so few pixels: handing each to several threads costs more than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _work(module: nn.Module, output: object) -> float:
    """About in proportion to the multiply-adds of a layer: its weights times the places they are put to."""
    if not isinstance(output, Tensor) or output.dim() < 2:
        return 0.0
    weights = sum(parameter.numel() for parameter in module.parameters(recurse=False))
    channels = output.shape[1] if output.dim() == 4 else output.shape[-1]
    return output.numel() * (1 + weights / max(1, channels))


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
