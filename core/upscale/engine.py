"""One array in, one array out: runs a model over a picture of any size on any device.

Pictures are cut into tiles as large as memory allows. Where it is known how far the network sees, tiles overlap by just
that, and the result is that of the whole picture at once; elsewhere they overlap generously and are blended across the
seams. What computes a tile stands behind `core.runtimes.network`: this module knows no runtime, and imports no torch.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from copy import copy
from math import inf, isfinite
from pathlib import Path

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.hashing import stamp_of
from core.language import gettext as _
from core.models.catalogue import Mix, find_model, mix_for
from core.models.graph_files import files_of
from core.runtimes.choice import give_up, load_model
from core.runtimes.network import (
    DeviceLostError,
    DeviceMemoryError,
    LanedModel,
    LoadedModel,
    Network,
    Part,
    Report,
    UnsupportedPrecisionError,
    levels,
    unit_values,
)
from core.runtimes.trial import choose
from core.tiling import Rect, Tile, tiles

SIDE_MIN = 32
"""Smallest side of a tile, in source pixels."""
WIDTHS = 16
"""Tiles are a multiple of this wide, where the picture goes on: OpenVINO in bf16 takes up to twice as long a pixel for
some widths between (404, 637, 699, 907; not 403, 574)."""
MEMORY_SHARE = 0.4
"""How much of the free memory a tile's feature maps may take; the rest is for the picture and for others."""

VERIFIED_PSNR = 40.0
"""dB against fp32 that half precision must reach on a test tile; bf16 reaches about 60."""
TEST_SIDE = 24
"""Pixels a side of the test tile."""

Sink = Callable[[Rect, np.ndarray], None]
"""Takes a finished part: where (in output pixels of the whole picture), and its pixels."""

distrusted: set[tuple[str, Precision, str]] = set()
"""(device, precision, model) that failed in this process: not tried again. Another model may well do in half precision
what this one cannot, so none is judged by another."""
_open: OrderedDict[tuple[object, ...], Engine] = OrderedDict()
_open_lock = threading.Lock()
OPEN_BYTES = 128 << 20
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
    """The engine for these settings; the last ones used are kept loaded, as `OPEN_BYTES` allows.

    Raises:
        UserError: no such model or device, the file is not a usable model, it enlarges nothing, or it knows no such
            detail or clean-up.
    """
    engine = _open_mix(mix_for(find_model(model), detail, clean_up), device, precision, tile)
    if engine.scale == 1:
        raise UserError(
            _("{name} restores pictures at the size they have, and enlarges nothing.").format(name=engine.name),
            _("Choose a model that enlarges, and this one under “Before enlarging” (--before)."),
        )
    return engine


def open_restorer(model: str, device: str = "auto", precision: Precision = "auto", tile: int = 0) -> Engine:
    """The engine of a model of scale 1, which restores a picture before another enlarges it.

    Raises:
        UserError: no such model or device, the file is not a usable model, or it enlarges.
    """
    engine = _open_mix(mix_for(find_model(model)), device, precision, tile)
    if engine.scale != 1:
        raise UserError(
            _("{name} enlarges by {scale}, so it cannot stand before the model that does.").format(
                name=engine.name, scale=engine.scale
            ),
            _("Before enlarging, choose models of scale 1: for JPEG, noise, blur or printed dots."),
        )
    return engine


def _open_mix(mix: Mix, device: str, precision: Precision, tile: int) -> Engine:
    files = tuple(
        (str(each.path), share, tuple(stamp_of(file) for file in files_of(each.path))) for each, share in mix.parts
    )
    key = (files, device, precision, tile)
    with _open_lock:
        if key not in _open:
            parts = [(each.path, share) for each, share in mix.parts]
            _open[key] = opened(parts, mix.name, device, precision, tile)
            while len(_open) > 2 and sum(each.weights_bytes for each in _open.values()) > OPEN_BYTES:
                _open.popitem(last=False)
        _open.move_to_end(key)
        # The job before may have been cancelled.
        _open[key].drop_picture()
        return _open[key]


