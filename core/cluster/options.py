"""Which cluster, how many workers, and what each gets. Plain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from core.contract.errors import UserError
from core.language import gettext as _

MOST_CPUS = 8
"""Cores of a worker on a processor, where nobody says otherwise: more of them help one picture little."""
GPU_CPUS = 4
"""Cores beside a graphics card, which decode and encode for it."""
_HINT = _("Say gpu=1, or cpu=4, or both: gpu=1,cpu=4.")


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker has for itself."""

    cpus: int
    gpus: float = 0

    def __str__(self) -> str:
        parts = [f"gpu={self.gpus:g}"] * (self.gpus > 0) + [f"cpu={self.cpus}"]
        return ",".join(parts)

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `gpu=1`, `cpu=4`, or both with a comma between them.

        Raises:
            UserError: it is none of these.
        """
        given: dict[str, float] = {}
        for part in text.split(","):
            name, _rest, number = part.strip().partition("=")
            try:
                given[name] = float(number)
            except ValueError:
                raise UserError(
                    _("“{text}” names nothing that a worker could be given.").format(text=text), _HINT
                ) from None
        cpus, gpus = given.get("cpu", 1.0), given.get("gpu", 0.0)
        if not given.keys() <= {"cpu", "gpu"} or not isfinite(gpus) or gpus < 0 or cpus not in range(1, 1025):
            raise UserError(_("“{text}” names nothing that a worker could be given.").format(text=text), _HINT)
        if gpus > 1:
            raise UserError(
                _("A worker computes on one graphics card."), _("Say gpu=1, or gpu=0.5 where two share one.")
            )
        return cls(int(cpus), gpus)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What a user says of a cluster."""

    address: str = "auto"
    """HOST:PORT of its head; `auto` is the one that this machine is part of, or this machine alone."""
    workers: int | None = None
    """The most that work at a time; None is as many as there is room for."""
    share: Share | None = None
    """None is a graphics card a worker where there is one, and a few cores elsewhere."""


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a cluster."""

    key: str
    """What the cluster calls it."""
    name: str
    """For people: its host name and address."""
    cpus: float
    gpus: float = 0

    def room_for(self, share: Share) -> int:
        """How many workers it holds."""
        room = self.cpus // share.cpus
        return int(min(room, self.gpus // share.gpus) if share.gpus else room)


def share_for(nodes: Iterable[Node], options: ClusterOptions, device: str) -> Share:
    """What each worker gets.

    Args:
        nodes: all machines.
        options: what the user says.
        device: that of the request.

    Raises:
        UserError: no machine has room for one.
    """
    nodes = [each for each in nodes if each.cpus >= 1]
    share = options.share
    with_gpu = [each for each in nodes if each.gpus >= 1]
    if share is None and device != "cpu" and with_gpu:
        share = Share(int(max(1, min(GPU_CPUS, *(each.cpus // each.gpus for each in with_gpu)))), 1)
    elif share is None:
        share = Share(int(min((MOST_CPUS, *(each.cpus for each in nodes)))))
    if share.gpus == 0 and device not in ("auto", "cpu"):
        raise UserError(
            _("The device “{device}” was asked for, but workers have no graphics card.").format(device=device),
            _("Add --per-worker gpu=1."),
        )
    if not any(each.room_for(share) for each in nodes):
        found = "; ".join(
            _("{name} has gpu={gpus:g},cpu={cpus:g}").format(name=each.name, gpus=each.gpus, cpus=each.cpus)
            for each in nodes[:5]
        )
        raise UserError(
            _("No machine of the cluster has room for a worker with {share}.").format(share=share),
            _("Give each worker less with --per-worker. {found}.").format(found=found)
            if found
            else _("Start one with: ray start --address=HEAD:PORT"),
        )
    return share


def device_for(share: Share, nodes: Iterable[Node], device: str) -> str:
    """What a worker's request calls its device: of the cards of its machine it sees its own alone."""
    if share.gpus:
        return device.partition(":")[0]
    # It must not take a card that is another's.
    return "cpu" if any(each.gpus for each in nodes) else device
