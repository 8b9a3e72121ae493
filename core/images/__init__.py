"""Pictures in, pictures out: decoding, encoding, colour, metadata, and the one table of formats.

Plain: neither torch nor Qt. Every function here may be called from several threads at once.

What decodes and encodes is imported when it is first asked for: the window shows itself before it has a picture.
"""

from importlib import import_module
from typing import TYPE_CHECKING

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

_WHERE = {
    "bleed": "bleed_colour",
    "colour": "profile_for",
    "decode": "Sequence load load_all probe thumbnail",
    "encode": "save",
    "formats": "FORMATS READABLE_SUFFIXES Format choose_format format_of_suffix suffix_for",
    "metadata.carry": "Origin",
    "picture": "Metadata Picture Probe",
    "refusal": "MAX_PIXELS",
    "sequences": "save_all",
}


def __getattr__(name: str) -> object:
    for module, names in _WHERE.items():
        if name in names.split():
            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
