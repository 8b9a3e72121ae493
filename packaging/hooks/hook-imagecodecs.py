"""Those of its 56 codecs that `core.images` uses, itself or by way of tifffile; each imported by name."""

hiddenimports = [
    f"imagecodecs.{name}"
    for name in (
        *("_shared", "_shared_cython", "_imcd", "_zlib", "_deflate", "_lzma", "_zstd", "_brotli", "_cms"),
        *("_png", "_avif", "_jpegxl", "_jpeg2k", "_jpegxr", "_lerc", "_webp", "_rgbe", "_qoi"),
    )
]
