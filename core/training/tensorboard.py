"""Curves for TensorBoard, an optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.contract.errors import UserError, how_to_install
from core.contract.training import TrainingStep, Validation
from core.language import gettext as _
from core.training.run import TENSORBOARD


class Board:
    """Writes event files into a folder; without a folder it writes nothing."""

    def __init__(self, folder: Path | None) -> None:
        """Open the event file.

        Raises:
            UserError: the package is not installed.
        """
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(_("TensorBoard is not installed."), how_to_install("tensorboard")) from error
        self._writer = SummaryWriter(str(folder / TENSORBOARD))

    def step(self, event: TrainingStep) -> None:
        """Losses, gradient norms, rate and both sides of the game."""
        if self._writer is None:
            return
        scalars = {"rate": event.rate, "D/real": event.d_real, "D/fake": event.d_fake}
        scalars |= {f"loss/{name}": value for name, value in event.losses.items()}
        scalars |= {f"gradient/{name}": value for name, value in event.gradient_norms.items()}
        for name, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(name, value, event.step)

    def validation(self, event: Validation) -> None:
        """Held-out figures."""
        if self._writer is None:
            return
        for name in ("psnr_y", "ssim_y", "perceptual", "psnr_to_teacher"):
            if (value := getattr(event, name)) is not None:
                self._writer.add_scalar(f"held-out/{name}", value, event.step)
        if event.seen_gain is not None:
            self._writer.add_scalar("training pictures/gain over bicubic", event.seen_gain, event.step)

    def close(self) -> None:
        """Write what is still held back."""
        if self._writer is not None:
            self._writer.close()
