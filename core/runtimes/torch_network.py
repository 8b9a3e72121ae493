"""Networks in torch: on NVIDIA, AMD (ROCm) and Intel graphics cards, Apple's, and processors.

Our generators' residual trunk sees far (37 source pixels at 16 blocks), so it runs on the whole tile; what lies behind
it sees three pixels and needs sixteen times the memory per source pixel, so it runs on small pieces cut from the
trunk's features. Networks of other people run whole on each tile.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core import devices as torch_devices
from core.contract.device import DeviceInfo
from core.contract.settings import Precision
from core.language import gettext as _
from core.models.graph_module import GraphModule
from core.models.serving import ServedGenerator, load_served
from core.runtimes.loading import geometry_of_config, geometry_of_graph, tiles_are_blended
from core.runtimes.network import (
    COMMUNITY_SIDE,
    TAIL_SIDE,
    TRUNK_SHARE,
    DeviceLostError,
    DeviceMemoryError,
    Part,
    Report,
    TileGeometry,
    UnsupportedPrecisionError,
)
from core.tiling import Rect, tiles

if TYPE_CHECKING:
    from core.models.serving import ForeignNetwork


class TorchModel:
    """A `LoadedModel`."""

    def __init__(self, network: ServedGenerator | ForeignNetwork, device: torch.device) -> None:
        """Put the network on the device.

        Args:
            network: in float32.
            device: to run on.
        """
        self.geometry = geometry_of(network)
        self.device = str(device)
        self._device = device
        self._module = network.to(device)
        if network.channels_last:
            self._module.to(memory_format=torch.channels_last)

    @property
    def device_label(self) -> str:
        """The processor's or card's name."""
        return torch_devices.describe(self._device).label

    @property
    def fast_precision(self) -> Precision:
        """What `core.devices` knows of the device."""
        return torch_devices.fast_precision(self._device)

    def network(self, precision: Precision) -> TorchNetwork:
        """Its network in this precision.

        Raises:
            UnsupportedPrecisionError: its architecture is known not to work in it, or torch knows no such precision.
        """
        if precision == "fp32":
            return TorchNetwork(self._module, precision, self._device)
        dtype = torch_devices.DTYPES.get(precision)
        if dtype is None or not self._module.supports(dtype):
            raise UnsupportedPrecisionError(precision)
        return TorchNetwork(copy.deepcopy(self._module).use_precision(dtype), precision, self._device)

    def memory(self) -> tuple[int, int]:
        """(total, free) bytes."""
        return torch_devices.memory(self._device)

    def release_memory(self) -> None:
        """Empty torch's cache, and glibc's."""
        torch_devices.release_memory(self._device)


class TorchNetwork:
    """A `Network`."""

    def __init__(self, module: ServedGenerator | ForeignNetwork, precision: Precision, device: torch.device) -> None:
        self.module = module
        self.precision = precision
        self._device = device

    @property
    def weights_bytes(self) -> int:
        """What its weights take."""
        return sum(p.numel() * p.element_size() for p in self.module.parameters())

    @torch.inference_mode()
    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        """Enlarge the core of a tile, as `Network.run` says."""
        with _in_plain_errors():
            x = self._on_device(source)
            parts = _generator_parts if isinstance(self.module, ServedGenerator) else _whole_tile
            for where, y in parts(self.module, x, core, report):  # type: ignore[arg-type]
                low, high = torch.aminmax(y)
                yield Part(where, _levels(y, kind), float(low), float(high))

    def _on_device(self, source: np.ndarray) -> Tensor:
        """1 x 3 x H x W in 0..1, float32."""
        # A copy, since pictures may be read-only; uint16 as int32, since few devices have kernels for it.
        values = torch.from_numpy(source.astype(np.int32 if source.dtype == np.uint16 else source.dtype))
        x = values.to(self._device).permute(2, 0, 1).unsqueeze(0).float()
        if source.dtype != np.float32:
            x = x / float(np.iinfo(source.dtype).max)
        return x.contiguous(memory_format=torch.channels_last)


def load(parts: Sequence[tuple[Path, float]], device: str) -> TorchModel:
    """Load a model for a device.

    Args:
        parts: model files and their shares (`core.models.catalogue.Mix`).
        device: as a request names it.

    Raises:
        UserError: there is no such device, or the files are no usable model.
    """
    chosen = torch_devices.choose(device)
    network, _card = load_served(parts)
    return TorchModel(network, chosen)


def devices() -> list[DeviceInfo]:
    """What torch can compute on here."""
    return torch_devices.devices()


def driver_of(device: str) -> str:
    """What a measurement on this device holds for: its name."""
    return torch_devices.describe(torch.device(device)).label


@contextmanager
def _in_plain_errors() -> Iterator[None]:
    """Torch's own errors as those that the engine knows."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(str(error)) from None
    except torch.AcceleratorError as error:
        # After any error of a card but that, each further call fails with the same.
        raise DeviceLostError(str(error)) from None


