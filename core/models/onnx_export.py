"""Export a generator as ONNX with dynamic sizes, and check the file against torch in onnxruntime."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.atomic import check_free, replacing
from core.contract.errors import UserError, how_to_install
from core.language import gettext as _
from core.models.catalogue import find_model
from core.models.weights import load_generator

CHECKED_SIZES = ((24, 24), (17, 40), (64, 33))
"""Height and width of the inputs that are compared."""
TOLERANCE = 2e-3
"""How far values in 0..1 may differ: half a level of 8 bits."""
OPSET = 18


def export_onnx(model: str, output: Path) -> float:
    """Write `model` (name or path) to `output`: input `lr` N x 3 x H x W, output `sr` N x 3 x sH x sW, RGB in 0..1.

    Batch normalisation is folded into the convolutions.

    Returns:
        The largest difference from torch on three sizes, of values in 0..1.

    Raises:
        UserError: the model is unusable, the `onnx` extra is not installed, or the exported file computes something
            else than torch (it is then not left behind), or the file cannot be written or is there already.
    """
    check_free([output])
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(_("ONNX is not installed."), how_to_install("onnx onnxscript onnxruntime")) from error
    try:
        return _export(model, output, onnxruntime)
    except OSError as error:
        raise UserError(
            _("{output} cannot be written: {strerror}.").format(output=output, strerror=error.strerror or error),
            _("Choose another folder, or free some space."),
        ) from error


def _export(model: str, output: Path, onnxruntime: Any) -> float:
    generator, _rest = load_generator(find_model(model).path, fold=True)
    sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    # The exporter talks about its own inner life, and not about the model.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                generator,
                (torch.rand(2, 3, 32, 48),),
                dynamo=True,
                input_names=["lr"],
                output_names=["sr"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC, **sides},),
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        assert program is not None
        program.save(str(temporary), external_data=False)
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        difference = 0.0
        for height, width in CHECKED_SIZES:
            lr = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
            with torch.inference_mode():
                wanted = generator(lr).numpy()
            (found,) = session.run(["sr"], {"lr": lr.numpy()})
            if found.shape != wanted.shape:
                raise UserError(
                    _("The exported model makes {shape} of {tuple}.").format(shape=found.shape, tuple=tuple(lr.shape)),
                    _("Please report this."),
                )
            difference = max(difference, float(np.abs(found - wanted).max()))
        if difference > TOLERANCE:
            raise UserError(
                _("The exported model differs from torch by {difference:.2g}.").format(difference=difference),
                _("Please report this."),
            )
    return difference