class Engine:
    """A model on a device, ready to run. One picture at a time; not to be shared between threads."""

    def __init__(
        self,
        model: LoadedModel,
        name: str,
        precision: Precision = "auto",
        tile: int = 0,
        elsewhere: Callable[[], LoadedModel] | None = None,
    ) -> None:
        """Settle the precision.

        Args:
            model: on its device.
            name: of the model, for people.
            precision: `auto` takes the fastest that gives the right picture on a test tile; `fp32` for 16-bit pictures.
            tile: side of a tile in source pixels; 0 decides by free memory.
            elsewhere: loads the same model on another device, should this one be lost.

        Raises:
            UserError: half precision was asked for by name and gives wrong pictures here; or the device is lost, and
                there is no other.
        """
        self.name = name
        self.scale = model.geometry.scale
        self.reach = model.geometry.reach
        """How many source pixels around a region change its result, or those that a tile looks at."""
        self._model = model
        self._elsewhere = elsewhere
        self._fp32 = model.network("fp32")
        self._half: Network | None = None
        self._asked = precision
        self._tile = tile
        self.engine_notes: list[str] = []
        """About the engine, said once, with whatever picture came to light."""
        self.picture_notes: list[str] = []
        """About the picture in work."""
        self._warned_of_tiles = False
        self._lanes: Sequence[Engine] | None = None
        self._fp32_turn = threading.Lock()
        """Held while what lanes share computes."""
        self.precision: Precision = "fp32"
        try:
            self._settle_precision()
        except DeviceLostError:
            self._go_elsewhere()

    @property
    def device(self) -> str:
        """What a request calls the device that this runs on: `cpu`, `cuda:0`."""
        return self._model.device

    @property
    def kind(self) -> tuple[float, ...]:
        """Equal for networks of one kind, whatever their weights."""
        geometry = self._model.geometry
        return geometry.scale, geometry.values_per_pixel, self.fp32_bytes

    @property
    def fp32_bytes(self) -> int:
        """What the network's weights take in fp32."""
        return self._fp32.weights_bytes

    @property
    def weights_bytes(self) -> int:
        """Bytes of the network's weights, in all precisions that are loaded."""
        return self._fp32.weights_bytes + (self._half.weights_bytes if self._half is not None else 0)

    @property
    def description(self) -> str:
        """Model, device and precision, for people."""
        return self.describe(self.name)

    def describe(self, name: str) -> str:
        """Device and precision, for people, behind a name for what runs there."""
        return _("{name} on {device_label} ({precision})").format(
            name=name, device_label=self._model.device_label, precision=self.precision
        )

    def lanes(self) -> Sequence[Engine]:
        """Engines of the same network for as many threads, which share its weights and the cores; there may be none.

        Small pictures are done sooner so: on all cores at once each waits for the slowest core after every layer.
        """
        if self._lanes is None:
            networks = self._model.lanes(self.precision) if isinstance(self._model, LanedModel) else ()
            self._lanes = [self._lane(each) for each in networks]
        return self._lanes

    def _lane(self, network: Network) -> Engine:
        lane = copy(self)
        lane.engine_notes, lane.picture_notes = [], []
        lane._lanes, lane._elsewhere = (), None
        if self._half is None:
            lane._fp32, lane._fp32_turn = network, threading.Lock()
        else:
            lane._half = network
        return lane

    def take_notes(self) -> tuple[str, ...]:
        """What happened since the last call that the user should know, each said once."""
        notes = tuple(dict.fromkeys((*self.engine_notes, *self.picture_notes)))
        self.engine_notes, self.picture_notes = [], []
        return notes

    def drop_picture(self) -> None:
        """Forget the notes on a picture that was not finished: they are not about the next."""
        self.picture_notes = []

    def upscale(
        self,
        pixels: np.ndarray,
        cancel: CancelToken,
        on_progress: Report = lambda _fraction: None,
        *,
        ensemble: bool = False,
    ) -> np.ndarray:
        """Enlarge a picture by the model's scale.

        Args:
            pixels: H x W x 3, RGB, uint8 or uint16.
            cancel: asked at every tile and, where the runtime allows, after every layer.
            on_progress: told the fraction done, 0 to 1, as often.
            ensemble: average the eight flips and turns of the picture (EDSR, Lim et al. 2017, sec. 3.4).

        Returns:
            sH x sW x 3 of the same type.

        Raises:
            Cancelled: as `cancel.check`.
            UserError: the model gives no finite numbers even in fp32, or memory does not suffice for the smallest tile.
        """
        height, width = pixels.shape[:2]
        out = np.empty((height * self.scale, width * self.scale, 3), pixels.dtype)
        seam = self._model.geometry.blended * self.scale

        def store(where: Rect, part: np.ndarray) -> None:
            out[where.top : where.bottom, where.left : where.right] = _blended_in(part, out, where, seam)

        # 16-bit pictures are about fine gradients, which bf16's eight bits would spoil. A precision asked for by name
        # is used all the same, but for int8, which has no more levels than 8-bit pictures.
        exact = pixels.dtype == np.uint16 and self._asked in ("auto", "int8")
        self._run_tiles(pixels, store, cancel, on_progress, ensemble=ensemble, exact=exact)
        self._model.release_memory()
        return out

    def _run_tiles(
        self,
        pixels: np.ndarray,
        store: Sink,
        cancel: CancelToken,
        on_progress: Report,
        *,
        ensemble: bool,
        exact: bool,
    ) -> None:
        height, width = pixels.shape[:2]
        picture = Rect(0, 0, width, height)
        side = self._tile or self._side_for_memory(exact=exact)
        if self._model.geometry.whole:
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

            fits, lost = False, False
            try:
                self._run_tile(pixels, tile, store, report, ensemble=ensemble, exact=exact)
                fits = True
            except MemoryError:
                pass
            except DeviceLostError:
                lost = True
            if lost:
                self._go_elsewhere()
                waiting.append(tile)
                continue
            if fits:
                done += area
                continue
            # Outside the except block, so that the failed attempt's tensors are freed.
            self._model.release_memory()
            side = max(tile.core.width, tile.core.height)
            if side <= SIDE_MIN:
                raise UserError(
                    _("{device} has too little free memory even for a tile of {side} x {side} pixels.").format(
                        device=self.device, side=side
                    ),
                    _("Close other programs, or choose the device cpu."),
                )
            side = -(-side // 2)
            self.picture_notes.append(_("Memory ran out; continued with tiles of {side} pixels.").format(side=side))
            smaller = [part for big in (tile, *waiting[::-1]) for part in tiles(big.core, picture, side, self.reach)]
            waiting = smaller[::-1]

    def _run_tile(
        self,
        pixels: np.ndarray,
        tile: Tile,
        store: Sink,
        report: Report,
        *,
        ensemble: bool,
        exact: bool,
    ) -> None:
        picture = Rect(0, 0, pixels.shape[1], pixels.shape[0])
        # Each of two neighbours does half of what is blended across their seam.
        mine = tile.core.grown(self._model.geometry.blended // 2, picture)
        padded = tile.padded.aligned(self._model.geometry.aligned)
        if self._model.geometry.aligned == 1:
            padded = padded.widened(WIDTHS, picture)
        source = pixels[padded.top : padded.bottom, padded.left : padded.right]
        core = mine.relative_to(padded)
        corner = mine.scaled(self.scale)
        if not ensemble:

            def place(where: Rect, part: np.ndarray) -> None:
                store(where.moved(corner.left, corner.top), part)

            self._run_network(source, core, pixels.dtype.type, place, report, exact=exact)
            return
        total = np.zeros((core.height * self.scale, core.width * self.scale, 3), np.float32)
        for turn in range(8):
            turned_core = _turned_rect(core, source.shape[1], source.shape[0], turn)
            result = np.empty((turned_core.height * self.scale, turned_core.width * self.scale, 3), np.float32)

            def collect(where: Rect, part: np.ndarray, result: np.ndarray = result) -> None:
                result[where.top : where.bottom, where.left : where.right] = part

            def report_turn(fraction: float, turn: int = turn) -> None:
                report((turn + fraction) / 8)

            turned = np.ascontiguousarray(_turn(source, turn))
            self._run_network(turned, turned_core, np.float32, collect, report_turn, exact=exact)
            total += _turn_back(result, turn)
        store(corner, levels(total.transpose(2, 0, 1) / 8, pixels.dtype.type))

    def _run_network(
        self,
        source: np.ndarray,
        core: Rect,
        kind: type[np.generic],
        sink: Sink,
        report: Report,
        *,
        exact: bool,
    ) -> None:
        """Run one tile, in half precision where allowed; where that fails, again in fp32, and from then on only so."""
        if self._half is not None and not exact:
            if self._is_sound(self._half, source, core, kind, sink, report):
                return
            self._distrust(
                _("Half precision gave a black or broken tile; it was redone in fp32, and so will be the rest.")
            )
        with self._fp32_turn:
            if not self._is_sound(self._fp32, source, core, kind, sink, report):
                raise _gives_no_numbers(self.name)

    def _is_sound(
        self,
        network: Network,
        source: np.ndarray,
        core: Rect,
        kind: type[np.generic],
        sink: Sink,
        report: Report,
    ) -> bool:
        """Give the sink all parts of the enlarged core, counted from the core's corner; False if one is broken.

        Broken is what is not finite, or of one value where the source is not.
        """
        for part in network.run(source, core, kind, report):
            if not isfinite(part.low + part.high) or (
                part.low == part.high and _differs(source, core, part, self.scale)
            ):
                return False
            sink(part.where, part.pixels)
        return True

    def _go_elsewhere(self) -> None:
        """Load the model on another device, and use that from now on."""
        lost = self._model.device_label
        if self._elsewhere is None:
            raise _stopped_answering(lost)
        give_up(self._model.device)
        self._model, self._elsewhere = self._elsewhere(), None
        self._fp32, self._half, self.precision = self._model.network("fp32"), None, "fp32"
        self._lanes = None
        self._asked = "auto"
        self._settle_precision()
        self.engine_notes.append(
            _("{lost} stopped answering; the rest is done on {device_label}.").format(
                lost=lost, device_label=self._model.device_label
            )
        )

    def _warn_of_tiles(self) -> None:
        geometry = self._model.geometry
        note = geometry.tiles_note.format(model=self.name)
        if note and geometry.each_picture:
            self.picture_notes.append(note)
        elif note and not self._warned_of_tiles:
            # Once, and not for each of a thousand pictures.
            self._warned_of_tiles = True
            self.engine_notes.append(note)

    def _side_for_memory(self, *, exact: bool) -> int:
        bytes_each = 4 if exact or self._half is None else 2
        _total, free = self._model.memory()
        pixels = free * MEMORY_SHARE / (self._model.geometry.values_per_pixel * bytes_each)
        return int(max(SIDE_MIN, min(self._model.geometry.largest_side, pixels**0.5 - 2 * self.reach)))

    def _settle_precision(self) -> None:
        wanted = self._model.fast_precision if self._asked == "auto" else self._asked
        if wanted == "fp32" or (self._asked == "auto" and self._trust_key(wanted) in distrusted):
            return
        try:
            half = self._model.network(wanted)
        except UnsupportedPrecisionError as error:
            if self._asked != "auto":
                raise _does_not_work(wanted, self.name) from error
            return
        psnr = psnr_between(half, self._fp32, self.scale)
        self._half, self.precision = half, wanted
        if psnr >= VERIFIED_PSNR:
            return
        if self._asked != "auto":
            raise _gives_wrong_pictures(wanted, self.name, self.device, psnr)
        self._distrust(
            _("{wanted} gives wrong pictures of {name} on {device}; fp32 is used.").format(
                wanted=wanted, name=self.name, device=self.device
            )
        )

    def _trust_key(self, precision: Precision) -> tuple[str, Precision, str]:
        return str(self.device), precision, self.name

    def _distrust(self, note: str) -> None:
        distrusted.add(self._trust_key(self.precision))
        self.engine_notes.append(note)
        self._half, self.precision, self._lanes = None, "fp32", None


def opened(parts: Sequence[tuple[Path, float]], name: str, device: str, precision: Precision, tile: int) -> Engine:
    """Load a model on the device of a request; on the one that a trial finds fastest where that is `auto`.

    Args:
        parts: model files and their shares.
        name: of the model, for people.
        device: as a request names it.
        precision: likewise.
        tile: side of a tile in source pixels; 0 decides by free memory.

    Raises:
        UserError: no such device, the files are no usable model, or the precision is not to be had.
    """

    def on(place: str) -> Engine:
        model = load_model(parts, place, precision)
        spare = None if model.device == "cpu" else lambda: load_model(parts, "cpu", "auto")
        return Engine(model, name, precision, tile, spare)

    if device != "auto":
        return on(device)
    return choose([file for path, _share in parts for file in files_of(path)], on, precision)


def psnr_between(half: Network, exact: Network, scale: int) -> float:
    """PSNR in dB of one network against another, on a small test picture of gradients, edges and noise.

    Minus infinity if it fails, or gives no numbers.
    """
    ramp = np.broadcast_to(np.linspace(0, 1, TEST_SIDE, dtype=np.float32), (TEST_SIDE, TEST_SIDE))
    # Impulses of one channel alone drive some networks far out of range, where nothing needs to be right.
    impulses = np.random.default_rng(0).random((TEST_SIDE, TEST_SIDE)) < 0.1
    test = np.repeat(np.where(impulses, 1 - ramp, ramp)[..., None], 3, axis=2)
    wanted = _at_once(exact, test, scale)
    try:
        error = float(np.mean(np.square(_at_once(half, test, scale).astype(np.float64) - wanted)))
    except (RuntimeError, DeviceMemoryError):
        # Some architectures mix precisions within, whatever their descriptor promises.
        return -inf
    if not isfinite(error):
        return -inf
    return inf if error == 0 else -10 * float(np.log10(error))


def _at_once(network: Network, source: np.ndarray, scale: int) -> np.ndarray:
    """A small picture in 0..1, enlarged, in float32."""
    height, width = source.shape[:2]
    result = np.empty((height * scale, width * scale, 3), np.float32)
    for part in network.run(source, Rect(0, 0, width, height), np.float32, lambda _done: None):
        where = part.where
        result[where.top : where.bottom, where.left : where.right] = part.pixels
    return result


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


def _gives_no_numbers(name: str) -> UserError:
    return UserError(
        _("The model {name} gives no valid numbers for this picture.").format(name=name),
        _("Its file is damaged; use another model."),
    )


def _stopped_answering(device: str) -> UserError:
    return UserError(
        _("{lost} stopped answering.").format(lost=device),
        _("Restart the program; if it happens again, update the device's driver."),
    )


def _does_not_work(precision: str, name: str) -> UserError:
    return UserError(
        _("The model {name} does not work in {wanted}.").format(name=name, wanted=precision), _("Choose auto or fp32.")
    )


def _gives_wrong_pictures(precision: str, name: str, device: str, psnr: float) -> UserError:
    how_wrong = "" if psnr == -inf else _(" ({psnr:.0f} dB against fp32)").format(psnr=psnr)
    return UserError(
        _("{wanted} gives wrong pictures of {name} on {device}{how_wrong}.").format(
            wanted=precision, name=name, device=device, how_wrong=how_wrong
        ),
        _("Choose auto or fp32."),
    )


def _differs(source: np.ndarray, core: Rect, part: Part, scale: int) -> bool:
    """Whether an enlarged part that is nothing but one value is not what its source should become.

    A nearly flat sky or shadow may come out flat, or clipped.
    """
    where = part.where
    top, left = core.top + where.top // scale, core.left + where.left // scale
    bottom, right = core.top - -where.bottom // scale, core.left - -where.right // scale
    values = unit_values(source[top:bottom, left:right])
    spread = float(values.max()) - float(values.min())
    return spread > 0.1 or (spread > 2 / 255 and abs(float(values.mean()) - part.low) > 0.05)


def _turn(pixels: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of the square, of the first two dimensions."""
    if turn & 4:
        pixels = pixels.swapaxes(0, 1)
    return np.flip(pixels, tuple(axis for bit, axis in ((1, 0), (2, 1)) if turn & bit))


def _turn_back(pixels: np.ndarray, turn: int) -> np.ndarray:
    pixels = np.flip(pixels, tuple(axis for bit, axis in ((1, 0), (2, 1)) if turn & bit))
    return pixels.swapaxes(0, 1) if turn & 4 else pixels


def _turned_rect(rect: Rect, width: int, height: int, turn: int) -> Rect:
    """Where `rect` of a `width` x `height` picture lies after `_turn`."""
    if turn & 4:
        rect, width, height = Rect(rect.top, rect.left, rect.bottom, rect.right), height, width
    if turn & 1:
        rect = Rect(rect.left, height - rect.bottom, rect.right, height - rect.top)
    if turn & 2:
        rect = Rect(width - rect.right, rect.top, width - rect.left, rect.bottom)
    return rect
