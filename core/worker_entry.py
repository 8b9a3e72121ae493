"""Where the worker process begins. Plain: the window's process imports this to name the target, and never torch."""

from __future__ import annotations

import importlib
from multiprocessing.connection import Connection

from core import language


def run_worker(connection: Connection) -> None:
    """Serve requests from `connection` until it closes; the target of a `multiprocessing` process.

    It speaks the language of the process that started it, by the environment.
    """
    # Before modules with texts are imported.
    language.use(language.preferred())
    # By name, so that neither Python nor import-linter follows it from the window to torch.
    importlib.import_module("core.worker").serve(connection)
