"""What is asked of the worker, from the options as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.contract.upscale import Input, PreviewRequest, Region, UpscaleRequest
from srgan_desktop import settings
from srgan_desktop.detail import detail_in_use
from srgan_desktop.settings import Settings


def upscale_request(options: Settings, inputs: Iterable[Input]) -> UpscaleRequest:
    """A batch of these pictures."""
    value = options.get
    output = value(settings.OUTPUT)
    return UpscaleRequest(
        inputs=tuple(inputs),
        output=Path(output) if output else None,
        model=value(settings.MODEL),
        detail=detail_in_use(options, value(settings.MODEL)),
        size=value(settings.SIZE),
        format=value(settings.FORMAT),
        quality=value(settings.QUALITY),
        existing=value(settings.EXISTING),  # type: ignore[arg-type]
        recursive=value(settings.RECURSIVE),
        keep_metadata=value(settings.METADATA),
        device=value(settings.DEVICE),
        precision=value(settings.PRECISION),  # type: ignore[arg-type]
        tile=value(settings.TILE),
        ensemble=value(settings.ENSEMBLE),
    )


def preview_request(options: Settings, source: Path, region: Region) -> PreviewRequest:
    """A live preview of one region (x, y, width, height in pixels of the source)."""
    batch = upscale_request(options, ())
    return PreviewRequest(
        source,
        region,
        model=batch.model,
        detail=batch.detail,
        device=batch.device,
        precision=batch.precision,
        tile=batch.tile,
        ensemble=batch.ensemble,
        size=batch.size,
    )
