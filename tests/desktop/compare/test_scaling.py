"""Screens with more than one pixel to Qt's pixel: only a process of its own can have one."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
from pathlib import Path
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget
from core.contract.cancel import CancelToken
from srgan_desktop.compare.canvas import Canvas
from srgan_desktop.compare.pyramid import build
from srgan_desktop.compare.scene import Scene
from tests.desktop.grabbed import from_qimage
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme

app = QApplication([])
window = QWidget()
window.resize(401, 301)
canvas = Canvas(Theme(app, Settings(Path(sys.argv[1]))), window)
# Begins between two pixels of the screen, unless the ratio is whole.
canvas.setGeometry(13, 17, 300, 200)
canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
window.show()
pixels = np.random.default_rng(0).integers(0, 256, (900, 1_100, 3), dtype=np.uint8)
canvas.set_scene(Scene((build(pixels, CancelToken()), )), [])
canvas.zoom_to(1)
while True:
    painted = from_qimage(window.grab().toImage())[..., :3]
    if canvas.sharp:
        break
ratio = canvas.devicePixelRatioF()
assert ratio == float(sys.argv[2]), ratio
x, y = (-place for place in canvas.viewport.origin)
left, top = round(13 * ratio), round(17 * ratio)
width, height = int(300 * ratio) - 2, int(200 * ratio) - 2
seen = painted[top + 2 : top + height, left + 2 : left + width]
np.testing.assert_array_equal(seen, pixels[y + 2 : y + height, x + 2 : x + width])
"""


@pytest.mark.parametrize("ratio", ["1.5", "2.0"])
def test_at_100_percent_pixels_are_the_screens_on_every_screen(tmp_path, ratio):
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": ratio}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "settings.ini"), ratio]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
