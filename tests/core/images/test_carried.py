"""What a file says of its picture comes along into every format, corrected to its size, or is said to be left out."""

import contextlib
import io
import random
import struct
import xml.etree.ElementTree
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.contract.errors import UserError
from core.images import FORMATS, Metadata, Picture, load, load_all, save, save_all
from core.images.companions import carry_companions, is_companion
from core.images.directories import TagValue
from core.images.isobmff import still_image
from core.images.jpeg import segment
from core.images.metadata import geo, xmp
from core.images.metadata.carry import Origin
from core.images.metadata.text import Text
from core.images.metadata.xmp import Geometry, Property

from . import making

WRITABLE = [row.key for row in FORMATS.values() if row.can_write and not row.plain]
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'


def packet(attributes: str = "", inside: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmp.NAMESPACES.items())
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}><rdf:Description rdf:about="" {spaces} {attributes}>'
        f"{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def jpeg(*segments: bytes, pixels: np.ndarray | None = None, behind: bytes = b"") -> bytes:
    data = making.encoded(Image.fromarray(making.smooth(64, 48) if pixels is None else pixels), "JPEG", quality=95)
    return data[:2] + b"".join(segments) + data[2:] + behind


def xmp_segment(content: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content)


def exif_segment(block: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + block)


def iim(**texts: Any) -> bytes:
    numbers = {"title": 5, "keyword": 25, "author": 80, "city": 90, "rights": 116, "caption": 120, "date": 55}
    made = b""
    for name, values in texts.items():
        for value in values if isinstance(values, list) else [values]:
            data = value.encode()
            made += struct.pack(">BBBH", 0x1C, 2, numbers[name], len(data)) + data
    return made


def resource(number: int, content: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


def enlarged(picture: Picture, factor: int) -> Picture:
    """The picture with more pixels, as the engine gives it."""
    return replace(picture, pixels=picture.pixels.repeat(factor, axis=0).repeat(factor, axis=1))


def directory(order: str, at: int, rows: dict[int, tuple[int, int, bytes]], following: int = 0) -> bytes:
    """A directory at offset `at` with its values behind it."""
    table, values, base = b"", b"", at + 2 + 12 * len(rows) + 4
    for tag in sorted(rows):
        kind, count, raw = rows[tag]
        inline = raw
        if len(raw) > 4:
            inline = struct.pack(order + "I", base + len(values))
            values += raw + bytes(len(raw) % 2)
        table += struct.pack(order + "HHI", tag, kind, count) + inline.ljust(4, b"\0")
    return struct.pack(order + "H", len(rows)) + table + struct.pack(order + "I", following) + values


def exif_in_pixels(order: str, orientation: int, width: int, height: int, **subject: tuple[int, ...]) -> bytes:
    def shorts(*values: int) -> tuple[int, int, bytes]:
        return 3, len(values), struct.pack(f"{order}{len(values)}H", *values)

    def long(value: int) -> tuple[int, int, bytes]:
        return 4, 1, struct.pack(order + "I", value)

    def ratio(value: int) -> tuple[int, int, bytes]:
        return 5, 1, struct.pack(order + "II", value, 1)

    main = {0x010F: (2, 8, b"Example\0"), 0x0112: shorts(orientation), 0x8769: long(0)}
    details = {
        0x9000: (7, 4, b"0231"), 0xA002: long(width), 0xA003: long(height), 0xA005: long(0),
        0x9214: shorts(*subject["area"]), 0xA214: shorts(*subject["place"]), 0xA20E: ratio(80), 0xA20F: ratio(60),
    }  # fmt: skip
    details_at = 8 + len(directory(order, 8, main))
    related_at = details_at + len(directory(order, details_at, details))
    details[0xA005], main[0x8769] = long(related_at), long(details_at)
    related = {1: (2, 4, b"R98\0"), 0x1001: long(width), 0x1002: long(height)}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    parts = ((8, main), (details_at, details), (related_at, related))
    return head + b"".join(directory(order, at, rows) for at, rows in parts)


def exif_of(path: Any) -> tuple[Image.Exif, dict[int, Any], dict[int, Any]]:
    with Image.open(path) as image:
        exif = image.getexif()
    return exif, exif.get_ifd(0x8769), exif.get_ifd(0xA005)


# Texts, comments, IPTC


def png_with(*chunks: bytes) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in making.smooth(16, 12))
    return making.png(16, 12, 8, 2, rows, extra=b"".join(chunks))


TEXTS = (
    Text("Title", "A made-up title"),
    Text("Author", "Jörg Example"),
    Text("parameters", "a wörd, " * 300 + "日本"),
    Text("Comment", "a compressed comment"),
    Text("Long", "x" * 5000),
    Text("Description", "Ein Bild", "de", "Beschreibung"),
)


def test_texts_of_a_png_stay_in_a_png(tmp_path):
    time = struct.pack(">H5B", 2001, 2, 3, 4, 5, 6)
    (tmp_path / "a.png").write_bytes(
        png_with(
            making.chunk(b"tEXt", b"Title\0A made-up title"),
            making.chunk(b"tEXt", "Author\0Jörg Example".encode("latin-1")),
            making.chunk(b"iTXt", b"parameters\0\0\0\0\0" + TEXTS[2].text.encode()),
            making.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a compressed comment")),
            making.chunk(b"iTXt", b"Long\0\1\0\0\0" + zlib.compress(b"x" * 5000)),
            making.chunk(b"iTXt", b"Description\0\0\0de\0Beschreibung\0Ein Bild"),
            making.chunk(b"tIME", time),
        )
    )
    picture = load(tmp_path / "a.png")
    assert picture.metadata.texts == TEXTS
    assert save(tmp_path / "b.png", enlarged(picture, 4), "png") == ()
    assert load(tmp_path / "b.png").metadata.texts == TEXTS
    assert making.chunk(b"tIME", time) in (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "b.png") as image:
        assert isinstance(image.info, dict)
        image.load()
        assert {text.keyword: text.text for text in TEXTS}.items() <= image.info.items()


@pytest.mark.parametrize("format", [format for format in WRITABLE if format != "png"])
def test_texts_of_a_png_go_where_other_formats_have_a_place(tmp_path, format):
    time = struct.pack(">H5B", 2001, 2, 3, 4, 5, 6)
    picture = Picture(making.smooth(16, 12), None, Metadata(texts=TEXTS[:4], modified=time))
    assert save(tmp_path / "b", picture, format) == ()
    metadata = load(tmp_path / "b").metadata
    assert metadata.xmp is not None
    assert b'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A made-up title<' in metadata.xmp
    assert "<dc:creator><rdf:Seq><rdf:li>Jörg Example<".encode() in metadata.xmp
    assert b"<xmp:ModifyDate>2001-02-03T04:05:06Z<" in metadata.xmp
    assert metadata.exif is not None
    comment = making.read_exif(metadata.exif).get_ifd(0x8769)[0x9286]
    assert comment.startswith(b"UNICODE\0")
    words = comment[8:].decode("utf-16-le")
    assert TEXTS[2].text in words
    if format == "jpeg":
        assert [text.text for text in metadata.texts] == ["a compressed comment"]
    else:
        assert "a compressed comment" in words


def test_a_comment_of_exif_is_never_replaced_and_that_is_said(tmp_path):
    block = Image.Exif()
    block[0x8769] = {0x9286: b"ASCII\0\0\0mine"}
    metadata = Metadata(exif=block.tobytes()[6:], texts=(Text("prompt", "a cat"),))
    notes = save(tmp_path / "b.webp", Picture(making.smooth(16, 12), None, metadata), "webp")
    assert any("“prompt”" in note for note in notes)
    assert exif_of(tmp_path / "b.webp")[1][0x9286] == b"ASCII\0\0\0mine"


