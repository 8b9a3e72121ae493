"""Pictures in, pictures out: decoding, encoding, colour, metadata, and the one table of formats.

Plain: neither torch nor Qt. Every function here may be called from several threads at once.

What decodes and encodes is imported when it is first asked for: the window shows itself before it has a picture.
"""

from typing import TYPE_CHECKING

from core.late import name_of_package

if TYPE_CHECKING:
    from core.images.bleed import bleed_colour
    from core.images.colour import profile_for
    from core.images.decode import Sequence, load, load_all, probe, thumbnail
    from core.images.encode import save
    from core.images.formats import FORMATS, READABLE_SUFFIXES, Format, choose_format, format_of_suffix, suffix_for
    from core.images.metadata.carry import Origin
    from core.images.picture import Metadata, Picture, Probe
    from core.images.refusal import MAX_PIXELS
    from core.images.sequences import save_all

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "READABLE_SUFFIXES",
    "Format",
    "Metadata",
    "Origin",
    "Picture",
    "Probe",
    "Sequence",
    "bleed_colour",
    "choose_format",
    "format_of_suffix",
    "load",
    "load_all",
    "probe",
    "profile_for",
    "save",
    "save_all",
    "suffix_for",
    "thumbnail",
]

_PLACES = {
    "core.images.bleed": ("bleed_colour",),
    "core.images.colour": ("profile_for",),
    "core.images.decode": ("Sequence", "load", "load_all", "probe", "thumbnail"),
    "core.images.encode": ("save",),
    "core.images.formats": (
        "FORMATS",
        "READABLE_SUFFIXES",
        "Format",
        "choose_format",
        "format_of_suffix",
        "suffix_for",
    ),
    "core.images.metadata.carry": ("Origin",),
    "core.images.picture": ("Metadata", "Picture", "Probe"),
    "core.images.refusal": ("MAX_PIXELS",),
    "core.images.sequences": ("save_all",),
}


def __getattr__(name: str) -> object:
    return name_of_package(__name__, _PLACES, name)
