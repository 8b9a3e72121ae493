"""Help and About, and that the keys named there are those of the window."""

import pytest
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QPushButton

from core.version import VERSION
from srgan_desktop.help import KEYS, AboutDialog, KeysDialog, licence_folder, versions
from srgan_desktop.upscale.page import UpscalePage
from srgan_desktop.upscale.session import UpscaleSession
from tests.desktop.upscale.scripted import FakeJob


@pytest.fixture
def job(qtbot):
    return FakeJob()


def test_every_key_of_the_upscale_page_is_named(qtbot, theme, options, job):
    page = UpscalePage(theme, options, session=UpscaleSession(options, job=job))
    named = {part.strip() for _, keys in KEYS for key, _ in keys for part in key.replace(" or ", ",").split(",")}
    named |= {"Ctrl+,", "Ctrl+Enter"}
    shortcuts = {each.shortcut().toString() for each in page.findChildren(QAction)}
    shortcuts |= {each.shortcut().toString() for each in page.findChildren(QAbstractButton)}
    unnamed = {key for key in shortcuts if key and not key.startswith("Alt+")} - named
    with qtbot.waitSignal(page.stopped):
        page.shutdown()
    page.deleteLater()
    assert not unnamed


def test_the_keys_are_seen(qtbot):
    dialog = KeysDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    texts = [label.text() for label in dialog.findChildren(type(dialog.findChildren(QPushButton)[0]))]
    assert "Close" in texts


def test_about_says_what_a_report_needs(qtbot):
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    (copy,) = (each for each in dialog.findChildren(QPushButton) if "Copy" in each.text())
    copy.click()
    assert QGuiApplication.clipboard().text() == versions()
    assert VERSION in versions()
    assert "Qt" in versions()
    assert licence_folder().is_dir()
