import numpy as np
import pytest

from core.contract.errors import UserError
from core.images import FORMATS, READABLE_SUFFIXES, Picture, Probe, choose_format, format_of_suffix, suffix_for
from core.upscale.plan import BYTES_PER_PIXEL

OPAQUE = np.zeros((1, 1, 3), np.uint8)
VEIL = np.zeros((1, 1), np.uint8)


def test_no_suffix_means_two_formats():
    suffixes = [suffix for row in FORMATS.values() for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
    assert {key: row.key for key, row in FORMATS.items()} == {key: key for key in FORMATS}


def test_what_is_written_can_be_read():
    writable = {row.key for row in FORMATS.values() if row.can_choose}
    assert writable == {"png", "jpeg", "webp", "tiff", "avif", "jxl", "tga", "dds", "pnm", "pfm", "hdr", "qoi"}
    assert writable <= BYTES_PER_PIXEL.keys()
    assert all(suffix in READABLE_SUFFIXES for key in writable for suffix in FORMATS[key].suffixes)


@pytest.mark.parametrize(
    ("suffix", "key"),
    [
        (".JPG", "jpeg"),
        (".mpo", "jpeg"),
        (".apng", "png"),
        (".avifs", "avif"),
        (".tiff", "tiff"),
        (".heif", "heic"),
        (".txt", None),
        ("", None),
    ],
)
def test_format_of_suffix(suffix, key):
    assert format_of_suffix(suffix) == key


@pytest.mark.parametrize(
    ("source", "format", "expected"),
    [
        (".jpeg", "jpeg", ".jpeg"),
        (".JPG", "jpeg", ".JPG"),
        (".tiff", "tiff", ".tiff"),
        (".jpeg", "png", ".png"),
        ("", "tiff", ".tif"),
        (".png", "jpeg", ".jpg"),
    ],
)
def test_a_result_keeps_the_sources_suffix_where_it_is_right(source, format, expected):
    assert suffix_for(source, format) == expected


@pytest.mark.parametrize(
    ("source", "alpha", "wanted", "expected"),
    [
        ("jpeg", False, "same", "jpeg"),
        ("bmp", False, "same", "png"),
        ("gif", True, "same", "png"),
        ("heic", False, "same", "png"),
        ("webp", True, "same", "webp"),
        ("png", True, "jpeg", "png"),
        ("png", False, "jpeg", "jpeg"),
        ("png", True, "avif", "avif"),
        ("tiff", False, "same", "tiff"),
    ],
)
def test_choose_format(source, alpha, wanted, expected):
    picture = Picture(OPAQUE, VEIL if alpha else None, format=source)
    header = Probe(1, 1, source, sixteen_bit=True, alpha=alpha, frames=1)
    assert choose_format(picture, wanted) == choose_format(header, wanted) == expected


@pytest.mark.parametrize("wanted", ["gif", "heic", "nonsense", ""])
def test_a_format_that_cannot_be_written_is_named(wanted):
    with pytest.raises(UserError, match=f"“{wanted}”") as refusal:
        choose_format(Picture(OPAQUE, None), wanted)
    assert "png" in refusal.value.hint


def test_a_result_of_a_kind_with_several_pictures_gets_the_usual_suffix():
    assert (suffix_for(".MPO", "jpeg"), suffix_for(".apng", "png"), suffix_for(".JPEG", "jpeg")) == (
        ".jpg",
        ".png",
        ".JPEG",
    )
    assert {".mpo", ".apng", ".avifs"} <= READABLE_SUFFIXES