@pytest.mark.parametrize("prefix", [b"Exif\0\0", b""])
def test_raw_profiles_with_and_without_their_prefix(tmp_path, prefix):
    data = prefix + making.exif()
    text = b"\nexif\n%8d\n" % len(data) + data.hex().encode() + b"\n"
    (tmp_path / "a.png").write_bytes(
        png_with(making.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    )
    metadata = load(tmp_path / "a.png").metadata
    assert metadata.exif is not None
    assert making.read_exif(metadata.exif)[making.ARTIST] == "Ada Lovelace"
    assert metadata.texts == ()


def test_raw_profiles_of_iptc(tmp_path):
    records = iim(caption="Harbour at dawn")
    iptc = resource(0x0404, records)
    for name, title, data in (("iptc", "iptc", records), ("8bim", "8bim", iptc), ("iptc", "IPTC profile", iptc)):
        text = f"\n{title}\n{len(data):8}\n{data.hex()}\n".encode()
        (tmp_path / "a.png").write_bytes(png_with(making.chunk(b"tEXt", f"Raw profile type {name}\0".encode() + text)))
        save(tmp_path / "b.jpg", load(tmp_path / "a.png"), "jpeg")
        assert records in (tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("format", WRITABLE)
def test_iptc_and_comments_of_a_jpeg(tmp_path, format):
    records = iim(
        title="Boats", caption="Hafen, früh", keyword=["harbour", "boats"], rights="(c) Press", date="19610203",
        city="Århus",
    )  # fmt: skip
    content = resource(0x03ED, bytes(16)) + resource(0x0404, records) + resource(0x040C, b"a thumbnail")
    app13 = segment(0xED, b"Photoshop 3.0\0" + content)
    (tmp_path / "a.jpg").write_bytes(jpeg(app13, segment(0xFE, b"Summer of 1961.\0"), segment(0xFE, b"caf\xe9")))
    picture = load(tmp_path / "a.jpg")
    assert save(tmp_path / "b", enlarged(picture, 2), format) == ()
    written = (tmp_path / "b").read_bytes()
    assert b"a thumbnail" not in written
    metadata = load(tmp_path / "b").metadata
    if format in ("jpeg", "tiff"):
        assert records in written
        assert metadata.photoshop == resource(0x0404, records)
    else:
        assert metadata.xmp is not None
        for words in (
            "<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">Boats<", "Hafen, früh", "Århus", "(c) Press",
            "<rdf:Bag><rdf:li>harbour</rdf:li><rdf:li>boats</rdf:li></rdf:Bag>", "1961-02-03",
        ):  # fmt: skip
            assert words.encode() in metadata.xmp
    if format in ("jpeg", "png"):
        assert [text.text for text in metadata.texts] == ["Summer of 1961.", "café"]
    else:
        assert metadata.exif is not None
        assert "Summer of 1961.\ncafé" in making.read_exif(metadata.exif).get_ifd(0x8769)[0x9286][8:].decode(
            "utf-16-le"
        )


def test_what_xmp_says_already_is_not_said_twice(tmp_path):
    own = packet(
        inside='<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Mine</rdf:li></rdf:Alt></dc:description>'
    )
    (tmp_path / "a.jpg").write_bytes(
        jpeg(xmp_segment(own), segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, iim(caption="Theirs", city="Here"))))
    )
    save(tmp_path / "b.png", load(tmp_path / "a.jpg"), "png")
    metadata = load(tmp_path / "b.png").metadata
    assert metadata.xmp is not None
    assert (b"Mine" in metadata.xmp, b"Theirs" in metadata.xmp, b"Here" in metadata.xmp) == (True, False, True)


def test_comments_of_a_gif(tmp_path):
    Image.fromarray(making.smooth(16, 12)).save(tmp_path / "a.gif", comment=b"hello " * 60)
    picture = load(tmp_path / "a.gif")
    save(tmp_path / "b.png", picture, "png")
    assert load(tmp_path / "b.png").metadata.texts == (Text("Comment", "hello " * 60),)


def test_a_second_packet_of_a_jpeg(tmp_path):
    one, other = packet('xmp:Rating="4"', "<dc:source>A</dc:source>"), packet('photoshop:City="Genoa"')
    picture = load_from(tmp_path, jpeg(xmp_segment(one), xmp_segment(other), xmp_segment(one)))
    assert picture.notes == ()
    save(tmp_path / "b.jpg", picture, "jpeg")
    with Image.open(tmp_path / "b.jpg") as image:
        both = xml.etree.ElementTree.fromstring(image.info["xmp"])
    said = {name: value for each in both.iter() for name, value in each.attrib.items()}
    assert said[f"{{{xmp.NAMESPACES['xmp']}}}Rating"] == "4"
    assert said[f"{{{xmp.NAMESPACES['photoshop']}}}City"] == "Genoa"
    # Two that say a thing differently cannot be one.
    picture = load_from(tmp_path, jpeg(xmp_segment(one), xmp_segment(packet('xmp:Rating="1" photoshop:City="Rome"'))))
    assert picture.notes == ("Left out: its second XMP packet, which repeats fields of the first.",)
    assert picture.metadata.xmp is not None
    assert b'xmp:Rating="4"' in picture.metadata.xmp
    assert b"Rome" not in picture.metadata.xmp


def test_xmp_longer_than_a_segment_comes_in_and_goes_out(tmp_path):
    own = packet('tiff:ImageWidth="64"', "<dc:source>" + "s" * 1000 + "</dc:source>")
    depth = packet('GDepth:Mime="image/png" GDepth:Data="' + "A" * 150_000 + '"')
    both = own.replace(
        b"</rdf:RDF>", depth[depth.index(b"<rdf:Description") : depth.index(b"</rdf:RDF>")] + b"</rdf:RDF>"
    )
    picture = Picture(making.smooth(64, 48), None, Metadata(xmp=both))
    assert save(tmp_path / "a.jpg", picture, "jpeg") == ()
    written = (tmp_path / "a.jpg").read_bytes()
    assert written.count(b"http://ns.adobe.com/xmp/extension/\0") == 3
    assert b"HasExtendedXMP" in written
    again = load(tmp_path / "a.jpg")
    assert again.notes == ()
    assert again.metadata.xmp is not None
    assert b'GDepth:Data="' + b"A" * 150_000 in again.metadata.xmp
    assert b"HasExtendedXMP" not in again.metadata.xmp
    assert save(tmp_path / "b.png", again, "png") == ()
    # An extension that is missing is not pointed to.
    (tmp_path / "c.jpg").write_bytes(
        jpeg(xmp_segment(packet('xmpNote:HasExtendedXMP="0123456789ABCDEF" GDepth:Mime="image/png"')))
    )
    picture = load(tmp_path / "c.jpg")
    assert picture.metadata.xmp is not None
    assert b"HasExtendedXMP=" not in picture.metadata.xmp
    assert b"GDepth:Mime" not in picture.metadata.xmp
    assert any("depth map" in note for note in picture.notes)


# Figures in pixels


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera stores when `orientation` brings it upright."""
    return np.ascontiguousarray(
        {
            1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.swapaxes(0, 1),
            6: np.rot90(pixels, 1), 7: pixels[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(pixels, -1),
        }[orientation]
    )  # fmt: skip


def marked() -> np.ndarray:
    """160 x 120, dark, with a bright spot of 20 x 10 around (120, 30)."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[25:35, 110:130] = 255
    return pixels


