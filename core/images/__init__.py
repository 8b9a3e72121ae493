"""Pictures in, pictures out: decoding, encoding, colour, metadata, and the one table of formats.

Plain: neither torch nor Qt. Every function here may be called from several threads at once.
"""

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
