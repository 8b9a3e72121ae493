"""Muon: momentum whose matrices are made orthogonal before each step (Jordan et al. 2024, "Muon").

Adam scales every weight by itself; Muon takes a kernel as the matrix that it is, O x (I k k), and replaces the singular
values of its momentum by ones, so that rare directions move as far as common ones. With the factor of Liu et al. 2025
("Muon is scalable for LLM training", sec. 2.2) its steps are as long as Adam's, and one learning rate serves both:
biases, slopes, and the first and last kernel, whose one side is only colours, stay with Adam.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NARROWEST = 16
"""Kernels with fewer maps on a side stay with Adam."""
MOMENTUM = 0.95
AS_ADAM = 0.2
"""Root mean square of Adam's updates, in learning rates."""
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Muon for wide kernels, Adam for all else; the learning rates of both groups are set by the caller."""

    def __init__(self, network: nn.Module, rate: float, betas: tuple[float, float], weight_decay: float = 0.0) -> None:
        """Sort the parameters.

        Args:
            network: whose parameters; those below `tail` are taken for its last layer.
            rate: learning rate of both groups.
            betas: Adam's.
            weight_decay: decoupled, of both groups.
        """
        wide: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in network.named_parameters():
            is_wide = parameter.dim() == 4 and min(parameter.shape[:2]) >= NARROWEST and not name.startswith("tail")
            (wide if is_wide else rest).append(parameter)
        common = {"lr": rate, "weight_decay": weight_decay}
        groups: list[dict[str, Any]] = [{"params": rest, "wide": False, "betas": betas, **common}]
        if wide:
            groups.insert(0, {"params": wide, "wide": True, "betas": betas, **common})
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step from the gradients that are there."""
        assert closure is None
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for parameter in parameters:
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
            if group["wide"]:
                self._step_wide(parameters, group["lr"])
            else:
                self._step_adam(parameters, group["lr"], *group["betas"])

    def _step_wide(self, parameters: Iterable[nn.Parameter], rate: float) -> None:
        # Kernels of one shape go through the matrix products together.
        alike: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - MOMENTUM)
            ahead = torch.lerp(parameter.grad, state["momentum"], MOMENTUM)
            matrix = ahead.reshape(parameter.shape[0], -1)
            alike[tuple(matrix.shape)].append((parameter, matrix))
        for shape, members in alike.items():
            updates = orthogonal(torch.stack([matrix for _, matrix in members]))
            length = AS_ADAM * math.sqrt(max(shape))
            for (parameter, _), update in zip(members, updates, strict=True):
                parameter.add_(update.reshape(parameter.shape), alpha=-rate * length)

    def _step_adam(self, parameters: Iterable[nn.Parameter], rate: float, beta1: float, beta2: float) -> None:
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)
                state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] += 1
            count = float(state["step"])
            state["mean"].lerp_(parameter.grad, 1 - beta1)
            state["square"].lerp_(parameter.grad.square(), 1 - beta2)
            scale = (state["square"] / (1 - beta2**count)).sqrt_().add_(1e-8)
            parameter.addcdiv_(state["mean"], scale, value=-rate / (1 - beta1**count))


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices with singular values of about 1 (0.7 to 1.2), by five Newton-Schulz rounds.

    Args:
        matrices: N x A x B.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-12)
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
