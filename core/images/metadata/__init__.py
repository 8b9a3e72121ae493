"""Metadata: read out of a file, made to agree with a picture that was turned and enlarged, fitted into a format."""

from core.images.metadata.carry import as_read, as_written

__all__ = ["as_read", "as_written"]
