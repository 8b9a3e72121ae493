"""Which language the window speaks. Nothing here imports a module with texts, as those look them up at once."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import (
    QCoreApplication,
    QLibraryInfo,
    QLocale,
    QProcess,
    QProcessEnvironment,
    QSettings,
    QTranslator,
)

from core import language, paths

KEY = "window/language"
"""The option in the file of settings; it is `system` where nobody chose."""


def settle(path: Path | None = None) -> None:
    """Speak what the environment asks for, else what was chosen in the menu, else what the system does.

    Args:
        path: the file of settings; without one, the user's.
    """
    chosen = str(QSettings(str(path or paths.user_settings()), QSettings.Format.IniFormat).value(KEY, ""))
    asked_for = [chosen] if chosen in language.LANGUAGES else QLocale.system().uiLanguages()
    language.use(language.preferred(asked_for))


def translate_qt(app: QCoreApplication) -> None:
    """Let Qt's own words, as those of its file dialog, and the numbers in its fields be of the same language."""
    QLocale.setDefault(QLocale(language.current()))
    translator = QTranslator(app)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if language.current() != language.ENGLISH and translator.load(f"qtbase_{language.current()}", folder):
        app.installTranslator(translator)


def start_again() -> None:
    """Start the program anew, beside this one that is about to end, in the language that the settings say by now."""
    process = QProcess()
    process.setProgram(sys.executable)
    process.setArguments([] if getattr(sys, "frozen", False) else ["-m", "srgan_desktop"])
    environment = QProcessEnvironment.systemEnvironment()
    # This process has put its own language there.
    environment.remove(language.VARIABLE)
    process.setProcessEnvironment(environment)
    process.startDetached()
