"""The estimator of wear is fitted and checked again, on a few pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.images import wear
from scripts import calibrate_wear
from tests.scripts.conftest import Run


def test_calibrate_wear(main: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("EPOCHS", 1), ("BATCH", 8), ("MEMBERS", 2), ("SIDES", (32,))):
        monkeypatch.setattr(calibrate_wear, name, value)
    for name in ("train", "train2", "val"):
        (tmp_path / name).symlink_to(photos)
    cache, network = tmp_path / "cache.npz", tmp_path / "wear.npz"
    assert "24 pictures" in main(calibrate_wear, "make", "--data", tmp_path, "--out", cache, "--count", "24")
    main(calibrate_wear, "fit", cache, "--out", network, "--everything")
    with np.load(network) as fitted, np.load(wear.NETWORK) as shipped:
        assert {name: fitted[name].shape[1:] for name in fitted} == {name: shipped[name].shape[1:] for name in shipped}
    said = main(calibrate_wear, "check", "--data", tmp_path)
    assert said.startswith(f"32 pixels a side: {len(list(photos.iterdir()))} pictures")
    assert said.count("near;") == 15
    assert said.count("within 10") == 17
    assert said.count("within 0.3") == 10
