"""The one error that is meant for people."""

from __future__ import annotations

import sys

from core.language import gettext as _


class UserError(Exception):
    """Something a person can put right: a missing file, a full disk, a broken picture, an impossible setting.

    `message` names the file or setting and says what is wrong; `hint` says what to do about it. Whatever else is raised
    is a defect of the program and keeps its traceback.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


def how_to_install(packages: str) -> str:
    """The hint for an optional package that is not there. Nothing can be put into a packaged program."""
    if getattr(sys, "frozen", False):
        return _(
            "This build of the program came without {packages}; install the program from its source to have it."
        ).format(packages=packages)
    return _("Install it: pip install {packages}").format(packages=packages)