def spot(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Middle, width and height of the bright part."""
    rows, columns = (np.flatnonzero((pixels[..., 0] > 128).any(axis=axis)) for axis in (1, 0))
    return (
        int(columns[0] + columns[-1] + 1) // 2, int(rows[0] + rows[-1] + 1) // 2,
        int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1),
    )  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_figures_of_exif_follow_size_and_turn(tmp_path, order, orientation, factor, format):
    stored = turned(marked(), orientation)
    place = spot(stored)
    block = exif_in_pixels(order, orientation, stored.shape[1], stored.shape[0], area=place, place=place[:2])
    (tmp_path / "a.jpg").write_bytes(jpeg(exif_segment(block), pixels=stored))
    result = enlarged(load(tmp_path / "a.jpg"), factor)
    assert save(tmp_path / "b", result, format) == ()
    exif, details, related = exif_of(tmp_path / "b")
    wanted = spot(result.pixels)
    assert exif[0x0112] == 1
    assert details[0x9214] == wanted
    assert details[0xA214] == wanted[:2]
    assert (details[0xA002], details[0xA003]) == (160 * factor, 120 * factor)
    assert (related[0x1001], related[0x1002]) == (160 * factor, 120 * factor)
    across, down = (80, 60) if orientation < 5 else (60, 80)
    assert (details[0xA20E], details[0xA20F]) == (across * factor, down * factor)


def test_figures_beyond_sixteen_bits(tmp_path):
    block = exif_in_pixels("<", 1, 160, 120, area=(150, 60, 20, 20), place=(80, 60))
    picture = load_from(tmp_path, jpeg(exif_segment(block), pixels=marked()))
    narrow = replace(picture, pixels=np.zeros((4, 100_000, 3), np.uint8))
    save(tmp_path / "b.png", narrow, "png")
    assert exif_of(tmp_path / "b.png")[1][0x9214] == (93_750, 2, 12_500, 1)


def load_from(folder: Any, content: bytes, name: str = "a.jpg") -> Picture:
    (folder / name).write_bytes(content)
    return load(folder / name)


PANORAMA = {
    "FullPanoWidthPixels": 256, "FullPanoHeightPixels": 128, "CroppedAreaImageWidthPixels": 192,
    "CroppedAreaImageHeightPixels": 96, "CroppedAreaLeftPixels": 32, "CroppedAreaTopPixels": 16,
}  # fmt: skip


@pytest.mark.parametrize("as_elements", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("prefix", ["GPano", "pano"])
def test_figures_of_a_panorama(tmp_path, as_elements, factor, prefix):
    names = {f"{prefix}:{name}": value for name, value in PANORAMA.items()}
    if as_elements:
        content = packet(inside="".join(f"<{name}>{value}</{name}>" for name, value in names.items()))
    else:
        content = packet(" ".join(f'{name}="{value}"' for name, value in names.items()))
    content = content.replace(b"xmlns:GPano", f"xmlns:{prefix}".encode())
    picture = load_from(tmp_path, jpeg(xmp_segment(content), pixels=making.smooth(192, 96)))
    save(tmp_path / "b.jpg", enlarged(picture, factor), "jpeg")
    written = load(tmp_path / "b.jpg").metadata.xmp
    assert written is not None
    for name, value in names.items():
        text = f"<{name}>{value * factor}</{name}>" if as_elements else f'{name}="{value * factor}"'
        assert text.encode() in written


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("as_elements", [False, True])
def test_regions_of_faces_follow_size_and_turn(tmp_path, orientation, as_elements):
    stored = turned(marked(), orientation)
    height, width = stored.shape[:2]
    x, y, w, h = spot(stored)
    area = {"x": x / width, "y": y / height, "w": w / width, "h": h / height}
    if as_elements:
        inside = "".join(f"<stArea:{name}>{value}</stArea:{name}>" for name, value in area.items())
        inside = f'<mwg-rs:Area rdf:parseType="Resource">{inside}<stArea:unit>normalized</stArea:unit></mwg-rs:Area>'
        sizes = f"<stDim:w>{width}</stDim:w><stDim:h>{height}</stDim:h>"
        applied = f'<mwg-rs:AppliedToDimensions rdf:parseType="Resource">{sizes}</mwg-rs:AppliedToDimensions>'
    else:
        inside = " ".join(f'stArea:{name}="{value}"' for name, value in area.items())
        inside = f'<mwg-rs:Area {inside} stArea:unit="normalized"/>'
        applied = f'<mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" stDim:unit="pixel"/>'
    rectangle = f"{(x - w / 2) / width}, {(y - h / 2) / height}, {w / width}, {h / height}"
    content = packet(
        inside=f'<mwg-rs:Regions rdf:parseType="Resource">{applied}<mwg-rs:RegionList><rdf:Bag><rdf:li>{inside}'
        f'</rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions><rdf:Description MPReg:Rectangle="{rectangle}"/>'
    )
    block = exif_in_pixels("<", orientation, width, height, area=(0, 0), place=(0, 0))
    picture = load_from(tmp_path, jpeg(exif_segment(block), xmp_segment(content), pixels=stored))
    result = enlarged(picture, 3)
    save(tmp_path / "b.jpg", result, "jpeg")
    written = load(tmp_path / "b.jpg").metadata.xmp
    assert written is not None
    seen = spot(result.pixels)
    for name, value in zip("xywh", seen, strict=True):
        side = 480 if name in "xw" else 360
        found = xmp.first_number(written, "stArea", name)
        assert found == pytest.approx(value / side, abs=1e-6)
    assert (xmp.first_number(written, "stDim", "w"), xmp.first_number(written, "stDim", "h")) == (480, 360)
    text = written[written.index(b'Rectangle="') + 11 :].split(b'"')[0]
    left, top, wide, high = (float(part) for part in text.split(b","))
    assert ((left + wide / 2) * 480, (top + high / 2) * 360) == pytest.approx(seen[:2], abs=1e-3)


def test_lens_figures_in_xmp(tmp_path):
    content = packet(
        'exif:FocalPlaneXResolution="80/1" exif:PixelXDimension="160"',
        "<exif:FocalPlaneYResolution>60/1</exif:FocalPlaneYResolution>"
        "<exif:SubjectArea><rdf:Seq><rdf:li>120</rdf:li><rdf:li>30</rdf:li></rdf:Seq></exif:SubjectArea>",
    )
    result = xmp.edited_xmp(content, Geometry((640, 480), (160, 120)))
    assert b'FocalPlaneXResolution="320000/1000"' in result
    assert b"<exif:FocalPlaneYResolution>240000/1000<" in result
    assert b'PixelXDimension="640"' in result
    assert b"<rdf:li>480</rdf:li><rdf:li>120</rdf:li>" in result


# Parts of the file that are gone, and the gain map that is not


MOTION = packet(
    'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="400" '
    'xmp:Rating="4"',
    '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" '
    'Item:Semantic="Primary"/></rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="video/mp4" '
    'Item:Semantic="MotionPhoto" Item:Length="400"/></rdf:li></rdf:Seq></Container:Directory>',
)


def test_a_film_that_is_gone_is_pointed_to_by_nothing(tmp_path):
    film = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom").ljust(400, b"\0")
    picture = load_from(tmp_path, jpeg(xmp_segment(MOTION), behind=film))
    assert [note for note in picture.notes if "film" in note] == ["Left out: the film of its motion photo."]
    save(tmp_path / "b.jpg", picture, "jpeg")
    written = (tmp_path / "b.jpg").read_bytes()
    for word in (b'MotionPhoto="', b'MicroVideo="', b"<Container:", b"Item:Length", b"ftyp"):
        assert word not in written
    assert b'xmp:Rating="4"' in written
    assert load(tmp_path / "b.jpg").notes == ()


def test_samsungs_film_is_told(tmp_path):
    picture = load_from(tmp_path, jpeg(behind=b"film" * 50 + b"MotionPhoto_Data" + bytes(20) + b"SEFT"))
    assert picture.notes == ("Left out: the film of its motion photo.",)


def gain_map_jpeg(channels: int = 1, iso: bool = False) -> bytes:
    pixels = making.smooth(32, 24, channels, seed=3)
    data = making.encoded(Image.fromarray(pixels[..., 0] if channels == 1 else pixels), "JPEG", quality=98)
    if iso:
        return data[:2] + segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(range(60))) + data[2:]
    strength = '<rdf:Description hdrgm:Version="1.0" hdrgm:GainMapMax="2" hdrgm:HDRCapacityMax="2.5"/>'
    return data[:2] + xmp_segment(packet(inside=strength)) + data[2:]


def ultra_hdr(gain: bytes, orientation: int = 1, mpf: bool = True, iso: bool = False) -> bytes:
    items = (
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" '
        f'Item:Length="{len(gain)}"/></rdf:li>'
    )
    content = packet(
        'hdrgm:Version="1.0" xmp:Rating="3"', f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
    )
    segments = [] if iso else [xmp_segment(content)]
    if iso:
        segments.append(segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"))
    if orientation != 1:
        segments.insert(0, exif_segment(making.exif(orientation)))
    pixels = turned(making.smooth(64, 48), orientation)

    def multi(first: int, offset: int) -> bytes:
        entries = struct.pack(">IIIHH", 0x030000, first, 0, 0, 0) + struct.pack(">IIIHH", 0, len(gain), offset, 0, 0)
        rows = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
        rows += struct.pack(">HHII", 0xB002, 7, 32, 50)
        return segment(0xE2, b"MPF\0MM\0*" + struct.pack(">IH", 8, 3) + rows + bytes(4) + entries)

    if not mpf:
        return jpeg(*segments, pixels=pixels) + gain
    before = 2 + sum(map(len, segments)) + 8
    first = len(jpeg(*segments, multi(0, 0), pixels=pixels))
    return jpeg(*segments, multi(first, first - before), pixels=pixels) + gain


def read_gain_map(content: bytes) -> tuple[bytes, np.ndarray]:
    """What lies where MPF says, by other means than the code's own."""
    at = content.index(b"MPF\0") + 4
    entries = content[at + 50 : at + 82]
    length, offset = struct.unpack_from(">II", entries, 20)
    found = content[at + offset : at + offset + length]
    assert at + offset + length == len(content)
    (first,) = struct.unpack_from(">I", entries, 4)
    assert first == at + offset
    with Image.open(io.BytesIO(found)) as image:
        return found, np.asarray(image).astype(int)


@pytest.mark.parametrize("mpf", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_gain_map_of_an_ultra_hdr_jpeg_is_enlarged_and_kept(tmp_path, mpf, channels, orientation):
    gain = turned_gain(channels, orientation)
    picture = load_from(tmp_path, ultra_hdr(gain, orientation, mpf))
    assert picture.notes == ()
    assert (picture.width, picture.height) == (64, 48)
    assert save(tmp_path / "b.jpg", enlarged(picture, 4), "jpeg") == ()
    written = (tmp_path / "b.jpg").read_bytes()
    found, pixels = read_gain_map(written)
    assert pixels.shape[:2] == (96, 128)
    wanted = making.smooth(32, 24, channels, seed=3).repeat(4, axis=0).repeat(4, axis=1).squeeze()
    assert np.abs(pixels - wanted).mean() < 6
    assert b'hdrgm:GainMapMax="2"' in found
    head = load(tmp_path / "b.jpg").metadata
    assert f'Item:Length="{len(found)}"'.encode() in written
    assert b'hdrgm:Version="1.0"' in written
    assert b'xmp:Rating="3"' in written
    assert head.gain_map is not None
    # And on: the result's own gain map again.
    save(tmp_path / "c.jpg", enlarged(load(tmp_path / "b.jpg"), 2), "jpeg")
    assert read_gain_map((tmp_path / "c.jpg").read_bytes())[1].shape[:2] == (192, 256)


def turned_gain(channels: int, orientation: int) -> bytes:
    pixels = turned(making.smooth(32, 24, channels, seed=3), orientation)
    data = making.encoded(Image.fromarray(pixels.squeeze()), "JPEG", quality=98)
    strength = '<rdf:Description hdrgm:Version="1.0" hdrgm:GainMapMax="2" hdrgm:HDRCapacityMax="2.5"/>'
    return data[:2] + xmp_segment(packet(inside=strength)) + data[2:]


def test_a_gain_map_after_iso_21496(tmp_path):
    picture = load_from(tmp_path, ultra_hdr(gain_map_jpeg(iso=True), iso=True))
    assert save(tmp_path / "b.jpg", enlarged(picture, 4), "jpeg") == ()
    written = (tmp_path / "b.jpg").read_bytes()
    found, pixels = read_gain_map(written)
    assert pixels.shape == (96, 128)
    assert bytes(range(60)) in found
    assert written[: written.index(b"MPF\0")].count(b"urn:iso:std:iso:ts:21496:-1\0") == 1
    assert load(tmp_path / "b.jpg").metadata.gain_map is not None


def test_a_gain_map_that_nothing_leads_to_is_told(tmp_path):
    content = ultra_hdr(gain_map_jpeg(iso=True), mpf=False, iso=True)
    assert load_from(tmp_path, content).notes == ("Left out: its gain map, so that it is no longer HDR.",)


@pytest.mark.parametrize("format", [format for format in WRITABLE if format != "jpeg"])
def test_a_gain_map_elsewhere_is_left_out_with_its_pointers_and_told(tmp_path, format):
    picture = load_from(tmp_path, ultra_hdr(gain_map_jpeg()))
    notes = save(tmp_path / "b", picture, format)
    assert [note for note in notes if "gain map" in note] == ["Left out: its gain map, so that it is no longer HDR."]
    packet_written = load(tmp_path / "b").metadata.xmp
    assert packet_written is not None
    assert b'hdrgm:Version="' not in packet_written
    assert b"<Container:" not in packet_written


def test_a_gain_map_that_is_broken_is_told(tmp_path):
    broken = bytearray(gain_map_jpeg())
    broken[len(broken) // 2 :] = bytes(len(broken) - len(broken) // 2)
    picture = load_from(tmp_path, ultra_hdr(bytes(broken[:-200])))
    save(tmp_path / "b.jpg", picture, "jpeg")
    lying = ultra_hdr(gain_map_jpeg())[:-600]
    save(tmp_path / "c.jpg", load_from(tmp_path, lying), "jpeg")
    assert load(tmp_path / "c.jpg").width == 64


# EXIF that is malformed


def exif_rows(order: str, rows: list[tuple[int, int, int, bytes]], following: int = 0) -> bytes:
    """EXIF of one directory, with its rows as they are given, values of four bytes."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    table = b"".join(struct.pack(order + "HHI", *row[:3]) + row[3] for row in rows)
    return head + struct.pack(order + "H", len(rows)) + table + struct.pack(order + "I", following)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    "broken", [(0, 0, 0, bytes(4)), (0x0111, 99, 1, bytes(4)), (0x0001, 5, 1, b"\xff\xff\xff\x7f")]
)
@pytest.mark.parametrize("dpi", [None, (300.0, 300.0)])
@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_one_broken_entry_costs_no_other(tmp_path, order, place, broken, dpi):
    one = struct.pack(order + "H", 1).ljust(4, b"\0")
    rows = [(0x010F, 2, 4, b"Abc\0"), (0x0112, 3, 1, one)]
    rows.insert(place, broken)
    picture = load_from(tmp_path, jpeg(exif_segment(exif_rows(order, rows))))
    picture = replace(picture, metadata=replace(picture.metadata, dpi=dpi))
    for format in ("jpeg", "png", "webp"):
        save(tmp_path / "b", enlarged(picture, 2), format)
        block = load(tmp_path / "b").metadata.exif
        assert block is not None
        start = struct.unpack_from(order + "I", block, 4)[0]
        count = struct.unpack_from(order + "H", block, start)[0]
        found = [struct.unpack_from(order + "HH", block, start + 2 + 12 * index) for index in range(count)]
        # The types are known, the tags rise, and nothing sound is lost.
        assert all(1 <= kind <= 13 for _code, kind in found)
        assert [code for code, _kind in found] == sorted({code for code, _kind in found})
        assert {0x010F, 0x0112} <= {code for code, _kind in found}
        assert exif_of(tmp_path / "b")[0][0x010F] == "Abc"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("first_is_sound", [False, True])
@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_of_doubled_tags_the_sound_one_counts(tmp_path, order, first_is_sound):
    good = (0x0112, 3, 1, struct.pack(order + "H", 6).ljust(4, b"\0"))
    bad = (0x0112, 5, 1, b"\xff\xff\xff\x7f")
    rows = [(0x010F, 2, 4, b"Abc\0"), *((good, bad) if first_is_sound else (bad, good))]
    picture = load_from(tmp_path, jpeg(exif_segment(exif_rows(order, rows))))
    assert (picture.width, picture.height) == (48, 64)
    save(tmp_path / "b.jpg", picture, "jpeg")
    block = load(tmp_path / "b.jpg").metadata.exif
    assert block is not None
    assert block.count(struct.pack(order + "HH", 0x0112, 3)) == 1
    assert exif_of(tmp_path / "b.jpg")[0][0x0112] == 1


def maker_exif(order: str, head: bytes, relative: bool) -> bytes:
    """EXIF whose maker note holds a directory with a value outside of it."""
    details_at = 8 + 2 + 2 * 12 + 4
    note_at = details_at + 2 + 12 + 4
    table_at = len(head)
    value_at = table_at + 2 + 12 + 4
    offset = value_at if relative else note_at + value_at
    note = head + struct.pack(order + "H", 1) + struct.pack(order + "HHII", 1, 2, 8, offset) + bytes(4) + b"serial7\0"
    main = [(0x010F, 2, 4, b"Abc\0"), (0x8769, 4, 1, struct.pack(order + "I", details_at))]
    block = exif_rows(order, main)
    block += struct.pack(order + "H", 1) + struct.pack(order + "HHII", 0x927C, 7, len(note), note_at) + bytes(4)
    assert len(block) == note_at
    return block + note


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("head", "relative"), [(b"", False), (b"Panasonic\0\0\0", False), (b"FUJIFILM\x0c\0\0\0", True)]
)
def test_maker_notes_go_where_they_hold_and_nowhere_else(tmp_path, order, head, relative):
    picture = load_from(tmp_path, jpeg(exif_segment(maker_exif(order, head, relative))))
    for format in ("jpeg", "png", "webp", "avif"):
        assert save(tmp_path / "b", picture, format) == ()
        assert b"serial7" in (tmp_path / "b").read_bytes()
    notes = save(tmp_path / "b.tif", picture, "tiff")
    assert (b"serial7" in (tmp_path / "b.tif").read_bytes()) == relative
    assert any("maker" in note for note in notes) == (not relative)


# Places on earth


KEYS = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)


def geotiff(path: Any, point: bool = False, matrix: bool = False, pixels: np.ndarray | None = None) -> None:
    keys = list(KEYS)
    keys[11] = 2 if point else 1
    place: list[Any] = [(33550, 12, 3, (10.0, 20.0, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True)]
    if matrix:
        place = [(34264, 12, 16, (10.0, 1.0, 0, 5e5, 2.0, -20.0, 0, 4e6, 0, 0, 0, 0, 0, 0, 0, 1.0), True)]
    tags = [*place, (34735, 3, 16, keys, True), (34737, 2, 9, "Example|\0", True), (42113, 2, 6, "-9999\0", True)]
    pixels = making.smooth(32, 24) if pixels is None else pixels
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=tags, metadata=None)


def on_earth(path: Any, column: float, row: float) -> tuple[float, float]:
    """Where the point of a picture (0, 0 is the corner of the first pixel) lies, by the GeoTIFF standard."""
    with tifffile.TiffFile(path) as tiff:
        tags = {tag.code: tag.value for tag in tiff.pages.first.tags}
    if tags[34735][11] == 2:
        column, row = column - 0.5, row - 0.5
    if 34264 in tags:
        m = tags[34264]
        return m[0] * column + m[1] * row + m[3], m[4] * column + m[5] * row + m[7]
    scale, tie = tags[33550], tags[33922]
    return tie[3] + (column - tie[0]) * scale[0], tie[4] - (row - tie[1]) * scale[1]


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("factor", [1, 4])
def test_a_geotiff_stays_where_it_lies(tmp_path, point, matrix, factor):
    geotiff(tmp_path / "a.tif", point, matrix)
    save(tmp_path / "b.tif", enlarged(load(tmp_path / "a.tif"), factor), "tiff")
    for column, row in ((0, 0), (32, 24), (7, 11)):
        assert on_earth(tmp_path / "b.tif", column * factor, row * factor) == pytest.approx(
            on_earth(tmp_path / "a.tif", column, row)
        )
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        tags = tiff.pages.first.tags
        assert (tags[34737].value, tags[42113].value) == ("Example|", "-9999")
    notes = save(tmp_path / "b.png", load(tmp_path / "a.tif"), "png")
    assert any("earth" in note for note in notes)


def test_iptc_and_photoshop_of_a_tiff(tmp_path):
    records = iim(caption="caption")
    for tags in (
        [(34377, 1, len(resource(0x0404, records)), resource(0x0404, records), True)],
        [(33723, 4, 5, records.ljust(20, b"\0"), True)],
    ):
        tifffile.imwrite(tmp_path / "a.tif", making.smooth(16, 12), photometric="rgb", extratags=tags, metadata=None)
        picture = load(tmp_path / "a.tif")
        save(tmp_path / "b.tif", picture, "tiff")
        with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
            assert records in bytes(tiff.pages.first.tags[33723].value)
            assert 34377 in tiff.pages.first.tags
        save(tmp_path / "b.jpg", picture, "jpeg")
        assert records in (tmp_path / "b.jpg").read_bytes()


def test_malformed_tags_of_a_geotiff_are_left_out():
    assert geo.scaled(((33550, TagValue(12, 3, b"short")),), (4.0, 4.0)) == ()
    assert geo.scaled(((34264, TagValue(12, 1, bytes(8))),), (4.0, 4.0)) == ()
    keys = (34735, TagValue(3, 9, b"odd"))
    assert geo.scaled((keys,), (4.0, 4.0)) == (keys,)


def test_malformed_tags_of_a_geotiff_are_told(tmp_path):
    ties = [(33922, 12, 5, (0.0, 0.0, 0.0, 5e5, 4e6), True), (34737, 2, 9, "Example|\0", True)]
    tifffile.imwrite(tmp_path / "a.tif", making.smooth(32, 24), photometric="rgb", extratags=ties, metadata=None)
    notes = save(tmp_path / "b.tif", enlarged(load(tmp_path / "a.tif"), 4), "tiff")
    assert ["malformed GeoTIFF tags" in note for note in notes] == [True]
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        tags = tiff.pages.first.tags
        assert (33922 in tags, tags[34737].value) == (False, "Example|")


WORLD = "10.0\n0.5\n-0.25\n-20.0\n500005.0\n3999995.0\n"


def lies(w: list[float], column: float, row: float) -> tuple[float, float]:
    """Where a point lies by a world file, which counts the middles of pixels."""
    column, row = column - 0.5, row - 0.5
    return w[0] * column + w[2] * row + w[4], w[1] * column + w[3] * row + w[5]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_world_file_follows_the_turn(tmp_path, orientation):
    stored = turned(marked(), orientation)
    save_as = {"quality": 95, "exif": b"Exif\0\0" + making.exif(orientation)}
    (tmp_path / "a.jpg").write_bytes(making.encoded(Image.fromarray(stored), "JPEG", **save_as))
    (tmp_path / "a.jgw").write_text(WORLD)
    picture = load(tmp_path / "a.jpg")
    result = enlarged(picture, 2)
    size, after = (picture.width, picture.height), (result.width, result.height)
    written, notes = carry_companions(tmp_path / "a.jpg", tmp_path / "b.png", size, after, picture.orientation)
    assert ([path.name for path in written], notes) == (["b.pgw"], ())
    old, new = ([float(line) for line in (tmp_path / name).read_text().split()] for name in ("a.jgw", "b.pgw"))
    # What is seen at the spot lies where it lay.
    assert lies(new, *spot(result.pixels)[:2]) == pytest.approx(lies(old, *spot(stored)[:2]), abs=1e-3)
    assert lies(new, 0, 0) in [
        pytest.approx(lies(old, *corner))
        for corner in ((0, 0), (stored.shape[1], 0), (0, stored.shape[0]), stored.shape[1::-1])
    ]


@pytest.mark.parametrize(
    ("suffix", "name", "result", "expected"),
    [
        (".tif", "a.tfw", ".tif", "b.tfw"),
        (".tif", "a.TFW", ".png", "b.pgw"),
        (".jpg", "a.jpgw", ".jpg", "b.jgw"),
        (".png", "a.wld", ".tif", "b.tfw"),
    ],
)
def test_a_world_file_goes_with_its_picture(tmp_path, suffix, name, result, expected):
    (tmp_path / name).write_text(WORLD)
    (tmp_path / "a.prj").write_text("GEOGCS[]")
    source, output = tmp_path / f"a{suffix}", tmp_path / f"b{result}"
    written, notes = carry_companions(source, output, (32, 24), (128, 96))
    assert {path.name for path in written} == {expected, "b.prj"}
    assert notes == ()
    old, new = ([float(line) for line in (tmp_path / each).read_text().split()] for each in (name, expected))

    for column, row in ((0, 0), (32, 24), (5, 3)):
        assert lies(new, column * 4, row * 4) == pytest.approx(lies(old, column, row))
    # Once more is no change; another's file is no one's to replace.
    assert carry_companions(source, output, (32, 24), (128, 96)) == ((), ())
    (tmp_path / expected).write_text("mine")
    assert "already exists" in carry_companions(source, output, (32, 24), (128, 96))[1][0]
    assert (tmp_path / expected).read_text() == "mine"


@pytest.mark.parametrize("suffix", sorted({*FORMATS["raw"].suffixes, ".raw", ".crw", ".erf", ".png", ".txt", ""}))
def test_no_picture_is_a_companion(suffix):
    assert not is_companion(Path("a" + suffix))
    assert not is_companion(Path("A" + suffix.upper()))


@pytest.mark.parametrize("suffix", [".tfw", ".tifw", ".jgw", ".JPGW", ".pgw", ".j2w", ".bpw", ".wld", ".prj", ".XMP"])
def test_companions_are_known_by_their_suffix(suffix):
    assert is_companion(Path("a" + suffix))


def test_a_name_that_leaves_no_room_for_a_companions_suffix_has_none(tmp_path):
    # 255 bytes: `.webpw`, its world file, would be one too many.
    source = tmp_path / f"{'x' * 250}.webp"
    source.touch()
    assert carry_companions(source, tmp_path / "b.png", (32, 24), (128, 96)) == ((), ())


def test_a_sidecar_is_corrected(tmp_path):
    (tmp_path / "a.xmp").write_bytes(packet('xmp:Rating="4" tiff:ImageWidth="32"'))
    (tmp_path / "a.wld").write_text("no world file")
    written, _ = carry_companions(tmp_path / "a.tif", tmp_path / "b.tif", (32, 24), (128, 96))
    assert [path.name for path in written] == ["b.xmp"]
    assert b'tiff:ImageWidth="128"' in (tmp_path / "b.xmp").read_bytes()


def test_companions_of_a_copy_are_copies(tmp_path):
    sidecar = packet('xmp:Rating="4" tiff:Orientation="6" tiff:ImageWidth="32"')
    (tmp_path / "a.xmp").write_bytes(sidecar)
    (tmp_path / "a.jgw").write_text(WORLD)
    carry_companions(tmp_path / "a.jpg", tmp_path / "b.jpg", (24, 32), (24, 32), copied=True)
    assert (tmp_path / "b.xmp").read_bytes() == sidecar
    assert (tmp_path / "b.jgw").read_text() == WORLD


# What a result says of itself


ORIGIN = Origin("SRGAN Desktop 1.2", "photo x4", "4x")


@pytest.mark.parametrize("format", WRITABLE)
@pytest.mark.parametrize("own", [None, packet('xmp:CreatorTool="Other 3" xmp:Rating="4"')])
def test_a_result_says_what_it_is(tmp_path, format, own):
    picture = Picture(making.smooth(16, 12), None, Metadata(xmp=own))
    save(tmp_path / "b", picture, format, origin=ORIGIN)
    written = load(tmp_path / "b").metadata.xmp
    assert written is not None
    assert b"<xmp:CreatorTool>SRGAN Desktop 1.2, photo x4, 4x</xmp:CreatorTool>" in written
    assert b"digitalsourcetype/algorithmicallyEnhanced</Iptc4xmpExt:DigitalSourceType>" in written
    assert b"Other 3" not in written
    assert (b'xmp:Rating="4"' in written) == (own is not None)
    save(tmp_path / "c", picture, format)
    assert load(tmp_path / "c").metadata.xmp == own


def test_what_a_model_has_generated_stays_said(tmp_path):
    generated = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    for value, stays in ((generated, True), (generated.replace("trainedAlgorithmicMedia", "digitalCapture"), False)):
        own = packet(f'Iptc4xmpExt:DigitalSourceType="{value}"')
        save(tmp_path / "b.png", Picture(making.smooth(16, 12), None, Metadata(xmp=own)), "png", origin=ORIGIN)
        written = load(tmp_path / "b.png").metadata.xmp
        assert written is not None
        assert (value.encode() in written) == stays
        assert (b"algorithmicallyEnhanced" in written) == (not stays)


def test_dates_of_files(tmp_path):
    when = 894_024_000_123_456_700
    save(tmp_path / "b.png", Picture(making.smooth(16, 12), None), "png", date_ns=(when, when))
    assert abs((tmp_path / "b.png").stat().st_mtime_ns - when) < 1000
    save(tmp_path / "c.png", Picture(making.smooth(16, 12), None), "png")
    assert (tmp_path / "c.png").stat().st_mtime_ns > 1_700_000_000_000_000_000


# Hostile


def test_properties_take_no_markup():
    made = xmp.with_properties(None, [Property("dc", "title", "alt", ("<b>&\0\x07]]>\ud800",))])
    assert made is not None
    assert b"&lt;b&gt;&amp;]]&gt;" in made
    assert xmp.with_properties(b"no packet", [Property("dc", "title", "alt", ("a",))]) == b"no packet"


def sources() -> dict[str, bytes]:
    records = resource(0x0404, iim(caption="caption", keyword=["a", "b"]))
    figures = exif_in_pixels("<", 6, 64, 48, area=(30, 20, 10, 10), place=(30, 20))
    long = b"Long\0\1\0\0\0" + zlib.compress(b"x" * 500)
    buffer = io.BytesIO()
    geotiff(buffer)
    return {
        "jpeg": jpeg(exif_segment(figures), xmp_segment(MOTION), segment(0xED, b"Photoshop 3.0\0" + records)),
        "gain": ultra_hdr(gain_map_jpeg(), 6),
        "png": png_with(making.chunk(b"iTXt", long), making.chunk(b"eXIf", figures)),
        "tiff": buffer.getvalue(),
    }


@pytest.mark.parametrize("kind", ["jpeg", "gain", "png", "tiff"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_five_hundred_broken_files_of_each_kind(tmp_path, kind):
    good = sources()[kind]
    dice = random.Random(11)
    head = good.index(b"\xff\xdb") if kind in ("jpeg", "gain") else len(good)
    for _ in range(500):
        data = bytearray(good)
        for _ in range(dice.randrange(1, 12)):
            data[dice.randrange(2, head)] = dice.randrange(256)
        if dice.random() < 0.2:
            del data[dice.randrange(20, len(data)) :]
        (tmp_path / "a").write_bytes(data)
        with contextlib.suppress(UserError):
            picture = load(tmp_path / "a")
            save(tmp_path / "b", enlarged(picture, 2), "png" if picture.alpha is not None else "jpeg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_gain_map_of_an_avif_is_seen(tmp_path):
    save(tmp_path / "plain.avif", Picture(making.smooth(64, 48), None), "avif")
    plain = (tmp_path / "plain.avif").read_bytes()
    assert load(tmp_path / "plain.avif").notes == ()
    # One item more, of the kind that says how to make HDR of the picture: it has no data here.
    entry = struct.pack(">I4s", 21, b"infe") + b"\2\0\0\0" + struct.pack(">HH", 9, 0) + b"tmap" + b"\0"
    start = plain.index(b"iinf") - 4
    (size,) = struct.unpack_from(">I", plain, start)
    infos = struct.pack(">I4s4sH", size + len(entry), b"iinf", bytes(4), 2) + plain[start + 14 : start + size] + entry
    meta = plain.index(b"meta") - 4
    content = plain[:start] + infos + plain[start + size :]
    content = (
        content[:meta] + struct.pack(">I", struct.unpack_from(">I", plain, meta)[0] + len(entry)) + content[meta + 4 :]
    )
    assert still_image(io.BytesIO(content)).gain_map


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("stored", [False, True])
def test_a_panorama_under_a_quarter_turn(orientation, stored):
    """Its figures may be those of the picture as it is stored, or as it is shown; afterwards they are the latter."""
    full = np.zeros((100, 200), int)
    left, top, width, height = 30, 20, 80, 50
    full[top : top + height, left : left + width] = 1
    inner = (5, 7, 40, 20)
    full[top + inner[1] : top + inner[1] + inner[3], left + inner[0] : left + inner[0] + inner[2]] = 2
    turns = {5: lambda a: a.T, 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].T, 8: lambda a: np.rot90(a)}
    names: tuple[str, ...] = ("CroppedAreaLeftPixels", "CroppedAreaTopPixels", "CroppedAreaImageWidthPixels")
    names += ("CroppedAreaImageHeightPixels", "FullPanoWidthPixels", "FullPanoHeightPixels")
    names += tuple(f"LargestValidInteriorRect{part}" for part in ("Left", "Top", "Width", "Height"))

    def figures(array):
        y, x = np.nonzero(array)
        v, u = np.nonzero(array == 2)
        area = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
        return (
            *area,
            array.shape[1],
            array.shape[0],
            u.min() - x.min(),
            v.min() - y.min(),
            np.ptp(u) + 1,
            np.ptp(v) + 1,
        )

    shown = figures(turns[orientation](full))
    said = " ".join(
        f'GPano:{name}="{value}"' for name, value in zip(names, figures(full) if stored else shown, strict=True)
    )
    packet = f'<rdf:Description xmlns:GPano="{xmp.NAMESPACES["GPano"]}" {said}/>'.encode()
    result = xmp.edited_xmp(packet, xmp.Geometry((height, width), (width, height), orientation))
    assert tuple(xmp.first_number(result, "GPano", name) for name in names) == shown


# Content credentials, rights and other fields


JUMBF = b"JP\0\1\0\0\0\1" + struct.pack(">I4sI4s", 60, b"jumb", 40, b"jumd") + b"c2pa\0\x11\0\x10" + bytes(32)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def with_credentials(format: str) -> bytes:
    """A picture that claims content credentials where the format has them."""
    image = Image.fromarray(making.smooth(64, 48))
    if format == "jpeg":
        return jpeg(segment(0xEB, JUMBF))
    if format == "png":
        return png_with(making.chunk(b"caBX", JUMBF[8:]))
    if format == "tiff":
        stream = io.BytesIO()
        tifffile.imwrite(stream, np.asarray(image), extratags=[(52545, 7, len(JUMBF), JUMBF, True)])
        return stream.getvalue()
    data = making.encoded(image, "WEBP" if format == "webp" else "AVIF")
    if format == "webp":
        data += b"C2PA" + struct.pack("<I", len(JUMBF)) + JUMBF
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    return data + box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + JUMBF)


@pytest.mark.parametrize("format", ["jpeg", "png", "tiff", "webp", "avif"])
def test_content_credentials_are_said_to_be_left_out(tmp_path, format):
    (tmp_path / "a").write_bytes(with_credentials(format))
    picture = load(tmp_path / "a")
    assert picture.notes == ("Left out: its content credentials, which are signed for the source alone.",)
    save(tmp_path / "b", picture, format)
    assert b"c2pa" not in (tmp_path / "b").read_bytes()
    assert load(tmp_path / "b").notes == ()


def test_credentials_of_a_jpeg_xl(tmp_path):
    save(tmp_path / "a.jxl", Picture(making.smooth(64, 48), None, Metadata(xmp=packet())), "jxl")
    data = (tmp_path / "a.jxl").read_bytes()
    (tmp_path / "a.jxl").write_bytes(data + box(b"jumb", JUMBF[16:]))
    assert any("content credentials" in note for note in load(tmp_path / "a.jxl").notes)


@pytest.mark.parametrize(
    ("value", "goes"),
    [("self#jumbf=/c2pa/urn:uuid:1", True), ("https://example.org/manifests/1.c2pa", True), ("a gift of Ada", False)],
)
def test_the_pointer_to_credentials_goes_with_them(tmp_path, value, goes):
    (tmp_path / "a.jpg").write_bytes(jpeg(xmp_segment(packet(f'dcterms:provenance="{value}"'))))
    picture = load(tmp_path / "a.jpg")
    assert any("content credentials" in note for note in picture.notes) == goes
    assert (value.encode() in picture.metadata.xmp) != goes


def test_rights_times_and_codes_of_iptc(tmp_path):
    def record(number, data):
        return struct.pack(">BBBH", 0x1C, 2, number, len(data)) + data

    records = (
        record(4, b"021:Biography") + record(12, b"IPTC:15000000:Sport") + record(55, b"20240506")
        + record(60, b"070809+0200") + record(62, b"20240507") + record(63, b"101112")
    )  # fmt: skip
    rights = resource(0x040A, b"\1") + resource(0x040B, b"https://example.org/rights")
    (tmp_path / "a.jpg").write_bytes(jpeg(segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, records) + rights)))
    assert save(tmp_path / "b.png", load(tmp_path / "a.jpg"), "png") == ()
    written = load(tmp_path / "b.png").metadata.xmp
    for words in (
        ":DateCreated>2024-05-06T07:08:09+02:00<", ":CreateDate>2024-05-07T10:11:12<", "<rdf:li>15000000<",
        ":IntellectualGenre>Biography<", ":Marked>True<", ":WebStatement>https://example.org/rights<",
    ):  # fmt: skip
        assert words.encode() in written


def test_what_iptc_says_and_xmp_cannot_is_told(tmp_path):
    records = struct.pack(">BBBH", 0x1C, 2, 118, 3) + b"Ada"
    content = resource(0x0404, records) + resource(2000, bytes(26))
    (tmp_path / "a.jpg").write_bytes(jpeg(segment(0xED, b"Photoshop 3.0\0" + content)))
    told = ("Left out: its clipping paths, IPTC fields that have no name elsewhere.",)
    assert save(tmp_path / "b.png", load(tmp_path / "a.jpg"), "png") == told
    assert save(tmp_path / "b.jpg", load(tmp_path / "a.jpg"), "jpeg") == ()


XMP_OF_BOTH = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<r:Description r:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:subject><r:Bag><r:li>boats &amp; ships</r:li><r:li>harbour</r:li></r:Bag></dc:subject>
<dc:description><r:Alt><r:li xml:lang="x-default">Harbour at dawn, 1961</r:li></r:Alt></dc:description>
<dc:creator><r:Seq><r:li>Ada</r:li></r:Seq></dc:creator></r:Description></r:RDF></x:xmpmeta>"""


def test_what_iptc_and_xmp_both_say(tmp_path):
    words = {"caption": "Harbour at dawn", "keyword": ["harbour", "boats & ships", "rdf:seen <here>"]}
    metadata = Metadata(photoshop=resource(0x0404, iim(**words)), xmp=XMP_OF_BOTH)
    assert save(tmp_path / "a.png", Picture(making.smooth(16, 12), None, metadata), "png") == ()
    written = load(tmp_path / "a.png").metadata.xmp
    # Nothing twice, and what IPTC alone has behind the rest; the text that IPTC cut short is in XMP's.
    wanted = b"<r:li>boats &amp; ships</r:li><r:li>harbour</r:li><r:li>rdf:seen &lt;here&gt;</r:li></r:Bag>"
    assert wanted in written
    metadata = replace(metadata, photoshop=resource(0x0404, iim(caption="Another harbour")))
    told = ("Left out: IPTC fields of which its XMP says something else.",)
    assert save(tmp_path / "b.webp", Picture(making.smooth(16, 12), None, metadata), "webp") == told


def test_an_author_of_whom_xmp_says_another_goes_where_other_texts_go(tmp_path):
    texts = (Text("Author", "Grace"), Text("Description", "Harbour at dawn, 1961"))
    metadata = Metadata(texts=texts, xmp=XMP_OF_BOTH)
    assert save(tmp_path / "a.webp", Picture(making.smooth(16, 12), None, metadata), "webp") == ()
    assert exif_of(tmp_path / "a.webp")[1][0x9286] == b"ASCII\0\0\0Author: Grace"


# How large a pixel is where no unit of print says it


def test_pixels_that_are_not_square(tmp_path):
    (tmp_path / "a.png").write_bytes(png_with(making.chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))))
    picture = enlarged(load(tmp_path / "a.png"), 2)
    save(tmp_path / "b.png", picture, "png")
    assert making.chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0)) in (tmp_path / "b.png").read_bytes()
    save(tmp_path / "b.tif", picture, "tiff")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        tags = tiff.pages[0].tags
        assert (tags["XResolution"].value, tags["YResolution"].value) == ((4, 1), (2, 1))
        assert tags["ResolutionUnit"].value == 1
    save(tmp_path / "c.png", load(tmp_path / "b.tif"), "png")
    assert load(tmp_path / "c.png").metadata.grid == (2, 1)


