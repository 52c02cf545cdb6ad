"""Commands that set a platform up: the database's schema, Kafka's topics and rights, the vault's keys, a sandbox."""

import asyncio
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from connector.adapters.kafka.admin import apply_topics, needed_acls
from connector.adapters.postgres.migrating import migrate as migrate_schema
from connector.adapters.runtime import kafka_settings, runtime_settings
from connector.adapters.systems import names
from connector.adapters.vault import RotationProgress, rotate
from connector.console.output import Failed, Output, table
from connector.console.session import JsonFlag, command, platform
from connector.domain.ports.log import catalogue

app = typer.Typer()
topics = typer.Typer(help="Kafka's topics and the rights needed on them.", no_args_is_help=True)
keys = typer.Typer(help="The vault's keys.", no_args_is_help=True)


@app.command()
@command
async def migrate(as_json: JsonFlag = False) -> None:
    """Bring the database of DATABASE_URL to this version's schema, one migrator at a time."""
    revision = await asyncio.to_thread(migrate_schema, runtime_settings().database_url)
    Output(as_json=as_json).result({"revision": revision}, [f"The schema is at {revision}."])


@topics.command("apply")
@command
async def apply(as_json: JsonFlag = False) -> None:
    """Create the topics that are missing; name those that are otherwise than they should be."""
    applied = await asyncio.to_thread(apply_topics, kafka_settings(), catalogue(names()))
    Output(as_json=as_json).result(
        applied,
        [
            f"{len(applied.created)} topics created, {len(applied.present)} were there.",
            *(f"differs: {difference}" for difference in applied.differences),
        ],
    )
    if applied.differences:
        raise typer.Exit(1)


@topics.command("acls")
@command
async def acls(as_json: JsonFlag = False) -> None:
    """List the ACLs that the services' Kafka user needs."""
    needed = needed_acls(kafka_settings())
    rows = [(acl.resource, acl.name, acl.pattern, ", ".join(acl.operations)) for acl in needed]
    Output(as_json=as_json).result(needed, [table("", ["resource", "name", "pattern", "operations"], rows)])


@keys.command("rotate")
@command
async def rotate_keys(as_json: JsonFlag = False) -> None:
    """Seal every secret under the key ring's active key, while calls go on; run it again after an interruption."""
    output = Output(as_json=as_json)
    async with platform() as run:
        columns = (TextColumn("sealing anew"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=output.notes, disable=as_json) as progress:
            bar = progress.add_task("sealing", total=None)

            def show(state: RotationProgress) -> None:
                progress.update(bar, total=state.total, completed=state.done + len(state.broken))

            done = await rotate(run.vault, run.sealed, progress=show)
    output.result(done, [f"{done.done} secrets are sealed under the active key.", *done.broken])
    if done.broken:
        raise Failed(f"{len(done.broken)} secrets could not be opened; they stay as they are. Apply them again.")


@app.command()
def sandbox(
    system: Annotated[str, typer.Argument(help="The vendor to stand in for.")],
    port: Annotated[int, typer.Option(help="Where to serve the vendor; 0 takes a free port.")] = 0,
    control_port: Annotated[int, typer.Option(help="Where to serve its controls; 0 takes a free port.")] = 0,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal companies.")] = 1,
    switch: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=JSON", help="A switch of it.")] = None,
) -> None:
    """Serve one vendor alone, as a stand-in: prints its address and credentials as JSON on one line, then serves."""
    from connector.sandbox.__main__ import main

    ports = ["--port", str(port), "--control-port", str(control_port), "--seed", str(seed)]
    main([system, *ports, *(part for value in switch or [] for part in ("--set", value))])
