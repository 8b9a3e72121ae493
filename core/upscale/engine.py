"""One array in, one array out: runs a model over a picture of any size on any device.

The residual trunk sees far (37 source pixels at 16 blocks), so it runs on tiles as large as memory allows; what lies
behind it sees three pixels and needs sixteen times the memory per source pixel, so it runs on small tiles cut from the
trunk's features. Tiles overlap by the network's true reach: the result is that of the whole picture at once.

Networks of other people run whole on each tile. How far they see is not known, so their tiles overlap generously and
are blended across the seams.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core import devices
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.models.catalogue import find_model, mix_for
from core.models.serving import ServedGenerator, load_served
from core.upscale.tiling import Rect, Tile, tiles

if TYPE_CHECKING:
    from core.models.community import CommunityNetwork

TRUNK_SIDE = 1024
"""Largest side of a trunk tile, in source pixels: the overlap then costs a tenth, and fp32 fits in 3 GB."""
TRUNK_SIDE_MIN = 32
TAIL_SIDE = 128
"""Side of a tail tile, in source pixels."""
COMMUNITY_SIDE = 512
"""Largest side of a tile for other people's networks, in source pixels: larger ones save little and take long to
cancel."""
MEMORY_SHARE = 0.4
"""How much of the free memory a trunk tile's feature maps may take; the rest is for the picture and for others."""

VERIFIED_PSNR = 40.0
"""dB against fp32 that half precision must reach on a test tile; bf16 reaches about 60."""

Sink = Callable[[Rect, Tensor], None]
"""Takes a finished part: where (in output pixels of the whole picture), and 3 x h x w in 0..1, float32."""

_distrusted: set[tuple[str, Precision, str]] = set()
"""(device, precision, model) that failed in this process: not tried again. Another model may well do in half precision
what this one cannot, so none is judged by another."""
_open: OrderedDict[tuple[object, ...], Engine] = OrderedDict()
_open_lock = threading.Lock()
_OPEN_BYTES = 128 << 20
"""Bytes of weights that stay loaded beside the last two networks: a run that chooses by the picture uses a dozen mixes
of one small network in turn."""


def open_engine(
    model: str = "",
    device: str = "auto",
    precision: Precision = "auto",
    tile: int = 0,
    detail: int = 100,
    clean_up: int = 0,
) -> Engine:
    """The engine for these settings; the last ones used are kept loaded, as `_OPEN_BYTES` allows.

    Raises:
        UserError: no such model or device, the file is not a usable model, or it knows no such detail or clean-up.
    """
    mix = mix_for(find_model(model), detail, clean_up)
    files = tuple((str(each.path), share, *_version(each.path)) for each, share in mix.parts)
    key = (files, device, precision, tile)
    with _open_lock:
        if key not in _open:
            chosen = devices.choose(device)
            network, _card = load_served([(each.path, share) for each, share in mix.parts])
            _open[key] = Engine(network, mix.name, chosen, precision, tile)
            while len(_open) > 2 and sum(each.weights_bytes for each in _open.values()) > _OPEN_BYTES:
                _open.popitem(last=False)
        _open.move_to_end(key)
        # The job before may have been cancelled.
        _open[key].drop_picture()
        return _open[key]


