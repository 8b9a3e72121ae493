"""Pictures and files for these tests, made without the code under test."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="6" tiff:ImageWidth="9999">'
    b"<dc:creator>J\xc3\xb6rg</dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)
MAKER_NOTE = b"NOTE" + bytes(range(200))

MAKE, MODEL, ARTIST, ORIENTATION = 0x010F, 0x0110, 0x013B, 0x0112
EXIF_DIRECTORY, GPS_DIRECTORY, DATE_TAKEN, MAKER_NOTE_TAG = 0x8769, 0x8825, 0x9003, 0x927C
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003


def smooth(width: int, height: int, channels: int = 3, seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    """H x W x C with soft blobs, which lossy formats keep well."""
    rng = np.random.default_rng(seed)
    planes = [
        Image.fromarray(rng.uniform(40, 215, (4, 4)).astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for _ in range(channels)
    ]
    stacked = np.clip(np.stack([np.asarray(plane) for plane in planes], axis=-1), 0, 255)
    return np.rint(stacked * (np.iinfo(dtype).max / 255)).astype(dtype)


def noise(width: int, height: int, channels: int, dtype: type, seed: int = 0) -> np.ndarray:
    """H x W x C of all values."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)


def exif(orientation: int = 1, order: str = "<", thumbnail: bytes = b"") -> bytes:
    """EXIF of a camera, with GPS, a maker note, stale dimensions, and a thumbnail at the end."""
    block = Image.Exif()
    block.endian = order
    block[MAKE], block[MODEL], block[ARTIST], block[ORIENTATION] = "Maker", "Model 1", "Ada Lovelace", orientation
    block[EXIF_DIRECTORY] = {
        DATE_TAKEN: "2024:05:06 07:08:09",
        MAKER_NOTE_TAG: MAKER_NOTE,
        PIXEL_WIDTH: 9999,
        PIXEL_HEIGHT: 8888,
    }
    block[GPS_DIRECTORY] = {1: "N", 2: (48.0, 51.0, 24.0), 3: "E", 4: (2.0, 21.0, 3.0)}
    data = bytearray(block.tobytes()[6:])
    if thumbnail:
        # A second directory behind the first, as cameras write it.
        (first,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, first)
        data += b"\0" * (len(data) % 2)
        second = len(data)
        struct.pack_into(order + "I", data, first + 2 + 12 * count, second)
        start = second + 2 + 24 + 4
        data += struct.pack(order + "H", 2)
        data += struct.pack(order + "HHII", 0x0201, 4, 1, start) + struct.pack(
            order + "HHII", 0x0202, 4, 1, len(thumbnail)
        )
        data += bytes(4) + thumbnail
    return bytes(data)


def read_exif(block: bytes) -> Image.Exif:
    """Parsed by Pillow."""
    parsed = Image.Exif()
    parsed.load(block)
    return parsed


def profile(name: Literal["LAB", "XYZ", "sRGB"] = "sRGB") -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def grey_profile() -> bytes:
    """A one-channel ICC profile with a linear curve (ICC.1:2001)."""
    tags = {
        b"kTRC": b"curv" + bytes(4) + struct.pack(">I", 0),
        b"wtpt": b"XYZ " + bytes(4) + bytes.fromhex("0000f6d60001000000 00d32d".replace(" ", "")),
    }
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = offset + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + bytes.fromhex("0000f6d6000100000000d32d")
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def psd(
    samples: np.ndarray,
    mode: int = 3,
    resources: bytes = b"",
    layers: bytes = b"",
    packed: bool = True,
    palette: bytes = b"",
    big: bool = False,
    bits: int | None = None,
) -> bytes:
    """A Photoshop document of one flattened picture (file format specification, 2019).

    Its samples are H x W x C of uint8, uint16 or float32, as the file has them; with `bits` 1 they are uint8 of eight
    pixels each, and the picture is eight times as wide. `big` makes it a document for large pictures (PSB).
    """
    height, width, channels = samples.shape
    planes = np.moveaxis(samples, 2, 0).astype(samples.dtype.newbyteorder(">"))
    depth = bits or 8 * samples.dtype.itemsize
    across = width * 8 if bits == 1 else width
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 2 if big else 1, channels, height, across, depth, mode)
    rows = [row.tobytes() for plane in planes for row in plane]
    if packed:
        rows = [bytes(imagecodecs.packbits_encode(row)) for row in rows]
        body = struct.pack(">H", 1) + b"".join(struct.pack(">I" if big else ">H", len(row)) for row in rows)
    else:
        body = struct.pack(">H", 0)
    sections = [struct.pack(">I", len(part)) + part for part in (palette, resources)]
    sections.append(struct.pack(">Q" if big else ">I", len(layers)) + layers)
    return head + b"".join(sections) + body + b"".join(rows)


