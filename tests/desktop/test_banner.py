"""The strip that says how a run ended: words and buttons come at once, and old buttons go."""

from __future__ import annotations

from PySide6.QtWidgets import QPushButton

from srgan_desktop.banner import Banner
from srgan_desktop.theme import Theme


def seen_buttons(banner: Banner) -> list[str]:
    return [button.text() for button in banner.findChildren(QPushButton) if button.isVisible()]


def test_a_banner_that_is_seen_changes_words_and_buttons_together(theme: Theme, qtbot) -> None:
    banner = Banner(theme)
    qtbot.addWidget(banner)
    banner.say("good", "Ready", "2 pictures.", [("Show in folder", banner.hide)])
    assert banner.text == "Ready 2 pictures."
    assert seen_buttons(banner) == ["Show in folder"]
    banner.say("bad", "One failed", "", [("Show why…", banner.hide), ("Try again", banner.hide)])
    assert banner.text == "One failed"
    assert seen_buttons(banner) == ["Show why…", "Try again"]
    banner.say("info", "Nothing new")
    assert banner.isVisible()
    assert seen_buttons(banner) == []
