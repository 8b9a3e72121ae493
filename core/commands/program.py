"""The command line of `srgan`, of all groups of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from core.commands import cluster, models, training, upscale
from core.language import gettext as _
from core.version import VERSION


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"srgan {VERSION}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=_("Upscale pictures with SRGAN, and train it on your own. `srgan-desktop` opens the window."),
)


@app.callback()
def _options(
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=_("Print the version and exit."))
    ] = False,
) -> None:
    pass


upscale.add_to(app)
models.add_to(app)
training.add_to(app)
cluster.add_to(app)
