"""The one error that is meant for people."""

from __future__ import annotations


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
