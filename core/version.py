"""The version of the program. This is its one place: pyproject.toml, both programs and every package read it here."""

VERSION = "0.1.0"