def test_imagej_measures_as_before(tmp_path):
    stack = making.noise(32, 24, 3, np.uint8).transpose(2, 0, 1)
    described = {"unit": "um", "axes": "ZYX", "spacing": 2.0}
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, resolution=(4.0, 4.0), metadata=described)
    pages = (enlarged(page, 2) for page in load_all(tmp_path / "a.tif").pictures)
    save_all(tmp_path / "b.tif", pages, "tiff")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert tiff.imagej_metadata["unit"] == "um"
        assert tiff.series[0].shape == (3, 48, 64)
        tags = tiff.pages[0].tags
        assert (tags["XResolution"].value, tags["YResolution"].value) == ((8, 1), (8, 1))


def test_what_imagej_alone_reads_is_said_to_be_left_out(tmp_path):
    samples = making.noise(32, 24, 3, np.uint8).transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", samples, imagej=True, metadata={"Labels": ["a", "b", "c"]})
    notes = [page.notes for page in load_all(tmp_path / "a.tif").pictures]
    assert notes[0] == ("Left out: what ImageJ alone reads: labels, lookup tables, regions.",)
    tifffile.imwrite(tmp_path / "b.tif", samples, imagej=True, metadata={"unit": "um"})
    assert all(page.notes == () for page in load_all(tmp_path / "b.tif").pictures)


