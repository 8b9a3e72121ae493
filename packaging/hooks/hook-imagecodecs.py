"""Of its 56 codecs those that `core.images` uses, itself (16-bit PNG) or by way of tifffile; each imported by name."""

hiddenimports = [
    f"imagecodecs.{name}"
    for name in ("_shared", "_shared_cython", "_imcd", "_png", "_zlib", "_deflate", "_lzma", "_zstd")
]
