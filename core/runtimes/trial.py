"""Which of the devices that can compute a model is fastest: tried once for a kind of network, and remembered. Plain.

What is tried has been verified against fp32 before, as everything that computes is. A trial takes a second or two, so
none is made of networks as small as to be done before it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from core import paths, processor
from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.edition import has_torch
from core.hashing import stamp_of
from core.runtimes import choice
from core.runtimes.cards import installed_cards
from core.runtimes.choice import package_versions, rivals, torch_may_have_cards, versions

WORTH_BYTES = 400_000
"""A network with fewer bytes of weights in fp32 is left where it is."""
FASTER = 0.9
"""Share of the first device's time that another has to stay under: what is as fast is not worth a change."""
SECONDS = 0.15
"""About what one run of the trial picture is to take on the first device."""
SIDES = (32, 128)
"""The trial picture's smallest and largest side."""
ROUNDS = 3
LIMIT_SECONDS = 3.0
"""How long the rounds may take; on a busy machine or with a large network the first has to do."""

MOST_REMEMBERED = 500
"""How many winners are kept, the newest: each training run leaves files of sizes of their own."""


class Contender(Protocol):
    """What can be tried: an engine."""

    @property
    def device(self) -> str:
        """What a request calls its device."""

    @property
    def kind(self) -> tuple[float, ...]:
        """Equal for networks of one kind, whatever their weights: a trial of one holds for all."""

    @property
    def fp32_bytes(self) -> int:
        """What its weights take in fp32."""

    def upscale(self, pixels: np.ndarray, cancel: CancelToken) -> np.ndarray:
        """Enlarge a picture."""


Each = TypeVar("Each", bound=Contender)


def choose(files: Sequence[Path], on: Callable[[str], Each], precision: Precision) -> Each:
    """The engine for a model where nobody names a device.

    From the second time on it is known by its files which device that is, so that no runtime is started but the one
    that computes.

    Args:
        files: of the model, in the order of its parts.
        on: makes the engine on a device, `auto` being the one that is taken without a trial; may raise `UserError`.
        precision: as the request names it.

    Raises:
        UserError: as `on`.
    """
    key = _key_of_files(files, precision)
    device = None if key is None else _read().get(key)
    if isinstance(device, str) and device not in choice.lost_devices:
        with suppress(UserError):
            return on(device)
    found = known_winner(on, precision) or fastest(on("auto"), on, precision)
    if key is not None and found.fp32_bytes >= WORTH_BYTES and not choice.lost_devices:
        _remember({key: found.device})
    return found


def fastest(first: Each, on: Callable[[str], Each], precision: Precision) -> Each:
    """The fastest engine for a model.

    Args:
        first: on the device that torch takes by itself; it stays unless another is clearly faster.
        on: makes the engine on another device; may raise `UserError`.
        precision: as the request names it.
    """
    others = rivals(first.device)
    if not others or first.fp32_bytes < WORTH_BYTES:
        return first
    key = _key(first.device, precision, first.kind, others)
    device = _read().get(key)
    if device is None:
        contenders = [first, *_made(on, others)]
        times = measure_times(contenders)
        best = min(times[1:], default=times[0])
        winner = contenders[times.index(best)] if best < FASTER * times[0] else first
    else:
        winner = next(iter(_made(on, [device])), first) if device in others else first
    # Where it is not the first that wins, it is found by its own kind as well, without the first.
    _remember(dict.fromkeys((key, _key(first.device, precision, winner.kind, others)), winner.device))
    return winner


def known_winner(on: Callable[[str], Each], precision: Precision) -> Each | None:
    """The engine that an earlier trial found to be faster than torch; None where there was none, or torch has a card.

    Torch is not imported, which takes longer than all else until the first picture.

    Args:
        on: as in `fastest`.
        precision: as the request names it.
    """
    if not has_torch() or torch_may_have_cards():
        return None
    remembered = _read()
    # To know a network's kind it has to be built, which is for nothing where no rival won in this precision.
    begins = json.dumps([_FIRST, precision])[:-1]
    winners = {device for key, device in remembered.items() if key.startswith(begins)}
    if winners <= {_FIRST}:
        return None
    others = rivals(_FIRST)
    for device in others:
        for engine in _made(on, [device] if device in winners else []):
            if remembered.get(_key(_FIRST, precision, engine.kind, others)) == device:
                return engine
    return None


_FIRST = "cpu"
"""Where torch computes without a card."""


def _key(first: str, precision: Precision, kind: tuple[float, ...], others: Sequence[str]) -> str:
    return json.dumps([first, precision, kind, versions([first, *others])])


def _key_of_files(files: Sequence[Path], precision: Precision) -> str | None:
    """What stands for a model's kind without opening it: files of the same sizes hold networks of one kind.

    None where torch has to be asked for its cards each time, or a file is not to be seen.
    """
    if has_torch() and torch_may_have_cards():
        return None
    stamps = [stamp_of(each) for each in files]
    sizes = [[each.suffix.lower(), stamp[0]] for each, stamp in zip(files, stamps, strict=True) if stamp is not None]
    if len(sizes) < len(files):
        return None
    holds_for = [processor.processor_name(), *package_versions(), *installed_cards()]
    return json.dumps(["files", has_torch(), precision, sizes, holds_for])


def _made(on: Callable[[str], Each], devices: Sequence[str]) -> list[Each]:
    made = []
    for device in devices:
        try:
            made.append(on(device))
        except UserError:
            # It has no words for this network, or not in this precision.
            continue
    return made


def measure_times(contenders: Sequence[Contender]) -> list[float]:
    """The shortest time of each on one picture, in turns, so that noise hits all alike."""
    small = _picture(SIDES[0])
    for each in contenders:
        # The first run sets up what later ones reuse.
        each.upscale(small, CancelToken())
    seconds = _timed(contenders[0], small)
    side = round(SIDES[0] * (SECONDS / max(seconds, 1e-6)) ** 0.5)
    picture = _picture(max(SIDES[0], min(SIDES[1], side)))
    times = [float("inf")] * len(contenders)
    begun = time.perf_counter()
    for done in range(ROUNDS):
        if done and time.perf_counter() - begun > LIMIT_SECONDS:
            break
        for index, each in enumerate(contenders):
            times[index] = min(times[index], _timed(each, picture))
    return times


def _timed(contender: Contender, picture: np.ndarray) -> float:
    begun = time.perf_counter()
    contender.upscale(picture, CancelToken())
    return time.perf_counter() - begun


def _picture(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


def _read() -> dict[str, str]:
    try:
        found = json.loads((paths.user_cache() / "runtimes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(devices: dict[str, str]) -> None:
    place = paths.user_cache() / "runtimes.json"
    known = _read()
    if devices.items() <= known.items():
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as temporary:
            newest = list((known | devices).items())[-MOST_REMEMBERED:]
            temporary.write_text(json.dumps(dict(newest), indent=1), encoding="utf-8")
    except OSError:
        # It is tried again next time.
        pass
