"""The `srgan` command. Each group of commands stands in a module of its own in `core.commands`."""

from __future__ import annotations

import multiprocessing
import sys
from typing import Annotated

import typer

from core.commands import cluster, models, training, upscale
from core.edition import missing_torch
from core.version import VERSION


def main() -> None:
    """Entry point of `srgan`."""
    # Before anything else: in a frozen program every worker process starts here too, and goes no further.
    multiprocessing.freeze_support()
    for stream in (sys.stdout, sys.stderr):
        # File names may hold what a terminal's encoding does not.
        if stream is not None and hasattr(stream, "reconfigure"):
            # Windows gives a pipe or a file the encoding of its oldest programs, which lacks most of the world's names.
            encoding = "utf-8" if sys.platform == "win32" and not stream.isatty() else None
            stream.reconfigure(encoding=encoding, errors="replace")
    try:
        app()
    except ImportError as error:
        missing = missing_torch(error, f"“srgan {next(iter(sys.argv[1:]), '')}”")
        if missing is None:
            raise
        raise SystemExit(str(missing)) from error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"srgan {VERSION}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Upscale pictures with SRGAN, and train it on your own. `srgan-desktop` opens the window.",
)


@app.callback()
def _options(
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


upscale.add_to(app)
models.add_to(app)
training.add_to(app)
cluster.add_to(app)

if __name__ == "__main__":
    main()
