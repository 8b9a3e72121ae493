"""`srgan cluster`: what a batch would take on many machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cluster.options import Share
from core.commands.console import Json, add_command, print_json, running_command
from core.commands.options import option, read_settings, takes_settings
from core.commands.upscale import request_of
from core.contract.settings import OUTPUT
from core.language import gettext as _


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    cluster = typer.Typer(no_args_is_help=True, help=_("Plan work on many machines; “upscale --cluster” does it."))
    cluster.callback()(_cluster)
    add_command(cluster, "plan", plan_command)
    app.add_typer(cluster, name="cluster")


def _cluster() -> None:
    pass


@takes_settings
def plan_command(
    inputs: Annotated[list[Path], typer.Argument(help=_("Pictures, and folders of pictures."))],
    *,
    output: Annotated[Path | None, option(OUTPUT)] = None,
    given: dict[str, Any],
    workers: Annotated[int, typer.Option("--workers", min=1, help=_("How many there will be."))] = 1,
    per_worker: Annotated[
        str | None,
        typer.Option("--per-worker", metavar="SHARE", help=_("What each will have: gpu=1, or cpu=4, or both.")),
    ] = None,
    price: Annotated[
        float | None, typer.Option("--price", min=0, help=_("What a worker costs an hour, in any currency."))
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how long a batch takes on so many workers, and what it costs: some of its pictures are measured here."""
    from core.cluster.estimate import estimate

    with running_command() as (cancel, console):
        share = Share(1) if per_worker is None else Share.parse(per_worker)
        found = estimate(request_of(inputs, output, None, read_settings(given)), workers, share.cpus, cancel)
        if as_json:
            print_json([found])
            return
        console.print(
            _(
                "{pictures:,} pictures, {megapixels:,.1f} megapixels of results; {measured} measured "
                "on this machine: {seconds_per_megapixel:.3g} seconds a megapixel with {share}."
            ).format(
                pictures=found.pictures,
                megapixels=found.megapixels,
                measured=found.measured,
                seconds_per_megapixel=found.seconds_per_megapixel,
                share=share,
            ),
            soft_wrap=True,
            highlight=False,
        )
        console.print(
            _("{hours} on {workers:,} such workers, {work} of work in all.").format(
                hours=_hours(found.hours), workers=workers, work=_hours(found.worker_hours)
            )
        )
        if price is not None:
            console.print(
                _("Cost: {cost:,.2f}, at {price:g} a worker and hour.").format(
                    cost=found.worker_hours * price, price=price
                )
            )


def _hours(hours: float) -> str:
    if hours >= 48:
        return _("{days:,.1f} days").format(days=hours / 24)
    if hours >= 1:
        return _("{hours:.1f} hours").format(hours=hours)
    return _("{minutes:.1f} minutes").format(minutes=hours * 60)
