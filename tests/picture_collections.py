"""Collections of pictures that are too large for the project; tests that can do without them do."""

import os
from pathlib import Path

COLLECTIONS = Path(os.environ.get("SRGAN_COLLECTIONS", Path(__file__).parents[2] / "shared" / "data"))
"""Holds `train`, `val` and `bench` where they are here: beside the project, as for `make bench`, or as told."""
