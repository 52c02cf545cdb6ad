"""Commands about connections: log in, try them, see how they are, pause and resume."""

import asyncio
import sys
import webbrowser
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from connector.adapters.gate.authorize import Outcome
from connector.adapters.http import request
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.runtime import Runtime
from connector.adapters.systems import Check, RoomParts, room
from connector.console.output import Failed, Output, Refused, table
from connector.console.session import JsonFlag, TenantOption, actor, command, find_connection, find_tenant, platform
from connector.domain.identity import ConnectionId
from connector.domain.ports.gate import GateError
from connector.domain.ports.tokens import TokenState, token_key
from connector.domain.vendor_error import VendorError

app = typer.Typer()
_LOGIN_WITHIN_S = 900
_ADDRESS_ANSWERS_WITHIN_S = 10.0
_POST_ONLY = 405


@app.command()
@command
async def authorize(
    connection: Annotated[str, typer.Argument(help="The connection to log in for.")],
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link; open it anywhere.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return once the link is printed.")] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Log in at a vendor that wants a person's consent (Exact Online).

    Opens a link that is good once and for 15 minutes; the vendor sends the browser back to ingest at
    PUBLIC_BASE_URL/oauth/callback, which has to be the redirect address registered for the vendor's app.
    """
    output = Output(as_json=as_json)
    async with platform() as run:
        known = find_connection(await run.configuration.current(), connection, tenant)
        if run.settings.callback_address is None:
            raise Refused("PUBLIC_BASE_URL is not set: the vendor could not send the browser back. Set it to ingest's.")
        tokens = PostgresTokenStore(run.engine)
        before = (await tokens.read(known)).generation
        invitation = await run.authorisations().invite(known, run.settings.callback_address)
        link = f"{run.settings.public_base_url}/oauth/start/{invitation}"
        registered = f"The app's registered redirect address has to be {run.settings.callback_address}"
        if no_wait:
            redirect = {"redirect_uri": run.settings.callback_address}
            output.result({"connection": str(known), "link": link, **redirect}, [link, registered])
            return
        output.note(f"Open this link and log in; it is good once and for 15 minutes:\n{link}\n{registered}")
        if as_json:
            sys.stderr.write(f"{link}\n")
        if not no_browser:
            await asyncio.to_thread(webbrowser.open, link)
        generation = await _logged_in(run, tokens, known, before)
        output.result(
            {"connection": str(known), "authorised": True, "generation": generation},
            [f"Connection {known} is authorised. Try it: connector ping {known}"],
        )


async def _logged_in(run: Runtime, tokens: PostgresTokenStore, connection: ConnectionId, before: int) -> int:
    try:
        async with asyncio.timeout(_LOGIN_WITHIN_S):
            while True:
                row = await tokens.read(connection)
                if row.generation > before and row.state is TokenState.VALID:
                    if row.paused:
                        raise Failed(f"Logged in, but connection {connection} is paused: {row.paused}")
                    return row.generation
                await run.listener.wait(token_key(connection), 2.0)
    except TimeoutError:
        raise Failed(
            f"Nobody came back from the vendor within 15 minutes. Where its page showed an error, the app's client id, "
            f"its region, or its redirect address, which has to be {run.settings.callback_address}, is not as "
            f"registered. Run `connector authorize {connection}` again."
        ) from None


@app.command()
@command
async def ping(
    connection: Annotated[str | None, typer.Argument(help="One connection; all where it is left out.")] = None,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Try connections with real calls: token, rights, company, clock, and where webhooks would arrive.

    Ends with 1 where a check did not pass; each says what to do.
    """
    output = Output(as_json=as_json)
    async with platform() as run:
        snapshot = await run.configuration.current()
        if connection is None:
            name = find_tenant(snapshot, tenant)
            chosen = sorted(known for known in snapshot.connections if known.tenant == name)
        else:
            chosen = [find_connection(snapshot, connection, tenant)]
        checks = {known: await _checks(run, known) for known in chosen}
    rows = [
        ("ok" if check.passed else "FAILED", known, check.name, check.detail, check.fix)
        for known, found in checks.items()
        for check in found
    ]
    output.result(
        {str(known): found for known, found in checks.items()},
        [table("", ["", "connection", "check", "found", "to do"], rows)],
    )
    if not all(check.passed for found in checks.values() for check in found):
        raise typer.Exit(1)


async def _checks(run: Runtime, connection: ConnectionId) -> Sequence[Check]:
    known = await run.connection(connection)
    if known.paused is not None:
        return [Check("paused", False, known.paused, f"connector resume {connection}")]
    parts = await run.room_parts(known)
    try:
        found = await room(known.system).ping(parts)
    except VendorError as error:
        found = [Check("call", False, str(error), "See the message; then ping again")]
    return [await _public_address(run, parts), *found] if hasattr(room(known.system), "webhook") else list(found)


async def _public_address(run: Runtime, parts: RoomParts) -> Check:
    """Whether ingest answers where vendors deliver, asked for from here: it takes POST only, and says so."""
    origin, address = run.settings.public_base_url, parts.webhook_address
    if origin is None or address is None:
        detail = "PUBLIC_BASE_URL is not set: no webhooks arrive, sweeps find every change"
        return Check("webhooks", True, detail, "Set it to where vendors reach ingest")
    try:
        answer = await request(run.http, "GET", address, deadline_s=_ADDRESS_ANSWERS_WITHIN_S, body_cap_bytes=65536)
    except VendorError as error:
        why = f"{origin} does not answer ({error.message.rpartition(': ')[2]})"
        return Check("webhooks", False, why, "Mind its DNS, its certificate, and the way from there to ingest")
    if answer.status == _POST_ONLY:
        return Check("webhooks", True, f"ingest answers at {origin}")
    if answer.status == 404 and b"no such endpoint" in answer.body:
        if "webhook_secret" not in await run.vault.readable(parts.connection):
            return Check("webhooks", True, "no webhook_secret is given: none are taken, sweeps find every change")
        fix = "Run ingest on the database of DATABASE_URL; it takes up new connections within seconds"
        return Check("webhooks", False, f"ingest at {origin} does not know this connection", fix)
    fix = "Let PUBLIC_BASE_URL lead to ingest, and /webhooks and /oauth through to it"
    return Check("webhooks", False, f"what answers {answer.status} at {origin} is not ingest", fix)


@app.command()
@command
async def pause(
    name: Annotated[str, typer.Argument(help="A connection or a flow.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it shows in status and audit.")],
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop calling a connection, or stop writing for a flow, until it is resumed. Nothing is lost meanwhile."""
    await _set_paused(name, tenant, reason, Output(as_json=as_json))


@app.command()
@command
async def resume(
    name: Annotated[str, typer.Argument(help="A connection or a flow.")],
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Go on with a paused connection or flow.

    Also with a connection that the platform stopped, once its cause is put right: credentials that were refused are
    tried once more, and a login that could not open its company is looked at again.
    """
    await _set_paused(name, tenant, None, Output(as_json=as_json))


async def _set_paused(name: str, tenant: str | None, reason: str | None, output: Output) -> None:
    async with platform() as run:
        before, _, short = name.rpartition("/")
        of = find_tenant(await run.configuration.current(), before or tenant)
        if reason is None:
            kind = await run.configuration.resume(of, short, actor())
            if kind == "connection":
                await _let_go_on(run, ConnectionId(of, short))
        else:
            kind = await run.configuration.pause(of, short, reason, actor())
    done = "goes on" if reason is None else f"is paused: {reason}"
    value: dict[str, Any] = {kind: f"{of}/{short}", "paused": reason}
    output.result(value, [f"{kind} {of}/{short} {done}"])


async def _let_go_on(run: Runtime, connection: ConnectionId) -> None:
    """Lift what the platform stopped by itself."""
    await run.vault.offer_again(connection)
    try:
        login = await run.authorisations().resume(run.gate, connection)
    except (GateError, VendorError) as error:
        raise Failed(f"{connection} goes on, but its login could not be looked at yet: {error}") from error
    if login is not None and login.outcome is Outcome.WRONG_ACCOUNT:
        raise Failed(f"{login.message} Next: {login.next_step}")
