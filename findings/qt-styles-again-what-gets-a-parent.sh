#!/usr/bin/env bash
# PySide6 6.11.3 (Qt 6.11.3): with a style sheet of the application, every widget in a card is styled again when the
# card gets its parent, though it has been styled already and the sheet is the same.
#
# Who builds a page in pieces and adds each finished piece to a layout pays for styling twice; made with its parent, a
# widget is styled once. Without a style sheet nothing happens at that moment:
#
#     without a sheet: 0 widgets styled again
#     with a sheet: 51 widgets styled again
#     with a sheet, made with a parent: 0 widgets styled again
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pyside6-essentials==6.11.3 shiboken6==6.11.3
QT_QPA_PLATFORM=offscreen PYTHONPATH=$folder "$python" - <<'PY'
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QVBoxLayout, QWidget

LABELS = 50


class Counter(QObject):
    def __init__(self):
        super().__init__()
        self.styled = 0

    def eventFilter(self, watched, event):
        self.styled += event.type() == QEvent.Type.StyleChange
        return False


def styled_again(sheet, parent_at_once):
    app.setStyleSheet(sheet)
    window = QWidget()
    layout = QVBoxLayout(window)
    window.ensurePolished()
    card = QFrame(window) if parent_at_once else QFrame()
    inside = QVBoxLayout(card)
    for number in range(LABELS):
        inside.addWidget(QLabel(str(number), card))
    for widget in [card, *card.findChildren(QWidget)]:
        widget.ensurePolished()
    counter = Counter()
    app.installEventFilter(counter)
    layout.addWidget(card)
    app.removeEventFilter(counter)
    return counter.styled


app = QApplication([])
sheet = "QLabel { color: #123456 }"
found = styled_again("", False), styled_again(sheet, False), styled_again(sheet, True)
for words, count in zip(("without a sheet", "with a sheet", "with a sheet, made with a parent"), found):
    print(f"{words}: {count} widgets styled again")
assert found == (0, LABELS + 1, 0), found
PY
