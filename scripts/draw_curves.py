"""Draw the curves of training runs as the Train page does, for docs/models.md and docs/training-log.md.

    QT_QPA_PLATFORM=offscreen python scripts/draw_curves.py detail=RUN-FOLDER photo=RUN-FOLDER

Each becomes docs/images/curve-NAME.webp.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from PySide6.QtWidgets import QApplication

from srgan_desktop import settings
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme
from srgan_desktop.training.curves import Curves
from srgan_desktop.training.runs import read_run

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WIDTH, HEIGHT_A_PLOT = 820, 210


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    with tempfile.TemporaryDirectory() as folder:
        options = Settings(Path(folder) / "settings.ini")
        options.set(settings.APPEARANCE, "light")
        theme = Theme(app, options)
        for name, _, run in (each.partition("=") for each in sys.argv[1:]):
            curves = Curves(theme)
            record = read_run(Path(run))
            curves.show_record(record)
            curves.resize(WIDTH, HEIGHT_A_PLOT * (3 if record.d_real.steps else 2))
            curves.show()
            app.processEvents()
            drawn = Path(folder) / "curves.png"
            curves.grab().save(str(drawn))
            with Image.open(drawn) as picture:
                picture.convert("RGB").save(IMAGES / f"curve-{name}.webp", quality=90, method=6)
            print(IMAGES / f"curve-{name}.webp", record.step, "steps")


if __name__ == "__main__":
    main()
