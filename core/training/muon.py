"""Muon: momentum whose matrices are made orthogonal before each step (Jordan et al. 2024, "Muon").

Adam scales every weight by itself; Muon takes a kernel as the matrix that it is, O x (I k k), and replaces the singular
values of its momentum by ones, so that rare directions move as far as common ones. With the factor of Liu et al. 2025
("Muon is scalable for LLM training", sec. 2.2) its steps are as long as Adam's, and one learning rate serves both:
biases, slopes, and the first and last kernel, whose one side is only colours, stay with Adam.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
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
            if not parameters:
                continue
            gradients = [p.grad for p in parameters if p.grad is not None]
            if group["weight_decay"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            if group["wide"]:
                self._step_wide(parameters, gradients, group["lr"])
            else:
                self._step_adam(parameters, gradients, group["lr"], *group["betas"])

    # All parameters of a group at once (`torch._foreach_...`): a GPU is done with one of them before Python has begun
    # the next.

    def _step_wide(self, parameters: list[nn.Parameter], gradients: list[Tensor], rate: float) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)
        # Kernels of one shape go through the matrix products together.
        alike: dict[torch.Size, list[int]] = defaultdict(list)
        for number, parameter in enumerate(parameters):
            alike[parameter.shape].append(number)
        for shape, numbers in alike.items():
            matrices = torch.stack([ahead[n] for n in numbers]).flatten(2)
            updates = orthogonal(matrices).reshape(-1, *shape)
            # In memory as the kernels are, or each would be added by itself.
            if not parameters[numbers[0]].is_contiguous():
                updates = updates.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
            length = AS_ADAM * math.sqrt(max(matrices.shape[1:]))
            torch._foreach_add_([parameters[n] for n in numbers], list(updates), alpha=-rate * length)

    def _step_adam(
        self, parameters: list[nn.Parameter], gradients: list[Tensor], rate: float, beta1: float, beta2: float
    ) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)
                state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        torch._foreach_add_([self.state[p]["step"] for p in parameters], 1)
        means = [self.state[p]["mean"] for p in parameters]
        squares = [self.state[p]["square"] for p in parameters]
        count = float(self.state[parameters[0]]["step"])
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - beta2)
        scales = torch._foreach_sqrt(torch._foreach_div(squares, 1 - beta2**count))
        torch._foreach_add_(scales, 1e-8)
        torch._foreach_addcdiv_(list[Tensor](parameters), means, scales, value=-rate / (1 - beta1**count))


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
        square = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