def _version(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


class Engine:
    """A model on a device, ready to run. One picture at a time; not to be shared between threads."""

    def __init__(
        self,
        network: ServedGenerator | CommunityNetwork,
        name: str,
        device: torch.device,
        precision: Precision = "auto",
        tile: int = 0,
    ) -> None:
        """Put the network on the device and settle the precision.

        Args:
            network: in float32.
            name: of the model, for people.
            device: to run on.
            precision: `auto` takes the fastest that gives the right picture on a test tile; `fp32` for 16-bit pictures.
            tile: side of a trunk tile in source pixels; 0 decides by free memory.

        Raises:
            UserError: half precision was asked for by name and gives wrong pictures here.
        """
        self.name = name
        self.device = device
        self.scale = network.scale
        self.reach = network.reach
        """How many source pixels around a region change its result, or those that a tile looks at."""
        self._fp32 = network.to(device)
        if network.channels_last:
            self._fp32.to(memory_format=torch.channels_last)
        self._asked = precision
        self._tile = tile
        self._engine_notes: list[str] = []
        """About the engine, said once, with whatever picture came to light."""
        self._picture_notes: list[str] = []
        """About the picture in work."""
        self._half: ServedGenerator | CommunityNetwork | None = None
        self._warned_of_tiles = False
        self.precision: Precision = "fp32"
        self._settle_precision()

    @property
    def weights_bytes(self) -> int:
        """Bytes of the network's weights, in all precisions that are loaded."""
        networks = [self._fp32, self._half] if self._half is not None else [self._fp32]
        return sum(p.numel() * p.element_size() for network in networks for p in network.parameters())

    @property
    def description(self) -> str:
        """Model, device and precision, for people."""
        return self.describe(self.name)

    def describe(self, name: str) -> str:
        """Device and precision, for people, behind a name for what runs there."""
        return f"{name} on {devices.describe(self.device).label} ({self.precision})"

    def take_notes(self) -> tuple[str, ...]:
        """What happened since the last call that the user should know, each said once."""
        notes = tuple(dict.fromkeys((*self._engine_notes, *self._picture_notes)))
        self._engine_notes, self._picture_notes = [], []
        return notes

    def drop_picture(self) -> None:
        """Forget the notes on a picture that was not finished: they are not about the next."""
        self._picture_notes = []

    def upscale(
        self,
        pixels: np.ndarray,
        cancel: CancelToken,
        on_progress: Callable[[float], None] = lambda _fraction: None,
        *,
        ensemble: bool = False,
    ) -> np.ndarray:
        """Enlarge a picture by the model's scale.

        Args:
            pixels: H x W x 3, RGB, uint8 or uint16.
            cancel: asked after every layer of the trunk and every tile.
            on_progress: told the fraction done, 0 to 1, as often.
            ensemble: average the eight flips and turns of the picture (EDSR, Lim et al. 2017, sec. 3.4).

        Returns:
            sH x sW x 3 of the same type.

        Raises:
            Cancelled: as `cancel.check`.
            UserError: the model gives no finite numbers even in fp32, or memory does not suffice for the smallest tile.
        """
        height, width = pixels.shape[:2]
        top = np.iinfo(pixels.dtype).max
        out = np.empty((height * self.scale, width * self.scale, 3), pixels.dtype)

        def store(where: Rect, part: Tensor) -> None:
            levels = part.clamp(0, 1).mul(top).round_().permute(1, 2, 0)
            # torch has few operations on uint16; int32 holds both types and numpy narrows it on assignment.
            new = levels.to(torch.uint8 if top == 255 else torch.int32).cpu().numpy()
            seam = self._fp32.blended * self.scale
            out[where.top : where.bottom, where.left : where.right] = _blended_in(new, out, where, seam)

        # 16-bit pictures are about fine gradients, which bf16's eight bits would spoil. A precision asked for by name
        # is used all the same.
        exact = pixels.dtype == np.uint16 and self._asked == "auto"
        with torch.inference_mode():
            self._run_tiles(pixels, store, cancel, on_progress, ensemble=ensemble, exact=exact)
        devices.release_memory(self.device)
        return out

    def _run_tiles(
        self,
        pixels: np.ndarray,
        store: Sink,
        cancel: CancelToken,
        on_progress: Callable[[float], None],
        *,
        ensemble: bool,
        exact: bool,
    ) -> None:
        height, width = pixels.shape[:2]
        picture = Rect(0, 0, width, height)
        side = self._tile or self._side_for_memory(exact=exact)
        if self._fp32.whole:
            side = max(width, height)
        if width > side or height > side:
            self._warn_of_tiles()
        waiting = list(tiles(picture, picture, side, self.reach))[::-1]
        done = 0
        while waiting:
            tile = waiting.pop()
            area = tile.core.width * tile.core.height

            def report(fraction: float, done: int = done, area: int = area) -> None:
                cancel.check()
                on_progress((done + fraction * area) / (width * height))

            try:
                self._run_tile(pixels, tile, store, report, ensemble=ensemble, exact=exact)
            except (torch.OutOfMemoryError, MemoryError):
                fits = False
            else:
                fits = True
            if fits:
                done += area
                devices.release_memory(self.device)
                continue
            # Outside the except block, so that the failed attempt's tensors are freed.
            devices.release_memory(self.device)
            side = max(tile.core.width, tile.core.height)
            if side <= TRUNK_SIDE_MIN:
                raise UserError(
                    f"{self.device} has too little free memory even for a tile of {side} x {side} pixels.",
                    "Close other programs, or choose the device cpu.",
                )
            side = -(-side // 2)
            self._picture_notes.append(f"Memory ran out; went on with tiles of {side} pixels.")
            smaller = [part for big in (tile, *waiting[::-1]) for part in tiles(big.core, picture, side, self.reach)]
            waiting = smaller[::-1]

    def _run_tile(
        self,
        pixels: np.ndarray,
        tile: Tile,
        store: Sink,
        report: Callable[[float], None],
        *,
        ensemble: bool,
        exact: bool,
    ) -> None:
        picture = Rect(0, 0, pixels.shape[1], pixels.shape[0])
        # Each of two neighbours does half of what is blended across their seam.
        mine = tile.core.grown(self._fp32.blended // 2, picture)
        padded = tile.padded.aligned(self._fp32.aligned)
        # A copy, since pictures may be read-only; uint16 as int32, since few devices have kernels for it.
        kind = np.uint8 if pixels.dtype == np.uint8 else np.int32
        source = pixels[padded.top : padded.bottom, padded.left : padded.right].astype(kind)
        values = torch.from_numpy(source).to(self.device)
        x = values.permute(2, 0, 1).unsqueeze(0).float() / float(np.iinfo(pixels.dtype).max)
        x = x.contiguous(memory_format=torch.channels_last)
        core = mine.relative_to(padded)
        half = None if exact else self._half
        if not ensemble:
            corner = _scaled(mine, self.scale)

            def place(where: Rect, part: Tensor) -> None:
                store(where.moved(corner.left, corner.top), part)

            self._run_network(x, core, half, place, report)
            return
        total = torch.zeros(3, core.height * self.scale, core.width * self.scale, device=self.device)
        for turn in range(8):
            turned_core = _turned_rect(core, x.shape[3], x.shape[2], turn)
            result = torch.empty(3, turned_core.height * self.scale, turned_core.width * self.scale, device=self.device)

            def collect(where: Rect, part: Tensor, result: Tensor = result) -> None:
                result[:, where.top : where.bottom, where.left : where.right] = part

            def report_turn(fraction: float, turn: int = turn) -> None:
                report((turn + fraction) / 8)

            turned = _turn(x, turn).contiguous(memory_format=torch.channels_last)
            self._run_network(turned, turned_core, half, collect, report_turn)
            total += _turn_back(result, turn)
        store(_scaled(mine, self.scale), total / 8)

    def _run_network(
        self,
        x: Tensor,
        core: Rect,
        half: ServedGenerator | CommunityNetwork | None,
        sink: Sink,
        report: Callable[[float], None],
    ) -> None:
        """Run one tile, in half precision if given; where that fails, again in fp32, and from then on only so."""
        if half is not None:
            if self._run_layers(half, x, core, sink, report):
                return
            self._distrust(
                "Half precision gave a black or broken tile; it was done again in fp32, as will be the rest."
            )
        if not self._run_layers(self._fp32, x, core, sink, report):
            raise UserError(
                f"The model {self.name} gives no valid numbers for this picture.",
                "Its file is damaged; use another model.",
            )

    def _run_layers(
        self,
        network: ServedGenerator | CommunityNetwork,
        x: Tensor,
        core: Rect,
        sink: Sink,
        report: Callable[[float], None],
    ) -> bool:
        """Give the sink all parts of the enlarged core, counted from the core's corner; False if one is broken.

        Broken is what is not finite, or of one value where the source is not.
        """
        if isinstance(network, ServedGenerator):
            parts = _generator_parts(network, x, core, report)
        else:
            parts = _whole_tile(network, x, core, report)
        for where, y, source in parts:
            low, high = torch.aminmax(y)
            if not torch.isfinite(low + high) or (low == high and _differs(source, low)):
                return False
            sink(where, y)
        return True

    def _warn_of_tiles(self) -> None:
        if isinstance(self._fp32, ServedGenerator):
            if self._fp32.trunk_reach is None:
                self._picture_notes.append(
                    "This model looks at the whole picture; in tiles its result differs slightly."
                )
        elif not self._warned_of_tiles:
            # Once, and not for each of a thousand pictures.
            self._warned_of_tiles = True
            discouraged = " Its author advises against tiles." if self._fp32.tiling_discouraged else ""
            self._engine_notes.append(
                f"How far {self.name} looks is not known: its tiles overlap by {self.reach} pixels and are blended."
                f"{discouraged}"
            )

    def _side_for_memory(self, *, exact: bool) -> int:
        bytes_each = 4 if exact or self._half is None else 2
        _total, free = devices.memory(self.device)
        pixels = free * MEMORY_SHARE / (self._fp32.values_per_pixel * bytes_each)
        largest = TRUNK_SIDE if isinstance(self._fp32, ServedGenerator) else COMMUNITY_SIDE
        return int(max(TRUNK_SIDE_MIN, min(largest, pixels**0.5 - 2 * self.reach)))

    def _settle_precision(self) -> None:
        wanted = devices.fast_precision(self.device) if self._asked == "auto" else self._asked
        if wanted == "fp32" or (self._asked == "auto" and self._trust_key(wanted) in _distrusted):
            return
        if not self._fp32.supports(devices.DTYPES[wanted]):
            if self._asked != "auto":
                raise UserError(f"The model {self.name} does not work in {wanted}.", "Choose auto or fp32.")
            return
        half = copy.deepcopy(self._fp32).use_precision(devices.DTYPES[wanted])
        psnr = self._psnr_against_fp32(half)
        if psnr >= VERIFIED_PSNR:
            self._half, self.precision = half, wanted
            return
        failing = psnr == float("-inf")
        if self._asked != "auto":
            how_wrong = "" if failing else f" ({psnr:.0f} dB against fp32)"
            raise UserError(
                f"{wanted} gives wrong pictures of {self.name} on {self.device}{how_wrong}.", "Choose auto or fp32."
            )
        self._half, self.precision = half, wanted
        self._distrust(f"{wanted} gives wrong pictures of {self.name} on {self.device}; fp32 is used.")

    def _psnr_against_fp32(self, half: ServedGenerator | CommunityNetwork) -> float:
        """PSNR in dB on a small test picture of gradients, edges and noise; minus infinity if it fails."""
        generator = torch.Generator().manual_seed(0)
        ramp = torch.linspace(0, 1, 24).expand(3, 24, 24)
        # Impulses of one channel alone drive some networks far out of range, where nothing needs to be right.
        test = torch.where(torch.rand(1, 24, 24, generator=generator) < 0.1, 1 - ramp, ramp)
        x = test.unsqueeze(0).to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            wanted = self._fp32(x)
            try:
                error = torch.mean((half(x) - wanted).double().cpu() ** 2).item()
            except RuntimeError:
                # Some architectures mix precisions within, whatever their descriptor promises.
                return float("-inf")
        if error != error or error == float("inf"):
            return float("-inf")
        return float("inf") if error == 0 else -10 * float(np.log10(error))

    def _trust_key(self, precision: Precision) -> tuple[str, Precision, str]:
        return str(self.device), precision, self.name

    def _distrust(self, note: str) -> None:
        _distrusted.add(self._trust_key(self.precision))
        self._engine_notes.append(note)
        self._half, self.precision = None, "fp32"


def _generator_parts(
    network: ServedGenerator, x: Tensor, core: Rect, report: Callable[[float], None]
) -> Iterator[tuple[Rect, Tensor, Tensor]]:
    """Enlarge `core` of a tile in parts: where in the enlarged core, the part, and the source it was made of."""
    trunk_share = 0.45
    features = network.trunk_features(x, lambda done: report(trunk_share * done))
    area = core.width * core.height
    done = 0
    whole = Rect(0, 0, x.shape[3], x.shape[2])
    for part in tiles(core, whole, TAIL_SIDE, network.tail_reach):
        look = part.padded
        window = (..., slice(look.top, look.bottom), slice(look.left, look.right))
        y = network.enlarge(features[window], x[window])[0]
        inner = _scaled(part.core.relative_to(look), network.scale)
        yield (
            _scaled(part.core.relative_to(core), network.scale),
            y[:, inner.top : inner.bottom, inner.left : inner.right],
            x[window],
        )
        done += part.core.width * part.core.height
        report(trunk_share + (1 - trunk_share) * done / area)


def _whole_tile(
    network: CommunityNetwork, x: Tensor, core: Rect, report: Callable[[float], None]
) -> Iterator[tuple[Rect, Tensor, Tensor]]:
    """Enlarge `core` of a tile in one part; yields what `_generator_parts` does."""
    y = network.run(x, report)[0]
    inner = _scaled(core, network.scale)
    yield (
        Rect(0, 0, inner.width, inner.height),
        y[:, inner.top : inner.bottom, inner.left : inner.right],
        x[..., core.top : core.bottom, core.left : core.right],
    )
    report(1.0)


def _blended_in(new: np.ndarray, whole: np.ndarray, where: Rect, width: int) -> np.ndarray:
    """`new` with its edges running into what earlier tiles left: those above, and the one to the left.

    With weights r (rows) and c (columns) rising over a seam, the four tiles around a corner are to get
    (1-r)(1-c), (1-r)c, r(1-c) and rc. The last comes last and takes rc; so the third, whose right edge it will cover,
    takes r(1-c) / (1-rc) of what the first two left.

    Args:
        new: h x w x 3 levels.
        whole: the enlarged picture so far.
        where: in it; at the picture's own edges nothing is blended.
        width: of a seam, in enlarged pixels.
    """
    if not width:
        return new
    old = whole[where.top : where.bottom, where.left : where.right]
    rising = (np.arange(width, dtype=np.float32) + 0.5) / width
    rows, columns = np.ones(new.shape[0], np.float32), np.ones(new.shape[1], np.float32)
    covered = np.zeros(new.shape[1], np.float32)
    if where.top > 0:
        rows[:width] = rising[: len(rows)]
    if where.left > 0:
        columns[:width] = rising[: len(columns)]
    if where.right < whole.shape[1]:
        covered[-width:] = rising[-len(covered) :]
    result = new.astype(np.float32)
    for edge in (np.s_[:width], np.s_[width:, :width]):
        r, c, later = rows[:, None], columns[None], covered[None]
        share = (r * c * (1 - later) / (1 - r * later))[edge][..., None]
        result[edge] = old[edge] + share * (result[edge] - old[edge])
    return np.rint(result)


def _scaled(rect: Rect, scale: int) -> Rect:
    return Rect(rect.left * scale, rect.top * scale, rect.right * scale, rect.bottom * scale)


def _differs(source: Tensor, value: Tensor) -> bool:
    """Whether an enlarged part that is nothing but `value` is not what this source should become.

    A nearly flat sky or shadow may come out flat, or clipped.
    """
    low, high = torch.aminmax(source)
    spread = high - low
    return bool(spread > 0.1) or bool(spread > 2 / 255 and (source.mean() - value).abs() > 0.05)


def _turn(x: Tensor, turn: int) -> Tensor:
    """One of the eight symmetries of the square, of the last two dimensions."""
    if turn & 4:
        x = x.transpose(-1, -2)
    return x.flip([dim for bit, dim in ((1, -2), (2, -1)) if turn & bit])


def _turn_back(x: Tensor, turn: int) -> Tensor:
    x = x.flip([dim for bit, dim in ((1, -2), (2, -1)) if turn & bit])
    return x.transpose(-1, -2) if turn & 4 else x


def _turned_rect(rect: Rect, width: int, height: int, turn: int) -> Rect:
    """Where `rect` of a `width` x `height` picture lies after `_turn`."""
    if turn & 4:
        rect, width, height = Rect(rect.top, rect.left, rect.bottom, rect.right), height, width
    if turn & 1:
        rect = Rect(rect.left, height - rect.bottom, rect.right, height - rect.top)
    if turn & 2:
        rect = Rect(width - rect.right, rect.top, width - rect.left, rect.bottom)
    return rect