def test_sides_in_descriptions_of_microscopes(tmp_path):
    samples = making.noise(32, 24, 1, np.uint8)[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", samples)
    save(tmp_path / "b.tif", enlarged(load(tmp_path / "a.tif"), 4), "tiff")
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert tiff.pages[0].description == '{"shape": [96, 128]}'
    described = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(tmp_path / "a.ome.tif", samples, metadata=described)
    save(tmp_path / "b.ome.tif", enlarged(load(tmp_path / "a.ome.tif"), 4), "tiff")
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tiff:
        written = tiff.ome_metadata
        assert tiff.series[0].shape == (96, 128)
    for words in ('SizeX="128"', 'SizeY="96"', 'PhysicalSizeX="0.125"', 'PhysicalSizeY="0.0625"'):
        assert words in written


def test_jpegs_whose_pixels_are_not_square(tmp_path):
    data = jpeg()
    (tmp_path / "a.jpg").write_bytes(data[:13] + struct.pack(">BHH", 0, 3, 2) + data[18:])
    picture = enlarged(load(tmp_path / "a.jpg"), 2)
    assert save(tmp_path / "b.jpg", picture, "jpeg") == ()
    with Image.open(tmp_path / "b.jpg") as image:
        assert (image.info["jfif_unit"], image.info["jfif_density"]) == (0, (3, 2))
    assert save(tmp_path / "b.webp", picture, "webp") == ("Left out: the shape of its pixels, which are not square.",)


def boundary(shape: str, unit: str, **figures: float) -> bytes:
    figured = "".join(f"<Iptc4xmpExt:{name}>{value}</Iptc4xmpExt:{name}>" for name, value in figures.items())
    return packet(
        inside="<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li rdf:parseType='Resource'>"
        f"<Iptc4xmpExt:RegionBoundary rdf:parseType='Resource'><Iptc4xmpExt:rbShape>{shape}</Iptc4xmpExt:rbShape>"
        f"<Iptc4xmpExt:rbUnit>{unit}</Iptc4xmpExt:rbUnit>{figured}</Iptc4xmpExt:RegionBoundary>"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    )


@pytest.mark.parametrize(
    ("shape", "unit", "before", "orientation", "after"),
    [
        ("rectangle", "pixel", {"rbX": 10, "rbY": 4, "rbW": 20, "rbH": 6}, 1,
         {"rbX": 20, "rbY": 8, "rbW": 40, "rbH": 12}),
        # A quarter turn clockwise: what was at the bottom is left.
        ("rectangle", "pixel", {"rbX": 10, "rbY": 4, "rbW": 20, "rbH": 6}, 6,
         {"rbX": 76, "rbY": 20, "rbW": 12, "rbH": 40}),
        ("rectangle", "relative", {"rbX": 0.25, "rbY": 0.5, "rbW": 0.5, "rbH": 0.25}, 3,
         {"rbX": 0.25, "rbY": 0.25, "rbW": 0.5, "rbH": 0.25}),
        ("rectangle", "relative", {"rbX": 0.25, "rbY": 0.5, "rbW": 0.5, "rbH": 0.25}, 1,
         {"rbX": 0.25, "rbY": 0.5, "rbW": 0.5, "rbH": 0.25}),
        ("circle", "pixel", {"rbX": 10, "rbY": 4, "rbRx": 5}, 2, {"rbX": 108, "rbY": 8, "rbRx": 10}),
        ("circle", "relative", {"rbX": 0.5, "rbY": 0.5, "rbRx": 0.25}, 6, {"rbX": 0.5, "rbY": 0.5, "rbRx": 64 / 192}),
    ],
)  # fmt: skip
def test_image_regions_of_iptc(shape, unit, before, orientation, after):
    size = (96, 128) if orientation == 6 else (128, 96)
    written = xmp.edited_xmp(boundary(shape, unit, **before), Geometry(size, (64, 48), orientation))
    for name, value in after.items():
        assert xmp.first_number(written, "Iptc4xmpExt", name) == pytest.approx(value)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_texts_of_a_png_in_either_encoding(tmp_path, kind, encoding):
    """Programs write UTF-8 where the format wants Latin-1, and the other way about."""
    data = "Jörg".encode(encoding)
    content = {b"tEXt": data, b"zTXt": b"\0" + zlib.compress(data), b"iTXt": bytes(4) + data}[kind]
    (tmp_path / "a.png").write_bytes(png_with(making.chunk(kind, b"Author\0" + content)))
    assert [text.text for text in load(tmp_path / "a.png").metadata.texts] == ["Jörg"]