def bmp_fields(samples: np.ndarray, masks: tuple[int, ...], bits: int, top_down: bool = False) -> bytes:
    """A BMP with its channels in these bit fields; samples are H x W x C numbers of the fields' own size."""
    height, width, _channels = samples.shape
    words = np.zeros((height, width), np.uint32)
    for channel, mask in enumerate(masks):
        words |= samples[..., channel].astype(np.uint32) << ((mask & -mask).bit_length() - 1)
    row = (width * bits // 8 + 3) // 4 * 4
    stored = words.astype(f"<u{bits // 8}").view(np.uint8).reshape(height, -1)
    stored = np.pad(stored, ((0, 0), (0, row - stored.shape[1])))
    fields = struct.pack("<4I", *masks, *[0] * (4 - len(masks))).ljust(108 - 40, b"\0")
    info = struct.pack("<IiiHHIIiiII", 108, width, -height if top_down else height, 1, bits, 3, 0, 2835, 2835, 0, 0)
    data = (stored if top_down else stored[::-1]).tobytes()
    start = 14 + len(info) + len(fields)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + fields + data


def dng(width: int = 64, height: int = 48, orientation: int = 1) -> bytes:
    """A raw file of a made-up camera: red grows to the right, green downwards, blue to the left (DNG 1.4)."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x / width, y / height, 1 - x / width]
    which = np.array([[0, 1], [1, 2]])[y % 2, x % 2]
    mosaic = (np.choose(which, planes) * 60_000).astype(np.uint16)
    matrix = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)
    rationals = tuple(number for value in matrix for number in (round(value * 10_000), 10_000))
    tags: list[tuple[int, int, int | None, object, bool]] = [
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50708, 2, None, "Maker Model", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50721, 10, 9, rationals, True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50714, 3, 1, 0, True),
        (50717, 4, 1, 65_535, True),
        (50778, 3, 1, 21, True),
        (274, 3, 1, orientation, True),
        (271, 2, None, "Maker", True),
        (272, 2, None, "Model", True),
        (315, 2, None, "Ada Lovelace", True),
    ]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, mosaic, photometric=32803, extratags=tags, metadata=None, software=False)
    return buffer.getvalue()


def dds_head(width: int, height: int, dxgi: int, mipmaps: int = 1) -> bytes:
    """The head of a DDS file of one texture (Microsoft's DDS_HEADER and DDS_HEADER_DXT10)."""
    head = b"DDS " + struct.pack("<7I44x", 124, 0x1007, height, width, 0, 0, mipmaps)
    head += struct.pack("<II4s20x", 32, 4, b"DX10") + struct.pack("<I16x", 0x1000)
    return head + struct.pack("<5I", dxgi, 3, 0, 1, 0)


def bc6h_block(colours: tuple[int, int, int]) -> bytes:
    """One block of mode 11: two end points of 10 bits a channel, all 16 pixels the first of them."""
    bits = 0b00011
    for channel, colour in enumerate(colours):
        for end in range(2):
            bits |= colour << (5 + 10 * (3 * end + channel))
    return bits.to_bytes(16, "little")
