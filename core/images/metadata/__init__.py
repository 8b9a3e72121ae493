"""Metadata: read out of a file, made to agree with a picture that was turned and enlarged, fitted into a format."""
