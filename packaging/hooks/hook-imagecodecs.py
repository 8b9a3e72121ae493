"""Those of its 56 codecs that `core.images` uses, itself (PNG, AVIF) or by way of tifffile; each imported by name."""

hiddenimports = [
    f"imagecodecs.{name}"
    for name in ("_shared", "_shared_cython", "_imcd", "_png", "_avif", "_zlib", "_deflate", "_lzma", "_zstd")
]
