"""Which network a picture is enlarged with: the one that the settings name, or what suits the picture. Plain."""

from __future__ import annotations

from core.contract.settings import UpscaleSettings
from core.images import Picture
from core.images.wear import WearEstimate, estimate_wear
from core.models.catalogue import AUTOMATIC
from core.upscale.automatic import AutomaticChoice, choose


def choice_for(settings: UpscaleSettings, picture: Picture) -> AutomaticChoice:
    """Settle model, detail and clean-up for one picture.

    Args:
        settings: where their model is not `auto`, they settle it.
        picture: looked at for noise, compression, blur, and what it shows.

    Returns:
        The choice; its reason is empty where the settings said it all.
    """
    if settings.model != AUTOMATIC:
        return AutomaticChoice(settings.model, settings.clean_up, settings.detail, "")
    estimate = estimate_wear(picture.pixels, picture.alpha, picture.jpeg_quality)
    if settings.before:
        # Models that were put before are there to mend it; cleaned twice, a picture would lose its texture.
        return choose(WearEstimate(kind=estimate.kind))
    return choose(estimate)