def _generator_parts(network: ServedGenerator, x: Tensor, core: Rect, report: Report) -> Iterator[tuple[Rect, Tensor]]:
    """Enlarge `core` of a tile in parts: where in the enlarged core, and 3 x h x w."""
    features = network.trunk_features(x, lambda done: report(TRUNK_SHARE * done))
    area = core.width * core.height
    done = 0
    whole = Rect(0, 0, x.shape[3], x.shape[2])
    for part in tiles(core, whole, TAIL_SIDE, network.tail_reach):
        look = part.padded
        window = (..., slice(look.top, look.bottom), slice(look.left, look.right))
        y = network.enlarge(features[window], x[window])[0]
        inner = part.core.relative_to(look).scaled(network.scale)
        yield (
            part.core.relative_to(core).scaled(network.scale),
            y[:, inner.top : inner.bottom, inner.left : inner.right],
        )
        done += part.core.width * part.core.height
        report(TRUNK_SHARE + (1 - TRUNK_SHARE) * done / area)


def _whole_tile(network: ForeignNetwork, x: Tensor, core: Rect, report: Report) -> Iterator[tuple[Rect, Tensor]]:
    """Enlarge `core` of a tile in one part; yields what `_generator_parts` does."""
    y = network.run(x, report)[0]
    inner = core.scaled(network.scale)
    yield Rect(0, 0, inner.width, inner.height), y[:, inner.top : inner.bottom, inner.left : inner.right]
    report(1.0)


def _levels(y: Tensor, kind: type[np.generic]) -> np.ndarray:
    """What `core.runtimes.network.levels` gives, made on the device: a quarter as much goes through the bus."""
    if kind is np.float32:
        return y.permute(1, 2, 0).cpu().numpy()
    top = np.iinfo(kind).max  # type: ignore[type-var]
    rounded = y.clamp(0, 1).mul(top).round_().permute(1, 2, 0)
    # torch has few operations on uint16; int32 holds both types.
    return rounded.to(torch.uint8 if top == 255 else torch.int32).cpu().numpy().astype(kind, copy=False)


def geometry_of(network: ServedGenerator | ForeignNetwork) -> TileGeometry:
    """How its tiles are cut."""
    if isinstance(network, ServedGenerator):
        return geometry_of_config(network.config)
    if isinstance(network, GraphModule):
        return geometry_of_graph(network.graph)
    discouraged = _(" Its author advises against tiles.") if network.tiling_discouraged else ""
    return TileGeometry(
        scale=network.scale,
        reach=network.reach,
        blended=network.blended,
        aligned=network.aligned,
        whole=network.whole,
        largest_side=COMMUNITY_SIDE,
        tail_reach=0,
        values_per_pixel=network.values_per_pixel,
        tiles_note=tiles_are_blended(network.reach) + discouraged,
        each_picture=False,
    )
